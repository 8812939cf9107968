/* create: backs up all stores that run. */
#include "base/clock.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/units.h"
#include "catalog/catalog.h"
#include "catalog/record.h"
#include "commands/backup_json.h"
#include "commands/command.h"
#include "commands/display.h"
#include "commands/session.h"
#include "commands/space.h"
#include "transaction/folder_swap.h"

#include <stdio.h>
#include <string.h>

struct work {
	struct session session;
	struct display display;
	struct backup_record record;
	struct draft draft;
	int lock;
};

static void cleanup_work(struct work *work)
{
	catalog_discard(&work->draft);
	catalog_unlock(&work->lock);
	session_close(&work->session);
}

/* What a service shows that was started after its restore had been killed must not pass for its data. */
static enum status refuse_half_restored(const struct work *work, const struct store *store, struct error *error)
{
	bool unfinished = false;
	enum status status = STATUS_OK;
	if (store->data_folder[0] != '\0') {
		status =
			folder_swap_unfinished(work->session.runtime, store->container, store->data_folder, &unfinished, error);
	}
	if (status == STATUS_OK && unfinished) {
		(void)error_set(error, STATUS_FAILED, "a restore of %s was killed half way, its data is not in place",
						store->ops->title);
		return error_hint(error, "run the restore again; it first undoes what was left");
	}
	return status;
}

/* Saves one store, and reads what was written: an artefact that is not whole is a failure now, not at the restore. */
static enum status save_store(struct work *work, size_t index, struct error *error)
{
	const struct store_ops *ops = store_table[index];
	struct store_record *record = &work->record.stores[index];
	struct progress *progress = &work->display.progress;
	CLEANUP(cleanup_store) struct store *store = NULL;
	CLEANUP(cleanup_free) char *path = NULL;
	enum status status = ops->open(work->session.runtime, record->container, &store, error);
	if (status == STATUS_OK) {
		snprintf(record->server_version, sizeof record->server_version, "%s", store->version);
		snprintf(record->data_folder, sizeof record->data_folder, "%s", store->data_folder);
		status = files_join(work->draft.path, ops->artefact, &path, error);
	}
	if (status == STATUS_OK) {
		status = refuse_half_restored(work, store, error);
	}
	if (status == STATUS_OK) {
		status = ops->save(store, path, progress, &record->saved, error);
	}
	if (status == STATUS_OK) {
		progress_step(progress, "checking what was written", 0);
		status = ops->check(path, progress, &record->artefact, error);
	}
	if (status == STATUS_OK && record->artefact.folder[0] != '\0' &&
		strcmp(record->artefact.folder, store->data_folder + 1) != 0) {
		status =
			error_set(error, STATUS_FAILED, "the archive shows its data in /%s, not in %s: it could not be restored",
					  record->artefact.folder, store->data_folder);
	}
	if (status == STATUS_OK) {
		progress_step(progress, "computing its checksum", 0);
		status = digest_file(path, progress, record->sha256, &record->size, error);
	}
	if (status != STATUS_OK && path != NULL) {
		struct error ignored;
		(void)!files_remove(path, &ignored); /* the whole draft may be discarded anyway */
	}
	return status;
}

/* What ends the whole run rather than one store of it. */
static bool is_fatal(enum status status)
{
	return status == STATUS_INTERRUPTED || status == STATUS_NO_SPACE;
}

static enum status work_on_store(struct work *work, size_t index, struct error *error)
{
	const struct store_ops *ops = store_table[index];
	struct store_record *record = &work->record.stores[index];
	record->container = work->session.of_store[index];
	record->status = STORE_SKIPPED;
	if (!work->session.chosen[index]) {
		snprintf(record->reason, sizeof record->reason, "not chosen");
		return STATUS_OK;
	}
	const char *why_not = session_why_not(&work->session, index);
	if (why_not != NULL) {
		snprintf(record->reason, sizeof record->reason, "%s", why_not);
		display_line(&work->display, MARK_WARNING, "%-11s skipped: %s", ops->name, why_not);
		return STATUS_OK;
	}
	display_begin(&work->display, ops->name);
	double began = clock_seconds();
	enum status status = save_store(work, index, error);
	char size[UNITS_SIZE];
	char seconds[UNITS_SIZE];
	if (status == STATUS_OK) {
		record->status = STORE_OK;
		display_end(&work->display, MARK_DONE, "%s (%s) in %s", ops->artefact, units_bytes(record->size, size),
					units_seconds(clock_seconds() - began, seconds));
		return STATUS_OK;
	}
	record->status = STORE_FAILED;
	snprintf(record->reason, sizeof record->reason, "%s", error->message);
	if (is_fatal(status)) {
		return error_prefix(error, "%s backup failed", ops->title);
	}
	display_end(&work->display, MARK_FAILED, "%s backup failed: %s", ops->title, error->message);
	display_hint(&work->display, "%s",
				 error->hint[0] != '\0' ? error->hint : "./bot.sh status and ./bot.sh logs SERVICE tell more");
	return STATUS_OK;
}

static size_t count(const struct backup_record *record, enum store_status status)
{
	size_t number = 0;
	for (size_t i = 0; i < STORE_COUNT; i++) {
		number += record->stores[i].status == status;
	}
	return number;
}

static bool anything_runs(const struct session *session)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		if (session->chosen[i] && session_why_not(session, i) == NULL) {
			return true;
		}
	}
	return false;
}

static enum status finish(struct work *work, struct error *error)
{
	clock_gettime(CLOCK_REALTIME, &work->record.finished);
	enum status status = interrupt_check(error);
	if (status == STATUS_OK) {
		status = record_write(&work->record, work->draft.path, error);
	}
	return status == STATUS_OK ? catalog_publish(work->session.backup_folder, &work->draft, error) : status;
}

static void print_summary(struct work *work, const char *shown_path, double seconds)
{
	uint64_t total = 0;
	for (size_t i = 0; i < STORE_COUNT; i++) {
		total += work->record.stores[i].status == STORE_OK ? work->record.stores[i].size : 0;
	}
	char size[UNITS_SIZE];
	char time[UNITS_SIZE];
	bool complete = record_is_complete(&work->record);
	display_line(&work->display, complete ? MARK_DONE : MARK_WARNING, "%s backup: %s (%s in %s)",
				 complete ? "complete" : "partial", shown_path, units_bytes(total, size), units_seconds(seconds, time));
	if (!work->display.quiet) {
		fprintf(stderr, "   to restore it: %s restore %s\n", command_program(), work->draft.timestamp);
	}
}

static enum status run(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error)
{
	CLEANUP(cleanup_work) struct work work = {.lock = -1};
	CLEANUP(cleanup_free) char *shown_path = NULL;
	double began = clock_seconds();
	display_open(&work.display, invocation->options[OPTION_QUIET] != NULL);
	enum status status = session_open(invocation, &work.session, error);
	if (status == STATUS_OK) {
		status = session_connect(&work.session, error);
	}
	if (status == STATUS_OK && !anything_runs(&work.session)) {
		status = session_nothing_runs(&work.session, error);
	}
	if (status == STATUS_OK) {
		status = catalog_lock(work.session.backup_folder, &work.lock, error);
	}
	if (status == STATUS_OK) {
		space_warn(&work.session, &work.display);
	}
	clock_gettime(CLOCK_REALTIME, &work.record.started);
	if (status == STATUS_OK) {
		status = catalog_draft(work.session.backup_folder, &work.draft, error);
	}
	if (status == STATUS_OK && asprintf(&shown_path, "%s/" TIMESTAMP_FOLDER_PREFIX "%s",
										work.session.backup_folder_shown, work.draft.timestamp) < 0) {
		status = error_memory(error);
	}
	work.record.timestamp = work.draft.timestamp;
	work.record.shown_path = shown_path;
	work.record.project = work.session.project;
	for (size_t i = 0; status == STATUS_OK && i < STORE_COUNT; i++) {
		status = work_on_store(&work, i, error);
	}
	if (status == STATUS_OK && count(&work.record, STORE_OK) == 0) {
		(void)error_set(error, STATUS_FAILED, "no store could be backed up; nothing was kept");
		return error_hint(error, "see the messages above; ./bot.sh status and ./bot.sh logs SERVICE tell more");
	}
	if (status == STATUS_OK) {
		status = finish(&work, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	print_summary(&work, shown_path, clock_seconds() - began);
	if (invocation->options[OPTION_JSON] != NULL) {
		CLEANUP(cleanup_backup) struct backup *backup = NULL;
		status = catalog_find(work.session.backup_folder, work.draft.timestamp, &backup, error);
		if (status == STATUS_OK) {
			status = backup_json_print(backup_json(backup), error);
		}
	}
	*ret_exit_code = count(&work.record, STORE_FAILED) > 0 ? EXIT_PARTIAL : EXIT_DONE;
	return status;
}

const struct command command_create = {
	.name = "create",
	.arguments = "",
	.options = 1U << OPTION_ONLY | 1U << OPTION_JSON | 1U << OPTION_QUIET,
	.summary = "Backs up all stores that run",
	.details =
		"The backup is a new folder under BACKUP_DIR (default ./backups). It appears there, and in list, only when\n"
		"every file of it is on disk, checked and checksummed. Stores that are not running are skipped with a\n"
		"warning, and the backup is marked as partial. Services go on running.\n",
	.run = run,
};
