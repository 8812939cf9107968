/*
 * sql_statement.h - looking at, quoting and changing one SQL statement that is in memory.
 *
 * Only for the few statements of a dump that speak of whole databases, roles and tablespaces; dump_lexer.h is for the
 * rest.
 */
#ifndef WHISPERBACKUP_STORES_POSTGRESQL_SQL_STATEMENT_H
#define WHISPERBACKUP_STORES_POSTGRESQL_SQL_STATEMENT_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Bytes, with the closing NUL, of the name of a database, role or tablespace: NAMEDATALEN of PostgreSQL. */
enum { SQL_NAME_SIZE = 64 };

enum sql_token_kind {
	SQL_END,        /* of the statement, or of as much of it as is there */
	SQL_WORD,       /* a keyword or an identifier without quotes, or a number */
	SQL_IDENTIFIER, /* "..." */
	SQL_STRING,     /* '...' or E'...' */
	SQL_SYMBOL,     /* any other byte */
};

struct sql_token {
	enum sql_token_kind kind;
	size_t start; /* in bytes from the start of the text */
	size_t length;
};

/* The token at or after `at`, white space and comments of one line left out. */
struct sql_token sql_statement_token(const char *text, size_t length, size_t at);

/* True if the token is this keyword, in upper or lower case. */
bool sql_statement_is(const char *text, struct sql_token token, const char *keyword);

/* True if it begins with these keywords, separated by one space: "CREATE DATABASE". `*ret_end` is where they end. */
bool sql_statement_begins(const char *text, size_t length, const char *keywords, size_t *ret_end);

/* The name that a word or a quoted identifier stands for; false if the token is neither, or longer than a name can be.
 */
bool sql_statement_name(const char *text, struct sql_token token, char ret_name[SQL_NAME_SIZE]);

/* True if the keyword stands anywhere in the statement outside of quotes. */
bool sql_statement_has(const char *text, size_t length, const char *keyword);

/*
 * The token that names the database which a statement makes, changes, comments on or gives rights to; SQL_END if it
 * does nothing of the kind. The first DUMP_HEAD_SIZE bytes of a statement are enough.
 */
struct sql_token sql_statement_database(const char *text, size_t length);

/*
 * True if the statement begins as the pattern says, whose words are separated by one space: a keyword or a symbol
 * stands for itself, @ for the name `name` (of a database), # for any one name or number, ' for a string without
 * backslashes, * for words and commas up to what follows it in the pattern.
 */
bool sql_statement_matches(const char *text, size_t length, const char *pattern, const char *name);

/* The first keywords of a statement, for messages: letters and single spaces only, so that nothing of a name in quotes,
 * a number or a string is among them; "" if it begins with anything else. */
enum { SQL_KIND_SIZE = 64, SQL_KIND_WORDS = 3 };
void sql_statement_kind(const char *text, size_t length, char ret_kind[SQL_KIND_SIZE]);

/* Appends "name" with its quotes doubled; 'text' likewise, for sessions with standard_conforming_strings on. */
enum status sql_statement_quote_name(struct buffer *sql, const char *name, struct error *error) MUST_CHECK;
enum status sql_statement_quote_text(struct buffer *sql, const char *text, struct error *error) MUST_CHECK;

#endif
