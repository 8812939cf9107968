#include "commands/command.h"
#include "commands/create_backup.h"
#include "commands/restore_work.h"

#include <stdio.h>
#include <string.h>

/* That services may stand still for it: they will be stopped anyway. */
enum { LONGEST_FREEZE_SECONDS = 600 };

static enum status back_up(struct restore_work *work, struct create_backup_result *ret_result, struct error *error)
{
	const struct create_backup_request request = {
		.session = &work->session,
		.display = &work->display,
		.longest_seconds = LONGEST_FREEZE_SECONDS,
		.pause_writers = true,
		.all_or_nothing = true,
		.before_restore_of = work->backup->timestamp,
	};
	bool chosen[STORE_COUNT];
	memcpy(chosen, work->session.chosen, sizeof chosen);
	for (size_t i = 0; i < STORE_COUNT; i++) {
		work->session.chosen[i] = work->targets[i].plan == RESTORE_TO_DO;
	}
	enum status status = create_backup(&request, ret_result, error);
	memcpy(work->session.chosen, chosen, sizeof chosen);
	return status;
}

enum status restore_safety_backup(struct restore_work *work, struct error *error)
{
	struct create_backup_result result = {0};
	if (!work->display.quiet) {
		fprintf(stderr, "   the present state is backed up first:\n");
	}
	enum status status = back_up(work, &result, error);
	if (status != STATUS_OK) {
		(void)error_prefix(error, "the present state could not be backed up, so nothing was changed");
		return status == STATUS_INTERRUPTED
				   ? status
				   : error_hint(error, "mend the cause; or do without that backup: --no-safety-backup");
	}
	snprintf(work->safety, sizeof work->safety, "%s", result.timestamp);
	display_line(&work->display, MARK_DONE, "the present state is kept: %s", result.shown_path);
	free(result.shown_path);
	if (!work->display.quiet) {
		fprintf(stderr, "   to return to it: %s restore %s\n", command_program(), work->safety);
	}
	return STATUS_OK;
}
