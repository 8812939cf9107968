/*
 * commands/schedule_run: what a scheduled run removes, and what it notes. The backup that it makes, and the drill, are
 * made up here, and so is the clock; cleanup is the real one.
 */
#include "catalog_support.h"

#include "commands/schedule.h"
#include "schedule/run_log.h"

enum { DAY = 24 * 60 * 60 };

/* --- made up ------------------------------------------------------------------------------------------------------ */

static time_t now;
static int tries_without_room; /* that many attempts at a backup fail */
static enum exit_code created;

/* In the place of the C library's. */
time_t time(time_t *ret_time)
{
	if (ret_time != NULL) {
		*ret_time = now;
	}
	return now;
}

static enum status create(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error)
{
	char timestamp[TIMESTAMP_SIZE];
	(void)invocation;
	if (tries_without_room > 0) {
		tries_without_room--;
		return error_set(error, STATUS_NO_SPACE, "there is no room");
	}
	timestamp_of(now, timestamp);
	make_complete(getenv("BACKUP_DIR"), timestamp);
	*ret_exit_code = created;
	return STATUS_OK;
}

static enum status drill(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error)
{
	(void)invocation;
	(void)error;
	*ret_exit_code = EXIT_DONE;
	return STATUS_OK;
}

const struct command command_create = {.name = "create", .arguments = "", .run = create};
const struct command command_verify = {.name = "verify", .arguments = "", .options = 1U << OPTION_DRILL, .run = drill};

/* --- a run -------------------------------------------------------------------------------------------------------- */

static int setup(void **state)
{
	now = 1790000000; /* in September of 2026 */
	tries_without_room = 0;
	created = EXIT_DONE;
	setenv("TZ", "UTC", 1);
	return scratch_setup(state) == 0 && setenv("BACKUP_DIR", *state, 1) == 0 ? 0 : -1;
}

#define scheduled_test(function) cmocka_unit_test_setup_teardown(function, setup, scratch_teardown)

/* Made so many days before the time that it is. */
static void backup_of(const char *folder, int days_ago)
{
	char timestamp[TIMESTAMP_SIZE];
	timestamp_of(now - (time_t)days_ago * DAY, timestamp);
	make_complete(folder, timestamp);
}

static unsigned count_backups(const char *folder)
{
	struct error error;
	CLEANUP(backup_list_free) struct backup_list list = {0};
	assert_ok(catalog_list(folder, &list, &error), &error);
	return (unsigned)list.count;
}

/* `schedule run DAYS` in a process of its own, whose standard error goes to "said"; DAYS may be NULL. */
static int run(const char *folder, const char *days, bool with_drill)
{
	struct invocation invocation = {
		.command = &command_schedule, .arguments = {"run", days}, .argument_count = days != NULL ? 2 : 1};
	invocation.options[OPTION_DRILL] = with_drill ? "" : NULL;
	fflush(NULL);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		enum exit_code exit_code = EXIT_FAILED;
		struct error error = {0};
		bool ready = chdir(folder) == 0 && freopen(at(folder, "said"), "w", stderr) != NULL;
		enum status status = ready ? schedule_run(&invocation, &exit_code, &error) : STATUS_FAILED;
		fflush(NULL);
		_exit(status == STATUS_OK ? (int)exit_code : 200 + (int)status);
	}
	int result = 0;
	assert_int_equal(waitpid(child, &result, 0), child);
	assert_true(WIFEXITED(result));
	return WEXITSTATUS(result);
}

static void assert_contains(const char *path, const char *part)
{
	char *text = read_file(path, NULL);
	if (strstr(text, part) == NULL) {
		fail_msg("\"%s\" is missing in:\n%s", part, text);
	}
	free(text);
}

static void assert_noted(const char *folder, int exit_code, const char *summary)
{
	struct error error;
	struct last_run last = {0};
	assert_ok(run_log_read_last(folder, &last, &error), &error);
	assert_string_equal(last.summary, summary);
	assert_int_equal(last.exit_code, exit_code);
	assert_int_equal(last.finished, now);
}

/* --- what is removed ---------------------------------------------------------------------------------------------- */

static void what_is_older_than_the_days_is_removed(void **state)
{
	backup_of(*state, 100);
	backup_of(*state, 40);
	backup_of(*state, 1);
	assert_int_equal(run(*state, "30", false), EXIT_DONE);
	assert_int_equal(count_backups(*state), 2);
	assert_noted(*state, EXIT_DONE, "done");
}

static void without_days_nothing_is_removed(void **state)
{
	backup_of(*state, 100);
	backup_of(*state, 1);
	assert_int_equal(run(*state, NULL, false), EXIT_DONE);
	assert_int_equal(count_backups(*state), 3);
	assert_noted(*state, EXIT_DONE, "done");
}

static void without_days_nothing_is_removed_for_want_of_room(void **state)
{
	backup_of(*state, 100);
	backup_of(*state, 1);
	tries_without_room = 1;
	assert_int_equal(run(*state, NULL, false), EXIT_FAILED);
	assert_int_equal(count_backups(*state), 2);
	assert_noted(*state, EXIT_FAILED, "failed: there is no room");
}

static void where_there_is_no_room_what_is_older_goes_first(void **state)
{
	backup_of(*state, 100);
	backup_of(*state, 1);
	tries_without_room = 1;
	assert_int_equal(run(*state, "30", false), EXIT_DONE);
	assert_int_equal(count_backups(*state), 2);
	assert_noted(*state, EXIT_DONE, "done");
	assert_contains(at(*state, RUN_LOG_NAME), "no room: old backups are removed first");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scheduled_test(what_is_older_than_the_days_is_removed),
		scheduled_test(without_days_nothing_is_removed),
		scheduled_test(without_days_nothing_is_removed_for_want_of_room),
		scheduled_test(where_there_is_no_room_what_is_older_goes_first),
	};
	return cmocka_run_group_tests_name("schedule_run", tests, NULL, NULL);
}
