#include "stores/postgresql/row_counts.h"

#include "base/text.h"
#include "stores/postgresql/restore_state.h"

#include <stdlib.h>

enum { NAME_LIMIT = 4096, LIST_LIMIT = 4 << 20 }; /* bytes of a name, of all databases' names */

/* One query for each hundred tables. \gexec runs what the query before it has made, so that no name has to be quoted
 * here. */
static const char count_sql[] =
	"SELECT string_agg(format('SELECT %L, %L, count(*) FROM ONLY %I.%I', schema, name, schema, name),\n"
	"	E'\\nUNION ALL\\n' ORDER BY number)\n"
	"FROM (SELECT n.nspname AS schema, c.relname AS name, row_number() OVER (ORDER BY n.nspname, c.relname) - 1\n"
	"	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace\n"
	"	WHERE c.relkind = 'r' AND c.relpersistence <> 't'\n"
	"	AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_') AS x (schema, name, number)\n"
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

static enum status count_database(struct postgresql *server, const char *database, struct fingerprint *fingerprint,
								  struct error *error)
{
	CLEANUP(cleanup_psql_session) struct psql_session *session = NULL;
	enum status status = psql_session_open(server, database, &session, error);
	if (status == STATUS_OK) {
		status = row_counts_add(session, database, fingerprint, error);
	}
	return status == STATUS_OK ? psql_session_end(session, error) : status;
}

enum status row_counts_now(struct store *store, const struct fingerprint *places, struct fingerprint *ret_fingerprint,
						   struct error *error)
{
	(void)places;
	struct postgresql *server = (struct postgresql *)store;
	CLEANUP(buffer_free) struct buffer rows = BUFFER_INIT(LIST_LIMIT);
	CLEANUP(fingerprint_free) struct fingerprint fingerprint = {.known = true, .exact = true};
	enum status status = psql_find_database(server, error);
	if (status == STATUS_OK) {
		status = psql_query(server, server->database, databases_sql, &rows, error);
	}
	const char *database = NULL;
	for (size_t at = 0; status == STATUS_OK && (database = psql_next(&rows, &at)) != NULL;) {
		status = count_database(server, database, &fingerprint, error);
	}
	if (status != STATUS_OK) {
		return error_prefix(error, "PostgreSQL's rows cannot be counted");
	}
	*ret_fingerprint = fingerprint_take(&fingerprint);
	return STATUS_OK;
}
