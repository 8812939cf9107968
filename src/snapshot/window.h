/*
 * window.h - the time in which containers stand still, and the guardian that ends it whatever happens to us.
 *
 * Before anything is paused a child process is started that holds the read end of a pipe and the list of what will be
 * frozen. When the parent is gone, however it went, the pipe ends, and the child thaws everything and leaves.
 */
#ifndef WHISPERBACKUP_SNAPSHOT_WINDOW_H
#define WHISPERBACKUP_SNAPSHOT_WINDOW_H

#include "base/cleanup.h"
#include "base/error.h"
#include "runtimes/runtime.h"

struct window;

/*
 * Pauses the containers (lent, as is the runtime, until the window is closed). If one cannot be paused, those before it
 * are thawed again and nothing is left frozen.
 */
enum status window_open(struct runtime *runtime, const struct container *const *containers, size_t count,
						struct window **ret_window, struct error *error) MUST_CHECK;

/*
 * Thaws everything and frees the window; all containers are tried even if one fails. One that was thawed or ended by
 * somebody else meanwhile is a failure: what was read of it is not of one moment. *ret_milliseconds (may be NULL) is
 * how long they stood still, from the first pause to the last thaw. NULL is fine.
 */
enum status window_close(struct window *window, double *ret_milliseconds, struct error *error) MUST_CHECK;

/* For scopes that are left by a failure: closes it and leaves a thaw that fails to the guardian. */
void window_abandon(struct window *window);
CLEANUP_DEFINE(window, struct window, window_abandon)

#endif
