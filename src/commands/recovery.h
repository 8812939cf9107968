/*
 * recovery.h - heals what a run that was killed has left: containers that are still paused.
 */
#ifndef WHISPERBACKUP_COMMANDS_RECOVERY_H
#define WHISPERBACKUP_COMMANDS_RECOVERY_H

#include "base/error.h"

#include <stdbool.h>

/*
 * Thaws what the journal in the folder of the backups names, if nobody is alive to do so, and says on standard error
 * what it was. *ret_healed: there was something. While the guardian of a dead run is at work it is waited for, at most
 * `patience_seconds`; then STATUS_LOCKED.
 */
enum status recovery_run(const char *backup_folder, unsigned patience_seconds, bool *ret_healed,
						 struct error *error) MUST_CHECK;

/* Removes the containers of a drill that was killed, likewise. A drill that is at work is left alone: STATUS_OK. */
enum status recovery_of_drill(const char *backup_folder, bool *ret_healed, struct error *error) MUST_CHECK;

/* Both at the start of any command, which goes on whatever comes of it: a failure is only told. */
void recovery_try(const char *backup_folder);

/* Both at the start of a command that cannot go on while anything is paused: a failure about a drill is only told, one
 * of recovery_run is returned. */
enum status recovery_begin(const char *backup_folder, unsigned patience_seconds, bool *ret_healed,
						   struct error *error) MUST_CHECK;

#endif
