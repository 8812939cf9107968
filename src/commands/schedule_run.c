/* schedule run, schedule trigger */
#include "base/clock.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/process.h"
#include "base/units.h"
#include "commands/display.h"
#include "commands/number.h"
#include "commands/schedule.h"
#include "schedule/run_log.h"
#include "schedule/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLLOW_MILLISECONDS = 200, COPY_SIZE = 4096 };

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
	enum status status = command_parse(command, words, &invocation, error);
	if (status == STATUS_OK) {
		status = command->run(&invocation, &exit_code, error);
	}
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

/* Backups are made first, and old ones removed only if that went well: they may be all there is. */
static enum exit_code back_up(const char *days, struct last_run *run)
{
	struct error error = {0};
	enum exit_code exit_code = run_command(&command_create, NULL, &error);
	if (exit_code == EXIT_DONE) {
		snprintf(run->summary, sizeof run->summary, "done");
		exit_code = run_command(&command_cleanup, days, &error);
		if (exit_code != EXIT_DONE) {
			snprintf(run->summary, sizeof run->summary, "backed up, but cleanup failed: %.400s", error.message);
		}
		return exit_code;
	}
	if (exit_code == EXIT_PARTIAL) {
		snprintf(run->summary, sizeof run->summary, "partial: a store failed; older backups were kept");
	} else {
		snprintf(run->summary, sizeof run->summary, "failed: %.400s", error.message);
	}
	return exit_code;
}

enum status schedule_run(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error)
{
	CLEANUP(session_close) struct session session = {0};
	CLEANUP(cleanup_close) int log = -1;
	CLEANUP(cleanup_close) int scheduler = -1;
	char default_days[16];
	unsigned ignored = 0;
	const char *days = invocation->argument_count > 1 ? invocation->arguments[1] : default_days;
	snprintf(default_days, sizeof default_days, "%d", RETENTION_DEFAULT_DAYS);
	enum status status = number_parse(days, "a number of days", 0, RETENTION_MOST, &ignored, error);
	if (status == STATUS_OK) {
		status = session_open(invocation, &session, error);
	}
	if (status == STATUS_OK) {
		status = run_log_open(session.backup_folder, &log, error);
	}
	struct last_run run = {.started = time(NULL), .process = getpid()};
	if (status == STATUS_OK) {
		status = run_log_write_last(session.backup_folder, &run, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	/* From here on everything goes to the log; what stands on standard error in the end, cron sends by mail. */
	scheduler = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	(void)fflush(stdout);
	if (scheduler < 0 || dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0) {
		return error_set_errno(error, "cannot write to the log");
	}
	log_line("scheduled backup of %s", session.project_folder);
	*ret_exit_code = back_up(days, &run);
	run.finished = time(NULL);
	run.exit_code = *ret_exit_code;
	char seconds[UNITS_SIZE];
	log_line("%s, in %s (exit code %d)", run.summary, units_seconds(difftime(run.finished, run.started), seconds),
			 (int)run.exit_code);
	(void)fflush(stdout);
	status = run_log_write_last(session.backup_folder, &run, error);
	if (dup2(scheduler, STDERR_FILENO) >= 0 && run.exit_code != EXIT_DONE) {
		fprintf(stderr, "whisperbackup: scheduled backup of %s: %s\nSee %s/" RUN_LOG_NAME "\n", session.project_folder,
				run.summary, session.backup_folder);
	}
	return status;
}

/* --- trigger --------------------------------------------------------------------------------------------------------
 */

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

static void follow(struct follower *follower)
{
	struct stat attributes;
	char block[COPY_SIZE];
	if (stat(follower->path, &attributes) == 0 && attributes.st_ino != follower->inode) {
		cleanup_close(&follower->fd);
		follower->fd = open(follower->path, O_RDONLY | O_CLOEXEC);
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
		ret_follower->fd = open(ret_follower->path, O_RDONLY | O_CLOEXEC);
	}
	if (ret_follower->fd >= 0 && fstat(ret_follower->fd, &attributes) == 0) {
		ret_follower->inode = attributes.st_ino;
		(void)lseek(ret_follower->fd, 0, SEEK_END);
	}
	return status;
}

/* The environment that cron gives to its jobs (crontab(5)). */
static enum status bare_environment(char *ret_variables[6], struct error *error)
{
	static const char *const names[] = {"HOME", "LOGNAME"};
	size_t count = 0;
	for (size_t i = 0; i < 2; i++) {
		const char *value = getenv(names[i]);
		if (asprintf(&ret_variables[count++], "%s=%s", names[i], value != NULL ? value : "/") < 0) {
			ret_variables[count - 1] = NULL;
			return error_memory(error);
		}
	}
	ret_variables[count++] = strdup("SHELL=/bin/sh");
	ret_variables[count++] = strdup("PATH=/usr/bin:/bin");
	return STATUS_OK;
}

static enum status start(const struct session *session, const struct installation *installation, const char *command,
						 pid_t *ret_process, struct error *error)
{
	char *variables[6] = {NULL};
	const char *home = getenv("HOME");
	enum status status = STATUS_OK;
	if (installation->by_systemd && !installation->by_cron) {
		char name[SYSTEMD_NAME_SIZE];
		char start_it[SYSTEMD_NAME_SIZE + 64];
		snprintf(start_it, sizeof start_it, "exec systemctl --user start '%s.service'",
				 systemd_name(session->real_folder, name));
		return process_start_shell(start_it, "/", (const char *const *)environ, ret_process, error);
	}
	status = bare_environment(variables, error);
	if (status == STATUS_OK) {
		status =
			process_start_shell(command, home != NULL ? home : "/", (const char *const *)variables, ret_process, error);
	}
	for (size_t i = 0; variables[i] != NULL; i++) {
		free(variables[i]);
	}
	return status;
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
	if (status == STATUS_OK && installation.by_cron) {
		command = MOVE(installation.cron_job.command);
	} else if (status == STATUS_OK && installation.by_systemd) {
		command = MOVE(installation.systemd_job.command);
	} else if (status == STATUS_OK) {
		status = schedule_command(&session, RETENTION_DEFAULT_DAYS, &command, error);
		display_line(&display, MARK_WARNING, "no automated backups are installed; this is what they would do");
	}
	if (status == STATUS_OK) {
		status = follower_open(&session, &follower, error);
	}
	pid_t process = 0;
	if (status == STATUS_OK) {
		status = start(&session, &installation, command, &process, error);
	}
	int exit_code = 0;
	for (bool ended = false; status == STATUS_OK && !ended;) {
		clock_sleep(FOLLOW_MILLISECONDS);
		/* Ctrl-C reaches the run as well; it ends by itself, and that is waited for. */
		status = process_ended(process, &ended, &exit_code, error);
		follow(&follower);
	}
	*ret_exit_code = (enum exit_code)exit_code;
	return status == STATUS_OK ? interrupt_check(error) : status;
}
