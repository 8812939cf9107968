/*
 * fingerprint.h - what a store holds, counted: rows of tables, keys, records of collections, nodes.
 *
 * Two copies with the same fingerprint need not be the same, but one with another fingerprint surely is not.
 */
#ifndef WHISPERBACKUP_STORES_FINGERPRINT_H
#define WHISPERBACKUP_STORES_FINGERPRINT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FINGERPRINT_LIMIT = 1 << 20 }; /* counts in one fingerprint */

/* One number: 12 "rows" of "shop.public.users". */
struct count {
	/* "rows", "keys", "expiring keys", "keys with expiring fields", "records", "nodes", "relationships"; and, over the
	 * same things again, "nodes by label", "relationships by type". */
	char *kind;
	char *name; /* of the table, database, collection, label or type; what is counted as a whole has an empty one */
	uint64_t number;
};

struct fingerprint {
	struct count *items;
	size_t count;
	bool known; /* everything was counted; false also for an empty struct */
	bool exact; /* nothing could change between the moment and the counting */
};

/* Adds a copy of these texts. */
enum status fingerprint_add(struct fingerprint *fingerprint, const char *kind, const char *name, uint64_t number,
							struct error *error) MUST_CHECK;

/* The sum of all numbers of one kind, and how many there are; *ret_names may be NULL. */
uint64_t fingerprint_sum(const struct fingerprint *fingerprint, const char *kind, size_t *ret_names);

/*
 * The first difference between a backup's counts and those of a server that it was restored into, in words: "rows of
 * shop.public.users: 12 in the backup, 11 now"; *ret_same if there is none. What is unknown, or not exact in the
 * backup, is not compared. Keys with an expiry, or whose fields have one, may have gone since; labels and types are
 * compared if both sides have counted them.
 */
enum { FINGERPRINT_DIFFERENCE_SIZE = 512 };
enum status fingerprint_compare(const struct fingerprint *backup, const struct fingerprint *now, bool *ret_same,
								char ret_difference[FINGERPRINT_DIFFERENCE_SIZE], struct error *error) MUST_CHECK;

/* Both have the same counts, in the same order. */
bool fingerprint_is_same(const struct fingerprint *one, const struct fingerprint *other);

/* What it holds, leaving it empty: to be handed on. */
struct fingerprint fingerprint_take(struct fingerprint *fingerprint);

/* Frees what it holds and empties it. */
void fingerprint_free(struct fingerprint *fingerprint);

#endif
