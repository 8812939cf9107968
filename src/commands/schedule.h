/*
 * schedule.h - the parts of the command `schedule`: automated backups by cron or a systemd timer.
 */
#ifndef WHISPERBACKUP_COMMANDS_SCHEDULE_H
#define WHISPERBACKUP_COMMANDS_SCHEDULE_H

#include "catalog/retention.h"
#include "commands/command.h"
#include "commands/session.h"
#include "schedule/job.h"

/* What a job takes along: cron knows nothing of the user's environment. What stands in .env is read anew by each run.
 */
enum { SCHEDULE_SETTING_COUNT = 5 };
extern const char *const schedule_settings[SCHEDULE_SETTING_COUNT];

/* One way in which backups may be installed. */
struct installed {
	bool there;
	struct job job;       /* without a command if what is there is damaged */
	struct error problem; /* what is wrong with it, or why it cannot be told whether it is there */
};

/* What is installed for the project; both may be, if somebody did it by hand. */
struct installation {
	struct installed cron;
	struct installed systemd;
};

void installation_free(struct installation *installation);

/* The job of the two that can be read, first of all cron's; without a command if none can. Lent. */
const struct job *installation_job(const struct installation *installation);

/* Why something may be installed that cannot be read: it is damaged, or could not be looked at. NULL if all is known.
 */
const struct error *installation_problem(const struct installation *installation);

/* Nothing is a failure here: what is damaged can be replaced, and who has no crontab may have a timer. */
void schedule_find(const struct session *session, struct installation *ret_installation);

/* What the job carries, or the crontab above it, goes into the environment, for the next session_open. What neither
 * sets is empty there: only .env says it to a run. */
enum status schedule_use_settings(const struct job *job, struct error *error) MUST_CHECK;

/*
 * session_open and schedule_find; the settings that the installed job carries, or the crontab above it, count for the
 * session, whatever the environment says now: what is said about the job has to be about its backup folder.
 */
enum status schedule_open(const struct invocation *invocation, struct session *ret_session,
						  struct installation *ret_installation, struct error *error) MUST_CHECK;

/* As session_guard will find it when a scheduler runs us: that knows of no sudo. */
enum status schedule_guard(const struct session *session, struct error *error) MUST_CHECK;

/* The command that runs the scheduled backup of this project, keeping backups for so many days (or JOB_KEEPS_ALL), with
 * or without a drill each week. Owned by the caller. */
enum status schedule_command(const struct session *session, int days, bool drill, char **ret_command,
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
/* What the scheduler calls: create, then cleanup if it is told a number of days, then a drill if one is due, all into
 * the log. */
enum status schedule_run(const struct invocation *invocation, enum exit_code *ret_exit_code,
						 struct error *error) MUST_CHECK;

#endif
