/*
 * database.h - Chroma's database file: is it whole, and how many records does each collection have?
 *
 * What is added goes into a queue first (table embeddings_queue), and from there into each collection's two segments:
 * METADATA (table embeddings) and VECTOR (the index files). Chroma brings METADATA up to date before it counts, so that
 * is done here as well: what waits in the queue is counted as if it had arrived. Source: the schema of Chroma's server
 * 1.x, and chromadb/db/mixins/embeddings_queue.py for the numbers of operations.
 */
#ifndef WHISPERBACKUP_STORES_CHROMADB_DATABASE_H
#define WHISPERBACKUP_STORES_CHROMADB_DATABASE_H

#include "base/error.h"
#include "stores/fingerprint.h"

/* The database, and what SQLite may have left beside it that belongs to it (sqlite.org, "Temporary Files"). */
#define CHROMADB_DATABASE "chroma.sqlite3"
extern const char *const chromadb_database_files[]; /* NULL-terminated, the database first */

#define CHROMADB_DEFAULT_TENANT   "default_tenant"
#define CHROMADB_DEFAULT_DATABASE "default_database"

/* How a collection is called in a fingerprint, as chromadb_database_count says. Owned by the caller; NULL without
 * memory. */
char *chromadb_database_count_name(const char *tenant, const char *database, const char *collection);

/*
 * Checks a copy of the database and counts: "records" of "COLLECTION" in the default tenant's default database, of
 * "TENANT/DATABASE/COLLECTION" elsewhere. SQLite may write to the copy: a transaction that was under way is taken back
 * when it is opened. STATUS_DAMAGED if it is not whole. A schema that is not known leaves the fingerprint unknown.
 */
enum status chromadb_database_count(const char *path, struct fingerprint *fingerprint, struct error *error) MUST_CHECK;

#endif
