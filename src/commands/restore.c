/*
 * restore: replaces the stores' data by a backup's.
 *
 * Everything is read and checked before anything is touched; all data is staged while the services run; then the stores
 * are swapped one after the other, and if one fails all that were swapped are rolled back.
 */
#include "base/clock.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "base/units.h"
#include "commands/backup_json.h"
#include "commands/command.h"
#include "commands/moment_text.h"
#include "commands/recovery.h"
#include "commands/restore_recovery.h"
#include "commands/restore_work.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	GUARDIAN_SECONDS = 60, /* that the guardian of a dead run is waited for */
	PROJECT_SHOWN_SIZE = 64,
};

void restore_work_close(struct restore_work *work)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		store_free(work->targets[i].store);
		runtime_free(work->targets[i].runtime);
		free(work->targets[i].path);
		fingerprint_free(&work->targets[i].in_backup);
		fingerprint_free(&work->targets[i].now);
	}
	restore_window_close(work);
	restore_journal_free(work->journal);
	writers_free(&work->writers);
	free(work->window_journal);
	backup_free(work->backup);
	catalog_unlock(&work->lock);
	session_close(&work->session);
}

/* What is there now, and what will be. */
static void print_numbers(const struct restore_work *work)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		const struct restore_target *target = &work->targets[i];
		char now[MOMENT_TEXT_SIZE];
		char then[MOMENT_TEXT_SIZE];
		if (target->plan != RESTORE_TO_DO) {
			continue;
		}
		moment_contents_of(&target->now, now);
		moment_contents_of(&target->in_backup, then);
		fprintf(stderr, "   %-11s %s -> %s%s\n", store_table[i]->title, now[0] != '\0' ? now : "not counted",
				then[0] != '\0' && !target->in_backup.exact ? "about " : "", then[0] != '\0' ? then : "not counted");
	}
	fputc('\n', stderr);
}

static enum status ask(const struct invocation *invocation, struct restore_work *work, struct error *error)
{
	char date[BACKUP_DATE_SIZE];
	if (invocation->options[OPTION_YES] != NULL && invocation->options[OPTION_QUIET] != NULL) {
		return STATUS_OK;
	}
	fprintf(stderr, "\n   This replaces ALL current data of");
	for (size_t i = 0, n = 0; i < STORE_COUNT; i++) {
		if (work->targets[i].plan == RESTORE_TO_DO) {
			fprintf(stderr, "%s %s", n++ > 0 ? "," : "", store_table[i]->title);
		}
	}
	fprintf(stderr, "\n   in project %s by the backup of %s (%s).\n\n", work->session.project,
			backup_date(work->backup, date), backup_status_name(work->backup->status));
	print_numbers(work);
	fprintf(stderr, "   Services are restarted on the way. %s\n\n",
			invocation->options[OPTION_NO_SAFETY_BACKUP] == NULL ? "The present data is backed up first."
																 : "There will be NO backup of the present data.");
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

static enum status print_json(const struct restore_work *work, struct error *error)
{
	static const char *const names[] = {"not in backup", "not chosen", "not running", "restored"};
	json_t *stores = json_array();
	for (size_t i = 0; stores != NULL && i < STORE_COUNT; i++) {
		const struct restore_target *target = &work->targets[i];
		json_t *store = json_pack("{s:s, s:s}", "name", store_table[i]->name, "status", names[target->plan]);
		if (target->plan == RESTORE_TO_DO) {
			(void)json_object_set_new(store, "swap_seconds", json_real(target->down_seconds));
		}
		(void)json_array_append_new(stores, store);
	}
	return backup_json_print(json_pack("{s:s, s:s*, s:o}", "timestamp", work->backup->timestamp, "safety_backup",
									   work->safety[0] != '\0' ? work->safety : NULL, "stores", stores),
							 error);
}

static enum status find_backup(struct restore_work *work, const char *name, struct error *error)
{
	backup_free(MOVE(work->backup));
	enum status status = catalog_find(work->session.backup_folder, name, work->session.project, &work->backup, error);
	return status == STATUS_OK ? restore_plan_refuse_damaged(work, error) : status;
}

static bool is_of_another_project(const struct restore_work *work)
{
	return work->backup->project != NULL && strcmp(work->backup->project, work->session.project) != 0;
}

/* "latest" is what most likely is meant, and not always the newest: that is said. */
static enum status tell_passed_over(struct restore_work *work, struct error *error)
{
	CLEANUP(backup_list_free) struct backup_list list = {0};
	enum status status = catalog_list(work->session.backup_folder, &list, error);
	for (size_t i = list.count; status == STATUS_OK && i > 0; i--) {
		const struct backup *newer = list.items[i - 1];
		const char *reason = catalog_passed_over(newer, work->session.project);
		if (strcmp(newer->timestamp, work->backup->timestamp) == 0) {
			break;
		}
		if (reason != NULL) {
			display_line(&work->display, MARK_WARNING, "%s is newer, but %s", newer->timestamp, reason);
		}
	}
	return status;
}

/* Only the engine knows for sure which project this is. Another's data is restored if it was named, or is all there is.
 */
static enum status settle_which(struct restore_work *work, const char *name, struct error *error)
{
	char project[PROJECT_SHOWN_SIZE];
	const bool latest = strcmp(name, "latest") == 0;
	enum status status = latest ? find_backup(work, name, error) : STATUS_OK;
	if (status == STATUS_OK && latest) {
		status = tell_passed_over(work, error);
	}
	if (status == STATUS_OK && is_of_another_project(work)) {
		text_copy_line(project, sizeof project, work->backup->project);
		display_line(&work->display, MARK_WARNING, "%s holds the data of the project %s, and this is %s",
					 work->backup->timestamp, project, work->session.project);
	}
	if (status == STATUS_OK && latest && work->backup->before_restore) {
		display_line(&work->display, MARK_WARNING, "%s is what a restore has kept of the state before",
					 work->backup->timestamp);
	}
	if (status == STATUS_OK && verification_is_bad(&work->backup->verified)) {
		display_line(&work->display, MARK_WARNING, "%s is known to be bad (%s show %s tells why)",
					 work->backup->timestamp, command_program(), work->backup->timestamp);
	}
	return status;
}

static enum status run(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error)
{
	CLEANUP(restore_work_close) struct restore_work work = {.lock = -1};
	const bool safety = invocation->options[OPTION_NO_SAFETY_BACKUP] == NULL;
	display_open(&work.display, invocation->options[OPTION_QUIET] != NULL);
	enum status status = session_open_only(invocation, &work.session, error);
	bool recovered = false;
	if (status == STATUS_OK) {
		status = session_guard(&work.session, error);
	}
	if (status == STATUS_OK) {
		status = recovery_begin(work.session.backup_folder, GUARDIAN_SECONDS, &recovered, error);
	}
	if (status == STATUS_OK) {
		status = restore_recovery_run(work.session.backup_folder, RESTORE_RECOVERY_WHOLE, &recovered, error);
	}
	if (status == STATUS_OK) {
		status = find_backup(&work, invocation->arguments[0], error);
	}
	if (status == STATUS_OK) {
		status = session_connect(&work.session, error);
	}
	if (status == STATUS_OK) {
		status = settle_which(&work, invocation->arguments[0], error);
	}
	if (status == STATUS_OK) {
		status = session_lock(&work.session, &work.lock, error);
	}
	if (status == STATUS_OK) {
		status = restore_recovery_refuse(work.session.backup_folder, error);
	}
	if (status == STATUS_OK) {
		status = restore_plan_make(&work, error);
	}
	if (status == STATUS_OK) {
		status = restore_plan_check(&work, error);
	}
	if (status == STATUS_OK) {
		status = restore_plan_open(&work, error);
	}
	if (status == STATUS_OK) {
		status = preflight_run(&work, safety, error);
	}
	if (status == STATUS_OK) {
		status = ask(invocation, &work, error);
	}
	if (status == STATUS_OK && safety) {
		status = restore_safety_backup(&work, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	double began = clock_seconds();
	status = restore_stores_begin(&work, error);
	if (status != STATUS_OK) {
		return status;
	}
	status = restore_stores_stage(&work, error);
	if (status == STATUS_OK) {
		status = restore_window_open(&work, error);
	}
	if (status == STATUS_OK) {
		status = restore_stores_swap(&work, error);
	}
	if (status == STATUS_OK) {
		status = restore_stores_decide(&work, error);
	}
	if (status != STATUS_OK) {
		status = restore_stores_roll_back(&work, error);
		restore_window_close(&work);
		return status;
	}
	restore_window_close(&work);
	restore_stores_commit(&work);

	size_t skipped = 0;
	size_t restored = 0;
	for (size_t i = 0; i < STORE_COUNT; i++) {
		skipped += work.targets[i].plan == RESTORE_NOT_RUNNING;
		restored += work.targets[i].plan == RESTORE_TO_DO;
	}
	char seconds[UNITS_SIZE];
	display_line(&work.display, skipped > 0 ? MARK_WARNING : MARK_DONE, "restored %zu store%s from %s in %s", restored,
				 restored == 1 ? "" : "s", work.backup->timestamp, units_seconds(clock_seconds() - began, seconds));
	if (safety && !work.display.quiet) {
		fprintf(stderr, "   to return to the state before: %s restore %s\n", command_program(), work.safety);
	}
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
	.options = 1U << OPTION_ONLY | 1U << OPTION_VOLUME_ACCESS | 1U << OPTION_ALLOW_SHARED_FOLDER | 1U << OPTION_YES |
			   1U << OPTION_NO_SAFETY_BACKUP | 1U << OPTION_JSON | 1U << OPTION_QUIET,
	.summary = "Replaces the stores' data by that of a backup",
	.details =
		"TIMESTAMP is one that list shows, such as 20240912_143022, or latest. ALL current data of the restored\n"
		"stores is replaced: what came after the backup is gone.\n"
		"\n"
		"Every byte of the backup is checked before anything is touched, and what will be replaced by what is told\n"
		"in numbers; then you are asked. The present state is backed up first, as create does it, and the command\n"
		"that returns to it is printed; --no-safety-backup does without. The data is brought beside the live data\n"
		"while services run, then swapped; services are restarted. Each store then has to be healthy and to hold as\n"
		"much as the backup. If any of them fails, all are brought back to what they were.\n"
		"\n"
		"Stores that are not in the backup, or not running, are left as they are.\n",
	.run = run,
};
