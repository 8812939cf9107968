/*
 * counts.h - how many nodes and relationships Neo4j has, asked in milliseconds. Private to the store.
 *
 * The question is asked over HTTP, by a bash that is started long before. It is answered from the count store, which
 * costs the same whatever the size of the graph.
 */
#ifndef WHISPERBACKUP_STORES_NEO4J_COUNTS_H
#define WHISPERBACKUP_STORES_NEO4J_COUNTS_H

#include "base/cleanup.h"
#include "stores/fingerprint.h"
#include "stores/store.h"

enum { NEO4J_COUNTS_NAMES_LIMIT = 100 }; /* labels and types; of a graph that has more only the totals are counted */

struct neo4j_counts;

/*
 * Logs in, learns the labels and types, and asks once, so that the answer in the moment needs no planning. Any failure
 * but STATUS_INTERRUPTED means that this server does not let itself be counted, and why; *ret_refused: because of the
 * name or the password, with which each further try counts (neo4j_http_refused).
 */
enum status neo4j_counts_open(struct store *store, struct neo4j_counts **ret_counts, bool *ret_refused,
							  struct error *error) MUST_CHECK;

/*
 * Learns the labels and types again, for a moment that comes much later than the opening. After a failure there is
 * nothing to be asked any more.
 */
enum status neo4j_counts_renew(struct neo4j_counts *counts, struct error *error) MUST_CHECK;

/* Asks and does not wait. */
enum status neo4j_counts_ask(struct neo4j_counts *counts, struct error *error) MUST_CHECK;

/*
 * Waits for the answer, 2 seconds at the most, and keeps it. The names are asked for along with the counts: if there is
 * one by then that was not learned, only the totals are kept.
 */
enum status neo4j_counts_answer(struct neo4j_counts *counts, struct error *error) MUST_CHECK;

/* Takes an answer that nobody wants any more. */
void neo4j_counts_forget(struct neo4j_counts *counts);

/*
 * What was answered, which the caller frees; unknown if nothing was. It is exact if the same is answered now: between
 * the question and the pause of its container a client that nobody has paused can write.
 */
struct fingerprint neo4j_counts_take(struct neo4j_counts *counts);

/* NULL is fine. */
void neo4j_counts_free(struct neo4j_counts *counts);

/* --- for the unit tests ------------------------------------------------------------------------------------------- */

/* The question about these labels and types, which end with NULL: rows of a number and a count, in the order total of
 * nodes, labels, total of relationships, types; then the names of all labels, and of all types. */
enum status neo4j_counts_query(const char *const *labels, const char *const *types, struct buffer *query,
							   struct error *error) MUST_CHECK;

#endif
