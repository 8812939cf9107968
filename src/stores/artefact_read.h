/*
 * artefact_read.h - an artefact read once, for both of its questions: is it what was written, and is it whole?
 */
#ifndef WHISPERBACKUP_STORES_ARTEFACT_READ_H
#define WHISPERBACKUP_STORES_ARTEFACT_READ_H

#include "pipeline/digest.h"
#include "stores/store.h"

/* What reading has shown. */
struct artefact_reading {
	struct artefact artefact;      /* on success */
	char sha256[DIGEST_TEXT_SIZE]; /* of the whole file, and */
	uint64_t size;                 /* its size in bytes, unless it could not be read */
	bool unreadable;               /* it could not be read to its end, or not at all: the failure is about that */
};

/*
 * Reads the file `path` through store_ops.check, and its SHA-256 on the way. `expected` is the SHA-256 that it has to
 * have, or empty. `progress` counts the file's bytes.
 *
 * STATUS_DAMAGED if the SHA-256 is another one, which is said first whatever else is wrong with it, or if `check` says
 * so; STATUS_NOT_FOUND if there is no such file. A file whose structure is damaged is still hashed to its end.
 */
enum status artefact_read(const struct store_ops *ops, const char *path, const char *expected,
						  struct progress *progress, struct artefact_reading *ret_reading,
						  struct error *error) MUST_CHECK;

/* The same of a stream, which is owned from then on. */
enum status artefact_read_stream(const struct store_ops *ops, struct source *file, const char *expected,
								 struct progress *progress, struct artefact_reading *ret_reading,
								 struct error *error) MUST_CHECK;

/*
 * Is the file `path`, which has just been staged, still the one that was checked? Between the two a disk may have
 * failed and somebody may have changed it; it is read again where staging alone would not see that. STATUS_DAMAGED if
 * not. One that is not there any more was read while it was.
 */
enum status artefact_expect_unchanged(const struct store_ops *ops, const char *path, const struct artefact *artefact,
									  struct error *error) MUST_CHECK;

#endif
