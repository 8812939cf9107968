#include "snapshot/direct_copy.h"

#include "base/clock.h"
#include "base/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum {
	/*
	 * A time stamp is as old as the kernel's last tick, 10 ms at the most; one without a fraction comes from a file
	 * system that keeps whole seconds, or every second one (FAT).
	 */
	TICK_NANOSECONDS = 20 * 1000 * 1000,
	COARSE_SECONDS = 3,
	LARGE_FILE = 16 << 20, /* bytes; larger ones are copied again only if ... */
	LARGE_CHANGE = 8,      /* ... this part of them has changed: one eighth */
};

static const int64_t NANOSECONDS = 1000000000;

/* A time stamp after which a file may have been written to without getting another one: through memory that is mapped,
 * or within the same tick of the clock (git calls that racily clean). Any may be one when the clock has been set back.
 */
static bool is_recent(const struct direct_copy *copy, const struct file_state *state)
{
	if (copy->date_offset - clock_date_offset() > TICK_NANOSECONDS) {
		return true;
	}
	int64_t last = state->modified > state->changed ? state->modified : state->changed;
	int64_t margin = state->modified % NANOSECONDS == 0 ? COARSE_SECONDS * NANOSECONDS : TICK_NANOSECONDS;
	return last >= copy->flushed - margin;
}

struct live {
	int fd;
	uint64_t changed; /* bytes that were not as in the version before */
};

static enum status obtain_live(struct direct_copy *copy, void *context, struct entry *entry, size_t index,
							   char *content, const struct block **ret_same, struct error *error)
{
	(void)copy;
	struct live *live = context;
	const struct file *file = entry->file;
	size_t length = 0;
	bool hole = false;
	enum status status = block_read(live->fd, file->name, file->state.size, index, content, &length, &hole, error);
	if (status != STATUS_OK) {
		return status;
	}
	if (hole) {
		memset(content, 0, length);
	}
	struct block *block = &entry->blocks[index];
	const struct block *before = index < file->block_count && !file->inside ? &file->blocks[index] : NULL;
	block->sum = block_sum(content, length);
	*ret_same = before != NULL && before->kind == BLOCK_MEMBER && before->sum == block->sum ? before : NULL;
	live->changed += *ret_same == NULL ? length : 0;
	return STATUS_OK;
}

static enum status find_holes(struct entry *entry, int fd, struct error *error)
{
	entry->count = file_tree_blocks(entry->file->state.size);
	entry->blocks = calloc(entry->count > 0 ? entry->count : 1, sizeof *entry->blocks);
	if (entry->blocks == NULL) {
		return error_memory(error);
	}
	for (size_t i = 0; i < entry->count;) {
		size_t next = block_next_data(fd, i, entry->count);
		for (; i < next; i++) {
			entry->blocks[i].kind = BLOCK_HOLE;
		}
		i += i < entry->count;
	}
	return STATUS_OK;
}

/*
 * Opens a file that was a regular one when it was scanned, and says how it is now. *ret_fd is -1 if there is no such
 * file any more, or something else in its place: that is left to the next scan.
 */
static enum status open_regular(const struct direct_copy *copy, const struct file *file, int *ret_fd,
								struct file_state *ret_state, struct error *error)
{
	CLEANUP(cleanup_close) int fd = file_tree_open_file(&copy->tree, file->name);
	*ret_fd = -1;
	if (fd < 0 && (file_tree_is_gone(errno) || errno == ENXIO)) { /* ENXIO: a socket */
		return STATUS_OK;
	}
	if (fd < 0 || !file_state_read(fd, ret_state)) {
		return error_set_errno(error, "cannot read %s", file->name);
	}
	*ret_fd = S_ISREG(ret_state->mode) ? cleanup_take(&fd) : -1;
	return STATUS_OK;
}

static enum status copy_file(struct direct_copy *copy, struct file *file, uint64_t *changed, struct error *error)
{
	CLEANUP(cleanup_close) int fd = -1;
	CLEANUP(direct_entry_free) struct entry entry = {.file = file};
	struct file_state before;
	struct file_state after;
	enum status status = open_regular(copy, file, &fd, &before, error);
	if (status != STATUS_OK || fd < 0) {
		return status;
	}
	struct live live = {.fd = fd};
	file->state = before;
	if (file->state.size > TREE_BLOCK_SIZE) {
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	}
	status = find_holes(&entry, fd, error);
	if (status == STATUS_OK) {
		status = direct_entry_write(copy, &entry, obtain_live, &live, error);
	}
	if (status == STATUS_OK) {
		file->suspect = is_recent(copy, &file->state);
		file->due = !file_state_read(fd, &after) || !file_state_same(&file->state, &after);
	}
	*changed += live.changed;
	return status;
}

/* How much of an open file is not as it was copied. */
static enum status count_changes(struct direct_copy *copy, const struct file *file, int fd, uint64_t *ret_bytes,
								 struct error *error)
{
	size_t count = file_tree_blocks(file->state.size);
	enum status status = STATUS_OK;
	*ret_bytes = 0;
	for (size_t i = 0; status == STATUS_OK && i < count; i++) {
		size_t length = 0;
		bool hole = false;
		char *content = NULL; /* lent only to be looked at */
		const struct block before = file_block(file, i);
		status = interrupt_check(error);
		if (status == STATUS_OK) {
			status = archive_draft_lend(copy->draft, TREE_BLOCK_SIZE, &content, error);
		}
		if (status == STATUS_OK) {
			status = block_read(fd, file->name, file->state.size, i, content, &length, &hole, error);
		}
		bool same = false;
		if (status == STATUS_OK) {
			same = before.kind == BLOCK_HOLE
					   ? hole
					   : !hole && before.kind != BLOCK_NONE && before.sum == block_sum(content, length);
		}
		*ret_bytes += same ? 0 : length;
	}
	return status;
}

/*
 * A file that has been copied before. What has changed of a large one is left for the moment if it is little: its new
 * version would repeat all the rest of it. One that cannot be found stays suspect: it may come back with its folder.
 */
static enum status copy_again(struct direct_copy *copy, struct file *file, uint64_t *changed, struct error *error)
{
	CLEANUP(cleanup_close) int fd = -1;
	struct file_state now;
	uint64_t bytes = 0;
	enum status status = open_regular(copy, file, &fd, &now, error);
	if (status == STATUS_OK && fd >= 0) {
		status = count_changes(copy, file, fd, &bytes, error);
	}
	if (status != STATUS_OK || fd < 0) {
		return status;
	}
	file->due = file->due || !file_state_same(&file->state, &now);
	if (bytes == 0 && !file->due) {
		file->suspect = is_recent(copy, &file->state);
		return STATUS_OK;
	}
	if (file->state.size > LARGE_FILE && bytes < file->state.size / LARGE_CHANGE) {
		*changed += bytes;
		return STATUS_OK;
	}
	return copy_file(copy, file, changed, error);
}

/* Anything but a regular file. That it has gone since the scan, or is something else, is left to the next one. */
static enum status copy_plain(struct direct_copy *copy, struct file *file, struct error *error)
{
	struct stat now;
	enum status status = direct_entry_write_plain(copy, file, error);
	if (status != STATUS_FAILED) {
		return status;
	}
	bool there = fstatat(copy->tree.root, file->name, &now, AT_SYMLINK_NOFOLLOW) == 0;
	bool gone = there ? (now.st_mode & S_IFMT) != (file->state.mode & S_IFMT) : file_tree_is_gone(errno);
	return gone ? STATUS_OK : status;
}

static enum status catch_up_files(struct direct_copy *copy, struct file *const *files, size_t count,
								  struct progress *progress, uint64_t *changed, struct error *error)
{
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < count; i++) {
		struct file *file = files[i];
		uint64_t size = file->state.size;
		status = interrupt_check(error);
		if (status == STATUS_OK && S_ISREG(file->state.mode)) {
			status =
				file->place.length > 0 ? copy_again(copy, file, changed, error) : copy_file(copy, file, changed, error);
		} else if (status == STATUS_OK) {
			status = copy_plain(copy, file, error);
		}
		progress_advance(progress, size);
	}
	return status == STATUS_OK ? archive_draft_drain(copy->draft, error) : status;
}

/*
 * What is written through mapped memory gets its time stamp when the page is written to for the first time after it was
 * flushed. Where it cannot be flushed every file is suspect: 0. The clock is the one that the time stamps are taken
 * from, which may lag behind the precise one (clock_gettime(2), CLOCK_REALTIME_COARSE).
 */
static int64_t flush(int folder)
{
	struct timespec now;
	struct statfs system;
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (syncfs(folder) != 0 || fstatfs(folder, &system) != 0 || system.f_type == TMPFS_MAGIC ||
		system.f_type == RAMFS_MAGIC) {
		return 0;
	}
	return now.tv_sec * NANOSECONDS + now.tv_nsec;
}

enum status direct_live_catch_up(struct direct_copy *copy, struct progress *progress, uint64_t *ret_bytes,
								 struct error *error)
{
	*ret_bytes = 0;
	CLEANUP(cleanup_free) struct file **files = NULL;
	size_t count = 0;
	uint64_t bytes = 0;
	copy->date_offset = clock_date_offset();
	copy->flushed = flush(copy->tree.root);
	enum status status = file_tree_scan(&copy->tree, error);
	if (status == STATUS_OK) {
		status = direct_copy_list_due(copy, &files, &count, &bytes, error);
	}
	if (status == STATUS_OK) {
		progress_step(progress, copy->tree.scans == 1 ? "copying" : "copying what has changed", bytes);
		status = catch_up_files(copy, files, count, progress, ret_bytes, error);
	}
	return status;
}
