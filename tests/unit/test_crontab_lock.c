/* schedule/crontab_lock: who may change the crontab, in a folder that others write to as well. */
#include "support.h"
#include "time_support.h"

#include "schedule/crontab_lock.h"

#include <sys/file.h>

static const char
	*to_remove; /* once, between the opening of the file and its lock: as if another let go of it just then */

int flock(int fd, int operation)
{
	if (to_remove != NULL) {
		assert_int_equal(unlink(to_remove), 0);
		to_remove = NULL;
	}
	return (int)syscall(SYS_flock, fd, operation);
}

static const char *lock_in(const char *folder)
{
	char name[64];
	snprintf(name, sizeof name, "whisperbackup-crontab-%u.lock", (unsigned)getuid());
	return at(folder, name);
}

static void take(const char *folder, struct crontab_lock *ret_lock)
{
	struct error error;
	*ret_lock = CRONTAB_LOCK_INIT;
	assert_ok(crontab_lock_take(folder, ret_lock, &error), &error);
	assert_true(exists(lock_in(folder)));
}

static void assert_refused(const char *folder, enum status status, const char *part)
{
	struct error error;
	struct crontab_lock lock = CRONTAB_LOCK_INIT;
	assert_status(status, crontab_lock_take(folder, &lock, &error), &error);
	assert_int_equal(lock.fd, -1);
	assert_non_null(strstr(error.message, part));
	assert_true(error.hint[0] != '\0');
}

static void one_at_a_time_and_the_other_is_waited_for_so_long(void **state)
{
	struct crontab_lock lock;
	take(*state, &lock);
	long long before = time_slept;
	assert_refused(*state, STATUS_LOCKED, "another change of your crontab is at work");
	assert_in_range((time_slept - before) / TIME_BILLION, CRONTAB_LOCK_SECONDS - 1, CRONTAB_LOCK_SECONDS + 1);
	crontab_lock_release(&lock);
	take(*state, &lock);
	crontab_lock_release(&lock);
}

static void the_file_goes_with_the_lock(void **state)
{
	struct crontab_lock lock;
	take(*state, &lock);
	crontab_lock_release(&lock);
	assert_false(exists(lock_in(*state)));
	crontab_lock_release(&lock);
}

static void what_a_killed_one_has_left_is_no_lock(void **state)
{
	struct crontab_lock lock;
	write_file(lock_in(*state), "");
	take(*state, &lock);
	crontab_lock_release(&lock);
	assert_false(exists(lock_in(*state)));
}

/* It would be a lock on what nobody else can find. */
static void a_file_that_is_removed_before_it_is_locked_is_made_anew(void **state)
{
	struct crontab_lock lock;
	char *path = strdup(lock_in(*state));
	to_remove = path;
	take(*state, &lock);
	assert_null(to_remove);
	assert_refused(*state, STATUS_LOCKED, "another change");
	crontab_lock_release(&lock);
	free(path);
}

static void a_symbolic_link_is_not_followed(void **state)
{
	char *target = strdup(at(*state, "target"));
	assert_int_equal(symlink(target, lock_in(*state)), 0);
	assert_refused(*state, STATUS_FAILED, "cannot lock your crontab");
	assert_false(exists(target));
	free(target);
}

static void a_pipe_is_refused_and_not_waited_for(void **state)
{
	assert_int_equal(mkfifo(lock_in(*state), 0600), 0);
	assert_refused(*state, STATUS_FAILED, "is not a file of yours");
}

static void a_file_of_somebody_elses_is_refused(void **state)
{
	if (geteuid() != 0) {
		print_message("# SKIPPED: only root can give a file away\n");
		skip();
	}
	write_file(lock_in(*state), "");
	assert_int_equal(chown(lock_in(*state), 65534, 65534), 0);
	assert_refused(*state, STATUS_FAILED, "is not a file of yours");
	assert_true(exists(lock_in(*state)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(one_at_a_time_and_the_other_is_waited_for_so_long),
		scratch_test(the_file_goes_with_the_lock),
		scratch_test(what_a_killed_one_has_left_is_no_lock),
		scratch_test(a_file_that_is_removed_before_it_is_locked_is_made_anew),
		scratch_test(a_symbolic_link_is_not_followed),
		scratch_test(a_pipe_is_refused_and_not_waited_for),
		scratch_test(a_file_of_somebody_elses_is_refused),
	};
	return cmocka_run_group_tests_name("crontab_lock", tests, NULL, NULL);
}
