#include "schedule/job.h"

#include "base/buffer.h"

#include <stdlib.h>
#include <string.h>

enum { COMMAND_LIMIT = 64 << 10 }; /* bytes; crontab(1) has a limit of its own, and says so */

#define RUN          " schedule run"
#define RUN_WORDS    RUN " "
#define DRILL_WORDS  " --drill"
#define QUOTED_QUOTE "'\"'\"'"

void job_free(struct job *job)
{
	free(job->schedule);
	free(job->command);
	for (size_t i = 0; job->settings != NULL && job->settings[i] != NULL; i++) {
		free(job->settings[i]);
	}
	free(job->settings);
	*job = (struct job){0};
}

/*
 * What a character becomes between single quotes; NULL for itself. csh reads "!" there, and fish "\\" and "\'" (tried
 * with tcsh 6.24 and fish 3.6), so these stand between two quoted parts. A backslash that fish leaves alone stays
 * single: crontab.h tells why.
 */
static const char *instead(const char *at)
{
	if (*at == '\'') {
		return QUOTED_QUOTE;
	}
	if (*at == '!') {
		return "'\\!'";
	}
	return *at == '\\' && (at[1] == '\0' || strchr("\\'!%", at[1]) != NULL) ? "'\\\\'" : NULL;
}

static enum status quote(struct buffer *text, const char *word, struct error *error)
{
	enum status status = buffer_append_text(text, "'", error);
	for (; status == STATUS_OK && *word != '\0'; word++) {
		if (*word == '\n' || *word == '\r') {
			(void)error_set(error, STATUS_USAGE, "a path or setting with a line break in it cannot be scheduled");
			return error_hint(error, "rename the folder");
		}
		const char *other = instead(word);
		status = other != NULL ? buffer_append_text(text, other, error) : buffer_append(text, word, 1, error);
	}
	return status == STATUS_OK ? buffer_append_text(text, "'", error) : status;
}

enum status job_command(const struct job_request *request, char **ret_command, struct error *error)
{
	struct buffer text = BUFFER_INIT(COMMAND_LIMIT);
	if (request->variables[0] != NULL && strchr(request->program, '=') != NULL) {
		(void)error_set(error, STATUS_USAGE, "%s cannot be scheduled with settings: env would take it for one of them",
						request->program);
		return error_hint(error, "rename the folder with the \"=\", or write the settings into .env");
	}
	enum status status = buffer_append_text(&text, "cd ", error);
	if (status == STATUS_OK) {
		status = quote(&text, request->project_folder, error);
	}
	if (status == STATUS_OK) {
		status = buffer_append_text(&text, " && ", error);
	}
	for (size_t i = 0; status == STATUS_OK && request->variables[i] != NULL; i++) {
		status = buffer_append_text(&text, i == 0 ? "env " : "", error);
		if (status == STATUS_OK) {
			status = quote(&text, request->variables[i], error);
		}
		if (status == STATUS_OK) {
			status = buffer_append_text(&text, " ", error);
		}
	}
	if (status == STATUS_OK) {
		status = quote(&text, request->program, error);
	}
	if (status == STATUS_OK) {
		status = request->days != JOB_KEEPS_ALL ? buffer_printf(&text, error, RUN_WORDS "%d", request->days)
												: buffer_append_text(&text, RUN, error);
	}
	if (status == STATUS_OK && request->drill) {
		status = buffer_append_text(&text, DRILL_WORDS, error);
	}
	if (status != STATUS_OK) {
		buffer_free(&text);
		return status;
	}
	*ret_command = text.data;
	return STATUS_OK;
}

/* The text that quote() made `quoted` of; *quoted is moved on behind it. NULL when out of memory. */
static char *unquote(const char **quoted)
{
	const char *at = *quoted + 1;
	char *text = malloc(strlen(at) + 1);
	size_t length = 0;
	while (text != NULL && *at != '\0') {
		if (*at != '\'') {
			text[length++] = *at++;
		} else if (strncmp(at, QUOTED_QUOTE, strlen(QUOTED_QUOTE)) == 0) {
			text[length++] = '\'';
			at += strlen(QUOTED_QUOTE);
		} else if (at[1] == '\\' && (at[2] == '!' || at[2] == '\\') && at[3] == '\'') {
			text[length++] = at[2];
			at += 4;
		} else {
			at++;
			break;
		}
	}
	if (text != NULL) {
		text[length] = '\0';
	}
	*quoted = at;
	return text;
}

enum status job_variable(const char *command, const char *name, char **ret_value, struct error *error)
{
	size_t length = strlen(name);
	*ret_value = NULL;
	for (const char *at = command; (at = strchr(at, '\'')) != NULL;) {
		CLEANUP(cleanup_free) char *word = unquote(&at);
		if (word == NULL) {
			return error_memory(error);
		}
		if (strncmp(word, name, length) == 0 && word[length] == '=') {
			*ret_value = strdup(word + length + 1);
			return *ret_value != NULL ? STATUS_OK : error_memory(error);
		}
	}
	return STATUS_OK;
}

/* What stands behind the number of days; NULL if the command is none of ours. */
static const char *read_days(const char *command, unsigned *ret_days)
{
	const char *last = NULL;
	for (const char *at = command; (at = strstr(at, RUN_WORDS)) != NULL; at += strlen(RUN_WORDS)) {
		last = at + strlen(RUN_WORDS);
	}
	char *end = NULL;
	unsigned long days = last != NULL ? strtoul(last, &end, 10) : 0;
	*ret_days = (unsigned)days;
	return last != NULL && end != last && days < 1000000 && (*end == '\0' || strcmp(end, DRILL_WORDS) == 0) ? end
																											: NULL;
}

bool job_is_ours(const char *command)
{
	unsigned days = 0;
	return read_days(command, &days) != NULL;
}

unsigned job_days(const char *command)
{
	unsigned days = 0;
	return read_days(command, &days) != NULL ? days : 0;
}

bool job_drills(const char *command)
{
	unsigned days = 0;
	const char *rest = read_days(command, &days);
	return rest != NULL && rest[0] != '\0';
}
