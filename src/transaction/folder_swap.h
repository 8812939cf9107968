/*
 * folder_swap.h - replaces what a container's folder holds, in three steps that can each be undone.
 *
 * Everything happens inside the folder itself, so that moving is renaming whatever the size:
 *
 *   FOLDER/.whisperbackup-restore/new      the staged data; the service runs and does not see it
 *   FOLDER/.whisperbackup-restore/old      what was there, after the swap
 *   FOLDER/.whisperbackup-restore/aside    what a rollback found in the way
 *   FOLDER/.whisperbackup-restore/state    how far the swap has come: "out", "in", "done" (flushed before each step)
 *
 * Where the volume can be reached from here this is done with system calls, else by the archive calls and by the same
 * steps as a shell script in a throwaway container.
 */
#ifndef WHISPERBACKUP_TRANSACTION_FOLDER_SWAP_H
#define WHISPERBACKUP_TRANSACTION_FOLDER_SWAP_H

#include "base/cleanup.h"
#include "base/error.h"
#include "base/progress.h"
#include "runtimes/runtime.h"

#include <stdbool.h>

struct folder_swap;

/*
 * For the folder `path` of `container`. `names` are the only entries to be replaced (NULL-terminated), NULL for all
 * that the folder holds; the container, the runtime and the names are lent until it is freed.
 * A folder that lies in no mount is a failure: nothing outlives its container there.
 */
enum status folder_swap_new(struct runtime *runtime, const struct container *container, const char *path,
							const char *const *names, struct folder_swap **ret_swap, struct error *error) MUST_CHECK;
void folder_swap_free(struct folder_swap *swap);
CLEANUP_DEFINE(folder_swap, struct folder_swap, folder_swap_free)

/*
 * Undoes what a run that died has left in the folder: data that it had moved out comes back, unless the swap was done,
 * which stands. Staged data is removed. The service may run if *ret_moved is false afterwards; if data has to be moved
 * while `stopped` is false, nothing is done and *ret_moved is true: stop the service and call it again.
 */
enum status folder_swap_heal(struct folder_swap *swap, bool stopped, bool *ret_moved, struct error *error) MUST_CHECK;

/*
 * Has a run that died left the folder half swapped? What it shows then is no data to keep.
 */
enum status folder_swap_unfinished(struct runtime *runtime, const struct container *container, const char *path,
								   bool *ret_unfinished, struct error *error) MUST_CHECK;

/*
 * Takes up what a run that died has left, for folder_swap_commit or folder_swap_rollback. *ret_half: some of the data
 * is in place and some is not, so there is no commit.
 */
enum status folder_swap_resume(struct folder_swap *swap, bool *ret_half, struct error *error) MUST_CHECK;

/* Stages the content of a tar stream that stands under `path_in_archive`; `tar` is owned from then on. */
enum status folder_swap_stage(struct folder_swap *swap, struct source *tar, const char *path_in_archive,
							  struct progress *progress, struct error *error) MUST_CHECK;

/* The service is stopped: moves the old data out and the staged data in. On failure: roll back. */
enum status folder_swap_apply(struct folder_swap *swap, struct error *error) MUST_CHECK;

/* Removes the old data; the service may run. */
enum status folder_swap_commit(struct folder_swap *swap, struct error *error) MUST_CHECK;

/* The service is stopped, if apply was called: brings the old data back and removes the staged data. */
enum status folder_swap_rollback(struct folder_swap *swap, struct error *error) MUST_CHECK;

/* True from the call of apply until commit or rollback have succeeded. */
bool folder_swap_applied(const struct folder_swap *swap);

#endif
