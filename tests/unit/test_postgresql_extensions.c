/* Tables of extensions: what is told of them, and what a restore makes of a backup that has counted them. */
#include "postgresql_support.h"

#include "stores/postgresql/moment_extensions.h"
#include "stores/postgresql/row_counts.h"

static const char left_out_words[] = "HAVING count(*) > 0";
static const char databases_words[] = "SELECT datname FROM pg_catalog.pg_database";
static const char count_words[] = "number / 100";
static const char members_words[] = "SELECT n.nspname, c.relname FROM pg_class c";

static enum status warn(struct server *server, const char *rows, struct error *error)
{
	struct moment_database database = {.name = "shop"};
	server->lines[0] = (struct line){.asked = left_out_words, .rows = rows};
	assert_ok(psql_session_open(&server->postgresql, "shop", &database.session, error), error);
	enum status status = moment_extensions_warn(&database, &server->progress, error);
	psql_session_free(database.session);
	return status;
}

static void rows_that_no_dump_holds_are_told_of(void **state)
{
	struct server *server = *state;
	struct error error;
	assert_ok(warn(server, "public.log|rates|7|", &error), &error);
	assert_string_equal(server->warned,
						"7 rows of the table public.log of database shop are not in the backup: the table "
						"belongs to the extension rates, which lets pg_dump leave them out");
	assert_ok(warn(server, "public.log|rates|1|", &error), &error);
	assert_non_null(strstr(server->warned, "1 row of the table public.log of database shop is not in the backup"));
}

static void nothing_is_told_where_all_is_in_the_dump(void **state)
{
	struct server *server = *state;
	struct error error;
	assert_ok(warn(server, "", &error), &error);
	assert_string_equal(server->warned, "");
}

static void a_list_of_tables_of_extensions_has_to_make_sense(void **state)
{
	struct server *server = *state;
	struct error error;
	assert_status(STATUS_FAILED, warn(server, "public.log|rates|", &error), &error);
	assert_string_equal(error.message, "PostgreSQL's list of tables of extensions makes no sense");
}

static enum status count_now(struct server *server, const char *members, const struct fingerprint *backup,
							 struct fingerprint *ret_now, struct error *error)
{
	server->lines[0] = (struct line){.asked = databases_words, .rows = "shop|"};
	server->lines[1] = (struct line){.asked = count_words, .rows = "public|own|11|"};
	server->lines[2] = (struct line){.asked = members_words, .rows = members};
	return row_counts_now(&server->postgresql.store, backup, ret_now, error);
}

static void a_number_of_an_extensions_rows_in_a_backup_is_not_compared(void **state)
{
	struct server *server = *state;
	struct error error;
	struct fingerprint now = {0};
	char difference[FINGERPRINT_DIFFERENCE_SIZE];
	bool same = false;
	struct fingerprint backup = {.known = true, .exact = true};
	assert_ok(fingerprint_add(&backup, "rows", "shop.public.own", 11, &error), &error);
	assert_ok(fingerprint_add(&backup, "rows", "shop.public.log", 7, &error), &error);
	assert_ok(count_now(server, "public|log|public|other|", &backup, &now, &error), &error);
	assert_ok(fingerprint_compare(&backup, &now, &same, difference, &error), &error);
	assert_string_equal(difference, "");
	fingerprint_free(&now);
	assert_ok(count_now(server, "", &backup, &now, &error), &error);
	assert_ok(fingerprint_compare(&backup, &now, &same, difference, &error), &error);
	assert_string_equal(difference, "rows of shop.public.log: 7 in the backup, none now");
	fingerprint_free(&now);
	fingerprint_free(&backup);
}

static void half_a_list_of_an_extensions_tables_is_none(void **state)
{
	struct server *server = *state;
	struct error error;
	struct fingerprint now = {0};
	struct fingerprint backup = {.known = true, .exact = true};
	assert_ok(fingerprint_add(&backup, "rows", "shop.public.log", 7, &error), &error);
	assert_status(STATUS_FAILED, count_now(server, "public|", &backup, &now, &error), &error);
	assert_string_equal(error.message, "PostgreSQL's rows cannot be counted: PostgreSQL's list of tables of extensions "
									   "makes no sense");
	fingerprint_free(&backup);
}

#define server_test(name) cmocka_unit_test_setup_teardown(name, server_start, server_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		server_test(rows_that_no_dump_holds_are_told_of),
		server_test(nothing_is_told_where_all_is_in_the_dump),
		server_test(a_list_of_tables_of_extensions_has_to_make_sense),
		server_test(a_number_of_an_extensions_rows_in_a_backup_is_not_compared),
		server_test(half_a_list_of_an_extensions_tables_is_none),
	};
	return cmocka_run_group_tests_name("postgresql_extensions", tests, NULL, NULL);
}
