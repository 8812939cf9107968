/*
 * command.h - the command line: one table of options, one of commands, and one file for each command.
 *
 * To add a command: write src/commands/NAME.c with a `const struct command command_NAME`, add it to the table in
 * command_table.c and its source to meson.build. The help, the man page and the completions come from these tables and
 * those of reference.h. Only this folder and main.c print: data on standard output, everything else on standard error.
 */
#ifndef WHISPERBACKUP_COMMANDS_COMMAND_H
#define WHISPERBACKUP_COMMANDS_COMMAND_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Exit codes of the program; reference.c says what they mean. */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1, /* and nothing is half done */
	EXIT_USAGE = 2,
	EXIT_PARTIAL = 3, /* at least one store failed, at least one is good */
	EXIT_LOCKED = 4,
	EXIT_DAMAGED = 5,
	EXIT_INTERRUPTED = 130,
};

/* What a failure becomes (command_table.c). */
enum exit_code command_exit_code(enum status status);

enum option {
	OPTION_ONLY,
	OPTION_MAX_FREEZE,
	OPTION_NO_PAUSE_WRITERS,
	OPTION_VOLUME_ACCESS,
	OPTION_ALLOW_SHARED_FOLDER,
	OPTION_YES,
	OPTION_NO_SAFETY_BACKUP,
	OPTION_KEEP_LAST,
	OPTION_KEEP_DAILY,
	OPTION_KEEP_WEEKLY,
	OPTION_KEEP_MONTHLY,
	OPTION_DRY_RUN,
	OPTION_ALL,
	OPTION_DRILL,
	OPTION_SYSTEMD,
	OPTION_WAIT,
	OPTION_JSON,
	OPTION_QUIET,
	OPTION_HELP,
	OPTION_COUNT
};

struct option_definition {
	const char *name;  /* without the dashes */
	const char *value; /* name of its value in the help; NULL if it takes none */
	const char *help;
};

extern const struct option_definition option_table[OPTION_COUNT];

enum { MOST_ARGUMENTS = 3 };

struct invocation {
	const struct command *command;
	const char *options[OPTION_COUNT]; /* the value, "" for an option without one; NULL if it was not given */
	const char *arguments[MOST_ARGUMENTS];
	size_t argument_count;
};

struct command {
	const char *name;
	const char *arguments; /* as the help shows them: "TIMESTAMP", "[DAYS]", ""; reference_kind knows the names */
	size_t least_arguments;
	size_t most_arguments;
	unsigned options;           /* bits 1 << enum option; --help belongs to all */
	const char *summary;        /* one line */
	const char *details;        /* paragraphs for COMMAND --help; lines that begin with a blank are shown as they are */
	const char *const *actions; /* what the first argument may be, ended by NULL; NULL if anything */
	/* Returns STATUS_OK and the exit code, or a failure that main prints. */
	enum status (*run)(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error);
};

extern const struct command command_create;
extern const struct command command_list;
extern const struct command command_show;
extern const struct command command_verify;
extern const struct command command_restore;
extern const struct command command_cleanup;
extern const struct command command_recover;
extern const struct command command_status;
extern const struct command command_health;
extern const struct command command_schedule;
extern const struct command command_help;

/* All commands, ended by NULL (command_table.c). */
extern const struct command *const command_table[];
const struct command *command_by_name(const char *name);

/* How the user calls us, for hints that can be typed: "./bot.sh backup" or "whisperbackup". */
const char *command_program(void);

/* Fills in the invocation from the words after the command's name. */
enum status command_parse(const struct command *command, char *const *words, struct invocation *ret_invocation,
						  struct error *error) MUST_CHECK;

bool command_allows(const struct command *command, size_t option);

/* Prints the help of one command, or of all, on standard output (help.c). */
void command_print_help(const struct command *command);

#endif
