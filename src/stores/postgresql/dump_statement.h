/*
 * dump_statement.h - where one statement of a dump ends, and whether rows follow it.
 *
 * Told the words and symbols of a statement outside of strings, quoted names and comments, in order.
 * Source of the rules: psqlscan.l of PostgreSQL 17, rules {identifier}, "(", ")" and ";".
 */
#ifndef WHISPERBACKUP_STORES_POSTGRESQL_DUMP_STATEMENT_H
#define WHISPERBACKUP_STORES_POSTGRESQL_DUMP_STATEMENT_H

#include <stdbool.h>
#include <stddef.h>

/* All zero where a statement begins. */
struct dump_statement {
	unsigned words;
	char first_letters[4]; /* of CREATE [OR REPLACE] FUNCTION | PROCEDURE */
	unsigned paren_depth;  /* a semicolon in parentheses ends nothing (CREATE RULE ... DO (a; b)) */
	unsigned begin_depth;  /* nor does one in BEGIN ATOMIC ... END */
	bool copy;             /* the first word is COPY */
	bool from;             /* the last word was FROM */
	bool from_stdin;
};

void dump_statement_word(struct dump_statement *statement, const char *word, size_t length);

/* True if this byte, no part of a word, is the semicolon that ends the statement. */
bool dump_statement_symbol(struct dump_statement *statement, char byte);

/* Of a statement that has ended: it is COPY ... FROM stdin, so rows follow. */
bool dump_statement_copies(const struct dump_statement *statement);

#endif
