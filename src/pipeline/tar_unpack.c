#include "base/files.h"
#include "pipeline/tar_attributes.h"
#include "pipeline/tar_plain.h"
#include "pipeline/tar_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct unpacker {
	struct tar_reader *reader;
	struct archive *disk;
	struct tar_plain plain;
	struct tar_lists lists;        /* of the entry that is being unpacked */
	struct tar_lists folder_lists; /* of all folders so far */
	const char *prefix;
	const char *target; /* its path for libarchive; "" if it is the working folder */
	struct progress *progress;
};

static enum status disk_error(struct unpacker *unpacker, struct error *error)
{
	int number = archive_errno(unpacker->disk);
	const char *text = archive_error_string(unpacker->disk);
	if (number > 0 && number < 4096) { /* otherwise one of libarchive's own */
		errno = number;
		return error_set_errno(error, "cannot unpack: %s", text != NULL ? text : "");
	}
	return text != NULL ? error_set(error, STATUS_DAMAGED, "cannot unpack: %s", text) : error_memory(error);
}

/*
 * The path on disk of an entry, or NULL with STATUS_OK for a folder above the one that is wanted. *ret_below: its path
 * below the target, "" for that itself; lent.
 */
static enum status place_of(const struct unpacker *unpacker, const char *path, bool is_folder, char **ret_place,
							const char **ret_below, struct error *error)
{
	*ret_place = NULL;
	const char *below = tar_path_below(path, unpacker->prefix);
	if (below == NULL && is_folder && tar_path_is_above(path, unpacker->prefix)) {
		return STATUS_OK;
	}
	if (below == NULL) {
		return error_set(error, STATUS_DAMAGED, "the archive holds %s, which is not in %s", path, unpacker->prefix);
	}
	if (below[0] == '\0' && !is_folder) {
		return error_set(error, STATUS_DAMAGED, "the archive's %s is not a folder", path);
	}
	*ret_below = below;
	if (unpacker->target[0] != '\0' && below[0] != '\0') {
		return files_join(unpacker->target, below, ret_place, error);
	}
	const char *top = unpacker->target[0] != '\0' ? unpacker->target : ".";
	*ret_place = strdup(below[0] != '\0' ? below : top);
	return *ret_place == NULL ? error_memory(error) : STATUS_OK;
}

static enum status copy_content(struct unpacker *unpacker, struct error *error)
{
	for (;;) {
		struct tar_block block;
		bool ended = false;
		enum status status = tar_reader_block(unpacker->reader, &block, &ended, error);
		if (status != STATUS_OK || ended) {
			return status;
		}
		if (archive_write_data_block(unpacker->disk, block.bytes, block.length, block.offset) < ARCHIVE_OK) {
			return disk_error(unpacker, error);
		}
		progress_advance(unpacker->progress, block.length);
	}
}

/*
 * Those of folders are set when all is in them, so that none inherits from them and nothing changes them again. That of
 * the folder that is unpacked into is left out: a swap of data takes owner and mode of it, and with a list the mode
 * would say of the group what is its mask (acl(5)).
 */
static enum status set_lists(struct unpacker *unpacker, const struct tar_entry *entry, const char *place,
							 struct error *error)
{
	if (entry->is_folder) {
		return tar_lists_add(&unpacker->folder_lists, unpacker->reader->entry, place, error);
	}
	enum status status = tar_lists_add(&unpacker->lists, unpacker->reader->entry, place, error);
	return status == STATUS_OK ? tar_lists_set(&unpacker->lists, unpacker->progress, error) : status;
}

static enum status unpack_entry(struct unpacker *unpacker, const struct tar_entry *entry, struct error *error)
{
	struct archive_entry *header = unpacker->reader->entry;
	CLEANUP(cleanup_free) char *place = NULL;
	CLEANUP(cleanup_free) char *link = NULL;
	const char *below = "";
	const char *link_below = "";
	enum status status = place_of(unpacker, entry->path, entry->is_folder, &place, &below, error);
	if (status != STATUS_OK || place == NULL) {
		return status;
	}
	if (entry->is_file) {
		bool done = false;
		status = tar_plain_unpack(&unpacker->plain, unpacker->reader, below, unpacker->progress, &done, error);
		if (status != STATUS_OK || done) {
			return status;
		}
	}
	const char *hard_link = archive_entry_hardlink(header);
	if (hard_link != NULL) {
		status = place_of(unpacker, hard_link, false, &link, &link_below, error);
		if (status != STATUS_OK) {
			return status;
		}
		archive_entry_copy_hardlink(header, link);
	}
	const bool has_lists = hard_link == NULL && below[0] != '\0'; /* see set_lists */
	archive_entry_copy_pathname(header, place);                   /* `below` is gone with the path that was there */
	if (archive_write_header(unpacker->disk, header) != ARCHIVE_OK) {
		return disk_error(unpacker, error);
	}
	if (entry->is_file) {
		status = copy_content(unpacker, error);
	}
	if (status == STATUS_OK && archive_write_finish_entry(unpacker->disk) != ARCHIVE_OK) {
		status = disk_error(unpacker, error);
	}
	if (status == STATUS_OK && hard_link == NULL && !tar_attributes_are_set(header, place)) {
		status = error_set(error, STATUS_FAILED,
						   "cannot unpack: %s has not got its extended attributes: perhaps out of memory", place);
	}
	return status == STATUS_OK && has_lists ? set_lists(unpacker, entry, place, error) : status;
}

static enum status unpack(struct unpacker *unpacker, struct error *error)
{
	enum status status = STATUS_OK;
	archive_write_disk_set_options(unpacker->disk, ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME |
													   ARCHIVE_EXTRACT_XATTR | ARCHIVE_EXTRACT_SECURE_SYMLINKS |
													   ARCHIVE_EXTRACT_SECURE_NODOTDOT);
	for (bool ended = false; status == STATUS_OK;) {
		struct tar_entry entry;
		status = tar_reader_next(unpacker->reader, &entry, &ended, error);
		if (status != STATUS_OK || ended) {
			break;
		}
		status = tar_refuse_device(&entry, error);
		if (status == STATUS_OK) {
			status = unpack_entry(unpacker, &entry, error);
		}
	}
	if (archive_write_close(unpacker->disk) != ARCHIVE_OK && status == STATUS_OK) {
		status = disk_error(unpacker, error);
	}
	return status == STATUS_OK ? tar_lists_set(&unpacker->folder_lists, unpacker->progress, error) : status;
}

/*
 * libarchive takes paths only, and who may write above the folder could exchange it for a symbolic link meanwhile. So
 * the folder becomes the working folder, of this thread alone. *ret_before is the one before, or the root where that
 * one cannot be used; -1 if a sandbox forbids it, and the path has to do.
 */
static enum status enter(int folder, const char *target, int *ret_before, struct error *error)
{
	CLEANUP(cleanup_close) int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	*ret_before = -1;
	before = before >= 0 ? before : open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (before >= 0 && unshare(CLONE_FS) != 0) {
		return errno == ENOMEM ? error_memory(error) : STATUS_OK;
	}
	if (before < 0 || fchdir(folder) != 0) {
		return error_set_errno(error, "cannot use the folder %s", target);
	}
	*ret_before = cleanup_take(&before);
	return STATUS_OK;
}

/* The library refuses paths through symbolic links, so the folder's own path must not hold any. */
static enum status find_path(int folder, const char *target, char **ret_path, struct error *error)
{
	bool same = false;
	*ret_path = realpath(target, NULL);
	if (*ret_path == NULL) {
		return error_set_errno(error, "cannot use the folder %s", target);
	}
	enum status status = files_is_name_of(*ret_path, folder, &same, error);
	return status == STATUS_OK && !same
			   ? error_set(error, STATUS_FAILED, "%s has been exchanged for another folder", target)
			   : status;
}

enum status tar_unpack_at(struct source *tar, const char *path_in_archive, int folder, const char *target,
						  struct progress *progress, struct error *error)
{
	CLEANUP(cleanup_tar_reader) struct tar_reader *reader = NULL;
	CLEANUP(cleanup_close) int before = -1;
	CLEANUP(cleanup_free) char *path = NULL;
	enum status status = tar_reader_new(tar, &reader, error);
	if (status == STATUS_OK) {
		status = enter(folder, target, &before, error);
	}
	if (status == STATUS_OK && before < 0) {
		status = find_path(folder, target, &path, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	struct unpacker unpacker = {.reader = reader,
								.disk = archive_write_disk_new(),
								.plain = {.folder = folder},
								.prefix = path_in_archive,
								.target = path != NULL ? path : "",
								.progress = progress};
	status = unpacker.disk == NULL ? error_memory(error) : unpack(&unpacker, error);
	tar_lists_free(&unpacker.lists);
	tar_lists_free(&unpacker.folder_lists);
	archive_write_free(unpacker.disk);
	if (before >= 0 && fchdir(before) != 0 && status == STATUS_OK) {
		status = error_set_errno(error, "cannot go back to the working folder");
	}
	if (status == STATUS_OK && syncfs(folder) != 0) {
		status = error_set_errno(error, "cannot flush %s to disk", target);
	}
	return status;
}

enum status tar_unpack(struct source *tar, const char *path_in_archive, const char *target, struct progress *progress,
					   struct error *error)
{
	CLEANUP(cleanup_close) int folder = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder < 0 ? error_set_errno(error, "cannot use the folder %s", target)
					  : tar_unpack_at(tar, path_in_archive, folder, target, progress, error);
}
