/*
 * moment_globals.h - roles and tablespaces as they were at the moment.
 *
 * pg_dumpall takes no snapshot of them. But what it wrote can be proved: a session that holds the moment sees the
 * catalogs as they were, and if these read the same before or after pg_dumpall, so did it.
 */
#ifndef WHISPERBACKUP_STORES_POSTGRESQL_MOMENT_GLOBALS_H
#define WHISPERBACKUP_STORES_POSTGRESQL_MOMENT_GLOBALS_H

#include "base/buffer.h"
#include "stores/postgresql/psql.h"

enum { MOMENT_GLOBALS_LIMIT = 16 << 20, MOMENT_GLOBALS_DIGEST_SIZE = 32 }; /* bytes */

struct moment_globals {
	struct buffer text; /* without the block that closes the whole dump */
	char digest[MOMENT_GLOBALS_DIGEST_SIZE];
};

/* Takes them as they are now, if they are not as they were when they were taken before. */
enum status moment_globals_take(struct postgresql *server, struct moment_globals *globals,
								struct error *error) MUST_CHECK;

/* Makes sure that they are those of the moment that `session` holds, or warns. */
enum status moment_globals_settle(struct postgresql *server, struct psql_session *session,
								  struct moment_globals *globals, struct progress *progress,
								  struct error *error) MUST_CHECK;

/* What ends every dump of pg_dumpall. */
#define MOMENT_GLOBALS_CLOSING "--\n-- PostgreSQL database cluster dump complete\n--\n\n"

/* Removes the closing block; STATUS_FAILED if there is none at the end. */
enum status moment_globals_open_end(struct buffer *text, struct error *error) MUST_CHECK;

void moment_globals_free(struct moment_globals *globals);

#endif
