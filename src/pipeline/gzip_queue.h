/*
 * gzip_queue.h - gzip members made on all cores, and written in the order in which their content was appended.
 *
 * Who appends reads straight into memory that the queue lends. What is full goes to threads that compress it, write
 * what is next in order, and note (hash) it meanwhile; so does who appends, instead of waiting for room. How much can
 * be under way is bounded: some 22 MiB of content and of what it becomes, which are given back when the queue is
 * drained, and so are the threads. Little content, drained before it fills a member, never starts one.
 *
 * One thread appends. A failure of any other shows at its next call and at every later one: the file is then no good.
 */
#ifndef WHISPERBACKUP_PIPELINE_GZIP_QUEUE_H
#define WHISPERBACKUP_PIPELINE_GZIP_QUEUE_H

#include "base/cleanup.h"
#include "base/error.h"
#include "pipeline/gzip.h"

#include <stddef.h>
#include <stdint.h>

enum { GZIP_QUEUE_THREADS = 8 }; /* at the most */

/* Where something stands in the file, in bytes. */
struct gzip_place {
	uint64_t offset;
	uint64_t length;
};

/* What members go to. All are called from any thread. */
struct gzip_queue_ops {
	/* Takes the next bytes; *ret_offset is where they stand. One call at a time, in order. */
	enum status (*write)(void *context, const void *bytes, size_t length, uint64_t *ret_offset, struct error *error);
	/* The same bytes, one call at a time, in order, but before, after or while they are written. */
	enum status (*note)(void *context, const void *bytes, size_t length, struct error *error);
	/* Reads members that were written before the last drain. Several calls at the same time. */
	enum status (*read)(void *context, uint64_t offset, void *bytes, size_t length, struct error *error);
};

struct gzip_queue;

/* `ops` and `context` are lent. `threads` is how many compress: 1 to GZIP_QUEUE_THREADS; 0: one for each core. */
enum status gzip_queue_new(const struct gzip_queue_ops *ops, void *context, unsigned threads,
						   struct gzip_queue **ret_queue, struct error *error) MUST_CHECK;

/* What has not been written is dropped. NULL is fine. */
void gzip_queue_free(struct gzip_queue *queue);
CLEANUP_DEFINE(gzip_queue, struct gzip_queue, gzip_queue_free)

/*
 * Lends room for `length` bytes of content, GZIP_MEMBER_SIZE at the most, until the next call. It waits until there is
 * some; STATUS_INTERRUPTED if it waits when an interrupt comes.
 */
enum status gzip_queue_lend(struct gzip_queue *queue, size_t length, char **ret_content,
							struct error *error) MUST_CHECK;

/*
 * Appends the first `length` bytes, at least one, of what was lent last as one member. Once it is written, *ret_place
 * says where; it is lent until the next drain, whatever becomes of that. NULL: nobody asks.
 */
void gzip_queue_append(struct gzip_queue *queue, size_t length, struct gzip_place *ret_place);

/* Appends a copy of a member (at most GZIP_MEMBER_ROOM bytes) that was written before the last drain. */
enum status gzip_queue_repeat(struct gzip_queue *queue, struct gzip_place place, struct gzip_place *ret_place,
							  struct error *error) MUST_CHECK;

/*
 * What is appended between these two is an entry, of at least one member; *ret_place, lent as above, is where all of it
 * stands. The end comes right after the last member. What was begun and not ended is forgotten with the next beginning.
 */
void gzip_queue_begin(struct gzip_queue *queue);
void gzip_queue_end(struct gzip_queue *queue, struct gzip_place *ret_place);

/*
 * Waits until all is written and noted. When an interrupt comes, the rest is dropped, and every later call fails.
 * Afterwards nothing of the caller's is lent any more, no thread runs and no memory is held, also when this fails.
 */
enum status gzip_queue_drain(struct gzip_queue *queue, struct error *error) MUST_CHECK;

#endif
