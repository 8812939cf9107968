/*
 * restore_journal.h - what a restore is about to do, written down before it does it, for whoever comes after it if it
 * is killed.
 *
 * The file is locked (flock) for as long as its run lives; one without a lock was left by a run that is dead. Its first
 * line says which stores of which project are restored, each further line is a step that may have begun; each is
 * flushed to disk before the step begins, and one that was cut off has not. All lines are JSON. Once
 * RESTORE_JOURNAL_COMMITTING is in it, all stores have been swapped and checked, and there is only forwards; before
 * that, or if RESTORE_JOURNAL_ROLLING_BACK comes after it, only backwards. RESTORE_JOURNAL_UNDONE is the one step that
 * is noted when it has been done: nobody has to stop that store again while another one cannot be brought back.
 */
#ifndef WHISPERBACKUP_TRANSACTION_RESTORE_JOURNAL_H
#define WHISPERBACKUP_TRANSACTION_RESTORE_JOURNAL_H

#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define RESTORE_JOURNAL_NAME         ".restore.json" /* in the folder of the backups */
#define RESTORE_JOURNAL_STAGING      "staging"
#define RESTORE_JOURNAL_SWAPPING     "swapping"
#define RESTORE_JOURNAL_COMMITTING   "committing"
#define RESTORE_JOURNAL_ROLLING_BACK "rolling back"
#define RESTORE_JOURNAL_UNDONE       "undone" /* of a store: it is as it was before, and runs */

/* One store, as it was when the restore began. */
struct restore_journal_store {
	char *name;      /* of the store */
	char *container; /* its id */
	char *memory;    /* what store_ops.remember has written */
	bool swapping;   /* its swap may have begun, and is not undone */
};

struct restore_journal {
	char *path;
	int fd;            /* locked by us */
	char *engine;      /* how the engine is reached; may be empty */
	char *project;     /* Compose project */
	int volume_access; /* enum volume_access: how the folders were reached */
	char *timestamp;   /* of the backup */
	struct restore_journal_store *stores;
	size_t count;
	bool committing; /* of one that was left */
};

/* Adds a store to a journal that has not been begun, which was made with calloc. */
enum status restore_journal_add(struct restore_journal *journal, const char *name, const char *container,
								const char *memory, struct error *error) MUST_CHECK;

/* Makes the file, locked and flushed with its folder. The texts are copied. */
enum status restore_journal_begin(struct restore_journal *journal, const char *path, const char *engine,
								  const char *project, const char *timestamp, struct error *error) MUST_CHECK;

/* The step begins when this returns; `store` may be NULL. */
enum status restore_journal_note(struct restore_journal *journal, const char *step, const char *store,
								 struct error *error) MUST_CHECK;

/* Nothing is left to be done: removes the file. */
enum status restore_journal_end(struct restore_journal *journal, struct error *error) MUST_CHECK;

/* The journal that a dead run has left in `path`; *ret_journal is NULL if there is none. STATUS_LOCKED if its run is
 * alive. */
enum status restore_journal_take(const char *path, struct restore_journal **ret_journal,
								 struct error *error) MUST_CHECK;

/* Lets go of the lock, and leaves the file as it is. NULL is fine. */
void restore_journal_free(struct restore_journal *journal);
CLEANUP_DEFINE(restore_journal, struct restore_journal, restore_journal_free)

#endif
