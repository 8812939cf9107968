#include "snapshot/archive_draft.h"

#include "base/interrupt.h"
#include "pipeline/gzip.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct archive_draft {
	int fd;
	char *path;
	uint64_t length;
	struct gzip_compressor *compressor;
	char *block; /* GZIP_MEMBER_ROOM bytes */
};

void archive_draft_free(struct archive_draft *draft)
{
	if (draft != NULL) {
		cleanup_close(&draft->fd);
		gzip_compressor_free(draft->compressor);
		free(draft->block);
		free(draft->path);
		free(draft);
	}
}

enum status archive_draft_new(const char *path, struct archive_draft **ret_draft, struct error *error)
{
	CLEANUP(cleanup_archive_draft) struct archive_draft *draft = calloc(1, sizeof *draft);
	if (draft == NULL) {
		return error_memory(error);
	}
	draft->fd = -1;
	draft->path = strdup(path);
	draft->block = malloc(GZIP_MEMBER_ROOM);
	enum status status = draft->path == NULL || draft->block == NULL ? error_memory(error)
																	 : gzip_compressor_new(&draft->compressor, error);
	if (status != STATUS_OK) {
		return status;
	}
	draft->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (draft->fd < 0) {
		return error_set_errno(error, "cannot make %s", path);
	}
	*ret_draft = MOVE(draft);
	return STATUS_OK;
}

uint64_t archive_draft_length(const struct archive_draft *draft)
{
	return draft->length;
}

static enum status write_at(struct archive_draft *draft, const char *bytes, size_t length, uint64_t offset,
							struct error *error)
{
	while (length > 0) {
		ssize_t written = pwrite(draft->fd, bytes, length, (off_t)offset);
		if (written < 0 && errno == EINTR) {
			continue; /* an interrupt is acted on between blocks */
		}
		if (written < 0) {
			return error_set_errno(error, "cannot write %s", draft->path);
		}
		bytes += written;
		length -= (size_t)written;
		offset += (uint64_t)written;
	}
	return STATUS_OK;
}

enum status archive_draft_append(struct archive_draft *draft, const void *content, size_t length, uint32_t *ret_length,
								 struct error *error)
{
	size_t member = 0;
	enum status status = gzip_compress(draft->compressor, content, length, draft->block, &member, error);
	if (status == STATUS_OK) {
		status = write_at(draft, draft->block, member, draft->length, error);
	}
	if (status == STATUS_OK) {
		draft->length += member;
		if (ret_length != NULL) {
			*ret_length = (uint32_t)member;
		}
	}
	return status;
}

enum status archive_draft_move(struct archive_draft *draft, uint64_t from, uint64_t to, uint64_t length,
							   struct error *error)
{
	enum status status = STATUS_OK;
	for (uint64_t done = 0; status == STATUS_OK && done < length;) {
		size_t some = length - done < GZIP_MEMBER_ROOM ? (size_t)(length - done) : (size_t)GZIP_MEMBER_ROOM;
		ssize_t got = pread(draft->fd, draft->block, some, (off_t)(from + done));
		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got <= 0) {
			errno = got < 0 ? errno : EIO;
			return error_set_errno(error, "cannot read %s", draft->path);
		}
		status = write_at(draft, draft->block, (size_t)got, to + done, error);
		done += (uint64_t)got;
		if (status == STATUS_OK) {
			status = interrupt_check(error);
		}
	}
	return status;
}

enum status archive_draft_repeat(struct archive_draft *draft, uint64_t offset, uint64_t length, struct error *error)
{
	enum status status = archive_draft_move(draft, offset, draft->length, length, error);
	draft->length += status == STATUS_OK ? length : 0;
	return status;
}

enum status archive_draft_cut(struct archive_draft *draft, uint64_t length, struct error *error)
{
	if (ftruncate(draft->fd, (off_t)length) != 0) {
		return error_set_errno(error, "cannot shorten %s", draft->path);
	}
	draft->length = length;
	return STATUS_OK;
}

enum status archive_draft_finish(struct archive_draft *draft, struct error *error)
{
	if (fsync(draft->fd) != 0) {
		return error_set_errno(error, "cannot flush %s to disk", draft->path);
	}
	int result = close(draft->fd);
	draft->fd = -1;
	return result == 0 ? STATUS_OK : error_set_errno(error, "cannot close %s", draft->path);
}
