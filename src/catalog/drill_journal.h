/*
 * drill_journal.h - which containers a drill makes, written down before it makes them, for whoever comes after a
 * program that was killed.
 *
 * Only who holds the lock of catalog_lock_verify touches it. So one that is there although nobody holds that lock is
 * that of a dead run.
 */
#ifndef WHISPERBACKUP_CATALOG_DRILL_JOURNAL_H
#define WHISPERBACKUP_CATALOG_DRILL_JOURNAL_H

#include "base/error.h"

#include <stdbool.h>

enum { DRILL_NAME_SIZE = 17 }; /* 16 hexadecimal digits and the closing NUL */

/* Thinks of a name for a drill, and keeps it in `folder`, flushed to disk. `engine` is DOCKER_HOST; may be NULL. */
enum status drill_journal_write(const char *folder, const char *engine, char ret_name[DRILL_NAME_SIZE],
								struct error *error) MUST_CHECK;

/* There is one; a look, no more. */
enum status drill_journal_is_there(const char *folder, bool *ret_there, struct error *error) MUST_CHECK;

/* What it says; *ret_engine is owned by the caller, and NULL if none was given. One that makes no sense, as it was cut
 * off before anything was made, has an empty name. */
enum status drill_journal_read(const char *folder, char **ret_engine, char ret_name[DRILL_NAME_SIZE],
							   struct error *error) MUST_CHECK;

enum status drill_journal_remove(const char *folder, struct error *error) MUST_CHECK;

#endif
