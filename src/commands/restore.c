/*
 * restore: replaces the stores' data by a backup's.
 *
 * Everything is read and checked before anything is touched; all data is staged while the services run; then the stores
 * are swapped one after the other, and if one fails all that were swapped are rolled back.
 */
#include "base/clock.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/units.h"
#include "catalog/catalog.h"
#include "commands/backup_json.h"
#include "commands/command.h"
#include "commands/display.h"
#include "commands/session.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum plan { NOT_IN_BACKUP, NOT_CHOSEN, NOT_RUNNING, TO_RESTORE };

struct target {
	enum plan plan;
	char *path; /* of the artefact */
	struct artefact artefact;
	struct store *store;
};

struct work {
	struct session session;
	struct display display;
	struct backup *backup;
	struct target targets[STORE_COUNT];
	int lock;
};

static void cleanup_work(struct work *work)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		store_free(work->targets[i].store);
		free(work->targets[i].path);
	}
	backup_free(work->backup);
	catalog_unlock(&work->lock);
	session_close(&work->session);
}

/* --- before anything is touched
 * ---------------------------------------------------------------------------------------- */

/* Damage that shows without reading the files; a store that is not chosen may be damaged. */
static enum status refuse_damaged(const struct work *work, struct error *error)
{
	bool damaged = work->backup->manifest_damaged;
	for (size_t i = 0; i < STORE_COUNT; i++) {
		damaged = damaged || (work->session.chosen[i] && work->backup->stores[i].damaged);
	}
	if (!damaged) {
		return STATUS_OK;
	}
	(void)error_set(error, STATUS_DAMAGED, "backup %s is damaged: %s", work->backup->timestamp, work->backup->problem);
	return error_hint(error, "nothing was changed; take another backup (%s list)", command_program());
}

static enum status make_plan(struct work *work, struct error *error)
{
	size_t to_restore = 0;
	size_t in_backup = 0;
	for (size_t i = 0; i < STORE_COUNT; i++) {
		struct target *target = &work->targets[i];
		const char *why_not = session_why_not(&work->session, i);
		bool there = work->backup->stores[i].status == STORE_OK;
		in_backup += there && work->session.chosen[i];
		target->plan = !work->session.chosen[i] ? NOT_CHOSEN
					   : !there                 ? NOT_IN_BACKUP
					   : why_not != NULL        ? NOT_RUNNING
												: TO_RESTORE;
		if (target->plan == NOT_IN_BACKUP) {
			display_line(&work->display, MARK_WARNING, "%-11s not in this backup, its data stays as it is",
						 store_table[i]->name);
		} else if (target->plan == NOT_RUNNING) {
			display_line(&work->display, MARK_WARNING, "%-11s skipped: %s", store_table[i]->name, why_not);
		}
		to_restore += target->plan == TO_RESTORE;
	}
	if (in_backup == 0) {
		return error_set(error, STATUS_USAGE, "backup %s holds none of the chosen stores", work->backup->timestamp);
	}
	return to_restore == 0 ? session_nothing_runs(&work->session, error) : STATUS_OK;
}

/* Reads every byte that will be restored: its checksum, if the backup has one, and its structure. */
static enum status check_artefacts(struct work *work, struct error *error)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		struct target *target = &work->targets[i];
		const struct backup_store *store = &work->backup->stores[i];
		if (target->plan != TO_RESTORE) {
			continue;
		}
		display_begin(&work->display, store_table[i]->name);
		progress_step(&work->display.progress, "checking the backup", store->size);
		char sha256[DIGEST_TEXT_SIZE];
		uint64_t size = 0;
		enum status status = files_join(work->backup->path, store->file, &target->path, error);
		if (status == STATUS_OK && store->sha256[0] != '\0') {
			status = digest_file(target->path, &work->display.progress, sha256, &size, error);
			if (status == STATUS_OK && strcmp(sha256, store->sha256) != 0) {
				status = error_set(error, STATUS_DAMAGED, "its content is not what was written (SHA-256 differs)");
			}
		}
		if (status == STATUS_OK) {
			progress_step(&work->display.progress, "checking its structure", 0);
			status = store_table[i]->check(target->path, &work->display.progress, &target->artefact, error);
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
		char text[UNITS_SIZE];
		display_end(&work->display, MARK_DONE, "%s (%s) is whole", store->file, units_bytes(store->size, text));
	}
	return STATUS_OK;
}

static enum status open_stores(struct work *work, struct error *error)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		struct target *target = &work->targets[i];
		if (target->plan == TO_RESTORE) {
			enum status status =
				store_table[i]->open(work->session.runtime, work->session.of_store[i], &target->store, error);
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
static enum status refuse_shared_folders(const struct work *work, struct error *error)
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

static enum status ask(const struct invocation *invocation, struct work *work, struct error *error)
{
	char date[BACKUP_DATE_SIZE];
	if (invocation->options[OPTION_YES] != NULL && invocation->options[OPTION_QUIET] != NULL) {
		return STATUS_OK;
	}
	fprintf(stderr, "\n   This replaces ALL current data of");
	for (size_t i = 0, n = 0; i < STORE_COUNT; i++) {
		if (work->targets[i].plan == TO_RESTORE) {
			fprintf(stderr, "%s %s", n++ > 0 ? "," : "", store_table[i]->title);
		}
	}
	fprintf(stderr, "\n   in project %s by the backup of %s (%s).\n", work->session.project,
			backup_date(work->backup, date), backup_status_name(work->backup->status));
	fprintf(stderr, "   Services are restarted on the way. Back up first if you may want the present data again.\n\n");
	if (invocation->options[OPTION_YES] != NULL) {
		return STATUS_OK;
	}
	if (!isatty(STDIN_FILENO)) {
		(void)error_set(error, STATUS_USAGE,
						"a restore asks first, and there is no terminal to ask at; nothing was changed");
		return error_hint(error, "in a script, say --yes: %s restore %s --yes", command_program(),
						  work->backup->timestamp);
	}
	fprintf(stderr, "   Type yes to go on: ");
	fflush(stderr);
	char answer[16] = "";
	bool answered = fgets(answer, sizeof answer, stdin) != NULL;
	enum status status = interrupt_check(error);
	if (status != STATUS_OK) {
		fputc('\n', stderr);
		return status;
	}
	answer[strcspn(answer, "\r\n")] = '\0';
	if (!answered || strcmp(answer, "yes") != 0) {
		return error_set(error, STATUS_INTERRUPTED, "not confirmed; nothing was changed");
	}
	return STATUS_OK;
}

/* --- the work
 * ------------------------------------------------------------------------------------------------------------- */

static enum status stage_all(struct work *work, struct error *error)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		struct target *target = &work->targets[i];
		if (target->plan != TO_RESTORE) {
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

static enum status swap_all(struct work *work, struct error *error)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		struct target *target = &work->targets[i];
		if (target->plan != TO_RESTORE) {
			continue;
		}
		display_begin(&work->display, store_table[i]->name);
		double began = clock_seconds();
		enum status status = interrupt_check(error);
		if (status == STATUS_OK) {
			status = store_table[i]->swap(target->store, &work->display.progress, error);
		}
		if (status != STATUS_OK) {
			return error_prefix(error, "%s failed to be restored", store_table[i]->title);
		}
		char seconds[UNITS_SIZE];
		display_end(&work->display, MARK_DONE, "in place and answering (%s)",
					units_seconds(clock_seconds() - began, seconds));
	}
	return STATUS_OK;
}

/* Brings everything back; what cannot be brought back is said, and becomes part of the failure. */
static enum status roll_back_all(struct work *work, struct error *error)
{
	size_t failures = 0;
	interrupt_hold();
	for (size_t i = STORE_COUNT; i > 0; i--) {
		struct target *target = &work->targets[i - 1];
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

/* The new data is in place: from here on there is only forwards, and a failure leaves rubbish, not a wrong state. */
static void commit_all(struct work *work)
{
	interrupt_hold();
	for (size_t i = 0; i < STORE_COUNT; i++) {
		struct target *target = &work->targets[i];
		struct error failure;
		if (target->plan == TO_RESTORE &&
			store_table[i]->commit(target->store, &work->display.progress, &failure) != STATUS_OK) {
			display_line(&work->display, MARK_WARNING,
						 "%s: the data is restored, but the old data could not be removed: %s", store_table[i]->title,
						 failure.message);
			display_hint(&work->display, "the next restore removes it");
		}
	}
	interrupt_release();
}

static enum status print_json(const struct work *work, struct error *error)
{
	static const char *const names[] = {"not in backup", "not chosen", "not running", "restored"};
	json_t *stores = json_array();
	for (size_t i = 0; stores != NULL && i < STORE_COUNT; i++) {
		(void)json_array_append_new(
			stores, json_pack("{s:s, s:s}", "name", store_table[i]->name, "status", names[work->targets[i].plan]));
	}
	return backup_json_print(json_pack("{s:s, s:o}", "timestamp", work->backup->timestamp, "stores", stores), error);
}

static enum status run(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error)
{
	CLEANUP(cleanup_work) struct work work = {.lock = -1};
	display_open(&work.display, invocation->options[OPTION_QUIET] != NULL);
	enum status status = session_open(invocation, &work.session, error);
	if (status == STATUS_OK) {
		status = catalog_find(work.session.backup_folder, invocation->arguments[0], &work.backup, error);
	}
	if (status == STATUS_OK) {
		status = refuse_damaged(&work, error);
	}
	if (status == STATUS_OK) {
		status = session_connect(&work.session, error);
	}
	if (status == STATUS_OK) {
		status = catalog_lock(work.session.backup_folder, &work.lock, error);
	}
	if (status == STATUS_OK) {
		status = make_plan(&work, error);
	}
	if (status == STATUS_OK) {
		status = check_artefacts(&work, error);
	}
	if (status == STATUS_OK) {
		status = open_stores(&work, error);
	}
	if (status == STATUS_OK) {
		status = refuse_shared_folders(&work, error);
	}
	if (status == STATUS_OK) {
		status = ask(invocation, &work, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	double began = clock_seconds();
	status = stage_all(&work, error);
	if (status == STATUS_OK) {
		status = swap_all(&work, error);
	}
	if (status != STATUS_OK) {
		return roll_back_all(&work, error);
	}
	commit_all(&work);

	size_t skipped = 0;
	size_t restored = 0;
	for (size_t i = 0; i < STORE_COUNT; i++) {
		skipped += work.targets[i].plan == NOT_RUNNING;
		restored += work.targets[i].plan == TO_RESTORE;
	}
	char seconds[UNITS_SIZE];
	display_line(&work.display, skipped > 0 ? MARK_WARNING : MARK_DONE, "restored %zu store%s from %s in %s", restored,
				 restored == 1 ? "" : "s", work.backup->timestamp, units_seconds(clock_seconds() - began, seconds));
	if (restored < STORE_COUNT) {
		display_line(&work.display, MARK_WARNING,
					 "the stores that were not restored may no longer fit together with the others");
	}
	*ret_exit_code = skipped > 0 ? EXIT_PARTIAL : EXIT_DONE;
	return invocation->options[OPTION_JSON] != NULL ? print_json(&work, error) : STATUS_OK;
}

const struct command command_restore = {
	.name = "restore",
	.arguments = "TIMESTAMP",
	.least_arguments = 1,
	.most_arguments = 1,
	.options =
		1U << OPTION_ONLY | 1U << OPTION_VOLUME_ACCESS | 1U << OPTION_YES | 1U << OPTION_JSON | 1U << OPTION_QUIET,
	.summary = "Replaces the stores' data by that of a backup",
	.details =
		"TIMESTAMP is one that list shows, such as 20240912_143022, or latest. ALL current data of the restored\n"
		"stores is replaced: what came after the backup is gone. Every byte of the backup is checked before\n"
		"anything is touched; you are asked before anything is changed; services are restarted; and if any\n"
		"store fails, all are brought back to what they were.\n"
		"Stores that are not in the backup, or not running, are left as they are.\n",
	.run = run,
};
