/*
 * writers.h - the containers of the project that may write to the stores: they stand still while that would do harm.
 */
#ifndef WHISPERBACKUP_COMMANDS_WRITERS_H
#define WHISPERBACKUP_COMMANDS_WRITERS_H

#include "commands/session.h"
#include "snapshot/window.h"

struct writers {
	struct container_list now;      /* the project's containers when they were looked for */
	const struct container **items; /* of these */
	size_t count;
	size_t exempt; /* further ones that run, whose label says that they must not be paused */
};

/* All of the project that runs now and is no store and not this program's own container. */
enum status writers_find(const struct session *session, struct writers *ret_writers, struct error *error) MUST_CHECK;

/* The same, for who has no session: `stores` are the containers of the stores, NULL where there is none. */
enum status writers_of(struct runtime *runtime, const char *project, const struct container *const stores[STORE_COUNT],
					   struct writers *ret_writers, struct error *error) MUST_CHECK;
void writers_free(struct writers *writers);

/*
 * Pauses them for a restore, or for what brings one back; what somebody else has paused, stopped or removed does not
 * write either. `engine` and `journal` are those of a window_plan; `again` is what is to be done again if it takes too
 * long. All is lent until the window is closed; *ret_window stays NULL if there is no writer, and is the caller's also
 * after a failure.
 */
enum status writers_pause(const struct writers *writers, struct runtime *runtime, const char *engine,
						  const char *journal, const char *again, struct window **ret_window,
						  struct error *error) MUST_CHECK;

#endif
