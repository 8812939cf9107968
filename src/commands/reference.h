/*
 * reference.h - what is told about the program besides its commands and options: exit codes, environment, files and
 * examples; and how the texts of the tables are read.
 *
 * The help (help.c), the man page and the completions (src/reference) are made from these tables and those of command.h
 * alone, so that none of them can say something else than the others.
 */
#ifndef WHISPERBACKUP_COMMANDS_REFERENCE_H
#define WHISPERBACKUP_COMMANDS_REFERENCE_H

#include "commands/command.h"

/* One sentence or two about the whole program. */
extern const char *const reference_summary;

/* Each table ends with an entry whose text is NULL. */
struct reference_exit {
	enum exit_code code;
	const char *text;
};

struct reference_entry {
	const char *name;
	const char *text;
};

struct reference_example {
	const char *command; /* one that is not in the command table has no examples shown */
	const char *words;   /* behind the command's name */
	const char *text;
};

extern const struct reference_exit reference_exits[];
extern const struct reference_entry reference_environment[]; /* settings that .env may hold too come first */
extern const struct reference_entry reference_files[];       /* in a backup's folder: beside those of the stores */
extern const struct reference_example reference_examples[];

/* What a word of a command line may be, as the names of arguments and of options' values tell it. */
enum reference_kind {
	REFERENCE_FREE, /* nothing that could be offered: a number, a cron expression */
	REFERENCE_TIMESTAMP,
	REFERENCE_STORES, /* names of stores, separated by commas */
	REFERENCE_COMMAND,
	REFERENCE_INTERVAL, /* how often a schedule runs: reference_intervals */
	REFERENCE_ACTION,   /* one of the command's actions */
	REFERENCE_WAY,      /* to the files in volumes: reference_ways */
};

extern const char *const reference_intervals[]; /* ended by NULL */
extern const char *const reference_ways[];      /* the same */

/*
 * Takes the next argument of `*arguments`, which is a command's `arguments` at first, and moves on. False at the end.
 * *ret_name is lent and has its brackets cut off by *ret_length.
 */
bool reference_next_argument(const char **arguments, const char **ret_name, size_t *ret_length);

/* `name` is "TIMESTAMP", "STORES" and so on; `length` counts its bytes. */
enum reference_kind reference_kind(const char *name, size_t length);

enum reference_block { BLOCK_END, BLOCK_PARAGRAPH, BLOCK_VERBATIM };

/*
 * Takes the next part of a command's details: a paragraph, whose line breaks mean nothing, or lines that begin with a
 * blank and stay as they are (the last newline is cut off). *ret_text is lent.
 */
enum reference_block reference_next_block(const char **details, const char **ret_text, size_t *ret_length);

/* Takes the next word of a text of `*length` bytes. False at the end. *ret_word is lent. */
bool reference_next_word(const char **text, size_t *length, const char **ret_word, size_t *ret_length);

#endif
