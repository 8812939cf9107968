/* JSON without memory: a moment's lack does nothing, and what lasts keeps anything from being written. */
#include "faults_support.h"

enum { MOST = 1000 };

CLEANUP_DEFINE(json, json_t, json_decref)

static json_t *document(void)
{
	json_t *list = json_array();
	for (int i = 0; i < 20; i++) {
		json_array_append_new(list, json_pack("{s:i, s:s}", "number", i, "name", "somebody's memory of years"));
	}
	return json_pack("{s:o}", "list", list);
}

static void assert_whole(const char *text)
{
	CLEANUP(cleanup_json) json_t *made = json_loads(text, 0, NULL);
	CLEANUP(cleanup_json) json_t *wanted = document();
	assert_non_null(made);
	assert_true(json_equal(made, wanted));
}

static char *make_and_write(void)
{
	CLEANUP(cleanup_json) json_t *json = document();
	return json_text_write(json, JSON_COMPACT);
}

static void what_is_made_and_written_in_a_moment_without_memory_is_whole(void **state)
{
	(void)state;
	unsigned long nth = 0;
	bool reached = true;
	while (reached) {
		assert_true(++nth < MOST);
		fault_arm(FAULT_MEMORY, nth, false, NULL);
		CLEANUP(cleanup_free) char *text = make_and_write();
		reached = fault_disarm();
		assert_non_null(text);
		assert_whole(text);
	}
	assert_true(nth > 100);
}

static void after_it_json_can_be_written_again(void **state)
{
	(void)state;
	fault_arm(FAULT_MEMORY, 2, false, NULL);
	free(make_and_write());
	assert_true(fault_disarm());
	CLEANUP(cleanup_free) char *text = make_and_write();
	assert_non_null(text);
	assert_whole(text);
}

static void what_is_read_in_a_moment_without_memory_is_whole(void **state)
{
	(void)state;
	CLEANUP(cleanup_free) char *text = make_and_write();
	unsigned long nth = 0;
	bool reached = true;
	while (reached) {
		assert_true(++nth < MOST);
		CLEANUP(cleanup_json) json_t *json = NULL;
		struct error error = {0};
		fault_arm(FAULT_MEMORY, nth, false, NULL);
		enum status status = json_text_read(text, 0, &json, &error);
		reached = fault_disarm();
		CLEANUP(cleanup_json) json_t *wanted = document();
		assert_ok(status, &error);
		assert_true(json_equal(json, wanted));
	}
	assert_true(nth > 100);
}

static unsigned long read_with_each_lack(const char *text, size_t length, bool onwards)
{
	unsigned long nth = 0;
	bool reached = true;
	while (reached) {
		assert_true(++nth < MOST);
		CLEANUP(cleanup_json) json_t *json = NULL;
		struct error error = {0};
		fault_arm(FAULT_MEMORY, nth, onwards, NULL);
		enum status status = json_text_read(text, 0, &json, &error);
		reached = fault_disarm();
		assert_status(reached ? STATUS_NO_MEMORY : STATUS_OK, status, &error);
		assert_int_equal(json_string_length(json_array_get(json, 0)), reached ? 0 : length);
	}
	return nth - 1;
}

/* jansson would write beyond its buffer if it could not be made larger for the quote that ends a string. */
static void a_long_text_of_which_no_more_can_be_read_is_a_lack_of_memory(void **state)
{
	enum { STRING = 1 << 16, LENGTH = STRING + 2 }; /* with its quotes: its buffer doubles when it is full */
	(void)state;
	static char text[LENGTH + 1];
	memset(text, 'x', LENGTH);
	text[0] = '[';
	text[1] = '"';
	strcpy(text + LENGTH - 2, "\"]");
	use_up_reserve();
	unsigned long single = read_with_each_lack(text, STRING - 2, false);
	unsigned long lasting = read_with_each_lack(text, STRING - 2, true);
	assert_true(single > 12 && lasting > 12); /* it has grown that often */
}

static void a_text_that_could_not_be_read_keeps_nothing_from_being_written(void **state)
{
	(void)state;
	CLEANUP(cleanup_free) char *text = make_and_write();
	enum status status = STATUS_OK;
	fault_arm(FAULT_MEMORY, 1, true, NULL);
	for (int i = 0; i < MOST && status == STATUS_OK; i++) { /* until what there is for such a case is used up */
		json_t *json = NULL;
		struct error error = {0};
		status = json_text_read(text, 0, &json, &error);
		json_decref(json);
	}
	fault_disarm();
	assert_int_equal(status, STATUS_NO_MEMORY);
	CLEANUP(cleanup_free) char *after = make_and_write();
	assert_non_null(after);
	assert_whole(after);
}

static void where_there_is_none_for_long_nothing_is_written(void **state)
{
	(void)state;
	fault_arm(FAULT_MEMORY, 1, true, NULL);
	char *text = make_and_write();
	fault_disarm();
	assert_null(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_made_and_written_in_a_moment_without_memory_is_whole),
		cmocka_unit_test(after_it_json_can_be_written_again),
		cmocka_unit_test(what_is_read_in_a_moment_without_memory_is_whole),
		cmocka_unit_test(a_long_text_of_which_no_more_can_be_read_is_a_lack_of_memory),
		cmocka_unit_test(a_text_that_could_not_be_read_keeps_nothing_from_being_written),
		cmocka_unit_test(where_there_is_none_for_long_nothing_is_written),
	};
	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
