/*
 * restore_globals.h - roles and tablespaces as pg_dumpall writes them, made fit for one transaction.
 */
#ifndef WHISPERBACKUP_STORES_POSTGRESQL_RESTORE_GLOBALS_H
#define WHISPERBACKUP_STORES_POSTGRESQL_RESTORE_GLOBALS_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the roles' and tablespaces' SQL, and of one statement of it. */
enum { RESTORE_GLOBALS_LIMIT = 16 << 20, RESTORE_GLOBALS_STATEMENT_LIMIT = 1 << 20 };

struct restore_globals {
	/* Makes and fills the temporary tables wanted_role and wanted_tablespace: what there is to be. */
	struct buffer lists;
	/* What is to be run for it, roles and tablespaces being there: memberships, attributes, settings, rights, comments.
	 */
	struct buffer changes;
};

#define RESTORE_GLOBALS_INIT                                                                                           \
	{                                                                                                                  \
		.lists = BUFFER_INIT(RESTORE_GLOBALS_LIMIT), .changes = BUFFER_INIT(RESTORE_GLOBALS_LIMIT)                     \
	}

/*
 * From the first `end` bytes of a dump, or from a text in memory. `grantors`: false leaves out GRANTED BY of
 * memberships, which a server since 16 would take from an older one's dump only if the grantor were allowed to give
 * them. STATUS_DAMAGED if there is a statement that has no business there; a COMMIT, say.
 */
enum status restore_globals_from_file(const char *path, uint64_t end, bool grantors, struct restore_globals *globals,
									  struct error *error) MUST_CHECK;
enum status restore_globals_from_text(const char *text, size_t length, bool grantors, struct restore_globals *globals,
									  struct error *error) MUST_CHECK;

/* True if there is to be a role of this name. */
enum status restore_globals_has_role(const struct restore_globals *globals, const char *name, bool *ret_has,
									 struct error *error) MUST_CHECK;

void restore_globals_free(struct restore_globals *globals);

#endif
