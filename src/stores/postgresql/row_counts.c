#include "stores/postgresql/row_counts.h"

#include "base/text.h"
#include "stores/postgresql/restore_state.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_LIMIT = 4096, LIST_LIMIT = 4 << 20 }; /* bytes of a name, of all databases' names */

#define OF_EXTENSIONS                                                                                                  \
	"FROM pg_depend WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_extension'::regclass AND deptype = 'e'"

/* One query for each hundred tables. \gexec runs what the query before it has made, so that no name has to be quoted
 * here. */
static const char count_sql[] =
	"SELECT string_agg(format('SELECT %L, %L, count(*) FROM ONLY %I.%I', schema, name, schema, name),\n"
	"	E'\\nUNION ALL\\n' ORDER BY number)\n"
	"FROM (SELECT n.nspname AS schema, c.relname AS name, row_number() OVER (ORDER BY n.nspname, c.relname) - 1\n"
	"	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace\n"
	"	WHERE c.relkind = 'r' AND c.relpersistence <> 't'\n"
	"	AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'\n"
	"	AND c.oid NOT IN (SELECT objid " OF_EXTENSIONS ")) AS x (schema, name, number)\n"
	"GROUP BY number / 100 ORDER BY number / 100\n\\gexec\n";

enum status row_counts_name(struct buffer *name, const char *database, const char *schema, const char *table,
							struct error *error)
{
	enum status status = buffer_printf(name, error, "%s.%s.%s", database, schema, table);
	if (status != STATUS_OK || text_is_utf8(buffer_text(name))) {
		return status;
	}
	CLEANUP(buffer_free) struct buffer plain = BUFFER_INIT(name->limit);
	for (size_t i = 0; status == STATUS_OK && i < name->length; i++) {
		unsigned char byte = (unsigned char)name->data[i];
		status = byte < 0x80 ? buffer_append(&plain, &byte, 1, error) : buffer_printf(&plain, error, "\\x%02X", byte);
	}
	buffer_clear(name);
	return status == STATUS_OK ? buffer_append(name, plain.data, plain.length, error) : status;
}

enum status row_counts_add(struct psql_session *session, const char *database, struct fingerprint *fingerprint,
						   struct error *error)
{
	enum status status = psql_session_run(session, count_sql, error);
	CLEANUP(buffer_free) struct buffer name = BUFFER_INIT(NAME_LIMIT);
	const struct buffer *rows = psql_session_rows(session);
	for (size_t at = 0; status == STATUS_OK && at < rows->length;) {
		const char *schema = psql_next(rows, &at);
		const char *table = psql_next(rows, &at);
		const char *number = psql_next(rows, &at);
		if (number == NULL) {
			return error_set(error, STATUS_FAILED, "PostgreSQL's counts of rows make no sense");
		}
		buffer_clear(&name);
		status = row_counts_name(&name, database, schema, table, error);
		if (status == STATUS_OK) {
			status = fingerprint_add(fingerprint, "rows", buffer_text(&name), strtoull(number, NULL, 10), error);
		}
	}
	return status;
}

/* Those that a backup takes (moment.c). What a restore has set aside is not live. */
static const char databases_sql[] =
	"SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND datconnlimit <> -2\n"
	"AND datname !~ '" RESTORE_STATE_PATTERN "' ORDER BY datname <> 'template1', datname;\n";

static const char extensions_sql[] =
	"SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace\n"
	"WHERE c.oid IN (SELECT objid " OF_EXTENSIONS ");\n";

static const struct count *find(const struct fingerprint *fingerprint, const char *name)
{
	for (size_t i = 0; i < fingerprint->count; i++) {
		if (strcmp(fingerprint->items[i].kind, "rows") == 0 && strcmp(fingerprint->items[i].name, name) == 0) {
			return &fingerprint->items[i];
		}
	}
	return NULL;
}

/* Earlier versions counted tables of extensions too, whose rows no dump holds. */
static enum status take_over_extensions(struct psql_session *session, const char *database,
										const struct fingerprint *backup, struct fingerprint *fingerprint,
										struct error *error)
{
	enum status status = psql_session_run(session, extensions_sql, error);
	CLEANUP(buffer_free) struct buffer name = BUFFER_INIT(NAME_LIMIT);
	const struct buffer *rows = psql_session_rows(session);
	for (size_t at = 0; status == STATUS_OK && at < rows->length;) {
		const char *schema = psql_next(rows, &at);
		const char *table = psql_next(rows, &at);
		if (table == NULL) {
			return error_set(error, STATUS_FAILED, "PostgreSQL's list of tables of extensions makes no sense");
		}
		buffer_clear(&name);
		status = row_counts_name(&name, database, schema, table, error);
		const struct count *count = status == STATUS_OK ? find(backup, buffer_text(&name)) : NULL;
		if (count != NULL) {
			status = fingerprint_add(fingerprint, count->kind, count->name, count->number, error);
		}
	}
	return status;
}

static enum status count_database(struct postgresql *server, const char *database, const struct fingerprint *backup,
								  struct fingerprint *fingerprint, struct error *error)
{
	CLEANUP(cleanup_psql_session) struct psql_session *session = NULL;
	enum status status = psql_session_open(server, database, &session, error);
	if (status == STATUS_OK) {
		status = row_counts_add(session, database, fingerprint, error);
	}
	if (status == STATUS_OK && backup != NULL) {
		status = take_over_extensions(session, database, backup, fingerprint, error);
	}
	return status == STATUS_OK ? psql_session_end(session, error) : status;
}

enum status row_counts_now(struct store *store, const struct fingerprint *places, struct fingerprint *ret_fingerprint,
						   struct error *error)
{
	struct postgresql *server = (struct postgresql *)store;
	CLEANUP(buffer_free) struct buffer rows = BUFFER_INIT(LIST_LIMIT);
	CLEANUP(fingerprint_free) struct fingerprint fingerprint = {.known = true, .exact = true};
	enum status status = psql_find_database(server, error);
	if (status == STATUS_OK) {
		status = psql_query(server, server->database, databases_sql, &rows, error);
	}
	const char *database = NULL;
	for (size_t at = 0; status == STATUS_OK && (database = psql_next(&rows, &at)) != NULL;) {
		status = count_database(server, database, places, &fingerprint, error);
	}
	if (status != STATUS_OK) {
		return error_prefix(error, "PostgreSQL's rows cannot be counted");
	}
	*ret_fingerprint = fingerprint_take(&fingerprint);
	return STATUS_OK;
}
