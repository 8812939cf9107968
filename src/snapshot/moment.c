#include "snapshot/moment.h"

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/test_switch.h"
#include "snapshot/window.h"

#include <stdlib.h>
#include <string.h>

enum {
	LONGEST_THAW_MILLISECONDS = 30, /* between two pauses while a participant is busy */
	RETRY_MILLISECONDS = 100,       /* between two windows */
	MOST_FAILURES = 5,              /* of the engine to pause, before that is one of ours */
	QUIET_SECONDS = 3,              /* that a time without health checks is waited for */
};

const char *const moment_step_names[MOMENT_STEPS] = {
	[MOMENT_PAUSE_WRITERS] = "pause_writers",
	[MOMENT_REST] = "rest",
	[MOMENT_ASK] = "ask",
	[MOMENT_PAUSE] = "pause",
	[MOMENT_CAPTURE] = "capture",
	[MOMENT_THAW] = "thaw",
};

/* A writer that the engine would not pause: stopped, paused by somebody else, about to be started again, or gone. */
struct refusal {
	bool refused;
	char start[RUNTIME_START_SIZE]; /* its last one then */
};

struct taking {
	const struct moment_request *request;
	struct participant *participants;
	size_t count;
	const struct container **containers; /* the writers, then the participants that pause */
	bool *thawed;                        /* one for each of them: in a window that was given up */
	size_t container_count;
	struct refusal *refusals; /* one for each writer */
	struct window *window;
	struct participant *unready; /* who wants another moment; NULL: a writer that could not be paused */
	unsigned failures;           /* pauses that the engine has failed at */
	double thaw_seconds;         /* spent on thawing participants */
};

/* No health check should begin in this time, in seconds, from the first pause on: somewhat more than a window takes. */
static const double quiet_ahead = 0.2;

/* A health check that was due before this has begun. */
static const double quiet_behind = 0.1;

static bool takes_part(const struct participant *participant)
{
	return participant->status == STATUS_OK;
}

/* Notes a failure that is one participant's own; returns what concerns everybody. */
static enum status judge(struct taking *taking, struct participant *participant, enum status status,
						 struct error *error)
{
	if (status == STATUS_CONFLICT) {
		taking->unready = participant;
	}
	if (status == STATUS_OK || status == STATUS_INTERRUPTED || status == STATUS_NO_SPACE || status == STATUS_CONFLICT) {
		return status;
	}
	participant->status = status;
	participant->error = *error;
	/* It need not stand still any longer. A thaw that fails is tried again when the window is closed. */
	struct error ignored;
	(void)!window_thaw(taking->window, participant->container, NULL, &ignored);
	return STATUS_OK;
}

static enum status list_containers(struct taking *taking, struct error *error)
{
	const struct moment_request *request = taking->request;
	taking->containers = calloc(request->writer_count + taking->count + 1, sizeof(const struct container *));
	taking->thawed = calloc(request->writer_count + taking->count + 1, sizeof *taking->thawed);
	taking->refusals = calloc(request->writer_count + 1, sizeof *taking->refusals);
	if (taking->containers == NULL || taking->thawed == NULL || taking->refusals == NULL) {
		return error_memory(error);
	}
	for (size_t i = 0; i < request->writer_count; i++) {
		taking->containers[taking->container_count++] = request->writers[i];
	}
	for (size_t i = 0; i < taking->count; i++) {
		if (taking->participants[i].pauses) {
			taking->containers[taking->container_count++] = taking->participants[i].container;
		}
	}
	return STATUS_OK;
}

/*
 * Now and then the kernel does not get a container frozen ("unable to freeze", seen once in some ninety pauses of a
 * busy machine); the next time it does.
 */
static enum status pause_one(struct taking *taking, const struct container *container, bool *ret_refused,
							 struct error *error)
{
	struct error ignored;
	enum status status = window_pause(taking->window, container, error);
	*ret_refused = status == STATUS_CONFLICT || status == STATUS_NOT_FOUND;
	if (status == STATUS_FAILED && interrupt_check(&ignored) == STATUS_OK && taking->failures < MOST_FAILURES) {
		taking->failures++;
		return error->status = STATUS_CONFLICT;
	}
	return status == STATUS_CONFLICT ? error->status = STATUS_UNAVAILABLE : status;
}

static enum status spoilt(struct taking *taking, const struct container *writer, struct error *error)
{
	taking->unready = NULL;
	return error_set(error, STATUS_CONFLICT, "container %s was started or thawed in the moment", writer->name);
}

/* One that does not run writes nothing until it is started again, which may have happened since. */
static enum status note_refusal(struct taking *taking, size_t index, struct error *error)
{
	const struct container *writer = taking->request->writers[index];
	struct runtime *runtime = taking->request->runtime;
	enum container_state state = CONTAINER_STOPPED;
	enum container_health health = HEALTH_NONE;
	/* In this order: a start between the two is another one than this. */
	enum status status = runtime_last_start(runtime, writer, taking->refusals[index].start, error);
	if (status == STATUS_OK) {
		status = runtime_inspect(runtime, writer, &state, &health, error);
	}
	if (status == STATUS_OK && state == CONTAINER_RUNNING) {
		return spoilt(taking, writer, error);
	}
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status pause_writers(struct taking *taking, struct error *error)
{
	enum status status = STATUS_OK;
	size_t count = test_switch_leaves_out("writer_pause") ? 0 : taking->request->writer_count;
	taking->unready = NULL;
	for (size_t i = 0; status == STATUS_OK && i < count; i++) {
		struct refusal *refusal = &taking->refusals[i];
		status = pause_one(taking, taking->request->writers[i], &refusal->refused, error);
		if (refusal->refused) {
			status = note_refusal(taking, i, error);
		}
	}
	return status;
}

/* Somebody else may have thawed what he had paused, such as another run that had its own moment; or he, or the engine,
 * may have started one that did not run. It may have ended again since. */
static enum status look_at_refused(struct taking *taking, struct error *error)
{
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < taking->request->writer_count; i++) {
		const struct container *writer = taking->request->writers[i];
		const struct refusal *refusal = &taking->refusals[i];
		enum container_state state = CONTAINER_STOPPED;
		enum container_health health = HEALTH_NONE;
		char start[RUNTIME_START_SIZE] = "";
		if (!refusal->refused) {
			continue;
		}
		status = runtime_inspect(taking->request->runtime, writer, &state, &health, error);
		if (status == STATUS_OK) {
			status = runtime_last_start(taking->request->runtime, writer, start, error);
		}
		if (status == STATUS_OK && (state == CONTAINER_RUNNING || strcmp(start, refusal->start) != 0)) {
			return spoilt(taking, writer, error);
		}
		status = status == STATUS_NOT_FOUND ? STATUS_OK : status;
	}
	return status;
}

/* How long a participant is waited for: there has to be time left for the others. */
static unsigned rest_seconds(const struct taking *taking)
{
	unsigned half = taking->request->longest_seconds / 2;
	return half < MOMENT_REST_SECONDS ? half : (unsigned)MOMENT_REST_SECONDS;
}

static enum status restless(const struct taking *taking, const struct participant *participant, struct error *error)
{
	(void)error_set(error, STATUS_FAILED, "%s was never at rest in %u seconds: it keeps rewriting its files",
					participant->title, rest_seconds(taking));
	return error_hint(error, "run the backup again when there is less to do, or stop what writes to it for a minute");
}

/* Pauses a participant at a moment that counts. */
static enum status pause_at_rest(struct taking *taking, struct participant *participant, struct error *error)
{
	double began = clock_seconds();
	for (unsigned tries = 1;; tries++) {
		bool refused = false;
		enum status status = interrupt_check(error);
		if (status == STATUS_OK && participant->ops->before_pause != NULL) {
			status = participant->ops->before_pause(participant->context, error);
		}
		if (status == STATUS_OK) {
			status = pause_one(taking, participant->container, &refused, error);
		}
		bool rest = true;
		if (status == STATUS_OK && participant->ops->at_rest != NULL) {
			status = participant->ops->at_rest(participant->context, &rest, error);
		}
		if (status != STATUS_OK || rest) {
			return status;
		}
		participant->retries++; /* counted without the check as well: it tells which backups lack something */
		if (test_switch_leaves_out("at_rest")) {
			return STATUS_OK;
		}
		status = window_thaw(taking->window, participant->container, NULL, error);
		if (status == STATUS_OK && clock_seconds() - began > rest_seconds(taking)) {
			status = restless(taking, participant, error);
		}
		if (status != STATUS_OK) {
			return status;
		}
		clock_sleep(tries < LONGEST_THAW_MILLISECONDS ? tries : LONGEST_THAW_MILLISECONDS);
	}
}

/* What is captured need not stand still any longer: it is out of the moment, and nobody writes to it. */
static enum status capture(struct taking *taking, struct participant *participant, struct error *error)
{
	enum status status = participant->ops->capture(participant->context, error);
	double began = clock_seconds();
	if (status == STATUS_OK) {
		status = window_thaw(taking->window, participant->container, &participant->freeze_milliseconds, error);
	}
	taking->thaw_seconds += clock_seconds() - began;
	return status;
}

enum step { PAUSE_RESTLESS, ASK, ANSWER, PAUSE_OTHERS, CAPTURE };

static enum status do_step(struct taking *taking, enum step step, struct participant *participant, struct error *error)
{
	const struct participant_ops *ops = participant->ops;
	void *context = participant->context;
	switch (step) {
	case ASK:
		return ops->ask != NULL ? ops->ask(context, error) : STATUS_OK;
	case ANSWER:
		return ops->answer != NULL ? ops->answer(context, error) : STATUS_OK;
	case PAUSE_RESTLESS:
		return participant->pauses && ops->at_rest != NULL ? pause_at_rest(taking, participant, error) : STATUS_OK;
	case PAUSE_OTHERS:
		return participant->pauses && ops->at_rest == NULL ? pause_at_rest(taking, participant, error) : STATUS_OK;
	case CAPTURE:
		break;
	}
	return participant->pauses ? capture(taking, participant, error) : STATUS_OK;
}

static enum status each(struct taking *taking, enum step step, struct error *error)
{
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < taking->count; i++) {
		struct participant *participant = &taking->participants[i];
		if (takes_part(participant)) {
			status = judge(taking, participant, do_step(taking, step, participant, error), error);
		}
		if (status == STATUS_OK) {
			status = interrupt_check(error);
		}
	}
	return status;
}

/*
 * Whoever may have to be waited for comes to rest before the others are asked: where the writers go on writing, what
 * is kept is then as close together as it can be.
 */
static enum status take(struct taking *taking, struct moment *moment, struct error *error)
{
	static const struct {
		enum step step;
		enum moment_step counts_as;
	} steps[] = {{PAUSE_RESTLESS, MOMENT_REST},
				 {ASK, MOMENT_ASK},
				 {ANSWER, MOMENT_ASK},
				 {PAUSE_OTHERS, MOMENT_PAUSE},
				 {CAPTURE, MOMENT_CAPTURE}};
	taking->thaw_seconds = 0;
	double began = clock_seconds();
	enum status status = pause_writers(taking, error);
	double *milliseconds = moment->step_milliseconds;
	milliseconds[MOMENT_PAUSE_WRITERS] = (clock_seconds() - began) * 1000;
	for (size_t i = 0; status == STATUS_OK && i < sizeof steps / sizeof *steps; i++) {
		if (steps[i].step == CAPTURE) {
			clock_gettime(CLOCK_REALTIME, &moment->cut);
		}
		began = clock_seconds();
		status = each(taking, steps[i].step, error);
		if (status == STATUS_OK && steps[i].step == CAPTURE) {
			status = look_at_refused(taking, error);
		}
		milliseconds[steps[i].counts_as] += (clock_seconds() - began) * 1000;
	}
	milliseconds[MOMENT_CAPTURE] -= taking->thaw_seconds * 1000;
	milliseconds[MOMENT_THAW] = taking->thaw_seconds * 1000;
	return status;
}

/*
 * A health check that begins in a container as it is paused is in the way of its thaw (runtime_next_check). There is
 * often a better moment within a second; where there is none, it is taken all the same.
 */
static enum status wait_for_quiet(const struct taking *taking, struct error *error)
{
	double until = clock_seconds() + QUIET_SECONDS;
	enum status status = STATUS_OK;
	for (double wait = 1; status == STATUS_OK && wait > 0 && clock_seconds() < until;) {
		wait = 0;
		for (size_t i = 0; status == STATUS_OK && i < taking->container_count; i++) {
			struct error ignored;
			double next = 0;
			if (runtime_next_check(taking->request->runtime, taking->containers[i], &next, &ignored) == STATUS_OK &&
				next > -quiet_behind && next < quiet_ahead && next + quiet_behind > wait) {
				wait = next + quiet_behind;
			}
			status = interrupt_check(error);
		}
		if (status == STATUS_OK && wait > 0) {
			clock_sleep((unsigned)(wait * 1000) + 1);
		}
	}
	return status;
}

static void forget(struct taking *taking)
{
	for (size_t i = 0; i < taking->count; i++) {
		struct participant *participant = &taking->participants[i];
		if (participant->ops->forget != NULL) {
			participant->ops->forget(participant->context);
		}
	}
}

static enum status try_once(struct taking *taking, struct moment *moment, struct error *error)
{
	const struct moment_request *request = taking->request;
	const struct window_plan plan = {
		.runtime = request->runtime,
		.engine = request->engine,
		.journal = request->journal,
		.containers = taking->containers,
		.count = taking->container_count,
		.thawed = taking->thawed,
		.longest_seconds = request->longest_seconds,
	};
	enum status status = wait_for_quiet(taking, error);
	if (status == STATUS_OK) {
		status = window_open(&plan, &taking->window, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	status = take(taking, moment, error);
	struct error too_long; /* one that has stood still for as long as it may is not tried again */
	if (status == STATUS_CONFLICT && interrupt_check(&too_long) != STATUS_OK) {
		*error = too_long;
		status = error->status;
	}
	if (status != STATUS_OK) {
		window_abandon(MOVE(taking->window));
		forget(taking);
		return status;
	}
	double began = clock_seconds();
	status = window_close(MOVE(taking->window), &moment->window_milliseconds, error);
	moment->step_milliseconds[MOMENT_THAW] += (clock_seconds() - began) * 1000;
	return status;
}

enum status moment_take(const struct moment_request *request, struct participant *participants, size_t count,
						struct progress *progress, struct moment *ret_moment, struct error *error)
{
	struct taking taking = {.request = request, .participants = participants, .count = count};
	struct moment moment = {0};
	enum status status = list_containers(&taking, error);
	progress_step(progress, "taking the moment", 0);
	for (unsigned since = 1; status == STATUS_OK; since++) {
		moment = (struct moment){.tries = moment.tries + 1};
		status = try_once(&taking, &moment, error);
		if (status != STATUS_CONFLICT) {
			break;
		}
		/* Not now: a save was under way, or a table was being rewritten. Whoever is never ready is left out. */
		if (since == MOMENT_TRIES && taking.unready == NULL) {
			status = error->status = STATUS_FAILED;
			break;
		}
		if (since == MOMENT_TRIES) {
			taking.unready->status = STATUS_FAILED;
			taking.unready->error = *error;
			taking.unready->error.status = STATUS_FAILED;
			since = 0;
		}
		clock_sleep(RETRY_MILLISECONDS);
		status = interrupt_check(error);
	}
	free(taking.containers);
	free(taking.thawed);
	free(taking.refusals);
	if (status == STATUS_OK) {
		*ret_moment = moment;
	}
	return status;
}
