/*
 * verification.h - what has been found out about a backup since it was made, kept beside it in verified.json.
 *
 * It names the manifest that it speaks of by that file's SHA-256: beside another manifest it counts for nothing.
 */
#ifndef WHISPERBACKUP_CATALOG_VERIFICATION_H
#define WHISPERBACKUP_CATALOG_VERIFICATION_H

#include "base/error.h"
#include "stores/store.h"

#include <jansson.h>
#include <stdbool.h>
#include <time.h>

#define VERIFICATION_FILE "verified.json"

enum { VERIFICATION_PROBLEM_SIZE = 1024 };

/* One store in one look at a backup. */
struct verified_store {
	bool looked_at;
	bool good;
	double seconds;                          /* reading: of the artefact; drill: until it answered with the data */
	char problem[VERIFICATION_PROBLEM_SIZE]; /* empty if it is good */
};

struct verified_run {
	time_t when; /* it ended; 0: there was none */
	bool good;   /* everything that was looked at */
	bool unread; /* not good only because something could not be read, which may pass: no verdict, and never kept */
	double seconds;
	char problem[VERIFICATION_PROBLEM_SIZE]; /* the first that was found; empty if it is good */
	struct verified_store stores[STORE_COUNT];
};

struct verification {
	struct verified_run read;  /* every byte was read */
	struct verified_run drill; /* it was restored into throwaway containers */
};

/* Nothing speaks against the backup, and its bytes have been read. */
bool verification_is_good(const struct verification *verification);

/* Something speaks against it. */
bool verification_is_bad(const struct verification *verification);

/* Notes a problem of one store, or of the whole if `store` is NULL; the first one is the run's. */
void verified_run_blame(struct verified_run *run, struct verified_store *store, const char *problem);

/* The same of what could not be read. What speaks against the backup outweighs it, whichever comes first. */
void verified_run_unread(struct verified_run *run, struct verified_store *store, const char *problem);

/* What is kept in the backup's folder `path`; an empty one if there is none, or if it is nonsense or belongs to another
 * backup. That it cannot be read is a failure: it may say that the backup is good. */
enum status verification_read(const char *path, struct verification *ret_verification, struct error *error) MUST_CHECK;

/* Keeps it there, flushed to disk, in the place of an earlier one. */
enum status verification_write(const char *path, const struct verification *verification,
							   struct error *error) MUST_CHECK;

/* As verified.json has it, without what it belongs to; JSON's null if nothing has been looked at. NULL: no memory. */
json_t *verification_json(const struct verification *verification);

#endif
