#include "schedule/run_log.h"

#include "base/cleanup.h"
#include "base/files.h"
#include "pipeline/file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void cleanup_json(json_t **json)
{
	json_decref(*json);
}

enum status run_log_open(const char *folder, int *ret_log, struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(cleanup_free) char *old_path = NULL;
	struct stat attributes;
	enum status status = files_make_folder(folder, 0700, error);
	if (status == STATUS_OK) {
		status = files_join(folder, RUN_LOG_NAME, &path, error);
	}
	if (status == STATUS_OK) {
		status = files_join(folder, RUN_LOG_OLD_NAME, &old_path, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	if (lstat(path, &attributes) == 0 && attributes.st_size >= RUN_LOG_LIMIT && rename(path, old_path) != 0) {
		return error_set_errno(error, "cannot put the full log %s aside", path);
	}
	*ret_log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return *ret_log >= 0 ? STATUS_OK : error_set_errno(error, "cannot write the log %s", path);
}

enum status run_log_write_last(const char *folder, const struct last_run *run, struct error *error)
{
	CLEANUP(cleanup_json)
	json_t *json = json_pack("{s:I, s:I, s:i, s:i, s:s}", "started", (json_int_t)run->started, "finished",
							 (json_int_t)run->finished, "process", run->process, "exit_code", run->exit_code, "summary",
							 run->summary);
	CLEANUP(cleanup_free) char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(cleanup_free) char *new_path = NULL;
	CLEANUP(cleanup_sink) struct sink *file = NULL;
	if (text == NULL || asprintf(&path, "%s/" RUN_LAST_RUN_NAME, folder) < 0 ||
		asprintf(&new_path, "%s/" RUN_LAST_RUN_NAME ".new", folder) < 0) {
		return error_memory(error);
	}
	enum status status = files_remove(new_path, error);
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
	return status;
}

enum status run_log_read_last(const char *folder, struct last_run *ret_run, struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(cleanup_free) char *text = NULL;
	enum status status = files_join(folder, RUN_LAST_RUN_NAME, &path, error);
	if (status == STATUS_OK) {
		status = files_read_text(path, &text, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	CLEANUP(cleanup_json) json_t *json = json_loads(text, 0, NULL);
	json_int_t started = 0;
	json_int_t finished = 0;
	struct last_run run = {0};
	const char *summary = NULL;
	if (json_unpack(json, "{s:I, s:I, s:i, s:i, s:s}", "started", &started, "finished", &finished, "process",
					&run.process, "exit_code", &run.exit_code, "summary", &summary) != 0) {
		return error_set(error, STATUS_FAILED, "%s is damaged", path);
	}
	run.started = (time_t)started;
	run.finished = (time_t)finished;
	snprintf(run.summary, sizeof run.summary, "%s", summary);
	*ret_run = run;
	return STATUS_OK;
}

bool run_log_is_running(const struct last_run *run)
{
	return run->finished == 0 && run->process > 0 && (kill(run->process, 0) == 0 || errno == EPERM);
}
