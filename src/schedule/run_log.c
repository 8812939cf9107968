#include "schedule/run_log.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/json_text.h"
#include "base/text.h"
#include "pipeline/file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_EXIT_CODE = 255, LOCK_SECONDS = 1, LOCK_PAUSE_MILLISECONDS = 20 };

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
	/* O_NONBLOCK: a pipe that nobody reads would be waited for. */
	CLEANUP(cleanup_close)
	int log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (log < 0 || fstat(log, &attributes) != 0) {
		return error_set_errno(error, "cannot write the log %s", path);
	}
	if (!S_ISREG(attributes.st_mode)) {
		return error_set(error, STATUS_FAILED, "cannot write the log %s: it is not a file", path);
	}
	*ret_log = cleanup_take(&log);
	return STATUS_OK;
}

enum status run_log_write_last(const char *folder, const struct last_run *run, struct error *error)
{
	struct last_run copy = *run;
	text_make_line(copy.summary);
	CLEANUP(cleanup_json)
	json_t *json = json_pack("{s:I, s:I, s:i, s:i, s:I, s:s}", "started", (json_int_t)run->started, "finished",
							 (json_int_t)run->finished, "process", run->process, "exit_code", run->exit_code,
							 "kept_since", (json_int_t)run->kept_since, "summary", copy.summary);
	CLEANUP(cleanup_free) char *text = json_text_write(json, JSON_COMPACT);
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
	if (status == STATUS_OK) {
		return file_sync_folder(folder, error);
	}
	struct error ignored;
	(void)!files_remove(new_path, &ignored);
	return status;
}

/* One that can be told to people: no more than four digits of a year. */
static bool is_moment(json_int_t seconds)
{
	return seconds >= 0 && seconds < INT64_C(253402300800);
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
	CLEANUP(cleanup_json) json_t *json = NULL;
	if (json_text_read(text, 0, &json, error) == STATUS_NO_MEMORY) {
		return error->status;
	}
	json_int_t started = 0;
	json_int_t finished = 0;
	json_int_t process = 0;
	json_int_t exit_code = 0;
	json_int_t kept_since = 0; /* earlier versions have none */
	const char *summary = NULL;
	if (json_unpack(json, "{s:I, s:I, s:I, s:I, s?I, s:s}", "started", &started, "finished", &finished, "process",
					&process, "exit_code", &exit_code, "kept_since", &kept_since, "summary", &summary) != 0 ||
		!is_moment(started) || !is_moment(finished) || !is_moment(kept_since) || process < 0 || process > INT_MAX ||
		exit_code < 0 || exit_code > MOST_EXIT_CODE) {
		return error_set(error, STATUS_FAILED, "%s is damaged", path);
	}
	struct last_run run = {.started = (time_t)started,
						   .finished = (time_t)finished,
						   .process = (int)process,
						   .exit_code = (int)exit_code,
						   .kept_since = (time_t)kept_since};
	snprintf(run.summary, sizeof run.summary, "%s", summary);
	text_make_line(run.summary);
	*ret_run = run;
	return STATUS_OK;
}

static enum status open_lock(const char *folder, int *ret_lock, struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	enum status status = files_join(folder, RUN_LOCK_NAME, &path, error);
	if (status == STATUS_OK) {
		*ret_lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		status = *ret_lock >= 0 ? STATUS_OK : error_set_errno(error, "cannot write to the backup folder %s", folder);
	}
	return status;
}

/* As flock(2) without LOCK_NB, but not for ever: run_log_is_running has a lock too, for a moment. */
static bool take_lock(int lock)
{
	double until = clock_seconds() + LOCK_SECONDS;
	while (flock(lock, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK || clock_seconds() >= until) {
			return false;
		}
		clock_sleep(LOCK_PAUSE_MILLISECONDS);
	}
	return true;
}

enum status run_log_lock(const char *folder, int *ret_lock, struct error *error)
{
	CLEANUP(cleanup_close) int lock = -1;
	enum status status = files_make_folder(folder, 0700, error);
	if (status == STATUS_OK) {
		status = open_lock(folder, &lock, error);
	}
	if (status == STATUS_OK && !take_lock(lock)) {
		if (errno != EWOULDBLOCK) {
			return error_set_errno(error, "cannot lock the backup folder %s", folder);
		}
		(void)error_set(error, STATUS_LOCKED, "another scheduled backup is at work in %s", folder);
		return error_hint(error, "wait until it has ended; if that is never, the time between two runs is too short");
	}
	if (status == STATUS_OK) {
		*ret_lock = cleanup_take(&lock);
	}
	return status;
}

/* Can it be opened as a run does it? What is not there yet, a run makes. */
static enum status try_file(const char *folder, const char *name, int mode, struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	enum status status = files_join(folder, name, &path, error);
	if (status != STATUS_OK) {
		return status;
	}
	CLEANUP(cleanup_close) int file = open(path, mode | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return file >= 0 || errno == ENOENT ? STATUS_OK : error_set_errno(error, "cannot write to %s", path);
}

enum status run_log_try(const char *folder, struct error *error)
{
	enum status status = files_make_folder(folder, 0700, error);
	if (status == STATUS_OK && eaccess(folder, W_OK | X_OK) != 0) {
		status = error_set_errno(error, "cannot write to the backup folder %s", folder);
	}
	if (status == STATUS_OK) {
		status = try_file(folder, RUN_LOCK_NAME, O_RDWR, error);
	}
	return status == STATUS_OK ? try_file(folder, RUN_LOG_NAME, O_WRONLY | O_APPEND, error) : status;
}

bool run_log_is_running(const char *folder)
{
	CLEANUP(cleanup_free) char *path = NULL;
	struct error ignored;
	if (files_join(folder, RUN_LOCK_NAME, &path, &ignored) != STATUS_OK) {
		return false;
	}
	CLEANUP(cleanup_close) int lock = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return lock >= 0 && flock(lock, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}
