#include "pipeline/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEND_SIZE = 16 << 20 }; /* bytes that are written before the disk is set to work on them */

struct file_sink {
	struct sink sink;
	int fd;
	char *path;
	off_t length;
	off_t sent; /* on their way to the disk */
};

/* So that the flush at the end has little left to wait for; a failure shows there (sync_file_range(2)). */
static void send(struct file_sink *self)
{
	if (self->length - self->sent >= SEND_SIZE) {
		(void)!sync_file_range(self->fd, self->sent, self->length - self->sent, SYNC_FILE_RANGE_WRITE);
		self->sent = self->length;
	}
}

static enum status file_sink_write(struct sink *sink, const void *bytes, size_t length, struct error *error)
{
	struct file_sink *self = (struct file_sink *)sink;
	const char *at = bytes;
	while (length > 0) {
		ssize_t written = write(self->fd, at, length);
		if (written < 0 && errno == EINTR) {
			continue; /* an interrupt is acted on between blocks */
		}
		if (written < 0) {
			return error_set_errno(error, "cannot write %s", self->path);
		}
		at += written;
		length -= (size_t)written;
		self->length += written;
	}
	send(self);
	return STATUS_OK;
}

static enum status file_sink_finish(struct sink *sink, struct error *error)
{
	struct file_sink *self = (struct file_sink *)sink;
	if (fsync(self->fd) != 0) {
		return error_set_errno(error, "cannot flush %s to disk", self->path);
	}
	int result = close(self->fd);
	self->fd = -1;
	return result == 0 ? STATUS_OK : error_set_errno(error, "cannot close %s", self->path);
}

static void file_sink_free(struct sink *sink)
{
	struct file_sink *self = (struct file_sink *)sink;
	cleanup_close(&self->fd);
	free(self->path);
	free(self);
}

/* For the new file `name` of an open folder; `path` is what a failure calls it. */
static enum status sink_new_at(int folder, const char *name, const char *path, struct sink **ret_sink,
							   struct error *error)
{
	static const struct sink_ops ops = {.write = file_sink_write, .finish = file_sink_finish, .free = file_sink_free};
	struct file_sink *self = calloc(1, sizeof *self);
	char *copy = strdup(path);
	if (self == NULL || copy == NULL) {
		free(self);
		free(copy);
		return error_memory(error);
	}
	*self = (struct file_sink){
		.sink = {.ops = &ops}, .path = copy, .fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
	if (self->fd < 0) {
		(void)error_set_errno(error, "cannot make %s", path);
		file_sink_free(&self->sink);
		return error->status;
	}
	*ret_sink = &self->sink;
	return STATUS_OK;
}

enum status file_sink_new(const char *path, struct sink **ret_sink, struct error *error)
{
	return sink_new_at(AT_FDCWD, path, path, ret_sink, error);
}

struct file_source {
	struct source source;
	int fd;
	char *path;
};

static enum status file_source_read(struct source *source, void *bytes, size_t capacity, size_t *ret_length,
									struct error *error)
{
	struct file_source *self = (struct file_source *)source;
	ssize_t length = 0;
	do {
		length = read(self->fd, bytes, capacity);
	} while (length < 0 && errno == EINTR);
	if (length < 0) {
		return error_set_unread(error, "cannot read %s", self->path);
	}
	*ret_length = (size_t)length;
	return STATUS_OK;
}

static void file_source_free(struct source *source)
{
	struct file_source *self = (struct file_source *)source;
	cleanup_close(&self->fd);
	free(self->path);
	free(self);
}

enum status file_source_new(const char *path, struct source **ret_source, struct error *error)
{
	static const struct source_ops ops = {.read = file_source_read, .free = file_source_free};
	struct stat attributes;
	struct file_source *self = calloc(1, sizeof *self);
	char *copy = strdup(path);
	if (self == NULL || copy == NULL) {
		free(self);
		free(copy);
		return error_memory(error);
	}
	*self = (struct file_source){
		.source = {.ops = &ops}, .path = copy, .fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
	if (self->fd < 0 || fstat(self->fd, &attributes) != 0) {
		(void)error_set_unread(error, "cannot read %s", path);
		file_source_free(&self->source);
		return error->status;
	}
	if (!S_ISREG(attributes.st_mode) && !S_ISDIR(attributes.st_mode)) { /* reading says of a folder what it is */
		file_source_free(&self->source);
		return error_set(error, STATUS_FAILED, "cannot read %s: it is not a file", path);
	}
	(void)posix_fadvise(self->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	*ret_source = &self->source;
	return STATUS_OK;
}

enum status file_sync_folder(const char *path, struct error *error)
{
	CLEANUP(cleanup_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0) {
		return error_set_errno(error, "cannot flush the folder %s to disk", path);
	}
	return STATUS_OK;
}

enum status file_sync_folder_of(const char *path, struct error *error)
{
	CLEANUP(cleanup_free) char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));
	return folder == NULL ? error_memory(error) : file_sync_folder(folder, error);
}

/* Not over one that is there; a file system without hard links (FAT) has to be looked at before. */
static bool give_name(const char *draft, const char *path)
{
	if (link(draft, path) == 0) {
		return true;
	}
	if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS) {
		return false;
	}
	struct stat there;
	if (lstat(path, &there) == 0) {
		errno = EEXIST;
		return false;
	}
	return errno == ENOENT && rename(draft, path) == 0;
}

enum status file_publish(const char *draft, const char *path, struct error *error)
{
	if (!give_name(draft, path)) {
		return error_set_errno(error, "cannot make %s", path);
	}
	enum status status = file_sync_folder_of(path, error);
	if (status != STATUS_OK) {
		unlink(path);
	}
	return status;
}

enum status file_write_text_at(int folder, const char *name, const char *path, const char *text, struct error *error)
{
	CLEANUP(cleanup_sink) struct sink *sink = NULL;
	enum status status = sink_new_at(folder, name, path, &sink, error);
	if (status == STATUS_OK) {
		status = sink_write(sink, text, strlen(text), error);
	}
	return status == STATUS_OK ? sink_finish(sink, error) : status;
}

enum status file_write_text(const char *path, const char *text, struct error *error)
{
	return file_write_text_at(AT_FDCWD, path, path, text, error);
}
