/* schedule run, schedule trigger */
#include "base/clock.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/process.h"
#include "base/text.h"
#include "base/units.h"
#include "catalog/catalog.h"
#include "commands/display.h"
#include "commands/number.h"
#include "commands/schedule.h"
#include "schedule/cron.h"
#include "schedule/run_log.h"
#include "schedule/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FOLLOW_MILLISECONDS = 200,
	COPY_SIZE = 4096,
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

/* --- run ------------------------------------------------------------------------------------------------------------
 */

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

/* --- trigger --------------------------------------------------------------------------------------------------------
 */

static void variables_free(char **variables)
{
	for (size_t i = 0; variables != NULL && variables[i] != NULL; i++) {
		free(variables[i]);
	}
	free(variables);
}

/* The log as it grows, also when a new one begins. */
struct follower {
	char *path;
	int fd;
	ino_t inode;
};

static void follower_close(struct follower *follower)
{
	free(follower->path);
	cleanup_close(&follower->fd);
}

/* -1 if it is no file: a pipe would be waited for. */
static int open_log(const char *path)
{
	struct stat attributes;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, &attributes) != 0 || !S_ISREG(attributes.st_mode))) {
		cleanup_close(&fd);
		fd = -1;
	}
	return fd;
}

static void follow(struct follower *follower)
{
	struct stat attributes;
	char block[COPY_SIZE];
	if (stat(follower->path, &attributes) == 0 && attributes.st_ino != follower->inode) {
		cleanup_close(&follower->fd);
		follower->fd = open_log(follower->path);
		follower->inode = attributes.st_ino;
	}
	for (ssize_t length = 0; follower->fd >= 0 && (length = read(follower->fd, block, sizeof block)) > 0;) {
		(void)!fwrite(block, 1, (size_t)length, stdout);
	}
	(void)fflush(stdout);
}

static enum status follower_open(const struct session *session, struct follower *ret_follower, struct error *error)
{
	struct stat attributes;
	*ret_follower = (struct follower){.fd = -1};
	enum status status = files_join(session->backup_folder, RUN_LOG_NAME, &ret_follower->path, error);
	if (status == STATUS_OK) {
		ret_follower->fd = open_log(ret_follower->path);
	}
	if (ret_follower->fd >= 0 && fstat(ret_follower->fd, &attributes) == 0) {
		ret_follower->inode = attributes.st_ino;
		(void)lseek(ret_follower->fd, 0, SEEK_END);
	}
	return status;
}

/*
 * What cron gives to its jobs: HOME, LOGNAME, SHELL and PATH, and what stands in the crontab above the entry
 * (crontab(5)). Owned by the caller, NULL-terminated.
 */
static char **cron_environment(const struct job *job)
{
	enum { OWN = 4 };
	const char *home = getenv("HOME");
	const struct passwd *user = getpwuid(geteuid());
	size_t count = 0;
	while (job->settings != NULL && job->settings[count] != NULL) {
		count++;
	}
	char **variables = calloc(count + OWN + 1, sizeof *variables);
	bool good = variables != NULL && asprintf(&variables[0], "HOME=%s", home != NULL ? home : "/") >= 0 &&
				asprintf(&variables[1], "LOGNAME=%s", user != NULL ? user->pw_name : "nobody") >= 0 &&
				(variables[2] = strdup("SHELL=/bin/sh")) != NULL &&
				(variables[3] = strdup("PATH=/usr/bin:/bin")) != NULL;
	for (size_t i = 0; good && i < count; i++) {
		size_t name_length = strcspn(job->settings[i], "=") + 1;
		size_t place = 0;
		while (variables[place] != NULL && strncmp(variables[place], job->settings[i], name_length) != 0) {
			place++;
		}
		char *setting = strdup(job->settings[i]);
		good = setting != NULL;
		if (good) {
			free(variables[place]);
			variables[place] = setting;
		}
	}
	if (!good) {
		variables_free(variables);
		return NULL;
	}
	return variables;
}

static enum status start_as_cron(const struct job *job, const char *command, pid_t *ret_process, struct error *error)
{
	const char *home = getenv("HOME");
	char **variables = cron_environment(job);
	if (variables == NULL) {
		return error_memory(error);
	}
	enum status status = process_start_shell(command, home != NULL && access(home, X_OK) == 0 ? home : "/",
											 (const char *const *)variables, ret_process, error);
	variables_free(variables);
	return status;
}

static enum status start_as_systemd(const struct session *session, const char *verb, pid_t *ret_process,
									struct error *error)
{
	char name[SYSTEMD_NAME_SIZE];
	char command[SYSTEMD_NAME_SIZE + 64];
	snprintf(command, sizeof command, "exec systemctl --user %s '%s.service'", verb,
			 systemd_name(session->real_folder, name));
	return process_start_shell(command, "/", (const char *const *)environ, ret_process, error);
}

/* Ctrl-C and SIGTERM are for the run, which then undoes what it has begun; its end is waited for. */
static void pass_on_interrupt(const struct session *session, bool by_systemd, pid_t process)
{
	struct error ignored;
	pid_t stopper = 0;
	int exit_code = 0;
	if (!by_systemd) {
		(void)kill(-process, SIGTERM);
		return;
	}
	if (start_as_systemd(session, "stop", &stopper, &ignored) == STATUS_OK) {
		for (bool ended = false; !ended && process_ended(stopper, &ended, &exit_code, &ignored) == STATUS_OK;) {
			clock_sleep(FOLLOW_MILLISECONDS);
		}
	}
}

static enum status wait_for_run(const struct session *session, bool by_systemd, pid_t process,
								struct follower *follower, int *ret_exit_code, struct error *error)
{
	bool passed_on = false;
	/* The shell in between may die of a signal that the run itself takes time for. */
	for (bool ended = false; !ended || (passed_on && run_log_is_running(session->backup_folder));) {
		clock_sleep(FOLLOW_MILLISECONDS);
		if (interrupt_pending() && !passed_on) {
			passed_on = true;
			pass_on_interrupt(session, by_systemd, process);
		}
		enum status status = ended ? STATUS_OK : process_ended(process, &ended, ret_exit_code, error);
		follow(follower);
		if (status != STATUS_OK) {
			return status;
		}
	}
	return STATUS_OK;
}

/*
 * What there is instead of a job that can be read. Where nothing is installed, nobody has said for how long backups are
 * kept: *ret_command makes one and removes none. What is damaged, or cannot be read now, may say so of any.
 */
static enum status instead_of_job(const struct session *session, const struct installation *installation,
								  char **ret_command, struct error *error)
{
	struct display display;
	const struct error *problem = installation_problem(installation);
	if (problem != NULL) {
		*error = *problem;
		return error->hint[0] != '\0'
				   ? error->status
				   : error_hint(error, "mend that first; %s create makes a backup without a schedule",
								command_program());
	}
	display_open(&display, false);
	display_line(&display, MARK_WARNING,
				 "no automated backups are installed; this makes a backup, and no older one is removed");
	return schedule_command(session, JOB_KEEPS_ALL, false, ret_command, error);
}

enum status schedule_trigger(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error)
{
	CLEANUP(session_close) struct session session = {0};
	CLEANUP(installation_free) struct installation installation = {0};
	CLEANUP(cleanup_free) char *command = NULL;
	CLEANUP(follower_close) struct follower follower = {.fd = -1};
	struct display display;
	display_open(&display, false);
	enum status status = schedule_open(invocation, &session, &installation, error);
	const struct job *job = installation_job(&installation);
	bool by_systemd = job->command != NULL && job == &installation.systemd.job;
	if (status == STATUS_OK && job->command == NULL) {
		status = instead_of_job(&session, &installation, &command, error);
	}
	if (status == STATUS_OK) {
		status = follower_open(&session, &follower, error);
	}
	pid_t process = 0;
	time_t began = time(NULL);
	if (status == STATUS_OK) {
		status = by_systemd ? start_as_systemd(&session, "start", &process, error)
							: start_as_cron(job, command != NULL ? command : job->command, &process, error);
	}
	int exit_code = 0;
	if (status == STATUS_OK) {
		status = wait_for_run(&session, by_systemd, process, &follower, &exit_code, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	struct last_run last;
	struct error ignored;
	if (exit_code != EXIT_DONE && run_log_read_last(session.backup_folder, &last, &ignored) == STATUS_OK &&
		last.started >= began && last.finished != 0) {
		exit_code = last.exit_code; /* systemctl has its own */
	} else if (exit_code != EXIT_DONE) {
		display_line(&display, MARK_FAILED, "the run did not get as far as its log (exit code %d)", exit_code);
	}
	*ret_exit_code = (enum exit_code)exit_code;
	return interrupt_check(error);
}
