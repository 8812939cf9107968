#include "pipeline/tar_plain.h"

#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#if __has_include(<linux/openat2.h>)
#include <linux/openat2.h>
#endif

enum { SEND_SIZE = 8 << 20 }; /* bytes that are written before the disk is set to work on them */

/* A new file, by a path without symbolic links that stays in the folder; -1 with errno. */
static int open_new(int folder, const char *path)
{
#if defined SYS_openat2 && defined RESOLVE_BENEATH
	struct open_how how = {.flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
						   .mode = 0600,
						   .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
	return (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
#else
	(void)folder;
	(void)path;
	errno = ENOSYS;
	return -1;
#endif
}

static bool is_plain(struct archive_entry *entry)
{
	return archive_entry_filetype(entry) == AE_IFREG && archive_entry_hardlink(entry) == NULL &&
		   archive_entry_size_is_set(entry) && archive_entry_mtime_is_set(entry) &&
		   (archive_entry_perm(entry) & (S_ISUID | S_ISGID | S_ISVTX)) == 0 && archive_entry_acl_types(entry) == 0 &&
		   archive_entry_xattr_count(entry) == 0 && archive_entry_fflags_text(entry) == NULL;
}

static enum status write_at(int fd, const char *bytes, size_t length, la_int64_t offset, const char *path,
							struct error *error)
{
	return files_write_at(fd, bytes, length, (uint64_t)offset)
			   ? STATUS_OK
			   : error_set_errno(error, "cannot unpack: cannot write %s", path);
}

/* So that the disk works while more is inflated, instead of only when everything is flushed at the end. */
static void send(int fd, la_int64_t end, la_int64_t *sent)
{
	if (end - *sent >= SEND_SIZE) {
		(void)!sync_file_range(fd, *sent, end - *sent, SYNC_FILE_RANGE_WRITE);
		*sent = end;
	}
}

static enum status copy_content(int fd, struct tar_reader *reader, const char *path, struct progress *progress,
								struct error *error)
{
	la_int64_t size = archive_entry_size(reader->entry);
	la_int64_t end = 0;
	la_int64_t sent = 0;
	for (;;) {
		struct tar_block block;
		bool ended = false;
		enum status status = tar_reader_block(reader, &block, &ended, error);
		if (status == STATUS_OK && ended) {
			break;
		}
		if (status == STATUS_OK) {
			status = write_at(fd, block.bytes, block.length, block.offset, path, error);
		}
		if (status != STATUS_OK) {
			return status;
		}
		end = block.length > 0 ? block.offset + (la_int64_t)block.length : end;
		send(fd, end, &sent);
		progress_advance(progress, block.length);
	}
	/* It may end in a hole. */
	return end < size && ftruncate(fd, size) != 0 ? error_set_errno(error, "cannot unpack: cannot extend %s", path)
												  : STATUS_OK;
}

/* The owner before the mode, which a change of owner may restrict; the time last. */
static enum status set_attributes(int fd, struct archive_entry *entry, const char *path, struct error *error)
{
	const struct timespec times[2] = {
		{.tv_nsec = UTIME_OMIT}, {.tv_sec = archive_entry_mtime(entry), .tv_nsec = archive_entry_mtime_nsec(entry)}};
	if (fchown(fd, (uid_t)archive_entry_uid(entry), (gid_t)archive_entry_gid(entry)) != 0 ||
		fchmod(fd, archive_entry_perm(entry)) != 0 || futimens(fd, times) != 0) {
		return error_set_errno(error, "cannot unpack: cannot set owner, mode and time of %s", path);
	}
	return STATUS_OK;
}

enum status tar_plain_unpack(struct tar_plain *plain, struct tar_reader *reader, const char *path,
							 struct progress *progress, bool *ret_done, struct error *error)
{
	*ret_done = false;
	if (plain->folder < 0 || !is_plain(reader->entry)) {
		return STATUS_OK;
	}
	CLEANUP(cleanup_close) int fd = open_new(plain->folder, path);
	if (fd < 0) {
		/* Unknown to the kernel, or forbidden to a container by a list of calls that does not know it. */
		plain->folder = errno == ENOSYS || errno == EPERM ? -1 : plain->folder;
		return STATUS_OK;
	}
	*ret_done = true;
	enum status status = copy_content(fd, reader, path, progress, error);
	if (status == STATUS_OK) {
		status = set_attributes(fd, reader->entry, path, error);
	}
	int result = close(cleanup_take(&fd));
	return status == STATUS_OK && result != 0 ? error_set_errno(error, "cannot unpack: cannot close %s", path) : status;
}
