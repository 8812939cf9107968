/* stores/chromadb/rest: is Chroma between two rewrites of its index files? */
#include "support.h"

#include "pipeline/file.h"
#include "stores/chromadb/rest.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#define SEGMENT "5a1f3c1e-8e0f-4b6c-9c53-0c3f5b8d7a11"

static const char *const bins[] = {"header.bin", "data_level0.bin", "length.bin", "link_lists.bin"};

enum { LONG_AGO = 3600, NOW = 1790000000 };

static time_t passed; /* seconds, as the clock of the machine counts them; the date stands still */

/* Time stands still, so that it does not matter how slowly this runs. */
int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
	if (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC) {
		*ret_time = (struct timespec){.tv_sec = clock == CLOCK_REALTIME ? NOW : passed};
		return 0;
	}
	return (int)syscall(SYS_clock_gettime, clock, ret_time);
}

/* Gives a file a time in the past, `seconds` before now. */
static void make_older(const char *path, time_t seconds)
{
	const struct timespec moment = {.tv_sec = NOW - seconds};
	const struct timespec times[] = {moment, moment};
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static const char *in_segment(const char *folder, const char *name)
{
	return at(at(folder, SEGMENT), name);
}

/* A segment whose four files were written `age` seconds ago; with a pickle of the same time unless that is NULL. */
static void make_segment(const char *folder, time_t age, const char *pickle)
{
	make_folder(at(folder, SEGMENT));
	for (size_t i = 0; i < 4; i++) {
		write_file(in_segment(folder, bins[i]), "bytes");
		make_older(in_segment(folder, bins[i]), age);
	}
	if (pickle != NULL) {
		write_file(in_segment(folder, CHROMADB_PICKLE), pickle);
		make_older(in_segment(folder, CHROMADB_PICKLE), age);
	}
}

static bool is_still_at_rest(struct chromadb_rest *rest, const char *folder)
{
	struct error error;
	bool at_rest = false;
	assert_ok(chromadb_rest_in_folder(rest, folder, &at_rest, &error), &error);
	return at_rest;
}

/* As one look sees it. */
static bool is_at_rest(const char *folder)
{
	struct chromadb_rest rest = CHROMADB_REST_INIT;
	bool at_rest = is_still_at_rest(&rest, folder);
	buffer_free(&rest.young);
	return at_rest;
}

static enum status look(const char *folder, struct error *error)
{
	struct chromadb_rest rest = CHROMADB_REST_INIT;
	bool at_rest = true;
	enum status status = chromadb_rest_in_folder(&rest, folder, &at_rest, error);
	assert_false(at_rest);
	buffer_free(&rest.young);
	return status;
}

static void an_empty_folder_is_at_rest(void **state)
{
	assert_true(is_at_rest(*state));
}

static void a_folder_without_segments_is_at_rest(void **state)
{
	make_folder(at(*state, "empty"));
	make_folder(at(*state, "other"));
	write_file(at(*state, "other/file.bin"), "x");
	write_file(at(*state, "chroma.sqlite3"), "x");
	assert_true(is_at_rest(*state));
}

static void a_segment_with_a_whole_pickle_is_at_rest(void **state)
{
	make_segment(*state, LONG_AGO, "\x80\x04}.");
	assert_true(is_at_rest(*state));
}

/* Whatever the age: the pickle is written last. */
static void a_segment_that_has_just_been_written_whole_is_at_rest(void **state)
{
	make_segment(*state, 0, "\x80\x04}.");
	assert_true(is_at_rest(*state));
}

static void a_pickle_newer_than_the_other_files_is_at_rest(void **state)
{
	make_segment(*state, LONG_AGO, "\x80\x04}.");
	make_older(in_segment(*state, CHROMADB_PICKLE), 5);
	assert_true(is_at_rest(*state));
}

static void a_pickle_that_is_cut_is_not_at_rest(void **state)
{
	make_segment(*state, LONG_AGO, "\x80\x04}");
	assert_false(is_at_rest(*state));
}

static void an_empty_pickle_is_not_at_rest(void **state)
{
	make_segment(*state, LONG_AGO, "");
	assert_false(is_at_rest(*state));
}

static void each_file_newer_than_the_pickle_is_not_at_rest(void **state)
{
	make_segment(*state, LONG_AGO, "\x80\x04}.");
	for (size_t i = 0; i < 4; i++) {
		make_older(in_segment(*state, bins[i]), LONG_AGO - 1);
		assert_false(is_at_rest(*state));
		make_older(in_segment(*state, bins[i]), LONG_AGO + 1);
	}
	assert_true(is_at_rest(*state));
}

static void a_file_that_is_a_nanosecond_newer_than_the_pickle_is_not_at_rest(void **state)
{
	make_segment(*state, LONG_AGO, "\x80\x04}.");
	struct stat pickle = attributes_of(in_segment(*state, CHROMADB_PICKLE));
	struct timespec times[] = {pickle.st_mtim, pickle.st_mtim};
	times[1].tv_nsec++;
	assert_int_equal(utimensat(AT_FDCWD, in_segment(*state, "data_level0.bin"), times, 0), 0);
	assert_false(is_at_rest(*state));
}

/* Fewer adds than sync_threshold: there is no pickle, for ever. */
static void a_segment_without_a_pickle_that_is_quiet_is_at_rest(void **state)
{
	make_segment(*state, LONG_AGO, NULL);
	assert_true(is_at_rest(*state));
}

static void a_segment_without_a_pickle_that_is_being_written_is_not_at_rest(void **state)
{
	make_segment(*state, LONG_AGO, NULL);
	make_older(in_segment(*state, "link_lists.bin"), 0);
	assert_false(is_at_rest(*state));
	make_older(in_segment(*state, "link_lists.bin"), CHROMADB_QUIET_SECONDS - 1);
	assert_false(is_at_rest(*state));
}

/* The clock of who writes may be ahead of ours a little. */
static void a_file_a_second_from_the_future_is_being_written(void **state)
{
	make_segment(*state, LONG_AGO, NULL);
	make_older(in_segment(*state, "link_lists.bin"), -1);
	assert_false(is_at_rest(*state));
}

/* By a minute, as far as some engine's clock may be ahead of ours. */
static void a_rewrite_by_a_clock_that_is_ahead_is_not_at_rest(void **state)
{
	make_segment(*state, -60, NULL);
	assert_false(is_at_rest(*state));
	write_file(in_segment(*state, CHROMADB_PICKLE), ".");
	make_older(in_segment(*state, CHROMADB_PICKLE), -59);
	assert_false(is_at_rest(*state));
}

/* However far ahead: beside a pickle it is that which tells. */
static void a_file_newer_than_a_pickle_from_the_future_is_not_at_rest(void **state)
{
	make_segment(*state, -LONG_AGO, ".");
	make_older(in_segment(*state, "header.bin"), -LONG_AGO - 1);
	assert_false(is_at_rest(*state));
}

static void a_segment_that_was_written_before_the_clock_was_set_back_is_at_rest(void **state)
{
	make_segment(*state, -LONG_AGO, NULL);
	assert_true(is_at_rest(*state));
	write_file(in_segment(*state, CHROMADB_PICKLE), ".");
	make_older(in_segment(*state, CHROMADB_PICKLE), -LONG_AGO);
	assert_true(is_at_rest(*state));
}

static void a_rewrite_after_the_clock_was_set_back_is_not_hidden_by_an_older_pickle(void **state)
{
	make_segment(*state, -LONG_AGO, "..");
	make_older(in_segment(*state, "header.bin"), 0);
	assert_false(is_at_rest(*state));
}

/* --- one look after the other ------------------------------------------------------------------------------------- */

/* Once it has seemed young for as long as a file that has just been written does, and nobody has written to it. */
static void assert_only_seems_young(const char *folder)
{
	struct chromadb_rest rest = CHROMADB_REST_INIT;
	assert_false(is_still_at_rest(&rest, folder));
	passed += CHROMADB_QUIET_SECONDS - 1;
	assert_false(is_still_at_rest(&rest, folder));
	passed++;
	assert_true(is_still_at_rest(&rest, folder));
	buffer_free(&rest.young);
}

/* The clock was set back by less than clocks may differ. */
static void a_segment_that_only_seems_young_is_at_rest_after_a_while(void **state)
{
	make_segment(*state, -60, NULL);
	assert_only_seems_young(*state);
}

static void one_beside_a_pickle_from_the_future_that_only_seems_young_is_at_rest_after_a_while(void **state)
{
	make_segment(*state, -60, ".");
	make_older(in_segment(*state, CHROMADB_PICKLE), -LONG_AGO);
	assert_only_seems_young(*state);
}

/* Each of two, for what one look keeps must be all of it. */
static void a_segment_that_is_written_to_meanwhile_is_not_at_rest(void **state)
{
	static const char *const written[] = {"header.bin", "link_lists.bin"};
	for (size_t i = 0; i < 2; i++) {
		struct chromadb_rest rest = CHROMADB_REST_INIT;
		make_segment(*state, -60, NULL);
		assert_false(is_still_at_rest(&rest, *state));
		passed += CHROMADB_QUIET_SECONDS;
		make_older(in_segment(*state, written[i]), 0);
		assert_false(is_still_at_rest(&rest, *state));
		passed += CHROMADB_QUIET_SECONDS;
		assert_true(is_still_at_rest(&rest, *state));
		buffer_free(&rest.young);
		shell_ok("rm -r '%s/" SEGMENT "'", (char *)*state);
	}
}

/* However long nobody writes to it. */
static void a_segment_that_is_torn_is_never_at_rest(void **state)
{
	struct chromadb_rest rest = CHROMADB_REST_INIT;
	make_segment(*state, -60, ".");
	make_older(in_segment(*state, CHROMADB_PICKLE), -59);
	for (int i = 0; i < 3; i++) {
		assert_false(is_still_at_rest(&rest, *state));
		passed += CHROMADB_QUIET_SECONDS;
	}
	buffer_free(&rest.young);
}

/* A look that has ended at a torn one has not seen all of them. */
static void what_a_torn_segment_has_hidden_is_not_taken_for_seen(void **state)
{
	struct chromadb_rest rest = CHROMADB_REST_INIT;
	make_segment(*state, -60, "cut");
	assert_false(is_still_at_rest(&rest, *state));
	passed += CHROMADB_QUIET_SECONDS;
	assert_int_equal(unlink(in_segment(*state, CHROMADB_PICKLE)), 0);
	assert_false(is_still_at_rest(&rest, *state));
	buffer_free(&rest.young);
}

static void each_missing_file_beside_a_pickle_is_not_at_rest(void **state)
{
	make_segment(*state, LONG_AGO, "\x80\x04}.");
	for (size_t i = 1; i < 4; i++) {
		assert_int_equal(unlink(in_segment(*state, bins[i])), 0);
		assert_false(is_at_rest(*state));
		write_file(in_segment(*state, bins[i]), "bytes");
		make_older(in_segment(*state, bins[i]), LONG_AGO);
	}
	assert_true(is_at_rest(*state));
}

static void each_missing_file_without_a_pickle_is_not_at_rest(void **state)
{
	make_segment(*state, LONG_AGO, NULL);
	for (size_t i = 1; i < 4; i++) {
		assert_int_equal(unlink(in_segment(*state, bins[i])), 0);
		assert_false(is_at_rest(*state));
		write_file(in_segment(*state, bins[i]), "bytes");
		make_older(in_segment(*state, bins[i]), LONG_AGO);
	}
	assert_true(is_at_rest(*state));
}

/* All segments count, in whatever order the folder gives them. */
static void one_segment_of_many_that_is_not_at_rest_is_enough(void **state)
{
	make_segment(*state, LONG_AGO, "\x80\x04}.");
	shell_ok("cd '%s' && for i in 1 2 3 4 5 6 7 8 9; do cp -a " SEGMENT " $i; done", (char *)*state);
	assert_true(is_at_rest(*state));
	for (int i = 1; i <= 9; i++) {
		char name[2] = {(char)('0' + i), '\0'};
		write_file(at(at(*state, name), CHROMADB_PICKLE), "cut");
		assert_false(is_at_rest(*state));
		write_file(at(at(*state, name), CHROMADB_PICKLE), "whole.");
	}
	assert_true(is_at_rest(*state));
}

static void what_is_ours_is_not_looked_at(void **state)
{
	make_folder(at(*state, ".whisperbackup-restore"));
	make_segment(at(*state, ".whisperbackup-restore"), LONG_AGO, "cut");
	assert_true(is_at_rest(*state));
}

static void a_symbolic_link_to_nothing_is_no_segment(void **state)
{
	assert_int_equal(symlink("nothing", at(*state, "link")), 0);
	assert_true(is_at_rest(*state));
}

static void a_folder_that_is_not_there_is_a_failure(void **state)
{
	struct error error;
	assert_status(STATUS_FAILED, look(at(*state, "nothing"), &error), &error);
}

/* Who is in the container must not lead us elsewhere. */
static void a_pickle_that_is_a_symbolic_link_is_a_failure(void **state)
{
	struct error error;
	make_segment(*state, LONG_AGO, NULL);
	write_file(at(*state, "elsewhere"), ".");
	assert_int_equal(symlink("../elsewhere", in_segment(*state, CHROMADB_PICKLE)), 0);
	assert_status(STATUS_FAILED, look(*state, &error), &error);
	assert_string_equal(error.message, "cannot read a index_metadata.pickle: Too many levels of symbolic links");
}

static void a_segment_that_cannot_be_opened_is_a_failure(void **state)
{
	char message[PATH_MAX];
	struct rlimit before;
	make_segment(*state, LONG_AGO, "half");
	snprintf(message, sizeof message, "cannot read %s/" SEGMENT ": Too many open files", (const char *)*state);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	int free_one = dup(STDIN_FILENO);
	close(free_one);
	const struct rlimit one_more = {.rlim_cur = (rlim_t)free_one + 1, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &one_more), 0);
	struct error error;
	enum status status = look(*state, &error);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_status(STATUS_FAILED, status, &error);
	assert_string_equal(error.message, message);
}

/* --- through the engine ------------------------------------------------------------------------------------------- */

static enum status stat_there(struct runtime *self, const struct container *in, const char *path,
							  struct path_stat *ret_stat, struct error *error)
{
	struct stat attributes;
	(void)self;
	(void)in;
	if (lstat(path, &attributes) != 0) {
		return error_set(error, STATUS_NOT_FOUND, "there is no %s", path);
	}
	*ret_stat = (struct path_stat){.mtime = attributes.st_mtim};
	return STATUS_OK;
}

static enum status get_there(struct runtime *self, const struct container *in, const char *path,
							 struct source **ret_tar, struct error *error)
{
	char *tar = NULL;
	(void)self;
	(void)in;
	assert_true(asprintf(&tar, "%s.tar", path) > 0);
	shell_ok("cd \"$(dirname '%s')\" && tar -cf '%s' " CHROMADB_PICKLE, path, tar);
	enum status status = file_source_new(tar, ret_tar, error);
	free(tar);
	return status;
}

static bool is_at_rest_in_container(const char *folder)
{
	static const struct runtime_ops ops = {.archive_stat = stat_there, .archive_get = get_there};
	static const struct container container;
	struct runtime runtime = {.ops = &ops};
	struct chromadb_rest rest = CHROMADB_REST_INIT;
	struct buffer segments = BUFFER_INIT(PATH_MAX);
	struct error error;
	bool at_rest = false;
	assert_ok(buffer_append_text(&segments, at(folder, SEGMENT), &error), &error);
	assert_ok(chromadb_rest_in_container(&rest, &runtime, &container, &segments, &at_rest, &error), &error);
	buffer_free(&segments);
	buffer_free(&rest.young);
	return at_rest;
}

static void each_missing_file_in_a_container_is_not_at_rest(void **state)
{
	static const char *const pickles[] = {NULL, "whole."};
	for (size_t i = 0; i < 2; i++) {
		make_segment(*state, LONG_AGO, pickles[i]);
		for (size_t j = 0; j < 4; j++) {
			assert_int_equal(unlink(in_segment(*state, bins[j])), 0);
			assert_false(is_at_rest_in_container(*state));
			write_file(in_segment(*state, bins[j]), "bytes");
			make_older(in_segment(*state, bins[j]), LONG_AGO);
			assert_true(is_at_rest_in_container(*state));
		}
		shell_ok("rm -r '%s/" SEGMENT "'", (char *)*state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(an_empty_folder_is_at_rest),
		scratch_test(a_folder_without_segments_is_at_rest),
		scratch_test(a_segment_with_a_whole_pickle_is_at_rest),
		scratch_test(a_segment_that_has_just_been_written_whole_is_at_rest),
		scratch_test(a_pickle_newer_than_the_other_files_is_at_rest),
		scratch_test(a_pickle_that_is_cut_is_not_at_rest),
		scratch_test(an_empty_pickle_is_not_at_rest),
		scratch_test(each_file_newer_than_the_pickle_is_not_at_rest),
		scratch_test(a_file_that_is_a_nanosecond_newer_than_the_pickle_is_not_at_rest),
		scratch_test(a_segment_without_a_pickle_that_is_quiet_is_at_rest),
		scratch_test(a_segment_without_a_pickle_that_is_being_written_is_not_at_rest),
		scratch_test(a_file_a_second_from_the_future_is_being_written),
		scratch_test(a_rewrite_by_a_clock_that_is_ahead_is_not_at_rest),
		scratch_test(a_file_newer_than_a_pickle_from_the_future_is_not_at_rest),
		scratch_test(a_segment_that_was_written_before_the_clock_was_set_back_is_at_rest),
		scratch_test(a_rewrite_after_the_clock_was_set_back_is_not_hidden_by_an_older_pickle),
		scratch_test(a_segment_that_only_seems_young_is_at_rest_after_a_while),
		scratch_test(one_beside_a_pickle_from_the_future_that_only_seems_young_is_at_rest_after_a_while),
		scratch_test(a_segment_that_is_written_to_meanwhile_is_not_at_rest),
		scratch_test(a_segment_that_is_torn_is_never_at_rest),
		scratch_test(what_a_torn_segment_has_hidden_is_not_taken_for_seen),
		scratch_test(each_missing_file_beside_a_pickle_is_not_at_rest),
		scratch_test(each_missing_file_without_a_pickle_is_not_at_rest),
		scratch_test(one_segment_of_many_that_is_not_at_rest_is_enough),
		scratch_test(what_is_ours_is_not_looked_at),
		scratch_test(a_symbolic_link_to_nothing_is_no_segment),
		scratch_test(a_folder_that_is_not_there_is_a_failure),
		scratch_test(a_pickle_that_is_a_symbolic_link_is_a_failure),
		scratch_test(a_segment_that_cannot_be_opened_is_a_failure),
		scratch_test(each_missing_file_in_a_container_is_not_at_rest),
	};
	return cmocka_run_group_tests_name("chromadb_rest", tests, NULL, NULL);
}
