/*
 * schedule.h - the parts of the command `schedule`: automated backups by cron or a systemd timer.
 */
#ifndef WHISPERBACKUP_COMMANDS_SCHEDULE_H
#define WHISPERBACKUP_COMMANDS_SCHEDULE_H

#include "catalog/retention.h"
#include "commands/command.h"
#include "commands/session.h"
#include "schedule/job.h"

/* What is installed for the project; both may be, if somebody did it by hand. */
struct installation {
	bool by_cron;
	struct job cron_job;
	bool by_systemd;
	struct job systemd_job;
};

void installation_free(struct installation *installation);

/* Nothing installed is no failure, and a machine without cron or systemd has nothing installed. */
enum status schedule_find(const struct session *session, struct installation *ret_installation,
						  struct error *error) MUST_CHECK;

/*
 * As schedule_find; the settings that the installed job carries then count for the session, whatever the environment
 * says now: what is said about the job has to be about its backup folder.
 */
enum status schedule_open(const struct invocation *invocation, struct session *ret_session,
						  struct installation *ret_installation, struct error *error) MUST_CHECK;

/* The command that runs the scheduled backup of this project, keeping backups for so many days. Owned by the caller. */
enum status schedule_command(const struct session *session, unsigned days, char **ret_command,
							 struct error *error) MUST_CHECK;

/* "Tue 24 Nov 2026 02:00" */
enum { SCHEDULE_MOMENT_SIZE = 64 };
const char *schedule_moment(time_t moment, char ret_text[SCHEDULE_MOMENT_SIZE]);

/* The actions; the invocation is that of `schedule`. */
enum status schedule_install(const struct invocation *invocation, enum exit_code *ret_exit_code,
							 struct error *error) MUST_CHECK;
enum status schedule_uninstall(const struct invocation *invocation, enum exit_code *ret_exit_code,
							   struct error *error) MUST_CHECK;
enum status schedule_status(const struct invocation *invocation, enum exit_code *ret_exit_code,
							struct error *error) MUST_CHECK;
enum status schedule_trigger(const struct invocation *invocation, enum exit_code *ret_exit_code,
							 struct error *error) MUST_CHECK;
/* What the scheduler calls: create, then cleanup, both into the log. */
enum status schedule_run(const struct invocation *invocation, enum exit_code *ret_exit_code,
						 struct error *error) MUST_CHECK;

#endif
