#include "base/buffer.h"
#include "pipeline/file.h"
#include "pipeline/tar.h"
#include "pipeline/tar_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

struct compose_source {
	struct source source;
	const struct tar_part *parts;
	size_t count;
	size_t next;
	struct source *content; /* of the entry that is being written; NULL between entries */
	uint64_t content_left;
	struct archive *writer;
	struct buffer output; /* written by the archive, not yet read */
	bool ended;
	bool dropping; /* it is being freed: what the archive still wants to write goes nowhere */
};

static la_ssize_t append(struct archive *archive, void *context, const void *bytes, size_t length)
{
	struct compose_source *self = context;
	struct error error;
	if (self->dropping) {
		return (la_ssize_t)length;
	}
	if (buffer_append(&self->output, bytes, length, &error) != STATUS_OK) {
		archive_set_error(archive, error.status == STATUS_NO_MEMORY ? ENOMEM : EIO, "%s", error.message);
		return -1;
	}
	return (la_ssize_t)length;
}

static enum status open_content(struct compose_source *self, const struct tar_part *part, struct error *error)
{
	self->content_left = 0;
	if (part->text != NULL) {
		self->content_left = strlen(part->text);
		return source_from_memory_new(part->text, self->content_left, &self->content, error);
	}
	if (part->file == NULL) {
		return STATUS_OK;
	}
	struct stat attributes;
	if (stat(part->file, &attributes) != 0) {
		return error_set_unread(error, "cannot read %s", part->file);
	}
	self->content_left = (uint64_t)attributes.st_size;
	return file_source_new(part->file, &self->content, error);
}

static enum status next_part(struct compose_source *self, struct error *error)
{
	if (self->next == self->count) {
		self->ended = true;
		return archive_write_close(self->writer) == ARCHIVE_OK ? STATUS_OK : tar_writer_error(self->writer, error);
	}
	const struct tar_part *part = &self->parts[self->next++];
	enum status status = open_content(self, part, error);
	if (status != STATUS_OK) {
		return status;
	}
	struct archive_entry *entry = archive_entry_new();
	if (entry == NULL) {
		return error_memory(error);
	}
	archive_entry_copy_pathname(entry, part->path);
	archive_entry_set_mode(entry, part->mode);
	archive_entry_set_uid(entry, part->user);
	archive_entry_set_gid(entry, part->group);
	archive_entry_set_mtime(entry, 0, 0);
	if (part->link != NULL) {
		archive_entry_copy_hardlink(entry, part->link);
	}
	archive_entry_set_size(entry, (la_int64_t)self->content_left);
	int result = archive_write_header(self->writer, entry);
	archive_entry_free(entry);
	return result == ARCHIVE_OK ? STATUS_OK : tar_writer_error(self->writer, error);
}

static enum status more_content(struct compose_source *self, struct error *error)
{
	char block[1 << 16];
	size_t length = 0;
	enum status status = source_read(self->content, block, sizeof block, &length, error);
	if (status != STATUS_OK) {
		return status;
	}
	if (length > self->content_left || (length == 0 && self->content_left > 0)) {
		return error_set(error, STATUS_FAILED, "%s changed while it was read", self->parts[self->next - 1].file);
	}
	self->content_left -= length;
	if (length == 0) {
		source_free(MOVE(self->content));
		return STATUS_OK;
	}
	return archive_write_data(self->writer, block, length) < 0 ? tar_writer_error(self->writer, error) : STATUS_OK;
}

static enum status compose_source_read(struct source *source, void *bytes, size_t capacity, size_t *ret_length,
									   struct error *error)
{
	struct compose_source *self = (struct compose_source *)source;
	while (self->output.length == 0 && !self->ended) {
		enum status status = self->content != NULL ? more_content(self, error) : next_part(self, error);
		if (status != STATUS_OK) {
			return status;
		}
	}
	size_t length = self->output.length < capacity ? self->output.length : capacity;
	if (length > 0) {
		memcpy(bytes, self->output.data, length);
	}
	buffer_consume(&self->output, length);
	*ret_length = length;
	return STATUS_OK;
}

static void compose_source_free(struct source *source)
{
	struct compose_source *self = (struct compose_source *)source;
	self->dropping = true;
	archive_write_free(self->writer);
	source_free(self->content);
	buffer_free(&self->output);
	free(self);
}

enum status tar_compose_source_new(const struct tar_part *parts, size_t count, struct source **ret_source,
								   struct error *error)
{
	static const struct source_ops ops = {.read = compose_source_read, .free = compose_source_free};
	struct compose_source *self = calloc(1, sizeof *self);
	if (self == NULL) {
		return error_memory(error);
	}
	self->source.ops = &ops;
	self->parts = parts;
	self->count = count;
	self->output.limit = 1 << 20;
	self->writer = archive_write_new();
	enum status status = self->writer != NULL ? STATUS_OK : error_memory(error);
	if (status == STATUS_OK && archive_write_set_format_pax_restricted(self->writer) != ARCHIVE_OK) {
		status = error_memory(error);
	}
	if (status == STATUS_OK) {
		archive_write_set_bytes_per_block(self->writer, 0);
		status = archive_write_open(self->writer, self, NULL, append, NULL) == ARCHIVE_OK
					 ? STATUS_OK
					 : tar_writer_error(self->writer, error);
	}
	if (status != STATUS_OK) {
		compose_source_free(&self->source);
		return status;
	}
	*ret_source = &self->source;
	return STATUS_OK;
}
