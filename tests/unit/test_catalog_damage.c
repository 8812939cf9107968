/* catalog: what is wrong with a backup, as far as its manifest and the sizes of its files tell. */
#include "catalog_support.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};
	return cmocka_run_group_tests_name("catalog damage", tests, NULL, NULL);
}
