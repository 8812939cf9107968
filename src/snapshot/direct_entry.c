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

/* A file that has gone since the moment has none; where they cannot be read it is not known that there are none. */
static enum status look_for_attributes(const char *path, bool *ret_has, struct error *error)
{
	ssize_t size = llistxattr(path, NULL, 0);
	*ret_has = size > 0;
	bool none = size >= 0 || errno == ENOTSUP || errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
	return none ? STATUS_OK : error_set_errno(error, "cannot read the extended attributes of %s", path);
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
	} else if (link == NULL) {
		bool has = false;
		status = look_for_attributes(source, &has, error);
		if (status != STATUS_OK) {
			return status;
		}
		item.source = has ? source : NULL;
	}
	buffer_clear(&copy->header);
	return tar_header(copy->headers, &item, &copy->header, error);
}

/* Padding to whole tar blocks goes with the last block of content; so a block of the same bytes is the same member. */
static size_t padded(size_t length)
{
	return (length + TAR_BLOCK_SIZE - 1) / TAR_BLOCK_SIZE * TAR_BLOCK_SIZE;
}

/* Fills a block of content up; returns its length then. */
static size_t pad(char *content, size_t length)
{
	memset(content + length, 0, padded(length) - length);
	return padded(length);
}

static enum status append_header(struct direct_copy *copy, struct error *error)
{
	enum status status = STATUS_OK;
	for (size_t at = 0; status == STATUS_OK && at < copy->header.length;) {
		size_t left = copy->header.length - at;
		size_t some = left < GZIP_MEMBER_SIZE ? left : (size_t)GZIP_MEMBER_SIZE;
		char *content = NULL;
		status = archive_draft_lend(copy->draft, some, &content, error);
		if (status == STATUS_OK) {
			memcpy(content, copy->header.data + at, some);
			archive_draft_append(copy->draft, some, NULL);
		}
		at += some;
	}
	return status;
}

static enum status append_block(struct direct_copy *copy, struct entry *entry, size_t index, obtain_function *obtain,
								void *context, struct error *error)
{
	struct block *block = &entry->blocks[index];
	const struct block *same = NULL;
	size_t length = direct_entry_block_length(entry->file, index);
	char *content = NULL;
	enum status status = archive_draft_lend(copy->draft, padded(length), &content, error);
	if (status == STATUS_OK) {
		status = obtain(copy, context, entry, index, content, &same, error);
	}
	if (status == STATUS_OK && same != NULL) {
		*block = *same;
		return archive_draft_repeat(copy->draft, same->place, &block->place, error);
	}
	if (status == STATUS_OK) {
		block->kind = BLOCK_MEMBER;
		archive_draft_append(copy->draft, pad(content, length), &block->place);
	}
	return status;
}

static enum status append_content(struct direct_copy *copy, struct entry *entry, obtain_function *obtain, void *context,
								  struct error *error)
{
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < entry->count; i++) {
		status = interrupt_check(error);
		if (status == STATUS_OK && entry->blocks[i].kind != BLOCK_HOLE) {
			status = append_block(copy, entry, i, obtain, context, error);
		}
	}
	return status;
}

/* A small file is one member with its header, unless its content already stands in a member of its own. */
static enum status append_inside(struct direct_copy *copy, struct entry *entry, obtain_function *obtain, void *context,
								 bool *ret_done, struct error *error)
{
	const struct block *same = NULL;
	size_t header = copy->header.length;
	size_t length = direct_entry_block_length(entry->file, 0);
	char *member = NULL;
	enum status status = archive_draft_lend(copy->draft, header + padded(length), &member, error);
	if (status == STATUS_OK) {
		status = obtain(copy, context, entry, 0, member + header, &same, error);
	}
	*ret_done = status == STATUS_OK && same == NULL;
	if (*ret_done) {
		memcpy(member, copy->header.data, header);
		entry->blocks[0].kind = BLOCK_INSIDE;
		archive_draft_append(copy->draft, header + pad(member + header, length), NULL);
	}
	return status;
}

/* Appends an entry whose holes are known; nothing of the file's version before is let go of. */
static enum status append_entry(struct direct_copy *copy, struct entry *entry, obtain_function *obtain, void *context,
								struct error *error)
{
	bool done = false;
	enum status status = map_holes(entry, error);
	if (status == STATUS_OK) {
		status = make_header(copy, entry, NULL, error);
	}
	archive_draft_begin(copy->draft);
	if (status == STATUS_OK && entry->count == 1 &&
		copy->header.length + padded(direct_entry_block_length(entry->file, 0)) <= GZIP_MEMBER_SIZE) {
		status = append_inside(copy, entry, obtain, context, &done, error);
	}
	if (status == STATUS_OK && !done) {
		status = append_header(copy, error);
	}
	return status == STATUS_OK && !done ? append_content(copy, entry, obtain, context, error) : status;
}

enum status direct_entry_write(struct direct_copy *copy, struct entry *entry, obtain_function *obtain, void *context,
							   struct error *error)
{
	struct file *file = entry->file;
	enum status status = append_entry(copy, entry, obtain, context, error);
	if (status == STATUS_OK) {
		file_take_blocks(file, MOVE(entry->blocks), entry->count);
		archive_draft_end(copy->draft, &file->place);
		file->due = false;
	} else if (entry->count > 0) {
		struct error ignored; /* there is one already; but places in blocks that will be gone must not be filled in */
		(void)!archive_draft_drain(copy->draft, &ignored);
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
