/* What changes under pg_dump: what is made of the server's answers. */
#include "postgresql_support.h"

#include "stores/postgresql/moment_changes.h"

static const char suspect_words[] = "WHERE ended HAVING";
static const char compare_words[] = "FROM held WHERE NOT EXISTS (SELECT FROM";
static const char back_words[] = "USING (key)";
static const char list[] = "WITH held (kind, key, name, content) AS (VALUES ('type', '1', 'public.mood', '2'))";

static struct moment_database database = {.name = "shop"};

static int start(void **state)
{
	struct error error;
	int result = server_start(state);
	struct server *server = *state;
	return psql_session_open(&server->postgresql, "shop", &database.session, &error) == STATUS_OK ? result : -1;
}

static int stop(void **state)
{
	psql_session_free(MOVE(database.session));
	return server_stop(state);
}

/* Both steps, as of one that is suspected. */
static enum status look(struct server *server, const char *suspected, struct line compared, struct error *error)
{
	CLEANUP(buffer_free) struct buffer suspects = BUFFER_INIT(MOMENT_CHANGES_LIMIT);
	server->lines[0] = (struct line){.asked = suspect_words, .rows = suspected};
	server->lines[1] = compared;
	enum status status = moment_changes_suspect(database.session, &suspects, error);
	return status == STATUS_OK ? moment_changes_compare(&database, &suspects, error) : status;
}

static void nobody_is_asked_where_nothing_is_suspected(void **state)
{
	struct server *server = *state;
	struct error error;
	assert_ok(look(server, "", (struct line){.asked = compare_words, .rows = "type public.mood|"}, &error), &error);
	assert_null(strstr(buffer_text(&server->heard), compare_words));
}

static void what_is_suspected_and_is_as_it_was_is_no_change(void **state)
{
	struct server *server = *state;
	struct error error;
	char suspected[256];
	snprintf(suspected, sizeof suspected, "%s|", list);
	assert_ok(look(server, suspected, (struct line){.asked = compare_words, .rows = ""}, &error), &error);
	const char *anew = strstr(buffer_text(&server->heard), "ROLLBACK\\; BEGIN ISOLATION LEVEL REPEATABLE READ");
	assert_non_null(anew);
	assert_non_null(strstr(anew, "'public.mood', '2')) SELECT kind"));
}

static void what_has_changed_is_named(void **state)
{
	struct server *server = *state;
	struct error error;
	assert_status(STATUS_FAILED,
				  look(server, "WITH|", (struct line){.asked = compare_words, .rows = "type public.mood|"}, &error),
				  &error);
	assert_string_equal(error.message,
						"database shop: the schema was changed while it was being saved: type public.mood");
	assert_string_equal(error.hint,
						"what was saved might not load; run the backup again when nothing changes the schema");
}

static void a_comparison_that_was_not_answered_is_no_proof(void **state)
{
	struct server *server = *state;
	struct error error;
	assert_status(STATUS_UNAVAILABLE,
				  look(server, "WITH|", (struct line){.asked = compare_words, .lost = true}, &error), &error);
}

static void a_comparison_that_was_refused_is_no_proof(void **state)
{
	struct server *server = *state;
	struct error error;
	const struct line refused = {.asked = compare_words, .errors = "psql:<stdin>:1: ERROR:  it is too late\n"};
	assert_status(STATUS_FAILED, look(server, "WITH|", refused, &error), &error);
	assert_string_equal(error.message, "psql in container stack_postgres_1: it is too late");
}

static void a_sequence_that_was_set_back_is_told_of(void **state)
{
	struct server *server = *state;
	struct error error;
	server->lines[0] = (struct line){.asked = back_words, .rows = "public.s|1001|2|"};
	assert_ok(moment_changes_note(database.session, &error), &error);
	assert_string_equal(server->warned, "");
	assert_ok(moment_changes_warn(&database, &server->progress, &error), &error);
	assert_string_equal(
		server->warned,
		"the sequence public.s of database shop was set back while the backup was made, from 1001 to 2, "
		"and may be in it like that: after a restore it would give numbers that are taken");
}

static void a_list_of_sequences_has_to_make_sense(void **state)
{
	struct server *server = *state;
	struct error error;
	server->lines[0] = (struct line){.asked = back_words, .rows = "public.s|1001|"};
	assert_status(STATUS_FAILED, moment_changes_warn(&database, &server->progress, &error), &error);
	assert_string_equal(error.message, "PostgreSQL's list of sequences makes no sense");
}

#define server_test(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		server_test(nobody_is_asked_where_nothing_is_suspected),
		server_test(what_is_suspected_and_is_as_it_was_is_no_change),
		server_test(what_has_changed_is_named),
		server_test(a_comparison_that_was_not_answered_is_no_proof),
		server_test(a_comparison_that_was_refused_is_no_proof),
		server_test(a_sequence_that_was_set_back_is_told_of),
		server_test(a_list_of_sequences_has_to_make_sense),
	};
	return cmocka_run_group_tests_name("postgresql_changes", tests, NULL, NULL);
}
