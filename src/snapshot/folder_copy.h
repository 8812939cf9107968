/*
 * folder_copy.h - a container's folder as it is at one moment, as a .tar.gz file, with as little standing still as
 * there can be.
 *
 * The folder is copied while its server runs, oldest files first; then, again and again, what has changed meanwhile;
 * and in the moment, while the container is paused, only the blocks that differ from what was copied. What has become
 * stale in the file is taken out afterwards. Where the volume cannot be read from here the whole folder is copied in
 * the moment, through the engine; its names are listed before, and one that the engine leaves out is a failure.
 */
#ifndef WHISPERBACKUP_SNAPSHOT_FOLDER_COPY_H
#define WHISPERBACKUP_SNAPSHOT_FOLDER_COPY_H

#include "base/cleanup.h"
#include "base/error.h"
#include "base/progress.h"
#include "pipeline/digest.h"
#include "runtimes/runtime.h"

#include <stdbool.h>
#include <stdint.h>

struct folder_copy;

struct folder_copy_result {
	uint64_t bytes;              /* of content, uncompressed */
	uint64_t window_bytes;       /* read and kept while the container stood still */
	bool direct;                 /* read from the volume's folder, not through the engine */
	struct digest_result digest; /* of the archive, computed while it was written; empty if it is not direct */
};

/* Begins the archive in the new file `path`. The container and the runtime are lent until it is freed. */
enum status folder_copy_new(struct runtime *runtime, const struct container *container, const char *folder,
							const char *path, struct folder_copy **ret_copy, struct error *error) MUST_CHECK;

/* The same of a folder on this machine, which will stand under `path_in_archive` (no slash at either end). */
enum status folder_copy_of(const char *host_folder, const char *path_in_archive, const char *path,
						   struct folder_copy **ret_copy, struct error *error) MUST_CHECK;

/*
 * Copies what is new or has changed since the last call; the first call copies everything. *ret_bytes is how much that
 * was (content). The server runs meanwhile.
 */
enum status folder_copy_catch_up(struct folder_copy *copy, struct progress *progress, uint64_t *ret_bytes,
								 struct error *error) MUST_CHECK;

/* Keeps what differs now; the container is paused. Another call begins anew. */
enum status folder_copy_capture(struct folder_copy *copy, struct error *error) MUST_CHECK;

/* After the moment: completes the archive, flushed to disk. */
enum status folder_copy_finish(struct folder_copy *copy, struct progress *progress,
							   struct folder_copy_result *ret_result, struct error *error) MUST_CHECK;

/* Frees it; what it needed beside the archive is removed. NULL is fine. */
void folder_copy_free(struct folder_copy *copy);
CLEANUP_DEFINE(folder_copy, struct folder_copy, folder_copy_free)

#endif
