#include "base/files.h"
#include "base/units.h"
#include "commands/command.h"
#include "commands/restore_work.h"
#include "stores/artefact_read.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum status restore_plan_refuse_damaged(const struct restore_work *work, struct error *error)
{
	bool damaged = work->backup->manifest_damaged || work->backup->manifest_doubtful;
	for (size_t i = 0; i < STORE_COUNT; i++) {
		damaged = damaged || (work->session.chosen[i] && work->backup->stores[i].damaged);
	}
	if (!damaged) {
		return STATUS_OK;
	}
	(void)error_set(error, STATUS_DAMAGED, "backup %s is damaged: %s", work->backup->timestamp, work->backup->problem);
	if (work->backup->manifest_doubtful && !work->backup->manifest_damaged) {
		return error_hint(error,
						  "nothing was changed; take another backup (%s list), or see docs/OPERATIONS.md for how to "
						  "use what is left of this one",
						  command_program());
	}
	return error_hint(error, "nothing was changed; take another backup (%s list)", command_program());
}

enum status restore_plan_make(struct restore_work *work, struct error *error)
{
	size_t to_restore = 0;
	size_t in_backup = 0;
	for (size_t i = 0; i < STORE_COUNT; i++) {
		struct restore_target *target = &work->targets[i];
		const char *why_not = session_why_not(&work->session, i);
		bool there = work->backup->stores[i].status == STORE_OK;
		in_backup += there && work->session.chosen[i];
		target->plan = !work->session.chosen[i] ? RESTORE_NOT_CHOSEN
					   : !there                 ? RESTORE_NOT_IN_BACKUP
					   : why_not != NULL        ? RESTORE_NOT_RUNNING
												: RESTORE_TO_DO;
		if (target->plan == RESTORE_NOT_IN_BACKUP) {
			display_line(&work->display, MARK_WARNING, "%-11s not in this backup, its data stays as it is",
						 store_table[i]->name);
		} else if (target->plan == RESTORE_NOT_RUNNING) {
			display_line(&work->display, MARK_WARNING, "%-11s skipped: %s", store_table[i]->name, why_not);
		}
		to_restore += target->plan == RESTORE_TO_DO;
	}
	if (in_backup == 0) {
		return error_set(error, STATUS_USAGE, "backup %s holds none of the chosen stores", work->backup->timestamp);
	}
	if (to_restore == 0) {
		return session_nothing_runs(&work->session, error);
	}
	for (size_t i = 0; i < STORE_COUNT; i++) {
		if (work->targets[i].plan == RESTORE_NOT_RUNNING && work->session.of_store[i] == NULL) {
			(void)error_set(error, STATUS_UNAVAILABLE, "there is no container for %s, which is in the backup",
							store_table[i]->title);
			return error_hint(error, "make it (./bot.sh start), or name the stores to be restored: --only STORES");
		}
	}
	return STATUS_OK;
}

enum status restore_plan_check(struct restore_work *work, struct error *error)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		struct restore_target *target = &work->targets[i];
		const struct backup_store *store = &work->backup->stores[i];
		if (target->plan != RESTORE_TO_DO) {
			continue;
		}
		display_begin(&work->display, store_table[i]->name);
		progress_step(&work->display.progress, "checking the backup", store->size);
		struct artefact_reading reading;
		enum status status = files_join(work->backup->path, store->file, &target->path, error);
		if (status == STATUS_OK) {
			status =
				artefact_read(store_table[i], target->path, store->sha256, &work->display.progress, &reading, error);
		}
		if (status == STATUS_DAMAGED || status == STATUS_NOT_FOUND) {
			char hint[ERROR_HINT_SIZE];
			snprintf(hint, sizeof hint, "%s", error->hint);
			error->status = STATUS_DAMAGED;
			(void)error_prefix(error, "%s is damaged", store->file);
			return error_hint(error, "%s%snothing was changed; take another backup (%s list)", hint,
							  hint[0] != '\0' ? "; " : "", command_program());
		}
		if (status != STATUS_OK) {
			return status;
		}
		target->artefact = reading.artefact;
		char text[UNITS_SIZE];
		display_end(&work->display, MARK_DONE, "%s (%s) is whole", store->file, units_bytes(store->size, text));
	}
	return STATUS_OK;
}

static enum status open_stores(struct restore_work *work, struct error *error)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		struct restore_target *target = &work->targets[i];
		if (target->plan == RESTORE_TO_DO) {
			enum status status = runtime_reopen(work->session.runtime, &target->runtime, error);
			if (status == STATUS_OK) {
				status = store_table[i]->open(target->runtime, work->session.of_store[i], &target->store, error);
			}
			if (status != STATUS_OK) {
				return error_prefix(error, "%s is not ready for a restore, nothing was changed", store_table[i]->title);
			}
		}
	}
	return STATUS_OK;
}

/* Where a store's data lies, as a mount and a path in it; empty for a store whose data is no folder in a mount. */
static void place_of(const struct store *store, char *place, size_t size)
{
	const struct mount *mount = container_mount_of(store->container, store->data_folder);
	place[0] = '\0';
	if (mount != NULL && mount->source[0] != '\0') {
		snprintf(place, size, "%s%s/", mount->source, store->data_folder + strlen(mount->destination));
	}
}

/* Two stores in one folder would replace each other's data. */
static enum status refuse_shared_folders(const struct restore_work *work, struct error *error)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		for (size_t j = 0; j < STORE_COUNT; j++) {
			char outer[PATH_MAX + 256];
			char inner[PATH_MAX + 256];
			if (i == j || work->targets[i].store == NULL || work->targets[j].store == NULL) {
				continue;
			}
			place_of(work->targets[i].store, outer, sizeof outer);
			place_of(work->targets[j].store, inner, sizeof inner);
			if (outer[0] != '\0' && strncmp(inner, outer, strlen(outer)) == 0) {
				(void)error_set(error, STATUS_FAILED, "the data of %s and of %s lie in one folder, nothing was changed",
								store_table[i]->title, store_table[j]->title);
				return error_hint(error, "give each store a volume of its own in the compose file");
			}
		}
	}
	return STATUS_OK;
}

enum status restore_plan_open(struct restore_work *work, struct error *error)
{
	enum status status = open_stores(work, error);
	return status == STATUS_OK ? refuse_shared_folders(work, error) : status;
}
