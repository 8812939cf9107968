#include "stores/postgresql/restore_state.h"

#include <stdio.h>
#include <string.h>

enum { NAMES_LIMIT = 1 << 20, STATEMENT_LIMIT = 4096 }; /* bytes */

/*
 * A DROP DATABASE that is interrupted leaves the database marked by this connection limit: nothing but to drop it again
 * is allowed (PostgreSQL 17, src/include/catalog/pg_database.h, DATCONNLIMIT_INVALID_DB; 16, 15.4, 14.9, 13.12 too).
 */
#define HALF_DROPPED "datconnlimit = -2"

bool restore_state_is_ours(const char *name)
{
	if (strcmp(name, RESTORE_STATE_DATABASE) == 0) {
		return true;
	}
	size_t prefix = strlen(RESTORE_STATE_NEW);
	if (strncmp(name, RESTORE_STATE_NEW, prefix) != 0 && strncmp(name, RESTORE_STATE_OLD, prefix) != 0) {
		return false;
	}
	size_t digits = strspn(name + prefix, "0123456789");
	return digits > 0 && name[prefix + digits] == '\0';
}

/* Ends them and waits until they are gone: one that was about to commit has then done so, or never will. */
static const char end_sessions[] = "DO $$ BEGIN\n"
								   "	FOR try IN 1..500 LOOP\n"
								   "		PERFORM pg_stat_clear_snapshot();\n"
								   "		PERFORM pg_terminate_backend(pid) FROM pg_stat_activity\n"
								   "			WHERE application_name = '" POSTGRESQL_APPLICATION
								   "' AND usename = current_user AND pid <> pg_backend_pid();\n"
								   "		EXIT WHEN NOT FOUND;\n"
								   "		IF try = 500 THEN RAISE 'sessions of an earlier run do not end'; END IF;\n"
								   "		PERFORM pg_sleep(0.02);\n"
								   "	END LOOP;\n"
								   "END $$;\n";

/* In wb_maint: its tables may not be there yet, if the run that made it was killed in that moment. */
static const char read_phase[] = "SELECT to_regclass('public.run') IS NOT NULL AS known\n\\gset\n"
								 "\\if :known\nSELECT phase FROM public.run;\n\\endif\n";

enum status restore_state_read(struct postgresql *server, enum restore_phase *ret_phase, struct error *error)
{
	CLEANUP(buffer_free) struct buffer sql = BUFFER_INIT(STATEMENT_LIMIT);
	CLEANUP(buffer_free) struct buffer rows = BUFFER_INIT(NAMES_LIMIT);
	enum status status = psql_find_database(server, error);
	if (status == STATUS_OK) {
		status = buffer_printf(&sql, error,
							   "%sSELECT count(*) FILTER (WHERE datname = '" RESTORE_STATE_DATABASE "'),"
							   " count(*) FILTER (WHERE datname ~ '^" RESTORE_STATE_NEW "[0-9]+$'),"
							   " count(*) FILTER (WHERE datname ~ '^" RESTORE_STATE_OLD "[0-9]+$'),"
							   " count(*) FILTER (WHERE datname = '" RESTORE_STATE_DATABASE "' AND " HALF_DROPPED ")"
							   " FROM pg_database;",
							   end_sessions);
	}
	if (status == STATUS_OK) {
		status = psql_query(server, server->database, sql.data, &rows, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	size_t at = 0;
	bool maint = strcmp(psql_next(&rows, &at), "0") != 0;
	bool new = strcmp(psql_next(&rows, &at), "0") != 0;
	bool old = strcmp(psql_next(&rows, &at), "0") != 0;
	if (strcmp(psql_next(&rows, &at), "0") != 0) { /* it goes last, so all else was done */
		status = restore_state_drop(server, error);
		maint = false;
	}
	if (status != STATUS_OK) {
		return status;
	}
	*ret_phase = new ? RESTORE_STAGED : RESTORE_NONE;
	if (!maint && old) {
		(void)error_set(error, STATUS_FAILED,
						"the server holds databases " RESTORE_STATE_OLD "N that an earlier restore set aside, "
						"but not the " RESTORE_STATE_DATABASE " that says what they are");
		return error_hint(error, "look into them with psql; drop them, or rename them to what they were");
	}
	if (!maint) {
		return STATUS_OK;
	}
	buffer_clear(&rows);
	status = psql_query(server, RESTORE_STATE_DATABASE, read_phase, &rows, error);
	const char *phase = buffer_text(&rows);
	*ret_phase = strcmp(phase, "swapped") == 0     ? RESTORE_SWAPPED
				 : strcmp(phase, "finishing") == 0 ? RESTORE_FINISHING
												   : RESTORE_STAGED;
	return status;
}

enum status restore_state_create(struct postgresql *server, struct error *error)
{
	/* SQL_ASCII takes every byte in a name; only the libc locale C goes with it. */
	CLEANUP(buffer_free) struct buffer sql = BUFFER_INIT(STATEMENT_LIMIT);
	enum status status = buffer_printf(
		&sql, error,
		"CREATE DATABASE " RESTORE_STATE_DATABASE " TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' "
		"LC_CTYPE 'C'%s;\nREVOKE ALL ON DATABASE " RESTORE_STATE_DATABASE " FROM PUBLIC;\n",
		server->version_number >= 150000 ? " LOCALE_PROVIDER libc" : "");
	if (status == STATUS_OK) {
		status = psql_query(server, server->database, sql.data, NULL, error);
	}
	static const char tables[] =
		"BEGIN;\n"
		"COMMENT ON DATABASE " RESTORE_STATE_DATABASE " IS 'made by whisperbackup while it restores';\n"
		/* What is to become of roles and tablespaces, and what they were before: struct restore_globals. */
		"CREATE TABLE public.run (phase text NOT NULL, new_lists text, new_changes text, old_lists text, old_changes "
		"text);\n"
		"CREATE TABLE public.database (number integer PRIMARY KEY, name text NOT NULL UNIQUE, has_new boolean NOT NULL,"
		" has_old boolean NOT NULL DEFAULT false, old_allows_connections boolean, old_is_template boolean);\n"
		"CREATE TABLE public.created_role (name text);\n" /* by us, for the shadows */
		"CREATE TABLE public.created_tablespace (name text);\n"
		"CREATE TABLE public.loading_superuser (name text);\n" /* superusers of the dump that are none now */
		"CREATE TABLE public.later_role (name text);\n"        /* not in the dump: to be dropped */
		"CREATE TABLE public.later_tablespace (name text);\n"
		/* That ask for the database's name: to be filled once more when it is the right one, in this order. */
		"CREATE TABLE public.named_view (id serial, number integer NOT NULL, name text NOT NULL);\n"
		"INSERT INTO public.run VALUES ('staged');\n"
		"COMMIT;\n";
	return status == STATUS_OK ? psql_query(server, RESTORE_STATE_DATABASE, tables, NULL, error) : status;
}

enum status restore_state_drop(struct postgresql *server, struct error *error)
{
	return psql_query(server, server->database, "DROP DATABASE IF EXISTS " RESTORE_STATE_DATABASE " WITH (FORCE);",
					  NULL, error);
}

/*
 * A subscription would keep its database from being dropped, and dropping it in the ordinary way would drop the
 * replication slot at the publisher, which belongs to the database that is live then.
 */
static enum status drop_subscriptions(struct postgresql *server, const char *name, struct error *error)
{
	static const char drop[] =
		"SELECT format('ALTER SUBSCRIPTION %I DISABLE', subname) FROM pg_subscription s JOIN pg_database d ON d.oid = "
		"s.subdbid"
		" WHERE d.datname = current_database()\n\\gexec\n"
		"SELECT format('ALTER SUBSCRIPTION %I SET (slot_name = NONE)', subname) FROM pg_subscription s JOIN "
		"pg_database d"
		" ON d.oid = s.subdbid WHERE d.datname = current_database()\n\\gexec\n"
		"SELECT format('DROP SUBSCRIPTION %I', subname) FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid"
		" WHERE d.datname = current_database()\n\\gexec\n";
	char allow[STATEMENT_LIMIT];
	snprintf(allow, sizeof allow, "ALTER DATABASE %s WITH ALLOW_CONNECTIONS true;", name);
	enum status status = psql_query(server, server->database, allow, NULL, error);
	return status == STATUS_OK ? psql_query(server, name, drop, NULL, error) : status;
}

enum status restore_state_drop_databases(struct postgresql *server, const char *prefix, struct error *error)
{
	char sql[STATEMENT_LIMIT];
	snprintf(sql, sizeof sql,
			 "SELECT datname, NOT half AND EXISTS (SELECT FROM pg_subscription s WHERE s.subdbid = d.oid),"
			 " CASE WHEN half THEN '' ELSE format('ALTER DATABASE %%I WITH ALLOW_CONNECTIONS false IS_TEMPLATE false;',"
			 " datname) END FROM (SELECT oid, datname, " HALF_DROPPED " AS half FROM pg_database) d"
			 " WHERE datname ~ '^%s[0-9]+$' ORDER BY datname;",
			 prefix);
	CLEANUP(buffer_free) struct buffer rows = BUFFER_INIT(NAMES_LIMIT);
	CLEANUP(buffer_free) struct buffer drop = BUFFER_INIT(4 * NAMES_LIMIT);
	enum status status = psql_query(server, server->database, sql, &rows, error);
	const char *name = NULL;
	for (size_t at = 0; status == STATUS_OK && (name = psql_next(&rows, &at)) != NULL;) {
		const char *subscriptions = psql_next(&rows, &at);
		const char *close = psql_next(&rows, &at);
		if (strcmp(subscriptions, "t") == 0) {
			status = drop_subscriptions(server, name, error);
		}
		if (status == STATUS_OK) {
			status = buffer_printf(&drop, error, "%s\nDROP DATABASE %s WITH (FORCE);\n", close, name);
		}
	}
	return status == STATUS_OK && drop.length > 0 ? psql_query(server, server->database, drop.data, NULL, error)
												  : status;
}
