/* catalog: which folders are backups, and which of them is meant. */
#include "catalog_support.h"

#include "catalog/verification.h"

#include <time.h>

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
	assert_status(STATUS_NOT_FOUND, catalog_find(*state, "latest", NULL, &backup, &error), &error);
}

static void the_latest_of_none_is_not_found(void **state)
{
	struct error error;
	struct backup *backup = NULL;
	assert_status(STATUS_NOT_FOUND, catalog_find(at(*state, "nothing"), "latest", NULL, &backup, &error), &error);
}

static void a_backup_that_is_not_there_is_not_found(void **state)
{
	struct error error;
	struct backup *backup = NULL;
	make_complete(*state, "20240912_143022");
	assert_status(STATUS_NOT_FOUND, catalog_find(*state, "20240912_143023", NULL, &backup, &error), &error);
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
		assert_status(STATUS_USAGE, catalog_find(at(*state, "sub"), texts[i], NULL, &backup, &error), &error);
	}
}

static void a_symbolic_link_is_not_found(void **state)
{
	struct error error;
	struct backup *backup = NULL;
	make_folder(at(*state, "elsewhere"));
	make_complete(at(*state, "elsewhere"), "20240912_143022");
	assert_int_equal(symlink("elsewhere/" PREFIX "20240912_143022", folder_of(*state, "20240912_143022")), 0);
	assert_status(STATUS_NOT_FOUND, catalog_find(*state, "20240912_143022", NULL, &backup, &error), &error);
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
		cmocka_unit_test(what_speaks_against_a_backup_outweighs_what_could_not_be_read),
	};
	return cmocka_run_group_tests_name("catalog", tests, NULL, NULL);
}
