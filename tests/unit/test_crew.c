/* base/crew: work is done side by side, heard of in the caller's thread, and given up when some of it has failed. */
#include "support.h"

#include "base/clock.h"
#include "base/crew.h"
#include "base/interrupt.h"
#include "base/thread.h"

enum { PIECES = 6, ADVANCES = 1000 };

static bool no_threads;

/* In the place of that of base/thread. */
bool thread_start(pthread_t *ret_thread, void *(*work)(void *context), void *context)
{
	return !no_threads && pthread_create(ret_thread, NULL, work, context) == 0;
}

struct listener {
	struct progress progress;
	uint64_t bytes;
	unsigned warnings;
	unsigned steps;
};

struct piece {
	enum status answer;
	bool until_stopped; /* it goes on until it is asked to stop */
	bool runs_crew;     /* of two pieces that go on until then */
	bool begun;
	struct crew_end end;
	bool ended;
};

struct fixture {
	struct piece pieces[PIECES];
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	size_t there;    /* at work now */
	size_t most;     /* of them at any time */
	size_t wait_for; /* each waits until so many have been there; 0: none */
	pthread_t caller;
	enum status fatal; /* what `ended` makes of a failure; STATUS_OK: it is not one of all */
	struct listener listener;
	struct crew_plan plan;
};

static enum status wait_until_stopped(struct error *error)
{
	enum status status = STATUS_OK;
	while (status == STATUS_OK) {
		clock_sleep(1);
		status = interrupt_check(error);
	}
	return status;
}

static enum status inner_work(void *context, size_t index, struct progress *progress, struct error *error)
{
	(void)context;
	(void)index;
	(void)progress;
	return wait_until_stopped(error);
}

static enum status inner_ended(void *context, size_t index, const struct crew_end *end, struct error *error)
{
	(void)context;
	(void)index;
	*error = end->error;
	return end->status;
}

static enum status run_inner(struct progress *progress, struct error *error)
{
	const struct crew_plan plan = {.count = 2, .at_once = 2, .work = inner_work, .ended = inner_ended};
	return crew_run(&plan, progress, error);
}

static enum status work(void *context, size_t index, struct progress *progress, struct error *error)
{
	struct fixture *fixture = context;
	struct piece *piece = &fixture->pieces[index];
	pthread_mutex_lock(&fixture->mutex);
	piece->begun = true;
	fixture->there++;
	fixture->most = fixture->there > fixture->most ? fixture->there : fixture->most;
	pthread_cond_broadcast(&fixture->changed);
	while (fixture->most < fixture->wait_for) {
		pthread_cond_wait(&fixture->changed, &fixture->mutex);
	}
	pthread_mutex_unlock(&fixture->mutex);

	progress_step(progress, "a step of one", 1);
	for (unsigned i = 0; i < ADVANCES; i++) {
		progress_advance(progress, 1);
	}
	progress_warn(progress, "a warning");
	enum status status = piece->answer;
	if (status != STATUS_OK) {
		(void)error_set(error, status, "piece %zu failed on purpose", index);
	} else if (piece->runs_crew) {
		status = run_inner(progress, error);
	} else if (piece->until_stopped) {
		status = wait_until_stopped(error);
	}
	pthread_mutex_lock(&fixture->mutex);
	fixture->there--;
	pthread_mutex_unlock(&fixture->mutex);
	return status;
}

static enum status ended(void *context, size_t index, const struct crew_end *end, struct error *error)
{
	struct fixture *fixture = context;
	assert_true(pthread_equal(pthread_self(), fixture->caller));
	assert_false(fixture->pieces[index].ended);
	fixture->pieces[index].ended = true;
	fixture->pieces[index].end = *end;
	return end->status != STATUS_OK && fixture->fatal != STATUS_OK
			   ? error_set(error, fixture->fatal, "because %s", end->error.message)
			   : STATUS_OK;
}

/* Unlocked: the crew sees to it that they come one at a time. */
static void on_step(struct progress *progress, const char *text, uint64_t total_bytes)
{
	(void)text;
	(void)total_bytes;
	((struct listener *)progress)->steps++;
}

static void on_advance(struct progress *progress, uint64_t bytes)
{
	((struct listener *)progress)->bytes += bytes;
}

static void on_warn(struct progress *progress, const char *text)
{
	assert_string_equal(text, "a warning");
	((struct listener *)progress)->warnings++;
}

static void prepare(struct fixture *fixture, size_t count, size_t at_once)
{
	*fixture = (struct fixture){
		.mutex = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
		.caller = pthread_self(),
		.listener = {.progress = {.step = on_step, .advance = on_advance, .warn = on_warn}},
		.plan = {.count = count, .at_once = at_once, .context = fixture, .work = work, .ended = ended},
	};
}

static enum status run(struct fixture *fixture, struct error *error)
{
	return crew_run(&fixture->plan, &fixture->listener.progress, error);
}

static void all_are_at_work_at_the_same_time(void **state)
{
	struct error error;
	struct fixture fixture;
	(void)state;
	prepare(&fixture, PIECES, PIECES);
	fixture.wait_for = PIECES;
	assert_ok(run(&fixture, &error), &error);
	assert_int_equal(fixture.most, PIECES);
}

static void no_more_are_at_work_than_may_be(void **state)
{
	struct error error;
	struct fixture fixture;
	(void)state;
	prepare(&fixture, PIECES, 2);
	fixture.wait_for = 2;
	assert_ok(run(&fixture, &error), &error);
	assert_int_equal(fixture.most, 2);
	for (size_t i = 0; i < PIECES; i++) {
		assert_true(fixture.pieces[i].ended);
	}
}

static void nothing_to_do_is_done(void **state)
{
	struct error error;
	struct fixture fixture;
	(void)state;
	prepare(&fixture, 0, 2);
	assert_ok(run(&fixture, &error), &error);
}

static void bytes_and_warnings_are_handed_on_and_steps_are_not(void **state)
{
	struct error error;
	struct fixture fixture;
	(void)state;
	prepare(&fixture, PIECES, PIECES);
	assert_ok(run(&fixture, &error), &error);
	assert_int_equal(fixture.listener.bytes, PIECES * ADVANCES);
	assert_int_equal(fixture.listener.warnings, PIECES);
	assert_int_equal(fixture.listener.steps, 0);
}

static void a_failure_that_is_not_one_of_all_leaves_the_others_at_work(void **state)
{
	struct error error;
	struct fixture fixture;
	(void)state;
	prepare(&fixture, PIECES, 2);
	fixture.pieces[1].answer = STATUS_DAMAGED;
	assert_ok(run(&fixture, &error), &error);
	for (size_t i = 0; i < PIECES; i++) {
		assert_int_equal(fixture.pieces[i].end.status, i == 1 ? STATUS_DAMAGED : STATUS_OK);
	}
	assert_string_equal(fixture.pieces[1].end.error.message, "piece 1 failed on purpose");
}

static void a_failure_of_all_stops_those_at_work_and_begins_no_others(void **state)
{
	struct error error;
	struct fixture fixture;
	(void)state;
	prepare(&fixture, PIECES, 3);
	fixture.fatal = STATUS_NO_SPACE;
	fixture.wait_for = 3;
	fixture.pieces[0].until_stopped = fixture.pieces[2].until_stopped = true;
	fixture.pieces[1].answer = STATUS_DAMAGED;
	assert_status(STATUS_NO_SPACE, run(&fixture, &error), &error);
	assert_string_equal(error.message, "because piece 1 failed on purpose");
	for (size_t i = 0; i < PIECES; i++) {
		assert_int_equal(fixture.pieces[i].begun, i < 3);
		assert_int_equal(fixture.pieces[i].ended, i < 3);
	}
	assert_int_equal(fixture.pieces[0].end.status, STATUS_INTERRUPTED);
	assert_int_equal(fixture.pieces[2].end.status, STATUS_INTERRUPTED);
	assert_ok(interrupt_check(&error), &error);
}

static void a_crew_within_a_crew_is_stopped_as_well(void **state)
{
	struct error error;
	struct fixture fixture;
	(void)state;
	prepare(&fixture, 2, 2);
	fixture.fatal = STATUS_FAILED;
	fixture.wait_for = 2;
	fixture.pieces[0].runs_crew = true;
	fixture.pieces[1].answer = STATUS_FAILED;
	assert_status(STATUS_FAILED, run(&fixture, &error), &error);
	assert_string_equal(error.message, "because piece 1 failed on purpose");
	assert_int_equal(fixture.pieces[0].end.status, STATUS_INTERRUPTED);
}

static void without_threads_it_is_done_one_after_the_other(void **state)
{
	struct error error;
	struct fixture fixture;
	(void)state;
	prepare(&fixture, PIECES, PIECES);
	no_threads = true;
	fixture.pieces[3].answer = STATUS_FAILED;
	enum status status = run(&fixture, &error);
	no_threads = false;
	assert_ok(status, &error);
	assert_int_equal(fixture.most, 1);
	assert_int_equal(fixture.listener.bytes, PIECES * ADVANCES);
	for (size_t i = 0; i < PIECES; i++) {
		assert_int_equal(fixture.pieces[i].end.status, i == 3 ? STATUS_FAILED : STATUS_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_at_work_at_the_same_time),
		cmocka_unit_test(no_more_are_at_work_than_may_be),
		cmocka_unit_test(nothing_to_do_is_done),
		cmocka_unit_test(bytes_and_warnings_are_handed_on_and_steps_are_not),
		cmocka_unit_test(a_failure_that_is_not_one_of_all_leaves_the_others_at_work),
		cmocka_unit_test(a_failure_of_all_stops_those_at_work_and_begins_no_others),
		cmocka_unit_test(a_crew_within_a_crew_is_stopped_as_well),
		cmocka_unit_test(without_threads_it_is_done_one_after_the_other),
	};
	return cmocka_run_group_tests_name("crew", tests, NULL, NULL);
}
