#include "commands/space.h"

#include "base/units.h"
#include "catalog/catalog.h"

#include <stdio.h>
#include <sys/statvfs.h>

/* What is added to the size of the last backup: data grows. */
static const double GROWTH = 1.1;

enum { PATIENCE_SECONDS = 20 }; /* for each question; a guess is not worth more */

static uint64_t size_of_data(const struct session *session, size_t store)
{
	CLEANUP(cleanup_store) struct store *opened = NULL;
	struct error ignored; /* the backup itself will say it */
	uint64_t bytes = 0;
	session->runtime->patience_seconds = PATIENCE_SECONDS;
	enum status status = store_table[store]->open(session->runtime, session->of_store[store], &opened, &ignored);
	if (status == STATUS_OK) {
		status = opened->ops->size(opened, &bytes, &ignored);
	}
	session->runtime->patience_seconds = 0;
	return status == STATUS_OK ? bytes : 0;
}

uint64_t space_guess(const struct session *session, const struct backup_list *list, size_t store)
{
	for (size_t i = list->count; i > 0; i--) {
		const struct backup_store *last = &list->items[i - 1]->stores[store];
		if (last->status == STORE_OK && !last->damaged) {
			return (uint64_t)((double)last->size * GROWTH);
		}
	}
	return size_of_data(session, store);
}

void space_warn(const struct session *session, struct display *display)
{
	CLEANUP(backup_list_free) struct backup_list list = {0};
	struct error ignored;
	struct statvfs disk;
	uint64_t needed = 0;
	if (statvfs(session->backup_folder, &disk) != 0 ||
		catalog_list(session->backup_folder, &list, &ignored) != STATUS_OK) {
		return;
	}
	for (size_t i = 0; i < STORE_COUNT; i++) {
		if (session->chosen[i] && session_why_not(session, i) == NULL) {
			needed += space_guess(session, &list, i);
		}
	}
	uint64_t available = (uint64_t)disk.f_bavail * disk.f_frsize;
	char needed_text[UNITS_SIZE];
	char available_text[UNITS_SIZE];
	if (needed > available) {
		display_line(display, MARK_WARNING, "the backup is likely not to fit: it may need %s, and %s are free in %s",
					 units_bytes(needed, needed_text), units_bytes(available, available_text),
					 session->backup_folder_shown);
		display_hint(display, "remove old backups (%s cleanup 7), or set BACKUP_DIR to a larger disk",
					 command_program());
	}
}
