#include "schedule/systemd.h"

#include "base/files.h"
#include "base/process.h"
#include "base/text.h"
#include "pipeline/digest.h"
#include "pipeline/file.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { UNIT_LIMIT = 256 << 10, TALK_LIMIT = 16 << 10, HASH_SIZE = 18 }; /* bytes */

#define SCHEDULE_LINE  "# schedule: "
#define INSTALLED_LINE "# installed: "
#define EXEC_BEGIN     "ExecStart=/bin/sh -c \""

/*
 * As systemd-escape(1) does it: "/" becomes "-", what cannot be in a unit's name becomes \xNN. The name of a folder
 * that is too long for it ends with a hash of the whole.
 */
const char *systemd_name(const char *project_folder, char ret_name[SYSTEMD_NAME_SIZE])
{
	size_t length = (size_t)snprintf(ret_name, SYSTEMD_NAME_SIZE, "whisperbackup");
	for (const char *at = project_folder; *at != '\0'; at++) {
		if (length + 5 >= SYSTEMD_NAME_SIZE) {
			char digest[DIGEST_TEXT_SIZE] = "";
			struct error ignored;
			(void)!digest_text(project_folder, digest, &ignored);
			snprintf(ret_name + SYSTEMD_NAME_SIZE - HASH_SIZE, HASH_SIZE, "-%.16s", digest);
			break;
		}
		unsigned char c = (unsigned char)*at;
		if (c == '/') {
			length += (size_t)snprintf(ret_name + length, SYSTEMD_NAME_SIZE - length, "-");
		} else {
			bool plain = isalnum(c) || c == '_' || c == '.';
			length += (size_t)snprintf(ret_name + length, SYSTEMD_NAME_SIZE - length, plain ? "%c" : "\\x%02x", c);
		}
	}
	return ret_name;
}

/* systemctl --user WORDS; STATUS_FAILED with what it said. */
static enum status systemctl(const char *first, const char *second, const char *third, struct buffer *output,
							 struct error *error)
{
	const char *const arguments[] = {"systemctl", "--user", "--no-pager", first, second, third, NULL};
	CLEANUP(buffer_free) struct buffer ignored = BUFFER_INIT(TALK_LIMIT);
	CLEANUP(buffer_free) struct buffer errors = BUFFER_INIT(TALK_LIMIT);
	int exit_code = 0;
	enum status status = process_run(arguments, NULL, output != NULL ? output : &ignored, &errors, &exit_code, error);
	if (status == STATUS_OK && exit_code != 0) {
		buffer_trim(&errors);
		status = error_set(error, STATUS_FAILED, "systemctl --user %s: %s", first, buffer_text(&errors));
	}
	return status;
}

enum status systemd_available(struct error *error)
{
	struct error reason;
	enum status status = systemctl("show-environment", NULL, NULL, NULL, &reason);
	if (status == STATUS_OK) {
		return STATUS_OK;
	}
	(void)error_set(error, STATUS_UNAVAILABLE, "systemd timers of your own cannot be used here: %s", reason.message);
	return error_hint(error,
					  "leave out --systemd: cron does the same, except that it does not make up for missed runs");
}

static enum status units_folder(char **ret_folder, struct error *error)
{
	const char *configuration = getenv("XDG_CONFIG_HOME");
	const char *home = getenv("HOME");
	int length = -1;
	if (configuration != NULL && configuration[0] == '/') {
		length = asprintf(ret_folder, "%s/systemd/user", configuration);
	} else if (home != NULL && home[0] == '/') {
		length = asprintf(ret_folder, "%s/.config/systemd/user", home);
	} else {
		return error_set(error, STATUS_UNAVAILABLE, "HOME is not set, so your systemd units cannot be found");
	}
	return length < 0 ? error_memory(error) : STATUS_OK;
}

static enum status unit_path(const char *project_folder, const char *ending, char **ret_path, struct error *error)
{
	char name[SYSTEMD_NAME_SIZE];
	CLEANUP(cleanup_free) char *folder = NULL;
	enum status status = units_folder(&folder, error);
	if (status == STATUS_OK && asprintf(ret_path, "%s/%s%s", folder, systemd_name(project_folder, name), ending) < 0) {
		status = error_memory(error);
	}
	return status;
}

/* As it has to stand between double quotes in ExecStart (systemd.service(5), "COMMAND LINES"; systemd.unit(5) on %). */
static enum status append_escaped(struct buffer *text, const char *command, struct error *error)
{
	enum status status = STATUS_OK;
	for (; status == STATUS_OK && *command != '\0'; command++) {
		const char *before = strchr("\\\"", *command) != NULL ? "\\"
							 : *command == '%'                ? "%"
							 : *command == '$'                ? "$"
															  : "";
		status = buffer_append_text(text, before, error);
		if (status == STATUS_OK) {
			status = buffer_append(text, command, 1, error);
		}
	}
	return status;
}

/* In the place of the one that is there, at once or not at all. */
static enum status write_unit(const char *project_folder, const char *ending, const char *text, struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(cleanup_free) char *new_path = NULL;
	CLEANUP(cleanup_free) char *folder = NULL;
	CLEANUP(cleanup_sink) struct sink *file = NULL;
	enum status status = unit_path(project_folder, ending, &path, error);
	if (status == STATUS_OK && asprintf(&new_path, "%s.new", path) < 0) {
		new_path = NULL;
		status = error_memory(error);
	}
	if (status == STATUS_OK) {
		status = units_folder(&folder, error);
	}
	if (status == STATUS_OK) {
		status = files_make_folder(folder, 0755, error);
	}
	if (status == STATUS_OK) {
		status = files_remove(new_path, error);
	}
	if (status == STATUS_OK) {
		status = file_sink_new(new_path, &file, error);
	}
	if (status == STATUS_OK) {
		status = sink_write(file, text, strlen(text), error);
	}
	if (status == STATUS_OK) {
		status = sink_finish(file, error);
	}
	if (status == STATUS_OK && rename(new_path, path) != 0) {
		status = error_set_errno(error, "cannot write %s", path);
	}
	if (status != STATUS_OK && new_path != NULL) {
		(void)unlink(new_path);
	}
	return status;
}

/* A unit's text; NULL if there is none. Owned by the caller. */
static enum status read_unit(const char *project_folder, const char *ending, char **ret_text, struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	enum status status = unit_path(project_folder, ending, &path, error);
	if (status == STATUS_OK) {
		status = files_read_text(path, ret_text, error);
	}
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status write_service(const char *project_folder, const char *command, struct error *error)
{
	CLEANUP(buffer_free) struct buffer text = BUFFER_INIT(UNIT_LIMIT);
	enum status status = buffer_append_text(&text,
											"# Made by \"whisperbackup schedule install\", removed by \"schedule "
											"uninstall\".\n[Unit]\nDescription=Backup of WhisperEngine's data\n\n"
											"[Service]\nType=oneshot\n" EXEC_BEGIN,
											error);
	if (status == STATUS_OK) {
		status = append_escaped(&text, command, error);
	}
	if (status == STATUS_OK) {
		status = buffer_append_text(&text, "\"\n", error);
	}
	return status == STATUS_OK ? write_unit(project_folder, ".service", buffer_text(&text), error) : status;
}

static enum status write_timer(const char *project_folder, const char *schedule, const char *calendar, time_t now,
							   struct error *error)
{
	CLEANUP(buffer_free) struct buffer text = BUFFER_INIT(UNIT_LIMIT);
	enum status status =
		buffer_printf(&text, error,
					  "# Made by \"whisperbackup schedule install\", removed by \"schedule uninstall\".\n" SCHEDULE_LINE
					  "%s\n" INSTALLED_LINE
					  "%lld\n[Unit]\nDescription=Backups of WhisperEngine's data\n\n[Timer]\n%sPersistent=true\n"
					  "\n[Install]\nWantedBy=timers.target\n",
					  schedule, (long long)now, calendar);
	return status == STATUS_OK ? write_unit(project_folder, ".timer", buffer_text(&text), error) : status;
}

static enum status remove_unit(const char *project_folder, const char *ending, struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	enum status status = unit_path(project_folder, ending, &path, error);
	return status == STATUS_OK ? files_remove(path, error) : status;
}

static const char *timer_name(const char *project_folder, char ret_name[SYSTEMD_NAME_SIZE + 8])
{
	char name[SYSTEMD_NAME_SIZE];
	snprintf(ret_name, SYSTEMD_NAME_SIZE + 8, "%s.timer", systemd_name(project_folder, name));
	return ret_name;
}

/* systemd ignores a line that is not UTF-8, and a line break would begin another. */
static enum status check_words(const char *schedule, const char *command, struct error *error)
{
	if (!text_has_controls(schedule) && !text_has_controls(command) && text_is_utf8(command)) {
		return STATUS_OK;
	}
	(void)error_set(error, STATUS_USAGE,
					"a path or setting with a control character in it, or that is not UTF-8, cannot be scheduled");
	return error_hint(error, "rename the folder");
}

static enum status start_timer(const char *name, struct error *error)
{
	enum status status = systemctl("daemon-reload", NULL, NULL, NULL, error);
	if (status == STATUS_OK) {
		status = systemctl("enable", name, NULL, NULL, error);
	}
	/* One that runs already must take up the new times. */
	return status == STATUS_OK ? systemctl("restart", name, NULL, NULL, error) : status;
}

/* `text` is NULL if there was none. */
static void put_back(const char *project_folder, const char *ending, const char *text)
{
	struct error ignored;
	(void)!(text != NULL ? write_unit(project_folder, ending, text, &ignored)
						 : remove_unit(project_folder, ending, &ignored));
}

/* As it was before an install that failed: an earlier timer goes on. */
static void go_back(const char *project_folder, const char *old_timer, const char *old_service)
{
	char name[SYSTEMD_NAME_SIZE + 8];
	struct error ignored;
	bool whole = old_timer != NULL && old_service != NULL;
	if (!whole) {
		(void)!systemctl("disable", "--now", timer_name(project_folder, name), NULL, &ignored);
	}
	put_back(project_folder, ".service", old_service);
	put_back(project_folder, ".timer", old_timer);
	(void)!(whole ? start_timer(timer_name(project_folder, name), &ignored)
				  : systemctl("daemon-reload", NULL, NULL, NULL, &ignored));
}

enum status systemd_install(const char *project_folder, const char *schedule, const char *calendar, const char *command,
							time_t now, struct error *error)
{
	char name[SYSTEMD_NAME_SIZE + 8];
	CLEANUP(cleanup_free) char *old_timer = NULL;
	CLEANUP(cleanup_free) char *old_service = NULL;
	enum status status = check_words(schedule, command, error);
	if (status == STATUS_OK) {
		status = read_unit(project_folder, ".timer", &old_timer, error);
	}
	if (status == STATUS_OK) {
		status = read_unit(project_folder, ".service", &old_service, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	status = write_service(project_folder, command, error);
	if (status == STATUS_OK) {
		status = write_timer(project_folder, schedule, calendar, now, error);
	}
	if (status == STATUS_OK) {
		status = start_timer(timer_name(project_folder, name), error);
	}
	if (status != STATUS_OK) {
		go_back(project_folder, old_timer, old_service);
	}
	return status;
}

/* In the words of systemctl(1), "is-active". It says so of what it has not loaded as well; if it cannot ask, nothing.
 */
static bool is_known_to_stand_still(const char *timer)
{
	CLEANUP(buffer_free) struct buffer state = BUFFER_INIT(TALK_LIMIT);
	struct error ignored;
	(void)!systemctl("is-active", timer, NULL, &state, &ignored);
	buffer_trim(&state);
	return strcmp(buffer_text(&state), "inactive") == 0 || strcmp(buffer_text(&state), "failed") == 0;
}

/* "disable" knows nothing of a timer whose unit is not there any more; it may have been loaded before. */
static void stop_timer(const char *timer, struct error *ret_doubt)
{
	struct error ignored;
	enum status status = systemctl("disable", "--now", timer, NULL, ret_doubt);
	if (status == STATUS_OK || status == STATUS_NOT_FOUND ||
		systemctl("stop", timer, NULL, NULL, &ignored) == STATUS_OK || is_known_to_stand_still(timer)) {
		error_clear(ret_doubt);
	}
}

enum status systemd_uninstall(const char *project_folder, struct error *ret_doubt, struct error *error)
{
	char name[SYSTEMD_NAME_SIZE + 8];
	struct job job = {0};
	struct error reloading;
	struct error ignored;
	error_clear(ret_doubt);
	enum status status = systemd_find(project_folder, &job, error);
	job_free(&job);
	if (status == STATUS_NOT_FOUND) {
		return status;
	}
	stop_timer(timer_name(project_folder, name), ret_doubt);
	/* When it last ran is noted; else a timer that is installed next month would first make up for that. */
	(void)!systemctl("clean", "--what=state", timer_name(project_folder, name), NULL, &ignored);
	status = remove_unit(project_folder, ".timer", error);
	if (status == STATUS_OK) {
		status = remove_unit(project_folder, ".service", error);
	}
	enum status reloaded = systemctl("daemon-reload", NULL, NULL, NULL, &reloading);
	if (reloaded != STATUS_OK && reloaded != STATUS_NOT_FOUND && ret_doubt->status == STATUS_OK) {
		*ret_doubt = reloading;
	}
	if (ret_doubt->status != STATUS_OK) {
		(void)error_hint(ret_doubt,
						 "logged in as the same user (loginctl shows whose systemd runs): systemctl --user stop '%s'; "
						 "systemctl --user daemon-reload",
						 timer_name(project_folder, name));
	}
	return status;
}

/* The rest of the line that begins with `beginning`; NULL if there is none. Owned by the caller. */
static char *line_after(const char *text, const char *beginning)
{
	const char *line = strstr(text, beginning);
	return line == NULL ? NULL : strndup(line + strlen(beginning), strcspn(line + strlen(beginning), "\n"));
}

static void unescape(char *text)
{
	char *to = text;
	for (const char *from = text; *from != '\0'; from++) {
		bool pair = (*from == '\\' && (from[1] == '\\' || from[1] == '"')) ||
					((*from == '%' || *from == '$') && from[1] == *from);
		from += pair;
		*to++ = *from;
	}
	*to = '\0';
}

/* 0 for one that makes no sense: no more than four digits of a year. */
static time_t read_moment(const char *text)
{
	long long moment = strtoll(text, NULL, 10);
	return moment > 0 && moment < 253402300800LL ? (time_t)moment : 0;
}

static enum status changed(const char *timer_path, struct error *error)
{
	(void)error_set(error, STATUS_FAILED, "%s or its service is not as it was written", timer_path);
	return error_hint(error, "install it again (schedule install --systemd), or remove it (schedule uninstall)");
}

enum status systemd_find(const char *project_folder, struct job *ret_job, struct error *error)
{
	CLEANUP(cleanup_free) char *timer_path = NULL;
	CLEANUP(cleanup_free) char *service_path = NULL;
	CLEANUP(cleanup_free) char *timer = NULL;
	CLEANUP(cleanup_free) char *service = NULL;
	enum status status = unit_path(project_folder, ".timer", &timer_path, error);
	if (status == STATUS_OK) {
		status = unit_path(project_folder, ".service", &service_path, error);
	}
	if (status == STATUS_UNAVAILABLE) {
		return error->status = STATUS_NOT_FOUND; /* without a HOME there can be none */
	}
	enum status service_status = STATUS_OK;
	if (status == STATUS_OK) {
		status = files_read_text(timer_path, &timer, error);
		service_status = files_read_text(service_path, &service, error);
	}
	if ((status == STATUS_NOT_FOUND) != (service_status == STATUS_NOT_FOUND)) {
		return changed(timer_path, error); /* half of it is there */
	}
	if (status != STATUS_OK || service_status != STATUS_OK) {
		return status != STATUS_OK ? status : service_status;
	}
	CLEANUP(cleanup_free) char *installed = line_after(timer, INSTALLED_LINE);
	struct job job = {.schedule = line_after(timer, SCHEDULE_LINE),
					  .command = line_after(service, EXEC_BEGIN),
					  .installed = installed != NULL ? read_moment(installed) : 0,
					  .persistent = true};
	if (job.schedule == NULL || job.command == NULL || job.command[0] == '\0') {
		job_free(&job);
		return changed(timer_path, error);
	}
	job.command[strlen(job.command) - 1] = '\0'; /* the closing quote */
	unescape(job.command);
	*ret_job = job;
	return STATUS_OK;
}

bool systemd_is_active(const char *project_folder)
{
	char name[SYSTEMD_NAME_SIZE + 8];
	struct error ignored;
	return systemctl("is-active", timer_name(project_folder, name), NULL, NULL, &ignored) == STATUS_OK;
}

bool systemd_ends_at_logout(void)
{
	char user[32];
	snprintf(user, sizeof user, "%u", (unsigned)getuid());
	const char *const arguments[] = {"loginctl", "show-user", user, "--property=Linger", NULL};
	CLEANUP(buffer_free) struct buffer output = BUFFER_INIT(TALK_LIMIT);
	CLEANUP(buffer_free) struct buffer errors = BUFFER_INIT(TALK_LIMIT);
	struct error ignored;
	int exit_code = 0;
	return process_run(arguments, NULL, &output, &errors, &exit_code, &ignored) == STATUS_OK && exit_code == 0 &&
		   strncmp(buffer_text(&output), "Linger=no", 9) == 0;
}
