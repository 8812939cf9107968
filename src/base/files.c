#include "base/files.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_gone(int number)
{
	return number == ENOENT || number == ENOTDIR || number == ELOOP;
}

/* --- removing --------------------------------------------------------------------------------------------------------
 */

static bool remove_below(int fd, dev_t device);

/* Also of a folder of the same file system, which the device does not tell (Linux 5.8). */
static bool is_mount(int folder, const char *name)
{
	struct statx attributes = {0};
	return statx(folder, name, AT_SYMLINK_NOFOLLOW, 0, &attributes) == 0 &&
		   (attributes.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

/*
 * Removes an entry of the open folder. Not by its path: who may write into a folder on the way could exchange it for a
 * symbolic link at any moment. What is mounted below stays, and its folder cannot be removed, which tells; `device` is
 * that of the folder, NULL at the top. False with errno.
 */
static bool remove_entry(int folder, const char *name, const dev_t *device)
{
	struct stat attributes;
	if (fstatat(folder, name, &attributes, AT_SYMLINK_NOFOLLOW) != 0) {
		return errno == ENOENT; /* what somebody else has removed keeps nothing else */
	}
	if (S_ISDIR(attributes.st_mode) && (device == NULL || (attributes.st_dev == *device && !is_mount(folder, name)))) {
		int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		/* One that may not be read, or that something else has come in the place of: its removal tells. */
		if (fd < 0 ? errno != EACCES && !is_gone(errno) : !remove_below(fd, attributes.st_dev)) {
			return false;
		}
	}
	return unlinkat(folder, name, S_ISDIR(attributes.st_mode) ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT;
}

/* Removes what is in the open folder, which is closed. Each folder on the way down stays open meanwhile. */
static bool remove_below(int fd, dev_t device)
{
	DIR *list = fdopendir(fd);
	if (list == NULL) {
		int number = errno;
		close(fd);
		errno = number;
		return false;
	}
	int failure = 0;
	errno = 0;
	for (struct dirent *entry; failure == 0 && (entry = readdir(list)) != NULL; errno = 0) {
		const char *name = entry->d_name;
		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !remove_entry(fd, name, &device)) {
			failure = errno;
		}
	}
	failure = failure != 0 ? failure : errno;
	closedir(list);
	errno = failure;
	return failure == 0;
}

enum status files_remove_at(int folder, const char *name, const char *path, struct error *error)
{
	return remove_entry(folder, name, NULL) ? STATUS_OK : error_set_errno(error, "cannot remove %s", path);
}

enum status files_remove(const char *path, struct error *error)
{
	return files_remove_at(AT_FDCWD, path, path, error);
}

/* --- looking and reading ---------------------------------------------------------------------------------------------
 */

enum { BLOCK_SIZE = 512 }; /* of st_blocks, whatever the filesystem's own is (stat(2)) */

/*
 * Adds what is in the open folder, which is closed. Entry by entry: fts(3) keeps a list of them, of 50 MiB for 200,000
 * files. False with errno if something cannot be read.
 */
static bool add_folder(int fd, dev_t device, uint64_t *bytes)
{
	DIR *list = fdopendir(fd);
	if (list == NULL) {
		close(fd);
		return false;
	}
	int failure = 0;
	errno = 0;
	for (struct dirent *entry; failure == 0 && (entry = readdir(list)) != NULL; errno = 0) {
		struct stat attributes;
		const char *name = entry->d_name;
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
			continue;
		}
		if (fstatat(fd, name, &attributes, AT_SYMLINK_NOFOLLOW) != 0) {
			failure = is_gone(errno) ? 0 : errno;
		} else if (attributes.st_dev == device) {
			*bytes += (uint64_t)attributes.st_blocks * BLOCK_SIZE;
			int below =
				S_ISDIR(attributes.st_mode) ? openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
			if (S_ISDIR(attributes.st_mode) && (below < 0 || !add_folder(below, device, bytes))) {
				failure = is_gone(errno) ? 0 : errno;
			}
		}
	}
	failure = failure != 0 ? failure : errno;
	closedir(list);
	errno = failure;
	return failure == 0;
}

enum status files_disk_usage(const char *path, uint64_t *ret_bytes, struct error *error)
{
	struct stat attributes;
	bool good = lstat(path, &attributes) == 0;
	uint64_t bytes = good ? (uint64_t)attributes.st_blocks * BLOCK_SIZE : 0;
	if (good && S_ISDIR(attributes.st_mode)) {
		int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		good = fd >= 0 && add_folder(fd, attributes.st_dev, &bytes);
	}
	if (!good) {
		return error_set_errno(error, "cannot read the folder %s", path);
	}
	*ret_bytes = bytes;
	return STATUS_OK;
}

enum status files_join(const char *folder, const char *name, char **ret_path, struct error *error)
{
	size_t length = strlen(folder);
	const char *slash = length > 0 && folder[length - 1] == '/' ? "" : "/";
	size_t size = length + strlen(slash) + strlen(name) + 1;
	char *path = malloc(size); /* not asprintf, which without memory may write a byte too far (glibc 2.36) */
	if (path == NULL) {
		return error_memory(error);
	}
	snprintf(path, size, "%s%s%s", folder, slash, name);
	*ret_path = path;
	return STATUS_OK;
}

static enum status look_at(const char *path, bool *ret_there, struct stat *ret_attributes, struct error *error)
{
	*ret_there = lstat(path, ret_attributes) == 0;
	return *ret_there || errno == ENOENT || errno == ENOTDIR ? STATUS_OK
															 : error_set_errno(error, "cannot look at %s", path);
}

enum status files_exists(const char *path, bool *ret_exists, struct error *error)
{
	struct stat attributes;
	return look_at(path, ret_exists, &attributes, error);
}

enum status files_is_name_of(const char *path, int fd, bool *ret_is, struct error *error)
{
	struct stat held;
	struct stat there;
	*ret_is = false;
	if (fstat(fd, &held) != 0) {
		return error_set_errno(error, "cannot look at %s", path);
	}
	enum status status = look_at(path, ret_is, &there, error);
	*ret_is = *ret_is && held.st_ino == there.st_ino && held.st_dev == there.st_dev;
	return status;
}

/* The text of the file that is open, which is closed; -1: it could not be opened, for the reason that errno tells. */
static enum status read_text(int opened, const char *path, size_t limit, char **ret_text, struct error *error)
{
	CLEANUP(cleanup_close) int fd = opened;
	struct stat attributes;
	if (fd < 0 || fstat(fd, &attributes) != 0) {
		bool missing = errno == ENOENT || errno == ENOTDIR;
		(void)error_set_errno(error, "cannot read %s", path);
		return error->status = missing ? STATUS_NOT_FOUND : error->status;
	}
	if (!S_ISREG(attributes.st_mode) || (uint64_t)attributes.st_size > limit) {
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

enum status files_read_text(const char *path, char **ret_text, struct error *error)
{
	return files_read_long_text(path, FILES_TEXT_LIMIT, ret_text, error);
}

enum status files_read_long_text(const char *path, size_t limit, char **ret_text, struct error *error)
{
	return read_text(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), path, limit, ret_text, error);
}

enum status files_read_text_at(int folder, const char *name, const char *path, char **ret_text, struct error *error)
{
	/* Nor is it waited for somebody to write into a named pipe. */
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ELOOP) {
		(void)error_set(error, STATUS_FAILED, "%s is a symbolic link, which is not followed", path);
		return error_hint(error, "see who has put it there and where it leads to (ls -l), then remove it");
	}
	return read_text(fd, path, FILES_TEXT_LIMIT, ret_text, error);
}

ssize_t files_read_at(int fd, void *bytes, size_t length, uint64_t offset)
{
	size_t done = 0;
	for (ssize_t got = 1; got != 0 && done < length;) {
		got = pread(fd, (char *)bytes + done, length - done, (off_t)(offset + done));
		if (got < 0 && errno != EINTR) {
			return -1;
		}
		done += got > 0 ? (size_t)got : 0;
	}
	return (ssize_t)done;
}

bool files_write_at(int fd, const void *bytes, size_t length, uint64_t offset)
{
	for (size_t done = 0; done < length;) {
		ssize_t written = pwrite(fd, (const char *)bytes + done, length - done, (off_t)(offset + done));
		if (written < 0 && errno != EINTR) {
			return false;
		}
		done += written > 0 ? (size_t)written : 0;
	}
	return true;
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
