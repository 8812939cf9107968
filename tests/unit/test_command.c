/* commands/command: the words of a command line. The commands are the test's own. */
#include "support.h"

#include "commands/command.h"

static const struct command command_restorelike = {
	.name = "restore",
	.arguments = "TIMESTAMP",
	.least_arguments = 1,
	.most_arguments = 1,
	.options = 1U << OPTION_ONLY | 1U << OPTION_YES | 1U << OPTION_JSON,
	.summary = "Puts it back",
	.details = "It puts it back.\n",
};

static const struct command command_listlike = {
	.name = "list",
	.arguments = "",
	.options = 1U << OPTION_JSON,
	.summary = "Lists them",
	.details = "It lists them.\n",
};

const struct command *const command_table[] = {&command_restorelike, &command_listlike, NULL};

/* The words are not const in the interface, as those of main are not. */
static enum status parse(const struct command *command, const char *const *words, struct invocation *ret_invocation,
						 struct error *error)
{
	static char kept[8][64]; /* what the invocation lends */
	char *list[9] = {NULL};
	for (size_t i = 0; words[i] != NULL; i++) {
		assert_true(i < 8);
		snprintf(kept[i], sizeof kept[i], "%s", words[i]);
		list[i] = kept[i];
	}
	return command_parse(command, list, ret_invocation, error);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const char *const no_words[] = {NULL};

static void assert_usage(const struct command *command, const char *const *words, const char *message)
{
	struct error error;
	struct invocation invocation;
	assert_status(STATUS_USAGE, parse(command, words, &invocation, &error), &error);
	assert_string_equal(error.message, message);
}

static void no_words_are_fine_where_none_are_wanted(void **state)
{
	(void)state;
	struct error error;
	struct invocation invocation;
	assert_ok(parse(&command_listlike, no_words, &invocation, &error), &error);
	assert_ptr_equal(invocation.command, &command_listlike);
	assert_int_equal(invocation.argument_count, 0);
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		assert_null(invocation.options[i]);
	}
}

static void an_argument_is_taken(void **state)
{
	(void)state;
	struct error error;
	struct invocation invocation;
	assert_ok(parse(&command_restorelike, WORDS("20240912_143022"), &invocation, &error), &error);
	assert_int_equal(invocation.argument_count, 1);
	assert_string_equal(invocation.arguments[0], "20240912_143022");
}

static void a_value_in_the_next_word_is_taken(void **state)
{
	(void)state;
	struct error error;
	struct invocation invocation;
	assert_ok(parse(&command_restorelike, WORDS("--only", "redis", "latest"), &invocation, &error), &error);
	assert_string_equal(invocation.options[OPTION_ONLY], "redis");
	assert_string_equal(invocation.arguments[0], "latest");
}

static void a_value_behind_an_equals_sign_is_taken(void **state)
{
	(void)state;
	struct error error;
	struct invocation invocation;
	assert_ok(parse(&command_restorelike, WORDS("--only=redis,neo4j", "latest"), &invocation, &error), &error);
	assert_string_equal(invocation.options[OPTION_ONLY], "redis,neo4j");
}

static void a_value_may_hold_an_equals_sign(void **state)
{
	(void)state;
	struct error error;
	struct invocation invocation;
	assert_ok(parse(&command_restorelike, WORDS("--only=a=b", "latest"), &invocation, &error), &error);
	assert_string_equal(invocation.options[OPTION_ONLY], "a=b");
}

static void an_empty_value_is_a_value(void **state)
{
	(void)state;
	struct error error;
	struct invocation invocation;
	assert_ok(parse(&command_restorelike, WORDS("--only=", "latest"), &invocation, &error), &error);
	assert_string_equal(invocation.options[OPTION_ONLY], "");
}

static void options_may_stand_behind_arguments(void **state)
{
	(void)state;
	struct error error;
	struct invocation invocation;
	assert_ok(parse(&command_restorelike, WORDS("latest", "--yes", "--json"), &invocation, &error), &error);
	assert_string_equal(invocation.options[OPTION_YES], "");
	assert_string_equal(invocation.options[OPTION_JSON], "");
	assert_null(invocation.options[OPTION_ONLY]);
}

static void the_last_value_of_an_option_counts(void **state)
{
	(void)state;
	struct error error;
	struct invocation invocation;
	assert_ok(parse(&command_restorelike, WORDS("--only", "a", "--only", "b", "x"), &invocation, &error), &error);
	assert_string_equal(invocation.options[OPTION_ONLY], "b");
}

static void words_behind_two_dashes_are_arguments(void **state)
{
	(void)state;
	struct error error;
	struct invocation invocation;
	assert_ok(parse(&command_restorelike, WORDS("--yes", "--", "--only"), &invocation, &error), &error);
	assert_string_equal(invocation.arguments[0], "--only");
	assert_null(invocation.options[OPTION_ONLY]);
}

static void a_single_dash_is_an_argument(void **state)
{
	(void)state;
	struct error error;
	struct invocation invocation;
	assert_ok(parse(&command_restorelike, WORDS("-"), &invocation, &error), &error);
	assert_string_equal(invocation.arguments[0], "-");
}

static void an_empty_word_is_an_argument(void **state)
{
	(void)state;
	struct error error;
	struct invocation invocation;
	assert_ok(parse(&command_restorelike, WORDS(""), &invocation, &error), &error);
	assert_string_equal(invocation.arguments[0], "");
}

static void help_is_an_option_of_every_command(void **state)
{
	(void)state;
	struct error error;
	struct invocation invocation;
	assert_ok(parse(&command_listlike, WORDS("--help"), &invocation, &error), &error);
	assert_non_null(invocation.options[OPTION_HELP]);
}

static void h_is_help(void **state)
{
	(void)state;
	struct error error;
	struct invocation invocation;
	assert_ok(parse(&command_listlike, WORDS("-h"), &invocation, &error), &error);
	assert_non_null(invocation.options[OPTION_HELP]);
}

static void help_needs_no_arguments(void **state)
{
	(void)state;
	struct error error;
	struct invocation invocation;
	assert_ok(parse(&command_restorelike, WORDS("--help"), &invocation, &error), &error);
	assert_int_equal(invocation.argument_count, 0);
}

static void an_unknown_option_is_refused(void **state)
{
	(void)state;
	assert_usage(&command_listlike, WORDS("--verbose"), "list has no option --verbose");
}

static void an_unknown_option_with_a_value_is_named_without_it(void **state)
{
	(void)state;
	assert_usage(&command_listlike, WORDS("--password=secret"), "list has no option --password");
}

static void an_unknown_short_option_is_refused(void **state)
{
	(void)state;
	assert_usage(&command_listlike, WORDS("-x"), "list has no option -x");
}

static void the_beginning_of_an_option_is_refused(void **state)
{
	(void)state;
	assert_usage(&command_restorelike, WORDS("--onl", "redis", "x"), "restore has no option --onl");
}

static void an_option_that_only_begins_like_one_is_refused(void **state)
{
	(void)state;
	assert_usage(&command_restorelike, WORDS("--yesterday", "x"), "restore has no option --yesterday");
}

static void an_option_of_another_command_is_refused(void **state)
{
	(void)state;
	assert_usage(&command_listlike, WORDS("--yes"), "list has no option --yes");
}

static void an_option_without_its_value_is_refused(void **state)
{
	(void)state;
	assert_usage(&command_restorelike, WORDS("latest", "--only"), "--only wants a value: STORES");
}

static void a_value_for_an_option_that_takes_none_is_refused(void **state)
{
	(void)state;
	assert_usage(&command_restorelike, WORDS("latest", "--yes=no"), "--yes takes no value");
}

static void a_missing_argument_is_refused(void **state)
{
	(void)state;
	assert_usage(&command_restorelike, no_words, "restore wants a TIMESTAMP");
}

static void one_argument_too_many_is_refused(void **state)
{
	(void)state;
	assert_usage(&command_restorelike, WORDS("one", "two"), "restore does not know what to do with \"two\"");
}

static void an_argument_where_none_is_wanted_is_refused(void **state)
{
	(void)state;
	assert_usage(&command_listlike, WORDS("one"), "list does not know what to do with \"one\"");
}

static void two_dashes_take_no_more_arguments_than_are_wanted(void **state)
{
	(void)state;
	assert_usage(&command_listlike, WORDS("--", "one"), "list does not know what to do with \"one\"");
}

static void a_refusal_tells_how_to_get_help(void **state)
{
	(void)state;
	struct error error;
	struct invocation invocation;
	setenv("WHISPERBACKUP_INVOKED_AS", "./bot.sh backup", 1);
	enum status status = parse(&command_listlike, WORDS("--verbose"), &invocation, &error);
	unsetenv("WHISPERBACKUP_INVOKED_AS");
	assert_status(STATUS_USAGE, status, &error);
	assert_string_equal(error.hint, "./bot.sh backup help list explains it");
}

static void the_program_has_its_own_name_where_no_other_is_known(void **state)
{
	(void)state;
	unsetenv("WHISPERBACKUP_INVOKED_AS");
	assert_string_equal(command_program(), "whisperbackup");
	setenv("WHISPERBACKUP_INVOKED_AS", "", 1);
	assert_string_equal(command_program(), "whisperbackup");
	unsetenv("WHISPERBACKUP_INVOKED_AS");
}

static void a_command_is_found_by_its_name(void **state)
{
	(void)state;
	assert_ptr_equal(command_by_name("list"), &command_listlike);
}

static void a_part_of_a_name_is_no_command(void **state)
{
	(void)state;
	assert_null(command_by_name("lis"));
	assert_null(command_by_name("lists"));
	assert_null(command_by_name(""));
}

/* --- the program's own tables ------------------------------------------------------------------------------------- */

static void every_option_is_explained(void **state)
{
	(void)state;
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		assert_non_null(option_table[i].name);
		assert_true(strlen(option_table[i].name) > 1 && option_table[i].name[0] != '-');
		assert_true(option_table[i].help != NULL && option_table[i].help[0] != '\0');
	}
}

static void no_two_options_have_one_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		for (size_t j = i + 1; j < OPTION_COUNT; j++) {
			assert_string_not_equal(option_table[i].name, option_table[j].name);
		}
	}
}

enum { REAL_COMMAND_COUNT = 6 };

static const struct command *const real_commands[REAL_COMMAND_COUNT] = {
	&command_create, &command_list, &command_show, &command_restore, &command_cleanup, &command_help};

static void every_command_is_explained(void **state)
{
	(void)state;
	for (size_t i = 0; i < REAL_COMMAND_COUNT; i++) {
		const struct command *command = real_commands[i];
		assert_true(command->name != NULL && command->name[0] != '\0');
		assert_non_null(command->arguments);
		assert_true(command->summary != NULL && command->summary[0] != '\0');
		assert_non_null(command->details);
		assert_non_null(command->run);
	}
}

/* The help puts a full stop behind it, and it stands on one line of the list. */
static void every_summary_is_one_line_without_its_full_stop(void **state)
{
	(void)state;
	for (size_t i = 0; i < REAL_COMMAND_COUNT; i++) {
		const char *summary = real_commands[i]->summary;
		assert_null(strchr(summary, '\n'));
		assert_int_not_equal(summary[strlen(summary) - 1], '.');
	}
}

static void no_command_takes_more_arguments_than_there_is_room_for(void **state)
{
	(void)state;
	for (size_t i = 0; i < REAL_COMMAND_COUNT; i++) {
		assert_in_range(real_commands[i]->most_arguments, real_commands[i]->least_arguments, MOST_ARGUMENTS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_words_are_fine_where_none_are_wanted),
		cmocka_unit_test(an_argument_is_taken),
		cmocka_unit_test(a_value_in_the_next_word_is_taken),
		cmocka_unit_test(a_value_behind_an_equals_sign_is_taken),
		cmocka_unit_test(a_value_may_hold_an_equals_sign),
		cmocka_unit_test(an_empty_value_is_a_value),
		cmocka_unit_test(options_may_stand_behind_arguments),
		cmocka_unit_test(the_last_value_of_an_option_counts),
		cmocka_unit_test(words_behind_two_dashes_are_arguments),
		cmocka_unit_test(a_single_dash_is_an_argument),
		cmocka_unit_test(an_empty_word_is_an_argument),
		cmocka_unit_test(help_is_an_option_of_every_command),
		cmocka_unit_test(h_is_help),
		cmocka_unit_test(help_needs_no_arguments),
		cmocka_unit_test(an_unknown_option_is_refused),
		cmocka_unit_test(an_unknown_option_with_a_value_is_named_without_it),
		cmocka_unit_test(an_unknown_short_option_is_refused),
		cmocka_unit_test(the_beginning_of_an_option_is_refused),
		cmocka_unit_test(an_option_that_only_begins_like_one_is_refused),
		cmocka_unit_test(an_option_of_another_command_is_refused),
		cmocka_unit_test(an_option_without_its_value_is_refused),
		cmocka_unit_test(a_value_for_an_option_that_takes_none_is_refused),
		cmocka_unit_test(a_missing_argument_is_refused),
		cmocka_unit_test(one_argument_too_many_is_refused),
		cmocka_unit_test(an_argument_where_none_is_wanted_is_refused),
		cmocka_unit_test(two_dashes_take_no_more_arguments_than_are_wanted),
		cmocka_unit_test(a_refusal_tells_how_to_get_help),
		cmocka_unit_test(the_program_has_its_own_name_where_no_other_is_known),
		cmocka_unit_test(a_command_is_found_by_its_name),
		cmocka_unit_test(a_part_of_a_name_is_no_command),
		cmocka_unit_test(every_option_is_explained),
		cmocka_unit_test(no_two_options_have_one_name),
		cmocka_unit_test(every_command_is_explained),
		cmocka_unit_test(every_summary_is_one_line_without_its_full_stop),
		cmocka_unit_test(no_command_takes_more_arguments_than_there_is_room_for),
	};
	return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
