/*
 * archive_draft.h - a .tar.gz file in the making, whose gzip members can be copied, moved and cut off again.
 *
 * Members are independent of each other (pipeline/gzip.h), so a new version of a file can take over the blocks that
 * have not changed, and what has become stale can be closed up.
 */
#ifndef WHISPERBACKUP_SNAPSHOT_ARCHIVE_DRAFT_H
#define WHISPERBACKUP_SNAPSHOT_ARCHIVE_DRAFT_H

#include "base/cleanup.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct archive_draft;

/* Makes the new file `path`, mode 0600. */
enum status archive_draft_new(const char *path, struct archive_draft **ret_draft, struct error *error) MUST_CHECK;
void archive_draft_free(struct archive_draft *draft);
CLEANUP_DEFINE(archive_draft, struct archive_draft, archive_draft_free)

/* Where the next member will begin. */
uint64_t archive_draft_length(const struct archive_draft *draft);

/* Appends one member with at most GZIP_MEMBER_SIZE bytes of content; *ret_length (may be NULL) is the member's. */
enum status archive_draft_append(struct archive_draft *draft, const void *content, size_t length, uint32_t *ret_length,
								 struct error *error) MUST_CHECK;

/* Appends a copy of what stands at `offset`. */
enum status archive_draft_repeat(struct archive_draft *draft, uint64_t offset, uint64_t length,
								 struct error *error) MUST_CHECK;

/* Moves what stands at `from` to `to`, which lies before it; what stood there is lost. */
enum status archive_draft_move(struct archive_draft *draft, uint64_t from, uint64_t to, uint64_t length,
							   struct error *error) MUST_CHECK;

/* Cuts off what stands behind `length`. */
enum status archive_draft_cut(struct archive_draft *draft, uint64_t length, struct error *error) MUST_CHECK;

/* Flushes it to disk and closes it. */
enum status archive_draft_finish(struct archive_draft *draft, struct error *error) MUST_CHECK;

#endif
