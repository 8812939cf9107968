/* snapshot/file_tree: what a scan refuses to go through, and what it does where the kernel is an old one. */
#include "support.h"

#include "snapshot/file_tree.h"

#include <dirent.h>
#include <dlfcn.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static bool shown_twice; /* each entry of a folder */

struct dirent *readdir(DIR *list)
{
	static struct dirent *(*real)(DIR *);
	static struct dirent *again;
	struct dirent *entry = again;
	*(void **)&real = dlsym(RTLD_NEXT, "readdir"); /* as dlsym(3) has it */
	again = NULL;
	if (entry == NULL) {
		entry = real(list);
		again = shown_twice ? entry : NULL;
	}
	return entry;
}

static struct file_tree opened(const char *folder)
{
	struct error error;
	struct file_tree tree;
	assert_ok(file_tree_open(&tree, folder, ".none", &error), &error);
	return tree;
}

/* Folders in each other, all of one name. */
static void make_deep(const char *folder, const char *name, size_t depth)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < depth; i++) {
		assert_int_equal(mkdirat(fd, name, 0755), 0);
		int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	close(fd);
}

static void assert_refused(const char *folder, const char *why)
{
	struct error error;
	struct file_tree tree = opened(folder);
	assert_status(STATUS_FAILED, file_tree_scan(&tree, &error), &error);
	assert_string_equal(error.message, why);
	file_tree_close(&tree);
}

static void folders_may_be_512_deep_and_no_deeper(void **state)
{
	struct error error;
	make_folder(at(*state, "deep"));
	make_deep(at(*state, "deep"), "d", 512);
	struct file_tree tree = opened(at(*state, "deep"));
	assert_ok(file_tree_scan(&tree, &error), &error);
	assert_int_equal(tree.count, 513);
	file_tree_close(&tree);
	make_folder(at(*state, "deeper"));
	make_deep(at(*state, "deeper"), "d", 513);
	assert_refused(at(*state, "deeper"), "its folders are more than 512 deep");
	shell_ok("rm -r '%s/deep' '%s/deeper'", (char *)*state, (char *)*state); /* nftw has too long a path of them */
}

static void a_path_that_is_too_long_is_refused(void **state)
{
	char name[251];
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	make_folder(at(*state, "long"));
	make_deep(at(*state, "long"), name, 300);
	assert_refused(at(*state, "long"), "a path in the folder is longer than 4095 bytes");
	shell_ok("rm -r '%s/long'", (char *)*state);
}

static void what_lies_on_another_file_system_is_refused(void **state)
{
	struct error error;
	make_folder(at(*state, "sub"));
	struct file_tree tree = opened(*state);
	tree.device++; /* as if "sub" were a mount */
	assert_status(STATUS_FAILED, file_tree_scan(&tree, &error), &error);
	assert_string_equal(error.message, "sub lies on another file system than the folder that holds it");
	file_tree_close(&tree);
}

static void a_folder_that_cannot_be_opened_is_a_failure(void **state)
{
	struct error error;
	struct rlimit before;
	make_folder(at(*state, "sub"));
	struct file_tree tree = opened(*state);
	int next = open("/dev/null", O_RDONLY | O_CLOEXEC); /* the only one that is left */
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	struct rlimit one_more = {.rlim_cur = (rlim_t)next + 1, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &one_more), 0);
	enum status status = file_tree_scan(&tree, &error);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_status(STATUS_FAILED, status, &error);
	assert_string_equal(error.message, "cannot read the folder sub: Too many open files");
	assert_ok(file_tree_scan(&tree, &error), &error);
	assert_int_equal(tree.count, 2);
	file_tree_close(&tree);
}

static void a_name_that_is_shown_twice_counts_once(void **state)
{
	struct error error;
	write_file(at(*state, "a"), "");
	write_file(at(*state, "b"), "");
	struct file_tree tree = opened(*state);
	shown_twice = true;
	enum status status = file_tree_scan(&tree, &error);
	shown_twice = false;
	assert_ok(status, &error);
	assert_int_equal(tree.count, 3); /* with the folder itself */
	assert_string_equal(tree.files[1]->name, "a");
	assert_string_equal(tree.files[2]->name, "b");
	file_tree_close(&tree);
}

/* openat2 is answered with `number` from now on, in this process. */
static bool forbid_openat2(unsigned number)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | number),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void where_there_is_no_openat2_a_folder_is_scanned_all_the_same(void **state)
{
	enum { NO_FILTER = 3 };
	static const unsigned numbers[] = {ENOSYS, EPERM};
	make_folder(at(*state, "sub"));
	write_file(at(*state, "sub/file"), "");
	for (size_t i = 0; i < 2; i++) {
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			struct error error;
			struct file_tree tree;
			if (!forbid_openat2(numbers[i])) {
				_exit(NO_FILTER);
			}
			bool whole = file_tree_open(&tree, *state, ".none", &error) == STATUS_OK &&
						 file_tree_scan(&tree, &error) == STATUS_OK && tree.count == 3;
			_exit(whole ? 0 : 1);
		}
		int result = 0;
		assert_int_equal(waitpid(child, &result, 0), child);
		if (WIFEXITED(result) && WEXITSTATUS(result) == NO_FILTER) {
			skip();
		}
		assert_int_equal(result, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(folders_may_be_512_deep_and_no_deeper),
		scratch_test(a_path_that_is_too_long_is_refused),
		scratch_test(what_lies_on_another_file_system_is_refused),
		scratch_test(a_folder_that_cannot_be_opened_is_a_failure),
		scratch_test(a_name_that_is_shown_twice_counts_once),
		scratch_test(where_there_is_no_openat2_a_folder_is_scanned_all_the_same),
	};
	return cmocka_run_group_tests_name("file_tree", tests, NULL, NULL);
}
