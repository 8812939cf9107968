/*
 * dump_rename.h - a dump's text with one database under another name, fit to be fed to psql.
 *
 * Statements that name the database get the new name; comments, backslash commands (connections are ours to make),
 * `BEGIN;` and `COMMIT;` (so are transactions) and what a dump made with --clean drops are left out; everything else
 * stays as it is, byte for byte.
 */
#ifndef WHISPERBACKUP_STORES_POSTGRESQL_DUMP_RENAME_H
#define WHISPERBACKUP_STORES_POSTGRESQL_DUMP_RENAME_H

#include "base/buffer.h"
#include "base/stream.h"
#include "stores/postgresql/dump_reader.h"
#include "stores/postgresql/sql_statement.h"

/*
 * A source of that stretch of the file, with `prefix` and `suffix` (lent SQL, "" for none) around it. Whoever reads it
 * as SQL has standard_conforming_strings on at first. The names and `progress`, which is told the bytes read, are lent.
 */
enum status dump_rename_source_new(const char *path, struct dump_stretch stretch, const char *name,
								   const char *new_name, const char *prefix, const char *suffix,
								   struct progress *progress, struct source **ret_source,
								   struct error *error) MUST_CHECK;

/*
 * Of a text that `pg_dump --create` wrote, only what makes the database and sets its properties, rights and comment,
 * under the new name. Appended to `sql`.
 */
enum status dump_rename_properties(const char *text, size_t length, const char *name, const char *new_name,
								   struct buffer *sql, struct error *error) MUST_CHECK;

#endif
