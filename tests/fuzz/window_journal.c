/* snapshot/journal: what a dead run has left is kept when it is written again, and ids are fit for a request. */
#include "fuzz.h"

#include "snapshot/journal.h"

static struct journal *take(const char *path)
{
	struct journal *journal = NULL;
	struct error error;
	HOLDS(journal_take(path, &journal, &error) == STATUS_OK && journal != NULL);
	return journal;
}

static void write_again(const char *path, const struct journal *journal)
{
	CLEANUP(cleanup_free) struct container *containers = calloc(journal->count + 1, sizeof *containers);
	CLEANUP(cleanup_free) const struct container **list = calloc(journal->count + 1, sizeof(struct container *));
	CLEANUP(cleanup_close) int fd = -1;
	struct error error;
	HOLDS(containers != NULL && list != NULL);
	for (size_t i = 0; i < journal->count; i++) {
		containers[i] = (struct container){.id = journal->ids[i], .name = journal->names[i]};
		list[i] = &containers[i];
	}
	HOLDS(journal_write(path, journal->engine, list, journal->count, &fd, &error) == STATUS_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_free) char *path = fuzz_path("journal");
	CLEANUP(cleanup_free) char *fresh = fuzz_path("fresh");
	fuzz_write(path, data, size);
	CLEANUP(cleanup_journal) struct journal *journal = take(path);
	write_again(fresh, journal);
	CLEANUP(cleanup_journal) struct journal *again = take(fresh);
	HOLDS(again->count == journal->count && !again->rebooted && strcmp(again->engine, journal->engine) == 0);
	for (size_t i = 0; i < journal->count; i++) {
		HOLDS(journal->ids[i][0] != '\0' && strspn(journal->ids[i], "0123456789abcdef") == strlen(journal->ids[i]));
		HOLDS(strcmp(again->ids[i], journal->ids[i]) == 0 && strcmp(again->names[i], journal->names[i]) == 0);
	}
	HOLDS(unlink(path) == 0 && unlink(fresh) == 0);
	return 0;
}
