#include "stores/postgresql/moment.h"

#include "base/clock.h"
#include "base/interrupt.h"
#include "stores/postgresql/restore_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	DATABASES_LIMIT = 10000,
	LIST_LIMIT = 4 << 20, /* bytes of their names */
	OPEN_TRIES = 3,       /* databases may come and go while their sessions are opened */
	OPEN_RETRY_MILLISECONDS = 100,
	WAIT_STEP_MILLISECONDS = 100,
	CODE_LENGTH = 5, /* of an SQLSTATE */
};

/* That a table's lock is waited for, since who has it may be standing still; and all locks of a database together. */
#define LOCK_TIMEOUT  "'250ms'"
#define LOCKS_TIMEOUT "'1s'"

/* As pg_dumpall (pg_dumpall.c, dumpDatabases), without what a restore that was interrupted has left. */
#define LIST                                                                                                           \
	"SELECT oid, datname FROM pg_catalog.pg_database WHERE datallowconn AND datconnlimit <> -2\n"                      \
	"AND datname !~ '" RESTORE_STATE_PATTERN "' ORDER BY datname <> 'template1', datname;\n"

/*
 * What pg_dumpall never writes, although it is the user's: a kind, and a database. The usual rights and comments are
 * those of initdb (PostgreSQL 13 to 17: initdb.c, make_template0 and make_postgres; pg_database.dat); NULL stands for
 * the rights that acldefault tells.
 */
static const char left_out_sql[] =
	"SELECT 'closed', datname FROM pg_catalog.pg_database WHERE NOT datallowconn AND datname <> 'template0'\n"
	"AND datname !~ '" RESTORE_STATE_PATTERN "' ORDER BY datname;\n"
	"SELECT 'properties', datname FROM pg_catalog.pg_database d, (VALUES\n"
	"	('template1', '{CONNECT}'::text[], 'default template for new databases'),\n"
	"	('postgres', '{CONNECT,TEMPORARY}', 'default administrative connection database')) u (name, everybody, "
	"comment),\n"
	"LATERAL (SELECT array_agg(privilege_type ORDER BY privilege_type) FILTER (WHERE grantee = 0) AS everybody,\n"
	"	coalesce(bool_or(grantee NOT IN (0, datdba) OR is_grantable), false) AS others,\n"
	"	count(*) FILTER (WHERE grantee = datdba) AS own\n"
	"	FROM pg_catalog.aclexplode(coalesce(datacl, pg_catalog.acldefault('d', datdba)))) a\n"
	"WHERE datname = name AND datallowconn AND (datdba <> 10 OR others OR own <> 3\n"
	"	OR a.everybody IS DISTINCT FROM u.everybody\n"
	"	OR pg_catalog.shobj_description(d.oid, 'pg_database') IS DISTINCT FROM comment) ORDER BY datname;\n"
	"SELECT 'settings', '' FROM pg_catalog.pg_db_role_setting s LEFT JOIN pg_catalog.pg_database d ON d.oid = "
	"s.setdatabase\n"
	"WHERE (s.setdatabase = 0 AND s.setrole = 0) OR d.datname IN ('template1', 'postgres') LIMIT 1;\n";

/*
 * The moment is where the snapshot is exported. Between that and the locks a table may be renamed, dropped or
 * rewritten; so the locks are taken by the names that the snapshot has, and checked by OID and file. No lock is taken
 * of views, sequences and materialized views: pg_dump copies no rows of them that a TRUNCATE could take away.
 */
#define TABLES                                                                                                         \
	"pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p')\n"                         \
	"	AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"
#define ASK                                                                                                            \
	"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;\n"                                                               \
	"SELECT pg_export_snapshot();\n"                                                                                   \
	"SET LOCAL lock_timeout = " LOCK_TIMEOUT ";\n"                                                                     \
	"SET LOCAL statement_timeout = " LOCKS_TIMEOUT ";\n"                                                               \
	"DO $do$\n"                                                                                                        \
	"DECLARE\n"                                                                                                        \
	"	names text;\n"                                                                                                   \
	"	trouble text;\n"                                                                                                 \
	"	code text;\n"                                                                                                    \
	"BEGIN\n"                                                                                                          \
	"	SELECT string_agg(format('ONLY %I.%I', n.nspname, c.relname), ', ') INTO names FROM " TABLES ";\n"             \
	"	IF names IS NOT NULL THEN\n"                                                                                     \
	"		EXECUTE 'LOCK TABLE ' || names || ' IN ACCESS SHARE MODE';\n"                                                   \
	"	END IF;\n"                                                                                                       \
	"	SELECT '00000' || min(format('table %I.%I was changed at that moment', n.nspname, c.relname)) INTO trouble\n"    \
	"	FROM " TABLES "\n"                                                                                             \
	"	AND (coalesce(pg_relation_filenode(c.oid), 0) <> c.relfilenode OR c.oid NOT IN (SELECT relation FROM "           \
	"pg_locks\n"                                                                                                       \
	"		WHERE pid = pg_backend_pid() AND locktype = 'relation' AND mode = 'AccessShareLock' AND granted));\n"           \
	"	PERFORM set_config('whisperbackup.trouble', coalesce(trouble, ''), true);\n"                                     \
	"EXCEPTION WHEN query_canceled OR OTHERS THEN\n"                                                                   \
	"	code := SQLSTATE;\n"                                                                                             \
	"	trouble := SQLERRM;\n"                                                                                           \
	"	SELECT coalesce(min(format('table %I.%I is %s by %s%s', n.nspname, c.relname,\n"                                 \
	"		CASE WHEN l.granted THEN 'locked' ELSE 'waited for' END,\n"                                                     \
	"		coalesce('process ' || l.pid, 'a prepared transaction'),\n"                                                     \
	"		' (' || nullif(a.application_name, '') || ')')), trouble) INTO trouble\n"                                       \
	"	FROM pg_locks l LEFT JOIN pg_stat_get_activity(coalesce(l.pid, 0)) a ON true, " TABLES "\n"                    \
	"	AND l.locktype = 'relation' AND l.relation = c.oid AND l.mode = 'AccessExclusiveLock'\n"                         \
	"	AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database());\n"                            \
	"	PERFORM set_config('whisperbackup.trouble', code || trouble, true);\n"                                           \
	"END\n"                                                                                                            \
	"$do$;\n"                                                                                                          \
	"SET LOCAL lock_timeout = 0;\n"                                                                                    \
	"SET LOCAL statement_timeout = 0;\n"                                                                               \
	"SELECT current_setting('whisperbackup.trouble');\n"

/*
 * A session waits, and then holds its transaction for as long as the dump takes; not every version has these limits.
 * What is asked of it at the moment is done once before: what the server has read for it then, it need not read again.
 */
static const char open_sql[] = "SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings\n"
							   "WHERE name IN ('idle_session_timeout', 'transaction_timeout');\n" ASK "ROLLBACK;\n";

/* --- sessions ----------------------------------------------------------------------------------------------------- */

static void drop_session(struct moment_database *database)
{
	psql_session_free(MOVE(database->session));
	database->asked = false;
}

static void free_databases(struct moment_database *databases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		drop_session(&databases[i]);
	}
	free(databases);
}

void postgresql_moment_free(struct postgresql_moment *moment)
{
	if (moment != NULL) {
		free_databases(moment->databases, moment->count);
		moment_globals_free(&moment->globals);
		free(moment);
	}
}

/* Reads pairs of OID and name, from `at` to the end. */
static enum status read_list(const struct buffer *rows, size_t at, struct moment_database **ret_databases,
							 size_t *ret_count, struct error *error)
{
	struct moment_database *databases = NULL;
	size_t count = 0;
	while (at < rows->length) {
		const char *oid = psql_next(rows, &at);
		const char *name = psql_next(rows, &at);
		bool sound = count < DATABASES_LIMIT && name != NULL;
		struct moment_database *more = sound ? reallocarray(databases, count + 1, sizeof *more) : NULL;
		if (more == NULL) {
			free(databases);
			return sound ? error_memory(error)
						 : error_set(error, STATUS_FAILED, "PostgreSQL's list of databases cannot be read");
		}
		databases = more;
		databases[count] = (struct moment_database){.oid = (unsigned)strtoul(oid, NULL, 10)};
		snprintf(databases[count++].name, sizeof databases->name, "%s", name);
	}
	*ret_databases = databases;
	*ret_count = count;
	return STATUS_OK;
}

static bool is_same(const struct moment_database *a, const struct moment_database *b)
{
	return a->oid == b->oid && strcmp(a->name, b->name) == 0;
}

static enum status open_session(struct postgresql *server, struct moment_database *database, struct error *error)
{
	CLEANUP(cleanup_psql_session) struct psql_session *session = NULL;
	enum status status = psql_session_open(server, database->name, &session, error);
	if (status == STATUS_OK) {
		status = psql_session_run(session, open_sql, error);
	}
	if (status == STATUS_OK) {
		database->session = MOVE(session);
		return STATUS_OK;
	}
	return error_prefix(error, "database %s", database->name);
}

/* The sessions that are there are kept, those of databases that have gone are ended. */
static enum status open_once(struct postgresql *server, struct error *error)
{
	struct postgresql_moment *moment = server->moment;
	CLEANUP(buffer_free) struct buffer rows = BUFFER_INIT(LIST_LIMIT);
	struct moment_database *databases = NULL;
	size_t count = 0;
	enum status status = psql_query(server, server->database, LIST, &rows, error);
	if (status == STATUS_OK) {
		status = read_list(&rows, 0, &databases, &count, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; databases[i].session == NULL && j < moment->count; j++) {
			if (is_same(&databases[i], &moment->databases[j])) {
				databases[i].session = MOVE(moment->databases[j].session);
			}
		}
	}
	free_databases(moment->databases, moment->count);
	moment->databases = databases;
	moment->count = count;
	for (size_t i = 0; status == STATUS_OK && i < count; i++) {
		if (databases[i].session == NULL) {
			status = open_session(server, &databases[i], error);
		}
	}
	return status;
}

static enum status open_sessions(struct postgresql *server, struct error *error)
{
	enum status status = open_once(server, error);
	for (unsigned tries = 1; status != STATUS_OK && status != STATUS_INTERRUPTED && tries < OPEN_TRIES; tries++) {
		clock_sleep(OPEN_RETRY_MILLISECONDS);
		status = open_once(server, error);
	}
	return status;
}

static enum status tell_left_out(struct postgresql *server, struct progress *progress, struct error *error)
{
	CLEANUP(buffer_free) struct buffer rows = BUFFER_INIT(LIST_LIMIT);
	enum status status = psql_query(server, server->database, left_out_sql, &rows, error);
	for (size_t at = 0; status == STATUS_OK && at < rows.length;) {
		const char *kind = psql_next(&rows, &at);
		const char *name = psql_next(&rows, &at);
		if (name == NULL) {
			status = error_set(error, STATUS_FAILED, "PostgreSQL's answer makes no sense");
		} else if (strcmp(kind, "closed") == 0) {
			progress_warn(progress, "the database %s takes no connections: it is not in the backup", name);
		} else if (strcmp(kind, "properties") == 0) {
			progress_warn(progress,
						  "owner, rights or comment of the database %s are not the usual ones, and not in the backup: "
						  "pg_dump does not write them",
						  name);
		} else {
			progress_warn(progress, "settings of ALTER ROLE ALL and of the databases postgres and template1 are not in "
									"the backup: pg_dump does not write them");
		}
	}
	return status;
}

enum status postgresql_moment_prepare(struct postgresql *server, struct progress *progress, struct error *error)
{
	postgresql_moment_free(server->moment);
	server->moment = calloc(1, sizeof *server->moment);
	if (server->moment == NULL) {
		return error_memory(error);
	}
	return tell_left_out(server, progress, error);
}

enum status postgresql_moment_catch_up(struct postgresql *server, struct error *error)
{
	enum status status = open_sessions(server, error);
	if (status == STATUS_OK && server->moment->count == 0) {
		status = error_set(error, STATUS_FAILED, "none of PostgreSQL's databases takes connections");
	}
	return status == STATUS_OK ? moment_globals_take(server, &server->moment->globals, error) : status;
}

/* --- the moment --------------------------------------------------------------------------------------------------- */

enum status postgresql_moment_ask(struct postgresql *server, struct error *error)
{
	struct postgresql_moment *moment = server->moment;
	if (moment->trouble != STATUS_OK) {
		*error = moment->why;
		return moment->trouble;
	}
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < moment->count; i++) {
		struct moment_database *database = &moment->databases[i];
		database->asked = true;
		/* One of them tells which databases there are at the moment. */
		status = psql_session_send(database->session, i == 0 ? ASK LIST : ASK, error);
	}
	return status;
}

/* Waits for one session; one that has been ended is lost, and opened again by `forget`. */
static enum status wait_for(struct moment_database *database, double until, struct error *error)
{
	for (bool answered = false; !answered;) {
		enum status status = psql_session_wait(database->session, WAIT_STEP_MILLISECONDS, &answered, error);
		if (status == STATUS_OK && !answered) {
			status = interrupt_check(error);
		}
		if (status == STATUS_OK && !answered && clock_seconds() > until) {
			status = error_set(error, STATUS_UNAVAILABLE, "PostgreSQL has not answered in %d seconds",
							   MOMENT_ANSWER_SECONDS);
		}
		if (status != STATUS_OK) {
			return status;
		}
	}
	database->asked = false;
	return STATUS_OK;
}

static enum status not_now(const struct moment_database *database, const char *trouble, struct error *error)
{
	const char *text = strlen(trouble) > CODE_LENGTH ? trouble + CODE_LENGTH : trouble;
	bool resources = strncmp(trouble, "53", 2) == 0; /* class 53, insufficient resources */
	enum status status = resources ? STATUS_FAILED : STATUS_CONFLICT;
	(void)error_set(error, status, "PostgreSQL has no moment to dump: database %s: %s", database->name, text);
	return resources ? error_hint(error, "raise max_locks_per_transaction of the server, restart it, and try again")
					 : error_hint(error, "run the backup again when that is done");
}

/* All databases that there are have been asked. */
static enum status check_list(const struct postgresql_moment *moment, const struct buffer *rows, size_t at,
							  struct error *error)
{
	CLEANUP(cleanup_free) struct moment_database *databases = NULL;
	size_t count = 0;
	enum status status = read_list(rows, at, &databases, &count, error);
	bool same = count == moment->count;
	for (size_t i = 0; status == STATUS_OK && same && i < count; i++) {
		same = is_same(&databases[i], &moment->databases[i]);
	}
	return status == STATUS_OK && !same
			   ? error_set(error, STATUS_CONFLICT, "databases of PostgreSQL are made or dropped all the time")
			   : status;
}

static enum status read_answer(const struct postgresql_moment *moment, struct moment_database *database,
							   struct error *error)
{
	const struct buffer *rows = psql_session_rows(database->session);
	size_t at = 0;
	const char *snapshot = psql_next(rows, &at);
	const char *trouble = psql_next(rows, &at);
	if (trouble == NULL || strlen(snapshot) >= sizeof database->snapshot) {
		return error_set(error, STATUS_FAILED, "PostgreSQL's answer makes no sense");
	}
	if (*trouble != '\0') {
		return not_now(database, trouble, error);
	}
	strcpy(database->snapshot, snapshot);
	return database == moment->databases ? check_list(moment, rows, at, error) : STATUS_OK;
}

enum status postgresql_moment_answer(struct postgresql *server, struct error *error)
{
	struct postgresql_moment *moment = server->moment;
	double until = clock_seconds() + MOMENT_ANSWER_SECONDS;
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < moment->count; i++) {
		struct moment_database *database = &moment->databases[i];
		status = wait_for(database, until, error);
		if (status == STATUS_OK) {
			status = read_answer(moment, database, error);
		} else if (status != STATUS_INTERRUPTED && status != STATUS_NO_MEMORY) {
			status = error->status = STATUS_CONFLICT;
			(void)error_prefix(error, "database %s", database->name);
		}
	}
	return status;
}

void postgresql_moment_forget(struct postgresql *server)
{
	struct postgresql_moment *moment = server->moment;
	if (moment == NULL || moment->trouble != STATUS_OK) {
		return;
	}
	double until = clock_seconds() + MOMENT_ANSWER_SECONDS;
	struct error ignored;
	for (size_t i = 0; i < moment->count; i++) {
		struct moment_database *database = &moment->databases[i];
		if (database->asked && wait_for(database, until, &ignored) != STATUS_OK) {
			drop_session(database);
		}
	}
	for (size_t i = 0; i < moment->count; i++) {
		struct moment_database *database = &moment->databases[i];
		if (database->session != NULL && psql_session_run(database->session, "ROLLBACK;", &ignored) != STATUS_OK) {
			drop_session(database);
		}
	}
	moment->trouble = open_sessions(server, &moment->why);
}
