/*
 * transaction/folder_swap, by the script that runs in a container where the volume cannot be reached from here: the
 * same tests, with a shell of this machine in the place of the container's. And one call of the script after the other
 * fails, or the script is killed there: afterwards the volume can be healed, and holds the old data or the new.
 */
#define BY_SCRIPT
static void an_apply_fails_at_any_call(void **state);
static void an_apply_of_some_names_fails_at_any_call(void **state);
static void a_rollback_fails_at_any_call(void **state);
static void a_rollback_of_some_names_fails_at_any_call(void **state);
static void a_rollback_of_what_was_half_moved_out_fails_at_any_call(void **state);
static void a_rollback_of_what_was_half_moved_in_fails_at_any_call(void **state);
static void a_commit_fails_at_any_call(void **state);
static void a_heal_of_staged_data_fails_at_any_call(void **state);
static void a_heal_of_a_death_in_a_commit_fails_at_any_call(void **state);
static void odd_names_are_swapped(void **state);
static void odd_names_are_rolled_back(void **state);
static void a_container_that_does_not_tell_the_state_is_left_alone(void **state);
static void a_planted_link_to_our_folder_is_not_followed(void **state);
static void a_planted_link_to_old_data_is_not_followed(void **state);
static void a_planted_link_to_staged_data_is_not_followed(void **state);
static void a_planted_link_to_a_state_is_not_followed(void **state);
#define SCRIPT_TESTS                                                                                                   \
	scratch_test(an_apply_fails_at_any_call), scratch_test(an_apply_of_some_names_fails_at_any_call),                  \
		scratch_test(a_rollback_fails_at_any_call), scratch_test(a_rollback_of_some_names_fails_at_any_call),          \
		scratch_test(a_rollback_of_what_was_half_moved_out_fails_at_any_call),                                         \
		scratch_test(a_rollback_of_what_was_half_moved_in_fails_at_any_call),                                          \
		scratch_test(a_commit_fails_at_any_call), scratch_test(a_heal_of_staged_data_fails_at_any_call),               \
		scratch_test(a_heal_of_a_death_in_a_commit_fails_at_any_call), scratch_test(odd_names_are_swapped),            \
		scratch_test(odd_names_are_rolled_back), scratch_test(a_container_that_does_not_tell_the_state_is_left_alone), \
		scratch_test(a_planted_link_to_our_folder_is_not_followed),                                                    \
		scratch_test(a_planted_link_to_old_data_is_not_followed),                                                      \
		scratch_test(a_planted_link_to_staged_data_is_not_followed),                                                   \
		scratch_test(a_planted_link_to_a_state_is_not_followed)
#include "test_folder_swap.c" // NOLINT(bugprone-suspicious-include)

/* --- a call of the script fails ----------------------------------------------------------------------------------- */

enum { MOST_CALLS = 500, QUICK_STEP = 7 };

/* Counts the calls in the file COUNT; what happens at call AT is said by HOW. Only what the shell does itself. */
#define COUNTED "read -r calls <\"$COUNT\"; calls=$((calls + 1)); echo $calls >\"$COUNT\"\n"

/* In the place of a program: */
static const char fake_tool[] = "#!/bin/sh\n"
								"tool=${0##*/}\n" COUNTED "if [ $calls -eq $AT ]; then\n"
								"  if [ $HOW = kill ]; then kill -9 $SCRIPT; fi\n"
								"  echo \"$tool fails at call $calls\"; exit 1\n"
								"fi\n"
								"if [ $tool = sync ]; then exit 0; fi\n"
								"PATH=$REAL_PATH; exec $tool \"$@\"\n";

/*
 * In the place of the shell: runs the script with a test that looks at a file, and a pattern, being such a call too. A
 * pattern whose folder cannot be read stays as it is, which is what `set -f` makes of it.
 */
static const char fake_shell[] =
	"#!/bin/sh\n"
	"script=$(printf '%s\\n' \"$2\" | PATH=$REAL_PATH sed 's/\\[ \\(! \\)\\{0,1\\}-\\([deL]\\) /\\1looks -\\2 /g\n"
	"s/for f in /unread; for f in /; /^set -e$/d')\n"
	"shift 2\n"
	"prelude='SCRIPT=$$; export SCRIPT\n"
	"looks() { " COUNTED "if [ $calls -eq $AT ] && [ $HOW = fail ]; then return 1; fi; [ \"$@\"; }\n"
	"unread() { " COUNTED "set +f; if [ $calls -eq $AT ] && [ $HOW = fail ]; then set -f; fi; }\n"
	"set -e\n'\n"
	"real=$(PATH=$REAL_PATH; command -v sh)\n"
	"exec \"$real\" -c \"$prelude$script\" \"$@\"\n";

static void make_fakes(const char *scratch)
{
	make_folder(at(scratch, "fakes"));
	write_file(at(scratch, "fakes/tool"), fake_tool);
	write_file(at(scratch, "fakes/sh"), fake_shell);
	shell_ok("cd '%s/fakes' && for t in ls stat cat mv rm rmdir mkdir chown chmod sync; do cp tool $t; done && "
			 "chmod 755 *",
			 scratch);
	/* Thousands of real ones would take minutes, where the disk is used by others as well. */
	make_folder(at(scratch, "quiet"));
	write_file(at(scratch, "quiet/sync"), "#!/bin/sh\n");
	shell_ok("chmod 755 '%s/quiet/sync'", scratch);
}

/* From now on call `number` of the script fails or kills it. */
static void set_fault(const char *scratch, int number, const char *how)
{
	char *path = NULL;
	char text[32];
	assert_true(asprintf(&path, "%s/fakes:%s", scratch, getenv("PATH")) > 0);
	snprintf(text, sizeof text, "%d", number);
	write_file(at(scratch, "count"), "0\n");
	setenv("REAL_PATH", getenv("PATH"), 1);
	setenv("COUNT", at(scratch, "count"), 1);
	setenv("AT", text, 1);
	setenv("HOW", how, 1);
	setenv("PATH", path, 1);
	free(path);
}

/* True if the fault has come up. */
static bool end_fault(const char *scratch, int number)
{
	setenv("PATH", getenv("REAL_PATH"), 1);
	char *count = shell(NULL, "cat '%s/count'", scratch);
	bool reached = atoi(count) >= number;
	free(count);
	return reached;
}

struct trial {
	const char *old;
	const char *new;
	const char *const *names;
	bool applied;        /* before the step */
	const char *command; /* for die_at, before the step; NULL: nothing */
	enum status (*step)(struct folder_swap *swap, struct error *error);
	const char *expected; /* the volume after a step that says it is done: "old" or "new" */
	const char *healed;   /* after one that does not, and a heal; NULL: old or new */
};

static const char little_old[] = "echo old >a; echo old >.dot; mkdir d; echo old >d/x; chmod 750 .; chown 74:75 .";
static const char little_new[] = "echo new >a; mkdir .e; echo new >.e/z; chmod 711 .; chown 99:10 .";

static void prepare(const char *scratch, const struct trial *trial)
{
	struct error error;
	shell_ok("cd '%s' && rm -rf volume && cp -a old volume", scratch);
	if (trial->applied || trial->command == NULL) {
		CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(scratch, trial->names);
		assert_ok(stage(swap, scratch, &error), &error);
		if (trial->applied) {
			assert_ok(folder_swap_apply(swap, &error), &error);
		}
	}
	if (trial->command != NULL) {
		die_at(scratch, trial->command);
	}
}

/* One in two is healed by the system calls: either way has to understand what the other leaves. */
static void heal_either_way(const char *scratch, const struct trial *trial, int number)
{
	struct error error;
	bool moved = true;
	snprintf(volume, sizeof volume, "%s", at(scratch, "volume"));
	prepare_runtime();
	runtime.volume_access = number % 2 == 0 ? VOLUME_API : VOLUME_DIRECT;
	struct folder_swap *swap = NULL;
	assert_ok(folder_swap_new(&runtime, &container, DATA, trial->names, &swap, &error), &error);
	assert_ok(folder_swap_heal(swap, true, &moved, &error), &error);
	assert_false(moved);
	folder_swap_free(swap);
}

static void run_trials(const char *scratch, const struct trial *trial, const char *how)
{
	char *old = listing(at(scratch, "old"));
	char *new = listing(at(scratch, "complete"));
	const char *torture = getenv("WHISPERBACKUP_TORTURE");
	int step = torture == NULL ? QUICK_STEP : strcmp(torture, "full") == 0 ? 1 : QUICK_STEP * 5; /* else "little" */
	bool reached = true;
	for (int number = 1; reached; number += step) {
		struct error error;
		assert_true(number < MOST_CALLS);
		prepare(scratch, trial);
		struct folder_swap *swap = new_swap(scratch, trial->names);
		set_fault(scratch, number, how);
		enum status status = trial->step(swap, &error);
		reached = end_fault(scratch, number);
		folder_swap_free(swap);
		if (!reached) {
			assert_ok(status, &error);
		}
		heal_either_way(scratch, trial, number);
		char *found = listing(at(scratch, "volume"));
		const char *expected = status == STATUS_OK ? trial->expected : trial->healed;
		bool right = expected == NULL ? strcmp(found, old) == 0 || strcmp(found, new) == 0
									  : strcmp(found, strcmp(expected, "old") == 0 ? old : new) == 0;
		if (!right) {
			print_error("call %d (%s), the step %s; found:\n%s", number, how,
						status == STATUS_OK ? "said it was done" : error.message, found);
		}
		assert_true(right);
		free(found);
	}
	free(old);
	free(new);
}

static void try_every_call(const char *scratch, const struct trial *trial)
{
	struct error error;
	make_volume(scratch, trial->old, trial->new);
	make_fakes(scratch);
	char *path = strdup(getenv("PATH"));
	char *quiet = NULL;
	assert_true(path != NULL && asprintf(&quiet, "%s/quiet:%s", scratch, path) > 0);
	setenv("PATH", quiet, 1);
	free(quiet);
	/* SCRATCH/complete: the volume after a swap that nothing has disturbed */
	prepare(scratch, &(struct trial){.names = trial->names});
	struct folder_swap *swap = new_swap(scratch, trial->names);
	assert_ok(folder_swap_apply(swap, &error), &error);
	assert_ok(folder_swap_commit(swap, &error), &error);
	folder_swap_free(swap);
	shell_ok("cd '%s' && mv volume complete", scratch);
	run_trials(scratch, trial, "fail");
	run_trials(scratch, trial, "kill");
	setenv("PATH", path, 1);
	free(path);
}

static enum status heal_step(struct folder_swap *swap, struct error *error)
{
	bool moved = false;
	return folder_swap_heal(swap, true, &moved, error);
}

static void an_apply_fails_at_any_call(void **state)
{
	/* A kill after the last state was written leaves a swap that is done. */
	const struct trial trial = {.old = little_old, .new = little_new, .step = folder_swap_apply, .expected = "new"};
	try_every_call(*state, &trial);
}

static void an_apply_of_some_names_fails_at_any_call(void **state)
{
	const struct trial trial = {
		.old = old_redis, .new = new_redis, .names = some_names, .step = folder_swap_apply, .expected = "new"};
	try_every_call(*state, &trial);
}

static void a_rollback_fails_at_any_call(void **state)
{
	const struct trial trial = {
		.old = little_old, .new = little_new, .applied = true, .step = folder_swap_rollback, .expected = "old"};
	try_every_call(*state, &trial);
}

static void a_rollback_of_some_names_fails_at_any_call(void **state)
{
	const struct trial trial = {.old = old_redis,
								.new = new_redis,
								.names = some_names,
								.applied = true,
								.step = folder_swap_rollback,
								.expected = "old"};
	try_every_call(*state, &trial);
}

static void a_rollback_of_what_was_half_moved_out_fails_at_any_call(void **state)
{
	const struct trial trial = {.old = little_old,
								.new = little_new,
								.command = STAGED OLD "printf out >$o/state; mv .dot d $o/old; echo anew >.dot",
								.step = folder_swap_rollback,
								.expected = "old",
								.healed = "old"};
	try_every_call(*state, &trial);
}

static void a_rollback_of_what_was_half_moved_in_fails_at_any_call(void **state)
{
	const struct trial trial = {.old = little_old,
								.new = little_new,
								.command = STAGED OLD "mv a .dot d $o/old; printf in >$o/state; mv $o/new/a .",
								.step = heal_step,
								.expected = "old",
								.healed = "old"};
	try_every_call(*state, &trial);
}

static void a_commit_fails_at_any_call(void **state)
{
	const struct trial trial = {.old = little_old,
								.new = little_new,
								.applied = true,
								.step = folder_swap_commit,
								.expected = "new",
								.healed = "new"};
	try_every_call(*state, &trial);
}

static void a_heal_of_staged_data_fails_at_any_call(void **state)
{
	const struct trial trial = {
		.old = little_old, .new = little_new, .step = heal_step, .expected = "old", .healed = "old"};
	try_every_call(*state, &trial);
}

static void a_heal_of_a_death_in_a_commit_fails_at_any_call(void **state)
{
	const struct trial trial = {.old = little_old,
								.new = little_new,
								.applied = true,
								.command = "rm -r $o/old",
								.step = folder_swap_rollback,
								.expected = "new",
								.healed = "new"};
	try_every_call(*state, &trial);
}

/* --- names that no store has -------------------------------------------------------------------------------------- */

static const char odd_old[] =
	"for n in -n '-rf' ' a b ' '*' '[!.]*' '?' '..two' '...' '\\' '$x' \"it's\" \"$(printf 'two\\nlines')\" "
	"\"$(printf 'state\\n')\" \"$(printf '\\303\\274\\377')\"; do echo \"old $n\" >\"./$n\"; done; mkdir -- --; ln -s "
	"gone "
	"dangling";
static const char odd_new[] =
	"for n in -n '*' ' a b ' \"$(printf 'other\\nlines')\" state old; do mkdir \"./$n\"; echo new >\"./$n/x\"; done";

static void odd_names_are_swapped(void **state)
{
	struct error error;
	make_volume(*state, odd_old, odd_new);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	assert_ok(folder_swap_commit(swap, &error), &error);
	assert_volume_is(*state, "new");
}

static void odd_names_are_rolled_back(void **state)
{
	struct error error;
	make_volume(*state, odd_old, odd_new);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	assert_ok(folder_swap_rollback(swap, &error), &error);
	assert_volume_is(*state, "old");
}

/* --- what the script says is lost --------------------------------------------------------------------------------- */

static enum status run_mute(struct runtime *self, const struct container *in, const char *const *arguments,
							struct buffer *output, int *ret_exit_code, struct error *error)
{
	(void)self;
	(void)in;
	(void)arguments;
	*ret_exit_code = 0;
	return buffer_append_text(output, "state=o", error); /* it has not come whole */
}

static void a_container_that_does_not_tell_the_state_is_left_alone(void **state)
{
	static const struct runtime_ops mute = {.helper = run_mute};
	struct error error;
	bool moved = true;
	make_volume(*state, "echo old >a", "echo new >a");
	struct folder_swap *swap = new_swap(*state, NULL);
	runtime.ops = &mute;
	assert_status(STATUS_FAILED, folder_swap_heal(swap, true, &moved, &error), &error);
	assert_string_equal(error.message, "cannot tell how far an earlier restore of  has come: state=o");
	assert_false(moved);
	assert_volume_is(*state, "old");
	folder_swap_free(swap);
}

/* --- symbolic links that somebody has planted (test_folder_swap_links.c has those of the system calls) ------------ */

/* SCRATCH/outside stands for another volume of the container, SCRATCH/kept for what it has to remain. */
static void make_outside(const char *scratch)
{
	make_volume(scratch, little_old, little_new);
	shell_ok("cd '%s' && mkdir -p outside/old outside/new && echo precious >outside/old/precious && "
			 "cp outside/old/precious outside/new/ && printf out >outside/state && cp -a outside kept",
			 scratch);
}

static void assert_link_refused(const char *scratch, enum status status, const struct error *error, const char *name)
{
	char expected[128];
	snprintf(expected, sizeof expected, "%s is a symbolic link, which is not followed", name);
	assert_status(STATUS_FAILED, status, error);
	assert_non_null(strstr(error->message, expected));
	assert_same_trees(at(scratch, "kept"), at(scratch, "outside"));
}

static void assert_link_stops_all(const char *scratch, const char *command, const char *name)
{
	struct error error;
	bool moved = false;
	make_outside(scratch);
	die_at(scratch, command);
	assert_link_refused(scratch, heal(scratch, true, &moved, &error), &error, name);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(scratch, NULL);
	assert_link_refused(scratch, folder_swap_rollback(swap, &error), &error, name);
	assert_file_is(at(scratch, "volume/a"), "old\n");
	shell_ok("rm -r '%s'/*", scratch);
}

static void a_planted_link_to_our_folder_is_not_followed(void **state)
{
	struct error error;
	assert_link_stops_all(*state, "ln -s ../outside $o", OWN);
	make_outside(*state);
	die_at(*state, "ln -s ../outside $o");
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_link_refused(*state, folder_swap_apply(swap, &error), &error, OWN);
	assert_link_refused(*state, folder_swap_commit(swap, &error), &error, OWN);
}

static void a_planted_link_to_old_data_is_not_followed(void **state)
{
	assert_link_stops_all(*state, "mkdir $o; ln -s ../../outside/old $o/old", OWN "/old");
	assert_link_stops_all(*state, "mkdir $o; ln -s ../../outside/old $o/old; printf out >$o/state", OWN "/old");
	assert_link_stops_all(*state, "mkdir $o; ln -s ../../outside/old $o/old; printf in >$o/state", OWN "/old");
}

static void a_planted_link_to_staged_data_is_not_followed(void **state)
{
	struct error error;
	make_outside(*state);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	die_at(*state, "mkdir $o; ln -s ../../outside/new $o/new");
	assert_link_refused(*state, folder_swap_apply(swap, &error), &error, OWN "/new");
	assert_ok(folder_swap_rollback(swap, &error), &error);
	assert_volume_is(*state, "old");
}

static void a_planted_link_to_a_state_is_not_followed(void **state)
{
	struct error error;
	assert_link_stops_all(*state, "mkdir $o; ln -s ../../outside/state $o/state", OWN "/state");
	make_outside(*state);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	die_at(*state, "ln -s ../../outside/old/precious $o/state.new");
	assert_ok(folder_swap_apply(swap, &error), &error);
	assert_ok(folder_swap_commit(swap, &error), &error);
	assert_same_trees(at(*state, "kept"), at(*state, "outside"));
	assert_volume_is(*state, "new");
}
