/*
 * tar.h - folders to tar streams and back, with libarchive.
 *
 * What is written is POSIX pax (only where ustar does not suffice), with numeric owners, extended attributes, ACLs and
 * holes; GNU tar and bsdtar read it. A folder's content stands under a chosen path, such as "chroma/chroma".
 */
#ifndef WHISPERBACKUP_PIPELINE_TAR_H
#define WHISPERBACKUP_PIPELINE_TAR_H

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/progress.h"
#include "base/stream.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/*
 * Entries directly in a data folder whose names begin with this are ours (staged or replaced data of a restore), never
 * the store's: they are left out of every archive.
 */
#define TAR_OWN_PREFIX ".whisperbackup-"

/* --- headers, for who writes the content himself ------------------------------------------------------------------ */

enum { TAR_BLOCK_SIZE = 512 }; /* bytes; content is filled up with zeros to a multiple (POSIX pax) */

/* Content that is there; what lies between two of them is a hole. */
struct tar_run {
	uint64_t offset;
	uint64_t length;
};

struct tar_item {
	const char *path;           /* in the archive */
	struct stat attributes;     /* type, mode, owner, times and size */
	const char *source;         /* path on this machine, for extended attributes and ACLs; NULL: it has none */
	const char *symlink;        /* what a symbolic link points to, or NULL */
	const char *link;           /* path of an earlier entry that it is a hard link to, or NULL */
	const struct tar_run *runs; /* of a file with holes: at least one, in order; NULL if all of it is there */
	size_t run_count;
};

struct tar_headers;
enum status tar_headers_new(struct tar_headers **ret_headers, struct error *error) MUST_CHECK;
void tar_headers_free(struct tar_headers *headers);
CLEANUP_DEFINE(tar_headers, struct tar_headers, tar_headers_free)

/* Appends all that comes before an item's content: that is, of a file, its runs, one behind the other. */
enum status tar_header(struct tar_headers *headers, const struct tar_item *item, struct buffer *header,
					   struct error *error) MUST_CHECK;

/*
 * A source that is the tar stream `inner` (owned from then on, also when this fails) with the leading path `from` of
 * every entry replaced by `to`, and without devices and the entries that are ours. Both paths have no slash at either
 * end.
 */
enum status tar_rename_source_new(struct source *inner, const char *from, const char *to, struct source **ret_source,
								  struct error *error) MUST_CHECK;

/* `see` is called with `context` for each entry that is handed on, with its path below `from`, which is "" for that. */
void tar_rename_source_watch(struct source *source, void (*see)(void *context, const char *below), void *context);

/*
 * Unpacks what stands under `path_in_archive` into the existing folder `target`, with owners, times, holes, extended
 * attributes and access lists, but for a list of `target` itself, and flushes it to disk. A list that cannot be set is
 * left out with a warning. Nothing is ever written outside `target`: an entry with "..", an absolute path, or a path
 * through a symbolic link is STATUS_DAMAGED, and so are a device and a stream without its end marker.
 */
enum status tar_unpack(struct source *tar, const char *path_in_archive, const char *target, struct progress *progress,
					   struct error *error) MUST_CHECK;

/*
 * The same into a folder that is open (lent): what becomes of its path meanwhile changes nothing, if the kernel allows
 * a thread a working folder of its own (unshare(2)). `target` is what a failure calls it.
 */
enum status tar_unpack_at(struct source *tar, const char *path_in_archive, int folder, const char *target,
						  struct progress *progress, struct error *error) MUST_CHECK;

/* One entry of a tar stream that is made from parts. */
struct tar_part {
	const char *path;
	unsigned mode; /* POSIX type and permission bits: S_IFDIR or S_IFREG */
	unsigned user; /* numeric owner */
	unsigned group;
	const char *text; /* content of a small file, or NULL */
	const char *file; /* path of a file whose content it gets, or NULL */
	const char *link; /* path of an earlier part that it is a hard link to, or NULL */
};

/* A source that is the tar stream of `parts` (lent, as are their strings, until it is freed). */
enum status tar_compose_source_new(const struct tar_part *parts, size_t count, struct source **ret_source,
								   struct error *error) MUST_CHECK;

/* --- reading entry by entry --------------------------------------------------------------------------------------- */

struct tar_entry {
	const char *path; /* without "./" before and slashes behind it; lent until the next entry */
	bool is_file;
	bool is_folder;
	bool is_device;  /* a node of a device, which is no data: see tar_refuse_device */
	uint64_t size;   /* bytes of content */
	uint64_t stored; /* of these, what is not in holes */
};

struct tar_reader;

/* Reads `tar` (lent). */
enum status tar_reader_new(struct source *tar, struct tar_reader **ret_reader, struct error *error) MUST_CHECK;
void tar_reader_free(struct tar_reader *reader);
CLEANUP_DEFINE(tar_reader, struct tar_reader, tar_reader_free)

/*
 * The next entry; *ret_ended when there is none, which is only said after the end marker (two blocks of zeros, POSIX
 * pax) has been seen and the stream has been read to its end. Anything malformed is STATUS_DAMAGED, and so is a path,
 * or that of what a hard link leads to, that is absolute, has "..", or leads through a symbolic link that came before;
 * so are more folders or symbolic links than 64 MiB can remember. The bits that set the user or group of a program, and
 * the attribute security.capability, are taken away from files.
 */
enum status tar_reader_next(struct tar_reader *reader, struct tar_entry *ret_entry, bool *ret_ended,
							struct error *error) MUST_CHECK;

/* STATUS_DAMAGED, and which it is, for a device: who makes one hands the disk itself to who can open the file. */
enum status tar_refuse_device(const struct tar_entry *entry, struct error *error) MUST_CHECK;

/* The entry's content, holes as zeros; *ret_length 0 at its end. */
enum status tar_reader_read(struct tar_reader *reader, void *bytes, size_t capacity, size_t *ret_length,
							struct error *error) MUST_CHECK;

#endif
