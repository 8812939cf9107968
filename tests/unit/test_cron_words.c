/* schedule/cron_words: expressions as people say them. */
#include "cron_support.h"

/* No expression has more words; CRON_WORDS_SIZE has room to spare. */
enum { WORDS_LENGTH_MAX = 700 };

static void assert_words(const char *text, const char *expected)
{
	struct cron cron = parsed(text);
	char words[CRON_WORDS_SIZE];
	assert_string_equal(cron_in_words(&cron, words), expected);
}

static void the_presets_are_said_simply(void **state)
{
	(void)state;
	assert_words("hourly", "every hour, on the hour");
	assert_words("daily", "every day at 02:00");
	assert_words("weekly", "every Sunday at 02:00");
	assert_words("monthly", "on the 1st of every month at 02:00");
	assert_words("@yearly", "on the 1st of January at 00:00");
}

static void what_goes_on_round_the_clock_needs_no_day(void **state)
{
	(void)state;
	assert_words("* * * * *", "every minute");
	assert_words("*/15 * * * *", "every 15 minutes");
	assert_words("0,30 * * * *", "every 30 minutes");
	assert_words("1 * * * *", "at 1 minute past every hour");
	assert_words("17 * * * *", "at 17 minutes past every hour");
	assert_words("5,35 * * * *", "at minutes 5 and 35 of every hour");
	assert_words("0 */6 * * *", "every 6 hours: at 00:00, 06:00, 12:00 and 18:00");
	assert_words("20 3-23/8 * * *", "every 8 hours: at 03:20, 11:20 and 19:20");
	assert_words("0 */2 * * *", "every 2 hours from 00:00 to 22:00");
	assert_words("30 1-23/3 * * *", "every 3 hours from 01:30 to 22:30");
}

static void steps_that_do_not_go_round_evenly_are_told_one_by_one(void **state)
{
	(void)state;
	assert_words("0 */5 * * *", "every day at 00:00, 05:00, 10:00, 15:00 and 20:00");
	assert_words("0 0-16/4 * * *", "every day at 00:00, 04:00, 08:00, 12:00 and 16:00");
	assert_words("*/25 * * * *", "at minutes 0, 25 and 50 of every hour");
	assert_words("*/45 * * * *", "at minutes 0 and 45 of every hour");
	assert_words("7,22,37,52 * * * *", "at minutes 7, 22, 37 and 52 of every hour");
	assert_words("0 8-20/2 * * *", "every day at minute 0 of the hours 8, 10, 12, 14, 16, 18 and 20");
}

static void a_few_times_are_told_one_by_one(void **state)
{
	(void)state;
	assert_words("30 6,18 * * 1-5", "Monday to Friday at 06:30 and 18:30");
	assert_words("0 */12 * * *", "every day at 00:00 and 12:00");
	assert_words("0,30 2,3 * * *", "every day at 02:00, 02:30, 03:00 and 03:30");
	assert_words("*/15 2 * * *", "every day at 02:00, 02:15, 02:30 and 02:45");
	assert_words("0 */6 * * 0", "every Sunday at 00:00, 06:00, 12:00 and 18:00");
}

static void many_times_are_told_from_first_to_last(void **state)
{
	(void)state;
	assert_words("* 9-17 * * *", "every day: every minute from 09:00 to 17:59");
	assert_words("* 2 * * *", "every day: every minute from 02:00 to 02:59");
	assert_words("*/15 9-17 * * MON-FRI", "Monday to Friday: every 15 minutes from 09:00 to 17:45");
	assert_words("0 9-17 * * *", "every day: every hour from 09:00 to 17:00");
	assert_words("*/10 2,4 * * *", "every day: every 10 minutes in the hours 2 and 4");
	assert_words("0,7,9 1-3,8 * * *", "every day at minutes 0, 7 and 9 of the hours 1 to 3 and 8");
	assert_words("1-10 5 * * *", "every day at minutes 1 to 10 of the hour 5");
	assert_words("0 * * * 6", "every Saturday: every hour, on the hour");
}

static void weekdays_begin_on_monday(void **state)
{
	(void)state;
	assert_words("0 2 * * 0,6", "every Saturday and Sunday at 02:00");
	assert_words("0 2 * * FRI-SAT,SUN", "Friday to Sunday at 02:00");
	assert_words("0 2 * * 1,3,5", "every Monday, Wednesday and Friday at 02:00");
	assert_words("0 2 * * 1-3,5", "every Monday, Tuesday, Wednesday and Friday at 02:00");
	assert_words("0 2 * * */2", "every Tuesday, Thursday, Saturday and Sunday at 02:00");
}

static void months_are_named(void **state)
{
	(void)state;
	assert_words("0 2 * 1 *", "every day in January at 02:00");
	assert_words("0 2 * 6-8 1", "every Monday in June to August at 02:00");
	assert_words("0 2 1 1,7 *", "on the 1st of January and July at 02:00");
	assert_words("* * * 12 *", "every day in December: every minute");
}

static void days_of_the_month_have_their_endings(void **state)
{
	(void)state;
	assert_words("0 2 1,2,3,4 * *", "on the 1st to 4th of every month at 02:00");
	assert_words("0 2 2,11,12,13 * *", "on the 2nd and 11th to 13th of every month at 02:00");
	assert_words("0 2 3,21,22 * *", "on the 3rd, 21st and 22nd of every month at 02:00");
	assert_words("0 2 23 * *", "on the 23rd of every month at 02:00");
}

static void days_that_some_months_lack_are_pointed_out(void **state)
{
	(void)state;
	assert_words("0 2 31 * *", "on the 31st of every month, where there is such a day, at 02:00");
	assert_words("0 0 29 2 *", "on the 29th of February, where there is such a day, at 00:00");
	assert_words("0 2 31 1,3 *", "on the 31st of January and March at 02:00");
	assert_words("* * 30 * *", "on the 30th of every month, where there is such a day: every minute");
}

static void either_day_is_said_with_also(void **state)
{
	(void)state;
	assert_words("30 4 1,15 * 5", "on the 1st and 15th of every month, and also every Friday, at 04:30");
	assert_words("0 2 1 1 1-5", "on the 1st of January, and also Monday to Friday in January, at 02:00");
	assert_words("0 * 1 * 1", "on the 1st of every month, and also every Monday: every hour, on the hour");
	assert_words("0 2 1-31 * 1", "every day at 02:00");
}

static void both_days_are_said_with_only(void **state)
{
	(void)state;
	assert_words("0 2 */10 * 1,5",
				 "on the 1st, 11th, 21st and 31st of every month, where there is such a day, but only on a Monday or "
				 "Friday, at 02:00");
	assert_words("0 2 1 * */6", "on the 1st of every month, but only on a Saturday or Sunday, at 02:00");
}

/* The values of a field one by one, each with the same chance: what takes the most words. */
static void random_list(uint64_t *random, unsigned low, unsigned high, char *text, size_t size)
{
	unsigned chance = 1 + random_below(random, 9);
	int length = snprintf(text, size, "%u", low + random_below(random, high - low + 1));
	for (unsigned value = low; value <= high; value++) {
		if (random_below(random, 10) < chance) {
			length += snprintf(text + length, size - (size_t)length, ",%u", value);
		}
	}
}

static void assert_whole(const struct cron *cron)
{
	char words[CRON_WORDS_SIZE];
	size_t length = strlen(cron_in_words(cron, words));
	assert_in_range(length, 12, WORDS_LENGTH_MAX);
	for (size_t i = 0; i < length; i++) {
		assert_in_range(words[i], ' ', '~');
	}
	assert_null(strstr(words, "  "));
	assert_null(strstr(words, ",,"));
}

static void all_words_are_whole(void **state)
{
	(void)state;
	uint64_t random = 7;
	for (int i = 0; i < 5000; i++) {
		struct cron cron = random_cron(&random);
		assert_whole(&cron);
		char fields[5][200];
		random_list(&random, 0, 59, fields[0], sizeof fields[0]);
		random_list(&random, 0, 23, fields[1], sizeof fields[1]);
		random_list(&random, 1, 31, fields[2], sizeof fields[2]);
		random_list(&random, 1, 12, fields[3], sizeof fields[3]);
		random_list(&random, 0, 6, fields[4], sizeof fields[4]);
		char text[CRON_TEXT_SIZE];
		snprintf(text, sizeof text, "%s %s %s %s %s", fields[0], fields[1], fields[2], fields[3], fields[4]);
		struct error error;
		if (cron_parse(text, &cron, &error) == STATUS_OK) {
			assert_whole(&cron);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_presets_are_said_simply),
		cmocka_unit_test(what_goes_on_round_the_clock_needs_no_day),
		cmocka_unit_test(steps_that_do_not_go_round_evenly_are_told_one_by_one),
		cmocka_unit_test(a_few_times_are_told_one_by_one),
		cmocka_unit_test(many_times_are_told_from_first_to_last),
		cmocka_unit_test(weekdays_begin_on_monday),
		cmocka_unit_test(months_are_named),
		cmocka_unit_test(days_of_the_month_have_their_endings),
		cmocka_unit_test(days_that_some_months_lack_are_pointed_out),
		cmocka_unit_test(either_day_is_said_with_also),
		cmocka_unit_test(both_days_are_said_with_only),
		cmocka_unit_test(all_words_are_whole),
	};
	return cmocka_run_group_tests_name("cron_words", tests, NULL, NULL);
}
