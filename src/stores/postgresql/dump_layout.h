/*
 * dump_layout.h - the sections of a dump that pg_dumpall wrote: roles and tablespaces, the databases, the closing
 * block.
 */
#ifndef WHISPERBACKUP_STORES_POSTGRESQL_DUMP_LAYOUT_H
#define WHISPERBACKUP_STORES_POSTGRESQL_DUMP_LAYOUT_H

#include "base/error.h"
#include "base/progress.h"
#include "stores/postgresql/dump_reader.h"
#include "stores/postgresql/sql_statement.h"
#include "stores/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One database's section. Offsets are bytes from the start of the file, between two pieces of the text. */
struct dump_database {
	char name[SQL_NAME_SIZE];
	bool created;     /* it has its CREATE DATABASE; template1 and postgres have none */
	uint64_t start;   /* of what makes the database and sets its properties; empty if not `created` */
	uint64_t content; /* of what is done in the database itself, behind the last \connect */
	uint64_t end;
	bool start_escapes; /* how strings are read there (dump_lexer.h) */
	bool content_escapes;
};

struct dump_layout {
	uint64_t size;                    /* of the file, in bytes */
	uint64_t globals_end;             /* roles and tablespaces are what stands before this */
	char version[STORE_VERSION_SIZE]; /* of the server that was dumped, "15.18" */
	struct dump_database *databases;
	size_t count;
};

/* From `start` to `content`, and from there to `end`. */
struct dump_stretch dump_layout_making(const struct dump_database *database);
struct dump_stretch dump_layout_content(const struct dump_database *database);

/*
 * Reads the whole file, which is owned from then on. STATUS_DAMAGED, with a text for people, if it is not a dump of a
 * cluster from its first line to its closing block with every statement whole: a dump that was cut loads without any
 * error, so this is what finds it. Neither is one taken whose statements would do anything else than to make a database
 * while there is no transaction, or might let psql and us read the text in two ways.
 */
enum status dump_layout_read(struct source *file, struct progress *progress, struct dump_layout *ret_layout,
							 struct error *error) MUST_CHECK;

void dump_layout_free(struct dump_layout *layout);

#endif
