/* store_ops.swap: one transaction that renames all databases and changes all roles, and the same one backwards. */
#include "stores/postgresql/restore.h"

#include "base/interrupt.h"
#include "base/test_switch.h"
#include "stores/postgresql/moment_globals.h"

#include <string.h>
#include <time.h>

enum {
	SQL_LIMIT = 4 * RESTORE_GLOBALS_LIMIT, /* bytes of the transaction's SQL */
	KICK_MILLISECONDS = 20, /* between two rounds of ending the sessions of databases that are to be renamed */
	COMMIT_SECONDS = 60,    /* that the answer to COMMIT is waited for */
};

/* A transaction that cannot get what it needs fails as a whole, and nothing has happened. */
static const char begin[] = "BEGIN;\nSET LOCAL lock_timeout = '20s';\nSET LOCAL statement_timeout = '60s';\n";

/*
 * Everything that a role or tablespace can have and pg_dumpall only mentions if it is there is taken away. An expiry
 * date cannot be taken away by any statement ('infinity' is another value), hence the UPDATE. Memberships of the
 * server's own roles in one another stay: pg_dumpall never writes them (PostgreSQL 13 to 17, pg_dumpall.c,
 * dumpRoleMembership).
 */
static const char reset[] =
	"DO $$\n"
	"DECLARE\n"
	"	version CONSTANT integer := current_setting('server_version_num');\n"
	"	r record;\n"
	"BEGIN\n"
	"	FOR r IN SELECT g.rolname AS granted, m.rolname AS member, b.rolname AS grantor FROM pg_auth_members a\n"
	"			JOIN pg_authid g ON g.oid = a.roleid JOIN pg_authid m ON m.oid = a.member LEFT JOIN pg_authid b ON "
	"b.oid = a.grantor\n"
	"			WHERE NOT (g.rolname ~ '^pg_' AND m.rolname ~ '^pg_') LOOP\n"
	"		EXECUTE format('REVOKE %I FROM %I', r.granted, r.member)\n"
	"			|| CASE WHEN version >= 160000 THEN format(' GRANTED BY %I', r.grantor) ELSE '' END || ' CASCADE';\n"
	"	END LOOP;\n"
	"	IF version >= 150000 THEN\n"
	"		FOR r IN EXECUTE 'SELECT parname AS name, CASE grantee WHEN 0 THEN ''PUBLIC'' ELSE "
	"quote_ident(pg_get_userbyid(grantee)) END AS grantee'\n"
	"				' FROM pg_parameter_acl, aclexplode(paracl) WHERE grantee <> 10' LOOP\n"
	"			EXECUTE format('REVOKE ALL ON PARAMETER %I FROM %s CASCADE', r.name, r.grantee);\n"
	"		END LOOP;\n"
	"	END IF;\n"
	"	FOR r IN SELECT spcname AS name, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) "
	"END AS grantee\n"
	"			FROM pg_tablespace JOIN wanted_tablespace ON name = spcname, aclexplode(spcacl) WHERE grantee <> "
	"spcowner LOOP\n"
	"		EXECUTE format('REVOKE ALL ON TABLESPACE %I FROM %s CASCADE', r.name, r.grantee);\n"
	"	END LOOP;\n"
	"	FOR r IN SELECT spcname FROM pg_tablespace JOIN wanted_tablespace ON name = spcname LOOP\n"
	"		EXECUTE format('COMMENT ON TABLESPACE %I IS NULL', r.spcname);\n"
	"		EXECUTE format('ALTER TABLESPACE %I RESET (seq_page_cost, random_page_cost, effective_io_concurrency,"
	" maintenance_io_concurrency)', r.spcname);\n"
	"	END LOOP;\n"
	"	FOR r IN SELECT rolname FROM pg_authid JOIN wanted_role ON name = rolname LOOP\n"
	"		EXECUTE format('ALTER ROLE %I RESET ALL', r.rolname);\n"
	"		EXECUTE format('COMMENT ON ROLE %I IS NULL', r.rolname);\n"
	"		EXECUTE format('ALTER ROLE %I PASSWORD NULL CONNECTION LIMIT -1', r.rolname);\n"
	"	END LOOP;\n"
	"	UPDATE pg_authid SET rolvaliduntil = NULL WHERE rolvaliduntil IS NOT NULL AND rolname IN (SELECT name FROM "
	"wanted_role);\n"
	/* Our own role, and the one that initdb made (10), can neither be dropped nor done without. */
	"	INSERT INTO public.later_role SELECT rolname FROM pg_authid WHERE rolname !~ '^pg_' AND rolname <> "
	"current_user AND oid <> 10\n"
	"		AND rolname NOT IN (SELECT name FROM wanted_role);\n"
	"	FOR r IN SELECT name FROM public.later_role LOOP\n"
	"		EXECUTE format('ALTER ROLE %I NOLOGIN NOSUPERUSER', r.name);\n"
	"	END LOOP;\n"
	"	INSERT INTO public.later_tablespace SELECT spcname FROM pg_tablespace WHERE spcname !~ '^pg_'\n"
	"		AND spcname NOT IN (SELECT name FROM wanted_tablespace);\n"
	"END $$;\n";

/*
 * Databases that came after the backup are set aside too. Those that the dump cannot hold (no connections allowed)
 * stay, and so do template1 and postgres if they are not in the backup at all.
 */
static const char rename_forward[] =
	"DO $$\n"
	"DECLARE d record;\n"
	"BEGIN\n"
	"	INSERT INTO public.database (number, name, has_new)\n"
	"		SELECT (SELECT coalesce(max(number), 0) FROM public.database) + row_number() OVER (ORDER BY datname), "
	"datname, false\n"
	"		FROM pg_database WHERE datallowconn AND datname NOT IN ('template0', 'template1', 'postgres')\n"
	"		AND datname !~ '" RESTORE_STATE_PATTERN "' AND datname NOT IN (SELECT name FROM public.database);\n"
	"	UPDATE public.database SET has_old = true, old_allows_connections = datallowconn, old_is_template = "
	"datistemplate\n"
	"		FROM pg_database WHERE datname = name;\n"
	"	FOR d IN SELECT * FROM public.database ORDER BY number LOOP\n"
	"		IF d.has_old THEN\n"
	"			EXECUTE format('ALTER DATABASE %I RENAME TO %I', d.name, '" RESTORE_STATE_OLD "' || d.number);\n"
	"		END IF;\n"
	"		IF d.has_new THEN\n"
	"			EXECUTE format('ALTER DATABASE %I RENAME TO %I', '" RESTORE_STATE_NEW "' || d.number, d.name);\n"
	"		END IF;\n"
	"		IF d.has_old THEN\n"
	"			EXECUTE format('ALTER DATABASE %I WITH ALLOW_CONNECTIONS false IS_TEMPLATE false', '" RESTORE_STATE_OLD
	"' || d.number);\n"
	"		END IF;\n"
	"	END LOOP;\n"
	"	UPDATE public.run SET phase = 'swapped';\n"
	"END $$;\n";

/* What somebody has made meanwhile under the name of one that was set aside goes with the shadows. */
static const char rename_back[] =
	"DO $$\n"
	"DECLARE d record;\n"
	"BEGIN\n"
	"	FOR d IN SELECT * FROM public.database ORDER BY number LOOP\n"
	"		IF (d.has_new OR d.has_old) AND EXISTS (SELECT FROM pg_database WHERE datname = d.name) THEN\n"
	"			EXECUTE format('ALTER DATABASE %I RENAME TO %I', d.name, '" RESTORE_STATE_NEW "' || d.number);\n"
	"		END IF;\n"
	"		IF d.has_old THEN\n"
	"			EXECUTE format('ALTER DATABASE %I RENAME TO %I', '" RESTORE_STATE_OLD "' || d.number, d.name);\n"
	"			EXECUTE format('ALTER DATABASE %I WITH ALLOW_CONNECTIONS %s IS_TEMPLATE %s', d.name, "
	"d.old_allows_connections::text, d.old_is_template::text);\n"
	"		END IF;\n"
	"	END LOOP;\n"
	"	DELETE FROM public.database WHERE NOT has_new;\n"
	"	UPDATE public.database SET has_old = false;\n"
	"	DELETE FROM public.later_role;\n"
	"	DELETE FROM public.later_tablespace;\n"
	"	UPDATE public.run SET phase = 'staged';\n"
	"END $$;\n";

/* By OID, since the names change: whoever is connected to a database that is to be renamed, until it has been. */
static const char kick_prepare[] =
	"CREATE TEMPORARY TABLE target AS SELECT oid FROM pg_database WHERE datname NOT IN ('template0', "
	"'" RESTORE_STATE_DATABASE "')\n"
	"	AND (datname NOT IN ('template1', 'postgres') OR datname IN (SELECT name FROM public.database));\n";
static const char kick[] = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datid IN (SELECT oid "
						   "FROM target) AND pid <> pg_backend_pid();\n";

/* All but COMMIT. When this is done every statement has been answered, and nothing has happened yet for anybody else.
 */
static enum status prepare(struct psql_session *session, struct psql_session *kicker, const char *sql,
						   struct error *error)
{
	enum status status = psql_session_send(session, sql, error);
	for (bool answered = false; status == STATUS_OK && !answered;) {
		status = psql_session_run(kicker, kick, error);
		if (status == STATUS_OK) {
			status = psql_session_wait(session, KICK_MILLISECONDS, &answered, error);
		}
		if (status == STATUS_OK && !answered) {
			status = interrupt_check(error);
		}
	}
	return status;
}

/* If the answer gets lost nobody knows what happened, until the phase is read from the server. */
static enum status commit(struct psql_session *session, struct error *error)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	const time_t deadline = now.tv_sec + COMMIT_SECONDS;
	bool answered = false;
	interrupt_hold();
	enum status status = psql_session_send(session, "COMMIT;", error);
	while (status == STATUS_OK && !answered) {
		status = psql_session_wait(session, 1000, &answered, error);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (status == STATUS_OK && !answered && now.tv_sec > deadline) {
			status = error_set(error, STATUS_FAILED, "PostgreSQL does not answer to COMMIT within %d seconds",
							   COMMIT_SECONDS);
		}
	}
	interrupt_release();
	return status;
}

static enum status exchange(struct postgresql *server, const char *query, const char *rename, struct error *error)
{
	CLEANUP(buffer_free) struct buffer globals = BUFFER_INIT(PSQL_ROWS_LIMIT);
	CLEANUP(buffer_free) struct buffer sql = BUFFER_INIT(SQL_LIMIT);
	CLEANUP(cleanup_psql_session) struct psql_session *kicker = NULL;
	CLEANUP(cleanup_psql_session) struct psql_session *session = NULL;
	struct psql_fence fence = {.begin = "", .end = ""};
	enum status status = psql_query(server, RESTORE_STATE_DATABASE, query, &globals, error);
	if (status == STATUS_OK) {
		status = psql_fence_new(server, &fence, error);
	}
	if (status == STATUS_OK) {
		size_t at = 0;
		const char *lists = psql_next(&globals, &at);
		const char *changes = psql_next(&globals, &at);
		/* The changes may have set how strings are read. */
		status = buffer_printf(&sql, error, "%s%s%s%s%s%s\nSET LOCAL standard_conforming_strings = on;\n%s", begin,
							   fence.begin, lists, reset, changes, fence.end, rename);
	}
	if (status == STATUS_OK) {
		status = psql_session_open(server, RESTORE_STATE_DATABASE, &kicker, error);
	}
	if (status == STATUS_OK) {
		status = psql_session_run(kicker, kick_prepare, error);
	}
	if (status == STATUS_OK) {
		status = psql_session_open(server, RESTORE_STATE_DATABASE, &session, error);
	}
	if (status == STATUS_OK) {
		status = prepare(session, kicker, sql.data, error);
	}
	return status == STATUS_OK ? commit(session, error) : status;
}

/* Roles and tablespaces as they are now go into the server beside the ones that are to be, for the way back. */
static enum status keep_globals(struct postgresql *server, struct error *error)
{
	const char *const arguments[] = {"pg_dumpall", "-w", "--globals-only", server->encoding, NULL};
	CLEANUP(buffer_free) struct buffer text = BUFFER_INIT(RESTORE_GLOBALS_LIMIT);
	CLEANUP(buffer_free) struct buffer sql = BUFFER_INIT(SQL_LIMIT);
	CLEANUP(cleanup_sink) struct sink *sink = NULL;
	struct restore_globals globals = RESTORE_GLOBALS_INIT;
	enum status status = sink_to_buffer_new(&text, &sink, error);
	if (status == STATUS_OK) {
		status = psql_dump(server, server->database, arguments, sink, error);
	}
	/* Cut short by the engine, it would have the way back leave roles without what they were. */
	if (status == STATUS_OK) {
		status = moment_globals_open_end(&text, error);
	}
	if (status == STATUS_OK) {
		status = restore_globals_from_text(buffer_text(&text), text.length, true, &globals, error);
	}
	if (status == STATUS_OK) {
		status = buffer_append_text(&sql, "UPDATE public.run SET old_lists = ", error);
	}
	if (status == STATUS_OK) {
		status = sql_statement_quote_text(&sql, buffer_text(&globals.lists), error);
	}
	if (status == STATUS_OK) {
		status = buffer_append_text(&sql, ", old_changes = ", error);
	}
	if (status == STATUS_OK) {
		status = sql_statement_quote_text(&sql, buffer_text(&globals.changes), error);
	}
	if (status == STATUS_OK) {
		status = buffer_append_text(&sql, ";\n", error);
	}
	if (status == STATUS_OK) {
		status = psql_query(server, RESTORE_STATE_DATABASE, sql.data, NULL, error);
	}
	restore_globals_free(&globals);
	return status;
}

/*
 * Materialized views that were filled while their database had the shadow's name are filled once more. pg_dump has them
 * filled with this search_path too.
 */
static enum status refresh_named_views(struct postgresql *server, struct progress *progress, struct error *error)
{
	static const char query[] = "SELECT d.name, v.name FROM public.named_view v JOIN public.database d USING (number)"
								" ORDER BY v.number, v.id;";
	CLEANUP(buffer_free) struct buffer rows = BUFFER_INIT(PSQL_ROWS_LIMIT);
	CLEANUP(buffer_free) struct buffer sql = BUFFER_INIT(SQL_LIMIT);
	enum status status = psql_query(server, RESTORE_STATE_DATABASE, query, &rows, error);
	const char *database = NULL;
	for (size_t at = 0; status == STATUS_OK && (database = psql_next(&rows, &at)) != NULL;) {
		const char *view = psql_next(&rows, &at);
		struct error reason = {0};
		buffer_clear(&sql);
		status = buffer_printf(&sql, error, "SET search_path = '';\nREFRESH MATERIALIZED VIEW %s;", view);
		if (status != STATUS_OK || psql_query(server, database, sql.data, NULL, &reason) == STATUS_OK) {
			continue;
		}
		if (reason.on_the_way || reason.status == STATUS_INTERRUPTED || reason.status == STATUS_NO_MEMORY) {
			*error = reason;
			return reason.status;
		}
		progress_warn(
			progress,
			"the materialized view %s of the database %s asks for the database's name, holds another one, and "
			"cannot be refreshed: %s",
			view, database, reason.message);
	}
	return status;
}

enum status restore_swap(struct store *store, struct progress *progress, struct error *error)
{
	struct postgresql *server = (struct postgresql *)store;
	enum restore_phase phase = RESTORE_NONE;
	enum status status = restore_state_read(server, &phase, error);
	if (status == STATUS_OK && phase != RESTORE_STAGED) {
		return error_set(error, STATUS_FAILED, "nothing is ready to be put in place of PostgreSQL's data");
	}
	if (status == STATUS_OK) {
		status = keep_globals(server, error);
	}
	if (status == STATUS_OK) {
		status = exchange(server, "SELECT new_lists, new_changes FROM public.run;", rename_forward, error);
	}
	if (status == STATUS_OK) {
		status = test_switch_step("PostgreSQL has committed", error);
	}
	if (status == STATUS_OK) {
		status = refresh_named_views(server, progress, error);
	}
	return status == STATUS_OK ? STATUS_OK : error_prefix(error, "cannot put the restored databases in place");
}

enum status restore_swap_back(struct postgresql *server, struct error *error)
{
	enum status status = exchange(server, "SELECT old_lists, old_changes FROM public.run;", rename_back, error);
	return status == STATUS_OK ? STATUS_OK : error_prefix(error, "cannot put the old databases back");
}
