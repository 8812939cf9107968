/*
 * moment.h - one moment of a whole cluster: a session in each database that holds a snapshot and every table of it.
 *
 * A snapshot serves its own database only, and ends with the session that exported it. TRUNCATE and most forms of ALTER
 * TABLE are not seen through snapshots: a table that was truncated after the moment would be empty in it. So the
 * sessions also lock the tables, as pg_dump does, but at the moment itself.
 * Source: PostgreSQL 17, 13.6 "Caveats", and 9.28.5 "Snapshot Synchronization Functions".
 */
#ifndef WHISPERBACKUP_STORES_POSTGRESQL_MOMENT_H
#define WHISPERBACKUP_STORES_POSTGRESQL_MOMENT_H

#include "stores/postgresql/moment_globals.h"
#include "stores/postgresql/psql.h"
#include "stores/postgresql/sql_statement.h"

enum {
	MOMENT_ANSWER_SECONDS = 10,
	MOMENT_SNAPSHOT_SIZE = 64,
};

struct moment_database {
	char name[SQL_NAME_SIZE];
	unsigned oid;
	struct psql_session *session; /* NULL if it was lost */
	bool asked;                   /* something was sent to it whose answer has not been read */
	char snapshot[MOMENT_SNAPSHOT_SIZE];
};

struct postgresql_moment {
	struct moment_database *databases; /* in the order of pg_dumpall */
	size_t count;
	struct moment_globals globals;
	enum status trouble; /* the sessions could not be opened again after a try */
	struct error why;
};

/*
 * store_ops.prepare (but for the path), catch_up, ask, answer, forget. The sessions are opened as late as can be, in
 * `catch_up`: while there is one in template1, CREATE DATABASE waits 5 seconds and fails.
 */
enum status postgresql_moment_prepare(struct postgresql *server, struct progress *progress,
									  struct error *error) MUST_CHECK;
enum status postgresql_moment_catch_up(struct postgresql *server, struct error *error) MUST_CHECK;
enum status postgresql_moment_ask(struct postgresql *server, struct error *error) MUST_CHECK;
enum status postgresql_moment_answer(struct postgresql *server, struct error *error) MUST_CHECK;
void postgresql_moment_forget(struct postgresql *server);

/* moment_save.c, store_ops.finish: writes the dump and counts the rows; each session is ended when its database is
 * done. */
enum status postgresql_moment_save(struct postgresql *server, struct progress *progress, struct saved *ret_saved,
								   struct error *error) MUST_CHECK;

void postgresql_moment_free(struct postgresql_moment *moment);

#endif
