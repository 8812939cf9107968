/*
 * moment.h - one moment that several servers share.
 *
 * What takes part is a `struct participant`: a server that can be asked to keep the moment itself (a database with
 * snapshots), one that is paused while what has changed is copied, or both. The others, which write, are paused first,
 * so that nothing flows between the participants while each is asked. docs/ARCHITECTURE.md tells the order and why.
 */
#ifndef WHISPERBACKUP_SNAPSHOT_MOMENT_H
#define WHISPERBACKUP_SNAPSHOT_MOMENT_H

#include "base/error.h"
#include "base/progress.h"
#include "runtimes/runtime.h"

#include <stdbool.h>
#include <time.h>

/* What can be done with a participant; the functions are called with its context, and NULL where there is nothing to
 * do. STATUS_CONFLICT from `ask` or `answer` means that another moment has to be tried. */
struct participant_ops {
	enum status (*ask)(void *context, struct error *error);
	enum status (*answer)(void *context, struct error *error);
	enum status (*before_pause)(void *context, struct error *error);
	enum status (*at_rest)(void *context, bool *ret_at_rest, struct error *error);
	enum status (*capture)(void *context, struct error *error); /* its container is paused for this */
	void (*forget)(void *context);
};

struct participant {
	const struct participant_ops *ops;
	void *context;
	const char *title;                 /* for people */
	const struct container *container; /* lent */
	bool pauses;                       /* it is captured while it stands still */
	/* Set by moment_take: */
	unsigned retries; /* pauses that found it not at rest */
	double freeze_milliseconds;
	enum status status; /* a participant that fails does not keep the others from their moment ... */
	struct error error; /* ... and this says why */
};

struct moment_request {
	struct runtime *runtime;
	const char *engine;                     /* for the journal: how to reach the runtime again */
	const char *journal;                    /* path of the journal's file */
	const struct container *const *writers; /* paused first, thawed last */
	size_t writer_count;
	unsigned longest_seconds;
};

/* What the time goes into while anything stands still, in this order. */
enum moment_step {
	MOMENT_PAUSE_WRITERS,
	MOMENT_REST,    /* pausing who has to be found at rest */
	MOMENT_ASK,     /* all that can be asked, and their answers */
	MOMENT_PAUSE,   /* pausing the others */
	MOMENT_CAPTURE, /* keeping what differs */
	MOMENT_THAW,
	MOMENT_STEPS
};

/* "pause_writers", "rest", ... */
extern const char *const moment_step_names[MOMENT_STEPS];

struct moment {
	struct timespec cut;        /* when everything stood still and everybody had answered */
	double window_milliseconds; /* from the first pause to the last thaw; 0 if nothing was paused */
	double step_milliseconds[MOMENT_STEPS];
	unsigned tries; /* windows that were opened */
};

enum {
	MOMENT_REST_SECONDS =
		60,            /* that a participant may need to come to rest, or half of longest_seconds if that is less */
	MOMENT_TRIES = 30, /* after so many a participant that is not ready has failed */
};

/*
 * Takes the moment. A failure that concerns one participant is noted in it; the others go on. What is returned concerns
 * the whole: the engine, an interrupt, the limit in time. Everything runs again in every case.
 */
enum status moment_take(const struct moment_request *request, struct participant *participants, size_t count,
						struct progress *progress, struct moment *ret_moment, struct error *error) MUST_CHECK;

#endif
