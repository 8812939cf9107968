/*
 * buffer.h - bytes that grow, up to a limit that must be named.
 *
 * The content is always followed by a NUL byte that is not counted, so that text can be read as a C string.
 */
#ifndef WHISPERBACKUP_BASE_BUFFER_H
#define WHISPERBACKUP_BASE_BUFFER_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct buffer {
	char *data;      /* owned; NULL until the first append */
	size_t length;   /* bytes in use */
	size_t capacity; /* bytes allocated */
	size_t limit;    /* the most bytes it may ever hold; growing past it is an error */
};

#define BUFFER_INIT(limit_in_bytes)                                                                                    \
	{                                                                                                                  \
		.limit = (limit_in_bytes)                                                                                      \
	}

/* The content as a C string; "" when nothing was ever appended. Lent until the next change. */
const char *buffer_text(const struct buffer *buffer);

/* Makes room for `more` further bytes behind the content. */
enum status buffer_reserve(struct buffer *buffer, size_t more, struct error *error) MUST_CHECK;

enum status buffer_append(struct buffer *buffer, const void *bytes, size_t length, struct error *error) MUST_CHECK;
enum status buffer_append_text(struct buffer *buffer, const char *text, struct error *error) MUST_CHECK;
enum status buffer_printf(struct buffer *buffer, struct error *error, const char *format, ...)
	PRINTF_LIKE(3, 4) MUST_CHECK;

/* Appends what fits below the limit and forgets the rest; true if all of it fitted. For texts shown to people. */
bool buffer_append_some(struct buffer *buffer, const void *bytes, size_t length);

/* Removes the first `length` bytes (all, if there are fewer). */
void buffer_consume(struct buffer *buffer, size_t length);

/* Removes white space and newlines at the end. */
void buffer_trim(struct buffer *buffer);

/* Empties it but keeps its memory; frees its memory. */
void buffer_clear(struct buffer *buffer);
void buffer_free(struct buffer *buffer);

#endif
