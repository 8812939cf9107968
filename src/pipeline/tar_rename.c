#include "base/buffer.h"
#include "pipeline/tar_reader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct rename_source {
	struct source source;
	struct source *inner; /* owned */
	struct tar_reader *reader;
	struct archive *writer;
	struct buffer output; /* written by the archive, not yet read */
	char *from;
	char *to;
	void (*see)(void *context, const char *below); /* NULL: nobody watches */
	void *context;
	bool in_entry;
	bool ended;
	bool dropping; /* it is being freed: what the archive still wants to write goes nowhere */
};

static la_ssize_t append(struct archive *archive, void *context, const void *bytes, size_t length)
{
	struct rename_source *self = context;
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

static char *renamed(const struct rename_source *self, const char *path)
{
	const char *below = tar_path_below(path, self->from);
	char *name = NULL;
	if (below == NULL || asprintf(&name, "%s%s%s", self->to, below[0] != '\0' ? "/" : "", below) < 0) {
		return NULL;
	}
	return name;
}

/*
 * False for a map of holes without any data between them: libarchive 3.6 writes one that it cannot read again. Such a
 * file is written as the zeros it is.
 */
static bool has_data(struct archive_entry *entry)
{
	la_int64_t offset = 0;
	la_int64_t length = 0;
	archive_entry_sparse_reset(entry);
	while (length == 0 && archive_entry_sparse_next(entry, &offset, &length) == ARCHIVE_OK) {
	}
	return length > 0;
}

static enum status next_entry(struct rename_source *self, struct error *error)
{
	struct tar_entry entry;
	enum status status = tar_reader_next(self->reader, &entry, &self->ended, error);
	if (status != STATUS_OK) {
		return status;
	}
	if (self->ended) {
		return archive_write_close(self->writer) == ARCHIVE_OK ? STATUS_OK : tar_writer_error(self->writer, error);
	}
	const char *below = tar_path_below(entry.path, self->from);
	bool above = below == NULL && entry.is_folder && tar_path_is_above(entry.path, self->from);
	if (above || entry.is_device || (below != NULL && strncmp(below, TAR_OWN_PREFIX, strlen(TAR_OWN_PREFIX)) == 0)) {
		return STATUS_OK;
	}
	CLEANUP(cleanup_free) char *name = renamed(self, entry.path);
	if (name == NULL) {
		return error_set(error, STATUS_DAMAGED, "the archive holds %s, which is not in %s", entry.path, self->from);
	}
	if (below != NULL && below[0] == '\0' && !entry.is_folder) {
		return error_set(error, STATUS_DAMAGED, "the archive's %s is not a folder", entry.path);
	}
	struct archive_entry *header = self->reader->entry;
	const char *hard_link = archive_entry_hardlink(header);
	if (hard_link != NULL) {
		CLEANUP(cleanup_free) char *link = renamed(self, hard_link);
		if (link == NULL) {
			return error_set(error, STATUS_DAMAGED, "the archive holds a link that leads out of it: %s", hard_link);
		}
		archive_entry_copy_hardlink(header, link);
	}
	if (self->see != NULL && below != NULL) {
		self->see(self->context, below);
	}
	archive_entry_copy_pathname(header, name);
	if (!has_data(header)) {
		archive_entry_sparse_clear(header);
	}
	if (archive_write_header(self->writer, header) < ARCHIVE_WARN) { /* a warning: as in tar_header */
		return tar_writer_error(self->writer, error);
	}
	self->in_entry = true;
	return STATUS_OK;
}

static enum status more_content(struct rename_source *self, struct error *error)
{
	char block[1 << 16];
	size_t length = 0;
	enum status status = tar_reader_read(self->reader, block, sizeof block, &length, error);
	if (status != STATUS_OK) {
		return status;
	}
	self->in_entry = length > 0;
	if (length > 0 && archive_write_data(self->writer, block, length) < 0) {
		return tar_writer_error(self->writer, error);
	}
	return STATUS_OK;
}

static enum status rename_source_read(struct source *source, void *bytes, size_t capacity, size_t *ret_length,
									  struct error *error)
{
	struct rename_source *self = (struct rename_source *)source;
	while (self->output.length == 0 && !self->ended) {
		enum status status = self->in_entry ? more_content(self, error) : next_entry(self, error);
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

static void rename_source_free(struct source *source)
{
	struct rename_source *self = (struct rename_source *)source;
	tar_reader_free(self->reader);
	self->dropping = true;
	if (self->writer != NULL) {
		/* After a failure that it calls fatal, archive_write_free alone leaves something behind (libarchive 3.6). */
		(void)archive_write_close(self->writer);
		archive_write_free(self->writer);
	}
	source_free(self->inner);
	buffer_free(&self->output);
	free(self->from);
	free(self->to);
	free(self);
}

void tar_rename_source_watch(struct source *source, void (*see)(void *context, const char *below), void *context)
{
	struct rename_source *self = (struct rename_source *)source;
	self->see = see;
	self->context = context;
}

enum status tar_rename_source_new(struct source *inner, const char *from, const char *to, struct source **ret_source,
								  struct error *error)
{
	static const struct source_ops ops = {.read = rename_source_read, .free = rename_source_free};
	struct rename_source *self = calloc(1, sizeof *self);
	if (self == NULL) {
		source_free(inner);
		return error_memory(error);
	}
	self->source.ops = &ops;
	self->inner = inner;
	self->output.limit = 16 << 20;
	self->from = strdup(from);
	self->to = strdup(to);
	self->writer = archive_write_new();
	enum status status =
		self->from != NULL && self->to != NULL && self->writer != NULL ? STATUS_OK : error_memory(error);
	if (status == STATUS_OK && archive_write_set_format_pax_restricted(self->writer) != ARCHIVE_OK) {
		status = error_memory(error);
	}
	if (status == STATUS_OK) {
		archive_write_set_options(self->writer, "xattrheader=SCHILY");
		archive_write_set_bytes_per_block(self->writer, 0);
		status = archive_write_open(self->writer, self, NULL, append, NULL) == ARCHIVE_OK
					 ? STATUS_OK
					 : tar_writer_error(self->writer, error);
	}
	if (status == STATUS_OK) {
		status = tar_reader_new(self->inner, &self->reader, error);
	}
	if (status != STATUS_OK) {
		rename_source_free(&self->source);
		return status;
	}
	*ret_source = &self->source;
	return STATUS_OK;
}
