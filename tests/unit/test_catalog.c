/* catalog: which folders are backups, what is wrong with them, and who may change them. */
#include "support.h"

#include "catalog/catalog.h"
#include "catalog/verification.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <time.h>

#define PREFIX "whisperengine_backup_"

static const char *const artefacts[STORE_COUNT] = {"postgresql_backup.sql", "redis_backup.rdb",
												   "chromadb_backup.tar.gz", "neo4j_backup.tar.gz"};
static const char *const names[STORE_COUNT] = {"postgresql", "redis", "chromadb", "neo4j"};

/* --- backups made by hand ----------------------------------------------------------------------------------------- */

static const char *folder_of(const char *catalog, const char *timestamp)
{
	char name[64];
	snprintf(name, sizeof name, PREFIX "%s", timestamp);
	return at(catalog, name);
}

/* A folder with the four artefacts, each of which holds 10 bytes, and `manifest` if it is not NULL. */
static void make_backup(const char *catalog, const char *timestamp, const char *manifest)
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
static void store_text(char *text, size_t size, size_t store, const char *more)
{
	snprintf(text, size, "{\"name\": \"%s\", %s}", names[store], more);
}

static void good_store(char *text, size_t size, size_t store)
{
	char more[256];
	snprintf(more, sizeof more, "\"status\": \"ok\", \"file\": \"%s\", \"size_bytes\": 10, \"sha256\": \"%s\"",
			 artefacts[store], SHA256_OF_DIGITS);
	store_text(text, size, store, more);
}

/* A manifest in which the text `redis` stands for the second store, NULL for a good one, "" for none. */
static char *manifest_with(const char *status, const char *redis)
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

static void make_complete(const char *catalog, const char *timestamp)
{
	char *manifest = manifest_with("complete", NULL);
	make_backup(catalog, timestamp, manifest);
	free(manifest);
}

/* --- looking at them ---------------------------------------------------------------------------------------------- */

static void assert_listed(const char *catalog, const char *const *timestamps)
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

static void assert_nothing_listed(const char *catalog)
{
	assert_listed(catalog, (const char *const[]){NULL});
}

static struct backup *found(const char *catalog, const char *text)
{
	struct error error;
	struct backup *backup = NULL;
	assert_ok(catalog_find(catalog, text, &backup, &error), &error);
	return backup;
}

/* A backup with this manifest is damaged, and the problem speaks of `word`. */
static void assert_damaged(const char *catalog, const char *manifest, const char *word)
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
static void assert_damaged_by(const char *catalog, const char *redis, const char *word)
{
	char *manifest = manifest_with("complete", redis);
	assert_damaged(catalog, manifest, word);
	free(manifest);
}

/* --- the list ----------------------------------------------------------------------------------------------------- */

static void a_folder_that_does_not_exist_holds_no_backup(void **state)
{
	assert_nothing_listed(at(*state, "nothing"));
}

static void a_file_cannot_be_listed(void **state)
{
	struct error error;
	struct backup_list list = {0};
	write_file(at(*state, "file"), "");
	assert_status(STATUS_FAILED, catalog_list(at(*state, "file"), &list, &error), &error);
}

static void backups_are_listed_oldest_first(void **state)
{
	make_complete(*state, "20240912_143022");
	make_backup(*state, "20231231_235959", NULL);
	make_complete(*state, "20250101_000000");
	make_complete(*state, "20240912_143021");
	assert_listed(*state, (const char *const[]){"20231231_235959", "20240912_143021", "20240912_143022",
												"20250101_000000", NULL});
}

static void folders_of_other_names_are_not_listed(void **state)
{
	static const char *const others[] = {"other",
										 "20240912_143022",
										 PREFIX "20241301_000000",
										 PREFIX "latest",
										 PREFIX "20240912_143022.old",
										 ".partial-20240912_143022",
										 ".removing-20240912_143022"};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		make_folder(at(*state, others[i]));
		write_file(at(at(*state, others[i]), "redis_backup.rdb"), "x");
	}
	assert_nothing_listed(*state);
}

static void a_file_named_like_a_backup_is_not_listed(void **state)
{
	write_file(folder_of(*state, "20240912_143022"), "x");
	assert_nothing_listed(*state);
}

static void a_symbolic_link_named_like_a_backup_is_not_followed(void **state)
{
	make_folder(at(*state, "elsewhere"));
	make_complete(at(*state, "elsewhere"), "20240912_143022");
	make_folder(at(*state, "backups"));
	assert_int_equal(
		symlink("../elsewhere/" PREFIX "20240912_143022", folder_of(at(*state, "backups"), "20240912_143022")), 0);
	assert_nothing_listed(at(*state, "backups"));
}

static void an_empty_folder_named_like_a_backup_is_not_listed(void **state)
{
	make_folder(folder_of(*state, "20240912_143022"));
	assert_nothing_listed(*state);
}

static void a_folder_with_nothing_of_a_store_is_not_listed(void **state)
{
	make_folder(folder_of(*state, "20240912_143022"));
	write_file(at(folder_of(*state, "20240912_143022"), "backup_info.txt"), "text");
	assert_nothing_listed(*state);
}

/* --- legacy backups ----------------------------------------------------------------------------------------------- */

static void files_of_the_guide_without_a_manifest_are_a_legacy_backup(void **state)
{
	make_backup(*state, "20240912_143022", NULL);
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	assert_string_equal(backup_status_name(backup->status), "legacy");
	for (size_t i = 0; i < STORE_COUNT; i++) {
		assert_int_equal(backup->stores[i].status, STORE_OK);
		assert_string_equal(backup->stores[i].file, artefacts[i]);
		assert_int_equal(backup->stores[i].size, 10);
		assert_string_equal(backup->stores[i].sha256, "");
	}
}

static void files_of_the_guides_manual_commands_are_a_legacy_backup(void **state)
{
	static const char *const manual[] = {"manual_postgres_backup.sql", "manual_redis_backup.rdb",
										 "manual_chromadb_backup.tar.gz", "manual_neo4j_backup.tar.gz"};
	make_folder(folder_of(*state, "20240912_143022"));
	for (size_t i = 0; i < STORE_COUNT; i++) {
		write_file(at(folder_of(*state, "20240912_143022"), manual[i]), "0123456789");
	}
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	assert_string_equal(backup_status_name(backup->status), "legacy");
	for (size_t i = 0; i < STORE_COUNT; i++) {
		assert_int_equal(backup->stores[i].status, STORE_OK);
		assert_string_equal(backup->stores[i].file, manual[i]);
	}
}

static void a_legacy_backup_may_lack_stores(void **state)
{
	make_folder(folder_of(*state, "20240912_143022"));
	write_file(at(folder_of(*state, "20240912_143022"), "redis_backup.rdb"), "x");
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	assert_string_equal(backup_status_name(backup->status), "legacy");
	assert_int_equal(backup->stores[0].status, STORE_ABSENT);
	assert_int_equal(backup->stores[1].status, STORE_OK);
	assert_int_equal(backup->stores[2].status, STORE_ABSENT);
	assert_int_equal(backup->stores[3].status, STORE_ABSENT);
}

static void a_symbolic_link_is_no_legacy_artefact(void **state)
{
	write_file(at(*state, "dump.rdb"), "x");
	make_folder(folder_of(*state, "20240912_143022"));
	assert_int_equal(symlink("../dump.rdb", at(folder_of(*state, "20240912_143022"), "redis_backup.rdb")), 0);
	assert_nothing_listed(*state);
}

/* --- backups with a manifest -------------------------------------------------------------------------------------- */

static void a_manifest_of_four_good_stores_makes_a_complete_backup(void **state)
{
	make_complete(*state, "20240912_143022");
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	assert_string_equal(backup_status_name(backup->status), "complete");
	assert_string_equal(backup->timestamp, "20240912_143022");
	assert_string_equal(backup->path, folder_of(*state, "20240912_143022"));
	for (size_t i = 0; i < STORE_COUNT; i++) {
		assert_int_equal(backup->stores[i].status, STORE_OK);
		assert_string_equal(backup->stores[i].file, artefacts[i]);
		assert_string_equal(backup->stores[i].sha256, SHA256_OF_DIGITS);
		assert_int_equal(backup->stores[i].size, 10);
	}
}

static void the_size_of_a_backup_is_that_of_all_its_files(void **state)
{
	make_complete(*state, "20240912_143022");
	write_file(at(folder_of(*state, "20240912_143022"), "backup_info.txt"), "12345");
	uint64_t manifest = (uint64_t)attributes_of(at(folder_of(*state, "20240912_143022"), "manifest.json")).st_size;
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	assert_int_equal(backup->size, 40 + 5 + manifest);
}

static void a_store_that_was_skipped_makes_a_partial_backup(void **state)
{
	char *manifest =
		manifest_with("partial", "{\"name\": \"redis\", \"status\": \"skipped\", \"reason\": \"it is not running\"}");
	make_backup(*state, "20240912_143022", manifest);
	free(manifest);
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	assert_string_equal(backup_status_name(backup->status), "partial");
	assert_string_equal(store_status_name(backup->stores[1].status), "skipped");
	assert_string_equal(backup->stores[1].reason, "it is not running");
}

static void a_store_that_failed_makes_a_partial_backup(void **state)
{
	char *manifest = manifest_with("partial", "{\"name\": \"redis\", \"status\": \"failed\", \"reason\": \"no\"}");
	make_backup(*state, "20240912_143022", manifest);
	free(manifest);
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	assert_string_equal(backup_status_name(backup->status), "partial");
	assert_string_equal(store_status_name(backup->stores[1].status), "failed");
}

static void what_a_manifest_says_of_a_store_can_be_asked_for(void **state)
{
	make_complete(*state, "20240912_143022");
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	const json_t *redis = backup_store_manifest(backup, 1);
	assert_string_equal(json_string_value(json_object_get(redis, "name")), "redis");
}

static void a_legacy_backup_has_no_manifest_to_ask(void **state)
{
	make_backup(*state, "20240912_143022", NULL);
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	assert_null(backup_store_manifest(backup, 1));
}

/* --- damage ------------------------------------------------------------------------------------------------------- */

static void a_file_of_another_size_is_damage(void **state)
{
	assert_damaged_by(*state,
					  "{\"name\": \"redis\", \"status\": \"ok\", \"file\": \"redis_backup.rdb\", \"size_bytes\": 11, "
					  "\"sha256\": \"" SHA256_OF_DIGITS "\"}",
					  "redis_backup.rdb");
}

static void a_missing_file_is_damage(void **state)
{
	make_complete(*state, "20240912_143022");
	assert_int_equal(unlink(at(folder_of(*state, "20240912_143022"), "neo4j_backup.tar.gz")), 0);
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	assert_string_equal(backup_status_name(backup->status), "damaged");
	assert_string_equal(backup->problem, "neo4j_backup.tar.gz is missing");
}

static void a_symbolic_link_in_a_files_place_is_damage(void **state)
{
	make_complete(*state, "20240912_143022");
	write_file(at(*state, "other"), "0123456789");
	const char *file = at(folder_of(*state, "20240912_143022"), "redis_backup.rdb");
	assert_int_equal(unlink(file), 0);
	assert_int_equal(symlink("../other", file), 0);
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	assert_string_equal(backup_status_name(backup->status), "damaged");
}

static void a_file_name_with_a_slash_is_damage(void **state)
{
	assert_damaged_by(
		*state,
		"{\"name\": \"redis\", \"status\": \"ok\", \"file\": \"../redis_backup.rdb\", \"size_bytes\": 10, "
		"\"sha256\": \"" SHA256_OF_DIGITS "\"}",
		"redis");
}

static void an_absolute_file_name_is_damage(void **state)
{
	assert_damaged_by(*state,
					  "{\"name\": \"redis\", \"status\": \"ok\", \"file\": \"/etc/passwd\", \"size_bytes\": 10, "
					  "\"sha256\": \"" SHA256_OF_DIGITS "\"}",
					  "redis");
}

static void another_stores_file_name_is_damage(void **state)
{
	assert_damaged_by(*state,
					  "{\"name\": \"redis\", \"status\": \"ok\", \"file\": \"postgresql_backup.sql\", "
					  "\"size_bytes\": 10, \"sha256\": \"" SHA256_OF_DIGITS "\"}",
					  "redis");
}

static void a_store_without_a_file_name_is_damage(void **state)
{
	assert_damaged_by(
		*state, "{\"name\": \"redis\", \"status\": \"ok\", \"size_bytes\": 10, \"sha256\": \"" SHA256_OF_DIGITS "\"}",
		"redis");
}

/* One flipped bit in the key "sha256" must not switch the comparison off. */
static void a_store_without_its_checksum_is_damage(void **state)
{
	assert_damaged_by(*state,
					  "{\"name\": \"redis\", \"status\": \"ok\", \"file\": \"redis_backup.rdb\", \"size_bytes\": 10, "
					  "\"sha257\": \"" SHA256_OF_DIGITS "\"}",
					  "redis");
}

/* One flipped bit in a store's name must not make a store disappear from a complete backup. */
static void a_complete_backup_that_lacks_a_store_is_damaged(void **state)
{
	assert_damaged_by(*state,
					  "{\"name\": \"rediz\", \"status\": \"ok\", \"file\": \"redis_backup.rdb\", \"size_bytes\": 10, "
					  "\"sha256\": \"" SHA256_OF_DIGITS "\"}",
					  "redis");
}

static void a_complete_backup_in_which_a_store_is_not_good_is_damaged(void **state)
{
	assert_damaged_by(*state,
					  "{\"name\": \"redis\", \"status\": \"oj\", \"file\": \"redis_backup.rdb\", \"size_bytes\": 10, "
					  "\"sha256\": \"" SHA256_OF_DIGITS "\"}",
					  "redis");
}

static void a_manifest_that_is_no_json_is_damage(void **state)
{
	assert_damaged(*state, "this is no JSON", "manifest.json");
}

static void an_empty_manifest_is_damage(void **state)
{
	assert_damaged(*state, "", "manifest.json");
}

static void a_manifest_that_is_cut_is_damage(void **state)
{
	char *manifest = manifest_with("complete", NULL);
	manifest[strlen(manifest) - 1] = '\0';
	assert_damaged(*state, manifest, "manifest.json");
	free(manifest);
}

static void a_manifest_that_is_no_object_is_damage(void **state)
{
	assert_damaged(*state, "[1, 2]", "manifest.json");
}

static void a_manifest_of_another_format_is_damage(void **state)
{
	assert_damaged(*state, "{\"format\": 2, \"status\": \"complete\", \"stores\": []}", "format");
}

static void a_manifest_without_a_format_is_damage(void **state)
{
	assert_damaged(*state, "{\"status\": \"complete\", \"stores\": []}", "format");
}

static void a_manifest_without_stores_is_damage(void **state)
{
	assert_damaged(*state, "{\"format\": 1, \"status\": \"complete\"}", "stores");
}

static void a_manifest_that_is_a_folder_is_damage(void **state)
{
	make_backup(*state, "20240912_143022", NULL);
	make_folder(at(folder_of(*state, "20240912_143022"), "manifest.json"));
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	assert_string_equal(backup_status_name(backup->status), "damaged");
}

static void a_manifest_that_is_a_pipe_is_damage(void **state)
{
	make_backup(*state, "20240912_143022", NULL);
	assert_int_equal(mkfifo(at(folder_of(*state, "20240912_143022"), "manifest.json"), 0600), 0);
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	assert_string_equal(backup_status_name(backup->status), "damaged");
	assert_non_null(strstr(backup->problem, "is not a small file"));
}

/* Each of them would take some hundred bytes of memory. */
static void a_manifest_of_values_without_number_is_damage(void **state)
{
	struct error error;
	CLEANUP(buffer_free) struct buffer text = BUFFER_INIT(1 << 20);
	assert_ok(buffer_append_text(&text, "[{}", &error), &error);
	for (int i = 0; i < 250000; i++) {
		assert_ok(buffer_append_text(&text, ",{}", &error), &error);
	}
	assert_ok(buffer_append_text(&text, "]", &error), &error);
	assert_damaged(*state, buffer_text(&text), "it holds more than can be counted");
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	assert_true(backup->unreadable); /* it may be as good as any: cleanup keeps it */
}

/* As that of a server with many tables. */
static void a_manifest_of_many_counts_is_read(void **state)
{
	struct error error;
	CLEANUP(buffer_free) struct buffer text = BUFFER_INIT(16 << 20);
	CLEANUP(cleanup_free) char *manifest = manifest_with("complete", NULL);
	assert_ok(buffer_append_text(&text, manifest, &error), &error);
	text.data[--text.length] = '\0'; /* its closing brace */
	assert_ok(buffer_append_text(&text, ", \"counts\": {\"x\": 1", &error), &error);
	for (int i = 0; i < 100000; i++) {
		assert_ok(buffer_printf(&text, &error, ", \"shop.public.a_table_with_a_long_name_%d\": 3000", i), &error);
	}
	assert_ok(buffer_append_text(&text, "}}", &error), &error);
	make_backup(*state, "20240912_143022", buffer_text(&text));
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	assert_non_null(backup->manifest);
}

static void a_manifest_of_the_wrong_types_is_damage(void **state)
{
	assert_damaged(*state, "{\"format\": 1, \"status\": \"complete\", \"stores\": [1, null, \"x\", {\"name\": 5}]}",
				   "");
}

static void damage_of_one_store_is_not_that_of_the_others(void **state)
{
	make_complete(*state, "20240912_143022");
	assert_int_equal(unlink(at(folder_of(*state, "20240912_143022"), "redis_backup.rdb")), 0);
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	assert_false(backup->manifest_damaged);
	for (size_t i = 0; i < STORE_COUNT; i++) {
		assert_int_equal(backup->stores[i].damaged, i == 1);
	}
}

static void damage_of_the_manifest_is_said_to_be_its_own(void **state)
{
	make_backup(*state, "20240912_143022", "broken");
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	assert_true(backup->manifest_damaged);
}

static void a_good_backup_has_no_damage(void **state)
{
	make_complete(*state, "20240912_143022");
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	assert_string_equal(backup->problem, "");
	assert_false(backup->manifest_damaged);
	for (size_t i = 0; i < STORE_COUNT; i++) {
		assert_false(backup->stores[i].damaged);
	}
}

/* --- finding ------------------------------------------------------------------------------------------------------ */

static void a_backup_is_found_by_its_folders_name(void **state)
{
	make_complete(*state, "20240912_143022");
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, PREFIX "20240912_143022/");
	assert_string_equal(backup->timestamp, "20240912_143022");
}

static void the_latest_is_the_newest(void **state)
{
	make_complete(*state, "20240912_143022");
	make_complete(*state, "20240913_000000");
	make_complete(*state, "20230913_000000");
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "latest");
	assert_string_equal(backup->timestamp, "20240913_000000");
}

static void the_latest_is_never_a_damaged_one(void **state)
{
	make_complete(*state, "20240912_143022");
	make_backup(*state, "20240913_000000", "broken");
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "latest");
	assert_string_equal(backup->timestamp, "20240912_143022");
}

static void the_latest_of_damaged_ones_alone_is_not_found(void **state)
{
	struct error error;
	struct backup *backup = NULL;
	make_backup(*state, "20240913_000000", "broken");
	assert_status(STATUS_NOT_FOUND, catalog_find(*state, "latest", &backup, &error), &error);
}

static void the_latest_of_none_is_not_found(void **state)
{
	struct error error;
	struct backup *backup = NULL;
	assert_status(STATUS_NOT_FOUND, catalog_find(at(*state, "nothing"), "latest", &backup, &error), &error);
}

static void a_backup_that_is_not_there_is_not_found(void **state)
{
	struct error error;
	struct backup *backup = NULL;
	make_complete(*state, "20240912_143022");
	assert_status(STATUS_NOT_FOUND, catalog_find(*state, "20240912_143023", &backup, &error), &error);
	assert_true(error.hint[0] != '\0');
}

static void anything_but_a_timestamp_is_a_usage_error(void **state)
{
	static const char *const texts[] = {"",         "x",    "../whisperengine_backup_20240912_143022",
										"20240912", "/etc", "LATEST"};
	struct error error;
	struct backup *backup = NULL;
	make_complete(*state, "20240912_143022");
	make_folder(at(*state, "sub"));
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		assert_status(STATUS_USAGE, catalog_find(at(*state, "sub"), texts[i], &backup, &error), &error);
	}
}

static void a_symbolic_link_is_not_found(void **state)
{
	struct error error;
	struct backup *backup = NULL;
	make_folder(at(*state, "elsewhere"));
	make_complete(at(*state, "elsewhere"), "20240912_143022");
	assert_int_equal(symlink("elsewhere/" PREFIX "20240912_143022", folder_of(*state, "20240912_143022")), 0);
	assert_status(STATUS_NOT_FOUND, catalog_find(*state, "20240912_143022", &backup, &error), &error);
}

/* --- when they began ---------------------------------------------------------------------------------------------- */

static int zone_teardown(void **state)
{
	unsetenv("TZ");
	tzset();
	return scratch_teardown(state);
}

#define zone_test(function) cmocka_unit_test_setup_teardown(function, scratch_setup, zone_teardown)

/* A complete backup whose manifest says when it was started; in Berlin, where 2024-10-27 had the hour of 02:00 twice.
 */
static void make_started(const char *catalog, const char *timestamp, const char *started)
{
	setenv("TZ", "Europe/Berlin", 1);
	tzset();
	char *manifest = manifest_with("complete", NULL);
	char *dated = NULL;
	assert_true(asprintf(&dated, "{\"started\": %s, %s", started, manifest + 1) > 0);
	make_backup(catalog, timestamp, dated);
	free(dated);
	free(manifest);
}

static void assert_began(const char *catalog, const char *timestamp, time_t moment)
{
	CLEANUP(cleanup_backup) struct backup *backup = found(catalog, timestamp);
	assert_string_equal(backup_status_name(backup->status), "complete");
	assert_int_equal(backup->moment, moment);
}

static void a_backup_began_when_its_name_says(void **state)
{
	make_started(*state, "20240912_143022", "\"2024-09-12T12:30:22.000Z\"");
	assert_began(*state, "20240912_143022", 1726144222);
}

static void the_name_of_a_backup_outweighs_its_manifest(void **state)
{
	make_started(*state, "20240912_143022", "\"2021-01-01T00:00:00.000Z\"");
	assert_began(*state, "20240912_143022", 1726144222);
}

static void in_an_hour_that_comes_twice_the_manifest_says_which(void **state)
{
	make_started(*state, "20241027_023000", "\"2024-10-27T00:30:00.000Z\"");
	make_started(*state, "20241027_023001", "\"2024-10-27T01:30:01.000Z\"");
	assert_began(*state, "20241027_023000", 1729989000);
	assert_began(*state, "20241027_023001", 1729992601);
}

/* The folder gets its name when the lock is held, a little after the start. */
static void the_manifest_may_be_some_seconds_off(void **state)
{
	make_started(*state, "20241027_023000", "\"2024-10-27T00:29:51.999Z\"");
	assert_began(*state, "20241027_023000", 1729989000);
}

static void an_hour_that_comes_twice_is_the_later_one_if_nothing_says_which(void **state)
{
	static const char *const senseless[] = {"null", "5", "\"\"", "\"yesterday\"", "\"2024-10-27\"", "[]"};
	for (size_t i = 0; i < sizeof senseless / sizeof *senseless; i++) {
		char timestamp[TIMESTAMP_SIZE];
		snprintf(timestamp, sizeof timestamp, "20241027_02300%zu", i);
		make_started(*state, timestamp, senseless[i]);
		assert_began(*state, timestamp, 1729992600 + (time_t)i);
	}
}

static void the_hour_that_comes_twice_is_listed_in_its_order(void **state)
{
	make_started(*state, "20241027_030000", "\"2024-10-27T02:00:00.000Z\"");
	make_started(*state, "20241027_023000", "\"2024-10-27T01:30:00.000Z\"");
	make_started(*state, "20241027_024500", "\"2024-10-27T00:45:00.000Z\"");
	make_started(*state, "20241027_015959", "\"2024-10-26T23:59:59.000Z\"");
	assert_listed(*state, (const char *const[]){"20241027_015959", "20241027_024500", "20241027_023000",
												"20241027_030000", NULL});
}

/* On 2024-03-31 there was no hour of 02:00: a name that somebody has made up is taken an hour later. */
static void two_backups_of_one_moment_are_listed_by_their_names(void **state)
{
	make_started(*state, "20240331_033000", "null");
	make_started(*state, "20240331_023000", "null");
	assert_began(*state, "20240331_023000", 1711848600);
	assert_began(*state, "20240331_033000", 1711848600);
	assert_listed(*state, (const char *const[]){"20240331_023000", "20240331_033000", NULL});
}

static void the_latest_of_an_hour_that_comes_twice_is_the_one_made_last(void **state)
{
	make_started(*state, "20241027_024500", "\"2024-10-27T00:45:00.000Z\"");
	make_started(*state, "20241027_023000", "\"2024-10-27T01:30:00.000Z\"");
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "latest");
	assert_string_equal(backup->timestamp, "20241027_023000");
}

/* --- the lock ----------------------------------------------------------------------------------------------------- */

static void the_lock_makes_the_folder(void **state)
{
	struct error error;
	int lock = -1;
	assert_ok(catalog_lock(at(*state, "a/backups"), &lock, &error), &error);
	catalog_unlock(&lock);
	assert_int_equal(attributes_of(at(*state, "a/backups")).st_mode & 07777, 0700);
}

static void a_second_lock_is_refused(void **state)
{
	struct error error;
	int lock = -1;
	int second = -1;
	assert_ok(catalog_lock(*state, &lock, &error), &error);
	enum status status = catalog_lock(*state, &second, &error);
	catalog_unlock(&lock);
	assert_status(STATUS_LOCKED, status, &error);
}

static void a_lock_of_another_process_is_respected(void **state)
{
	struct error error;
	int lock = -1;
	assert_ok(catalog_lock(*state, &lock, &error), &error);
	fflush(NULL);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int second = -1;
		close(lock);
		_exit(catalog_lock(*state, &second, &error) == STATUS_LOCKED ? 0 : 1);
	}
	int result = 0;
	assert_int_equal(waitpid(child, &result, 0), child);
	catalog_unlock(&lock);
	assert_int_equal(result, 0);
}

static void the_lock_can_be_taken_again_after_unlocking(void **state)
{
	struct error error;
	int lock = -1;
	assert_ok(catalog_lock(*state, &lock, &error), &error);
	catalog_unlock(&lock);
	assert_ok(catalog_lock(*state, &lock, &error), &error);
	catalog_unlock(&lock);
}

static void the_lock_ends_with_its_process(void **state)
{
	struct error error;
	int lock = -1;
	fflush(NULL);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int taken = -1;
		_exit(catalog_lock(*state, &taken, &error) == STATUS_OK ? 0 : 1);
	}
	int result = 0;
	assert_int_equal(waitpid(child, &result, 0), child);
	assert_int_equal(result, 0);
	assert_ok(catalog_lock(*state, &lock, &error), &error);
	catalog_unlock(&lock);
}

static void a_lock_in_a_path_that_is_a_file_is_refused_with_a_hint(void **state)
{
	struct error error;
	int lock = -1;
	write_file(at(*state, "file"), "x");
	assert_status(STATUS_FAILED, catalog_lock(at(*state, "file"), &lock, &error), &error);
	assert_non_null(strstr(error.hint, "BACKUP_DIR"));
}

static void make_leftovers(const char *catalog)
{
	shell_ok("cd '%s' && mkdir -p .partial-20240912_143022/sub .removing-20240912_143022 && "
			 "touch .partial-20240912_143022/sub/f .removing-20240912_143022/f",
			 catalog);
}

static void the_lock_removes_what_dead_runs_have_left(void **state)
{
	struct error error;
	int lock = -1;
	make_leftovers(*state);
	assert_ok(catalog_lock(*state, &lock, &error), &error);
	catalog_unlock(&lock);
	assert_false(exists(at(*state, ".partial-20240912_143022")));
	assert_false(exists(at(*state, ".removing-20240912_143022")));
}

static void the_lock_removes_nothing_else(void **state)
{
	struct error error;
	int lock = -1;
	make_complete(*state, "20240912_143022");
	shell_ok("cd '%s' && mkdir other .partial .removed .partial-mine .removing-20241312_143022 && "
			 "touch notes.txt .partial_x .partial-file .partial-20240912_143022.iso",
			 (char *)*state);
	assert_ok(catalog_lock(*state, &lock, &error), &error);
	catalog_unlock(&lock);
	static const char *const kept[] = {"whisperengine_backup_20240912_143022/manifest.json",
									   "other",
									   ".partial",
									   ".removed",
									   "notes.txt",
									   ".partial_x",
									   ".partial-mine",
									   ".partial-file",
									   ".partial-20240912_143022.iso",
									   ".removing-20241312_143022"};
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
		assert_true(exists(at(*state, kept[i])));
	}
}

static void the_lock_does_not_follow_a_symbolic_link_that_is_left(void **state)
{
	struct error error;
	int lock = -1;
	shell_ok(
		"cd '%s' && mkdir precious backups && touch precious/f && ln -s ../precious backups/.partial-20240912_143022",
		(char *)*state);
	assert_ok(catalog_lock(at(*state, "backups"), &lock, &error), &error);
	catalog_unlock(&lock);
	assert_true(exists(at(*state, "precious/f")));
}

/* The other run is still writing into its own. */
static void a_lock_that_is_refused_removes_nothing(void **state)
{
	struct error error;
	int lock = -1;
	int second = -1;
	assert_ok(catalog_lock(*state, &lock, &error), &error);
	make_leftovers(*state);
	enum status status = catalog_lock(*state, &second, &error);
	catalog_unlock(&lock);
	assert_status(STATUS_LOCKED, status, &error);
	assert_true(exists(at(*state, ".partial-20240912_143022/sub/f")));
}

/* --- drafts ------------------------------------------------------------------------------------------------------- */

static void a_draft_is_a_private_folder(void **state)
{
	struct error error;
	struct draft draft = {0};
	assert_ok(catalog_draft(*state, &draft, &error), &error);
	assert_int_equal(attributes_of(draft.path).st_mode, S_IFDIR | 0700);
	catalog_discard(&draft);
}

static void a_draft_is_not_listed(void **state)
{
	struct error error;
	struct draft draft = {0};
	assert_ok(catalog_draft(*state, &draft, &error), &error);
	write_file(at(draft.path, "redis_backup.rdb"), "x");
	assert_nothing_listed(*state);
	catalog_discard(&draft);
}

static void a_published_draft_is_listed(void **state)
{
	struct error error;
	struct draft draft = {0};
	assert_ok(catalog_draft(*state, &draft, &error), &error);
	write_file(at(draft.path, "redis_backup.rdb"), "x");
	assert_ok(catalog_publish(*state, &draft, &error), &error);
	assert_listed(*state, (const char *const[]){draft.timestamp, NULL});
	catalog_discard(&draft);
}

static void discarding_a_published_draft_keeps_the_backup(void **state)
{
	struct error error;
	struct draft draft = {0};
	assert_ok(catalog_draft(*state, &draft, &error), &error);
	write_file(at(draft.path, "redis_backup.rdb"), "x");
	assert_ok(catalog_publish(*state, &draft, &error), &error);
	const char *file = at(draft.final_path, "redis_backup.rdb");
	catalog_discard(&draft);
	assert_true(exists(file));
}

static void a_discarded_draft_is_gone(void **state)
{
	struct error error;
	struct draft draft = {0};
	assert_ok(catalog_draft(*state, &draft, &error), &error);
	write_file(at(draft.path, "redis_backup.rdb"), "x");
	catalog_discard(&draft);
	char *left = shell(NULL, "ls -A '%s'", (char *)*state);
	assert_string_equal(left, "");
	free(left);
}

static void discarding_nothing_is_fine(void **state)
{
	(void)state;
	struct draft draft = {0};
	catalog_discard(&draft);
	assert_null(draft.path);
}

static void two_backups_of_one_second_get_two_names(void **state)
{
	struct error error;
	struct draft first = {0};
	struct draft second = {0};
	assert_ok(catalog_draft(*state, &first, &error), &error);
	assert_ok(catalog_publish(*state, &first, &error), &error);
	assert_ok(catalog_draft(*state, &second, &error), &error);
	assert_string_not_equal(first.timestamp, second.timestamp);
	catalog_discard(&first);
	catalog_discard(&second);
}

static void a_draft_does_not_replace_a_backup_of_its_name(void **state)
{
	struct error error;
	struct draft draft = {0};
	assert_ok(catalog_draft(*state, &draft, &error), &error);
	make_folder(draft.final_path);
	write_file(at(draft.final_path, "redis_backup.rdb"), "older");
	const char *file = at(draft.final_path, "redis_backup.rdb");
	enum status status = catalog_publish(*state, &draft, &error);
	catalog_discard(&draft);
	assert_status(STATUS_FAILED, status, &error);
	assert_file_is(file, "older");
}

/* --- removing ----------------------------------------------------------------------------------------------------- */

static void a_removed_backup_is_gone_with_all_its_files(void **state)
{
	struct error error;
	make_complete(*state, "20240912_143022");
	make_complete(*state, "20240913_000000");
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	assert_ok(catalog_remove(*state, backup, &error), &error);
	char *left = shell(NULL, "ls -A '%s'", (char *)*state);
	assert_string_equal(left, PREFIX "20240913_000000\n");
	free(left);
}

static void removing_works_over_what_an_earlier_removal_has_left(void **state)
{
	struct error error;
	make_complete(*state, "20240912_143022");
	make_folder(at(*state, ".removing-20240912_143022"));
	write_file(at(*state, ".removing-20240912_143022/f"), "x");
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	assert_ok(catalog_remove(*state, backup, &error), &error);
	char *left = shell(NULL, "ls -A '%s'", (char *)*state);
	assert_string_equal(left, "");
	free(left);
}

static void removing_what_has_gone_already_is_a_failure(void **state)
{
	struct error error;
	make_complete(*state, "20240912_143022");
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	shell_ok("rm -r '%s'", folder_of(*state, "20240912_143022"));
	assert_status(STATUS_FAILED, catalog_remove(*state, backup, &error), &error);
}

/* What is in the way is named, and nothing of the backup is gone. */
static void assert_kept(const char *catalog, enum status status, const struct error *error, const char *reason)
{
	char message[ERROR_MESSAGE_SIZE];
	snprintf(message, sizeof message, "cannot remove %s: %s", folder_of(catalog, "20240912_143022"), reason);
	assert_status(STATUS_FAILED, status, error);
	assert_string_equal(error->message, message);
	assert_memory_equal(error->hint, "nothing of the backup was removed; ", 35);
	shell_ok("test $(ls '%s' | wc -l) -ge 5", folder_of(catalog, "20240912_143022"));
}

static void a_backup_that_cannot_be_looked_through_now_is_kept(void **state)
{
	struct error error;
	struct rlimit before;
	make_complete(*state, "20240912_143022");
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	int free_one = dup(STDIN_FILENO);
	close(free_one);
	const struct rlimit no_more = {.rlim_cur = (rlim_t)free_one, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &no_more), 0);
	enum status status = catalog_remove(*state, backup, &error);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_kept(*state, status, &error, "Too many open files");
}

static void a_backup_of_somebody_else_is_kept(void **state)
{
	struct error error;
	if (geteuid() != 0) {
		skip();
	}
	make_complete(*state, "20240912_143022");
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	assert_int_equal(chmod(*state, 0755), 0);
	assert_int_equal(chmod(backup->path, 0700), 0);
	assert_int_equal(seteuid(65534), 0);
	enum status status = catalog_remove(*state, backup, &error);
	assert_int_equal(seteuid(0), 0);
	assert_kept(*state, status, &error, "Operation not permitted");
}

enum { NOT_ALLOWED = 77 };

/* In mount and user namespaces of its own, which end with the child. */
static int remove_with_a_mount(const char *catalog, const struct backup *backup, const char *mounted)
{
	struct error error;
	if (unshare(CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER)) != 0 ||
		mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 || mount("none", mounted, "tmpfs", 0, NULL) != 0) {
		return NOT_ALLOWED;
	}
	write_file(at(mounted, "of somebody"), "x");
	enum status status = catalog_remove(catalog, backup, &error);
	assert_kept(catalog, status, &error, "Device or resource busy, at ./mounted");
	assert_file_is(at(mounted, "of somebody"), "x");
	return 0;
}

static void a_backup_in_which_something_is_mounted_is_kept(void **state)
{
	int result = 0;
	make_complete(*state, "20240912_143022");
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	make_folder(at(backup->path, "mounted"));
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		_exit(remove_with_a_mount(*state, backup, at(backup->path, "mounted")));
	}
	assert_int_equal(waitpid(child, &result, 0), child);
	if (WIFEXITED(result) && WEXITSTATUS(result) == NOT_ALLOWED) {
		skip();
	}
	assert_int_equal(result, 0);
}

/* --- what is known of a backup ------------------------------------------------------------------------------------ */

static void what_speaks_against_a_backup_outweighs_what_could_not_be_read(void **state)
{
	(void)state;
	struct verified_store store = {.good = true};
	struct verified_run run = {.good = true};
	verified_run_unread(&run, NULL, "SHA256SUMS cannot be read");
	assert_true(run.unread && !run.good);
	assert_string_equal(run.problem, "SHA256SUMS cannot be read");
	verified_run_blame(&run, &store, "Redis: it is cut off");
	assert_true(!run.unread && !run.good && !store.good);
	assert_string_equal(run.problem, "Redis: it is cut off");
	assert_string_equal(store.problem, "Redis: it is cut off");
	verified_run_unread(&run, NULL, "SHA256SUMS cannot be read");
	assert_false(run.unread);
	assert_string_equal(run.problem, "Redis: it is cut off");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(a_folder_that_does_not_exist_holds_no_backup),
		scratch_test(a_file_cannot_be_listed),
		scratch_test(backups_are_listed_oldest_first),
		scratch_test(folders_of_other_names_are_not_listed),
		scratch_test(a_file_named_like_a_backup_is_not_listed),
		scratch_test(a_symbolic_link_named_like_a_backup_is_not_followed),
		scratch_test(an_empty_folder_named_like_a_backup_is_not_listed),
		scratch_test(a_folder_with_nothing_of_a_store_is_not_listed),
		scratch_test(files_of_the_guide_without_a_manifest_are_a_legacy_backup),
		scratch_test(files_of_the_guides_manual_commands_are_a_legacy_backup),
		scratch_test(a_legacy_backup_may_lack_stores),
		scratch_test(a_symbolic_link_is_no_legacy_artefact),
		scratch_test(a_manifest_of_four_good_stores_makes_a_complete_backup),
		scratch_test(the_size_of_a_backup_is_that_of_all_its_files),
		scratch_test(a_store_that_was_skipped_makes_a_partial_backup),
		scratch_test(a_store_that_failed_makes_a_partial_backup),
		scratch_test(what_a_manifest_says_of_a_store_can_be_asked_for),
		scratch_test(a_legacy_backup_has_no_manifest_to_ask),
		scratch_test(a_file_of_another_size_is_damage),
		scratch_test(a_missing_file_is_damage),
		scratch_test(a_symbolic_link_in_a_files_place_is_damage),
		scratch_test(a_file_name_with_a_slash_is_damage),
		scratch_test(an_absolute_file_name_is_damage),
		scratch_test(another_stores_file_name_is_damage),
		scratch_test(a_store_without_a_file_name_is_damage),
		scratch_test(a_store_without_its_checksum_is_damage),
		scratch_test(a_complete_backup_that_lacks_a_store_is_damaged),
		scratch_test(a_complete_backup_in_which_a_store_is_not_good_is_damaged),
		scratch_test(a_manifest_that_is_no_json_is_damage),
		scratch_test(an_empty_manifest_is_damage),
		scratch_test(a_manifest_that_is_cut_is_damage),
		scratch_test(a_manifest_that_is_no_object_is_damage),
		scratch_test(a_manifest_of_another_format_is_damage),
		scratch_test(a_manifest_without_a_format_is_damage),
		scratch_test(a_manifest_without_stores_is_damage),
		scratch_test(a_manifest_that_is_a_folder_is_damage),
		scratch_test(a_manifest_that_is_a_pipe_is_damage),
		scratch_test(a_manifest_of_values_without_number_is_damage),
		scratch_test(a_manifest_of_many_counts_is_read),
		scratch_test(a_manifest_of_the_wrong_types_is_damage),
		scratch_test(damage_of_one_store_is_not_that_of_the_others),
		scratch_test(damage_of_the_manifest_is_said_to_be_its_own),
		scratch_test(a_good_backup_has_no_damage),
		scratch_test(a_backup_is_found_by_its_folders_name),
		scratch_test(the_latest_is_the_newest),
		scratch_test(the_latest_is_never_a_damaged_one),
		scratch_test(the_latest_of_damaged_ones_alone_is_not_found),
		scratch_test(the_latest_of_none_is_not_found),
		scratch_test(a_backup_that_is_not_there_is_not_found),
		scratch_test(anything_but_a_timestamp_is_a_usage_error),
		scratch_test(a_symbolic_link_is_not_found),
		zone_test(a_backup_began_when_its_name_says),
		zone_test(the_name_of_a_backup_outweighs_its_manifest),
		zone_test(in_an_hour_that_comes_twice_the_manifest_says_which),
		zone_test(the_manifest_may_be_some_seconds_off),
		zone_test(an_hour_that_comes_twice_is_the_later_one_if_nothing_says_which),
		zone_test(the_hour_that_comes_twice_is_listed_in_its_order),
		zone_test(two_backups_of_one_moment_are_listed_by_their_names),
		zone_test(the_latest_of_an_hour_that_comes_twice_is_the_one_made_last),
		scratch_test(the_lock_makes_the_folder),
		scratch_test(a_second_lock_is_refused),
		scratch_test(a_lock_of_another_process_is_respected),
		scratch_test(the_lock_can_be_taken_again_after_unlocking),
		scratch_test(the_lock_ends_with_its_process),
		scratch_test(a_lock_in_a_path_that_is_a_file_is_refused_with_a_hint),
		scratch_test(the_lock_removes_what_dead_runs_have_left),
		scratch_test(the_lock_removes_nothing_else),
		scratch_test(the_lock_does_not_follow_a_symbolic_link_that_is_left),
		scratch_test(a_lock_that_is_refused_removes_nothing),
		scratch_test(a_draft_is_a_private_folder),
		scratch_test(a_draft_is_not_listed),
		scratch_test(a_published_draft_is_listed),
		scratch_test(discarding_a_published_draft_keeps_the_backup),
		scratch_test(a_discarded_draft_is_gone),
		scratch_test(discarding_nothing_is_fine),
		scratch_test(two_backups_of_one_second_get_two_names),
		scratch_test(a_draft_does_not_replace_a_backup_of_its_name),
		scratch_test(a_removed_backup_is_gone_with_all_its_files),
		scratch_test(removing_works_over_what_an_earlier_removal_has_left),
		scratch_test(removing_what_has_gone_already_is_a_failure),
		scratch_test(a_backup_that_cannot_be_looked_through_now_is_kept),
		scratch_test(a_backup_of_somebody_else_is_kept),
		scratch_test(a_backup_in_which_something_is_mounted_is_kept),
		cmocka_unit_test(what_speaks_against_a_backup_outweighs_what_could_not_be_read),
	};
	return cmocka_run_group_tests_name("catalog", tests, NULL, NULL);
}
