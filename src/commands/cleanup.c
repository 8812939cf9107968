/* cleanup: removes old backups. */
#include "base/interrupt.h"
#include "base/units.h"
#include "catalog/catalog.h"
#include "commands/backup_json.h"
#include "commands/command.h"
#include "commands/display.h"
#include "commands/session.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	DEFAULT_DAYS = 30,
	MOST_DAYS = 36500,
};

static enum status parse_days(const char *text, int *ret_days, struct error *error)
{
	size_t length = strlen(text);
	bool digits = length > 0 && length <= 5;
	for (size_t i = 0; i < length; i++) {
		digits = digits && isdigit((unsigned char)text[i]);
	}
	if (!digits || atoi(text) > MOST_DAYS) {
		(void)error_set(error, STATUS_USAGE, "\"%s\" is not a number of days", text);
		return error_hint(error, "give a whole number from 0 to %d, such as: %s cleanup 30", MOST_DAYS,
						  command_program());
	}
	*ret_days = atoi(text);
	return STATUS_OK;
}

/* The same time of day, that many days ago: daylight saving time makes some days 23 or 25 hours long. */
static time_t days_ago(int days)
{
	time_t now = time(NULL);
	struct tm calendar;
	localtime_r(&now, &calendar);
	calendar.tm_mday -= days;
	calendar.tm_isdst = -1;
	return mktime(&calendar);
}

/*
 * Nothing may take away the last thing that can be restored: not the newest backup that is whole, and of no store the
 * newest that holds it. NULL if the backup may go, else why it stays.
 */
static const char *why_it_stays(const struct backup_list *list, size_t index)
{
	const struct backup *backup = list->items[index];
	bool newest_complete = backup->status == BACKUP_COMPLETE;
	bool newest_of_store[STORE_COUNT];
	for (size_t s = 0; s < STORE_COUNT; s++) {
		newest_of_store[s] =
			backup->status != BACKUP_DAMAGED && backup->stores[s].status == STORE_OK && backup->stores[s].size > 0;
	}
	for (size_t i = index + 1; i < list->count; i++) {
		const struct backup *later = list->items[i];
		newest_complete = newest_complete && later->status != BACKUP_COMPLETE;
		for (size_t s = 0; s < STORE_COUNT; s++) {
			bool good =
				later->status != BACKUP_DAMAGED && later->stores[s].status == STORE_OK && later->stores[s].size > 0;
			newest_of_store[s] = newest_of_store[s] && !good;
		}
	}
	if (newest_complete) {
		return "the newest complete backup";
	}
	for (size_t s = 0; s < STORE_COUNT; s++) {
		if (newest_of_store[s]) {
			return "the newest good backup of a store";
		}
	}
	return NULL;
}

static enum status run(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error)
{
	CLEANUP(session_close) struct session session = {0};
	CLEANUP(backup_list_free) struct backup_list list = {0};
	CLEANUP(catalog_unlock) int lock = -1;
	struct display display;
	int days = DEFAULT_DAYS;
	display_open(&display, invocation->options[OPTION_QUIET] != NULL);
	enum status status =
		invocation->argument_count > 0 ? parse_days(invocation->arguments[0], &days, error) : STATUS_OK;
	if (status == STATUS_OK) {
		status = session_open(invocation, &session, error);
	}
	if (status == STATUS_OK) {
		status = catalog_lock(session.backup_folder, &lock, error);
	}
	if (status == STATUS_OK) {
		status = catalog_list(session.backup_folder, &list, error);
	}
	json_t *removed = json_array();
	uint64_t freed = 0;
	size_t count = 0;
	time_t limit = days_ago(days);
	char size[UNITS_SIZE];
	for (size_t i = 0; status == STATUS_OK && i < list.count; i++) {
		const struct backup *backup = list.items[i];
		if (timestamp_moment(backup->timestamp) >= limit) {
			continue;
		}
		const char *why = why_it_stays(&list, i);
		if (why != NULL) {
			display_line(&display, MARK_WARNING, "%s is older, but %s: it stays", backup->timestamp, why);
			continue;
		}
		status = interrupt_check(error);
		if (status == STATUS_OK) {
			status = catalog_remove(session.backup_folder, backup, error);
		}
		if (status == STATUS_OK) {
			display_line(&display, MARK_DONE, "removed %s (%s)", backup->timestamp, units_bytes(backup->size, size));
			(void)json_array_append_new(removed, json_string(backup->timestamp));
			freed += backup->size;
			count++;
		}
	}
	if (status != STATUS_OK) {
		json_decref(removed);
		return status;
	}
	display_line(&display, MARK_DONE, "%zu backup%s older than %d day%s removed, %s freed, %zu kept", count,
				 count == 1 ? "" : "s", days, days == 1 ? "" : "s", units_bytes(freed, size), list.count - count);
	*ret_exit_code = EXIT_DONE;
	if (invocation->options[OPTION_JSON] == NULL) {
		json_decref(removed);
		return STATUS_OK;
	}
	return backup_json_print(json_pack("{s:o, s:I, s:I}", "removed", removed, "freed_bytes", (json_int_t)freed, "kept",
									   (json_int_t)(list.count - count)),
							 error);
}

const struct command command_cleanup = {
	.name = "cleanup",
	.arguments = "[DAYS]",
	.most_arguments = 1,
	.options = 1U << OPTION_JSON | 1U << OPTION_QUIET,
	.summary = "Removes backups older than DAYS days (30)",
	.details =
		"The age is told by the backup's name, in local time. The newest good backup is never removed, however old\n"
		"it is, and nothing that is not a backup is ever touched. Needs no Docker.\n",
	.run = run,
};
