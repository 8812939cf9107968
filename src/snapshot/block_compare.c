#include "snapshot/block_compare.h"

#include "base/files.h"
#include "base/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <isa-l/crc64.h>
#include <limits.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	MOST_THREADS = 8,
	MOST_CLONES = 256,                    /* open files */
	SMALLEST_CLONE = 4 * TREE_BLOCK_SIZE, /* bytes; less is read as quickly */
};

uint64_t block_sum(const void *bytes, size_t length)
{
	/* It begins with the length: the last block of a file that has grown is another one. */
	return crc64_ecma_refl(length, bytes, length);
}

/* lseek(2), SEEK_DATA: ENXIO if there is only a hole up to the end. Where it is not known, all is data. */
static bool is_hole(int fd, off_t start, off_t end)
{
	off_t data = lseek(fd, start, SEEK_DATA);
	return data < 0 ? errno == ENXIO : data >= end;
}

size_t block_next_data(int fd, size_t index, size_t count)
{
	off_t data = lseek(fd, (off_t)index * TREE_BLOCK_SIZE, SEEK_DATA);
	if (data < 0) {
		return errno == ENXIO ? count : index;
	}
	size_t next = (size_t)(data / TREE_BLOCK_SIZE);
	return next < count ? next : count;
}

enum status block_read(int fd, const char *name, uint64_t size, size_t index, void *bytes, size_t *ret_length,
					   bool *ret_hole, struct error *error)
{
	uint64_t start = (uint64_t)index * TREE_BLOCK_SIZE;
	size_t length = size - start < TREE_BLOCK_SIZE ? (size_t)(size - start) : (size_t)TREE_BLOCK_SIZE;
	*ret_length = length;
	*ret_hole = is_hole(fd, (off_t)start, (off_t)(start + length));
	if (*ret_hole) {
		return STATUS_OK;
	}
	ssize_t got = files_read_at(fd, bytes, length, start);
	if (got < 0) {
		return error_set_errno(error, "cannot read %s", name);
	}
	memset((char *)bytes + got, 0, length - (size_t)got); /* it has become shorter; its stat will tell */
	return STATUS_OK;
}

struct comparison {
	const struct file_tree *tree;
	struct kept *kept;
	bool clones;           /* look at the files that were cloned, else at the others */
	pthread_mutex_t mutex; /* over what follows */
	size_t next_file;
	size_t next_block;
	enum status status;
	struct error error;
};

/* The next block to look at; false if there is none, or after a failure. */
static bool take_task(struct comparison *comparison, size_t *ret_file, size_t *ret_block)
{
	pthread_mutex_lock(&comparison->mutex);
	const struct kept *kept = comparison->kept;
	while (comparison->next_file < kept->count &&
		   (comparison->next_block >= kept->files[comparison->next_file].block_count ||
			(kept->files[comparison->next_file].clone >= 0) != comparison->clones)) {
		comparison->next_file++;
		comparison->next_block = 0;
	}
	bool any = comparison->status == STATUS_OK && comparison->next_file < kept->count;
	*ret_file = comparison->next_file;
	*ret_block = comparison->next_block++;
	pthread_mutex_unlock(&comparison->mutex);
	return any;
}

static void fail(struct comparison *comparison, const struct error *error)
{
	pthread_mutex_lock(&comparison->mutex);
	if (comparison->status == STATUS_OK) {
		comparison->status = error->status;
		comparison->error = *error;
	}
	pthread_mutex_unlock(&comparison->mutex);
}

static enum status put_aside(struct comparison *comparison, const char *bytes, size_t length, uint64_t *ret_offset,
							 struct error *error)
{
	struct kept *kept = comparison->kept;
	uint64_t offset = __atomic_fetch_add(&kept->bytes, length, __ATOMIC_RELAXED);
	*ret_offset = offset;
	return files_write_at(kept->aside, bytes, length, offset)
			   ? STATUS_OK
			   : error_set_errno(error, "cannot put aside what has changed");
}

/* A block that stands alone in the archive need not be kept if it is the same; one that shares a member with its file's
 * header is needed if anything of the file has changed. */
static bool is_same(const struct file *file, size_t index, bool hole, uint64_t sum)
{
	const struct block block = file_block(file, index);
	if (hole || block.kind == BLOCK_HOLE) {
		return hole && block.kind == BLOCK_HOLE;
	}
	return block.kind != BLOCK_NONE && block.sum == sum && !(block.kind == BLOCK_INSIDE && file->due);
}

static enum status compare(struct comparison *comparison, int fd, struct kept_file *kept, size_t index, char *bytes,
						   struct error *error)
{
	struct kept_block *block = &kept->blocks[index];
	size_t length = 0;
	bool hole = false;
	enum status status = block_read(fd, kept->file->name, kept->file->state.size, index, bytes, &length, &hole, error);
	if (status != STATUS_OK) {
		return status;
	}
	block->sum = hole ? 0 : block_sum(bytes, length);
	bool same = is_same(kept->file, index, hole, block->sum);
	block->what = same ? KEPT_SAME : hole ? KEPT_HOLE : KEPT_ASIDE;
	if (!same) {
		__atomic_store_n(&kept->differs, true, __ATOMIC_RELAXED);
	}
	return block->what == KEPT_ASIDE ? put_aside(comparison, bytes, length, &block->offset, error) : STATUS_OK;
}

/* An offset of its own for each thread, which dup(2) would not give. */
static int reopen(int fd)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void *work(void *context)
{
	struct comparison *comparison = context;
	CLEANUP(cleanup_free) char *bytes = malloc(TREE_BLOCK_SIZE);
	CLEANUP(cleanup_close) int fd = -1;
	size_t open_file = SIZE_MAX;
	size_t file = 0;
	size_t block = 0;
	struct error error;
	if (bytes == NULL) {
		(void)error_memory(&error);
		fail(comparison, &error);
		return NULL;
	}
	while (take_task(comparison, &file, &block)) {
		struct kept_file *kept = &comparison->kept->files[file];
		enum status status = interrupt_check(&error);
		if (status == STATUS_OK && open_file != file) {
			cleanup_close(&fd);
			fd = kept->clone >= 0 ? reopen(kept->clone) : file_tree_open_file(comparison->tree, kept->file->name);
			open_file = file;
			if (fd < 0) {
				status = error_set_errno(&error, "cannot read %s", kept->file->name);
			}
		}
		if (status == STATUS_OK) {
			status = compare(comparison, fd, kept, block, bytes, &error);
		}
		if (status != STATUS_OK) {
			fail(comparison, &error);
		}
	}
	return NULL;
}

/* On this thread and as many others as there are cores; one that cannot be started is not missed. */
static void work_on_all_cores(struct comparison *comparison)
{
	pthread_t threads[MOST_THREADS];
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	size_t started = 0;
	for (long i = 1; i < cores && started < MOST_THREADS; i++) {
		started += pthread_create(&threads[started], NULL, work, comparison) == 0;
	}
	(void)work(comparison);
	for (size_t i = 0; i < started; i++) {
		pthread_join(threads[i], NULL);
	}
}

static int open_aside(const char *folder)
{
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0) {
		return fd;
	}
	/* Not every file system has files without a name. */
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/.aside-XXXXXX", folder);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0) {
		unlink(path);
	}
	return fd;
}

/* ioctl_ficlone(2): the file as it is now, without reading it, where the file system can and is the same. */
static int try_clone(const struct file_tree *tree, const struct file *file, const char *aside_folder)
{
	CLEANUP(cleanup_close) int source = file_tree_open_file(tree, file->name);
	CLEANUP(cleanup_close) int clone = source >= 0 ? open_aside(aside_folder) : -1;
	return clone >= 0 && ioctl(clone, FICLONE, source) == 0 ? cleanup_take(&clone) : -1;
}

static enum status compare_all(const struct file_tree *tree, struct kept *kept, bool clones, struct error *error)
{
	struct comparison comparison = {.tree = tree, .kept = kept, .clones = clones, .mutex = PTHREAD_MUTEX_INITIALIZER};
	work_on_all_cores(&comparison);
	pthread_mutex_destroy(&comparison.mutex);
	if (comparison.status != STATUS_OK) {
		*error = comparison.error;
	}
	return comparison.status;
}

enum status block_compare(const struct file_tree *tree, struct file *const *files, size_t count,
						  const char *aside_folder, struct kept *ret_kept, struct error *error)
{
	size_t blocks = 0;
	for (size_t i = 0; i < count; i++) {
		blocks += file_tree_blocks(files[i]->state.size);
	}
	struct kept kept = {
		.files = calloc(count + 1, sizeof *kept.files), .blocks = calloc(blocks + 1, sizeof *kept.blocks), .aside = -1};
	enum status status = kept.files == NULL || kept.blocks == NULL ? error_memory(error) : STATUS_OK;
	if (status == STATUS_OK && (kept.aside = open_aside(aside_folder)) < 0) {
		status = error_set_errno(error, "cannot make a file in %s", aside_folder);
	}
	bool can_clone = true;
	struct kept_block *next = kept.blocks;
	for (size_t i = 0; status == STATUS_OK && i < count; i++) {
		struct kept_file *file = &kept.files[kept.count++];
		*file = (struct kept_file){.file = files[i],
								   .blocks = next,
								   .block_count = file_tree_blocks(files[i]->state.size),
								   .differs = files[i]->due,
								   .clone = -1};
		next += file->block_count;
		if (can_clone && kept.clones < MOST_CLONES && files[i]->state.size >= SMALLEST_CLONE) {
			file->clone = try_clone(tree, files[i], aside_folder);
			can_clone = file->clone >= 0;
			kept.clones += can_clone;
		}
	}
	if (status == STATUS_OK && kept.count > kept.clones) {
		status = compare_all(tree, &kept, false, error);
	}
	if (status != STATUS_OK) {
		kept_free(&kept);
		return status;
	}
	*ret_kept = kept;
	return STATUS_OK;
}

enum status block_compare_clones(const struct file_tree *tree, struct kept *kept, struct error *error)
{
	return kept->clones > 0 ? compare_all(tree, kept, true, error) : STATUS_OK;
}

void kept_free(struct kept *kept)
{
	for (size_t i = 0; i < kept->count; i++) {
		cleanup_close(&kept->files[i].clone);
	}
	if (kept->files != NULL) {
		cleanup_close(&kept->aside);
	}
	free(kept->files);
	free(kept->blocks);
	*kept = (struct kept){.aside = -1};
}
