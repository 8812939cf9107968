/* catalog/drill_journal: whatever a dead run has left, the drill's name is a plain one or none. */
#include "fuzz.h"

#include "catalog/drill_journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_free) char *path = fuzz_path(".drill.json");
	CLEANUP(cleanup_free) char *engine = NULL;
	char name[DRILL_NAME_SIZE];
	struct error error;
	fuzz_write(path, data, size);
	HOLDS(drill_journal_read(fuzz_scratch(), &engine, name, &error) == STATUS_OK);
	HOLDS(name[0] == '\0' || strlen(name) == DRILL_NAME_SIZE - 1);
	HOLDS(strspn(name, "0123456789abcdef") == strlen(name));
	return 0;
}
