/* catalog: who may change it, and how backups come and go. */
#include "catalog_support.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

/* --- the lock ----------------------------------------------------------------------------------------------------- */

static void the_lock_makes_the_folder(void **state)
{
	struct error error;
	int lock = -1;
	assert_ok(catalog_lock(at(*state, "a/backups"), &lock, &error), &error);
	catalog_unlock(&lock);
	assert_int_equal(attributes_of(at(*state, "a/backups")).st_mode & 07777, 0700);
}

static void a_second_lock_is_refused(void **state)
{
	struct error error;
	int lock = -1;
	int second = -1;
	assert_ok(catalog_lock(*state, &lock, &error), &error);
	enum status status = catalog_lock(*state, &second, &error);
	catalog_unlock(&lock);
	assert_status(STATUS_LOCKED, status, &error);
}

static void a_lock_of_another_process_is_respected(void **state)
{
	struct error error;
	int lock = -1;
	assert_ok(catalog_lock(*state, &lock, &error), &error);
	fflush(NULL);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int second = -1;
		close(lock);
		_exit(catalog_lock(*state, &second, &error) == STATUS_LOCKED ? 0 : 1);
	}
	int result = 0;
	assert_int_equal(waitpid(child, &result, 0), child);
	catalog_unlock(&lock);
	assert_int_equal(result, 0);
}

static void the_lock_can_be_taken_again_after_unlocking(void **state)
{
	struct error error;
	int lock = -1;
	assert_ok(catalog_lock(*state, &lock, &error), &error);
	catalog_unlock(&lock);
	assert_ok(catalog_lock(*state, &lock, &error), &error);
	catalog_unlock(&lock);
}

static void the_lock_ends_with_its_process(void **state)
{
	struct error error;
	int lock = -1;
	fflush(NULL);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int taken = -1;
		_exit(catalog_lock(*state, &taken, &error) == STATUS_OK ? 0 : 1);
	}
	int result = 0;
	assert_int_equal(waitpid(child, &result, 0), child);
	assert_int_equal(result, 0);
	assert_ok(catalog_lock(*state, &lock, &error), &error);
	catalog_unlock(&lock);
}

static void a_lock_in_a_path_that_is_a_file_is_refused_with_a_hint(void **state)
{
	struct error error;
	int lock = -1;
	write_file(at(*state, "file"), "x");
	assert_status(STATUS_FAILED, catalog_lock(at(*state, "file"), &lock, &error), &error);
	assert_non_null(strstr(error.hint, "BACKUP_DIR"));
}

static void make_leftovers(const char *catalog)
{
	shell_ok("cd '%s' && mkdir -p .partial-20240912_143022/sub .removing-20240912_143022 && "
			 "touch .partial-20240912_143022/sub/f .removing-20240912_143022/f",
			 catalog);
}

static void the_lock_removes_what_dead_runs_have_left(void **state)
{
	struct error error;
	int lock = -1;
	make_leftovers(*state);
	assert_ok(catalog_lock(*state, &lock, &error), &error);
	catalog_unlock(&lock);
	assert_false(exists(at(*state, ".partial-20240912_143022")));
	assert_false(exists(at(*state, ".removing-20240912_143022")));
}

static void the_lock_removes_nothing_else(void **state)
{
	struct error error;
	int lock = -1;
	make_complete(*state, "20240912_143022");
	shell_ok("cd '%s' && mkdir other .partial .removed .partial-mine .removing-20241312_143022 && "
			 "touch notes.txt .partial_x .partial-file .partial-20240912_143022.iso",
			 (char *)*state);
	assert_ok(catalog_lock(*state, &lock, &error), &error);
	catalog_unlock(&lock);
	static const char *const kept[] = {"whisperengine_backup_20240912_143022/manifest.json",
									   "other",
									   ".partial",
									   ".removed",
									   "notes.txt",
									   ".partial_x",
									   ".partial-mine",
									   ".partial-file",
									   ".partial-20240912_143022.iso",
									   ".removing-20241312_143022"};
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
		assert_true(exists(at(*state, kept[i])));
	}
}

static void the_lock_does_not_follow_a_symbolic_link_that_is_left(void **state)
{
	struct error error;
	int lock = -1;
	shell_ok(
		"cd '%s' && mkdir precious backups && touch precious/f && ln -s ../precious backups/.partial-20240912_143022",
		(char *)*state);
	assert_ok(catalog_lock(at(*state, "backups"), &lock, &error), &error);
	catalog_unlock(&lock);
	assert_true(exists(at(*state, "precious/f")));
}

/* The other run is still writing into its own. */
static void a_lock_that_is_refused_removes_nothing(void **state)
{
	struct error error;
	int lock = -1;
	int second = -1;
	assert_ok(catalog_lock(*state, &lock, &error), &error);
	make_leftovers(*state);
	enum status status = catalog_lock(*state, &second, &error);
	catalog_unlock(&lock);
	assert_status(STATUS_LOCKED, status, &error);
	assert_true(exists(at(*state, ".partial-20240912_143022/sub/f")));
}

/* --- drafts ------------------------------------------------------------------------------------------------------- */

static void a_draft_is_a_private_folder(void **state)
{
	struct error error;
	struct draft draft = {0};
	assert_ok(catalog_draft(*state, &draft, &error), &error);
	assert_int_equal(attributes_of(draft.path).st_mode, S_IFDIR | 0700);
	catalog_discard(&draft);
}

static void a_draft_is_not_listed(void **state)
{
	struct error error;
	struct draft draft = {0};
	assert_ok(catalog_draft(*state, &draft, &error), &error);
	write_file(at(draft.path, "redis_backup.rdb"), "x");
	assert_nothing_listed(*state);
	catalog_discard(&draft);
}

static void a_published_draft_is_listed(void **state)
{
	struct error error;
	struct draft draft = {0};
	assert_ok(catalog_draft(*state, &draft, &error), &error);
	write_file(at(draft.path, "redis_backup.rdb"), "x");
	assert_ok(catalog_publish(*state, &draft, &error), &error);
	assert_listed(*state, (const char *const[]){draft.timestamp, NULL});
	catalog_discard(&draft);
}

static void discarding_a_published_draft_keeps_the_backup(void **state)
{
	struct error error;
	struct draft draft = {0};
	assert_ok(catalog_draft(*state, &draft, &error), &error);
	write_file(at(draft.path, "redis_backup.rdb"), "x");
	assert_ok(catalog_publish(*state, &draft, &error), &error);
	const char *file = at(draft.final_path, "redis_backup.rdb");
	catalog_discard(&draft);
	assert_true(exists(file));
}

static void a_discarded_draft_is_gone(void **state)
{
	struct error error;
	struct draft draft = {0};
	assert_ok(catalog_draft(*state, &draft, &error), &error);
	write_file(at(draft.path, "redis_backup.rdb"), "x");
	catalog_discard(&draft);
	char *left = shell(NULL, "ls -A '%s'", (char *)*state);
	assert_string_equal(left, "");
	free(left);
}

static void discarding_nothing_is_fine(void **state)
{
	(void)state;
	struct draft draft = {0};
	catalog_discard(&draft);
	assert_null(draft.path);
}

static void two_backups_of_one_second_get_two_names(void **state)
{
	struct error error;
	struct draft first = {0};
	struct draft second = {0};
	assert_ok(catalog_draft(*state, &first, &error), &error);
	assert_ok(catalog_publish(*state, &first, &error), &error);
	assert_ok(catalog_draft(*state, &second, &error), &error);
	assert_string_not_equal(first.timestamp, second.timestamp);
	catalog_discard(&first);
	catalog_discard(&second);
}

static void a_draft_does_not_replace_a_backup_of_its_name(void **state)
{
	struct error error;
	struct draft draft = {0};
	assert_ok(catalog_draft(*state, &draft, &error), &error);
	make_folder(draft.final_path);
	write_file(at(draft.final_path, "redis_backup.rdb"), "older");
	const char *file = at(draft.final_path, "redis_backup.rdb");
	enum status status = catalog_publish(*state, &draft, &error);
	catalog_discard(&draft);
	assert_status(STATUS_FAILED, status, &error);
	assert_file_is(file, "older");
}

/* --- removing ----------------------------------------------------------------------------------------------------- */

static void a_removed_backup_is_gone_with_all_its_files(void **state)
{
	struct error error;
	make_complete(*state, "20240912_143022");
	make_complete(*state, "20240913_000000");
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	assert_ok(catalog_remove(*state, backup, &error), &error);
	char *left = shell(NULL, "ls -A '%s'", (char *)*state);
	assert_string_equal(left, PREFIX "20240913_000000\n");
	free(left);
}

static void removing_works_over_what_an_earlier_removal_has_left(void **state)
{
	struct error error;
	make_complete(*state, "20240912_143022");
	make_folder(at(*state, ".removing-20240912_143022"));
	write_file(at(*state, ".removing-20240912_143022/f"), "x");
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	assert_ok(catalog_remove(*state, backup, &error), &error);
	char *left = shell(NULL, "ls -A '%s'", (char *)*state);
	assert_string_equal(left, "");
	free(left);
}

static void removing_what_has_gone_already_is_a_failure(void **state)
{
	struct error error;
	make_complete(*state, "20240912_143022");
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	shell_ok("rm -r '%s'", folder_of(*state, "20240912_143022"));
	assert_status(STATUS_FAILED, catalog_remove(*state, backup, &error), &error);
}

/* What is in the way is named, and nothing of the backup is gone. */
static void assert_kept(const char *catalog, enum status status, const struct error *error, const char *reason)
{
	char message[ERROR_MESSAGE_SIZE];
	snprintf(message, sizeof message, "cannot remove %s: %s", folder_of(catalog, "20240912_143022"), reason);
	assert_status(STATUS_FAILED, status, error);
	assert_string_equal(error->message, message);
	assert_memory_equal(error->hint, "nothing of the backup was removed; ", 35);
	shell_ok("test $(ls '%s' | wc -l) -ge 5", folder_of(catalog, "20240912_143022"));
}

static void a_backup_that_cannot_be_looked_through_now_is_kept(void **state)
{
	struct error error;
	struct rlimit before;
	make_complete(*state, "20240912_143022");
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	int free_one = dup(STDIN_FILENO);
	close(free_one);
	const struct rlimit no_more = {.rlim_cur = (rlim_t)free_one, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &no_more), 0);
	enum status status = catalog_remove(*state, backup, &error);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_kept(*state, status, &error, "Too many open files");
}

static void a_backup_of_somebody_else_is_kept(void **state)
{
	struct error error;
	if (geteuid() != 0) {
		skip();
	}
	make_complete(*state, "20240912_143022");
	CLEANUP(cleanup_backup) struct backup *backup = found(*state, "20240912_143022");
	assert_int_equal(chmod(*state, 0755), 0);
	assert_int_equal(chmod(backup->path, 0700), 0);
	assert_int_equal(seteuid(65534), 0);
	enum status status = catalog_remove(*state, backup, &error);
	assert_int_equal(seteuid(0), 0);
	assert_kept(*state, status, &error, "Operation not permitted");
}

enum { NOT_ALLOWED = 77 };

/* In mount and user namespaces of its own, which end with the child. `folder` is what is mounted; NULL: a tmpfs. */
static int remove_with_a_mount(const char *catalog, const struct backup *backup, const char *mounted,
							   const char *folder)
{
	struct error error;
	if (unshare(CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER)) != 0 ||
		mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
		mount(folder != NULL ? folder : "none", mounted, "tmpfs", folder != NULL ? MS_BIND : 0, NULL) != 0) {
		return NOT_ALLOWED;
	}
	write_file(at(mounted, "of somebody"), "x");
	enum status status = catalog_remove(catalog, backup, &error);
	assert_kept(catalog, status, &error, "Device or resource busy, at ./mounted");
	assert_file_is(at(mounted, "of somebody"), "x");
	return 0;
}

static void assert_mount_is_kept(const char *catalog, const char *folder)
{
	int result = 0;
	make_complete(catalog, "20240912_143022");
	CLEANUP(cleanup_backup) struct backup *backup = found(catalog, "20240912_143022");
	make_folder(at(backup->path, "mounted"));
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		_exit(remove_with_a_mount(catalog, backup, at(backup->path, "mounted"), folder));
	}
	assert_int_equal(waitpid(child, &result, 0), child);
	if (WIFEXITED(result) && WEXITSTATUS(result) == NOT_ALLOWED) {
		skip();
	}
	assert_int_equal(result, 0);
}

static void a_backup_in_which_something_is_mounted_is_kept(void **state)
{
	assert_mount_is_kept(*state, NULL);
}

static void a_backup_in_which_a_folder_of_the_same_disk_is_mounted_is_kept(void **state)
{
	make_folder(at(*state, "precious"));
	assert_mount_is_kept(*state, at(*state, "precious"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(the_lock_makes_the_folder),
		scratch_test(a_second_lock_is_refused),
		scratch_test(a_lock_of_another_process_is_respected),
		scratch_test(the_lock_can_be_taken_again_after_unlocking),
		scratch_test(the_lock_ends_with_its_process),
		scratch_test(a_lock_in_a_path_that_is_a_file_is_refused_with_a_hint),
		scratch_test(the_lock_removes_what_dead_runs_have_left),
		scratch_test(the_lock_removes_nothing_else),
		scratch_test(the_lock_does_not_follow_a_symbolic_link_that_is_left),
		scratch_test(a_lock_that_is_refused_removes_nothing),
		scratch_test(a_draft_is_a_private_folder),
		scratch_test(a_draft_is_not_listed),
		scratch_test(a_published_draft_is_listed),
		scratch_test(discarding_a_published_draft_keeps_the_backup),
		scratch_test(a_discarded_draft_is_gone),
		scratch_test(discarding_nothing_is_fine),
		scratch_test(two_backups_of_one_second_get_two_names),
		scratch_test(a_draft_does_not_replace_a_backup_of_its_name),
		scratch_test(a_removed_backup_is_gone_with_all_its_files),
		scratch_test(removing_works_over_what_an_earlier_removal_has_left),
		scratch_test(removing_what_has_gone_already_is_a_failure),
		scratch_test(a_backup_that_cannot_be_looked_through_now_is_kept),
		scratch_test(a_backup_of_somebody_else_is_kept),
		scratch_test(a_backup_in_which_something_is_mounted_is_kept),
		scratch_test(a_backup_in_which_a_folder_of_the_same_disk_is_mounted_is_kept),
	};
	return cmocka_run_group_tests_name("catalog changes", tests, NULL, NULL);
}
