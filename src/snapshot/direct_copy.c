#include "snapshot/direct_copy.h"

#include "base/test_switch.h"

#include <stdlib.h>
#include <string.h>

enum { HEADER_LIMIT = 64 << 20 }; /* bytes; a file with holes has a map of them in its header */

enum status direct_copy_new(const char *host_folder, const char *path_in_archive, const char *path,
							struct direct_copy **ret_copy, struct error *error)
{
	CLEANUP(cleanup_direct_copy) struct direct_copy *copy = calloc(1, sizeof *copy);
	if (copy == NULL) {
		return error_memory(error);
	}
	copy->tree.root = -1;
	copy->kept.aside = -1;
	copy->header.limit = HEADER_LIMIT;
	copy->host_folder = strdup(host_folder);
	copy->path_in_archive = strdup(path_in_archive);
	copy->draft_folder = strndup(path, (size_t)(strrchr(path, '/') - path));
	if (copy->host_folder == NULL || copy->path_in_archive == NULL || copy->draft_folder == NULL) {
		return error_memory(error);
	}
	enum status status = file_tree_open(&copy->tree, host_folder, TAR_OWN_PREFIX, error);
	if (status == STATUS_OK) {
		status = archive_draft_new(path, &copy->draft, error);
	}
	if (status == STATUS_OK) {
		status = tar_headers_new(&copy->headers, error);
	}
	if (status == STATUS_OK) {
		*ret_copy = MOVE(copy);
	}
	return status;
}

void direct_copy_free(struct direct_copy *copy)
{
	if (copy == NULL) {
		return;
	}
	archive_draft_free(copy->draft); /* first: it may have been lent places of files */
	kept_free(&copy->kept);
	file_tree_close(&copy->tree);
	tar_headers_free(copy->headers);
	buffer_free(&copy->header);
	free(copy->host_folder);
	free(copy->path_in_archive);
	free(copy->draft_folder);
	free(copy);
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

enum status direct_copy_list_due(const struct direct_copy *copy, struct file ***ret_files, size_t *ret_count,
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
