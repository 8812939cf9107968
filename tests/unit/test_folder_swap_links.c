/*
 * transaction/folder_swap, with system calls, in a volume in which somebody has planted symbolic links where our own
 * folders are: nothing outside of the volume is moved, removed, written or read, at any step. That way is only taken by
 * root. The links of the script are in test_folder_swap_script.c.
 */
#include "tar_support.h"
#include "volume_support.h"

#include "transaction/folder_swap.h"

#include <sys/syscall.h>

#define OWN     ".whisperbackup-restore"
#define MOVED   ".whisperbackup-moved" /* is not moved as data either */
#define REFUSED " is a symbolic link or a file, which is not followed: a restore has a folder there"

/* SCRATCH/volume with old data, SCRATCH/new, and SCRATCH/outside, which nobody may change, kept as SCRATCH/kept. */
static void make_volume(const char *scratch)
{
	if (geteuid() != 0) {
		skip();
	}
	shell_ok("cd '%s' && mkdir -p volume/d outside/old/sub outside/new outside/aside new/e && "
			 "echo old >volume/a && echo old >volume/d/x && echo new >new/a && echo new >new/e/y && "
			 "for f in outside outside/old outside/old/sub outside/new outside/aside; do echo precious >$f/precious; "
			 "done && "
			 "printf out >outside/state && cp -a outside kept && cp -a volume before",
			 scratch);
	snprintf(volume, sizeof volume, "%s/volume", scratch);
}

/* In the volume, where $o is our folder, and ../outside what is to be left alone. */
static void plant(const char *scratch, const char *command)
{
	shell_ok("cd '%s/volume' && o=" OWN " && { %s; }", scratch, command);
}

static struct folder_swap *new_swap(void)
{
	struct error error;
	struct folder_swap *swap = NULL;
	assert_ok(folder_swap_new(&runtime, &container, destination, NULL, &swap, &error), &error);
	return swap;
}

static enum status stage(struct folder_swap *swap, const char *scratch, struct error *error)
{
	struct buffer archive = packed(at(scratch, "new"), "data");
	enum status status = folder_swap_stage(swap, drip(archive.data, archive.length, TAR_BLOCK), "data", NULL, error);
	buffer_free(&archive);
	return status;
}

static enum status heal(struct error *error)
{
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap();
	bool moved = false;
	return folder_swap_heal(swap, true, &moved, error);
}

static enum status rollback(struct error *error)
{
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap();
	return folder_swap_rollback(swap, error);
}

static enum status resume(struct error *error)
{
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap();
	bool half = false;
	return folder_swap_resume(swap, &half, error);
}

static void assert_outside_is_kept(const char *scratch)
{
	assert_same_trees(at(scratch, "kept"), at(scratch, "outside"));
}

/* `name`: what is refused, of our folder ("" is that) */
static void assert_refused(const char *scratch, enum status status, const struct error *error, const char *name)
{
	CLEANUP(cleanup_free) char *expected = NULL;
	assert_true(asprintf(&expected, "%s/volume/" OWN "%s" REFUSED, scratch, name) > 0);
	assert_status(STATUS_FAILED, status, error);
	assert_string_equal(error->message, expected);
	assert_non_null(strstr(error->hint, "remove it, and try again"));
	assert_outside_is_kept(scratch);
}

/* What was planted refuses each step, which changes nothing. */
static void assert_all_refuse(const char *scratch, const char *name)
{
	struct error error;
	char *before = listing(at(scratch, "volume"));
	assert_refused(scratch, heal(&error), &error, name);
	assert_refused(scratch, rollback(&error), &error, name);
	char *after = listing(at(scratch, "volume"));
	assert_string_equal(after, before);
	free(before);
	free(after);
}

/* --- our folder -----------------------------------------------------------------------------------------------------
 */

static void our_folder_is_not_followed(void **state)
{
	struct error error;
	make_volume(*state);
	plant(*state, "ln -s ../outside $o");
	assert_all_refuse(*state, "");
	assert_refused(*state, resume(&error), &error, "");
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap();
	assert_refused(*state, stage(swap, *state, &error), &error, "");
	assert_refused(*state, folder_swap_apply(swap, &error), &error, "");
	assert_refused(*state, folder_swap_commit(swap, &error), &error, "");
	plant(*state, "rm $o");
	assert_same_trees(at(*state, "before"), at(*state, "volume"));
}

static void a_link_to_nothing_is_no_folder_of_ours(void **state)
{
	make_volume(*state);
	plant(*state, "ln -s ../nothing $o");
	assert_all_refuse(*state, "");
	assert_false(exists(at(*state, "nothing")));
}

static void a_file_is_no_folder_of_ours(void **state)
{
	make_volume(*state);
	plant(*state, "echo file >$o");
	assert_all_refuse(*state, "");
}

/* --- the folder of the old data -------------------------------------------------------------------------------------
 */

static void old_data_is_not_taken_from_elsewhere(void **state)
{
	static const char *const states[] = {"out", "in"};
	for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
		char command[256];
		make_volume(*state);
		snprintf(command, sizeof command, "mkdir $o $o/new; ln -s ../../outside/old $o/old; printf %s >$o/state",
				 states[i]);
		plant(*state, command);
		assert_all_refuse(*state, "/old");
		shell_ok("rm -r '%s'/*", (char *)*state);
	}
}

static void old_data_without_a_state_is_not_looked_for_elsewhere(void **state)
{
	struct error error;
	make_volume(*state);
	plant(*state, "mkdir $o; ln -s ../../outside/old $o/old");
	assert_all_refuse(*state, "/old");
	assert_refused(*state, resume(&error), &error, "/old");
}

/* The new data stands, and what is in the place of the old is to be removed: that is the link. */
static void a_link_that_is_removed_as_old_data_leaves_what_it_leads_to(void **state)
{
	struct error error;
	make_volume(*state);
	plant(*state, "mkdir $o; ln -s ../../outside/old $o/old; printf done >$o/state");
	assert_ok(heal(&error), &error);
	assert_outside_is_kept(*state);
	assert_same_trees(at(*state, "before"), at(*state, "volume"));
}

static void a_commit_removes_no_old_data_elsewhere(void **state)
{
	struct error error;
	make_volume(*state);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap();
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	plant(*state, "rm -r $o/old; ln -s ../../outside/old $o/old");
	assert_ok(folder_swap_commit(swap, &error), &error);
	assert_outside_is_kept(*state);
	assert_same_trees(at(*state, "new"), at(*state, "volume"));
}

static void a_rollback_of_what_was_done_takes_no_old_data_from_elsewhere(void **state)
{
	struct error error;
	make_volume(*state);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap();
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	plant(*state, "rm -r $o/old; ln -s ../../outside/old $o/old");
	assert_refused(*state, folder_swap_rollback(swap, &error), &error, "/old");
	assert_file_is(at(*state, "volume/a"), "new\n");
}

/* --- the other ones -------------------------------------------------------------------------------------------------
 */

static void staged_data_is_not_taken_from_elsewhere(void **state)
{
	struct error error;
	make_volume(*state);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap();
	assert_ok(stage(swap, *state, &error), &error);
	plant(*state, "rm -r $o/new; ln -s ../../outside/new $o/new");
	assert_refused(*state, folder_swap_apply(swap, &error), &error, "/new");
	assert_ok(folder_swap_rollback(swap, &error), &error);
	assert_outside_is_kept(*state);
	assert_same_trees(at(*state, "before"), at(*state, "volume"));
}

static void a_rollback_moves_nothing_elsewhere(void **state)
{
	struct error error;
	make_volume(*state);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap();
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	plant(*state, "ln -s ../../outside/aside $o/aside");
	assert_ok(folder_swap_rollback(swap, &error), &error);
	assert_outside_is_kept(*state);
	assert_same_trees(at(*state, "before"), at(*state, "volume"));
}

static void a_state_is_not_read_elsewhere(void **state)
{
	struct error error;
	make_volume(*state);
	plant(*state, "mkdir $o; ln -s ../../outside/state $o/state");
	assert_status(STATUS_FAILED, heal(&error), &error);
	assert_non_null(strstr(error.message, OWN "/state is a symbolic link, which is not followed"));
	assert_true(exists(at(*state, "volume/" OWN "/state")));
	assert_outside_is_kept(*state);
}

static void a_state_is_not_written_elsewhere(void **state)
{
	struct error error;
	make_volume(*state);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap();
	assert_ok(stage(swap, *state, &error), &error);
	plant(*state, "ln -s ../../outside/precious $o/state.new; ln -s ../../outside/state $o/state");
	assert_ok(folder_swap_apply(swap, &error), &error);
	assert_outside_is_kept(*state);
	assert_ok(folder_swap_commit(swap, &error), &error);
	assert_same_trees(at(*state, "new"), at(*state, "volume"));
}

/* --- links that come in the middle ----------------------------------------------------------------------------------
 */

static unsigned exchange_at; /* number of the renaming before which our folder is exchanged for a link; 0: none */

int renameat(int from, const char *source, int to, const char *target)
{
	if (exchange_at > 0 && --exchange_at == 0) {
		shell_ok("cd '%s' && mv " OWN " " MOVED " && ln -s ../outside " OWN, volume);
	}
	return (int)syscall(SYS_renameat2, from, source, to, target, 0);
}

static void a_swap_whose_folder_is_exchanged_moves_nothing_elsewhere(void **state)
{
	for (unsigned number = 1; number <= 7; number++) { /* three states, and two entries out and two in */
		struct error error;
		make_volume(*state);
		CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap();
		assert_ok(stage(swap, *state, &error), &error);
		exchange_at = number;
		assert_ok(folder_swap_apply(swap, &error), &error);
		assert_int_equal(exchange_at, 0);
		assert_outside_is_kept(*state);
		assert_refused(*state, folder_swap_rollback(swap, &error), &error, "");
		plant(*state, "rm $o; mv " MOVED " $o");
		assert_ok(folder_swap_rollback(swap, &error), &error);
		assert_same_trees(at(*state, "before"), at(*state, "volume"));
		shell_ok("rm -r '%s'/*", (char *)*state);
	}
}

static void a_rollback_whose_folder_is_exchanged_moves_and_removes_nothing_elsewhere(void **state)
{
	for (unsigned number = 1; number <= 6; number++) { /* two states, and two entries aside and two back */
		struct error error;
		make_volume(*state);
		CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap();
		assert_ok(stage(swap, *state, &error), &error);
		assert_ok(folder_swap_apply(swap, &error), &error);
		exchange_at = number;
		assert_ok(folder_swap_rollback(swap, &error), &error);
		assert_int_equal(exchange_at, 0);
		assert_outside_is_kept(*state);
		assert_false(exists(at(*state, "volume/" OWN)));
		plant(*state, "rm -r " MOVED);
		assert_same_trees(at(*state, "before"), at(*state, "volume"));
		shell_ok("rm -r '%s'/*", (char *)*state);
	}
}

/* Reads as drip does, and after its third read our folder has been exchanged for a link. */
struct exchanging_source {
	struct drip_source drip;
	unsigned reads;
};

static enum status exchanging_read(struct source *source, void *bytes, size_t capacity, size_t *ret_length,
								   struct error *error)
{
	if (++((struct exchanging_source *)source)->reads == 3) {
		shell_ok("cd '%s' && mv " OWN " " MOVED " && ln -s ../outside " OWN, volume);
	}
	return drip_read(source, bytes, capacity, ret_length, error);
}

static void keep_source(struct source *source)
{
	(void)source;
}

static void nothing_is_staged_elsewhere(void **state)
{
	static const struct source_ops ops = {.read = exchanging_read, .free = keep_source};
	struct error error;
	make_volume(*state);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap();
	struct buffer archive = packed(at(*state, "new"), "data");
	struct exchanging_source source = {
		.drip = {.source = {.ops = &ops}, .bytes = archive.data, .left = archive.length, .step = TAR_BLOCK}};
	assert_ok(folder_swap_stage(swap, &source.drip.source, "data", NULL, &error), &error);
	assert_outside_is_kept(*state);
	assert_same_trees(at(*state, "new"), at(*state, "volume/" MOVED "/new"));
	assert_refused(*state, folder_swap_apply(swap, &error), &error, "");
	buffer_free(&archive);
}

/* --- the volume's folder itself -------------------------------------------------------------------------------------
 */

/* The container may exchange a folder between its mount and the data folder, after we have found that. */
static void a_folder_above_the_data_that_becomes_a_link_is_not_followed(void **state)
{
	struct error error;
	make_volume(*state);
	shell_ok(
		"cd '%s' && mkdir volume/inner && cp -a before volume/inner/data && cp -a before outside/data && rm -r kept "
		"&& cp -a outside kept",
		(char *)*state);
	struct folder_swap *swap = NULL;
	assert_ok(folder_swap_new(&runtime, &container, "/var/lib/data/inner/data", NULL, &swap, &error), &error);
	plant(*state, "mv inner moved; ln -s ../outside inner");
	assert_status(STATUS_FAILED, stage(swap, *state, &error), &error);
	assert_non_null(strstr(error.message, "/volume/inner/data: Not a directory"));
	assert_status(STATUS_FAILED, folder_swap_rollback(swap, &error), &error);
	assert_outside_is_kept(*state);
	folder_swap_free(swap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(our_folder_is_not_followed),
		scratch_test(a_link_to_nothing_is_no_folder_of_ours),
		scratch_test(a_file_is_no_folder_of_ours),
		scratch_test(old_data_is_not_taken_from_elsewhere),
		scratch_test(old_data_without_a_state_is_not_looked_for_elsewhere),
		scratch_test(a_link_that_is_removed_as_old_data_leaves_what_it_leads_to),
		scratch_test(a_commit_removes_no_old_data_elsewhere),
		scratch_test(a_rollback_of_what_was_done_takes_no_old_data_from_elsewhere),
		scratch_test(staged_data_is_not_taken_from_elsewhere),
		scratch_test(a_rollback_moves_nothing_elsewhere),
		scratch_test(a_state_is_not_read_elsewhere),
		scratch_test(a_state_is_not_written_elsewhere),
		scratch_test(a_swap_whose_folder_is_exchanged_moves_nothing_elsewhere),
		scratch_test(a_rollback_whose_folder_is_exchanged_moves_and_removes_nothing_elsewhere),
		scratch_test(nothing_is_staged_elsewhere),
		scratch_test(a_folder_above_the_data_that_becomes_a_link_is_not_followed),
	};
	return cmocka_run_group_tests_name("folder_swap_links", tests, NULL, NULL);
}
