/*
 * The journals of a window and of a restore, with their Nth allocation, write, flush, rename, opening or removal
 * failing, and with no process or pipe to be had: a journal that is there is whole, and who cannot have one pauses
 * nothing.
 */
#include "faults_support.h"
#include "runtime_support.h"

#include "snapshot/journal.h"
#include "snapshot/moment.h"
#include "snapshot/window.h"
#include "transaction/restore_journal.h"

static char path[PATH_MAX];

/* --- of a window -------------------------------------------------------------------------------------------------- */

static struct fake_engine *engine;
static struct runtime *runtime;

static void prepare_engine(const char *folder)
{
	engine = fake_engine();
	runtime = fake_runtime(engine);
	snprintf(path, sizeof path, "%s/" JOURNAL_NAME, folder);
	write_file(at(folder, JOURNAL_NAME ".new"), "left by an earlier run");
}

static void free_engine(void)
{
	runtime_free(runtime);
	assert_int_equal(munmap(engine, sizeof *engine), 0);
}

static enum status pause_and_thaw(const char *folder, struct error *error)
{
	(void)folder;
	struct window *window = NULL;
	const struct window_plan plan = {.runtime = runtime,
									 .engine = "unix:///engine",
									 .journal = path,
									 .containers = fake_containers(),
									 .count = 2,
									 .longest_seconds = 3600};
	enum status status = window_open(&plan, &window, error);
	if (status != STATUS_OK) {
		return status;
	}
	status = window_pause(window, plan.containers[0], error);
	if (status == STATUS_OK) {
		status = window_pause(window, plan.containers[1], error);
	}
	if (status != STATUS_OK) {
		window_abandon(window);
		return status;
	}
	return window_close(window, NULL, error);
}

/* A journal that could not be removed, with all thawed, is healed by the next run. */
static void judge_window(const char *folder, enum status status)
{
	struct error error;
	CLEANUP(cleanup_journal) struct journal *journal = NULL;
	CLEANUP(cleanup_free) char *thawed = NULL;
	assert_string_equal(engine->log, status == STATUS_OK ? "+a+b-b-a" : "");
	assert_false(fake_any_paused(engine));
	assert_ok(journal_take(path, &journal, &error), &error); /* nobody holds it */
	if (journal != NULL) {
		assert_int_equal(journal->count, 2);
		assert_ok(journal_heal(journal, runtime, &thawed, &error), &error);
		assert_string_equal(thawed, "");
	}
	engine->log[0] = '\0';
	assert_ok(pause_and_thaw(folder, &error), &error);
	assert_string_equal(engine->log, "+a+b-b-a");
	free_engine();
}

static void a_window_that_cannot_be_opened_has_paused_nothing(void **state)
{
	const struct work work = {prepare_engine, pause_and_thaw, judge_window};
	each_fault(*state, &work);
	assert_true(each_nth(*state, &work, FAULT_MEMORY, false, 1) > 0);
}

/* No process or pipe: its journal would be taken for that of a run that was killed. */
static void judge_no_guardian(const char *folder, enum status status)
{
	assert_false(exists(path));
	judge_window(folder, status);
}

static void without_a_guardian_there_is_no_window(void **state)
{
	const struct work work = {prepare_engine, pause_and_thaw, judge_no_guardian};
	assert_true(each_nth(*state, &work, FAULT_SCARCE, false, 1) >= 3); /* a lock, a pipe and a process */
}

/* The writers alone, as where no store is to be paused. */
static enum status take_moment(const char *folder, struct error *error)
{
	(void)folder;
	struct moment moment;
	const struct moment_request request = {.runtime = runtime,
										   .engine = "unix:///engine",
										   .journal = path,
										   .writers = fake_containers(),
										   .writer_count = 2,
										   .longest_seconds = 3600};
	return moment_take(&request, NULL, 0, NULL, &moment, error);
}

static void judge_moment(const char *folder, enum status status)
{
	(void)folder;
	assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
	assert_string_equal(engine->log, status == STATUS_OK ? "+a+b-b-a" : "");
	assert_false(exists(path));
	free_engine();
}

static void a_moment_for_which_there_is_no_memory_pauses_nothing(void **state)
{
	const struct work work = {prepare_engine, take_moment, judge_moment};
	assert_true(each_nth(*state, &work, FAULT_MEMORY, false, 1) > 2);
}

static void leave_paused(const char *folder)
{
	prepare_engine(folder);
	write_file(path, "{\"format\": 1, \"boot\": \"\", \"engine\": \"unix:///engine\", \"containers\": "
					 "[{\"id\": \"a\", \"name\": \"name-a\"}, {\"id\": \"b\", \"name\": \"name-b\"}]}");
	engine->states[0] = engine->states[1] = CONTAINER_PAUSED;
}

static enum status take_and_count(const char *folder, struct error *error)
{
	(void)folder;
	CLEANUP(cleanup_journal) struct journal *journal = NULL;
	enum status status = journal_take(path, &journal, error);
	return unless_wrong(status, journal != NULL && journal->count == 2, error);
}

static void judge_taking(const char *folder, enum status status)
{
	(void)folder;
	assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
	free_engine();
}

static void nobody_is_left_paused_for_a_lack_of_memory(void **state)
{
	const struct work work = {leave_paused, take_and_count, judge_taking};
	each_lack_of_json(*state, &work, 1);
}

static void a_window_that_cannot_be_noted_where_json_gets_no_memory_at_all_is_not_opened(void **state)
{
	const struct work work = {prepare_engine, pause_and_thaw, judge_window};
	each_lack_of_json(*state, &work, 1);
}

static enum status heal(const char *folder, struct error *error)
{
	(void)folder;
	CLEANUP(cleanup_journal) struct journal *journal = NULL;
	CLEANUP(cleanup_free) char *thawed = NULL;
	enum status status = journal_take(path, &journal, error);
	if (status == STATUS_OK) {
		status = journal_heal(journal, runtime, &thawed, error);
	}
	bool wrong = status == STATUS_OK && strcmp(thawed, "name-a, name-b") != 0;
	return blame(status, wrong, "it is not told who was thawed", error);
}

static void judge_healing(const char *folder, enum status status)
{
	(void)folder;
	assert_int_not_equal(status, STATUS_CONFLICT);
	assert_true(exists(path) || !fake_any_paused(engine));
	assert_true(status != STATUS_OK || !exists(path));
	free_engine();
}

static void a_journal_stays_until_all_is_thawed(void **state)
{
	const struct work work = {leave_paused, heal, judge_healing};
	each_fault(*state, &work);
	assert_true(each_nth(*state, &work, FAULT_MEMORY, false, 1) > 0);
}

/* --- of a restore ------------------------------------------------------------------------------------------------- */

static void prepare_restore(const char *folder)
{
	snprintf(path, sizeof path, "%s/" RESTORE_JOURNAL_NAME, folder);
	write_file(at(folder, RESTORE_JOURNAL_NAME ".new"), "left by an earlier run");
}

static struct restore_journal *new_journal(struct error *error)
{
	CLEANUP(cleanup_restore_journal) struct restore_journal *journal = calloc(1, sizeof *journal);
	if (journal == NULL) {
		(void)error_memory(error);
		return NULL;
	}
	bool added = restore_journal_add(journal, "redis", "6f", "{}", error) == STATUS_OK &&
				 restore_journal_add(journal, "neo4j", "7f", "{}", error) == STATUS_OK;
	return added ? MOVE(journal) : NULL;
}

static enum status restore(struct error *error)
{
	CLEANUP(cleanup_restore_journal) struct restore_journal *journal = new_journal(error);
	enum status status = journal != NULL ? restore_journal_begin(journal, path, "unix:///engine", "whisperengine",
																 "20240912_143022", error)
										 : error->status;
	if (status == STATUS_OK) {
		status = restore_journal_note(journal, RESTORE_JOURNAL_SWAPPING, "neo4j", error);
	}
	if (status == STATUS_OK) {
		status = restore_journal_note(journal, RESTORE_JOURNAL_COMMITTING, NULL, error);
	}
	return status;
}

static enum status begin_restore(const char *folder, struct error *error)
{
	(void)folder;
	return restore(error);
}

static void judge_restore(const char *folder, enum status status)
{
	(void)folder;
	struct error error;
	CLEANUP(cleanup_restore_journal) struct restore_journal *journal = NULL;
	assert_ok(restore_journal_take(path, &journal, &error), &error);
	assert_true(journal != NULL || status != STATUS_OK);
	if (journal != NULL) {
		assert_int_equal(journal->count, 2);
		assert_string_equal(journal->engine, "unix:///engine");
		assert_string_equal(journal->stores[1].container, "7f");
		assert_false(journal->stores[0].swapping);
		assert_int_equal(journal->committing, status == STATUS_OK);
		assert_true(journal->stores[1].swapping || !journal->committing);
		assert_ok(restore_journal_end(journal, &error), &error);
	}
	assert_ok(restore(&error), &error); /* what is left is not in the way of the next one */
}

static void a_restore_is_noted_with_all_its_stores(void **state)
{
	const struct work work = {prepare_restore, begin_restore, judge_restore};
	each_fault(*state, &work);
	assert_true(each_nth(*state, &work, FAULT_MEMORY, false, 1) > 0);
}

static void a_restore_is_noted_whole_where_json_gets_no_memory_at_all(void **state)
{
	const struct work work = {prepare_restore, begin_restore, judge_restore};
	each_lack_of_json(*state, &work, 1);
}

static void leave_journal(const char *folder)
{
	struct error error;
	prepare_restore(folder);
	assert_ok(restore(&error), &error);
}

static enum status end_restore(const char *folder, struct error *error)
{
	(void)folder;
	CLEANUP(cleanup_restore_journal) struct restore_journal *journal = NULL;
	enum status status = restore_journal_take(path, &journal, error);
	return status == STATUS_OK ? restore_journal_end(journal, error) : status;
}

static enum status read_restore(const char *folder, struct error *error)
{
	(void)folder;
	CLEANUP(cleanup_restore_journal) struct restore_journal *journal = NULL;
	enum status status = restore_journal_take(path, &journal, error);
	bool right = journal != NULL && journal->count == 2 && journal->committing && journal->stores[1].swapping;
	return unless_wrong(status, right, error);
}

static void judge_what_was_read(const char *folder, enum status status)
{
	assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
	judge_restore(folder, STATUS_OK); /* it is as it was */
}

static void what_a_restore_has_left_is_read_whole(void **state)
{
	const struct work work = {leave_journal, read_restore, judge_what_was_read};
	each_lack_of_json(*state, &work, 1);
}

static void judge_end(const char *folder, enum status status)
{
	(void)folder;
	assert_true(status != STATUS_OK || !exists(path));
	if (exists(path)) {
		judge_restore(folder, STATUS_OK); /* as it was */
	}
}

static void a_restore_that_has_ended_has_no_journal(void **state)
{
	const struct work work = {leave_journal, end_restore, judge_end};
	each_fault(*state, &work);
	assert_true(each_nth(*state, &work, FAULT_MEMORY, false, 1) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(a_window_that_cannot_be_opened_has_paused_nothing),
		scratch_test(without_a_guardian_there_is_no_window),
		scratch_test(a_moment_for_which_there_is_no_memory_pauses_nothing),
		scratch_test(a_journal_stays_until_all_is_thawed),
		scratch_test(a_restore_is_noted_with_all_its_stores),
		scratch_test(a_restore_that_has_ended_has_no_journal),
		scratch_test(a_window_that_cannot_be_noted_where_json_gets_no_memory_at_all_is_not_opened),
		scratch_test(nobody_is_left_paused_for_a_lack_of_memory),
		scratch_test(a_restore_is_noted_whole_where_json_gets_no_memory_at_all),
		scratch_test(what_a_restore_has_left_is_read_whole),
	};
	return cmocka_run_group_tests_name("faults_journals", tests, NULL, NULL);
}
