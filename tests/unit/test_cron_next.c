/* schedule/cron_next: when cron runs next, in seven time zones, and against what cron's own loop would do. */
#include "cron_support.h"

#define THREE_HOURS "STD-8SUM-11,M3.2.0/2,M10.1.0/4"
#define FOUR_HOURS  "STD-8SUM-12,M3.2.0/2,M10.1.0/4"

enum { MINUTE = 60, DAY = 24 * 60 * MINUTE };

/* Follows an expression from a moment on; the moments that come, up to a NULL. */
static void assert_comes(const char *zone, const char *text, const char *after, const char *const *expected)
{
	use_zone(zone);
	struct cron cron = parsed(text);
	time_t moment = moment_of(after);
	for (; *expected != NULL; expected++) {
		char next[32];
		moment = cron_next(&cron, moment);
		assert_string_equal(shown(moment, next), *expected);
	}
}

#define assert_next(zone, text, after, ...) assert_comes(zone, text, after, (const char *const[]){__VA_ARGS__, NULL})

/* --- the calendar ------------------------------------------------------------------------------------------------- */

static void the_next_moment_is_always_later(void **state)
{
	(void)state;
	assert_next("UTC", "0 2 * * *", "2026-11-23 01:59 +0000", "2026-11-23 02:00 +0000", "2026-11-24 02:00 +0000");
	use_zone("UTC");
	struct cron cron = parsed("0 2 * * *");
	time_t two = moment_of("2026-11-23 02:00 +0000");
	assert_int_equal(cron_next(&cron, two - 1), two);
	assert_int_equal(cron_next(&cron, two), two + DAY);
	assert_int_equal(cron_next(&cron, two + 59), two + DAY);
}

static void months_and_years_end(void **state)
{
	(void)state;
	assert_next("UTC", "59 23 31 * *", "2026-11-01 00:00 +0000", "2026-12-31 23:59 +0000", "2027-01-31 23:59 +0000",
				"2027-03-31 23:59 +0000");
	assert_next("UTC", "*/30 * * * *", "2026-12-31 23:30 +0000", "2027-01-01 00:00 +0000");
	assert_next("UTC", "@yearly", "2026-01-01 00:00 +0000", "2027-01-01 00:00 +0000");
}

static void the_29th_of_february_comes_in_leap_years(void **state)
{
	(void)state;
	assert_next("UTC", "0 0 29 2 *", "2026-03-01 00:00 +0000", "2028-02-29 00:00 +0000", "2032-02-29 00:00 +0000");
	assert_next("UTC", "0 0 29 2 *", "2096-03-01 00:00 +0000", "2104-02-29 00:00 +0000");
	/* On a Sunday, over 2100, which is no leap year: 40 years. */
	assert_next("UTC", "0 0 29 2 */7", "2088-03-01 00:00 +0000", "2128-02-29 00:00 +0000");
}

static void two_restricted_fields_for_days_mean_either(void **state)
{
	(void)state;
	assert_next("UTC", "30 4 1,15 * 5", "2026-05-12 00:00 +0000", "2026-05-15 04:30 +0000", "2026-05-22 04:30 +0000",
				"2026-05-29 04:30 +0000", "2026-06-01 04:30 +0000");
	assert_next("UTC", "0 0 31 2 1", "2026-01-01 00:00 +0000", "2026-02-02 00:00 +0000");
}

static void a_star_with_a_step_means_both(void **state)
{
	(void)state;
	assert_next("UTC", "0 2 */2 * 1", "2026-06-01 03:00 +0000", "2026-06-15 02:00 +0000", "2026-06-29 02:00 +0000");
	assert_next("UTC", "0 2 1 * */2", "2026-01-01 03:00 +0000", "2026-02-01 02:00 +0000", "2026-03-01 02:00 +0000",
				"2026-08-01 02:00 +0000");
}

static void moments_before_1970_and_far_ahead_are_right(void **state)
{
	(void)state;
	assert_next("UTC", "0 0 1 * *", "1969-12-01 00:00 +0000", "1970-01-01 00:00 +0000");
	use_zone("UTC");
	struct cron cron = parsed("* * * * *");
	assert_int_equal(cron_next(&cron, -30), 0);
	assert_int_equal(cron_next(&cron, -60), 0);
	assert_int_equal(cron_next(&cron, -61), -60);
	assert_next("Europe/Berlin", "0 12 * * *", "2199-07-01 00:00 +0000", "2199-07-01 12:00 +0200");
}

static void zones_with_odd_offsets_are_right(void **state)
{
	(void)state;
	assert_next("Asia/Kathmandu", "0 2 * * *", "2026-01-01 00:00 +0545", "2026-01-01 02:00 +0545",
				"2026-01-02 02:00 +0545");
	assert_next("Asia/Kathmandu", "*/20 * * * *", "2026-01-01 00:00 +0545", "2026-01-01 00:20 +0545");
}

static void a_change_of_tz_is_noticed(void **state)
{
	(void)state;
	use_zone("UTC");
	struct cron cron = parsed("0 2 * * *");
	time_t noon = moment_of("2026-01-01 12:00 +0000");
	assert_int_equal(cron_next(&cron, noon), moment_of("2026-01-02 02:00 +0000"));
	assert_int_equal(setenv("TZ", "Asia/Kathmandu", 1), 0);
	assert_int_equal(cron_next(&cron, noon), moment_of("2026-01-02 02:00 +0545"));
}

/* --- the clock goes forward --------------------------------------------------------------------------------------- */

static void a_fixed_job_in_the_skipped_hour_runs_at_the_change(void **state)
{
	(void)state;
	assert_next("America/New_York", "30 2 * * *", "2026-03-07 12:00 -0500", "2026-03-08 03:00 -0400",
				"2026-03-09 02:30 -0400");
	assert_next("Europe/Berlin", "0 2 * * *", "2026-03-28 12:00 +0100", "2026-03-29 03:00 +0200",
				"2026-03-30 02:00 +0200");
	assert_next("Australia/Lord_Howe", "15 2 * * *", "2026-10-03 12:00 +1030", "2026-10-04 02:30 +1100",
				"2026-10-05 02:15 +1100");
}

static void a_fixed_job_at_midnight_runs_at_one_if_midnight_is_skipped(void **state)
{
	(void)state;
	assert_next("America/Santiago", "0 0 * * *", "2026-09-05 12:00 -0400", "2026-09-06 01:00 -0300",
				"2026-09-07 00:00 -0300");
	assert_next("Asia/Beirut", "@weekly", "2026-03-28 12:00 +0200", "2026-03-29 01:00 +0300", "2026-04-05 00:00 +0300");
	assert_next("America/Santiago", "0 0 6 9 *", "2026-01-01 00:00 -0300", "2026-09-06 01:00 -0300",
				"2027-09-06 00:00 -0300");
}

static void fixed_jobs_around_the_skipped_hour_run_as_ever(void **state)
{
	(void)state;
	assert_next("America/New_York", "59 1 * * *", "2026-03-07 12:00 -0500", "2026-03-08 01:59 -0500");
	assert_next("America/New_York", "0 3 * * *", "2026-03-07 12:00 -0500", "2026-03-08 03:00 -0400");
	assert_next("America/New_York", "1 3 * * *", "2026-03-07 12:00 -0500", "2026-03-08 03:01 -0400");
}

static void a_wildcard_job_leaves_the_skipped_hour_out(void **state)
{
	(void)state;
	assert_next("America/New_York", "*/30 * * * *", "2026-03-08 01:00 -0500", "2026-03-08 01:30 -0500",
				"2026-03-08 03:00 -0400", "2026-03-08 03:30 -0400");
	assert_next("America/New_York", "*/30 2 * * *", "2026-03-07 12:00 -0500", "2026-03-09 02:00 -0400");
	assert_next("Europe/Berlin", "30 */2 * * *", "2026-03-29 00:30 +0100", "2026-03-29 04:30 +0200");
	assert_next("Australia/Lord_Howe", "*/15 * * * *", "2026-10-04 01:45 +1030", "2026-10-04 02:30 +1100");
}

static void a_job_that_is_skipped_every_year_has_no_next_moment(void **state)
{
	(void)state;
	use_zone("America/Santiago"); /* goes forward at midnight of the first Sunday from 2 September on */
	struct cron cron = parsed("*/5 0 2-8 9 */7");
	assert_int_equal(cron_next(&cron, moment_of("2026-01-01 00:00 +0000")), -1);
}

/* --- the clock goes back ------------------------------------------------------------------------------------------ */

static void a_fixed_job_in_the_repeated_hour_runs_once(void **state)
{
	(void)state;
	assert_next("America/New_York", "30 1 * * *", "2026-10-31 12:00 -0400", "2026-11-01 01:30 -0400",
				"2026-11-02 01:30 -0500");
	assert_next("Europe/Berlin", "0,30 2 * * *", "2026-10-24 12:00 +0200", "2026-10-25 02:00 +0200",
				"2026-10-25 02:30 +0200", "2026-10-26 02:00 +0100");
	assert_next("Australia/Lord_Howe", "45 1 * * *", "2026-04-04 12:00 +1100", "2026-04-05 01:45 +1100",
				"2026-04-06 01:45 +1030");
	assert_next("America/Santiago", "30 23 * * *", "2026-04-04 12:00 -0300", "2026-04-04 23:30 -0300",
				"2026-04-05 23:30 -0400");
}

static void a_fixed_job_asked_for_within_the_repeated_hour_has_run(void **state)
{
	(void)state;
	assert_next("America/New_York", "30 1 * * *", "2026-11-01 01:15 -0500", "2026-11-02 01:30 -0500");
	assert_next("America/New_York", "0 2 * * *", "2026-11-01 01:15 -0500", "2026-11-01 02:00 -0500");
}

static void a_wildcard_job_in_the_repeated_hour_runs_twice(void **state)
{
	(void)state;
	assert_next("America/New_York", "30 * * * *", "2026-11-01 00:45 -0400", "2026-11-01 01:30 -0400",
				"2026-11-01 01:30 -0500", "2026-11-01 02:30 -0500");
	assert_next("America/New_York", "*/30 1 * * *", "2026-10-31 12:00 -0400", "2026-11-01 01:00 -0400",
				"2026-11-01 01:30 -0400", "2026-11-01 01:00 -0500", "2026-11-01 01:30 -0500", "2026-11-02 01:00 -0500");
	assert_next("Australia/Lord_Howe", "*/15 * * * *", "2026-04-05 01:30 +1100", "2026-04-05 01:45 +1100",
				"2026-04-05 01:30 +1030");
	/* The other pass comes at once, though the wall will show that date again only in a year. */
	assert_next("America/New_York", "*/30 1 1 11 *", "2026-11-01 01:30 -0400", "2026-11-01 01:00 -0500",
				"2026-11-01 01:30 -0500", "2027-11-01 01:00 -0400");
}

static void a_change_of_more_than_three_hours_is_a_correction(void **state)
{
	(void)state;
	/* Samoa left out 30 December 2011. */
	assert_next("Pacific/Apia", "0 12 * * *", "2011-12-29 12:00 -1000", "2011-12-31 12:00 +1400");
	assert_next("Pacific/Apia", "0 12 30 * *", "2011-12-01 00:00 -1000", "2012-01-30 12:00 +1400");
	assert_next(FOUR_HOURS, "30 2 * * *", "2026-03-07 12:00 +0800", "2026-03-09 02:30 +1200");
	assert_next(FOUR_HOURS, "30 2 * * *", "2026-10-03 12:00 +1200", "2026-10-04 02:30 +1200", "2026-10-04 02:30 +0800");
	assert_next(FOUR_HOURS, "30 2 * * *", "2026-10-04 01:00 +0800", "2026-10-04 02:30 +0800");
}

static void a_change_of_three_hours_is_forward_a_correction_and_back_is_none(void **state)
{
	(void)state;
	/* Such a zone is on no map (Casey in Antarctica was one for some years): +08, from March to October +11. */
	assert_next(THREE_HOURS, "30 2 * * *", "2026-03-07 12:00 +0800", "2026-03-09 02:30 +1100");
	assert_next(THREE_HOURS, "30 5 * * *", "2026-03-07 12:00 +0800", "2026-03-08 05:30 +1100");
	assert_next(THREE_HOURS, "30 2 * * *", "2026-10-03 12:00 +1100", "2026-10-04 02:30 +1100",
				"2026-10-05 02:30 +0800");
}

/* --- a timer of systemd's ----------------------------------------------------------------------------------------- */

static void assert_timer(const char *text, const char *after, const char *first, const char *second)
{
	char next[32];
	use_zone("Europe/Berlin");
	struct cron cron = parsed(text);
	time_t moment = cron_next_timer(&cron, moment_of(after));
	assert_string_equal(shown(moment, next), first);
	assert_string_equal(shown(cron_next_timer(&cron, moment), next), second);
}

static void a_timer_leaves_the_skipped_hour_out(void **state)
{
	(void)state;
	assert_timer("0 2 * * *", "2026-03-28 01:00 +0100", "2026-03-28 02:00 +0100", "2026-03-30 02:00 +0200");
	assert_timer("0 3 * * *", "2026-03-28 12:00 +0100", "2026-03-29 03:00 +0200", "2026-03-30 03:00 +0200");
	assert_timer("30 * * * *", "2026-03-29 01:00 +0100", "2026-03-29 01:30 +0100", "2026-03-29 03:30 +0200");
}

static void a_timer_runs_once_in_the_repeated_hour(void **state)
{
	(void)state;
	assert_timer("30 2 * * *", "2026-10-24 12:00 +0200", "2026-10-25 02:30 +0200", "2026-10-26 02:30 +0100");
	assert_timer("*/30 * * * *", "2026-10-25 02:00 +0200", "2026-10-25 02:30 +0200", "2026-10-25 03:00 +0100");
}

/* --- by the machine's zone ---------------------------------------------------------------------------------------- */

static void the_machines_schedulers_do_not_go_by_tz(void **state)
{
	(void)state;
	struct cron cron = parsed("30 4 * * *");
	time_t after = moment_of("2026-11-23 12:00 +0000");
	assert_int_equal(unsetenv("TZ"), 0);
	time_t next = cron_next(&cron, after);
	assert_false(cron_zone_differs(after));
	assert_int_equal(cron_next_here(&cron, false, after), next);
	use_zone("ODD-13:17"); /* no machine's */
	assert_int_not_equal(cron_next(&cron, after), next);
	assert_true(cron_zone_differs(after));
	assert_int_equal(cron_next_here(&cron, false, after), next);
	assert_int_equal(cron_next_here(&cron, true, after), next);
	assert_string_equal(getenv("TZ"), "ODD-13:17");
	char text[32];
	assert_string_equal(shown(after, text), "2026-11-24 01:17 +1317");
}

/* --- against other ways to find it -------------------------------------------------------------------------------- */

static bool matches(const struct cron *cron, int64_t wall)
{
	time_t seconds = wall * MINUTE;
	struct tm calendar;
	assert_non_null(gmtime_r(&seconds, &calendar));
	bool day = (cron->values[CRON_DAY] & UINT64_C(1) << calendar.tm_mday) != 0;
	bool weekday = (cron->values[CRON_WEEKDAY] & UINT64_C(1) << calendar.tm_wday) != 0;
	return (cron->values[CRON_MINUTE] & UINT64_C(1) << calendar.tm_min) != 0 &&
		   (cron->values[CRON_HOUR] & UINT64_C(1) << calendar.tm_hour) != 0 &&
		   (cron->values[CRON_MONTH] & UINT64_C(1) << (calendar.tm_mon + 1)) != 0 &&
		   (cron->star[CRON_DAY] || cron->star[CRON_WEEKDAY] ? day && weekday : day || weekday);
}

static void a_search_minute_by_minute_finds_the_same(void **state)
{
	(void)state;
	enum { EXPRESSIONS = 300, SPAN = 400000 /* minutes: nine months */ };
	use_zone("UTC");
	uint64_t random = 20240912;
	for (int i = 0; i < EXPRESSIONS; i++) {
		struct cron cron = random_cron(&random);
		time_t after = moment_of("2026-01-01 00:00 +0000") + (time_t)random_below(&random, 4 * 365) * DAY +
					   (time_t)random_below(&random, DAY);
		time_t expected = after - after % MINUTE + MINUTE;
		time_t end = expected + (time_t)SPAN * MINUTE;
		while (expected < end && !matches(&cron, expected / MINUTE)) {
			expected += MINUTE;
		}
		time_t found = cron_next(&cron, after);
		if (found != expected && (expected < end || found < end)) {
			fail_msg("%s after %lld: %lld, not %lld", cron.text, (long long)after, (long long)found,
					 (long long)expected);
		}
	}
}

static int64_t wall_at(time_t moment)
{
	struct tm calendar;
	assert_non_null(localtime_r(&moment, &calendar));
	return (moment + calendar.tm_gmtoff) / MINUTE;
}

/*
 * What cron's loop does (cron.c of 3.0pl1-162, main), one minute of real time after the other: virtual time follows the
 * wall, waits where the wall was put back, and runs through what was skipped.
 */
static void run_like_cron(const struct cron *cron, time_t start, size_t minutes, bool *ret_ran)
{
	bool wild = cron->star[CRON_MINUTE] || cron->star[CRON_HOUR];
	int64_t virtual = wall_at(start - MINUTE);
	for (size_t i = 0; i < minutes; i++) {
		int64_t running = wall_at(start + (time_t)i * MINUTE);
		int64_t difference = running - virtual;
		ret_ran[i] = wild && matches(cron, running);
		if (difference > 180 || difference <= -180) { /* a correction */
			virtual = running;
			ret_ran[i] = matches(cron, running);
		}
		for (; virtual < running; virtual ++) {
			ret_ran[i] = ret_ran[i] || (!wild && matches(cron, virtual + 1));
		}
	}
}

static void assert_as_cron(const char *zone, const char *start_text, uint64_t seed)
{
	enum { EXPRESSIONS = 60, SPAN = 3 * 24 * 60, EVERY = 23 };
	static bool ran[SPAN];
	use_zone(zone);
	time_t start = moment_of(start_text);
	uint64_t random = seed;
	for (int i = 0; i < EXPRESSIONS; i++) {
		/* Any day, a few minutes, and hours near the change or open: else too few would meet it. */
		char text[64];
		char hours[16];
		unsigned hour = (unsigned)random_below(&random, 6) + 22;
		snprintf(hours, sizeof hours, random_below(&random, 4) == 0 ? "*/%u" : "%u", hour % 24 == 0 ? 1 : hour % 24);
		snprintf(text, sizeof text, "%s%u,%u %s * * *", random_below(&random, 5) == 0 ? "*/15," : "",
				 random_below(&random, 60), random_below(&random, 60), hours);
		struct cron cron = parsed(text);
		run_like_cron(&cron, start, SPAN, ran);
		size_t next = SPAN;
		for (size_t minute = SPAN; minute-- > 0;) {
			time_t after = start + (time_t)minute * MINUTE + 7;
			if (next < SPAN && (minute % EVERY == 0 || ran[minute + 1])) {
				time_t found = cron_next(&cron, after);
				if (found != start + (time_t)next * MINUTE) {
					fail_msg("%s in %s after minute %zu: %lld, not minute %zu", text, zone, minute,
							 (long long)(found - start) / MINUTE, next);
				}
			}
			next = ran[minute] ? minute : next;
		}
	}
}

static void cron_s_own_loop_runs_the_same_jobs(void **state)
{
	(void)state;
	assert_as_cron("America/New_York", "2026-03-07 12:00 -0500", 1);
	assert_as_cron("America/New_York", "2026-10-31 12:00 -0400", 2);
	assert_as_cron("Europe/Berlin", "2026-03-28 12:00 +0100", 3);
	assert_as_cron("Europe/Berlin", "2026-10-24 12:00 +0200", 4);
	assert_as_cron("Australia/Lord_Howe", "2026-10-03 12:00 +1030", 5);
	assert_as_cron("Australia/Lord_Howe", "2026-04-04 12:00 +1100", 6);
	assert_as_cron("America/Santiago", "2026-09-05 12:00 -0400", 7);
	assert_as_cron("America/Santiago", "2026-04-04 12:00 -0300", 8);
	assert_as_cron("Asia/Beirut", "2026-03-28 12:00 +0200", 9);
	assert_as_cron("Asia/Beirut", "2026-10-24 12:00 +0300", 10);
	assert_as_cron(THREE_HOURS, "2026-03-07 12:00 +0800", 11);
	assert_as_cron(THREE_HOURS, "2026-10-03 12:00 +1100", 12);
	assert_as_cron(FOUR_HOURS, "2026-03-07 12:00 +0800", 15);
	assert_as_cron(FOUR_HOURS, "2026-10-03 12:00 +1200", 16);
	assert_as_cron("Antarctica/Troll", "2026-03-28 12:00 +0000", 13); /* two hours */
	assert_as_cron("Antarctica/Troll", "2026-10-24 12:00 +0200", 14);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_moment_is_always_later),
		cmocka_unit_test(months_and_years_end),
		cmocka_unit_test(the_29th_of_february_comes_in_leap_years),
		cmocka_unit_test(two_restricted_fields_for_days_mean_either),
		cmocka_unit_test(a_star_with_a_step_means_both),
		cmocka_unit_test(moments_before_1970_and_far_ahead_are_right),
		cmocka_unit_test(zones_with_odd_offsets_are_right),
		cmocka_unit_test(a_change_of_tz_is_noticed),
		cmocka_unit_test(a_fixed_job_in_the_skipped_hour_runs_at_the_change),
		cmocka_unit_test(a_fixed_job_at_midnight_runs_at_one_if_midnight_is_skipped),
		cmocka_unit_test(fixed_jobs_around_the_skipped_hour_run_as_ever),
		cmocka_unit_test(a_wildcard_job_leaves_the_skipped_hour_out),
		cmocka_unit_test(a_job_that_is_skipped_every_year_has_no_next_moment),
		cmocka_unit_test(a_fixed_job_in_the_repeated_hour_runs_once),
		cmocka_unit_test(a_fixed_job_asked_for_within_the_repeated_hour_has_run),
		cmocka_unit_test(a_wildcard_job_in_the_repeated_hour_runs_twice),
		cmocka_unit_test(a_change_of_more_than_three_hours_is_a_correction),
		cmocka_unit_test(a_change_of_three_hours_is_forward_a_correction_and_back_is_none),
		cmocka_unit_test(a_timer_leaves_the_skipped_hour_out),
		cmocka_unit_test(a_timer_runs_once_in_the_repeated_hour),
		cmocka_unit_test(the_machines_schedulers_do_not_go_by_tz),
		cmocka_unit_test(a_search_minute_by_minute_finds_the_same),
		cmocka_unit_test(cron_s_own_loop_runs_the_same_jobs),
	};
	return cmocka_run_group_tests_name("cron_next", tests, NULL, NULL);
}
