#include "stores/redis/dump.h"

#include "base/files.h"
#include "base/interrupt.h"
#include "pipeline/tar.h"
#include "stores/redis/rdb.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
	HEAD_SIZE = 4096, /* bytes looked at for what is before the keys */
	END_SIZE = 9,     /* RDB_OPCODE_EOF and the CRC-64 (rdb.h) */
	OPCODE_END = 0xff,
};

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

static struct redis_dump_identity identity_of(const struct stat *attributes)
{
	return (struct redis_dump_identity){
		.device = attributes->st_dev, .inode = attributes->st_ino, .written = attributes->st_mtim};
}

struct redis_dump_identity redis_dump_identify(const char *folder, const char *name)
{
	char path[PATH_MAX];
	struct stat attributes;
	int length = snprintf(path, sizeof path, "%s/%s", folder, name);
	bool there = length < (int)sizeof path && lstat(path, &attributes) == 0;
	return there ? identity_of(&attributes) : (struct redis_dump_identity){0};
}

bool redis_dump_is_same(int fd, const struct redis_dump_identity *identity)
{
	struct stat attributes;
	if (fstat(fd, &attributes) != 0) {
		return true; /* for all that can be seen */
	}
	const struct redis_dump_identity own = identity_of(&attributes);
	return own.device == identity->device && own.inode == identity->inode &&
		   own.written.tv_sec == identity->written.tv_sec && own.written.tv_nsec == identity->written.tv_nsec;
}

bool redis_dump_has_end(int fd)
{
	unsigned char end[END_SIZE];
	struct stat attributes;
	return fstat(fd, &attributes) == 0 && attributes.st_size >= END_SIZE &&
		   files_read_at(fd, end, sizeof end, (uint64_t)attributes.st_size - END_SIZE) == END_SIZE &&
		   end[0] == OPCODE_END;
}

/* --- through the engine ------------------------------------------------------------------------------------------- */

/* The content of the one file in an archive call's stream; its first bytes have been read. */
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
	size_t length = 1;
	while (status == STATUS_OK && length > 0 && self->length < HEAD_SIZE) {
		status = tar_reader_read(self->reader, self->block + self->length, sizeof self->block - self->length, &length,
								 error);
		self->length += status == STATUS_OK ? length : 0;
	}
	if (status == STATUS_OK) {
		*ret_source = MOVE(source);
	}
	return status;
}

bool redis_dump_is_empty(int fd, const struct source *source)
{
	unsigned char head[HEAD_SIZE];
	if (source != NULL) {
		const struct stream *stream = (const struct stream *)source;
		return rdb_is_empty((const unsigned char *)stream->block, stream->length);
	}
	ssize_t length = files_read_at(fd, head, sizeof head, 0);
	return length > 0 && rdb_is_empty(head, (size_t)length);
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
