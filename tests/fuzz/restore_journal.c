/* transaction/restore_journal: a step that was cut off has not begun, and what is understood can be written again. */
#include "fuzz.h"

#include "transaction/restore_journal.h"

static struct restore_journal *take(const char *path)
{
	struct restore_journal *journal = NULL;
	struct error error = {.message = ""};
	enum status status = restore_journal_take(path, &journal, &error);
	HOLDS((status == STATUS_OK) == (journal != NULL));
	HOLDS(status == STATUS_OK || (status == STATUS_FAILED && error.hint[0] != '\0'));
	return journal;
}

static void compare(const struct restore_journal *one, const struct restore_journal *other)
{
	HOLDS(one->count == other->count && one->committing == other->committing);
	HOLDS(one->volume_access == other->volume_access && strcmp(one->engine, other->engine) == 0);
	HOLDS(strcmp(one->project, other->project) == 0 && strcmp(one->timestamp, other->timestamp) == 0);
	for (size_t i = 0; i < one->count; i++) {
		const struct restore_journal_store *left = &one->stores[i];
		const struct restore_journal_store *right = &other->stores[i];
		HOLDS(left->swapping == right->swapping && strcmp(left->name, right->name) == 0);
		HOLDS(strcmp(left->container, right->container) == 0 && strcmp(left->memory, right->memory) == 0);
	}
}

static void check_without_cut_line(const struct restore_journal *journal, const char *path, const uint8_t *data,
								   size_t size)
{
	while (size > 0 && data[size - 1] != '\n') {
		size--;
	}
	if (size > 0) {
		fuzz_write(path, data, size);
		CLEANUP(cleanup_restore_journal) struct restore_journal *again = take(path);
		HOLDS(again != NULL);
		compare(again, journal);
	}
}

static void check_written_again(const struct restore_journal *journal, const char *path)
{
	CLEANUP(cleanup_restore_journal) struct restore_journal *fresh = calloc(1, sizeof *fresh);
	struct error error;
	HOLDS(fresh != NULL);
	for (size_t i = 0; i < journal->count; i++) {
		const struct restore_journal_store *store = &journal->stores[i];
		HOLDS(restore_journal_add(fresh, store->name, store->container, store->memory, &error) == STATUS_OK);
	}
	fresh->volume_access = journal->volume_access;
	HOLDS(restore_journal_begin(fresh, path, journal->engine, journal->project, journal->timestamp, &error) ==
		  STATUS_OK);
	for (size_t i = 0; i < journal->count; i++) {
		const struct restore_journal_store *store = &journal->stores[i];
		HOLDS(!store->swapping ||
			  restore_journal_note(fresh, RESTORE_JOURNAL_SWAPPING, store->name, &error) == STATUS_OK);
	}
	HOLDS(!journal->committing || restore_journal_note(fresh, RESTORE_JOURNAL_COMMITTING, NULL, &error) == STATUS_OK);
	restore_journal_free(MOVE(fresh)); /* lets go of the lock */
	CLEANUP(cleanup_restore_journal) struct restore_journal *again = take(path);
	HOLDS(again != NULL);
	compare(again, journal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_free) char *path = fuzz_path("journal");
	CLEANUP(cleanup_free) char *cut = fuzz_path("cut");
	CLEANUP(cleanup_free) char *fresh = fuzz_path("fresh");
	fuzz_write(path, data, size);
	CLEANUP(cleanup_restore_journal) struct restore_journal *journal = take(path);
	if (journal != NULL) {
		check_without_cut_line(journal, cut, data, size);
		check_written_again(journal, fresh);
	}
	unlink(path);
	unlink(cut);
	unlink(fresh);
	return 0;
}
