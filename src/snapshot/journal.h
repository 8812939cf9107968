/*
 * journal.h - what may be paused, written down before it is, for whoever comes after a program that was killed.
 *
 * The file is locked (flock) for as long as the program or its guardian lives: the kernel lets go of a lock whose
 * holders are dead. A journal without a lock is one that nobody will act on, and says what has to be thawed.
 */
#ifndef WHISPERBACKUP_SNAPSHOT_JOURNAL_H
#define WHISPERBACKUP_SNAPSHOT_JOURNAL_H

#include "base/cleanup.h"
#include "base/error.h"
#include "runtimes/runtime.h"

#include <stdbool.h>
#include <stddef.h>

#define JOURNAL_NAME ".window.json" /* in the folder of the backups; no backup is called like that */

/* One that was left behind. */
struct journal {
	char *path;
	int fd;        /* locked by us */
	char *engine;  /* as it was given to journal_write; may be empty */
	bool rebooted; /* the machine has been started since: nothing of it is paused any more */
	char **ids;    /* of the containers, and their names */
	char **names;
	size_t count;
};

/* Makes the file, locked and flushed to disk with its folder; *ret_fd holds the lock, and a child inherits it. */
enum status journal_write(const char *path, const char *engine, const struct container *const *containers, size_t count,
						  int *ret_fd, struct error *error) MUST_CHECK;

/*
 * The journal that a dead run has left in `path`; *ret_journal is NULL if there is none. STATUS_LOCKED if its run, or
 * that run's guardian, is at work. A file that makes no sense names no containers: it was cut off before anything was
 * paused.
 */
enum status journal_take(const char *path, struct journal **ret_journal, struct error *error) MUST_CHECK;

/*
 * Thaws what is still paused of it, and removes the file if nothing is left to be done. *ret_thawed are the names of
 * the containers that were thawed, joined by ", "; owned by the caller.
 */
enum status journal_heal(struct journal *journal, struct runtime *runtime, char **ret_thawed,
						 struct error *error) MUST_CHECK;

void journal_free(struct journal *journal);
CLEANUP_DEFINE(journal, struct journal, journal_free)

#endif
