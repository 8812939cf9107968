#include "commands/recovery.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "catalog/catalog.h"
#include "catalog/drill_journal.h"
#include "commands/command.h"
#include "commands/display.h"
#include "runtimes/docker.h"
#include "snapshot/journal.h"

enum { LOOK_MILLISECONDS = 100 };

static enum status take(const char *path, unsigned patience_seconds, struct journal **ret_journal, struct error *error)
{
	double began = clock_seconds();
	for (;;) {
		enum status status = journal_take(path, ret_journal, error);
		if (status != STATUS_LOCKED || clock_seconds() - began >= patience_seconds) {
			return status;
		}
		clock_sleep(LOOK_MILLISECONDS);
		if (interrupt_check(error) != STATUS_OK) {
			return error->status;
		}
	}
}

enum status recovery_run(const char *backup_folder, unsigned patience_seconds, bool *ret_healed, struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(cleanup_free) char *thawed = NULL;
	CLEANUP(cleanup_journal) struct journal *journal = NULL;
	CLEANUP(cleanup_runtime) struct runtime *runtime = NULL;
	struct display display;
	*ret_healed = false;
	enum status status = files_join(backup_folder, JOURNAL_NAME, &path, error);
	if (status == STATUS_OK) {
		status = take(path, patience_seconds, &journal, error);
	}
	if (status != STATUS_OK || journal == NULL) {
		return status;
	}
	if (!journal->rebooted && journal->count > 0) {
		status = docker_runtime_new(journal->engine, &runtime, error);
	}
	if (status == STATUS_OK) {
		status = journal_heal(journal, runtime, &thawed, error);
	}
	if (status != STATUS_OK) {
		return error_prefix(error, "a backup or restore was killed and may have left containers paused");
	}
	display_open(&display, false);
	if (thawed[0] != '\0') {
		display_line(&display, MARK_WARNING,
					 "a backup or restore was killed and had left containers paused; they run again: %s", thawed);
	} else {
		display_line(&display, MARK_WARNING, "a backup was killed in its moment; nothing of it is paused any more");
	}
	*ret_healed = true;
	return STATUS_OK;
}

enum status recovery_of_drill(const char *backup_folder, bool *ret_healed, struct error *error)
{
	CLEANUP(catalog_unlock) int lock = -1;
	CLEANUP(cleanup_free) char *engine = NULL;
	CLEANUP(cleanup_runtime) struct runtime *runtime = NULL;
	char name[DRILL_NAME_SIZE];
	size_t count = 0;
	*ret_healed = false;
	bool left = false;
	enum status status = drill_journal_is_there(backup_folder, &left, error);
	if (status != STATUS_OK || !left) {
		return status;
	}
	status = catalog_lock_verify(backup_folder, &lock, error);
	if (status == STATUS_LOCKED) {
		return STATUS_OK; /* it is alive */
	}
	if (status == STATUS_OK) {
		status = drill_journal_is_there(backup_folder, &left, error);
	}
	if (status != STATUS_OK || !left) {
		return status; /* it has just ended */
	}
	status = drill_journal_read(backup_folder, &engine, name, error);
	if (status == STATUS_OK && name[0] != '\0') {
		status = docker_runtime_new(engine, &runtime, error);
		if (status == STATUS_OK) {
			status = runtime_discard(runtime, name, &count, error);
		}
	}
	if (status == STATUS_OK) {
		status = drill_journal_remove(backup_folder, error);
	}
	if (status != STATUS_OK) {
		return error_prefix(error, "a drill was killed and may have left containers");
	}
	struct display display;
	display_open(&display, false);
	display_line(&display, MARK_WARNING, "a drill was killed; %zu containers of it were removed", count);
	*ret_healed = true;
	return STATUS_OK;
}

static void tell(const struct error *error)
{
	struct display display;
	display_open(&display, false);
	display_line(&display, MARK_WARNING, "%s", error->message);
	display_hint(&display, "%s recover tries again", command_program());
}

static void try_drill(const char *backup_folder)
{
	bool healed = false;
	struct error error;
	if (recovery_of_drill(backup_folder, &healed, &error) != STATUS_OK) {
		tell(&error);
	}
}

void recovery_try(const char *backup_folder)
{
	bool healed = false;
	struct error error;
	try_drill(backup_folder);
	enum status status = recovery_run(backup_folder, 0, &healed, &error);
	if (status != STATUS_OK && status != STATUS_LOCKED) {
		tell(&error);
	}
}

enum status recovery_begin(const char *backup_folder, unsigned patience_seconds, bool *ret_healed, struct error *error)
{
	try_drill(backup_folder);
	return recovery_run(backup_folder, patience_seconds, ret_healed, error);
}
