/* What a restore makes of a dump's text: other database names, roles and tablespaces for one transaction. */
#include "stores/postgresql/dump_rename.h"
#include "stores/postgresql/restore_globals.h"
#include "stores/postgresql/sql_statement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { TEXT_LIMIT = 1 << 24 };

static void assert_database(const char *statement, const char *name)
{
	char found[SQL_NAME_SIZE] = "";
	struct sql_token token = sql_statement_database(statement, strlen(statement));
	(void)sql_statement_name(statement, token, found);
	assert_string_equal(found, name != NULL ? name : "");
}

static void test_statement_database(void **state)
{
	(void)state;
	assert_database("CREATE DATABASE shop WITH TEMPLATE = template0;", "shop");
	assert_database("ALTER DATABASE \"My \"\"odd\"\" D'b\" OWNER TO shop;", "My \"odd\" D'b");
	assert_database("ALTER ROLE \"in database x\" IN DATABASE shop SET a TO 'b';", "shop");
	assert_database("COMMENT ON DATABASE shop IS 'DATABASE x';", "shop");
	assert_database("GRANT CREATE,TEMPORARY ON DATABASE shop TO x;", "shop");
	assert_database("REVOKE ALL ON DATABASE \"Shop\" FROM PUBLIC;", "Shop");
	assert_database("SECURITY LABEL FOR p ON DATABASE shop IS 'x';", "shop");
	assert_database("ALTER TABLE public.database OWNER TO shop;", NULL);
	assert_database("GRANT SELECT ON TABLE public.database TO shop;", NULL);
	assert_database("GRANT database TO shop;", NULL);
	assert_database("COMMENT ON TABLE x IS 'ON DATABASE shop';", NULL);
	assert_database("CREATE TABLE x (a text DEFAULT 'CREATE DATABASE shop');", NULL);
	assert_database("INSERT INTO x VALUES (1);", NULL);
	assert_database("", NULL);
}

static void test_statement_names(void **state)
{
	(void)state;
	char name[SQL_NAME_SIZE];
	static const char unclosed[] = "\"a";
	static const char too_long[] = "\"0123456789012345678901234567890123456789012345678901234567890123\"";
	assert_false(sql_statement_name("''", sql_statement_token("''", 2, 0), name));
	assert_false(sql_statement_name("\"\"", sql_statement_token("\"\"", 2, 0), name));
	assert_false(sql_statement_name(unclosed, sql_statement_token(unclosed, strlen(unclosed), 0), name));
	assert_false(sql_statement_name(too_long, sql_statement_token(too_long, strlen(too_long), 0), name));
	assert_true(sql_statement_name("ABC", sql_statement_token("ABC", 3, 0), name));
	assert_string_equal(name, "abc");
	struct error error = {0};
	struct buffer sql = BUFFER_INIT(100);
	assert_int_equal(sql_statement_quote_name(&sql, "a\"b'c\\", &error), STATUS_OK);
	assert_int_equal(sql_statement_quote_text(&sql, "a\"b'c\\", &error), STATUS_OK);
	assert_string_equal(sql.data, "\"a\"\"b'c\\\"'a\"b''c\\'");
	buffer_free(&sql);
}

static void test_statement_kinds(void **state)
{
	(void)state;
	static const char *const texts[][2] = {
		{"CREATE USER bob PASSWORD 'clear';", "CREATE USER bob"},
		{"CREATE USER \"bob\" PASSWORD 'clear';", "CREATE USER"},
		{"ALTER\n\tROLE x9 PASSWORD 'clear';", "ALTER ROLE x"},
		{"SET standard_conforming_strings = off;", "SET standard"},
		{"'secret';", ""},
		{"(SELECT 1);", ""},
		{"", ""},
		{"SELECT aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;", "SELECT"},
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		char kind[SQL_KIND_SIZE];
		sql_statement_kind(texts[i][0], strlen(texts[i][0]), kind);
		assert_string_equal(kind, texts[i][1]);
	}
}

/* Reads the source in small pieces, as a pipe would. */
static struct buffer renamed_from(const char *text, bool escapes)
{
	char path[] = "/tmp/test_postgresql_restore.XXXXXX";
	int fd = mkstemp(path);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	struct error error = {0};
	struct buffer output = BUFFER_INIT(TEXT_LIMIT);
	struct source *source = NULL;
	assert_int_equal(dump_rename_source_new(path, (struct dump_stretch){.to = strlen(text), .escapes = escapes}, "shop",
											"wb_new_1", "<", ">", NULL, &source, &error),
					 STATUS_OK);
	char block[7];
	for (size_t length = 1; length > 0;) {
		assert_int_equal(source_read(source, block, sizeof block, &length, &error), STATUS_OK);
		assert_int_equal(buffer_append(&output, block, length, &error), STATUS_OK);
	}
	source_free(source);
	unlink(path);
	return output;
}

static struct buffer renamed(const char *text)
{
	return renamed_from(text, false);
}

/* psql begins with the setting on, and has to read what we have read. */
static void a_section_is_loaded_with_its_strings_read_as_they_were_checked(void **state)
{
	(void)state;
	struct buffer output = renamed_from("SELECT 'a\\';\n\\! id\n';", true);
	assert_string_equal(output.data, "<SET standard_conforming_strings = off;\nSELECT 'a\\';\n\\! id\n';>");
	buffer_free(&output);
}

static void test_rename(void **state)
{
	(void)state;
	struct buffer output = renamed(
		"-- shop\nCREATE DATABASE shop WITH TEMPLATE = template0;\nDROP DATABASE shop;\n\\connect shop\n"
		"UPDATE pg_catalog.pg_database SET datistemplate = false WHERE datname = 'shop';\n"
		"COMMENT ON DATABASE shop IS 'shop';\nALTER DATABASE other SET a TO 'b';\n"
		"COPY shop (a) FROM stdin;\nCREATE DATABASE shop;\n\\connect shop\n\\.\nSELECT '\n\\connect shop\n';\n");
	assert_string_equal(
		output.data,
		"<\nCREATE DATABASE \"wb_new_1\" WITH TEMPLATE = template0;\n\n\n\n"
		"COMMENT ON DATABASE \"wb_new_1\" IS 'shop';\nALTER DATABASE other SET a TO 'b';\n"
		"COPY shop (a) FROM stdin;\nCREATE DATABASE shop;\n\\connect shop\n\\.\nSELECT '\n\\connect shop\n';\n>");
	buffer_free(&output);
}

/* Of the load's own transaction, which a COMMIT behind large objects would end. */
static void begin_and_commit_around_large_objects_are_left_out(void **state)
{
	(void)state;
	struct buffer output = renamed("SELECT lo_create(1);\nBEGIN;\nSELECT lo_open(1, 131072);\nCOMMIT;\n"
								   "CREATE FUNCTION f() RETURNS integer BEGIN ATOMIC SELECT 1; END;\n"
								   "SELECT '\nCOMMIT;\n';\nCOPY shop (a) FROM stdin;\nBEGIN;\nCOMMIT;\n\\.\n");
	assert_string_equal(output.data, "<SELECT lo_create(1);\n\nSELECT lo_open(1, 131072);\n\n"
									 "CREATE FUNCTION f() RETURNS integer BEGIN ATOMIC SELECT 1; END;\n"
									 "SELECT '\nCOMMIT;\n';\nCOPY shop (a) FROM stdin;\nBEGIN;\nCOMMIT;\n\\.\n>");
	buffer_free(&output);
}

/* A comment of a megabyte on the database: the name is in its head, the rest goes through in parts. */
static void test_rename_large(void **state)
{
	(void)state;
	enum { LARGE = 1 << 20 };
	char *text = malloc(LARGE + 100);
	size_t start = (size_t)sprintf(text, "COMMENT ON DATABASE shop IS '");
	memset(text + start, 'x', LARGE);
	strcpy(text + start + LARGE, "';");
	struct buffer output = renamed(text);
	assert_memory_equal(output.data, "<COMMENT ON DATABASE \"wb_new_1\" IS 'xxx", 39);
	assert_int_equal(output.length, strlen(text) + strlen("\"wb_new_1\"") - strlen("shop") + strlen("<>"));
	buffer_free(&output);
	free(text);
}

static void test_rename_properties(void **state)
{
	(void)state;
	static const char text[] =
		"SET a = b;\nCREATE DATABASE postgres WITH TEMPLATE = template0;\n\\connect postgres\nSET a = b;\n"
		"CREATE EXTENSION x;\nALTER DATABASE postgres SET work_mem TO '6MB';\nGRANT CREATE ON DATABASE postgres TO "
		"x;\n";
	struct error error = {0};
	struct buffer sql = BUFFER_INIT(TEXT_LIMIT);
	assert_int_equal(dump_rename_properties(text, strlen(text), "postgres", "wb_new_2", &sql, &error), STATUS_OK);
	assert_string_equal(
		sql.data, "\nCREATE DATABASE \"wb_new_2\" WITH TEMPLATE = template0;\n\n\n\n"
				  "ALTER DATABASE \"wb_new_2\" SET work_mem TO '6MB';\nGRANT CREATE ON DATABASE \"wb_new_2\" TO x;\n");
	buffer_free(&sql);
}

/* What is left out is left out whole, however long it is. */
static void test_rename_properties_large(void **state)
{
	(void)state;
	enum { LARGE = 1 << 20 };
	struct error error = {0};
	struct buffer text = BUFFER_INIT(TEXT_LIMIT);
	struct buffer sql = BUFFER_INIT(TEXT_LIMIT);
	assert_int_equal(buffer_printf(&text, &error,
								   "COMMENT ON EXTENSION x IS '%0*d';ALTER DATABASE postgres SET a TO 'b';", LARGE, 0),
					 STATUS_OK);
	assert_int_equal(dump_rename_properties(text.data, text.length, "postgres", "wb_new_2", &sql, &error), STATUS_OK);
	assert_string_equal(sql.data, "ALTER DATABASE \"wb_new_2\" SET a TO 'b';");
	buffer_free(&text);
	buffer_free(&sql);
}

static void test_globals(void **state)
{
	(void)state;
	static const char text[] =
		"SET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\nDROP ROLE \"a'b\";\nCREATE ROLE "
		"\"a'b\";\n"
		"ALTER ROLE \"a'b\" WITH NOSUPERUSER LOGIN PASSWORD 'p''w' VALID UNTIL 'x';\nCREATE ROLE boss;\n"
		"ALTER ROLE boss WITH SUPERUSER NOLOGIN;\nALTER ROLE boss SET a TO 'b';\nGRANT a TO b WITH ADMIN OPTION "
		"GRANTED BY c;\n"
		"GRANT SET ON PARAMETER x TO b;\nCREATE TABLESPACE ts OWNER boss LOCATION '/x';\n";
	struct restore_globals globals = RESTORE_GLOBALS_INIT;
	struct error error = {0};
	assert_int_equal(restore_globals_from_text(text, strlen(text), false, &globals, &error), STATUS_OK);
	const char *lists = strstr(globals.lists.data, "INSERT");
	assert_string_equal(
		lists, "INSERT INTO wanted_role (name) VALUES ('a''b');\n"
			   "UPDATE wanted_role SET superuser = false, login = true, password = 'p''w' WHERE name = 'a''b';\n"
			   "INSERT INTO wanted_role (name) VALUES ('boss');\n"
			   "UPDATE wanted_role SET superuser = true, login = false WHERE name = 'boss';\n"
			   "INSERT INTO wanted_tablespace VALUES ('ts', 'CREATE TABLESPACE ts OWNER boss LOCATION ''/x'';');\n");
	assert_string_equal(globals.changes.data,
						"SET standard_conforming_strings = on;\n"
						"ALTER ROLE \"a'b\" WITH NOSUPERUSER LOGIN PASSWORD 'p''w' VALID UNTIL 'x';\n"
						"ALTER ROLE boss WITH SUPERUSER NOLOGIN;\nALTER ROLE boss SET a TO 'b';\n"
						"GRANT a TO b WITH ADMIN OPTION ;\nGRANT SET ON PARAMETER x TO b;\n"
						"ALTER TABLESPACE ts OWNER TO boss;\n");
	restore_globals_free(&globals);
}

static void test_globals_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"COMMIT;",         "SELECT 1;", "CREATE TABLE x (a int);", "SET role = x;", "COPY x FROM stdin;\n\\.\n",
		"CREATE ROLE 'x';"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct restore_globals globals = RESTORE_GLOBALS_INIT;
		struct error error = {0};
		assert_int_equal(restore_globals_from_text(texts[i], strlen(texts[i]), true, &globals, &error), STATUS_DAMAGED);
		restore_globals_free(&globals);
	}
}

static void assert_globals_refused(const char *text, const char *message)
{
	struct restore_globals globals = RESTORE_GLOBALS_INIT;
	struct error error = {0};
	assert_int_equal(restore_globals_from_text(text, strlen(text), true, &globals, &error), STATUS_DAMAGED);
	assert_string_equal(error.message, message);
	restore_globals_free(&globals);
}

/* The message goes into a log, and perhaps a mail. */
static void no_password_is_in_what_is_said_of_a_statement(void **state)
{
	(void)state;
	assert_globals_refused("SET client_encoding = 'UTF8';\n\nCREATE USER bob PASSWORD 'clear';",
						   "the statement CREATE USER bob... at line 3 has no place among roles and tablespaces");
	assert_globals_refused("CREATE ROLE 'clear';",
						   "the statement CREATE ROLE... at line 1 has no name of a role or tablespace");
}

/* What our own eyes take for a string, and psql for something else, would put the half of it among what is run. */
static void statements_that_cannot_be_taken_to_pieces_are_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"ALTER ROLE x WITH /* PASSWORD ' */ LOGIN;",
		"CREATE TABLESPACE x OWNER $$\"$$ LOCATION '/x';",
		"GRANT a TO b /* ' */ GRANTED BY c /* ' */;",
		"CREATE ROLE x /* */;",
		"SET standard_conforming_strings = off;\nCREATE TABLESPACE x LOCATION 'a\\'';\n\\! id\n--';",
		"SET standard_conforming_strings = off;\nALTER ROLE x WITH VALID UNTIL 'a\\' PASSWORD ' ;';",
		"SET standard_conforming_strings = off;\nGRANT a TO b 'x\\' GRANTED y';",
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct restore_globals globals = RESTORE_GLOBALS_INIT;
		struct error error = {0};
		assert_int_equal(restore_globals_from_text(texts[i], strlen(texts[i]), true, &globals, &error), STATUS_DAMAGED);
		assert_non_null(strstr(error.message, "is not as pg_dumpall writes it"));
		restore_globals_free(&globals);
	}
}

static void a_server_that_reads_strings_with_escapes_is_restored_too(void **state)
{
	(void)state;
	static const char text[] = "SET standard_conforming_strings = off;\nCREATE ROLE x;\n"
							   "ALTER ROLE x WITH LOGIN PASSWORD 'p';\nALTER ROLE x SET a TO 'b\\\\c';\n"
							   "COMMENT ON ROLE x IS 'b\\\\c';\n";
	struct restore_globals globals = RESTORE_GLOBALS_INIT;
	struct error error = {0};
	assert_int_equal(restore_globals_from_text(text, strlen(text), true, &globals, &error), STATUS_OK);
	assert_string_equal(globals.changes.data,
						"SET standard_conforming_strings = off;\nALTER ROLE x WITH LOGIN PASSWORD 'p';\n"
						"ALTER ROLE x SET a TO 'b\\\\c';\nCOMMENT ON ROLE x IS 'b\\\\c';\n");
	restore_globals_free(&globals);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_statement_database),
		cmocka_unit_test(test_statement_names),
		cmocka_unit_test(test_rename),
		cmocka_unit_test(test_rename_large),
		cmocka_unit_test(begin_and_commit_around_large_objects_are_left_out),
		cmocka_unit_test(test_rename_properties),
		cmocka_unit_test(test_rename_properties_large),
		cmocka_unit_test(test_globals),
		cmocka_unit_test(test_globals_refused),
		cmocka_unit_test(test_statement_kinds),
		cmocka_unit_test(a_section_is_loaded_with_its_strings_read_as_they_were_checked),
		cmocka_unit_test(no_password_is_in_what_is_said_of_a_statement),
		cmocka_unit_test(statements_that_cannot_be_taken_to_pieces_are_refused),
		cmocka_unit_test(a_server_that_reads_strings_with_escapes_is_restored_too),
	};
	return cmocka_run_group_tests_name("postgresql_restore", tests, NULL, NULL);
}
