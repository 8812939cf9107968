/* catalog/record: what is written about a new backup. */
#include "support.h"

#include "base/files.h"
#include "catalog/backup.h"
#include "catalog/record.h"
#include "stores/store_table.h"

#include <time.h>

static const char *const artefacts[STORE_COUNT] = {"postgresql_backup.sql", "redis_backup.rdb",
												   "chromadb_backup.tar.gz", "neo4j_backup.tar.gz"};

/* The guide's example: 2.1M, 156K, 45M, 12M on Thu Sep 12 14:30:22 PDT 2024. */
static const uint64_t sizes[STORE_COUNT] = {2202010, 159744, 47185920, 12582912};

static char empty[] = "";
static char container_name[] = "whisperengine-redis";
static char image[] = "redis:7-alpine";
static char digest[] = "sha256:1234";
static const struct container container = {
	.id = empty, .name = container_name, .service = empty, .store = empty, .image = image, .image_digest = digest};

static struct backup_record *guide_record(void)
{
	struct backup_record *record = calloc(1, sizeof *record);
	assert_non_null(record);
	*record = (struct backup_record){.timestamp = "20240912_143022",
									 .shown_path = "./backups/whisperengine_backup_20240912_143022",
									 .project = "whisperengine",
									 .started = {.tv_sec = 1726176622, .tv_nsec = 7000000},
									 .finished = {.tv_sec = 1726176625, .tv_nsec = 999999999}};
	for (size_t i = 0; i < STORE_COUNT; i++) {
		struct store_record *store = &record->stores[i];
		store->status = STORE_OK;
		store->size = sizes[i];
		snprintf(store->sha256, sizeof store->sha256, "%064d", (int)i);
		snprintf(store->server_version, sizeof store->server_version, "7.0.15");
		snprintf(store->saved.method, sizeof store->saved.method, "BGSAVE");
		snprintf(store->data_folder, sizeof store->data_folder, "/data");
		store->artefact.raw_bytes = 2 * sizes[i];
		store->freeze_milliseconds = 12.5;
		store->container = &container;
	}
	return record;
}

static void skip_redis(struct backup_record *record, enum store_status status, const char *reason)
{
	record->stores[1].status = status;
	snprintf(record->stores[1].reason, sizeof record->stores[1].reason, "%s", reason);
}

/* Writes the record into the scratch folder and frees it. */
static void write_record(const char *folder, struct backup_record *record)
{
	struct error error;
	setenv("TZ", "America/Los_Angeles", 1);
	tzset();
	enum status status = record_write(record, folder, &error);
	free(record);
	assert_ok(status, &error);
}

static json_t *manifest_of(const char *folder)
{
	json_error_t failure;
	json_t *manifest = json_load_file(at(folder, "manifest.json"), JSON_REJECT_DUPLICATES, &failure);
	if (manifest == NULL) {
		print_error("manifest.json: %s\n", failure.text);
	}
	assert_non_null(manifest);
	return manifest;
}

static void assert_text(const json_t *object, const char *key, const char *text)
{
	const char *value = json_string_value(json_object_get(object, key));
	assert_non_null(value);
	assert_string_equal(value, text);
}

static void the_information_is_that_of_the_guide(void **state)
{
	write_record(*state, guide_record());
	assert_file_is(at(*state, "backup_info.txt"), "WhisperEngine Backup Information\n"
												  "================================\n"
												  "Backup Date: Thu Sep 12 14:30:22 PDT 2024\n"
												  "Backup Directory: ./backups/whisperengine_backup_20240912_143022\n"
												  "Backup Type: Full System Backup\n"
												  "\n"
												  "Services Backed Up:\n"
												  "✅ postgresql: postgresql_backup.sql (2.1M)\n"
												  "✅ redis: redis_backup.rdb (156K)\n"
												  "✅ chromadb: chromadb_backup.tar.gz (45M)\n"
												  "✅ neo4j: neo4j_backup.tar.gz (12M)\n");
}

static void the_information_tells_what_is_missing_and_why(void **state)
{
	struct backup_record *record = guide_record();
	skip_redis(record, STORE_SKIPPED, "it is not running");
	write_record(*state, record);
	char *text = read_file(at(*state, "backup_info.txt"), NULL);
	assert_non_null(strstr(text, "Backup Type: Partial System Backup\n"));
	assert_null(strstr(text, "✅ redis"));
	assert_non_null(strstr(text, "redis: skipped (it is not running)\n"));
	free(text);
}

/* Puts files in the artefacts' places and their checksums into the record. */
static void make_artefacts(const char *folder, struct backup_record *record)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		struct error error;
		char content[32];
		snprintf(content, sizeof content, "content %zu", i);
		write_file(at(folder, artefacts[i]), content);
		assert_ok(
			digest_file(at(folder, artefacts[i]), NULL, record->stores[i].sha256, &record->stores[i].size, &error),
			&error);
	}
}

static void sha256sum_accepts_the_sums(void **state)
{
	struct backup_record *record = guide_record();
	make_artefacts(*state, record);
	write_record(*state, record);
	char *output = shell(NULL, "cd '%s' && sha256sum --strict -c SHA256SUMS 2>&1", (char *)*state);
	assert_string_equal(output,
						"manifest.json: OK\nbackup_info.txt: OK\npostgresql_backup.sql: OK\nredis_backup.rdb: OK\n"
						"chromadb_backup.tar.gz: OK\nneo4j_backup.tar.gz: OK\n");
	free(output);
}

static void the_sums_leave_out_what_is_not_there(void **state)
{
	struct backup_record *record = guide_record();
	make_artefacts(*state, record);
	skip_redis(record, STORE_FAILED, "no answer");
	write_record(*state, record);
	char *text = read_file(at(*state, "SHA256SUMS"), NULL);
	assert_null(strstr(text, "redis"));
	free(text);
}

static void the_manifest_makes_a_complete_backup(void **state)
{
	struct error error;
	struct backup *backup = NULL;
	make_folder(at(*state, "whisperengine_backup_20240912_143022"));
	struct backup_record *record = guide_record();
	make_artefacts(at(*state, "whisperengine_backup_20240912_143022"), record);
	write_record(at(*state, "whisperengine_backup_20240912_143022"), record);
	assert_ok(catalog_find(*state, "latest", NULL, &backup, &error), &error);
	enum backup_status status = backup->status;
	backup_free(backup);
	assert_int_equal(status, BACKUP_COMPLETE);
}

static void the_manifest_of_a_skipped_store_makes_a_partial_backup(void **state)
{
	struct error error;
	struct backup *backup = NULL;
	make_folder(at(*state, "whisperengine_backup_20240912_143022"));
	struct backup_record *record = guide_record();
	make_artefacts(at(*state, "whisperengine_backup_20240912_143022"), record);
	skip_redis(record, STORE_SKIPPED, "it is not running");
	write_record(at(*state, "whisperengine_backup_20240912_143022"), record);
	assert_ok(catalog_find(*state, "latest", NULL, &backup, &error), &error);
	assert_int_equal(backup->status, BACKUP_PARTIAL);
	assert_string_equal(backup->stores[1].reason, "it is not running");
	backup_free(backup);
}

static void the_manifest_tells_what_made_it(void **state)
{
	write_record(*state, guide_record());
	json_t *manifest = manifest_of(*state);
	assert_int_equal(json_integer_value(json_object_get(manifest, "format")), 1);
	assert_text(manifest, "timestamp", "20240912_143022");
	assert_text(manifest, "project", "whisperengine");
	assert_text(manifest, "status", "complete");
	assert_text(json_object_get(manifest, "tool"), "name", "whisperbackup");
	json_decref(manifest);
}

static void the_manifest_tells_times_in_utc(void **state)
{
	write_record(*state, guide_record());
	json_t *manifest = manifest_of(*state);
	assert_text(manifest, "started", "2024-09-12T21:30:22.007Z");
	assert_text(manifest, "finished", "2024-09-12T21:30:25.999Z");
	json_decref(manifest);
}

static void the_manifest_tells_all_of_a_store(void **state)
{
	write_record(*state, guide_record());
	json_t *manifest = manifest_of(*state);
	const json_t *redis = json_array_get(json_object_get(manifest, "stores"), 1);
	assert_text(redis, "name", "redis");
	assert_text(redis, "status", "ok");
	assert_text(redis, "container", "whisperengine-redis");
	assert_text(redis, "image", "redis:7-alpine");
	assert_text(redis, "image_digest", "sha256:1234");
	assert_text(redis, "file", "redis_backup.rdb");
	assert_text(redis, "method", "BGSAVE");
	assert_text(redis, "server_version", "7.0.15");
	assert_text(redis, "data_folder", "/data");
	assert_text(redis, "sha256", "0000000000000000000000000000000000000000000000000000000000000001");
	assert_int_equal(json_integer_value(json_object_get(redis, "size_bytes")), 159744);
	assert_int_equal(json_integer_value(json_object_get(redis, "raw_bytes")), 319488);
	assert_true(json_number_value(json_object_get(redis, "freeze_milliseconds")) == 12.5);
	json_decref(manifest);
}

static void the_manifest_names_the_stores_in_the_tables_order(void **state)
{
	write_record(*state, guide_record());
	json_t *manifest = manifest_of(*state);
	const json_t *stores = json_object_get(manifest, "stores");
	assert_int_equal(json_array_size(stores), STORE_COUNT);
	for (size_t i = 0; i < STORE_COUNT; i++) {
		assert_text(json_array_get(stores, i), "name", store_table[i]->name);
	}
	json_decref(manifest);
}

static void the_manifest_takes_sizes_beyond_four_gigabytes(void **state)
{
	struct backup_record *record = guide_record();
	record->stores[0].size = UINT64_C(5) << 40;
	write_record(*state, record);
	json_t *manifest = manifest_of(*state);
	const json_t *store = json_array_get(json_object_get(manifest, "stores"), 0);
	assert_int_equal(json_integer_value(json_object_get(store, "size_bytes")), UINT64_C(5) << 40);
	json_decref(manifest);
}

/* What a server says may hold anything. */
static void a_reason_that_is_no_unicode_does_not_spoil_the_manifest(void **state)
{
	struct backup_record *record = guide_record();
	skip_redis(record, STORE_FAILED, "bad \xff\xfe bytes");
	write_record(*state, record);
	json_t *manifest = manifest_of(*state);
	const json_t *redis = json_array_get(json_object_get(manifest, "stores"), 1);
	assert_text(redis, "status", "failed");
	json_decref(manifest);
}

/* As many tables as nobody could count in a manifest. */
static void what_is_written_can_be_read(void **state)
{
	struct error error;
	struct backup_record *record = guide_record();
	struct fingerprint *counts = &record->stores[0].saved.fingerprint;
	for (int i = 0; i < 250000; i++) {
		char name[32];
		snprintf(name, sizeof name, "shop.public.t%d", i);
		assert_ok(fingerprint_add(counts, "rows", name, 1, &error), &error);
	}
	counts->known = counts->exact = true;
	struct fingerprint kept = fingerprint_take(counts);
	record->stores[0].saved.fingerprint = kept;
	write_record(*state, record);
	fingerprint_free(&kept);
	CLEANUP(cleanup_free) char *text = NULL;
	assert_ok(files_read_long_text(at(*state, "manifest.json"), 16 << 20, &text, &error), &error);
	assert_true(backup_manifest_can_be_read(text));
	json_t *manifest = manifest_of(*state);
	const json_t *store = json_array_get(json_object_get(manifest, "stores"), 0);
	assert_text(store, "status", "ok");
	assert_true(json_is_null(json_object_get(store, "fingerprint")));
	assert_true(json_is_false(json_object_get(store, "fingerprint_exact")));
	json_decref(manifest);
}

static void a_store_without_a_container_is_recorded(void **state)
{
	struct backup_record *record = guide_record();
	skip_redis(record, STORE_SKIPPED, "there is no container");
	record->stores[1].container = NULL;
	write_record(*state, record);
	json_t *manifest = manifest_of(*state);
	const json_t *redis = json_array_get(json_object_get(manifest, "stores"), 1);
	assert_text(redis, "reason", "there is no container");
	assert_null(json_object_get(redis, "container"));
	json_decref(manifest);
}

static void the_files_are_private(void **state)
{
	static const char *const files[] = {"backup_info.txt", "SHA256SUMS", "manifest.json"};
	mode_t mask = umask(0);
	write_record(*state, guide_record());
	umask(mask);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(attributes_of(at(*state, files[i])).st_mode & 07777, 0600);
	}
}

static void there_is_no_manifest_if_the_sums_cannot_be_written(void **state)
{
	struct error error;
	struct backup_record *record = guide_record();
	make_folder(at(*state, "SHA256SUMS"));
	enum status status = record_write(record, *state, &error);
	free(record);
	assert_status(STATUS_FAILED, status, &error);
	assert_false(exists(at(*state, "manifest.json")));
}

static void a_record_is_complete_only_if_every_store_is_good(void **state)
{
	(void)state;
	struct backup_record *record = guide_record();
	assert_true(record_is_complete(record));
	for (size_t i = 0; i < STORE_COUNT; i++) {
		record->stores[i].status = STORE_FAILED;
		assert_false(record_is_complete(record));
		record->stores[i].status = STORE_OK;
	}
	free(record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(the_information_is_that_of_the_guide),
		scratch_test(the_information_tells_what_is_missing_and_why),
		scratch_test(sha256sum_accepts_the_sums),
		scratch_test(the_sums_leave_out_what_is_not_there),
		scratch_test(the_manifest_makes_a_complete_backup),
		scratch_test(the_manifest_of_a_skipped_store_makes_a_partial_backup),
		scratch_test(the_manifest_tells_what_made_it),
		scratch_test(the_manifest_tells_times_in_utc),
		scratch_test(the_manifest_tells_all_of_a_store),
		scratch_test(the_manifest_names_the_stores_in_the_tables_order),
		scratch_test(the_manifest_takes_sizes_beyond_four_gigabytes),
		scratch_test(a_reason_that_is_no_unicode_does_not_spoil_the_manifest),
		scratch_test(what_is_written_can_be_read),
		scratch_test(a_store_without_a_container_is_recorded),
		scratch_test(the_files_are_private),
		scratch_test(there_is_no_manifest_if_the_sums_cannot_be_written),
		cmocka_unit_test(a_record_is_complete_only_if_every_store_is_good),
	};
	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
