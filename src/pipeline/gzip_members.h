/*
 * gzip_members.h - members of our own, inflated side by side. Private to gzip_source.c.
 *
 * A member that carries the subfield "WB" tells its length, so that members are read ahead without being inflated, and
 * handed to one thread for each core. Neighbours that are small are handed on together, as a batch of at most one
 * member's size. What is read ahead is bounded: at most 14 batches, of 2.2 MiB each.
 */
#ifndef WHISPERBACKUP_PIPELINE_GZIP_MEMBERS_H
#define WHISPERBACKUP_PIPELINE_GZIP_MEMBERS_H

#include "base/cleanup.h"
#include "base/error.h"
#include "base/stream.h"

#include <stdbool.h>

/* What has been read from a gzip file and not been used yet. */
struct gzip_input {
	struct source *inner;
	unsigned char *bytes; /* room for STREAM_BLOCK_SIZE */
	size_t at;            /* those from here */
	size_t end;           /* to here are there */
	bool ended;           /* `inner` has no more */
};

/* Reads until at least `wanted` bytes (at most STREAM_BLOCK_SIZE) are there, or the inner source has ended. */
enum status gzip_input_want(struct gzip_input *input, size_t wanted, struct error *error) MUST_CHECK;

struct gzip_members;

/*
 * `input` is lent, and used from other threads, by one at a time, until gzip_members_read has said that there is no
 * more, or has failed and gzip_members_free has been called.
 */
enum status gzip_members_new(struct gzip_input *input, struct gzip_members **ret_members,
							 struct error *error) MUST_CHECK;

/*
 * Content of members, in order. *ret_length 0: the next thing in `input`, if anything, is no member of ours, or one
 * that is larger than ours can be; no thread is left. STATUS_DAMAGED where a member is not what it says or the file
 * ends in the middle of one, once all content before it has been handed on; failures of the inner source likewise. A
 * failure is said again by further calls.
 */
enum status gzip_members_read(struct gzip_members *members, void *bytes, size_t capacity, size_t *ret_length,
							  struct error *error) MUST_CHECK;

/* True if there has been at least one member. To be asked when there is no more. */
bool gzip_members_any(const struct gzip_members *members);

/* Waits until the threads have ended, which they do within a member each. NULL is fine. */
void gzip_members_free(struct gzip_members *members);

/* STATUS_DAMAGED, "the gzip data TEXT". */
enum status gzip_damaged(struct error *error, const char *text);

#endif
