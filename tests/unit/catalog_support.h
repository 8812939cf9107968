/*
 * catalog_support.h - backups made by hand, for the tests of the catalog.
 */
#ifndef WHISPERBACKUP_TESTS_CATALOG_SUPPORT_H
#define WHISPERBACKUP_TESTS_CATALOG_SUPPORT_H

#include "support.h"

#include "catalog/catalog.h"

#include <time.h>

#define PREFIX "whisperengine_backup_"

static const char *const artefacts[STORE_COUNT] = {"postgresql_backup.sql", "redis_backup.rdb",
												   "chromadb_backup.tar.gz", "neo4j_backup.tar.gz"};
static const char *const names[STORE_COUNT] = {"postgresql", "redis", "chromadb", "neo4j"};

/* --- backups made by hand ----------------------------------------------------------------------------------------- */

static inline const char *folder_of(const char *catalog, const char *timestamp)
{
	char name[64];
	snprintf(name, sizeof name, PREFIX "%s", timestamp);
	return at(catalog, name);
}

/* A folder with the four artefacts, each of which holds 10 bytes, and `manifest` if it is not NULL. */
static inline void make_backup(const char *catalog, const char *timestamp, const char *manifest)
{
	const char *folder = folder_of(catalog, timestamp);
	make_folder(folder);
	for (size_t i = 0; i < STORE_COUNT; i++) {
		write_file(at(folder, artefacts[i]), "0123456789");
	}
	if (manifest != NULL) {
		write_file(at(folder, "manifest.json"), manifest);
	}
}

#define SHA256_OF_DIGITS "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"

/* The part of a manifest that speaks of one store; `more` is put behind its name. */
static inline void store_text(char *text, size_t size, size_t store, const char *more)
{
	snprintf(text, size, "{\"name\": \"%s\", %s}", names[store], more);
}

static inline void good_store(char *text, size_t size, size_t store)
{
	char more[256];
	snprintf(more, sizeof more, "\"status\": \"ok\", \"file\": \"%s\", \"size_bytes\": 10, \"sha256\": \"%s\"",
			 artefacts[store], SHA256_OF_DIGITS);
	store_text(text, size, store, more);
}

/* A manifest in which the text `redis` stands for the second store, NULL for a good one, "" for none. */
static inline char *manifest_with(const char *status, const char *redis)
{
	char stores[STORE_COUNT][512];
	char *manifest = NULL;
	for (size_t i = 0; i < STORE_COUNT; i++) {
		good_store(stores[i], sizeof stores[i], i);
	}
	if (redis != NULL) {
		assert_true(snprintf(stores[1], sizeof stores[1], "%s", redis) < (int)sizeof stores[1]);
	}
	assert_true(asprintf(&manifest, "{\"format\": 1, \"status\": \"%s\", \"stores\": [%s, %s%s %s, %s]}", status,
						 stores[0], stores[1], stores[1][0] != '\0' ? "," : "", stores[2], stores[3]) > 0);
	return manifest;
}

static inline void make_complete(const char *catalog, const char *timestamp)
{
	char *manifest = manifest_with("complete", NULL);
	make_backup(catalog, timestamp, manifest);
	free(manifest);
}

/* --- looking at them ---------------------------------------------------------------------------------------------- */

static inline void assert_listed(const char *catalog, const char *const *timestamps)
{
	struct error error;
	struct backup_list list = {0};
	char found[1024] = "";
	char expected[1024] = "";
	assert_ok(catalog_list(catalog, &list, &error), &error);
	for (size_t i = 0; i < list.count; i++) {
		snprintf(found + strlen(found), sizeof found - strlen(found), "%s ", list.items[i]->timestamp);
	}
	backup_list_free(&list);
	for (size_t i = 0; timestamps[i] != NULL; i++) {
		snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "%s ", timestamps[i]);
	}
	assert_string_equal(found, expected);
}

static inline void assert_nothing_listed(const char *catalog)
{
	assert_listed(catalog, (const char *const[]){NULL});
}

static inline struct backup *found(const char *catalog, const char *text)
{
	struct error error;
	struct backup *backup = NULL;
	assert_ok(catalog_find(catalog, text, NULL, &backup, &error), &error);
	return backup;
}

/* A backup with this manifest is damaged, and the problem speaks of `word`. */
static inline void assert_damaged(const char *catalog, const char *manifest, const char *word)
{
	make_backup(catalog, "20240912_143022", manifest);
	CLEANUP(cleanup_backup) struct backup *backup = found(catalog, "20240912_143022");
	assert_string_equal(backup_status_name(backup->status), "damaged");
	if (strstr(backup->problem, word) == NULL) {
		print_error("\"%s\" does not speak of \"%s\"\n", backup->problem, word);
		fail();
	}
}

/* The same with a manifest whose part on redis is the given text. */
static inline void assert_damaged_by(const char *catalog, const char *redis, const char *word)
{
	char *manifest = manifest_with("complete", redis);
	assert_damaged(catalog, manifest, word);
	free(manifest);
}

#endif
