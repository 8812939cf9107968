/*
 * What is read of PostgreSQL's dumps and asked of its server, with the Nth allocation failing, and with all from the
 * Nth on: it is said, nothing is left, and nothing half is taken for the whole.
 */
#include "faults_support.h"
#include "postgresql_support.h"

#include "stores/postgresql/dump_layout.h"
#include "stores/postgresql/dump_rename.h"
#include "stores/postgresql/moment_changes.h"
#include "stores/postgresql/restore.h"

/* --- dumps of PostgreSQL ------------------------------------------------------------------------------------------ */

static const char dump[] =
	"--\n-- PostgreSQL database cluster dump\n--\n\nCREATE ROLE boss;\n\n"
	"--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 17.2\n\n"
	"CREATE DATABASE shop WITH TEMPLATE = template0;\n\\connect shop\n\nCREATE TABLE t (a text);\n"
	"COPY t (a) FROM stdin;\nshop\n\\.\n\n--\n-- PostgreSQL database dump complete\n--\n\n"
	"--\n-- PostgreSQL database cluster dump complete\n--\n\n";
static const char section[] = "CREATE DATABASE shop;\nCOPY shop (a) FROM stdin;\nshop\n\\.\n";
static char dump_path[PATH_MAX];

static void write_dump(const char *folder, const char *text)
{
	snprintf(dump_path, sizeof dump_path, "%s/dump", folder);
	write_file(dump_path, text);
}

static enum status read_layout(struct error *error)
{
	struct dump_layout layout = {0};
	struct source *file = NULL;
	enum status status = file_source_new(dump_path, &file, error);
	if (status == STATUS_OK) {
		status = dump_layout_read(file, NULL, &layout, error);
	}
	bool right = layout.count == 1 && strcmp(layout.databases[0].name, "shop") == 0;
	dump_layout_free(&layout);
	return unless_wrong(status, right, error);
}

static void a_layout_is_read_whole(void **state)
{
	write_dump(*state, dump);
	assert_told(read_layout);
}

static enum status rename_all(struct error *error)
{
	CLEANUP(cleanup_source) struct source *source = NULL;
	char text[256] = "";
	size_t used = 0;
	enum status status = dump_rename_source_new(dump_path, (struct dump_stretch){.to = sizeof section - 1}, "shop",
												"wb_new_1", "<", ">", NULL, &source, error);
	for (size_t length = 1; status == STATUS_OK && length > 0; used += length) {
		status = source_read(source, text + used, sizeof text - 1 - used, &length, error);
		length = status == STATUS_OK ? length : 0;
	}
	static const char renamed[] = "<CREATE DATABASE \"wb_new_1\";\nCOPY shop (a) FROM stdin;\nshop\n\\.\n>";
	return unless_wrong(status, strcmp(text, renamed) == 0, error);
}

static void a_database_is_renamed_whole(void **state)
{
	write_dump(*state, section);
	assert_told(rename_all);
}

/* --- PostgreSQL --------------------------------------------------------------------------------------------------- */

static struct server *postgresql;

static int start_postgresql(void **state)
{
	void *started = NULL;
	int result = scratch_setup(state);
	result = result == 0 ? server_start(&started) : result;
	postgresql = started;
	return result;
}

static int stop_postgresql(void **state)
{
	(void)server_stop((void *[]){postgresql});
	return scratch_teardown(state);
}

static enum status open_postgresql(struct error *error)
{
	struct store *store = NULL;
	buffer_free(&postgresql->heard);
	enum status status = store_postgresql.open(&postgresql->runtime, &postgresql->container, &store, error);
	bool right = store != NULL && strcmp(store->version, "17.2") == 0 && strcmp(store->data_folder, "/data") == 0;
	if (status == STATUS_OK) {
		store_free(store);
	}
	return unless_wrong(status, right, error);
}

static void postgresql_is_got_to_know(void **state)
{
	(void)state;
	char user[] = "POSTGRES_USER=boss";
	char password[] = "POSTGRES_PASSWORD_FILE=/secret";
	char database[] = "POSTGRES_DB=shop";
	postgresql->container.environment = (char *[]){user, password, database, NULL};
	postgresql->lines[0] =
		(struct line){.asked = "SHOW server_version", .rows = "17.2 (Debian)|170002|170002|UTF8|/data|"};
	postgresql->lines[1] = (struct line){.asked = "cat /secret", .rows = "word"};
	assert_told(open_postgresql);
}

/* As create does it up to the moment. */
static enum status take_moment(struct error *error)
{
	struct postgresql *self = &postgresql->postgresql;
	buffer_free(&postgresql->heard);
	enum status status = postgresql_moment_prepare(self, &postgresql->progress, error);
	if (status == STATUS_OK) {
		status = postgresql_moment_catch_up(self, error);
	}
	if (status == STATUS_OK) {
		status = postgresql_moment_ask(self, error);
	}
	if (status == STATUS_OK) {
		status = postgresql_moment_answer(self, error);
	}
	bool right = self->moment != NULL && self->moment->count == 1 &&
				 strcmp(self->moment->databases[0].snapshot, "00000003-1B-1") == 0;
	postgresql_moment_free(self->moment);
	self->moment = NULL;
	return unless_wrong(status, right, error);
}

static void a_moment_of_postgresql_is_taken(void **state)
{
	(void)state;
	char password[] = "word";
	postgresql->postgresql.password = password;
	postgresql->lines[0] =
		(struct line){.asked = "SELECT current_setting('whisperbackup.trouble');\nSELECT oid, datname FROM",
					  .rows = "00000003-1B-1||1|template1|"};
	postgresql->lines[1] = (struct line){.asked = "SELECT oid, datname FROM", .rows = "1|template1|"};
	postgresql->lines[2] = (struct line){.asked = "pg_dumpall", .rows = MOMENT_GLOBALS_CLOSING};
	assert_told(take_moment);
}

/* As health, restore and verify do it. */
static enum status examine_postgresql(struct error *error)
{
	struct store *store = &postgresql->postgresql.store;
	struct examination examination = {0};
	CLEANUP(fingerprint_free) struct fingerprint counted = {0};
	uint64_t bytes = 0;
	buffer_free(&postgresql->heard);
	enum status status = store_postgresql.ready(store, error);
	if (status == STATUS_OK) {
		status = store_postgresql.examine(store, &examination, error);
	}
	if (status == STATUS_OK) {
		status = store_postgresql.size(store, &bytes, error);
	}
	if (status == STATUS_OK) {
		status = store_postgresql.count(store, NULL, &counted, error);
	}
	return unless_wrong(status, bytes == 1000 && fingerprint_sum(&counted, "rows", NULL) == 7, error);
}

static void postgresql_is_examined(void **state)
{
	(void)state;
	postgresql->lines[0] = (struct line){.asked = "pg_is_in_recovery", .rows = "1|0|5432|"};
	postgresql->lines[1] = (struct line){.asked = "sum(pg_database_size(oid))", .rows = "1000|"};
	postgresql->lines[2] = (struct line){.asked = "SELECT datname FROM pg_catalog.pg_database", .rows = "shop|"};
	postgresql->lines[3] = (struct line){.asked = "SELECT string_agg", .rows = "public|t|7|"};
	assert_told(examine_postgresql);
}

/* Of a backup that has counted a table of an extension. */
static enum status count_with_extensions(struct error *error)
{
	char kind[] = "rows";
	char name[] = "shop.public.log";
	struct fingerprint backup = {.items = &(struct count){kind, name, 3}, .count = 1, .known = true};
	CLEANUP(fingerprint_free) struct fingerprint counted = {0};
	buffer_free(&postgresql->heard);
	enum status status = store_postgresql.count(&postgresql->postgresql.store, &backup, &counted, error);
	return unless_wrong(status, fingerprint_sum(&counted, "rows", NULL) == 10, error);
}

static void rows_are_counted_as_a_backup_has_them(void **state)
{
	(void)state;
	postgresql->lines[0] = (struct line){.asked = "SELECT datname FROM pg_catalog.pg_database", .rows = "shop|"};
	postgresql->lines[1] = (struct line){.asked = "SELECT string_agg", .rows = "public|t|7|"};
	postgresql->lines[2] = (struct line){.asked = "SELECT n.nspname, c.relname FROM", .rows = "public|log|"};
	assert_told(count_with_extensions);
}

static enum status look_for_changes(struct error *error)
{
	struct moment_database database = {.name = "shop"};
	CLEANUP(cleanup_psql_session) struct psql_session *session = NULL;
	CLEANUP(buffer_free) struct buffer suspects = BUFFER_INIT(MOMENT_CHANGES_LIMIT);
	buffer_free(&postgresql->heard);
	enum status status = psql_session_open(&postgresql->postgresql, "shop", &session, error);
	database.session = session;
	if (status == STATUS_OK) {
		status = moment_changes_suspect(session, &suspects, error);
	}
	bool right = suspects.length > 0;
	if (status == STATUS_OK) {
		status = moment_changes_compare(&database, &suspects, error);
		right = right && status == STATUS_FAILED && strstr(error->message, "type public.mood") != NULL;
		status = right ? STATUS_OK : status;
	}
	return unless_wrong(status, right, error);
}

static void a_change_is_not_missed(void **state)
{
	(void)state;
	postgresql->lines[0] = (struct line){.asked = "WHERE ended HAVING", .rows = "WITH held|"};
	postgresql->lines[1] = (struct line){.asked = "NOT EXISTS (SELECT FROM", .rows = "type public.mood|"};
	assert_told(look_for_changes);
}

static void let_be(struct progress *progress, const char *text)
{
	(void)progress;
	(void)text;
}

static enum status load_one(struct error *error)
{
	static const struct dump_database databases[] = {{.name = "shop", .created = true, .content = 22},
													 {.name = "postgres", .content = 22, .end = sizeof section - 1}};
	struct postgresql *self = &postgresql->postgresql;
	enum status status = STATUS_OK;
	buffer_free(&postgresql->heard);
	for (unsigned i = 0; status == STATUS_OK && i < 2; i++) {
		status = restore_load(self, dump_path, &databases[i], i, &postgresql->progress, error);
	}
	return unless_wrong(status, strstr(buffer_text(&postgresql->heard), "ALTER ROLE boss NOSUPERUSER;") != NULL, error);
}

/* Once with what the dump says of a database, once with what the server does; for lack of memory there may be no
 * statistics, which is warned of. */
static void databases_are_loaded(void **state)
{
	write_dump(*state, section);
	postgresql->progress.warn = let_be;
	postgresql->lines[0] = (struct line){.asked = "SELECT count(*) FROM pg_database WHERE datallowconn", .rows = "1|"};
	postgresql->lines[1] = (struct line){.asked = "FROM public.loading_superuser",
										 .rows = "ALTER ROLE boss SUPERUSER;\n|ALTER ROLE boss NOSUPERUSER;|"};
	postgresql->lines[2] = (struct line){
		.asked = "pg_dump ",
		.rows = "CREATE DATABASE postgres WITH x = y;\n\n--\n-- PostgreSQL database dump complete\n--\n\n"};
	assert_told(load_one);
}

static enum status swap_all(struct error *error)
{
	buffer_free(&postgresql->heard);
	enum status status = restore_swap(&postgresql->postgresql.store, &postgresql->progress, error);
	return unless_wrong(status, strstr(buffer_text(&postgresql->heard), "COMMIT;") != NULL, error);
}

static void databases_are_swapped(void **state)
{
	(void)state;
	set_phase(postgresql, "staged");
	postgresql->lines[2] = (struct line){.asked = "pg_dumpall", .rows = "CREATE ROLE boss;\n" MOMENT_GLOBALS_CLOSING};
	postgresql->lines[3] = (struct line){.asked = "SELECT new_lists, new_changes", .rows = "||"};
	postgresql->lines[4] = (struct line){.asked = "FROM public.named_view", .rows = "shop|public.named|"};
	assert_told(swap_all);
	assert_string_equal(postgresql->warned, "");
}

static enum status roll_back(struct error *error)
{
	buffer_free(&postgresql->heard);
	enum status status = restore_rollback(&postgresql->postgresql.store, &postgresql->progress, error);
	return unless_wrong(status, strstr(buffer_text(&postgresql->heard), "DROP DATABASE IF EXISTS wb_maint") != NULL,
						error);
}

static void a_restore_is_rolled_back(void **state)
{
	(void)state;
	set_phase(postgresql, "swapped");
	postgresql->lines[2] = (struct line){.asked = "SELECT old_lists, old_changes", .rows = "||"};
	postgresql->lines[3] = (struct line){.asked = "SELECT 1 FROM pg_database WHERE datname = 'wb_maint'", .rows = "1|"};
	postgresql->lines[4] = (struct line){.asked = "SELECT 1 WHERE to_regclass('public.run')", .rows = "1|"};
	postgresql->lines[5] = (struct line){.asked = "SELECT name, format('DROP ROLE", .rows = "new|DROP ROLE new;|"};
	assert_told(roll_back);
	assert_string_equal(postgresql->warned, "");
}

static enum status commit_all(struct error *error)
{
	buffer_free(&postgresql->heard);
	enum status status = restore_commit(&postgresql->postgresql.store, &postgresql->progress, error);
	return unless_wrong(status, strstr(buffer_text(&postgresql->heard), "DROP DATABASE IF EXISTS wb_maint") != NULL,
						error);
}

/* A role that cannot be dropped for lack of memory is not left behind with a warning. */
static void a_restore_is_committed(void **state)
{
	(void)state;
	set_phase(postgresql, "finishing");
	postgresql->lines[2] = (struct line){.asked = "SELECT name, format('DROP ROLE", .rows = "late|DROP ROLE late;|"};
	postgresql->lines[3] = (struct line){.asked = "datname IN ('postgres', 'template1')", .rows = "postgres|"};
	postgresql->lines[4] = (struct line){.asked = "DROP OWNED BY %I", .rows = "DROP OWNED BY late;|"};
	assert_told(commit_all);
	assert_string_equal(postgresql->warned, "");
}

/* A mark that somebody can guess could be said by a row. */
static void nothing_is_asked_of_postgresql_with_a_mark_that_can_be_guessed(void **state)
{
	(void)state;
	postgresql->container.environment = (char *[]){NULL};
	postgresql->lines[0] =
		(struct line){.asked = "SHOW server_version", .rows = "17.2 (Debian)|170002|170002|UTF8|/data|"};
	assert_needs_random_bytes(open_postgresql);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(a_layout_is_read_whole),
		scratch_test(a_database_is_renamed_whole),
		cmocka_unit_test_setup_teardown(postgresql_is_got_to_know, start_postgresql, stop_postgresql),
		cmocka_unit_test_setup_teardown(a_moment_of_postgresql_is_taken, start_postgresql, stop_postgresql),
		cmocka_unit_test_setup_teardown(postgresql_is_examined, start_postgresql, stop_postgresql),
		cmocka_unit_test_setup_teardown(rows_are_counted_as_a_backup_has_them, start_postgresql, stop_postgresql),
		cmocka_unit_test_setup_teardown(a_change_is_not_missed, start_postgresql, stop_postgresql),
		cmocka_unit_test_setup_teardown(databases_are_loaded, start_postgresql, stop_postgresql),
		cmocka_unit_test_setup_teardown(databases_are_swapped, start_postgresql, stop_postgresql),
		cmocka_unit_test_setup_teardown(a_restore_is_rolled_back, start_postgresql, stop_postgresql),
		cmocka_unit_test_setup_teardown(a_restore_is_committed, start_postgresql, stop_postgresql),
		cmocka_unit_test_setup_teardown(nothing_is_asked_of_postgresql_with_a_mark_that_can_be_guessed,
										start_postgresql, stop_postgresql),
	};
	return cmocka_run_group_tests_name("faults_postgresql", tests, NULL, NULL);
}
