/* catalog/timestamp: the names of backups. */
#include "support.h"

#include "catalog/timestamp.h"

static void use_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

static int utc_setup(void **state)
{
	(void)state;
	use_zone("UTC");
	return 0;
}

#define utc_test(function) cmocka_unit_test_setup(function, utc_setup)

static void assert_taken(const char *text, const char *timestamp)
{
	char found[TIMESTAMP_SIZE];
	if (!timestamp_parse(text, found)) {
		print_error("\"%s\" is refused\n", text);
		fail();
	}
	assert_string_equal(found, timestamp);
}

static void assert_refused(const char *text)
{
	char found[TIMESTAMP_SIZE];
	if (timestamp_parse(text, found)) {
		print_error("\"%s\" is taken for %s\n", text, found);
		fail();
	}
}

static void a_timestamp_is_taken(void **state)
{
	(void)state;
	assert_taken("20240912_143022", "20240912_143022");
}

static void the_name_of_a_folder_is_taken(void **state)
{
	(void)state;
	assert_taken("whisperengine_backup_20240912_143022", "20240912_143022");
}

static void the_name_of_a_folder_with_a_closing_slash_is_taken(void **state)
{
	(void)state;
	assert_taken("whisperengine_backup_20240912_143022/", "20240912_143022");
}

static void two_closing_slashes_are_refused(void **state)
{
	(void)state;
	assert_refused("whisperengine_backup_20240912_143022//");
}

static void the_last_second_of_a_year_is_taken(void **state)
{
	(void)state;
	assert_taken("20241231_235959", "20241231_235959");
}

static void the_29th_of_february_is_taken_in_a_leap_year_only(void **state)
{
	(void)state;
	assert_taken("20240229_000000", "20240229_000000");
	assert_refused("20230229_000000");
	assert_refused("21000229_000000");
}

static void days_and_months_that_do_not_exist_are_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {"20241301_000000", "20240001_000000", "20240230_000000", "20240431_000000",
										"20240132_000000", "20240100_000000", "20249999_000000"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		assert_refused(texts[i]);
	}
}

static void hours_that_do_not_exist_are_refused(void **state)
{
	(void)state;
	assert_refused("20240912_240000");
	assert_refused("20240912_236000");
	assert_refused("20240912_235961");
	assert_refused("20240912_999999");
}

static void words_are_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"", "latest", "x", "backup", "whisperengine_backup_", "whisperengine_backup_/", "whisperengine_backup_latest"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		assert_refused(texts[i]);
	}
}

static void paths_are_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {"../../etc",
										"/etc/passwd",
										"./20240912_143022",
										"backups/20240912_143022",
										"20240912_143022/..",
										"whisperengine_backup_20240912_143022/..",
										"whisperengine_backup_../../../../etc",
										"./whisperengine_backup_20240912_143022"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		assert_refused(texts[i]);
	}
}

static void what_is_too_long_or_too_short_is_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {"20240912_1430222", "20240912_14302",   "120240912_143022", "20240912_143022\n",
										" 20240912_143022", "20240912_143022 ", "20240912"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		assert_refused(texts[i]);
	}
}

static void other_characters_than_digits_are_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {"20240912-143022", "2024-912_143022", "20240912_+43022", "20240912_14 022",
										"202409l2_143022", "20240912_1430x2", "20240912143022_"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		assert_refused(texts[i]);
	}
}

static void a_prefix_twice_is_refused(void **state)
{
	(void)state;
	assert_refused("whisperengine_backup_whisperengine_backup_20240912_143022");
}

/* A backup may have been made where the clocks were not changed. */
static void an_hour_that_daylight_saving_skips_is_taken(void **state)
{
	(void)state;
	use_zone("America/New_York"); /* 2024-03-10: 02:00 became 03:00 */
	assert_taken("20240310_023000", "20240310_023000");
	assert_taken("20240310_015959", "20240310_015959");
	assert_taken("20240310_030000", "20240310_030000");
}

static void an_hour_that_daylight_saving_repeats_is_taken(void **state)
{
	(void)state;
	use_zone("America/New_York");
	assert_taken("20241103_013000", "20241103_013000");
}

static void an_hour_that_daylight_saving_skips_at_midnight_is_taken(void **state)
{
	(void)state;
	use_zone("America/Sao_Paulo"); /* 2018-11-04: 00:00 became 01:00 */
	assert_taken("20181104_003000", "20181104_003000");
}

static void a_day_that_the_local_calendar_skips_is_taken(void **state)
{
	(void)state;
	use_zone("Pacific/Apia"); /* which had no 30th of December 2011 */
	assert_taken("20111230_120000", "20111230_120000");
}

static void the_timestamp_of_a_moment_is_local_time(void **state)
{
	(void)state;
	char timestamp[TIMESTAMP_SIZE];
	use_zone("America/Los_Angeles");
	timestamp_of(1726176622, timestamp);
	assert_string_equal(timestamp, "20240912_143022");
	use_zone("UTC");
	timestamp_of(1726176622, timestamp);
	assert_string_equal(timestamp, "20240912_213022");
}

static void the_moment_of_a_timestamp_is_meant_in_local_time(void **state)
{
	(void)state;
	use_zone("America/Los_Angeles");
	assert_int_equal(timestamp_moment("20240912_143022"), 1726176622);
	use_zone("UTC");
	assert_int_equal(timestamp_moment("20240912_213022"), 1726176622);
}

/* Every 1801 seconds of a year with both changes; what is said twice may mean either hour. */
static void timestamps_come_back_through_their_moments(void **state)
{
	(void)state;
	use_zone("America/New_York");
	for (time_t moment = 1704067200; moment < 1735689600; moment += 1801) {
		char timestamp[TIMESTAMP_SIZE];
		char again[TIMESTAMP_SIZE];
		timestamp_of(moment, timestamp);
		time_t back = timestamp_moment(timestamp);
		timestamp_of(back, again);
		assert_string_equal(again, timestamp);
		assert_true(back == moment || back == moment + 3600 || back == moment - 3600);
		assert_taken(timestamp, timestamp);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		utc_test(a_timestamp_is_taken),
		utc_test(the_name_of_a_folder_is_taken),
		utc_test(the_name_of_a_folder_with_a_closing_slash_is_taken),
		utc_test(two_closing_slashes_are_refused),
		utc_test(the_last_second_of_a_year_is_taken),
		utc_test(the_29th_of_february_is_taken_in_a_leap_year_only),
		utc_test(days_and_months_that_do_not_exist_are_refused),
		utc_test(hours_that_do_not_exist_are_refused),
		utc_test(words_are_refused),
		utc_test(paths_are_refused),
		utc_test(what_is_too_long_or_too_short_is_refused),
		utc_test(other_characters_than_digits_are_refused),
		utc_test(a_prefix_twice_is_refused),
		utc_test(an_hour_that_daylight_saving_skips_is_taken),
		utc_test(an_hour_that_daylight_saving_repeats_is_taken),
		utc_test(an_hour_that_daylight_saving_skips_at_midnight_is_taken),
		utc_test(a_day_that_the_local_calendar_skips_is_taken),
		utc_test(the_timestamp_of_a_moment_is_local_time),
		utc_test(the_moment_of_a_timestamp_is_meant_in_local_time),
		utc_test(timestamps_come_back_through_their_moments),
	};
	return cmocka_run_group_tests_name("timestamp", tests, NULL, NULL);
}
