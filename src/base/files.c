#include "base/files.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { OPEN_FOLDERS = 32 }; /* descriptors that a walk may use at a time */

static int remove_one(const char *path, const struct stat *attributes, int type, struct FTW *walk)
{
	(void)attributes;
	(void)type;
	(void)walk;
	return remove(path);
}

enum status files_remove(const char *path, struct error *error)
{
	if (nftw(path, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0 || errno == ENOENT) {
		return STATUS_OK;
	}
	return error_set_errno(error, "cannot remove %s", path);
}

enum status files_disk_usage(const char *path, uint64_t *ret_bytes, struct error *error)
{
	enum { BLOCK_SIZE = 512 }; /* of st_blocks, whatever the filesystem's own is (stat(2)) */
	CLEANUP(cleanup_free) char *copy = strdup(path);
	char *const paths[] = {copy, NULL};
	FTS *walk = copy != NULL ? fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL) : NULL;
	if (walk == NULL) {
		return error_set_errno(error, "cannot read the folder %s", path);
	}
	uint64_t bytes = 0;
	enum status status = STATUS_OK;
	for (FTSENT *entry; status == STATUS_OK && (entry = fts_read(walk)) != NULL;) {
		switch (entry->fts_info) {
		case FTS_DNR:
		case FTS_ERR:
		case FTS_NS:
			errno = entry->fts_errno;
			if (errno != ENOENT || entry->fts_level == 0) {
				status = error_set_errno(error, "cannot read %s", entry->fts_path);
			}
			break;
		case FTS_DP: /* a folder, the second time */
			break;
		default:
			bytes += (uint64_t)entry->fts_statp->st_blocks * BLOCK_SIZE;
		}
	}
	if (status == STATUS_OK && errno != 0) { /* fts_read(3) sets it to 0 at the end */
		status = error_set_errno(error, "cannot read the folder %s", path);
	}
	fts_close(walk);
	if (status == STATUS_OK) {
		*ret_bytes = bytes;
	}
	return status;
}

enum status files_join(const char *folder, const char *name, char **ret_path, struct error *error)
{
	char *path = NULL;
	size_t length = strlen(folder);
	const char *slash = length > 0 && folder[length - 1] == '/' ? "" : "/";
	if (asprintf(&path, "%s%s%s", folder, slash, name) < 0) {
		return error_memory(error);
	}
	*ret_path = path;
	return STATUS_OK;
}

enum status files_read_text(const char *path, char **ret_text, struct error *error)
{
	CLEANUP(cleanup_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat attributes;
	if (fd < 0 || fstat(fd, &attributes) != 0) {
		bool missing = errno == ENOENT || errno == ENOTDIR;
		(void)error_set_errno(error, "cannot read %s", path);
		return error->status = missing ? STATUS_NOT_FOUND : error->status;
	}
	if (!S_ISREG(attributes.st_mode) || attributes.st_size > FILES_TEXT_LIMIT) {
		return error_set(error, STATUS_FAILED, "%s is not a small file", path);
	}
	size_t size = (size_t)attributes.st_size;
	CLEANUP(cleanup_free) char *text = calloc(1, size + 1);
	if (text == NULL) {
		return error_memory(error);
	}
	for (size_t done = 0; done < size;) {
		ssize_t length = read(fd, text + done, size - done);
		if (length < 0 && errno == EINTR) {
			continue;
		}
		if (length < 0) {
			return error_set_errno(error, "cannot read %s", path);
		}
		if (length == 0) {
			break;
		}
		done += (size_t)length;
	}
	*ret_text = MOVE(text);
	return STATUS_OK;
}

enum status files_make_folder(const char *path, unsigned mode, struct error *error)
{
	CLEANUP(cleanup_free) char *copy = strdup(path);
	if (copy == NULL) {
		return error_memory(error);
	}
	if (copy[0] == '\0') {
		return error_set(error, STATUS_FAILED, "a folder without a name cannot be made");
	}
	for (char *at = copy + 1; *at != '\0'; at++) {
		if (*at == '/') {
			*at = '\0';
			if (mkdir(copy, mode) != 0 && errno != EEXIST) {
				return error_set_errno(error, "cannot make the folder %s", copy);
			}
			*at = '/';
		}
	}
	struct stat attributes;
	if (mkdir(copy, mode) != 0 && (errno != EEXIST || stat(copy, &attributes) != 0 || !S_ISDIR(attributes.st_mode))) {
		if (errno == EEXIST) {
			errno = ENOTDIR;
		}
		return error_set_errno(error, "cannot make the folder %s", path);
	}
	return STATUS_OK;
}
