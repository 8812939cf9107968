#include "base/interrupt.h"
#include "pipeline/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct packer {
	struct archive *writer;
	struct archive *disk; /* reads extended attributes, ACLs and holes of files */
	struct archive_entry_linkresolver *links;
	struct sink *output;
	struct progress *progress;
	char *block;
	uint64_t bytes;
	bool dropping;      /* it is being freed: what the archive still wants to write goes nowhere */
	enum status status; /* of the output, which libarchive cannot carry */
	struct error *error;
};

static la_ssize_t write_block(struct archive *archive, void *context, const void *bytes, size_t length)
{
	struct packer *packer = context;
	(void)archive;
	/* libarchive is not told of a failure, from which it would not free what it holds: our own status is looked at. */
	if (packer->status == STATUS_OK && !packer->dropping) {
		packer->status = sink_write(packer->output, bytes, length, packer->error);
	}
	return (la_ssize_t)length;
}

static enum status writer_error(struct packer *packer)
{
	if (packer->status != STATUS_OK) {
		return packer->status;
	}
	return error_set(packer->error, STATUS_FAILED, "cannot write the archive: %s",
					 archive_error_string(packer->writer));
}

static enum status pack_content(struct packer *packer, int fd, const char *path, uint64_t size)
{
	uint64_t done = 0;
	for (;;) {
		enum status status = interrupt_check(packer->error);
		if (status != STATUS_OK) {
			return status;
		}
		ssize_t length = read(fd, packer->block, STREAM_BLOCK_SIZE);
		if (length < 0 && errno == EINTR) {
			continue;
		}
		if (length < 0) {
			return error_set_errno(packer->error, "cannot read %s", path);
		}
		if (length == 0) {
			break;
		}
		done += (uint64_t)length;
		if (done > size) {
			break;
		}
		if (archive_write_data(packer->writer, packer->block, (size_t)length) < 0 || packer->status != STATUS_OK) {
			return writer_error(packer);
		}
		progress_advance(packer->progress, (uint64_t)length);
	}
	packer->bytes += size;
	return done == size ? STATUS_OK : error_set(packer->error, STATUS_FAILED, "%s changed while it was read", path);
}

static enum status pack_entry(struct packer *packer, const char *path, const char *path_in_archive,
							  const struct stat *attributes)
{
	if (S_ISSOCK(attributes->st_mode)) {
		return STATUS_OK;
	}
	CLEANUP(cleanup_close) int fd = -1;
	if (S_ISREG(attributes->st_mode)) {
		fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0) {
			return error_set_errno(packer->error, "cannot read %s", path);
		}
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	}
	struct archive_entry *entry = archive_entry_new();
	if (entry == NULL) {
		return error_memory(packer->error);
	}
	archive_entry_copy_sourcepath(entry, path);
	archive_entry_copy_pathname(entry, path_in_archive);
	enum status status = STATUS_OK;
	if (archive_read_disk_entry_from_file(packer->disk, entry, fd, attributes) != ARCHIVE_OK) {
		status =
			error_set(packer->error, STATUS_FAILED, "cannot read %s: %s", path, archive_error_string(packer->disk));
	}
	/* The format keeps whole seconds unless an entry needs a pax header anyway: none shall differ from the others. */
	archive_entry_set_mtime(entry, attributes->st_mtim.tv_sec, 0);
	archive_entry_unset_atime(entry);
	archive_entry_unset_ctime(entry);
	struct archive_entry *spare = NULL;
	if (status == STATUS_OK) {
		archive_entry_linkify(packer->links, &entry, &spare);
		status = sink_cut(packer->output, packer->error);
	}
	/* A warning: the name is not UTF-8, and goes in as the bytes it is (pax, hdrcharset=BINARY). */
	if (status == STATUS_OK &&
		(archive_write_header(packer->writer, entry) < ARCHIVE_WARN || packer->status != STATUS_OK)) {
		status = writer_error(packer);
	}
	if (status == STATUS_OK && fd >= 0 && archive_entry_hardlink(entry) == NULL) {
		status = pack_content(packer, fd, path, (uint64_t)attributes->st_size);
	}
	if (status == STATUS_OK &&
		(archive_write_finish_entry(packer->writer) != ARCHIVE_OK || packer->status != STATUS_OK)) {
		status = writer_error(packer);
	}
	archive_entry_free(entry);
	return status;
}

static int by_name(const FTSENT **left, const FTSENT **right)
{
	return strcmp((*left)->fts_name, (*right)->fts_name);
}

static enum status pack_tree(struct packer *packer, const char *folder, const char *path_in_archive)
{
	CLEANUP(cleanup_free) char *root = strdup(folder);
	if (root == NULL) {
		return error_memory(packer->error);
	}
	char *const roots[] = {root, NULL};
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	if (tree == NULL) {
		return error_set_errno(packer->error, "cannot read the folder %s", folder);
	}
	enum status status = STATUS_OK;
	size_t root_length = strlen(folder);
	dev_t device = 0;
	errno = 0;
	for (FTSENT *item; status == STATUS_OK && (item = fts_read(tree)) != NULL; errno = 0) {
		if (item->fts_info == FTS_DP) {
			continue;
		}
		if (item->fts_info == FTS_DNR || item->fts_info == FTS_ERR || item->fts_info == FTS_NS) {
			errno = item->fts_errno;
			status = error_set_errno(packer->error, "cannot read %s", item->fts_path);
		} else if (item->fts_level == 1 && strncmp(item->fts_name, TAR_OWN_PREFIX, strlen(TAR_OWN_PREFIX)) == 0) {
			fts_set(tree, item, FTS_SKIP);
		} else if (item->fts_level > 0 && item->fts_statp->st_dev != device) {
			status = error_set(packer->error, STATUS_FAILED, "%s lies on another file system than %s", item->fts_path,
							   folder);
		} else {
			device = item->fts_level == 0 ? item->fts_statp->st_dev : device;
			CLEANUP(cleanup_free) char *name = NULL;
			status = asprintf(&name, "%s%s", path_in_archive, item->fts_path + root_length) < 0
						 ? error_memory(packer->error)
						 : pack_entry(packer, item->fts_path, name, item->fts_statp);
		}
	}
	if (status == STATUS_OK && errno != 0) {
		status = error_set_errno(packer->error, "cannot read the folder %s", folder);
	}
	fts_close(tree);
	return status;
}

static bool open_packer(struct packer *packer)
{
	packer->block = malloc(STREAM_BLOCK_SIZE);
	packer->writer = archive_write_new();
	packer->disk = archive_read_disk_new();
	packer->links = archive_entry_linkresolver_new();
	if (packer->block == NULL || packer->writer == NULL || packer->disk == NULL || packer->links == NULL) {
		return false;
	}
	/* File flags and the library's own attribute names would only make GNU tar print warnings. */
	archive_read_disk_set_behavior(packer->disk, ARCHIVE_READDISK_NO_FFLAGS);
	archive_write_set_format_pax_restricted(packer->writer);
	archive_write_set_options(packer->writer, "xattrheader=SCHILY");
	archive_entry_linkresolver_set_strategy(packer->links, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED);
	archive_write_set_bytes_per_block(packer->writer, 0);
	return archive_write_open(packer->writer, packer, NULL, write_block, NULL) == ARCHIVE_OK;
}

enum status tar_pack(const char *folder, const char *path_in_archive, struct sink *output, struct progress *progress,
					 uint64_t *ret_bytes, struct error *error)
{
	struct packer packer = {.output = output, .progress = progress, .error = error};
	enum status status = open_packer(&packer) ? pack_tree(&packer, folder, path_in_archive) : error_memory(error);
	if (status == STATUS_OK && (archive_write_close(packer.writer) != ARCHIVE_OK || packer.status != STATUS_OK)) {
		status = writer_error(&packer);
	}
	packer.dropping = true; /* a broken archive must not be given its end marker */
	archive_write_free(packer.writer);
	archive_read_free(packer.disk);
	archive_entry_linkresolver_free(packer.links);
	free(packer.block);
	*ret_bytes = packer.bytes;
	return status;
}
