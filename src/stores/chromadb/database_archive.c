/* The database file of a backup's archive, unpacked alone. */
#include "base/cleanup.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "pipeline/tar.h"
#include "stores/chromadb/database.h"
#include "stores/volume_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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

/* Of several entries of one name the last one counts, as for tar. Nothing is flushed: it is removed in a moment. */
static enum status unpack(struct tar_reader *reader, const char *path, struct error *error)
{
	CLEANUP(cleanup_free) char *block = malloc(STREAM_BLOCK_SIZE);
	CLEANUP(cleanup_close) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (block == NULL) {
		return error_memory(error);
	}
	enum status status = fd >= 0 ? STATUS_OK : error_set_errno(error, "cannot make %s", path);
	for (size_t length = 1; status == STATUS_OK && length > 0;) {
		status = interrupt_check(error);
		if (status == STATUS_OK) {
			status = tar_reader_read(reader, block, STREAM_BLOCK_SIZE, &length, error);
		}
		if (status == STATUS_OK) {
			status = write_all(fd, block, length, error);
		}
	}
	return status;
}

static enum status unpack_database(const char *archive, const char *data_folder, const char *folder,
								   struct error *error)
{
	CLEANUP(cleanup_source) struct source *tar = NULL;
	CLEANUP(cleanup_tar_reader) struct tar_reader *reader = NULL;
	enum status status = volume_store_open_archive(archive, &tar, error);
	if (status == STATUS_OK) {
		status = tar_reader_new(tar, &reader, error);
	}
	while (status == STATUS_OK) {
		struct tar_entry entry;
		bool ended = false;
		CLEANUP(cleanup_free) char *path = NULL;
		status = tar_reader_next(reader, &entry, &ended, error);
		if (status != STATUS_OK || ended) {
			break;
		}
		const char *name = entry.is_file ? database_file(entry.path, data_folder) : NULL;
		if (name != NULL) {
			status = files_join(folder, name, &path, error);
		}
		if (status == STATUS_OK && path != NULL) {
			status = unpack(reader, path, error);
		}
	}
	return status;
}

enum status chromadb_database_count_archive(const char *archive, const char *data_folder, const char *folder,
											struct fingerprint *fingerprint, struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	struct error removing;
	if (mkdir(folder, 0700) != 0) {
		return error_set_errno(error, "cannot make %s", folder);
	}
	enum status status = files_join(folder, CHROMADB_DATABASE, &path, error);
	if (status == STATUS_OK) {
		status = unpack_database(archive, data_folder, folder, error);
	}
	if (status == STATUS_OK) {
		status = chromadb_database_count(path, fingerprint, error);
	}
	enum status removed = files_remove(folder, &removing);
	if (status == STATUS_OK && removed != STATUS_OK) {
		*error = removing;
		return removed;
	}
	return status;
}
