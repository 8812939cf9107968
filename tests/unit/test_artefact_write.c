/* stores/artefact_write: what is written is read on the way, and what is not whole is no success. */
#include "support.h"

#include "pipeline/digest.h"
#include "stores/artefact_write.h"
#include "stores/store_table.h"

#define DUMP_BEGINS                                                                                                    \
	"--\n-- PostgreSQL database cluster dump\n--\n\n\\connect postgres\n\n--\n-- PostgreSQL database dump\n--\n\n"     \
	"COPY public.t (a) FROM stdin;\n"
#define DUMP_ENDS                                                                                                      \
	"\\.\n\n--\n-- PostgreSQL database dump complete\n--\n\n--\n-- PostgreSQL database cluster dump complete\n--\n\n"
#define ROW "one line of many in a table that is larger than the memory that is at hand for it\n"

enum { ROWS = 40000 };

/* Writes a dump of a table, whole or without its end. */
static enum status write_dump(const char *path, bool whole, struct artefact_reading *reading, struct error *error)
{
	CLEANUP(cleanup_sink) struct sink *sink = NULL;
	assert_ok(artefact_sink_new(&store_postgresql, path, reading, &sink, error), error);
	assert_ok(sink_write(sink, DUMP_BEGINS, strlen(DUMP_BEGINS), error), error);
	for (int i = 0; i < ROWS; i++) {
		assert_ok(sink_write(sink, ROW, strlen(ROW), error), error);
	}
	if (whole) {
		assert_ok(sink_write(sink, DUMP_ENDS, strlen(DUMP_ENDS), error), error);
	}
	return sink_finish(sink, error);
}

static void what_it_is_is_known_once_it_is_written(void **state)
{
	struct error error;
	struct artefact_reading reading;
	char of_file[DIGEST_TEXT_SIZE];
	uint64_t size = 0;
	struct saved saved = {0};
	assert_ok(write_dump(at(*state, "dump"), true, &reading, &error), &error);
	assert_ok(digest_file(at(*state, "dump"), NULL, of_file, &size, &error), &error);
	assert_string_equal(reading.sha256, of_file);
	assert_int_equal(reading.size, size);
	assert_int_equal(reading.artefact.raw_bytes, size);
	artefact_note(&saved, &reading);
	assert_true(saved.checked);
	assert_string_equal(saved.digest.sha256, of_file);
	assert_int_equal(saved.digest.size, size);
}

static void what_is_not_whole_is_damaged(void **state)
{
	struct error error;
	struct artefact_reading reading;
	assert_status(STATUS_DAMAGED, write_dump(at(*state, "dump"), false, &reading, &error), &error);
	assert_non_null(strstr(error.message, "it stops in the middle of the rows of a table"));
}

/* It is damaged at once; who writes goes on, and is told at the end. */
static void what_makes_no_sense_does_not_hold_up_who_writes(void **state)
{
	struct error error;
	struct artefact_reading reading;
	CLEANUP(cleanup_sink) struct sink *sink = NULL;
	assert_ok(artefact_sink_new(&store_redis, at(*state, "dump"), &reading, &sink, &error), &error);
	for (int i = 0; i < ROWS; i++) {
		assert_ok(sink_write(sink, ROW, strlen(ROW), &error), &error);
	}
	assert_status(STATUS_DAMAGED, sink_finish(sink, &error), &error);
}

static void it_may_be_given_up_at_any_time(void **state)
{
	struct error error;
	for (size_t rows = 0; rows < 30000; rows += 5000) {
		struct artefact_reading reading;
		CLEANUP(cleanup_sink) struct sink *sink = NULL;
		assert_ok(artefact_sink_new(&store_postgresql, at(*state, "dump"), &reading, &sink, &error), &error);
		for (size_t i = 0; i < rows; i++) {
			assert_ok(sink_write(sink, ROW, strlen(ROW), &error), &error);
		}
		sink_free(MOVE(sink));
		assert_int_equal(unlink(at(*state, "dump")), 0);
	}
}

static void a_file_that_is_there_is_not_written_over(void **state)
{
	struct error error;
	struct artefact_reading reading;
	struct sink *sink = NULL;
	write_file(at(*state, "dump"), "mine");
	assert_status(STATUS_FAILED, artefact_sink_new(&store_redis, at(*state, "dump"), &reading, &sink, &error), &error);
	assert_file_is(at(*state, "dump"), "mine");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(what_it_is_is_known_once_it_is_written),          scratch_test(what_is_not_whole_is_damaged),
		scratch_test(what_makes_no_sense_does_not_hold_up_who_writes), scratch_test(it_may_be_given_up_at_any_time),
		scratch_test(a_file_that_is_there_is_not_written_over),
	};
	return cmocka_run_group_tests_name("artefact_write", tests, NULL, NULL);
}
