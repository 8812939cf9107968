/* schedule trigger */
#include "base/clock.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/process.h"
#include "commands/display.h"
#include "commands/schedule.h"
#include "schedule/run_log.h"
#include "schedule/systemd.h"

#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLLOW_MILLISECONDS = 200, COPY_SIZE = 4096 };

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
