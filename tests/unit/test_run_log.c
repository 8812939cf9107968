/* schedule/run_log: the log of scheduled runs, and the note of the last one. */
#include "support.h"

#include "base/clock.h"
#include "schedule/run_log.h"

#include <sys/file.h>

#define NOTE RUN_LAST_RUN_NAME

static int open_log(const char *folder)
{
	struct error error;
	int log = -1;
	assert_ok(run_log_open(folder, &log, &error), &error);
	assert_true(log >= 0);
	return log;
}

static void append(const char *folder, const char *text)
{
	int log = open_log(folder);
	assert_int_equal(write(log, text, strlen(text)), strlen(text));
	close(log);
}

static void assert_open_fails(const char *folder)
{
	struct error error;
	int log = 4711;
	assert_status(STATUS_FAILED, run_log_open(folder, &log, &error), &error);
	assert_int_equal(log, 4711);
}

/* --- the log -------------------------------------------------------------------------------------------------------
 */

static void a_new_log_is_made_with_its_folder_for_the_owner_only(void **state)
{
	const char *folder = at(*state, "new/backups");
	append(folder, "x\n");
	assert_file_is(at(folder, "backup.log"), "x\n");
	assert_int_equal(attributes_of(folder).st_mode & 07777, 0700);
	assert_int_equal(attributes_of(at(folder, "backup.log")).st_mode & 07777, 0600);
}

static void the_log_grows(void **state)
{
	append(*state, "one\n");
	append(*state, "two\n");
	assert_file_is(at(*state, "backup.log"), "one\ntwo\n");
	assert_false(exists(at(*state, "backup.log.1")));
}

static void programs_that_are_started_do_not_inherit_the_log(void **state)
{
	int log = open_log(*state);
	assert_true((fcntl(log, F_GETFD) & FD_CLOEXEC) != 0);
	close(log);
}

static void a_log_below_the_limit_is_gone_on_with(void **state)
{
	write_file(at(*state, "backup.log"), "");
	assert_int_equal(truncate(at(*state, "backup.log"), RUN_LOG_LIMIT - 1), 0);
	append(*state, "x");
	assert_int_equal(attributes_of(at(*state, "backup.log")).st_size, RUN_LOG_LIMIT);
	assert_false(exists(at(*state, "backup.log.1")));
}

static void a_full_log_is_put_aside_and_one_old_one_is_kept(void **state)
{
	write_file(at(*state, "backup.log"), "second");
	assert_int_equal(truncate(at(*state, "backup.log"), RUN_LOG_LIMIT), 0);
	write_file(at(*state, "backup.log.1"), "first");
	append(*state, "third");
	assert_file_is(at(*state, "backup.log"), "third");
	assert_file_is(at(*state, "backup.log.1"), "second"); /* and NUL bytes */
	assert_int_equal(attributes_of(at(*state, "backup.log.1")).st_size, RUN_LOG_LIMIT);
	assert_false(exists(at(*state, "backup.log.2")));
}

static void a_log_that_is_a_symbolic_link_is_not_followed(void **state)
{
	write_file(at(*state, "precious"), "x");
	assert_int_equal(symlink("precious", at(*state, "backup.log")), 0);
	assert_open_fails(*state);
	assert_file_is(at(*state, "precious"), "x");
}

static void an_old_log_that_is_a_symbolic_link_is_replaced_not_followed(void **state)
{
	write_file(at(*state, "precious"), "x");
	assert_int_equal(symlink("precious", at(*state, "backup.log.1")), 0);
	write_file(at(*state, "backup.log"), "");
	assert_int_equal(truncate(at(*state, "backup.log"), RUN_LOG_LIMIT), 0);
	append(*state, "new");
	assert_file_is(at(*state, "precious"), "x");
	assert_true(S_ISREG(attributes_of(at(*state, "backup.log.1")).st_mode));
}

static void a_log_that_cannot_be_written_is_a_failure(void **state)
{
	make_folder(at(*state, "backup.log"));
	assert_open_fails(*state);
	write_file(at(*state, "file"), "x");
	assert_open_fails(at(*state, "file"));
}

static void a_full_log_that_cannot_be_put_aside_is_kept(void **state)
{
	make_folder(at(*state, "backup.log.1"));
	write_file(at(*state, "backup.log"), "");
	assert_int_equal(truncate(at(*state, "backup.log"), RUN_LOG_LIMIT), 0);
	assert_open_fails(*state);
	assert_int_equal(attributes_of(at(*state, "backup.log")).st_size, RUN_LOG_LIMIT);
}

/* Nobody reads it: opening it would wait for ever. */
static void a_log_that_is_a_pipe_is_a_failure(void **state)
{
	assert_int_equal(mkfifo(at(*state, "backup.log"), 0600), 0);
	alarm(5);
	assert_open_fails(*state);
	alarm(0);
}

static void trying_whether_a_run_could_write_leaves_neither_log_nor_lock(void **state)
{
	struct error error;
	const char *folder = at(*state, "new/backups");
	assert_ok(run_log_try(folder, &error), &error);
	assert_false(exists(at(folder, "backup.log")));
	assert_false(exists(at(folder, ".schedule.lock")));
}

static void trying_whether_a_run_could_write_puts_no_full_log_aside(void **state)
{
	struct error error;
	write_file(at(*state, "backup.log"), "");
	assert_int_equal(truncate(at(*state, "backup.log"), RUN_LOG_LIMIT), 0);
	assert_ok(run_log_try(*state, &error), &error);
	assert_false(exists(at(*state, "backup.log.1")));
}

static void a_run_could_not_write_a_log_that_is_a_symbolic_link_or_a_pipe(void **state)
{
	struct error error;
	assert_int_equal(symlink("elsewhere", at(*state, "backup.log")), 0);
	assert_status(STATUS_FAILED, run_log_try(*state, &error), &error);
	assert_int_equal(unlink(at(*state, "backup.log")), 0);
	assert_int_equal(mkfifo(at(*state, "backup.log"), 0600), 0);
	alarm(5);
	assert_status(STATUS_FAILED, run_log_try(*state, &error), &error);
	alarm(0);
}

/* --- the note ------------------------------------------------------------------------------------------------------
 */

static struct last_run noted(const char *folder)
{
	struct error error;
	struct last_run run = {0};
	assert_ok(run_log_read_last(folder, &run, &error), &error);
	return run;
}

static void note(const char *folder, const char *summary)
{
	struct error error;
	struct last_run run = {.started = 1795399200, .finished = 1795399260, .process = 4711, .exit_code = 3};
	snprintf(run.summary, sizeof run.summary, "%s", summary);
	assert_ok(run_log_write_last(folder, &run, &error), &error);
}

static void assert_note(const char *folder, const char *summary)
{
	struct last_run run = noted(folder);
	assert_int_equal(run.started, 1795399200);
	assert_int_equal(run.finished, 1795399260);
	assert_int_equal(run.process, 4711);
	assert_int_equal(run.exit_code, 3);
	assert_string_equal(run.summary, summary);
}

static void what_is_noted_is_read_again(void **state)
{
	static const char *const summaries[] = {"", "done", "failed: \"é\" \\ 100%", "🚀"};
	for (size_t i = 0; i < sizeof summaries / sizeof *summaries; i++) {
		note(*state, summaries[i]);
		assert_note(*state, summaries[i]);
	}
	assert_int_equal(attributes_of(at(*state, NOTE)).st_mode & 07777, 0600);
}

static void a_summary_is_one_line(void **state)
{
	note(*state, "failed:\tERROR\nLINE 1: SELECT");
	assert_note(*state, "failed: ERROR LINE 1: SELECT");
}

static void the_longest_summary_fits(void **state)
{
	char summary[512];
	memset(summary, 'x', sizeof summary - 1);
	summary[sizeof summary - 1] = '\0';
	note(*state, summary);
	assert_note(*state, summary);
}

/* A folder's name may be anything, and a message that is cut may end within a character. */
static void a_summary_that_is_not_utf8_is_noted_with_question_marks(void **state)
{
	note(*state, "failed: /caf\xe9/\xf0\x9f\x9a\x80\xed\xa0\x80\xc0\xaf cut \xc3");
	assert_note(*state, "failed: /caf?/\xf0\x9f\x9a\x80????? cut ");
}

static void a_summary_with_terminal_escapes_is_noted_with_question_marks(void **state)
{
	note(*state, "failed: \033[2J \xC2\x9B"
				 "1m \x7f\r");
	assert_note(*state, "failed: ?[2J ??1m ??");
}

/* The note is a file, in which somebody else may have written. */
static void a_summary_with_terminal_escapes_in_the_file_is_read_with_question_marks(void **state)
{
	write_file(at(*state, NOTE), "{\"started\":1795399200,\"finished\":1795399260,\"process\":4711,\"exit_code\":3,"
								 "\"summary\":\"\\u001b[2J \\u009b\"}");
	assert_note(*state, "?[2J ??");
}

static void a_note_that_was_never_written_is_not_found(void **state)
{
	struct error error;
	struct last_run run = {.process = 1};
	assert_status(STATUS_NOT_FOUND, run_log_read_last(*state, &run, &error), &error);
	assert_status(STATUS_NOT_FOUND, run_log_read_last(at(*state, "nothing"), &run, &error), &error);
	assert_int_equal(run.process, 1);
}

static void a_damaged_note_is_told_and_gives_nothing(void **state)
{
	static const char *const texts[] = {
		"",
		"x",
		"{",
		"[]",
		"null",
		"{}",
		"{\"started\":1,\"finished\":2,\"process\":3,\"exit_code\":0}",
		"{\"started\":1,\"finished\":2,\"process\":3,\"exit_code\":0,\"summary\":\"done\"",
		"{\"started\":1,\"finished\":2,\"process\":3,\"exit_code\":0,\"summary\":null}",
		"{\"started\":\"1\",\"finished\":2,\"process\":3,\"exit_code\":0,\"summary\":\"done\"}",
		"{\"started\":1.5,\"finished\":2,\"process\":3,\"exit_code\":0,\"summary\":\"done\"}",
		"{\"started\":1,\"finished\":2,\"process\":3,\"exit_code\":0,\"summary\":\"\\u0000\"}",
		"{\"started\":1,\"finished\":2,\"process\":3,\"exit_code\":0,\"summary\":\"\xff\"}",
		"{\"started\":1,\"finished\":2,\"process\":3,\"exit_code\":0,\"summary\":\"done\"}{}",
		/* Numbers that no run has. */
		"{\"started\":-1,\"finished\":2,\"process\":3,\"exit_code\":0,\"summary\":\"done\"}",
		"{\"started\":9223372036854775807,\"finished\":2,\"process\":3,\"exit_code\":0,\"summary\":\"done\"}",
		"{\"started\":1,\"finished\":-9223372036854775808,\"process\":3,\"exit_code\":0,\"summary\":\"done\"}",
		"{\"started\":1,\"finished\":2,\"process\":4294967297,\"exit_code\":0,\"summary\":\"done\"}",
		"{\"started\":1,\"finished\":2,\"process\":-1,\"exit_code\":0,\"summary\":\"done\"}",
		"{\"started\":1,\"finished\":2,\"process\":3,\"exit_code\":4294967296,\"summary\":\"done\"}",
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct error error;
		struct last_run run = {.process = 1};
		write_file(at(*state, NOTE), texts[i]);
		if (run_log_read_last(*state, &run, &error) != STATUS_FAILED) {
			fail_msg("not told: %s", texts[i]);
		}
		assert_non_null(strstr(error.message, "/.last_run.json is damaged"));
		assert_int_equal(run.process, 1);
	}
}

static void a_note_with_more_in_it_is_read(void **state)
{
	write_file(at(*state, NOTE), "{\"later\": [1], \"started\":1795399200,\"finished\":1795399260,\"process\":4711,"
								 "\"exit_code\":3,\"summary\":\"done\"}\n");
	assert_note(*state, "done");
}

static void a_summary_that_is_too_long_is_cut(void **state)
{
	char text[2048];
	char xs[1001];
	memset(xs, 'x', 1000);
	xs[1000] = '\0';
	snprintf(text, sizeof text, "{\"started\":1,\"finished\":2,\"process\":3,\"exit_code\":0,\"summary\":\"%s\"}", xs);
	write_file(at(*state, NOTE), text);
	assert_int_equal(strlen(noted(*state).summary), 511);
}

static void a_summary_is_cut_between_characters(void **state)
{
	char text[2048];
	char xs[511];
	memset(xs, 'x', sizeof xs - 1);
	xs[sizeof xs - 1] = '\0';
	snprintf(text, sizeof text, "{\"started\":1,\"finished\":2,\"process\":3,\"exit_code\":0,\"summary\":\"%sé\"}", xs);
	write_file(at(*state, NOTE), text);
	assert_string_equal(noted(*state).summary, xs);
}

static void a_note_that_is_a_symbolic_link_is_replaced_not_followed(void **state)
{
	write_file(at(*state, "precious"), "x");
	assert_int_equal(symlink("precious", at(*state, NOTE)), 0);
	assert_int_equal(symlink("precious", at(*state, NOTE ".new")), 0);
	note(*state, "done");
	assert_file_is(at(*state, "precious"), "x");
	assert_true(S_ISREG(attributes_of(at(*state, NOTE)).st_mode));
	assert_note(*state, "done");
}

static void what_a_killed_run_left_of_a_note_does_not_matter(void **state)
{
	note(*state, "first");
	write_file(at(*state, NOTE ".new"), "{\"star");
	assert_note(*state, "first");
	note(*state, "second");
	assert_note(*state, "second");
	assert_false(exists(at(*state, NOTE ".new")));
}

static void a_note_that_cannot_be_put_in_place_leaves_nothing_behind(void **state)
{
	struct error error;
	struct last_run run = {.started = 1};
	make_folder(at(*state, NOTE));
	assert_status(STATUS_FAILED, run_log_write_last(*state, &run, &error), &error);
	assert_false(exists(at(*state, NOTE ".new")));
}

static void a_note_in_a_folder_that_is_missing_is_a_failure(void **state)
{
	struct error error;
	struct last_run run = {.started = 1};
	assert_status(STATUS_FAILED, run_log_write_last(at(*state, "nothing"), &run, &error), &error);
}

/* --- does it run? --------------------------------------------------------------------------------------------------
 */

static void a_run_is_at_work_while_it_holds_the_lock(void **state)
{
	struct error error;
	int lock = -1;
	assert_false(run_log_is_running(*state));
	assert_ok(run_log_lock(*state, &lock, &error), &error);
	assert_true(run_log_is_running(*state));
	close(lock);
	assert_false(run_log_is_running(*state));
}

static void a_lock_that_is_a_pipe_is_not_waited_for(void **state)
{
	assert_int_equal(mkfifo(at(*state, RUN_LOCK_NAME), 0600), 0);
	assert_false(run_log_is_running(*state));
}

static void while_one_run_is_at_work_there_is_no_other(void **state)
{
	struct error error;
	int lock = -1;
	int other = -1;
	assert_ok(run_log_lock(*state, &lock, &error), &error);
	assert_status(STATUS_LOCKED, run_log_lock(*state, &other, &error), &error);
	assert_int_equal(other, -1);
	close(lock);
	assert_ok(run_log_lock(*state, &lock, &error), &error);
	close(lock);
}

/* Somebody looks whether one runs just when it begins. */
static void a_run_that_begins_while_it_is_looked_for_is_not_refused(void **state)
{
	struct error error;
	int lock = -1;
	int ready[2];
	char sign = 0;
	assert_int_equal(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		int looking = open(at(*state, RUN_LOCK_NAME), O_RDONLY | O_CREAT, 0600);
		sign = flock(looking, LOCK_SH) == 0 ? '1' : '0';
		(void)!write(ready[1], &sign, 1);
		clock_sleep(100);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &sign, 1), 1);
	assert_int_equal(sign, '1');
	assert_ok(run_log_lock(*state, &lock, &error), &error);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(lock);
	close(ready[0]);
	close(ready[1]);
}

static void a_run_that_was_killed_is_not_at_work(void **state)
{
	int ready[2];
	assert_int_equal(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		struct error error;
		int lock = -1;
		char sign = run_log_lock(*state, &lock, &error) == STATUS_OK ? '1' : '0';
		(void)!write(ready[1], &sign, 1);
		pause();
		_exit(0);
	}
	char sign = '0';
	assert_int_equal(read(ready[0], &sign, 1), 1);
	assert_int_equal(sign, '1');
	assert_true(run_log_is_running(*state));
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(ready[0]);
	close(ready[1]);
	assert_false(run_log_is_running(*state));
}

static void in_a_folder_that_is_missing_nothing_is_at_work(void **state)
{
	assert_false(run_log_is_running(at(*state, "nothing")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(a_new_log_is_made_with_its_folder_for_the_owner_only),
		scratch_test(the_log_grows),
		scratch_test(programs_that_are_started_do_not_inherit_the_log),
		scratch_test(a_log_below_the_limit_is_gone_on_with),
		scratch_test(a_full_log_is_put_aside_and_one_old_one_is_kept),
		scratch_test(a_log_that_is_a_symbolic_link_is_not_followed),
		scratch_test(an_old_log_that_is_a_symbolic_link_is_replaced_not_followed),
		scratch_test(a_log_that_cannot_be_written_is_a_failure),
		scratch_test(a_full_log_that_cannot_be_put_aside_is_kept),
		scratch_test(a_log_that_is_a_pipe_is_a_failure),
		scratch_test(what_is_noted_is_read_again),
		scratch_test(a_summary_is_one_line),
		scratch_test(trying_whether_a_run_could_write_leaves_neither_log_nor_lock),
		scratch_test(trying_whether_a_run_could_write_puts_no_full_log_aside),
		scratch_test(a_run_could_not_write_a_log_that_is_a_symbolic_link_or_a_pipe),
		scratch_test(the_longest_summary_fits),
		scratch_test(a_summary_that_is_not_utf8_is_noted_with_question_marks),
		scratch_test(a_summary_with_terminal_escapes_is_noted_with_question_marks),
		scratch_test(a_summary_with_terminal_escapes_in_the_file_is_read_with_question_marks),
		scratch_test(a_note_that_was_never_written_is_not_found),
		scratch_test(a_damaged_note_is_told_and_gives_nothing),
		scratch_test(a_note_with_more_in_it_is_read),
		scratch_test(a_summary_that_is_too_long_is_cut),
		scratch_test(a_summary_is_cut_between_characters),
		scratch_test(a_note_that_is_a_symbolic_link_is_replaced_not_followed),
		scratch_test(what_a_killed_run_left_of_a_note_does_not_matter),
		scratch_test(a_note_that_cannot_be_put_in_place_leaves_nothing_behind),
		scratch_test(a_note_in_a_folder_that_is_missing_is_a_failure),
		scratch_test(a_run_is_at_work_while_it_holds_the_lock),
		scratch_test(a_lock_that_is_a_pipe_is_not_waited_for),
		scratch_test(while_one_run_is_at_work_there_is_no_other),
		scratch_test(a_run_that_begins_while_it_is_looked_for_is_not_refused),
		scratch_test(a_run_that_was_killed_is_not_at_work),
		scratch_test(in_a_folder_that_is_missing_nothing_is_at_work),
	};
	return cmocka_run_group_tests_name("run_log", tests, NULL, NULL);
}
