#include "reference/completion.h"

#include "commands/reference.h"
#include "stores/store.h"

#include <stdio.h>
#include <string.h>

/* A text inside '...' of a shell; with `special`, these characters get a backslash. */
static void put_quoted(const char *text, const char *special)
{
	for (; *text != '\0'; text++) {
		if (*text == '\'') {
			printf("'\\''");
			continue;
		}
		if (strchr(special, *text) != NULL) {
			putchar('\\');
		}
		putchar(*text);
	}
}

static void put_words(const char *const *words)
{
	for (size_t i = 0; words[i] != NULL; i++) {
		printf("%s%s", i == 0 ? "" : " ", words[i]);
	}
}

static void put_stores(void)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		printf("%s%s", i == 0 ? "" : " ", store_table[i]->name);
	}
}

static void put_commands(void)
{
	for (size_t i = 0; command_table[i] != NULL; i++) {
		printf("%s%s", i == 0 ? "" : " ", command_table[i]->name);
	}
}

/* --- bash --------------------------------------------------------------------------------------------------------- */

static void put_bash_kind(enum reference_kind kind, const struct command *command)
{
	switch (kind) {
	case REFERENCE_TIMESTAMP:
		printf("timestamp");
		break;
	case REFERENCE_STORES:
		printf("stores ");
		put_stores();
		break;
	case REFERENCE_COMMAND:
		printf("words ");
		put_commands();
		break;
	case REFERENCE_INTERVAL:
		printf("words ");
		put_words(reference_intervals);
		break;
	case REFERENCE_ACTION:
		printf("words ");
		if (command != NULL && command->actions != NULL) {
			put_words(command->actions);
		}
		break;
	case REFERENCE_WAY:
		printf("words ");
		put_words(reference_ways);
		break;
	case REFERENCE_FREE:
		printf("free");
		break;
	}
}

static void put_bash_kinds_of_arguments(const struct command *command)
{
	const char *arguments = command->arguments;
	const char *name;
	size_t length;
	for (size_t i = 0; i < command->most_arguments && reference_next_argument(&arguments, &name, &length); i++) {
		printf("\t%s:%zu) echo '", command->name, i + 1);
		put_bash_kind(i == 0 && command->actions != NULL ? REFERENCE_ACTION : reference_kind(name, length), command);
		printf("' ;;\n");
	}
}

void completion_print_bash(void)
{
	printf("# shellcheck shell=bash\n"
		   "# bash completion of whisperbackup " WHISPERBACKUP_VERSION
		   ", made from the program's own tables of commands and options.\n\n"
		   "_whisperbackup_commands='");
	put_commands();
	printf("'\n\n_whisperbackup_options() { # COMMAND\n\tcase $1 in\n");
	for (size_t c = 0; command_table[c] != NULL; c++) {
		printf("\t%s) echo '", command_table[c]->name);
		const char *blank = "";
		for (size_t i = 0; i < OPTION_COUNT; i++) {
			if (command_allows(command_table[c], i)) {
				printf("%s--%s", blank, option_table[i].name);
				blank = " ";
			}
		}
		printf("' ;;\n");
	}
	printf("\tesac\n}\n\n"
		   "# What a value or an argument may be; nothing for an option that takes no value.\n"
		   "_whisperbackup_kind() { # OPTION, or COMMAND:POSITION\n\tcase $1 in\n");
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const char *value = option_table[i].value;
		if (value != NULL) {
			printf("\t--%s) echo '", option_table[i].name);
			put_bash_kind(reference_kind(value, strlen(value)), NULL);
			printf("' ;;\n");
		}
	}
	for (size_t c = 0; command_table[c] != NULL; c++) {
		put_bash_kinds_of_arguments(command_table[c]);
	}
	printf("\tesac\n}\n\n");
}

/* --- zsh ---------------------------------------------------------------------------------------------------------- */

/* What _arguments is to do for a word: "MESSAGE:ACTION" (zshcompsys(1), "_arguments"). */
static void put_zsh_action(enum reference_kind kind, const char *name, size_t length, const struct command *command)
{
	printf(":%.*s:", (int)length, name);
	switch (kind) {
	case REFERENCE_TIMESTAMP:
		printf("_whisperbackup_timestamps");
		break;
	case REFERENCE_STORES:
		printf("_whisperbackup_stores");
		break;
	case REFERENCE_COMMAND:
		printf("_whisperbackup_commands");
		break;
	case REFERENCE_INTERVAL:
		printf("(");
		put_words(reference_intervals);
		printf(")");
		break;
	case REFERENCE_ACTION:
		printf("(");
		if (command != NULL && command->actions != NULL) {
			put_words(command->actions);
		}
		printf(")");
		break;
	case REFERENCE_WAY:
		printf("(");
		put_words(reference_ways);
		printf(")");
		break;
	case REFERENCE_FREE:
		printf(" ");
		break;
	}
}

static void put_zsh_command(const struct command *command)
{
	printf("\t%s)\n\t\t_arguments -S", command->name);
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct option_definition *option = &option_table[i];
		if (command_allows(command, i)) {
			printf(" \\\n\t\t\t'--%s%s[", option->name, option->value != NULL ? "=" : "");
			put_quoted(option->help, "[]\\");
			printf("]");
			if (option->value != NULL) {
				size_t length = strlen(option->value);
				put_zsh_action(reference_kind(option->value, length), option->value, length, NULL);
			}
			printf("'");
		}
	}
	const char *arguments = command->arguments;
	const char *name;
	size_t length;
	for (size_t i = 0; i < command->most_arguments && reference_next_argument(&arguments, &name, &length); i++) {
		enum reference_kind kind = i == 0 && command->actions != NULL ? REFERENCE_ACTION : reference_kind(name, length);
		printf(" \\\n\t\t\t'%zu%s", i + 1, i >= command->least_arguments ? ":" : "");
		put_zsh_action(kind, name, length, command);
		printf("'");
	}
	printf("\n\t\t;;\n");
}

void completion_print_zsh(void)
{
	printf("#compdef whisperbackup\n"
		   "# zsh completion of whisperbackup " WHISPERBACKUP_VERSION
		   ", made from the program's own tables of commands and options.\n\n"
		   "_whisperbackup_commands() {\n\tlocal -a commands\n\tcommands=(\n");
	for (size_t c = 0; command_table[c] != NULL; c++) {
		printf("\t\t'%s:", command_table[c]->name);
		put_quoted(command_table[c]->summary, ":\\");
		printf("'\n");
	}
	printf("\t)\n\t_describe -t commands command commands\n}\n\n"
		   "_whisperbackup_stores() {\n\t_values -s , store ");
	put_stores();
	printf("\n}\n\n_whisperbackup_arguments() { # COMMAND\n\tcase $1 in\n");
	for (size_t c = 0; command_table[c] != NULL; c++) {
		put_zsh_command(command_table[c]);
	}
	printf("\tesac\n}\n\n");
}
