/*
 * fuzz.h - what the harnesses share. Each NAME.c here is one: it hands one input to a part of the program that reads
 * what comes from outside, and says what has to hold whatever that is.
 *
 * It is linked twice: with libFuzzer, which makes inputs up (make fuzz), and with replay.c, which gives it the files of
 * corpus/NAME (make test).
 */
#ifndef WHISPERBACKUP_TESTS_FUZZ_H
#define WHISPERBACKUP_TESTS_FUZZ_H

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/files.h"
#include "base/stream.h"
#include "base/text.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The harness, and, where random changes would only break a checksum, a way to change an input that mends it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);

/* libFuzzer's own; not there when a corpus is replayed. */
__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

/* Something that has to hold. */
#define HOLDS(condition) ((condition) ? (void)0 : fuzz_broken(#condition, __FILE__, __LINE__))

_Noreturn static inline void fuzz_broken(const char *condition, const char *file, int line)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
	abort();
}

/* --- the input ---------------------------------------------------------------------------------------------------- */

/* A copy that is not one byte longer than it looks, so that a read behind it is seen; the caller frees it. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	HOLDS(text != NULL);
	return text;
}

/* Fit to be shown: well-formed UTF-8 without control characters that a terminal obeys. */
static inline bool fuzz_plain(const char *text)
{
	CLEANUP(cleanup_free) char *copy = strdup(text);
	HOLDS(copy != NULL);
	text_make_plain(copy);
	return strcmp(copy, text) == 0;
}

struct fuzz_source {
	struct source source;
	const uint8_t *data;
	size_t left;
	size_t step;
};

static inline enum status fuzz_source_read(struct source *source, void *bytes, size_t capacity, size_t *ret_length,
										   struct error *error)
{
	(void)error;
	struct fuzz_source *self = (struct fuzz_source *)source;
	size_t length = self->left < self->step ? self->left : self->step;
	length = length < capacity ? length : capacity;
	if (length > 0) {
		memcpy(bytes, self->data, length);
	}
	self->data += length;
	self->left -= length;
	*ret_length = length;
	return STATUS_OK;
}

static inline void fuzz_source_free(struct source *source)
{
	free(source);
}

/* A source of the input (lent) that gives at most `step` bytes at a time. */
static inline struct source *fuzz_source(const uint8_t *data, size_t size, size_t step)
{
	static const struct source_ops ops = {.read = fuzz_source_read, .free = fuzz_source_free};
	struct fuzz_source *self = malloc(sizeof *self);
	HOLDS(self != NULL);
	*self = (struct fuzz_source){.source = {.ops = &ops}, .data = data, .left = size, .step = step > 0 ? step : 1};
	return &self->source;
}

/* Reads a source, which is freed, to its end, a failure, or the limit of `output`. */
static inline enum status fuzz_drain(struct source *source, struct buffer *output, struct error *error)
{
	static char block[STREAM_BLOCK_SIZE];
	enum status status = STATUS_OK;
	for (size_t length = 1; status == STATUS_OK && length > 0;) {
		length = 0;
		status = source_read(source, block, sizeof block, &length, error);
		if (status == STATUS_OK && !buffer_append_some(output, block, length)) {
			break;
		}
	}
	source_free(source);
	return status;
}

static inline bool fuzz_same(const struct buffer *one, const struct buffer *other)
{
	return one->length == other->length && (one->length == 0 || memcmp(one->data, other->data, one->length) == 0);
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static char *fuzz_folder;

static inline void fuzz_remove_folder(void)
{
	struct error ignored;
	(void)!files_remove(fuzz_folder, &ignored);
	free(fuzz_folder);
}

/* A folder of this process, made when it is first asked for. */
static inline const char *fuzz_scratch(void)
{
	if (fuzz_folder == NULL) {
		const char *parent = getenv("TMPDIR");
		HOLDS(asprintf(&fuzz_folder, "%s/whisperbackup-fuzz-XXXXXX", parent != NULL ? parent : "/tmp") > 0);
		HOLDS(mkdtemp(fuzz_folder) != NULL);
		(void)atexit(fuzz_remove_folder);
	}
	return fuzz_folder;
}

/* "SCRATCH/NAME"; the caller frees it. */
static inline char *fuzz_path(const char *name)
{
	char *path = NULL;
	HOLDS(asprintf(&path, "%s/%s", fuzz_scratch(), name) > 0);
	return path;
}

static inline void fuzz_write(const char *path, const void *bytes, size_t size)
{
	CLEANUP(cleanup_close) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	HOLDS(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
}

#endif
