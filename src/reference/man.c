#include "reference/man.h"

#include "commands/reference.h"
#include "stores/store.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { LINE_WIDTH = 78 }; /* bytes; mandoc wants lines of the source to be shorter than 80 */

/* When the page's own words, which are in this file and in reference.c, were last changed. */
static const char page_date[] = "November 23, 2026";

/* Characters that mean something to roff, or that it would print as a typographic sign which cannot be pasted. */
static const char *escape_of(char c)
{
	switch (c) {
	case '\\':
		return "\\e";
	case '-':
		return "\\-";
	case '\'':
		return "\\(aq";
	case '`':
		return "\\(ga";
	case '~':
		return "\\(ti";
	case '^':
		return "\\(ha";
	case '"':
		return "\\(dq"; /* it quotes macros' arguments */
	default:
		return NULL;
	}
}

/* Returns the number of bytes it has written. */
static size_t put(const char *text, size_t length)
{
	size_t written = 0;
	for (size_t i = 0; i < length; i++) {
		const char *escape = escape_of(text[i]);
		if (escape != NULL) {
			written += strlen(escape);
			fputs(escape, stdout);
		} else {
			written++;
			putchar(text[i]);
		}
	}
	return written;
}

/* A line that begins with a dot would be a macro; an apostrophe is escaped anyway. */
static void put_line_begin(const char *text)
{
	if (*text == '.') {
		fputs("\\&", stdout);
	}
}

/* Running text: every sentence begins a line, as mdoc(7) asks for, and no line is long. */
static void put_text(const char *text, size_t length)
{
	size_t column = 0;
	bool sentence_over = false;
	const char *word;
	size_t word_length;
	while (reference_next_word(&text, &length, &word, &word_length)) {
		if (column > 0 && (sentence_over || column + 1 + 2 * word_length > LINE_WIDTH)) {
			putchar('\n');
			column = 0;
		}
		if (column > 0) {
			putchar(' ');
			column++;
		} else {
			put_line_begin(word);
		}
		column += put(word, word_length);
		sentence_over = strchr(".!?", word[word_length - 1]) != NULL;
	}
	putchar('\n');
}

static void put_string(const char *text)
{
	put_text(text, strlen(text));
}

static void put_verbatim(const char *text, size_t length)
{
	printf(".Bd -literal\n");
	for (const char *end = text + length; text < end;) {
		size_t line = strcspn(text, "\n");
		line = line < (size_t)(end - text) ? line : (size_t)(end - text);
		(void)put(text, line);
		putchar('\n');
		text += line + 1;
	}
	printf(".Ed\n");
}

static void put_macro(const char *macro, const char *argument)
{
	printf("%s ", macro);
	(void)put(argument, strlen(argument));
	putchar('\n');
}

static void put_option(const char *macro, const struct option_definition *option)
{
	printf("%s Fl ", macro);
	printf("\\-");
	(void)put(option->name, strlen(option->name));
	if (option->value != NULL) {
		printf(" Ar %s", option->value);
	}
	putchar('\n');
}

/* "TIMESTAMP", or "[DAYS]" with the macro for optional things; anything that is more difficult as it stands. */
static void put_arguments(const char *arguments)
{
	size_t length = strlen(arguments);
	const char *word;
	size_t word_length;
	while (reference_next_word(&arguments, &length, &word, &word_length)) {
		bool optional = word_length > 2 && word[0] == '[' && word[word_length - 1] == ']';
		word += optional ? 1 : 0;
		word_length -= optional ? 2 : 0;
		printf(optional ? ".Op Ar " : ".Ar ");
		(void)put(word, word_length);
		putchar('\n');
	}
}

static void put_actions(const struct command *command)
{
	printf(".Pp\nThe first argument is one of\n");
	for (size_t i = 0; command->actions[i] != NULL; i++) {
		const char *behind = command->actions[i + 1] == NULL ? " ." : " ,";
		printf(".Cm ");
		(void)put(command->actions[i], strlen(command->actions[i]));
		printf("%s\n", behind);
	}
}

static void put_command(const struct command *command)
{
	printf(".It Xo\n");
	put_macro(".Cm", command->name);
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (command_allows(command, i)) {
			put_option(".Op", &option_table[i]);
		}
	}
	put_arguments(command->arguments);
	printf(".Xc\n");
	(void)put(command->summary, strlen(command->summary));
	printf(".\n");
	if (command->actions != NULL) {
		put_actions(command);
	}
	const char *details = command->details;
	const char *text;
	size_t length;
	enum reference_block block;
	while ((block = reference_next_block(&details, &text, &length)) != BLOCK_END) {
		if (block == BLOCK_PARAGRAPH) {
			printf(".Pp\n");
			put_text(text, length);
		} else {
			put_verbatim(text, length);
		}
	}
}

static void put_beginning(void)
{
	printf(".\\\" Made from the program's own tables of commands and options.\n"
		   ".Dd %s\n.Dt WHISPERBACKUP 1\n.Os whisperbackup " WHISPERBACKUP_VERSION "\n"
		   ".Sh NAME\n.Nm whisperbackup\n.Nd backs up and restores the data of a WhisperEngine stack\n"
		   ".Sh SYNOPSIS\n.Nm\n.Ar COMMAND\n.Op Ar OPTIONS\n.Op Ar ARGUMENTS\n.Nm\n.Fl \\-help | Fl \\-version\n"
		   ".Sh DESCRIPTION\n",
		   page_date);
	put_string(reference_summary);
	put_string("It is called in the folder of the Compose project, the one with the compose file, or in any folder "
			   "below. Options may stand before or behind the arguments; -- ends the options. Data is printed on "
			   "standard output, messages and progress on standard error.");
}

static void put_commands(void)
{
	printf(".Sh COMMANDS\n.Bl -tag -width Ds\n");
	for (size_t i = 0; command_table[i] != NULL; i++) {
		put_command(command_table[i]);
	}
	printf(".El\n");
}

static void put_options(void)
{
	printf(".Sh OPTIONS\n.Bl -tag -width Ds\n");
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		char commands[512] = "Of";
		size_t length = strlen(commands);
		for (size_t c = 0; command_table[c] != NULL && length < sizeof commands; c++) {
			if (command_allows(command_table[c], i)) {
				length += (size_t)snprintf(commands + length, sizeof commands - length, "%s %s",
										   commands[length - 1] == 'f' ? "" : ",", command_table[c]->name);
			}
		}
		if (strcmp(commands, "Of") == 0) {
			continue; /* no command has it */
		}
		put_option(".It", &option_table[i]);
		char text[512];
		snprintf(text, sizeof text, "%c%s.", toupper((unsigned char)option_table[i].help[0]), option_table[i].help + 1);
		put_string(text);
		put_string(i == OPTION_HELP ? "Of every command." : strcat(commands, "."));
	}
	printf(".It Fl \\-version\n");
	put_string("Print the name and the version of the program. Stands alone.");
	printf(".El\n");
}

static void put_entry(const char *name, const char *text)
{
	put_macro(".It", name);
	put_string(text);
}

static void put_environment_and_files(void)
{
	printf(".Sh ENVIRONMENT\n");
	put_string(
		"The first three are also read from the file .env beside the compose file. The environment comes first.");
	printf(".Bl -tag -width Ds\n");
	for (const struct reference_entry *entry = reference_environment; entry->text != NULL; entry++) {
		put_macro(".It Ev", entry->name);
		put_string(entry->text);
	}
	printf(".El\n.Sh FILES\n.Bl -tag -width Ds\n");
	put_entry(".env", "Settings of the Compose project, beside the compose file.");
	put_entry("backups/backup.log", "What scheduled runs have said. It is in the folder that BACKUP_DIR names.");
	put_entry("backups/whisperengine_backup_YYYYMMDD_HHMMSS/",
			  "One backup, named after the local time when it was begun. A backup that is being made has another name. "
			  "In it are:");
	printf(".Bl -tag -width Ds\n");
	for (size_t i = 0; i < STORE_COUNT; i++) {
		char text[128];
		snprintf(text, sizeof text, "The data of %s.", store_table[i]->title);
		put_entry(store_table[i]->artefact, text);
	}
	for (const struct reference_entry *entry = reference_files; entry->text != NULL; entry++) {
		put_entry(entry->name, entry->text);
	}
	printf(".El\n.El\n");
}

static void put_examples(void)
{
	const char *between = "";
	printf(".Sh EXAMPLES\n");
	for (size_t i = 0; command_table[i] != NULL; i++) {
		for (const struct reference_example *example = reference_examples; example->text != NULL; example++) {
			if (strcmp(example->command, command_table[i]->name) == 0) {
				fputs(between, stdout);
				put_string(example->text);
				printf(".Pp\n.Dl whisperbackup %s%s", example->command, example->words[0] != '\0' ? " " : "");
				(void)put(example->words, strlen(example->words));
				putchar('\n');
				between = ".Pp\n";
			}
		}
	}
}

static void put_exit_status(void)
{
	printf(".Sh EXIT STATUS\n.Bl -tag -width Ds\n");
	for (const struct reference_exit *exit = reference_exits; exit->text != NULL; exit++) {
		printf(".It %d\n", (int)exit->code);
		put_string(exit->text);
	}
	printf(".El\n");
}

void man_print(void)
{
	put_beginning();
	put_commands();
	put_options();
	put_environment_and_files();
	put_exit_status();
	put_examples();
	printf(".Sh SEE ALSO\n.Xr docker 1 ,\n.Xr gunzip 1 ,\n.Xr pg_dumpall 1 ,\n.Xr sha256sum 1 ,\n.Xr tar 1\n");
}
