/* show: one backup in detail. */
#include "base/text.h"
#include "base/units.h"
#include "catalog/catalog.h"
#include "commands/backup_json.h"
#include "commands/command.h"
#include "commands/moment_text.h"
#include "commands/session.h"
#include "commands/verified_text.h"

#include <stdio.h>

enum { TEXT_SIZE = 4096 }; /* bytes of a text of the manifest that are shown */

static void print_text(const char *label, const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	if (text != NULL) {
		char plain[TEXT_SIZE];
		text_copy_line(plain, sizeof plain, text);
		printf("     %-14s %s\n", label, plain);
	}
}

static void print_store(const struct backup *backup, size_t index)
{
	const struct backup_store *store = &backup->stores[index];
	const json_t *details = backup_store_manifest(backup, index);
	char size[UNITS_SIZE];
	char contents[MOMENT_TEXT_SIZE];
	if (store->status != STORE_OK) {
		printf("  %s %s: %s%s%s\n", store->status == STORE_FAILED ? "❌" : "⚠️ ", store_table[index]->name,
			   store_status_name(store->status), store->reason[0] != '\0' ? ", " : "", store->reason);
		return;
	}
	printf("  %s %s: %s (%s)%s%s\n", store->damaged ? "❌" : "✅", store_table[index]->name, store->file,
		   units_bytes(store->size, size), store->damaged ? ", " : "", store->damaged ? store->reason : "");
	if (details == NULL) {
		return;
	}
	json_int_t raw = json_integer_value(json_object_get(details, "raw_bytes"));
	double freeze = json_real_value(json_object_get(details, "freeze_milliseconds"));
	json_int_t captured = json_integer_value(json_object_get(details, "window_bytes"));
	json_int_t retries = json_integer_value(json_object_get(details, "retries"));
	printf("     %-14s %s\n", "content", units_bytes((uint64_t)raw, size));
	if (moment_contents(backup, index, contents)[0] != '\0') {
		printf("     %-14s %s%s\n", "holds",
			   json_is_true(json_object_get(details, "fingerprint_exact")) ? "" : "about ", contents);
	}
	print_text("server", details, "server_version");
	print_text("image", details, "image");
	print_text("container", details, "container");
	print_text("data folder", details, "data_folder");
	print_text("method", details, "method");
	if (freeze > 0) {
		printf("     %-14s %.0f ms, in which %s had to be copied", "stood still", freeze,
			   captured > 0 ? units_bytes((uint64_t)captured, size) : "nothing");
		if (retries > 0) {
			printf("; it was found busy %lld time%s", (long long)retries, retries == 1 ? "" : "s");
		}
		putchar('\n');
	}
	print_text("sha256", details, "sha256");
	const struct verified_store *drilled = &backup->verified.drill.stores[index];
	if (drilled->looked_at && drilled->good) {
		printf("     %-14s %s\n", "drill", units_seconds(drilled->seconds, size));
	} else if (drilled->looked_at) {
		printf("     %-14s %s\n", "drill", drilled->problem);
	}
}

static void print_origin(const struct backup *backup)
{
	char name[TEXT_SIZE];
	char of[TIMESTAMP_SIZE];
	if (backup->project != NULL) {
		text_copy_line(name, sizeof name, backup->project);
		printf("of the project %s\n", name);
	}
	if (backup->before_restore) {
		const char *text = json_string_value(json_object_get(backup->manifest, "before_restore_of"));
		printf("made before a restore%s%s\n", text != NULL && timestamp_parse(text, of) ? " of " : "",
			   text != NULL && timestamp_parse(text, of) ? of : "");
	}
}

static void print_backup(const struct backup *backup)
{
	char date[BACKUP_DATE_SIZE];
	char size[UNITS_SIZE];
	char moment[MOMENT_TEXT_SIZE];
	char verified[VERIFIED_TEXT_SIZE];
	printf("Backup %s, %s, %s, %s\n%s\n", backup->timestamp, backup_date(backup, date), units_bytes(backup->size, size),
		   backup_status_name(backup->status), backup->path);
	print_origin(backup);
	if (moment_text(backup, moment)[0] != '\0') {
		printf("%s\n", moment);
	}
	if (verified_text(backup, verified)[0] != '\0') {
		printf("%s\n", verified);
	}
	if (backup->status == BACKUP_DAMAGED) {
		printf("❌ damaged: %s\n", backup->problem);
	} else if (backup->unreadable) {
		printf("⚠️  %s\n", backup->problem);
	}
	putchar('\n');
	for (size_t i = 0; i < STORE_COUNT; i++) {
		print_store(backup, i);
	}
	if (backup->status != BACKUP_DAMAGED) {
		printf("\n  restore: %s restore %s\n", command_program(), backup->timestamp);
	}
}

static enum status run(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error)
{
	CLEANUP(session_close) struct session session = {0};
	CLEANUP(cleanup_backup) struct backup *backup = NULL;
	enum status status = session_open(invocation, &session, error);
	if (status == STATUS_OK) {
		status = catalog_find(session.backup_folder, invocation->arguments[0], session.project, &backup, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	*ret_exit_code = EXIT_DONE;
	if (invocation->options[OPTION_JSON] != NULL) {
		json_t *document = backup_json(backup);
		if (document != NULL && backup->manifest != NULL) {
			(void)json_object_set(document, "manifest", backup->manifest);
		}
		return backup_json_print(document, error);
	}
	print_backup(backup);
	return STATUS_OK;
}

const struct command command_show = {
	.name = "show",
	.arguments = "TIMESTAMP",
	.least_arguments = 1,
	.most_arguments = 1,
	.options = 1U << OPTION_JSON,
	.summary = "Shows one backup in detail",
	.details = "TIMESTAMP is one that list shows, such as 20240912_143022, or latest. Needs no Docker.\n",
	.run = run,
};
