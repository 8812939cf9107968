/* commands/preflight: which server is older than which. */
#include "support.h"

#include "commands/restore_work.h"

static void an_older_server_is_told_by_its_numbers(void **state)
{
	(void)state;
	assert_true(preflight_is_older("6.2.14", "7.0.15", 2));
	assert_true(preflight_is_older("5.25.1", "5.26.0", 2));
	assert_true(preflight_is_older("0.5.23", "1.0.0", 2));
	assert_true(preflight_is_older("15.9", "16.0", 1));
	assert_false(preflight_is_older("7.0.15", "7.0.15", 2));
	assert_false(preflight_is_older("7.0.2", "7.0.15", 2));
	assert_false(preflight_is_older("7.10.0", "7.9.0", 2));
	assert_false(preflight_is_older("15.2", "15.18", 1));
	assert_false(preflight_is_older("2025.01.0", "5.26.0", 2));
}

static void a_version_that_nobody_knows_is_not_older(void **state)
{
	(void)state;
	assert_false(preflight_is_older("", "7.0.15", 2));
	assert_false(preflight_is_older("7.0.15", "", 2));
	assert_false(preflight_is_older("7", "7.1", 2));
	assert_false(preflight_is_older("unstable", "7.1", 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_older_server_is_told_by_its_numbers),
		cmocka_unit_test(a_version_that_nobody_knows_is_not_older),
	};
	return cmocka_run_group_tests_name("preflight", tests, NULL, NULL);
}
