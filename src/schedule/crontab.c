#include "schedule/crontab.h"

#include "base/buffer.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_LIMIT = 4 << 20, FIELDS = 5 };

#define SETTING_NAME "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

#define BEGIN_MARK "# BEGIN whisperbackup "
#define END_MARK   "# END whisperbackup "

/* How the crontab was before the block came, for crontab_take; a line of the block each. */
#define NO_CRONTAB "# before it there was no crontab\n"
#define NO_NEWLINE "# the line before it had no newline\n"

/* A block: where it begins, and the byte behind it. */
struct block {
	const char *begin;
	const char *end;
	bool no_crontab;
	bool no_newline;
};

static const char *line_end(const char *line)
{
	return line + strcspn(line, "\n");
}

static const char *next_line(const char *line)
{
	const char *end = line_end(line);
	return end + (*end == '\n');
}

/* Is the line just MARK and FOLDER? An editor may have given it another line end. */
static bool is_mark(const char *line, const char *mark, const char *folder)
{
	size_t length = (size_t)(line_end(line) - line);
	size_t mark_length = strlen(mark);
	length -= length > 0 && line[length - 1] == '\r';
	return length == mark_length + strlen(folder) && strncmp(line, mark, mark_length) == 0 &&
		   strncmp(line + mark_length, folder, length - mark_length) == 0;
}

static bool is_line(const char *line, const char *text)
{
	return strncmp(line, text, strlen(text)) == 0;
}

static enum status find_block(const char *text, const char *folder, struct block *ret_block, struct error *error)
{
	struct block block = {0};
	for (const char *line = text != NULL ? text : ""; *line != '\0'; line = next_line(line)) {
		if (block.begin == NULL) {
			block.begin = is_mark(line, BEGIN_MARK, folder) ? line : NULL;
			continue;
		}
		if (is_mark(line, END_MARK, folder)) {
			block.end = next_line(line);
			*ret_block = block;
			return STATUS_OK;
		}
		if (strncmp(line, BEGIN_MARK, strlen(BEGIN_MARK)) == 0) {
			break;
		}
		block.no_crontab = block.no_crontab || is_line(line, NO_CRONTAB);
		block.no_newline = block.no_newline || is_line(line, NO_NEWLINE);
	}
	if (block.begin != NULL) {
		(void)error_set(error, STATUS_FAILED, "in your crontab, the line \"%s%s\" has lost its \"%s...\"", BEGIN_MARK,
						folder, END_MARK);
		return error_hint(error, "remove what is left of that block by hand: crontab -e");
	}
	return error_set(error, STATUS_NOT_FOUND, "your crontab has no backups of %s", folder);
}

/* In a crontab, the first "%" of a command would end it, and a backslash in front of "%" or of another is read. */
static enum status append_escaped(struct buffer *text, const char *command, struct error *error)
{
	enum status status = STATUS_OK;
	for (; status == STATUS_OK && *command != '\0'; command++) {
		if (*command == '%' || (*command == '\\' && (command[1] == '%' || command[1] == '\\'))) {
			status = buffer_append_text(text, "\\", error);
		}
		if (status == STATUS_OK) {
			status = buffer_append(text, command, 1, error);
		}
	}
	return status;
}

static enum status append_block(struct buffer *text, const struct block *block, const char *folder,
								const char *schedule, const char *command, time_t now, struct error *error)
{
	struct tm calendar;
	char moment[32];
	gmtime_r(&now, &calendar);
	strftime(moment, sizeof moment, "%Y-%m-%dT%H:%M:%SZ", &calendar);
	enum status status = buffer_printf(
		text, error,
		BEGIN_MARK "%s\n# installed %s by \"schedule install\"; removed by \"schedule uninstall\"\n%s%s%s ", folder,
		moment, block->no_crontab ? NO_CRONTAB : "", block->no_newline ? NO_NEWLINE : "", schedule);
	if (status == STATUS_OK) {
		status = append_escaped(text, command, error);
	}
	return status == STATUS_OK ? buffer_printf(text, error, "\n" END_MARK "%s\n", folder) : status;
}

/* A whole block, of any folder: a line that only looks like the beginning of one is the user's own. */
static bool begins_with_block(const char *text)
{
	struct block block = {0};
	struct error ignored;
	if (strncmp(text, BEGIN_MARK, strlen(BEGIN_MARK)) != 0) {
		return false;
	}
	const char *folder = text + strlen(BEGIN_MARK);
	CLEANUP(cleanup_free) char *copy = strndup(folder, strcspn(folder, "\r\n"));
	return copy != NULL && find_block(text, copy, &block, &ignored) == STATUS_OK && block.begin == text;
}

static enum status take_first(const char *text, const char *project_folder, char **ret_text, struct error *error)
{
	struct block block = {0};
	struct buffer result = BUFFER_INIT(TEXT_LIMIT);
	enum status status = find_block(text, project_folder, &block, error);
	if (status != STATUS_OK) {
		return status;
	}
	size_t before = (size_t)(block.begin - text);
	if (block.no_newline && before > 0 && *block.end == '\0') {
		before--;
	}
	status = buffer_append(&result, text, before, error);
	const char *rest = block.end;
	if (status == STATUS_OK && (block.no_crontab || block.no_newline) && begins_with_block(rest)) {
		/* Another project's block comes next, and it is now the one that knows how the crontab was. */
		rest = next_line(rest);
		status = buffer_append(&result, block.end, (size_t)(rest - block.end), error);
		if (status == STATUS_OK) {
			status = buffer_printf(&result, error, "%s%s", block.no_crontab ? NO_CRONTAB : "",
								   block.no_newline ? NO_NEWLINE : "");
		}
	}
	if (status == STATUS_OK) {
		status = buffer_append_text(&result, rest, error);
	}
	if (status != STATUS_OK) {
		buffer_free(&result);
		return status;
	}
	if (block.no_crontab && result.length == 0) {
		buffer_free(&result);
	}
	*ret_text = result.data;
	return STATUS_OK;
}

/* Somebody may have copied the block; two would make two backups. What has none stays as it is. */
static enum status take_all(const char *text, const char *project_folder, char **ret_text, struct error *error)
{
	CLEANUP(cleanup_free) char *rest = strdup(text);
	enum status status = rest != NULL ? STATUS_OK : error_memory(error);
	while (status == STATUS_OK && rest != NULL) {
		char *less = NULL;
		struct error reason;
		status = take_first(rest, project_folder, &less, &reason);
		if (status == STATUS_NOT_FOUND) {
			break;
		}
		if (status != STATUS_OK) {
			*error = reason;
			return status;
		}
		free(rest);
		rest = less;
	}
	if (status == STATUS_OK || status == STATUS_NOT_FOUND) {
		*ret_text = MOVE(rest);
		status = STATUS_OK;
	}
	return status;
}

enum status crontab_take(const char *text, const char *project_folder, char **ret_text, struct error *error)
{
	struct block block = {0};
	CLEANUP(cleanup_free) char *rest = NULL;
	CLEANUP(buffer_free) struct buffer alone = BUFFER_INIT(TEXT_LIMIT);
	enum status status = find_block(text, project_folder, &block, error);
	if (status == STATUS_OK) {
		status = take_all(block.end, project_folder, &rest, error);
	}
	/* Only now the first: what a copy says of the line before it is not said of the one before the first. */
	if (status == STATUS_OK) {
		status = buffer_append(&alone, text, (size_t)(block.end - text), error);
	}
	if (status == STATUS_OK) {
		status = buffer_append_text(&alone, rest != NULL ? rest : "", error);
	}
	return status == STATUS_OK ? take_first(buffer_text(&alone), project_folder, ret_text, error) : status;
}

enum status crontab_put(const char *text, const char *project_folder, const char *schedule, const char *command,
						time_t now, char **ret_text, struct error *error)
{
	struct block block = {0};
	struct buffer result = BUFFER_INIT(TEXT_LIMIT);
	CLEANUP(cleanup_free) char *rest = NULL;
	if (strpbrk(project_folder, "\r\n") != NULL || strpbrk(schedule, "\r\n") != NULL ||
		strpbrk(command, "\r\n") != NULL) {
		(void)error_set(error, STATUS_USAGE, "a path or setting with a line break in it cannot be scheduled");
		return error_hint(error, "rename the folder");
	}
	enum status status = find_block(text, project_folder, &block, error);
	if (status == STATUS_NOT_FOUND) {
		size_t length = text != NULL ? strlen(text) : 0;
		block.no_crontab = text == NULL;
		block.no_newline = length > 0 && text[length - 1] != '\n';
		block.begin = text != NULL ? text + length : "";
		block.end = block.begin;
		status = STATUS_OK;
	}
	if (status == STATUS_OK) {
		status = take_all(block.end, project_folder, &rest, error);
	}
	if (status == STATUS_OK && text != NULL) {
		status = buffer_append(&result, text, (size_t)(block.begin - text), error);
	}
	if (status == STATUS_OK && result.length > 0 && result.data[result.length - 1] != '\n') {
		status = buffer_append_text(&result, "\n", error);
	}
	if (status == STATUS_OK) {
		status = append_block(&result, &block, project_folder, schedule, command, now, error);
	}
	if (status == STATUS_OK) {
		status = buffer_append_text(&result, rest != NULL ? rest : "", error);
	}
	if (status != STATUS_OK) {
		buffer_free(&result);
		return status;
	}
	*ret_text = result.data;
	return STATUS_OK;
}

/* Reads "0 2 * * * COMMAND", undoing append_escaped. */
static enum status read_entry(const char *line, struct job *job, struct error *error)
{
	const char *end = line_end(line);
	const char *at = line;
	end -= end > line && end[-1] == '\r';
	for (int field = 0; field < FIELDS; field++) {
		at += strcspn(at, " \t\n");
		job->schedule = field == FIELDS - 1 ? strndup(line, (size_t)(at - line)) : NULL;
		at += strspn(at, " \t");
	}
	at = at < end ? at : end; /* the carriage return of a line that has nothing behind its times */
	job->command = calloc(1, (size_t)(end - at) + 1);
	if (job->schedule == NULL || job->command == NULL) {
		return error_memory(error);
	}
	for (size_t length = 0; at < end; at++) {
		at += *at == '\\' && (at[1] == '%' || at[1] == '\\');
		job->command[length++] = *at;
	}
	return STATUS_OK;
}

/* "NAME = VALUE", either of them perhaps in quotes, as "NAME=VALUE" (crontab(5)); NULL if the line is none. */
static char *read_setting(const char *line)
{
	const char *end = line_end(line);
	const char *equals = memchr(line, '=', (size_t)(end - line));
	const char *name = line + strspn(line, " \t\"'");
	size_t name_length = strspn(name, SETTING_NAME);
	if (equals == NULL || name_length == 0 || isdigit((unsigned char)*name) ||
		name + name_length + strspn(name + name_length, " \t\"'") != equals) {
		return NULL;
	}
	const char *value = equals + 1 + strspn(equals + 1, " \t");
	while (end > value && isspace((unsigned char)end[-1])) {
		end--;
	}
	if (end - value >= 2 && (*value == '"' || *value == '\'') && end[-1] == *value) {
		value++;
		end--;
	}
	char *setting = NULL;
	return asprintf(&setting, "%.*s=%.*s", (int)name_length, name, (int)(end - value), value) < 0 ? NULL : setting;
}

/* Those before our block; they hold for it too. */
static enum status read_settings(const char *text, const char *end, struct job *job, struct error *error)
{
	size_t count = 0;
	for (const char *line = text; line < end; line = next_line(line)) {
		char *setting = read_setting(line);
		if (setting == NULL) {
			continue;
		}
		char **more = reallocarray(job->settings, count + 2, sizeof *more);
		if (more == NULL) {
			free(setting);
			return error_memory(error);
		}
		job->settings = more;
		job->settings[count++] = setting;
		job->settings[count] = NULL;
	}
	return STATUS_OK;
}

static time_t read_installed(const char *line)
{
	struct tm calendar = {0};
	if (sscanf(line, "# installed %4d-%2d-%2dT%2d:%2d:%2dZ", &calendar.tm_year, &calendar.tm_mon, &calendar.tm_mday,
			   &calendar.tm_hour, &calendar.tm_min, &calendar.tm_sec) != 6) {
		return 0;
	}
	calendar.tm_year -= 1900;
	calendar.tm_mon -= 1;
	return timegm(&calendar);
}

enum status crontab_find(const char *text, const char *project_folder, struct job *ret_job, struct error *error)
{
	struct block block = {0};
	struct job job = {0};
	enum status status = find_block(text, project_folder, &block, error);
	if (status != STATUS_OK) {
		return status;
	}
	for (const char *line = next_line(block.begin); status == STATUS_OK && line < block.end; line = next_line(line)) {
		const char *entry = line + strspn(line, " \t");
		if ((isdigit((unsigned char)*entry) || *entry == '*') && job.command == NULL) {
			status = read_entry(entry, &job, error);
		} else if (job.installed == 0) {
			job.installed = read_installed(line);
		}
	}
	if (status == STATUS_OK) {
		status = read_settings(text, block.begin, &job, error);
	}
	if (status == STATUS_OK && (job.command == NULL || job.command[0] == '\0')) {
		status = error_set(error, STATUS_FAILED, "the block of %s in your crontab holds no entry", project_folder);
		(void)error_hint(error, "install it again (schedule install), or remove it (schedule uninstall)");
	}
	if (status != STATUS_OK) {
		job_free(&job);
		return status;
	}
	*ret_job = job;
	return STATUS_OK;
}
