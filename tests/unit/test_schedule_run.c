/*
 * commands/schedule_run: what a scheduled run removes, and what it notes. The backup that it makes, and the drill, are
 * made up here, and so is the clock; cleanup is the real one.
 */
#include "catalog_support.h"

#include "commands/schedule.h"
#include "schedule/crontab.h"
#include "schedule/run_log.h"
#include "schedule/systemd.h"

enum { DAY = 24 * 60 * 60 };

/* --- made up ------------------------------------------------------------------------------------------------------ */

static time_t now;
static int tries_without_room; /* that many attempts at a backup fail */
static bool fails;             /* each does, for another reason */
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
	if (fails) {
		return error_set(error, STATUS_UNAVAILABLE, "the engine does not answer");
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
	fails = false;
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
		int said = open(at(folder, "said"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		bool ready = setenv("PATH", at(folder, "bin"), 1) == 0 && setenv("HOME", folder, 1) == 0 &&
					 chdir(folder) == 0 && dup2(said, STDERR_FILENO) >= 0;
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

/* --- a clock that may be wrong ------------------------------------------------------------------------------------ */

#define FORTY_DAYS "nothing was removed: the last backup before this one is 40 days old"

static void if_the_last_backup_is_older_than_the_days_nothing_is_removed(void **state)
{
	backup_of(*state, 42);
	backup_of(*state, 41);
	backup_of(*state, 40);
	assert_int_equal(run(*state, "30", false), EXIT_DONE);
	assert_int_equal(count_backups(*state), 4);
	assert_noted(*state, EXIT_DONE, "done; " FORTY_DAYS);
	assert_contains(at(*state, RUN_LOG_NAME),
					"the last backup before this one is 40 days old: the clock may be wrong, so "
					"nothing is removed now");
}

static void after_two_days_runs_remove_again(void **state)
{
	backup_of(*state, 42);
	backup_of(*state, 41);
	backup_of(*state, 40);
	assert_int_equal(run(*state, "30", false), EXIT_DONE);
	now += DAY;
	assert_int_equal(run(*state, "30", false), EXIT_DONE);
	assert_int_equal(count_backups(*state), 5);
	assert_noted(*state, EXIT_DONE, "done; nothing was removed: the clock may have been wrong less than two days ago");
	now += DAY;
	assert_int_equal(run(*state, "30", false), EXIT_DONE);
	assert_int_equal(count_backups(*state), 3);
	assert_noted(*state, EXIT_DONE, "done");
}

static void a_clock_that_is_set_back_again_removes_as_always(void **state)
{
	backup_of(*state, 40);
	backup_of(*state, 1);
	now += (time_t)73 * 365 * DAY;
	assert_int_equal(run(*state, "30", false), EXIT_DONE);
	assert_int_equal(count_backups(*state), 3);
	now -= (time_t)73 * 365 * DAY;
	assert_int_equal(run(*state, "30", false), EXIT_DONE);
	assert_int_equal(count_backups(*state), 3); /* that of today instead of that of 40 days ago */
	assert_noted(*state, EXIT_DONE, "done");
}

/* Here a machine is off for long, and its clock wrong when it comes back. */
static void a_pause_after_a_pause_removes_nothing_either(void **state)
{
	backup_of(*state, 41);
	backup_of(*state, 40);
	assert_int_equal(run(*state, "30", false), EXIT_DONE);
	now += (time_t)10 * 365 * DAY;
	assert_int_equal(run(*state, "30", false), EXIT_DONE);
	assert_int_equal(count_backups(*state), 4);
	now += DAY;
	assert_int_equal(run(*state, "30", false), EXIT_DONE);
	assert_int_equal(count_backups(*state), 5);
	now += DAY;
	assert_int_equal(run(*state, "30", false), EXIT_DONE);
	assert_int_equal(count_backups(*state), 3);
}

/* However many of them there were: the next good one is the first to know the time. */
static void runs_that_fail_do_not_end_a_pause(void **state)
{
	backup_of(*state, 41);
	backup_of(*state, 40);
	fails = true;
	for (int day = 0; day < 5; day++, now += DAY) {
		assert_int_equal(run(*state, "30", false), EXIT_FAILED);
	}
	fails = false;
	assert_int_equal(run(*state, "30", false), EXIT_DONE);
	assert_int_equal(count_backups(*state), 3);
	assert_noted(*state, EXIT_DONE, "done; nothing was removed: the last backup before this one is 45 days old");
}

/* It is on for a day in each week, and would never have room again. */
static void where_there_is_no_room_backups_go_in_the_second_of_two_pauses(void **state)
{
	backup_of(*state, 21);
	backup_of(*state, 14);
	backup_of(*state, 7);
	tries_without_room = 1;
	assert_int_equal(run(*state, "3", false), EXIT_FAILED);
	assert_int_equal(count_backups(*state), 3);
	now += (time_t)7 * DAY;
	tries_without_room = 1;
	assert_int_equal(run(*state, "3", false), EXIT_DONE);
	assert_int_equal(count_backups(*state), 1);
}

/* The two days were begun by a backup, and say nothing of this pause. */
static void where_there_is_no_room_nothing_goes_in_the_first_try_after_another_pause(void **state)
{
	backup_of(*state, 41);
	backup_of(*state, 40);
	assert_int_equal(run(*state, "30", false), EXIT_DONE);
	now += (time_t)400 * DAY;
	tries_without_room = 1;
	assert_int_equal(run(*state, "30", false), EXIT_FAILED);
	assert_int_equal(count_backups(*state), 3);
	now += (time_t)2 * DAY;
	tries_without_room = 1;
	assert_int_equal(run(*state, "30", false), EXIT_DONE);
	assert_int_equal(count_backups(*state), 1);
}

static void a_run_that_fails_in_part_knows_of_the_pause_too(void **state)
{
	backup_of(*state, 41);
	backup_of(*state, 40);
	created = EXIT_PARTIAL;
	assert_int_equal(run(*state, "30", false), EXIT_PARTIAL);
	assert_noted(*state, EXIT_PARTIAL, "partial: a store failed; older backups were kept");
	now += DAY;
	created = EXIT_DONE;
	assert_int_equal(run(*state, "30", false), EXIT_DONE);
	assert_int_equal(count_backups(*state), 4);
}

static void a_full_disk_keeps_backups_from_being_made_for_two_days_at_most(void **state)
{
	backup_of(*state, 41);
	backup_of(*state, 40);
	tries_without_room = 1;
	assert_int_equal(run(*state, "30", false), EXIT_FAILED);
	now += 2 * DAY;
	tries_without_room = 1;
	assert_int_equal(run(*state, "30", false), EXIT_DONE);
	assert_int_equal(count_backups(*state), 1);
	assert_noted(*state, EXIT_DONE, "done");
}

static void a_clock_of_2099_removes_nothing(void **state)
{
	for (int day = 1; day <= 20; day++) {
		backup_of(*state, day);
	}
	now += (time_t)73 * 365 * DAY;
	assert_int_equal(run(*state, "30", false), EXIT_DONE);
	assert_int_equal(count_backups(*state), 21);
}

static void what_is_dated_in_the_future_is_not_the_last_backup(void **state)
{
	backup_of(*state, 41);
	backup_of(*state, 40);
	backup_of(*state, -10000);
	assert_int_equal(run(*state, "30", false), EXIT_DONE);
	assert_int_equal(count_backups(*state), 4);
	assert_noted(*state, EXIT_DONE, "done; " FORTY_DAYS);
}

static void where_there_is_no_room_nothing_goes_after_a_long_pause(void **state)
{
	backup_of(*state, 41);
	backup_of(*state, 40);
	tries_without_room = 1;
	assert_int_equal(run(*state, "30", false), EXIT_FAILED);
	assert_int_equal(count_backups(*state), 2);
	assert_noted(*state, EXIT_FAILED, "failed: there is no room; " FORTY_DAYS);
}

static void with_no_days_a_backup_of_yesterday_is_removed(void **state)
{
	backup_of(*state, 1);
	assert_int_equal(run(*state, "0", false), EXIT_DONE);
	assert_int_equal(count_backups(*state), 1);
	assert_noted(*state, EXIT_DONE, "done");
}

static void with_no_days_nothing_is_removed_after_more_than_two_days(void **state)
{
	backup_of(*state, 3);
	assert_int_equal(run(*state, "0", false), EXIT_DONE);
	assert_int_equal(count_backups(*state), 2);
	assert_noted(*state, EXIT_DONE, "done; nothing was removed: the last backup before this one is 3 days old");
}

/* Puts a schedule for the folder into the crontab of `run`. */
static void install(const char *folder, const char *schedule)
{
	struct error error;
	char *text = NULL;
	char *real_folder = realpath(folder, NULL);
	char script[PATH_MAX + 64];
	assert_non_null(real_folder);
	assert_ok(crontab_put(NULL, real_folder, schedule, "x", now, &text, &error), &error);
	write_file(at(folder, "table"), text);
	snprintf(script, sizeof script, "#!/bin/sh\nexec /bin/cat '%s/table'\n", folder);
	make_folder(at(folder, "bin"));
	write_file(at(folder, "bin/crontab"), script);
	assert_int_equal(chmod(at(folder, "bin/crontab"), 0755), 0);
	free(real_folder);
	free(text);
}

static void a_pause_that_the_schedule_makes_is_not_long(void **state)
{
	now = 1788228003; /* 1 September 2026, 02:00:03, which is 31 days after the run before */
	install(*state, "0 2 1 * *");
	backup_of(*state, 31);
	assert_int_equal(run(*state, "30", false), EXIT_DONE);
	assert_int_equal(count_backups(*state), 1);
	assert_noted(*state, EXIT_DONE, "done");
}

/* A timer that makes up for the run which was slept through, not later than for the next one. */
static void assert_pause_of_timer(void **state, int hours_late, unsigned left)
{
	struct error error;
	char *real_folder = realpath(*state, NULL);
	char *path = strdup(getenv("PATH"));
	char *home = strdup(getenv("HOME"));
	now = 1788660003; /* Sunday, 6 September 2026, 02:00:03 */
	backup_of(*state, 7);
	now += (time_t)hours_late * 60 * 60;
	make_folder(at(*state, "bin"));
	write_file(at(*state, "bin/systemctl"), "#!/bin/sh\nexit 0\n");
	assert_int_equal(chmod(at(*state, "bin/systemctl"), 0755), 0);
	setenv("PATH", at(*state, "bin"), 1);
	setenv("HOME", *state, 1);
	assert_ok(systemd_install(real_folder, "0 2 * * 0", "OnCalendar=Sun *-*-* 02:00:00\n", "x", now, &error), &error);
	setenv("PATH", path, 1);
	setenv("HOME", home, 1);
	free(real_folder);
	free(path);
	free(home);
	assert_int_equal(run(*state, "6", false), EXIT_DONE);
	assert_int_equal(count_backups(*state), left);
}

static void a_run_that_is_made_up_for_ends_no_long_pause(void **state)
{
	assert_pause_of_timer(state, 30, 1);
}

static void a_pause_is_long_if_two_runs_were_slept_through(void **state)
{
	assert_pause_of_timer(state, 8 * 24, 2);
}

static void a_pause_is_long_if_the_schedule_had_a_run_within_it(void **state)
{
	now = 1788228003;
	install(*state, "0 2 1 * *");
	backup_of(*state, 40);
	assert_int_equal(run(*state, "30", false), EXIT_DONE);
	assert_int_equal(count_backups(*state), 2);
	assert_noted(*state, EXIT_DONE, "done; " FORTY_DAYS);
}

static void the_first_backup_of_all_is_just_done(void **state)
{
	assert_int_equal(run(*state, "30", false), EXIT_DONE);
	assert_int_equal(count_backups(*state), 1);
	assert_noted(*state, EXIT_DONE, "done");
}

static void a_drill_does_not_hide_that_nothing_was_removed(void **state)
{
	backup_of(*state, 40);
	assert_int_equal(run(*state, "30", true), EXIT_DONE);
	assert_noted(*state, EXIT_DONE, "done, and drilled; " FORTY_DAYS);
}

/* --- the log ------------------------------------------------------------------------------------------------------ */

static void assert_backed_up_without_log(const char *folder, const char *reason)
{
	struct error error;
	struct last_run last = {0};
	backup_of(folder, 100);
	backup_of(folder, 1);
	assert_int_equal(run(folder, "30", false), EXIT_DONE);
	assert_int_equal(count_backups(folder), 2);
	assert_ok(run_log_read_last(folder, &last, &error), &error);
	assert_ptr_equal(strstr(last.summary, "done; the log could not be written: "), last.summary);
	assert_non_null(strstr(last.summary, reason));
	assert_int_equal(last.finished, now);
	assert_contains(at(folder, "said"), "scheduled backup of");
	assert_contains(at(folder, "said"), "1 backup older than 30 days removed");
	assert_contains(at(folder, "said"), reason);
}

static void a_log_that_cannot_be_opened_costs_no_backup(void **state)
{
	make_folder(at(*state, RUN_LOG_NAME));
	assert_backed_up_without_log(*state, "Is a directory");
}

static void a_full_log_that_cannot_be_put_aside_costs_no_backup(void **state)
{
	make_folder(at(*state, RUN_LOG_OLD_NAME));
	write_file(at(*state, RUN_LOG_NAME), "");
	assert_int_equal(truncate(at(*state, RUN_LOG_NAME), RUN_LOG_LIMIT), 0);
	assert_backed_up_without_log(*state, "cannot put the full log");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scheduled_test(what_is_older_than_the_days_is_removed),
		scheduled_test(without_days_nothing_is_removed),
		scheduled_test(without_days_nothing_is_removed_for_want_of_room),
		scheduled_test(where_there_is_no_room_what_is_older_goes_first),
		scheduled_test(if_the_last_backup_is_older_than_the_days_nothing_is_removed),
		scheduled_test(after_two_days_runs_remove_again),
		scheduled_test(a_clock_that_is_set_back_again_removes_as_always),
		scheduled_test(a_pause_after_a_pause_removes_nothing_either),
		scheduled_test(runs_that_fail_do_not_end_a_pause),
		scheduled_test(where_there_is_no_room_backups_go_in_the_second_of_two_pauses),
		scheduled_test(where_there_is_no_room_nothing_goes_in_the_first_try_after_another_pause),
		scheduled_test(a_run_that_fails_in_part_knows_of_the_pause_too),
		scheduled_test(a_full_disk_keeps_backups_from_being_made_for_two_days_at_most),
		scheduled_test(a_clock_of_2099_removes_nothing),
		scheduled_test(what_is_dated_in_the_future_is_not_the_last_backup),
		scheduled_test(where_there_is_no_room_nothing_goes_after_a_long_pause),
		scheduled_test(with_no_days_a_backup_of_yesterday_is_removed),
		scheduled_test(with_no_days_nothing_is_removed_after_more_than_two_days),
		scheduled_test(a_pause_that_the_schedule_makes_is_not_long),
		scheduled_test(a_run_that_is_made_up_for_ends_no_long_pause),
		scheduled_test(a_pause_is_long_if_two_runs_were_slept_through),
		scheduled_test(a_pause_is_long_if_the_schedule_had_a_run_within_it),
		scheduled_test(the_first_backup_of_all_is_just_done),
		scheduled_test(a_drill_does_not_hide_that_nothing_was_removed),
		scheduled_test(a_log_that_cannot_be_opened_costs_no_backup),
		scheduled_test(a_full_log_that_cannot_be_put_aside_costs_no_backup),
	};
	return cmocka_run_group_tests_name("schedule_run", tests, NULL, NULL);
}
