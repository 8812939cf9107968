/*
 * folder_swap_direct.h - the steps of folder_swap.c with system calls, where the volume is a folder of this machine.
 * Private to folder_swap.c.
 *
 * This is root, in a folder that a container may write into: whatever is in there may be a symbolic link to anywhere on
 * this machine, or become one at any moment. So `folder` (an absolute path without symbolic links) is opened once in
 * each step, and all else is reached from there by descriptors that follow none. A link, or a file, where a folder of
 * ours should be is STATUS_FAILED, before anything is moved: what it stands for may have been old data. Only where
 * something is to be removed anyway, in our own folder, the link is removed too, but never what it leads to.
 */
#ifndef WHISPERBACKUP_TRANSACTION_FOLDER_SWAP_DIRECT_H
#define WHISPERBACKUP_TRANSACTION_FOLDER_SWAP_DIRECT_H

#include "base/error.h"
#include "base/progress.h"
#include "base/stream.h"

/* "", "out", "in" or "done", or "lost" if there is old data without a state. Owned by the caller. */
enum status folder_swap_direct_state(const char *folder, char **ret_state, struct error *error) MUST_CHECK;

/* `tar` is owned from then on. */
enum status folder_swap_direct_stage(const char *folder, struct source *tar, const char *path_in_archive,
									 struct progress *progress, struct error *error) MUST_CHECK;

/* `names`: as for folder_swap_new */
enum status folder_swap_direct_apply(const char *folder, const char *const *names, struct error *error) MUST_CHECK;
enum status folder_swap_direct_remove(const char *folder, struct error *error) MUST_CHECK;
enum status folder_swap_direct_rollback(const char *folder, const char *const *names, struct error *error) MUST_CHECK;

#endif
