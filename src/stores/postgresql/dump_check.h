/*
 * dump_check.h - is this file a whole dump of a PostgreSQL cluster?
 */
#ifndef WHISPERBACKUP_STORES_POSTGRESQL_DUMP_CHECK_H
#define WHISPERBACKUP_STORES_POSTGRESQL_DUMP_CHECK_H

#include "stores/store.h"

/* store_ops.check: every byte is read through the lexer. Needs no server. */
enum status dump_check(struct source *file, struct progress *progress, struct artefact *ret_artefact,
					   struct error *error) MUST_CHECK;

#endif
