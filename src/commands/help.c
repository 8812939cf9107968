/* help: explains the commands, from the tables of command.h and reference.h. */
#include "commands/command.h"
#include "commands/reference.h"

#include <stdio.h>
#include <string.h>

enum {
	HELP_WIDTH = 80,          /* columns */
	NAME_WIDTH_COMMANDS = 20, /* of the names at the left of a list; longer ones get a line of their own */
	NAME_WIDTH_OPTIONS = 18,
	NAME_WIDTH_SETTINGS = 22,
	NAME_WIDTH_EXITS = 5,
};

/* Words that are set into lines, the second and later ones indented. */
struct flow {
	size_t indent;
	size_t column;
};

/* Columns of a UTF-8 text: the bytes that begin a character. */
static size_t width_of(const char *text, size_t length)
{
	size_t width = 0;
	for (size_t i = 0; i < length; i++) {
		width += ((unsigned char)text[i] & 0xC0) != 0x80;
	}
	return width;
}

static void flow_word(struct flow *flow, const char *word, size_t length)
{
	size_t width = width_of(word, length);
	if (flow->column > flow->indent) {
		if (flow->column + 1 + width > HELP_WIDTH) {
			printf("\n%*s", (int)flow->indent, "");
			flow->column = flow->indent;
		} else {
			putchar(' ');
			flow->column++;
		}
	}
	printf("%.*s", (int)length, word);
	flow->column += width;
}

static void flow_text(struct flow *flow, const char *text, size_t length)
{
	const char *word;
	size_t word_length;
	while (reference_next_word(&text, &length, &word, &word_length)) {
		flow_word(flow, word, word_length);
	}
}

static void print_paragraph(const char *text, size_t length)
{
	struct flow flow = {0};
	flow_text(&flow, text, length);
	putchar('\n');
}

/* A name in the left column and its explanation in the right one. */
static void print_entry(const char *name, size_t name_width, const char *text)
{
	struct flow flow = {.indent = name_width + 3, .column = name_width + 3};
	printf("  %-*s", (int)name_width, name);
	printf("%s%*s", strlen(name) > name_width ? "\n" : "", strlen(name) > name_width ? (int)flow.indent : 1, "");
	flow_text(&flow, text, strlen(text));
	putchar('\n');
}

static void print_usage(const struct command *command)
{
	struct flow flow = {.indent = 7, .column = 7};
	printf("Usage: ");
	flow_text(&flow, command_program(), strlen(command_program()));
	flow_text(&flow, command->name, strlen(command->name));
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (i != OPTION_HELP && command_allows(command, i)) {
			const struct option_definition *option = &option_table[i];
			char text[64];
			snprintf(text, sizeof text, "[--%s%s%s]", option->name, option->value != NULL ? " " : "",
					 option->value != NULL ? option->value : "");
			flow_word(&flow, text, strlen(text));
		}
	}
	flow_text(&flow, command->arguments, strlen(command->arguments));
	printf("\n\n");
}

static void print_details(const char *details)
{
	const char *text;
	size_t length;
	enum reference_block block;
	while ((block = reference_next_block(&details, &text, &length)) != BLOCK_END) {
		if (block == BLOCK_PARAGRAPH) {
			print_paragraph(text, length);
		} else {
			printf("%.*s\n", (int)length, text);
		}
		putchar('\n');
	}
}

static void print_examples(const struct command *command)
{
	const char *heading = "\nExamples:\n";
	for (const struct reference_example *example = reference_examples; example->text != NULL; example++) {
		if (strcmp(example->command, command->name) == 0) {
			printf("%s  %s %s%s%s\n      %s\n", heading, command_program(), command->name,
				   example->words[0] != '\0' ? " " : "", example->words, example->text);
			heading = "";
		}
	}
}

static void print_command_help(const struct command *command)
{
	print_usage(command);
	printf("%s.\n\n", command->summary);
	print_details(command->details);
	printf("Options:\n");
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (command_allows(command, i)) {
			const struct option_definition *option = &option_table[i];
			char name[64];
			snprintf(name, sizeof name, "--%s%s%s", option->name, option->value != NULL ? " " : "",
					 option->value != NULL ? option->value : "");
			print_entry(name, NAME_WIDTH_OPTIONS, option->help);
		}
	}
	print_examples(command);
}

void command_print_help(const struct command *command)
{
	if (command != NULL) {
		print_command_help(command);
		return;
	}
	print_paragraph(reference_summary, strlen(reference_summary));
	printf("\nUsage: %s COMMAND [OPTIONS]\n\nCommands:\n", command_program());
	for (size_t i = 0; command_table[i] != NULL; i++) {
		char name[64];
		snprintf(name, sizeof name, "%s %s", command_table[i]->name, command_table[i]->arguments);
		print_entry(name, NAME_WIDTH_COMMANDS, command_table[i]->summary);
	}
	printf("\n%s help COMMAND explains a command and its options.\n%s --version prints the version.\n\n"
		   "Environment (the first three also from .env beside the compose file):\n",
		   command_program(), command_program());
	for (const struct reference_entry *entry = reference_environment; entry->text != NULL; entry++) {
		print_entry(entry->name, NAME_WIDTH_SETTINGS, entry->text);
	}
	printf("\nExit status:\n");
	for (const struct reference_exit *exit = reference_exits; exit->text != NULL; exit++) {
		char code[16];
		snprintf(code, sizeof code, "%d", (int)exit->code);
		print_entry(code, NAME_WIDTH_EXITS, exit->text);
	}
}

static enum status run(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error)
{
	const struct command *command = NULL;
	if (invocation->argument_count > 0) {
		command = command_by_name(invocation->arguments[0]);
		if (command == NULL) {
			(void)error_set(error, STATUS_USAGE, "there is no command \"%s\"", invocation->arguments[0]);
			return error_hint(error, "%s help shows what there is", command_program());
		}
	}
	command_print_help(command);
	*ret_exit_code = EXIT_DONE;
	return STATUS_OK;
}

const struct command command_help = {
	.name = "help",
	.arguments = "[COMMAND]",
	.most_arguments = 1,
	.summary = "Explains the commands, or one of them",
	.details = "COMMAND --help does the same for one command. man whisperbackup has all of it on one page.\n",
	.run = run,
};
