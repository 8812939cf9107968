#include "base/clock.h"
#include "base/crew.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/units.h"
#include "commands/restore_work.h"
#include "stores/artefact_read.h"

#include <stdio.h>
#include <string.h>

enum {
	COUNT_SECONDS = 60, /* for a server that answers to let itself be counted as well */
	COUNT_STEP_MILLISECONDS = 500,
	MEMORY_LIMIT = 16 << 10, /* bytes that a store writes into the journal */
};

static enum status add_to_journal(struct restore_journal *journal, struct store *store, struct error *error)
{
	CLEANUP(buffer_free) struct buffer memory = BUFFER_INIT(MEMORY_LIMIT);
	enum status status = store->ops->remember != NULL ? store->ops->remember(store, &memory, error) : STATUS_OK;
	return status == STATUS_OK
			   ? restore_journal_add(journal, store->ops->name, store->container->id, buffer_text(&memory), error)
			   : status;
}

enum status restore_stores_begin(struct restore_work *work, struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(cleanup_restore_journal) struct restore_journal *journal = calloc(1, sizeof *journal);
	const struct session *session = &work->session;
	enum status status =
		journal == NULL ? error_memory(error) : files_join(session->backup_folder, RESTORE_JOURNAL_NAME, &path, error);
	for (size_t i = 0; status == STATUS_OK && i < STORE_COUNT; i++) {
		if (work->targets[i].store != NULL) {
			status = add_to_journal(journal, work->targets[i].store, error);
		}
	}
	if (status == STATUS_OK) {
		journal->volume_access = (int)session->runtime->volume_access;
		status = restore_journal_begin(journal, path, session->docker_host != NULL ? session->docker_host : "",
									   session->project, work->backup->timestamp, error);
	}
	if (status == STATUS_OK) {
		work->journal = MOVE(journal);
	}
	return status;
}

static enum status stage_one(void *context, size_t index, struct progress *progress, struct error *error)
{
	struct restore_work *work = context;
	struct restore_target *target = &work->targets[work->staging[index]];
	const struct store_ops *ops = target->store->ops;
	enum status status = ops->stage(target->store, target->path, &target->artefact, progress, error);
	return status == STATUS_OK ? artefact_expect_unchanged(ops, target->path, &target->artefact, error) : status;
}

static enum status note_staged(void *context, size_t index, const struct crew_end *end, struct error *error)
{
	struct restore_work *work = context;
	const struct store_ops *ops = store_table[work->staging[index]];
	char seconds[UNITS_SIZE];
	if (end->status != STATUS_OK) {
		*error = end->error;
		return error_prefix(error, "%s cannot be staged", ops->title);
	}
	display_line(&work->display, MARK_DONE, "%-11s staged in %s", ops->name, units_seconds(end->seconds, seconds));
	return STATUS_OK;
}

enum status restore_stores_stage(struct restore_work *work, struct error *error)
{
	struct crew_plan plan = {.at_once = STORE_COUNT, .context = work, .work = stage_one, .ended = note_staged};
	uint64_t bytes = 0;
	enum status status = interrupt_check(error);
	for (size_t i = 0; status == STATUS_OK && i < STORE_COUNT; i++) {
		if (work->targets[i].plan == RESTORE_TO_DO) {
			work->staging[plan.count++] = i;
			bytes += work->targets[i].artefact.raw_bytes;
			status = restore_journal_note(work->journal, RESTORE_JOURNAL_STAGING, store_table[i]->name, error);
		}
	}
	char stores[32];
	snprintf(stores, sizeof stores, "%zu store%s", plan.count, plan.count == 1 ? "" : "s");
	display_begin(&work->display, "staging");
	progress_step(&work->display.progress, stores, bytes);
	return status == STATUS_OK ? crew_run(&plan, &work->display.progress, error) : status;
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
	bool same = false;
	if (!target->in_backup.known || !target->in_backup.exact || !target->now.known) {
		return STATUS_OK;
	}
	enum status status = count(target, &now, error);
	if (status == STATUS_OK) {
		status = fingerprint_compare(&target->in_backup, &now, &same, difference, error);
	}
	if (status == STATUS_OK && !same) {
		(void)error_set(error, STATUS_FAILED, "it does not hold what the backup holds: %s", difference);
		return error_hint(error, "if a program outside of the project writes to it, stop that and restore again; "
								 "otherwise take another backup");
	}
	*ret_compared = status == STATUS_OK && now.known;
	return status;
}

static enum status swap_one(struct restore_work *work, size_t index, struct error *error)
{
	struct restore_target *target = &work->targets[index];
	display_begin(&work->display, store_table[index]->name);
	double began = clock_seconds();
	enum status status = interrupt_check(error);
	if (status == STATUS_OK) {
		status = restore_journal_note(work->journal, RESTORE_JOURNAL_SWAPPING, store_table[index]->name, error);
	}
	if (status == STATUS_OK) {
		status = store_table[index]->swap(target->store, &work->display.progress, error);
	}
	target->down_seconds = clock_seconds() - began;
	if (status == STATUS_OK) {
		progress_step(&work->display.progress, "counting what it holds", 0);
		status = check_contents(work, index, &target->compared, error);
	}
	return status;
}

static enum status settle_one(struct restore_work *work, size_t index, struct error *error)
{
	const struct restore_target *target = &work->targets[index];
	char seconds[UNITS_SIZE];
	display_resume(&work->display, store_table[index]->name);
	enum status status = store_settle(target->store, &work->display.progress, error);
	if (status == STATUS_OK) {
		display_end(&work->display, MARK_DONE, "in place and answering (%s)%s",
					units_seconds(target->down_seconds, seconds),
					target->compared ? ", and it holds what the backup holds" : "");
	}
	return status;
}

static enum status each(struct restore_work *work, enum status (*step)(struct restore_work *, size_t, struct error *),
						struct error *error)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		if (work->targets[i].plan == RESTORE_TO_DO && step(work, i, error) != STATUS_OK) {
			return error_prefix(error, "%s failed to be restored", store_table[i]->title);
		}
	}
	return STATUS_OK;
}

enum status restore_stores_swap(struct restore_work *work, struct error *error)
{
	enum status status = each(work, swap_one, error);
	return status == STATUS_OK ? each(work, settle_one, error) : status;
}

/* A second time if the engine failed: a rollback goes on where it was. */
static enum status twice(enum status (*step)(struct store *, struct progress *, struct error *), struct store *store,
						 struct progress *progress, struct error *error)
{
	enum status status = step(store, progress, error);
	return status != STATUS_OK && error->on_the_way ? step(store, progress, error) : status;
}

/* What could not be brought back, in a rollback of all stores. */
struct left {
	size_t data;     /* of so many stores */
	size_t services; /* whose data is back, but that are not well */
};

static struct left roll_back_all(struct restore_work *work)
{
	struct progress *progress = &work->display.progress;
	struct error failures[STORE_COUNT];
	enum status status[STORE_COUNT];
	struct left left = {0};
	bool undone[STORE_COUNT] = {false};
	for (size_t i = STORE_COUNT; i > 0; i--) {
		struct store *store = work->targets[i - 1].store;
		if (store != NULL) {
			display_begin(&work->display, store->ops->name);
			progress_step(progress, "rolling back", 0);
			status[i - 1] = twice(store->ops->rollback, store, progress, &failures[i - 1]);
			left.data += status[i - 1] != STATUS_OK;
		}
	}
	for (size_t i = STORE_COUNT; i > 0; i--) {
		struct store *store = work->targets[i - 1].store;
		struct error *failure = &failures[i - 1];
		if (store == NULL) {
			continue;
		}
		display_resume(&work->display, store->ops->name);
		bool back = status[i - 1] == STATUS_OK;
		if (back && twice(store_settle_back, store, progress, failure) == STATUS_OK) {
			undone[i - 1] = true;
			display_end(&work->display, MARK_WARNING, "as it was before");
			continue;
		}
		left.services += back;
		display_end(&work->display, MARK_FAILED, "%s: %s", back ? "has the data of before" : "could not be rolled back",
					failure->message);
		display_hint(&work->display, "%s",
					 failure->hint[0] != '\0' ? failure->hint : "run the restore again once the cause is mended");
	}
	for (size_t i = 0; left.data + left.services > 0 && i < STORE_COUNT; i++) {
		struct error unnoted; /* then it is only stopped once more by who recovers */
		if (undone[i]) {
			(void)!restore_journal_note(work->journal, RESTORE_JOURNAL_UNDONE, store_table[i]->name, &unnoted);
		}
	}
	return left;
}

enum status restore_stores_roll_back(struct restore_work *work, struct error *error)
{
	struct error unnoted;
	interrupt_hold();
	(void)!restore_journal_note(work->journal, RESTORE_JOURNAL_ROLLING_BACK, NULL, &unnoted); /* as it is anyway */
	const struct left left = roll_back_all(work);
	if (left.data + left.services == 0) {
		(void)!restore_journal_end(work->journal, &unnoted); /* else the next command finds nothing to be undone */
	}
	interrupt_release();
	if (left.data + left.services > 0) {
		error->status = STATUS_FAILED; /* whatever it was: this is not "nothing half done by a Ctrl-C" */
		(void)error_prefix(error, "%zu store%s could not be brought back%s (see above). The cause",
						   left.data + left.services, left.data + left.services == 1 ? "" : "s",
						   left.data > 0 ? "" : " to life");
		return error_hint(error, left.data > 0
									 ? "the old data is kept (where: docs/RESTORE.md); mend the cause, then call "
									   "recover, which tries again"
									 : "all data is that of before; mend what keeps the service from running, then "
									   "call recover, which looks again");
	}
	size_t length = strlen(error->message);
	snprintf(error->message + length, sizeof error->message - length, "; everything is as it was before");
	return error->status;
}

enum status restore_stores_decide(struct restore_work *work, struct error *error)
{
	enum status status = interrupt_check(error);
	return status == STATUS_OK ? restore_journal_note(work->journal, RESTORE_JOURNAL_COMMITTING, NULL, error) : status;
}

void restore_stores_commit(struct restore_work *work)
{
	size_t failures = 0;
	struct error failure;
	interrupt_hold();
	for (size_t i = 0; i < STORE_COUNT; i++) {
		struct restore_target *target = &work->targets[i];
		if (target->plan == RESTORE_TO_DO &&
			store_table[i]->commit(target->store, &work->display.progress, &failure) != STATUS_OK) {
			display_line(&work->display, MARK_WARNING,
						 "%s: the data is restored, but the old data could not be removed: %s", store_table[i]->title,
						 failure.message);
			display_hint(&work->display, "the next create, restore or recover removes it");
			failures++;
		}
	}
	if (failures == 0 && restore_journal_end(work->journal, &failure) != STATUS_OK) {
		display_line(&work->display, MARK_WARNING, "%s", failure.message);
	}
	interrupt_release();
}
