/* base/clock: how long things take. Only what holds on a machine of any speed. */
#include "support.h"

#include "base/clock.h"

static void the_clock_is_never_set_back(void **state)
{
	(void)state;
	double before = clock_seconds();
	for (int i = 0; i < 1000; i++) {
		double now = clock_seconds();
		assert_true(now >= before);
		before = now;
	}
}

static void sleeping_takes_at_least_what_was_asked_for(void **state)
{
	(void)state;
	double before = clock_seconds();
	clock_sleep(20);
	assert_true(clock_seconds() - before >= 0.0199);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_clock_is_never_set_back),
		cmocka_unit_test(sleeping_takes_at_least_what_was_asked_for),
	};
	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
