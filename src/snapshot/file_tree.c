#include "snapshot/file_tree.h"

#include "base/interrupt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

enum {
	DEEPEST = 512,         /* folders in folders */
	NAME_LIMIT = PATH_MAX, /* bytes of a path below the folder, with its NUL: the kernel opens no longer one */
	FIRST_CAPACITY = 64,
	MINOR_BITS = 20,
};

static const int64_t NANOSECONDS = 1000000000;

static void file_free(struct file *file)
{
	file_take_blocks(file, NULL, 0);
	free(file);
}

void file_take_blocks(struct file *file, struct block *blocks, size_t count)
{
	if (!file->inside) {
		free(file->blocks);
	}
	file->inside = count == 1 && blocks[0].kind == BLOCK_INSIDE;
	file->block_count = (uint32_t)count;
	file->blocks = count > 0 ? blocks : NULL;
	if (file->inside) {
		file->sum = blocks[0].sum;
	}
	if (file->inside || count == 0) {
		free(blocks);
	}
}

struct block file_block(const struct file *file, size_t index)
{
	if (index >= file->block_count) {
		return (struct block){.kind = BLOCK_NONE};
	}
	return file->inside ? (struct block){.sum = file->sum, .kind = BLOCK_INSIDE} : file->blocks[index];
}

enum status file_tree_open(struct file_tree *tree, const char *folder, const char *skip, struct error *error)
{
	*tree = (struct file_tree){.root = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), .skip = skip};
	struct stat attributes;
	if (tree->root < 0 || fstat(tree->root, &attributes) != 0) {
		return error_set_errno(error, "cannot read the folder %s", folder);
	}
	tree->device = attributes.st_dev;
	return STATUS_OK;
}

void file_tree_close(struct file_tree *tree)
{
	for (size_t i = 0; i < tree->count; i++) {
		file_free(tree->files[i]);
	}
	for (size_t i = 0; i < tree->fresh_count; i++) {
		file_free(tree->fresh[i]);
	}
	free(tree->files);
	free(tree->fresh);
	cleanup_close(&tree->root);
	*tree = (struct file_tree){.root = -1};
}

size_t file_tree_blocks(uint64_t size)
{
	return (size_t)((size + TREE_BLOCK_SIZE - 1) / TREE_BLOCK_SIZE);
}

static void state_of(const struct stat *attributes, struct file_state *ret_state)
{
	*ret_state = (struct file_state){
		.inode = attributes->st_ino,
		.size = S_ISREG(attributes->st_mode) ? (uint64_t)attributes->st_size : 0,
		.modified = attributes->st_mtim.tv_sec * NANOSECONDS + attributes->st_mtim.tv_nsec,
		.changed = attributes->st_ctim.tv_sec * NANOSECONDS + attributes->st_ctim.tv_nsec,
		.mode = (uint16_t)attributes->st_mode,
		.user = attributes->st_uid,
		.group = attributes->st_gid,
		.device = major(attributes->st_rdev) << MINOR_BITS | minor(attributes->st_rdev),
		.linked = attributes->st_nlink > 1,
	};
}

bool file_state_read(int fd, struct file_state *ret_state)
{
	struct stat attributes;
	if (fstat(fd, &attributes) != 0) {
		return false;
	}
	state_of(&attributes, ret_state);
	return true;
}

dev_t file_state_device(const struct file_state *state)
{
	return makedev(state->device >> MINOR_BITS, state->device & ((1U << MINOR_BITS) - 1));
}

bool file_state_same(const struct file_state *left, const struct file_state *right)
{
	bool same = left->mode == right->mode && left->user == right->user && left->group == right->group;
	if (!same || S_ISDIR(left->mode)) {
		return same;
	}
	return left->inode == right->inode && left->size == right->size && left->modified == right->modified &&
		   left->changed == right->changed && left->device == right->device;
}

/* openat2(2), since Linux 5.6; before that, the last component alone is kept from being a symbolic link. */
static int open_below(const struct file_tree *tree, const char *name, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, tree->root, name, &how, sizeof how);
	/* EPERM: a sandbox that does not know the call. */
	if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
		fd = openat(tree->root, name, (int)how.flags);
	}
	return fd;
}

bool file_tree_is_gone(int number)
{
	return number == ENOENT || number == ENOTDIR || number == ELOOP;
}

int file_tree_open_file(const struct file_tree *tree, const char *name)
{
	return open_below(tree, name, O_NOCTTY);
}

/* --- the scan -------------------------------------------------------------------------------------------------------
 */

static int by_name(const void *left, const void *right)
{
	return strcmp((*(struct file *const *)left)->name, (*(struct file *const *)right)->name);
}

static struct file *find(const struct file_tree *tree, const char *name)
{
	size_t low = 0;
	size_t high = tree->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(name, tree->files[middle]->name);
		if (order == 0) {
			return tree->files[middle];
		}
		*(order < 0 ? &high : &low) = order < 0 ? middle : middle + 1;
	}
	return NULL;
}

/* A new file; NULL if there is no memory for it. */
static struct file *add_fresh(struct file_tree *tree, const char *name)
{
	if (tree->fresh_count == tree->fresh_capacity) {
		size_t capacity = tree->fresh_capacity > 0 ? 2 * tree->fresh_capacity : FIRST_CAPACITY;
		struct file **fresh = reallocarray(tree->fresh, capacity, sizeof(struct file *));
		if (fresh == NULL) {
			return NULL;
		}
		tree->fresh = fresh;
		tree->fresh_capacity = capacity;
	}
	size_t size = offsetof(struct file, name) + strlen(name) + 1;
	struct file *file = calloc(1, size < sizeof *file ? sizeof *file : size);
	if (file != NULL) {
		strcpy(file->name, name);
		file->due = true;
		tree->fresh[tree->fresh_count++] = file;
	}
	return file;
}

static enum status note(struct file_tree *tree, const char *name, const struct stat *attributes, struct error *error)
{
	struct file_state state;
	state_of(attributes, &state);
	struct file *file = find(tree, name);
	if (file == NULL) {
		file = add_fresh(tree, name);
	} else if (!file_state_same(&file->state, &state)) {
		file->due = true;
	}
	if (file == NULL) {
		return error_memory(error);
	}
	file->state = state;
	file->scan = tree->scans;
	return STATUS_OK;
}

static enum status scan_folder(struct file_tree *tree, char *path, size_t length, unsigned depth, struct error *error);

static enum status scan_entry(struct file_tree *tree, int folder, const char *entry, char *path, size_t length,
							  unsigned depth, struct error *error)
{
	struct stat attributes;
	size_t entry_length = strlen(entry);
	if (length + 1 + entry_length >= NAME_LIMIT) {
		return error_set(error, STATUS_FAILED, "a path in the folder is longer than %d bytes", NAME_LIMIT - 1);
	}
	if (fstatat(folder, entry, &attributes, AT_SYMLINK_NOFOLLOW) != 0) {
		return errno == ENOENT ? STATUS_OK : error_set_errno(error, "cannot read %s", entry);
	}
	if (S_ISSOCK(attributes.st_mode) || S_ISBLK(attributes.st_mode) || S_ISCHR(attributes.st_mode)) {
		return STATUS_OK; /* nothing of this is data, and a restore takes no device */
	}
	size_t at = length;
	if (length > 0) {
		path[at++] = '/';
	}
	memcpy(path + at, entry, entry_length + 1);
	if (attributes.st_dev != tree->device) {
		return error_set(error, STATUS_FAILED, "%s lies on another file system than the folder that holds it", path);
	}
	enum status status = note(tree, path, &attributes, error);
	if (status == STATUS_OK && S_ISDIR(attributes.st_mode)) {
		status = scan_folder(tree, path, at + entry_length, depth + 1, error);
	}
	path[length] = '\0';
	return status;
}

static enum status scan_folder(struct file_tree *tree, char *path, size_t length, unsigned depth, struct error *error)
{
	if (depth > DEEPEST) {
		return error_set(error, STATUS_FAILED, "its folders are more than %d deep", DEEPEST);
	}
	int fd = open_below(tree, length > 0 ? path : ".", O_DIRECTORY);
	if (fd < 0) {
		return file_tree_is_gone(errno) && length > 0 ? STATUS_OK
													  : error_set_errno(error, "cannot read the folder %s", path);
	}
	DIR *folder = fdopendir(fd);
	if (folder == NULL) {
		close(fd);
		return error_memory(error);
	}
	enum status status = interrupt_check(error);
	errno = 0;
	for (struct dirent *entry; status == STATUS_OK && (entry = readdir(folder)) != NULL; errno = 0) {
		const char *name = entry->d_name;
		bool ours = length == 0 && strncmp(name, tree->skip, strlen(tree->skip)) == 0;
		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !ours) {
			status = scan_entry(tree, fd, name, path, length, depth, error);
		}
	}
	if (status == STATUS_OK && errno != 0) {
		status = error_set_errno(error, "cannot read the folder %s", path);
	}
	closedir(folder);
	return status;
}

/* A folder that is changed while it is read may show a name twice. */
static void drop_doubles(struct file_tree *tree)
{
	size_t kept = 0;
	for (size_t i = 0; i < tree->count; i++) {
		if (kept > 0 && strcmp(tree->files[kept - 1]->name, tree->files[i]->name) == 0) {
			file_free(tree->files[i]);
		} else {
			tree->files[kept++] = tree->files[i];
		}
	}
	tree->count = kept;
}

/* Forgets what this scan has not seen, and sorts in what is new. */
static enum status merge(struct file_tree *tree, struct error *error)
{
	size_t kept = 0;
	for (size_t i = 0; i < tree->count; i++) {
		if (tree->files[i]->scan == tree->scans) {
			tree->files[kept++] = tree->files[i];
		} else {
			file_free(tree->files[i]);
		}
	}
	tree->count = kept;
	if (tree->fresh_count > 0) {
		struct file **files = reallocarray(tree->files, kept + tree->fresh_count, sizeof(struct file *));
		if (files == NULL) {
			return error_memory(error);
		}
		memcpy(files + kept, tree->fresh, tree->fresh_count * sizeof(struct file *));
		tree->files = files;
		tree->count += tree->fresh_count;
		qsort(files, tree->count, sizeof(struct file *), by_name);
		drop_doubles(tree);
	}
	free(MOVE(tree->fresh));
	tree->fresh_count = tree->fresh_capacity = 0;
	return STATUS_OK;
}

static bool has_links(const struct file *file)
{
	return !S_ISDIR(file->state.mode) && file->state.linked;
}

/* Of the names of one file: those whose content is in the archive first. */
static int by_inode(const void *left, const void *right)
{
	const struct file *a = *(struct file *const *)left;
	const struct file *b = *(struct file *const *)right;
	if (a->state.inode != b->state.inode) {
		return a->state.inode < b->state.inode ? -1 : 1;
	}
	if ((a->place.length > 0) != (b->place.length > 0)) {
		return a->place.length > 0 ? -1 : 1;
	}
	return strcmp(a->name, b->name);
}

/* Finds the names of the same file: one of them gets the content, the others become links to it. */
static enum status find_links(struct file_tree *tree, struct error *error)
{
	size_t count = 0;
	for (size_t i = 0; i < tree->count; i++) {
		count += has_links(tree->files[i]);
		tree->files[i]->link_of = NULL;
	}
	if (count == 0) {
		return STATUS_OK;
	}
	CLEANUP(cleanup_free) struct file **names = calloc(count, sizeof(struct file *));
	if (names == NULL) {
		return error_memory(error);
	}
	count = 0;
	for (size_t i = 0; i < tree->count; i++) {
		if (has_links(tree->files[i])) {
			names[count++] = tree->files[i];
		}
	}
	qsort(names, count, sizeof(struct file *), by_inode);
	for (size_t i = 1; i < count; i++) {
		if (names[i]->state.inode == names[i - 1]->state.inode) {
			names[i]->link_of = names[i - 1]->link_of != NULL ? names[i - 1]->link_of : names[i - 1];
		}
	}
	return STATUS_OK;
}

enum status file_tree_scan(struct file_tree *tree, struct error *error)
{
	char path[NAME_LIMIT] = "";
	struct stat attributes;
	tree->scans++;
	if (fstat(tree->root, &attributes) != 0) {
		return error_set_errno(error, "cannot read the folder");
	}
	enum status status = note(tree, "", &attributes, error);
	if (status == STATUS_OK) {
		status = scan_folder(tree, path, 0, 0, error);
	}
	if (status == STATUS_OK) {
		status = merge(tree, error);
	}
	return status == STATUS_OK ? find_links(tree, error) : status;
}
