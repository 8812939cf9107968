#include "snapshot/folder_copy.h"

#include "base/buffer.h"
#include "base/interrupt.h"
#include "pipeline/file.h"
#include "pipeline/gzip.h"
#include "pipeline/tar.h"
#include "snapshot/archive_draft.h"
#include "snapshot/block_compare.h"
#include "snapshot/file_tree.h"
#include "snapshot/test_switch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

enum {
	LINK_LIMIT = 1 << 16,    /* bytes of what a symbolic link points to */
	HEADER_LIMIT = 64 << 20, /* bytes; a file with holes has a map of them in it */
	LARGE_FILE = 16 << 20,   /* bytes; larger ones are copied again only if ... */
	LARGE_CHANGE = 8,        /* ... this part of them has changed: one eighth */
	/*
	 * A time stamp is as old as the kernel's last tick, 10 ms at the most; one without a fraction comes from a file
	 * system that keeps whole seconds, or every second one (FAT).
	 */
	TICK_NANOSECONDS = 20 * 1000 * 1000,
	COARSE_SECONDS = 3,
};

static const int64_t NANOSECONDS = 1000000000;

struct folder_copy {
	struct runtime *runtime;           /* lent */
	const struct container *container; /* lent */
	char *folder;                      /* in the container */
	char *host_folder;                 /* on this machine; NULL: through the engine */
	char *path;                        /* of the archive */
	char *path_folder;                 /* that it is in */
	struct folder_copy_result result;
	/* Direct: */
	struct file_tree tree;
	struct archive_draft *draft;
	struct tar_headers *headers;
	struct buffer header; /* of the entry that is written */
	char *block;          /* GZIP_MEMBER_SIZE bytes */
	struct kept kept;     /* of the moment */
	int64_t flushed;      /* when the last syncfs began */
	/* Through the engine: */
	struct sink *file;
	struct sink *gzip;
};

enum status folder_copy_new(struct runtime *runtime, const struct container *container, const char *folder,
							const char *path, struct folder_copy **ret_copy, struct error *error)
{
	struct folder_copy *copy = calloc(1, sizeof *copy);
	if (copy == NULL) {
		return error_memory(error);
	}
	copy->runtime = runtime;
	copy->container = container;
	copy->tree.root = -1;
	copy->kept.aside = -1;
	copy->header.limit = HEADER_LIMIT;
	copy->folder = strdup(folder);
	copy->path = strdup(path);
	copy->path_folder = strndup(path, (size_t)(strrchr(path, '/') - path));
	copy->block = malloc(GZIP_MEMBER_SIZE);
	enum status status = copy->folder == NULL || copy->path == NULL || copy->path_folder == NULL || copy->block == NULL
							 ? error_memory(error)
							 : runtime_host_folder(runtime, container, folder, &copy->host_folder, error);
	copy->result.direct = copy->host_folder != NULL;
	if (status == STATUS_OK && copy->host_folder != NULL) {
		status = file_tree_open(&copy->tree, copy->host_folder, TAR_OWN_PREFIX, error);
		if (status == STATUS_OK) {
			status = archive_draft_new(path, &copy->draft, error);
		}
		if (status == STATUS_OK) {
			status = tar_headers_new(&copy->headers, error);
		}
	}
	if (status != STATUS_OK) {
		folder_copy_free(copy);
		return status;
	}
	*ret_copy = copy;
	return STATUS_OK;
}

void folder_copy_free(struct folder_copy *copy)
{
	if (copy == NULL) {
		return;
	}
	kept_free(&copy->kept);
	file_tree_close(&copy->tree);
	archive_draft_free(copy->draft);
	tar_headers_free(copy->headers);
	buffer_free(&copy->header);
	sink_free(copy->gzip);
	sink_free(copy->file);
	free(copy->block);
	free(copy->folder);
	free(copy->host_folder);
	free(copy->path);
	free(copy->path_folder);
	free(copy);
}

/* --- writing one entry ----------------------------------------------------------------------------------------------
 */

/* A file that is being written, block by block. */
struct entry {
	struct file *file;
	struct block *blocks; /* of the new version */
	size_t count;
	struct tar_run *runs; /* if it has holes */
	size_t run_count;
};

static void entry_free(struct entry *entry)
{
	free(entry->blocks);
	free(entry->runs);
}

static size_t block_length(const struct file *file, size_t index)
{
	uint64_t left = file->state.size - (uint64_t)index * TREE_BLOCK_SIZE;
	return left < TREE_BLOCK_SIZE ? (size_t)left : (size_t)TREE_BLOCK_SIZE;
}

static enum status path_of(const struct folder_copy *copy, const char *name, char **ret_path, struct error *error)
{
	return asprintf(ret_path, "%s%s%s", copy->folder + 1, name[0] != '\0' ? "/" : "", name) < 0 ? error_memory(error)
																								: STATUS_OK;
}

/* Where there is content; a file that is one hole keeps its last block, since a map of nothing cannot be read again
 * (libarchive 3.6). */
static enum status map_holes(struct entry *entry, struct error *error)
{
	size_t holes = 0;
	for (size_t i = 0; i < entry->count; i++) {
		holes += entry->blocks[i].kind == BLOCK_HOLE;
	}
	if (holes == 0) {
		return STATUS_OK;
	}
	if (holes == entry->count) {
		entry->blocks[entry->count - 1].kind = BLOCK_NONE;
	}
	entry->runs = calloc(entry->count - holes + 1, sizeof *entry->runs);
	if (entry->runs == NULL) {
		return error_memory(error);
	}
	for (size_t i = 0; i < entry->count; i++) {
		if (entry->blocks[i].kind == BLOCK_HOLE) {
			continue;
		}
		uint64_t offset = (uint64_t)i * TREE_BLOCK_SIZE;
		struct tar_run *last = entry->run_count > 0 ? &entry->runs[entry->run_count - 1] : NULL;
		if (last != NULL && last->offset + last->length == offset) {
			last->length += block_length(entry->file, i);
		} else {
			entry->runs[entry->run_count++] = (struct tar_run){offset, block_length(entry->file, i)};
		}
	}
	return STATUS_OK;
}

static enum status make_header(struct folder_copy *copy, const struct entry *entry, const char *link,
							   struct error *error)
{
	const struct file *file = entry->file;
	const struct file_state *state = &file->state;
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(cleanup_free) char *source = NULL;
	CLEANUP(cleanup_free) char *target = NULL;
	enum status status = path_of(copy, file->name, &path, error);
	if (status == STATUS_OK && asprintf(&source, "%s/%s", copy->host_folder, file->name) < 0) {
		source = NULL;
		status = error_memory(error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	struct tar_item item = {
		.path = path,
		.attributes = {.st_mode = state->mode,
					   .st_uid = state->user,
					   .st_gid = state->group,
					   .st_size = (off_t)state->size,
					   .st_nlink = 1,
					   .st_rdev = state->device,
					   .st_mtim = {.tv_sec = state->modified / NANOSECONDS}},
		.link = link,
		.runs = entry->runs,
		.run_count = entry->run_count,
	};
	if (S_ISLNK(state->mode)) {
		target = calloc(1, LINK_LIMIT);
		if (target == NULL) {
			return error_memory(error);
		}
		if (readlinkat(copy->tree.root, file->name, target, LINK_LIMIT - 1) < 0) {
			return error_set_errno(error, "cannot read %s", file->name);
		}
		item.symlink = target;
	} else if (llistxattr(source, NULL, 0) > 0) {
		item.source = source;
	}
	buffer_clear(&copy->header);
	return tar_header(copy->headers, &item, &copy->header, error);
}

/*
 * Finds out what a block holds: *ret_same is a block of the version before, in a member of its own; or NULL, and its
 * content is in copy->block and its sum noted.
 */
typedef enum status obtain_function(struct folder_copy *copy, void *context, struct entry *entry, size_t index,
									const struct block **ret_same, struct error *error);

/* Padding to whole tar blocks goes with the last block of content; so a block of the same bytes is the same member. */
static size_t padded(size_t length)
{
	return (length + TAR_BLOCK_SIZE - 1) / TAR_BLOCK_SIZE * TAR_BLOCK_SIZE;
}

static enum status append_block(struct folder_copy *copy, const struct entry *entry, size_t index, struct error *error)
{
	struct block *block = &entry->blocks[index];
	size_t length = block_length(entry->file, index);
	memset(copy->block + length, 0, padded(length) - length);
	block->offset = archive_draft_length(copy->draft);
	block->kind = BLOCK_MEMBER;
	return archive_draft_append(copy->draft, copy->block, padded(length), &block->length, error);
}

static enum status append_header(struct folder_copy *copy, struct error *error)
{
	enum status status = STATUS_OK;
	for (size_t at = 0; status == STATUS_OK && at < copy->header.length;) {
		size_t left = copy->header.length - at;
		size_t some = left < GZIP_MEMBER_SIZE ? left : (size_t)GZIP_MEMBER_SIZE;
		status = archive_draft_append(copy->draft, copy->header.data + at, some, NULL, error);
		at += some;
	}
	return status;
}

/* A small file is one member with its header. */
static enum status append_inside(struct folder_copy *copy, struct entry *entry, struct error *error)
{
	size_t length = block_length(entry->file, 0);
	memset(copy->block + length, 0, padded(length) - length);
	enum status status = buffer_append(&copy->header, copy->block, padded(length), error);
	entry->blocks[0].kind = BLOCK_INSIDE;
	return status == STATUS_OK ? append_header(copy, error) : status;
}

static enum status append_content(struct folder_copy *copy, struct entry *entry, obtain_function *obtain, void *context,
								  struct error *error)
{
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < entry->count; i++) {
		struct block *block = &entry->blocks[i];
		const struct block *same = NULL;
		status = interrupt_check(error);
		if (status != STATUS_OK || block->kind == BLOCK_HOLE) {
			continue;
		}
		status = obtain(copy, context, entry, i, &same, error);
		if (status == STATUS_OK && same != NULL) {
			*block = *same;
			block->offset = archive_draft_length(copy->draft);
			status = archive_draft_repeat(copy->draft, same->offset, same->length, error);
		} else if (status == STATUS_OK) {
			status = append_block(copy, entry, i, error);
		}
	}
	return status;
}

/* Writes an entry whose holes are known; nothing of the file's version before is let go of. */
static enum status append_entry(struct folder_copy *copy, struct entry *entry, obtain_function *obtain, void *context,
								struct error *error)
{
	enum status status = map_holes(entry, error);
	if (status == STATUS_OK) {
		status = make_header(copy, entry, NULL, error);
	}
	bool inside = status == STATUS_OK && entry->count == 1 &&
				  copy->header.length + padded(block_length(entry->file, 0)) <= GZIP_MEMBER_SIZE;
	if (status == STATUS_OK && inside) {
		const struct block *same = NULL;
		status = obtain(copy, context, entry, 0, &same, error);
		if (status == STATUS_OK && same == NULL) {
			return append_inside(copy, entry, error);
		}
	}
	if (status == STATUS_OK) {
		status = append_header(copy, error);
	}
	return status == STATUS_OK ? append_content(copy, entry, obtain, context, error) : status;
}

/* The entry becomes what the archive holds of its file. A file whose writing failed keeps what it had. */
static enum status write_entry(struct folder_copy *copy, struct entry *entry, obtain_function *obtain, void *context,
							   struct error *error)
{
	struct file *file = entry->file;
	uint64_t begin = archive_draft_length(copy->draft);
	enum status status = append_entry(copy, entry, obtain, context, error);
	if (status == STATUS_OK) {
		free(file->blocks);
		file->blocks = MOVE(entry->blocks);
		file->block_count = entry->count;
		file->offset = begin;
		file->length = archive_draft_length(copy->draft) - begin;
		file->due = false;
	}
	return status;
}

/* What is all header: folders, symbolic links, devices. */
static enum status write_plain(struct folder_copy *copy, struct file *file, struct error *error)
{
	struct entry entry = {.file = file};
	return write_entry(copy, &entry, NULL, NULL, error);
}

/* --- while the server runs ------------------------------------------------------------------------------------------
 */

/* A time stamp after which a file may have been written to without getting another one: through memory that is mapped,
 * or within the same tick of the clock (git calls that racily clean). */
static bool is_recent(const struct folder_copy *copy, const struct file_state *state)
{
	int64_t last = state->modified > state->changed ? state->modified : state->changed;
	int64_t margin = state->modified % NANOSECONDS == 0 ? COARSE_SECONDS * NANOSECONDS : TICK_NANOSECONDS;
	return last >= copy->flushed - margin;
}

struct live {
	int fd;
	uint64_t changed; /* bytes that were not as in the version before */
};

static enum status obtain_live(struct folder_copy *copy, void *context, struct entry *entry, size_t index,
							   const struct block **ret_same, struct error *error)
{
	struct live *live = context;
	const struct file *file = entry->file;
	size_t length = 0;
	bool hole = false;
	enum status status = block_read(live->fd, file->name, file->state.size, index, copy->block, &length, &hole, error);
	if (status != STATUS_OK) {
		return status;
	}
	if (hole) {
		memset(copy->block, 0, length);
	}
	struct block *block = &entry->blocks[index];
	const struct block *before = index < file->block_count ? &file->blocks[index] : NULL;
	block->sum = block_sum(copy->block, length);
	*ret_same = before != NULL && before->kind == BLOCK_MEMBER && before->sum == block->sum ? before : NULL;
	live->changed += *ret_same == NULL ? length : 0;
	return STATUS_OK;
}

static enum status find_holes(struct entry *entry, int fd, struct error *error)
{
	entry->count = file_tree_blocks(entry->file->state.size);
	entry->blocks = calloc(entry->count + 1, sizeof *entry->blocks);
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

/* A file that has gone since the scan is left to the next one. */
static enum status copy_file(struct folder_copy *copy, struct file *file, uint64_t *changed, struct error *error)
{
	CLEANUP(cleanup_close) int fd = file_tree_open_file(&copy->tree, file->name);
	CLEANUP(entry_free) struct entry entry = {.file = file};
	struct live live = {.fd = fd};
	struct file_state after;
	if (fd < 0) {
		return errno == ENOENT || errno == ELOOP ? STATUS_OK : error_set_errno(error, "cannot read %s", file->name);
	}
	if (!file_state_read(fd, &file->state)) {
		return error_set_errno(error, "cannot read %s", file->name);
	}
	if (!S_ISREG(file->state.mode)) {
		return STATUS_OK;
	}
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	enum status status = find_holes(&entry, fd, error);
	if (status == STATUS_OK) {
		status = write_entry(copy, &entry, obtain_live, &live, error);
	}
	if (status == STATUS_OK) {
		file->suspect = is_recent(copy, &file->state);
		file->due = !file_state_read(fd, &after) || !file_state_same(&file->state, &after);
	}
	*changed += live.changed;
	return status;
}

/* How much of a file is not as it was copied. */
static enum status count_changes(struct folder_copy *copy, const struct file *file, uint64_t *ret_bytes,
								 struct error *error)
{
	CLEANUP(cleanup_close) int fd = file_tree_open_file(&copy->tree, file->name);
	*ret_bytes = 0;
	if (fd < 0) {
		return errno == ENOENT || errno == ELOOP ? STATUS_OK : error_set_errno(error, "cannot read %s", file->name);
	}
	size_t count = file_tree_blocks(file->state.size);
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < count; i++) {
		size_t length = 0;
		bool hole = false;
		const struct block *before = i < file->block_count ? &file->blocks[i] : NULL;
		status = interrupt_check(error);
		if (status == STATUS_OK) {
			status = block_read(fd, file->name, file->state.size, i, copy->block, &length, &hole, error);
		}
		bool same = before != NULL &&
					(before->kind == BLOCK_HOLE ? hole : !hole && before->sum == block_sum(copy->block, length));
		*ret_bytes += same ? 0 : length;
	}
	return status;
}

/*
 * A file that has been copied before. What has changed of a large one is left for the moment if it is little: its new
 * version would repeat all the rest of it.
 */
static enum status copy_again(struct folder_copy *copy, struct file *file, uint64_t *changed, struct error *error)
{
	uint64_t bytes = 0;
	enum status status = count_changes(copy, file, &bytes, error);
	if (status != STATUS_OK) {
		return status;
	}
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

static bool is_folder(const struct file *file)
{
	return S_ISDIR(file->state.mode);
}

/* Folders first, each before what is in it; then the others, oldest first: what changes stands at the end. */
static int by_age(const void *left, const void *right)
{
	const struct file *a = *(struct file *const *)left;
	const struct file *b = *(struct file *const *)right;
	if (is_folder(a) != is_folder(b)) {
		return is_folder(a) ? -1 : 1;
	}
	if (!is_folder(a) && a->state.modified != b->state.modified) {
		return a->state.modified < b->state.modified ? -1 : 1;
	}
	return strcmp(a->name, b->name);
}

/* What the archive does not hold as the last scan saw it, or may not hold. Owned by the caller, the files are not. */
static enum status list_due(const struct folder_copy *copy, struct file ***ret_files, size_t *ret_count,
							uint64_t *ret_bytes, struct error *error)
{
	const struct file_tree *tree = &copy->tree;
	struct file **files = calloc(tree->count + 1, sizeof(struct file *));
	if (files == NULL) {
		return error_memory(error);
	}
	size_t count = 0;
	uint64_t bytes = 0;
	for (size_t i = 0; i < tree->count; i++) {
		struct file *file = tree->files[i];
		bool suspect = file->suspect && !test_switch_leaves_out("racily_clean");
		if (file->link_of == NULL && (file->due || suspect)) {
			files[count++] = file;
			bytes += file->state.size;
		}
	}
	qsort(files, count, sizeof(struct file *), by_age);
	*ret_files = files;
	*ret_count = count;
	*ret_bytes = bytes;
	return STATUS_OK;
}

static enum status catch_up_files(struct folder_copy *copy, struct file *const *files, size_t count,
								  struct progress *progress, uint64_t *changed, struct error *error)
{
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < count; i++) {
		struct file *file = files[i];
		uint64_t size = file->state.size;
		status = interrupt_check(error);
		if (status == STATUS_OK && S_ISREG(file->state.mode)) {
			status = file->length > 0 ? copy_again(copy, file, changed, error) : copy_file(copy, file, changed, error);
		} else if (status == STATUS_OK) {
			status = write_plain(copy, file, error);
			if (status != STATUS_OK && faccessat(copy->tree.root, file->name, F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
				status = STATUS_OK; /* it has gone; the next scan finds that out */
			}
		}
		progress_advance(progress, size);
	}
	return status;
}

enum status folder_copy_catch_up(struct folder_copy *copy, struct progress *progress, uint64_t *ret_bytes,
								 struct error *error)
{
	*ret_bytes = 0;
	if (copy->host_folder == NULL) {
		return STATUS_OK;
	}
	CLEANUP(cleanup_free) struct file **files = NULL;
	struct timespec now;
	size_t count = 0;
	uint64_t bytes = 0;
	clock_gettime(CLOCK_REALTIME, &now);
	/* What is written through mapped memory gets its time stamp when the page is written to for the first time after
	 * it was flushed. Where it cannot be flushed every file is suspect. */
	copy->flushed = syncfs(copy->tree.root) == 0 ? now.tv_sec * NANOSECONDS + now.tv_nsec : 0;
	enum status status = file_tree_scan(&copy->tree, error);
	if (status == STATUS_OK) {
		status = list_due(copy, &files, &count, &bytes, error);
	}
	if (status == STATUS_OK) {
		progress_step(progress, copy->tree.scans == 1 ? "copying" : "copying what has changed", bytes);
		status = catch_up_files(copy, files, count, progress, ret_bytes, error);
	}
	return status;
}

/* --- the moment -----------------------------------------------------------------------------------------------------
 */

/* Through the engine: its stream names everything after the folder's last component. */
static enum status capture_stream(struct folder_copy *copy, struct error *error)
{
	const char *slash = strrchr(copy->folder, '/');
	CLEANUP(cleanup_source) struct source *tar = NULL;
	CLEANUP(cleanup_source) struct source *renamed = NULL;
	sink_free(MOVE(copy->gzip));
	sink_free(MOVE(copy->file));
	unlink(copy->path);
	enum status status = file_sink_new(copy->path, &copy->file, error);
	if (status == STATUS_OK) {
		status = gzip_sink_new(copy->file, &copy->gzip, error);
	}
	if (status == STATUS_OK) {
		status = runtime_archive_get(copy->runtime, copy->container, copy->folder, &tar, error);
	}
	if (status == STATUS_OK) {
		status = tar_rename_source_new(MOVE(tar), slash + 1, copy->folder + 1, &renamed, error);
	}
	if (status == STATUS_OK) {
		status = stream_copy(renamed, copy->gzip, &copy->result.bytes, error);
	}
	copy->result.window_bytes = copy->result.bytes;
	return status;
}

enum status folder_copy_capture(struct folder_copy *copy, struct error *error)
{
	if (copy->host_folder == NULL) {
		return capture_stream(copy, error);
	}
	CLEANUP(cleanup_free) struct file **files = NULL;
	size_t count = 0;
	uint64_t bytes = 0;
	kept_free(&copy->kept);
	enum status status = file_tree_scan(&copy->tree, error);
	if (status == STATUS_OK) {
		status = list_due(copy, &files, &count, &bytes, error);
	}
	size_t regular = 0;
	for (size_t i = 0; status == STATUS_OK && i < count; i++) {
		if (S_ISREG(files[i]->state.mode)) {
			files[regular++] = files[i];
		}
	}
	if (status == STATUS_OK) {
		status = block_compare(&copy->tree, files, regular, copy->path_folder, &copy->kept, error);
	}
	copy->result.window_bytes = copy->kept.bytes;
	return status;
}

/* --- after it -------------------------------------------------------------------------------------------------------
 */

static enum status obtain_kept(struct folder_copy *copy, void *context, struct entry *entry, size_t index,
							   const struct block **ret_same, struct error *error)
{
	const struct kept_file *kept = context;
	const struct kept_block *block = &kept->blocks[index];
	const struct file *file = entry->file;
	size_t length = block_length(file, index);
	entry->blocks[index].sum = block->sum;
	*ret_same = NULL;
	if (block->what == KEPT_SAME && index < file->block_count && file->blocks[index].kind == BLOCK_MEMBER) {
		*ret_same = &file->blocks[index];
		return STATUS_OK;
	}
	if (block->what == KEPT_HOLE) {
		memset(copy->block, 0, length);
		entry->blocks[index].sum = block_sum(copy->block, length);
		return STATUS_OK;
	}
	ssize_t got = block->what == KEPT_ASIDE ? pread(copy->kept.aside, copy->block, length, (off_t)block->offset) : 0;
	if (got != (ssize_t)length || block_sum(copy->block, length) != block->sum) {
		return error_set(error, STATUS_FAILED, "what was put aside of %s cannot be read again", file->name);
	}
	return STATUS_OK;
}

static enum status write_kept(struct folder_copy *copy, struct kept_file *kept, struct error *error)
{
	CLEANUP(entry_free) struct entry entry = {.file = kept->file, .count = kept->block_count};
	entry.blocks = calloc(entry.count + 1, sizeof *entry.blocks);
	if (entry.blocks == NULL) {
		return error_memory(error);
	}
	for (size_t i = 0; i < entry.count; i++) {
		const struct kept_block *block = &kept->blocks[i];
		bool was_hole = i < kept->file->block_count && kept->file->blocks[i].kind == BLOCK_HOLE;
		bool hole = block->what == KEPT_HOLE || (block->what == KEPT_SAME && was_hole);
		entry.blocks[i].kind = hole ? BLOCK_HOLE : BLOCK_NONE;
	}
	return write_entry(copy, &entry, obtain_kept, kept, error);
}

/* The new versions of what has changed, behind everything else. */
static enum status write_changes(struct folder_copy *copy, struct progress *progress, struct error *error)
{
	enum status status = block_compare_clones(&copy->tree, &copy->kept, error);
	copy->result.window_bytes = copy->kept.bytes;
	for (size_t i = 0; status == STATUS_OK && i < copy->tree.count; i++) {
		struct file *file = copy->tree.files[i];
		if (file->due && file->link_of == NULL && !S_ISREG(file->state.mode)) {
			status = write_plain(copy, file, error);
		}
	}
	for (size_t i = 0; status == STATUS_OK && i < copy->kept.count; i++) {
		if (copy->kept.files[i].differs) {
			status = write_kept(copy, &copy->kept.files[i], error);
		}
		progress_advance(progress, copy->kept.files[i].file->state.size);
	}
	return status;
}

static int by_offset(const void *left, const void *right)
{
	const struct file *a = *(struct file *const *)left;
	const struct file *b = *(struct file *const *)right;
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* Closes up what has become stale: old versions, files that are gone. */
static enum status close_up(struct folder_copy *copy, struct file **files, size_t count, struct error *error)
{
	uint64_t end = 0;
	enum status status = STATUS_OK;
	qsort(files, count, sizeof(struct file *), by_offset);
	for (size_t i = 0; status == STATUS_OK && i < count; i++) {
		if (files[i]->offset != end) {
			status = archive_draft_move(copy->draft, files[i]->offset, end, files[i]->length, error);
			files[i]->offset = end; /* those of its blocks are not needed any more */
		}
		end += files[i]->length;
	}
	return status == STATUS_OK ? archive_draft_cut(copy->draft, end, error) : status;
}

static enum status write_links(struct folder_copy *copy, struct error *error)
{
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < copy->tree.count; i++) {
		struct file *file = copy->tree.files[i];
		if (file->link_of == NULL) {
			continue;
		}
		CLEANUP(cleanup_free) char *target = NULL;
		struct entry entry = {.file = file};
		status = path_of(copy, file->link_of->name, &target, error);
		if (status == STATUS_OK) {
			status = make_header(copy, &entry, target, error);
		}
		if (status == STATUS_OK) {
			status = append_header(copy, error);
		}
	}
	return status;
}

static enum status complete(struct folder_copy *copy, struct progress *progress, struct error *error)
{
	static const char end_marker[2 * TAR_BLOCK_SIZE]; /* POSIX pax: two blocks of zeros */
	struct file_tree *tree = &copy->tree;
	CLEANUP(cleanup_free) struct file **files = calloc(tree->count + 1, sizeof(struct file *));
	size_t count = 0;
	progress_step(progress, "adding what has changed", 0);
	enum status status = files == NULL ? error_memory(error) : write_changes(copy, progress, error);
	for (size_t i = 0; status == STATUS_OK && i < tree->count; i++) {
		struct file *file = tree->files[i];
		copy->result.bytes += file->link_of == NULL ? file->state.size : 0;
		if (file->link_of == NULL && file->length > 0) {
			files[count++] = file;
		} else if (file->link_of == NULL) {
			status = error_set(error, STATUS_FAILED, "%s is missing in the archive", file->name);
		}
	}
	if (status == STATUS_OK) {
		status = close_up(copy, files, count, error);
	}
	if (status == STATUS_OK) {
		status = write_links(copy, error);
	}
	if (status == STATUS_OK) {
		status = archive_draft_append(copy->draft, end_marker, sizeof end_marker, NULL, error);
	}
	progress_step(progress, "flushing to disk", 0);
	return status == STATUS_OK ? archive_draft_finish(copy->draft, error) : status;
}

enum status folder_copy_finish(struct folder_copy *copy, struct progress *progress,
							   struct folder_copy_result *ret_result, struct error *error)
{
	enum status status = STATUS_OK;
	if (copy->host_folder != NULL) {
		status = complete(copy, progress, error);
	} else {
		progress_step(progress, "flushing to disk", 0);
		status = sink_finish(copy->gzip, error);
	}
	*ret_result = copy->result;
	return status;
}
