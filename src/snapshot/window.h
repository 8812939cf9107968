/*
 * window.h - the time in which containers stand still, and the guardian that ends it whatever happens to us.
 *
 * Before anything is paused a journal (journal.h) says on disk what may be, and a child process is started that holds
 * the read end of a pipe and the same list. When the parent is gone, however it went, or has kept things frozen for
 * longer than it may, the child thaws everything, removes the journal and leaves. If both are gone, the journal tells
 * the next command.
 */
#ifndef WHISPERBACKUP_SNAPSHOT_WINDOW_H
#define WHISPERBACKUP_SNAPSHOT_WINDOW_H

#include "base/cleanup.h"
#include "base/error.h"
#include "runtimes/runtime.h"

struct window;

struct window_plan {
	struct runtime *runtime;
	const char *engine;                        /* how to reach it again, for the journal; may be empty */
	const char *journal;                       /* path of the journal's file */
	const struct container *const *containers; /* all that may be paused in it */
	size_t count;
	bool *thawed;             /* which of them have been paused and thawed by us before, also in an earlier window; kept
							   * up to date; may be NULL where each is paused once */
	unsigned longest_seconds; /* from the first pause on; the guardian's limit, a little later, is its own */
	const char *too_long_hint; /* what to do when that was not enough; NULL: what a backup's user can do */
};

enum { WINDOW_MOST_DESCRIPTORS = 4096 }; /* that a guardian closes; the program may not have more */

enum { WINDOW_GRACE_SECONDS = 5 }; /* how much longer than `longest_seconds` the guardian waits for the parent */

/* Starts the guardian and writes the journal; nothing is paused yet. All of the plan is lent until the window is
 * closed. */
enum status window_open(const struct window_plan *plan, struct window **ret_window, struct error *error) MUST_CHECK;

/*
 * Pauses one of the plan's containers. STATUS_CONFLICT if somebody else has paused or stopped it: it is left as it is.
 * STATUS_NOT_FOUND if it has been removed.
 * From the first pause on, until the window is closed, interrupt_check fails once longest_seconds have gone by.
 */
enum status window_pause(struct window *window, const struct container *container, struct error *error) MUST_CHECK;

/*
 * Thaws one again. One that was thawed or ended by somebody else meanwhile is a failure: what was read of it is not of
 * one moment. *ret_milliseconds (may be NULL) is how long it stood still.
 */
enum status window_thaw(struct window *window, const struct container *container, double *ret_milliseconds,
						struct error *error) MUST_CHECK;

/* How long ago the first container was paused; 0 if none was. */
double window_milliseconds(const struct window *window);

/*
 * Thaws what is still paused, the last one first, removes the journal, dismisses the guardian and frees the window. All
 * containers are tried even if one fails; the failures are those of window_thaw. *ret_milliseconds (may be NULL) is the
 * time from the first pause to the last thaw. It takes two seconds more, when nothing stands still any longer, where
 * the engine may be wrong about one that it calls thawed. NULL is fine.
 */
enum status window_close(struct window *window, double *ret_milliseconds, struct error *error) MUST_CHECK;

/* For scopes that are left by a failure: closes it and leaves a thaw that fails to the guardian. */
void window_abandon(struct window *window);
CLEANUP_DEFINE(window, struct window, window_abandon)

#endif
