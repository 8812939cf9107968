/*
 * snapshot/folder_copy while the clock is set back: time stamps of what is written afterwards look old.
 *
 * The clock of this program alone is set, so files get their time stamps from the real one: what is ahead at first
 * comes back to it.
 */
#include "tar_support.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>

enum { HOUR = 3600 };

static time_t ahead;               /* seconds that our clock is ahead of the files' */
static volatile uint64_t *mapped;  /* written to right after the next flush */
static bool set_back_when_flushed; /* our clock, then */

int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
	int result = (int)syscall(SYS_clock_gettime, clock, ret_time);
	if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
		ret_time->tv_sec += ahead;
	}
	return result;
}

int syncfs(int fd)
{
	int result = (int)syscall(SYS_syncfs, fd);
	if (mapped != NULL) {
		++*mapped;
	}
	if (set_back_when_flushed) {
		ahead = 0;
	}
	return result;
}

static bool keeps_times_of_memory(const char *folder)
{
	struct statfs system;
	assert_int_equal(statfs(folder, &system), 0);
	return system.f_type != 0x01021994; /* TMPFS_MAGIC: there every file is compared */
}

/* A page is written to after the flush, copied, and written to again, which gives its file no other time stamp. */
static void assert_followed(const char *scratch)
{
	struct error error;
	struct folder_copy *copy = NULL;
	uint64_t bytes = 0;
	shell_ok("cd '%s' && mkdir src && head -c 4096 /dev/zero >src/mapped", scratch);
	int fd = open(at(scratch, "src/mapped"), O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(memory != MAP_FAILED);
	mapped = memory;
	assert_ok(folder_copy_of(at(scratch, "src"), "data", at(scratch, "archive.tar.gz"), &copy, &error), &error);
	assert_ok(folder_copy_catch_up(copy, NULL, &bytes, &error), &error);
	*mapped = UINT64_C(0x6c61737420776f72);
	mapped = NULL;
	(void)completed(copy);
	munmap(memory, 4096);
	close(fd);
	char *out =
		shell(NULL, "cd '%s' && mkdir out && tar xzf archive.tar.gz -C out && head -c 8 out/data/mapped", scratch);
	assert_memory_equal(out, "row tsal", 8);
	free(out);
}

static void what_is_written_through_memory_is_not_missed(void **state)
{
	assert_followed(*state);
}

static void what_is_written_through_memory_is_not_missed_when_the_clock_is_set_back(void **state)
{
	if (!keeps_times_of_memory(*state)) {
		skip();
	}
	ahead = HOUR;
	set_back_when_flushed = true;
	assert_followed(*state);
}

static int reset(void **state)
{
	ahead = 0;
	set_back_when_flushed = false;
	mapped = NULL;
	return scratch_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_written_through_memory_is_not_missed, scratch_setup, reset),
		cmocka_unit_test_setup_teardown(what_is_written_through_memory_is_not_missed_when_the_clock_is_set_back,
										scratch_setup, reset),
	};
	return cmocka_run_group_tests_name("folder_copy_clock", tests, NULL, NULL);
}
