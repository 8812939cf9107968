/* schedule/crontab: our block in the text of a crontab, put in, read and taken out again. */
#include "support.h"

#include "schedule/crontab.h"

#define BEGIN "# BEGIN whisperbackup /p\n"
#define END   "# END whisperbackup /p\n"
#define ENTRY "0 2 * * * run\n"
#define NOTE  "# installed 2026-11-23T02:00:00Z by \"schedule install\"; removed by \"schedule uninstall\"\n"
#define BLOCK BEGIN NOTE ENTRY END

enum { MOMENT = 1795399200 }; /* 2026-11-23T02:00:00Z */

static char *put(const char *text, const char *folder, const char *schedule, const char *command)
{
	struct error error;
	char *result = NULL;
	assert_ok(crontab_put(text, folder, schedule, command, MOMENT, &result, &error), &error);
	return result;
}

static char *take(const char *text, const char *folder)
{
	struct error error;
	char *result = NULL;
	assert_ok(crontab_take(text, folder, &result, &error), &error);
	return result;
}

static void assert_same(const char *text, const char *expected)
{
	if (text == NULL || expected == NULL) {
		assert_ptr_equal(text, expected);
	} else {
		assert_string_equal(text, expected);
	}
}

static void assert_put(const char *text, const char *expected)
{
	char *result = put(text, "/p", "0 2 * * *", "run");
	assert_string_equal(result, expected);
	free(result);
}

static void assert_take(const char *text, const char *expected)
{
	char *result = take(text, "/p");
	assert_same(result, expected);
	free(result);
}

/* --- put and take
 * ------------------------------------------------------------------------------------------------------ */

static void the_block_goes_to_the_end(void **state)
{
	(void)state;
	assert_put("MAILTO=me\n", "MAILTO=me\n" BLOCK);
	assert_put("", BLOCK);
}

static void the_block_notes_what_there_was_before(void **state)
{
	(void)state;
	assert_put(NULL, BEGIN NOTE "# before it there was no crontab\n" ENTRY END);
	assert_put("x", "x\n" BEGIN NOTE "# the line before it had no newline\n" ENTRY END);
}

static void a_new_block_takes_the_place_of_the_earlier_one_and_its_notes(void **state)
{
	(void)state;
	assert_put("a\n" BEGIN "# the line before it had no newline\n1 1 * * * old\n" END "b",
			   "a\n" BEGIN NOTE "# the line before it had no newline\n" ENTRY END "b");
}

static void take_gives_back_what_there_was_before(void **state)
{
	(void)state;
	static const char *const texts[] = {NULL, "", "\n", "x", "x\n", "x\n\n", "x\r\n", "x\r", "# END whisperbackup /p"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		char *longer = put(texts[i], "/p", "0 2 * * *", "run");
		char *again = put(longer, "/p", "1 1 * * *", "other");
		assert_take(longer, texts[i]);
		assert_take(again, texts[i]);
		free(longer);
		free(again);
	}
}

static void what_has_come_behind_the_block_stays(void **state)
{
	(void)state;
	assert_take("a\n" BEGIN "# the line before it had no newline\n" ENTRY END "b\n", "a\nb\n");
	assert_take(BEGIN "# before it there was no crontab\n" ENTRY END "b\n", "b\n");
}

static void copies_of_a_block_go_with_it(void **state)
{
	(void)state;
	char *other = put(NULL, "/other", "0 1 * * *", "other");
	char *with_other = NULL;
	assert_true(asprintf(&with_other, "a\n" BLOCK "b\n" BLOCK "%s" BLOCK "c\n", other) > 0);
	char *rest = take(with_other, "/p");
	assert_int_equal(strncmp(rest, "a\nb\n", 4), 0);
	assert_string_equal(rest + 4 + strlen(other), "c\n");
	assert_put("a\n" BLOCK "b\n" BLOCK BLOCK "c\n", "a\n" BLOCK "b\nc\n");
	assert_take("x\n" BEGIN "# the line before it had no newline\n" ENTRY END BEGIN
				"# the line before it had no newline\n" ENTRY END,
				"x");
	assert_take(BEGIN "# before it there was no crontab\n" ENTRY END BLOCK, NULL);
	assert_take("x\n" BLOCK BEGIN "# the line before it had no newline\n" ENTRY END, "x\n");
	free(other);
	free(with_other);
	free(rest);
}

static void a_copy_that_has_lost_its_end_is_not_touched(void **state)
{
	(void)state;
	struct error error;
	char *result = NULL;
	assert_status(STATUS_FAILED, crontab_take(BLOCK BEGIN ENTRY, "/p", &result, &error), &error);
	assert_status(STATUS_FAILED, crontab_put(BLOCK BEGIN ENTRY, "/p", "0 2 * * *", "run", MOMENT, &result, &error),
				  &error);
	assert_null(result);
}

static void only_the_very_folder_is_meant(void **state)
{
	(void)state;
	struct error error;
	char *result = NULL;
	static const char *const folders[] = {"/", "/p/", "/P", "/pq", "", "/p /q"};
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		assert_status(STATUS_NOT_FOUND, crontab_take(BLOCK, folders[i], &result, &error), &error);
		assert_null(result);
	}
}

static void projects_do_not_touch_each_others_blocks(void **state)
{
	(void)state;
	char *one = put("x\n", "/one", "0 1 * * *", "run one");
	char *both = put(one, "/two", "0 2 * * *", "run two");
	char *second = take(both, "/one");
	char *none = take(second, "/two");
	assert_non_null(strstr(second, "run two"));
	assert_null(strstr(second, "run one"));
	assert_string_equal(none, "x\n");
	free(one);
	free(both);
	free(second);
	free(none);
}

static void a_block_that_has_lost_its_end_is_not_touched(void **state)
{
	(void)state;
	static const char *const texts[] = {
		BEGIN ENTRY,
		"# BEGIN whisperbackup /p",
		BEGIN ENTRY "# BEGIN whisperbackup /q\n# END whisperbackup /q\n" END,
		BEGIN ENTRY "# END whisperbackup /q\n",
		BEGIN ENTRY BLOCK,
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct error error;
		struct job job = {0};
		char *result = NULL;
		assert_status(STATUS_FAILED, crontab_put(texts[i], "/p", "0 2 * * *", "x", MOMENT, &result, &error), &error);
		assert_status(STATUS_FAILED, crontab_take(texts[i], "/p", &result, &error), &error);
		assert_status(STATUS_FAILED, crontab_find(texts[i], "/p", &job, &error), &error);
		assert_null(result);
		assert_string_equal(error.hint, "remove what is left of that block by hand: crontab -e");
	}
}

/* What comes behind it would be a line of the crontab. */
static void a_line_break_in_any_part_is_refused(void **state)
{
	(void)state;
	struct error error;
	char *result = NULL;
	assert_status(STATUS_USAGE, crontab_put("", "/p\n* * * * * x", "0 2 * * *", "run", 0, &result, &error), &error);
	assert_status(STATUS_USAGE, crontab_put("", "/p", "0 2 * * *\n", "run", 0, &result, &error), &error);
	assert_status(STATUS_USAGE, crontab_put("", "/p", "0 2 * * *", "run\nx", 0, &result, &error), &error);
	assert_null(result);
}

static void a_crontab_that_would_grow_too_long_is_refused(void **state)
{
	(void)state;
	enum { LENGTH = 4 << 20 };
	struct error error;
	char *result = NULL;
	char *text = malloc(LENGTH + 1);
	assert_non_null(text);
	memset(text, '\n', LENGTH);
	text[LENGTH] = '\0';
	assert_status(STATUS_FAILED, crontab_put(text, "/p", "0 2 * * *", "run", 0, &result, &error), &error);
	assert_null(result);
	free(text);
}

/* --- several projects --------------------------------------------------------------------------------------------- */

static char *put_into(char *text, const char *folder)
{
	char *result = put(text, folder, "0 2 * * *", "run");
	free(text);
	return result;
}

static char *take_from(char *text, const char *folder)
{
	char *result = take(text, folder);
	free(text);
	return result;
}

/* Three projects come, and go in the given order; `restless`: some of them come once more in between. */
static void assert_goes_without_trace(const char *text, const char *const out[3], bool restless)
{
	static const char *const folders[] = {"/p", "/q", "/p q"};
	char *now = text != NULL ? strdup(text) : NULL;
	for (size_t i = 0; i < 3; i++) {
		now = put_into(now, folders[i]);
	}
	now = take_from(now, out[0]);
	if (restless) {
		now = put_into(now, out[0]);
		now = put_into(now, out[2]);
	}
	now = take_from(now, out[1]);
	if (restless) {
		now = take_from(now, out[0]);
	}
	now = take_from(now, out[2]);
	assert_same(now, text);
	free(now);
}

static void projects_that_come_and_go_in_any_order_leave_the_text_as_it_was(void **state)
{
	(void)state;
	static const char *const texts[] = {NULL,
										"",
										"\n",
										"x",
										"x\n",
										"x\n\n",
										"x\r\n",
										"x\r",
										"# END whisperbackup /p",
										"# BEGIN whisperbackup ",
										"# BEGIN whisperbackup /r",
										"# before it there was no crontab\n",
										"# the line before it had no newline\n"};
	static const char *const orders[][3] = {{"/p", "/q", "/p q"}, {"/p", "/p q", "/q"}, {"/q", "/p", "/p q"},
											{"/q", "/p q", "/p"}, {"/p q", "/p", "/q"}, {"/p q", "/q", "/p"}};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		for (size_t order = 0; order < sizeof orders / sizeof *orders; order++) {
			assert_goes_without_trace(texts[i], orders[order], false);
			assert_goes_without_trace(texts[i], orders[order], true);
		}
	}
}

static void a_block_that_follows_takes_the_remarks_on_whatever_is_in_it(void **state)
{
	(void)state;
	static const char *const blocks[] = {"# BEGIN whisperbackup /q\n# END whisperbackup /q\n",
										 "# BEGIN whisperbackup /q\n" ENTRY "# END whisperbackup /q\n",
										 "# BEGIN whisperbackup /q\n# END whisperbackup /q",
										 "# BEGIN whisperbackup /q\r\n# END whisperbackup /q\r\n"};
	for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
		char text[512];
		snprintf(text, sizeof text, "x\n%s%s", BEGIN "# the line before it had no newline\n" ENTRY END, blocks[i]);
		char *rest = take_from(take(text, "/p"), "/q");
		assert_string_equal(rest, "x");
		free(rest);
		snprintf(text, sizeof text, "%s%s", BEGIN "# before it there was no crontab\n" ENTRY END, blocks[i]);
		assert_null(take_from(take(text, "/p"), "/q"));
	}
}

static void what_only_begins_like_a_block_is_not_told_anything(void **state)
{
	(void)state;
	static const char *const rests[] = {
		"# BEGIN whisperbackup notes of mine\nx\n",
		"# BEGIN whisperbackup /q",
		"# BEGIN whisperbackup /q\n",
		"# BEGIN whisperbackup /q\n# BEGIN whisperbackup /r\n# END whisperbackup /r\n# END whisperbackup /q\n",
	};
	for (size_t i = 0; i < sizeof rests / sizeof *rests; i++) {
		char text[512];
		snprintf(text, sizeof text, "%s%s", BEGIN "# before it there was no crontab\n" ENTRY END, rests[i]);
		assert_take(text, rests[i]);
	}
}

/* --- find
 * -------------------------------------------------------------------------------------------------------------- */

static void assert_found(const char *text, const char *schedule, const char *command, time_t installed)
{
	struct error error;
	struct job job = {0};
	assert_ok(crontab_find(text, "/p", &job, &error), &error);
	assert_string_equal(job.schedule, schedule);
	assert_string_equal(job.command, command);
	assert_int_equal(job.installed, installed);
	assert_false(job.persistent);
	job_free(&job);
}

static void what_was_put_in_is_found(void **state)
{
	(void)state;
	char *text = put("x\n", "/p", "*/5 0 1,2 * 1-5", "run 100% \\ \\\\ \\% %% 'é'");
	assert_found(text, "*/5 0 1,2 * 1-5", "run 100% \\ \\\\ \\% %% 'é'", MOMENT);
	free(text);
}

static void what_somebody_wrote_into_the_block_is_read_past(void **state)
{
	(void)state;
	assert_found(BEGIN "\n  # hello\nSHELL=/bin/csh\n" ENTRY "1 1 * * * other\n" END, "0 2 * * *", "run", 0);
	assert_found(BEGIN " \t0  2 *\t* *  \t run it\n" END, "0  2 *\t* *", "run it", 0);
}

static void a_block_without_an_entry_is_told_and_can_be_replaced_and_removed(void **state)
{
	(void)state;
	static const char *const texts[] = {BEGIN END,
										BEGIN NOTE END,
										BEGIN "0 2 * * *\n" END,
										BEGIN "0 2 * * *\r\n" END,
										BEGIN "0 2 * * * \r\n" END,
										BEGIN "0 2\n" END,
										BEGIN "0\r\n" END,
										BEGIN "@daily x\n" END};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct error error;
		struct job job = {0};
		assert_status(STATUS_FAILED, crontab_find(texts[i], "/p", &job, &error), &error);
		assert_string_equal(error.message, "the block of /p in your crontab holds no entry");
		assert_string_equal(error.hint, "install it again (schedule install), or remove it (schedule uninstall)");
		assert_null(job.schedule);
		assert_null(job.command);
		assert_put(texts[i], BLOCK);
		assert_take(texts[i], "");
	}
}

/* As an editor on another system may have saved it. */
static void a_block_with_other_line_ends_is_found_replaced_and_taken(void **state)
{
	(void)state;
	static const char *const text = "a\r\n# BEGIN whisperbackup /p\r\n# installed 2026-11-23T02:00:00Z by x\r\n"
									"0 2 * * * run it\r\n# END whisperbackup /p\r\nb\r\n";
	assert_found(text, "0 2 * * *", "run it", MOMENT);
	assert_put(text, "a\r\n" BLOCK "b\r\n");
	assert_take(text, "a\r\nb\r\n");
	assert_found("# BEGIN whisperbackup /p\r\n0 2 * * * run\\\r\n# END whisperbackup /p", "0 2 * * *", "run\\", 0);
}

/* One "\r" is a line end; more of them, or one elsewhere, are somebody's own. */
static void only_one_carriage_return_may_stand_behind_a_mark(void **state)
{
	(void)state;
	static const char *const texts[] = {"# BEGIN whisperbackup /p\r\r\n" ENTRY END,
										"\r# BEGIN whisperbackup /p\n" ENTRY END,
										"# BEGIN whisperbackup \r/p\n" ENTRY END};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct error error;
		char *result = NULL;
		assert_status(STATUS_NOT_FOUND, crontab_take(texts[i], "/p", &result, &error), &error);
	}
}

static void without_a_crontab_nothing_is_found(void **state)
{
	(void)state;
	struct error error;
	struct job job = {0};
	char *result = NULL;
	assert_status(STATUS_NOT_FOUND, crontab_find(NULL, "/p", &job, &error), &error);
	assert_status(STATUS_NOT_FOUND, crontab_take(NULL, "/p", &result, &error), &error);
}

/* --- the settings that stand before the block ----------------------------------------------------------------------
 */

/* `expected`: the settings, each with a "|" behind it. */
static void assert_settings(const char *before, const char *expected)
{
	struct error error;
	struct job job = {0};
	char *text = put(before, "/p", "0 2 * * *", "run");
	char found[256] = "";
	assert_ok(crontab_find(text, "/p", &job, &error), &error);
	for (size_t i = 0; job.settings != NULL && job.settings[i] != NULL; i++) {
		strcat(strcat(found, job.settings[i]), "|");
	}
	assert_string_equal(found, expected);
	job_free(&job);
	free(text);
}

static void assignments_before_the_block_are_its_settings(void **state)
{
	(void)state;
	assert_settings("MAILTO=me\nPATH=/usr/bin:/bin\n", "MAILTO=me|PATH=/usr/bin:/bin|");
	assert_settings("A=1\n\n# comment\n0 1 * * * x\nA=2", "A=1|A=2|");
	assert_settings("A=b=c\n_x9=\n", "A=b=c|_x9=|");
}

static void blanks_and_quotes_of_a_setting_are_read_as_cron_does(void **state)
{
	(void)state;
	assert_settings(" \tA \t= \tb c \t\n", "A=b c|");
	assert_settings("A = \" b \"\n'B'=' c'\n\"C\" = d\n", "A= b |B= c|C=d|");
	assert_settings("A=\"\"\nB=''\n", "A=|B=|");
	assert_settings("A=\"x'\nB='\nC=x\"y\"\n", "A=\"x'|B='|C=x\"y\"|");
	assert_settings("A=b\r\nB=\"c\"\r\n", "A=b|B=c|");
}

static void what_is_no_assignment_is_no_setting(void **state)
{
	(void)state;
	assert_settings(NULL, "");
	assert_settings("# A=b\n0 2 * * * A=b x\n* * * * * A=b\n@daily A=b\n", "");
	assert_settings("1A=b\nA b=c\nA-B=c\n=x\nA\n\n \n\"\"=x\n", "");
}

static void assignments_in_the_block_and_behind_it_are_not_its_settings(void **state)
{
	(void)state;
	struct error error;
	struct job job = {0};
	assert_ok(crontab_find("A=1\n" BEGIN "B=2\n" ENTRY END "C=3\n", "/p", &job, &error), &error);
	assert_string_equal(job.settings[0], "A=1");
	assert_null(job.settings[1]);
	job_free(&job);
}

/* --- what cron makes of it
 * --------------------------------------------------------------------------------------------- */

/* The command that a daemon runs: Debian's takes "\\" for "\", Cronie leaves it; both end at a "%". */
static void as_cron_reads(const char *line, bool cronie, char *command)
{
	for (; *line != '\n' && *line != '%'; line++) {
		if (*line == '\\' && (line[1] == '%' || (line[1] == '\\' && !cronie))) {
			line++;
		} else if (*line == '\\' && line[1] == '\\') {
			*command++ = *line++;
		}
		*command++ = *line;
	}
	*command = '\0';
}

static void assert_read_by_cron(const char *command, bool cronie)
{
	char seen[256];
	char *text = put("", "/p", "0 2 * * *", command);
	const char *entry = strstr(text, "\n0 2 * * * ");
	assert_non_null(entry);
	as_cron_reads(entry + strlen("\n0 2 * * * "), cronie, seen);
	assert_string_equal(seen, command);
	free(text);
}

static void cron_runs_the_command_that_was_put_in(void **state)
{
	(void)state;
	assert_read_by_cron("100% %% \\ \\\\ \\% \\\\% x\\", false);
	assert_read_by_cron("cd '/100%' && '/a\\b' \\!x", false);
	assert_read_by_cron("cd '/100%' && '/a\\b' \\!x", true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_block_goes_to_the_end),
		cmocka_unit_test(the_block_notes_what_there_was_before),
		cmocka_unit_test(a_new_block_takes_the_place_of_the_earlier_one_and_its_notes),
		cmocka_unit_test(take_gives_back_what_there_was_before),
		cmocka_unit_test(what_has_come_behind_the_block_stays),
		cmocka_unit_test(copies_of_a_block_go_with_it),
		cmocka_unit_test(a_copy_that_has_lost_its_end_is_not_touched),
		cmocka_unit_test(only_the_very_folder_is_meant),
		cmocka_unit_test(projects_do_not_touch_each_others_blocks),
		cmocka_unit_test(projects_that_come_and_go_in_any_order_leave_the_text_as_it_was),
		cmocka_unit_test(a_block_that_follows_takes_the_remarks_on_whatever_is_in_it),
		cmocka_unit_test(what_only_begins_like_a_block_is_not_told_anything),
		cmocka_unit_test(a_block_that_has_lost_its_end_is_not_touched),
		cmocka_unit_test(a_line_break_in_any_part_is_refused),
		cmocka_unit_test(a_crontab_that_would_grow_too_long_is_refused),
		cmocka_unit_test(what_was_put_in_is_found),
		cmocka_unit_test(what_somebody_wrote_into_the_block_is_read_past),
		cmocka_unit_test(a_block_without_an_entry_is_told_and_can_be_replaced_and_removed),
		cmocka_unit_test(a_block_with_other_line_ends_is_found_replaced_and_taken),
		cmocka_unit_test(only_one_carriage_return_may_stand_behind_a_mark),
		cmocka_unit_test(without_a_crontab_nothing_is_found),
		cmocka_unit_test(assignments_before_the_block_are_its_settings),
		cmocka_unit_test(blanks_and_quotes_of_a_setting_are_read_as_cron_does),
		cmocka_unit_test(what_is_no_assignment_is_no_setting),
		cmocka_unit_test(assignments_in_the_block_and_behind_it_are_not_its_settings),
		cmocka_unit_test(cron_runs_the_command_that_was_put_in),
	};
	return cmocka_run_group_tests_name("crontab", tests, NULL, NULL);
}
