/*
 * block_compare.h - of files that may have changed, the blocks that have, read on all cores and put aside.
 *
 * This is what the time goes into in which containers stand still: each of these files is read once, at the speed of
 * memory if it was written lately, and what differs is written once, to a file that is never flushed.
 */
#ifndef WHISPERBACKUP_SNAPSHOT_BLOCK_COMPARE_H
#define WHISPERBACKUP_SNAPSHOT_BLOCK_COMPARE_H

#include "snapshot/file_tree.h"

/* What became of one block. */
struct kept_block {
	uint64_t sum;
	enum { KEPT_SAME, KEPT_HOLE, KEPT_ASIDE } what;
	uint64_t offset; /* in the file put aside */
};

/* One file as it is at the moment. */
struct kept_file {
	struct file *file;         /* lent; its state is that of the moment */
	struct kept_block *blocks; /* those of `struct kept` */
	size_t block_count;
	bool differs; /* in content or in its stat */
	int clone;    /* a copy of it that shares its blocks on the disk, to be looked at later; -1: there is none */
};

struct kept {
	struct kept_file *files;   /* owned */
	struct kept_block *blocks; /* of all of them, one behind the other; owned */
	size_t count;
	size_t clones;
	int aside;      /* read and written; owned */
	uint64_t bytes; /* put aside */
};

void kept_free(struct kept *kept);

/*
 * Reads the `count` regular files (lent), or clones them where the file system can (block_compare_clones).
 * `aside_folder` is where the file put aside is made; it has no name there. A file of a single block is put aside whole
 * if anything differs. STATUS_NO_SPACE if it does not fit.
 */
enum status block_compare(const struct file_tree *tree, struct file *const *files, size_t count,
						  const char *aside_folder, struct kept *ret_kept, struct error *error) MUST_CHECK;

/* After the moment: the same for the files that were only cloned in it. */
enum status block_compare_clones(const struct file_tree *tree, struct kept *kept, struct error *error) MUST_CHECK;

/* The checksum by which blocks are compared. */
uint64_t block_sum(const void *bytes, size_t length);

/* Reads a block of an open file, as zeros where the file is shorter; *ret_hole: nothing of it is on the disk. */
enum status block_read(int fd, const char *name, uint64_t size, size_t index, void *bytes, size_t *ret_length,
					   bool *ret_hole, struct error *error) MUST_CHECK;

/* The first block from `index` on of which something is on the disk; `count` if there is none. */
size_t block_next_data(int fd, size_t index, size_t count);

#endif
