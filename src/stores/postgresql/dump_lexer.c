#include "stores/postgresql/dump_lexer.h"

#include "base/stream.h"
#include "stores/postgresql/dump_statement.h"

#include <stdlib.h>
#include <string.h>

enum {
	WINDOW_SIZE = 2 * STREAM_BLOCK_SIZE, /* bytes held at a time */
	TAG_SIZE = 256,                      /* longest $tag$, in bytes with its dollars */
};

/* What the byte at hand stands in. */
enum mode {
	BETWEEN,       /* between two pieces */
	SPACE,         /* white space between two pieces */
	SQL,           /* a statement, outside of everything below */
	STRING,        /* '...', in which a backslash is nothing special */
	ESCAPE_STRING, /* E'...' */
	IDENTIFIER,    /* "..." */
	DOLLAR,        /* $tag$...$tag$ */
	LINE_COMMENT,
	BLOCK_COMMENT,
	COPY_DATA,
	COMMAND,
};

/* Everything that lexing a byte depends on and changes: copied to go back to the start of a piece. */
struct state {
	enum mode mode;
	enum dump_piece piece;
	bool in_statement;      /* comments and strings go back to SQL, else a comment is a piece of its own */
	bool line_start;        /* COPY_DATA: the next byte begins a line */
	bool copy_next;         /* COPY_DATA begins behind the next newline */
	unsigned comment_depth; /* BLOCK_COMMENT: they nest */
	size_t tag_length;
	char tag[TAG_SIZE];

	struct dump_statement statement; /* the one at hand, as far as it has been read */
};

struct dump_lexer {
	struct dump_listener *listener;
	struct state state;
	struct state piece_state; /* at the start of the piece at hand */
	bool escapes;             /* standard_conforming_strings is off: '...' is read as E'...' */
	bool begun;               /* a part of the piece at hand has been handed on */
	uint64_t offset;          /* of window[0] in the text */
	uint64_t line;            /* of the byte at `start` */
	size_t start;             /* the piece at hand, as far as it has not been handed on, begins here in the window */
	size_t at;                /* the next byte to look at */
	size_t end;               /* the bytes that are there */
	bool final;               /* no more will come */
	char window[WINDOW_SIZE];
};

enum status dump_lexer_new(struct dump_listener *listener, uint64_t offset, bool escapes, struct dump_lexer **ret_lexer,
						   struct error *error)
{
	struct dump_lexer *lexer = calloc(1, sizeof *lexer);
	if (lexer == NULL) {
		return error_memory(error);
	}
	lexer->listener = listener;
	lexer->offset = offset;
	lexer->line = 1;
	lexer->escapes = escapes;
	*ret_lexer = lexer;
	return STATUS_OK;
}

void dump_lexer_free(struct dump_lexer *lexer)
{
	free(lexer);
}

static bool is_space(char byte)
{
	return byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r' || byte == '\f' || byte == '\v';
}

static bool is_word_start(char byte)
{
	unsigned char letter = (unsigned char)(byte | 0x20);
	return (letter >= 'a' && letter <= 'z') || byte == '_' || (unsigned char)byte >= 0x80;
}

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static enum status damaged(const struct dump_lexer *lexer, struct error *error, const char *what)
{
	return error_set(error, STATUS_DAMAGED, "%s at byte %llu", what, (unsigned long long)lexer->offset + lexer->at);
}

static enum status terminal_lines(struct error *error)
{
	(void)error_set(error, STATUS_DAMAGED,
					"its lines end in CR LF: the dump went through a terminal, or was edited on Windows");
	return error_hint(error,
					  "dump again with `exec -T` (docker-compose) or without `-t` (docker); this file can be mended "
					  "with: sed 's/\\r$//'");
}

static uint64_t count_lines(const char *bytes, size_t length)
{
	uint64_t lines = 0;
	const char *end = bytes + length;
	for (const char *at = bytes; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++) {
		lines++;
	}
	return lines;
}

/* Hands on what the window holds of the piece at hand. */
static enum status hand_on(struct dump_lexer *lexer, bool last, struct error *error)
{
	const struct dump_part part = {
		.piece = lexer->state.piece,
		.first = !lexer->begun,
		.last = last,
		.offset = lexer->offset + lexer->start,
		.line = lexer->line,
		.escapes = lexer->escapes,
		.bytes = lexer->window + lexer->start,
		.length = lexer->at - lexer->start,
	};
	lexer->start = lexer->at;
	lexer->line += count_lines(part.bytes, part.length);
	lexer->begun = !last;
	return lexer->listener->part(lexer->listener, &part, error);
}

/* These change how the rest is to be read. What else may do so has no place in a dump (dump_setting.h). */
static void notice_setting(struct dump_lexer *lexer)
{
	static const char on[] = "SET standard_conforming_strings = on;";
	static const char off[] = "SET standard_conforming_strings = off;";
	const char *text = lexer->window + lexer->start;
	size_t length = lexer->at - lexer->start;
	if (!lexer->begun && length == sizeof on - 1 && memcmp(text, on, length) == 0) {
		lexer->escapes = false;
	} else if (!lexer->begun && length == sizeof off - 1 && memcmp(text, off, length) == 0) {
		lexer->escapes = true;
	}
}

static enum status end_piece(struct dump_lexer *lexer, struct error *error)
{
	enum status status = hand_on(lexer, true, error);
	lexer->state.mode = BETWEEN;
	lexer->piece_state = lexer->state;
	return status;
}

/* The byte at hand begins a piece: finds out which. */
static enum status begin_piece(struct dump_lexer *lexer, struct error *error)
{
	struct state *state = &lexer->state;
	char byte = lexer->window[lexer->at];
	char next = lexer->at + 1 < lexer->end ? lexer->window[lexer->at + 1] : '\0';
	if (is_space(byte)) {
		state->mode = SPACE;
		state->piece = DUMP_SPACE;
	} else if (state->copy_next) {
		return damaged(lexer, error, "something follows COPY ... FROM stdin on its line");
	} else if ((byte == '-' && next == '-') || (byte == '/' && next == '*')) {
		state->mode = byte == '-' ? LINE_COMMENT : BLOCK_COMMENT;
		state->piece = DUMP_COMMENT;
		state->comment_depth = 0;
	} else if (byte == '\\') {
		state->mode = COMMAND;
		state->piece = DUMP_COMMAND;
	} else {
		*state = (struct state){.mode = SQL, .piece = DUMP_STATEMENT, .in_statement = true};
	}
	return STATUS_OK;
}

/* White space; the newline after a COPY statement ends it, since the data begin there. */
static enum status lex_space(struct dump_lexer *lexer, struct error *error)
{
	while (lexer->at < lexer->end && is_space(lexer->window[lexer->at])) {
		char byte = lexer->window[lexer->at++];
		if (byte == '\r' && lexer->at < lexer->end && lexer->window[lexer->at] == '\n') {
			return terminal_lines(error);
		}
		if (byte == '\n' && lexer->state.copy_next) {
			enum status status = end_piece(lexer, error);
			lexer->state.copy_next = false;
			lexer->state.mode = COPY_DATA;
			lexer->state.piece = DUMP_COPY_DATA;
			lexer->state.line_start = true;
			lexer->piece_state = lexer->state;
			return status;
		}
	}
	return lexer->at < lexer->end || lexer->final ? end_piece(lexer, error) : STATUS_OK;
}

/* The COPY data's closing line is searched for; its beginning may be the window's last bytes. */
static enum status lex_copy_data(struct dump_lexer *lexer, struct error *error)
{
	while (lexer->at < lexer->end) {
		if (lexer->state.line_start) {
			const char *line = lexer->window + lexer->at;
			size_t left = lexer->end - lexer->at;
			if (left < 3 && !lexer->final && line[0] == '\\') {
				return STATUS_OK;
			}
			lexer->state.line_start = false;
			if (left >= 3 && memcmp(line, "\\.\r", 3) == 0) {
				return terminal_lines(error);
			}
			if (left >= 3 && memcmp(line, "\\.\n", 3) == 0) {
				lexer->at += 3;
				return end_piece(lexer, error);
			}
		}
		const char *from = lexer->window + lexer->at;
		const char *found = memmem(from, lexer->end - lexer->at, "\n\\", 2);
		lexer->at = found != NULL ? (size_t)(found + 1 - lexer->window) : lexer->end;
		lexer->state.line_start = found != NULL || lexer->window[lexer->end - 1] == '\n';
	}
	return STATUS_OK;
}

/* A quote ends the string unless another follows it, which has to be there to be seen. */
static void lex_quoted(struct dump_lexer *lexer)
{
	const struct state *state = &lexer->state;
	char quote = state->mode == IDENTIFIER ? '"' : '\'';
	while (lexer->at < lexer->end) {
		const char *found = lexer->window + lexer->at;
		const char *end = lexer->window + lexer->end;
		if (state->mode == ESCAPE_STRING) {
			while (found < end && *found != quote && *found != '\\') {
				found++;
			}
		} else {
			found = memchr(found, quote, (size_t)(end - found));
		}
		if (found == NULL || found == end) {
			lexer->at = lexer->end;
			return;
		}
		lexer->at = (size_t)(found - lexer->window);
		if (lexer->at + 1 == lexer->end && !lexer->final) {
			return;
		}
		if (*found == quote && (lexer->at + 1 == lexer->end || found[1] != quote)) {
			lexer->at++;
			lexer->state.mode = SQL;
			return;
		}
		lexer->at += lexer->at + 1 < lexer->end ? 2 : 1;
	}
}

static void lex_dollar(struct dump_lexer *lexer)
{
	struct state *state = &lexer->state;
	char *from = lexer->window + lexer->at;
	size_t left = lexer->end - lexer->at;
	char *found = memmem(from, left, state->tag, state->tag_length);
	if (found != NULL) {
		lexer->at = (size_t)(found - lexer->window) + state->tag_length;
		state->mode = SQL;
	} else if (lexer->final) {
		lexer->at = lexer->end;
	} else if (left >= state->tag_length) {
		lexer->at = lexer->end - (state->tag_length - 1);
	}
}

static enum status lex_line(struct dump_lexer *lexer, struct error *error)
{
	char *from = lexer->window + lexer->at;
	char *newline = memchr(from, '\n', lexer->end - lexer->at);
	lexer->at = newline != NULL ? (size_t)(newline - lexer->window) : lexer->end;
	if (newline != NULL && lexer->at > 0 && newline[-1] == '\r') {
		return terminal_lines(error);
	}
	/* For psql and the server a comment ends there (psqlscan.l, "newline"). One between statements is fed to nobody. */
	if (lexer->state.in_statement && memchr(from, '\r', (size_t)(lexer->window + lexer->at - from)) != NULL) {
		return damaged(lexer, error, "a carriage return in a comment inside a statement");
	}
	if (newline == NULL && !lexer->final) {
		return STATUS_OK;
	}
	if (lexer->state.in_statement) {
		lexer->state.mode = SQL;
		return STATUS_OK;
	}
	return end_piece(lexer, error);
}

static enum status lex_block_comment(struct dump_lexer *lexer, struct error *error)
{
	while (lexer->at + 1 < lexer->end) {
		const char *bytes = lexer->window + lexer->at;
		bool opens = bytes[0] == '/' && bytes[1] == '*';
		bool closes = bytes[0] == '*' && bytes[1] == '/';
		lexer->at += opens || closes ? 2 : 1;
		lexer->state.comment_depth += opens;
		if (closes && --lexer->state.comment_depth == 0) {
			lexer->state.mode = lexer->state.in_statement ? SQL : BETWEEN;
			return lexer->state.in_statement ? STATUS_OK : end_piece(lexer, error);
		}
	}
	lexer->at = lexer->final ? lexer->end : lexer->at;
	return STATUS_OK;
}

/* A word, a number, or $tag$: false if it may go on behind the window's end. */
static bool lex_word(struct dump_lexer *lexer)
{
	struct state *state = &lexer->state;
	const char *word = lexer->window + lexer->at;
	size_t left = lexer->end - lexer->at;
	size_t length = 1;
	if (word[0] == '$') {
		while (length < left && (is_word_start(word[length]) || (length > 1 && is_digit(word[length])))) {
			length++;
		}
		if (length == left && !lexer->final) {
			return false;
		}
		if (length < left && word[length] == '$' && length + 1 <= sizeof state->tag) {
			state->tag_length = length + 1;
			memcpy(state->tag, word, state->tag_length);
			state->mode = DOLLAR;
			length++;
		} else {
			length = 1;
		}
		lexer->at += length;
		return true;
	}
	while (length < left && (is_word_start(word[length]) || is_digit(word[length]) || word[length] == '$')) {
		length++;
	}
	if (length == left && !lexer->final) {
		return false;
	}
	if (!is_digit(word[0])) {
		dump_statement_word(&state->statement, word, length);
	}
	lexer->at += length;
	if (length == 1 && (word[0] | 0x20) == 'e' && length < left && word[1] == '\'') {
		lexer->at++;
		state->mode = ESCAPE_STRING;
	}
	return true;
}

/* SQL outside of strings and comments, until it enters one of them or the statement ends. */
static enum status lex_sql(struct dump_lexer *lexer, struct error *error)
{
	struct state *state = &lexer->state;
	while (lexer->at < lexer->end && state->mode == SQL) {
		char byte = lexer->window[lexer->at];
		if (is_word_start(byte) || is_digit(byte) || byte == '$') {
			if (!lex_word(lexer)) {
				return STATUS_OK;
			}
			continue;
		}
		if ((byte == '-' || byte == '/') && lexer->at + 1 == lexer->end && !lexer->final) {
			return STATUS_OK;
		}
		char next = lexer->at + 1 < lexer->end ? lexer->window[lexer->at + 1] : '\0';
		switch (byte) {
		case '\'':
			state->mode = lexer->escapes ? ESCAPE_STRING : STRING;
			break;
		case '"':
			state->mode = IDENTIFIER;
			break;
		case '-':
			state->mode = next == '-' ? LINE_COMMENT : SQL;
			break;
		case '/':
			state->mode = next == '*' ? BLOCK_COMMENT : SQL;
			state->comment_depth = 0;
			break;
		case '\\':
			return damaged(lexer, error, "a backslash command inside a statement");
		default:
			break;
		}
		lexer->at += state->mode != LINE_COMMENT && state->mode != BLOCK_COMMENT;
		if (dump_statement_symbol(&state->statement, byte)) {
			notice_setting(lexer);
			enum status status = end_piece(lexer, error);
			state->in_statement = false;
			state->copy_next = dump_statement_copies(&state->statement);
			lexer->piece_state = *state;
			return status;
		}
	}
	return STATUS_OK;
}

static enum status lex_some(struct dump_lexer *lexer, struct error *error)
{
	switch (lexer->state.mode) {
	case BETWEEN:
		return lexer->at + 1 == lexer->end && !lexer->final ? STATUS_OK : begin_piece(lexer, error);
	case SPACE:
		return lex_space(lexer, error);
	case SQL:
		return lex_sql(lexer, error);
	case STRING:
	case ESCAPE_STRING:
	case IDENTIFIER:
		lex_quoted(lexer);
		return STATUS_OK;
	case DOLLAR:
		lex_dollar(lexer);
		return STATUS_OK;
	case LINE_COMMENT:
	case COMMAND:
		return lex_line(lexer, error);
	case BLOCK_COMMENT:
		return lex_block_comment(lexer, error);
	case COPY_DATA:
		break;
	}
	return lex_copy_data(lexer, error);
}

/* As far as the bytes that are there allow it; then hands on what is long enough, else goes back to the piece's start.
 */
static enum status lex(struct dump_lexer *lexer, struct error *error)
{
	enum status status = STATUS_OK;
	while (status == STATUS_OK && lexer->at < lexer->end) {
		size_t before = lexer->at;
		enum mode mode = lexer->state.mode;
		status = lex_some(lexer, error);
		if (lexer->at == before && lexer->state.mode == mode) {
			break;
		}
	}
	if (status != STATUS_OK || lexer->final) {
		return status;
	}
	if (lexer->begun || lexer->at - lexer->start >= DUMP_HEAD_SIZE) {
		return lexer->at > lexer->start ? hand_on(lexer, false, error) : STATUS_OK;
	}
	lexer->at = lexer->start;
	lexer->state = lexer->piece_state;
	return STATUS_OK;
}

char *dump_lexer_room(struct dump_lexer *lexer, size_t *ret_size)
{
	/* What is left is less than a head or a word, unless somebody wrote a word that fills the window. */
	memmove(lexer->window, lexer->window + lexer->start, lexer->end - lexer->start);
	lexer->offset += lexer->start;
	lexer->at -= lexer->start;
	lexer->end -= lexer->start;
	lexer->start = 0;
	*ret_size = sizeof lexer->window - lexer->end;
	return lexer->window + lexer->end;
}

enum status dump_lexer_put(struct dump_lexer *lexer, size_t length, struct error *error)
{
	const char *zero = memchr(lexer->window + lexer->end, '\0', length);
	if (zero != NULL) {
		lexer->at = (size_t)(zero - lexer->window);
		return damaged(lexer, error, "a zero byte");
	}
	lexer->end += length;
	enum status status = lex(lexer, error);
	if (status == STATUS_OK && lexer->start == 0 && lexer->end == sizeof lexer->window) {
		return damaged(lexer, error, "a word without end");
	}
	return status;
}

enum status dump_lexer_finish(struct dump_lexer *lexer, struct error *error)
{
	lexer->final = true;
	enum status status = lex(lexer, error);
	if (status != STATUS_OK) {
		return status;
	}
	const struct state *state = &lexer->state;
	if (lexer->at < lexer->end || state->mode != BETWEEN || state->copy_next) {
		static const char *const names[] = {[DUMP_SPACE] = "a line",
											[DUMP_COMMENT] = "a comment",
											[DUMP_STATEMENT] = "a statement",
											[DUMP_COPY_DATA] = "the rows of a table",
											[DUMP_COMMAND] = "a command"};
		return error_set(error, STATUS_DAMAGED, "it stops in the middle of %s", names[state->piece]);
	}
	return STATUS_OK;
}

enum status dump_lexer_put_bytes(struct dump_lexer *lexer, const void *bytes, size_t length, struct error *error)
{
	const char *from = bytes;
	enum status status = STATUS_OK;
	while (status == STATUS_OK && length > 0) {
		size_t size = 0;
		char *room = dump_lexer_room(lexer, &size);
		size = size < length ? size : length;
		memcpy(room, from, size);
		from += size;
		length -= size;
		status = dump_lexer_put(lexer, size, error);
	}
	return status;
}

enum status dump_lexer_text(const char *text, size_t length, struct dump_listener *listener, struct error *error)
{
	CLEANUP(cleanup_dump_lexer) struct dump_lexer *lexer = NULL;
	enum status status = dump_lexer_new(listener, 0, false, &lexer, error);
	if (status == STATUS_OK) {
		status = dump_lexer_put_bytes(lexer, text, length, error);
	}
	return status == STATUS_OK ? dump_lexer_finish(lexer, error) : status;
}
