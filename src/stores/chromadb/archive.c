#include "stores/chromadb/archive.h"

#include "base/cleanup.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "pipeline/file.h"
#include "pipeline/gzip.h"
#include "pipeline/tar.h"
#include "stores/chromadb/database.h"
#include "stores/chromadb/rest.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
	LARGEST_SEGMENT_COUNT = 1 << 16,
	LARGEST_SEGMENT_BYTES = 32 << 20, /* of the paths of all */
};

/* --- segments ----------------------------------------------------------------------------------------------------- */

/* What has been seen of one segment's folder in an archive. */
struct segment {
	char *folder;
	unsigned files;    /* bit i: chromadb_segment_files[i] */
	bool pickle;       /* a segment that was never full has none */
	bool pickle_whole; /* it ends as a pickle does */
	struct segment *next;
};

struct segment_list {
	void *by_folder; /* of tsearch() */
	struct segment *first, **end;
	size_t count;
	size_t bytes; /* of the paths */
};

static void segment_free(void *data)
{
	struct segment *segment = data;
	free(segment->folder);
	free(segment);
}

static void segment_list_free(struct segment_list *list)
{
	tdestroy(list->by_folder, segment_free);
}

static int compare_folders(const void *left, const void *right)
{
	return strcmp(((const struct segment *)left)->folder, ((const struct segment *)right)->folder);
}

static enum status segment_of(struct segment_list *list, const char *path, size_t length, struct segment **ret_segment,
							  struct error *error)
{
	struct segment *segment = calloc(1, sizeof *segment);
	if (segment == NULL) {
		return error_memory(error);
	}
	segment->folder = strndup(path, length);
	struct segment **node = segment->folder == NULL ? NULL : tsearch(segment, &list->by_folder, compare_folders);
	if (node == NULL) {
		segment_free(segment);
		return error_memory(error);
	}
	*ret_segment = *node;
	if (*node != segment) {
		segment_free(segment);
		return STATUS_OK;
	}
	*(list->first == NULL ? &list->first : list->end) = segment;
	list->end = &segment->next;
	list->bytes += length;
	if (list->bytes > LARGEST_SEGMENT_BYTES) {
		return error_set(error, STATUS_DAMAGED, "the names of its vector segments are longer than anybody needs");
	}
	return ++list->count <= LARGEST_SEGMENT_COUNT
			   ? STATUS_OK
			   : error_set(error, STATUS_DAMAGED, "it holds more than %d vector segments", LARGEST_SEGMENT_COUNT);
}

/* How many slashes are in the first `length` bytes of a path. */
static size_t depth(const char *path, size_t length)
{
	size_t slashes = 0;
	for (size_t i = 0; i < length && path[i] != '\0'; i++) {
		slashes += path[i] == '/';
	}
	return slashes;
}

static enum status note_file(struct segment_list *segments, const struct tar_entry *entry, char last,
							 struct artefact *artefact, struct error *error)
{
	const char *slash = strrchr(entry->path, '/');
	const char *name = slash != NULL ? slash + 1 : entry->path;
	size_t folder_length = slash != NULL ? (size_t)(slash - entry->path) : 0;
	if (strcmp(name, CHROMADB_DATABASE) == 0) {
		if (folder_length == 0 || folder_length >= sizeof artefact->folder) {
			return error_set(error, STATUS_DAMAGED, CHROMADB_DATABASE " is not in a folder");
		}
		/* The one that is highest up: somebody may keep a copy below it. */
		if (artefact->folder[0] == '\0' || depth(entry->path, folder_length) < depth(artefact->folder, SIZE_MAX)) {
			memcpy(artefact->folder, entry->path, folder_length);
			artefact->folder[folder_length] = '\0';
		}
		return STATUS_OK;
	}
	struct segment *segment = NULL;
	enum status status = STATUS_OK;
	if (strcmp(name, CHROMADB_PICKLE) == 0) {
		status = segment_of(segments, entry->path, folder_length, &segment, error);
		if (status == STATUS_OK) {
			segment->pickle = true;
			segment->pickle_whole = entry->size > 0 && last == '.';
		}
	}
	for (size_t i = 0; status == STATUS_OK && chromadb_segment_files[i] != NULL; i++) {
		if (strcmp(name, chromadb_segment_files[i]) == 0) {
			status = segment_of(segments, entry->path, folder_length, &segment, error);
			if (status == STATUS_OK) {
				segment->files |= 1U << i;
			}
		}
	}
	return status;
}

static enum status expect_whole(const struct segment_list *segments, struct error *error)
{
	for (const struct segment *segment = segments->first; segment != NULL; segment = segment->next) {
		for (size_t file = 0; chromadb_segment_files[file] != NULL; file++) {
			if ((segment->files & 1U << file) == 0) {
				return error_set(error, STATUS_DAMAGED, "the vector segment %s has no %s", segment->folder,
								 chromadb_segment_files[file]);
			}
		}
		if (segment->pickle && !segment->pickle_whole) {
			return error_set(error, STATUS_DAMAGED, "the vector segment %s has no whole " CHROMADB_PICKLE,
							 segment->folder);
		}
	}
	return STATUS_OK;
}

/* --- the database's files ----------------------------------------------------------------------------------------- */

/* The name of one of the database's files, if `path` is one in `data_folder`; else NULL. */
static const char *database_file(const char *path, const char *data_folder)
{
	size_t length = strlen(data_folder);
	if (strncmp(path, data_folder, length) != 0 || path[length] != '/') {
		return NULL;
	}
	for (size_t i = 0; chromadb_database_files[i] != NULL; i++) {
		if (strcmp(path + length + 1, chromadb_database_files[i]) == 0) {
			return chromadb_database_files[i];
		}
	}
	return NULL;
}

static enum status write_all(int fd, const char *bytes, size_t length, struct error *error)
{
	while (length > 0) {
		ssize_t written = write(fd, bytes, length);
		if (written < 0 && errno != EINTR) {
			return error_set_errno(error, "cannot write a copy of " CHROMADB_DATABASE);
		}
		bytes += written > 0 ? written : 0;
		length -= written > 0 ? (size_t)written : 0;
	}
	return STATUS_OK;
}

/* A new file in the copy's folder for one of the database's; of several entries of one name the last one counts, as for
 * tar. -1 without a failure for any other file. Nothing is flushed: it is removed in a moment. */
static enum status open_copy(const struct chromadb_archive_copy *copy, const char *path, int *ret_fd,
							 struct error *error)
{
	CLEANUP(cleanup_free) char *place = NULL;
	const char *name = copy != NULL ? database_file(path, copy->data_folder) : NULL;
	*ret_fd = -1;
	if (name == NULL) {
		return STATUS_OK;
	}
	enum status status = files_join(copy->folder, name, &place, error);
	if (status == STATUS_OK) {
		*ret_fd = open(place, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
		status = *ret_fd >= 0 ? STATUS_OK : error_set_errno(error, "cannot make %s", place);
	}
	return status;
}

static bool is_pickle(const char *path)
{
	const char *slash = strrchr(path, '/');
	return strcmp(slash != NULL ? slash + 1 : path, CHROMADB_PICKLE) == 0;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* Reads an entry's content to its end, and writes it to `fd` if that is not -1. What nobody wants is not read, but only
 * gone through: that its bytes are those that were written, their checksum says. */
static enum status read_through(struct tar_reader *reader, char *block, int fd, char *ret_last, struct error *error)
{
	enum status status = STATUS_OK;
	for (size_t length = 1; status == STATUS_OK && length > 0;) {
		status = interrupt_check(error);
		if (status == STATUS_OK) {
			status = tar_reader_read(reader, block, STREAM_BLOCK_SIZE, &length, error);
		}
		if (status == STATUS_OK && length > 0) {
			*ret_last = block[length - 1];
			status = fd >= 0 ? write_all(fd, block, length, error) : STATUS_OK;
		}
	}
	return status;
}

enum status chromadb_archive_check(struct source *file, const struct chromadb_archive_copy *copy,
								   struct progress *progress, struct artefact *ret_artefact, struct error *error)
{
	CLEANUP(cleanup_source) struct source *owned = file;
	struct artefact artefact = {0};
	CLEANUP(segment_list_free) struct segment_list segments = {0};
	CLEANUP(cleanup_source) struct source *tar = NULL;
	CLEANUP(cleanup_tar_reader) struct tar_reader *reader = NULL;
	CLEANUP(cleanup_free) char *block = malloc(STREAM_BLOCK_SIZE);
	enum status status = block == NULL ? error_memory(error) : gzip_source_new(MOVE(owned), &tar, error);
	if (status == STATUS_OK) {
		status = tar_reader_new(tar, &reader, error);
	}
	while (status == STATUS_OK) {
		CLEANUP(cleanup_close) int fd = -1;
		struct tar_entry entry;
		bool ended = false;
		char last = 0;
		status = tar_reader_next(reader, &entry, &ended, error);
		if (status != STATUS_OK || ended) {
			break;
		}
		artefact.entries++;
		status = tar_refuse_device(&entry, error);
		if (status == STATUS_OK && entry.is_file) {
			artefact.raw_bytes += entry.stored;
			progress_advance(progress, entry.stored);
			status = open_copy(copy, entry.path, &fd, error);
			if (status == STATUS_OK && (fd >= 0 || is_pickle(entry.path))) {
				status = read_through(reader, block, fd, &last, error);
			}
		}
		if (status == STATUS_OK && entry.is_file) {
			status = note_file(&segments, &entry, last, &artefact, error);
		}
	}
	if (status == STATUS_OK && artefact.folder[0] == '\0') {
		return error_set(error, STATUS_DAMAGED, "it holds no " CHROMADB_DATABASE);
	}
	if (status == STATUS_OK) {
		status = expect_whole(&segments, error);
	}
	if (status == STATUS_OK) {
		*ret_artefact = artefact;
	}
	return status;
}

/* --- counting ----------------------------------------------------------------------------------------------------- */

static enum status count(const char *archive, const struct chromadb_archive_copy *copy, struct progress *progress,
						 struct artefact *ret_artefact, struct fingerprint *fingerprint, struct error *error)
{
	CLEANUP(cleanup_free) char *database = NULL;
	struct source *file = NULL;
	enum status status = files_join(copy->folder, CHROMADB_DATABASE, &database, error);
	if (status == STATUS_OK) {
		status = file_source_new(archive, &file, error);
	}
	if (status == STATUS_OK) {
		status = chromadb_archive_check(file, copy, progress, ret_artefact, error);
	}
	return status == STATUS_OK ? chromadb_database_count(database, fingerprint, error) : status;
}

enum status chromadb_archive_count(const char *archive, const char *data_folder, const char *scratch,
								   struct progress *progress, struct artefact *ret_artefact,
								   struct fingerprint *fingerprint, struct error *error)
{
	const struct chromadb_archive_copy copy = {.data_folder = data_folder, .folder = scratch};
	struct error removing;
	if (mkdir(scratch, 0700) != 0) {
		return error_set_errno(error, "cannot make %s", scratch);
	}
	enum status status = count(archive, &copy, progress, ret_artefact, fingerprint, error);
	enum status removed = files_remove(scratch, &removing);
	if (status == STATUS_OK && removed != STATUS_OK) {
		*error = removing;
		return removed;
	}
	return status;
}
