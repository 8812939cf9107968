/*
 * archive_draft.h - a .tar.gz file in the making, whose gzip members can be copied, moved and cut off again.
 *
 * Members are independent of each other (pipeline/gzip.h), so a new version of a file can take over the blocks that
 * have not changed, and what has become stale can be closed up. They are made and written by threads
 * (pipeline/gzip_queue.h), whose failures show at a later call, and at the draining at the latest. The file's SHA-256
 * is computed on the way.
 */
#ifndef WHISPERBACKUP_SNAPSHOT_ARCHIVE_DRAFT_H
#define WHISPERBACKUP_SNAPSHOT_ARCHIVE_DRAFT_H

#include "base/cleanup.h"
#include "base/error.h"
#include "pipeline/digest.h"
#include "pipeline/gzip_queue.h"

#include <stddef.h>
#include <stdint.h>

struct archive_draft;

/* Makes the new file `path`, mode 0600. */
enum status archive_draft_new(const char *path, struct archive_draft **ret_draft, struct error *error) MUST_CHECK;
void archive_draft_free(struct archive_draft *draft);
CLEANUP_DEFINE(archive_draft, struct archive_draft, archive_draft_free)

/*
 * The functions of gzip_queue.h of the same names. Places are filled in by archive_draft_drain at the latest; what is
 * repeated may be what has been written since, which is drained first.
 */
enum status archive_draft_lend(struct archive_draft *draft, size_t length, char **ret_content,
							   struct error *error) MUST_CHECK;
void archive_draft_append(struct archive_draft *draft, size_t length, struct gzip_place *ret_place);
enum status archive_draft_repeat(struct archive_draft *draft, struct gzip_place place, struct gzip_place *ret_place,
								 struct error *error) MUST_CHECK;
void archive_draft_begin(struct archive_draft *draft);
void archive_draft_end(struct archive_draft *draft, struct gzip_place *ret_place);

/* Waits until everything is written, or drops it when an interrupt comes; in any case no place is lent any more. */
enum status archive_draft_drain(struct archive_draft *draft, struct error *error) MUST_CHECK;

/* Moves what stands at a place to `to`, which lies before it; what stood there is lost. Drained. */
enum status archive_draft_move(struct archive_draft *draft, struct gzip_place from, uint64_t to,
							   struct error *error) MUST_CHECK;

/* Cuts off what stands behind `length`. Drained. */
enum status archive_draft_cut(struct archive_draft *draft, uint64_t length, struct error *error) MUST_CHECK;

/* Drains it, flushes it to disk and closes it; says what it is now. */
enum status archive_draft_finish(struct archive_draft *draft, struct digest_result *ret_result,
								 struct error *error) MUST_CHECK;

#endif
