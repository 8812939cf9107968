/*
 * What puts a backup back, without an engine, with its Nth allocation, write, flush, rename, opening, reading or
 * removal failing: the data is the old or the new, never some of each, and what a dead run has left is never misread.
 */
#include "attributes_support.h"
#include "faults_support.h"
#include "volume_support.h"

#include "catalog/drill_journal.h"
#include "snapshot/journal.h"
#include "transaction/folder_swap.h"
#include "transaction/restore_journal.h"

/* --- unpacking ---------------------------------------------------------------------------------------------------- */

static struct buffer tar = BUFFER_INIT(ARCHIVE_LIMIT); /* made once, and the same for all */
static char target[PATH_MAX];

static void make_archive(const char *scratch)
{
	make_source(scratch, "echo one >a; mkdir -p d/e; echo two >d/e/b; ln -s a l; ln a h; truncate -s 3M holes; "
						 "printf x | dd of=holes bs=1 seek=2200000 conv=notrunc status=none");
	tar = packed(at(scratch, "src"), "data");
}

static void prepare_target(const char *folder)
{
	snprintf(target, sizeof target, "%s/target", folder);
	make_folder(target);
}

static enum status unpack_archive(const char *folder, struct error *error)
{
	struct drip_source source = {.source = {.ops = &(const struct source_ops){.read = drip_read}},
								 .bytes = tar.data,
								 .left = tar.length,
								 .step = 100000};
	(void)folder;
	return tar_unpack(&source.source, "data", target, NULL, error);
}

static void judge_target(const char *folder, enum status status)
{
	if (status == STATUS_OK) {
		assert_same_trees(at(folder, "../src"), target);
	}
}

static void an_archive_is_unpacked_whole_or_it_is_said(void **state)
{
	const struct work work = {prepare_target, unpack_archive, judge_target};
	make_archive(*state);
	each_fault(*state, &work);
	buffer_free(&tar);
}

static bool with_lists;

/* What is inherited there must not pass for the list that was left out. */
static void prepare_target_with_heirs(const char *folder)
{
	prepare_target(folder);
	assert_true(!with_lists || give_list(target, DEFAULT, 999));
}

static void judge_attributes(const char *folder, enum status status)
{
	static const char *const names[] = {"file", "folder"};
	(void)folder;
	for (size_t i = 0; status == STATUS_OK && i < sizeof names / sizeof *names; i++) {
		assert_has_attributes(at(target, names[i]));
		if (with_lists) {
			assert_has_list(at(target, names[i]), ACCESS, 1234);
		}
	}
}

static void attributes_are_unpacked_or_it_is_said(void **state)
{
	const struct work work = {prepare_target_with_heirs, unpack_archive, judge_attributes};
	make_source(*state, "echo one >file; mkdir folder");
	if (!give_attributes(at(*state, "src/file"))) {
		skip();
	}
	assert_true(give_attributes(at(*state, "src/folder")));
	with_lists = give_list(at(*state, "src/file"), ACCESS, 1234) && give_list(at(*state, "src/folder"), ACCESS, 1234);
	tar = packed(at(*state, "src"), "data");
	assert_true(each_nth(*state, &work, FAULT_MEMORY, false, 1) > 50);
	buffer_free(&tar);
}

/* --- the swap ----------------------------------------------------------------------------------------------------- */

static void prepare_volume(const char *folder)
{
	snprintf(volume, sizeof volume, "%s/volume", folder);
	make_folder(volume);
	write_file(at(volume, "a"), "old");
	make_folder(at(volume, "d"));
	write_file(at(volume, "d/b"), "old");
}

static void make_new_data(const char *scratch)
{
	make_folder(at(scratch, "new"));
	write_file(at(scratch, "new/a"), "new");
	write_file(at(scratch, "new/c"), "new");
	tar = packed(at(scratch, "new"), "data");
}

static struct source *new_data(void)
{
	static const struct source_ops ops = {.read = drip_read, .free = drip_free};
	struct drip_source *source = calloc(1, sizeof *source);
	if (source != NULL) {
		*source = (struct drip_source){.source = {.ops = &ops}, .bytes = tar.data, .left = tar.length, .step = 100000};
	}
	return source != NULL ? &source->source : NULL;
}

static enum status stage_and_apply(struct folder_swap *swap, struct error *error)
{
	struct source *source = new_data();
	enum status status = source == NULL ? error_memory(error) : folder_swap_stage(swap, source, "data", NULL, error);
	return status == STATUS_OK ? folder_swap_apply(swap, error) : status;
}

/* Not rolled back: as if the run had died where it failed. */
static enum status swap_data(const char *folder, struct error *error)
{
	(void)folder;
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = NULL;
	enum status status = folder_swap_new(&runtime, &container, destination, NULL, &swap, error);
	if (status == STATUS_OK) {
		status = stage_and_apply(swap, error);
	}
	return status == STATUS_OK ? folder_swap_commit(swap, error) : status;
}

/* A failure does not end it: who rolls back may try again. */
static enum status swap_and_roll_back(const char *folder, struct error *error)
{
	(void)folder;
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = NULL;
	struct error ignored;
	enum status status = folder_swap_new(&runtime, &container, destination, NULL, &swap, error);
	if (status != STATUS_OK) {
		return status;
	}
	(void)!stage_and_apply(swap, &ignored);
	return folder_swap_rollback(swap, error);
}

static bool is_old(void)
{
	if (exists(at(volume, "c")) || !exists(at(volume, "d/b"))) {
		return false;
	}
	assert_file_is(at(volume, "a"), "old");
	assert_file_is(at(volume, "d/b"), "old");
	return true;
}

static void assert_new(void)
{
	assert_file_is(at(volume, "a"), "new");
	assert_file_is(at(volume, "c"), "new");
	assert_false(exists(at(volume, "d")));
}

/* What the next command does. */
static void heal(void)
{
	struct error error;
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = NULL;
	bool moved = false;
	assert_ok(folder_swap_new(&runtime, &container, destination, NULL, &swap, &error), &error);
	assert_ok(folder_swap_heal(swap, true, &moved, &error), &error);
	assert_false(exists(at(volume, ".whisperbackup-restore")));
}

static void judge_swap(const char *folder, enum status status)
{
	(void)folder;
	if (status == STATUS_OK) {
		assert_new();
		assert_false(exists(at(volume, ".whisperbackup-restore")));
	}
	heal();
	if (!is_old()) {
		assert_new();
	}
}

static void judge_rollback(const char *folder, enum status status)
{
	(void)folder;
	if (status == STATUS_OK) {
		assert_true(is_old());
		assert_false(exists(at(volume, ".whisperbackup-restore")));
	}
	heal();
	if (!is_old()) {
		assert_new();
	}
}

static void need_root(void)
{
	if (geteuid() != 0) {
		skip();
	}
}

static void a_folder_that_is_swapped_holds_the_old_or_the_new_data(void **state)
{
	need_root();
	const struct work work = {prepare_volume, swap_data, judge_swap};
	make_new_data(*state);
	each_fault(*state, &work);
	buffer_free(&tar);
}

static void a_rollback_that_says_so_has_brought_the_old_data_back(void **state)
{
	need_root();
	const struct work work = {prepare_volume, swap_and_roll_back, judge_rollback};
	make_new_data(*state);
	each_fault(*state, &work);
	buffer_free(&tar);
}

/* --- journals that a dead run has left ---------------------------------------------------------------------------- */

static char journal_path[PATH_MAX];

static void prepare_restore_journal(const char *folder)
{
	snprintf(journal_path, sizeof journal_path, "%s/" RESTORE_JOURNAL_NAME, folder);
	write_file(journal_path, "{\"format\":1,\"engine\":\"unix:///engine\",\"project\":\"p\",\"volume_access\":0,"
							 "\"timestamp\":\"20240901_000000\",\"stores\":[{\"name\":\"redis\",\"container\":\"6f\","
							 "\"memory\":\"{}\"}]}\n{\"step\":\"staging\",\"store\":\"redis\"}\n"
							 "{\"step\":\"swapping\",\"store\":\"redis\"}\n{\"step\":\"committing\"}\n");
}

/* What a child has read is judged by it: STATUS_CONFLICT is no status of reading. */
static enum status unless_misread(enum status status, bool misread, struct error *error)
{
	return status == STATUS_OK && misread ? error_set(error, STATUS_CONFLICT, "it is misread") : status;
}

static enum status read_restore_journal(const char *folder, struct error *error)
{
	(void)folder;
	CLEANUP(cleanup_restore_journal) struct restore_journal *journal = NULL;
	enum status status = restore_journal_take(journal_path, &journal, error);
	bool misread = journal == NULL || !journal->committing || journal->count != 1 || !journal->stores[0].swapping ||
				   strcmp(journal->engine, "unix:///engine") != 0;
	return unless_misread(status, misread, error);
}

static void judge_reading(const char *folder, enum status status)
{
	(void)folder;
	assert_int_not_equal(status, STATUS_CONFLICT);
	assert_true(exists(journal_path));
}

static void a_journal_of_a_restore_is_never_misread(void **state)
{
	const struct work work = {prepare_restore_journal, read_restore_journal, judge_reading};
	each_fault(*state, &work);
}

static void prepare_window_journal(const char *folder)
{
	snprintf(journal_path, sizeof journal_path, "%s/" JOURNAL_NAME, folder);
	write_file(journal_path, "{\"format\": 1, \"boot\": \"\", \"engine\": \"unix:///engine\", \"containers\": "
							 "[{\"id\": \"6f\", \"name\": \"one\"}, {\"id\": \"7f\", \"name\": \"two\"}]}");
}

static enum status read_window_journal(const char *folder, struct error *error)
{
	(void)folder;
	CLEANUP(cleanup_journal) struct journal *journal = NULL;
	enum status status = journal_take(journal_path, &journal, error);
	bool misread = journal == NULL || journal->count != 2 || strcmp(journal->ids[1], "7f") != 0 ||
				   strcmp(journal->engine, "unix:///engine") != 0;
	return unless_misread(status, misread, error);
}

static void a_journal_of_a_window_is_never_misread(void **state)
{
	const struct work work = {prepare_window_journal, read_window_journal, judge_reading};
	each_fault(*state, &work);
}

static void prepare_drill_journal(const char *folder)
{
	snprintf(journal_path, sizeof journal_path, "%s/.drill.json", folder);
	write_file(journal_path, "{\"format\": 1, \"engine\": \"unix:///engine\", \"drill\": \"0123456789abcdef\"}");
}

static enum status read_drill_journal(const char *folder, struct error *error)
{
	CLEANUP(cleanup_free) char *engine = NULL;
	char name[DRILL_NAME_SIZE];
	enum status status = drill_journal_read(folder, &engine, name, error);
	bool misread = engine == NULL || strcmp(engine, "unix:///engine") != 0 || strcmp(name, "0123456789abcdef") != 0;
	return unless_misread(status, misread, error);
}

static void a_journal_of_a_drill_is_never_misread(void **state)
{
	const struct work work = {prepare_drill_journal, read_drill_journal, judge_reading};
	each_fault(*state, &work);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(an_archive_is_unpacked_whole_or_it_is_said),
		scratch_test(attributes_are_unpacked_or_it_is_said),
		scratch_test(a_folder_that_is_swapped_holds_the_old_or_the_new_data),
		scratch_test(a_rollback_that_says_so_has_brought_the_old_data_back),
		scratch_test(a_journal_of_a_restore_is_never_misread),
		scratch_test(a_journal_of_a_window_is_never_misread),
		scratch_test(a_journal_of_a_drill_is_never_misread),
	};
	return cmocka_run_group_tests_name("faults_restore", tests, NULL, NULL);
}
