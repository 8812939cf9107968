#include "snapshot/direct_copy.h"

#include "base/interrupt.h"
#include "pipeline/gzip.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { LINK_LIMIT = 1 << 16 }; /* bytes of what a symbolic link points to */

static const int64_t NANOSECONDS = 1000000000;

void direct_entry_free(struct entry *entry)
{
	free(entry->blocks);
	free(entry->runs);
}

size_t direct_entry_block_length(const struct file *file, size_t index)
{
	uint64_t left = file->state.size - (uint64_t)index * TREE_BLOCK_SIZE;
	return left < TREE_BLOCK_SIZE ? (size_t)left : (size_t)TREE_BLOCK_SIZE;
}

static enum status path_of(const struct direct_copy *copy, const char *name, char **ret_path, struct error *error)
{
	return asprintf(ret_path, "%s%s%s", copy->path_in_archive, name[0] != '\0' ? "/" : "", name) < 0
			   ? error_memory(error)
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
			last->length += direct_entry_block_length(entry->file, i);
		} else {
			entry->runs[entry->run_count++] = (struct tar_run){offset, direct_entry_block_length(entry->file, i)};
		}
	}
	return STATUS_OK;
}

static enum status make_header(struct direct_copy *copy, const struct entry *entry, const char *link,
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
					   .st_rdev = file_state_device(state),
					   .st_mtim = {.tv_sec = state->modified / NANOSECONDS}},
		.link = link,
		.runs = entry->runs,
		.run_count = entry->run_count,
	};
	if (S_ISLNK(state->mode) && link == NULL) {
		target = calloc(1, LINK_LIMIT);
		if (target == NULL) {
			return error_memory(error);
		}
		if (readlinkat(copy->tree.root, file->name, target, LINK_LIMIT - 1) < 0) {
			return error_set_errno(error, "cannot read %s", file->name);
		}
		item.symlink = target;
	} else if (link == NULL && llistxattr(source, NULL, 0) > 0) {
		item.source = source;
	}
	buffer_clear(&copy->header);
	return tar_header(copy->headers, &item, &copy->header, error);
}

/* Padding to whole tar blocks goes with the last block of content; so a block of the same bytes is the same member. */
static size_t padded(size_t length)
{
	return (length + TAR_BLOCK_SIZE - 1) / TAR_BLOCK_SIZE * TAR_BLOCK_SIZE;
}

static enum status append_block(struct direct_copy *copy, const struct entry *entry, size_t index, struct error *error)
{
	struct block *block = &entry->blocks[index];
	size_t length = direct_entry_block_length(entry->file, index);
	memset(copy->block + length, 0, padded(length) - length);
	block->offset = archive_draft_length(copy->draft);
	block->kind = BLOCK_MEMBER;
	return archive_draft_append(copy->draft, copy->block, padded(length), &block->length, error);
}

static enum status append_header(struct direct_copy *copy, struct error *error)
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
static enum status append_inside(struct direct_copy *copy, struct entry *entry, struct error *error)
{
	size_t length = direct_entry_block_length(entry->file, 0);
	memset(copy->block + length, 0, padded(length) - length);
	enum status status = buffer_append(&copy->header, copy->block, padded(length), error);
	entry->blocks[0].kind = BLOCK_INSIDE;
	return status == STATUS_OK ? append_header(copy, error) : status;
}

static enum status append_content(struct direct_copy *copy, struct entry *entry, obtain_function *obtain, void *context,
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
static enum status append_entry(struct direct_copy *copy, struct entry *entry, obtain_function *obtain, void *context,
								struct error *error)
{
	enum status status = map_holes(entry, error);
	if (status == STATUS_OK) {
		status = make_header(copy, entry, NULL, error);
	}
	bool inside = status == STATUS_OK && entry->count == 1 &&
				  copy->header.length + padded(direct_entry_block_length(entry->file, 0)) <= GZIP_MEMBER_SIZE;
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

enum status direct_entry_write(struct direct_copy *copy, struct entry *entry, obtain_function *obtain, void *context,
							   struct error *error)
{
	struct file *file = entry->file;
	uint64_t begin = archive_draft_length(copy->draft);
	enum status status = append_entry(copy, entry, obtain, context, error);
	if (status == STATUS_OK) {
		file_take_blocks(file, MOVE(entry->blocks), entry->count);
		file->offset = begin;
		file->length = archive_draft_length(copy->draft) - begin;
		file->due = false;
	}
	return status;
}

enum status direct_entry_write_plain(struct direct_copy *copy, struct file *file, struct error *error)
{
	struct entry entry = {.file = file};
	return direct_entry_write(copy, &entry, NULL, NULL, error);
}

enum status direct_entry_write_link(struct direct_copy *copy, struct file *file, struct error *error)
{
	CLEANUP(cleanup_free) char *target = NULL;
	const struct entry entry = {.file = file};
	enum status status = path_of(copy, file->link_of->name, &target, error);
	if (status == STATUS_OK) {
		status = make_header(copy, &entry, target, error);
	}
	return status == STATUS_OK ? append_header(copy, error) : status;
}
