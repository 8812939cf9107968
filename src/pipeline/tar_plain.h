/*
 * tar_plain.h - files with nothing special about them, unpacked with few calls of the kernel. Private to tar_unpack.c.
 *
 * libarchive walks down the whole path of every file, folder by folder, to see that none of them is a symbolic link.
 * Since Linux 5.6 the kernel does that in the call that opens the file (openat2(2), RESOLVE_BENEATH and
 * RESOLVE_NO_SYMLINKS), which matters where there are many small files.
 */
#ifndef WHISPERBACKUP_PIPELINE_TAR_PLAIN_H
#define WHISPERBACKUP_PIPELINE_TAR_PLAIN_H

#include "pipeline/tar_reader.h"

/* A folder to unpack into. */
struct tar_plain {
	int folder; /* lent; -1 if every file is left to libarchive */
};

/*
 * Makes the new file `path` (relative to the folder) with the reader's current entry's owner, mode, time, content and
 * holes. *ret_done false, and nothing has been read or made: it is no plain file, its folder is not there yet,
 * something else is in its place, its path leads through a symbolic link, or the kernel is too old; libarchive is to be
 * asked. What is long is sent to the disk on the way; nothing is waited for.
 */
enum status tar_plain_unpack(struct tar_plain *plain, struct tar_reader *reader, const char *path,
							 struct progress *progress, bool *ret_done, struct error *error) MUST_CHECK;

#endif
