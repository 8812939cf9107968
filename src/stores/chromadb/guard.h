/*
 * guard.h - what SQLite may do with a database that anybody may have made.
 *
 * It comes out of an archive, and so may hold what Chroma never makes: views and computed columns that take for ever,
 * values of a GB, rows that multiply in a join, a journal that has SQLite remove any file of this machine.
 */
#ifndef WHISPERBACKUP_STORES_CHROMADB_GUARD_H
#define WHISPERBACKUP_STORES_CHROMADB_GUARD_H

#include "base/error.h"

#include <sqlite3.h>
#include <stdint.h>

/* Start with {0}; it has to live as long as the connection. */
struct chromadb_guard {
	uint64_t size;  /* of the database, its journal and its log, in bytes */
	uint64_t steps; /* of SQLite's virtual machine that are left */
	uint64_t room;  /* bytes that may still be put aside in temporary tables */
};

/*
 * Before it is opened: STATUS_DAMAGED if its rollback journal names another file, which SQLite would read, and then
 * remove.
 */
enum status chromadb_guard_files(const char *path, struct chromadb_guard *guard, struct error *error) MUST_CHECK;

/*
 * Limits what the connection may do, for as long as it is open; one of SQLite's codes. The whole process' SQLite gets
 * 64 MiB. Queries may say "fits(VALUE...)", which is true while there is room for a row of these values to be put
 * aside, and else ends them.
 */
int chromadb_guard_limit(struct chromadb_guard *guard, sqlite3 *database) MUST_CHECK;

/* Is what is asked as Chroma makes it? One of SQLite's codes; SQLITE_ROW: it is not, which `error` says. */
int chromadb_guard_schema(sqlite3 *database, struct error *error) MUST_CHECK;

/* Which of the limits a failure comes from, in words; NULL: none. */
const char *chromadb_guard_reason(const struct chromadb_guard *guard, int code);

#endif
