/*
 * crontab_lock.h - one change of a user's crontab at a time, of those that this program makes.
 *
 * crontab(1) has no lock that others could take. Ours is a file named after the user's number, in a folder that does
 * not depend on the environment: a session, sudo and cron each give another one. Nor is it in the user's home, which
 * some users do not have, and others have on several machines; a crontab belongs to one.
 */
#ifndef WHISPERBACKUP_SCHEDULE_CRONTAB_LOCK_H
#define WHISPERBACKUP_SCHEDULE_CRONTAB_LOCK_H

#include "base/cleanup.h"
#include "base/error.h"

#define CRONTAB_LOCK_FOLDER "/tmp"

enum { CRONTAB_LOCK_SECONDS = 10 }; /* that another change is waited for */

struct crontab_lock {
	char *path;
	int fd;
};

#define CRONTAB_LOCK_INIT ((struct crontab_lock){.fd = -1})

/*
 * Takes the lock in `folder`, which others may write to: what is not a file of this user's is refused, and no symbolic
 * link is followed. STATUS_LOCKED if another has it all the time, STATUS_INTERRUPTED. It ends with crontab_lock_release
 * or with the process.
 */
enum status crontab_lock_take(const char *folder, struct crontab_lock *ret_lock, struct error *error) MUST_CHECK;

/* Its file goes with it. Safe on CRONTAB_LOCK_INIT. */
void crontab_lock_release(struct crontab_lock *lock);

#endif
