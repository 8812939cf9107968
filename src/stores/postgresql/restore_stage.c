/* store_ops.stage: the whole dump beside the live data. */
#include "stores/postgresql/restore.h"

#include "base/crew.h"
#include "pipeline/file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	SQL_LIMIT = 4 * RESTORE_GLOBALS_LIMIT, /* bytes of the SQL that is made of roles and tablespaces */
	LOADS_AT_ONCE = 2,
	FIRST_SERVER_WITH_GRANTORS = 16, /* that checks whether the grantor of a membership may give it */
};

struct loading {
	const struct postgresql *server;
	const char *path;
	const struct dump_layout *layout;
};

/* Keeps what the swap will need in the server, and makes the roles that the shadows' owners and rights need. */
static enum status make_roles(struct postgresql *server, const struct restore_globals *globals,
							  struct buffer *ret_tablespaces, struct error *error)
{
	static const char create[] =
		"DO $$ DECLARE missing text; BEGIN\n"
		"	FOR missing IN SELECT name FROM wanted_role WHERE name NOT IN (SELECT rolname::text FROM pg_roles) LOOP\n"
		"		EXECUTE format('CREATE ROLE %I NOLOGIN', missing);\n"
		"		INSERT INTO public.created_role VALUES (missing);\n"
		"	END LOOP;\n"
		"END $$;\n"
		"INSERT INTO public.loading_superuser SELECT name FROM wanted_role JOIN pg_roles ON rolname = name WHERE "
		"superuser AND NOT rolsuper;\n"
		"COMMIT;\n"
		"SELECT name, statement FROM wanted_tablespace WHERE name NOT IN (SELECT spcname::text FROM pg_tablespace) "
		"ORDER BY name;\n";
	CLEANUP(buffer_free) struct buffer sql = BUFFER_INIT(SQL_LIMIT);
	struct psql_fence fence;
	enum status status = psql_fence_new(server, &fence, error);
	if (status == STATUS_OK) {
		status = buffer_printf(&sql, error, "BEGIN;%s\n%sUPDATE public.run SET new_lists = ", fence.begin,
							   globals->lists.data);
	}
	if (status == STATUS_OK) {
		status = sql_statement_quote_text(&sql, globals->lists.data, error);
	}
	if (status == STATUS_OK) {
		status = buffer_append_text(&sql, ", new_changes = ", error);
	}
	if (status == STATUS_OK) {
		status = sql_statement_quote_text(&sql, buffer_text(&globals->changes), error);
	}
	if (status == STATUS_OK) {
		status = buffer_printf(&sql, error, ";\n%s%s", fence.end, create);
	}
	return status == STATUS_OK ? psql_query(server, RESTORE_STATE_DATABASE, sql.data, ret_tablespaces, error) : status;
}

/* A folder that is not there, not empty or not the server's is missing in the container, and not in the backup; a
 * drill's container cannot have it (PostgreSQL 17, src/backend/commands/tablespace.c). */
static bool is_about_a_folder(const struct error *error)
{
	return strstr(error->message, "directory \"") != NULL;
}

/* A tablespace cannot be made in a transaction, so it is noted first: an undo will find it. */
static enum status make_tablespaces(struct postgresql *server, const struct buffer *tablespaces, struct error *error)
{
	CLEANUP(buffer_free) struct buffer sql = BUFFER_INIT(SQL_LIMIT);
	struct psql_fence fence;
	enum status status = psql_fence_new(server, &fence, error);
	const char *name = NULL;
	for (size_t at = 0; status == STATUS_OK && (name = psql_next(tablespaces, &at)) != NULL;) {
		buffer_clear(&sql);
		status = buffer_append_text(&sql, "INSERT INTO public.created_tablespace VALUES (", error);
		if (status == STATUS_OK) {
			status = sql_statement_quote_text(&sql, name, error);
		}
		if (status == STATUS_OK) {
			status = buffer_printf(&sql, error, ");\n%s%s%s\n", fence.begin, psql_next(tablespaces, &at), fence.end);
		}
		if (status == STATUS_OK && psql_query(server, RESTORE_STATE_DATABASE, sql.data, NULL, error) != STATUS_OK) {
			if (is_about_a_folder(error)) {
				(void)error_blameless(error);
			}
			(void)error_prefix(error, "cannot make the tablespace %s", name);
			status =
				error_hint(error, "its folder has to be there in the container, empty and owned by the server's user");
		}
	}
	return status;
}

/* One database, through a connection of its own to the runtime, since others are loaded beside it. */
static enum status load_one(void *context, size_t index, struct progress *progress, struct error *error)
{
	const struct loading *loading = context;
	const struct dump_database *database = &loading->layout->databases[index];
	CLEANUP(cleanup_runtime) struct runtime *runtime = NULL;
	struct postgresql server = *loading->server;
	if (restore_state_is_ours(database->name)) {
		progress_warn(progress, "the database %s of an interrupted restore is in the backup; it is left out",
					  database->name);
		return STATUS_OK;
	}
	enum status status = runtime_reopen(loading->server->store.runtime, &runtime, error);
	server.store.runtime = runtime;
	return status == STATUS_OK ? restore_load(&server, loading->path, database, (unsigned)index + 1, progress, error)
							   : status;
}

static enum status hand_on(void *context, size_t index, const struct crew_end *end, struct error *error)
{
	(void)context;
	(void)index;
	*error = end->error;
	return end->status;
}

/* Two transactions that change one role get into each other's way: with loading superusers, one database at a time. */
static enum status stage_databases(struct postgresql *server, const char *path, const struct dump_layout *layout,
								   size_t at_once, struct progress *progress, struct error *error)
{
	static const char query[] = "SELECT name FROM public.loading_superuser LIMIT 1;";
	struct loading loading = {.server = server, .path = path, .layout = layout};
	CLEANUP(buffer_free) struct buffer rows = BUFFER_INIT(SQL_LIMIT);
	enum status status = psql_query(server, RESTORE_STATE_DATABASE, query, &rows, error);
	const struct crew_plan plan = {
		.count = layout->count,
		.at_once = rows.length > 0 ? 1 : at_once,
		.context = &loading,
		.work = load_one,
		.ended = hand_on,
	};
	return status == STATUS_OK ? crew_run(&plan, progress, error) : status;
}

/*
 * Since PostgreSQL 16 a membership's grantor has to be the superuser that initdb made, or a role that may give it.
 * Neither is sure for a dump of an older server, or of one whose superuser had another name than ours: there it is left
 * out.
 */
static enum status read_globals(struct postgresql *server, const char *path, const struct dump_layout *layout,
								struct restore_globals *globals, struct error *error)
{
	bool checked = server->version_number / 10000 >= FIRST_SERVER_WITH_GRANTORS;
	bool grantors = !checked || atoi(layout->version) >= FIRST_SERVER_WITH_GRANTORS;
	bool ours = false;
	enum status status = restore_globals_from_file(path, layout->globals_end, grantors, globals, error);
	if (status == STATUS_OK) {
		status = restore_globals_has_role(globals, server->user, &ours, error);
	}
	if (status != STATUS_OK || ours || !checked || !grantors) {
		return status;
	}
	buffer_clear(&globals->lists);
	buffer_clear(&globals->changes);
	return restore_globals_from_file(path, layout->globals_end, false, globals, error);
}

static enum status stage(struct postgresql *server, const char *path, size_t at_once, struct progress *progress,
						 struct error *error)
{
	CLEANUP(dump_layout_free) struct dump_layout layout = {0};
	CLEANUP(restore_globals_free) struct restore_globals globals = RESTORE_GLOBALS_INIT;
	struct stat attributes;
	if (stat(path, &attributes) != 0) {
		return error_set_unread(error, "cannot look at %s", path);
	}
	struct source *file = NULL;
	enum status status = file_source_new(path, &file, error);
	if (status == STATUS_OK) {
		status = dump_layout_read(file, NULL, &layout, error);
	}
	if (status == STATUS_OK) {
		status = read_globals(server, path, &layout, &globals, error);
	}
	if (status == STATUS_OK) {
		status = restore_preflight(server, &layout, &globals, (uint64_t)attributes.st_size, progress, error);
	}
	if (status == STATUS_OK) {
		status = restore_state_create(server, error);
	}
	CLEANUP(buffer_free) struct buffer tablespaces = BUFFER_INIT(PSQL_ROWS_LIMIT);
	if (status == STATUS_OK) {
		status = make_roles(server, &globals, &tablespaces, error);
	}
	if (status == STATUS_OK) {
		status = make_tablespaces(server, &tablespaces, error);
	}
	progress_step(progress, "loading", (uint64_t)attributes.st_size);
	return status == STATUS_OK ? stage_databases(server, path, &layout, at_once, progress, error) : status;
}

enum status restore_stage(struct store *store, const char *path, const struct artefact *artefact,
						  struct progress *progress, struct error *error)
{
	(void)artefact; /* the version is read again with the layout */
	struct postgresql *server = (struct postgresql *)store;
	enum status status = restore_finish_leftovers(server, progress, error);
	if (status == STATUS_OK) {
		status = stage(server, path, LOADS_AT_ONCE, progress, error);
	}
	/* Each load keeps a lock of all that it makes, and the server has room for so many in all. */
	if (status != STATUS_OK && psql_is_short_of_locks(error)) {
		status = restore_finish_leftovers(server, progress, error);
		if (status == STATUS_OK) {
			status = stage(server, path, 1, progress, error);
		}
	}
	return status;
}
