#include "commands/command.h"
#include "commands/disks.h"
#include "commands/restore_work.h"
#include "commands/space.h"

#include <stdlib.h>
#include <string.h>

enum { PATIENCE_SECONDS = 120 }; /* for a server to count what it holds; there is no harm in not knowing */

/* --- versions ----------------------------------------------------------------------------------------------------- */

bool preflight_is_older(const char *running, const char *recorded, unsigned parts)
{
	for (unsigned i = 0; i < parts; i++) {
		char *running_end = NULL;
		char *recorded_end = NULL;
		unsigned long ours = strtoul(running, &running_end, 10);
		unsigned long theirs = strtoul(recorded, &recorded_end, 10);
		if (running_end == running || recorded_end == recorded) {
			return false; /* nobody knows */
		}
		if (ours != theirs) {
			return ours < theirs;
		}
		running = running_end + (*running_end == '.');
		recorded = recorded_end + (*recorded_end == '.');
	}
	return false;
}

/* A server reads what older ones have written, but not what newer ones have. PostgreSQL's major version is its first
 * number. */
static enum status check_versions(const struct restore_work *work, struct error *error)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		const struct store *store = work->targets[i].store;
		const char *recorded =
			json_string_value(json_object_get(backup_store_manifest(work->backup, i), "server_version"));
		unsigned parts = strcmp(store_table[i]->name, "postgresql") == 0 ? 1 : 2;
		if (store != NULL && recorded != NULL && preflight_is_older(store->version, recorded, parts)) {
			(void)error_set(error, STATUS_FAILED,
							"%s is version %s here, which is older than the %s of the backup; nothing was changed",
							store_table[i]->title, store->version, recorded);
			return error_hint(error, "start the service with an image of at least that version, then restore again");
		}
	}
	return STATUS_OK;
}

/* --- what would not stay ------------------------------------------------------------------------------------------ */

static enum status check_keeps(const struct restore_work *work, struct error *error)
{
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < STORE_COUNT; i++) {
		struct store *store = work->targets[i].store;
		status = store != NULL && store->ops->keeps != NULL ? store->ops->keeps(store, error) : STATUS_OK;
	}
	return status;
}

/* --- space -------------------------------------------------------------------------------------------------------- */

static void add_staged(struct restore_work *work, struct disks *disks)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		const struct restore_target *target = &work->targets[i];
		char *folder = NULL;
		struct error ignored; /* staging will say it */
		if (target->store == NULL || runtime_host_folder(work->session.runtime, target->store->container,
														 target->store->data_folder, &folder, &ignored) != STATUS_OK) {
			continue;
		}
		disks_add(disks, folder, disks_staged_bytes(i, &target->artefact), target->artefact.entries);
	}
}

static enum status add_safety(struct restore_work *work, struct disks *disks, struct error *error)
{
	CLEANUP(backup_list_free) struct backup_list list = {0};
	struct error failure;
	uint64_t bytes = 0;
	if (catalog_list(work->session.backup_folder, &list, &failure) != STATUS_OK) {
		progress_warn(&work->display.progress, "it is not known how much room a backup of the present state needs: %s",
					  failure.message);
		return STATUS_OK;
	}
	for (size_t i = 0; i < STORE_COUNT; i++) {
		bytes += work->targets[i].store != NULL ? space_guess(&work->session, &list, i) : 0;
	}
	char *folder = strdup(work->session.backup_folder);
	if (folder == NULL) {
		return error_memory(error);
	}
	disks_add(disks, folder, bytes, 0);
	return STATUS_OK;
}

/* Old and new data lie side by side until the end. Where that cannot be seen from here, a full disk is found later. */
static enum status check_space(struct restore_work *work, bool safety, struct error *error)
{
	CLEANUP(disks_free) struct disks disks = {.progress = &work->display.progress};
	enum status status = STATUS_OK;
	add_staged(work, &disks);
	if (safety) {
		status = add_safety(work, &disks, error);
	}
	if (status == STATUS_OK) {
		status = disks_check(&disks, "restore",
							 safety ? "old and new data lie side by side until the restore is done, and the present "
									  "state is backed up first"
									: "old and new data lie side by side until the restore is done",
							 error);
	}
	return status;
}

/* --- numbers ------------------------------------------------------------------------------------------------------ */

static enum status count_one(struct restore_work *work, size_t index, struct error *error)
{
	struct restore_target *target = &work->targets[index];
	struct error failure;
	enum status status = backup_fingerprint(work->backup, index, &target->in_backup, error);
	if (status != STATUS_OK) {
		return status;
	}
	work->session.runtime->patience_seconds = PATIENCE_SECONDS;
	status = target->store->ops->count(target->store, &target->in_backup, &target->now, &failure);
	work->session.runtime->patience_seconds = 0;
	if (status == STATUS_INTERRUPTED) {
		*error = failure;
		return status;
	}
	if (status != STATUS_OK) {
		progress_warn(&work->display.progress, "%s is not compared with the backup: %s", store_table[index]->title,
					  failure.message);
	}
	return STATUS_OK;
}

static enum status count_all(struct restore_work *work, struct error *error)
{
	enum status status = STATUS_OK;
	display_begin(&work->display, "now");
	progress_step(&work->display.progress, "counting what the stores hold", 0);
	for (size_t i = 0; status == STATUS_OK && i < STORE_COUNT; i++) {
		status = work->targets[i].store != NULL ? count_one(work, i, error) : STATUS_OK;
	}
	if (status == STATUS_OK) {
		display_end(&work->display, MARK_DONE, "counted what the stores hold");
	}
	return status;
}

enum status preflight_run(struct restore_work *work, bool safety, struct error *error)
{
	enum status status = check_versions(work, error);
	if (status == STATUS_OK) {
		status = check_keeps(work, error);
	}
	if (status == STATUS_OK) {
		status = check_space(work, safety, error);
	}
	return status == STATUS_OK ? count_all(work, error) : status;
}
