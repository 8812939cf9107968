#include "stores/chromadb/guard.h"

#include "base/cleanup.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "stores/chromadb/database.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
	STEPS_BETWEEN_CHECKS = 100000, /* of SQLite's virtual machine, between two looks for an interrupt */
	STEPS = 100000000,             /* for any database: a few seconds */
	STEPS_PER_BYTE = 64,           /* and for its size; rows take less than two for each of their bytes */
	ROOM = 64 << 20,               /* bytes of the names of all collections */
	ROW_OVERHEAD = 64,             /* bytes of a row that is put aside, besides its values */
	MEMORY = 64 << 20,             /* bytes that SQLite may allocate */
	LARGEST_VALUE = 1 << 20,       /* bytes; names and ids are read, documents and metadata are not */
	LARGEST_STATEMENT = 1 << 16,   /* bytes of SQL; Chroma's own have less than 1000 */
	DEEPEST_EXPRESSION = 100,
	MOST_COLUMNS = 100,
	MOST_INSTRUCTIONS = 1000000, /* of one statement; quick_check has some for each column of each table */
	JOURNAL_MAGIC_SIZE = 8,
};

/* --- files -------------------------------------------------------------------------------------------------------- */

/*
 * A transaction over several databases ends its journal with the path of another one and these bytes (pager.c,
 * writeSuperJournal). When it is taken back, SQLite (3.40.1, pager.c, pager_delsuper) takes what is at that path, which
 * may be any, for that journal, and removes it. Chroma has one database, so it never writes one.
 */
static enum status refuse_another(int fd, off_t size, struct error *error)
{
	static const unsigned char magic[JOURNAL_MAGIC_SIZE] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};
	unsigned char end[JOURNAL_MAGIC_SIZE] = {0};
	if (size < JOURNAL_MAGIC_SIZE) {
		return STATUS_OK;
	}
	if (files_read_at(fd, end, sizeof end, (uint64_t)(size - JOURNAL_MAGIC_SIZE)) < 0) {
		return error_set_errno(error, "cannot read " CHROMADB_DATABASE "-journal");
	}
	return memcmp(end, magic, sizeof magic) != 0
			   ? STATUS_OK
			   : error_set(error, STATUS_DAMAGED,
						   CHROMADB_DATABASE "-journal is damaged: it names another file, as Chroma's never do");
}

static enum status look_at_journal(const char *path, struct error *error)
{
	CLEANUP(cleanup_free) char *journal = NULL;
	struct stat attributes;
	if (asprintf(&journal, "%s-journal", path) < 0) {
		journal = NULL;
		return error_memory(error);
	}
	CLEANUP(cleanup_close) int fd = open(journal, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		return STATUS_OK;
	}
	if (fd < 0 || fstat(fd, &attributes) != 0) {
		return error_set_errno(error, "cannot read " CHROMADB_DATABASE "-journal");
	}
	return refuse_another(fd, attributes.st_size, error);
}

static uint64_t size_of(const char *path, const char *suffix)
{
	struct stat attributes;
	CLEANUP(cleanup_free) char *name = NULL;
	if (asprintf(&name, "%s%s", path, suffix) < 0) {
		name = NULL;
		return 0;
	}
	return lstat(name, &attributes) == 0 && S_ISREG(attributes.st_mode) ? (uint64_t)attributes.st_size : 0;
}

enum status chromadb_guard_files(const char *path, struct chromadb_guard *guard, struct error *error)
{
	/* What stands in the other two is read as well. */
	guard->size = size_of(path, "") + size_of(path, "-wal") + size_of(path, "-journal");
	guard->steps = STEPS + guard->size * STEPS_PER_BYTE;
	guard->room = ROOM;
	return look_at_journal(path, error);
}

/* --- the connection ----------------------------------------------------------------------------------------------- */

static int stop_when_interrupted(void *context)
{
	struct chromadb_guard *guard = context;
	struct error ignored;
	guard->steps -= guard->steps < STEPS_BETWEEN_CHECKS ? guard->steps : STEPS_BETWEEN_CHECKS;
	return guard->steps == 0 || interrupt_check(&ignored) != STATUS_OK;
}

static void fits_function(sqlite3_context *context, int count, sqlite3_value **values)
{
	struct chromadb_guard *guard = sqlite3_user_data(context);
	uint64_t size = ROW_OVERHEAD;
	for (int i = 0; i < count; i++) {
		size += (uint64_t)sqlite3_value_bytes(values[i]);
	}
	guard->room -= size < guard->room ? size : guard->room;
	if (guard->room == 0) {
		sqlite3_result_error_toobig(context);
	} else {
		sqlite3_result_int(context, 1);
	}
}

static int configure(sqlite3 *database)
{
	static const struct {
		int option;
		int on;
	} settings[] = {
		{SQLITE_DBCONFIG_DEFENSIVE, 1},
		{SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
		{SQLITE_DBCONFIG_ENABLE_VIEW, 0},
		{SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
	};
	int code = SQLITE_OK;
	for (size_t i = 0; code == SQLITE_OK && i < sizeof settings / sizeof *settings; i++) {
		code = sqlite3_db_config(database, settings[i].option, settings[i].on, NULL);
	}
	/* No virtual tables. Chroma's own, for full text, is not asked, and a later quick_check would read all of it. */
	return code == SQLITE_OK ? sqlite3_drop_modules(database, NULL) : code;
}

int chromadb_guard_limit(struct chromadb_guard *guard, sqlite3 *database)
{
	static const struct {
		int limit;
		int most;
	} limits[] = {
		{SQLITE_LIMIT_LENGTH, LARGEST_VALUE},          {SQLITE_LIMIT_SQL_LENGTH, LARGEST_STATEMENT},
		{SQLITE_LIMIT_EXPR_DEPTH, DEEPEST_EXPRESSION}, {SQLITE_LIMIT_COLUMN, MOST_COLUMNS},
		{SQLITE_LIMIT_VDBE_OP, MOST_INSTRUCTIONS},     {SQLITE_LIMIT_ATTACHED, 0},
	};
	/* Before, the limit of a value was held against each whole row (vdbe.c, OP_Column), and documents may be long. */
	size_t first = sqlite3_libversion_number() < 3040000 ? 1 : 0;
	for (size_t i = first; i < sizeof limits / sizeof *limits; i++) {
		sqlite3_limit(database, limits[i].limit, limits[i].most);
	}
	(void)sqlite3_hard_heap_limit64(MEMORY);
	(void)sqlite3_memory_highwater(1); /* what comes is this database's */
	sqlite3_progress_handler(database, STEPS_BETWEEN_CHECKS, stop_when_interrupted, guard);
	int code = configure(database);
	if (code == SQLITE_OK) {
		code = sqlite3_create_function(database, "fits", -1, SQLITE_UTF8 | SQLITE_DIRECTONLY, guard, fits_function,
									   NULL, NULL);
	}
	/* quick_check would evaluate them, whatever they call. */
	static const char settings[] = "PRAGMA ignore_check_constraints = ON; PRAGMA temp_store = FILE";
	return code == SQLITE_OK ? sqlite3_exec(database, settings, NULL, NULL, NULL) : code;
}

/* Each says what is not as Chroma makes it, or gives no row. */
static const char *const complaints[] = {
	"SELECT 'it has more than 1000 tables and indexes' FROM main.sqlite_schema LIMIT 1 OFFSET 1000",
	("SELECT name || ' is no ordinary table' FROM main.sqlite_schema WHERE lower(name) IN ('collections', 'databases',"
	 " 'segments', 'max_seq_id', 'embeddings', 'embeddings_queue')"
	 " AND (type = 'view' OR type = 'table' AND NOT coalesce(rootpage > 0, 0))"),
	("SELECT t.name || ' has a column that is computed' FROM main.sqlite_schema t, pragma_table_xinfo(t.name) c"
	 " WHERE t.type = 'table' AND t.rootpage > 0 AND c.hidden IN (2, 3)"),
};

static int ask(sqlite3 *database, const char *sql, struct error *error)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(database, sql, -1, &statement, NULL);
	if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		const char *complaint = (const char *)sqlite3_column_text(statement, 0);
		(void)(complaint == NULL ? error_memory(error)
								 : error_set(error, STATUS_DAMAGED, CHROMADB_DATABASE " is damaged: %s", complaint));
	}
	(void)sqlite3_finalize(statement);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

int chromadb_guard_schema(sqlite3 *database, struct error *error)
{
	int code = SQLITE_OK;
	for (size_t i = 0; code == SQLITE_OK && i < sizeof complaints / sizeof *complaints; i++) {
		code = ask(database, complaints[i], error);
	}
	return code;
}

const char *chromadb_guard_reason(const struct chromadb_guard *guard, int code)
{
	switch (code & 0xff) {
	case SQLITE_TOOBIG:
		return guard->room == 0 ? "there is more to put aside than the names of any collections need"
								: "it holds a name or an id of more than 1 MiB";
	case SQLITE_INTERRUPT:
		return guard->steps == 0 ? "reading it takes longer than any of its size can need" : NULL;
	case SQLITE_NOMEM: /* by the highest ever: what was allocated has been freed again */
		return sqlite3_memory_highwater(0) > MEMORY / 4 * 3 ? "reading it takes more than 64 MiB of memory" : NULL;
	default:
		return NULL;
	}
}
