/*
 * systemd.h - the same job as a timer of the user's systemd, which makes up for runs that were slept through.
 *
 * Two units in ~/.config/systemd/user, named after the project's folder. Facts: systemd.timer(5), systemd.time(7),
 * systemd.service(5), "COMMAND LINES"; tried with systemd 252.
 */
#ifndef WHISPERBACKUP_SCHEDULE_SYSTEMD_H
#define WHISPERBACKUP_SCHEDULE_SYSTEMD_H

#include "schedule/job.h"

enum { SYSTEMD_NAME_SIZE = 240 }; /* a unit's name has at most 255 bytes */

/* "whisperbackup-home-me-whisperengine" for /home/me/whisperengine: the units' name, without its ending. */
const char *systemd_name(const char *project_folder, char ret_name[SYSTEMD_NAME_SIZE]);

/* STATUS_UNAVAILABLE, and why, if the user has no systemd of their own here. */
enum status systemd_available(struct error *error) MUST_CHECK;

/*
 * Writes the units, in the place of earlier ones, and starts the timer. `schedule` is the cron expression that
 * `calendar` ("OnCalendar=..." lines) says in systemd's words. If it fails, everything is as it was.
 * STATUS_USAGE if a part is nothing for a unit file.
 */
enum status systemd_install(const char *project_folder, const char *schedule, const char *calendar, const char *command,
							time_t now, struct error *error) MUST_CHECK;

/* What is installed, read from the units. STATUS_NOT_FOUND if nothing is, STATUS_FAILED if they make no sense. */
enum status systemd_find(const char *project_folder, struct job *ret_job, struct error *error) MUST_CHECK;

/*
 * Stops the timer and removes the units. STATUS_NOT_FOUND if there are none.
 *
 * The units are removed also without a systemd that answers; but a timer that it has loaded goes on without them.
 * `ret_doubt` is STATUS_OK if none can; else it says why that cannot be told, and what to do. Without a systemctl there
 * is nothing to ask, and that is no doubt.
 */
enum status systemd_uninstall(const char *project_folder, struct error *ret_doubt, struct error *error) MUST_CHECK;

/* The user's units end when they log out, unless they "linger" (loginctl(1)); true only if that is known to be so. */
bool systemd_ends_at_logout(void);

/* True if the timer is started: its next run will come. */
bool systemd_is_active(const char *project_folder);

#endif
