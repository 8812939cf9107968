/*
 * crew.h - pieces of work that are done side by side, each in a thread of its own, and told of in one place.
 */
#ifndef WHISPERBACKUP_BASE_CREW_H
#define WHISPERBACKUP_BASE_CREW_H

#include "base/error.h"
#include "base/progress.h"

#include <stddef.h>

enum { CREW_MOST = 8 }; /* at the same time */

/* How one piece has ended. */
struct crew_end {
	enum status status;
	struct error error;
	double seconds; /* that it took */
};

struct crew_plan {
	size_t count;   /* of the pieces */
	size_t at_once; /* so many at the same time; up to CREW_MOST */
	void *context;  /* lent */

	/* Does one, in a thread of its own if there is one to be had. */
	enum status (*work)(void *context, size_t index, struct progress *progress, struct error *error);

	/*
	 * Hears of each that was begun, in the thread of who called crew_run, as they end. If it fails, no other is begun
	 * and those at work are asked to stop (interrupt_check).
	 */
	enum status (*ended)(void *context, size_t index, const struct crew_end *end, struct error *error);
};

/*
 * Does all of them. Their bytes and warnings go to `progress`, one at a time and none while `ended` is called; a step
 * of one is no step of all. Returns when none is at work any more, with the first failure of `ended`.
 */
enum status crew_run(const struct crew_plan *plan, struct progress *progress, struct error *error) MUST_CHECK;

#endif
