/*
 * stream.h - bytes that flow: a source is read from, a sink is written to.
 *
 * Filters are sinks that hold the next sink, or sources that hold the source before them, so that a pipeline is a chain
 * of small parts none of which holds more than its own block. A part is a struct whose first member is the struct
 * source or struct sink below; its constructor is in the part's own header.
 */
#ifndef WHISPERBACKUP_BASE_STREAM_H
#define WHISPERBACKUP_BASE_STREAM_H

#include "base/cleanup.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum {
	STREAM_BLOCK_SIZE = 1 << 18
}; /* bytes that parts of a pipeline hand on at a time, where it is theirs to choose */

struct source;
struct sink;

struct source_ops {
	/* Reads between 1 and `capacity` bytes; *ret_length 0 means the end, and only that. By one thread at a time, which
	 * need not be the one that made the source. */
	enum status (*read)(struct source *source, void *bytes, size_t capacity, size_t *ret_length, struct error *error);
	void (*free)(struct source *source);
};

struct source {
	const struct source_ops *ops;
};

struct sink_ops {
	/* Takes all `length` bytes or fails. */
	enum status (*write)(struct sink *sink, const void *bytes, size_t length, struct error *error);
	/* No more comes: hands on what is held and finishes the next sink. Called once at most. */
	enum status (*finish)(struct sink *sink, struct error *error);
	void (*free)(struct sink *sink);
};

struct sink {
	const struct sink_ops *ops;
};

enum status source_read(struct source *source, void *bytes, size_t capacity, size_t *ret_length,
						struct error *error) MUST_CHECK;
void source_free(struct source *source); /* NULL is fine */

enum status sink_write(struct sink *sink, const void *bytes, size_t length, struct error *error) MUST_CHECK;
enum status sink_finish(struct sink *sink, struct error *error) MUST_CHECK;
void sink_free(struct sink *sink); /* NULL is fine; the next sink of a chain is not freed */

/* Hands everything from `source` to `sink` (which is not finished); *ret_bytes may be NULL. Stops when interrupted. */
enum status stream_copy(struct source *source, struct sink *sink, uint64_t *ret_bytes, struct error *error) MUST_CHECK;

struct buffer;

/* A sink that appends to `buffer` (lent) and fails at its limit; one that keeps what fits and drops the rest. */
enum status sink_to_buffer_new(struct buffer *buffer, struct sink **ret_sink, struct error *error) MUST_CHECK;
enum status sink_to_buffer_some_new(struct buffer *buffer, struct sink **ret_sink, struct error *error) MUST_CHECK;

/* A source that reads `length` bytes of memory (lent). */
enum status source_from_memory_new(const void *bytes, size_t length, struct source **ret_source,
								   struct error *error) MUST_CHECK;

CLEANUP_DEFINE(source, struct source, source_free)
CLEANUP_DEFINE(sink, struct sink, sink_free)

#endif
