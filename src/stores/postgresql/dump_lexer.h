/*
 * dump_lexer.h - splits the text of pg_dump and pg_dumpall into its top-level pieces, as psql would.
 *
 * A line that looks like `\connect x`, `DROP DATABASE x;` or the end of COPY data may stand inside a string or a
 * function body, so that nothing less than this lexer can tell. The text is taken as bytes: one dump may mix encodings.
 * Memory is bounded by one window whatever the size of the pieces, which are therefore handed on in parts.
 *
 * Source of the rules: psqlscan.l and psql's handling of COPY in PostgreSQL 12 to 17.
 */
#ifndef WHISPERBACKUP_STORES_POSTGRESQL_DUMP_LEXER_H
#define WHISPERBACKUP_STORES_POSTGRESQL_DUMP_LEXER_H

#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dump_piece {
	DUMP_SPACE,     /* white space between the other pieces */
	DUMP_COMMENT,   /* a comment between statements: one line without its newline, or a block */
	DUMP_STATEMENT, /* SQL up to and including its semicolon */
	DUMP_COPY_DATA, /* the lines after COPY ... FROM stdin, up to and including the line with the closing \. */
	DUMP_COMMAND,   /* a backslash command, without its newline */
};

/* Bytes: the first part of a piece holds at least this much of it, or all of it. */
enum { DUMP_HEAD_SIZE = 1024 };

struct dump_part {
	enum dump_piece piece;
	bool first;
	bool last;
	uint64_t offset;   /* of the part's first byte in the text */
	uint64_t line;     /* of the same, counted from 1 where the reading began */
	bool escapes;      /* standard_conforming_strings is off: '...' is read as E'...' */
	const char *bytes; /* lent for the call */
	size_t length;
};

/* Takes the parts, in order and without gaps; the first member of the struct of whoever listens. */
struct dump_listener {
	enum status (*part)(struct dump_listener *listener, const struct dump_part *part, struct error *error);
};

struct dump_lexer;

/*
 * Reads on from a place between two pieces, `offset` bytes from the start of the text. `escapes` is what the part there
 * said, false at the start. `listener` is lent.
 */
enum status dump_lexer_new(struct dump_listener *listener, uint64_t offset, bool escapes, struct dump_lexer **ret_lexer,
						   struct error *error) MUST_CHECK;

/* The place for the next bytes of the text, never empty. Lent until the next call. */
char *dump_lexer_room(struct dump_lexer *lexer, size_t *ret_size);

/*
 * `length` bytes have been put there. STATUS_DAMAGED if they cannot be part of a dump: a zero byte, a line end of DOS
 * or of a terminal, a backslash command inside a statement. Failures of the listener are passed on.
 */
enum status dump_lexer_put(struct dump_lexer *lexer, size_t length, struct error *error) MUST_CHECK;

/* The text is over: STATUS_DAMAGED if it stops inside a statement, a string, a block comment or COPY data. */
enum status dump_lexer_finish(struct dump_lexer *lexer, struct error *error) MUST_CHECK;

/* Puts bytes that are in memory already; a whole text in memory, from its start to its end. */
enum status dump_lexer_put_bytes(struct dump_lexer *lexer, const void *bytes, size_t length,
								 struct error *error) MUST_CHECK;
enum status dump_lexer_text(const char *text, size_t length, struct dump_listener *listener,
							struct error *error) MUST_CHECK;

void dump_lexer_free(struct dump_lexer *lexer);
CLEANUP_DEFINE(dump_lexer, struct dump_lexer, dump_lexer_free)

#endif
