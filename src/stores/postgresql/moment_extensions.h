/*
 * moment_extensions.h - tells of rows that no dump holds because their table belongs to an extension.
 *
 * CREATE EXTENSION makes such a table again, with the rows that come with it. pg_dump writes only what the extension
 * has asked for (pg_extension_config_dump): a table's rows, or some of them. Source: PostgreSQL 17, 36.17.3 "Extension
 * Configuration Tables".
 */
#ifndef WHISPERBACKUP_STORES_POSTGRESQL_MOMENT_EXTENSIONS_H
#define WHISPERBACKUP_STORES_POSTGRESQL_MOMENT_EXTENSIONS_H

#include "stores/postgresql/moment.h"

/* Warns, in a database's held session, of each table with rows that are neither in the dump nor made by CREATE
 * EXTENSION or ALTER EXTENSION. */
enum status moment_extensions_warn(struct moment_database *database, struct progress *progress,
								   struct error *error) MUST_CHECK;

#endif
