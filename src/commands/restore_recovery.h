/*
 * restore_recovery.h - finishes or undoes a restore that was killed, whatever instant it was killed at.
 */
#ifndef WHISPERBACKUP_COMMANDS_RESTORE_RECOVERY_H
#define WHISPERBACKUP_COMMANDS_RESTORE_RECOVERY_H

#include "base/error.h"

#include <stdbool.h>

/*
 * Does what the journal in the folder of the backups asks for: before all stores had been swapped and checked, all of
 * them get back what they held before; after that, what is left of the old data is removed. Services that the restore
 * had stopped are started. Says on standard error what it did; *ret_recovered: there was something.
 *
 * Takes the folder's lock for that. STATUS_LOCKED while another run is at work; a restore that is alive is not touched.
 * After a failure the journal stays, and the next call tries again.
 */
enum restore_recovery {
	RESTORE_RECOVERY_WHOLE,
	RESTORE_RECOVERY_ENOUGH, /* old data that cannot be removed is a warning: the restored data is in place */
};
enum status restore_recovery_run(const char *backup_folder, enum restore_recovery how, bool *ret_recovered,
								 struct error *error) MUST_CHECK;

/* With the folder's lock held: STATUS_LOCKED if a restore was killed after the last look at it. */
enum status restore_recovery_refuse(const char *backup_folder, struct error *error) MUST_CHECK;

/* For commands that only look: says on standard error that a restore was killed, and what puts it right. */
void restore_recovery_warn(const char *backup_folder);

#endif
