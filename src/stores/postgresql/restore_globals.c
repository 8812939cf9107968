#include "stores/postgresql/restore_globals.h"

#include "stores/postgresql/dump_reader.h"
#include "stores/postgresql/sql_statement.h"

#include <string.h>

struct gathering {
	struct dump_listener listener;
	struct restore_globals *globals;
	struct buffer statement; /* the one at hand, whole */
	uint64_t line;           /* where it begins */
	bool escapes;            /* and how its strings are read (dump_lexer.h) */
	bool grantors;
};

enum { ROLE_LINE_LIMIT = 1024 }; /* bytes of the SQL that lists one role */

static const char insert_role[] = "INSERT INTO wanted_role (name) VALUES (";
static const char lists_begin[] =
	"CREATE TEMPORARY TABLE wanted_role (name text PRIMARY KEY, superuser boolean NOT NULL DEFAULT false,"
	" login boolean NOT NULL DEFAULT false, password text);\n"
	"CREATE TEMPORARY TABLE wanted_tablespace (name text PRIMARY KEY, statement text NOT NULL);\n";

/* Says no more of the statement than its keywords: there may be a password in it. */
static enum status refuse(const struct gathering *gathering, const char *why, struct error *error)
{
	char kind[SQL_KIND_SIZE];
	sql_statement_kind(gathering->statement.data, gathering->statement.length, kind);
	return error_set(error, STATUS_DAMAGED, "the statement %s... at line %llu %s", kind,
					 (unsigned long long)gathering->line, why);
}

/*
 * Statements that are taken to pieces have to fall into the same ones as they did for the lexer, or half a string
 * could get among what is run. sql_statement.h knows neither comments in blocks, nor $quotes$, nor strings that are
 * read with escapes; pg_dumpall writes none of these into them.
 */
static enum status check_pieces(const struct gathering *gathering, struct error *error)
{
	const char *text = gathering->statement.data;
	size_t length = gathering->statement.length;
	for (struct sql_token token = sql_statement_token(text, length, 0); token.kind != SQL_END;
		 token = sql_statement_token(text, length, token.start + token.length)) {
		const char *bytes = text + token.start;
		bool comment = token.kind == SQL_SYMBOL && *bytes == '/';
		bool dollar = token.kind == SQL_WORD && memchr(bytes, '$', token.length) != NULL;
		bool escaped = token.kind == SQL_STRING && gathering->escapes && memchr(bytes, '\\', token.length) != NULL;
		if (comment || dollar || escaped) {
			return refuse(gathering, "is not as pg_dumpall writes it", error);
		}
	}
	return STATUS_OK;
}

/* The name that stands behind the keywords, quoted as a text in SQL. */
static enum status append_name(struct gathering *gathering, size_t at, struct error *error)
{
	const struct buffer *statement = &gathering->statement;
	char name[SQL_NAME_SIZE];
	struct sql_token token = sql_statement_token(statement->data, statement->length, at);
	if (!sql_statement_name(statement->data, token, name)) {
		return refuse(gathering, "has no name of a role or tablespace", error);
	}
	return sql_statement_quote_text(&gathering->globals->lists, name, error);
}

static enum status create_role(struct gathering *gathering, size_t at, struct error *error)
{
	struct buffer *lists = &gathering->globals->lists;
	enum status status = check_pieces(gathering, error);
	if (status == STATUS_OK) {
		status = buffer_append_text(lists, insert_role, error);
	}
	if (status == STATUS_OK) {
		status = append_name(gathering, at, error);
	}
	return status == STATUS_OK ? buffer_append_text(lists, ");\n", error) : status;
}

/* ALTER ROLE name WITH SUPERUSER ... PASSWORD 'verifier': the password is copied as it stands, quotes included. */
static enum status alter_role(struct gathering *gathering, size_t at, struct error *error)
{
	const char *text = gathering->statement.data;
	size_t length = gathering->statement.length;
	struct buffer *lists = &gathering->globals->lists;
	struct sql_token name = sql_statement_token(text, length, at);
	struct sql_token with = sql_statement_token(text, length, name.start + name.length);
	if (!sql_statement_is(text, with, "WITH")) {
		return STATUS_OK;
	}
	enum status status = check_pieces(gathering, error);
	if (status == STATUS_OK) {
		status = buffer_printf(lists, error, "UPDATE wanted_role SET superuser = %s, login = %s",
							   sql_statement_has(text, length, "SUPERUSER") ? "true" : "false",
							   sql_statement_has(text, length, "LOGIN") ? "true" : "false");
	}
	struct sql_token token = with;
	while (status == STATUS_OK && token.kind != SQL_END) {
		bool password = sql_statement_is(text, token, "PASSWORD");
		token = sql_statement_token(text, length, token.start + token.length);
		if (password && token.kind == SQL_STRING) {
			status = buffer_printf(lists, error, ", password = %.*s", (int)token.length, text + token.start);
			break;
		}
	}
	if (status == STATUS_OK) {
		status = buffer_append_text(lists, " WHERE name = ", error);
	}
	if (status == STATUS_OK) {
		status = append_name(gathering, at, error);
	}
	return status == STATUS_OK ? buffer_append_text(lists, ";\n", error) : status;
}

/* CREATE TABLESPACE name OWNER role LOCATION 'folder': made beforehand; the owner may be another one by now. */
static enum status create_tablespace(struct gathering *gathering, size_t at, struct error *error)
{
	const char *text = gathering->statement.data;
	size_t length = gathering->statement.length;
	struct buffer *lists = &gathering->globals->lists;
	struct sql_token name = sql_statement_token(text, length, at);
	struct sql_token keyword = sql_statement_token(text, length, name.start + name.length);
	struct sql_token owner = sql_statement_token(text, length, keyword.start + keyword.length);
	enum status status = check_pieces(gathering, error);
	if (status == STATUS_OK) {
		status = buffer_append_text(lists, "INSERT INTO wanted_tablespace VALUES (", error);
	}
	if (status == STATUS_OK) {
		status = append_name(gathering, at, error);
	}
	if (status == STATUS_OK) {
		status = buffer_append_text(lists, ", ", error);
	}
	if (status == STATUS_OK) {
		status = sql_statement_quote_text(lists, text, error);
	}
	if (status == STATUS_OK) {
		status = buffer_append_text(lists, ");\n", error);
	}
	if (status == STATUS_OK && sql_statement_is(text, keyword, "OWNER")) {
		status = buffer_printf(&gathering->globals->changes, error, "ALTER TABLESPACE %.*s OWNER TO %.*s;\n",
							   (int)name.length, text + name.start, (int)owner.length, text + owner.start);
	}
	return status;
}

/* Without `GRANTED BY role;` at the end of GRANT role TO role. Rights on parameters and tablespaces keep theirs. */
static enum status grant(struct gathering *gathering, struct error *error)
{
	const char *text = gathering->statement.data;
	size_t length = gathering->statement.length;
	struct buffer *changes = &gathering->globals->changes;
	enum status status = check_pieces(gathering, error);
	if (status != STATUS_OK) {
		return status;
	}
	if (!gathering->grantors && !sql_statement_has(text, length, "ON")) {
		for (struct sql_token token = sql_statement_token(text, length, 0); token.kind != SQL_END;
			 token = sql_statement_token(text, length, token.start + token.length)) {
			if (sql_statement_is(text, token, "GRANTED")) {
				return buffer_printf(changes, error, "%.*s;\n", (int)token.start, text);
			}
		}
	}
	return buffer_printf(changes, error, "%s\n", text);
}

static enum status take_statement(struct gathering *gathering, struct error *error)
{
	static const char *const kept[] = {"ALTER ROLE",
									   "ALTER TABLESPACE",
									   "COMMENT ON ROLE",
									   "COMMENT ON TABLESPACE",
									   "REVOKE",
									   "SECURITY LABEL",
									   "SET standard_conforming_strings",
									   "SET escape_string_warning",
									   "SET SESSION AUTHORIZATION",
									   "RESET SESSION AUTHORIZATION"};
	/* Ours: sessions have their own settings, and a dump made with --clean drops what it makes. */
	static const char *const dropped[] = {"SET default_transaction_read_only", "SET client_encoding", "DROP ROLE",
										  "DROP DATABASE", "DROP TABLESPACE"};
	const char *text = gathering->statement.data;
	size_t length = gathering->statement.length;
	size_t end = 0;
	if (sql_statement_begins(text, length, "CREATE ROLE", &end)) {
		return create_role(gathering, end, error);
	}
	if (sql_statement_begins(text, length, "CREATE TABLESPACE", &end)) {
		return create_tablespace(gathering, end, error);
	}
	if (sql_statement_begins(text, length, "GRANT", &end)) {
		return grant(gathering, error);
	}
	for (size_t i = 0; i < sizeof dropped / sizeof *dropped; i++) {
		if (sql_statement_begins(text, length, dropped[i], &end)) {
			return STATUS_OK;
		}
	}
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
		if (sql_statement_begins(text, length, kept[i], &end)) {
			enum status status = i == 0 ? alter_role(gathering, end, error) : STATUS_OK;
			return status == STATUS_OK ? buffer_printf(&gathering->globals->changes, error, "%s\n", text) : status;
		}
	}
	return refuse(gathering, "has no place among roles and tablespaces", error);
}

static enum status take_part(struct dump_listener *listener, const struct dump_part *part, struct error *error)
{
	struct gathering *gathering = (struct gathering *)listener;
	if (part->piece != DUMP_STATEMENT) {
		return part->piece == DUMP_COPY_DATA ? error_set(error, STATUS_DAMAGED, "rows among roles and tablespaces")
											 : STATUS_OK;
	}
	if (part->first) {
		buffer_clear(&gathering->statement);
		gathering->line = part->line;
		gathering->escapes = part->escapes;
	}
	enum status status = buffer_append(&gathering->statement, part->bytes, part->length, error);
	return status == STATUS_OK && part->last ? take_statement(gathering, error) : status;
}

static enum status gather(const char *path, uint64_t end, const char *text, size_t length, bool grantors,
						  struct restore_globals *globals, struct error *error)
{
	struct gathering gathering = {
		.listener = {.part = take_part},
		.globals = globals,
		.statement = BUFFER_INIT(RESTORE_GLOBALS_STATEMENT_LIMIT),
		.grantors = grantors,
	};
	enum status status = buffer_append_text(&globals->lists, lists_begin, error);
	if (status == STATUS_OK) {
		status = path != NULL
					 ? dump_reader_run(path, (struct dump_stretch){.to = end}, &gathering.listener, NULL, error)
					 : dump_lexer_text(text, length, &gathering.listener, error);
	}
	buffer_free(&gathering.statement);
	return status;
}

enum status restore_globals_from_file(const char *path, uint64_t end, bool grantors, struct restore_globals *globals,
									  struct error *error)
{
	return gather(path, end, NULL, 0, grantors, globals, error);
}

enum status restore_globals_from_text(const char *text, size_t length, bool grantors, struct restore_globals *globals,
									  struct error *error)
{
	return gather(NULL, 0, text, length, grantors, globals, error);
}

enum status restore_globals_has_role(const struct restore_globals *globals, const char *name, bool *ret_has,
									 struct error *error)
{
	CLEANUP(buffer_free) struct buffer line = BUFFER_INIT(ROLE_LINE_LIMIT);
	enum status status = buffer_append_text(&line, insert_role, error);
	if (status == STATUS_OK) {
		status = sql_statement_quote_text(&line, name, error);
	}
	if (status == STATUS_OK) {
		status = buffer_append_text(&line, ");\n", error);
	}
	*ret_has = status == STATUS_OK && strstr(buffer_text(&globals->lists), line.data) != NULL;
	return status;
}

void restore_globals_free(struct restore_globals *globals)
{
	buffer_free(&globals->lists);
	buffer_free(&globals->changes);
}
