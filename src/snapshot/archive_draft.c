#include "snapshot/archive_draft.h"

#include "base/files.h"
#include "base/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	BLOCK_SIZE = 1 << 20,   /* bytes that are read or moved at a time */
	DIGEST_STEP = 64 << 20, /* the most that is read again before what is changed */
	FLUSH_STEP = 16 << 20,  /* so much is on its way to the disk at a time */
};

struct archive_draft {
	int fd;
	char *path;
	struct gzip_queue *queue;
	struct digest *digest; /* of the file's beginning, if not of all that is written */
	uint64_t length;       /* written; drained, or by who writes */
	uint64_t settled;      /* written when it was last drained */
	uint64_t flushing;     /* on its way to the disk; by who writes */
};

/* --- what the queue calls -------------------------------------------------------------------------------------------
 */

static enum status write_at(struct archive_draft *draft, const char *bytes, size_t length, uint64_t offset,
							struct error *error)
{
	return files_write_at(draft->fd, bytes, length, offset) ? STATUS_OK
															: error_set_errno(error, "cannot write %s", draft->path);
}

static enum status read_at(const struct archive_draft *draft, uint64_t offset, char *bytes, size_t length,
						   struct error *error)
{
	ssize_t got = files_read_at(draft->fd, bytes, length, offset);
	if (got != (ssize_t)length) {
		errno = got < 0 ? errno : EIO;
		return error_set_errno(error, "cannot read %s", draft->path);
	}
	return STATUS_OK;
}

/* Lets the disk begin while there is more to write, so that the flush at the end has little left to wait for
 * (sync_file_range(2); a failure shows there). */
static void begin_flush(struct archive_draft *draft)
{
	if (draft->length - draft->flushing >= FLUSH_STEP) {
		(void)sync_file_range(draft->fd, (off_t)draft->flushing, (off_t)(draft->length - draft->flushing),
							  SYNC_FILE_RANGE_WRITE);
		draft->flushing = draft->length;
	}
}

static enum status write_members(void *context, const void *bytes, size_t length, uint64_t *ret_offset,
								 struct error *error)
{
	struct archive_draft *draft = context;
	enum status status = write_at(draft, bytes, length, draft->length, error);
	*ret_offset = draft->length;
	draft->length += status == STATUS_OK ? length : 0;
	begin_flush(draft);
	return status;
}

/* What cannot be noted now, because what stands before it has not been, is read at the end. */
static enum status note_members(void *context, const void *bytes, size_t length, struct error *error)
{
	struct archive_draft *draft = context;
	return digest_length(draft->digest) >= draft->settled ? digest_add(draft->digest, bytes, length, error) : STATUS_OK;
}

static enum status read_members(void *context, uint64_t offset, void *bytes, size_t length, struct error *error)
{
	return read_at(context, offset, bytes, length, error);
}

/* --- making and appending -------------------------------------------------------------------------------------------
 */

void archive_draft_free(struct archive_draft *draft)
{
	if (draft != NULL) {
		gzip_queue_free(draft->queue);
		cleanup_close(&draft->fd);
		digest_free(draft->digest);
		free(draft->path);
		free(draft);
	}
}

enum status archive_draft_new(const char *path, struct archive_draft **ret_draft, struct error *error)
{
	static const struct gzip_queue_ops ops = {.write = write_members, .note = note_members, .read = read_members};
	CLEANUP(cleanup_archive_draft) struct archive_draft *draft = calloc(1, sizeof *draft);
	if (draft == NULL) {
		return error_memory(error);
	}
	draft->fd = -1;
	draft->path = strdup(path);
	enum status status = draft->path == NULL ? error_memory(error) : digest_new(DIGEST_STEP, &draft->digest, error);
	if (status == STATUS_OK) {
		status = gzip_queue_new(&ops, draft, 0, &draft->queue, error);
	}
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

enum status archive_draft_lend(struct archive_draft *draft, size_t length, char **ret_content, struct error *error)
{
	return gzip_queue_lend(draft->queue, length, ret_content, error);
}

void archive_draft_append(struct archive_draft *draft, size_t length, struct gzip_place *ret_place)
{
	gzip_queue_append(draft->queue, length, ret_place);
}

enum status archive_draft_repeat(struct archive_draft *draft, struct gzip_place place, struct gzip_place *ret_place,
								 struct error *error)
{
	enum status status = place.offset + place.length > draft->settled ? archive_draft_drain(draft, error) : STATUS_OK;
	return status == STATUS_OK ? gzip_queue_repeat(draft->queue, place, ret_place, error) : status;
}

void archive_draft_begin(struct archive_draft *draft)
{
	gzip_queue_begin(draft->queue);
}

void archive_draft_end(struct archive_draft *draft, struct gzip_place *ret_place)
{
	gzip_queue_end(draft->queue, ret_place);
}

enum status archive_draft_drain(struct archive_draft *draft, struct error *error)
{
	enum status status = gzip_queue_drain(draft->queue, error);
	draft->settled = draft->length;
	return status;
}

/* --- changing what is written ---------------------------------------------------------------------------------------
 */

/* Reads what is written up to `end` into the digest, which is of less. */
static enum status digest_up_to(struct archive_draft *draft, uint64_t end, struct error *error)
{
	CLEANUP(cleanup_free) char *block = malloc(BLOCK_SIZE);
	enum status status = block == NULL ? error_memory(error) : STATUS_OK;
	while (status == STATUS_OK && digest_length(draft->digest) < end) {
		uint64_t at = digest_length(draft->digest);
		size_t some = end - at < BLOCK_SIZE ? (size_t)(end - at) : (size_t)BLOCK_SIZE;
		status = read_at(draft, at, block, some, error);
		if (status == STATUS_OK) {
			status = digest_add(draft->digest, block, some, error);
		}
		if (status == STATUS_OK) {
			status = interrupt_check(error);
		}
	}
	return status;
}

/* What is moved is noted while it is at hand: all before it is noted first. */
enum status archive_draft_move(struct archive_draft *draft, struct gzip_place from, uint64_t to, struct error *error)
{
	CLEANUP(cleanup_free) char *block = malloc(BLOCK_SIZE);
	enum status status = block == NULL ? error_memory(error) : digest_go_back(draft->digest, to, error);
	if (status == STATUS_OK) {
		status = digest_up_to(draft, to, error);
	}
	for (uint64_t done = 0; status == STATUS_OK && done < from.length;) {
		size_t some = from.length - done < BLOCK_SIZE ? (size_t)(from.length - done) : (size_t)BLOCK_SIZE;
		status = read_at(draft, from.offset + done, block, some, error);
		if (status == STATUS_OK) {
			status = write_at(draft, block, some, to + done, error);
		}
		if (status == STATUS_OK) {
			status = digest_add(draft->digest, block, some, error);
		}
		if (status == STATUS_OK) {
			status = interrupt_check(error);
		}
		done += some;
	}
	return status;
}

enum status archive_draft_cut(struct archive_draft *draft, uint64_t length, struct error *error)
{
	if (ftruncate(draft->fd, (off_t)length) != 0) {
		return error_set_errno(error, "cannot shorten %s", draft->path);
	}
	draft->length = draft->settled = length;
	draft->flushing = draft->flushing < length ? draft->flushing : length;
	return digest_go_back(draft->digest, length, error);
}

enum status archive_draft_finish(struct archive_draft *draft, struct digest_result *ret_result, struct error *error)
{
	enum status status = archive_draft_drain(draft, error);
	if (status == STATUS_OK) {
		status = digest_up_to(draft, draft->length, error);
	}
	if (status == STATUS_OK) {
		status = digest_print(draft->digest, ret_result->sha256, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	ret_result->size = draft->length;
	if (fsync(draft->fd) != 0) {
		return error_set_errno(error, "cannot flush %s to disk", draft->path);
	}
	int result = close(draft->fd);
	draft->fd = -1;
	return result == 0 ? STATUS_OK : error_set_errno(error, "cannot close %s", draft->path);
}
