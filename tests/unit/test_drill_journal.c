/* catalog/drill_journal: what it says is read again, and what makes no sense names nothing. */
#include "catalog/drill_journal.h"

#include "support.h"

#include <stdlib.h>
#include <string.h>

static void assert_there(const char *folder, bool expected)
{
	struct error error;
	bool there = !expected;
	assert_ok(drill_journal_is_there(folder, &there, &error), &error);
	assert_int_equal(there, expected);
}

static void what_was_written_is_read(void **state)
{
	const char *folder = *state;
	const char *const engines[] = {"unix:///run/engine.sock", NULL};
	for (size_t i = 0; i < 2; i++) {
		struct error error;
		char written[DRILL_NAME_SIZE];
		char read[DRILL_NAME_SIZE];
		char *engine = NULL;
		assert_there(folder, false);
		assert_int_equal(drill_journal_write(folder, engines[i], written, &error), STATUS_OK);
		assert_int_equal(strlen(written), DRILL_NAME_SIZE - 1);
		assert_there(folder, true);
		assert_int_equal(drill_journal_read(folder, &engine, read, &error), STATUS_OK);
		assert_string_equal(read, written);
		assert_true(engines[i] != NULL ? strcmp(engine, engines[i]) == 0 : engine == NULL);
		free(engine);
		assert_int_equal(drill_journal_remove(folder, &error), STATUS_OK);
	}
	assert_there(folder, false);
}

static void what_makes_no_sense_names_nothing(void **state)
{
	const char *folder = *state;
	static const char *const texts[] = {"", "{\"drill\": 5}", "{\"drill\": \"0123456789abcde\"}",
										"{\"drill\": \"0123456789abcdeg\"}", "{\"drill\": \"..\\\"}]&x=01234567\"}"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct error error;
		char name[DRILL_NAME_SIZE];
		char *engine = NULL;
		write_file(at(folder, ".drill.json"), texts[i]);
		assert_int_equal(drill_journal_read(folder, &engine, name, &error), STATUS_OK);
		assert_string_equal(name, "");
		assert_null(engine);
		assert_int_equal(drill_journal_remove(folder, &error), STATUS_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(what_was_written_is_read),
		scratch_test(what_makes_no_sense_names_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
