/* base/units: numbers as people read them. */
#include "support.h"

#include "base/units.h"

static void assert_bytes(uint64_t bytes, const char *text)
{
	char shown[UNITS_SIZE];
	assert_string_equal(units_bytes(bytes, shown), text);
}

static void assert_seconds(double seconds, const char *text)
{
	char shown[UNITS_SIZE];
	assert_string_equal(units_seconds(seconds, shown), text);
}

static void bytes_below_1024_are_shown_as_they_are(void **state)
{
	(void)state;
	assert_bytes(0, "0");
	assert_bytes(1, "1");
	assert_bytes(1023, "1023");
}

static void bytes_below_ten_units_have_one_digit_behind_the_point(void **state)
{
	(void)state;
	assert_bytes(1024, "1.0K");
	assert_bytes(1536, "1.5K");
	assert_bytes(2202010, "2.1M");
	assert_bytes(UINT64_C(1) << 30, "1.0G");
}

static void bytes_from_ten_units_on_are_whole_numbers(void **state)
{
	(void)state;
	assert_bytes(10 << 10, "10K");
	assert_bytes(156 << 10, "156K");
	assert_bytes(45 << 20, "45M");
}

static void bytes_that_would_round_to_10_0_are_10(void **state)
{
	(void)state;
	assert_bytes(10188, "9.9K"); /* 9.949 */
	assert_bytes(10189, "10K");  /* 9.950 */
}

static void bytes_that_would_round_to_1024_are_one_of_the_next_unit(void **state)
{
	(void)state;
	assert_bytes(1048063, "1023K"); /* 1023.4990 */
	assert_bytes(1048064, "1.0M");  /* 1023.5000 */
	assert_bytes((1 << 20) - 1, "1.0M");
	assert_bytes((UINT64_C(1) << 30) - 1, "1.0G");
}

static void bytes_reach_every_unit(void **state)
{
	(void)state;
	assert_bytes(UINT64_C(3) << 40, "3.0T");
	assert_bytes(UINT64_C(3) << 50, "3.0P");
	assert_bytes(UINT64_C(3) << 60, "3.0E");
	assert_bytes(UINT64_MAX, "16E");
}

static void seconds_below_ten_have_one_digit_behind_the_point(void **state)
{
	(void)state;
	assert_seconds(0, "0.0 s");
	assert_seconds(0.42, "0.4 s");
	assert_seconds(9.94, "9.9 s");
}

static void seconds_from_ten_on_are_whole_numbers(void **state)
{
	(void)state;
	assert_seconds(9.96, "10 s");
	assert_seconds(12.3, "12 s");
	assert_seconds(119.4, "119 s");
}

static void seconds_from_two_minutes_on_are_minutes(void **state)
{
	(void)state;
	assert_seconds(119.6, "2 min 0 s");
	assert_seconds(200, "3 min 20 s");
	assert_seconds(359999.7, "6000 min 0 s");
}

static void assert_age(double seconds, const char *text)
{
	char shown[UNITS_AGE_SIZE];
	assert_string_equal(units_age(seconds, shown), text);
}

static void seconds_that_make_no_sense_are_bounded(void **state)
{
	(void)state;
	assert_seconds(6000000, "99999 min 59 s");
	assert_seconds(1e300, "99999 min 59 s");
}

static void an_age_below_a_minute_is_just_now(void **state)
{
	(void)state;
	assert_age(0, "just now");
	assert_age(59.9, "just now");
}

static void an_age_is_whole_minutes_hours_or_days_that_have_gone_by(void **state)
{
	(void)state;
	assert_age(60, "1 min ago");
	assert_age(119.9, "1 min ago");
	assert_age(7199, "119 min ago");
	assert_age(7200, "2 h ago");
	assert_age(10799, "2 h ago");
	assert_age(172799, "47 h ago");
	assert_age(172800, "2 days ago");
	assert_age(86400.0 * 3650, "3650 days ago");
}

static void an_age_that_makes_no_sense_is_bounded(void **state)
{
	(void)state;
	assert_age(86400.0 * 1234567, "999999 days ago");
	assert_age(1e18, "999999 days ago");
}

static void what_is_to_come_is_in_the_future(void **state)
{
	(void)state;
	assert_age(-0.5, "in the future");
	assert_age(-1e18, "in the future");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_below_1024_are_shown_as_they_are),
		cmocka_unit_test(bytes_below_ten_units_have_one_digit_behind_the_point),
		cmocka_unit_test(bytes_from_ten_units_on_are_whole_numbers),
		cmocka_unit_test(bytes_that_would_round_to_10_0_are_10),
		cmocka_unit_test(bytes_that_would_round_to_1024_are_one_of_the_next_unit),
		cmocka_unit_test(bytes_reach_every_unit),
		cmocka_unit_test(seconds_below_ten_have_one_digit_behind_the_point),
		cmocka_unit_test(seconds_from_ten_on_are_whole_numbers),
		cmocka_unit_test(seconds_from_two_minutes_on_are_minutes),
		cmocka_unit_test(seconds_that_make_no_sense_are_bounded),
		cmocka_unit_test(an_age_below_a_minute_is_just_now),
		cmocka_unit_test(an_age_is_whole_minutes_hours_or_days_that_have_gone_by),
		cmocka_unit_test(an_age_that_makes_no_sense_is_bounded),
		cmocka_unit_test(what_is_to_come_is_in_the_future),
	};
	return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
