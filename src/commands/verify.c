/* verify: is a backup still good? */
#include "base/interrupt.h"
#include "base/units.h"
#include "catalog/catalog.h"
#include "commands/backup_json.h"
#include "commands/command.h"
#include "commands/display.h"
#include "commands/session.h"
#include "commands/verify_drill.h"
#include "commands/verify_read.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct work {
	struct session session;
	struct display display;
	struct backup_list list;
	int lock;
	bool drill;
	size_t good;
	size_t bad;
	size_t unread;     /* that could not be read to their end */
	size_t failed;     /* that could not be looked at */
	json_t *documents; /* one for each */
};

static void cleanup_work(struct work *work)
{
	json_decref(work->documents);
	backup_list_free(&work->list);
	catalog_unlock(&work->lock);
	session_close(&work->session);
}

/* Where the newest is, whatever is known of it. Not what is dated in the future, nor another project's, if there are
 * others. */
static size_t newest_of(const struct work *work)
{
	const time_t now = time(NULL);
	for (size_t i = work->list.count; i > 0; i--) {
		const struct backup *backup = work->list.items[i - 1];
		const bool own = work->session.project == NULL || backup->project == NULL ||
						 strcmp(backup->project, work->session.project) == 0;
		if (own && backup_began(backup) <= now) {
			return i - 1;
		}
	}
	return work->list.count - 1;
}

static void leave_one(struct backup_list *list, size_t index)
{
	struct backup *one = list->items[index];
	list->items[index] = list->items[0];
	list->items[0] = one;
	while (list->count > 1) {
		backup_free(list->items[--list->count]);
	}
}

/* Which backups are meant: one, or all. Without a name the newest. */
static enum status choose(const struct invocation *invocation, struct work *work, struct error *error)
{
	const char *name = invocation->argument_count > 0 ? invocation->arguments[0] : NULL;
	bool all = invocation->options[OPTION_ALL] != NULL;
	if (all && name != NULL) {
		return error_set(error, STATUS_USAGE, "say either which backup to verify or --all, not both");
	}
	if (name != NULL) {
		work->list.items = calloc(1, sizeof(struct backup *));
		if (work->list.items == NULL) {
			return error_memory(error);
		}
		enum status status =
			catalog_find(work->session.backup_folder, name, work->session.project, &work->list.items[0], error);
		work->list.count = status == STATUS_OK;
		return status;
	}
	enum status status = catalog_list(work->session.backup_folder, &work->list, error);
	if (status == STATUS_OK && work->list.count == 0) {
		(void)error_set(error, STATUS_NOT_FOUND, "there are no backups in %s", work->session.backup_folder_shown);
		return error_hint(error, "make the first one: %s create", command_program());
	}
	if (status == STATUS_OK && !all) {
		leave_one(&work->list, newest_of(work));
	}
	return status;
}

/* Into what is kept by now: what an earlier drill has said stays. A note that cannot be read may say that the backup is
 * bad, and is not overwritten. A result that cannot be kept is as true. */
static void keep(struct work *work, struct backup *backup, bool drilled)
{
	struct verification kept;
	struct error failure;
	interrupt_hold();
	enum status status = verification_read(backup->path, &kept, &failure);
	if (status == STATUS_OK) {
		kept.read = backup->verified.read;
		kept.drill = drilled ? backup->verified.drill : kept.drill;
		backup->verified = kept;
		status = verification_write(backup->path, &kept, &failure);
	}
	interrupt_release();
	if (status != STATUS_OK) {
		display_line(&work->display, MARK_WARNING, "the result cannot be kept beside the backup: %s", failure.message);
	}
}

static bool was_removed(const struct backup *backup, struct error *error)
{
	return access(backup->path, F_OK) != 0 && errno == ENOENT &&
		   error_set(error, STATUS_NOT_FOUND, "the backup %s was removed meanwhile", backup->timestamp) != STATUS_OK;
}

static enum status verify_one(struct work *work, struct backup *backup, struct error *error)
{
	struct artefact artefacts[STORE_COUNT] = {0};
	struct verified_run read = {0};
	if (work->list.count > 1 && !work->display.quiet) {
		fprintf(stderr, "%s\n", backup->timestamp);
	}
	enum status status = verify_read(work->session.backup_folder, backup, &work->display, &read, artefacts, error);
	if (status != STATUS_INTERRUPTED && was_removed(backup, error)) {
		return error->status;
	}
	if (status != STATUS_OK) {
		return status;
	}
	backup->verified.read = read;
	if (read.unread) {
		return STATUS_OK; /* no verdict: what was known of it stays */
	}
	bool drilled = false;
	if (work->drill && read.good) {
		struct verified_run drill;
		status = verify_drill(&work->session, backup, &work->display, artefacts, &drill, error);
		if (status != STATUS_INTERRUPTED && was_removed(backup, error)) {
			return error->status; /* what the drill missed says nothing about it */
		}
		drilled = status == STATUS_OK;
		backup->verified.drill = drilled ? drill : backup->verified.drill;
	}
	keep(work, backup, drilled); /* a drill that could not be done takes nothing away from what was read */
	return status;
}

static void tell(struct work *work, const struct backup *backup)
{
	const struct verification *verified = &backup->verified;
	char seconds[UNITS_SIZE];
	bool drilled = work->drill && verified->read.good;
	if (drilled && verified->drill.good) {
		display_line(&work->display, MARK_DONE, "%s would come back: restored in %s, every record read",
					 backup->timestamp, units_seconds(verified->drill.seconds, seconds));
	} else if (drilled) {
		display_line(&work->display, MARK_FAILED, "%s would not come back: %s", backup->timestamp,
					 verified->drill.problem);
	} else if (verified->read.good) {
		display_line(&work->display, MARK_DONE, "%s is good: every byte was read in %s", backup->timestamp,
					 units_seconds(verified->read.seconds, seconds));
	} else if (verified->read.unread) {
		display_line(&work->display, MARK_FAILED, "%s could not be read: %s", backup->timestamp,
					 verified->read.problem);
		display_hint(&work->display, "do not rely on it: look after the disk, verify it again, take a new backup; "
									 "what was known of it before is still noted");
	} else {
		display_line(&work->display, MARK_FAILED, "%s is damaged: %s", backup->timestamp, verified->read.problem);
	}
	(void)json_array_append_new(work->documents, backup_json(backup));
}

static enum status verify_all(struct work *work, struct error *error)
{
	for (size_t i = 0; i < work->list.count; i++) {
		struct backup *backup = work->list.items[i];
		enum status status = verify_one(work, backup, error);
		if (status == STATUS_INTERRUPTED || (status != STATUS_OK && work->list.count == 1)) {
			return status;
		}
		if (status != STATUS_OK) {
			display_error(&work->display, error);
			work->failed++;
			continue;
		}
		bool good = backup->verified.read.good && (!work->drill || backup->verified.drill.good);
		tell(work, backup);
		work->good += good;
		work->unread += backup->verified.read.unread;
		work->bad += !good && !backup->verified.read.unread;
	}
	return STATUS_OK;
}

static enum status run(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error)
{
	CLEANUP(cleanup_work) struct work work = {.lock = -1, .documents = json_array()};
	display_open(&work.display, invocation->options[OPTION_QUIET] != NULL);
	enum status status = session_open(invocation, &work.session, error);
	work.drill = invocation->options[OPTION_DRILL] != NULL;
	if (status == STATUS_OK) {
		status = session_guard(&work.session, error);
	}
	if (status == STATUS_OK && work.drill) { /* the engine knows for sure which project this is */
		status = session_connect(&work.session, error);
	}
	if (status == STATUS_OK) {
		status = choose(invocation, &work, error);
	}
	if (status == STATUS_OK) {
		status = catalog_lock_verify(work.session.backup_folder, &work.lock, error);
	}
	if (status == STATUS_OK) {
		status = verify_all(&work, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	if (work.list.count > 1) {
		display_line(&work.display, work.good < work.list.count ? MARK_FAILED : MARK_DONE,
					 "%zu backups: %zu good, %zu damaged%s", work.list.count, work.good, work.bad,
					 work.failed + work.unread > 0 ? ", the others could not be looked at" : "");
	}
	*ret_exit_code = work.bad + work.unread > 0 ? EXIT_DAMAGED : work.failed > 0 ? EXIT_FAILED : EXIT_DONE;
	return invocation->options[OPTION_JSON] != NULL
			   ? backup_json_print(json_pack("{s:O}", "backups", work.documents), error)
			   : STATUS_OK;
}

const struct command command_verify = {
	.name = "verify",
	.arguments = "[TIMESTAMP]",
	.most_arguments = 1,
	.options = 1U << OPTION_ALL | 1U << OPTION_DRILL | 1U << OPTION_VOLUME_ACCESS | 1U << OPTION_ALLOW_SHARED_FOLDER |
			   1U << OPTION_JSON | 1U << OPTION_QUIET,
	.summary = "Reads every byte of a backup and says whether it is good",
	.details =
		"Checksums, the structure of every file, ChromaDB's database, and whether the files say the same of each\n"
		"other. Without TIMESTAMP the newest backup. The result is kept beside the backup, where list and show find\n"
		"it, and cleanup keeps the newest backup that is known to be good. Backups can be made meanwhile. Needs no\n"
		"Docker, but with --drill.\n\n"
		"A drill restores the backup into containers of its own, made from the images that were backed up, by the\n"
		"steps of a restore. It waits until they answer, counts, compares with the manifest, reads every record and\n"
		"searches every collection. They have no network and no ports, and are removed whatever happens; your own\n"
		"containers and volumes are not touched. The seconds it tells are those that a restore would take.\n",
	.run = run,
};
