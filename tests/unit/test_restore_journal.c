/* transaction/restore_journal: what a run that was killed has left tells what to do. */
#include "support.h"

#include "transaction/restore_journal.h"

#include <signal.h>
#include <sys/resource.h>

static const char *path_in(const char *folder)
{
	static char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/" RESTORE_JOURNAL_NAME, folder);
	return path;
}

static struct restore_journal *begun(const char *path)
{
	struct error error;
	struct restore_journal *journal = calloc(1, sizeof *journal);
	assert_non_null(journal);
	assert_ok(restore_journal_add(journal, "redis", "0a1b", "{\"folder\":\"/data\"}", &error), &error);
	assert_ok(restore_journal_add(journal, "postgresql", "2c3d", "", &error), &error);
	journal->volume_access = 2;
	assert_ok(restore_journal_begin(journal, path, "unix:///engine", "stack", "20240901_000000", &error), &error);
	return journal;
}

static void note(struct restore_journal *journal, const char *step)
{
	struct error error;
	assert_ok(restore_journal_note(journal, step, "redis", &error), &error);
}

static struct restore_journal *taken(const char *path)
{
	struct error error;
	struct restore_journal *journal = NULL;
	assert_ok(restore_journal_take(path, &journal, &error), &error);
	return journal;
}

static void append_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "ae");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void without_a_journal_there_is_nothing(void **state)
{
	assert_null(taken(path_in(*state)));
	assert_null(taken("/nonexistent/folder/" RESTORE_JOURNAL_NAME));
}

static void what_was_written_is_read(void **state)
{
	const char *path = path_in(*state);
	struct restore_journal *journal = begun(path);
	note(journal, RESTORE_JOURNAL_STAGING);
	note(journal, RESTORE_JOURNAL_SWAPPING);
	restore_journal_free(journal);
	journal = taken(path);
	assert_non_null(journal);
	assert_true(journal->stores[0].swapping);
	assert_false(journal->stores[1].swapping);
	assert_int_equal(journal->volume_access, 2);
	assert_string_equal(journal->engine, "unix:///engine");
	assert_string_equal(journal->project, "stack");
	assert_string_equal(journal->timestamp, "20240901_000000");
	assert_int_equal(journal->count, 2);
	assert_string_equal(journal->stores[0].name, "redis");
	assert_string_equal(journal->stores[0].container, "0a1b");
	assert_string_equal(journal->stores[0].memory, "{\"folder\":\"/data\"}");
	assert_string_equal(journal->stores[1].name, "postgresql");
	assert_false(journal->committing);
	restore_journal_free(journal);
}

static void a_store_that_is_back_need_not_be_stopped_again(void **state)
{
	struct error error;
	const char *path = path_in(*state);
	struct restore_journal *journal = begun(path);
	note(journal, RESTORE_JOURNAL_SWAPPING);
	assert_ok(restore_journal_note(journal, RESTORE_JOURNAL_SWAPPING, "postgresql", &error), &error);
	note(journal, RESTORE_JOURNAL_UNDONE);
	restore_journal_free(journal);
	journal = taken(path);
	assert_false(journal->stores[0].swapping);
	assert_true(journal->stores[1].swapping);
	restore_journal_free(journal);
}

static void the_decision_is_remembered(void **state)
{
	const char *path = path_in(*state);
	struct restore_journal *journal = begun(path);
	note(journal, RESTORE_JOURNAL_SWAPPING);
	note(journal, RESTORE_JOURNAL_COMMITTING);
	restore_journal_free(journal);
	journal = taken(path);
	assert_true(journal->committing);
	restore_journal_free(journal);
}

static void a_step_that_was_cut_off_has_not_begun(void **state)
{
	const char *path = path_in(*state);
	restore_journal_free(begun(path));
	append_text(path, "{\"step\":\"committing\"");
	struct restore_journal *journal = taken(path);
	assert_false(journal->committing);
	restore_journal_free(journal);
	append_text(path, "}"); /* all but its end */
	journal = taken(path);
	assert_false(journal->committing);
	restore_journal_free(journal);
}

static void a_rollback_after_a_decision_that_could_not_be_made_for_good_is_what_counts(void **state)
{
	const char *path = path_in(*state);
	struct restore_journal *journal = begun(path);
	note(journal, RESTORE_JOURNAL_COMMITTING);
	note(journal, RESTORE_JOURNAL_ROLLING_BACK);
	restore_journal_free(journal);
	journal = taken(path);
	assert_false(journal->committing);
	restore_journal_free(journal);
}

static void a_store_that_is_back_means_that_there_was_no_decision(void **state)
{
	const char *path = path_in(*state);
	struct restore_journal *journal = begun(path);
	note(journal, RESTORE_JOURNAL_COMMITTING);
	note(journal, RESTORE_JOURNAL_UNDONE);
	restore_journal_free(journal);
	journal = taken(path);
	assert_false(journal->committing);
	restore_journal_free(journal);
}

static void a_step_that_cannot_be_noted_is_not_found_noted(void **state)
{
	struct error error;
	const char *path = path_in(*state);
	struct rlimit before;
	struct restore_journal *journal = begun(path);
	off_t size = attributes_of(path).st_size;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	struct rlimit small = {.rlim_cur = (rlim_t)size + 10, .rlim_max = before.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	enum status status = restore_journal_note(journal, RESTORE_JOURNAL_COMMITTING, NULL, &error);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_not_equal(status, STATUS_OK);
	assert_int_equal(attributes_of(path).st_size, size);
	restore_journal_free(journal);
	journal = taken(path);
	assert_false(journal->committing);
	restore_journal_free(journal);
}

static void one_that_is_alive_is_left_alone(void **state)
{
	struct error error;
	const char *path = path_in(*state);
	struct restore_journal *journal = begun(path);
	struct restore_journal *other = NULL;
	assert_status(STATUS_LOCKED, restore_journal_take(path, &other, &error), &error);
	assert_ok(restore_journal_end(journal, &error), &error);
	restore_journal_free(journal);
	assert_null(taken(path));
}

static void one_that_makes_no_sense_is_refused(void **state)
{
	struct error error;
	const char *const texts[] = {"", "{", "{\"format\":1}\n", "{\"format\":2,\"engine\":\"\",\"project\":\"p\"}\n"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct restore_journal *journal = NULL;
		const char *path = path_in(*state);
		append_text(path, texts[i]);
		assert_status(STATUS_FAILED, restore_journal_take(path, &journal, &error), &error);
		assert_int_equal(unlink(path), 0);
	}
}

static void there_is_one_at_a_time(void **state)
{
	struct error error;
	const char *path = path_in(*state);
	restore_journal_free(begun(path));
	struct restore_journal *journal = calloc(1, sizeof *journal);
	assert_non_null(journal);
	assert_status(STATUS_FAILED, restore_journal_begin(journal, path, "", "stack", "20240901_000000", &error), &error);
	restore_journal_free(journal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(without_a_journal_there_is_nothing),
		scratch_test(what_was_written_is_read),
		scratch_test(a_store_that_is_back_need_not_be_stopped_again),
		scratch_test(the_decision_is_remembered),
		scratch_test(a_step_that_was_cut_off_has_not_begun),
		scratch_test(a_rollback_after_a_decision_that_could_not_be_made_for_good_is_what_counts),
		scratch_test(a_store_that_is_back_means_that_there_was_no_decision),
		scratch_test(a_step_that_cannot_be_noted_is_not_found_noted),
		scratch_test(one_that_is_alive_is_left_alone),
		scratch_test(one_that_makes_no_sense_is_refused),
		scratch_test(there_is_one_at_a_time),
	};
	return cmocka_run_group_tests_name("restore_journal", tests, NULL, NULL);
}
