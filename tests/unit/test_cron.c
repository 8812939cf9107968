/* schedule/cron: what is taken for an expression, what is refused and in which words. */
#include "cron_support.h"

static void assert_text(const char *text, const char *normal)
{
	assert_string_equal(parsed(text).text, normal);
}

static void assert_values(const char *text, enum cron_field field, uint64_t values)
{
	assert_int_equal(parsed(text).values[field], values);
}

static void assert_refused(const char *text, const char *message, const char *hint)
{
	struct cron cron = {.text = "untouched"};
	struct error error;
	assert_status(STATUS_USAGE, cron_parse(text, &cron, &error), &error);
	assert_string_equal(error.message, message);
	assert_string_equal(error.hint, hint);
	assert_string_equal(cron.text, "untouched");
}

static void the_four_words_of_the_guide_run_at_two_at_night(void **state)
{
	(void)state;
	assert_text("hourly", "0 * * * *");
	assert_text("daily", "0 2 * * *");
	assert_text("weekly", "0 2 * * 0");
	assert_text("monthly", "0 2 1 * *");
	assert_text(" Daily\t", "0 2 * * *");
}

static void nicknames_are_those_of_cron_and_run_at_midnight(void **state)
{
	(void)state;
	assert_text("@hourly", "0 * * * *");
	assert_text("@daily", "0 0 * * *");
	assert_text("@midnight", "0 0 * * *");
	assert_text("@weekly", "0 0 * * 0");
	assert_text("@monthly", "0 0 1 * *");
	assert_text("@yearly", "0 0 1 1 *");
	assert_text("@annually", "0 0 1 1 *");
}

static void any_blanks_between_fields_become_one(void **state)
{
	(void)state;
	assert_text("  0\t \t*/6 *   jan-Mar\tSUN  ", "0 */6 * jan-Mar SUN");
}

static void numbers_lists_ranges_and_steps_are_read(void **state)
{
	(void)state;
	assert_values("5 * * * *", CRON_MINUTE, UINT64_C(1) << 5);
	assert_values("1,3,5 * * * *", CRON_MINUTE, 0x2a);
	assert_values("1-3,5 * * * *", CRON_MINUTE, 0x2e);
	assert_values("0-10/5 * * * *", CRON_MINUTE, 0x421);
	assert_values("* * * * *", CRON_MINUTE, UINT64_C(0xfffffffffffffff));
	assert_values("* */6 * * *", CRON_HOUR, 0x41041);
	assert_values("* * */10 * *", CRON_DAY, UINT64_C(0x80200802));
	assert_values("007 * * * *", CRON_MINUTE, 0x80);
	assert_values("1,1-5,*/59 * * * *", CRON_MINUTE, UINT64_C(0x80000000000003f));
}

static void names_are_read_in_any_case_in_lists_and_ranges(void **state)
{
	(void)state;
	assert_values("0 0 * JAN *", CRON_MONTH, 0x2);
	assert_values("0 0 * dec,Feb-apr *", CRON_MONTH, 0x101c);
	assert_values("0 0 * * Mon-FRI", CRON_WEEKDAY, 0x3e);
	assert_values("0 0 * * mon-fri/2,sat", CRON_WEEKDAY, 0x6a);
	assert_values("0 2 * jan,MAR-May Mon-fri,SUN", CRON_WEEKDAY, 0x3f);
}

static void weekdays_0_and_7_are_both_sunday(void **state)
{
	(void)state;
	assert_values("0 0 * * 0", CRON_WEEKDAY, 0x1);
	assert_values("0 0 * * 7", CRON_WEEKDAY, 0x1);
	assert_values("0 0 * * 5-7", CRON_WEEKDAY, 0x61);
	assert_values("0 0 * * *", CRON_WEEKDAY, 0x7f);
}

static void a_field_that_begins_with_a_star_has_the_flag(void **state)
{
	(void)state;
	struct cron cron = parsed("*/5 0-23 *,1 * 0-6");
	assert_true(cron.star[CRON_MINUTE]);
	assert_false(cron.star[CRON_HOUR]);
	assert_true(cron.star[CRON_DAY]);
	assert_false(cron.star[CRON_WEEKDAY]);
}

static void the_rule_for_days_follows_the_flags(void **state)
{
	(void)state;
	const struct {
		const char *text;
		enum cron_days days;
	} cases[] = {
		{"0 0 * * *", CRON_DAYS_ALL},     {"0 0 1 * *", CRON_DAYS_OF_MONTH},   {"0 0 */2 * *", CRON_DAYS_OF_MONTH},
		{"0 0 * * 1", CRON_DAYS_OF_WEEK}, {"0 0 * * */2", CRON_DAYS_OF_WEEK},  {"0 0 1 * 1", CRON_DAYS_EITHER},
		{"0 0 1-31 * 1", CRON_DAYS_ALL},  {"0 0 1 * 0-6", CRON_DAYS_ALL},      {"0 0 */2 * 1", CRON_DAYS_BOTH},
		{"0 0 1 * */2", CRON_DAYS_BOTH},  {"0 0 1 * */1", CRON_DAYS_OF_MONTH}, {"0 0 */1 * 1", CRON_DAYS_OF_WEEK},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct cron cron = parsed(cases[i].text);
		if (cron_days(&cron) != cases[i].days) {
			fail_msg("%s: rule %d", cases[i].text, (int)cron_days(&cron));
		}
	}
}

static void values_outside_a_field_are_named(void **state)
{
	(void)state;
	assert_refused("60 * * * *", "the minute \"60\" is more than 59", "write 0 to 59, or * for every minute");
	assert_refused("0 25 * * *", "the hour \"25\" is more than 23", "write 0 to 23, or * for every hour");
	assert_refused("0 0-24 * * *", "the hour \"24\" is more than 23", "write 0 to 23, or * for every hour");
	assert_refused("0 0 0 * *", "the day of the month \"0\" is less than 1", "write 1 to 31, or * for every day");
	assert_refused("0 0 32 * *", "the day of the month \"32\" is more than 31", "write 1 to 31, or * for every day");
	assert_refused("0 0 * 13 *", "the month \"13\" is more than 12", "write 1 to 12, JAN to DEC, or * for every month");
	assert_refused("0 0 * * 8", "the weekday \"8\" is more than 7",
				   "write 0 to 7 (0 and 7 are Sunday), SUN to SAT, or * for every day");
	assert_refused("4294967296 * * * *", "the minute \"4294967296\" is more than 59",
				   "write 0 to 59, or * for every minute");
}

static void words_that_are_no_values_are_named(void **state)
{
	(void)state;
	assert_refused("x * * * *", "the minute \"x\" is not a number", "write 0 to 59, or * for every minute");
	assert_refused("0 0 * January *", "the month \"January\" is not a number or a name that is known",
				   "write 1 to 12, JAN to DEC, or * for every month");
	assert_refused("0 0 * * MON-FRO", "the weekday \"FRO\" is not a number or a name that is known",
				   "write 0 to 7 (0 and 7 are Sunday), SUN to SAT, or * for every day");
}

static void what_cannot_be_read_is_told_the_forms(void **state)
{
	(void)state;
	const char *hint = "write 0 to 59, or * for every minute; also lists (1,3), ranges (1-5) and steps (*/2, 1-5/2)";
	assert_refused("-5 * * * *", "the minute \"-5\" cannot be understood", hint);
	assert_refused("1-2-3 * * * *", "the minute \"1-2-3\" cannot be understood", hint);
	assert_refused("*5 * * * *", "the minute \"*5\" cannot be understood", hint);
	assert_refused("*/ * * * *", "the minute \"*/\" cannot be understood", hint);
	assert_refused("1- * * * *", "the minute \"1-\" cannot be understood", hint);
}

static void empty_elements_are_refused(void **state)
{
	(void)state;
	const char *message = "the minute has an empty element in its list";
	const char *hint = "remove the comma that is one too many";
	assert_refused("1,,2 * * * *", message, hint);
	assert_refused(",1 * * * *", message, hint);
	assert_refused("1, * * * *", message, hint);
}

static void steps_have_to_fit_the_field(void **state)
{
	(void)state;
	assert_refused("*/0 * * * *", "the step of the minute \"*/0\" is 0",
				   "write a step of 1 to 59, or a single number without one");
	assert_refused("0 */24 * * *", "the step of the hour \"*/24\" is larger than the field",
				   "write a step of 1 to 23, or a single number without one");
	assert_values("0 */23 * * *", CRON_HOUR, 0x800001);
}

static void a_step_without_a_range_is_told_the_range(void **state)
{
	(void)state;
	assert_refused("5/15 * * * *", "the minute \"5/15\" has a step but no range", "write 5-59/15");
	assert_refused("0 0 * * 1/2", "the weekday \"1/2\" has a step but no range", "write 1-6/2");
	assert_refused("0 0 * * 7/2", "the weekday \"7/2\" has a step but no range", "write 7-7/2");
}

static void a_range_that_runs_backwards_is_told_the_way_round(void **state)
{
	(void)state;
	assert_refused("0 22-4 * * *", "the hour \"22-4\" runs backwards", "write 22-23,0-4");
	assert_refused("0 0 * * FRI-MON", "the weekday \"FRI-MON\" runs backwards", "write FRI-SAT,SUN-MON");
	assert_refused("0 0 * * fri-sun", "the weekday \"fri-sun\" runs backwards", "write FRI-SAT,SUN");
	assert_refused("0 0 * * 7-2", "the weekday \"7-2\" runs backwards", "write 0-2");
	assert_refused("0 0 * 12-JAN *", "the month \"12-JAN\" runs backwards", "write 12,1");
	assert_refused("0 22-4/2 * * *", "the hour \"22-4/2\" runs backwards", "write each hour, with commas between");
}

static void there_have_to_be_five_fields(void **state)
{
	(void)state;
	const char *hint = "write minute, hour, day of the month, month and weekday, such as \"0 2 * * *\"";
	assert_refused("0 2 * *", "the schedule has 4 fields where there have to be 5", hint);
	assert_refused("0 0 2 * * *", "the schedule has 6 fields where there have to be 5", hint);
	assert_refused("5", "the schedule has 1 field where there have to be 5", hint);
	assert_refused("daily 5", "the schedule has 2 fields where there have to be 5", hint);
}

static void words_that_are_no_schedule_are_told_which_are(void **state)
{
	(void)state;
	const char *hint = "write hourly, daily, weekly, monthly or five fields, such as \"0 2 * * *\"";
	assert_refused("", "the schedule is empty", hint);
	assert_refused(" \t ", "the schedule is empty", hint);
	assert_refused("dayly", "the schedule \"dayly\" is not known", hint);
	assert_refused("@dayly", "the schedule \"@dayly\" is not known", hint);
	assert_refused("@reboot", "\"@reboot\" has no time", hint);
}

static void a_date_that_never_comes_is_refused(void **state)
{
	(void)state;
	const char *hint = "choose a day that the month has";
	assert_refused("0 0 31 2 *", "the date of \"0 0 31 2 *\" never comes", hint);
	assert_refused("0 0 31 4,6 *", "the date of \"0 0 31 4,6 *\" never comes", hint);
	assert_refused("0 0 30 FEB */2", "the date of \"0 0 30 FEB */2\" never comes", hint);
	assert_text("0 0 29 2 *", "0 0 29 2 *");
	assert_text("0 0 31 2 1", "0 0 31 2 1"); /* each Monday */
}

static void what_a_crontab_reads_in_its_own_way_is_refused(void **state)
{
	(void)state;
	const char *hint = "write five fields in one line, such as \"0 2 * * *\"";
	assert_refused("0 2 * * *%id", "the schedule contains \"%\"", hint);
	assert_refused("0 2 * * *\n", "the schedule contains a line break", hint);
	assert_refused("0 2 * *\r*", "the schedule contains a line break", hint);
	assert_refused("0 2 * * \033[2J", "the schedule contains a control character", hint);
	assert_refused("0 2 * * \x7f", "the schedule contains a control character", hint);
}

static void the_length_is_bounded(void **state)
{
	(void)state;
	char text[CRON_TEXT_SIZE + 1];
	memset(text, ' ', sizeof text);
	memcpy(text, "0 2 * * *", 9);
	text[CRON_TEXT_SIZE - 1] = '\0';
	assert_text(text, "0 2 * * *");
	text[CRON_TEXT_SIZE - 1] = ' ';
	text[CRON_TEXT_SIZE] = '\0';
	assert_refused(text, "the schedule has more than 511 characters", "ranges (1-5) and steps (*/2) make it shorter");
}

static void texts_that_are_no_schedule_are_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"0 0 * * FRI-SUN",
		",,, * * * *",
		"0 2 \x1b[2J * * *",
		"0 24 * * *",
		"0 2 * * *\n* * * * * id",
		"0 0 * JANUARY *",
		"0 2 * * \xff\xfe",
		"0 2 * * *%touch",
		"99999999999999999999999999999999999999 * * * *",
		"** * * * *",
		"0 2 * * \xe6\x97\xa5",
		"*/18446744073709551617 * * * *",
		"0 0 31 2,4,6,9,11 *",
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct cron cron;
		struct error error;
		assert_status(STATUS_USAGE, cron_parse(texts[i], &cron, &error), &error);
		assert_string_not_equal(error.hint, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_four_words_of_the_guide_run_at_two_at_night),
		cmocka_unit_test(nicknames_are_those_of_cron_and_run_at_midnight),
		cmocka_unit_test(any_blanks_between_fields_become_one),
		cmocka_unit_test(numbers_lists_ranges_and_steps_are_read),
		cmocka_unit_test(names_are_read_in_any_case_in_lists_and_ranges),
		cmocka_unit_test(weekdays_0_and_7_are_both_sunday),
		cmocka_unit_test(a_field_that_begins_with_a_star_has_the_flag),
		cmocka_unit_test(the_rule_for_days_follows_the_flags),
		cmocka_unit_test(values_outside_a_field_are_named),
		cmocka_unit_test(words_that_are_no_values_are_named),
		cmocka_unit_test(what_cannot_be_read_is_told_the_forms),
		cmocka_unit_test(empty_elements_are_refused),
		cmocka_unit_test(steps_have_to_fit_the_field),
		cmocka_unit_test(a_step_without_a_range_is_told_the_range),
		cmocka_unit_test(a_range_that_runs_backwards_is_told_the_way_round),
		cmocka_unit_test(there_have_to_be_five_fields),
		cmocka_unit_test(words_that_are_no_schedule_are_told_which_are),
		cmocka_unit_test(a_date_that_never_comes_is_refused),
		cmocka_unit_test(what_a_crontab_reads_in_its_own_way_is_refused),
		cmocka_unit_test(the_length_is_bounded),
		cmocka_unit_test(texts_that_are_no_schedule_are_refused),
	};
	return cmocka_run_group_tests_name("cron", tests, NULL, NULL);
}
