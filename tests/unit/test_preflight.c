/* commands/preflight: which server is older than which, and disks of which nobody knows how full they are. */
#include "progress_support.h"
#include "support.h"

#include "commands/restore_work.h"

#include <sys/statvfs.h>

static bool disks_are_silent;

int statvfs(const char *path, struct statvfs *ret_disk)
{
	(void)path;
	*ret_disk = (struct statvfs){.f_bavail = 1 << 20, .f_frsize = 1 << 20};
	errno = EIO;
	return disks_are_silent ? -1 : 0;
}

static void an_older_server_is_told_by_its_numbers(void **state)
{
	(void)state;
	assert_true(preflight_is_older("6.2.14", "7.0.15", 2));
	assert_true(preflight_is_older("5.25.1", "5.26.0", 2));
	assert_true(preflight_is_older("0.5.23", "1.0.0", 2));
	assert_true(preflight_is_older("15.9", "16.0", 1));
	assert_false(preflight_is_older("7.0.15", "7.0.15", 2));
	assert_false(preflight_is_older("7.0.2", "7.0.15", 2));
	assert_false(preflight_is_older("7.10.0", "7.9.0", 2));
	assert_false(preflight_is_older("15.2", "15.18", 1));
	assert_false(preflight_is_older("2025.01.0", "5.26.0", 2));
}

static void a_version_that_nobody_knows_is_not_older(void **state)
{
	(void)state;
	assert_false(preflight_is_older("", "7.0.15", 2));
	assert_false(preflight_is_older("7.0.15", "", 2));
	assert_false(preflight_is_older("7", "7.1", 2));
	assert_false(preflight_is_older("unstable", "7.1", 2));
}

/* With a backup of the present state, of no store; returns the warning, lent. */
static const char *warning_of(const char *backup_folder)
{
	struct error error;
	CLEANUP(cleanup_free) char *folder = strdup(backup_folder);
	struct backup backup = {0};
	struct restore_work work = {
		.session = {.backup_folder = folder}, .display = {.progress = progress_kept, .quiet = true}, .backup = &backup};
	progress_warned[0] = '\0';
	assert_ok(preflight_run(&work, true, &error), &error);
	return progress_warned;
}

static void a_disk_with_room_is_not_warned_of(void **state)
{
	assert_string_equal(warning_of(*state), "");
}

static void a_disk_that_does_not_tell_its_room_is_warned_of(void **state)
{
	disks_are_silent = true;
	const char *warning = warning_of(*state);
	disks_are_silent = false;
	assert_non_null(strstr(warning, "it is not known whether there is room on the disk of "));
	assert_non_null(strstr(warning, ": Input/output error"));
}

static void a_disk_that_cannot_be_found_is_warned_of(void **state)
{
	const char *warning = warning_of(at(*state, "nothing"));
	assert_non_null(strstr(warning, "it is not known whether there is room on the disk of "));
}

static void backups_that_cannot_be_listed_are_warned_of(void **state)
{
	write_file(at(*state, "file"), "text");
	const char *warning = warning_of(at(*state, "file"));
	assert_non_null(strstr(warning, "it is not known how much room a backup of the present state needs: "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_older_server_is_told_by_its_numbers),
		cmocka_unit_test(a_version_that_nobody_knows_is_not_older),
		scratch_test(a_disk_with_room_is_not_warned_of),
		scratch_test(a_disk_that_does_not_tell_its_room_is_warned_of),
		scratch_test(a_disk_that_cannot_be_found_is_warned_of),
		scratch_test(backups_that_cannot_be_listed_are_warned_of),
	};
	return cmocka_run_group_tests_name("preflight", tests, NULL, NULL);
}
