#include "snapshot/direct_copy.h"

#include "base/files.h"

#include <stdlib.h>
#include <string.h>

enum status direct_moment_capture(struct direct_copy *copy, struct error *error)
{
	CLEANUP(cleanup_free) struct file **files = NULL;
	size_t count = 0;
	uint64_t bytes = 0;
	kept_free(&copy->kept);
	/* Nothing is under way, unless this is another try: then places of files that are gone must not be filled in. */
	enum status status = archive_draft_drain(copy->draft, error);
	if (status == STATUS_OK) {
		status = file_tree_scan(&copy->tree, error);
	}
	if (status == STATUS_OK) {
		status = direct_copy_list_due(copy, &files, &count, &bytes, error);
	}
	size_t regular = 0;
	/* What is all header is written at once: afterwards a symbolic link may point elsewhere, or be gone. */
	for (size_t i = 0; status == STATUS_OK && i < count; i++) {
		if (S_ISREG(files[i]->state.mode)) {
			files[regular++] = files[i];
		} else {
			status = direct_entry_write_plain(copy, files[i], error);
		}
	}
	if (status == STATUS_OK) {
		status = block_compare(&copy->tree, files, regular, copy->draft_folder, &copy->kept, error);
	}
	copy->window_bytes = copy->kept.bytes;
	return status;
}

/* --- after it -------------------------------------------------------------------------------------------------------
 */

static bool is_kept_hole(const struct kept_file *kept, size_t index)
{
	const struct kept_block *block = &kept->blocks[index];
	return block->what == KEPT_HOLE || (block->what == KEPT_SAME && file_block(kept->file, index).kind == BLOCK_HOLE);
}

static enum status obtain_kept(struct direct_copy *copy, void *context, struct entry *entry, size_t index,
							   char *content, const struct block **ret_same, struct error *error)
{
	const struct kept_file *kept = context;
	const struct kept_block *block = &kept->blocks[index];
	const struct file *file = entry->file;
	size_t length = direct_entry_block_length(file, index);
	entry->blocks[index].sum = block->sum;
	*ret_same = NULL;
	if (block->what == KEPT_SAME && file_block(file, index).kind == BLOCK_MEMBER) {
		*ret_same = &file->blocks[index];
		return STATUS_OK;
	}
	if (is_kept_hole(kept, index)) {
		memset(content, 0, length);
		entry->blocks[index].sum = block_sum(content, length);
		return STATUS_OK;
	}
	ssize_t got = block->what == KEPT_ASIDE ? files_read_at(copy->kept.aside, content, length, block->offset) : 0;
	if (got != (ssize_t)length || block_sum(content, length) != block->sum) {
		return error_set(error, STATUS_FAILED, "what was put aside of %s cannot be read again", file->name);
	}
	return STATUS_OK;
}

static enum status write_kept(struct direct_copy *copy, struct kept_file *kept, struct error *error)
{
	CLEANUP(direct_entry_free) struct entry entry = {.file = kept->file, .count = kept->block_count};
	entry.blocks = calloc(entry.count > 0 ? entry.count : 1, sizeof *entry.blocks);
	if (entry.blocks == NULL) {
		return error_memory(error);
	}
	for (size_t i = 0; i < entry.count; i++) {
		entry.blocks[i].kind = is_kept_hole(kept, i) ? BLOCK_HOLE : BLOCK_NONE;
	}
	return direct_entry_write(copy, &entry, obtain_kept, kept, error);
}

/* The new versions of what has changed, behind everything else. */
static enum status write_changes(struct direct_copy *copy, struct progress *progress, struct error *error)
{
	enum status status = block_compare_clones(&copy->tree, &copy->kept, error);
	copy->window_bytes = copy->kept.bytes;
	for (size_t i = 0; status == STATUS_OK && i < copy->kept.count; i++) {
		if (copy->kept.files[i].differs) {
			status = write_kept(copy, &copy->kept.files[i], error);
		}
		progress_advance(progress, copy->kept.files[i].file->state.size);
	}
	return status == STATUS_OK ? archive_draft_drain(copy->draft, error) : status;
}

static int by_offset(const void *left, const void *right)
{
	const struct file *a = *(struct file *const *)left;
	const struct file *b = *(struct file *const *)right;
	return a->place.offset < b->place.offset ? -1 : a->place.offset > b->place.offset;
}

/* Closes up what has become stale: old versions, files that are gone. Where files stood is not true any more then. */
static enum status close_up(struct direct_copy *copy, struct file **files, size_t count, struct error *error)
{
	uint64_t end = 0;
	enum status status = STATUS_OK;
	qsort(files, count, sizeof(struct file *), by_offset);
	for (size_t i = 0; status == STATUS_OK && i < count;) {
		struct gzip_place run = files[i]->place; /* of files that stand one behind the other */
		for (i++; i < count && files[i]->place.offset == run.offset + run.length; i++) {
			run.length += files[i]->place.length;
		}
		if (run.offset != end) {
			status = archive_draft_move(copy->draft, run, end, error);
		}
		end += run.length;
	}
	return status == STATUS_OK ? archive_draft_cut(copy->draft, end, error) : status;
}

/* POSIX pax: two blocks of zeros. */
static enum status append_end_marker(struct direct_copy *copy, struct error *error)
{
	enum { LENGTH = 2 * TAR_BLOCK_SIZE };
	char *content = NULL;
	enum status status = archive_draft_lend(copy->draft, LENGTH, &content, error);
	if (status == STATUS_OK) {
		memset(content, 0, LENGTH);
		archive_draft_append(copy->draft, LENGTH, NULL);
	}
	return status;
}

enum status direct_moment_finish(struct direct_copy *copy, struct progress *progress, struct error *error)
{
	struct file_tree *tree = &copy->tree;
	CLEANUP(cleanup_free) struct file **files = calloc(tree->count + 1, sizeof(struct file *));
	size_t count = 0;
	progress_step(progress, "adding what has changed", 0);
	enum status status = files == NULL ? error_memory(error) : write_changes(copy, progress, error);
	for (size_t i = 0; status == STATUS_OK && i < tree->count; i++) {
		struct file *file = tree->files[i];
		copy->bytes += file->link_of == NULL ? file->state.size : 0;
		if (file->link_of == NULL && file->place.length > 0) {
			files[count++] = file;
		} else if (file->link_of == NULL) {
			status = error_set(error, STATUS_FAILED, "%s is missing in the archive", file->name);
		}
	}
	if (status == STATUS_OK) {
		status = close_up(copy, files, count, error);
	}
	for (size_t i = 0; status == STATUS_OK && i < tree->count; i++) {
		if (tree->files[i]->link_of != NULL) {
			status = direct_entry_write_link(copy, tree->files[i], error);
		}
	}
	if (status == STATUS_OK) {
		status = append_end_marker(copy, error);
	}
	progress_step(progress, "flushing to disk", 0);
	return status == STATUS_OK ? archive_draft_finish(copy->draft, &copy->digest, error) : status;
}
