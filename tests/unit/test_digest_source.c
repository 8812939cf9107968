/* pipeline/digest_source: the SHA-256 of what somebody else reads. */
#include "support.h"

#include "pipeline/digest_source.h"
#include "pipeline/file.h"

/* Some of it is read by others before the rest is. */
static void assert_digest(const char *scratch, size_t length, size_t come, size_t ask, size_t before)
{
	struct error error;
	CLEANUP(cleanup_digest_source) struct digest_source *digest = NULL;
	CLEANUP(cleanup_free) char *bytes = malloc(length + 1);
	CLEANUP(cleanup_free) char *block = malloc(ask);
	char of_file[DIGEST_TEXT_SIZE];
	char of_stream[DIGEST_TEXT_SIZE];
	uint64_t size = 0;
	assert_true(bytes != NULL && block != NULL);
	fill_random(bytes, length, length);
	write_bytes(at(scratch, "file"), bytes, length);
	assert_ok(digest_file(at(scratch, "file"), NULL, of_file, &size, &error), &error);
	assert_ok(digest_source_new(drip(bytes, length, come), &digest, &error), &error);
	for (size_t done = 0, got = 1; done < before && got > 0; done += got) {
		assert_ok(source_read(digest_source_stream(digest), block, ask, &got, &error), &error);
		assert_memory_equal(block, bytes + done, got);
	}
	assert_ok(digest_source_finish(digest, of_stream, &size, &error), &error);
	assert_int_equal(size, length);
	assert_int_equal(digest_source_size(digest), length);
	assert_string_equal(of_stream, of_file);
	assert_false(digest_source_failed(digest));
}

static void the_digest_is_that_of_the_file(void **state)
{
	enum { BLOCK = STREAM_BLOCK_SIZE };
	static const size_t lengths[] = {0, 1, 1000, BLOCK - 1, BLOCK, BLOCK + 1, 4 * BLOCK, 5 * BLOCK, 20 * BLOCK + 7};
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		assert_digest(*state, lengths[i], BLOCK, BLOCK, SIZE_MAX);
		assert_digest(*state, lengths[i], 9999, 77777, SIZE_MAX);
		assert_digest(*state, lengths[i], 2 * BLOCK, 3 * BLOCK, SIZE_MAX);
	}
}

static void what_nobody_has_read_counts_as_well(void **state)
{
	enum { LENGTH = 10 * STREAM_BLOCK_SIZE + 3 };
	for (size_t before = 0; before < LENGTH; before += LENGTH / 5) {
		assert_digest(*state, LENGTH, 100000, 100000, before);
	}
}

static void the_source_may_be_dropped_at_any_time(void **state)
{
	(void)state;
	struct error error;
	CLEANUP(cleanup_free) char *bytes = calloc(20, STREAM_BLOCK_SIZE);
	CLEANUP(cleanup_free) char *block = malloc(STREAM_BLOCK_SIZE);
	assert_true(bytes != NULL && block != NULL);
	for (size_t reads = 0; reads < 20; reads++) {
		CLEANUP(cleanup_digest_source) struct digest_source *digest = NULL;
		size_t length = 0;
		assert_ok(digest_source_new(drip(bytes, 20UL * STREAM_BLOCK_SIZE, SIZE_MAX), &digest, &error), &error);
		for (size_t i = 0; i < reads; i++) {
			assert_ok(source_read(digest_source_stream(digest), block, STREAM_BLOCK_SIZE, &length, &error), &error);
		}
	}
}

static void who_reads_may_free_the_stream(void **state)
{
	(void)state;
	struct error error;
	CLEANUP(cleanup_digest_source) struct digest_source *digest = NULL;
	char text[DIGEST_TEXT_SIZE];
	uint64_t size = 0;
	assert_ok(digest_source_new(drip("abc", 3, 1), &digest, &error), &error);
	source_free(digest_source_stream(digest));
	assert_ok(digest_source_finish(digest, text, &size, &error), &error);
	/* FIPS 180-2, appendix B.1 */
	assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* A folder can be opened, but not read. */
static void a_failure_is_said_again_at_the_end(void **state)
{
	struct error error;
	CLEANUP(cleanup_digest_source) struct digest_source *digest = NULL;
	struct source *folder = NULL;
	char text[DIGEST_TEXT_SIZE];
	char byte = 0;
	size_t length = 0;
	uint64_t size = 0;
	assert_ok(file_source_new(*state, &folder, &error), &error);
	assert_ok(digest_source_new(folder, &digest, &error), &error);
	assert_status(STATUS_FAILED, source_read(digest_source_stream(digest), &byte, 1, &length, &error), &error);
	error_clear(&error);
	assert_status(STATUS_FAILED, digest_source_finish(digest, text, &size, &error), &error);
	assert_non_null(strstr(error.message, "cannot read"));
	assert_true(digest_source_failed(digest));
}

static void a_failure_to_read_the_rest_is_one(void **state)
{
	struct error error;
	CLEANUP(cleanup_digest_source) struct digest_source *digest = NULL;
	struct source *folder = NULL;
	char text[DIGEST_TEXT_SIZE];
	uint64_t size = 0;
	assert_ok(file_source_new(*state, &folder, &error), &error);
	assert_ok(digest_source_new(folder, &digest, &error), &error);
	assert_status(STATUS_FAILED, digest_source_finish(digest, text, &size, &error), &error);
	assert_true(digest_source_failed(digest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(the_digest_is_that_of_the_file),
		scratch_test(what_nobody_has_read_counts_as_well),
		cmocka_unit_test(the_source_may_be_dropped_at_any_time),
		cmocka_unit_test(who_reads_may_free_the_stream),
		scratch_test(a_failure_is_said_again_at_the_end),
		scratch_test(a_failure_to_read_the_rest_is_one),
	};
	return cmocka_run_group_tests_name("digest_source", tests, NULL, NULL);
}
