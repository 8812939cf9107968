/* commands/number: whole numbers on the command line. */
#include "support.h"

#include "catalog/retention.h"
#include "commands/number.h"

static void assert_number(const char *text, unsigned least, unsigned most, unsigned expected)
{
	struct error error;
	unsigned number = expected + 1;
	assert_ok(number_parse(text, "a number", least, most, &number, &error), &error);
	assert_int_equal(number, expected);
}

static void assert_refused(const char *text, unsigned least, unsigned most)
{
	struct error error;
	unsigned number = 4711;
	assert_status(STATUS_USAGE, number_parse(text, "a number", least, most, &number, &error), &error);
	assert_int_equal(number, 4711);
}

static void digits_are_a_number(void **state)
{
	(void)state;
	assert_number("0", 0, 10, 0);
	assert_number("7", 0, 10, 7);
	assert_number("36500", 0, RETENTION_MOST, 36500);
}

static void leading_zeros_do_not_make_it_octal(void **state)
{
	(void)state;
	assert_number("010", 0, 100, 10);
	assert_number("09", 0, 100, 9);
}

static void both_ends_of_the_range_belong_to_it(void **state)
{
	(void)state;
	assert_number("5", 5, 9, 5);
	assert_number("9", 5, 9, 9);
	assert_refused("4", 5, 9);
	assert_refused("10", 5, 9);
}

static void anything_but_digits_is_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {"", " ", "x", "-1", "+1", "1.0", "1e3", " 1", "1 ", "1d", "0x10", "1\n", "１"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		assert_refused(texts[i], 0, 100);
	}
}

static void what_would_not_fit_an_int_is_refused_not_cut(void **state)
{
	(void)state;
	assert_number("999999999", 0, UINT_MAX, 999999999);
	assert_refused("4294967297", 0, UINT_MAX);
	assert_refused("18446744073709551617", 0, UINT_MAX);
}

static void the_refusal_names_the_text_what_it_should_be_and_the_range(void **state)
{
	(void)state;
	struct error error;
	unsigned number = 0;
	assert_status(STATUS_USAGE, number_parse("soon", "a number of days", 1, 36500, &number, &error), &error);
	assert_string_equal(error.message, "\"soon\" is not a number of days");
	assert_string_equal(error.hint, "give a whole number from 1 to 36500");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digits_are_a_number),
		cmocka_unit_test(leading_zeros_do_not_make_it_octal),
		cmocka_unit_test(both_ends_of_the_range_belong_to_it),
		cmocka_unit_test(anything_but_digits_is_refused),
		cmocka_unit_test(what_would_not_fit_an_int_is_refused_not_cut),
		cmocka_unit_test(the_refusal_names_the_text_what_it_should_be_and_the_range),
	};
	return cmocka_run_group_tests_name("number", tests, NULL, NULL);
}
