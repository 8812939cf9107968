/* snapshot/block_compare: which blocks of a file have changed since they were copied. */
#include "tar_support.h"

#include "snapshot/block_compare.h"

#include <dirent.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

enum { LARGE_BLOCKS = 6, SMALL_BLOCKS = 2 };

static bool file_system_clones(const char *scratch)
{
	int from = open(at(scratch, "src/large"), O_RDONLY | O_CLOEXEC);
	int to = open(at(scratch, "probe"), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	assert_true(from >= 0 && to >= 0);
	bool clones = ioctl(to, FICLONE, from) == 0;
	close(from);
	close(to);
	return clones;
}

/* Two files, neither of which is in an archive yet, as they are in the moment. */
static void look(const char *scratch, struct file_tree *tree, struct file **files, struct kept *kept)
{
	struct error error;
	make_folder(at(scratch, "src"));
	run_in(at(scratch, "src"), "head -c 6291456 /dev/urandom >large; head -c 2097152 /dev/urandom >small");
	assert_ok(file_tree_open(tree, at(scratch, "src"), ".none", &error), &error);
	assert_ok(file_tree_scan(tree, &error), &error);
	assert_int_equal(tree->count, 3); /* with the folder itself */
	files[0] = tree->files[1];
	files[1] = tree->files[2];
	assert_ok(block_compare(tree, files, 2, scratch, kept, &error), &error);
}

static void assert_aside(const struct kept *kept, size_t file, size_t block, const char *path)
{
	char expected[64];
	char found[64];
	const struct kept_block *aside = &kept->files[file].blocks[block];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(aside->what, KEPT_ASIDE);
	assert_int_equal(pread(fd, expected, sizeof expected, (off_t)block * TREE_BLOCK_SIZE), sizeof expected);
	assert_int_equal(pread(kept->aside, found, sizeof found, (off_t)aside->offset), sizeof found);
	assert_memory_equal(found, expected, sizeof found);
	close(fd);
}

static void what_is_new_is_put_aside_whole(void **state)
{
	struct error error;
	struct file_tree tree;
	struct file *files[2];
	struct kept kept;
	look(*state, &tree, files, &kept);
	assert_ok(block_compare_clones(&tree, &kept, &error), &error);
	assert_int_equal(kept.bytes, (LARGE_BLOCKS + SMALL_BLOCKS) * TREE_BLOCK_SIZE);
	for (size_t i = 0; i < LARGE_BLOCKS; i++) {
		assert_aside(&kept, 0, i, at(*state, "src/large"));
	}
	for (size_t i = 0; i < SMALL_BLOCKS; i++) {
		assert_aside(&kept, 1, i, at(*state, "src/small"));
	}
	kept_free(&kept);
	file_tree_close(&tree);
}

/* Of a large file nothing is read in the moment; what is written to it afterwards does not show. */
static void where_the_file_system_clones_a_large_file_is_not_read_in_the_moment(void **state)
{
	struct error error;
	struct file_tree tree;
	struct file *files[2];
	struct kept kept;
	look(*state, &tree, files, &kept);
	if (!file_system_clones(*state)) {
		kept_free(&kept);
		file_tree_close(&tree);
		skip();
	}
	assert_int_equal(kept.clones, 1);
	assert_int_equal(kept.bytes, SMALL_BLOCKS * TREE_BLOCK_SIZE);
	run_in(*state, "cp src/large then; head -c 6291456 /dev/urandom | dd of=src/large conv=notrunc status=none");
	assert_ok(block_compare_clones(&tree, &kept, &error), &error);
	assert_int_equal(kept.bytes, (LARGE_BLOCKS + SMALL_BLOCKS) * TREE_BLOCK_SIZE);
	for (size_t i = 0; i < LARGE_BLOCKS; i++) {
		assert_aside(&kept, 0, i, at(*state, "then"));
	}
	kept_free(&kept);
	file_tree_close(&tree);
}

static void where_it_does_not_all_is_read_in_the_moment(void **state)
{
	struct file_tree tree;
	struct file *files[2];
	struct kept kept;
	look(*state, &tree, files, &kept);
	bool clones = file_system_clones(*state);
	size_t cloned = kept.clones;
	uint64_t bytes = kept.bytes;
	kept_free(&kept);
	file_tree_close(&tree);
	if (clones) {
		skip();
	}
	assert_int_equal(cloned, 0);
	assert_int_equal(bytes, (LARGE_BLOCKS + SMALL_BLOCKS) * TREE_BLOCK_SIZE);
}

/* What is missing is told by its stat, which is read again afterwards. */
static void a_file_that_has_become_shorter_is_read_as_zeros(void **state)
{
	struct error error;
	char bytes[100];
	const char zeros[90] = {0};
	size_t length = 0;
	bool hole = true;
	write_file(at(*state, "short"), "0123456789");
	CLEANUP(cleanup_close) int fd = open(at(*state, "short"), O_RDONLY | O_CLOEXEC);
	memset(bytes, 'x', sizeof bytes);
	assert_ok(block_read(fd, "short", sizeof bytes, 0, bytes, &length, &hole, &error), &error);
	assert_int_equal(length, sizeof bytes);
	assert_false(hole);
	assert_memory_equal(bytes, "0123456789", 10);
	assert_memory_equal(bytes + 10, zeros, sizeof zeros);
}

/* Of this process; that of the folder in which they stand is counted each time. */
static size_t open_files(void)
{
	DIR *folder = opendir("/proc/self/fd");
	size_t number = 0;
	assert_non_null(folder);
	while (readdir(folder) != NULL) {
		number++;
	}
	closedir(folder);
	return number;
}

static void a_file_that_cannot_be_opened_in_the_moment_is_a_failure(void **state)
{
	struct error error;
	struct file_tree tree;
	struct file *files[2];
	struct kept kept;
	look(*state, &tree, files, &kept);
	kept_free(&kept);
	size_t before = open_files();
	run_in(*state, "rm src/small");
	assert_status(STATUS_FAILED, block_compare(&tree, files, 2, *state, &kept, &error), &error);
	assert_string_equal(error.message, "cannot read small: No such file or directory");
	assert_int_equal(open_files(), before);
	file_tree_close(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(what_is_new_is_put_aside_whole),
		scratch_test(a_file_that_has_become_shorter_is_read_as_zeros),
		scratch_test(a_file_that_cannot_be_opened_in_the_moment_is_a_failure),
		scratch_test(where_the_file_system_clones_a_large_file_is_not_read_in_the_moment),
		scratch_test(where_it_does_not_all_is_read_in_the_moment),
	};
	return cmocka_run_group_tests_name("block_compare", tests, NULL, NULL);
}
