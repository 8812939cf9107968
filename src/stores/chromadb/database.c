#include "stores/chromadb/database.h"

#include "base/cleanup.h"
#include "base/interrupt.h"
#include "stores/chromadb/guard.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

enum {
	ADD = 0,
	UPDATE = 1,
	UPSERT = 2,
	DELETE = 3,
	LARGEST_SEQUENCE_BYTES = 8, /* of a number that is kept as a BLOB */
};

const char *const chromadb_database_files[] = {CHROMADB_DATABASE, CHROMADB_DATABASE "-journal",
											   CHROMADB_DATABASE "-wal", NULL};

struct reading {
	sqlite3 *database;
	struct chromadb_guard guard;
	bool counting; /* the file itself is not written to any more */
};

static void cleanup_reading(struct reading *reading)
{
	(void)sqlite3_close(reading->database);
}

static void cleanup_statement(sqlite3_stmt **statement)
{
	(void)sqlite3_finalize(*statement);
}

/* Of the last call on the database's file, or its journal's, that failed; 0 if none has. */
static int errno_of(sqlite3 *database)
{
	int number = 0;
	sqlite3_file *journal = NULL;
	(void)sqlite3_file_control(database, "main", SQLITE_FCNTL_LAST_ERRNO, &number);
	if (number == 0 && sqlite3_file_control(database, "main", SQLITE_FCNTL_JOURNAL_POINTER, &journal) == SQLITE_OK &&
		journal != NULL && journal->pMethods != NULL) {
		(void)journal->pMethods->xFileControl(journal, SQLITE_FCNTL_LAST_ERRNO, &number);
	}
	return number;
}

/* SQLite takes a disk that fails for a database that is damaged (os_unix.c, unixRead: SQLITE_IOERR_CORRUPTFS). */
static enum status damaged(sqlite3 *database, const char *what, struct error *error)
{
	errno = errno_of(database);
	return errno != 0 ? error_set_errno(error, "cannot read " CHROMADB_DATABASE ": %s", what)
					  : error_set(error, STATUS_DAMAGED, CHROMADB_DATABASE " is damaged: %s", what);
}

/*
 * In counting, only temporary files are written. That these do not fit says nothing of the backup's disk, from which
 * the schedule would remove old backups.
 */
static enum status full(const struct reading *reading, const char *message, struct error *error)
{
	if (!reading->counting) {
		return error_set(error, STATUS_NO_SPACE, "cannot read " CHROMADB_DATABASE ": %s", message);
	}
	(void)error_set(error, STATUS_FAILED,
					"cannot count what is in " CHROMADB_DATABASE ": there is no room for SQLite's temporary files");
	return error_hint(error, "make room in /var/tmp, or name another folder in TMPDIR");
}

/* What SQLite's result codes mean for a backup: a file that cannot be read is no good one. */
static enum status explain(const struct reading *reading, struct error *error)
{
	int code = sqlite3_errcode(reading->database);
	const char *message = sqlite3_errmsg(reading->database);
	const char *reason = chromadb_guard_reason(&reading->guard, code);
	if (reason != NULL && (code & 0xff) != SQLITE_TOOBIG) { /* it may be as good as any, and too much for us */
		return error_set(error, STATUS_FAILED, "cannot read " CHROMADB_DATABASE ": %s", reason);
	}
	if (reason != NULL) {
		return error_set(error, STATUS_DAMAGED, CHROMADB_DATABASE " is damaged: %s", reason);
	}
	switch (code & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return damaged(reading->database, message, error);
	case SQLITE_INTERRUPT:
		return interrupt_check(error) != STATUS_OK
				   ? STATUS_INTERRUPTED
				   : error_set(error, STATUS_FAILED, "cannot read " CHROMADB_DATABASE ": %s", message);
	case SQLITE_NOMEM:
		return error_memory(error);
	case SQLITE_FULL:
		return full(reading, message, error);
	default:
		return error_set(error, STATUS_FAILED, "cannot read " CHROMADB_DATABASE ": %s", message);
	}
}

/* Older versions kept numbers as BLOBs, big-endian (chromadb/db/impl, "encode_seq_id"). */
static void number_function(sqlite3_context *context, int count, sqlite3_value **values)
{
	(void)count;
	if (sqlite3_value_type(values[0]) != SQLITE_BLOB) {
		sqlite3_result_value(context, values[0]);
		return;
	}
	const unsigned char *bytes = sqlite3_value_blob(values[0]);
	int length = sqlite3_value_bytes(values[0]);
	sqlite3_int64 number = 0;
	for (int i = length > LARGEST_SEQUENCE_BYTES ? length - LARGEST_SEQUENCE_BYTES : 0; i < length; i++) {
		number = (sqlite3_int64)((sqlite3_uint64)number << 8 | bytes[i]);
	}
	sqlite3_result_int64(context, number);
}

static enum status open_database(const char *path, struct reading *reading, struct error *error)
{
	enum status status = chromadb_guard_files(path, &reading->guard, error);
	if (status != STATUS_OK) {
		return status;
	}
	if (sqlite3_open_v2(path, &reading->database, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
		chromadb_guard_limit(&reading->guard, reading->database) != SQLITE_OK ||
		sqlite3_create_function(reading->database, "number", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
								NULL, number_function, NULL, NULL) != SQLITE_OK) {
		return explain(reading, error);
	}
	return STATUS_OK;
}

/* "PRAGMA quick_check" answers with one row "ok", or one for each complaint. */
static enum status check(struct reading *reading, struct error *error)
{
	CLEANUP(cleanup_statement) sqlite3_stmt *statement = NULL;
	const char *said = NULL;
	int code = chromadb_guard_schema(reading->database, error);
	if (code != SQLITE_OK) {
		return code == SQLITE_ROW ? error->status : explain(reading, error);
	}
	if (sqlite3_prepare_v2(reading->database, "PRAGMA quick_check(1)", -1, &statement, NULL) != SQLITE_OK ||
		sqlite3_step(statement) != SQLITE_ROW || (said = (const char *)sqlite3_column_text(statement, 0)) == NULL) {
		return explain(reading, error);
	}
	return strcmp(said, "ok") == 0 ? STATUS_OK : damaged(reading->database, said, error);
}

/*
 * `bounds`: of each collection, how far its METADATA segment has come. `waiting`: of each record in the queue behind
 * that, the last operation that makes it be there or not; an update does neither. The queue's topic ends with the
 * collection's id, a UUID. It is read once, whatever the number of collections. What is put aside has to fit: nothing
 * keeps keys from being there twice in a table that somebody else has made, and then rows multiply.
 */
static const char collect_bounds[] =
	"CREATE TEMP TABLE bounds AS"
	" SELECT c.id AS collection, s.id AS segment, c.name AS name, d.name AS database, d.tenant_id AS tenant,"
	" coalesce(number(m.seq_id), 0) AS seq"
	" FROM collections c JOIN databases d ON d.id = c.database_id"
	" JOIN segments s ON s.collection = c.id AND s.scope = 'METADATA'"
	" LEFT JOIN max_seq_id m ON m.segment_id = s.id"
	" WHERE fits(c.id, s.id, c.name, d.name, d.tenant_id, m.seq_id);"
	"CREATE INDEX temp.bounds_by_collection ON bounds (collection);";

static const char collect_numbers[] =
	"CREATE TEMP TABLE waiting AS"
	" SELECT b.segment AS segment, q.id AS id, q.operation AS operation, max(q.seq_id) AS seq"
	" FROM main.embeddings_queue q JOIN bounds b ON b.collection = substr(q.topic, -36)"
	" WHERE q.seq_id > b.seq AND q.operation IN (0, 2, 3) AND fits(b.segment, q.id)"
	" GROUP BY b.segment, q.id;"
	"CREATE TEMP TABLE counted AS"
	" SELECT segment_id AS segment, count(*) AS number FROM main.embeddings GROUP BY segment_id"
	" UNION ALL"
	" SELECT w.segment, CASE WHEN w.operation = 3 THEN -1 ELSE 1 END FROM waiting w"
	" WHERE (w.operation = 3) = EXISTS (SELECT 1 FROM main.embeddings e"
	" WHERE e.segment_id = w.segment AND e.embedding_id = w.id);";

_Static_assert(ADD == 0 && UPDATE == 1 && UPSERT == 2 && DELETE == 3, "the numbers in the statement above");

static const char counts[] = "SELECT b.tenant, b.database, b.name, coalesce(sum(c.number), 0)"
							 " FROM bounds b LEFT JOIN (SELECT segment, sum(number) AS number FROM counted"
							 " GROUP BY segment) c ON c.segment = b.segment"
							 " GROUP BY b.segment ORDER BY 1, 2, 3";

char *chromadb_database_count_name(const char *tenant, const char *database, const char *collection)
{
	bool at_home = strcmp(tenant, CHROMADB_DEFAULT_TENANT) == 0 && strcmp(database, CHROMADB_DEFAULT_DATABASE) == 0;
	char *name = NULL;
	int length = asprintf(&name, "%s%s%s%s%s", at_home ? "" : tenant, at_home ? "" : "/", at_home ? "" : database,
						  at_home ? "" : "/", collection);
	return length < 0 ? NULL : name;
}

static enum status add(sqlite3_stmt *row, struct fingerprint *fingerprint, struct error *error)
{
	const char *tenant = (const char *)sqlite3_column_text(row, 0);
	const char *database = (const char *)sqlite3_column_text(row, 1);
	const char *collection = (const char *)sqlite3_column_text(row, 2);
	sqlite3_int64 number = sqlite3_column_int64(row, 3);
	CLEANUP(cleanup_free) char *name = NULL;
	if (tenant == NULL || database == NULL || collection == NULL) {
		return error_memory(error);
	}
	name = chromadb_database_count_name(tenant, database, collection);
	if (name == NULL) {
		return error_memory(error);
	}
	return fingerprint_add(fingerprint, "records", name, number > 0 ? (uint64_t)number : 0, error);
}

/* One of SQLite's codes. The names of collections end up in memory, ids only on the disk. */
static int collect(struct reading *reading)
{
	reading->counting = true;
	int code = sqlite3_exec(reading->database, collect_bounds, NULL, NULL, NULL);
	if (code == SQLITE_OK) {
		reading->guard.room += reading->guard.size;
		code = sqlite3_exec(reading->database, collect_numbers, NULL, NULL, NULL);
	}
	return code;
}

/* Adds nothing, and says so, if these tables and columns are not there: another version's file may be as good. */
static enum status count(struct reading *reading, struct fingerprint *fingerprint, struct error *error)
{
	CLEANUP(cleanup_statement) sqlite3_stmt *statement = NULL;
	int code = collect(reading);
	if (code == SQLITE_OK) {
		code = sqlite3_prepare_v2(reading->database, counts, -1, &statement, NULL);
	}
	if (code == SQLITE_ERROR) {
		return STATUS_OK;
	}
	while (code == SQLITE_OK || code == SQLITE_ROW) {
		code = sqlite3_step(statement);
		enum status status = code == SQLITE_ROW ? add(statement, fingerprint, error) : STATUS_OK;
		if (status != STATUS_OK) {
			return status;
		}
	}
	if (code != SQLITE_DONE) {
		return explain(reading, error);
	}
	fingerprint->known = true;
	fingerprint->exact = true;
	return STATUS_OK;
}

enum status chromadb_database_count(const char *path, struct fingerprint *fingerprint, struct error *error)
{
	CLEANUP(cleanup_reading) struct reading reading = {0};
	enum status status = open_database(path, &reading, error);
	if (status == STATUS_OK) {
		status = check(&reading, error);
	}
	return status == STATUS_OK ? count(&reading, fingerprint, error) : status;
}
