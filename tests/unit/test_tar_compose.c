/* pipeline/tar: a tar stream made from parts. */
#include "tar_support.h"

/* Writes the composed stream to SCRATCH/archive.tar. */
static enum status compose(const char *scratch, const struct tar_part *parts, size_t count, struct error *error)
{
	struct source *source = NULL;
	struct buffer output = BUFFER_INIT(ARCHIVE_LIMIT);
	enum status status = tar_compose_source_new(parts, count, &source, error);
	if (status == STATUS_OK) {
		status = drain(source, 5000, &output, error);
	}
	if (status == STATUS_OK) {
		write_bytes(at(scratch, "archive.tar"), output.data, output.length);
	}
	buffer_free(&output);
	return status;
}

static void gnu_tar_lists_the_parts(void **state)
{
	struct error error;
	write_file(at(*state, "file"), "0123456789");
	const struct tar_part parts[] = {
		{.path = "appendonlydir", .mode = S_IFDIR | 0755, .user = 999, .group = 1000},
		{.path = "appendonlydir/manifest", .mode = S_IFREG | 0644, .user = 999, .group = 1000, .text = "one line\n"},
		{.path = "appendonlydir/base.rdb", .mode = S_IFREG | 0600, .user = 0, .group = 7, .file = at(*state, "file")},
		{.path = "empty", .mode = S_IFREG | 0640, .user = 1, .group = 2, .text = ""},
		{.path = "none", .mode = S_IFREG | 0640, .user = 1, .group = 2},
	};
	assert_ok(compose(*state, parts, 5, &error), &error);
	char *listed = shell(NULL, "TZ=UTC tar tvf '%s/archive.tar' --numeric-owner 2>&1 | tr -s ' '", (char *)*state);
	assert_string_equal(listed, "drwxr-xr-x 999/1000 0 1970-01-01 00:00 appendonlydir/\n"
								"-rw-r--r-- 999/1000 9 1970-01-01 00:00 appendonlydir/manifest\n"
								"-rw------- 0/7 10 1970-01-01 00:00 appendonlydir/base.rdb\n"
								"-rw-r----- 1/2 0 1970-01-01 00:00 empty\n"
								"-rw-r----- 1/2 0 1970-01-01 00:00 none\n");
	free(listed);
}

static void the_text_of_a_part_is_its_content(void **state)
{
	struct error error;
	const struct tar_part parts[] = {{.path = "a", .mode = S_IFREG | 0644, .text = "one line\n"}};
	assert_ok(compose(*state, parts, 1, &error), &error);
	char *content = shell(NULL, "tar xOf '%s/archive.tar' 2>&1", (char *)*state);
	assert_string_equal(content, "one line\n");
	free(content);
}

static void the_file_of_a_part_is_its_content(void **state)
{
	struct error error;
	shell_ok("head -c 2000001 /dev/urandom >'%s/file'", (char *)*state);
	const struct tar_part parts[] = {{.path = "a", .mode = S_IFREG | 0644, .file = at(*state, "file")}};
	assert_ok(compose(*state, parts, 1, &error), &error);
	shell_ok("cd '%s' && tar xOf archive.tar | cmp - file", (char *)*state);
}

static void a_part_may_be_a_hard_link_to_an_earlier_one(void **state)
{
	struct error error;
	const struct tar_part parts[] = {{.path = "data/a", .mode = S_IFREG | 0644, .text = "text"},
									 {.path = "data/b", .mode = S_IFREG | 0644, .link = "data/a"}};
	assert_ok(compose(*state, parts, 2, &error), &error);
	shell_ok("cd '%s' && tar xf archive.tar --no-same-owner", (char *)*state);
	assert_file_is(at(*state, "data/b"), "text");
	assert_int_equal(attributes_of(at(*state, "data/a")).st_ino, attributes_of(at(*state, "data/b")).st_ino);
}

static void no_parts_make_an_empty_archive(void **state)
{
	struct error error;
	assert_ok(compose(*state, NULL, 0, &error), &error);
	char *listed = shell(NULL, "tar tf '%s/archive.tar' 2>&1", (char *)*state);
	assert_string_equal(listed, "");
	free(listed);
}

static void our_own_reader_finds_the_end_marker(void **state)
{
	struct error error;
	const struct tar_part parts[] = {
		{.path = "data", .mode = S_IFDIR | 0750, .user = getuid(), .group = getgid()},
		{.path = "data/a", .mode = S_IFREG | 0644, .user = getuid(), .group = getgid(), .text = "text"}};
	struct source *source = NULL;
	make_folder(at(*state, "out"));
	assert_ok(tar_compose_source_new(parts, 2, &source, &error), &error);
	enum status status = tar_unpack(source, "data", at(*state, "out"), NULL, &error);
	source_free(source);
	assert_ok(status, &error);
	assert_file_is(at(*state, "out/a"), "text");
}

static void a_file_that_cannot_be_looked_at_is_no_word_against_its_content(void **state)
{
	struct error error;
	write_file(at(*state, "file"), "text");
	const struct tar_part parts[] = {{.path = "a", .mode = S_IFREG | 0644, .file = at(*state, "file/below")}};
	assert_status(STATUS_FAILED, compose(*state, parts, 1, &error), &error);
	assert_true(error.blameless);
}

static void compose_says_that_a_file_is_missing(void **state)
{
	struct error error;
	const struct tar_part parts[] = {{.path = "a", .mode = S_IFREG | 0644, .file = at(*state, "nothing")}};
	assert_status(STATUS_NOT_FOUND, compose(*state, parts, 1, &error), &error);
	assert_non_null(strstr(error.message, "nothing"));
}

static void compose_refuses_a_file_that_becomes_shorter(void **state)
{
	struct error error;
	struct source *source = NULL;
	char byte = 0;
	size_t length = 0;
	shell_ok("head -c 1000000 /dev/urandom >'%s/file'", (char *)*state);
	const struct tar_part parts[] = {{.path = "a", .mode = S_IFREG | 0644, .file = at(*state, "file")}};
	struct buffer output = BUFFER_INIT(ARCHIVE_LIMIT);
	assert_ok(tar_compose_source_new(parts, 1, &source, &error), &error);
	assert_ok(source_read(source, &byte, 1, &length, &error), &error);
	assert_int_equal(truncate(at(*state, "file"), 999), 0);
	assert_status(STATUS_FAILED, drain(source, 1000, &output, &error), &error);
	buffer_free(&output);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(gnu_tar_lists_the_parts),
		scratch_test(the_text_of_a_part_is_its_content),
		scratch_test(the_file_of_a_part_is_its_content),
		scratch_test(a_part_may_be_a_hard_link_to_an_earlier_one),
		scratch_test(no_parts_make_an_empty_archive),
		scratch_test(our_own_reader_finds_the_end_marker),
		scratch_test(a_file_that_cannot_be_looked_at_is_no_word_against_its_content),
		scratch_test(compose_says_that_a_file_is_missing),
		scratch_test(compose_refuses_a_file_that_becomes_shorter),
	};
	return cmocka_run_group_tests_name("tar_compose", tests, NULL, NULL);
}
