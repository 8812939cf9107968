/* commands/reference: how the texts of the tables are read; and actions, which are words of a command line. */
#include "support.h"

#include "commands/reference.h"

static const char *const actions[] = {"install", "status", "help", NULL};

static const struct command command_schedulelike = {
	.name = "schedule",
	.arguments = "ACTION [WHEN] [DAYS]",
	.least_arguments = 1,
	.most_arguments = 3,
	.options = 1U << OPTION_JSON,
	.summary = "Runs it every now and then",
	.details = "It runs it.\n",
	.actions = actions,
};

const struct command *const command_table[] = {&command_schedulelike, NULL};

/* --- arguments ---------------------------------------------------------------------------------------------------- */

static void assert_arguments(const char *arguments, const char *expected)
{
	char names[256] = "";
	const char *name;
	size_t length;
	while (reference_next_argument(&arguments, &name, &length)) {
		size_t used = strlen(names);
		snprintf(names + used, sizeof names - used, "<%.*s>", (int)length, name);
	}
	assert_string_equal(names, expected);
}

static void arguments_are_names_without_their_brackets(void **state)
{
	(void)state;
	assert_arguments("", "");
	assert_arguments("TIMESTAMP", "<TIMESTAMP>");
	assert_arguments("[DAYS]", "<DAYS>");
	assert_arguments("ACTION [WHEN [DAYS]]", "<ACTION><WHEN><DAYS>");
	assert_arguments("ACTION ...", "<ACTION>");
}

static void a_name_tells_what_completes_it(void **state)
{
	(void)state;
	assert_int_equal(reference_kind("TIMESTAMP", 9), REFERENCE_TIMESTAMP);
	assert_int_equal(reference_kind("STORES", 6), REFERENCE_STORES);
	assert_int_equal(reference_kind("COMMAND]", 7), REFERENCE_COMMAND);
	assert_int_equal(reference_kind("WAY", 3), REFERENCE_WAY);
}

static void an_unknown_name_is_completed_by_nothing(void **state)
{
	(void)state;
	assert_int_equal(reference_kind("DAYS", 4), REFERENCE_FREE);
	assert_int_equal(reference_kind("TIME", 4), REFERENCE_FREE);
	assert_int_equal(reference_kind("", 0), REFERENCE_FREE);
}

/* --- details ------------------------------------------------------------------------------------------------------ */

static void assert_block(const char **details, enum reference_block expected, const char *expected_text)
{
	const char *text;
	size_t length;
	assert_int_equal(reference_next_block(details, &text, &length), expected);
	assert_int_equal(length, strlen(expected_text));
	assert_memory_equal(text, expected_text, length);
}

static void assert_no_more_blocks(const char **details)
{
	const char *text;
	size_t length;
	assert_int_equal(reference_next_block(details, &text, &length), BLOCK_END);
}

static void no_details_have_no_blocks(void **state)
{
	(void)state;
	const char *details = "";
	assert_no_more_blocks(&details);
	details = "\n\n";
	assert_no_more_blocks(&details);
}

static void lines_that_follow_each_other_are_one_paragraph(void **state)
{
	(void)state;
	const char *details = "One\ntwo.\n";
	assert_block(&details, BLOCK_PARAGRAPH, "One\ntwo.");
	assert_no_more_blocks(&details);
}

static void an_empty_line_ends_a_paragraph(void **state)
{
	(void)state;
	const char *details = "One\ntwo.\n\nThree.";
	assert_block(&details, BLOCK_PARAGRAPH, "One\ntwo.");
	assert_block(&details, BLOCK_PARAGRAPH, "Three.");
	assert_no_more_blocks(&details);
}

static void lines_that_begin_with_a_blank_stay_as_they_are(void **state)
{
	(void)state;
	const char *details = "Such as:\n  one\n  two\nand more.\n";
	assert_block(&details, BLOCK_PARAGRAPH, "Such as:");
	assert_block(&details, BLOCK_VERBATIM, "  one\n  two");
	assert_block(&details, BLOCK_PARAGRAPH, "and more.");
	assert_no_more_blocks(&details);
}

static void words_stand_between_blanks_and_line_ends(void **state)
{
	(void)state;
	const char *text = " one  two\nthree that is cut off";
	size_t length = 15;
	const char *word;
	size_t word_length;
	assert_true(reference_next_word(&text, &length, &word, &word_length));
	assert_int_equal(word_length, 3);
	assert_memory_equal(word, "one", 3);
	assert_true(reference_next_word(&text, &length, &word, &word_length));
	assert_memory_equal(word, "two", 3);
	assert_true(reference_next_word(&text, &length, &word, &word_length));
	assert_int_equal(word_length, 5);
	assert_memory_equal(word, "three", 5);
	assert_false(reference_next_word(&text, &length, &word, &word_length));
}

/* --- actions ------------------------------------------------------------------------------------------------------ */

static enum status parse(const char *first, const char *second, struct invocation *ret_invocation, struct error *error)
{
	static char kept[2][32]; /* what the invocation lends */
	snprintf(kept[0], sizeof kept[0], "%s", first);
	snprintf(kept[1], sizeof kept[1], "%s", second);
	char *words[] = {kept[0], kept[1], NULL};
	return command_parse(&command_schedulelike, words, ret_invocation, error);
}

static void an_action_is_taken(void **state)
{
	(void)state;
	struct error error;
	struct invocation invocation;
	assert_ok(parse("install", "daily", &invocation, &error), &error);
	assert_string_equal(invocation.arguments[0], "install");
	assert_string_equal(invocation.arguments[1], "daily");
}

static void an_unknown_action_is_refused_and_the_known_ones_are_named(void **state)
{
	(void)state;
	struct error error;
	struct invocation invocation;
	assert_status(STATUS_USAGE, parse("instal", "daily", &invocation, &error), &error);
	assert_string_equal(error.message, "schedule can do install, status or help, but not \"instal\"");
	assert_string_equal(error.hint, "whisperbackup help schedule explains it");
}

static void only_the_first_argument_is_an_action(void **state)
{
	(void)state;
	struct error error;
	struct invocation invocation;
	assert_status(STATUS_USAGE, parse("daily", "install", &invocation, &error), &error);
}

static void an_unknown_action_with_help_is_explained_rather_than_refused(void **state)
{
	(void)state;
	struct error error;
	struct invocation invocation;
	assert_ok(parse("instal", "--help", &invocation, &error), &error);
	assert_non_null(invocation.options[OPTION_HELP]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_are_names_without_their_brackets),
		cmocka_unit_test(a_name_tells_what_completes_it),
		cmocka_unit_test(an_unknown_name_is_completed_by_nothing),
		cmocka_unit_test(no_details_have_no_blocks),
		cmocka_unit_test(lines_that_follow_each_other_are_one_paragraph),
		cmocka_unit_test(an_empty_line_ends_a_paragraph),
		cmocka_unit_test(lines_that_begin_with_a_blank_stay_as_they_are),
		cmocka_unit_test(words_stand_between_blanks_and_line_ends),
		cmocka_unit_test(an_action_is_taken),
		cmocka_unit_test(an_unknown_action_is_refused_and_the_known_ones_are_named),
		cmocka_unit_test(only_the_first_argument_is_an_action),
		cmocka_unit_test(an_unknown_action_with_help_is_explained_rather_than_refused),
	};
	return cmocka_run_group_tests_name("reference", tests, NULL, NULL);
}
