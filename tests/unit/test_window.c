/* snapshot/window and snapshot/journal: whatever happens, everything runs again. */
#include "runtime_support.h"

#include "base/clock.h"
#include "base/interrupt.h"
#include "snapshot/journal.h"
#include "snapshot/window.h"

#include <signal.h>
#include <sys/file.h>

enum { JOURNAL_ROUNDS = 20000 };

enum { PATIENCE_SECONDS = 60 }; /* for what has to come; nothing passes or fails by how fast it comes */

/* The guardian's second between two tries. Where it tries for an hour, the hour need not be waited for. */
static bool without_sleep;

unsigned sleep(unsigned seconds)
{
	if (!without_sleep) {
		clock_sleep(seconds * 1000);
	}
	return 0;
}

struct stage {
	struct fake_engine *engine;
	struct runtime *runtime;
	struct window_plan plan;
	char *journal;
	bool *thawed;
};

static struct stage stage(void **state, size_t count)
{
	struct stage stage = {.engine = fake_engine(),
						  .journal = strdup(at(*state, JOURNAL_NAME)),
						  .thawed = calloc(FAKE_CONTAINERS, sizeof(bool))};
	stage.runtime = fake_runtime(stage.engine);
	stage.plan = (struct window_plan){.runtime = stage.runtime,
									  .engine = "unix:///somewhere",
									  .journal = stage.journal,
									  .containers = fake_containers(),
									  .count = count,
									  .thawed = stage.thawed,
									  .longest_seconds = 3600};
	return stage;
}

static void stage_free(struct stage *stage)
{
	runtime_free(stage->runtime);
	munmap(stage->engine, sizeof *stage->engine);
	free(stage->journal);
	free(stage->thawed);
}

static struct window *opened(const struct stage *stage)
{
	struct error error;
	struct window *window = NULL;
	assert_ok(window_open(&stage->plan, &window, &error), &error);
	return window;
}

static void pause_all(struct window *window, const struct stage *stage)
{
	struct error error;
	for (size_t i = 0; i < stage->plan.count; i++) {
		assert_ok(window_pause(window, stage->plan.containers[i], &error), &error);
	}
}

static void wait_until_thawed(const struct stage *stage)
{
	for (double began = clock_seconds(); fake_any_paused(stage->engine) || exists(stage->journal);) {
		assert_true(clock_seconds() - began < PATIENCE_SECONDS);
		clock_sleep(20);
	}
}

static void closing_thaws_the_last_one_first_and_removes_the_journal(void **state)
{
	struct error error;
	struct stage set = stage(state, 3);
	struct window *window = opened(&set);
	assert_true(exists(set.journal));
	pause_all(window, &set);
	double milliseconds = -1;
	assert_ok(window_close(window, &milliseconds, &error), &error);
	assert_string_equal(set.engine->log, "+a+b+c-c-b-a");
	assert_false(exists(set.journal));
	assert_true(milliseconds >= 0);
	stage_free(&set);
}

static void the_journal_is_locked_while_the_window_is_open(void **state)
{
	struct error error;
	struct journal *journal = NULL;
	struct stage set = stage(state, 1);
	struct window *window = opened(&set);
	assert_status(STATUS_LOCKED, journal_take(set.journal, &journal, &error), &error);
	assert_null(journal);
	assert_ok(window_close(window, NULL, &error), &error);
	assert_ok(journal_take(set.journal, &journal, &error), &error);
	assert_null(journal);
	stage_free(&set);
}

static void one_that_its_owner_had_paused_stays_paused(void **state)
{
	struct error error;
	struct stage set = stage(state, 3);
	struct window *window = opened(&set);
	set.engine->states[1] = CONTAINER_PAUSED;
	assert_ok(window_pause(window, set.plan.containers[0], &error), &error);
	assert_status(STATUS_CONFLICT, window_pause(window, set.plan.containers[1], &error), &error);
	assert_ok(window_close(window, NULL, &error), &error);
	assert_string_equal(set.engine->log, "+a-a");
	assert_int_equal(set.engine->states[1], CONTAINER_PAUSED);
	stage_free(&set);
}

static void one_that_somebody_else_has_thawed_spoils_the_moment(void **state)
{
	struct error error;
	struct stage set = stage(state, 2);
	struct window *window = opened(&set);
	pause_all(window, &set);
	set.engine->states[0] = CONTAINER_RUNNING;
	assert_status(STATUS_FAILED, window_close(window, NULL, &error), &error);
	assert_non_null(strstr(error.message, "name-a did not stand still"));
	assert_false(fake_any_paused(set.engine));
	stage_free(&set);
}

/* As it does when one pause comes right behind another: it stays frozen otherwise, and nobody knows. */
static void an_engine_that_believes_an_old_event_is_asked_again(void **state)
{
	struct error error;
	struct stage set = stage(state, 1);
	struct window *window = opened(&set);
	const struct container *container = set.plan.containers[0];
	assert_ok(window_pause(window, container, &error), &error);
	set.engine->believes_old[0] = 3;
	assert_ok(window_thaw(window, container, NULL, &error), &error);
	assert_int_equal(set.engine->states[0], CONTAINER_RUNNING);
	set.engine->believes_old[0] = 3;
	assert_ok(window_pause(window, container, &error), &error);
	assert_int_equal(set.engine->states[0], CONTAINER_PAUSED);
	set.engine->believes_old[0] = 3;
	assert_ok(window_close(window, NULL, &error), &error);
	assert_string_equal(set.engine->log, "+a-a+a-a");
	/* In the next window as well. */
	window = opened(&set);
	set.engine->believes_old[0] = 3;
	assert_ok(window_pause(window, container, &error), &error);
	assert_ok(window_close(window, NULL, &error), &error);
	stage_free(&set);
}

/* Longer than others can be kept waiting: the failure is said, and it is looked at again when nobody waits. */
static void an_engine_that_believes_it_for_long_is_asked_again_when_nobody_waits(void **state)
{
	struct error error;
	struct stage set = stage(state, 3);
	struct window *window = opened(&set);
	set.engine->states[2] = CONTAINER_PAUSED; /* by its owner */
	for (size_t i = 0; i < 2; i++) {
		assert_ok(window_pause(window, set.plan.containers[i], &error), &error);
	}
	assert_status(STATUS_CONFLICT, window_pause(window, set.plan.containers[2], &error), &error);
	set.engine->believes_until[0] = clock_seconds() + 2;
	assert_status(STATUS_FAILED, window_close(window, NULL, &error), &error);
	assert_non_null(strstr(error.message, "name-a did not stand still"));
	assert_int_equal(set.engine->states[0], CONTAINER_RUNNING);
	assert_int_equal(set.engine->states[2], CONTAINER_PAUSED);
	assert_false(exists(set.journal));
	stage_free(&set);
}

/* There is nothing to be looked at again. */
static void one_that_has_ended_keeps_nobody_waiting(void **state)
{
	struct error error;
	struct stage set = stage(state, 1);
	struct window *window = opened(&set);
	pause_all(window, &set);
	set.engine->states[0] = CONTAINER_STOPPED;
	unsigned asked = set.engine->unpauses;
	assert_status(STATUS_FAILED, window_thaw(window, set.plan.containers[0], NULL, &error), &error);
	assert_true(set.engine->unpauses > asked);
	asked = set.engine->unpauses;
	assert_ok(window_close(window, NULL, &error), &error);
	assert_int_equal(set.engine->unpauses, asked);
	stage_free(&set);
}

/* It is somebody else's, at once: all others wait. */
static void one_that_we_have_not_thawed_is_not_asked_for_again(void **state)
{
	struct error error;
	struct stage set = stage(state, 1);
	struct window *window = opened(&set);
	set.engine->believes_old[0] = 1;
	assert_status(STATUS_CONFLICT, window_pause(window, set.plan.containers[0], &error), &error);
	assert_ok(window_close(window, NULL, &error), &error);
	assert_string_equal(set.engine->log, "");
	stage_free(&set);
}

static void a_container_that_is_not_in_the_journal_is_not_paused(void **state)
{
	struct error error;
	struct stage set = stage(state, 1);
	struct window *window = opened(&set);
	assert_status(STATUS_FAILED, window_pause(window, set.plan.containers[1], &error), &error);
	assert_ok(window_close(window, NULL, &error), &error);
	assert_string_equal(set.engine->log, "");
	stage_free(&set);
}

/* An engine that hangs for a while: what the parent could not thaw the guardian does. */
static void the_guardian_thaws_what_could_not_be_thawed(void **state)
{
	struct error error;
	struct stage set = stage(state, 2);
	struct window *window = opened(&set);
	pause_all(window, &set);
	set.engine->unpause_answer[0] = STATUS_FAILED;
	pid_t healer = fork();
	assert_true(healer >= 0);
	if (healer == 0) {
		clock_sleep(300);
		set.engine->unpause_answer[0] = STATUS_OK;
		_exit(0);
	}
	assert_status(STATUS_FAILED, window_close(window, NULL, &error), &error);
	assert_int_equal(waitpid(healer, NULL, 0), healer);
	assert_false(fake_any_paused(set.engine));
	assert_false(exists(set.journal));
	stage_free(&set);
}

static void a_pause_of_which_nothing_was_heard_is_waited_for(void **state)
{
	struct error error;
	struct stage set = stage(state, 2);
	struct window *window = opened(&set);
	set.engine->pause_answer[1] = STATUS_UNAVAILABLE;
	set.engine->pauses_late[1] = true;
	assert_ok(window_pause(window, set.plan.containers[0], &error), &error);
	assert_status(STATUS_UNAVAILABLE, window_pause(window, set.plan.containers[1], &error), &error);
	(void)!window_close(window, NULL, &error);
	assert_string_equal(set.engine->log, "+a-a-b");
	assert_false(fake_any_paused(set.engine));
	assert_false(exists(set.journal));
	stage_free(&set);
}

/* The program, in a process of its own, with everything paused; *ret_guardian is found by its being the child. */
static pid_t program_in_its_window(const struct stage *set)
{
	int ready[2];
	char byte = 0;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t program = fork();
	assert_true(program >= 0);
	if (program == 0) {
		pause_all(opened(set), set);
		(void)!write(ready[1], "!", 1);
		for (;;) {
			pause();
		}
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return program;
}

static void kill_program(pid_t program)
{
	kill(program, SIGKILL);
	assert_int_equal(waitpid(program, NULL, 0), program);
}

static pid_t guardian_of(pid_t program)
{
	char *text = shell(NULL, "cat /proc/%d/task/%d/children", (int)program, (int)program);
	pid_t guardian = (pid_t)atoi(text);
	free(text);
	assert_true(guardian > 0);
	return guardian;
}

static void a_program_that_is_killed_is_thawed_by_its_guardian(void **state)
{
	struct stage set = stage(state, 3);
	pid_t program = program_in_its_window(&set);
	assert_true(fake_any_paused(set.engine));
	kill_program(program);
	wait_until_thawed(&set);
	stage_free(&set);
}

/* The journal of a guardian that has given up stays, and nobody holds it: the next run thaws. */
static void where_the_guardian_gives_up_the_next_run_thaws(void **state)
{
	struct error error;
	CLEANUP(cleanup_journal) struct journal *journal = NULL;
	CLEANUP(cleanup_free) char *thawed = NULL;
	struct stage set = stage(state, 2);
	without_sleep = true;
	set.engine->unpause_answer[0] = STATUS_UNAVAILABLE;
	kill_program(program_in_its_window(&set));
	without_sleep = false;
	enum status status = STATUS_LOCKED;
	for (double began = clock_seconds(); status == STATUS_LOCKED; clock_sleep(20)) {
		assert_true(clock_seconds() - began < PATIENCE_SECONDS);
		status = journal_take(set.journal, &journal, &error);
	}
	assert_ok(status, &error);
	assert_non_null(journal);
	assert_string_equal(set.engine->log, "+a+b-b");
	set.engine->unpause_answer[0] = STATUS_OK;
	assert_ok(journal_heal(journal, set.runtime, &thawed, &error), &error);
	assert_string_equal(thawed, "name-a");
	assert_false(fake_any_paused(set.engine));
	assert_false(exists(set.journal));
	stage_free(&set);
}

static void the_guardian_does_not_mind_signals_for_the_program(void **state)
{
	struct stage set = stage(state, 1);
	pid_t program = program_in_its_window(&set);
	pid_t guardian = guardian_of(program);
	kill(guardian, SIGINT);
	kill(guardian, SIGTERM);
	kill(guardian, SIGHUP);
	kill_program(program);
	wait_until_thawed(&set);
	stage_free(&set);
}

static void when_both_are_killed_the_journal_tells_whom_to_thaw(void **state)
{
	struct error error;
	char *thawed = NULL;
	struct journal *journal = NULL;
	struct stage set = stage(state, 3);
	pid_t program = program_in_its_window(&set);
	kill(guardian_of(program), SIGKILL);
	kill_program(program);
	for (double began = clock_seconds(); journal_take(set.journal, &journal, &error) == STATUS_LOCKED;) {
		assert_true(clock_seconds() - began < PATIENCE_SECONDS); /* the guardian is still dying */
		clock_sleep(10);
	}
	assert_non_null(journal);
	assert_true(fake_any_paused(set.engine));
	assert_string_equal(journal->engine, "unix:///somewhere");
	assert_false(journal->rebooted);
	set.engine->states[1] = CONTAINER_STOPPED; /* its owner has stopped it since */
	assert_ok(journal_heal(journal, set.runtime, &thawed, &error), &error);
	journal_free(journal);
	assert_string_equal(thawed, "name-a, name-c");
	free(thawed);
	assert_false(fake_any_paused(set.engine));
	assert_false(exists(set.journal));
	stage_free(&set);
}

/* It hangs, or somebody has sent it SIGSTOP. */
static void a_program_that_stands_still_itself_is_thawed_when_its_time_is_over(void **state)
{
	struct stage set = stage(state, 2);
	set.plan.longest_seconds = 0;
	pid_t program = fork();
	assert_true(program >= 0);
	if (program == 0) {
		struct error error;
		struct window *window = opened(&set);
		if (window_pause(window, set.plan.containers[0], &error) != STATUS_OK || raise(SIGSTOP) != 0) {
			_exit(9);
		}
		_exit(window_close(window, NULL, &error) == STATUS_FAILED ? 0 : 8);
	}
	int result = 0;
	assert_int_equal(waitpid(program, &result, WUNTRACED), program);
	assert_true(WIFSTOPPED(result));
	for (double began = clock_seconds(); fake_any_paused(set.engine);) {
		assert_true(clock_seconds() - began < PATIENCE_SECONDS);
		clock_sleep(20);
	}
	kill(program, SIGCONT);
	assert_int_equal(waitpid(program, &result, 0), program);
	assert_int_equal(WEXITSTATUS(result), 0);
	assert_true(WIFEXITED(result));
	stage_free(&set);
}

static void a_window_that_is_open_for_too_long_says_so(void **state)
{
	struct error error;
	struct stage set = stage(state, 2);
	set.plan.longest_seconds = 0;
	struct window *window = opened(&set);
	assert_ok(window_pause(window, set.plan.containers[0], &error), &error);
	clock_sleep(2);
	assert_status(STATUS_FAILED, interrupt_check(&error), &error);
	assert_non_null(strstr(error.hint, "--max-freeze"));
	assert_status(STATUS_FAILED, window_pause(window, set.plan.containers[1], &error), &error);
	assert_ok(window_close(window, NULL, &error), &error);
	assert_string_equal(set.engine->log, "+a-a");
	assert_ok(interrupt_check(&error), &error);
	stage_free(&set);
}

/* --- the journal alone ----------------------------------------------------------------------------------------------
 */

static void no_journal_is_nothing_to_heal(void **state)
{
	struct error error;
	struct journal *journal = NULL;
	assert_ok(journal_take(at(*state, JOURNAL_NAME), &journal, &error), &error);
	assert_null(journal);
	assert_ok(journal_take(at(*state, "no/such/folder"), &journal, &error), &error);
	assert_null(journal);
}

/* Left by a run that was killed; `text` is what it had written. */
static struct journal *journal_of(void **state, const char *text)
{
	struct error error;
	struct journal *journal = NULL;
	write_file(at(*state, JOURNAL_NAME), text);
	assert_ok(journal_take(at(*state, JOURNAL_NAME), &journal, &error), &error);
	assert_non_null(journal);
	return journal;
}

static void assert_heals_nothing(void **state, const char *text)
{
	struct error error;
	char *thawed = NULL;
	struct fake_engine *engine = fake_engine();
	struct runtime *runtime = fake_runtime(engine);
	engine->states[0] = CONTAINER_PAUSED;
	struct journal *journal = journal_of(state, text);
	assert_ok(journal_heal(journal, runtime, &thawed, &error), &error);
	assert_string_equal(thawed, "");
	assert_int_equal(engine->states[0], CONTAINER_PAUSED);
	assert_false(exists(at(*state, JOURNAL_NAME)));
	free(thawed);
	journal_free(journal);
	runtime_free(runtime);
	munmap(engine, sizeof *engine);
}

static void a_journal_that_was_cut_off_names_nobody(void **state)
{
	assert_heals_nothing(state, "");
	assert_heals_nothing(state, "{\"format\": 1, \"containers\": [{\"id\": \"a\"");
	assert_heals_nothing(state, "[1, 2]");
}

static void an_id_that_is_none_is_not_asked_for(void **state)
{
	assert_heals_nothing(state,
						 "{\"containers\": [{\"id\": \"../a\", \"name\": \"x\"}, {\"id\": \"\", \"name\": \"x\"}, "
						 "{\"id\": 7, \"name\": \"x\"}, {\"id\": \"a\"}]}");
}

/* What the owner has paused after the machine was started again is his own. */
static void after_a_start_of_the_machine_nothing_of_it_is_paused(void **state)
{
	assert_heals_nothing(state, "{\"boot\": \"another\", \"containers\": [{\"id\": \"a\", \"name\": \"x\"}]}");
}

static void a_journal_stays_until_everything_is_thawed(void **state)
{
	struct error error;
	char *thawed = NULL;
	struct fake_engine *engine = fake_engine();
	struct runtime *runtime = fake_runtime(engine);
	engine->states[0] = engine->states[1] = CONTAINER_PAUSED;
	engine->unpause_answer[0] = STATUS_UNAVAILABLE;
	struct journal *journal = journal_of(state, "{\"containers\": [{\"id\": \"a\", \"name\": \"x\"}, "
												"{\"id\": \"b\", \"name\": \"y\"}]}");
	assert_status(STATUS_UNAVAILABLE, journal_heal(journal, runtime, &thawed, &error), &error);
	assert_int_equal(engine->states[1], CONTAINER_RUNNING);
	assert_true(exists(at(*state, JOURNAL_NAME)));
	engine->unpause_answer[0] = STATUS_OK;
	assert_ok(journal_heal(journal, runtime, &thawed, &error), &error);
	assert_string_equal(thawed, "x");
	assert_false(exists(at(*state, JOURNAL_NAME)));
	free(thawed);
	journal_free(journal);
	runtime_free(runtime);
	munmap(engine, sizeof *engine);
}

static void a_window_cannot_be_opened_over_a_journal(void **state)
{
	struct error error;
	struct window *window = NULL;
	struct stage set = stage(state, 1);
	write_file(set.journal, "{}");
	assert_status(STATUS_FAILED, window_open(&set.plan, &window, &error), &error);
	assert_true(exists(set.journal));
	stage_free(&set);
}

/* Other commands that look for what a dead run has left, while a run begins. */
static void a_journal_is_not_taken_from_a_run_that_begins(void **state)
{
	struct error error;
	char folder[] = "/dev/shm/whisperbackup-test-XXXXXX"; /* where a flush takes no time */
	char *const path = strdup(at(mkdtemp(folder) != NULL ? folder : *state, JOURNAL_NAME));
	pid_t others[3];
	for (size_t i = 0; i < 3; i++) {
		others[i] = fork();
		while (others[i] == 0) {
			struct journal *journal = NULL;
			char *thawed = NULL;
			if (journal_take(path, &journal, &error) == STATUS_OK && journal != NULL) {
				(void)!journal_heal(journal, NULL, &thawed, &error);
				journal_free(journal);
				free(thawed);
			}
		}
	}
	unsigned failures = 0;
	unsigned lost = 0;
	for (int i = 0; i < JOURNAL_ROUNDS; i++) {
		int fd = -1;
		failures += journal_write(path, "", fake_containers(), 0, &fd, &error) != STATUS_OK;
		lost += fd >= 0 && !exists(path);
		unlink(path);
		close(fd);
	}
	for (size_t i = 0; i < 3; i++) {
		kill(others[i], SIGKILL);
		waitpid(others[i], NULL, 0);
	}
	free(path);
	rmdir(folder);
	assert_int_equal(lost, 0);
	assert_int_equal(failures, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(closing_thaws_the_last_one_first_and_removes_the_journal),
		scratch_test(the_journal_is_locked_while_the_window_is_open),
		scratch_test(one_that_its_owner_had_paused_stays_paused),
		scratch_test(one_that_somebody_else_has_thawed_spoils_the_moment),
		scratch_test(an_engine_that_believes_an_old_event_is_asked_again),
		scratch_test(an_engine_that_believes_it_for_long_is_asked_again_when_nobody_waits),
		scratch_test(one_that_has_ended_keeps_nobody_waiting),
		scratch_test(one_that_we_have_not_thawed_is_not_asked_for_again),
		scratch_test(a_container_that_is_not_in_the_journal_is_not_paused),
		scratch_test(the_guardian_thaws_what_could_not_be_thawed),
		scratch_test(a_pause_of_which_nothing_was_heard_is_waited_for),
		scratch_test(a_program_that_is_killed_is_thawed_by_its_guardian),
		scratch_test(where_the_guardian_gives_up_the_next_run_thaws),
		scratch_test(the_guardian_does_not_mind_signals_for_the_program),
		scratch_test(when_both_are_killed_the_journal_tells_whom_to_thaw),
		scratch_test(a_program_that_stands_still_itself_is_thawed_when_its_time_is_over),
		scratch_test(a_window_that_is_open_for_too_long_says_so),
		scratch_test(no_journal_is_nothing_to_heal),
		scratch_test(a_journal_that_was_cut_off_names_nobody),
		scratch_test(an_id_that_is_none_is_not_asked_for),
		scratch_test(after_a_start_of_the_machine_nothing_of_it_is_paused),
		scratch_test(a_journal_is_not_taken_from_a_run_that_begins),
		scratch_test(a_journal_stays_until_everything_is_thawed),
		scratch_test(a_window_cannot_be_opened_over_a_journal),
	};
	return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
