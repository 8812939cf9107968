/* base/stream: sources, sinks, and copying from one to the other. */
#include "support.h"

static void copy_hands_on_every_byte(void **state)
{
	(void)state;
	enum { LENGTH = 3 * STREAM_BLOCK_SIZE + 17 };
	struct error error;
	struct buffer output = BUFFER_INIT(LENGTH);
	struct sink *sink = NULL;
	uint64_t copied = 0;
	char *bytes = malloc(LENGTH);
	assert_non_null(bytes);
	fill_random(bytes, LENGTH, 1);
	struct source *source = drip(bytes, LENGTH, 99999);
	assert_ok(sink_to_buffer_new(&output, &sink, &error), &error);
	assert_ok(stream_copy(source, sink, &copied, &error), &error);
	assert_int_equal(copied, LENGTH);
	assert_int_equal(output.length, LENGTH);
	assert_memory_equal(output.data, bytes, LENGTH);
	source_free(source);
	sink_free(sink);
	buffer_free(&output);
	free(bytes);
}

static void copy_of_an_empty_source_writes_nothing(void **state)
{
	(void)state;
	struct error error;
	struct buffer output = BUFFER_INIT(10);
	struct sink *sink = NULL;
	uint64_t copied = 1;
	struct source *source = drip("", 0, 1);
	assert_ok(sink_to_buffer_new(&output, &sink, &error), &error);
	assert_ok(stream_copy(source, sink, &copied, &error), &error);
	assert_int_equal(copied, 0);
	assert_int_equal(output.length, 0);
	source_free(source);
	sink_free(sink);
}

static void copy_needs_no_count(void **state)
{
	(void)state;
	struct error error;
	struct buffer output = BUFFER_INIT(10);
	struct sink *sink = NULL;
	struct source *source = drip("abc", 3, 1);
	assert_ok(sink_to_buffer_new(&output, &sink, &error), &error);
	assert_ok(stream_copy(source, sink, NULL, &error), &error);
	assert_string_equal(buffer_text(&output), "abc");
	source_free(source);
	sink_free(sink);
	buffer_free(&output);
}

static void copy_ends_when_the_sink_fails(void **state)
{
	(void)state;
	struct error error;
	struct buffer output = BUFFER_INIT(4);
	struct sink *sink = NULL;
	struct source *source = drip("abcdefgh", 8, 3);
	assert_ok(sink_to_buffer_new(&output, &sink, &error), &error);
	assert_status(STATUS_FAILED, stream_copy(source, sink, NULL, &error), &error);
	assert_string_equal(buffer_text(&output), "abc");
	source_free(source);
	sink_free(sink);
	buffer_free(&output);
}

static enum status fail_to_read(struct source *source, void *bytes, size_t capacity, size_t *ret_length,
								struct error *error)
{
	(void)source;
	(void)bytes;
	(void)capacity;
	(void)ret_length;
	return error_set(error, STATUS_DAMAGED, "broken");
}

static void copy_ends_when_the_source_fails(void **state)
{
	(void)state;
	static const struct source_ops ops = {.read = fail_to_read};
	struct source source = {.ops = &ops};
	struct error error;
	struct buffer output = BUFFER_INIT(4);
	struct sink *sink = NULL;
	assert_ok(sink_to_buffer_new(&output, &sink, &error), &error);
	assert_status(STATUS_DAMAGED, stream_copy(&source, sink, NULL, &error), &error);
	assert_string_equal(error.message, "broken");
	sink_free(sink);
}

static void sink_to_buffer_some_keeps_what_fits_and_goes_on(void **state)
{
	(void)state;
	struct error error;
	struct buffer output = BUFFER_INIT(4);
	struct sink *sink = NULL;
	assert_ok(sink_to_buffer_some_new(&output, &sink, &error), &error);
	assert_ok(sink_write(sink, "abc", 3, &error), &error);
	assert_ok(sink_write(sink, "def", 3, &error), &error);
	assert_ok(sink_finish(sink, &error), &error);
	assert_string_equal(buffer_text(&output), "abcd");
	sink_free(sink);
	buffer_free(&output);
}

static void source_from_memory_gives_its_bytes_and_ends(void **state)
{
	(void)state;
	struct error error;
	struct source *source = NULL;
	char bytes[4];
	size_t length = 0;
	assert_ok(source_from_memory_new("abcdef", 6, &source, &error), &error);
	assert_ok(source_read(source, bytes, 4, &length, &error), &error);
	assert_int_equal(length, 4);
	assert_memory_equal(bytes, "abcd", 4);
	assert_ok(source_read(source, bytes, 4, &length, &error), &error);
	assert_int_equal(length, 2);
	assert_memory_equal(bytes, "ef", 2);
	assert_ok(source_read(source, bytes, 4, &length, &error), &error);
	assert_int_equal(length, 0);
	source_free(source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_hands_on_every_byte),
		cmocka_unit_test(copy_of_an_empty_source_writes_nothing),
		cmocka_unit_test(copy_needs_no_count),
		cmocka_unit_test(copy_ends_when_the_sink_fails),
		cmocka_unit_test(copy_ends_when_the_source_fails),
		cmocka_unit_test(sink_to_buffer_some_keeps_what_fits_and_goes_on),
		cmocka_unit_test(source_from_memory_gives_its_bytes_and_ends),
	};
	return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
