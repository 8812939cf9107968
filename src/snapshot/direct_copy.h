/*
 * direct_copy.h - a folder on this machine, copied as folder_copy.h says. Private to it.
 *
 * direct_copy.c keeps the list of files, direct_live.c copies while the server runs, direct_moment.c takes the moment
 * and completes the archive, direct_entry.c writes one entry of it.
 */
#ifndef WHISPERBACKUP_SNAPSHOT_DIRECT_COPY_H
#define WHISPERBACKUP_SNAPSHOT_DIRECT_COPY_H

#include "base/buffer.h"
#include "base/progress.h"
#include "pipeline/tar.h"
#include "snapshot/archive_draft.h"
#include "snapshot/block_compare.h"
#include "snapshot/file_tree.h"

struct direct_copy {
	char *host_folder;
	char *path_in_archive;
	char *draft_folder; /* that the archive is made in */
	struct file_tree tree;
	struct archive_draft *draft;
	struct tar_headers *headers;
	struct buffer header;        /* of the entry that is written */
	struct kept kept;            /* of the moment */
	int64_t flushed;             /* when the last syncfs began, in nanoseconds since the epoch */
	int64_t date_offset;         /* of the clock, then */
	uint64_t bytes;              /* of content */
	uint64_t window_bytes;       /* put aside in the moment */
	struct digest_result digest; /* of the archive, once it is complete */
};

enum status direct_copy_new(const char *host_folder, const char *path_in_archive, const char *path,
							struct direct_copy **ret_copy, struct error *error) MUST_CHECK;
void direct_copy_free(struct direct_copy *copy);
CLEANUP_DEFINE(direct_copy, struct direct_copy, direct_copy_free)

/*
 * What the archive does not hold as the last scan saw it, or may not hold: folders first, each before what is in it,
 * then the others, oldest first. The list is owned by the caller, the files are not; *ret_bytes is their size.
 */
enum status direct_copy_list_due(const struct direct_copy *copy, struct file ***ret_files, size_t *ret_count,
								 uint64_t *ret_bytes, struct error *error) MUST_CHECK;

/* The functions of folder_copy.h of the same names. */
enum status direct_live_catch_up(struct direct_copy *copy, struct progress *progress, uint64_t *ret_bytes,
								 struct error *error) MUST_CHECK;
enum status direct_moment_capture(struct direct_copy *copy, struct error *error) MUST_CHECK;
enum status direct_moment_finish(struct direct_copy *copy, struct progress *progress, struct error *error) MUST_CHECK;

/* --- one entry of the archive ------------------------------------------------------------------------------------- */

/* A file that is being written, block by block. */
struct entry {
	struct file *file;
	struct block *blocks; /* of the new version; owned */
	size_t count;
	struct tar_run *runs; /* if it has holes; owned */
	size_t run_count;
};

void direct_entry_free(struct entry *entry);

/*
 * Finds out what a block holds: *ret_same is a block of the version before, in a member of its own; or NULL, and its
 * content is in `content`, which has room for it, and its sum noted.
 */
typedef enum status obtain_function(struct direct_copy *copy, void *context, struct entry *entry, size_t index,
									char *content, const struct block **ret_same, struct error *error);

/*
 * Writes an entry whose holes are marked in its blocks; it becomes what the archive holds of its file, which is not due
 * any more. Where it and its blocks stand is known once the archive is drained. A file that cannot be read keeps what
 * it had; after a failure to write the archive is of no use.
 */
enum status direct_entry_write(struct direct_copy *copy, struct entry *entry, obtain_function *obtain, void *context,
							   struct error *error) MUST_CHECK;

/* The same of what is all header: folders, symbolic links, devices. */
enum status direct_entry_write_plain(struct direct_copy *copy, struct file *file, struct error *error) MUST_CHECK;

/* Appends the header of another name of a file whose content is in the archive already. */
enum status direct_entry_write_link(struct direct_copy *copy, struct file *file, struct error *error) MUST_CHECK;

/* The content of block `index`, bytes. */
size_t direct_entry_block_length(const struct file *file, size_t index);

#endif
