#include "pipeline/tar.h"
#include "pipeline/tar_attributes.h"
#include "pipeline/tar_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

struct tar_headers {
	struct archive *disk; /* reads extended attributes and ACLs */
};

enum status tar_headers_new(struct tar_headers **ret_headers, struct error *error)
{
	struct tar_headers *headers = calloc(1, sizeof *headers);
	if (headers == NULL) {
		return error_memory(error);
	}
	headers->disk = archive_read_disk_new();
	if (headers->disk == NULL) {
		free(headers);
		return error_memory(error);
	}
	/* File flags and the library's own attribute names would only make GNU tar print warnings. */
	archive_read_disk_set_behavior(headers->disk, ARCHIVE_READDISK_NO_FFLAGS | ARCHIVE_READDISK_NO_SPARSE);
	*ret_headers = headers;
	return STATUS_OK;
}

void tar_headers_free(struct tar_headers *headers)
{
	if (headers != NULL) {
		archive_read_free(headers->disk);
		free(headers);
	}
}

/* Where the library writes to. It is not told of a failure, from which it would not free what it holds. */
struct output {
	struct buffer *buffer;
	bool closing; /* the end marker that it writes then is not wanted */
	enum status status;
	struct error *error;
};

static la_ssize_t append(struct archive *archive, void *context, const void *bytes, size_t length)
{
	struct output *output = context;
	(void)archive;
	if (output->status == STATUS_OK && !output->closing) {
		output->status = buffer_append(output->buffer, bytes, length, output->error);
	}
	return (la_ssize_t)length;
}

static enum status write_header(struct archive_entry *entry, bool sparse, struct buffer *header, struct error *error)
{
	struct output output = {.buffer = header, .error = error};
	struct archive *writer = archive_write_new();
	if (writer == NULL) {
		return error_memory(error);
	}
	if (archive_write_set_format_pax_restricted(writer) != ARCHIVE_OK) {
		archive_write_free(writer);
		return error_memory(error);
	}
	archive_write_set_options(writer, "xattrheader=SCHILY");
	archive_write_set_bytes_per_block(writer, 0);
	/* A warning: the name is not UTF-8, and goes in as the bytes it is (pax, hdrcharset=BINARY). */
	bool open = archive_write_open(writer, &output, NULL, append, NULL) == ARCHIVE_OK;
	if (!open || archive_write_header(writer, entry) < ARCHIVE_WARN ||
		/* The map of the holes comes with the first content, even if that is none (archive_write_set_format_pax.c). */
		(sparse && archive_write_data(writer, "", 0) != 0)) {
		output.status = tar_writer_error(writer, error);
	}
	/* It would write the content as zeros before it closes, unless it takes itself for broken; but without being closed
	 * it would not free all that it holds (libarchive 3.6, archive_write.c). */
	output.closing = true;
	archive_write_fail(writer);
	if (open) { /* one that had no memory to open would write to nowhere */
		archive_write_close(writer);
	}
	archive_write_free(writer);
	return output.status;
}

/* Of a file that runs on: what has changed between reading and comparing is read once more. */
static enum status read_attributes(struct tar_headers *headers, const struct tar_item *item,
								   struct archive_entry *entry, struct error *error)
{
	enum { TRIES = 3 };
	archive_entry_copy_sourcepath(entry, item->source);
	for (int i = 0; i < TRIES; i++) {
		archive_entry_acl_clear(entry);
		archive_entry_xattr_clear(entry);
		if (archive_read_disk_entry_from_file(headers->disk, entry, -1, &item->attributes) != ARCHIVE_OK) {
			return error_set(error, STATUS_FAILED, "cannot read %s: %s", item->source,
							 archive_error_string(headers->disk));
		}
		if (!tar_lists_have_ids(entry)) {
			(void)error_set(error, STATUS_FAILED, "the access list of %s names an id that no archive can hold",
							item->source);
			return error_hint(error, "getfacl shows it; take that line out of the list (setfacl -x)");
		}
		if (tar_attributes_are_all(entry, item->source)) {
			return STATUS_OK;
		}
	}
	return error_set(error, STATUS_FAILED, "cannot read the extended attributes of %s: perhaps out of memory",
					 item->source);
}

static enum status fill(struct tar_headers *headers, const struct tar_item *item, struct archive_entry *entry,
						struct error *error)
{
	archive_entry_copy_pathname(entry, item->path);
	archive_entry_copy_stat(entry, &item->attributes);
	if (item->link != NULL) {
		archive_entry_copy_hardlink(entry, item->link);
		archive_entry_unset_size(entry);
	}
	if (item->symlink != NULL) {
		archive_entry_copy_symlink(entry, item->symlink);
	}
	if (item->source != NULL && item->link == NULL) {
		enum status status = read_attributes(headers, item, entry, error);
		if (status != STATUS_OK) {
			return status;
		}
	}
	/* The format keeps whole seconds unless an entry needs a pax header anyway: none shall differ from the others. */
	archive_entry_set_mtime(entry, item->attributes.st_mtim.tv_sec, 0);
	archive_entry_unset_atime(entry);
	archive_entry_unset_ctime(entry);
	archive_entry_unset_birthtime(entry);
	archive_entry_sparse_clear(entry);
	for (size_t i = 0; i < item->run_count; i++) {
		archive_entry_sparse_add_entry(entry, (la_int64_t)item->runs[i].offset, (la_int64_t)item->runs[i].length);
	}
	return STATUS_OK;
}

/* What the library reads. Its own function for that leaks where there is no memory (archive_read_open_memory.c). */
struct input {
	const char *bytes;
	size_t length;
};

static la_ssize_t give_all(struct archive *archive, void *context, const void **ret_bytes)
{
	struct input *input = context;
	(void)archive;
	size_t length = input->length;
	*ret_bytes = input->bytes;
	input->length = 0;
	return (la_ssize_t)length;
}

/* One run of all that there is needs no map. */
static bool has_map(const struct tar_item *item)
{
	uint64_t size = (uint64_t)item->attributes.st_size;
	return item->run_count > 1 || (item->run_count == 1 && item->runs[0].length != size);
}

static bool has_right_map(const struct tar_item *item, struct archive_entry *entry)
{
	size_t index = 0;
	la_int64_t from = 0;
	la_int64_t size = 0;
	la_int64_t end = 0;
	bool right = archive_entry_size(entry) == item->attributes.st_size && archive_entry_sparse_reset(entry) > 0;
	while (right && archive_entry_sparse_next(entry, &from, &size) == ARCHIVE_OK) {
		end = from + size;
		if (size > 0) { /* where a file ends with a hole, the map does with a run of nothing at its end */
			right = index < item->run_count && (uint64_t)from == item->runs[index].offset &&
					(uint64_t)size == item->runs[index].length;
			index++;
		}
	}
	return right && end == item->attributes.st_size && index == item->run_count;
}

/*
 * Without memory the library leaves out a part of the map, or the word that there is one, and says that all is well
 * (libarchive 3.6, archive_write_set_format_pax.c). So such a header is read again, as is one with attributes.
 */
static enum status check(const struct tar_item *item, struct archive_entry *written, const char *bytes, size_t length,
						 struct error *error)
{
	const bool map = has_map(item);
	const bool attributes = item->source != NULL && item->link == NULL;
	if (!map && !attributes) {
		return STATUS_OK;
	}
	struct input input = {.bytes = bytes, .length = length};
	struct archive *reader = archive_read_new();
	struct archive_entry *entry = NULL;
	bool right = reader != NULL && archive_read_support_format_tar(reader) == ARCHIVE_OK &&
				 archive_read_open(reader, &input, NULL, give_all, NULL) == ARCHIVE_OK &&
				 archive_read_next_header(reader, &entry) >= ARCHIVE_WARN && (!map || has_right_map(item, entry)) &&
				 (!attributes || tar_attributes_are_same(entry, written));
	archive_read_free(reader);
	return right ? STATUS_OK
				 : error_set(error, STATUS_FAILED, "cannot note the %s of %s: perhaps out of memory",
							 map ? "holes" : "extended attributes", item->path);
}

enum status tar_header(struct tar_headers *headers, const struct tar_item *item, struct buffer *header,
					   struct error *error)
{
	struct archive_entry *entry = archive_entry_new();
	if (entry == NULL) {
		return error_memory(error);
	}
	size_t before = header->length;
	enum status status = fill(headers, item, entry, error);
	if (status == STATUS_OK) {
		status = write_header(entry, item->run_count > 0, header, error);
	}
	if (status == STATUS_OK) {
		status = check(item, entry, header->data + before, header->length - before, error);
	}
	archive_entry_free(entry);
	return status;
}
