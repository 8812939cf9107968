/* catalog/backup: only what is whole is called so, and what is told of a backup is fit to be shown, whatever its
 * manifest says. */
#include "fuzz.h"

#include "catalog/backup.h"
#include "commands/backup_json.h"
#include "commands/moment_text.h"
#include "commands/verified_text.h"

#include <sys/stat.h>

#define TIMESTAMP "20240912_143022"

enum { ARTEFACT_SIZE = 5 };

static struct backup *read_back(const char *folder)
{
	struct backup *backup = NULL;
	struct error error;
	HOLDS(backup_read(folder, TIMESTAMP, &backup, &error) == STATUS_OK);
	return backup;
}

static void make_artefacts(const char *folder)
{
	if (mkdir(folder, 0700) != 0) {
		return; /* they are there */
	}
	for (size_t i = 0; i < STORE_COUNT; i++) {
		CLEANUP(cleanup_free) char *path = NULL;
		HOLDS(asprintf(&path, "%s/%s", folder, store_table[i]->artefact) > 0);
		fuzz_write(path, "12345", ARTEFACT_SIZE);
	}
}

static void check_stores(const struct backup *backup)
{
	size_t whole = 0;
	for (size_t i = 0; i < STORE_COUNT; i++) {
		const struct backup_store *store = &backup->stores[i];
		bool good = store->status == STORE_OK && !store->damaged;
		whole += good;
		HOLDS(!good || (strcmp(store->file, store_table[i]->artefact) == 0 && store->size == ARTEFACT_SIZE));
		HOLDS(!good || strlen(store->sha256) == DIGEST_TEXT_SIZE - 1);
		HOLDS(!store->damaged || backup->status == BACKUP_DAMAGED);
		HOLDS(fuzz_plain(store->reason));
	}
	HOLDS(backup->status != BACKUP_LEGACY);
	HOLDS(backup->status != BACKUP_COMPLETE || whole == STORE_COUNT);
	HOLDS((backup->status == BACKUP_DAMAGED) == (backup->problem[0] != '\0'));
	HOLDS(fuzz_plain(backup->problem));
}

static void check_texts(const struct backup *backup)
{
	char moment[MOMENT_TEXT_SIZE];
	char date[BACKUP_DATE_SIZE];
	char verified[VERIFIED_TEXT_SIZE];
	char difference[FINGERPRINT_DIFFERENCE_SIZE];
	HOLDS(fuzz_plain(moment_text(backup, moment)));
	HOLDS(strlen(backup_date(backup, date)) > 0);
	HOLDS(fuzz_plain(verified_text(backup, verified)));
	for (size_t i = 0; i < STORE_COUNT; i++) {
		CLEANUP(fingerprint_free) struct fingerprint fingerprint = {0};
		struct error error;
		HOLDS(backup_fingerprint(backup, i, &fingerprint, &error) == STATUS_OK);
		bool same = false;
		HOLDS(fingerprint_compare(&fingerprint, &fingerprint, &same, difference, &error) == STATUS_OK && same);
		HOLDS(fuzz_plain(moment_contents_of(&fingerprint, moment)));
	}
	json_t *document = backup_json(backup);
	CLEANUP(cleanup_free) char *text = json_dumps(document, JSON_INDENT(2));
	HOLDS(text != NULL);
	json_decref(document);
}

/* A manifest that another program has written anew says the same. */
static void check_written_again(const struct backup *backup, const char *folder, const char *path)
{
	CLEANUP(cleanup_free) char *text = json_dumps(backup->manifest, JSON_COMPACT);
	HOLDS(text != NULL);
	fuzz_write(path, text, strlen(text));
	CLEANUP(cleanup_backup) struct backup *again = read_back(folder);
	HOLDS(again->status == backup->status && again->moment == backup->moment);
	for (size_t i = 0; i < STORE_COUNT; i++) {
		const struct backup_store *one = &backup->stores[i];
		const struct backup_store *other = &again->stores[i];
		HOLDS(one->status == other->status && one->damaged == other->damaged && one->size == other->size);
		HOLDS(strcmp(one->file, other->file) == 0 && strcmp(one->sha256, other->sha256) == 0);
		HOLDS(strcmp(one->reason, other->reason) == 0);
	}
	HOLDS(strcmp(again->problem, backup->problem) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_free) char *folder = fuzz_path(TIMESTAMP_FOLDER_PREFIX TIMESTAMP);
	CLEANUP(cleanup_free) char *path = fuzz_path(TIMESTAMP_FOLDER_PREFIX TIMESTAMP "/" BACKUP_MANIFEST);
	make_artefacts(folder);
	fuzz_write(path, data, size);
	CLEANUP(cleanup_backup) struct backup *backup = read_back(fuzz_scratch());
	check_stores(backup);
	check_texts(backup);
	if (backup->manifest != NULL) {
		check_written_again(backup, fuzz_scratch(), path);
	}
	return 0;
}
