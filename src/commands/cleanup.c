/* cleanup: removes the backups that no rule keeps. */
#include "base/interrupt.h"
#include "base/units.h"
#include "catalog/catalog.h"
#include "catalog/retention.h"
#include "commands/backup_json.h"
#include "commands/command.h"
#include "commands/display.h"
#include "commands/number.h"
#include "commands/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cleanup {
	struct retention_policy policy;
	bool dry_run;
	struct display display;
	struct session session;
	struct backup_list list; /* oldest first */
	struct retention_decision *decisions;
	bool *checked;   /* whose content was read */
	size_t count;    /* of backups that were removed, or would be */
	uint64_t freed;  /* bytes */
	size_t failures; /* backups that could not be removed */
	json_t *removed;
	json_t *kept;
	json_t *failed;
};

static void cleanup_close_all(struct cleanup *work)
{
	session_close(&work->session);
	backup_list_free(&work->list);
	free(work->decisions);
	free(work->checked);
	json_decref(work->removed);
	json_decref(work->kept);
	json_decref(work->failed);
}

/* --- what the user wants ------------------------------------------------------------------------------------------ */

static enum status parse_policy(const struct invocation *invocation, struct retention_policy *ret_policy,
								struct error *error)
{
	struct retention_policy policy = {.days = RETENTION_NO_DAYS};
	const struct {
		enum option option;
		int *number;
	} rules[] = {{OPTION_KEEP_LAST, &policy.last},
				 {OPTION_KEEP_DAILY, &policy.daily},
				 {OPTION_KEEP_WEEKLY, &policy.weekly},
				 {OPTION_KEEP_MONTHLY, &policy.monthly}};
	bool any_rule = false;
	unsigned number = 0;
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
		const char *text = invocation->options[rules[i].option];
		if (text == NULL) {
			continue;
		}
		any_rule = true;
		if (!number_read(text, 1, RETENTION_MOST, &number)) {
			(void)error_set(error, STATUS_USAGE, "--%s wants a number of backups, not \"%s\"",
							option_table[rules[i].option].name, text);
			return error_hint(error, "give a whole number from 1 to %d, or leave the option out", RETENTION_MOST);
		}
		*rules[i].number = (int)number;
	}
	if (invocation->argument_count > 0) {
		if (!number_read(invocation->arguments[0], 0, RETENTION_MOST, &number)) {
			(void)error_set(error, STATUS_USAGE, "\"%s\" is not a number of days", invocation->arguments[0]);
			return error_hint(error, "give a whole number from 0 to %d, such as: %s cleanup %d", RETENTION_MOST,
							  command_program(), RETENTION_DEFAULT_DAYS);
		}
		policy.days = (int)number;
	} else if (!any_rule) {
		policy.days = RETENTION_DEFAULT_DAYS;
	}
	*ret_policy = policy;
	return STATUS_OK;
}

static bool only_age(const struct retention_policy *policy)
{
	return policy->last == 0 && policy->daily == 0 && policy->weekly == 0 && policy->monthly == 0;
}

/* --- the work ----------------------------------------------------------------------------------------------------- */

static void tell_kept(struct cleanup *work, const struct backup *backup, const struct retention_decision *decision)
{
	char size[UNITS_SIZE];
	switch (decision->verdict) {
	case RETENTION_REMOVE:
		return;
	case RETENTION_KEEP:
		if (work->dry_run) {
			display_line(&work->display, MARK_DONE, "keeps %s (%s): %s", backup->timestamp,
						 units_bytes(backup->size, size), decision->why);
		}
		break;
	case RETENTION_KEEP_SAFE:
		display_line(&work->display, MARK_WARNING, "%s is %s, but %s: it stays", backup->timestamp,
					 only_age(&work->policy) ? "older" : "kept by no rule", decision->why);
		break;
	case RETENTION_KEEP_FUTURE:
		display_line(&work->display, MARK_WARNING, "%s is %s: it stays", backup->timestamp, decision->why);
		break;
	}
	(void)json_array_append_new(work->kept,
								json_pack("{s:s, s:s}", "timestamp", backup->timestamp, "why", decision->why));
}

static const struct backup_store *first_unlike(const struct backup *backup)
{
	for (size_t s = 0; s < STORE_COUNT; s++) {
		if (backup->stores[s].unlike) {
			return &backup->stores[s];
		}
	}
	return NULL;
}

static enum status check_one(struct cleanup *work, struct backup *backup, struct error *error)
{
	display_begin(&work->display, backup->timestamp);
	enum status status = backup_check(backup, &work->display.progress, error);
	const struct backup_store *unlike = first_unlike(backup);
	if (status == STATUS_OK && unlike != NULL) {
		display_end(&work->display, MARK_WARNING, "is not of the form that a restore takes: %s: %s", unlike->file,
					unlike->reason);
	} else if (status == STATUS_OK && backup->status == BACKUP_DAMAGED) {
		display_end(&work->display, MARK_WARNING, "is damaged: %s", backup->problem);
	} else if (status == STATUS_OK) {
		display_end(&work->display, MARK_DONE, "is whole: older ones may go");
	}
	return status;
}

/* Nothing goes because of a newer backup that only looks good: those are read first. */
static enum status decide(struct cleanup *work, struct error *error)
{
	time_t now = time(NULL);
	for (;;) {
		struct backup *doubtful = NULL;
		bool any_goes = false;
		retention_decide(&work->list, &work->policy, now, work->decisions);
		for (size_t i = 0; i < work->list.count; i++) {
			any_goes = any_goes || work->decisions[i].verdict == RETENTION_REMOVE;
		}
		for (size_t i = 0; any_goes && doubtful == NULL && i < work->list.count; i++) {
			if (work->decisions[i].relied_on && !work->checked[i]) {
				work->checked[i] = true;
				doubtful = work->list.items[i];
			}
		}
		if (doubtful == NULL) {
			return STATUS_OK;
		}
		enum status status = check_one(work, doubtful, error);
		if (status != STATUS_OK) {
			return status;
		}
	}
}

static void count(struct cleanup *work, const struct backup *backup)
{
	(void)json_array_append_new(work->removed, json_string(backup->timestamp));
	work->freed += backup->size;
	work->count++;
}

/* A backup that cannot be removed is told of; it keeps none of the others from being removed. */
static enum status remove_one(struct cleanup *work, const struct backup *backup, struct error *error)
{
	char size[UNITS_SIZE];
	enum status status = interrupt_check(error);
	if (status == STATUS_OK) {
		status = catalog_remove(work->session.backup_folder, backup, error);
	}
	if (status == STATUS_INTERRUPTED) {
		return status;
	}
	if (status != STATUS_OK) {
		display_error(&work->display, error);
		(void)json_array_append_new(work->failed, json_pack("{s:s, s:o}", "timestamp", backup->timestamp, "message",
															json_string(error->message)));
		work->failures++;
		return STATUS_OK;
	}
	display_line(&work->display, MARK_DONE, "removed %s (%s)", backup->timestamp, units_bytes(backup->size, size));
	count(work, backup);
	return STATUS_OK;
}

static enum status work_through(struct cleanup *work, struct error *error)
{
	enum status status = STATUS_OK;
	char size[UNITS_SIZE];
	for (size_t i = 0; status == STATUS_OK && i < work->list.count; i++) {
		const struct backup *backup = work->list.items[i];
		const struct retention_decision *decision = &work->decisions[i];
		if (decision->verdict != RETENTION_REMOVE) {
			tell_kept(work, backup, decision);
		} else if (work->dry_run) {
			display_line(&work->display, MARK_DONE, "would remove %s (%s): %s", backup->timestamp,
						 units_bytes(backup->size, size), decision->why);
			count(work, backup);
		} else {
			status = remove_one(work, backup, error);
		}
	}
	return status;
}

/* --- how it went -------------------------------------------------------------------------------------------------- */

static void print_summary(struct cleanup *work)
{
	char age[48] = "";
	char size[UNITS_SIZE];
	int days = work->policy.days;
	if (only_age(&work->policy)) {
		snprintf(age, sizeof age, " older than %d day%s", days, days == 1 ? "" : "s");
	}
	display_line(&work->display, work->failures == 0 ? MARK_DONE : MARK_WARNING,
				 "%zu backup%s%s %s, %s freed, %zu kept%s", work->count, work->count == 1 ? "" : "s", age,
				 work->dry_run ? "would be removed" : "removed", units_bytes(work->freed, size),
				 work->list.count - work->count, work->dry_run ? "; nothing was changed" : "");
	if (work->failures > 0) {
		display_line(&work->display, MARK_FAILED, "%zu backup%s could not be removed", work->failures,
					 work->failures == 1 ? "" : "s");
	}
}

static json_t *cleanup_json(const struct cleanup *work)
{
	return json_pack("{s:O, s:I, s:I, s:O, s:O, s:b}", "removed", work->removed, "freed_bytes", (json_int_t)work->freed,
					 "kept", (json_int_t)(work->list.count - work->count), "kept_backups", work->kept, "failed",
					 work->failed, "dry_run", work->dry_run);
}

static enum status run(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error)
{
	CLEANUP(cleanup_close_all)
	struct cleanup work = {
		.dry_run = invocation->options[OPTION_DRY_RUN] != NULL,
		.removed = json_array(),
		.kept = json_array(),
		.failed = json_array(),
	};
	CLEANUP(catalog_unlock) int lock = -1;
	display_open(&work.display, invocation->options[OPTION_QUIET] != NULL);
	enum status status = parse_policy(invocation, &work.policy, error);
	if (status == STATUS_OK) {
		status = session_open(invocation, &work.session, error);
	}
	if (status == STATUS_OK) {
		status = session_guard(&work.session, error);
	}
	/* What only looks need not wait for a backup that is being made, and leaves no lock file behind. */
	if (status == STATUS_OK && !work.dry_run) {
		status = session_lock(&work.session, &lock, error);
	}
	if (status == STATUS_OK) {
		status = catalog_list(work.session.backup_folder, &work.list, error);
	}
	if (status == STATUS_OK) {
		work.decisions = calloc(work.list.count + 1, sizeof *work.decisions);
		work.checked = calloc(work.list.count + 1, sizeof *work.checked);
		status = work.decisions == NULL || work.checked == NULL ? error_memory(error) : STATUS_OK;
	}
	if (status == STATUS_OK) {
		status = decide(&work, error);
	}
	if (status == STATUS_OK) {
		status = work_through(&work, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	print_summary(&work);
	*ret_exit_code = work.failures == 0 ? EXIT_DONE : EXIT_FAILED;
	return invocation->options[OPTION_JSON] != NULL ? backup_json_print(cleanup_json(&work), error) : STATUS_OK;
}

const struct command command_cleanup = {
	.name = "cleanup",
	.arguments = "[DAYS]",
	.most_arguments = 1,
	.options = 1U << OPTION_KEEP_LAST | 1U << OPTION_KEEP_DAILY | 1U << OPTION_KEEP_WEEKLY | 1U << OPTION_KEEP_MONTHLY |
			   1U << OPTION_DRY_RUN | 1U << OPTION_ALLOW_SHARED_FOLDER | 1U << OPTION_JSON | 1U << OPTION_QUIET,
	.summary = "Removes backups older than DAYS days (30)",
	.details =
		"With DAYS, or with nothing, backups that are older go. With --keep options, every backup goes that none of\n"
		"them keeps; with both, those that are younger than DAYS stay too. For a week of days and a year of months:\n"
		"  cleanup 2 --keep-daily 7 --keep-monthly 12\n\n"
		"A backup's age is told by its name, in local time. Days, weeks and months without a backup do not count.\n"
		"The options count backups that hold the same stores together, and those without a manifest apart: a night\n"
		"without Neo4j takes no complete backup's place. Backups of several projects in one folder are judged apart.\n"
		"Damaged backups, and those that verify or a drill has found bad, are kept by DAYS only.\n\n"
		"Whatever you ask for, the newest complete backup stays, the newest one that verify has found good, and of\n"
		"each store the newest good one, or whatever is left of it; so does what is dated in the future. Before\n"
		"anything goes, these are read whole: one that is damaged does not count.\n"
		"Nothing that is not a backup is ever touched. Needs no Docker.\n",
	.run = run,
};
