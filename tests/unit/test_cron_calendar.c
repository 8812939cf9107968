/* schedule/cron_calendar: expressions as systemd's timers have them, and whether systemd agrees. */
#include "cron_support.h"

static void assert_lines(const char *text, const char *expected)
{
	struct cron cron = parsed(text);
	struct error error;
	struct buffer lines = BUFFER_INIT(CRON_CALENDAR_SIZE);
	assert_ok(cron_on_calendar(&cron, &lines, &error), &error);
	assert_string_equal(buffer_text(&lines), expected);
	buffer_free(&lines);
}

static void an_open_field_is_a_star(void **state)
{
	(void)state;
	assert_lines("* * * * *", "OnCalendar=*-*-* *:*:00\n");
	assert_lines("hourly", "OnCalendar=*-*-* *:00:00\n");
	assert_lines("daily", "OnCalendar=*-*-* 02:00:00\n");
	assert_lines("weekly", "OnCalendar=Sun *-*-* 02:00:00\n");
	assert_lines("monthly", "OnCalendar=*-*-01 02:00:00\n");
}

static void values_become_lists_and_ranges(void **state)
{
	(void)state;
	assert_lines("*/15 9-17 * * 1-5", "OnCalendar=Mon,Tue,Wed,Thu,Fri *-*-* 09..17:00,15,30,45:00\n");
	assert_lines("0 0 1,2,3,10 3,12 *", "OnCalendar=*-03,12-01..03,10 00:00:00\n");
	assert_lines("0 0 29 2 *", "OnCalendar=*-02-29 00:00:00\n");
}

static void either_day_needs_two_lines(void **state)
{
	(void)state;
	assert_lines("30 4 1,15 * 5", "OnCalendar=*-*-01,15 04:30:00\nOnCalendar=Fri *-*-* 04:30:00\n");
	assert_lines("0 2 1-31 * 1", "OnCalendar=*-*-* 02:00:00\n");
}

static void both_days_are_one_line(void **state)
{
	(void)state;
	assert_lines("0 2 */15 * 7,1", "OnCalendar=Mon,Sun *-*-01,16,31 02:00:00\n");
	assert_lines("0 2 */1 * 1", "OnCalendar=Mon *-*-* 02:00:00\n");
}

static void a_buffer_that_is_too_small_is_an_error(void **state)
{
	(void)state;
	struct cron cron = parsed("30 4 1,15 * 5");
	for (size_t limit = 1; limit < 60; limit++) {
		struct error error;
		struct buffer lines = BUFFER_INIT(limit);
		assert_status(STATUS_FAILED, cron_on_calendar(&cron, &lines, &error), &error);
		buffer_free(&lines);
	}
}

static void the_longest_lines_fit(void **state)
{
	(void)state;
	struct cron cron = parsed("1-59/2 1-23/2 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31 1-11/2 1-6");
	struct error error;
	struct buffer lines = BUFFER_INIT(CRON_CALENDAR_SIZE);
	assert_ok(cron_on_calendar(&cron, &lines, &error), &error);
	assert_in_range(lines.length, 300, CRON_CALENDAR_SIZE - 200);
	buffer_free(&lines);
}

/* --- against systemd ---------------------------------------------------------------------------------------------- */

enum { ITERATIONS = 6, LINES_MAX = 2 };

/* The moments that systemd has for one value of OnCalendar, in order. In every zone it tells them in UTC, too. */
static size_t systemd_moments(const char *value, const char *base, time_t *moments)
{
	char *output =
		shell(NULL, "systemd-analyze calendar --base-time='%s UTC' --iterations=%d '%s'", base, ITERATIONS, value);
	size_t count = 0;
	char *rest = output;
	for (char *line = NULL; (line = strsep(&rest, "\n")) != NULL;) {
		char *colon = strstr(line, ": ");
		struct tm calendar = {0};
		if (colon != NULL && strptime(colon + 2, "%a %Y-%m-%d %H:%M:%S UTC", &calendar) != NULL) {
			assert_true(count < ITERATIONS);
			moments[count++] = timegm(&calendar);
		}
	}
	free(output);
	return count;
}

static void assert_systemd_agrees(const struct cron *cron, const char *base)
{
	struct error error;
	struct buffer lines = BUFFER_INIT(CRON_CALENDAR_SIZE);
	assert_ok(cron_on_calendar(cron, &lines, &error), &error);
	time_t moments[LINES_MAX][ITERATIONS];
	size_t counts[LINES_MAX] = {0};
	size_t at_moment[LINES_MAX] = {0};
	size_t count = 0;
	char *rest = lines.data;
	for (char *line = NULL; (line = strsep(&rest, "\n")) != NULL && *line != '\0'; count++) {
		assert_true(count < LINES_MAX);
		counts[count] = systemd_moments(line + strlen("OnCalendar="), base, moments[count]);
	}
	struct tm calendar = {0};
	assert_non_null(strptime(base, "%Y-%m-%d %H:%M:%S", &calendar));
	time_t ours = timegm(&calendar);
	for (int i = 0; i < ITERATIONS; i++) {
		time_t theirs = 0;
		for (size_t line = 0; line < count; line++) {
			while (at_moment[line] < counts[line] && moments[line][at_moment[line]] <= ours) {
				at_moment[line]++;
			}
			if (at_moment[line] < counts[line] && (theirs == 0 || moments[line][at_moment[line]] < theirs)) {
				theirs = moments[line][at_moment[line]];
			}
		}
		assert_true(theirs != 0);
		ours = cron_next_timer(cron, ours);
		if (ours != theirs) {
			char ours_text[32];
			char theirs_text[32];
			fail_msg("%s, number %d: %s, systemd has %s", cron->text, i + 1, shown(ours, ours_text),
					 shown(theirs, theirs_text));
		}
	}
	buffer_free(&lines);
}

static void skip_without_systemd(void)
{
	int exit_code = 0;
	free(shell(&exit_code, "systemd-analyze calendar --base-time='2026-01-01 00:00:00 UTC' daily 2>&1"));
	if (exit_code != 0) {
		print_message("# SKIPPED: no systemd-analyze that knows --base-time (systemd 250 and later)\n");
		skip();
	}
	use_zone("UTC");
}

static void systemd_agrees_on_chosen_expressions(void **state)
{
	(void)state;
	skip_without_systemd();
	static const char *const texts[] = {
		"hourly",
		"daily",
		"weekly",
		"monthly",
		"@yearly",
		"*/15 9-17 * * MON-FRI",
		"30 4 1,15 * 5",
		"0 2 */2 * 1",
		"0 0 29 2 *",
		"0 0 29 2 */7",
		"59 23 31 * *",
		"0 0 31 2 1",
		"1-59/2 1-23/2 1-31/2 1-11/2 1-6",
		"0 2 1 * */2",
		"0 0 30,31 4,5 *",
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct cron cron = parsed(texts[i]);
		assert_systemd_agrees(&cron, "2026-11-23 02:00:00");
	}
}

static void systemd_agrees_on_random_expressions(void **state)
{
	(void)state;
	skip_without_systemd();
	uint64_t random = 42;
	for (int i = 0; i < 100; i++) {
		struct cron cron = random_cron(&random);
		assert_systemd_agrees(&cron, "2027-12-30 13:14:15");
	}
}

static void assert_systemd_agrees_in(const char *zone, const char *base, uint64_t seed)
{
	enum { EXPRESSIONS = 20 };
	use_zone(zone);
	uint64_t random = seed;
	for (int i = 0; i < EXPRESSIONS; i++) {
		/* Any day, and hours near the change or open: else too few would meet it. */
		char text[64];
		char hours[16];
		snprintf(hours, sizeof hours, random_below(&random, 3) == 0 ? "*/%u" : "%u", random_below(&random, 3) + 1);
		snprintf(text, sizeof text, "%u,%u %s * * *", random_below(&random, 2) * 30, random_below(&random, 60), hours);
		struct cron cron = parsed(text);
		assert_systemd_agrees(&cron, base);
	}
}

static void systemd_agrees_where_the_clock_changes(void **state)
{
	(void)state;
	skip_without_systemd();
	assert_systemd_agrees_in("America/New_York", "2026-03-08 05:00:00", 1);
	assert_systemd_agrees_in("America/New_York", "2026-11-01 04:00:00", 2);
	assert_systemd_agrees_in("Europe/Berlin", "2026-03-28 23:00:00", 3);
	assert_systemd_agrees_in("Europe/Berlin", "2026-10-24 22:00:00", 4);
	assert_systemd_agrees_in("Australia/Lord_Howe", "2026-10-03 13:00:00", 5);
	assert_systemd_agrees_in("Australia/Lord_Howe", "2026-04-04 12:00:00", 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_open_field_is_a_star),
		cmocka_unit_test(values_become_lists_and_ranges),
		cmocka_unit_test(either_day_needs_two_lines),
		cmocka_unit_test(both_days_are_one_line),
		cmocka_unit_test(a_buffer_that_is_too_small_is_an_error),
		cmocka_unit_test(the_longest_lines_fit),
		cmocka_unit_test(systemd_agrees_on_chosen_expressions),
		cmocka_unit_test(systemd_agrees_on_random_expressions),
		cmocka_unit_test(systemd_agrees_where_the_clock_changes),
	};
	return cmocka_run_group_tests_name("cron_calendar", tests, NULL, NULL);
}
