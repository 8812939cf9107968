/*
 * run_log.h - what scheduled runs write down: backup.log in the backup folder, for people, and .last_run.json, for the
 * status.
 */
#ifndef WHISPERBACKUP_SCHEDULE_RUN_LOG_H
#define WHISPERBACKUP_SCHEDULE_RUN_LOG_H

#include "base/error.h"

#include <stdbool.h>
#include <time.h>

#define RUN_LOG_NAME      "backup.log"
#define RUN_LOG_OLD_NAME  "backup.log.1"
#define RUN_LAST_RUN_NAME ".last_run.json"
#define RUN_LOCK_NAME     ".schedule.lock"

/* Once the log has so many bytes, the next run begins a new one; of the old ones, one is kept. */
enum { RUN_LOG_LIMIT = 1 << 20 };

/* Opens the log in `folder`, which is made if it is missing, for appending. *ret_log is a file descriptor. */
enum status run_log_open(const char *folder, int *ret_log, struct error *error) MUST_CHECK;

/* The last scheduled run. */
struct last_run {
	time_t started;
	time_t finished;   /* 0: it runs, or it was killed */
	int process;       /* its process number */
	int exit_code;     /* once it has finished */
	time_t kept_since; /* when runs began to remove nothing because the clock may be wrong; 0: they remove */
	char summary[512]; /* one line */
};

/* Replaces what is there at once or not at all. What is not UTF-8 in the summary becomes "?". */
enum status run_log_write_last(const char *folder, const struct last_run *run, struct error *error) MUST_CHECK;

/* STATUS_NOT_FOUND if there was none yet; STATUS_FAILED if the file makes no sense. */
enum status run_log_read_last(const char *folder, struct last_run *ret_run, struct error *error) MUST_CHECK;

/*
 * One scheduled run at a time: held from its beginning to its end, by the kernel's leave. *ret_lock is a file
 * descriptor; the folder is made if it is missing. STATUS_LOCKED if another run holds it, and goes on for a second.
 */
enum status run_log_lock(const char *folder, int *ret_lock, struct error *error) MUST_CHECK;

/* Could a run write what it has to in `folder`, which is made if it is missing? Opens lock and log where they are
 * there; makes neither, and holds nothing. */
enum status run_log_try(const char *folder, struct error *error) MUST_CHECK;

/* True while a run holds the lock. */
bool run_log_is_running(const char *folder);

#endif
