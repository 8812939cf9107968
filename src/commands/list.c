/* list: what backups there are. */
#include "base/units.h"
#include "catalog/catalog.h"
#include "commands/backup_json.h"
#include "commands/command.h"
#include "commands/moment_text.h"
#include "commands/restore_recovery.h"
#include "commands/session.h"
#include "commands/verified_text.h"

#include <stdio.h>

static void print_backup(const struct backup *backup)
{
	char date[BACKUP_DATE_SIZE];
	char size[UNITS_SIZE];
	char moment[MOMENT_TEXT_SIZE];
	char verified[VERIFIED_TEXT_SIZE];
	printf("%s   %s   %6s   %s\n  ", backup->timestamp, backup_date(backup, date), units_bytes(backup->size, size),
		   backup_status_name(backup->status));
	for (size_t i = 0; i < STORE_COUNT; i++) {
		const struct backup_store *store = &backup->stores[i];
		if (store->status == STORE_OK) {
			printf(" %s %s %s ", store->damaged ? "❌" : "✅", store_table[i]->name, units_bytes(store->size, size));
		} else {
			printf(" %s %s %s ", store->status == STORE_FAILED ? "❌" : "⚠️", store_table[i]->name,
				   store_status_name(store->status));
		}
	}
	if (moment_text(backup, moment)[0] != '\0') {
		printf("\n   %s", moment);
	}
	if (backup->before_restore) {
		printf("\n   made before a restore, of what that was to replace");
	}
	if (verified_text(backup, verified)[0] != '\0') {
		printf("\n   %s", verified);
	}
	if (backup->status != BACKUP_DAMAGED && backup->unreadable) {
		printf("\n   ⚠️  %s", backup->problem);
	}
	if (backup->status == BACKUP_DAMAGED) {
		printf("\n   ❌ damaged: %s\n\n", backup->problem);
	} else {
		printf("\n   restore: %s restore %s\n\n", command_program(), backup->timestamp);
	}
}

static enum status print_json(const struct backup_list *list, struct error *error)
{
	json_t *backups = json_array();
	for (size_t i = 0; backups != NULL && i < list->count; i++) {
		if (json_array_append_new(backups, backup_json(list->items[i])) != 0) {
			json_decref(backups);
			return error_memory(error);
		}
	}
	return backup_json_print(json_pack("{s:o}", "backups", backups), error);
}

static enum status run(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error)
{
	CLEANUP(session_close) struct session session = {0};
	CLEANUP(backup_list_free) struct backup_list list = {0};
	enum status status = session_open(invocation, &session, error);
	if (status == STATUS_OK) {
		restore_recovery_warn(session.backup_folder);
		status = catalog_list(session.backup_folder, &list, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	*ret_exit_code = EXIT_DONE;
	if (invocation->options[OPTION_JSON] != NULL) {
		return print_json(&list, error);
	}
	if (list.count == 0) {
		printf("No backups in %s yet. Make the first one: %s create\n", session.backup_folder_shown, command_program());
		return STATUS_OK;
	}
	printf("%zu backup%s in %s, newest first:\n\n", list.count, list.count == 1 ? "" : "s",
		   session.backup_folder_shown);
	for (size_t i = list.count; i > 0; i--) {
		print_backup(list.items[i - 1]);
	}
	return STATUS_OK;
}

const struct command command_list = {
	.name = "list",
	.arguments = "",
	.options = 1U << OPTION_JSON,
	.summary = "Shows what backups there are",
	.details =
		"A backup is complete, partial (good, but without some stores), legacy (made by hand, without a manifest)\n"
		"or damaged (a file is missing or has not the size it was written with). Needs no Docker.\n",
	.run = run,
};
