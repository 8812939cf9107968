/* The crontab program, and the daemon that reads what it writes. */
#include "base/files.h"
#include "base/process.h"
#include "schedule/crontab.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_LIMIT = 4 << 20, ERRORS_LIMIT = 16 << 10 };

static enum status not_there(struct error *error)
{
	(void)error_set(error, STATUS_UNAVAILABLE, "there is no crontab program on this machine");
	return error_hint(error, "install cron (Debian, Ubuntu: sudo apt-get install cron), or use --systemd");
}

static enum status refused(const char *what, int exit_code, struct buffer *errors, struct error *error)
{
	buffer_trim(errors);
	return errors->length > 0 ? error_set(error, STATUS_FAILED, "crontab %s: %s", what, buffer_text(errors))
							  : error_set(error, STATUS_FAILED, "crontab %s: exit code %d", what, exit_code);
}

/* What could not be written back whole must not be read: the rest would be lost. */
static enum status check_whole(const struct buffer *text, struct error *error)
{
	if (text->length > TEXT_LIMIT) {
		return error_set(error, STATUS_FAILED, "your crontab has more than %d bytes, and is left alone", TEXT_LIMIT);
	}
	return strlen(buffer_text(text)) == text->length
			   ? STATUS_OK
			   : error_set(error, STATUS_FAILED, "your crontab has a NUL byte in it, and is left alone");
}

/* In the words of Debian's crontab and its relatives, and in those of busybox, which says why it cannot open it. */
static bool says_none(const struct buffer *errors)
{
	const char *said = buffer_text(errors);
	return strstr(said, "no crontab for") != NULL ||
		   (strstr(said, "can't open") != NULL && strstr(said, "No such file") != NULL);
}

/* The text as "crontab -l" of Debian shows it: a carriage return is two characters there, "\\" and "r". */
static enum status as_listed(const char *text, struct buffer *listed, struct error *error)
{
	enum status status = STATUS_OK;
	for (; status == STATUS_OK && *text != '\0'; text++) {
		status = *text == '\r' ? buffer_append_text(listed, "\\r", error) : buffer_append(listed, text, 1, error);
	}
	return status;
}

static void set_editor(const char *visual)
{
	if (visual != NULL) {
		(void)setenv("VISUAL", visual, 1);
	} else {
		(void)unsetenv("VISUAL");
	}
}

/*
 * A listing with "\r" in it may hide carriage returns, which would then be written back as two characters. What an
 * editor is given is the true text; cat shows it.
 */
static enum status read_exactly(struct buffer *text, struct error *error)
{
	static const char *const arguments[] = {"crontab", "-e", NULL};
	struct buffer exact = BUFFER_INIT(TEXT_LIMIT + 1);
	CLEANUP(buffer_free) struct buffer listed = BUFFER_INIT(2 * TEXT_LIMIT);
	CLEANUP(buffer_free) struct buffer errors = BUFFER_INIT(ERRORS_LIMIT);
	const char *visual = getenv("VISUAL");
	CLEANUP(cleanup_free) char *before = visual != NULL ? strdup(visual) : NULL;
	int exit_code = 0;
	set_editor("cat");
	enum status status = process_run(arguments, NULL, &exact, &errors, &exit_code, error);
	set_editor(before);
	if (status == STATUS_OK) {
		status = as_listed(buffer_text(&exact), &listed, error);
	}
	if (status == STATUS_OK && strcmp(buffer_text(&listed), buffer_text(text)) != 0) {
		status = error_set(
			error, STATUS_FAILED,
			"your crontab has carriage returns, or \"\\r\", and crontab does not show which; it is left alone");
	}
	if (status != STATUS_OK) {
		buffer_free(&exact);
		return status;
	}
	buffer_free(text);
	*text = exact;
	return STATUS_OK;
}

enum status crontab_read(char **ret_text, struct error *error)
{
	static const char *const arguments[] = {"crontab", "-l", NULL};
	struct buffer text = BUFFER_INIT(TEXT_LIMIT + 1);
	CLEANUP(buffer_free) struct buffer errors = BUFFER_INIT(ERRORS_LIMIT);
	int exit_code = 0;
	*ret_text = NULL;
	enum status status = process_run(arguments, NULL, &text, &errors, &exit_code, error);
	if (status == STATUS_NOT_FOUND) {
		status = not_there(error);
	} else if (status == STATUS_OK && exit_code != 0 && !says_none(&errors)) {
		status = refused("does not show your crontab", exit_code, &errors, error);
	} else if (status == STATUS_OK && exit_code == 0) {
		status = strstr(buffer_text(&text), "\\r") != NULL ? read_exactly(&text, error) : STATUS_OK;
		if (status == STATUS_OK) {
			status = check_whole(&text, error);
		}
		if (status == STATUS_OK) {
			*ret_text = text.data != NULL ? MOVE(text.data) : strdup("");
			status = *ret_text != NULL ? STATUS_OK : error_memory(error);
		}
	}
	buffer_free(&text);
	return status;
}

static enum status run(const char *const *arguments, const char *input, bool *ret_newline_missing, struct error *error)
{
	CLEANUP(buffer_free) struct buffer output = BUFFER_INIT(ERRORS_LIMIT);
	CLEANUP(buffer_free) struct buffer errors = BUFFER_INIT(ERRORS_LIMIT);
	int exit_code = 0;
	enum status status = process_run(arguments, input, &output, &errors, &exit_code, error);
	if (status == STATUS_NOT_FOUND) {
		return not_there(error);
	}
	*ret_newline_missing = strstr(buffer_text(&errors), "newline") != NULL;
	if (status == STATUS_OK && exit_code != 0) {
		(void)refused("does not take the change, and nothing was changed", exit_code, &errors, error);
		bool too_long = strstr(buffer_text(&errors), "too long") != NULL;
		return too_long ? error_hint(error, "the folder's path is too long for cron: use --systemd, or reach the "
											"folder by a short symbolic link")
						: error->status;
	}
	return status;
}

static enum status expect(const char *text, struct error *error)
{
	CLEANUP(cleanup_free) char *now = NULL;
	enum status status = crontab_read(&now, error);
	if (status != STATUS_OK) {
		return status;
	}
	bool same = text == NULL || now == NULL ? text == now : strcmp(text, now) == 0;
	return same ? STATUS_OK
				: error_set(error, STATUS_FAILED,
							"your crontab is not what was written: something else changes it at the same time");
}

enum status crontab_write(const char *text, bool *ret_newline_added, struct error *error)
{
	static const char *const put[] = {"crontab", "-", NULL};
	static const char *const take[] = {"crontab", "-r", NULL};
	bool newline_missing = false;
	bool added = false;
	CLEANUP(cleanup_free) char *longer = NULL;
	enum status status = run(text != NULL ? put : take, text, &newline_missing, error);
	size_t length = text != NULL ? strlen(text) : 0;
	if (status == STATUS_FAILED && newline_missing && length > 0 && text[length - 1] != '\n') {
		if (asprintf(&longer, "%s\n", text) < 0) {
			longer = NULL;
			return error_memory(error);
		}
		text = longer;
		added = true;
		status = run(put, text, &newline_missing, error);
	}
	if (ret_newline_added != NULL) {
		*ret_newline_added = added;
	}
	return status == STATUS_OK ? expect(text, error) : status;
}

/* The number of namespaces that the process is in, counted from ours, by the line of /proc/PID/status; 1: just ours. */
static int depth_of(const char *process)
{
	char path[64];
	CLEANUP(cleanup_free) char *line = NULL;
	size_t size = 0;
	int depth = 0;
	snprintf(path, sizeof path, "/proc/%.16s/status", process);
	FILE *file = fopen(path, "re");
	while (file != NULL && depth == 0 && getline(&line, &size, file) > 0) {
		if (strncmp(line, "NSpid:", 6) == 0) {
			for (char *rest = line + 6, *number; (number = strsep(&rest, " \t\n")) != NULL;) {
				depth += number[0] != '\0';
			}
		}
	}
	if (file != NULL) {
		fclose(file);
	}
	return depth;
}

static bool is_daemon(const char *process, char ret_name[CRONTAB_DAEMON_SIZE])
{
	static const char *const names[] = {"cron", "crond", "fcron", "bcron-sched", "dcron", NULL};
	char path[64];
	CLEANUP(cleanup_free) char *name = NULL;
	size_t size = 0;
	snprintf(path, sizeof path, "/proc/%.16s/comm", process);
	FILE *file = fopen(path, "re");
	ssize_t length = file != NULL ? getline(&name, &size, file) : -1;
	if (file != NULL) {
		fclose(file);
	}
	for (size_t i = 0; length > 1 && names[i] != NULL; i++) {
		if (strncmp(name, names[i], (size_t)length - 1) == 0 && names[i][length - 1] == '\0') {
			snprintf(ret_name, CRONTAB_DAEMON_SIZE, "%s", names[i]);
			/* One in a container runs that container's crontabs. */
			return depth_of(process) <= depth_of("self");
		}
	}
	return false;
}

int crontab_daemon(char ret_name[CRONTAB_DAEMON_SIZE])
{
	int found = 0;
	DIR *processes = opendir("/proc");
	for (struct dirent *entry; processes != NULL && found == 0 && (entry = readdir(processes)) != NULL;) {
		if (isdigit((unsigned char)entry->d_name[0]) && is_daemon(entry->d_name, ret_name)) {
			found = atoi(entry->d_name);
		}
	}
	if (processes != NULL) {
		closedir(processes);
	}
	/* With "hidepid" other users' processes are not shown. */
	return found == 0 && access("/proc/1/comm", R_OK) != 0 ? -1 : found;
}
