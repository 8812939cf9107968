/*
 * support.h - what the unit tests share: a scratch folder, files, shell commands, and statuses with their messages.
 *
 * A helper that fails makes the test fail. Each program of tests uses some of it, so all of it is static inline.
 */
#ifndef WHISPERBACKUP_TESTS_SUPPORT_H
#define WHISPERBACKUP_TESTS_SUPPORT_H

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A failure names what was said, not only a number. */
static inline void support_status(enum status expected, enum status status, const struct error *error, const char *file,
								  int line)
{
	if (status == STATUS_OK && expected != STATUS_OK) {
		print_error("%s:%d: it succeeded, where status %d is expected\n", file, line, (int)expected);
	} else if (status != expected) {
		print_error("%s:%d: status %d where %d is expected: %s\n", file, line, (int)status, (int)expected,
					error->message);
	}
	_assert_int_equal((LargestIntegralType)status, (LargestIntegralType)expected, file, line);
}

#define assert_ok(call, error)               support_status(STATUS_OK, (call), (error), __FILE__, __LINE__)
#define assert_status(expected, call, error) support_status((expected), (call), (error), __FILE__, __LINE__)

/* --- the scratch folder: the test's *state ------------------------------------------------------------------------ */

static inline int support_remove_one(const char *path, const struct stat *attributes, int type, struct FTW *walk)
{
	(void)attributes;
	(void)type;
	(void)walk;
	return remove(path);
}

static inline int scratch_setup(void **state)
{
	const char *parent = getenv("TMPDIR");
	char *folder = NULL;
	if (asprintf(&folder, "%s/whisperbackup-test-XXXXXX", parent != NULL ? parent : "/tmp") < 0) {
		return -1;
	}
	*state = mkdtemp(folder);
	return *state != NULL ? 0 : -1;
}

static inline int scratch_teardown(void **state)
{
	int result = nftw(*state, support_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(*state);
	return result;
}

#define scratch_test(function) cmocka_unit_test_setup_teardown(function, scratch_setup, scratch_teardown)

/* "FOLDER/NAME", lent until the 64th call from now: good for a few statements, not for a whole test. */
static inline const char *at(const char *folder, const char *name)
{
	static char *paths[64];
	static size_t next;
	char *path = NULL;
	assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
	free(paths[next % 64]);
	paths[next % 64] = path;
	next++;
	return path;
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static inline void write_bytes(const char *path, const void *bytes, size_t length)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

static inline void write_file(const char *path, const char *text)
{
	write_bytes(path, text, strlen(text));
}

/* The whole file with a NUL behind it; the caller frees it. `ret_length` may be NULL. */
static inline char *read_file(const char *path, size_t *ret_length)
{
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	size_t length = (size_t)ftell(file);
	rewind(file);
	char *bytes = malloc(length + 1);
	assert_non_null(bytes);
	assert_int_equal(fread(bytes, 1, length, file), length);
	bytes[length] = '\0';
	fclose(file);
	if (ret_length != NULL) {
		*ret_length = length;
	}
	return bytes;
}

static inline void assert_file_is(const char *path, const char *text)
{
	char *content = read_file(path, NULL);
	assert_string_equal(content, text);
	free(content);
}

static inline void assert_bytes_are(const char *path, const void *bytes, size_t length)
{
	size_t there = 0;
	char *content = read_file(path, &there);
	assert_int_equal(there, length);
	assert_memory_equal(content, bytes, length);
	free(content);
}

static inline void make_folder(const char *path)
{
	assert_int_equal(mkdir(path, 0755), 0);
}

static inline bool exists(const char *path)
{
	struct stat attributes;
	return lstat(path, &attributes) == 0;
}

static inline struct stat attributes_of(const char *path)
{
	struct stat attributes;
	assert_int_equal(lstat(path, &attributes), 0);
	return attributes;
}

/* --- commands ----------------------------------------------------------------------------------------------------- */

/*
 * Runs a shell command and returns its standard output (a string; the caller frees it); *ret_exit_code may be NULL,
 * and then anything but 0 is a failure of the test.
 */
__attribute__((format(printf, 2, 3))) static inline char *shell(int *ret_exit_code, const char *format, ...)
{
	char *command = NULL;
	va_list arguments;
	va_start(arguments, format);
	assert_true(vasprintf(&command, format, arguments) >= 0);
	va_end(arguments);
	struct buffer output = BUFFER_INIT(64 << 20);
	struct error error;
	char block[4096];
	FILE *pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_int_equal(buffer_reserve(&output, 1, &error), STATUS_OK);
	for (size_t length = 0; (length = fread(block, 1, sizeof block, pipe)) > 0;) {
		assert_int_equal(buffer_append(&output, block, length, &error), STATUS_OK);
	}
	int result = pclose(pipe);
	int exit_code = WIFEXITED(result) ? WEXITSTATUS(result) : -1;
	if (ret_exit_code != NULL) {
		*ret_exit_code = exit_code;
	} else if (exit_code != 0) {
		print_error("exit code %d of: %s\n%s\n", exit_code, command, output.data);
		assert_int_equal(exit_code, 0);
	}
	free(command);
	return output.data;
}

/* Runs a shell command that has to succeed and whose output does not matter. */
#define shell_ok(...) free(shell(NULL, __VA_ARGS__))

/* --- streams ------------------------------------------------------------------------------------------------------ */

/* A source of memory (lent) that gives at most `step` bytes at a time. */
struct drip_source {
	struct source source;
	const char *bytes;
	size_t left;
	size_t step;
};

static inline enum status drip_read(struct source *source, void *bytes, size_t capacity, size_t *ret_length,
									struct error *error)
{
	(void)error;
	struct drip_source *drip = (struct drip_source *)source;
	size_t length = drip->left < drip->step ? drip->left : drip->step;
	length = length < capacity ? length : capacity;
	if (length > 0) {
		memcpy(bytes, drip->bytes, length);
	}
	drip->bytes += length;
	drip->left -= length;
	*ret_length = length;
	return STATUS_OK;
}

static inline void drip_free(struct source *source)
{
	free(source);
}

static inline struct source *drip(const void *bytes, size_t length, size_t step)
{
	static const struct source_ops ops = {.read = drip_read, .free = drip_free};
	struct drip_source *self = calloc(1, sizeof *self);
	assert_non_null(self);
	*self = (struct drip_source){.source = {.ops = &ops}, .bytes = bytes, .left = length, .step = step};
	return &self->source;
}

/* Reads a source to its end into `output`, asking for `step` bytes at a time; the source is freed. */
static inline enum status drain(struct source *source, size_t step, struct buffer *output, struct error *error)
{
	enum status status = STATUS_OK;
	for (size_t length = 1; status == STATUS_OK && length > 0;) {
		length = 0;
		status = buffer_reserve(output, step, error);
		if (status == STATUS_OK) {
			status = source_read(source, output->data + output->length, step, &length, error);
		}
		output->length += length;
	}
	source_free(source);
	return status;
}

/* Bytes that do not compress, the same in every run (xorshift64). */
static inline void fill_random(void *bytes, size_t length, uint64_t seed)
{
	unsigned char *to = bytes;
	uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	for (size_t i = 0; i < length; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		to[i] = (unsigned char)(state >> 24);
	}
}

#endif
