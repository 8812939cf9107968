/*
 * space.h - is there room for a backup?
 */
#ifndef WHISPERBACKUP_COMMANDS_SPACE_H
#define WHISPERBACKUP_COMMANDS_SPACE_H

#include "catalog/catalog.h"
#include "commands/display.h"
#include "commands/session.h"

/*
 * Warns if a backup of the chosen stores is likely not to fit on the disk. How large it will be is a guess: as large as
 * the last one of that store, or, if there is none, as the store's data. Not being able to tell is no failure: a disk
 * that is full in the end is one, and nothing is listed then.
 */
void space_warn(const struct session *session, struct display *display);

/* How large the backup of a store is likely to be, in bytes; 0 if nobody knows. */
uint64_t space_guess(const struct session *session, const struct backup_list *list, size_t store);

#endif
