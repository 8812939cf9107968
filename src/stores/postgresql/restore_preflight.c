/* What can be known to go wrong, before anything is touched. */
#include "stores/postgresql/restore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ANSWER_LIMIT = 1 << 16,    /* bytes */
	SPACE_FACTOR = 2,          /* rows, indexes and log of a dump take about twice the dump's size */
	SPACE_RESERVE = 256 << 20, /* bytes that have to be left for the services that go on */
};

static enum status check_version(const struct postgresql *server, const struct dump_layout *layout, struct error *error)
{
	int from = atoi(layout->version);
	int to = server->version_number / 10000;
	if (to < 13) {
		(void)error_set(error, STATUS_FAILED, "PostgreSQL %s is too old to be restored into safely; 13 is the oldest",
						server->store.version);
		return error_blameless(error);
	}
	if (from <= to) {
		return STATUS_OK;
	}
	(void)error_set(error, STATUS_FAILED, "the backup is of PostgreSQL %s, but the server is %s", layout->version,
					server->store.version);
	(void)error_hint(error, "run PostgreSQL %d or newer in the container, then restore again", from);
	return error_blameless(error); /* a drill may have found an older image only */
}

/* The first row that `query` finds is an obstacle, described by its one field. */
static enum status check_none(struct postgresql *server, const char *query, const char *what, const char *hint,
							  struct error *error)
{
	CLEANUP(buffer_free) struct buffer rows = BUFFER_INIT(ANSWER_LIMIT);
	enum status status = psql_query(server, server->database, query, &rows, error);
	if (status != STATUS_OK || rows.length == 0) {
		return status;
	}
	(void)error_set(error, STATUS_FAILED, "%s: %s", what, rows.data);
	return error_hint(error, "%s", hint);
}

/* A role of ours that cannot log in as superuser afterwards could neither finish nor undo what it has begun. */
static enum status check_own_role(struct postgresql *server, const struct restore_globals *globals, struct error *error)
{
	CLEANUP(buffer_free) struct buffer sql = BUFFER_INIT(RESTORE_GLOBALS_LIMIT + ANSWER_LIMIT);
	CLEANUP(buffer_free) struct buffer rows = BUFFER_INIT(ANSWER_LIMIT);
	struct psql_fence fence;
	enum status status = psql_fence_new(server, &fence, error);
	if (status == STATUS_OK) {
		status = buffer_printf(
			&sql, error,
			"%s%s%sSELECT coalesce((SELECT superuser AND login FROM wanted_role WHERE name = current_user), true),"
			" NOT EXISTS (SELECT FROM wanted_role w JOIN pg_authid a ON a.rolname = w.name WHERE w.name = current_user"
			" AND w.password IS DISTINCT FROM a.rolpassword);",
			fence.begin, globals->lists.data, fence.end);
	}
	if (status == STATUS_OK) {
		status = psql_query(server, server->database, sql.data, &rows, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	size_t at = 0;
	bool stays = strcmp(psql_next(&rows, &at), "t") == 0;
	bool same_password = strcmp(psql_next(&rows, &at), "t") == 0;
	if (!stays) {
		return error_set(error, STATUS_FAILED,
						 "in the backup, the role %s that we log in with is no superuser or cannot log in",
						 server->user);
	}
	if (!same_password && !psql_needs_no_password(server, server->database)) {
		(void)error_set(error, STATUS_FAILED,
						"the backup holds another password for the role %s than POSTGRES_PASSWORD is", server->user);
		return error_hint(
			error,
			"set the password that the role had then, in the server and in POSTGRES_PASSWORD, and restore again");
	}
	return STATUS_OK;
}

/* Old and new data lie side by side for a while; a server whose disk is full takes the services down. */
static enum status check_space(struct postgresql *server, uint64_t bytes, struct progress *progress,
							   struct error *error)
{
	const char *const arguments[] = {"df", "-P", "-k", server->store.data_folder, NULL};
	const struct exec_request request = {.container = server->store.container, .arguments = arguments};
	CLEANUP(buffer_free) struct buffer output = BUFFER_INIT(ANSWER_LIMIT);
	struct error unknown = {0};
	unsigned long long free_kilobytes = 0;
	const char *line = NULL;
	/* POSIX: a line of headings, then file system, 1024-blocks, used, available. */
	if (runtime_run_text(server->store.runtime, &request, &output, &unknown) != STATUS_OK ||
		(line = strchr(buffer_text(&output), '\n')) == NULL || sscanf(line, "%*s %*s %*s %llu", &free_kilobytes) != 1) {
		progress_warn(progress, "the free space of PostgreSQL's disk is not known");
		return STATUS_OK;
	}
	uint64_t needed = bytes * SPACE_FACTOR + SPACE_RESERVE;
	if (free_kilobytes * 1024 >= needed) {
		return STATUS_OK;
	}
	(void)error_set(error, STATUS_NO_SPACE, "PostgreSQL's disk has %llu MiB free; the restore needs about %llu MiB",
					free_kilobytes / 1024, (unsigned long long)(needed >> 20));
	return error_hint(error, "old and new data lie side by side until the restore is done; make room on the disk of %s",
					  server->store.data_folder);
}

enum status restore_preflight(struct postgresql *server, const struct dump_layout *layout,
							  const struct restore_globals *globals, uint64_t bytes, struct progress *progress,
							  struct error *error)
{
	enum status status = check_version(server, layout, error);
	if (status == STATUS_OK) { /* first, since what follows reads what only a superuser may */
		status =
			check_none(server, "SELECT rolname FROM pg_roles WHERE rolname = current_user AND NOT rolsuper;",
					   "our role is no superuser, so it cannot restore a server", POSTGRESQL_SUPERUSER_HINT, error);
	}
	if (status == STATUS_OK) {
		status = check_none(server, "SELECT format('%s in database %s', gid, database) FROM pg_prepared_xacts LIMIT 1;",
							"a prepared transaction is open",
							"end it with COMMIT PREPARED or ROLLBACK PREPARED, then restore again", error);
	}
	if (status == STATUS_OK) {
		status = check_none(server, "SELECT slot_name FROM pg_replication_slots WHERE active LIMIT 1;",
							"a replication slot is in use", "stop its subscriber, then restore again", error);
	}
	if (status == STATUS_OK) {
		status = check_none(server, "SELECT datname FROM pg_database WHERE datconnlimit = -2 LIMIT 1;",
							"a database is invalid, because dropping it was interrupted", "drop it, then restore again",
							error);
	}
	if (status == STATUS_OK) {
		status = check_own_role(server, globals, error);
	}
	return status == STATUS_OK ? check_space(server, bytes, progress, error) : status;
}
