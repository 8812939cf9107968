#include "pipeline/tar_reader.h"

#include "base/interrupt.h"
#include "pipeline/tar_attributes.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

enum {
	MOST_FOLDER_BYTES = 64 << 20,         /* of all: some hundred thousand folders */
	FOLDER_OVERHEAD = 256,                /* bytes that libarchive (3.6) keeps of one, besides its path */
	LIST_LINE_SIZE = 8,                   /* bytes of a line of an access list */
	END_MARKER_SIZE = 2 * TAR_BLOCK_SIZE, /* POSIX.1-2017, pax, "ustar Interchange Format": two blocks of zeros */
};

static void count_zeros(struct tar_reader *reader, const char *bytes, size_t length)
{
	size_t zeros = 0;
	while (zeros < length && bytes[length - 1 - zeros] == 0) {
		zeros++;
	}
	reader->trailing_zeros = zeros == length ? reader->trailing_zeros + zeros : zeros;
	reader->received += length;
}

static la_ssize_t read_block(struct archive *archive, void *context, const void **ret_bytes)
{
	struct tar_reader *reader = context;
	size_t length = 0;
	reader->status = interrupt_check(&reader->failure);
	if (reader->status == STATUS_OK) {
		reader->status = source_read(reader->tar, reader->block, STREAM_BLOCK_SIZE, &length, &reader->failure);
	}
	if (reader->status != STATUS_OK) {
		archive_set_error(archive, EIO, "%s", reader->failure.message);
		return -1;
	}
	count_zeros(reader, reader->block, length);
	*ret_bytes = reader->block;
	return (la_ssize_t)length;
}

enum status tar_reader_error(struct tar_reader *reader, struct error *error)
{
	if (reader->status != STATUS_OK) {
		*error = reader->failure;
		return error->status;
	}
	/* libarchive has no words for some kinds of damage, and none for some lacks of memory: malloc's errno tells these.
	 */
	const int malloc_errno = errno;
	const char *text = archive_error_string(reader->archive);
	if (archive_errno(reader->archive) == ENOMEM || (text == NULL && malloc_errno == ENOMEM)) {
		return error_memory(error);
	}
	return error_set(error, STATUS_DAMAGED, "the archive is damaged: %s", text != NULL ? text : "unknown format");
}

enum status tar_writer_error(struct archive *writer, struct error *error)
{
	const char *text = archive_error_string(writer);
	return text == NULL || archive_errno(writer) == ENOMEM
			   ? error_memory(error)
			   : error_set(error, STATUS_FAILED, "cannot write an archive: %s", text);
}

enum status tar_reader_block(struct tar_reader *reader, struct tar_block *ret_block, bool *ret_ended,
							 struct error *error)
{
	*ret_block = (struct tar_block){0};
	errno = 0; /* tar_reader_error */
	int result = archive_read_data_block(reader->archive, &ret_block->bytes, &ret_block->length, &ret_block->offset);
	*ret_ended = result == ARCHIVE_EOF;
	if (result != ARCHIVE_OK && result != ARCHIVE_EOF) {
		return tar_reader_error(reader, error);
	}
	la_int64_t size = archive_entry_size(reader->entry);
	if (ret_block->length > 0 && (ret_block->offset < 0 || ret_block->offset > size ||
								  ret_block->length > (uint64_t)(size - ret_block->offset))) {
		return error_set(error, STATUS_DAMAGED, "the archive holds content beyond the end of a file");
	}
	return STATUS_OK;
}

enum status tar_reader_new(struct source *tar, struct tar_reader **ret_reader, struct error *error)
{
	struct tar_reader *reader = calloc(1, sizeof *reader);
	if (reader == NULL) {
		return error_memory(error);
	}
	reader->tar = tar;
	reader->block = malloc(STREAM_BLOCK_SIZE);
	reader->archive = archive_read_new();
	reader->entry = archive_entry_new();
	if (reader->block == NULL || reader->archive == NULL || reader->entry == NULL) {
		tar_reader_free(reader);
		return error_memory(error);
	}
	if (archive_read_support_format_tar(reader->archive) != ARCHIVE_OK) {
		tar_reader_free(reader);
		return error_memory(error);
	}
	errno = 0; /* tar_reader_error */
	if (archive_read_open(reader->archive, reader, NULL, read_block, NULL) != ARCHIVE_OK) {
		enum status status = tar_reader_error(reader, error);
		tar_reader_free(reader);
		return status;
	}
	*ret_reader = reader;
	return STATUS_OK;
}

void tar_reader_free(struct tar_reader *reader)
{
	if (reader != NULL) {
		archive_read_free(reader->archive);
		archive_entry_free(reader->entry);
		tar_links_free(&reader->links);
		free(reader->block);
		free(reader);
	}
}

/*
 * libarchive takes a stream that just stops between two entries for a whole one (some programs forget the marker). A
 * gzip file that was cut between two members looks like that, so what follows the last entry is looked at here.
 */
static enum status expect_end_marker(struct tar_reader *reader, uint64_t last_entry_end, struct error *error)
{
	for (size_t length = 1; length > 0;) {
		enum status status = source_read(reader->tar, reader->block, STREAM_BLOCK_SIZE, &length, error);
		if (status != STATUS_OK) {
			return status;
		}
		count_zeros(reader, reader->block, length);
	}
	uint64_t rest = reader->received - last_entry_end;
	if (reader->received < last_entry_end || rest < END_MARKER_SIZE) {
		return error_set(error, STATUS_DAMAGED, "the archive is cut off: its end marker is missing");
	}
	if (reader->trailing_zeros < rest) {
		return error_set(error, STATUS_DAMAGED, "the archive goes on behind its end marker");
	}
	return STATUS_OK;
}

/* Without "./" before it; ".//a" is "a" too, and never "/a". The folder itself stays ".". */
static const char *behind_dots(const char *path)
{
	while (strncmp(path, "./", 2) == 0 && path[1 + strspn(path + 1, "/")] != '\0') {
		path += 1 + strspn(path + 1, "/");
	}
	return path;
}

static uint64_t stored_size(struct archive_entry *entry)
{
	la_int64_t offset = 0;
	la_int64_t length = 0;
	uint64_t stored = 0;
	if (archive_entry_sparse_reset(entry) == 0) {
		return archive_entry_size_is_set(entry) ? (uint64_t)archive_entry_size(entry) : 0;
	}
	while (archive_entry_sparse_next(entry, &offset, &length) == ARCHIVE_OK) {
		stored += (uint64_t)length;
	}
	return stored;
}

/* Modes, times and lists of folders are set when all is in them, so they are kept in memory until then. */
static enum status note_folder(struct tar_reader *reader, const char *path, struct error *error)
{
	size_t lines = tar_lists_length(reader->entry);
	reader->folder_bytes += FOLDER_OVERHEAD + 2 * strlen(path) + lines * LIST_LINE_SIZE;
	return reader->folder_bytes <= MOST_FOLDER_BYTES
			   ? STATUS_OK
			   : error_set(error, STATUS_DAMAGED, "the archive holds more folders than anybody needs");
}

/*
 * What would make a program out of the archive run with other rights than those of who starts it. No store has such
 * files, and a data folder may be one of this machine. On a folder the bits say something else.
 */
static enum status take_rights_away(struct archive_entry *entry, struct error *error)
{
	const mode_t mode = archive_entry_perm(entry);
	if (archive_entry_filetype(entry) != AE_IFDIR && (mode & (S_ISUID | S_ISGID)) != 0) {
		archive_entry_set_perm(entry, mode & ~(mode_t)(S_ISUID | S_ISGID));
	}
	return tar_attributes_leave_out(entry, "security.capability", error);
}

enum status tar_reader_next(struct tar_reader *reader, struct tar_entry *ret_entry, bool *ret_ended,
							struct error *error)
{
	errno = 0; /* tar_reader_error */
	if (reader->in_entry && archive_read_data_skip(reader->archive) != ARCHIVE_OK) {
		return tar_reader_error(reader, error);
	}
	uint64_t end = (uint64_t)archive_filter_bytes(reader->archive, 0);
	end = (end + TAR_BLOCK_SIZE - 1) / TAR_BLOCK_SIZE * TAR_BLOCK_SIZE;
	errno = 0; /* tar_reader_error */
	int result = archive_read_next_header2(reader->archive, reader->entry);
	*ret_ended = result == ARCHIVE_EOF;
	reader->in_entry = true;
	if (*ret_ended) {
		return expect_end_marker(reader, end, error);
	}
	if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {
		return tar_reader_error(reader, error);
	}
	/* Of what a pax header says, the library leaves out attributes and lists for which it finds no memory, and says
	 * nothing (libarchive 3.6, archive_entry_xattr.c, archive_acl.c): malloc's errno tells. Not always: in the locale C
	 * a name that is not ASCII sets another one behind it; and where the heap cannot grow in its place, glibc leaves it
	 * from an allocation that went well by another way. */
	if (errno == ENOMEM && archive_format(reader->archive) == ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE) {
		return error_memory(error);
	}
	const char *path = archive_entry_pathname(reader->entry);
	if (path == NULL || !tar_path_is_safe(path)) {
		return error_set(error, STATUS_DAMAGED, "the archive holds a path that leads out of it: %s",
						 path != NULL ? path : "(no name)");
	}
	const char *hard = archive_entry_hardlink(reader->entry);
	if (strlen(path) >= PATH_MAX || (hard != NULL && strlen(hard) >= PATH_MAX)) {
		return error_set(error, STATUS_DAMAGED, "the archive holds a path of more than %d bytes: %.100s...", PATH_MAX,
						 path);
	}
	if (hard != NULL && !tar_path_is_safe(hard)) {
		return error_set(error, STATUS_DAMAGED, "the archive holds a link that leads out of it: %s", hard);
	}
	const char *symbolic =
		archive_entry_filetype(reader->entry) == AE_IFLNK ? archive_entry_symlink(reader->entry) : NULL;
	enum status status = tar_links_note(&reader->links, path, symbolic, hard, error);
	if (status == STATUS_OK && archive_entry_filetype(reader->entry) == AE_IFDIR) {
		status = note_folder(reader, path, error);
	}
	if (status == STATUS_OK) {
		status = take_rights_away(reader->entry, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	const char *start = behind_dots(path);
	size_t length = strlen(start);
	while (length > 1 && start[length - 1] == '/') {
		length--;
	}
	if (start != path || start[length] != '\0') {
		CLEANUP(cleanup_free) char *copy = strndup(start, length);
		if (copy == NULL) {
			return error_memory(error);
		}
		archive_entry_set_pathname(reader->entry, copy);
		path = archive_entry_pathname(reader->entry);
		if (path == NULL) {
			return error_memory(error);
		}
	}
	mode_t type = archive_entry_filetype(reader->entry);
	*ret_entry = (struct tar_entry){
		.path = path,
		.is_file = type == AE_IFREG && hard == NULL,
		.is_folder = type == AE_IFDIR,
		.is_device = type == AE_IFBLK || type == AE_IFCHR,
		.size = archive_entry_size_is_set(reader->entry) ? (uint64_t)archive_entry_size(reader->entry) : 0,
		.stored = stored_size(reader->entry),
	};
	return STATUS_OK;
}

enum status tar_refuse_device(const struct tar_entry *entry, struct error *error)
{
	return entry->is_device ? error_set(error, STATUS_DAMAGED, "the archive holds a device: %s", entry->path)
							: STATUS_OK;
}

enum status tar_reader_read(struct tar_reader *reader, void *bytes, size_t capacity, size_t *ret_length,
							struct error *error)
{
	errno = 0; /* tar_reader_error */
	la_ssize_t length = archive_read_data(reader->archive, bytes, capacity);
	if (length < 0) {
		return tar_reader_error(reader, error);
	}
	*ret_length = (size_t)length;
	return STATUS_OK;
}

bool tar_path_is_above(const char *path, const char *prefix)
{
	return strcmp(path, ".") == 0 || tar_path_below(prefix, path) != NULL;
}

const char *tar_path_below(const char *path, const char *prefix)
{
	path = behind_dots(path);
	size_t length = strlen(prefix);
	if (strncmp(path, prefix, length) != 0 || (path[length] != '\0' && path[length] != '/')) {
		return NULL;
	}
	path += length;
	while (*path == '/') {
		path++;
	}
	return path;
}

bool tar_path_is_safe(const char *path)
{
	if (path[0] == '/' || path[0] == '\0') {
		return false;
	}
	for (const char *part = path; part != NULL; part = strchr(part, '/')) {
		part += *part == '/';
		if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0')) {
			return false;
		}
	}
	return true;
}
