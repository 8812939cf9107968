/* schedule run */
#include "base/clock.h"
#include "base/text.h"
#include "base/units.h"
#include "catalog/catalog.h"
#include "commands/display.h"
#include "commands/number.h"
#include "commands/schedule.h"
#include "schedule/cron.h"
#include "schedule/run_log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	DAY_SECONDS = 24 * 3600,
	LEAST_LONG_DAYS = 2,
	DRILL_DUE_SECONDS = 7 * DAY_SECONDS - 12 * 3600, /* a week, less than what a run of the same hour may be late */
};

/* A scheduled run. */
struct work {
	struct session session;
	const char *days;          /* after which backups are removed; NULL if nobody has said so: none is */
	struct backup_list before; /* what was there when it began */
	struct error unlisted;     /* why that is not known */
	struct last_run run;
	bool decided; /* whether old backups are removed in this run */
	bool removes;
	int pause_days; /* the long time, if it was one, between the last backup and this run */
	bool has_log;
	char remarks[400]; /* what the summary says besides, each behind "; " */
};

static void work_close(struct work *work)
{
	session_close(&work->session);
	backup_list_free(&work->before);
}

/* As the command line would run it; a failure is printed as main does. */
static enum exit_code run_command(const struct command *command, const char *argument, struct error *error)
{
	char *words[2] = {NULL, NULL};
	CLEANUP(cleanup_free) char *copy = argument != NULL ? strdup(argument) : NULL;
	struct invocation invocation = {0};
	enum exit_code exit_code = EXIT_FAILED;
	words[0] = copy;
	error_clear(error);
	enum status status = command_parse(command, words, &invocation, error);
	if (status == STATUS_OK) {
		status = command->run(&invocation, &exit_code, error);
	}
	(void)fflush(stdout);
	if (status != STATUS_OK) {
		struct display display;
		display_open(&display, false);
		display_error(&display, error);
		exit_code = command_exit_code(status);
	}
	return exit_code;
}

static void log_line(const char *format, ...) PRINTF_LIKE(1, 2);

static void log_line(const char *format, ...)
{
	char moment[64];
	struct tm calendar;
	time_t now = time(NULL);
	va_list arguments;
	localtime_r(&now, &calendar);
	strftime(moment, sizeof moment, "%Y-%m-%d %H:%M:%S %z", &calendar);
	fprintf(stderr, "=== %s  ", moment);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

static void remark(struct work *work, const char *format, ...) PRINTF_LIKE(2, 3);

static void remark(struct work *work, const char *format, ...)
{
	size_t length = strlen(work->remarks);
	va_list arguments;
	va_start(arguments, format);
	snprintf(work->remarks + length, sizeof work->remarks - length, "; ");
	length = strlen(work->remarks);
	vsnprintf(work->remarks + length, sizeof work->remarks - length, format, arguments);
	va_end(arguments);
}

/* A note that cannot be written is no reason to make no backup. */
static void write_note(const struct session *session, const struct last_run *run)
{
	struct error error;
	if (run_log_write_last(session->backup_folder, run, &error) != STATUS_OK) {
		log_line("the status will not know of this: %s", error.message);
	}
}

/* When the newest of them was made; 0 if there is none. What is dated in the future has a wrong date. */
static time_t newest_moment(const struct backup_list *list)
{
	time_t now = time(NULL);
	time_t newest = 0;
	for (size_t i = 0; i < list->count; i++) {
		time_t began = backup_began(list->items[i]);
		newest = began <= now && began > newest ? began : newest;
	}
	return newest;
}

/* Has the installed schedule no run between that moment and this one? It may be a day late, and where it makes up for
 * one that was slept through, as late as the next one. */
static bool is_next_run(const struct session *session, time_t moment)
{
	CLEANUP(installation_free) struct installation installation = {0};
	struct cron cron;
	struct error ignored;
	schedule_find(session, &installation);
	const struct job *job = installation_job(&installation);
	if (job->command == NULL || cron_parse(job->schedule, &cron, &ignored) != STATUS_OK) {
		return false;
	}
	const time_t now = time(NULL);
	const time_t due = cron_next_here(&cron, job->persistent, moment);
	return due != (time_t)-1 &&
		   (now < due + DAY_SECONDS || (job->persistent && now < cron_next_here(&cron, true, due)));
}

/*
 * Ages count from now. If the newest backup that was there is itself older than backups are kept, the clock may have
 * jumped ahead, and all would go at once; or the machine was off for long, and all may be wanted. Two days are no long
 * time whatever is kept: else daily backups that are kept for one or none would never be removed. Nor would monthly
 * ones that are kept for 30, so the time between two runs of the schedule is none either.
 */
static bool is_recent(const struct work *work, time_t last, time_t now)
{
	const int days = atoi(work->days);
	return last == 0 || last >= timestamp_days_before(now, days > LEAST_LONG_DAYS ? days : LEAST_LONG_DAYS) ||
		   is_next_run(&work->session, last);
}

/*
 * From the first backup after a long pause on nothing is removed for two days: by then runs agree on the clock. Where
 * there is no room for one, from the first try on, or it would never work again. A clock that was set back since was
 * wrong before.
 */
static bool keeps(struct work *work, bool no_room)
{
	time_t *since = &work->run.kept_since;
	const time_t now = time(NULL);
	const time_t last = newest_moment(&work->before);
	*since = *since > now ? 0 : *since;
	const bool over = *since != 0 && now - *since >= LEAST_LONG_DAYS * DAY_SECONDS;
	const bool tried = no_room && *since > last; /* since when there has been no room, and no backup */
	if (!is_recent(work, last, now) && !(tried && over)) {
		*since = tried ? *since : work->run.started; /* before a backup of this run, not after it */
		work->pause_days = (int)((now - last) / DAY_SECONDS);
	} else if (over) {
		*since = 0;
	}
	return *since != 0;
}

static void tell_keeps(struct work *work)
{
	if (work->pause_days > 0) {
		log_line("the last backup before this one is %d days old: the clock may be wrong, so nothing is removed now",
				 work->pause_days);
		remark(work, "nothing was removed: the last backup before this one is %d days old", work->pause_days);
	} else {
		log_line("the clock may have been wrong less than two days ago: nothing is removed now");
		remark(work, "nothing was removed: the clock may have been wrong less than two days ago");
	}
}

/* Once something was saved, or there was no room for it. The next run has to know, even if this one is killed now. */
static void decide(struct work *work, bool no_room)
{
	work->decided = true;
	work->removes = !keeps(work, no_room);
	write_note(&work->session, &work->run);
}

/* Whether old backups go in this run; if they stay for the clock's sake, that is told. */
static bool removes(struct work *work, bool no_room)
{
	if (work->days != NULL && !work->decided) {
		decide(work, no_room);
		if (!work->removes) {
			tell_keeps(work);
		}
	}
	return work->removes;
}

static enum exit_code clean_up(const struct work *work, struct error *error)
{
	struct display display;
	if (work->unlisted.status == STATUS_OK) {
		return run_command(&command_cleanup, work->days, error);
	}
	display_open(&display, false);
	display_error(&display, &work->unlisted);
	*error = work->unlisted;
	return command_exit_code(error->status);
}

/*
 * Backups are made first, and old ones removed only if that went well: they may be all there is. Except where there is
 * no room for a new one: then the old ones that are due go first, or it would never work again.
 */
static enum exit_code back_up(struct work *work)
{
	struct error error = {0};
	struct last_run *run = &work->run;
	enum exit_code exit_code = run_command(&command_create, NULL, &error);
	if (exit_code == EXIT_FAILED && error.status == STATUS_NO_SPACE && removes(work, true)) {
		log_line("no room: old backups are removed first, then it is tried once more");
		(void)clean_up(work, &error);
		exit_code = run_command(&command_create, NULL, &error);
	}
	if (exit_code == EXIT_DONE) {
		snprintf(run->summary, sizeof run->summary, "done");
		exit_code = removes(work, false) ? clean_up(work, &error) : EXIT_DONE;
		if (exit_code != EXIT_DONE) {
			snprintf(run->summary, sizeof run->summary, "backed up, but cleanup failed: %.400s", error.message);
		}
		return exit_code;
	}
	if (exit_code == EXIT_PARTIAL) {
		if (work->days != NULL && !work->decided) {
			decide(work, false);
		}
		snprintf(run->summary, sizeof run->summary, "partial: a store failed; older backups were kept");
	} else {
		snprintf(run->summary, sizeof run->summary, "failed: %.400s", error.message);
	}
	return exit_code;
}

/* True if no drill has gone well for a week. */
static bool drill_is_due(const struct session *session)
{
	CLEANUP(backup_list_free) struct backup_list list = {0};
	struct error ignored;
	time_t last = 0;
	if (catalog_list(session->backup_folder, &list, &ignored) != STATUS_OK) {
		return true; /* the drill will say why */
	}
	for (size_t i = 0; i < list.count; i++) {
		const struct verified_run *drill = &list.items[i]->verified.drill;
		last = drill->good && drill->when > last ? drill->when : last;
	}
	time_t now = time(NULL);
	return last > now || now - last > DRILL_DUE_SECONDS;
}

/* Of the newest backup. It was made, whatever comes of this. */
static enum exit_code drill(const struct session *session, struct last_run *run)
{
	struct error error = {0};
	if (!drill_is_due(session)) {
		return EXIT_DONE;
	}
	log_line("drill of the newest backup");
	enum exit_code exit_code = run_command(&command_verify, "--drill", &error);
	if (exit_code == EXIT_DAMAGED && error.status == STATUS_OK) {
		snprintf(run->summary, sizeof run->summary, "backed up, but a drill shows that it would not come back");
	} else if (exit_code != EXIT_DONE) {
		snprintf(run->summary, sizeof run->summary, "backed up, but the drill failed: %.400s", error.message);
	} else {
		snprintf(run->summary, sizeof run->summary, "done, and drilled");
	}
	return exit_code;
}

static enum status open_run(const struct invocation *invocation, struct session *session, int *lock,
							struct error *error)
{
	enum status status = session_open(invocation, session, error);
	if (status == STATUS_OK && session->folder_chosen && access(session->backup_folder, F_OK) != 0) {
		(void)error_set_errno(error, "the backup folder %s is not there", session->backup_folder);
		(void)error_hint(error, "is its disk mounted? else make the folder, or install the schedule again");
		return error->status = STATUS_FAILED;
	}
	if (status == STATUS_OK) {
		status = session_guard(session, error);
	}
	if (status == STATUS_OK) {
		status = run_log_lock(session->backup_folder, lock, error);
	}
	/* It may just have been made, and not by us. Then no note is left there; `schedule status` sees the same. */
	return status == STATUS_OK ? session_guard(session, error) : status;
}

/*
 * From here on everything goes to the log; *ret_scheduler is what standard error was, which cron sends by mail. A log
 * that cannot be written is no reason to make no backup: standard error takes its place.
 */
static void write_to_log(struct work *work, int *ret_scheduler)
{
	CLEANUP(cleanup_close) int log = -1;
	struct error error;
	enum status status = run_log_open(work->session.backup_folder, &log, &error);
	*ret_scheduler = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (status == STATUS_OK && (*ret_scheduler < 0 || dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)) {
		status = error_set_errno(&error, "cannot write to the log");
	}
	work->has_log = status == STATUS_OK;
	if (!work->has_log) {
		(void)dup2(STDERR_FILENO, STDOUT_FILENO);
		remark(work, "the log could not be written: %s", error.message);
	}
}

enum status schedule_run(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error)
{
	CLEANUP(work_close) struct work work = {.days = invocation->argument_count > 1 ? invocation->arguments[1] : NULL};
	CLEANUP(cleanup_close) int lock = -1;
	CLEANUP(cleanup_close) int scheduler = -1;
	char seconds[UNITS_SIZE];
	unsigned ignored = 0;
	struct session *session = &work.session;
	struct last_run *run = &work.run;
	enum status status =
		work.days != NULL ? number_parse(work.days, "a number of days", 0, RETENTION_MOST, &ignored, error) : STATUS_OK;
	if (status == STATUS_OK) {
		status = open_run(invocation, session, &lock, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	write_to_log(&work, &scheduler);
	struct last_run previous = {0};
	struct error ignored_error;
	(void)!run_log_read_last(session->backup_folder, &previous, &ignored_error);
	*run = (struct last_run){.started = time(NULL), .process = getpid(), .kept_since = previous.kept_since};
	double began = clock_seconds();
	log_line("scheduled backup of %s", session->project_folder_shown);
	write_note(session, run);
	if (catalog_list(session->backup_folder, &work.before, &work.unlisted) == STATUS_OK) {
		error_clear(&work.unlisted);
	}
	*ret_exit_code = back_up(&work);
	if (*ret_exit_code == EXIT_DONE && invocation->options[OPTION_DRILL] != NULL) {
		*ret_exit_code = drill(session, run);
	}
	run->finished = time(NULL);
	run->exit_code = *ret_exit_code;
	snprintf(run->summary + strlen(run->summary), sizeof run->summary - strlen(run->summary), "%s", work.remarks);
	text_make_line(run->summary); /* it is one in the log, too */
	write_note(session, run);
	log_line("%s, in %s (exit code %d)", run->summary, units_seconds(clock_seconds() - began, seconds),
			 (int)run->exit_code);
	if (work.has_log && dup2(scheduler, STDERR_FILENO) >= 0 && run->exit_code != EXIT_DONE) {
		fprintf(stderr, "whisperbackup: scheduled backup of %s: %s\nSee %s/" RUN_LOG_NAME "\n",
				session->project_folder_shown, run->summary, session->backup_folder_shown);
	}
	return STATUS_OK;
}
