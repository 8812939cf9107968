/*
 * dump_setting.h - settings that change how psql reads the text behind them.
 *
 * With standard_conforming_strings off, a backslash in '...' is an escape; in some client encodings a byte of a
 * character can look like a quote. If psql and dump_lexer.h did not agree about these, what is a string to us could be
 * a backslash command to psql, such as `\!`, which runs a program.
 */
#ifndef WHISPERBACKUP_STORES_POSTGRESQL_DUMP_SETTING_H
#define WHISPERBACKUP_STORES_POSTGRESQL_DUMP_SETTING_H

#include "stores/postgresql/dump_lexer.h"

enum { DUMP_SETTING_TAIL = 32 }; /* bytes: more than the longest setting's name that is searched for */

/* All zero at first. */
struct dump_setting {
	bool suspect; /* the statement at hand must not speak of these settings */
	char tail[DUMP_SETTING_TAIL];
	size_t tail_length; /* the end of what has been seen of it */
};

/*
 * Takes the parts of every statement, in order. False if it is one that may change such a setting in another way than
 * pg_dump does. This cannot find everything (a name can be put together from two halves): psql's own restriction is to
 * find the rest (psql.h, psql_fence).
 */
bool dump_setting_allows(struct dump_setting *setting, const struct dump_part *part);

#endif
