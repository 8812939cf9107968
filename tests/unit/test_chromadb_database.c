/* stores/chromadb/database: is Chroma's database whole, and what does it hold? */
#include "support.h"

#include "base/interrupt.h"
#include "stores/chromadb/archive.h"
#include "stores/chromadb/database.h"

#include <signal.h>
#include <sqlite3.h>

#define MEMORIES "4cc54fdd-5623-4744-b8d3-cc669030f498"
#define FACTS    "f4b60cf4-017c-4b87-b519-5804b7b6fe3c"

/* As the server of npm chromadb 3.5.0 makes it, as far as it is read. */
static const char schema[] =
	"CREATE TABLE tenants (id TEXT PRIMARY KEY, UNIQUE (id));"
	"CREATE TABLE databases (id TEXT PRIMARY KEY, name TEXT NOT NULL,"
	" tenant_id TEXT NOT NULL REFERENCES tenants(id) ON DELETE CASCADE, UNIQUE (tenant_id, name));"
	"CREATE TABLE collections (id TEXT PRIMARY KEY, name TEXT NOT NULL, dimension INTEGER,"
	" database_id TEXT NOT NULL REFERENCES databases(id) ON DELETE CASCADE, config_json_str TEXT, schema_str TEXT,"
	" UNIQUE (name, database_id));"
	"CREATE TABLE segments (id TEXT PRIMARY KEY, type TEXT NOT NULL, scope TEXT NOT NULL,"
	" collection TEXT REFERENCES collection(id) NOT NULL);"
	"CREATE TABLE embeddings (id INTEGER PRIMARY KEY, segment_id TEXT NOT NULL, embedding_id TEXT NOT NULL,"
	" seq_id BLOB NOT NULL, created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, UNIQUE (segment_id, "
	"embedding_id));"
	"CREATE TABLE max_seq_id (segment_id TEXT PRIMARY KEY, seq_id INTEGER);"
	"CREATE TABLE embeddings_queue (seq_id INTEGER PRIMARY KEY, created_at TIMESTAMP NOT NULL DEFAULT "
	"CURRENT_TIMESTAMP,"
	" operation INTEGER NOT NULL, topic TEXT NOT NULL, id TEXT NOT NULL, vector BLOB, encoding TEXT, metadata TEXT);"
	"INSERT INTO tenants VALUES ('default_tenant'), ('other');"
	"INSERT INTO databases VALUES ('0', 'default_database', 'default_tenant'), ('1', 'second', 'default_tenant'),"
	" ('2', 'default_database', 'other');";

/* A collection with its two segments, "m-ID" and "v-ID". */
#define COLLECTION(id, name, database)                                                                                 \
	"INSERT INTO collections (id, name, database_id) VALUES ('" id "', '" name "', '" database "');"                   \
	"INSERT INTO segments VALUES ('m-" id "', 'urn:chroma:segment/metadata/sqlite', 'METADATA', '" id "'),"            \
	" ('v-" id "', 'urn:chroma:segment/vector/hnsw-local-persisted', 'VECTOR', '" id "');"

/* Records ID1 to IDn that have arrived in both segments. */
#define RECORDS(id, count)                                                                                             \
	"INSERT INTO embeddings (segment_id, embedding_id, seq_id)"                                                        \
	" WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " count ")"                             \
	" SELECT 'm-" id "', 'r' || i, i FROM n;"                                                                          \
	"INSERT INTO max_seq_id VALUES ('m-" id "', " count "), ('v-" id "', 0);"

#define QUEUE(id, sequence, operation, record)                                                                         \
	"INSERT INTO embeddings_queue (seq_id, operation, topic, id) VALUES (" sequence ", " operation                     \
	", 'persistent://default/default/" id "', '" record "');"

static const char add[] = "0";
static const char update[] = "1";
static const char upsert[] = "2";
static const char delete[] = "3";

static void run_sql(sqlite3 *database, const char *sql)
{
	char *message = NULL;
	if (sqlite3_exec(database, sql, NULL, NULL, &message) != SQLITE_OK) {
		fail_msg("%s", message);
	}
}

static sqlite3 *open_database(const char *folder)
{
	sqlite3 *database = NULL;
	assert_int_equal(sqlite3_open(at(folder, CHROMADB_DATABASE), &database), SQLITE_OK);
	return database;
}

static void make_database(const char *folder, const char *sql)
{
	sqlite3 *database = open_database(folder);
	run_sql(database, schema);
	run_sql(database, sql);
	assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static void queue(const char *folder, const char *collection, int sequence, const char *operation, const char *record)
{
	sqlite3 *database = open_database(folder);
	char *sql = sqlite3_mprintf("INSERT INTO embeddings_queue (seq_id, operation, topic, id)"
								" VALUES (%d, %s, 'persistent://default/default/%q', %Q)",
								sequence, operation, collection, record);
	run_sql(database, sql);
	sqlite3_free(sql);
	assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static struct fingerprint count_records(const char *folder)
{
	struct fingerprint fingerprint = {0};
	struct error error;
	assert_ok(chromadb_database_count(at(folder, CHROMADB_DATABASE), &fingerprint, &error), &error);
	return fingerprint;
}

/* There is one collection, and it has so many records. */
static void assert_records(const char *folder, uint64_t number)
{
	struct fingerprint fingerprint = count_records(folder);
	assert_true(fingerprint.known && fingerprint.exact);
	assert_int_equal(fingerprint.count, 1);
	assert_int_equal(fingerprint.items[0].number, number);
	fingerprint_free(&fingerprint);
}

static void a_new_server_has_no_collections(void **state)
{
	make_database(*state, "");
	struct fingerprint fingerprint = count_records(*state);
	assert_true(fingerprint.known);
	assert_int_equal(fingerprint.count, 0);
}

static void collections_are_named_with_where_they_are(void **state)
{
	make_database(*state, COLLECTION(MEMORIES, "memories", "0") RECORDS(MEMORIES, "7") COLLECTION(FACTS, "facts", "1")
							  RECORDS(FACTS, "3") COLLECTION("x", "facts", "2") COLLECTION("y", "empty", "0"));
	struct fingerprint fingerprint = count_records(*state);
	static const struct {
		const char *name;
		uint64_t number;
	} expected[] = {
		{"empty", 0}, {"memories", 7}, {"default_tenant/second/facts", 3}, {"other/default_database/facts", 0}};
	assert_int_equal(fingerprint.count, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_string_equal(fingerprint.items[i].kind, "records");
		assert_string_equal(fingerprint.items[i].name, expected[i].name);
		assert_int_equal(fingerprint.items[i].number, expected[i].number);
	}
	fingerprint_free(&fingerprint);
}

static void what_waits_in_the_queue_counts(void **state)
{
	make_database(*state, COLLECTION(MEMORIES, "memories", "0") RECORDS(MEMORIES, "10"));
	queue(*state, MEMORIES, 11, add, "new");
	assert_records(*state, 11);
	queue(*state, MEMORIES, 12, add, "r1");
	assert_records(*state, 11);
	queue(*state, MEMORIES, 13, upsert, "newer");
	queue(*state, MEMORIES, 14, upsert, "r2");
	assert_records(*state, 12);
	queue(*state, MEMORIES, 15, update, "nobody");
	queue(*state, MEMORIES, 16, update, "r3");
	assert_records(*state, 12);
	queue(*state, MEMORIES, 17, delete, "r4");
	queue(*state, MEMORIES, 18, delete, "nobody");
	assert_records(*state, 11);
}

static void the_last_operation_decides(void **state)
{
	make_database(*state, COLLECTION(MEMORIES, "memories", "0") RECORDS(MEMORIES, "10"));
	queue(*state, MEMORIES, 11, add, "new");
	queue(*state, MEMORIES, 12, delete, "new");
	queue(*state, MEMORIES, 13, delete, "r1");
	assert_records(*state, 9);
	queue(*state, MEMORIES, 14, update, "r1");
	assert_records(*state, 9);
	queue(*state, MEMORIES, 15, upsert, "r1");
	queue(*state, MEMORIES, 16, add, "new");
	queue(*state, MEMORIES, 17, update, "new");
	assert_records(*state, 11);
}

static void what_has_arrived_counts_once(void **state)
{
	make_database(*state, COLLECTION(MEMORIES, "memories", "0") RECORDS(MEMORIES, "10")
							  QUEUE(MEMORIES, "9", "0", "gone since") QUEUE(MEMORIES, "10", "3", "r10"));
	assert_records(*state, 10);
}

static void another_collections_queue_does_not_count(void **state)
{
	make_database(*state, COLLECTION(MEMORIES, "memories", "0") RECORDS(MEMORIES, "10") QUEUE(FACTS, "11", "0", "new"));
	assert_records(*state, 10);
}

static void a_collection_that_nothing_has_arrived_in_waits_whole(void **state)
{
	make_database(*state, COLLECTION(MEMORIES, "memories", "0") QUEUE(MEMORIES, "1", "0", "a")
							  QUEUE(MEMORIES, "2", "0", "b") QUEUE(MEMORIES, "3", "0", "a"));
	assert_records(*state, 2);
}

static void numbers_of_older_versions_are_read(void **state)
{
	make_database(*state, COLLECTION(MEMORIES, "memories", "0") QUEUE(MEMORIES, "258", "0", "arrived")
							  QUEUE(MEMORIES, "259", "0", "waits") "INSERT INTO max_seq_id VALUES ('m-" MEMORIES
																   "', x'0000000000000102');");
	assert_records(*state, 1);
}

static void another_schema_is_not_counted(void **state)
{
	sqlite3 *database = open_database(*state);
	run_sql(database, "CREATE TABLE something (else_ TEXT)");
	assert_int_equal(sqlite3_close(database), SQLITE_OK);
	struct fingerprint fingerprint = count_records(*state);
	assert_false(fingerprint.known);
	assert_int_equal(fingerprint.count, 0);
}

/* --- damage and crashes ------------------------------------------------------------------------------------------- */

static enum status count_status(const char *folder)
{
	struct fingerprint fingerprint = {0};
	struct error error;
	enum status status = chromadb_database_count(at(folder, CHROMADB_DATABASE), &fingerprint, &error);
	assert_false(status != STATUS_OK && fingerprint.known);
	fingerprint_free(&fingerprint);
	return status;
}

static void a_database_with_a_page_overwritten_is_damaged(void **state)
{
	make_database(*state, COLLECTION(MEMORIES, "memories", "0") RECORDS(MEMORIES, "2000"));
	const char *path = at(*state, CHROMADB_DATABASE);
	off_t size = attributes_of(path).st_size;
	assert_true(size > 16 * 4096);
	int fd = open(path, O_WRONLY);
	char page[4096];
	memset(page, 'x', sizeof page);
	for (off_t offset = size / 4096 - 8; offset < size / 4096; offset++) {
		assert_int_equal(pwrite(fd, page, sizeof page, offset * 4096), sizeof page);
	}
	close(fd);
	assert_int_equal(count_status(*state), STATUS_DAMAGED);
}

static void a_database_that_is_cut_is_damaged(void **state)
{
	make_database(*state, COLLECTION(MEMORIES, "memories", "0") RECORDS(MEMORIES, "2000"));
	const char *path = at(*state, CHROMADB_DATABASE);
	assert_int_equal(truncate(path, attributes_of(path).st_size / 2), 0);
	assert_int_equal(count_status(*state), STATUS_DAMAGED);
}

static void another_file_is_damaged(void **state)
{
	write_file(at(*state, CHROMADB_DATABASE), "this is no database, but it is long enough to have a header of one, "
											  "which has a hundred bytes at its beginning");
	assert_int_equal(count_status(*state), STATUS_DAMAGED);
}

static void a_missing_file_is_a_failure_and_stays_missing(void **state)
{
	assert_int_equal(count_status(*state), STATUS_FAILED);
	assert_false(exists(at(*state, CHROMADB_DATABASE)));
}

/* What a pause in the middle of a transaction leaves: new pages in the file, the old ones in its journal. */
static void a_transaction_under_way_is_taken_back(void **state)
{
	make_folder(at(*state, "live"));
	make_folder(at(*state, "copy"));
	make_database(at(*state, "live"), COLLECTION(MEMORIES, "memories", "0") RECORDS(MEMORIES, "2000"));
	sqlite3 *database = open_database(at(*state, "live"));
	run_sql(database, "PRAGMA cache_size = 10; BEGIN; DELETE FROM embeddings WHERE id % 2 = 0");
	free(shell(NULL, "cp %s/live/* %s/copy", (char *)*state, (char *)*state));
	run_sql(database, "ROLLBACK");
	assert_int_equal(sqlite3_close(database), SQLITE_OK);
	assert_true(attributes_of(at(*state, "copy/" CHROMADB_DATABASE "-journal")).st_size > 4096);
	assert_records(at(*state, "copy"), 2000);
}

/* In a process of its own: the flag cannot be taken back. */
static void an_interrupt_ends_the_check_and_is_no_damage(void **state)
{
	make_database(*state, COLLECTION(MEMORIES, "memories", "0") RECORDS(MEMORIES, "20000"));
	pid_t child = fork();
	if (child == 0) {
		interrupt_install();
		raise(SIGTERM);
		exit(count_status(*state) == STATUS_INTERRUPTED ? 0 : 1);
	}
	int result = 0;
	assert_int_equal(waitpid(child, &result, 0), child);
	assert_int_equal(result, 0);
}

/* --- what Chroma never makes -------------------------------------------------------------------------------------- */

static void assert_refused(enum status expected, const char *folder, const char *reason)
{
	struct fingerprint fingerprint = {0};
	struct error error;
	assert_status(expected, chromadb_database_count(at(folder, CHROMADB_DATABASE), &fingerprint, &error), &error);
	if (strstr(error.message, reason) == NULL) {
		fail_msg("%s", error.message);
	}
	assert_false(fingerprint.known);
	fingerprint_free(&fingerprint);
}

static void assert_damaged(const char *folder, const char *reason)
{
	assert_refused(STATUS_DAMAGED, folder, reason);
}

static void a_view_is_not_asked(void **state)
{
	make_database(
		*state, "ALTER TABLE collections RENAME TO c; CREATE VIEW Collections AS WITH RECURSIVE r(i) AS (SELECT 1 UNION"
				" ALL SELECT i + 1 FROM r) SELECT i AS id, 'x' AS name, '0' AS database_id FROM r");
	assert_damaged(*state, "Collections is no ordinary table");
}

static void a_virtual_table_is_not_asked(void **state)
{
	make_database(*state,
				  "DROP TABLE embeddings; CREATE VIRTUAL TABLE embeddings USING fts5(segment_id, embedding_id)");
	assert_damaged(*state, "embeddings is no ordinary table");
}

static void a_column_that_is_computed_is_not_computed(void **state)
{
	make_database(*state, "CREATE TABLE x (a TEXT, b TEXT NOT NULL AS (printf('%.*c', 999999999, a)))");
	assert_damaged(*state, "x has a column that is computed");
}

static void checks_are_not_evaluated(void **state)
{
	make_database(*state, "PRAGMA ignore_check_constraints = ON; CREATE TABLE x (a TEXT CHECK (length(printf('%.*c',"
						  " 2000000, a)) < 10)); INSERT INTO x VALUES ('x')");
	struct fingerprint fingerprint = count_records(*state);
	assert_true(fingerprint.known);
	fingerprint_free(&fingerprint);
}

/* Chroma makes none, but they are not asked, and change nothing. */
static void views_triggers_and_indexes_of_others_do_not_matter(void **state)
{
	make_database(
		*state,
		COLLECTION(MEMORIES, "memories", "0") RECORDS(
			MEMORIES, "7") "CREATE VIEW v AS WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT"
						   " i FROM r; CREATE TRIGGER t AFTER INSERT ON segments BEGIN DELETE FROM embeddings; END;"
						   "CREATE INDEX i ON collections (name) WHERE length(printf('%.*c', 2000000, name)) > 1;"
						   "CREATE VIRTUAL TABLE embedding_fulltext_search USING fts5(string_value,"
						   " tokenize='trigram');");
	assert_records(*state, 7);
}

static void a_name_that_is_too_long_is_damage(void **state)
{
	make_database(*state, COLLECTION(MEMORIES, "memories", "0") "UPDATE collections SET name = printf('%.*c',"
																" 9999999, 'x')");
	assert_damaged(*state, "more than 1 MiB");
}

static void documents_may_be_long(void **state)
{
	make_database(
		*state,
		COLLECTION(MEMORIES, "memories", "0") RECORDS(
			MEMORIES, "7") "CREATE TABLE embedding_metadata (id INTEGER, key TEXT NOT NULL, string_value TEXT,"
						   " PRIMARY KEY (id, key));"
						   "INSERT INTO embedding_metadata VALUES (1, 'x', printf('%.*c', 9999999, 'x'));"
						   "INSERT INTO embeddings_queue (seq_id, operation, topic, id, vector, metadata) VALUES (8,"
						   " 0, 'persistent://default/default/" MEMORIES "', 'new', zeroblob(9999999),"
						   " printf('%.*c', 9999999, 'x'))");
	assert_records(*state, 8);
}

static void rows_that_multiply_end(void **state)
{
	make_database(*state, "DROP TABLE collections; CREATE TABLE collections (id TEXT, name TEXT, database_id TEXT);"
						  "DROP TABLE databases; CREATE TABLE databases (id TEXT, name TEXT, tenant_id TEXT);"
						  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
						  " INSERT INTO collections SELECT 'x', 'a name', '0' FROM n;"
						  "INSERT INTO databases SELECT id, name, 'default_tenant' FROM collections;"
						  "UPDATE databases SET id = '0';"
						  "INSERT INTO segments VALUES ('m', 'm', 'METADATA', 'x')");
	assert_damaged(*state, "more to put aside");
}

static void a_search_without_end_ends(void **state)
{
	make_database(
		*state,
		COLLECTION(
			MEMORIES, "memories",
			"0") "DROP TABLE embeddings; CREATE TABLE embeddings (segment_id TEXT, embedding_id TEXT);"
				 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
				 " INSERT INTO embeddings SELECT 'm-" MEMORIES "', 'r' || i FROM n;"
				 "INSERT INTO embeddings_queue (operation, topic, id) SELECT 0, 'persistent://default/default/" MEMORIES
				 "', 'q' || embedding_id FROM embeddings");
	assert_refused(STATUS_FAILED, *state, "takes longer"); /* it may be as good as any */
}

static void too_many_tables_are_damage(void **state)
{
	make_database(*state, "");
	sqlite3 *database = open_database(*state);
	run_sql(database, "BEGIN");
	for (int i = 0; i < 1000; i++) {
		char sql[64];
		snprintf(sql, sizeof sql, "CREATE TABLE x%d (a)", i);
		run_sql(database, sql);
	}
	run_sql(database, "COMMIT");
	assert_int_equal(sqlite3_close(database), SQLITE_OK);
	assert_damaged(*state, "more than 1000 tables");
}

static void a_statement_that_is_too_long_is_damage(void **state)
{
	make_database(*state, "");
	sqlite3 *database = open_database(*state);
	char *sql = sqlite3_mprintf("CREATE TABLE x (a DEFAULT '%.*c')", 100000, 'x');
	run_sql(database, sql);
	sqlite3_free(sql);
	assert_int_equal(sqlite3_close(database), SQLITE_OK);
	assert_damaged(*state, "malformed database schema");
}

static void append_number(FILE *file, unsigned number)
{
	for (int shift = 24; shift >= 0; shift -= 8) {
		assert_int_not_equal(fputc((int)(number >> shift & 0xff), file), EOF);
	}
}

/* As a transaction over several databases ends it (pager.c, writeSuperJournal). */
static void name_in_journal(const char *journal, const char *name)
{
	static const char magic[] = "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7";
	unsigned sum = 0;
	FILE *file = fopen(journal, "ae");
	assert_non_null(file);
	append_number(file, 0x40000000 / 4096 + 1); /* the page of locks */
	for (size_t i = 0; name[i] != '\0'; i++) {
		sum += (unsigned char)name[i];
	}
	assert_true(fputs(name, file) != EOF);
	append_number(file, (unsigned)strlen(name));
	append_number(file, sum);
	assert_int_equal(fwrite(magic, 1, 8, file), 8);
	assert_int_equal(fclose(file), 0);
}

/* Whoever takes back a transaction whose journal names another file removes that file. */
static void a_journal_that_names_another_file_is_damage(void **state)
{
	make_folder(at(*state, "live"));
	make_database(at(*state, "live"), COLLECTION(MEMORIES, "memories", "0") RECORDS(MEMORIES, "2000"));
	sqlite3 *database = open_database(at(*state, "live"));
	run_sql(database, "PRAGMA cache_size = 10; BEGIN; DELETE FROM embeddings WHERE id % 2 = 0");
	free(shell(NULL, "cp %s/live/* %s", (char *)*state, (char *)*state));
	run_sql(database, "ROLLBACK");
	assert_int_equal(sqlite3_close(database), SQLITE_OK);
	write_file(at(*state, "precious"), "text");
	name_in_journal(at(*state, CHROMADB_DATABASE "-journal"), at(*state, "precious"));
	assert_damaged(*state, "names another file");
	assert_true(exists(at(*state, "precious")));
}

/* --- from an archive ---------------------------------------------------------------------------------------------- */

static enum status count_archive(const char *folder, struct fingerprint *fingerprint)
{
	struct error error;
	struct artefact artefact;
	enum status status = chromadb_archive_count(at(folder, "archive.tar.gz"), "chroma/chroma", at(folder, "unpacked"),
												NULL, &artefact, fingerprint, &error);
	if (status == STATUS_OK) {
		assert_string_equal(artefact.folder, "chroma/chroma");
		assert_int_equal(artefact.entries, 7);
		assert_int_equal(artefact.raw_bytes, attributes_of(at(folder, CHROMADB_DATABASE)).st_size);
	}
	return status;
}

static void make_archive(const char *folder)
{
	free(shell(NULL,
			   "mkdir -p %s/root/chroma/chroma/segment && cd %s/root/chroma/chroma/segment && "
			   "touch header.bin data_level0.bin length.bin link_lists.bin && "
			   "cp %s/" CHROMADB_DATABASE " %s/root/chroma/chroma && "
			   "tar czf %s/archive.tar.gz -C %s/root chroma/chroma",
			   folder, folder, folder, folder, folder, folder));
}

static void the_database_of_an_archive_is_counted(void **state)
{
	struct fingerprint fingerprint = {0};
	make_database(*state, COLLECTION(MEMORIES, "memories", "0") RECORDS(MEMORIES, "5"));
	make_archive(*state);
	assert_int_equal(count_archive(*state, &fingerprint), STATUS_OK);
	assert_int_equal(fingerprint_sum(&fingerprint, "records", NULL), 5);
	assert_false(exists(at(*state, "unpacked")));
	fingerprint_free(&fingerprint);
}

/* Only what lies in the data folder itself is its database. */
static void other_databases_in_an_archive_are_not_counted(void **state)
{
	struct fingerprint fingerprint = {0};
	make_database(*state, COLLECTION(MEMORIES, "memories", "0") RECORDS(MEMORIES, "5"));
	make_archive(*state);
	shell_ok("cd '%s/root' && mkdir -p chroma/chroma/deeper chroma/chroma2 && echo other "
			 ">chroma/chroma/deeper/chroma.sqlite3 "
			 "&& echo other >chroma/chroma2/chroma.sqlite3 && tar czf ../archive.tar.gz chroma/chroma chroma/chroma2",
			 (char *)*state);
	struct error error;
	struct artefact artefact;
	assert_ok(chromadb_archive_count(at(*state, "archive.tar.gz"), "chroma/chroma", at(*state, "unpacked"), NULL,
									 &artefact, &fingerprint, &error),
			  &error);
	assert_int_equal(fingerprint_sum(&fingerprint, "records", NULL), 5);
	assert_false(exists(at(*state, "unpacked")));
	fingerprint_free(&fingerprint);
}

static void an_index_that_lacks_a_file_is_found_while_the_database_is_counted(void **state)
{
	struct fingerprint fingerprint = {0};
	make_database(*state, COLLECTION(MEMORIES, "memories", "0") RECORDS(MEMORIES, "5"));
	make_archive(*state);
	free(shell(NULL, "cd %s/root && rm chroma/chroma/segment/length.bin && tar czf ../archive.tar.gz chroma/chroma",
			   (char *)*state));
	assert_int_equal(count_archive(*state, &fingerprint), STATUS_DAMAGED);
	assert_false(exists(at(*state, "unpacked")));
}

static void a_damaged_database_in_an_archive_is_found(void **state)
{
	struct fingerprint fingerprint = {0};
	write_file(at(*state, CHROMADB_DATABASE), "this is no database");
	make_archive(*state);
	assert_int_equal(count_archive(*state, &fingerprint), STATUS_DAMAGED);
	assert_false(exists(at(*state, "unpacked")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(a_new_server_has_no_collections),
		scratch_test(collections_are_named_with_where_they_are),
		scratch_test(what_waits_in_the_queue_counts),
		scratch_test(the_last_operation_decides),
		scratch_test(what_has_arrived_counts_once),
		scratch_test(another_collections_queue_does_not_count),
		scratch_test(a_collection_that_nothing_has_arrived_in_waits_whole),
		scratch_test(numbers_of_older_versions_are_read),
		scratch_test(another_schema_is_not_counted),
		scratch_test(a_database_with_a_page_overwritten_is_damaged),
		scratch_test(a_database_that_is_cut_is_damaged),
		scratch_test(another_file_is_damaged),
		scratch_test(a_missing_file_is_a_failure_and_stays_missing),
		scratch_test(a_transaction_under_way_is_taken_back),
		scratch_test(an_interrupt_ends_the_check_and_is_no_damage),
		scratch_test(a_view_is_not_asked),
		scratch_test(a_virtual_table_is_not_asked),
		scratch_test(a_column_that_is_computed_is_not_computed),
		scratch_test(checks_are_not_evaluated),
		scratch_test(views_triggers_and_indexes_of_others_do_not_matter),
		scratch_test(a_name_that_is_too_long_is_damage),
		scratch_test(documents_may_be_long),
		scratch_test(rows_that_multiply_end),
		scratch_test(a_search_without_end_ends),
		scratch_test(too_many_tables_are_damage),
		scratch_test(a_statement_that_is_too_long_is_damage),
		scratch_test(a_journal_that_names_another_file_is_damage),
		scratch_test(the_database_of_an_archive_is_counted),
		scratch_test(other_databases_in_an_archive_are_not_counted),
		scratch_test(an_index_that_lacks_a_file_is_found_while_the_database_is_counted),
		scratch_test(a_damaged_database_in_an_archive_is_found),
	};
	return cmocka_run_group_tests_name("chromadb_database", tests, NULL, NULL);
}
