/*
 * What makes a backup, without an engine, with its Nth allocation, write, flush, rename, opening, reading or removal
 * failing: what it says it has done is there, and what is listed is whole.
 */
#include "attributes_support.h"
#include "faults_support.h"
#include "postgresql_support.h"
#include "volume_support.h"

#include "catalog/catalog.h"
#include "catalog/record.h"
#include "stores/artefact_write.h"
#include "stores/redis/dump.h"
#include "stores/store_table.h"

#include <time.h>

/* --- a folder to an archive --------------------------------------------------------------------------------------- */

static char archive[PATH_MAX];
static char source_folder[PATH_MAX];
static char changed[PATH_MAX];
static char *large;
static bool with_attributes;
static bool with_lists;

static void prepare_folder(const char *folder)
{
	enum { LARGE = (1 << 20) + 5000 };
	large = large != NULL ? large : malloc(LARGE);
	assert_non_null(large);
	fill_random(large, LARGE, 1);
	snprintf(archive, sizeof archive, "%s/archive.tar.gz", folder);
	snprintf(source_folder, sizeof source_folder, "%s/src", folder);
	snprintf(changed, sizeof changed, "%s/src/changed", folder);
	make_folder(source_folder);
	make_folder(at(source_folder, "empty"));
	write_file(at(source_folder, "small"), "small\n");
	write_file(changed, "before\n");
	write_bytes(at(source_folder, "large"), large, LARGE);
	assert_int_equal(symlink("small", at(source_folder, "link")), 0);
	assert_int_equal(link(at(source_folder, "small"), at(source_folder, "small too")), 0);
	write_file(at(source_folder, "sparse"), "");
	assert_int_equal(truncate(at(source_folder, "sparse"), 3 << 20), 0);
	with_attributes = give_attributes(at(source_folder, "small")) && give_attributes(at(source_folder, "empty"));
	with_lists =
		give_list(at(source_folder, "small"), ACCESS, 1234) && give_list(at(source_folder, "empty"), ACCESS, 1234);
}

static enum status copy_folder(const char *folder, struct error *error)
{
	(void)folder;
	CLEANUP(cleanup_folder_copy) struct folder_copy *copy = NULL;
	struct folder_copy_result result;
	uint64_t bytes = 0;
	enum status status = folder_copy_of(source_folder, "data", archive, &copy, error);
	if (status == STATUS_OK) {
		status = folder_copy_catch_up(copy, NULL, &bytes, error);
	}
	if (status == STATUS_OK && truncate(changed, 3) != 0) {
		return error_set_errno(error, "cannot change a file");
	}
	if (status == STATUS_OK) {
		status = folder_copy_capture(copy, error);
	}
	return status == STATUS_OK ? folder_copy_finish(copy, NULL, &result, error) : status;
}

static void judge_archive(const char *folder, enum status status)
{
	if (status != STATUS_OK) {
		return; /* the draft of the backup goes with it */
	}
	struct error error;
	struct buffer tar = uncompressed(archive);
	make_folder(at(folder, "out"));
	assert_ok(unpack(&tar, "data", at(folder, "out"), &error), &error);
	buffer_free(&tar);
	static const char *const names[] = {"small", "small too", "changed", "large", "sparse"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		size_t expected_length = 0;
		size_t length = 0;
		char *expected = read_file(at(source_folder, names[i]), &expected_length);
		char *content = read_file(at(at(folder, "out"), names[i]), &length);
		assert_int_equal(length, expected_length);
		assert_memory_equal(content, expected, length);
		free(expected);
		free(content);
	}
	if (with_attributes) {
		assert_has_attributes(at(folder, "out/small"));
		assert_has_attributes(at(folder, "out/empty"));
	}
	if (with_lists) {
		assert_has_list(at(folder, "out/small"), ACCESS, 1234);
		assert_has_list(at(folder, "out/empty"), ACCESS, 1234);
	}
	assert_true(exists(at(folder, "out/empty")));
	assert_true(exists(at(folder, "out/link")));
}

static void a_folder_is_archived_whole_or_not_at_all(void **state)
{
	const struct work work = {prepare_folder, copy_folder, judge_archive};
	each_fault(*state, &work);
	assert_true(each_nth(*state, &work, FAULT_MEMORY, false, is_torture() ? 1 : 3) > 0);
	free(MOVE(large));
}

/* --- a draft to a backup ------------------------------------------------------------------------------------------ */

static struct backup_record record;

static void prepare_record(const char *folder)
{
	(void)folder;
	record = (struct backup_record){.shown_path = "./backups/whisperengine_backup_20240912_143022",
									.project = "whisperengine",
									.started = {.tv_sec = time(NULL)},
									.finished = {.tv_sec = time(NULL)}};
	for (size_t i = 0; i < STORE_COUNT; i++) {
		struct store_record *store = &record.stores[i];
		struct error error;
		store->status = STORE_OK;
		store->size = 4;
		snprintf(store->saved.method, sizeof store->saved.method, "by hand");
		assert_ok(digest_text("data", store->sha256, &error), &error);
		store->saved.fingerprint.known = true;
		assert_ok(fingerprint_add(&store->saved.fingerprint, "rows", "first", 1, &error), &error);
		assert_ok(fingerprint_add(&store->saved.fingerprint, "rows", "second", 2, &error), &error);
	}
}

static enum status make_and_publish(const char *folder, struct draft *draft, struct error *error)
{
	enum status status = catalog_draft(folder, draft, error);
	for (size_t i = 0; status == STATUS_OK && i < STORE_COUNT; i++) {
		char path[PATH_MAX];
		snprintf(path, sizeof path, "%s/%s", draft->path, store_table[i]->artefact);
		status = file_write_text(path, "data", error);
	}
	if (status == STATUS_OK) {
		record.timestamp = draft->timestamp;
		status = record_write(&record, draft->path, error);
	}
	return status == STATUS_OK ? catalog_publish(folder, draft, error) : status;
}

/* As `create` does it, in the order of create_backup.c. */
static enum status make_backup(const char *folder, struct error *error)
{
	struct draft draft = {0};
	CLEANUP(catalog_unlock) int lock = -1;
	enum status status = catalog_lock(folder, &lock, error);
	if (status == STATUS_OK) {
		status = make_and_publish(folder, &draft, error);
	}
	catalog_discard(&draft);
	return status;
}

static void assert_whole(struct backup *backup)
{
	struct error error;
	if (backup->status != BACKUP_COMPLETE) {
		print_error("%s\n", backup->problem);
	}
	assert_int_equal(backup->status, BACKUP_COMPLETE);
	assert_ok(backup_check(backup, NULL, &error), &error);
	assert_int_equal(backup->status, BACKUP_COMPLETE);
	for (size_t i = 0; i < STORE_COUNT; i++) {
		CLEANUP(fingerprint_free) struct fingerprint counted = {0};
		char difference[FINGERPRINT_DIFFERENCE_SIZE];
		assert_ok(backup_fingerprint(backup, i, &counted, &error), &error);
		assert_int_equal(counted.count, 2);
		bool same = false;
		assert_ok(fingerprint_compare(&record.stores[i].saved.fingerprint, &counted, &same, difference, &error),
				  &error);
		assert_true(same);
	}
	shell_ok("cd '%s' && sha256sum --quiet --strict -c SHA256SUMS", backup->path);
}

/* None but one that the next run clears away. */
static void assert_no_draft(const char *folder)
{
	int lock = -1;
	struct error error;
	assert_ok(catalog_lock(folder, &lock, &error), &error);
	catalog_unlock(&lock);
	char *left = shell(NULL, "find '%s' -mindepth 1 -maxdepth 1 -name '.partial*'", folder);
	assert_string_equal(left, "");
	free(left);
}

static void judge_backup(const char *folder, enum status status)
{
	struct error error;
	CLEANUP(backup_list_free) struct backup_list list = {0};
	assert_ok(catalog_list(folder, &list, &error), &error);
	assert_true(list.count == 1 || (list.count == 0 && status != STATUS_OK));
	if (list.count == 1) { /* also if its name could not be flushed */
		assert_whole(list.items[0]);
	}
	assert_no_draft(folder);
	record_free(&record);
}

static void a_backup_is_listed_whole_or_not_at_all(void **state)
{
	const struct work work = {prepare_record, make_backup, judge_backup};
	each_fault(*state, &work);
}

static void prepare_nothing(const char *folder)
{
	(void)folder;
}

static enum status draft_and_discard(const char *folder, struct error *error)
{
	struct draft draft = {0};
	enum status status = catalog_draft(folder, &draft, error);
	catalog_discard(&draft);
	return status;
}

static void judge_draft(const char *folder, enum status status)
{
	(void)status;
	assert_no_draft(folder);
}

static void a_draft_that_has_no_memory_leaves_nothing(void **state)
{
	const struct work work = {prepare_nothing, draft_and_discard, judge_draft};
	assert_true(each_nth(*state, &work, FAULT_MEMORY, false, 1) >= 2);
}

/* --- Redis's dump ------------------------------------------------------------------------------------------------- */

static const char dump[18] = "REDIS0011\xff"; /* an empty one, without a checksum */
static char dump_copy[PATH_MAX];

static void prepare_dump(const char *folder)
{
	snprintf(dump_copy, sizeof dump_copy, "%s/redis_backup.rdb", folder);
	write_bytes(at(folder, "dump.rdb"), dump, sizeof dump);
}

static enum status copy_dump(const char *folder, struct error *error)
{
	CLEANUP(cleanup_close) int fd = -1;
	CLEANUP(cleanup_sink) struct sink *file = NULL;
	struct artefact_reading reading = {0};
	enum status status = redis_dump_open(folder, "dump.rdb", &fd, error);
	if (status == STATUS_OK) {
		status = artefact_sink_new(&store_redis, dump_copy, &reading, &file, error);
	}
	if (status == STATUS_OK) {
		status = redis_dump_copy(fd, NULL, file, NULL, error);
	}
	/* Without a thread it is not read on the way, but by create when it is there (artefact_note). */
	assert_true(status != STATUS_OK || reading.sha256[0] == '\0' || reading.size == sizeof dump);
	return status;
}

static void judge_dump(const char *folder, enum status status)
{
	assert_bytes_are(at(folder, "dump.rdb"), dump, sizeof dump);
	if (status == STATUS_OK) {
		assert_bytes_are(dump_copy, dump, sizeof dump);
	}
}

static void a_dump_of_redis_is_copied_whole_or_not_at_all(void **state)
{
	const struct work work = {prepare_dump, copy_dump, judge_dump};
	each_fault(*state, &work);
}

/* --- Redis's dump, through the engine ----------------------------------------------------------------------------- */

static char *stream_bytes; /* of an archive call, made once */
static size_t stream_length;

static enum status stream_of(struct runtime *self, const struct container *in, const char *path,
							 struct source **ret_tar, struct error *error)
{
	static const struct source_ops ops = {.read = drip_read, .free = drip_free};
	struct drip_source *source = calloc(1, sizeof *source);
	(void)self;
	(void)in;
	(void)path;
	if (source == NULL) {
		return error_memory(error);
	}
	*source = (struct drip_source){.source = {.ops = &ops}, .bytes = stream_bytes, .left = stream_length, .step = 1000};
	*ret_tar = &source->source;
	return STATUS_OK;
}

static enum status copy_stream(const char *folder, struct error *error)
{
	static const struct runtime_ops engine = {.archive_get = stream_of};
	CLEANUP(cleanup_source) struct source *source = NULL;
	CLEANUP(cleanup_sink) struct sink *file = NULL;
	(void)folder;
	runtime.ops = &engine;
	enum status status = redis_dump_open_stream(&runtime, &container, "/data/dump.rdb", &source, error);
	if (status == STATUS_OK) {
		status = file_sink_new(dump_copy, &file, error);
	}
	return status == STATUS_OK ? redis_dump_copy(-1, source, file, NULL, error) : status;
}

static void a_dump_of_redis_is_copied_whole_through_the_engine_or_not_at_all(void **state)
{
	const struct work work = {prepare_dump, copy_stream, judge_dump};
	write_bytes(at(*state, "dump.rdb"), dump, sizeof dump);
	shell_ok("cd '%s' && tar cf stream.tar dump.rdb", (const char *)*state);
	stream_bytes = read_file(at(*state, "stream.tar"), &stream_length);
	each_fault(*state, &work);
	free(MOVE(stream_bytes));
}

/* --- PostgreSQL's dump -------------------------------------------------------------------------------------------- */

#define CLUSTER  "--\n-- PostgreSQL database cluster dump\n--\n\nCREATE ROLE boss;\n\n"
#define DATABASE "--\n-- PostgreSQL database dump\n--\n\nSELECT 1;\n\n--\n-- PostgreSQL database dump complete\n--\n\n"

static struct server *postgresql;
static char dump_path[PATH_MAX];

/* The moment has been; whatever comes now is after it. */
static void prepare_moment(const char *folder)
{
	void *started = NULL;
	struct error error;
	assert_int_equal(server_start(&started), 0);
	postgresql = started;
	struct postgresql *self = &postgresql->postgresql;
	snprintf(dump_path, sizeof dump_path, "%s/postgres_backup.sql", folder);
	self->path = dump_path;
	postgresql->lines[0] = (struct line){.asked = "whisperbackup.trouble');\nSELECT oid, datname FROM",
										 .rows = "00000003-1B-1||1|template1|"};
	postgresql->lines[1] = (struct line){.asked = "SELECT oid, datname FROM", .rows = "1|template1|"};
	postgresql->lines[2] = (struct line){.asked = "pg_dumpall", .rows = CLUSTER MOMENT_GLOBALS_CLOSING};
	postgresql->lines[3] = (struct line){.asked = "pg_dump ", .rows = DATABASE};
	postgresql->lines[4] = (struct line){.asked = "SELECT string_agg", .rows = "public|t|7|"};
	assert_ok(postgresql_moment_prepare(self, &postgresql->progress, &error), &error);
	assert_ok(postgresql_moment_catch_up(self, &error), &error);
	assert_ok(postgresql_moment_ask(self, &error), &error);
	assert_ok(postgresql_moment_answer(self, &error), &error);
}

static enum status save_moment(const char *folder, struct error *error)
{
	struct saved saved = {0};
	(void)folder;
	enum status status = postgresql_moment_save(&postgresql->postgresql, &postgresql->progress, &saved, error);
	bool right = saved.fingerprint.exact && fingerprint_sum(&saved.fingerprint, "rows", NULL) == 7;
	fingerprint_free(&saved.fingerprint);
	return unless_wrong(status, right, error);
}

static void judge_moment(const char *folder, enum status status)
{
	(void)folder;
	assert_int_not_equal(status, STATUS_CONFLICT);
	assert_int_not_equal(status, STATUS_DAMAGED);
	if (status == STATUS_OK) {
		assert_file_is(dump_path, CLUSTER "--\n-- Databases\n--\n\n--\n-- Database \"template1\" dump\n--\n\n"
										  "\\connect template1\n\n" DATABASE MOMENT_GLOBALS_CLOSING);
	}
	(void)server_stop((void *[]){postgresql});
}

static void a_moment_of_postgresql_is_saved_whole_or_it_is_said(void **state)
{
	const struct work work = {prepare_moment, save_moment, judge_moment};
	each_fault(*state, &work);
	assert_true(each_nth(*state, &work, FAULT_MEMORY, false, 1) > MEMORY_STRIDE);
}

int main(void)
{
	setenv("TZ", "UTC", 1);
	tzset();
	const struct CMUnitTest tests[] = {
		scratch_test(a_folder_is_archived_whole_or_not_at_all),
		scratch_test(a_backup_is_listed_whole_or_not_at_all),
		scratch_test(a_draft_that_has_no_memory_leaves_nothing),
		scratch_test(a_dump_of_redis_is_copied_whole_or_not_at_all),
		scratch_test(a_dump_of_redis_is_copied_whole_through_the_engine_or_not_at_all),
		scratch_test(a_moment_of_postgresql_is_saved_whole_or_it_is_said),
	};
	return cmocka_run_group_tests_name("faults_create", tests, NULL, NULL);
}
