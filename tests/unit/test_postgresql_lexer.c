/* dump_lexer, dump_layout and dump_check: hostile dumps, dumps that were cut, things that are no dump. */
#include "base/buffer.h"
#include "pipeline/file.h"
#include "stores/postgresql/dump_check.h"
#include "stores/postgresql/dump_layout.h"
#include "stores/postgresql/dump_lexer.h"
#include "stores/postgresql/dump_reader.h"
#include "stores/postgresql/dump_setting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { RECORD_LIMIT = 1 << 24 };

/* --- the lexer alone --------------------------------------------------------------------------------------------- */

/* Writes down every piece as a letter and its text in brackets; white space between pieces is left out. */
struct recorder {
	struct dump_listener listener;
	struct buffer record;
	uint64_t next; /* offset that the next part has to have */
};

static enum status record_part(struct dump_listener *listener, const struct dump_part *part, struct error *error)
{
	static const char letters[] = {
		[DUMP_COMMENT] = 'C', [DUMP_STATEMENT] = 'S', [DUMP_COPY_DATA] = 'D', [DUMP_COMMAND] = 'B'};
	struct recorder *recorder = (struct recorder *)listener;
	assert_int_equal(part->offset, recorder->next);
	recorder->next += part->length;
	assert_true(!part->first || part->last || part->length >= DUMP_HEAD_SIZE);
	if (part->piece == DUMP_SPACE) {
		return STATUS_OK;
	}
	if (part->first) {
		assert_int_equal(buffer_printf(&recorder->record, error, "%c[", letters[part->piece]), STATUS_OK);
	}
	assert_int_equal(buffer_append(&recorder->record, part->bytes, part->length, error), STATUS_OK);
	return part->last ? buffer_append_text(&recorder->record, "]\n", error) : STATUS_OK;
}

/* Lexes `text`, put in pieces of `chunk` bytes, and gives back what was recorded; `ret_status` may be NULL if it has to
 * work. */
static struct buffer lex(const char *text, size_t length, size_t chunk, enum status *ret_status, struct error *error)
{
	struct recorder recorder = {.listener = {.part = record_part}, .record = BUFFER_INIT(RECORD_LIMIT)};
	struct dump_lexer *lexer = NULL;
	assert_int_equal(dump_lexer_new(&recorder.listener, 0, false, &lexer, error), STATUS_OK);
	enum status status = STATUS_OK;
	for (size_t at = 0; status == STATUS_OK && at < length; at += chunk) {
		status = dump_lexer_put_bytes(lexer, text + at, length - at < chunk ? length - at : chunk, error);
	}
	status = status == STATUS_OK ? dump_lexer_finish(lexer, error) : status;
	dump_lexer_free(lexer);
	if (ret_status != NULL) {
		*ret_status = status;
	} else {
		assert_int_equal(status, STATUS_OK);
		assert_int_equal(recorder.next, length);
	}
	return recorder.record;
}

/* The same pieces come out however the text is cut into blocks. */
static void assert_pieces(const char *text, const char *expected)
{
	for (size_t chunk = 1; chunk <= strlen(text) + 1; chunk++) {
		struct error error = {0};
		struct buffer record = lex(text, strlen(text), chunk, NULL, &error);
		assert_string_equal(buffer_text(&record), expected);
		buffer_free(&record);
	}
}

static void assert_damaged(const char *text, const char *message)
{
	struct error error = {0};
	enum status status = STATUS_OK;
	struct buffer record = lex(text, strlen(text), 7, &status, &error);
	assert_int_equal(status, STATUS_DAMAGED);
	assert_non_null(strstr(error.message, message));
	buffer_free(&record);
}

static void test_quotes(void **state)
{
	(void)state;
	assert_pieces("SELECT 'a;b\n\\connect x\n''c';\nSELECT E'a\\';b', e'\\\\';",
				  "S[SELECT 'a;b\n\\connect x\n''c';]\nS[SELECT E'a\\';b', e'\\\\';]\n");
	assert_pieces("SELECT 'a\\'; SELECT \"a;\"\"b'\";", "S[SELECT 'a\\';]\nS[SELECT \"a;\"\"b'\";]\n");
	assert_pieces("SELECT name'x;\\', U&'d\\0061;', U&\"d;\";", "S[SELECT name'x;\\', U&'d\\0061;', U&\"d;\";]\n");
	assert_pieces("DO $$a;$b$;$$;DO $_1$;$$;$_2$;$_1$;SELECT a$1$, $1;",
				  "S[DO $$a;$b$;$$;]\nS[DO $_1$;$$;$_2$;$_1$;]\nS[SELECT a$1$, $1;]\n");
	assert_pieces("SELECT 'Gr\xf6\xdf"
				  "e;', caf\xe9$x$;SELECT $x$;$x$;",
				  "S[SELECT 'Gr\xf6\xdf"
				  "e;', caf\xe9$x$;]\nS[SELECT $x$;$x$;]\n");
}

static void test_settings(void **state)
{
	(void)state;
	assert_pieces("SET standard_conforming_strings = off;\nSELECT 'a\\';b';\nSET standard_conforming_strings = "
				  "on;\nSELECT 'a\\';",
				  "S[SET standard_conforming_strings = off;]\nS[SELECT 'a\\';b';]\nS[SET standard_conforming_strings = "
				  "on;]\nS[SELECT 'a\\';]\n");
}

static void test_comments(void **state)
{
	(void)state;
	assert_pieces(
		"--\n-- it's; \"x\n/* a /* b; */ ' \n\\connect x\n*/SELECT 1 -- ;'\n/* ; */ - 1 / 2;--",
		"C[--]\nC[-- it's; \"x]\nC[/* a /* b; */ ' \n\\connect x\n*/]\nS[SELECT 1 -- ;'\n/* ; */ - 1 / 2;]\nC[--]\n");
}

static void test_statements_in_statements(void **state)
{
	(void)state;
	assert_pieces("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);SELECT 3;",
				  "S[CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);]\nS[SELECT 3;]\n");
	assert_pieces("CREATE OR REPLACE FUNCTION f(\"begin\" int) RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 "
				  "END; SELECT 2; END;SELECT 3;",
				  "S[CREATE OR REPLACE FUNCTION f(\"begin\" int) RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 "
				  "END; SELECT 2; END;]\n"
				  "S[SELECT 3;]\n");
	assert_pieces(
		"CREATE PROCEDURE p() BEGIN ATOMIC SELECT 1; END;BEGIN;CREATE TABLE function (begin int);",
		"S[CREATE PROCEDURE p() BEGIN ATOMIC SELECT 1; END;]\nS[BEGIN;]\nS[CREATE TABLE function (begin int);]\n");
}

static void test_copy(void **state)
{
	(void)state;
	assert_pieces(
		"COPY public.t (a, \"from stdin;\") FROM stdin;\n\\\\.\n\\.x\n\\N\t'\"$$;\n--\n\\.\nSELECT 1;",
		"S[COPY public.t (a, \"from stdin;\") FROM stdin;]\nD[\\\\.\n\\.x\n\\N\t'\"$$;\n--\n\\.\n]\nS[SELECT 1;]\n");
	assert_pieces("copy t from STDIN ;  \n\\.\ncopy t to stdout;",
				  "S[copy t from STDIN ;]\nD[\\.\n]\nS[copy t to stdout;]\n");
	/* A table may have that name; what follows are no rows then, but commands to psql. */
	assert_pieces("COPY (SELECT a FROM stdin) TO stdout;\n\\! id\n",
				  "S[COPY (SELECT a FROM stdin) TO stdout;]\nB[\\! id]\n");
	assert_damaged("COPY t FROM stdin; x\n\\.\n", "follows COPY");
	assert_damaged("COPY t FROM stdin;\n1\n", "the rows of a table");
	assert_damaged("COPY t FROM stdin;\n\\.", "the rows of a table");
	assert_damaged("COPY t FROM stdin;", "in the middle");
	assert_damaged("COPY t FROM stdin;\n1\n\\.\r\n", "CR LF");
}

static void test_commands(void **state)
{
	(void)state;
	assert_pieces("\\connect -reuse-previous=on \"dbname='My \"\"odd\"\" D\\'b'\"\nSELECT 1;\n\\restrict x",
				  "B[\\connect -reuse-previous=on \"dbname='My \"\"odd\"\" D\\'b'\"]\nS[SELECT 1;]\nB[\\restrict x]\n");
	assert_damaged("SELECT 1 \\gexec\n", "backslash command inside a statement");
	/* To psql and the server it ends the comment. */
	assert_damaged("SELECT 1 -- \r \\! id\n;\n", "carriage return in a comment");
	assert_damaged("SET a = -- \r 1; ALTER SYSTEM SET x = 1; --\n 2;\n", "carriage return in a comment");
}

static void test_stops_in_the_middle(void **state)
{
	(void)state;
	static const char *const texts[] = {"SELECT 1",   "SELECT 'a;", "SELECT E'\\';", "SELECT \"a;",
										"DO $x$;$$;", "/* /* */",   "SELECT (1;",    "a"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		assert_damaged(texts[i], "in the middle of");
	}
	assert_damaged("SELECT 1;\r\nSELECT 2;\r\n", "CR LF");
}

/* A row, a string and a function body that are larger than any block, and a word that has no end. */
static void test_large_pieces(void **state)
{
	(void)state;
	enum { LARGE = 3 << 20 };
	static const char *const frames[][2] = {{"COPY t FROM stdin;\n", "\n\\.\n"},
											{"SELECT '", "';"},
											{"SELECT E'\\'", "';"},
											{"DO $tag$", "$tag$;"},
											{"/*", "*/"},
											{"--", "\n"},
											{"SELECT \"", "\";"}};
	char *text = malloc(LARGE + 64);
	for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
		size_t start = (size_t)sprintf(text, "%s", frames[i][0]);
		memset(text + start, i == 0 ? '\t' : 'x', LARGE);
		size_t length = start + LARGE + (size_t)sprintf(text + start + LARGE, "%s", frames[i][1]);
		struct error error = {0};
		struct buffer record = lex(text, length, 100000, NULL, &error);
		assert_true(record.length > LARGE && record.length < LARGE + 100);
		buffer_free(&record);
	}
	memset(text, 'x', LARGE);
	text[LARGE] = '\0';
	struct error error = {0};
	enum status status = STATUS_OK;
	struct buffer record = lex(text, LARGE, 100000, &status, &error);
	assert_int_equal(status, STATUS_DAMAGED);
	buffer_free(&record);
	free(text);
}

/* --- whole dumps ------------------------------------------------------------------------------------------------- */

#define OPENING "--\n-- PostgreSQL database cluster dump\n--\n\n"
#define CLOSING "--\n-- PostgreSQL database cluster dump complete\n--\n\n"
#define HEADER  "--\n-- PostgreSQL database dump\n--\n\n"
#define FOOTER  "--\n-- PostgreSQL database dump complete\n--\n\n"
#define GLOBALS                                                                                                        \
	"\\restrict k1\n\nSET client_encoding = 'UTF8';\nCREATE ROLE app;\nCOMMENT ON ROLE app IS '\n\\connect "           \
	"postgres\n';\n\n\\unrestrict k1\n\n"
#define TEMPLATE1                                                                                                      \
	"\\connect template1\n\n" HEADER "\\restrict k2\n-- Dumped from database version 15.18 (Debian 15.18-0)\nSET "     \
	"row_security = off;\n\\unrestrict k2\n" FOOTER
#define SHOP                                                                                                           \
	HEADER "\\restrict k3\nCREATE DATABASE \"My \"\"odd\"\" D'b\" WITH TEMPLATE = template0;\n\\unrestrict "           \
		   "k3\n\\encoding SQL_ASCII\n"                                                                                \
		   "\\connect -reuse-previous=on \"dbname='My \"\"odd\"\" D\\'b'\"\n\\restrict k3\nALTER DATABASE \"My "       \
		   "\"\"odd\"\" D'b\" IS_TEMPLATE = true;\n"                                                                   \
		   "\\unrestrict k3\n\\connect -reuse-previous=on \"dbname='My \"\"odd\"\" D\\'b'\"\n\\restrict k3\n"          \
		   "COPY public.t (a) FROM stdin;\n-- PostgreSQL database cluster dump complete\n\\\\.\n\\.\nSELECT "          \
		   "'\\connect postgres\n';\n\\unrestrict k3\n" FOOTER
#define DUMP OPENING GLOBALS TEMPLATE1 SHOP CLOSING

static enum status check(const char *text, size_t length, struct artefact *ret_artefact, struct error *error)
{
	char path[] = "/tmp/test_postgresql_lexer.XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, length), length);
	close(fd);
	struct source *file = NULL;
	assert_int_equal(file_source_new(path, &file, error), STATUS_OK);
	enum status status = dump_check(file, NULL, ret_artefact, error);
	unlink(path);
	return status;
}

static void assert_not_a_dump(const char *text, const char *message)
{
	struct error error = {0};
	struct artefact artefact;
	assert_int_equal(check(text, strlen(text), &artefact, &error), STATUS_DAMAGED);
	assert_non_null(strstr(error.message, message));
}

static void test_check_good(void **state)
{
	(void)state;
	struct error error = {0};
	struct artefact artefact = {0};
	assert_int_equal(check(DUMP, strlen(DUMP), &artefact, &error), STATUS_OK);
	assert_string_equal(artefact.version, "15.18");
}

/* Wherever it is cut: not complete, as long as a word of the closing line is missing. */
static void test_check_cut_anywhere(void **state)
{
	(void)state;
	size_t complete =
		(size_t)(strstr(DUMP, CLOSING) - DUMP) + strlen("--\n-- PostgreSQL database cluster dump complete");
	for (size_t length = 0; length < complete; length++) {
		struct error error = {0};
		struct artefact artefact;
		assert_int_equal(check(DUMP, length, &artefact, &error), STATUS_DAMAGED);
	}
}

static void test_check_no_dump(void **state)
{
	(void)state;
	assert_not_a_dump("", "it is empty");
	assert_not_a_dump("\n\n", "it is empty");
	assert_not_a_dump("root:x:0:0::/root:/bin/bash\n", "stops in the middle");
	assert_not_a_dump("SELECT 1;", "not a dump that pg_dumpall wrote");
	assert_not_a_dump("-- hello\n", "not a dump that pg_dumpall wrote");
	assert_not_a_dump(HEADER FOOTER, "dump of a single database");
	assert_not_a_dump("--\r\n-- PostgreSQL database cluster dump\r\n--\r\n", "CR LF");
	assert_not_a_dump(OPENING GLOBALS TEMPLATE1 SHOP, "closing line of pg_dumpall is missing");
	assert_not_a_dump(DUMP "SELECT 1;\n", "a statement at byte");
	assert_not_a_dump(DUMP DUMP, "where a dump has none");
	assert_not_a_dump(OPENING TEMPLATE1 "SELECT 1;" CLOSING, "a statement at byte");
	assert_not_a_dump(OPENING TEMPLATE1 TEMPLATE1 CLOSING, "twice");
	assert_not_a_dump(OPENING "\\connect template1\n" HEADER CLOSING, "closing line of the whole dump");
	assert_not_a_dump(OPENING HEADER "SELECT 1;\n" FOOTER CLOSING, "never made");
	assert_not_a_dump(OPENING "\\! rm -rf /\n" CLOSING, "unknown backslash command");
	assert_not_a_dump(OPENING "\\restrict a\n\\connect template1\n\\unrestrict a\n" CLOSING, "a \\connect at byte");
	assert_not_a_dump(OPENING "\\restrict a\n\\unrestrict b\n" CLOSING, "unknown backslash command");
	assert_not_a_dump(OPENING "\\restrict a\n" CLOSING, "never lifted");
	assert_not_a_dump(OPENING HEADER "\\connect shop\n" FOOTER CLOSING, "a \\connect to a database that was not made");
	assert_not_a_dump(OPENING HEADER "CREATE DATABASE a;\nCREATE DATABASE b;\n" FOOTER CLOSING,
					  "the making of a database");
	assert_not_a_dump(OPENING HEADER "CREATE DATABASE;\n" FOOTER CLOSING, "the making of a database");
	struct error error = {0};
	struct artefact artefact;
	assert_int_equal(check(DUMP "\0", strlen(DUMP) + 1, &artefact, &error), STATUS_DAMAGED);
	assert_non_null(strstr(error.message, "zero byte"));
}

#define MADE(statements)                                                                                               \
	OPENING HEADER "CREATE DATABASE shop WITH TEMPLATE = template0;\n" statements "\\connect shop\n" FOOTER CLOSING
#define LOADED(statements) OPENING HEADER "CREATE DATABASE shop;\n\\connect shop\n" statements FOOTER CLOSING

static void assert_dump(const char *text)
{
	struct error error = {0};
	struct artefact artefact;
	enum status status = check(text, strlen(text), &artefact, &error);
	assert_string_equal(status == STATUS_OK ? "" : error.message, "");
}

/* What is done before a database's last \connect is done for good, outside of a transaction. */
static void nothing_but_the_making_of_a_database_stands_before_it(void **state)
{
	(void)state;
	static const char *const texts[] = {
		MADE("ALTER SYSTEM SET a = 'secret';\n"),
		MADE("alter database other rename to gone;\n"),
		MADE("ALTER DATABASE shop RENAME TO gone;\n"),
		MADE("ALTER DATABASE other OWNER TO app;\n"),
		MADE("ALTER ROLE app SUPERUSER;\n"),
		MADE("ALTER ROLE app IN DATABASE other SET a TO 'b';\n"),
		MADE("DROP TABLE x;\n"),
		MADE("COMMENT ON DATABASE other IS 'x';\n"),
		MADE("GRANT app TO other;\n"),
		MADE("GRANT ALL ON DATABASE shop, other TO app;\n"),
		MADE("REVOKE ALL ON DATABASE other FROM app;\n"),
		MADE("SELECT pg_catalog.set_config('a', f(), false);\n"),
		MADE("SELECT pg_catalog.set_config('a', '', false), f();\n"),
		MADE("UPDATE pg_catalog.pg_authid SET rolsuper = true;\n"),
		MADE("UPDATE other SET a = 1;\n"),
		MADE("INSERT INTO x VALUES (1);\n"),
		MADE("(SELECT f());\n"),
		MADE("COPY x FROM stdin;\n1\n\\.\n"),
		MADE("DO $$ ALTER DATABASE shop SET a $$;\n"),
		MADE("ALTER DATABASE /* \" */ shop SET a TO 'b'; -- \"\n"),
		/* Between the two connections, or before a database of which there is nothing to be made. */
		MADE("\\connect shop\nCREATE TABLE x (a int);\n"),
		OPENING "\\connect template1\n" HEADER "CREATE TABLE x (a int);\n\\connect template1\n" FOOTER CLOSING,
		OPENING HEADER "DROP TABLE x;\nCREATE DATABASE shop;\n\\connect shop\n" FOOTER CLOSING,
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		assert_not_a_dump(texts[i], "is before a \\connect, where a dump only makes the database");
	}
	assert_not_a_dump(texts[0], "the statement ALTER SYSTEM SET... at line 10 is before a \\connect");
}

static void all_that_pg_dump_makes_a_database_of_may_stand_there(void **state)
{
	(void)state;
	assert_dump(MADE("ALTER DATABASE shop OWNER TO app;\n"
					 "ALTER DATABASE shop CONNECTION LIMIT = 3;\n"
					 "ALTER DATABASE shop IS_TEMPLATE = true;\n"
					 "ALTER DATABASE shop SET standard_conforming_strings TO 'off';\n"
					 "ALTER ROLE \"in database x\" IN DATABASE shop SET a TO 'b';\n"
					 "COMMENT ON DATABASE shop IS 'DATABASE other; /*';\n"
					 "SECURITY LABEL FOR selinux ON DATABASE shop IS 'x';\n"
					 "SECURITY LABEL FOR \"a b\" ON DATABASE \"shop\" IS E'\\\\x';\n"
					 "REVOKE CONNECT,TEMPORARY ON DATABASE shop FROM PUBLIC;\n"
					 "REVOKE GRANT OPTION FOR ALL ON DATABASE shop FROM app;\n"
					 "GRANT ALL ON DATABASE shop TO app WITH GRANT OPTION;\n"
					 "SET SESSION AUTHORIZATION 'app';\n"
					 "RESET SESSION AUTHORIZATION;\n"
					 "SET default_tablespace = '';\n"
					 "SELECT pg_catalog.set_config('search_path', '', false);\n"));
	assert_dump(OPENING HEADER "UPDATE pg_catalog.pg_database SET datistemplate = false WHERE datname = 'shop';\n"
							   "DROP DATABASE IF EXISTS shop;\nCREATE DATABASE shop;\n\\connect shop\n" FOOTER CLOSING);
}

/* psql reads on as the server's setting says, whoever has changed it and however it is spelt. */
static void settings_that_change_how_a_dump_is_read_are_spelt_as_pg_dump_does(void **state)
{
	(void)state;
	static const char *const statements[] = {
		LOADED("set standard_conforming_strings to off;\nSELECT 'a\\'';\n\\! id >/tmp/pwned\n-- ';\n"),
		LOADED("SET standard_conforming_strings TO off;\n"),
		LOADED("SET standard_conforming_strings = 'off';\n"),
		LOADED("SET standard_conforming_strings = of;\n"),
		LOADED("SET  standard_conforming_strings = off;\n"),
		LOADED("SET LOCAL standard_conforming_strings = off;\n"),
		LOADED("SET SESSION Standard_Conforming_Strings = off;\n"),
		LOADED("SET \"standard_conforming_strings\" = off;\n"),
		LOADED("SET U&\"\\0073tandard_conforming_strings\" = off;\n"),
		LOADED("SET /* x */ standard_conforming_strings = off;\n"),
		LOADED("RESET standard_conforming_strings;\n"),
		LOADED("RESET ALL;\n"),
		LOADED("RESET U&\"x\";\n"),
		LOADED("DISCARD ALL;\n"),
		LOADED("BEGIN;\nSET standard_conforming_strings = off;\nROLLBACK;\n"),
		LOADED("abort;\n"),
		LOADED("SELECT pg_catalog.set_config('standard_conforming_strings', 'off', false);\n"),
		LOADED("SELECT pg_catalog.set_config('STANDARD_conforming_strings', 'off', false);\n"),
		LOADED("UPDATE pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings';\n"),
		LOADED("DO $$ BEGIN SET standard_conforming_strings = off; END $$;\n"),
		LOADED("WITH a AS (SELECT set_config('standard_conforming_strings', 'off', false)) SELECT 1 FROM a;\n"),
		LOADED("CALL p('standard_conforming_strings');\n"),
		LOADED("(SELECT set_config('standard_conforming_strings', 'off', false));\n"),
		LOADED("SET client_encoding = 'SJIS';\n"),
		LOADED("SET client_encoding = 'sh-ift_jis';\n"),
		LOADED("SET client_encoding TO 'UTF8';\n"),
		LOADED("SET NAMES 'SJIS';\n"),
		LOADED("SELECT set_config('client_encoding', 'SJIS', false);\n"),
		OPENING "set standard_conforming_strings = off;\n" CLOSING,
	};
	for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
		assert_not_a_dump(statements[i], "may change how the rest is read, in a way that pg_dump does not");
	}
	assert_not_a_dump(statements[0], "the statement set standard... at line 11 may change");
}

static void the_names_of_those_settings_may_stand_in_data(void **state)
{
	(void)state;
	assert_dump(LOADED("SET standard_conforming_strings = off;\nSET standard_conforming_strings = on;\n"
					   "SET client_encoding = 'LATIN1';\nSET client_encoding = 'SQL_ASCII';\n"
					   "CREATE FUNCTION f() RETURNS text SET standard_conforming_strings TO 'off' AS 'SELECT 1';\n"
					   "COMMENT ON TABLE x IS 'SET standard_conforming_strings = off;';\n"
					   "ALTER ROLE app SET standard_conforming_strings TO 'off';\n"
					   "INSERT INTO x VALUES ('standard_conforming_strings');\n"
					   "SELECT pg_catalog.setval('public.client_encodings_id_seq', 1, true);\n"
					   "COPY x FROM stdin;\nSET standard_conforming_strings TO off;\nRESET ALL;\n\\.\n"));
}

/* It is looked for over the seams of the parts that a long statement comes in. */
static void a_setting_is_found_wherever_it_stands_in_a_statement(void **state)
{
	(void)state;
	static const char text[] = "SELECT                                   f('standard_conforming_strings')      ;";
	static const char other[] = "SELECT                                   f('standard_conforming_string_')      ;";
	size_t length = sizeof text - 1;
	for (size_t first = 6; first < length; first++) {
		for (size_t step = 1; step < length; step++) {
			struct dump_setting setting = {0};
			struct dump_setting other_setting = {0};
			bool allowed = true;
			bool other_allowed = true;
			for (size_t at = 0, next = first; at < length; at = next, next = at + step < length ? at + step : length) {
				struct dump_part part = {.first = at == 0, .last = next == length, .length = next - at};
				part.bytes = text + at;
				allowed &= dump_setting_allows(&setting, &part);
				part.bytes = other + at;
				other_allowed &= dump_setting_allows(&other_setting, &part);
			}
			assert_false(allowed);
			assert_true(other_allowed);
		}
	}
}

/* The lexer hands on a statement that is longer than its window in parts. */
static void a_setting_is_found_in_a_statement_without_end(void **state)
{
	(void)state;
	enum { LARGE = 3 << 20 };
	struct error error;
	struct buffer text = BUFFER_INIT(RECORD_LIMIT);
	assert_int_equal(buffer_printf(&text, &error,
								   OPENING HEADER
								   "CREATE DATABASE shop;\n\\connect shop\nSELECT '%0*d', "
								   "set_config('standard_conforming_strings', 'off', false);\n" FOOTER CLOSING,
								   LARGE, 0),
					 STATUS_OK);
	assert_not_a_dump(text.data, "the statement SELECT... at line 11 may change");
	buffer_free(&text);
}

static void test_check_bounds(void **state)
{
	(void)state;
	enum { DATABASES = 10000, COMMAND = 1024 };
	struct error error;
	struct buffer text = BUFFER_INIT(RECORD_LIMIT);
	assert_int_equal(buffer_append_text(&text, OPENING, &error), STATUS_OK);
	for (int i = 0; i <= DATABASES; i++) {
		assert_int_equal(buffer_printf(&text, &error, "\\connect a%d\n" FOOTER, i), STATUS_OK);
	}
	assert_not_a_dump(text.data, "it holds more than 10000 databases");
	buffer_clear(&text);
	assert_int_equal(buffer_printf(&text, &error, OPENING "\\connect %0*d\n" CLOSING, COMMAND, 0), STATUS_OK);
	assert_not_a_dump(text.data, "a backslash command without end");
	buffer_free(&text);
}

static enum status read_file(const char *path, struct error *error)
{
	struct recorder recorder = {.listener = {.part = record_part}, .record = BUFFER_INIT(RECORD_LIMIT)};
	return dump_reader_run(path, (struct dump_stretch){.to = 1}, &recorder.listener, NULL, error);
}

static void test_no_file(void **state)
{
	(void)state;
	struct error error = {0};
	assert_int_equal(read_file("/nonexistent/dump", &error), STATUS_NOT_FOUND);
	assert_string_equal(error.message, "cannot open /nonexistent/dump: No such file or directory");
	assert_int_equal(read_file("/", &error), STATUS_FAILED);
	assert_string_equal(error.message, "cannot read the dump: Is a directory");
}

static void a_dump_that_cannot_be_read_is_no_word_against_its_content(void **state)
{
	(void)state;
	struct error error = {0};
	assert_int_equal(read_file("/", &error), STATUS_FAILED);
	assert_true(error.blameless);
}

static void a_dump_that_cannot_be_opened_is_no_word_against_its_content(void **state)
{
	(void)state;
	struct error error = {0};
	assert_int_equal(read_file("/dev/null/dump", &error), STATUS_FAILED);
	assert_true(error.blameless);
}

/* One that was cut loads without any error, as far as it goes. */
static void test_shortened_file(void **state)
{
	(void)state;
	static const char text[] = "SELECT 1;\nSELECT 2;\n";
	char path[] = "/tmp/test_postgresql_lexer.XXXXXX";
	struct error error = {0};
	struct recorder recorder = {.listener = {.part = record_part}, .record = BUFFER_INIT(RECORD_LIMIT)};
	int fd = mkstemp(path);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(dump_reader_run(path, (struct dump_stretch){.to = strlen(text)}, &recorder.listener, NULL, &error),
					 STATUS_OK);
	recorder.next = 0;
	assert_int_equal(
		dump_reader_run(path, (struct dump_stretch){.to = strlen(text) + 1}, &recorder.listener, NULL, &error),
		STATUS_DAMAGED);
	assert_string_equal(error.message, "the dump has become shorter while it was read");
	buffer_free(&recorder.record);
	unlink(path);
}

static void test_layout(void **state)
{
	(void)state;
	char path[] = "/tmp/test_postgresql_lexer.XXXXXX";
	int fd = mkstemp(path);
	assert_int_equal(write(fd, DUMP, strlen(DUMP)), strlen(DUMP));
	close(fd);
	struct error error = {0};
	struct dump_layout layout = {0};
	struct source *file = NULL;
	assert_int_equal(file_source_new(path, &file, &error), STATUS_OK);
	assert_int_equal(dump_layout_read(file, NULL, &layout, &error), STATUS_OK);
	assert_int_equal(layout.size, strlen(DUMP));
	unlink(path);
	assert_int_equal(layout.count, 2);
	assert_int_equal(layout.globals_end, strlen(OPENING GLOBALS));
	assert_string_equal(layout.databases[0].name, "template1");
	assert_false(layout.databases[0].created);
	assert_int_equal(layout.databases[0].content - layout.databases[0].start, strlen("\\connect template1"));
	assert_string_equal(layout.databases[1].name, "My \"odd\" D'b");
	assert_true(layout.databases[1].created);
	/* The content begins behind the second connection, where the database's own settings are in force. */
	static const char dump[] = DUMP;
	assert_memory_equal(&dump[layout.databases[1].content], "\n\\restrict k3\nCOPY", 18);
	assert_memory_equal(&dump[layout.databases[1].end], "-- PostgreSQL database dump complete", 36);
	dump_layout_free(&layout);
}

/* A section is loaded by a session of its own, which has to read it as it was read here. */
static void a_section_knows_how_its_strings_are_read(void **state)
{
	(void)state;
	static const char text[] =
		OPENING "SET standard_conforming_strings = off;\n" HEADER
				"CREATE DATABASE shop;\nCOMMENT ON DATABASE shop IS 'a\\';b';\n\\connect shop\n"
				"SELECT 'a\\';b';\n" FOOTER HEADER "SET standard_conforming_strings = on;\nCREATE DATABASE other;\n"
				"\\connect other\nSELECT 'a\\';\n" FOOTER CLOSING;
	char path[] = "/tmp/test_postgresql_lexer.XXXXXX";
	int fd = mkstemp(path);
	assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
	close(fd);
	struct error error = {0};
	struct dump_layout layout = {0};
	struct source *file = NULL;
	assert_int_equal(file_source_new(path, &file, &error), STATUS_OK);
	assert_int_equal(dump_layout_read(file, NULL, &layout, &error), STATUS_OK);
	assert_int_equal(layout.count, 2);
	assert_true(dump_layout_making(&layout.databases[0]).escapes);
	assert_true(dump_layout_content(&layout.databases[0]).escapes);
	assert_true(dump_layout_making(&layout.databases[1]).escapes);
	assert_false(dump_layout_content(&layout.databases[1]).escapes);
	struct recorder recorder = {.listener = {.part = record_part}, .record = BUFFER_INIT(RECORD_LIMIT)};
	struct dump_stretch content = dump_layout_content(&layout.databases[0]);
	recorder.next = content.from;
	assert_int_equal(dump_reader_run(path, content, &recorder.listener, NULL, &error), STATUS_OK);
	assert_non_null(strstr(recorder.record.data, "S[SELECT 'a\\';b';]\n"));
	buffer_free(&recorder.record);
	dump_layout_free(&layout);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quotes),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_comments),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_statements_in_statements),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_large_pieces),
		cmocka_unit_test(test_stops_in_the_middle),
		cmocka_unit_test(test_check_good),
		cmocka_unit_test(test_check_no_dump),
		cmocka_unit_test(test_check_cut_anywhere),
		cmocka_unit_test(nothing_but_the_making_of_a_database_stands_before_it),
		cmocka_unit_test(all_that_pg_dump_makes_a_database_of_may_stand_there),
		cmocka_unit_test(settings_that_change_how_a_dump_is_read_are_spelt_as_pg_dump_does),
		cmocka_unit_test(the_names_of_those_settings_may_stand_in_data),
		cmocka_unit_test(a_setting_is_found_wherever_it_stands_in_a_statement),
		cmocka_unit_test(a_setting_is_found_in_a_statement_without_end),
		cmocka_unit_test(a_section_knows_how_its_strings_are_read),
		cmocka_unit_test(test_check_bounds),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(a_dump_that_cannot_be_read_is_no_word_against_its_content),
		cmocka_unit_test(a_dump_that_cannot_be_opened_is_no_word_against_its_content),
		cmocka_unit_test(test_shortened_file),
		cmocka_unit_test(test_layout),
	};
	return cmocka_run_group_tests_name("postgresql_lexer", tests, NULL, NULL);
}
