/*
 * file_tree.h - what is in a folder, and how each thing was when it was last looked at.
 *
 * One allocation a file, so that 200,000 of them take some 35 MiB. Nothing is followed out of the folder: paths are
 * opened below it without symbolic links (openat2).
 */
#ifndef WHISPERBACKUP_SNAPSHOT_FILE_TREE_H
#define WHISPERBACKUP_SNAPSHOT_FILE_TREE_H

#include "base/cleanup.h"
#include "base/error.h"
#include "pipeline/gzip_queue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum { TREE_BLOCK_SIZE = 1 << 20 }; /* bytes of a file that are compared and kept as one */

enum block_kind {
	BLOCK_NONE,   /* not in the archive */
	BLOCK_HOLE,   /* nothing of it is on the disk: all zeros */
	BLOCK_MEMBER, /* a gzip member of its own */
	BLOCK_INSIDE, /* with its file's header in one member */
};

struct block {
	uint64_t sum;            /* CRC-64 of its content */
	struct gzip_place place; /* of the member in the archive */
	enum block_kind kind;
};

/* What a stat says, in less space than struct stat. Times in nanoseconds. */
struct file_state {
	uint64_t inode;
	uint64_t size;
	int64_t modified;
	int64_t changed;
	uint32_t user;
	uint32_t group;
	uint32_t device; /* that a device file stands for: 12 bits of its major number, 20 of its minor (Linux, dev_t) */
	uint16_t mode;
	bool linked; /* it has more than one name */
};

struct file {
	struct file_state state; /* as of the last scan */
	union {
		struct block *blocks; /* of what is in the archive; owned */
		uint64_t sum;         /* of the only one, if it is inside: most files are small */
	};
	const struct file *link_of; /* another name of the same file, whose content is in the archive */
	struct gzip_place place;    /* of what is in the archive: header and content; of length 0: nothing is */
	uint32_t block_count;       /* enough for 4 PiB */
	uint16_t scan;              /* number of the scan that saw it last */
	bool inside;                /* its only block is BLOCK_INSIDE */
	bool due;                   /* it is not in the archive as the last scan saw it */
	bool suspect;               /* it may have changed after it was read without a sign: it is to be compared */
	char name[];                /* relative to the folder; "" is the folder */
};

struct file_tree {
	int root;            /* the folder, open */
	const char *skip;    /* entries directly in the folder that begin with this are left out */
	struct file **files; /* sorted by name */
	size_t count;
	uint16_t scans;
	uint64_t device;
	/* The scan's own: */
	struct file **fresh;
	size_t fresh_count;
	size_t fresh_capacity;
};

/* `folder` is on this machine; `skip` is lent. */
enum status file_tree_open(struct file_tree *tree, const char *folder, const char *skip,
						   struct error *error) MUST_CHECK;
void file_tree_close(struct file_tree *tree);

/*
 * Looks at everything. New files, and those that a stat tells from before, become due; those that are gone are
 * forgotten. Sockets are left out: they mean nothing without their process. What vanishes while it is looked at is not
 * there. A folder's times do not count as a change of it.
 */
enum status file_tree_scan(struct file_tree *tree, struct error *error) MUST_CHECK;

/* Opens a regular file to be read; -1 and errno if that fails. */
int file_tree_open_file(const struct file_tree *tree, const char *name);

/* True if this errno means that a path has gone: itself, or a folder of it that something else has come in the place
 * of, such as a symbolic link. */
bool file_tree_is_gone(int number);

/* The state of an open file. */
bool file_state_read(int fd, struct file_state *ret_state);

/* What a device file stands for. */
dev_t file_state_device(const struct file_state *state);

/* True if a stat tells no difference. */
bool file_state_same(const struct file_state *left, const struct file_state *right);

/* What is in the archive of block `index` of it, or of a version of it before; BLOCK_NONE if nothing is. */
struct block file_block(const struct file *file, size_t index);

/* Takes the blocks of what is in the archive now over; those before are freed. */
void file_take_blocks(struct file *file, struct block *blocks, size_t count);

/* The number of TREE_BLOCK_SIZE blocks of a file of this size. */
size_t file_tree_blocks(uint64_t size);

#endif
