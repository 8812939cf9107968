#include "commands/restore_recovery.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "catalog/catalog.h"
#include "commands/command.h"
#include "commands/display.h"
#include "commands/writers.h"
#include "runtimes/docker.h"
#include "snapshot/journal.h"
#include "snapshot/window.h"
#include "transaction/restore_journal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	OPEN_SECONDS = 180, /* for one that has just been started to let itself be asked */
	OPEN_STEP_MILLISECONDS = 500,
	LOOK_SECONDS = 1, /* that another command may take to look at the journal */
	LOOK_STEP_MILLISECONDS = 20,
};

struct recovery {
	const char *backup_folder;
	struct restore_journal *journal;
	struct runtime *runtime;
	struct container_list containers;
	struct writers writers;
	struct window *window; /* while writers stand still */
	char *window_journal;
	struct display display;
};

static void cleanup_recovery(struct recovery *recovery)
{
	window_abandon(recovery->window);
	free(recovery->window_journal);
	writers_free(&recovery->writers);
	container_list_free(&recovery->containers);
	runtime_free(recovery->runtime);
	restore_journal_free(recovery->journal);
}

/* The same container, or the one that has been made anew for the service since. */
static enum status find_container(const struct recovery *recovery, const struct restore_journal_store *noted,
								  const struct store_ops *ops, struct container **ret_container, struct error *error)
{
	*ret_container = NULL;
	for (size_t i = 0; i < recovery->containers.count; i++) {
		struct container *container = recovery->containers.items[i];
		bool same = strcmp(container->id, noted->container) == 0;
		if (same || (*ret_container == NULL && store_of_container(container) == ops)) {
			*ret_container = container;
		}
		if (same) {
			break;
		}
	}
	if (*ret_container != NULL) {
		return STATUS_OK;
	}
	(void)error_set(error, STATUS_UNAVAILABLE, "there is no container for it in project %s",
					recovery->journal->project);
	return error_hint(error, "make it again with the same volume (./bot.sh start), then: %s recover",
					  command_program());
}

static enum status make_run(struct runtime *runtime, const struct container *container, struct error *error)
{
	enum container_state state = CONTAINER_RUNNING;
	enum container_health health = HEALTH_NONE;
	enum status status = runtime_inspect(runtime, container, &state, &health, error);
	if (status != STATUS_OK || state != CONTAINER_STOPPED) {
		return status;
	}
	return runtime_start(runtime, container, error);
}

/* A store whose server tells by itself how far it is. */
static enum status open_running(struct runtime *runtime, struct container *container, const struct store_ops *ops,
								struct store **ret_store, struct error *error)
{
	enum status status = make_run(runtime, container, error);
	if (status == STATUS_OK) {
		container->state = CONTAINER_RUNNING; /* `open` looks at what was found, which may be from before the start */
	}
	for (double began = clock_seconds(); status == STATUS_OK;) {
		status = ops->open(runtime, container, ret_store, error);
		if (status == STATUS_OK || clock_seconds() - began > OPEN_SECONDS) {
			break;
		}
		clock_sleep(OPEN_STEP_MILLISECONDS);
		status = STATUS_OK;
	}
	return status;
}

struct recovered {
	struct container *container;
	struct store *store;
	enum status status;
	struct error error;
};

/* Until the server answers. */
static enum status recover_store(struct recovery *recovery, const struct restore_journal_store *noted,
								 struct recovered *recovered, struct error *error)
{
	const struct store_ops *ops = store_by_name(noted->name);
	struct progress *progress = &recovery->display.progress;
	if (ops == NULL) {
		return error_set(error, STATUS_FAILED, "this version knows no such store");
	}
	enum status status = find_container(recovery, noted, ops, &recovered->container, error);
	if (status == STATUS_OK) {
		status = ops->resume != NULL
					 ? ops->resume(recovery->runtime, recovered->container, noted->memory, noted->swapping,
								   &recovered->store, error)
					 : open_running(recovery->runtime, recovered->container, ops, &recovered->store, error);
	}
	return status == STATUS_OK
			   ? (recovery->journal->committing ? ops->commit : ops->rollback)(recovered->store, progress, error)
			   : status;
}

/* --- the writers -------------------------------------------------------------------------------------------------- */

/* As in a rollback of a restore that is alive: nobody may write into stores of which some are old and some new. */
static enum status pause_writers(struct recovery *recovery, struct error *error)
{
	const struct container *stores[STORE_COUNT] = {NULL};
	for (size_t i = 0; i < recovery->containers.count; i++) {
		const struct store_ops *ops = store_of_container(recovery->containers.items[i]);
		for (size_t s = 0; s < STORE_COUNT; s++) {
			stores[s] = ops == store_table[s] ? recovery->containers.items[i] : stores[s];
		}
	}
	enum status status = files_join(recovery->backup_folder, JOURNAL_NAME, &recovery->window_journal, error);
	if (status == STATUS_OK) {
		status = writers_of(recovery->runtime, recovery->journal->project, stores, &recovery->writers, error);
	}
	return status == STATUS_OK ? writers_pause(&recovery->writers, recovery->runtime, recovery->journal->engine,
											   recovery->window_journal,
											   "see which service does not start (./bot.sh status), then recover again",
											   &recovery->window, error)
							   : status;
}

static void let_writers_go(struct recovery *recovery)
{
	struct error failure;
	if (recovery->window != NULL && window_close(MOVE(recovery->window), NULL, &failure) != STATUS_OK) {
		display_line(&recovery->display, MARK_WARNING, "%s", failure.message);
	}
}

/* --- the stores --------------------------------------------------------------------------------------------------- */

static enum status recover_all(struct recovery *recovery, struct error *error)
{
	struct restore_journal *journal = recovery->journal;
	struct progress *progress = &recovery->display.progress;
	CLEANUP(cleanup_free) struct recovered *stores = calloc(journal->count, sizeof *stores);
	if (stores == NULL && journal->count > 0) {
		return error_memory(error);
	}
	display_line(&recovery->display, MARK_WARNING, "a restore of %s was killed; %s", journal->timestamp,
				 journal->committing ? "all was in place, so it is finished now"
									 : "what the stores held before is brought back now");
	for (size_t i = journal->count; i > 0; i--) {
		struct recovered *each = &stores[i - 1];
		display_begin(&recovery->display, journal->stores[i - 1].name);
		progress_step(progress, "recovering", 0);
		each->status = recover_store(recovery, &journal->stores[i - 1], each, &each->error);
	}
	enum status result = STATUS_OK;
	for (size_t i = journal->count; i > 0; i--) {
		struct recovered *each = &stores[i - 1];
		const char *name = journal->stores[i - 1].name;
		display_resume(&recovery->display, name);
		if (each->status == STATUS_OK) {
			each->status =
				(journal->committing ? store_settle : store_settle_back)(each->store, progress, &each->error);
		}
		if (each->status == STATUS_OK) {
			each->status = make_run(recovery->runtime, each->container, &each->error);
		}
		store_free(MOVE(each->store));
		if (each->status == STATUS_OK) {
			display_end(&recovery->display, MARK_DONE,
						journal->committing ? "holds what the backup holds" : "as it was before");
			if (!journal->committing) {
				struct error unnoted; /* then it is only stopped once more if there is a next time */
				(void)!restore_journal_note(journal, RESTORE_JOURNAL_UNDONE, name, &unnoted);
			}
			continue;
		}
		display_end(&recovery->display, MARK_FAILED, "could not be recovered: %s", each->error.message);
		if (result == STATUS_OK) {
			*error = each->error;
			result = error_prefix(error, "a restore of %s was killed, and %s could not be recovered",
								  journal->timestamp, name);
		}
	}
	return result;
}

static enum status take(const char *path, struct restore_journal **ret_journal, struct error *error)
{
	for (double began = clock_seconds();;) {
		enum status status = restore_journal_take(path, ret_journal, error);
		if (status != STATUS_LOCKED || clock_seconds() - began > LOOK_SECONDS) {
			return status;
		}
		clock_sleep(LOOK_STEP_MILLISECONDS);
	}
}

static enum status recover(const char *backup_folder, const char *path, enum restore_recovery how, bool *ret_recovered,
						   struct error *error)
{
	CLEANUP(cleanup_recovery) struct recovery recovery = {.backup_folder = backup_folder};
	enum status status = take(path, &recovery.journal, error);
	if (status != STATUS_OK || recovery.journal == NULL) {
		return status;
	}
	display_open(&recovery.display, false);
	status = docker_runtime_new(recovery.journal->engine, &recovery.runtime, error);
	if (status == STATUS_OK) {
		status = runtime_find(recovery.runtime, recovery.journal->project, &recovery.containers, error);
	}
	if (status == STATUS_OK) {
		recovery.runtime->volume_access = (enum volume_access)recovery.journal->volume_access;
	}
	struct error unpaused;
	if (status == STATUS_OK && !recovery.journal->committing && pause_writers(&recovery, &unpaused) != STATUS_OK) {
		/* No reason to leave services stopped and stores between two states. */
		display_line(&recovery.display, MARK_WARNING, "writers go on meanwhile: %s", unpaused.message);
	}
	if (status == STATUS_OK) {
		status = recover_all(&recovery, error);
	}
	if (status == STATUS_OK) {
		status = restore_journal_end(recovery.journal, error);
	}
	let_writers_go(&recovery);
	*ret_recovered = status == STATUS_OK;
	if (status != STATUS_OK && error->hint[0] == '\0') {
		(void)error_hint(error, "mend the cause, then: %s recover. If a store is gone for good, see docs/RESTORE.md",
						 command_program());
	}
	if (status != STATUS_OK && how == RESTORE_RECOVERY_ENOUGH && recovery.journal->committing) {
		display_line(&recovery.display, MARK_WARNING, "%s", error->message);
		return STATUS_OK; /* the restored data is in place; what is left over takes room, and is tried again */
	}
	return status;
}

enum status restore_recovery_run(const char *backup_folder, enum restore_recovery how, bool *ret_recovered,
								 struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	int lock = -1;
	*ret_recovered = false;
	enum status status = files_join(backup_folder, RESTORE_JOURNAL_NAME, &path, error);
	bool left = false;
	if (status == STATUS_OK) {
		status = files_exists(path, &left, error);
	}
	if (status != STATUS_OK || !left) {
		return status;
	}
	status = catalog_lock(backup_folder, &lock, error);
	if (status != STATUS_OK) {
		return status;
	}
	interrupt_hold(); /* it is whole or not at all */
	status = recover(backup_folder, path, how, ret_recovered, error);
	interrupt_release();
	catalog_unlock(&lock);
	return status;
}

enum status restore_recovery_refuse(const char *backup_folder, struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(cleanup_restore_journal) struct restore_journal *journal = NULL;
	enum status status = files_join(backup_folder, RESTORE_JOURNAL_NAME, &path, error);
	if (status == STATUS_OK) {
		status = take(path, &journal, error);
	}
	if (status == STATUS_OK && journal != NULL && !journal->committing) {
		(void)error_set(error, STATUS_LOCKED, "a restore was killed just now");
		return error_hint(error, "once more will undo it first");
	}
	return status;
}

void restore_recovery_warn(const char *backup_folder)
{
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(cleanup_restore_journal) struct restore_journal *journal = NULL;
	struct display display;
	struct error error;
	enum status status = files_join(backup_folder, RESTORE_JOURNAL_NAME, &path, &error);
	if (status == STATUS_OK) {
		status = restore_journal_take(path, &journal, &error);
	}
	display_open(&display, false);
	if (status == STATUS_OK && journal != NULL) {
		display_line(&display, MARK_WARNING, "a restore of %s was killed: the stores may not fit together",
					 journal->timestamp);
		display_hint(&display, "to %s it: %s recover", journal->committing ? "finish" : "undo", command_program());
	} else if (status != STATUS_OK && status != STATUS_LOCKED) {
		display_error(&display, &error);
	}
}
