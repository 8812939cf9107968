/*
 * places.h - where a call comes from: one of each place fails, instead of the Nth of all.
 *
 * A place is the three innermost functions of the program that led to a call, those of libraries left out. A loop of a
 * thousand allocations is one place; a helper that two functions call is two. So every error exit is taken by some
 * hundreds of runs, where there are a hundred thousand calls.
 */
#ifndef WHISPERBACKUP_TESTS_PLACES_H
#define WHISPERBACKUP_TESTS_PLACES_H

#include <stdbool.h>

/* Reads which places had their turn in earlier runs, from `file`, which need not be there; the text is lent. To be
 * asked for before the program starts a thread or a process. Aborts if there is no room. */
void places_read(const char *file);

/* Is it the turn of the place that the caller of the caller has come from: has it had none, and has no other place in
 * this run, in any process of it? Then it is written down. Keeps errno. */
bool places_take_turn(void);

/* Has it been the turn of a place in this run, in any process of it? */
bool places_turn_was_taken(void);

#endif
