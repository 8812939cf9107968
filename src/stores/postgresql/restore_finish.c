/* store_ops.commit and rollback: what is left of a restore goes, one way or the other. */
#include "stores/postgresql/restore.h"

#include "base/interrupt.h"
#include "base/test_switch.h"

#include <stdio.h>
#include <string.h>

enum { SQL_LIMIT = 1 << 16, NAMES_LIMIT = 16 << 20 }; /* bytes of one statement, of an answer */

/* Drops each name in a table of wb_maint; what the server does not drop stays, with a warning. */
static enum status drop_each(struct postgresql *server, const char *table, const char *kind, struct progress *progress,
							 struct error *error)
{
	CLEANUP(buffer_free) struct buffer sql = BUFFER_INIT(SQL_LIMIT);
	CLEANUP(buffer_free) struct buffer rows = BUFFER_INIT(NAMES_LIMIT);
	enum status status = buffer_printf(
		&sql, error, "SELECT name, format('DROP %s IF EXISTS %%I;', name) FROM public.%s ORDER BY name;", kind, table);
	if (status == STATUS_OK) {
		status = psql_query(server, RESTORE_STATE_DATABASE, sql.data, &rows, error);
	}
	const char *name = NULL;
	for (size_t at = 0; status == STATUS_OK && (name = psql_next(&rows, &at)) != NULL;) {
		struct error reason = {0};
		enum status dropped = psql_query(server, RESTORE_STATE_DATABASE, psql_next(&rows, &at), NULL, &reason);
		/* No word of the server's: it is done later. */
		if (dropped != STATUS_OK && (reason.on_the_way || dropped == STATUS_NO_MEMORY)) {
			*error = reason;
			status = dropped;
		} else if (dropped != STATUS_OK) {
			progress_warn(progress, "the %s %s should be gone, but cannot be dropped: %s",
						  strcmp(kind, "ROLE") == 0 ? "role" : "tablespace", name, reason.message);
		}
	}
	return status;
}

/*
 * Rights on the two databases that every server has are not in the backup, but are carried over; those of later roles
 * would keep these from being dropped. Nothing else there is theirs.
 */
static enum status disown_later_roles(struct postgresql *server, struct error *error)
{
	static const char kept[] =
		"SELECT datname FROM pg_database WHERE datallowconn AND datname IN ('postgres', 'template1')"
		" AND EXISTS (SELECT FROM public.later_role);";
	static const char roles[] =
		"SELECT format('DROP OWNED BY %I;', name) FROM public.later_role JOIN pg_roles ON rolname = name;";
	CLEANUP(buffer_free) struct buffer databases = BUFFER_INIT(SQL_LIMIT);
	CLEANUP(buffer_free) struct buffer statements = BUFFER_INIT(NAMES_LIMIT);
	CLEANUP(buffer_free) struct buffer sql = BUFFER_INIT(NAMES_LIMIT);
	enum status status = psql_query(server, RESTORE_STATE_DATABASE, kept, &databases, error);
	if (status == STATUS_OK) {
		status = psql_query(server, RESTORE_STATE_DATABASE, roles, &statements, error);
	}
	const char *statement = NULL;
	for (size_t at = 0; status == STATUS_OK && (statement = psql_next(&statements, &at)) != NULL;) {
		status = buffer_printf(&sql, error, "%s\n", statement);
	}
	const char *database = NULL;
	for (size_t at = 0; status == STATUS_OK && (database = psql_next(&databases, &at)) != NULL;) {
		status = psql_query(server, database, buffer_text(&sql), NULL, error);
	}
	return status;
}

/* Forward: the old databases go, then what only they needed, and last the note that says so. */
static enum status finish(struct postgresql *server, struct progress *progress, struct error *error)
{
	enum status status =
		psql_query(server, RESTORE_STATE_DATABASE, "UPDATE public.run SET phase = 'finishing';", NULL, error);
	if (status == STATUS_OK) {
		status = test_switch_step("PostgreSQL drops the old databases", error);
	}
	if (status == STATUS_OK) {
		status = restore_state_drop_databases(server, RESTORE_STATE_OLD, error);
	}
	if (status == STATUS_OK) {
		status = disown_later_roles(server, error);
	}
	if (status == STATUS_OK) {
		status = drop_each(server, "later_role", "ROLE", progress, error);
	}
	if (status == STATUS_OK) {
		status = drop_each(server, "later_tablespace", "TABLESPACE", progress, error);
	}
	return status == STATUS_OK ? restore_state_drop(server, error) : status;
}

/* True if wb_maint says what was made. */
static enum status is_known(struct postgresql *server, bool *ret_known, struct error *error)
{
	CLEANUP(buffer_free) struct buffer rows = BUFFER_INIT(SQL_LIMIT);
	*ret_known = false;
	enum status status =
		psql_query(server, server->database, "SELECT 1 FROM pg_database WHERE datname = '" RESTORE_STATE_DATABASE "';",
				   &rows, error);
	if (status != STATUS_OK || rows.length == 0) {
		return status;
	}
	buffer_clear(&rows);
	status = psql_query(server, RESTORE_STATE_DATABASE, "SELECT 1 WHERE to_regclass('public.run') IS NOT NULL;", &rows,
						error);
	*ret_known = status == STATUS_OK && rows.length > 0;
	return status;
}

/* A load takes back itself what it has given, unless something in the dump has ended its transaction. */
static enum status demote(struct postgresql *server, struct error *error)
{
	static const char sql[] = "SELECT format('ALTER ROLE %I NOSUPERUSER', name) FROM public.loading_superuser"
							  " JOIN pg_roles ON rolname = name WHERE rolsuper\n\\gexec\n";
	return psql_query(server, RESTORE_STATE_DATABASE, sql, NULL, error);
}

/* Back: the live databases are the old ones again, or still; the shadows and what was made for them go. */
static enum status undo(struct postgresql *server, struct progress *progress, struct error *error)
{
	bool known = false;
	enum status status = is_known(server, &known, error);
	if (status == STATUS_OK && known) {
		status = demote(server, error);
	}
	if (status == STATUS_OK) {
		status = restore_state_drop_databases(server, RESTORE_STATE_NEW, error);
	}
	if (status == STATUS_OK && known) {
		status = drop_each(server, "created_tablespace", "TABLESPACE", progress, error);
	}
	if (status == STATUS_OK && known) {
		status = drop_each(server, "created_role", "ROLE", progress, error);
	}
	return status == STATUS_OK ? restore_state_drop(server, error) : status;
}

enum status restore_finish_leftovers(struct postgresql *server, struct progress *progress, struct error *error)
{
	enum restore_phase phase = RESTORE_NONE;
	enum status status = restore_state_read(server, &phase, error);
	if (status == STATUS_OK && phase == RESTORE_FINISHING) {
		return finish(server, progress, error);
	}
	if (status == STATUS_OK && phase == RESTORE_SWAPPED) {
		status = restore_swap_back(server, error);
		if (status == STATUS_OK) {
			status = psql_find_database(server, error);
		}
	}
	return status == STATUS_OK && phase != RESTORE_NONE ? undo(server, progress, error) : status;
}

static enum status commit(struct postgresql *server, struct progress *progress, struct error *error)
{
	enum restore_phase phase = RESTORE_NONE;
	enum status status = restore_state_read(server, &phase, error);
	if (status == STATUS_OK && phase == RESTORE_STAGED) {
		return error_set(error, STATUS_FAILED,
						 "PostgreSQL's old data cannot be dropped: the restored data are not in place");
	}
	return status == STATUS_OK && phase != RESTORE_NONE ? finish(server, progress, error) : status;
}

static enum status rollback(struct postgresql *server, struct progress *progress, struct error *error)
{
	enum restore_phase phase = RESTORE_NONE;
	enum status status = restore_state_read(server, &phase, error);
	if (status == STATUS_OK && phase == RESTORE_FINISHING) {
		(void)error_set(error, STATUS_FAILED, "PostgreSQL's old data are being dropped already; there is no way back");
		return error_hint(error, "the next restore finishes that first");
	}
	return status == STATUS_OK ? restore_finish_leftovers(server, progress, error) : status;
}

/* Both are whole or not at all: Ctrl-C waits until they are done. */
enum status restore_commit(struct store *store, struct progress *progress, struct error *error)
{
	interrupt_hold();
	enum status status = commit((struct postgresql *)store, progress, error);
	interrupt_release();
	return status;
}

enum status restore_rollback(struct store *store, struct progress *progress, struct error *error)
{
	interrupt_hold();
	enum status status = rollback((struct postgresql *)store, progress, error);
	interrupt_release();
	return status;
}
