/* commands/command: a command line that is taken is taken again in its plain form, and means the same. */
#include "fuzz.h"

#include "catalog/timestamp.h"
#include "commands/command.h"
#include "commands/number.h"

enum { MOST_WORDS = 40, PLAIN_WORDS = OPTION_COUNT + MOST_ARGUMENTS + 2 };

/* The input: words that end with a NUL byte each, the first of them a command. */
static size_t split(char *text, size_t size, char **words)
{
	size_t count = 0;
	for (char *at = text; at < text + size && count < MOST_WORDS; at += strlen(at) + 1) {
		words[count++] = at;
	}
	words[count] = NULL;
	return count;
}

static bool is_same(const char *one, const char *other)
{
	return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

static void check_plain_form(const struct invocation *invocation)
{
	char *words[PLAIN_WORDS] = {NULL};
	char *arguments[MOST_ARGUMENTS] = {NULL};
	char *made[OPTION_COUNT] = {NULL};
	struct invocation again = {0};
	struct error error;
	size_t count = 0;
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const char *value = invocation->options[i];
		if (value != NULL) {
			HOLDS(command_allows(invocation->command, i));
			HOLDS(option_table[i].value != NULL || value[0] == '\0');
			HOLDS(asprintf(&made[i], option_table[i].value != NULL ? "--%s=%s" : "--%s", option_table[i].name, value) >
				  0);
			words[count++] = made[i];
		}
	}
	char dashes[] = "--";
	words[count++] = dashes;
	for (size_t i = 0; i < invocation->argument_count; i++) {
		arguments[i] = strdup(invocation->arguments[i]);
		words[count++] = arguments[i];
	}
	HOLDS(command_parse(invocation->command, words, &again, &error) == STATUS_OK);
	HOLDS(again.command == invocation->command && again.argument_count == invocation->argument_count);
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		HOLDS(is_same(again.options[i], invocation->options[i]));
		free(made[i]);
	}
	for (size_t i = 0; i < invocation->argument_count; i++) {
		HOLDS(strcmp(again.arguments[i], invocation->arguments[i]) == 0);
		free(arguments[i]);
	}
}

/* What arguments and values of options may be. */
static void check_word(const char *word)
{
	char timestamp[TIMESTAMP_SIZE];
	char again[TIMESTAMP_SIZE];
	unsigned number = 0;
	if (timestamp_parse(word, timestamp)) {
		HOLDS(strlen(timestamp) == TIMESTAMP_SIZE - 1 && strchr(timestamp, '/') == NULL);
		HOLDS(timestamp_parse(timestamp, again) && strcmp(timestamp, again) == 0);
		HOLDS(timestamp_moment(timestamp) != -1);
	}
	if (number_read(word, 1, NUMBER_SECONDS_MAX, &number)) {
		HOLDS(number >= 1 && number <= NUMBER_SECONDS_MAX && strtoul(word, NULL, 10) == number);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *words[MOST_WORDS + 1];
	CLEANUP(cleanup_free) char *text = calloc(1, size + 1);
	HOLDS(text != NULL);
	memcpy(text, data, size);
	size_t count = split(text, size, words);
	const struct command *command = count > 0 ? command_by_name(words[0]) : NULL;
	for (size_t i = 0; i < count; i++) {
		check_word(words[i]);
	}
	if (command != NULL) {
		struct invocation invocation = {0};
		struct error error = {.message = ""};
		enum status status = command_parse(command, words + 1, &invocation, &error);
		HOLDS(status == STATUS_OK || (status == STATUS_USAGE && error.message[0] != '\0' && error.hint[0] != '\0'));
		HOLDS(status == STATUS_OK || fuzz_plain(error.message));
		if (status == STATUS_OK) {
			check_plain_form(&invocation);
		}
	}
	return 0;
}
