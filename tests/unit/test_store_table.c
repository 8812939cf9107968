/* stores/store_table: what is asked of each store alike. */
#include "progress_support.h"
#include "support.h"

#include "stores/store_table.h"

static enum status settle_answer;
static enum status ready_answer;

static enum status settle(struct store *store, struct progress *progress, struct error *error)
{
	(void)store;
	(void)progress;
	return settle_answer == STATUS_OK ? STATUS_OK : error_set(error, settle_answer, "it is not well");
}

static enum status is_ready(struct store *store, struct error *error)
{
	(void)store;
	return ready_answer == STATUS_OK ? STATUS_OK : error_set(error, ready_answer, "it does not answer");
}

static const struct store_ops ops = {.settle = settle, .ready = is_ready};

static enum status settle_back(enum status settles, enum status is, struct error *error)
{
	struct store store = {.ops = &ops};
	settle_answer = settles;
	ready_answer = is;
	progress_warned[0] = '\0';
	return store_settle_back(&store, &progress_kept, error);
}

static void one_that_is_well_is_back(void **state)
{
	struct error error;
	(void)state;
	assert_ok(settle_back(STATUS_OK, STATUS_OK, &error), &error);
	assert_string_equal(progress_warned, "");
}

/* Its data is that of before: what its health check says was so before, or is not the restore's doing. */
static void one_that_answers_is_back_whatever_its_health_check_says(void **state)
{
	struct error error;
	(void)state;
	assert_ok(settle_back(STATUS_UNAVAILABLE, STATUS_OK, &error), &error);
	assert_string_equal(progress_warned, "it is not well");
}

static void one_that_does_not_answer_is_not_back(void **state)
{
	struct error error;
	(void)state;
	assert_status(STATUS_UNAVAILABLE, settle_back(STATUS_UNAVAILABLE, STATUS_UNAVAILABLE, &error), &error);
	assert_string_equal(error.message, "it is not well");
	assert_string_equal(progress_warned, "");
}

static void what_is_not_known_of_one_is_told(void **state)
{
	struct error error;
	(void)state;
	assert_status(STATUS_FAILED, settle_back(STATUS_FAILED, STATUS_OK, &error), &error);
	assert_string_equal(error.message, "it is not well");
	assert_string_equal(progress_warned, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_is_well_is_back),
		cmocka_unit_test(one_that_answers_is_back_whatever_its_health_check_says),
		cmocka_unit_test(one_that_does_not_answer_is_not_back),
		cmocka_unit_test(what_is_not_known_of_one_is_told),
	};
	return cmocka_run_group_tests_name("store_table", tests, NULL, NULL);
}
