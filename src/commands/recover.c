/* recover: puts right what a run that was killed has left. */
#include "commands/command.h"
#include "commands/recovery.h"
#include "commands/restore_recovery.h"
#include "commands/session.h"

#include <stdio.h>

enum { PATIENCE_SECONDS = 60 }; /* for the guardian of a run that has just been killed */

static enum status run(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error)
{
	CLEANUP(session_close) struct session session = {0};
	bool healed = false;
	bool recovered = false;
	bool drill_healed = false;
	enum status status = session_open_only(invocation, &session, error);
	if (status == STATUS_OK) {
		status = session_guard(&session, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	/* Each is tried, whatever becomes of the others; the first failure is told. */
	struct error failures[3];
	const enum status ends[] = {
		recovery_run(session.backup_folder, PATIENCE_SECONDS, &healed, &failures[0]),
		restore_recovery_run(session.backup_folder, RESTORE_RECOVERY_WHOLE, &recovered, &failures[1]),
		recovery_of_drill(session.backup_folder, &drill_healed, &failures[2]),
	};
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		if (ends[i] != STATUS_OK) {
			*error = failures[i];
			return ends[i];
		}
	}
	printf("%s\n", healed || drill_healed || recovered ? "Recovered." : "There was nothing to recover.");
	*ret_exit_code = EXIT_DONE;
	return STATUS_OK;
}

const struct command command_recover = {
	.name = "recover",
	.arguments = "",
	.options = 1U << OPTION_ALLOW_SHARED_FOLDER,
	.summary = "Puts right what a run that was killed has left",
	.details =
		"Containers that a backup had paused when it was killed run again; those that were paused before it stay so.\n"
		"If the backup's guardian is still there to thaw them, it is waited for, at most 60 seconds. What a drill has\n"
		"made is removed.\n"
		"\n"
		"A restore that was killed is undone in all its stores; or finished, if all of them had been put in place and\n"
		"checked. Services that it had stopped are started.\n"
		"\n"
		"Every command that reads the folder of the backups does the former before anything else, and create and\n"
		"restore do the latter, so there is hardly ever a need to call this.\n",
	.run = run,
};
