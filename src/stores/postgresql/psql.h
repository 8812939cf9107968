/*
 * psql.h - SQL for a server, through the psql of its container.
 *
 * Name and password go in the program's environment, SQL by its standard input: nothing of either is ever on a command
 * line. All sessions keep bytes as they are (client_encoding SQL_ASCII): names of databases and roles have no encoding.
 */
#ifndef WHISPERBACKUP_STORES_POSTGRESQL_PSQL_H
#define WHISPERBACKUP_STORES_POSTGRESQL_PSQL_H

#include "stores/postgresql/postgresql.h"

enum {
	PSQL_ROWS_LIMIT = 32 << 20,   /* bytes of an answer */
	PSQL_ERRORS_LIMIT = 64 << 10, /* bytes kept of what a program says on its standard error */
	PSQL_WATCH_MILLISECONDS = 200,
};

/* Finds a database that answers, for server->database. STATUS_UNAVAILABLE if there is none. */
enum status psql_find_database(struct postgresql *server, struct error *error) MUST_CHECK;

/*
 * Runs `sql` in a session of its own in `database`, stopping at the first error. Every field of every row is appended
 * to `rows` (NULL: none is wanted) with a NUL byte behind it; psql_next goes through them. STATUS_UNAVAILABLE and
 * error->on_the_way if not all of the answer came: it may be done or not. STATUS_NO_SPACE if no rows are wanted and the
 * server's disk is full.
 */
enum status psql_query(struct postgresql *server, const char *database, const char *sql, struct buffer *rows,
					   struct error *error) MUST_CHECK;

/* The field at `*at`, which is moved on to the next; NULL behind the last. */
const char *psql_next(const struct buffer *rows, size_t *at);

/* Whether that is why a session failed: its hint names max_locks_per_transaction. */
bool psql_is_short_of_locks(const struct error *error);

/* Feeds a script to a session of its own, stopping at the first error. `transaction`: all of it or nothing.
 * STATUS_NO_SPACE if the server's disk is full. */
enum status psql_load(struct postgresql *server, const char *database, bool transaction, struct source *sql,
					  struct error *error) MUST_CHECK;

/*
 * Lines to put around SQL that came out of a dump: in between, psql refuses all backslash commands. (`\!` would run a
 * program in the container, as root; dump_layout_read has refused what it could see of that.) Both are "" for a psql
 * that has no such thing yet. A command of ours has to stand outside.
 */
enum { PSQL_FENCE_SIZE = 80 };
struct psql_fence {
	char begin[PSQL_FENCE_SIZE];
	char end[PSQL_FENCE_SIZE];
};
enum status psql_fence_new(const struct postgresql *server, struct psql_fence *ret_fence,
						   struct error *error) MUST_CHECK;

/* Runs pg_dump or pg_dumpall (`arguments`, NULL-terminated) with its text to `output`; its exit code has to be 0. */
enum status psql_dump(struct postgresql *server, const char *database, const char *const *arguments,
					  struct sink *output, struct error *error) MUST_CHECK;

/* Told again and again that a program has not written anything yet: it may be waiting for something. */
struct psql_watch {
	enum status (*waits)(struct psql_watch *watch, struct error *error);
};

/* As psql_dump; `watch` is asked every PSQL_WATCH_MILLISECONDS until the first byte comes. */
enum status psql_dump_watched(struct postgresql *server, const char *database, const char *const *arguments,
							  struct sink *output, struct psql_watch *watch, struct error *error) MUST_CHECK;

/* True if a session in `database` can be opened with another password, or none: the local socket asks for none. */
bool psql_needs_no_password(struct postgresql *server, const char *database);

/* --- a session that is talked with ------------------------------------------------------------------------------- */

struct psql_session;

enum status psql_session_open(struct postgresql *server, const char *database, struct psql_session **ret_session,
							  struct error *error) MUST_CHECK;

/* Sends statements, whose answer is then waited for with psql_session_wait before anything else is sent. */
enum status psql_session_send(struct psql_session *session, const char *sql, struct error *error) MUST_CHECK;

/*
 * Waits at most so long; *ret_answered says that all that was sent has been done. The first statement that fails ends
 * the session, and is the error; the server then rolls back what was not committed.
 */
enum status psql_session_wait(struct psql_session *session, int timeout_milliseconds, bool *ret_answered,
							  struct error *error) MUST_CHECK;

/* Both, without a limit in time other than the server's. */
enum status psql_session_run(struct psql_session *session, const char *sql, struct error *error) MUST_CHECK;

/* What was answered, once it has been: fields as psql_query has them. Lent until the next call. */
const struct buffer *psql_session_rows(const struct psql_session *session);

/* Lets psql end by itself, and says whether it did well; spares the search for it that freeing it alone would take. */
enum status psql_session_end(struct psql_session *session, struct error *error) MUST_CHECK;

void psql_session_free(struct psql_session *session);
CLEANUP_DEFINE(psql_session, struct psql_session, psql_session_free)

#endif
