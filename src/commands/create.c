/* create: backs up all stores that run. */
#include "base/clock.h"
#include "base/units.h"
#include "commands/backup_json.h"
#include "commands/command.h"
#include "commands/create_backup.h"
#include "commands/number.h"
#include "commands/recovery.h"
#include "commands/restore_recovery.h"
#include "commands/space.h"

#include <stdio.h>
#include <string.h>

enum { GUARDIAN_SECONDS = 60 }; /* that the guardian of a dead run is waited for */

struct work {
	struct session session;
	struct display display;
	struct create_backup_result result;
	int lock;
};

static void cleanup_work(struct work *work)
{
	catalog_unlock(&work->lock);
	session_close(&work->session);
	free(work->result.shown_path);
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

static void print_summary(struct work *work, double seconds)
{
	const struct create_backup_result *result = &work->result;
	char size[UNITS_SIZE];
	char time[UNITS_SIZE];
	display_line(&work->display, result->complete ? MARK_DONE : MARK_WARNING, "%s backup: %s (%s in %s)",
				 result->complete ? "complete" : "partial", result->shown_path, units_bytes(result->bytes, size),
				 units_seconds(seconds, time));
	if (!work->display.quiet) {
		fprintf(stderr, "   to restore it: %s restore %s\n", command_program(), result->timestamp);
	}
}

static enum status longest_freeze(const struct invocation *invocation, unsigned *ret_seconds, struct error *error)
{
	const char *text = invocation->options[OPTION_MAX_FREEZE];
	*ret_seconds = CREATE_LONGEST_FREEZE_SECONDS;
	return text == NULL ? STATUS_OK
						: number_parse(text, "a number of seconds", 1, NUMBER_SECONDS_MAX, ret_seconds, error);
}

/* With the backup listed and the folder free for others: a drill takes longer than the backup. */
static enum status drill(const struct invocation *invocation, struct work *work, enum exit_code *ret_exit_code,
						 struct error *error)
{
	struct invocation verify = {
		.command = &command_verify,
		.arguments = {work->result.timestamp},
		.argument_count = 1,
	};
	verify.options[OPTION_DRILL] = "";
	verify.options[OPTION_QUIET] = invocation->options[OPTION_QUIET];
	verify.options[OPTION_VOLUME_ACCESS] = invocation->options[OPTION_VOLUME_ACCESS];
	enum exit_code verified = EXIT_DONE;
	catalog_unlock(&work->lock);
	work->lock = -1;
	enum status status = command_verify.run(&verify, &verified, error);
	*ret_exit_code = verified != EXIT_DONE ? verified : *ret_exit_code;
	if (status != STATUS_OK && status != STATUS_INTERRUPTED) {
		(void)error_prefix(error, "the backup is made, but not drilled");
		display_error(&work->display, error);
		*ret_exit_code = EXIT_FAILED;
		return STATUS_OK;
	}
	return status;
}

static enum status run(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error)
{
	CLEANUP(cleanup_work) struct work work = {.lock = -1};
	double began = clock_seconds();
	unsigned longest_seconds = 0;
	display_open(&work.display, invocation->options[OPTION_QUIET] != NULL);
	enum status status = longest_freeze(invocation, &longest_seconds, error);
	if (status == STATUS_OK) {
		status = session_open_only(invocation, &work.session, error);
	}
	if (status == STATUS_OK) {
		status = session_guard(&work.session, error);
	}
	bool healed = false;
	if (status == STATUS_OK) {
		/* A guardian may still be at work for a run that was killed. */
		status = recovery_begin(work.session.backup_folder, GUARDIAN_SECONDS, &healed, error);
	}
	if (status == STATUS_OK) {
		/* Before it is looked what runs: a service may be stopped. */
		status = restore_recovery_run(work.session.backup_folder, RESTORE_RECOVERY_ENOUGH, &healed, error);
	}
	if (status == STATUS_OK) {
		status = session_connect(&work.session, error);
	}
	if (status == STATUS_OK && !anything_runs(&work.session)) {
		status = session_nothing_runs(&work.session, error);
	}
	if (status == STATUS_OK) {
		status = session_lock(&work.session, &work.lock, error);
	}
	if (status == STATUS_OK) {
		status = restore_recovery_refuse(work.session.backup_folder, error);
	}
	if (status == STATUS_OK) {
		/* Of one that was killed since. */
		status = recovery_run(work.session.backup_folder, GUARDIAN_SECONDS, &healed, error);
	}
	if (status == STATUS_OK) {
		space_warn(&work.session, &work.display);
	}
	const struct create_backup_request request = {
		.session = &work.session,
		.display = &work.display,
		.longest_seconds = longest_seconds,
		.pause_writers = invocation->options[OPTION_NO_PAUSE_WRITERS] == NULL,
	};
	if (status == STATUS_OK) {
		status = create_backup(&request, &work.result, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	print_summary(&work, clock_seconds() - began);
	*ret_exit_code = work.result.failed > 0 ? EXIT_PARTIAL : EXIT_DONE;
	if (invocation->options[OPTION_DRILL] != NULL) {
		status = drill(invocation, &work, ret_exit_code, error);
	}
	if (status == STATUS_OK && invocation->options[OPTION_JSON] != NULL) {
		CLEANUP(cleanup_backup) struct backup *backup = NULL;
		status = catalog_find(work.session.backup_folder, work.result.timestamp, NULL, &backup, error);
		if (status == STATUS_OK) {
			status = backup_json_print(backup_json(backup), error);
		}
	}
	return status;
}

const struct command command_create = {
	.name = "create",
	.arguments = "",
	.options = 1U << OPTION_ONLY | 1U << OPTION_MAX_FREEZE | 1U << OPTION_NO_PAUSE_WRITERS |
			   1U << OPTION_VOLUME_ACCESS | 1U << OPTION_ALLOW_SHARED_FOLDER | 1U << OPTION_DRILL | 1U << OPTION_JSON |
			   1U << OPTION_QUIET,
	.summary = "Backs up all stores that run",
	.details =
		"The backup is a new folder under BACKUP_DIR (default ./backups). It appears there, and in list, only when\n"
		"every file of it is on disk, checked and checksummed. Stores that are not running are skipped with a\n"
		"warning, and the backup is marked as partial.\n"
		"\n"
		"All stores are saved as they are at one moment. While they are copied, before it and after it, everything\n"
		"runs. In the moment itself the other containers of the project are paused, because they may write to the\n"
		"stores, and so are ChromaDB and Neo4j, while what has changed since the copy is read; PostgreSQL and Redis\n"
		"hold the moment by themselves and are not paused. Then everything goes on. list and show tell how long it\n"
		"was. If it would be longer than --max-freeze, everything goes on and the backup has failed.\n"
		"\n"
		"A container with the label whisperengine.backup.pause=false is not paused, unless it is ChromaDB or Neo4j;\n"
		"with --no-pause-writers only these two are. What the others write meanwhile may be in one store and not in\n"
		"another. The same goes for programs outside of the project.\n"
		"\n"
		"As another user than root, or with --volume-access api, ChromaDB and Neo4j stand still while all of their\n"
		"data is copied through the Docker Engine. --volume-access direct fails instead.\n"
		"\n"
		"With --drill, the backup is verified by a drill at once (see verify); it stays, whatever comes of that.\n",
	.run = run,
};
