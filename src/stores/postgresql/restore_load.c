/* Shadow databases: made, filled, and left ready to be renamed. */
#include "stores/postgresql/restore.h"

#include "stores/postgresql/dump_rename.h"

#include <stdio.h>
#include <string.h>

enum {
	NAME_SIZE = 32,             /* bytes of wb_new_N */
	PROPERTIES_LIMIT = 4 << 20, /* bytes of the SQL that makes a database and sets its properties */
	ROLES_LIMIT = 1 << 20,      /* bytes of the SQL that is put around a load */
	VIEWS_LIMIT = 4 << 20,      /* bytes of the names of materialized views, and of the SQL that notes them */
	NOTE_LIMIT = 1024,          /* bytes of the SQL that notes a shadow */
	ANSWER_LIMIT = 1024,
};

#define ASKS_FOR_NAME "\\m(current_database|current_catalog)\\M"

/* CREATE DATABASE, which cannot be in a transaction, and what is set for the database as a whole. */
static enum status make_from_dump(struct postgresql *server, const char *path, const struct dump_database *database,
								  const char *shadow, const char *note, struct error *error)
{
	CLEANUP(buffer_free) struct buffer before = BUFFER_INIT(NOTE_LIMIT);
	CLEANUP(cleanup_source) struct source *sql = NULL;
	struct psql_fence fence;
	enum status status = psql_fence_new(server, &fence, error);
	if (status == STATUS_OK) {
		status = buffer_printf(&before, error, "%s%s", note, fence.begin);
	}
	if (status == STATUS_OK) {
		status = dump_rename_source_new(path, dump_layout_making(database), database->name, shadow, before.data,
										fence.end, NULL, &sql, error);
	}
	return status == STATUS_OK ? psql_load(server, RESTORE_STATE_DATABASE, false, sql, error) : status;
}

/* A database's own encoding, as the option with which a backup dumps it (moment_save.c, ask_encoding). */
static enum status ask_encoding(struct postgresql *server, const char *database,
								char ret_option[POSTGRESQL_ENCODING_SIZE], struct error *error)
{
	CLEANUP(buffer_free) struct buffer rows = BUFFER_INIT(ANSWER_LIMIT);
	size_t at = 0;
	enum status status = psql_query(server, database, "SHOW server_encoding;", &rows, error);
	const char *encoding = status == STATUS_OK ? psql_next(&rows, &at) : NULL;
	if (status == STATUS_OK && encoding == NULL) {
		return error_set(error, STATUS_FAILED, "database %s does not tell its encoding", database);
	}
	snprintf(ret_option, POSTGRESQL_ENCODING_SIZE, "--encoding=%s", encoding != NULL ? encoding : "");
	return status;
}

/*
 * template1 and postgres stand in a dump without CREATE DATABASE, settings, rights and comment: these are the live
 * database's, which pg_dump --create knows how to say.
 */
static enum status make_like_live(struct postgresql *server, const char *name, const char *shadow, const char *note,
								  struct error *error)
{
	char encoding[POSTGRESQL_ENCODING_SIZE] = "";
	const char *const arguments[] = {"pg_dump", "-w", encoding, "--create", "--schema-only", "--exclude-schema=*",
									 NULL};
	CLEANUP(buffer_free) struct buffer text = BUFFER_INIT(PROPERTIES_LIMIT);
	CLEANUP(buffer_free) struct buffer sql = BUFFER_INIT(PROPERTIES_LIMIT);
	CLEANUP(cleanup_sink) struct sink *sink = NULL;
	enum status status = sink_to_buffer_new(&text, &sink, error);
	if (status == STATUS_OK) {
		status = ask_encoding(server, name, encoding, error);
	}
	if (status == STATUS_OK) {
		status = psql_dump(server, name, arguments, sink, error);
	}
	/* Cut short by the engine (moment_save.c), it would make a database without some of its settings and rights. */
	if (status == STATUS_OK && strstr(buffer_text(&text), "\n-- PostgreSQL database dump complete\n") == NULL) {
		status = error_set(error, STATUS_UNAVAILABLE, "the end of pg_dump's text did not come through the engine");
		error->on_the_way = true;
	}
	struct psql_fence fence = {.begin = "", .end = ""};
	if (status == STATUS_OK) {
		status = psql_fence_new(server, &fence, error);
	}
	if (status == STATUS_OK) {
		status = buffer_printf(&sql, error, "%s%s", note, fence.begin);
	}
	if (status == STATUS_OK) {
		status = dump_rename_properties(buffer_text(&text), text.length, name, shadow, &sql, error);
	}
	if (status == STATUS_OK) {
		status = buffer_append_text(&sql, fence.end, error);
	}
	return status == STATUS_OK ? psql_query(server, RESTORE_STATE_DATABASE, buffer_text(&sql), NULL, error) : status;
}

static enum status live_exists(struct postgresql *server, const char *name, bool *ret_exists, struct error *error)
{
	CLEANUP(buffer_free) struct buffer sql = BUFFER_INIT(NOTE_LIMIT);
	CLEANUP(buffer_free) struct buffer rows = BUFFER_INIT(ANSWER_LIMIT);
	enum status status =
		buffer_append_text(&sql, "SELECT count(*) FROM pg_database WHERE datallowconn AND datname = ", error);
	if (status == STATUS_OK) {
		status = sql_statement_quote_text(&sql, name, error);
	}
	if (status == STATUS_OK) {
		status = psql_query(server, RESTORE_STATE_DATABASE, sql.data, &rows, error);
	}
	*ret_exists = strcmp(buffer_text(&rows), "1") == 0;
	return status;
}

/* The shadow is noted first: what is there without a note would look like a stranger's. */
static enum status make(struct postgresql *server, const char *path, const struct dump_database *database,
						unsigned number, const char *shadow, struct error *error)
{
	CLEANUP(buffer_free) struct buffer note = BUFFER_INIT(NOTE_LIMIT);
	enum status status =
		buffer_printf(&note, error, "INSERT INTO public.database (number, name, has_new) VALUES (%u, ", number);
	if (status == STATUS_OK) {
		status = sql_statement_quote_text(&note, database->name, error);
	}
	if (status == STATUS_OK) {
		status = buffer_append_text(&note, ", true);\n", error);
	}
	bool exists = false;
	if (status == STATUS_OK && !database->created) {
		status = live_exists(server, database->name, &exists, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	if (database->created) {
		return make_from_dump(server, path, database, shadow, note.data, error);
	}
	if (exists) {
		return make_like_live(server, database->name, shadow, note.data, error);
	}
	status = buffer_printf(&note, error, "CREATE DATABASE %s TEMPLATE template0;", shadow);
	return status == STATUS_OK ? psql_query(server, RESTORE_STATE_DATABASE, note.data, NULL, error) : status;
}

/*
 * Event triggers, subscriptions and foreign data wrappers can only be given to superusers. Roles that are superusers in
 * the dump but not now are so inside the load's own transaction, which nobody else ever sees; dump_rename.h sees to it
 * that nothing of pg_dump's ends it before.
 */
static enum status superusers(struct postgresql *server, struct buffer *before, struct buffer *after,
							  struct error *error)
{
	static const char query[] =
		"SELECT format(E'ALTER ROLE %I SUPERUSER;\n', name), format(E'\nALTER ROLE %I NOSUPERUSER;', name)"
		" FROM public.loading_superuser;";
	CLEANUP(buffer_free) struct buffer rows = BUFFER_INIT(2 * ROLES_LIMIT);
	enum status status = psql_query(server, RESTORE_STATE_DATABASE, query, &rows, error);
	const char *statement = NULL;
	for (size_t at = 0; status == STATUS_OK && (statement = psql_next(&rows, &at)) != NULL;) {
		status = buffer_append_text(before, statement, error);
		if (status == STATUS_OK) {
			status = buffer_append_text(after, psql_next(&rows, &at), error);
		}
	}
	return status;
}

static enum status fill(struct postgresql *server, const char *path, const struct dump_database *database,
						const char *shadow, struct progress *progress, struct error *error)
{
	CLEANUP(buffer_free) struct buffer before = BUFFER_INIT(ROLES_LIMIT);
	CLEANUP(buffer_free) struct buffer after = BUFFER_INIT(ROLES_LIMIT);
	CLEANUP(cleanup_source) struct source *sql = NULL;
	struct psql_fence fence;
	enum status status = psql_fence_new(server, &fence, error);
	if (status == STATUS_OK) {
		status = buffer_append_text(&after, fence.end, error);
	}
	if (status == STATUS_OK) {
		status = superusers(server, &before, &after, error);
	}
	if (status == STATUS_OK) {
		status = buffer_append_text(&before, fence.begin, error);
	}
	if (status == STATUS_OK) {
		status = dump_rename_source_new(path, dump_layout_content(database), database->name, shadow,
										buffer_text(&before), buffer_text(&after), progress, &sql, error);
	}
	if (status == STATUS_OK) {
		status = psql_load(server, shadow, true, sql, error);
	}
	if (status != STATUS_OK && strstr(error->message, "check constraint") != NULL) {
		return error_hint(
			error,
			"if the constraint asks for current_database(), it cannot hold while the data is loaded beside the live "
			"database; drop the constraint there, take a new backup, and add it again");
	}
	return status;
}

/*
 * The materialized views that were filled with the shadow's name: those that ask for it, whether themselves or in a
 * view or function that they are made of, those of the information schema among them; first what the others are made
 * of. A function that calls another one is not seen through. Server's own views are not pinned, so that they are found
 * in pg_depend (PostgreSQL 17, src/bin/initdb/initdb.c, setup_depend and catalog.c, IsPinnedObject).
 */
static const char named_views[] =
	"WITH RECURSIVE named (oid, depth) AS (\n"
	"	SELECT c.oid, 0 FROM pg_class c WHERE c.relkind IN ('v', 'm')\n"
	"	AND EXISTS (SELECT FROM pg_class WHERE relkind = 'm' AND relispopulated)\n"
	"	AND (pg_get_viewdef(c.oid) ~* '" ASKS_FOR_NAME "' OR EXISTS (SELECT FROM pg_rewrite r\n"
	"		JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = "
	"'pg_proc'::regclass\n"
	"		JOIN pg_proc p ON p.oid = d.refobjid WHERE r.ev_class = c.oid AND p.prosrc ~* '" ASKS_FOR_NAME "'))\n"
	"	UNION\n"
	"	SELECT r.ev_class, n.depth + 1 FROM named n\n"
	"	JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid "
	"= n.oid\n"
	"	JOIN pg_rewrite r ON r.oid = d.objid WHERE r.ev_class <> n.oid AND n.depth < 100)\n"
	"SELECT format('%I.%I', n.nspname, c.relname) FROM (SELECT oid, max(depth) AS depth FROM named GROUP BY oid) v\n"
	"JOIN pg_class c ON c.oid = v.oid JOIN pg_namespace n ON n.oid = c.relnamespace\n"
	"WHERE c.relkind = 'm' AND c.relispopulated ORDER BY v.depth, c.oid;\n";

/* The data is whole without it. Where one load at a time would go well, or the server is gone, it is not for now. */
static enum status look_for_named_views(struct postgresql *server, const struct dump_database *database,
										const char *shadow, struct buffer *rows, struct progress *progress,
										struct error *error)
{
	enum status status = psql_query(server, shadow, named_views, rows, error);
	if (status != STATUS_FAILED || psql_is_short_of_locks(error)) {
		return status;
	}
	progress_warn(progress,
				  "which materialized views of the database %s ask for the database's name, and so hold another one "
				  "until they are refreshed, cannot be told: %s",
				  database->name, error->message);
	buffer_clear(rows);
	return STATUS_OK;
}

static enum status note_named_views(struct postgresql *server, const struct dump_database *database, unsigned number,
									const char *shadow, struct progress *progress, struct error *error)
{
	CLEANUP(buffer_free) struct buffer rows = BUFFER_INIT(VIEWS_LIMIT);
	CLEANUP(buffer_free) struct buffer sql = BUFFER_INIT(VIEWS_LIMIT);
	enum status status = look_for_named_views(server, database, shadow, &rows, progress, error);
	const char *name = NULL;
	for (size_t at = 0; status == STATUS_OK && (name = psql_next(&rows, &at)) != NULL;) {
		status = buffer_printf(&sql, error, "INSERT INTO public.named_view (number, name) VALUES (%u, ", number);
		if (status == STATUS_OK) {
			status = sql_statement_quote_text(&sql, name, error);
		}
		if (status == STATUS_OK) {
			status = buffer_append_text(&sql, ");\n", error);
		}
	}
	return status == STATUS_OK && sql.length > 0 ? psql_query(server, RESTORE_STATE_DATABASE, sql.data, NULL, error)
												 : status;
}

enum status restore_load(struct postgresql *server, const char *path, const struct dump_database *database,
						 unsigned number, struct progress *progress, struct error *error)
{
	char shadow[NAME_SIZE];
	snprintf(shadow, sizeof shadow, RESTORE_STATE_NEW "%u", number);
	enum status status = make(server, path, database, number, shadow, error);
	if (status == STATUS_OK) {
		status = fill(server, path, database, shadow, progress, error);
	}
	if (status == STATUS_OK) {
		status = note_named_views(server, database, number, shadow, progress, error);
	}
	if (status != STATUS_OK) {
		return error_prefix(error, "cannot load the database %s", database->name);
	}
	struct error analyze = {0};
	if (psql_query(server, shadow, "ANALYZE;", NULL, &analyze) != STATUS_OK) {
		if (analyze.status == STATUS_INTERRUPTED) {
			*error = analyze;
			return STATUS_INTERRUPTED;
		}
		progress_warn(progress, "the restored database %s has no statistics for the planner: %s", database->name,
					  analyze.message);
	}
	return STATUS_OK;
}
