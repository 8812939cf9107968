#include "stores/postgresql/dump_reader.h"

#include "base/files.h"
#include "base/interrupt.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct dump_reader {
	int fd;
	uint64_t at;
	uint64_t to;
	struct progress *progress;
	struct dump_lexer *lexer;
};

enum status dump_reader_new(const char *path, struct dump_stretch stretch, struct dump_listener *listener,
							struct progress *progress, struct dump_reader **ret_reader, struct error *error)
{
	CLEANUP(cleanup_dump_reader) struct dump_reader *reader = calloc(1, sizeof *reader);
	if (reader == NULL) {
		return error_memory(error);
	}
	reader->at = stretch.from;
	reader->to = stretch.to;
	reader->progress = progress;
	reader->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a pipe is not waited for */
	if (reader->fd < 0) {
		return error_set_unread(error, "cannot open %s", path);
	}
	(void)posix_fadvise(reader->fd, (off_t)stretch.from, 0, POSIX_FADV_SEQUENTIAL);
	enum status status = dump_lexer_new(listener, stretch.from, stretch.escapes, &reader->lexer, error);
	if (status == STATUS_OK) {
		*ret_reader = MOVE(reader);
	}
	return status;
}

enum status dump_reader_step(struct dump_reader *reader, bool *ret_ended, struct error *error)
{
	size_t size = 0;
	char *room = dump_lexer_room(reader->lexer, &size);
	if (size > reader->to - reader->at) {
		size = (size_t)(reader->to - reader->at);
	}
	ssize_t length = files_read_at(reader->fd, room, size, reader->at);
	if (length < 0) {
		return error_set_unread(error, "cannot read the dump");
	}
	*ret_ended = length == 0;
	if (length == 0 && reader->at < reader->to) { /* a dump that was cut loads without any error */
		return error_set(error, STATUS_DAMAGED, "the dump has become shorter while it was read");
	}
	if (length == 0) {
		return dump_lexer_finish(reader->lexer, error);
	}
	reader->at += (uint64_t)length;
	progress_advance(reader->progress, (uint64_t)length);
	return dump_lexer_put(reader->lexer, (size_t)length, error);
}

void dump_reader_free(struct dump_reader *reader)
{
	if (reader == NULL) {
		return;
	}
	if (reader->fd >= 0) {
		close(reader->fd);
	}
	dump_lexer_free(reader->lexer);
	free(reader);
}

enum status dump_reader_run(const char *path, struct dump_stretch stretch, struct dump_listener *listener,
							struct progress *progress, struct error *error)
{
	CLEANUP(cleanup_dump_reader) struct dump_reader *reader = NULL;
	enum status status = dump_reader_new(path, stretch, listener, progress, &reader, error);
	for (bool ended = false; status == STATUS_OK && !ended;) {
		status = interrupt_check(error);
		if (status == STATUS_OK) {
			status = dump_reader_step(reader, &ended, error);
		}
	}
	return status;
}

enum status dump_reader_stream(struct source *source, struct dump_listener *listener, struct progress *progress,
							   uint64_t *ret_size, struct error *error)
{
	CLEANUP(cleanup_dump_lexer) struct dump_lexer *lexer = NULL;
	enum status status = dump_lexer_new(listener, 0, false, &lexer, error);
	uint64_t size = 0;
	for (size_t length = 1; status == STATUS_OK && length > 0; size += length) {
		size_t room = 0;
		char *bytes = dump_lexer_room(lexer, &room);
		status = interrupt_check(error);
		if (status == STATUS_OK) {
			status = source_read(source, bytes, room, &length, error);
		}
		if (status == STATUS_OK) {
			progress_advance(progress, length);
			status = length > 0 ? dump_lexer_put(lexer, length, error) : dump_lexer_finish(lexer, error);
		}
	}
	*ret_size = size;
	return status;
}
