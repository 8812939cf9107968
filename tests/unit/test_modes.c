/* What is made in the folder of the backups is for its owner only by itself, and not by the umask of the program alone.
 */
#include "support.h"

#include "catalog/catalog.h"
#include "catalog/drill_journal.h"
#include "schedule/run_log.h"
#include "snapshot/archive_draft.h"
#include "snapshot/journal.h"
#include "transaction/restore_journal.h"

static mode_t mode_before;

static int no_umask(void **state)
{
	mode_before = umask(0);
	return scratch_setup(state);
}

static int as_before(void **state)
{
	umask(mode_before);
	return scratch_teardown(state);
}

static void assert_private(void *folder, const char *name, mode_t mode)
{
	assert_int_equal(attributes_of(at(folder, name)).st_mode & 07777, mode);
}

static void locks(void **state)
{
	struct error error = {0};
	int lock = -1;
	int verify_lock = -1;
	int run_lock = -1;
	assert_ok(catalog_lock(*state, &lock, &error), &error);
	assert_ok(catalog_lock_verify(*state, &verify_lock, &error), &error);
	assert_ok(run_log_lock(*state, &run_lock, &error), &error);
	assert_private(*state, ".lock", 0600);
	assert_private(*state, ".verify.lock", 0600);
	assert_private(*state, RUN_LOCK_NAME, 0600);
	catalog_unlock(&lock);
	catalog_unlock(&verify_lock);
	cleanup_close(&run_lock);
}

static void logs(void **state)
{
	struct error error = {0};
	const struct last_run run = {.started = 1, .summary = "done"};
	int log = -1;
	assert_ok(run_log_open(*state, &log, &error), &error);
	assert_ok(run_log_write_last(*state, &run, &error), &error);
	assert_private(*state, RUN_LOG_NAME, 0600);
	assert_private(*state, RUN_LAST_RUN_NAME, 0600);
	cleanup_close(&log);
}

static void journals(void **state)
{
	struct error error = {0};
	char name[DRILL_NAME_SIZE];
	int fd = -1;
	struct restore_journal *journal = calloc(1, sizeof *journal);
	assert_non_null(journal);
	assert_ok(journal_write(at(*state, "window"), "", NULL, 0, &fd, &error), &error);
	assert_ok(restore_journal_begin(journal, at(*state, "restore"), "", "stack", "20240901_000000", &error), &error);
	assert_ok(drill_journal_write(*state, "", name, &error), &error);
	assert_private(*state, "window", 0600);
	assert_private(*state, "restore", 0600);
	free(shell(NULL, "find '%s' -type f -perm /0177 | { ! grep .; }", (const char *)*state));
	restore_journal_free(journal);
	cleanup_close(&fd);
}

static void drafts_of_backups_and_their_archives(void **state)
{
	struct error error = {0};
	struct draft draft = {0};
	struct archive_draft *archive = NULL;
	assert_ok(catalog_draft(*state, &draft, &error), &error);
	assert_int_equal(attributes_of(draft.path).st_mode & 07777, 0700);
	assert_ok(archive_draft_new(at(draft.path, "archive"), &archive, &error), &error);
	assert_private(draft.path, "archive", 0600);
	archive_draft_free(archive);
	catalog_discard(&draft);
}

#define private_test(function) cmocka_unit_test_setup_teardown(function, no_umask, as_before)

int main(void)
{
	const struct CMUnitTest tests[] = {
		private_test(locks),
		private_test(logs),
		private_test(journals),
		private_test(drafts_of_backups_and_their_archives),
	};
	return cmocka_run_group_tests_name("modes", tests, NULL, NULL);
}
