/*
 * tar_reader.h - what the parts of the tar module share. Private to it.
 */
#ifndef WHISPERBACKUP_PIPELINE_TAR_READER_H
#define WHISPERBACKUP_PIPELINE_TAR_READER_H

#include "pipeline/tar.h"
#include "pipeline/tar_links.h"

#include <archive.h>
#include <archive_entry.h>

struct tar_reader {
	struct archive *archive;
	struct source *tar; /* lent */
	char *block;
	uint64_t received;           /* bytes that came from `tar` */
	uint64_t trailing_zeros;     /* at the end of what came */
	struct archive_entry *entry; /* ours: libarchive 3.6 does not look whether it has got memory for its own */
	bool in_entry;               /* it is one that was read */
	struct tar_links links;      /* that came so far */
	size_t folder_bytes;         /* that whoever unpacks them has to remember of the folders so far */
	enum status status;          /* of reading `tar`, which libarchive cannot carry */
	struct error failure;
};

/* The failure of a libarchive call: what reading the stream said, or STATUS_DAMAGED with the library's words. */
enum status tar_reader_error(struct tar_reader *reader, struct error *error);

/* What libarchive says of writing. Where it finds no memory it may say nothing. */
enum status tar_writer_error(struct archive *writer, struct error *error);

/* A piece of an entry's content; the bytes are lent until the next call. */
struct tar_block {
	const void *bytes;
	size_t length;
	la_int64_t offset;
};

/*
 * The entry's next piece; *ret_ended: there is none. STATUS_DAMAGED also for one that lies beyond the file's size, as a
 * map of holes may say: libarchive (3.6.2, archive_write_disk_posix.c, write_data_block) would write what is in memory
 * behind it.
 */
enum status tar_reader_block(struct tar_reader *reader, struct tar_block *ret_block, bool *ret_ended,
							 struct error *error) MUST_CHECK;

/*
 * `path` relative to `prefix`: "" for the prefix itself, NULL if it lies elsewhere. Leading "./" and closing slashes do
 * not count; the result is lent from `path`.
 */
const char *tar_path_below(const char *path, const char *prefix);

/* True for the folders that lead to `prefix`. */
bool tar_path_is_above(const char *path, const char *prefix);

/* True for a path that may be unpacked: relative, and without "..". */
bool tar_path_is_safe(const char *path);

#endif
