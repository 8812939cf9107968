#include "stores/postgresql/postgresql.h"

#include "base/text.h"
#include "stores/postgresql/dump_check.h"
#include "stores/postgresql/moment.h"
#include "stores/postgresql/psql.h"
#include "stores/postgresql/restore.h"
#include "stores/postgresql/row_counts.h"
#include "stores/rehearsal.h"
#include "stores/store_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECRET_LIMIT = 4096, ANSWER_LIMIT = 4096 }; /* bytes of a name or password in a file, of an answer */

/* What has been read of a file that cannot be read whole is not for a message. */
static enum status read_secret(struct runtime *runtime, const struct container *container, const char *path,
							   struct buffer *content, struct error *error)
{
	const char *const arguments[] = {"cat", path, NULL};
	const struct exec_request request = {.container = container, .arguments = arguments};
	CLEANUP(buffer_free) struct buffer errors = BUFFER_INIT(ANSWER_LIMIT);
	CLEANUP(cleanup_sink) struct sink *sink = NULL;
	int exit_code = 0;
	enum status status = sink_to_buffer_new(content, &sink, error);
	if (status == STATUS_OK) {
		status = runtime_run(runtime, &request, NULL, sink, &errors, &exit_code, error);
	}
	if (status != STATUS_OK || exit_code == 0) {
		return status;
	}
	buffer_trim(&errors);
	return errors.length > 0 ? error_set(error, STATUS_FAILED, "%s cannot be read in container %s: %s", path,
										 container->name, errors.data)
							 : error_set(error, STATUS_FAILED, "%s cannot be read in container %s: exit code %d", path,
										 container->name, exit_code);
}

/* The variable itself, or the content of the file that NAME_FILE names in the container (docker-library/postgres,
 * file_env). */
static enum status setting(struct runtime *runtime, const struct container *container, const char *name,
						   char **ret_value, struct error *error)
{
	char file_name[64];
	snprintf(file_name, sizeof file_name, "%s_FILE", name);
	const char *value = container_environment(container, name);
	const char *path = container_environment(container, file_name);
	CLEANUP(buffer_free) struct buffer content = BUFFER_INIT(SECRET_LIMIT);
	if ((value == NULL || *value == '\0') && path != NULL && *path != '\0') {
		enum status status = read_secret(runtime, container, path, &content, error);
		if (status != STATUS_OK) {
			return status;
		}
		while (content.length > 0 && content.data[content.length - 1] == '\n') {
			content.data[--content.length] = '\0';
		}
		value = buffer_text(&content);
	}
	*ret_value = NULL;
	if (value == NULL || *value == '\0') {
		return STATUS_OK;
	}
	*ret_value = strdup(value);
	return *ret_value != NULL ? STATUS_OK : error_memory(error);
}

static enum status or_default(char **value, const char *fallback, struct error *error)
{
	if (*value == NULL) {
		*value = strdup(fallback);
	}
	return *value != NULL ? STATUS_OK : error_memory(error);
}

static enum status credentials(struct postgresql *self, struct error *error)
{
	struct runtime *runtime = self->store.runtime;
	const struct container *container = self->store.container;
	enum status status = setting(runtime, container, "POSTGRES_USER", &self->user, error);
	if (status == STATUS_OK) {
		status = or_default(&self->user, "postgres", error);
	}
	if (status == STATUS_OK) {
		status = setting(runtime, container, "POSTGRES_PASSWORD", &self->password, error);
	}
	if (status == STATUS_OK) {
		status = setting(runtime, container, "POSTGRES_DB", &self->preferred, error);
	}
	return status == STATUS_OK ? or_default(&self->preferred, self->user, error) : status;
}

/* "15.18 (Debian 15.18-0+deb12u1)": the first word is the version. psql puts its own in place of :VERSION_NUM. The
 * folder is not shown to everybody. */
static enum status look(struct postgresql *self, struct error *error)
{
	CLEANUP(buffer_free) struct buffer rows = BUFFER_INIT(ANSWER_LIMIT);
	enum status status = psql_query(
		self, self->database,
		"\\set wb_version :VERSION_NUM\nSHOW server_version;\nSHOW server_version_num;\nSELECT :'wb_version';\n"
		"SHOW server_encoding;\n"
		"SELECT setting FROM pg_settings WHERE name = 'data_directory';",
		&rows, error);
	if (status != STATUS_OK) {
		return status;
	}
	size_t at = 0;
	const char *version = psql_next(&rows, &at);
	const char *number = psql_next(&rows, &at);
	const char *psql_number = psql_next(&rows, &at);
	const char *encoding = psql_next(&rows, &at);
	const char *folder = psql_next(&rows, &at);
	if (encoding == NULL) {
		return error_set(error, STATUS_FAILED, "PostgreSQL in container %s does not say its version",
						 self->store.container->name);
	}
	if (folder == NULL) {
		(void)error_set(error, STATUS_FAILED, "the role %s is no superuser, so PostgreSQL hides things from it",
						self->user);
		return error_hint(error, POSTGRESQL_SUPERUSER_HINT);
	}
	snprintf(self->store.version, sizeof self->store.version, "%.*s", (int)strcspn(version, " "), version);
	text_make_line(self->store.version);
	snprintf(self->store.data_folder, sizeof self->store.data_folder, "%s", folder);
	self->version_number = atoi(number);
	self->psql_number = atoi(psql_number);
	snprintf(self->encoding, sizeof self->encoding, "--encoding=%s", encoding);
	return STATUS_OK;
}

static void postgresql_free(struct store *store)
{
	struct postgresql *self = (struct postgresql *)store;
	free(self->user);
	free(self->password);
	free(self->preferred);
	free(self->path);
	postgresql_moment_free(self->moment);
	free(self);
}

static enum status postgresql_open(struct runtime *runtime, const struct container *container, struct store **ret_store,
								   struct error *error)
{
	if (container->state != CONTAINER_RUNNING) {
		return error_set(error, STATUS_UNAVAILABLE, "container %s does not run", container->name);
	}
	struct postgresql *self = calloc(1, sizeof *self);
	if (self == NULL) {
		return error_memory(error);
	}
	self->store = (struct store){.ops = &store_postgresql, .runtime = runtime, .container = container};
	enum status status = credentials(self, error);
	if (status == STATUS_OK) {
		status = psql_find_database(self, error);
	}
	if (status == STATUS_OK) {
		status = look(self, error);
	}
	if (status != STATUS_OK) {
		postgresql_free(&self->store);
		return status;
	}
	*ret_store = &self->store;
	return STATUS_OK;
}

static enum status postgresql_ready(struct store *store, struct error *error)
{
	return psql_find_database((struct postgresql *)store, error);
}

static enum status postgresql_examine(struct store *store, struct examination *ret_examination, struct error *error)
{
	static const char sql[] = "SELECT count(*) FILTER (WHERE datname NOT LIKE 'template_'), "
							  "pg_is_in_recovery()::int, current_setting('port') FROM pg_database;";
	struct postgresql *self = (struct postgresql *)store;
	CLEANUP(buffer_free) struct buffer rows = BUFFER_INIT(ANSWER_LIMIT);
	enum status status = psql_query(self, self->database, sql, &rows, error);
	if (status != STATUS_OK) {
		return status;
	}
	size_t at = 0;
	const char *databases = psql_next(&rows, &at);
	const char *recovering = psql_next(&rows, &at);
	const char *port = psql_next(&rows, &at);
	if (port == NULL) {
		return error_set(error, STATUS_UNAVAILABLE, "PostgreSQL's answer makes no sense");
	}
	if (strcmp(recovering, "0") != 0) {
		(void)error_set(error, STATUS_UNAVAILABLE, "PostgreSQL is recovering and takes no changes");
		return error_hint(error, "wait until it has ended; ./bot.sh logs %s tells more", store->container->service);
	}
	ret_examination->port = (unsigned)atoi(port);
	snprintf(ret_examination->answer, sizeof ret_examination->answer, "answers a query; %s database%s", databases,
			 strcmp(databases, "1") == 0 ? "" : "s");
	return STATUS_OK;
}

static enum status postgresql_size(struct store *store, uint64_t *ret_bytes, struct error *error)
{
	static const char sql[] = "SELECT coalesce(sum(pg_database_size(oid)), 0) FROM pg_database;";
	struct postgresql *self = (struct postgresql *)store;
	CLEANUP(buffer_free) struct buffer rows = BUFFER_INIT(ANSWER_LIMIT);
	enum status status = psql_query(self, self->database, sql, &rows, error);
	*ret_bytes = status == STATUS_OK ? strtoull(buffer_text(&rows), NULL, 10) : 0;
	return status;
}

static enum status postgresql_prepare(struct store *store, const char *path, struct progress *progress,
									  struct error *error)
{
	struct postgresql *self = (struct postgresql *)store;
	free(self->path);
	self->path = strdup(path);
	return self->path != NULL ? postgresql_moment_prepare(self, progress, error) : error_memory(error);
}

static enum status postgresql_catch_up(struct store *store, struct progress *progress, uint64_t *ret_bytes,
									   struct error *error)
{
	(void)progress;
	*ret_bytes = 0;
	return postgresql_moment_catch_up((struct postgresql *)store, error);
}

static enum status postgresql_ask(struct store *store, struct error *error)
{
	return postgresql_moment_ask((struct postgresql *)store, error);
}

static enum status postgresql_answer(struct store *store, struct error *error)
{
	return postgresql_moment_answer((struct postgresql *)store, error);
}

static void postgresql_forget(struct store *store)
{
	postgresql_moment_forget((struct postgresql *)store);
}

static enum status postgresql_finish(struct store *store, struct progress *progress, struct saved *ret_saved,
									 struct error *error)
{
	return postgresql_moment_save((struct postgresql *)store, progress, ret_saved, error);
}

/* Another dump, which nobody keeps: it reads every row of every table. Nothing is converted, which a setting of a
 * database could make fail (moment_save.c, ask_encoding). */
static enum status postgresql_read_all(struct store *store, const struct fingerprint *places, struct progress *progress,
									   struct error *error)
{
	static const char *const arguments[] = {"pg_dumpall", "-w", "--encoding=SQL_ASCII", NULL};
	struct postgresql *self = (struct postgresql *)store;
	(void)places;
	(void)progress;
	return psql_dump(self, self->database, arguments, NULL, error);
}

static const struct rehearsal_needs rehearsal = {
	.port = 5432,
	.password = "POSTGRES_PASSWORD",
	.inherited = (const char *const[]){"POSTGRES_USER=", NULL},
};

static const char *const legacy_artefacts[] = {"manual_postgres_backup.sql", NULL};

const struct store_ops store_postgresql = {
	.name = "postgresql",
	.title = "PostgreSQL",
	.service = "postgres",
	.artefact = "postgresql_backup.sql",
	.legacy_artefacts = legacy_artefacts,
	.open = postgresql_open,
	.ready = postgresql_ready,
	.examine = postgresql_examine,
	.count = row_counts_now,
	.read_all = postgresql_read_all,
	.rehearsal = &rehearsal,
	.size = postgresql_size,
	.prepare = postgresql_prepare,
	.catch_up = postgresql_catch_up,
	.ask = postgresql_ask,
	.answer = postgresql_answer,
	.forget = postgresql_forget,
	.finish = postgresql_finish,
	.check = dump_check,
	.unsummed = true,
	.stage = restore_stage,
	.swap = restore_swap,
	.commit = restore_commit,
	.rollback = restore_rollback,
	.free = postgresql_free,
};
