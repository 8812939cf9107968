/* stores/chromadb/rest: which segments are there, as a shell in the container tells it. */
#include "here_support.h"
#include "volume_support.h"

#include "stores/chromadb/rest.h"

static const struct runtime_ops engine = {HERE_PROGRAMS};

static enum status list(const char *folder, struct buffer *segments, struct error *error)
{
	runtime = (struct runtime){.ops = &engine};
	return chromadb_rest_list(&runtime, &container, folder, segments, error);
}

static void assert_listed(const char *folder, const char *expected)
{
	struct error error;
	CLEANUP(buffer_free) struct buffer segments = BUFFER_INIT(1 << 16);
	assert_ok(list(folder, &segments, &error), &error);
	assert_string_equal(buffer_text(&segments), expected);
	assert_int_equal(segments.length, strlen(expected));
}

/* Nothing that was listed before is left either. */
static void assert_not_listed(const char *folder)
{
	struct error error;
	CLEANUP(buffer_free) struct buffer segments = BUFFER_INIT(1 << 16);
	assert_ok(buffer_append_text(&segments, "/as/of/the/last/look\n", &error), &error);
	assert_status(STATUS_FAILED, list(folder, &segments, &error), &error);
	assert_string_equal(buffer_text(&segments), "");
}

static void make_segment(const char *folder, const char *name)
{
	make_folder(at(folder, name));
	write_file(at(at(folder, name), "header.bin"), "bytes");
}

/* --- what is listed ----------------------------------------------------------------------------------------------- */

static void a_folder_without_segments_lists_none(void **state)
{
	assert_listed(*state, "");
	make_folder(at(*state, "empty"));
	make_folder(at(*state, "other"));
	write_file(at(*state, "other/no-header.bin"), "x");
	write_file(at(*state, "chroma.sqlite3"), "x");
	write_file(at(*state, "header.bin"), "x");
	assert_int_equal(symlink("nothing", at(*state, "link")), 0);
	assert_listed(*state, "");
}

static void each_segment_is_listed_but_what_is_ours(void **state)
{
	char expected[PATH_MAX * 4];
	make_segment(*state, "a1");
	make_segment(*state, "b * \\n 2");
	make_segment(*state, ".whisperbackup-restore");
	write_file(at(*state, "chroma.sqlite3"), "x");
	snprintf(expected, sizeof expected, "%s/a1\n%s/b * \\n 2\n", (char *)*state, (char *)*state);
	assert_listed(*state, expected);
}

/* --- what cannot be listed ---------------------------------------------------------------------------------------- */

static void a_folder_that_is_not_there_is_a_failure(void **state)
{
	assert_not_listed(at(*state, "nothing"));
}

static void a_folder_that_cannot_be_read_is_a_failure(void **state)
{
	make_segment(*state, "data");
	make_segment(at(*state, "data"), "a1");
	here_let_fail(*state, "ls", "*/data", "Input/output error");
	assert_not_listed(at(*state, "data"));
}

/* Its header.bin may be there and not be seen. */
static void a_segment_that_cannot_be_read_is_a_failure(void **state)
{
	make_folder(at(*state, "data"));
	make_segment(at(*state, "data"), "a1");
	make_folder(at(*state, "data/b2"));
	here_let_fail(*state, "ls", "*/b2", "Input/output error");
	assert_not_listed(at(*state, "data"));
}

static void what_has_gone_since_is_not_missed(void **state)
{
	char expected[PATH_MAX];
	struct error error;
	CLEANUP(buffer_free) struct buffer segments = BUFFER_INIT(1 << 16);
	make_folder(at(*state, "data"));
	make_segment(at(*state, "data"), "a1");
	make_folder(at(*state, "data/b2"));
	here_let_fail(*state, "ls", "*/b2", "No such file or directory");
	assert_ok(list(at(*state, "data"), &segments, &error), &error);
	snprintf(expected, sizeof expected, "%s/data/a1\n", (char *)*state);
	assert_string_equal(buffer_text(&segments), expected);
}

static void a_list_whose_end_is_lost_is_a_failure(void **state)
{
	make_segment(*state, "a1");
	make_segment(*state, "a2");
	for (here.lost = 1; here.lost < 200; here.lost++) {
		assert_not_listed(*state);
	}
}

/* Only a line of its own is the end. */
static void a_segment_that_is_called_like_the_end_is_none(void **state)
{
	make_segment(*state, "a1");
	make_segment(*state, "that is all");
	here.lost = strlen("that is all\n");
	assert_not_listed(*state);
}

static int forget(void **state)
{
	memset(&here, 0, sizeof here);
	return scratch_setup(state);
}

#define segments_test(function) cmocka_unit_test_setup_teardown(function, forget, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		segments_test(a_folder_without_segments_lists_none),
		segments_test(each_segment_is_listed_but_what_is_ours),
		segments_test(a_folder_that_is_not_there_is_a_failure),
		segments_test(a_folder_that_cannot_be_read_is_a_failure),
		segments_test(a_segment_that_cannot_be_read_is_a_failure),
		segments_test(what_has_gone_since_is_not_missed),
		segments_test(a_list_whose_end_is_lost_is_a_failure),
		segments_test(a_segment_that_is_called_like_the_end_is_none),
	};
	return cmocka_run_group_tests_name("chromadb_segments", tests, NULL, NULL);
}
