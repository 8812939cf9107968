/* stores/postgresql with a server that answers what no real one does, or in a state that it cannot be brought into. */
#include "postgresql_support.h"

#include "stores/postgresql/restore.h"

/* --- a restore
 * -------------------------------------------------------------------------------------------------------- */

static void old_data_is_not_dropped_before_the_new_is_in_place(void **state)
{
	struct server *server = *state;
	struct error error;
	set_phase(server, "staged");
	assert_status(STATUS_FAILED, restore_commit(&server->postgresql.store, &server->progress, &error), &error);
	assert_string_equal(error.message, "PostgreSQL's old data cannot be dropped: the restored data are not in place");
	assert_false(was_asked(server, "DROP"));
}

static void there_is_no_way_back_once_old_data_is_dropped(void **state)
{
	struct server *server = *state;
	struct error error;
	set_phase(server, "finishing");
	assert_status(STATUS_FAILED, restore_rollback(&server->postgresql.store, &server->progress, &error), &error);
	assert_string_equal(error.message, "PostgreSQL's old data are being dropped already; there is no way back");
	assert_string_equal(error.hint, "the next restore finishes that first");
	assert_false(was_asked(server, "DROP"));
}

static void nothing_is_swapped_that_is_not_staged(void **state)
{
	struct server *server = *state;
	struct error error;
	server->lines[0] = (struct line){.asked = "FILTER (WHERE datname = 'wb_maint')", .rows = "0|0|0|0|"};
	assert_status(STATUS_FAILED, restore_swap(&server->postgresql.store, &server->progress, &error), &error);
	assert_string_equal(error.message, "nothing is ready to be put in place of PostgreSQL's data");
	assert_false(was_asked(server, "RENAME"));
}

static void the_next_restore_finishes_the_one_before_first(void **state)
{
	struct server *server = *state;
	struct error error;
	set_phase(server, "finishing");
	assert_status(STATUS_NOT_FOUND,
				  restore_stage(&server->postgresql.store, "/nonexistent/dump", NULL, &server->progress, &error),
				  &error);
	assert_string_equal(error.message, "cannot look at /nonexistent/dump: No such file or directory");
	assert_true(was_asked(server, "UPDATE public.run SET phase = 'finishing';"));
	assert_true(was_asked(server, "DROP DATABASE IF EXISTS wb_maint"));
}

static void a_dump_that_cannot_be_looked_at_is_no_word_against_its_content(void **state)
{
	struct server *server = *state;
	struct error error;
	set_phase(server, "finishing");
	assert_status(STATUS_FAILED,
				  restore_stage(&server->postgresql.store, "/dev/null/dump", NULL, &server->progress, &error), &error);
	assert_true(error.blameless);
}

static void a_role_that_the_server_keeps_is_warned_of(void **state)
{
	struct server *server = *state;
	struct error error;
	set_phase(server, "finishing");
	server->lines[2] = (struct line){.asked = "SELECT name, format('DROP ROLE", .rows = "late|DROP ROLE late;|"};
	server->lines[3] = (struct line){.asked = "DROP ROLE late", .errors = "psql:<stdin>:1: ERROR:  it is needed\n"};
	assert_ok(restore_commit(&server->postgresql.store, &server->progress, &error), &error);
	assert_string_equal(server->warned, "the role late should be gone, but cannot be dropped: psql in container "
										"stack_postgres_1: it is needed");
	assert_true(was_asked(server, "DROP DATABASE IF EXISTS wb_maint"));
}

/* Nothing is known of whether it was dropped, so the note of it stays for the next time. */
static void a_role_whose_drop_was_not_answered_is_left_to_the_next_time(void **state)
{
	struct server *server = *state;
	struct error error;
	set_phase(server, "finishing");
	server->lines[2] = (struct line){.asked = "SELECT name, format('DROP ROLE", .rows = "late|DROP ROLE late;|"};
	server->lines[3] = (struct line){.asked = "DROP ROLE late", .lost = true};
	assert_status(STATUS_UNAVAILABLE, restore_commit(&server->postgresql.store, &server->progress, &error), &error);
	assert_string_equal(error.message, "the engine does not answer");
	assert_string_equal(server->warned, "");
	assert_false(was_asked(server, "DROP DATABASE IF EXISTS wb_maint"));
}

static void a_restore_that_is_undone_leaves_no_superuser_of_the_loading(void **state)
{
	struct server *server = *state;
	struct error error;
	set_phase(server, "staged");
	server->lines[2] = (struct line){.asked = "SELECT 1 FROM pg_database WHERE datname = 'wb_maint'", .rows = "1|"};
	server->lines[3] = (struct line){.asked = "SELECT 1 WHERE to_regclass('public.run')", .rows = "1|"};
	assert_ok(restore_rollback(&server->postgresql.store, &server->progress, &error), &error);
	assert_true(was_asked(server, "NOSUPERUSER', name) FROM public.loading_superuser"));
	assert_true(was_asked(server, "DROP DATABASE IF EXISTS wb_maint"));
}

/* Roles for the way back that are not all there would lose their passwords on it. */
static void roles_of_which_not_all_came_are_not_kept_for_the_way_back(void **state)
{
	struct server *server = *state;
	struct error error;
	set_phase(server, "staged");
	server->lines[2] = (struct line){.asked = "pg_dumpall", .rows = "CREATE ROLE boss;\n"};
	assert_status(STATUS_FAILED, restore_swap(&server->postgresql.store, &server->progress, &error), &error);
	assert_non_null(strstr(error.message, "the roles that pg_dumpall wrote do not end as a dump of it does"));
	assert_false(was_asked(server, "old_lists"));
	assert_false(was_asked(server, "RENAME"));
}

static void a_database_is_not_made_like_one_of_which_not_all_came(void **state)
{
	struct server *server = *state;
	struct error error;
	struct dump_database database = {.name = "template1"};
	server->lines[0] = (struct line){.asked = "SELECT count(*) FROM pg_database WHERE datallowconn", .rows = "1|"};
	server->lines[1] = (struct line){.asked = "pg_dump ", .rows = "CREATE DATABASE template1 WITH x = y;\n"};
	assert_status(STATUS_UNAVAILABLE,
				  restore_load(&server->postgresql, "/nonexistent/dump", &database, 1, &server->progress, &error),
				  &error);
	assert_string_equal(
		error.message, "cannot load the database template1: the end of pg_dump's text did not come through the engine");
	assert_false(was_asked(server, "CREATE DATABASE wb_new_1"));
}

/* What somebody wants to end is not gone on with, for all that is loaded. */
static void an_interrupt_while_statistics_are_made_ends_the_load(void **state)
{
	struct server *server = *state;
	struct error error;
	struct dump_database database = {.name = "postgres"};
	server->lines[0] = (struct line){.asked = "SELECT count(*) FROM pg_database WHERE datallowconn", .rows = "0|"};
	server->lines[1] = (struct line){.asked = "ANALYZE;", .interrupted = true};
	assert_status(STATUS_INTERRUPTED,
				  restore_load(&server->postgresql, "/dev/null", &database, 1, &server->progress, &error), &error);
	assert_string_equal(error.message, "interrupted");
	assert_string_equal(server->warned, "");
	assert_true(was_asked(server, "CREATE DATABASE wb_new_1 TEMPLATE template0;"));
}

/* Nobody else can do anything with those databases. */
static void statistics_that_cannot_be_made_are_warned_of(void **state)
{
	struct server *server = *state;
	struct error error;
	struct dump_database database = {.name = "postgres"};
	server->lines[0] = (struct line){.asked = "SELECT count(*) FROM pg_database WHERE datallowconn", .rows = "0|"};
	server->lines[1] = (struct line){.asked = "ANALYZE;", .errors = "psql:<stdin>:1: ERROR:  it is too late\n"};
	assert_ok(restore_load(&server->postgresql, "/dev/null", &database, 1, &server->progress, &error), &error);
	assert_string_equal(server->warned, "the restored database postgres has no statistics for the planner: psql in "
										"container stack_postgres_1: it is too late");
}

static enum status load_with_named_views(struct server *server, struct line views, struct error *error)
{
	struct dump_database database = {.name = "postgres"};
	server->lines[0] = (struct line){.asked = "SELECT count(*) FROM pg_database WHERE datallowconn", .rows = "0|"};
	views.asked = "WITH RECURSIVE named";
	server->lines[1] = views;
	return restore_load(&server->postgresql, "/dev/null", &database, 1, &server->progress, error);
}

static void views_that_cannot_be_looked_through_are_warned_of(void **state)
{
	struct server *server = *state;
	struct error error;
	struct line views = {.errors = "psql:<stdin>:9: ERROR:  no such thing\n"};
	assert_ok(load_with_named_views(server, views, &error), &error);
	assert_string_equal(
		server->warned,
		"which materialized views of the database postgres ask for the database's name, and so hold "
		"another one until they are refreshed, cannot be told: psql in container stack_postgres_1: no such thing");
}

/* So that it is loaded alone, as all that needs more locks than there are. */
static void a_lack_of_locks_while_views_are_looked_through_ends_the_load(void **state)
{
	struct server *server = *state;
	struct error error;
	struct line views = {.errors = "psql:<stdin>:9: ERROR:  out of shared memory\n"
								   "HINT:  You might need to increase max_locks_per_transaction.\n"};
	assert_status(STATUS_FAILED, load_with_named_views(server, views, &error), &error);
	assert_true(psql_is_short_of_locks(&error));
	assert_string_equal(server->warned, "");
}

static void a_server_that_is_gone_while_views_are_looked_through_ends_the_load(void **state)
{
	struct server *server = *state;
	struct error error;
	assert_status(STATUS_UNAVAILABLE, load_with_named_views(server, (struct line){.lost = true}, &error), &error);
	assert_string_equal(server->warned, "");
}

static void an_interrupt_while_views_are_looked_through_ends_the_load(void **state)
{
	struct server *server = *state;
	struct error error;
	assert_status(STATUS_INTERRUPTED, load_with_named_views(server, (struct line){.interrupted = true}, &error),
				  &error);
	assert_string_equal(server->warned, "");
}

/* What became of it the next step asks the server. */
static void a_commit_that_is_not_answered_is_given_up(void **state)
{
	struct server *server = *state;
	struct error error;
	set_phase(server, "staged");
	server->lines[2] = (struct line){.asked = "pg_dumpall", .rows = MOMENT_GLOBALS_CLOSING};
	server->lines[3] = (struct line){.asked = "SELECT new_lists, new_changes", .rows = "||"};
	server->lines[4] = (struct line){.asked = "COMMIT;\n\\echo", .silent = true};
	assert_status(STATUS_FAILED, restore_swap(&server->postgresql.store, &server->progress, &error), &error);
	assert_string_equal(error.message, "cannot put the restored databases in place: PostgreSQL does not answer to "
									   "COMMIT within 60 seconds");
	assert_true(was_asked(server, "RENAME TO"));
	assert_false(was_asked(server, "ROLLBACK"));
}

static void set_named_view(struct server *server, struct line refresh)
{
	set_phase(server, "staged");
	server->lines[2] = (struct line){.asked = "pg_dumpall", .rows = MOMENT_GLOBALS_CLOSING};
	server->lines[3] = (struct line){.asked = "SELECT new_lists, new_changes", .rows = "||"};
	server->lines[4] = (struct line){.asked = "FROM public.named_view", .rows = "shop|public.named|"};
	refresh.asked = "REFRESH MATERIALIZED VIEW public.named;";
	server->lines[5] = refresh;
}

static void a_view_that_asks_for_its_database_is_filled_once_more(void **state)
{
	struct server *server = *state;
	struct error error;
	set_named_view(server, (struct line){.rows = ""});
	assert_ok(restore_swap(&server->postgresql.store, &server->progress, &error), &error);
	assert_string_equal(server->warned, "");
	const char *commit = strstr(buffer_text(&server->heard), "COMMIT;\n\\echo");
	assert_non_null(commit);
	assert_non_null(strstr(commit, "REFRESH MATERIALIZED VIEW public.named;"));
}

static void a_view_that_cannot_be_filled_once_more_is_warned_of(void **state)
{
	struct server *server = *state;
	struct error error;
	set_named_view(server, (struct line){.errors = "psql:<stdin>:2: ERROR:  not today\n"});
	assert_ok(restore_swap(&server->postgresql.store, &server->progress, &error), &error);
	assert_string_equal(server->warned,
						"the materialized view public.named of the database shop asks for the database's name, holds "
						"another one, and cannot be refreshed: psql in container stack_postgres_1: not today");
}

/* Else it would hold another database's name, and nobody would know. */
static void an_interrupt_while_a_view_is_filled_once_more_ends_the_swap(void **state)
{
	struct server *server = *state;
	struct error error;
	set_named_view(server, (struct line){.interrupted = true});
	assert_status(STATUS_INTERRUPTED, restore_swap(&server->postgresql.store, &server->progress, &error), &error);
	assert_string_equal(server->warned, "");
}

/* It says what else is to be undone; so it goes last, and not unseen. */
static void a_note_that_cannot_be_looked_for_ends_the_way_back(void **state)
{
	struct server *server = *state;
	struct error error;
	set_phase(server, "staged");
	server->lines[2] = (struct line){.asked = "SELECT 1 FROM pg_database WHERE datname = 'wb_maint'", .lost = true};
	assert_status(STATUS_UNAVAILABLE, restore_rollback(&server->postgresql.store, &server->progress, &error), &error);
	assert_string_equal(error.message, "the engine does not answer");
	assert_false(was_asked(server, "DROP"));
}

static void a_note_that_was_half_dropped_and_cannot_be_dropped_is_told_of(void **state)
{
	struct server *server = *state;
	struct error error;
	server->lines[0] = (struct line){.asked = "FILTER (WHERE datname = 'wb_maint')", .rows = "1|0|0|1|"};
	server->lines[1] = (struct line){.asked = "DROP DATABASE", .errors = "psql:<stdin>:1: ERROR:  it is in use\n"};
	assert_status(STATUS_FAILED, restore_rollback(&server->postgresql.store, &server->progress, &error), &error);
	assert_string_equal(error.message, "psql in container stack_postgres_1: it is in use");
	assert_false(was_asked(server, "SELECT phase"));
}

/* df has said nothing, and well: the free space is not known. */
static void a_df_that_says_nothing_is_outlived(void **state)
{
	struct server *server = *state;
	struct error error;
	struct dump_layout layout = {.version = "17.1"};
	struct restore_globals globals = RESTORE_GLOBALS_INIT;
	assert_ok(buffer_append_text(&globals.lists, "CREATE TEMPORARY TABLE wanted_role ();\n", &error), &error);
	server->lines[0] = (struct line){.asked = "FROM wanted_role", .rows = "t|t|"};
	assert_ok(restore_preflight(&server->postgresql, &layout, &globals, 0, &server->progress, &error), &error);
	assert_string_equal(server->warned, "the free space of PostgreSQL's disk is not known");
	restore_globals_free(&globals);
}

static void a_full_disk_of_the_server_is_told_apart(void **state)
{
	struct server *server = *state;
	struct error error;
	server->postgresql.database = "boss";
	server->lines[0] =
		(struct line){.asked = "DROP DATABASE",
					  .errors = "psql:<stdin>:1: ERROR:  could not extend file \"base/5/1259\": No space "
								"left on device\nHINT:  Check free disk space.\n"};
	assert_status(STATUS_NO_SPACE, restore_state_drop(&server->postgresql, &error), &error);
	assert_string_equal(error.message, "psql in container stack_postgres_1: could not extend file \"base/5/1259\": No "
									   "space left on device");
	assert_string_equal(error.hint, "make room on the disk that PostgreSQL's data are on, and try again");
}

static const char cut_answer[] = "psql in container stack_postgres_1: its answer did not come whole through the engine";

/* The engine can drop what a program said and hand on its exit code 0. Taken for the phase "staged", no answer would
 * have the note dropped by which the old databases are found. */
static void a_phase_whose_answer_is_lost_is_not_guessed(void **state)
{
	struct server *server = *state;
	struct error error;
	set_phase(server, "");
	server->lines[1].cut = true;
	assert_status(STATUS_UNAVAILABLE, restore_rollback(&server->postgresql.store, &server->progress, &error), &error);
	assert_string_equal(error.message, cut_answer);
	assert_true(error.on_the_way);
	assert_true(was_asked(server, "SELECT phase FROM public.run"));
	assert_false(was_asked(server, "DROP"));
}

/* Neither is half an answer taken, although that can be read. */
static void half_an_answer_is_none(void **state)
{
	static const char *const rows[] = {"", "1|", "1|0|0|0|"};
	struct server *server = *state;
	struct error error;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		set_phase(server, "staged");
		server->lines[0].rows = rows[i];
		server->lines[0].cut = true;
		assert_status(STATUS_UNAVAILABLE, restore_rollback(&server->postgresql.store, &server->progress, &error),
					  &error);
		assert_string_equal(error.message, cut_answer);
		assert_false(was_asked(server, "DROP"));
	}
}

static void a_note_stays_while_it_is_not_known_which_databases_are_left(void **state)
{
	struct server *server = *state;
	struct error error;
	set_phase(server, "finishing");
	server->lines[2] = (struct line){.asked = "SELECT datname, NOT half AND", .rows = "", .cut = true};
	assert_status(STATUS_UNAVAILABLE, restore_commit(&server->postgresql.store, &server->progress, &error), &error);
	assert_string_equal(error.message, cut_answer);
	assert_false(was_asked(server, "DROP"));
}

static void a_lost_answer_does_not_mean_that_nothing_is_in_the_way(void **state)
{
	struct server *server = *state;
	struct error error;
	struct dump_layout layout = {.version = "17.1"};
	struct restore_globals globals = RESTORE_GLOBALS_INIT;
	assert_ok(buffer_append_text(&globals.lists, "CREATE TEMPORARY TABLE wanted_role ();\n", &error), &error);
	server->lines[0] = (struct line){.asked = "FROM pg_prepared_xacts", .rows = "", .cut = true};
	assert_status(STATUS_UNAVAILABLE,
				  restore_preflight(&server->postgresql, &layout, &globals, 0, &server->progress, &error), &error);
	assert_string_equal(error.message, cut_answer);
	server->lines[0] = (struct line){.asked = "FROM wanted_role", .rows = "t|", .cut = true};
	assert_status(STATUS_UNAVAILABLE,
				  restore_preflight(&server->postgresql, &layout, &globals, 0, &server->progress, &error), &error);
	assert_string_equal(error.message, cut_answer);
	restore_globals_free(&globals);
}

static void a_server_of_before_13_is_not_restored_into(void **state)
{
	struct server *server = *state;
	struct error error;
	struct dump_layout layout = {.version = "12.1"};
	struct restore_globals globals = RESTORE_GLOBALS_INIT;
	server->postgresql.version_number = 120022;
	strcpy(server->postgresql.store.version, "12.22");
	assert_status(STATUS_FAILED,
				  restore_preflight(&server->postgresql, &layout, &globals, 0, &server->progress, &error), &error);
	assert_string_equal(error.message, "PostgreSQL 12.22 is too old to be restored into safely; 13 is the oldest");
	assert_int_equal(server->heard.length, 0);
	assert_true(error.blameless);
}

/* As where a drill finds an older image only: the backup may be as good as any. */
static void a_server_older_than_the_backup_is_no_word_against_it(void **state)
{
	struct server *server = *state;
	struct error error;
	struct dump_layout layout = {.version = "18.1"};
	struct restore_globals globals = RESTORE_GLOBALS_INIT;
	strcpy(server->postgresql.store.version, "17.0");
	assert_status(STATUS_FAILED,
				  restore_preflight(&server->postgresql, &layout, &globals, 0, &server->progress, &error), &error);
	assert_string_equal(error.message, "the backup is of PostgreSQL 18.1, but the server is 17.0");
	assert_string_equal(error.hint, "run PostgreSQL 18 or newer in the container, then restore again");
	assert_true(error.blameless);
}

static void a_disk_that_is_too_small_is_a_lack_of_space(void **state)
{
	struct server *server = *state;
	struct error error;
	struct dump_layout layout = {.version = "17.1"};
	struct restore_globals globals = RESTORE_GLOBALS_INIT;
	assert_ok(buffer_append_text(&globals.lists, "", &error), &error);
	strcpy(server->postgresql.store.data_folder, "/data");
	server->lines[0] = (struct line){.asked = "NOT EXISTS (SELECT FROM wanted_role", .rows = "t|t|"};
	server->lines[1] = (struct line){.asked = "df -P -k /data",
									 .rows = "Filesystem 1024-blocks Used Available Capacity Mounted\n"
											 "/dev/x 9999999 9797151 202848 98% /data\n"};
	assert_status(STATUS_NO_SPACE,
				  restore_preflight(&server->postgresql, &layout, &globals, 0, &server->progress, &error), &error);
	assert_string_equal(error.message, "PostgreSQL's disk has 198 MiB free; the restore needs about 256 MiB");
	assert_string_equal(error.hint,
						"old and new data lie side by side until the restore is done; make room on the disk of "
						"/data");
	restore_globals_free(&globals);
}

static void assert_no_tablespace(struct server *server, const char *said, bool blameless)
{
	static const char dump[] =
		"--\n-- PostgreSQL database cluster dump\n--\n\nCREATE TABLESPACE far OWNER boss LOCATION "
		"'/far';\n--\n-- PostgreSQL database cluster dump complete\n--\n\n";
	struct error error;
	char path[] = "/tmp/test_postgresql_server.XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	write_file(path, dump);
	server->lines[0] = (struct line){.asked = "FILTER (WHERE datname = 'wb_maint')", .rows = "0|0|0|0|"};
	server->lines[1] = (struct line){.asked = "NOT EXISTS (SELECT FROM wanted_role", .rows = "t|t|"};
	server->lines[2] = (struct line){.asked = "SELECT name, statement FROM wanted_tablespace",
									 .rows = "far|CREATE TABLESPACE far LOCATION '/far';|"};
	server->lines[3] = (struct line){.asked = "INSERT INTO public.created_tablespace", .errors = said};
	assert_status(STATUS_FAILED, restore_stage(&server->postgresql.store, path, NULL, &server->progress, &error),
				  &error);
	assert_int_equal(unlink(path), 0);
	assert_memory_equal(error.message, "cannot make the tablespace far: ", 32);
	assert_string_equal(error.hint,
						"its folder has to be there in the container, empty and owned by the server's user");
	assert_int_equal(error.blameless, blameless);
	assert_string_equal(server->warned, "the free space of PostgreSQL's disk is not known"); /* df says nothing */
}

/* A drill's container cannot have it: the backup cannot be drilled, but it may well come back. */
static void a_tablespace_without_its_folder_is_no_word_against_the_backup(void **state)
{
	assert_no_tablespace(*state, "psql:<stdin>:2: ERROR:  directory \"/far\" does not exist\n", true);
}

static void a_tablespace_that_no_server_takes_is(void **state)
{
	assert_no_tablespace(*state, "psql:<stdin>:2: ERROR:  unacceptable tablespace name \"pg_far\"\n", false);
}

static void a_prepared_transaction_is_named(void **state)
{
	struct server *server = *state;
	struct error error;
	struct dump_layout layout = {.version = "17.1"};
	struct restore_globals globals = RESTORE_GLOBALS_INIT;
	server->lines[0] = (struct line){.asked = "FROM pg_prepared_xacts", .rows = "order 7 in database shop|"};
	assert_status(STATUS_FAILED,
				  restore_preflight(&server->postgresql, &layout, &globals, 0, &server->progress, &error), &error);
	assert_string_equal(error.message, "a prepared transaction is open: order 7 in database shop");
	assert_string_equal(error.hint, "end it with COMMIT PREPARED or ROLLBACK PREPARED, then restore again");
}

/* --- a backup
 * --------------------------------------------------------------------------------------------------------- */

static const char list_words[] = "SELECT oid, datname FROM";
static const char ask_words[] = "SELECT current_setting('whisperbackup.trouble');\nSELECT oid, datname FROM";

/* The sessions are open, and nobody is in the way; `answered` is the answer at the moment. */
static void open_sessions(struct server *server, const char *answered)
{
	struct error error;
	server->lines[0] = (struct line){.asked = ask_words, .rows = answered};
	server->lines[1] = (struct line){.asked = list_words, .rows = "1|template1|"};
	server->lines[2] = (struct line){.asked = "pg_dumpall", .rows = MOMENT_GLOBALS_CLOSING};
	assert_ok(postgresql_moment_prepare(&server->postgresql, &server->progress, &error), &error);
	assert_ok(postgresql_moment_catch_up(&server->postgresql, &error), &error);
}

static void assert_not_answered(struct server *server, enum status status, const char *message)
{
	struct error error;
	assert_ok(postgresql_moment_ask(&server->postgresql, &error), &error);
	assert_status(status, postgresql_moment_answer(&server->postgresql, &error), &error);
	assert_string_equal(error.message, message);
}

static void assert_no_sessions(struct server *server, const char *list, const char *message)
{
	struct error error;
	server->lines[0] = (struct line){.asked = list_words, .rows = list};
	assert_ok(postgresql_moment_prepare(&server->postgresql, &server->progress, &error), &error);
	assert_status(STATUS_FAILED, postgresql_moment_catch_up(&server->postgresql, &error), &error);
	assert_string_equal(error.message, message);
}

static void a_list_of_databases_has_to_make_sense(void **state)
{
	assert_no_sessions(*state, "1|template1|2|", "PostgreSQL's list of databases cannot be read");
	assert_no_sessions(*state, "", "none of PostgreSQL's databases takes connections");
}

static void the_moments_answer_is_taken(void **state)
{
	struct server *server = *state;
	struct error error;
	open_sessions(server, "00000003-1B-1||1|template1|");
	assert_ok(postgresql_moment_ask(&server->postgresql, &error), &error);
	assert_ok(postgresql_moment_answer(&server->postgresql, &error), &error);
	assert_string_equal(server->postgresql.moment->databases[0].snapshot, "00000003-1B-1");
}

static void a_moments_answer_has_to_make_sense(void **state)
{
	struct server *server = *state;
	open_sessions(server, "00000003-1B-1|");
	assert_not_answered(server, STATUS_FAILED, "PostgreSQL's answer makes no sense");
	server->lines[0].rows = "12345678901234567890123456789012345678901234567890123456789012345||1|template1|";
	assert_not_answered(server, STATUS_FAILED, "PostgreSQL's answer makes no sense");
	server->lines[0].rows = "00000003-1B-1||1|template1|2|";
	assert_not_answered(server, STATUS_FAILED, "PostgreSQL's list of databases cannot be read");
}

static void a_moment_that_is_not_answered_is_given_up(void **state)
{
	struct server *server = *state;
	struct error error;
	open_sessions(server, "00000003-1B-1||1|template1|");
	server->lines[0].silent = true;
	assert_not_answered(server, STATUS_CONFLICT, "database template1: PostgreSQL has not answered in 10 seconds");
	server->lines[0].silent = false;
	buffer_clear(&server->heard);
	postgresql_moment_forget(&server->postgresql);
	assert_true(was_asked(server, "BEGIN ISOLATION")); /* in another session: that one still owes an answer */
	assert_ok(postgresql_moment_ask(&server->postgresql, &error), &error);
	assert_ok(postgresql_moment_answer(&server->postgresql, &error), &error);
}

static void a_session_that_ends_at_the_moment_is_opened_again_for_another_try(void **state)
{
	struct server *server = *state;
	struct error error;
	open_sessions(server, "00000003-1B-1||1|template1|");
	server->lines[0].errors = "psql:<stdin>:3: FATAL:  terminating connection\n";
	assert_not_answered(server, STATUS_CONFLICT,
						"database template1: psql in container stack_postgres_1: terminating connection");
	server->lines[0].errors = NULL;
	postgresql_moment_forget(&server->postgresql);
	assert_ok(postgresql_moment_ask(&server->postgresql, &error), &error);
	assert_ok(postgresql_moment_answer(&server->postgresql, &error), &error);
}

static void a_session_that_cannot_let_go_of_the_moment_is_opened_again(void **state)
{
	struct server *server = *state;
	struct error error;
	open_sessions(server, "00000003-1B-1||1|template1|");
	assert_ok(postgresql_moment_ask(&server->postgresql, &error), &error);
	assert_ok(postgresql_moment_answer(&server->postgresql, &error), &error);
	server->lines[3] = (struct line){.asked = "BEGIN ISOLATION"};
	server->lines[4] =
		(struct line){.asked = "ROLLBACK;", .errors = "psql:<stdin>:9: FATAL:  terminating connection\n"};
	buffer_clear(&server->heard);
	postgresql_moment_forget(&server->postgresql);
	assert_true(was_asked(server, "BEGIN ISOLATION"));
	assert_ok(postgresql_moment_ask(&server->postgresql, &error), &error);
	assert_ok(postgresql_moment_answer(&server->postgresql, &error), &error);
}

static void sessions_that_cannot_be_opened_again_are_told_of_at_the_next_try(void **state)
{
	struct server *server = *state;
	struct error error;
	open_sessions(server, "||1|template1|");
	server->lines[1].errors = "psql: error: FATAL:  sorry, too many clients already\n";
	postgresql_moment_forget(&server->postgresql);
	for (int i = 0; i < 2; i++) {
		assert_status(STATUS_FAILED, postgresql_moment_ask(&server->postgresql, &error), &error);
		assert_string_equal(error.message, "psql in container stack_postgres_1: sorry, too many clients already");
		assert_string_equal(error.hint, "a backup needs one connection for each database, and some more: see "
										"max_connections of the server");
		postgresql_moment_forget(&server->postgresql); /* does not try for ever */
	}
}

static void nothing_is_forgotten_where_nothing_was_asked(void **state)
{
	struct server *server = *state;
	postgresql_moment_forget(&server->postgresql);
	assert_int_equal(server->heard.length, 0);
}

/* --- the server as such ---------------------------------------------------------------------------------------------
 */

static void an_examination_has_to_make_sense(void **state)
{
	struct server *server = *state;
	struct error error;
	struct examination examination;
	server->postgresql.database = "boss";
	server->lines[0] = (struct line){.asked = "pg_is_in_recovery", .rows = "7|0|"};
	assert_status(STATUS_UNAVAILABLE, store_postgresql.examine(&server->postgresql.store, &examination, &error),
				  &error);
	assert_string_equal(error.message, "PostgreSQL's answer makes no sense");
	server->lines[0].rows = "1|0|5432|";
	assert_ok(store_postgresql.examine(&server->postgresql.store, &examination, &error), &error);
	assert_string_equal(examination.answer, "answers a query; 1 database");
}

static void assert_not_opened(struct server *server, enum status status, const char *message)
{
	struct error error;
	struct store *store = NULL;
	assert_status(status, store_postgresql.open(&server->runtime, &server->container, &store, &error), &error);
	assert_string_equal(error.message, message);
	assert_null(store);
}

static void a_container_that_does_not_run_is_told_of(void **state)
{
	struct server *server = *state;
	server->container.state = CONTAINER_STOPPED;
	assert_not_opened(server, STATUS_UNAVAILABLE, "container stack_postgres_1 does not run");
}

static void a_secret_that_cannot_be_read_is_told_of(void **state)
{
	struct server *server = *state;
	char variable[] = "POSTGRES_PASSWORD_FILE=/run/secrets/word";
	server->container.environment = (char *[]){variable, NULL};
	server->lines[0] = (struct line){.asked = "cat /run/secrets/word", .errors = "cat: permission denied\n"};
	assert_not_opened(server, STATUS_FAILED,
					  "/run/secrets/word cannot be read in container stack_postgres_1: cat: permission denied");
	server->lines[0].errors = "";
	assert_not_opened(server, STATUS_FAILED,
					  "/run/secrets/word cannot be read in container stack_postgres_1: exit code 3");
}

static void a_server_says_its_version_and_shows_its_folder(void **state)
{
	struct server *server = *state;
	struct error error;
	struct store *store = NULL;
	server->container.environment = (char *[]){NULL};
	server->lines[0] = (struct line){.asked = "SHOW server_version", .rows = "17.2 (Debian)|"};
	assert_not_opened(server, STATUS_FAILED, "PostgreSQL in container stack_postgres_1 does not say its version");
	server->lines[0].rows = "17.2 (Debian)|170002|170006|UTF8|";
	assert_not_opened(server, STATUS_FAILED, "the role postgres is no superuser, so PostgreSQL hides things from it");
	server->lines[0].rows = "17.2 (Debian)|170002|170006|UTF8|/data|";
	assert_ok(store_postgresql.open(&server->runtime, &server->container, &store, &error), &error);
	assert_string_equal(store->version, "17.2");
	assert_string_equal(store->data_folder, "/data");
	assert_int_equal(((struct postgresql *)store)->psql_number, 170006);
	assert_string_equal(((struct postgresql *)store)->encoding, "--encoding=UTF8");
	store_postgresql.free(store);
}

/* --- what is not for everybody's ears --------------------------------------------------------------------------- */

static void assert_said(struct server *server, const char *errors, const char *message)
{
	struct error error;
	server->postgresql.database = "boss";
	server->lines[0] = (struct line){.asked = "SELECT x", .errors = errors};
	assert_status(STATUS_FAILED, psql_query(&server->postgresql, "boss", "SELECT x;", NULL, &error), &error);
	assert_string_equal(error.message, message);
}

static void rows_and_keys_of_users_are_in_no_message(void **state)
{
	struct server *server = *state;
	assert_said(server,
				"psql:<stdin>:9: ERROR:  new row for relation \"t\" violates check constraint \"c\"\n"
				"DETAIL:  Failing row contains (1, alice, secret).\n",
				"psql in container stack_postgres_1: new row for relation \"t\" violates check constraint \"c\"");
	assert_said(server,
				"ERROR:  duplicate key value violates unique constraint \"u\"\n"
				"DETAIL:  Key (email)=(x@example.com) already exists.\n",
				"psql in container stack_postgres_1: duplicate key value violates unique constraint \"u\"");
	assert_said(server,
				"ERROR:  no partition of relation \"t\" found for row\n"
				"DETAIL:  Partition key of the failing row contains (mail) = (x@example.com).\n",
				"psql in container stack_postgres_1: no partition of relation \"t\" found for row");
	assert_said(server, "ERROR:  invalid input syntax for type json\nDETAIL:  Token \"alice\" is invalid.\n",
				"psql in container stack_postgres_1: invalid input syntax for type json");
	assert_said(server, "ERROR:  it cannot be dropped\nDETAIL:  2 objects in database shop\n",
				"psql in container stack_postgres_1: it cannot be dropped (2 objects in database shop)");
}

/* --- what comes out of a dump is fenced in ----------------------------------------------------------------------- */

static void only_a_psql_that_knows_a_fence_gets_one(void **state)
{
	static const struct {
		int psql_number;
		bool has;
	} versions[] = {{0, false},      {120022, false}, {130021, false}, {130022, true},  {140018, false},
					{140019, true},  {150013, false}, {150014, true},  {160009, false}, {160010, true},
					{170005, false}, {170006, true},  {180000, true},  {190001, true}};
	struct server *server = *state;
	struct error error;
	for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
		struct psql_fence fence;
		server->postgresql.psql_number = versions[i].psql_number;
		assert_ok(psql_fence_new(&server->postgresql, &fence, &error), &error);
		assert_int_equal(strncmp(fence.begin, "\n\\restrict wb", 13) == 0, versions[i].has);
		assert_int_equal(strncmp(fence.end, "\n\\unrestrict wb", 15) == 0, versions[i].has);
		assert_string_equal(versions[i].has ? strstr(fence.begin, " wb") : "",
							versions[i].has ? strstr(fence.end, " wb") : "");
	}
}

/* True if the first of these words is asked inside of a fence. */
static bool is_fenced(const struct server *server, const char *words)
{
	const char *heard = buffer_text(&server->heard);
	const char *at = strstr(heard, words);
	const char *begin = strstr(heard, "\n\\restrict wb");
	const char *end = NULL;
	assert_non_null(at);
	while (begin != NULL && at != NULL && begin < at) {
		end = strstr(begin, "\n\\unrestrict wb");
		assert_non_null(end);
		assert_memory_equal(strchr(begin + 1, ' '), strchr(end + 1, ' '), strlen(" wb") + 32);
		if (at < end) {
			return true;
		}
		begin = strstr(end, "\n\\restrict wb");
	}
	return false;
}

static void a_database_of_a_dump_is_made_and_filled_behind_a_fence(void **state)
{
	static const char text[] = "CREATE DATABASE shop WITH TEMPLATE = template0;\n\\restrict k\nSELECT 'rows';\n";
	struct server *server = *state;
	struct error error;
	char path[] = "/tmp/test_postgresql_server.XXXXXX";
	int fd = mkstemp(path);
	assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
	close(fd);
	struct dump_database database = {
		.name = "shop", .created = true, .content = (uint64_t)(strchr(text, ';') + 1 - text), .end = sizeof text - 1};
	server->postgresql.psql_number = 170006;
	server->lines[0] = (struct line){.asked = "FROM public.loading_superuser", .rows = "MADE SUPER;\n|\nMADE NONE;|"};
	assert_ok(restore_load(&server->postgresql, path, &database, 1, &server->progress, &error), &error);
	unlink(path);
	assert_true(is_fenced(server, "CREATE DATABASE \"wb_new_1\""));
	assert_true(is_fenced(server, "SELECT 'rows';"));
	assert_false(is_fenced(server, "INSERT INTO public.database"));
	assert_false(is_fenced(server, "MADE NONE;"));
	assert_false(was_asked(server, "\\restrict k\n"));
}

static void a_database_like_the_live_one_is_made_behind_a_fence(void **state)
{
	struct server *server = *state;
	struct error error;
	struct dump_database database = {.name = "template1"};
	server->postgresql.psql_number = 170006;
	server->lines[0] = (struct line){.asked = "SELECT count(*) FROM pg_database WHERE datallowconn", .rows = "1|"};
	server->lines[1] = (struct line){.asked = "pg_dump ",
									 .rows = "CREATE DATABASE template1 WITH x = y;\n--\n-- PostgreSQL database dump "
											 "complete\n"};
	assert_ok(restore_load(&server->postgresql, "/dev/null", &database, 1, &server->progress, &error), &error);
	assert_true(is_fenced(server, "CREATE DATABASE \"wb_new_1\""));
}

/* The session goes on with commands of ours behind them. */
static void roles_are_changed_behind_a_fence(void **state)
{
	struct server *server = *state;
	struct error error;
	server->postgresql.psql_number = 170006;
	set_phase(server, "staged");
	server->lines[2] = (struct line){.asked = "pg_dumpall", .rows = MOMENT_GLOBALS_CLOSING};
	server->lines[3] = (struct line){.asked = "SELECT new_lists, new_changes", .rows = "LISTS;|CHANGES;|"};
	assert_ok(restore_swap(&server->postgresql.store, &server->progress, &error), &error);
	assert_true(is_fenced(server, "LISTS;"));
	assert_true(is_fenced(server, "CHANGES;"));
	assert_false(is_fenced(server, "RENAME TO"));
	assert_false(is_fenced(server, "COMMIT;"));
}

#define server_test(function) cmocka_unit_test_setup_teardown(function, server_start, server_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		server_test(old_data_is_not_dropped_before_the_new_is_in_place),
		server_test(there_is_no_way_back_once_old_data_is_dropped),
		server_test(nothing_is_swapped_that_is_not_staged),
		server_test(the_next_restore_finishes_the_one_before_first),
		server_test(a_dump_that_cannot_be_looked_at_is_no_word_against_its_content),
		server_test(a_role_that_the_server_keeps_is_warned_of),
		server_test(a_role_whose_drop_was_not_answered_is_left_to_the_next_time),
		server_test(a_restore_that_is_undone_leaves_no_superuser_of_the_loading),
		server_test(roles_of_which_not_all_came_are_not_kept_for_the_way_back),
		server_test(a_database_is_not_made_like_one_of_which_not_all_came),
		server_test(an_interrupt_while_statistics_are_made_ends_the_load),
		server_test(statistics_that_cannot_be_made_are_warned_of),
		server_test(views_that_cannot_be_looked_through_are_warned_of),
		server_test(a_lack_of_locks_while_views_are_looked_through_ends_the_load),
		server_test(a_server_that_is_gone_while_views_are_looked_through_ends_the_load),
		server_test(an_interrupt_while_views_are_looked_through_ends_the_load),
		server_test(a_commit_that_is_not_answered_is_given_up),
		server_test(a_view_that_asks_for_its_database_is_filled_once_more),
		server_test(a_view_that_cannot_be_filled_once_more_is_warned_of),
		server_test(an_interrupt_while_a_view_is_filled_once_more_ends_the_swap),
		server_test(a_note_that_cannot_be_looked_for_ends_the_way_back),
		server_test(a_note_that_was_half_dropped_and_cannot_be_dropped_is_told_of),
		server_test(a_df_that_says_nothing_is_outlived),
		server_test(a_full_disk_of_the_server_is_told_apart),
		server_test(a_phase_whose_answer_is_lost_is_not_guessed),
		server_test(half_an_answer_is_none),
		server_test(a_note_stays_while_it_is_not_known_which_databases_are_left),
		server_test(a_lost_answer_does_not_mean_that_nothing_is_in_the_way),
		server_test(a_server_of_before_13_is_not_restored_into),
		server_test(a_server_older_than_the_backup_is_no_word_against_it),
		server_test(a_disk_that_is_too_small_is_a_lack_of_space),
		server_test(a_tablespace_without_its_folder_is_no_word_against_the_backup),
		server_test(a_tablespace_that_no_server_takes_is),
		server_test(a_prepared_transaction_is_named),
		server_test(a_list_of_databases_has_to_make_sense),
		server_test(the_moments_answer_is_taken),
		server_test(a_moments_answer_has_to_make_sense),
		server_test(a_moment_that_is_not_answered_is_given_up),
		server_test(a_session_that_ends_at_the_moment_is_opened_again_for_another_try),
		server_test(a_session_that_cannot_let_go_of_the_moment_is_opened_again),
		server_test(sessions_that_cannot_be_opened_again_are_told_of_at_the_next_try),
		server_test(nothing_is_forgotten_where_nothing_was_asked),
		server_test(an_examination_has_to_make_sense),
		server_test(a_container_that_does_not_run_is_told_of),
		server_test(a_secret_that_cannot_be_read_is_told_of),
		server_test(a_server_says_its_version_and_shows_its_folder),
		server_test(rows_and_keys_of_users_are_in_no_message),
		server_test(only_a_psql_that_knows_a_fence_gets_one),
		server_test(a_database_of_a_dump_is_made_and_filled_behind_a_fence),
		server_test(a_database_like_the_live_one_is_made_behind_a_fence),
		server_test(roles_are_changed_behind_a_fence),
	};
	return cmocka_run_group_tests_name("postgresql_server", tests, NULL, NULL);
}
