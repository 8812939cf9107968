/*
 * digest_source.h - the SHA-256 of a stream, computed while somebody else reads it.
 */
#ifndef WHISPERBACKUP_PIPELINE_DIGEST_SOURCE_H
#define WHISPERBACKUP_PIPELINE_DIGEST_SOURCE_H

#include "base/cleanup.h"
#include "pipeline/digest.h"

#include <stdbool.h>

/*
 * A source that hands on what it reads from `inner` (owned from then on, also when this fails) and hashes a copy of it
 * in a thread of its own; of a short stream without one. One thread at a time may read from it. Memory: 1 MiB.
 */
struct digest_source;
enum status digest_source_new(struct source *inner, struct digest_source **ret_digest, struct error *error) MUST_CHECK;
void digest_source_free(struct digest_source *digest); /* NULL is fine */
CLEANUP_DEFINE(digest_source, struct digest_source, digest_source_free)

/* The source itself, for who reads; lent, and not to be freed. */
struct source *digest_source_stream(struct digest_source *digest);

/*
 * Reads what is left, and says what the whole stream was, from its first byte to its end. If a read failed, now or
 * before, that failure is said (again); STATUS_INTERRUPTED when interrupted. Nobody may read from it afterwards.
 */
enum status digest_source_finish(struct digest_source *digest, char ret_text[DIGEST_TEXT_SIZE], uint64_t *ret_size,
								 struct error *error) MUST_CHECK;

/* Bytes that have been read so far. From any thread. */
uint64_t digest_source_size(const struct digest_source *digest);

/* True if the stream could not be read: what it is cannot be told. */
bool digest_source_failed(const struct digest_source *digest);

#endif
