/*
 * row_counts.h - the rows of every table of a database, counted in a session as that sees them.
 */
#ifndef WHISPERBACKUP_STORES_POSTGRESQL_ROW_COUNTS_H
#define WHISPERBACKUP_STORES_POSTGRESQL_ROW_COUNTS_H

#include "stores/fingerprint.h"
#include "stores/postgresql/psql.h"

/*
 * Adds "rows" of "DATABASE.SCHEMA.TABLE" for all tables that hold rows of their own, those of the system, of extensions
 * and temporary ones left out: of a partitioned table, each partition. (Rows of an extension's table come with CREATE
 * EXTENSION, in another number with another version of it, and a dump holds some of them at the most.)
 */
enum status row_counts_add(struct psql_session *session, const char *database, struct fingerprint *fingerprint,
						   struct error *error) MUST_CHECK;

/* store_ops.count: all databases that a backup takes. Of an extension's table that the backup's counts (`places`) have
 * all the same, that number is taken over: it is not compared. */
enum status row_counts_now(struct store *store, const struct fingerprint *places, struct fingerprint *ret_fingerprint,
						   struct error *error) MUST_CHECK;

/* The name of a table in a fingerprint, which is UTF-8: in one that is not, bytes beyond ASCII become \xE4. */
enum status row_counts_name(struct buffer *name, const char *database, const char *schema, const char *table,
							struct error *error) MUST_CHECK;

#endif
