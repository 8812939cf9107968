#include "base/clock.h"
#include "base/interrupt.h"
#include "base/units.h"
#include "commands/restore_work.h"

#include <stdio.h>
#include <string.h>

enum {
	COUNT_SECONDS = 60, /* for a server that answers to let itself be counted as well */
	COUNT_STEP_MILLISECONDS = 500,
};

enum status restore_stores_stage(struct restore_work *work, struct error *error)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		struct restore_target *target = &work->targets[i];
		if (target->plan != RESTORE_TO_DO) {
			continue;
		}
		display_begin(&work->display, store_table[i]->name);
		progress_step(&work->display.progress, "staging", target->artefact.raw_bytes);
		enum status status = interrupt_check(error);
		if (status == STATUS_OK) {
			status =
				store_table[i]->stage(target->store, target->path, &target->artefact, &work->display.progress, error);
		}
		if (status != STATUS_OK) {
			return error_prefix(error, "%s cannot be staged", store_table[i]->title);
		}
		display_end(&work->display, MARK_DONE, "staged");
	}
	return STATUS_OK;
}

/* A port that opens later than the one that was asked first is waited for. */
static enum status count(const struct restore_target *target, struct fingerprint *ret_fingerprint, struct error *error)
{
	for (double began = clock_seconds();;) {
		enum status status = target->store->ops->count(target->store, &target->in_backup, ret_fingerprint, error);
		if (status == STATUS_OK || status == STATUS_INTERRUPTED || clock_seconds() - began > COUNT_SECONDS) {
			return status;
		}
		clock_sleep(COUNT_STEP_MILLISECONDS);
		status = interrupt_check(error);
		if (status != STATUS_OK) {
			return status;
		}
	}
}

/* A server that could not be counted before need not be now. */
static enum status check_contents(struct restore_work *work, size_t index, bool *ret_compared, struct error *error)
{
	const struct restore_target *target = &work->targets[index];
	CLEANUP(fingerprint_free) struct fingerprint now = {0};
	char difference[FINGERPRINT_DIFFERENCE_SIZE];
	if (!target->in_backup.known || !target->in_backup.exact || !target->now.known) {
		return STATUS_OK;
	}
	enum status status = count(target, &now, error);
	if (status == STATUS_OK && !fingerprint_compare(&target->in_backup, &now, difference)) {
		(void)error_set(error, STATUS_FAILED, "it does not hold what the backup holds: %s", difference);
		return error_hint(error, "if a program outside of the project writes to it, stop that and restore again; "
								 "otherwise take another backup");
	}
	*ret_compared = status == STATUS_OK && now.known;
	return status;
}

enum status restore_stores_swap(struct restore_work *work, struct error *error)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		struct restore_target *target = &work->targets[i];
		if (target->plan != RESTORE_TO_DO) {
			continue;
		}
		display_begin(&work->display, store_table[i]->name);
		double began = clock_seconds();
		enum status status = interrupt_check(error);
		if (status == STATUS_OK) {
			status = store_table[i]->swap(target->store, &work->display.progress, error);
		}
		target->down_seconds = clock_seconds() - began;
		bool compared = false;
		if (status == STATUS_OK) {
			progress_step(&work->display.progress, "counting what it holds", 0);
			status = check_contents(work, i, &compared, error);
		}
		if (status != STATUS_OK) {
			return error_prefix(error, "%s failed to be restored", store_table[i]->title);
		}
		char seconds[UNITS_SIZE];
		display_end(&work->display, MARK_DONE, "in place and answering (%s)%s",
					units_seconds(target->down_seconds, seconds),
					compared ? ", and it holds what the backup holds" : "");
	}
	return STATUS_OK;
}

enum status restore_stores_roll_back(struct restore_work *work, struct error *error)
{
	size_t failures = 0;
	interrupt_hold();
	for (size_t i = STORE_COUNT; i > 0; i--) {
		struct restore_target *target = &work->targets[i - 1];
		if (target->store == NULL) {
			continue;
		}
		struct error failure;
		display_begin(&work->display, store_table[i - 1]->name);
		progress_step(&work->display.progress, "rolling back", 0);
		enum status status = store_table[i - 1]->rollback(target->store, &work->display.progress, &failure);
		if (status == STATUS_OK) {
			display_end(&work->display, MARK_WARNING, "as it was before");
		} else {
			failures++;
			display_end(&work->display, MARK_FAILED, "could not be rolled back: %s", failure.message);
			display_hint(&work->display, "%s",
						 failure.hint[0] != '\0' ? failure.hint : "run the restore again once the cause is mended");
		}
	}
	interrupt_release();
	if (failures > 0) {
		error->status = STATUS_FAILED; /* whatever it was: this is not "nothing half done by a Ctrl-C" */
		(void)error_prefix(error, "%zu store%s could not be brought back (see above). The cause", failures,
						   failures == 1 ? "" : "s");
		return error_hint(error,
						  "the old data is kept in the folder .whisperbackup-restore/old of the store's volume, see "
						  "docs/RESTORE.md; start the services and run the restore again to heal it");
	}
	if (failures == 0) {
		size_t length = strlen(error->message);
		snprintf(error->message + length, sizeof error->message - length, "; everything is as it was before");
	}
	return error->status;
}

void restore_stores_commit(struct restore_work *work)
{
	interrupt_hold();
	for (size_t i = 0; i < STORE_COUNT; i++) {
		struct restore_target *target = &work->targets[i];
		struct error failure;
		if (target->plan == RESTORE_TO_DO &&
			store_table[i]->commit(target->store, &work->display.progress, &failure) != STATUS_OK) {
			display_line(&work->display, MARK_WARNING,
						 "%s: the data is restored, but the old data could not be removed: %s", store_table[i]->title,
						 failure.message);
			display_hint(&work->display, "the next restore removes it");
		}
	}
	interrupt_release();
}
