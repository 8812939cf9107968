#include "stores/redis/dump.h"

#include "base/files.h"
#include "base/interrupt.h"
#include "pipeline/tar.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum status redis_dump_open(const char *folder, const char *name, int *ret_fd, struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	if (asprintf(&path, "%s/%s", folder, name) < 0) {
		path = NULL;
		return error_memory(error);
	}
	/* O_NONBLOCK, here and below: a pipe would be waited for, while services are paused. */
	CLEANUP(cleanup_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat attributes;
	if (fd < 0 || fstat(fd, &attributes) != 0) {
		return error_set_errno(error, "cannot open Redis's dump %s", path);
	}
	if (!S_ISREG(attributes.st_mode)) {
		return error_set(error, STATUS_FAILED, "Redis's dump %s is not a file", path);
	}
	*ret_fd = cleanup_take(&fd);
	return STATUS_OK;
}

/* "temp-123.rdb"; a replica's "temp-1700000000.123.rdb" is another thing. */
static bool is_temporary(const char *name)
{
	if (strncmp(name, "temp-", 5) != 0 || !isdigit((unsigned char)name[5])) {
		return false;
	}
	name += 5;
	while (isdigit((unsigned char)*name)) {
		name++;
	}
	return strcmp(name, ".rdb") == 0;
}

static bool is_older(const struct timespec *one, const struct timespec *other)
{
	return one->tv_sec != other->tv_sec ? one->tv_sec < other->tv_sec : one->tv_nsec < other->tv_nsec;
}

int redis_dump_open_temporary(const char *folder, const struct timespec *since)
{
	DIR *directory = opendir(folder);
	if (directory == NULL) {
		return -1;
	}
	int newest = -1;
	struct timespec newest_time = *since;
	for (const struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
		if (!is_temporary(entry->d_name)) {
			continue;
		}
		CLEANUP(cleanup_close)
		int fd = openat(dirfd(directory), entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		struct stat attributes;
		if (fd < 0 || fstat(fd, &attributes) != 0 || !S_ISREG(attributes.st_mode)) {
			continue;
		}
		if (!is_older(&attributes.st_mtim, &newest_time)) {
			cleanup_close(&newest);
			newest = cleanup_take(&fd);
			newest_time = attributes.st_mtim;
		}
	}
	closedir(directory);
	return newest;
}

bool redis_dump_is_temporary(const char *folder, int fd)
{
	struct stat held;
	DIR *directory = opendir(folder);
	if (directory == NULL || fstat(fd, &held) != 0) {
		if (directory != NULL) {
			closedir(directory);
		}
		return true;
	}
	bool found = false;
	errno = 0;
	for (const struct dirent *entry; !found && (entry = readdir(directory)) != NULL; errno = 0) {
		struct stat attributes;
		if (is_temporary(entry->d_name)) {
			bool seen = fstatat(dirfd(directory), entry->d_name, &attributes, AT_SYMLINK_NOFOLLOW) == 0;
			found = seen ? attributes.st_dev == held.st_dev && attributes.st_ino == held.st_ino : errno != ENOENT;
		}
	}
	found = found || errno != 0; /* for all that can be seen */
	closedir(directory);
	return found;
}

/* --- through the engine ------------------------------------------------------------------------------------------- */

/* The content of the one file in an archive call's stream; its first block has been read. */
struct stream {
	struct source source;
	struct source *tar;
	struct tar_reader *reader;
	size_t at;
	size_t length;
	char block[STREAM_BLOCK_SIZE];
};

static enum status stream_read(struct source *source, void *bytes, size_t capacity, size_t *ret_length,
							   struct error *error)
{
	struct stream *self = (struct stream *)source;
	if (self->at == self->length) {
		return tar_reader_read(self->reader, bytes, capacity, ret_length, error);
	}
	size_t length = self->length - self->at < capacity ? self->length - self->at : capacity;
	memcpy(bytes, self->block + self->at, length);
	self->at += length;
	*ret_length = length;
	return STATUS_OK;
}

static void stream_free(struct source *source)
{
	struct stream *self = (struct stream *)source;
	tar_reader_free(self->reader);
	source_free(self->tar);
	free(self);
}

enum status redis_dump_open_stream(struct runtime *runtime, const struct container *container, const char *path,
								   struct source **ret_source, struct error *error)
{
	static const struct source_ops ops = {.read = stream_read, .free = stream_free};
	struct stream *self = calloc(1, sizeof *self);
	if (self == NULL) {
		return error_memory(error);
	}
	self->source.ops = &ops;
	CLEANUP(cleanup_source) struct source *source = &self->source;
	struct tar_entry entry = {0};
	bool ended = false;
	enum status status = runtime_archive_get(runtime, container, path, &self->tar, error);
	if (status == STATUS_OK) {
		status = tar_reader_new(self->tar, &self->reader, error);
	}
	if (status == STATUS_OK) {
		status = tar_reader_next(self->reader, &entry, &ended, error);
	}
	if (status == STATUS_OK && (ended || !entry.is_file)) {
		status = error_set(error, STATUS_FAILED, "Redis's dump is not a file");
	}
	if (status == STATUS_OK) {
		status = tar_reader_read(self->reader, self->block, sizeof self->block, &self->length, error);
	}
	if (status == STATUS_OK) {
		*ret_source = MOVE(source);
	}
	return status;
}

/* --- copying ------------------------------------------------------------------------------------------------------ */

static enum status read_block(int fd, struct source *source, off_t at, char *block, size_t *ret_length,
							  struct error *error)
{
	if (source != NULL) {
		return source_read(source, block, STREAM_BLOCK_SIZE, ret_length, error);
	}
	ssize_t length = files_read_at(fd, block, STREAM_BLOCK_SIZE, (uint64_t)at);
	*ret_length = length > 0 ? (size_t)length : 0;
	return length >= 0 ? STATUS_OK : error_set_errno(error, "cannot read Redis's dump");
}

enum status redis_dump_copy(int fd, struct source *source, struct sink *sink, struct progress *progress,
							struct error *error)
{
	CLEANUP(cleanup_free) char *block = malloc(STREAM_BLOCK_SIZE);
	enum status status = block == NULL ? error_memory(error) : STATUS_OK;
	off_t at = 0;
	for (size_t length = 1; status == STATUS_OK && length > 0; at += (off_t)length) {
		status = interrupt_check(error);
		if (status == STATUS_OK) {
			status = read_block(fd, source, at, block, &length, error);
		}
		if (status == STATUS_OK && length > 0) {
			status = sink_write(sink, block, length, error);
			progress_advance(progress, length);
		}
	}
	return status == STATUS_OK ? sink_finish(sink, error) : status;
}
