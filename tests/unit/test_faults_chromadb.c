/*
 * Chroma's archive is checked and its database is counted, with its Nth allocation, write, opening, reading or removal
 * failing: what is said to be counted is, and nothing of the copy stays behind.
 */
#include "faults_support.h"

#include "stores/chromadb/archive.h"
#include "stores/chromadb/database.h"

#include <sqlite3.h>

enum {
	RECORDS = 300,
	WAITING = 10000,
	COLLECTIONS = 100,
	STEP = 31, /* SQLite allocates much, and what is done with a collection takes less than so many allocations */
};

static char archive_path[PATH_MAX]; /* made once */

/* What is read of the tables that Chroma makes. */
static const char schema[] =
	"CREATE TABLE databases (id TEXT PRIMARY KEY, name TEXT, tenant_id TEXT);"
	"CREATE TABLE collections (id TEXT PRIMARY KEY, name TEXT, database_id TEXT);"
	"CREATE TABLE segments (id TEXT PRIMARY KEY, scope TEXT, collection TEXT);"
	"CREATE TABLE embeddings (id INTEGER PRIMARY KEY, segment_id TEXT, embedding_id TEXT);"
	"CREATE TABLE max_seq_id (segment_id TEXT PRIMARY KEY, seq_id INTEGER);"
	"CREATE TABLE embeddings_queue (seq_id INTEGER PRIMARY KEY, operation INTEGER, topic TEXT, id TEXT);"
	"INSERT INTO databases VALUES ('0', 'default_database', 'default_tenant');"
	"INSERT INTO collections VALUES ('c', 'memories', '0');"
	"INSERT INTO segments VALUES ('m', 'METADATA', 'c'), ('v', 'VECTOR', 'c');"
	"INSERT INTO embeddings (segment_id, embedding_id) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
	" WHERE i < 300) SELECT 'm', 'a record of which somebody may say more than that, ' || i FROM n;";

static void run_sql(sqlite3 *database, const char *sql)
{
	char *message = NULL;
	if (sqlite3_exec(database, sql, NULL, NULL, &message) != SQLITE_OK) {
		fail_msg("%s", message);
	}
}

static sqlite3 *new_database(const char *scratch)
{
	sqlite3 *database = NULL;
	make_folder(at(scratch, "chroma"));
	make_folder(at(scratch, "chroma/segment"));
	shell_ok("cd '%s/chroma/segment' && touch header.bin data_level0.bin length.bin link_lists.bin", scratch);
	assert_int_equal(sqlite3_open(at(scratch, CHROMADB_DATABASE), &database), SQLITE_OK);
	return database;
}

static void pack_archive(const char *scratch)
{
	shell_ok("cd '%s' && mv " CHROMADB_DATABASE "* chroma && rm -f chroma/*-shm && tar czf archive.tar.gz chroma",
			 scratch);
	snprintf(archive_path, sizeof archive_path, "%s/archive.tar.gz", scratch);
}

/* As it is found in the middle of a transaction, which is to be taken back. */
static void make_archive(const char *scratch)
{
	sqlite3 *database = new_database(scratch);
	run_sql(database, schema);
	run_sql(database, "PRAGMA cache_size = 1; BEGIN; DELETE FROM embeddings WHERE id % 2 = 0");
	pack_archive(scratch);
	assert_true(attributes_of(at(scratch, "chroma/" CHROMADB_DATABASE "-journal")).st_size > 1024);
	assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

/* As it is found when what was written last is in a write-ahead log alone. */
static void make_archive_with_log(const char *scratch)
{
	sqlite3 *database = new_database(scratch);
	run_sql(database, "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0");
	run_sql(database, schema);
	pack_archive(scratch);
	assert_true(attributes_of(at(scratch, "chroma/" CHROMADB_DATABASE "-wal")).st_size > 20000);
	assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static void prepare_nothing(const char *folder)
{
	(void)folder;
}

static enum status count_archive(const char *folder, struct error *error)
{
	char copy[PATH_MAX];
	struct artefact artefact = {0};
	CLEANUP(fingerprint_free) struct fingerprint counted = {0};
	snprintf(copy, sizeof copy, "%s/copy", folder);
	enum status status = chromadb_archive_count(archive_path, "chroma", copy, NULL, &artefact, &counted, error);
	bool right = counted.known && fingerprint_sum(&counted, "records", NULL) == RECORDS && artefact.entries == 8;
	return unless_wrong(status, right, error);
}

static void judge_count(const char *folder, enum status status)
{
	assert_int_not_equal(status, STATUS_CONFLICT);
	assert_int_not_equal(status, STATUS_DAMAGED);
	assert_false(status == STATUS_OK && exists(at(folder, "copy")));
}

static void an_archive_is_counted_or_it_is_said(void **state)
{
	const struct work work = {prepare_nothing, count_archive, judge_count};
	make_archive(*state);
	each_fault(*state, &work);
}

/* SQLite calls a database damaged whose log cannot be read. */
static void a_log_that_cannot_be_read_is_no_damage(void **state)
{
	const struct work work = {prepare_nothing, count_archive, judge_count};
	make_archive_with_log(*state);
	assert_true(each_nth(*state, &work, FAULT_READ, false, 1) > 20);
	assert_true(each_nth(*state, &work, FAULT_READ, true, 1) > 20);
}

/* SQLite writes too, to take a transaction back. */
static void judge_full_disk(const char *folder, enum status status)
{
	assert_true(status == STATUS_OK || status == STATUS_NO_SPACE);
	assert_false(exists(at(folder, "copy")));
}

static void a_full_disk_is_told_as_that(void **state)
{
	const struct work work = {prepare_nothing, count_archive, judge_full_disk};
	make_archive(*state);
	assert_true(each_nth(*state, &work, FAULT_WRITE, true, 1) > 2);
}

static char database_path[PATH_MAX];

static enum status count_with_temporary_files(const char *folder, struct error *error)
{
	static char place[PATH_MAX];
	CLEANUP(fingerprint_free) struct fingerprint counted = {0};
	snprintf(place, sizeof place, "%s", folder);
	sqlite3_temp_directory = place; /* of this child alone */
	enum status status = chromadb_database_count(database_path, &counted, error);
	return unless_wrong(status, fingerprint_sum(&counted, "records", NULL) == RECORDS + WAITING, error);
}

/* It is not the disk of the backups that is full: the schedule would remove some. */
static void judge_temporary_files(const char *folder, enum status status)
{
	(void)folder;
	assert_true(status == STATUS_OK || status == STATUS_FAILED);
}

static void no_room_for_temporary_files_is_no_full_disk_of_backups(void **state)
{
	const struct work work = {prepare_nothing, count_with_temporary_files, judge_temporary_files};
	sqlite3 *database = NULL;
	snprintf(database_path, sizeof database_path, "%s/" CHROMADB_DATABASE, (const char *)*state);
	assert_int_equal(sqlite3_open(database_path, &database), SQLITE_OK);
	run_sql(database, schema);
	run_sql(database,
			"UPDATE collections SET id = '4cc54fdd-5623-4744-b8d3-cc669030f498';"
			"UPDATE segments SET collection = '4cc54fdd-5623-4744-b8d3-cc669030f498';"
			"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)"
			" INSERT INTO embeddings_queue (operation, topic, id) SELECT 0,"
			" 'persistent://default/default/4cc54fdd-5623-4744-b8d3-cc669030f498', printf('%.*c', 300, 'x') || i"
			" FROM n");
	assert_int_equal(sqlite3_close(database), SQLITE_OK);
	assert_true(each_nth(*state, &work, FAULT_WRITE, true, 200) > 1);
}

/* What was counted stays a failure if the copy cannot be removed: the folder of the backup would hold it for good. */
static void judge_removal(const char *folder, enum status status)
{
	assert_int_equal(status != STATUS_OK, exists(at(folder, "copy")));
	assert_true(status == STATUS_OK || status == STATUS_FAILED);
}

static void a_copy_that_cannot_be_removed_is_a_failure(void **state)
{
	const struct work work = {prepare_nothing, count_archive, judge_removal};
	make_archive(*state);
	assert_true(each_nth(*state, &work, FAULT_REMOVE, true, 1) > 1);
}

/* --- without memory ----------------------------------------------------------------------------------------------- */

static enum status count_database(struct error *error)
{
	CLEANUP(fingerprint_free) struct fingerprint counted = {0};
	enum status status = chromadb_database_count(database_path, &counted, error);
	return unless_wrong(status, counted.known && counted.count == COLLECTIONS, error);
}

static enum status count_at_once(const char *folder, struct error *error)
{
	(void)folder;
	return count_database(error);
}

static void judge_nothing(const char *folder, enum status status)
{
	(void)folder;
	assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
}

static void a_database_is_counted_whole(void **state)
{
	sqlite3 *database = NULL;
	snprintf(database_path, sizeof database_path, "%s/" CHROMADB_DATABASE, (const char *)*state);
	assert_int_equal(sqlite3_open(database_path, &database), SQLITE_OK);
	run_sql(database, schema);
	run_sql(database, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99)"
					  " INSERT INTO collections SELECT 'c' || i, 'collection ' || i, '0' FROM n;"
					  "INSERT INTO segments SELECT 'm' || id, 'METADATA', id FROM collections WHERE id <> 'c'");
	assert_int_equal(sqlite3_close(database), SQLITE_OK);
	const struct work work = {prepare_nothing, count_at_once, judge_nothing};
	assert_true(each_lack(count_database, false, STEP) > 0);
	assert_true(each_place(*state, &work) > 0);
}

static enum status check_archive(const char *folder, struct error *error)
{
	struct artefact artefact = {0};
	struct source *file = NULL;
	(void)folder;
	enum status status = file_source_new(archive_path, &file, error);
	if (status == STATUS_OK) {
		status = chromadb_archive_check(file, NULL, NULL, &artefact, error);
	}
	return unless_wrong(status, strcmp(artefact.folder, "chroma") == 0 && artefact.entries == 8, error);
}

static void judge_check(const char *folder, enum status status)
{
	(void)folder;
	assert_int_not_equal(status, STATUS_CONFLICT);
	assert_int_not_equal(status, STATUS_DAMAGED);
}

static void an_archive_is_checked_whole(void **state)
{
	const struct work work = {prepare_nothing, check_archive, judge_check};
	make_archive(*state);
	assert_true(each_nth(*state, &work, FAULT_MEMORY, false, 1) > 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(a_database_is_counted_whole),
		scratch_test(an_archive_is_checked_whole),
		scratch_test(an_archive_is_counted_or_it_is_said),
		scratch_test(a_log_that_cannot_be_read_is_no_damage),
		scratch_test(no_room_for_temporary_files_is_no_full_disk_of_backups),
		scratch_test(a_full_disk_is_told_as_that),
		scratch_test(a_copy_that_cannot_be_removed_is_a_failure),
	};
	return cmocka_run_group_tests_name("faults_chromadb", tests, NULL, NULL);
}
