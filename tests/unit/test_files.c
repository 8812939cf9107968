/* base/files: removing, joining, reading and making. */
#include "support.h"

#include "base/files.h"

#include <sys/syscall.h>

static void remove_of_something_missing_is_fine(void **state)
{
	struct error error;
	assert_ok(files_remove(at(*state, "nothing"), &error), &error);
}

static void remove_takes_away_a_file(void **state)
{
	struct error error;
	write_file(at(*state, "file"), "x");
	assert_ok(files_remove(at(*state, "file"), &error), &error);
	assert_false(exists(at(*state, "file")));
}

static void remove_takes_away_a_whole_tree(void **state)
{
	struct error error;
	shell_ok("cd '%s' && mkdir -p tree/a/b/c 'tree/with space' && touch tree/.dot tree/a/b/c/file 'tree/with space/f' "
			 "&& mkfifo tree/fifo",
			 (char *)*state);
	assert_ok(files_remove(at(*state, "tree"), &error), &error);
	assert_false(exists(at(*state, "tree")));
}

static void remove_takes_away_a_symbolic_link_but_not_its_target(void **state)
{
	struct error error;
	shell_ok("cd '%s' && mkdir target && touch target/precious && ln -s target link", (char *)*state);
	assert_ok(files_remove(at(*state, "link"), &error), &error);
	assert_false(exists(at(*state, "link")));
	assert_true(exists(at(*state, "target/precious")));
}

static void remove_does_not_follow_a_symbolic_link_inside_the_tree(void **state)
{
	struct error error;
	shell_ok("cd '%s' && mkdir target tree && touch target/precious && ln -s ../target tree/link", (char *)*state);
	assert_ok(files_remove(at(*state, "tree"), &error), &error);
	assert_true(exists(at(*state, "target/precious")));
}

static int remove_trouble;          /* errno of the next removal, which is not made; 0: none */
static const char *exchange_folder; /* is exchanged for a symbolic link to "outside" before the next removal */

int unlinkat(int folder, const char *name, int flags)
{
	if (exchange_folder != NULL) {
		shell_ok("cd '%s' && mv tree/sub tree/moved && ln -s ../outside tree/sub", exchange_folder);
		exchange_folder = NULL;
	}
	errno = remove_trouble;
	remove_trouble = 0;
	return errno != 0 ? -1 : (int)syscall(SYS_unlinkat, folder, name, flags);
}

static void remove_does_not_follow_a_folder_that_becomes_a_symbolic_link(void **state)
{
	struct error error;
	shell_ok("cd '%s' && mkdir -p tree/sub outside && touch tree/sub/a tree/sub/b outside/a outside/b", (char *)*state);
	exchange_folder = *state;
	(void)!files_remove(at(*state, "tree"), &error);
	assert_null(exchange_folder);
	assert_true(exists(at(*state, "outside/a")));
	assert_true(exists(at(*state, "outside/b")));
	assert_ok(files_remove(at(*state, "tree"), &error), &error);
	assert_false(exists(at(*state, "tree")));
	assert_true(exists(at(*state, "outside/a")));
}

static void remove_takes_away_folders_that_are_hundreds_deep(void **state)
{
	struct error error;
	shell_ok("cd '%s' && mkdir -p tree/$(printf 'folder%%.0s/' $(seq 500))", (char *)*state);
	assert_ok(files_remove(at(*state, "tree"), &error), &error);
	assert_false(exists(at(*state, "tree")));
}

static void remove_at_takes_away_an_entry_of_an_open_folder(void **state)
{
	struct error error;
	shell_ok("cd '%s' && mkdir -p tree/a target && touch tree/a/file target/precious && ln -s ../target tree/link",
			 (char *)*state);
	CLEANUP(cleanup_close) int fd = open(at(*state, "tree"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_ok(files_remove_at(fd, "a", "/some/a", &error), &error);
	assert_ok(files_remove_at(fd, "link", "/some/link", &error), &error);
	assert_ok(files_remove_at(fd, "nothing", "/some/nothing", &error), &error);
	assert_int_equal(rmdir(at(*state, "tree")), 0);
	assert_true(exists(at(*state, "target/precious")));
	remove_trouble = EIO;
	assert_status(STATUS_FAILED, files_remove_at(AT_FDCWD, at(*state, "target"), "/some/target", &error), &error);
	assert_string_equal(error.message, "cannot remove /some/target: Input/output error");
}

/* That something inside is not there does not mean that the folder is gone. */
static void remove_tells_of_a_folder_that_is_still_there(void **state)
{
	struct error error;
	shell_ok("cd '%s' && mkdir tree && touch tree/a tree/b", (char *)*state);
	remove_trouble = ENOENT;
	assert_status(STATUS_FAILED, files_remove(at(*state, "tree"), &error), &error);
	assert_true(exists(at(*state, "tree")));
	assert_ok(files_remove(at(*state, "tree"), &error), &error);
	assert_false(exists(at(*state, "tree")));
}

static void remove_of_a_path_through_a_file_is_a_failure(void **state)
{
	struct error error;
	write_file(at(*state, "file"), "x");
	assert_status(STATUS_FAILED, files_remove(at(*state, "file/below"), &error), &error);
}

/* In bytes on disk, as stat(2) counts them: st_blocks are of 512 bytes. */
static uint64_t blocks_of(const char *path)
{
	return (uint64_t)attributes_of(path).st_blocks * 512;
}

static void assert_disk_usage(const char *path, uint64_t expected)
{
	struct error error;
	uint64_t bytes = 4711;
	assert_ok(files_disk_usage(path, &bytes, &error), &error);
	assert_int_equal(bytes, expected);
}

static void disk_usage_counts_the_blocks_of_all_below(void **state)
{
	shell_ok("cd '%s' && mkdir -p tree/a/.b && head -c 100000 /dev/zero > tree/a/.b/file && echo x > tree/.dot",
			 (char *)*state);
	assert_true(blocks_of(at(*state, "tree/a/.b/file")) >= 100000);
	assert_disk_usage(at(*state, "tree"), blocks_of(at(*state, "tree")) + blocks_of(at(*state, "tree/a")) +
											  blocks_of(at(*state, "tree/a/.b")) +
											  blocks_of(at(*state, "tree/a/.b/file")) +
											  blocks_of(at(*state, "tree/.dot")));
}

static void disk_usage_of_a_file_is_its_own(void **state)
{
	write_file(at(*state, "file"), "x");
	assert_disk_usage(at(*state, "file"), blocks_of(at(*state, "file")));
}

static void disk_usage_does_not_count_the_holes_of_a_file(void **state)
{
	make_folder(at(*state, "tree"));
	write_file(at(*state, "tree/file"), "");
	assert_int_equal(truncate(at(*state, "tree/file"), 1 << 30), 0);
	assert_true(blocks_of(at(*state, "tree/file")) < 1 << 20);
	assert_disk_usage(at(*state, "tree"), blocks_of(at(*state, "tree")) + blocks_of(at(*state, "tree/file")));
}

static void disk_usage_does_not_follow_symbolic_links(void **state)
{
	shell_ok("cd '%s' && mkdir tree target && head -c 100000 /dev/zero > target/file && ln -s ../target tree/folder && "
			 "ln -s ../target/file tree/file && ln -s nothing tree/broken && ln -s . tree/loop",
			 (char *)*state);
	uint64_t links = 0;
	static const char *const names[] = {"tree/folder", "tree/file", "tree/broken", "tree/loop"};
	for (size_t i = 0; i < 4; i++) {
		links += blocks_of(at(*state, names[i]));
	}
	assert_disk_usage(at(*state, "tree"), blocks_of(at(*state, "tree")) + links);
}

/* Unlike du(1): what is copied takes it as often as it has names. */
static void disk_usage_counts_a_file_once_for_each_name(void **state)
{
	shell_ok("cd '%s' && mkdir -p tree/a && head -c 100000 /dev/zero > tree/one && ln tree/one tree/two && "
			 "ln tree/one tree/a/three",
			 (char *)*state);
	assert_disk_usage(at(*state, "tree"), blocks_of(at(*state, "tree")) + blocks_of(at(*state, "tree/a")) +
											  3 * blocks_of(at(*state, "tree/one")));
}

static void disk_usage_of_something_missing_is_a_failure(void **state)
{
	struct error error;
	uint64_t bytes = 4711;
	assert_status(STATUS_FAILED, files_disk_usage(at(*state, "nothing"), &bytes, &error), &error);
	assert_status(STATUS_FAILED, files_disk_usage("", &bytes, &error), &error);
	assert_int_equal(bytes, 4711);
}

static void join_puts_one_slash_between(void **state)
{
	(void)state;
	struct error error;
	char *path = NULL;
	assert_ok(files_join("/a/b", "c", &path, &error), &error);
	assert_string_equal(path, "/a/b/c");
	free(path);
}

static void join_does_not_double_a_slash(void **state)
{
	(void)state;
	struct error error;
	char *path = NULL;
	assert_ok(files_join("/", "c", &path, &error), &error);
	assert_string_equal(path, "/c");
	free(path);
}

static void read_text_gives_the_whole_text(void **state)
{
	struct error error;
	char *text = NULL;
	write_file(at(*state, "file"), "one\ntwo\n");
	assert_ok(files_read_text(at(*state, "file"), &text, &error), &error);
	assert_string_equal(text, "one\ntwo\n");
	free(text);
}

static void read_text_of_an_empty_file_is_empty(void **state)
{
	struct error error;
	char *text = NULL;
	write_file(at(*state, "file"), "");
	assert_ok(files_read_text(at(*state, "file"), &text, &error), &error);
	assert_string_equal(text, "");
	free(text);
}

static void read_text_says_that_a_file_is_missing(void **state)
{
	struct error error;
	char *text = NULL;
	assert_status(STATUS_NOT_FOUND, files_read_text(at(*state, "nothing"), &text, &error), &error);
	assert_null(text);
}

static void read_text_says_that_a_path_through_a_file_is_missing(void **state)
{
	struct error error;
	char *text = NULL;
	write_file(at(*state, "file"), "");
	assert_status(STATUS_NOT_FOUND, files_read_text(at(*state, "file/below"), &text, &error), &error);
}

static void read_text_refuses_a_folder(void **state)
{
	struct error error;
	char *text = NULL;
	assert_status(STATUS_FAILED, files_read_text(*state, &text, &error), &error);
}

static void read_text_does_not_wait_for_a_pipe(void **state)
{
	struct error error;
	char *text = NULL;
	assert_int_equal(mkfifo(at(*state, "pipe"), 0600), 0);
	assert_status(STATUS_FAILED, files_read_text(at(*state, "pipe"), &text, &error), &error);
	assert_non_null(strstr(error.message, "is not a small file"));
}

static void read_text_takes_a_file_of_the_limit(void **state)
{
	struct error error;
	char *text = NULL;
	write_file(at(*state, "file"), "x");
	assert_int_equal(truncate(at(*state, "file"), FILES_TEXT_LIMIT), 0);
	assert_ok(files_read_text(at(*state, "file"), &text, &error), &error);
	assert_int_equal(text[0], 'x');
	free(text);
}

static void read_text_refuses_a_file_beyond_the_limit(void **state)
{
	struct error error;
	char *text = NULL;
	write_file(at(*state, "file"), "x");
	assert_int_equal(truncate(at(*state, "file"), FILES_TEXT_LIMIT + 1), 0);
	assert_status(STATUS_FAILED, files_read_text(at(*state, "file"), &text, &error), &error);
	assert_ok(files_read_long_text(at(*state, "file"), FILES_TEXT_LIMIT + 1, &text, &error), &error);
	free(text);
}

static void read_text_at_reads_a_file_of_an_open_folder(void **state)
{
	struct error error;
	char *text = NULL;
	write_file(at(*state, "file"), "text");
	CLEANUP(cleanup_close) int fd = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_ok(files_read_text_at(fd, "file", "/some/file", &text, &error), &error);
	assert_string_equal(text, "text");
	free(text);
	assert_status(STATUS_NOT_FOUND, files_read_text_at(fd, "nothing", "/some/nothing", &text, &error), &error);
	assert_string_equal(error.message, "cannot read /some/nothing: No such file or directory");
}

static void read_text_at_follows_no_symbolic_link_and_waits_for_no_pipe(void **state)
{
	struct error error;
	char *text = NULL;
	shell_ok("cd '%s' && echo secret >secret && ln -s secret link && mkfifo pipe", (char *)*state);
	CLEANUP(cleanup_close) int fd = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_status(STATUS_FAILED, files_read_text_at(fd, "link", "/some/link", &text, &error), &error);
	assert_string_equal(error.message, "/some/link is a symbolic link, which is not followed");
	assert_non_null(strstr(error.hint, "then remove it"));
	assert_status(STATUS_FAILED, files_read_text_at(fd, "pipe", "/some/pipe", &text, &error), &error);
	assert_string_equal(error.message, "/some/pipe is not a small file");
}

static void make_folder_makes_missing_parents(void **state)
{
	struct error error;
	assert_ok(files_make_folder(at(*state, "a/b/c"), 0700, &error), &error);
	assert_true(S_ISDIR(attributes_of(at(*state, "a/b/c")).st_mode));
}

static void make_folder_gives_new_ones_the_mode(void **state)
{
	struct error error;
	assert_ok(files_make_folder(at(*state, "a/b"), 0700, &error), &error);
	assert_int_equal(attributes_of(at(*state, "a")).st_mode & 07777, 0700);
	assert_int_equal(attributes_of(at(*state, "a/b")).st_mode & 07777, 0700);
}

static void make_folder_takes_one_that_exists_and_leaves_its_mode(void **state)
{
	struct error error;
	assert_int_equal(mkdir(at(*state, "a"), 0750), 0);
	assert_ok(files_make_folder(at(*state, "a"), 0700, &error), &error);
	assert_int_equal(attributes_of(at(*state, "a")).st_mode & 07777, 0750);
}

static void make_folder_takes_a_closing_slash(void **state)
{
	struct error error;
	assert_ok(files_make_folder(at(*state, "a/b/"), 0700, &error), &error);
	assert_true(S_ISDIR(attributes_of(at(*state, "a/b")).st_mode));
}

static void make_folder_takes_a_symbolic_link_to_a_folder(void **state)
{
	struct error error;
	shell_ok("cd '%s' && mkdir real && ln -s real link", (char *)*state);
	assert_ok(files_make_folder(at(*state, "link"), 0700, &error), &error);
	assert_ok(files_make_folder(at(*state, "link/sub"), 0700, &error), &error);
	assert_true(exists(at(*state, "real/sub")));
}

static void make_folder_refuses_a_file_of_that_name(void **state)
{
	struct error error;
	write_file(at(*state, "file"), "x");
	assert_status(STATUS_FAILED, files_make_folder(at(*state, "file"), 0700, &error), &error);
	assert_non_null(strstr(error.message, "Not a directory"));
	assert_file_is(at(*state, "file"), "x");
}

static void make_folder_refuses_a_parent_that_is_a_file(void **state)
{
	struct error error;
	write_file(at(*state, "file"), "x");
	assert_status(STATUS_FAILED, files_make_folder(at(*state, "file/below"), 0700, &error), &error);
}

static void make_folder_refuses_a_broken_symbolic_link(void **state)
{
	struct error error;
	assert_int_equal(symlink("nothing", at(*state, "link")), 0);
	assert_status(STATUS_FAILED, files_make_folder(at(*state, "link"), 0700, &error), &error);
}

/* In a child, for it may read behind the string's end, which the sanitizer does not survive. */
static void make_folder_refuses_an_empty_path(void **state)
{
	(void)state;
	fflush(NULL);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct error error;
		_exit(files_make_folder("", 0700, &error) != STATUS_OK ? 0 : 99);
	}
	int result = 0;
	assert_int_equal(waitpid(child, &result, 0), child);
	assert_int_equal(result, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(remove_of_something_missing_is_fine),
		scratch_test(remove_takes_away_a_file),
		scratch_test(remove_takes_away_a_whole_tree),
		scratch_test(remove_takes_away_a_symbolic_link_but_not_its_target),
		scratch_test(remove_does_not_follow_a_symbolic_link_inside_the_tree),
		scratch_test(remove_does_not_follow_a_folder_that_becomes_a_symbolic_link),
		scratch_test(remove_takes_away_folders_that_are_hundreds_deep),
		scratch_test(remove_at_takes_away_an_entry_of_an_open_folder),
		scratch_test(remove_tells_of_a_folder_that_is_still_there),
		scratch_test(remove_of_a_path_through_a_file_is_a_failure),
		scratch_test(disk_usage_counts_the_blocks_of_all_below),
		scratch_test(disk_usage_of_a_file_is_its_own),
		scratch_test(disk_usage_does_not_count_the_holes_of_a_file),
		scratch_test(disk_usage_does_not_follow_symbolic_links),
		scratch_test(disk_usage_counts_a_file_once_for_each_name),
		scratch_test(disk_usage_of_something_missing_is_a_failure),
		cmocka_unit_test(join_puts_one_slash_between),
		cmocka_unit_test(join_does_not_double_a_slash),
		scratch_test(read_text_gives_the_whole_text),
		scratch_test(read_text_of_an_empty_file_is_empty),
		scratch_test(read_text_says_that_a_file_is_missing),
		scratch_test(read_text_says_that_a_path_through_a_file_is_missing),
		scratch_test(read_text_refuses_a_folder),
		scratch_test(read_text_does_not_wait_for_a_pipe),
		scratch_test(read_text_takes_a_file_of_the_limit),
		scratch_test(read_text_refuses_a_file_beyond_the_limit),
		scratch_test(read_text_at_reads_a_file_of_an_open_folder),
		scratch_test(read_text_at_follows_no_symbolic_link_and_waits_for_no_pipe),
		scratch_test(make_folder_makes_missing_parents),
		scratch_test(make_folder_gives_new_ones_the_mode),
		scratch_test(make_folder_takes_one_that_exists_and_leaves_its_mode),
		scratch_test(make_folder_takes_a_closing_slash),
		scratch_test(make_folder_takes_a_symbolic_link_to_a_folder),
		scratch_test(make_folder_refuses_a_file_of_that_name),
		scratch_test(make_folder_refuses_a_parent_that_is_a_file),
		scratch_test(make_folder_refuses_a_broken_symbolic_link),
		cmocka_unit_test(make_folder_refuses_an_empty_path),
	};
	return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
