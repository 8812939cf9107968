/* pipeline/pipe: what one thread writes, another one reads. */
#include "support.h"

#include "base/thread.h"
#include "pipeline/pipe.h"

enum { LENGTH = 9 * STREAM_BLOCK_SIZE + 12345 };

struct writing {
	struct pipe *pipe;
	const char *bytes;
	size_t length;
	size_t at_a_time;
	bool to_the_end;
};

static void *write_all(void *context)
{
	const struct writing *writing = context;
	struct error error;
	for (size_t done = 0; done < writing->length; done += writing->at_a_time) {
		size_t left = writing->length - done;
		(void)!sink_write(pipe_sink(writing->pipe), writing->bytes + done,
						  left < writing->at_a_time ? left : writing->at_a_time, &error);
	}
	if (writing->to_the_end) {
		(void)!sink_finish(pipe_sink(writing->pipe), &error);
	} else {
		pipe_break(writing->pipe);
	}
	return NULL;
}

/* Reads all, with so many bytes asked for at a time; returns how reading ended, and how much came before. */
static enum status read_all(struct pipe *pipe, const char *bytes, size_t ask, size_t *ret_length)
{
	struct error error;
	enum status status = STATUS_OK;
	CLEANUP(cleanup_free) char *block = malloc(ask);
	assert_non_null(block);
	*ret_length = 0;
	for (size_t length = 1; status == STATUS_OK && length > 0;) {
		status = source_read(pipe_source(pipe), block, ask, &length, &error);
		if (status == STATUS_OK) {
			assert_memory_equal(block, bytes + *ret_length, length);
			*ret_length += length;
		}
	}
	return status;
}

static void what_is_written_is_read(void **state)
{
	static const size_t sizes[] = {1000, 77777, STREAM_BLOCK_SIZE, LENGTH};
	(void)state;
	struct error error;
	CLEANUP(cleanup_free) char *bytes = malloc(LENGTH);
	assert_non_null(bytes);
	fill_random(bytes, LENGTH, 1);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
			CLEANUP(cleanup_pipe) struct pipe *pipe = NULL;
			pthread_t thread;
			size_t length = 0;
			assert_ok(pipe_new(&pipe, &error), &error);
			struct writing writing = {pipe, bytes, LENGTH, sizes[i], true};
			assert_true(thread_start(&thread, write_all, &writing));
			assert_int_equal(read_all(pipe, bytes, sizes[j], &length), STATUS_OK);
			assert_int_equal(length, LENGTH);
			pthread_join(thread, NULL);
		}
	}
}

static void an_empty_stream_ends(void **state)
{
	(void)state;
	struct error error;
	CLEANUP(cleanup_pipe) struct pipe *pipe = NULL;
	size_t length = 1;
	char byte = 0;
	assert_ok(pipe_new(&pipe, &error), &error);
	assert_ok(sink_finish(pipe_sink(pipe), &error), &error);
	assert_ok(source_read(pipe_source(pipe), &byte, 1, &length, &error), &error);
	assert_int_equal(length, 0);
}

static void who_reads_is_told_that_not_all_has_come(void **state)
{
	(void)state;
	struct error error;
	CLEANUP(cleanup_free) char *bytes = calloc(1, LENGTH);
	assert_non_null(bytes);
	CLEANUP(cleanup_pipe) struct pipe *pipe = NULL;
	pthread_t thread;
	size_t length = 0;
	assert_ok(pipe_new(&pipe, &error), &error);
	struct writing writing = {pipe, bytes, LENGTH, 5000, false};
	assert_true(thread_start(&thread, write_all, &writing));
	assert_int_equal(read_all(pipe, bytes, 5000, &length), STATUS_FAILED);
	pthread_join(thread, NULL);
}

static void who_writes_does_not_wait_for_one_who_has_gone(void **state)
{
	(void)state;
	struct error error;
	CLEANUP(cleanup_free) char *bytes = calloc(1, LENGTH);
	assert_non_null(bytes);
	CLEANUP(cleanup_pipe) struct pipe *pipe = NULL;
	pthread_t thread;
	char block[100];
	size_t length = 0;
	assert_ok(pipe_new(&pipe, &error), &error);
	struct writing writing = {pipe, bytes, LENGTH, 5000, true};
	assert_true(thread_start(&thread, write_all, &writing));
	assert_ok(source_read(pipe_source(pipe), block, sizeof block, &length, &error), &error);
	source_free(pipe_source(pipe));
	pthread_join(thread, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(an_empty_stream_ends),
		cmocka_unit_test(who_reads_is_told_that_not_all_has_come),
		cmocka_unit_test(who_writes_does_not_wait_for_one_who_has_gone),
	};
	return cmocka_run_group_tests_name("pipe", tests, NULL, NULL);
}
