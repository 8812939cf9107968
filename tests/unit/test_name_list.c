/* snapshot/name_list, snapshot/folder_copy: an engine that leaves files out of the archive of a folder. */
#include "here_support.h"
#include "progress_support.h"
#include "tar_support.h"
#include "volume_support.h"

#include "snapshot/folder_copy.h"
#include "snapshot/name_list.h"

/* --- an engine ---------------------------------------------------------------------------------------------------- */

static const char *scratch;
static const char *left_out;   /* options of tar that leave something out */
static const char *unreadable; /* what the engine fails to look at */
static unsigned looks;

static enum status get_here(struct runtime *self, const struct container *in, const char *path, struct source **ret_tar,
							struct error *error)
{
	(void)self;
	(void)in;
	here.paused = true;
	shell_ok("tar -C '%s/..' --format=pax %s -cf '%s/engine.tar' \"$(basename '%s')\"", path, left_out, scratch, path);
	return file_source_new(at(scratch, "engine.tar"), ret_tar, error);
}

static enum status stat_here(struct runtime *self, const struct container *in, const char *path,
							 struct path_stat *ret_stat, struct error *error)
{
	(void)self;
	(void)in;
	assert_true(here.paused);
	looks++;
	*ret_stat = (struct path_stat){0};
	if (unreadable != NULL && strstr(path, unreadable) != NULL) {
		return error_set(error, STATUS_FAILED, "lstat %s: input/output error", path);
	}
	struct stat attributes;
	bool there = lstat(path, &attributes) == 0;
	return there ? STATUS_OK : error_set(error, STATUS_NOT_FOUND, "there is no %s", path);
}

static const struct runtime_ops engine = {HERE_PROGRAMS, .archive_get = get_here, .archive_stat = stat_here};

static int make_data(void **state)
{
	int result = scratch_setup(state);
	scratch = *state;
	memset(&here, 0, sizeof here);
	left_out = "";
	unreadable = NULL;
	looks = 0;
	progress_warned[0] = '\0';
	runtime = (struct runtime){.ops = &engine, .volume_access = VOLUME_API};
	shell_ok(
		"mkdir -p '%s/data/sub/empty' '%s/data/.whisperbackup-old/x' && cd '%s/data' && echo 1 >one && echo 2 >sub/two "
		"&& "
		": >sub/nothing && ln -s nowhere sub/link && echo 3 >\"$(printf 'new\\nline')\" && echo 4 >'with space' && "
		"echo 5 >.hidden && mkfifo sub/fifo && ln one hard",
		scratch, scratch, scratch);
	return result;
}

#define data_test(function) cmocka_unit_test_setup_teardown(function, make_data, scratch_teardown)

/* Makes a copy; `meanwhile` is done by a shell in the folder between the list and the moment. */
static enum status copy_while(const char *meanwhile, struct error *error)
{
	CLEANUP(cleanup_folder_copy) struct folder_copy *copy = NULL;
	struct folder_copy_result result;
	uint64_t bytes = 0;
	here.paused = false;
	unlink(at(scratch, "archive.tar.gz"));
	assert_ok(folder_copy_new(&runtime, &container, at(scratch, "data"), at(scratch, "archive.tar.gz"), &copy, error),
			  error);
	enum status status = folder_copy_catch_up(copy, &progress_kept, &bytes, error);
	if (status != STATUS_OK) {
		return status;
	}
	shell_ok("cd '%s/data' && %s", scratch, meanwhile);
	status = folder_copy_capture(copy, error);
	return status == STATUS_OK ? folder_copy_finish(copy, &progress_kept, &result, error) : status;
}

static void assert_missed(const char *options, const char *name)
{
	char message[PATH_MAX];
	struct error error;
	left_out = options;
	assert_status(STATUS_FAILED, copy_while(":", &error), &error);
	snprintf(message, sizeof message, "the engine has left out %s/data/%s of container ", scratch, name);
	assert_string_equal(error.message, message);
}

/* --- what is missed ----------------------------------------------------------------------------------------------- */

static void an_archive_that_has_all_is_taken_without_a_look(void **state)
{
	(void)state;
	struct error error;
	assert_ok(copy_while(":", &error), &error);
	assert_string_equal(progress_warned, "");
	assert_int_equal(looks, 0);
	assert_int_equal(here.runs, 1);
}

static void each_name_that_is_left_out_is_missed(void **state)
{
	(void)state;
	assert_missed("--exclude=data/one", "one");
	assert_missed("--exclude=data/hard", "hard");
	assert_missed("--exclude=data/.hidden", ".hidden");
	assert_missed("--exclude='data/with space'", "with space");
	assert_missed("--exclude='data/new?line'", "new\nline");
	assert_missed("--exclude=data/sub/two", "sub/two");
	assert_missed("--exclude=data/sub/nothing", "sub/nothing");
	assert_missed("--exclude=data/sub/link", "sub/link");
	assert_missed("--exclude=data/sub/empty", "sub/empty");
	assert_missed("--exclude=data/sub", "sub");
}

/* Neither holds data, and the engine leaves sockets out as well. */
static void a_pipe_and_what_is_ours_are_not_missed(void **state)
{
	(void)state;
	struct error error;
	left_out = "--exclude=data/sub/fifo --exclude=data/.whisperbackup-old";
	assert_ok(copy_while(":", &error), &error);
	assert_int_equal(looks, 0);
}

static void what_has_gone_before_the_moment_is_not_missed(void **state)
{
	(void)state;
	struct error error;
	assert_ok(copy_while("rm one && rm -r sub && echo new >made && echo 2 >subset", &error), &error);
	assert_int_equal(looks, 2);
}

static void what_the_engine_cannot_look_at_is_a_failure(void **state)
{
	(void)state;
	struct error error;
	left_out = "--exclude=data/sub/two";
	unreadable = "/two";
	assert_status(STATUS_FAILED, copy_while(":", &error), &error);
	assert_non_null(strstr(error.message, "/data/sub/two: input/output error"));
}

/* The archive of the first does not count for the second. */
static void another_moment_begins_anew(void **state)
{
	(void)state;
	struct error error;
	uint64_t bytes = 0;
	CLEANUP(cleanup_folder_copy) struct folder_copy *copy = NULL;
	assert_ok(folder_copy_new(&runtime, &container, at(scratch, "data"), at(scratch, "archive.tar.gz"), &copy, &error),
			  &error);
	assert_ok(folder_copy_catch_up(copy, &progress_kept, &bytes, &error), &error);
	assert_ok(folder_copy_capture(copy, &error), &error);
	left_out = "--exclude=data/one";
	assert_status(STATUS_FAILED, folder_copy_capture(copy, &error), &error);
}

static void one_of_many_is_missed(void **state)
{
	(void)state;
	struct error error;
	shell_ok("cd '%s/data/sub' && seq -f %%06.0f-of-many-with-a-long-name 20000 | xargs touch", scratch);
	assert_ok(copy_while(":", &error), &error);
	assert_missed("--exclude=data/sub/012345-of-many-with-a-long-name", "sub/012345-of-many-with-a-long-name");
}

/* --- who cannot be asked ------------------------------------------------------------------------------------------ */

static void a_container_without_programs_is_copied_with_a_warning(void **state)
{
	(void)state;
	struct error error;
	char warning[256];
	here.path = "/nothing";
	snprintf(warning, sizeof warning, "none of the names in %s/data can be listed in container : ", scratch);
	assert_ok(copy_while(":", &error), &error);
	assert_memory_equal(progress_warned, warning, strlen(warning));
}

static void a_container_without_find_is_copied_with_a_warning(void **state)
{
	struct error error;
	shell_ok("mkdir '%s/few' && ln -s /bin/sh '%s/few/sh'", scratch, scratch);
	char few[PATH_MAX];
	snprintf(few, sizeof few, "%s/few", (char *)*state);
	here.path = few;
	assert_ok(copy_while(":", &error), &error);
	assert_non_null(strstr(progress_warned, "none of the names in "));
}

/* Says one thing more than what find says, and ends as it does then. */
static void let_find_complain(const char *complaint)
{
	make_folder(at(scratch, "bin"));
	shell_ok(
		"printf '%%s\\n' '#!/bin/sh' '/usr/bin/find \"$@\" || exit' 'case $1 in .) echo \"find: %s\" >&2; exit 1;; "
		"esac' >'%s/bin/find' && chmod +x '%s/bin/find'",
		complaint, scratch, scratch);
	snprintf(here.programs, sizeof here.programs, "%s/bin", scratch);
}

static void what_goes_while_it_is_listed_is_nothing(void **state)
{
	(void)state;
	struct error error;
	let_find_complain("./x: No such file or directory");
	assert_ok(copy_while(":", &error), &error);
	assert_string_equal(progress_warned, "");
}

static void what_may_not_be_listed_is_warned_of_and_the_rest_is_missed(void **state)
{
	(void)state;
	struct error error;
	let_find_complain("./x: Permission denied");
	assert_ok(copy_while(":", &error), &error);
	assert_non_null(strstr(progress_warned, "only some of the names in "));
	assert_missed("--exclude=data/one", "one");
}

static void a_folder_that_cannot_be_listed_is_a_failure(void **state)
{
	(void)state;
	struct error error;
	char message[PATH_MAX];
	let_find_complain("./sub: Input/output error");
	assert_status(STATUS_FAILED, copy_while(":", &error), &error);
	snprintf(message, sizeof message, "%s/data in container  cannot be listed: find: ./sub: Input/output error",
			 scratch);
	assert_string_equal(error.message, message);
}

/* Says, as the shell says it, what else find has found. */
static void let_find_find(const char *more)
{
	make_folder(at(scratch, "bin"));
	shell_ok("printf '%%s\\n' '#!/bin/sh' '/usr/bin/find \"$@\" || exit' 'case $1 in .) %s;; esac' >'%s/bin/find' && "
			 "chmod +x '%s/bin/find'",
			 more, scratch, scratch);
	snprintf(here.programs, sizeof here.programs, "%s/bin", scratch);
}

static void of_more_names_than_there_is_room_for_some_are_known(void **state)
{
	(void)state;
	struct error error;
	let_find_find("seq 5000 | sed \"s|.*|./&$(printf %04000d 0)|\" | tr \"\\\\n\" \"\\\\0\"");
	assert_ok(copy_while(":", &error), &error);
	assert_non_null(strstr(progress_warned, "only some of the names in "));
	assert_true(looks > 1000 && looks < 5000); /* each name that is known, and is nowhere */
	assert_missed("--exclude=data/one", "one");
}

static void a_name_that_is_too_long_is_a_failure(void **state)
{
	(void)state;
	char message[PATH_MAX];
	struct error error;
	let_find_find("printf \"./%09000d\\\\0\" 0");
	assert_status(STATUS_FAILED, copy_while(":", &error), &error);
	snprintf(message, sizeof message, "%s/data in container  cannot be listed: a name in it has more than %d bytes",
			 scratch, PATH_MAX * 2);
	assert_string_equal(error.message, message);
}

static enum status open_nothing(struct runtime *self, const struct exec_request *request, struct exec **ret_exec,
								struct error *error)
{
	(void)self;
	(void)request;
	(void)ret_exec;
	return error_set(error, STATUS_UNAVAILABLE, "there is no engine");
}

/* What says nothing of the folder is told as it is. */
static void an_engine_that_is_gone_is_no_list_that_failed(void **state)
{
	(void)state;
	static const struct runtime_ops gone = {.exec_open = open_nothing};
	struct error error;
	runtime.ops = &gone;
	assert_status(STATUS_UNAVAILABLE, copy_while(":", &error), &error);
	assert_string_equal(error.message, "there is no engine");
}

static void a_list_whose_end_is_lost_is_a_failure(void **state)
{
	(void)state;
	struct error error;
	for (here.lost = 1; here.lost < 120; here.lost++) {
		assert_status(STATUS_FAILED, copy_while(":", &error), &error);
		assert_non_null(strstr(error.message, "the list of its names has not come whole"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		data_test(an_archive_that_has_all_is_taken_without_a_look),
		data_test(each_name_that_is_left_out_is_missed),
		data_test(a_pipe_and_what_is_ours_are_not_missed),
		data_test(what_has_gone_before_the_moment_is_not_missed),
		data_test(what_the_engine_cannot_look_at_is_a_failure),
		data_test(another_moment_begins_anew),
		data_test(one_of_many_is_missed),
		data_test(a_container_without_programs_is_copied_with_a_warning),
		data_test(a_container_without_find_is_copied_with_a_warning),
		data_test(what_goes_while_it_is_listed_is_nothing),
		data_test(what_may_not_be_listed_is_warned_of_and_the_rest_is_missed),
		data_test(a_folder_that_cannot_be_listed_is_a_failure),
		data_test(of_more_names_than_there_is_room_for_some_are_known),
		data_test(a_name_that_is_too_long_is_a_failure),
		data_test(an_engine_that_is_gone_is_no_list_that_failed),
		data_test(a_list_whose_end_is_lost_is_a_failure),
	};
	return cmocka_run_group_tests_name("name_list", tests, NULL, NULL);
}
