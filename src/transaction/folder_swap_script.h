/*
 * folder_swap_script.h - the steps of folder_swap.c for a shell, where a volume is only reached through the engine.
 */
#ifndef WHISPERBACKUP_TRANSACTION_FOLDER_SWAP_SCRIPT_H
#define WHISPERBACKUP_TRANSACTION_FOLDER_SWAP_SCRIPT_H

#include "pipeline/tar.h"

/* In the data folder: what is ours while it is swapped. Both ways have the same, and each goes on where the other
 * ended. */
#define FOLDER_SWAP_OWN_FOLDER TAR_OWN_PREFIX "restore"

/*
 * The same steps for a shell: $1 the step, $2 the data folder, then the names to be replaced (none: all). The three
 * patterns match all names but "." and ".."; a pattern that matches nothing stands for itself and is not there.
 *
 * A pattern whose folder cannot be read, and a `[ -e` that fails, look as if there were nothing. So neither decides
 * what may be removed: `ls` does, whose failure stops the script; what was to be moved is looked for once more before
 * the next state is written; and what may only be removed if it is empty is left to rmdir.
 */
extern const char folder_swap_script[];

#endif
