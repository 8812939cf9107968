/* pipeline/file and pipeline/digest: files as ends of a pipeline, and their SHA-256. */
#include "support.h"

#include "pipeline/digest.h"
#include "pipeline/file.h"

static void file_sink_writes_what_it_is_given(void **state)
{
	struct error error;
	struct sink *sink = NULL;
	assert_ok(file_sink_new(at(*state, "file"), &sink, &error), &error);
	assert_ok(sink_write(sink, "one ", 4, &error), &error);
	assert_ok(sink_write(sink, "two", 3, &error), &error);
	assert_ok(sink_finish(sink, &error), &error);
	sink_free(sink);
	assert_file_is(at(*state, "file"), "one two");
}

static void file_sink_refuses_a_file_that_exists(void **state)
{
	struct error error;
	struct sink *sink = NULL;
	write_file(at(*state, "file"), "old");
	assert_status(STATUS_FAILED, file_sink_new(at(*state, "file"), &sink, &error), &error);
	assert_null(sink);
	assert_file_is(at(*state, "file"), "old");
}

static void file_sink_refuses_a_symbolic_link_even_to_nothing(void **state)
{
	struct error error;
	struct sink *sink = NULL;
	assert_int_equal(symlink("elsewhere", at(*state, "file")), 0);
	assert_status(STATUS_FAILED, file_sink_new(at(*state, "file"), &sink, &error), &error);
	assert_false(exists(at(*state, "elsewhere")));
}

static void file_sink_makes_a_file_that_only_its_owner_may_read(void **state)
{
	struct error error;
	struct sink *sink = NULL;
	mode_t mask = umask(0);
	enum status status = file_sink_new(at(*state, "file"), &sink, &error);
	umask(mask);
	assert_ok(status, &error);
	assert_ok(sink_finish(sink, &error), &error);
	sink_free(sink);
	assert_int_equal(attributes_of(at(*state, "file")).st_mode & 07777, 0600);
}

static void file_sink_says_that_the_disk_is_full(void **state)
{
	(void)state;
	struct error error;
	struct sink *sink = NULL;
	if (access("/dev/full", W_OK) != 0) {
		skip();
	}
	/* The sink only makes new files, so its descriptor is led to the device that is always full. */
	assert_ok(file_sink_new(at(*state, "file"), &sink, &error), &error);
	int full = open("/dev/full", O_WRONLY);
	assert_true(full >= 0);
	int file = -1;
	for (int fd = 3; fd < full; fd++) {
		struct stat one;
		struct stat other;
		if (fstat(fd, &one) == 0 && lstat(at(*state, "file"), &other) == 0 && one.st_ino == other.st_ino &&
			one.st_dev == other.st_dev) {
			file = fd;
		}
	}
	assert_true(file >= 0);
	assert_int_equal(dup2(full, file), file);
	close(full);
	assert_status(STATUS_NO_SPACE, sink_write(sink, "x", 1, &error), &error);
	sink_free(sink);
}

static void file_source_gives_the_file(void **state)
{
	struct error error;
	struct source *source = NULL;
	struct buffer output = BUFFER_INIT(100);
	write_file(at(*state, "file"), "some text");
	assert_ok(file_source_new(at(*state, "file"), &source, &error), &error);
	assert_ok(drain(source, 4, &output, &error), &error);
	assert_int_equal(output.length, 9);
	assert_memory_equal(output.data, "some text", 9);
	buffer_free(&output);
}

static void file_source_says_that_a_file_is_missing(void **state)
{
	struct error error;
	struct source *source = NULL;
	assert_status(STATUS_NOT_FOUND, file_source_new(at(*state, "nothing"), &source, &error), &error);
	assert_null(source);
}

static void file_source_of_a_file_that_is_missing_is_not_excused(void **state)
{
	struct error error;
	struct source *source = NULL;
	assert_status(STATUS_NOT_FOUND, file_source_new(at(*state, "nothing"), &source, &error), &error);
	assert_false(error.blameless);
}

static void file_source_does_not_wait_for_a_pipe(void **state)
{
	struct error error;
	struct source *source = NULL;
	assert_int_equal(mkfifo(at(*state, "pipe"), 0600), 0);
	assert_status(STATUS_FAILED, file_source_new(at(*state, "pipe"), &source, &error), &error);
	assert_non_null(strstr(error.message, "it is not a file"));
	assert_status(STATUS_FAILED, file_source_new("/dev/zero", &source, &error), &error);
}

static void file_source_of_a_folder_cannot_be_read(void **state)
{
	struct error error;
	struct source *source = NULL;
	struct buffer output = BUFFER_INIT(100);
	enum status status = file_source_new(*state, &source, &error);
	if (status == STATUS_OK) {
		status = drain(source, 4, &output, &error);
	}
	buffer_free(&output);
	assert_status(STATUS_FAILED, status, &error);
}

static void file_source_that_cannot_be_read_is_no_word_against_its_content(void **state)
{
	struct error error;
	struct source *source = NULL;
	struct buffer output = BUFFER_INIT(100);
	assert_ok(file_source_new(*state, &source, &error), &error); /* a folder */
	assert_status(STATUS_FAILED, drain(source, 4, &output, &error), &error);
	buffer_free(&output);
	assert_true(error.blameless);
}

static void file_source_that_cannot_be_opened_is_no_word_against_its_content(void **state)
{
	struct error error;
	struct source *source = NULL;
	write_file(at(*state, "file"), "text");
	assert_status(STATUS_FAILED, file_source_new(at(*state, "file/below"), &source, &error), &error);
	assert_true(error.blameless);
}

static void write_text_makes_a_private_file(void **state)
{
	struct error error;
	assert_ok(file_write_text(at(*state, "file"), "text", &error), &error);
	assert_file_is(at(*state, "file"), "text");
	assert_int_equal(attributes_of(at(*state, "file")).st_mode & 07777, 0600);
}

static void write_text_refuses_a_file_that_exists(void **state)
{
	struct error error;
	write_file(at(*state, "file"), "old");
	assert_status(STATUS_FAILED, file_write_text(at(*state, "file"), "new", &error), &error);
	assert_file_is(at(*state, "file"), "old");
}

static void write_text_at_makes_a_new_file_in_an_open_folder(void **state)
{
	struct error error;
	shell_ok("cd '%s' && ln -s target link", (char *)*state);
	CLEANUP(cleanup_close) int fd = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_ok(file_write_text_at(fd, "file", "/some/file", "text", &error), &error);
	assert_file_is(at(*state, "file"), "text");
	assert_status(STATUS_FAILED, file_write_text_at(fd, "link", "/some/link", "text", &error), &error);
	assert_string_equal(error.message, "cannot make /some/link: File exists");
	assert_false(exists(at(*state, "target")));
}

static void sync_folder_takes_a_folder(void **state)
{
	struct error error;
	assert_ok(file_sync_folder(*state, &error), &error);
}

static void sync_folder_refuses_a_file(void **state)
{
	struct error error;
	write_file(at(*state, "file"), "x");
	assert_status(STATUS_FAILED, file_sync_folder(at(*state, "file"), &error), &error);
}

static void sync_folder_refuses_what_is_not_there(void **state)
{
	struct error error;
	assert_status(STATUS_FAILED, file_sync_folder(at(*state, "nothing"), &error), &error);
}

/* --- SHA-256 ------------------------------------------------------------------------------------------------------ */

static void assert_digest_of(const char *path)
{
	struct error error;
	char digest[DIGEST_TEXT_SIZE];
	uint64_t size = 0;
	assert_ok(digest_file(path, NULL, digest, &size, &error), &error);
	char *expected = shell(NULL, "sha256sum <'%s' | cut -c1-64 | tr -d '\\n'", path);
	assert_string_equal(digest, expected);
	assert_int_equal(size, attributes_of(path).st_size);
	free(expected);
}

static void digest_of_an_empty_file_is_that_of_sha256sum(void **state)
{
	write_file(at(*state, "file"), "");
	assert_digest_of(at(*state, "file"));
}

static void digest_of_a_text_is_the_published_one(void **state)
{
	struct error error;
	char digest[DIGEST_TEXT_SIZE];
	uint64_t size = 0;
	write_file(at(*state, "file"), "abc"); /* FIPS 180-4's example */
	assert_ok(digest_file(at(*state, "file"), NULL, digest, &size, &error), &error);
	assert_string_equal(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_int_equal(size, 3);
}

static void digest_of_several_blocks_is_that_of_sha256sum(void **state)
{
	shell_ok("head -c 1000001 /dev/urandom >'%s/file'", (char *)*state);
	assert_digest_of(at(*state, "file"));
}

static void digest_of_exactly_one_block_is_that_of_sha256sum(void **state)
{
	shell_ok("head -c %d /dev/urandom >'%s/file'", STREAM_BLOCK_SIZE, (char *)*state);
	assert_digest_of(at(*state, "file"));
}

static void digest_says_that_a_file_is_missing(void **state)
{
	struct error error;
	char digest[DIGEST_TEXT_SIZE];
	uint64_t size = 0;
	assert_status(STATUS_NOT_FOUND, digest_file(at(*state, "nothing"), NULL, digest, &size, &error), &error);
}

struct counter {
	struct progress progress;
	uint64_t bytes;
};

static void count(struct progress *progress, uint64_t bytes)
{
	((struct counter *)progress)->bytes += bytes;
}

static void digest_reports_every_byte_as_progress(void **state)
{
	struct error error;
	struct counter counter = {.progress = {.advance = count}};
	char digest[DIGEST_TEXT_SIZE];
	uint64_t size = 0;
	shell_ok("head -c 700001 /dev/urandom >'%s/file'", (char *)*state);
	assert_ok(digest_file(at(*state, "file"), &counter.progress, digest, &size, &error), &error);
	assert_int_equal(counter.bytes, 700001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(file_sink_writes_what_it_is_given),
		scratch_test(file_sink_refuses_a_file_that_exists),
		scratch_test(file_sink_refuses_a_symbolic_link_even_to_nothing),
		scratch_test(file_sink_makes_a_file_that_only_its_owner_may_read),
		scratch_test(file_sink_says_that_the_disk_is_full),
		scratch_test(file_source_gives_the_file),
		scratch_test(file_source_says_that_a_file_is_missing),
		scratch_test(file_source_does_not_wait_for_a_pipe),
		scratch_test(file_source_of_a_folder_cannot_be_read),
		scratch_test(file_source_that_cannot_be_read_is_no_word_against_its_content),
		scratch_test(file_source_of_a_file_that_is_missing_is_not_excused),
		scratch_test(file_source_that_cannot_be_opened_is_no_word_against_its_content),
		scratch_test(write_text_makes_a_private_file),
		scratch_test(write_text_refuses_a_file_that_exists),
		scratch_test(write_text_at_makes_a_new_file_in_an_open_folder),
		scratch_test(sync_folder_takes_a_folder),
		scratch_test(sync_folder_refuses_a_file),
		scratch_test(sync_folder_refuses_what_is_not_there),
		scratch_test(digest_of_an_empty_file_is_that_of_sha256sum),
		scratch_test(digest_of_a_text_is_the_published_one),
		scratch_test(digest_of_several_blocks_is_that_of_sha256sum),
		scratch_test(digest_of_exactly_one_block_is_that_of_sha256sum),
		scratch_test(digest_says_that_a_file_is_missing),
		scratch_test(digest_reports_every_byte_as_progress),
	};
	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
