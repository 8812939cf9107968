/* snapshot/moment: in which order everything happens, and what becomes of failures. */
#include "runtime_support.h"

#include "snapshot/journal.h"
#include "snapshot/moment.h"

/* A participant that notes what is done to it in the engine's log, and fails when it is told to. */
struct actor {
	struct fake_engine *engine;
	char name;              /* of its container */
	unsigned busy;          /* looks that find it not at rest */
	enum status ask_answer; /* what the calls return */
	enum status answer_answer;
	unsigned conflicts;         /* answers that are STATUS_CONFLICT before it is content */
	unsigned slow_milliseconds; /* that an answer takes */
	enum status capture_answer;
	bool owner_thaws; /* its capture sees "a" thawed by whoever had paused it */
	bool crash_loops; /* its capture sees "a" started, which ended at once and is about to be started again */
	bool ends;        /* its capture, or the end of the moment, sees that "a" has ended and is to be started again */
	bool owner_pauses_again; /* when the moment is given up, and thaws it in the next one */
	unsigned forgotten;
};

static void note(struct actor *actor, const char *what)
{
	size_t length = strlen(actor->engine->log);
	snprintf(actor->engine->log + length, sizeof actor->engine->log - length, " %s%c ", what, actor->name);
}

static enum status result(enum status status, struct error *error)
{
	return status == STATUS_OK ? STATUS_OK : error_set(error, status, "as told");
}

static enum status actor_ask(void *context, struct error *error)
{
	struct actor *actor = context;
	note(actor, "ask");
	return result(actor->ask_answer, error);
}

static enum status actor_answer(void *context, struct error *error)
{
	struct actor *actor = context;
	note(actor, "answer");
	clock_sleep(actor->slow_milliseconds);
	if (actor->conflicts > 0) {
		actor->conflicts--;
		return result(STATUS_CONFLICT, error);
	}
	return result(actor->answer_answer, error);
}

static enum status actor_at_rest(void *context, bool *ret_at_rest, struct error *error)
{
	struct actor *actor = context;
	(void)error;
	*ret_at_rest = actor->busy == 0;
	actor->busy -= actor->busy > 0;
	return STATUS_OK;
}

static void end_writer(struct actor *actor)
{
	if (actor->ends) {
		actor->engine->states[0] = CONTAINER_RESTARTING;
		actor->engine->pause_answer[0] = STATUS_OK;
	}
}

static enum status actor_capture(void *context, struct error *error)
{
	struct actor *actor = context;
	note(actor, "capture");
	if (actor->owner_thaws) {
		actor->owner_thaws = false;
		actor->engine->states[0] = CONTAINER_RUNNING;
	}
	actor->engine->starts[0] += actor->crash_loops;
	actor->crash_loops = false;
	end_writer(actor);
	return result(actor->capture_answer, error);
}

static void actor_forget(void *context)
{
	struct actor *actor = context;
	actor->forgotten++;
	if (actor->owner_pauses_again) {
		actor->owner_thaws = true;
		actor->engine->states[0] = CONTAINER_PAUSED;
	}
	note(actor, "forget");
	end_writer(actor);
}

static const struct participant_ops asked = {.ask = actor_ask, .answer = actor_answer, .forget = actor_forget};
static const struct participant_ops captured = {
	.ask = actor_ask, .answer = actor_answer, .capture = actor_capture, .forget = actor_forget};
static const struct participant_ops restless = {
	.at_rest = actor_at_rest, .capture = actor_capture, .forget = actor_forget};

/* "a" and "b" write; "c" is asked, "d" is restless, "e" is asked and captured. */
struct stage {
	struct fake_engine *engine;
	struct runtime *runtime;
	char *journal;
	struct moment_request request;
	struct actor actors[3];
	struct participant participants[3];
};

static struct stage *stage(void **state)
{
	struct stage *set = calloc(1, sizeof *set);
	assert_non_null(set);
	const struct container *const *containers = fake_containers();
	static const struct participant_ops *const ops[] = {&asked, &restless, &captured};
	set->engine = fake_engine();
	set->runtime = fake_runtime(set->engine);
	set->journal = strdup(at(*state, JOURNAL_NAME));
	set->request = (struct moment_request){.runtime = set->runtime,
										   .engine = "",
										   .journal = set->journal,
										   .writers = containers,
										   .writer_count = 2,
										   .longest_seconds = 3600};
	for (size_t i = 0; i < 3; i++) {
		set->actors[i] = (struct actor){.engine = set->engine, .name = (char)('c' + i)};
		set->participants[i] = (struct participant){
			.ops = ops[i], .context = &set->actors[i], .title = "It", .container = containers[2 + i], .pauses = i > 0};
	}
	return set;
}

static void stage_free(struct stage *set)
{
	assert_false(fake_any_paused(set->engine));
	assert_false(exists(set->journal));
	runtime_free(set->runtime);
	munmap(set->engine, sizeof *set->engine);
	free(set->journal);
	free(set);
}

static enum status take(struct stage *set, struct moment *moment, struct error *error)
{
	return moment_take(&set->request, set->participants, 3, NULL, moment, error);
}

static void writers_stand_still_first_and_last_and_who_is_restless_comes_before_the_others(void **state)
{
	struct error error;
	struct moment moment;
	struct stage *set = stage(state);
	assert_ok(take(set, &moment, &error), &error);
	assert_string_equal(set->engine->log, "+a+b+d askc  aske  answerc  answere +e captured -d capturee -e-b-a");
	assert_int_equal(moment.tries, 1);
	assert_true(moment.cut.tv_sec > 0);
	assert_true(moment.window_milliseconds >= set->participants[1].freeze_milliseconds);
	assert_true(moment.window_milliseconds >= set->participants[2].freeze_milliseconds);
	double sum = 0;
	for (size_t i = 0; i < MOMENT_STEPS; i++) {
		sum += moment.step_milliseconds[i];
	}
	assert_true(sum <= moment.window_milliseconds + 1000 && sum > 0);
	stage_free(set);
}

static void a_health_check_that_is_about_to_begin_is_waited_for(void **state)
{
	struct error error;
	struct moment moment;
	struct stage *set = stage(state);
	double due = clock_seconds() + 0.15;
	set->engine->next_check[1] = due;
	assert_ok(take(set, &moment, &error), &error);
	assert_true(clock_seconds() >= due);
	assert_true(moment.window_milliseconds > 0);
	stage_free(set);
}

static void health_checks_that_are_always_about_to_begin_are_not_waited_for_for_ever(void **state)
{
	struct error error;
	struct moment moment;
	struct stage *set = stage(state);
	set->engine->next_check[0] = -1;
	assert_ok(take(set, &moment, &error), &error);
	stage_free(set);
}

static void who_is_busy_is_thawed_and_looked_at_again(void **state)
{
	struct error error;
	struct moment moment;
	struct stage *set = stage(state);
	set->actors[1].busy = 2;
	assert_ok(take(set, &moment, &error), &error);
	assert_memory_equal(set->engine->log, "+a+b+d-d+d-d+d askc ", 20);
	assert_int_equal(set->participants[1].retries, 2);
	stage_free(set);
}

static void one_that_never_rests_does_not_keep_the_others_from_their_moment(void **state)
{
	struct error error;
	struct moment moment;
	struct stage *set = stage(state);
	set->actors[1].busy = 1000000;
	set->request.longest_seconds = 2;
	assert_ok(take(set, &moment, &error), &error);
	assert_int_equal(set->participants[1].status, STATUS_FAILED);
	assert_non_null(strstr(set->participants[1].error.message, "never at rest in 1 seconds"));
	assert_int_equal(set->participants[0].status, STATUS_OK);
	assert_int_equal(set->participants[2].status, STATUS_OK);
	stage_free(set);
}

static void a_conflict_means_another_window(void **state)
{
	struct error error;
	struct moment moment;
	struct stage *set = stage(state);
	set->actors[0].conflicts = 2;
	assert_ok(take(set, &moment, &error), &error);
	assert_int_equal(moment.tries, 3);
	assert_int_equal(set->actors[0].forgotten, 2);
	assert_int_equal(set->actors[2].forgotten, 2);
	assert_memory_equal(set->engine->log, "+a+b+d askc  aske  answerc -d-b-a forgetc  forgetd  forgete +a", 62);
	stage_free(set);
}

/* Such as a program that was stopped for a while: what it asked for meanwhile is no longer to be had. */
static void a_conflict_after_too_long_a_time_means_none(void **state)
{
	struct error error;
	struct moment moment;
	struct stage *set = stage(state);
	set->actors[0].conflicts = 1;
	set->actors[0].slow_milliseconds = 1100;
	set->request.longest_seconds = 1;
	assert_status(STATUS_FAILED, take(set, &moment, &error), &error);
	assert_non_null(strstr(error.message, "have stood still for 1 seconds"));
	assert_int_equal(set->actors[0].forgotten, 1);
	stage_free(set);
}

static void one_that_is_never_ready_does_not_keep_the_others_from_their_moment(void **state)
{
	struct error error;
	struct moment moment;
	struct stage *set = stage(state);
	set->actors[0].conflicts = 1000000;
	assert_ok(take(set, &moment, &error), &error);
	assert_int_equal(moment.tries, MOMENT_TRIES + 1);
	assert_int_equal(set->participants[0].status, STATUS_FAILED);
	assert_string_equal(set->participants[0].error.message, "as told");
	assert_int_equal(set->participants[1].status, STATUS_OK);
	assert_int_equal(set->participants[2].status, STATUS_OK);
	stage_free(set);
}

static void one_that_fails_does_not_keep_the_others_from_their_moment(void **state)
{
	struct error error;
	struct moment moment;
	struct stage *set = stage(state);
	set->actors[0].answer_answer = STATUS_UNAVAILABLE;
	assert_ok(take(set, &moment, &error), &error);
	assert_int_equal(set->participants[0].status, STATUS_UNAVAILABLE);
	assert_string_equal(set->participants[0].error.message, "as told");
	assert_int_equal(set->participants[1].status, STATUS_OK);
	assert_int_equal(set->participants[2].status, STATUS_OK);
	assert_non_null(strstr(set->engine->log, "captured"));
	assert_non_null(strstr(set->engine->log, "capturee"));
	stage_free(set);
}

static void one_that_fails_while_it_is_paused_runs_again(void **state)
{
	struct error error;
	struct moment moment;
	struct stage *set = stage(state);
	set->actors[1].capture_answer = STATUS_FAILED;
	assert_ok(take(set, &moment, &error), &error);
	assert_int_equal(set->participants[1].status, STATUS_FAILED);
	assert_int_equal(set->participants[2].status, STATUS_OK);
	assert_non_null(strstr(set->engine->log, "captured -d")); /* at once */
	stage_free(set);
}

static void without_a_journal_nobody_is_paused(void **state)
{
	struct error error;
	struct moment moment;
	struct stage *set = stage(state);
	free(set->journal);
	set->journal = strdup(at(*state, "no/such/folder"));
	set->request.journal = set->journal;
	assert_status(STATUS_FAILED, take(set, &moment, &error), &error);
	assert_non_null(strstr(error.message, "cannot make "));
	assert_string_equal(set->engine->log, "");
	stage_free(set);
}

/* It is thawed in every moment anew, so that none of them counts. */
static void a_writer_that_never_stands_still_is_waited_for_only_so_often(void **state)
{
	struct error error;
	struct moment moment;
	struct stage *set = stage(state);
	set->engine->states[0] = CONTAINER_PAUSED;
	set->actors[1].owner_thaws = set->actors[1].owner_pauses_again = true;
	assert_status(STATUS_FAILED, take(set, &moment, &error), &error);
	assert_string_equal(error.message, "container name-a was started or thawed in the moment");
	assert_int_equal(set->actors[0].forgotten, MOMENT_TRIES);
	set->engine->states[0] = CONTAINER_RUNNING;
	stage_free(set);
}

/* What the tests of the whole leave out to see that they notice. */
static void without_the_check_who_is_not_at_rest_is_kept_as_it_is(void **state)
{
	struct error error;
	struct moment moment;
	struct stage *set = stage(state);
	set->actors[1].busy = 3;
	setenv("WHISPERBACKUP_TEST_WITHOUT", "at_rest", 1);
	enum status status = take(set, &moment, &error);
	unsetenv("WHISPERBACKUP_TEST_WITHOUT");
	assert_ok(status, &error);
	assert_int_equal(set->participants[1].retries, 1);
	assert_non_null(strstr(set->engine->log, "captured -d"));
	stage_free(set);
}

static void a_full_disk_and_an_interrupt_end_the_whole(void **state)
{
	struct error error;
	struct moment moment;
	static const enum status ends[] = {STATUS_NO_SPACE, STATUS_INTERRUPTED};
	for (size_t i = 0; i < 2; i++) {
		struct stage *set = stage(state);
		set->actors[2].capture_answer = ends[i];
		assert_status(ends[i], take(set, &moment, &error), &error);
		assert_int_equal(set->actors[0].forgotten, 1);
		stage_free(set);
	}
}

static void a_writer_that_has_just_ended_is_none(void **state)
{
	struct error error;
	struct moment moment;
	struct stage *set = stage(state);
	set->engine->states[0] = CONTAINER_STOPPED;
	assert_ok(take(set, &moment, &error), &error);
	assert_memory_equal(set->engine->log, "+b+d", 4);
	assert_int_equal(set->engine->states[0], CONTAINER_STOPPED);
	stage_free(set);
}

static void one_that_somebody_else_has_paused_fails_alone(void **state)
{
	struct error error;
	struct moment moment;
	struct stage *set = stage(state);
	set->engine->states[4] = CONTAINER_PAUSED;
	assert_ok(take(set, &moment, &error), &error);
	assert_int_equal(set->participants[2].status, STATUS_UNAVAILABLE);
	assert_int_equal(set->engine->states[4], CONTAINER_PAUSED);
	set->engine->states[4] = CONTAINER_RUNNING;
	stage_free(set);
}

/* Such as by another run, which had paused it and whose moment is over. */
static void a_writer_that_somebody_else_thaws_in_the_moment_spoils_it(void **state)
{
	struct error error;
	struct moment moment;
	struct stage *set = stage(state);
	set->engine->states[0] = CONTAINER_PAUSED;
	set->actors[1].owner_thaws = true;
	assert_ok(take(set, &moment, &error), &error);
	assert_int_equal(moment.tries, 2);
	assert_non_null(strstr(set->engine->log, "+a+b+d"));
	stage_free(set);
}

/* The engine starts it again and again, and pauses none that it is about to start. */
static void a_writer_that_is_started_again_in_the_moment_and_ends_at_once_spoils_it(void **state)
{
	struct error error;
	struct moment moment;
	struct stage *set = stage(state);
	set->engine->states[0] = CONTAINER_RESTARTING;
	set->actors[1].crash_loops = true;
	assert_ok(take(set, &moment, &error), &error);
	assert_int_equal(moment.tries, 2);
	stage_free(set);
}

static void a_writer_that_runs_right_after_its_pause_was_refused_spoils_the_moment(void **state)
{
	struct error error;
	struct moment moment;
	struct stage *set = stage(state);
	set->engine->pause_answer[0] = STATUS_CONFLICT;
	set->actors[1].ends = true;
	assert_ok(take(set, &moment, &error), &error);
	assert_int_equal(moment.tries, 2);
	stage_free(set);
}

static void a_writer_that_is_not_started_again_until_the_end_writes_nothing(void **state)
{
	struct error error;
	struct moment moment;
	struct stage *set = stage(state);
	set->engine->states[0] = CONTAINER_RESTARTING;
	assert_ok(take(set, &moment, &error), &error);
	assert_int_equal(moment.tries, 1);
	stage_free(set);
}

static void a_writer_that_its_owner_has_paused_stays_so(void **state)
{
	struct error error;
	struct moment moment;
	struct stage *set = stage(state);
	set->engine->states[0] = CONTAINER_PAUSED;
	assert_ok(take(set, &moment, &error), &error);
	assert_int_equal(moment.tries, 1);
	assert_int_equal(set->engine->states[0], CONTAINER_PAUSED);
	set->engine->states[0] = CONTAINER_RUNNING;
	stage_free(set);
}

static void a_writer_that_has_been_removed_is_none(void **state)
{
	struct error error;
	struct moment moment;
	struct stage *set = stage(state);
	set->engine->pause_answer[0] = STATUS_NOT_FOUND;
	set->engine->unpause_answer[0] = STATUS_NOT_FOUND;
	assert_ok(take(set, &moment, &error), &error);
	assert_memory_equal(set->engine->log, "+b+d", 4);
	stage_free(set);
}

/* The connection to the engine breaks: whether the writer stands still is not known. */
static void a_writer_that_nothing_is_heard_of_is_a_failure(void **state)
{
	struct error error;
	struct moment moment;
	struct stage *set = stage(state);
	set->engine->pause_answer[0] = STATUS_UNAVAILABLE;
	assert_status(STATUS_UNAVAILABLE, take(set, &moment, &error), &error);
	stage_free(set);
}

static void one_that_cannot_be_paused_fails_alone(void **state)
{
	struct error error;
	struct moment moment;
	struct stage *set = stage(state);
	set->engine->pause_answer[4] = STATUS_UNAVAILABLE;
	assert_ok(take(set, &moment, &error), &error);
	assert_int_equal(set->participants[2].status, STATUS_UNAVAILABLE);
	assert_int_equal(set->participants[1].status, STATUS_OK);
	stage_free(set);
}

/* An engine that fails to pause one of them, and does not get better. */
static void a_writer_that_cannot_be_paused_is_a_failure(void **state)
{
	struct error error;
	struct moment moment;
	struct stage *set = stage(state);
	set->engine->pause_answer[1] = STATUS_FAILED;
	assert_status(STATUS_FAILED, take(set, &moment, &error), &error);
	assert_non_null(strstr(error.message, "name-b"));
	stage_free(set);
}

/* The engine is well again when the moment is given up for the first time. */
static void heal_engine(void *context)
{
	struct actor *actor = context;
	actor_forget(context);
	actor->engine->pause_answer[0] = actor->engine->pause_answer[4] = STATUS_OK;
}

static void a_pause_that_the_engine_fails_at_once_is_tried_again(void **state)
{
	struct error error;
	struct moment moment;
	static const struct participant_ops healing = {.ask = actor_ask, .answer = actor_answer, .forget = heal_engine};
	static const size_t of_writer_and_participant[] = {0, 4};
	for (size_t i = 0; i < 2; i++) {
		struct stage *set = stage(state);
		set->engine->pause_answer[of_writer_and_participant[i]] = STATUS_FAILED;
		set->participants[0].ops = &healing;
		assert_ok(take(set, &moment, &error), &error);
		assert_int_equal(moment.tries, 2);
		assert_int_equal(set->participants[2].status, STATUS_OK);
		stage_free(set);
	}
}

static void a_moment_without_anybody_to_pause_is_one_too(void **state)
{
	struct error error;
	struct moment moment;
	struct stage *set = stage(state);
	set->request.writer_count = 0;
	assert_ok(moment_take(&set->request, set->participants, 1, NULL, &moment, &error), &error);
	assert_string_equal(set->engine->log, " askc  answerc ");
	assert_true(moment.window_milliseconds == 0);
	stage_free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(writers_stand_still_first_and_last_and_who_is_restless_comes_before_the_others),
		scratch_test(a_health_check_that_is_about_to_begin_is_waited_for),
		scratch_test(health_checks_that_are_always_about_to_begin_are_not_waited_for_for_ever),
		scratch_test(who_is_busy_is_thawed_and_looked_at_again),
		scratch_test(one_that_never_rests_does_not_keep_the_others_from_their_moment),
		scratch_test(a_conflict_means_another_window),
		scratch_test(a_conflict_after_too_long_a_time_means_none),
		scratch_test(one_that_is_never_ready_does_not_keep_the_others_from_their_moment),
		scratch_test(one_that_fails_does_not_keep_the_others_from_their_moment),
		scratch_test(one_that_fails_while_it_is_paused_runs_again),
		scratch_test(without_a_journal_nobody_is_paused),
		scratch_test(a_writer_that_never_stands_still_is_waited_for_only_so_often),
		scratch_test(without_the_check_who_is_not_at_rest_is_kept_as_it_is),
		scratch_test(a_full_disk_and_an_interrupt_end_the_whole),
		scratch_test(a_writer_that_has_just_ended_is_none),
		scratch_test(one_that_somebody_else_has_paused_fails_alone),
		scratch_test(a_writer_that_somebody_else_thaws_in_the_moment_spoils_it),
		scratch_test(a_writer_that_is_started_again_in_the_moment_and_ends_at_once_spoils_it),
		scratch_test(a_writer_that_runs_right_after_its_pause_was_refused_spoils_the_moment),
		scratch_test(a_writer_that_is_not_started_again_until_the_end_writes_nothing),
		scratch_test(a_writer_that_its_owner_has_paused_stays_so),
		scratch_test(a_writer_that_has_been_removed_is_none),
		scratch_test(a_writer_that_nothing_is_heard_of_is_a_failure),
		scratch_test(one_that_cannot_be_paused_fails_alone),
		scratch_test(a_writer_that_cannot_be_paused_is_a_failure),
		scratch_test(a_pause_that_the_engine_fails_at_once_is_tried_again),
		scratch_test(a_moment_without_anybody_to_pause_is_one_too),
	};
	return cmocka_run_group_tests_name("moment", tests, NULL, NULL);
}
