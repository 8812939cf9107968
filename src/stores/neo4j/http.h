/*
 * http.h - questions to Neo4j over its HTTP API (/db/NAME/tx/commit), answered in milliseconds. Private to the store.
 *
 * They are asked by a bash in the container: cypher-shell takes seconds to start, and runs nothing before the end of
 * its input.
 */
#ifndef WHISPERBACKUP_STORES_NEO4J_HTTP_H
#define WHISPERBACKUP_STORES_NEO4J_HTTP_H

#include "base/cleanup.h"
#include "stores/store.h"

#include <jansson.h>

struct neo4j_http;

/* Starts the bash, and tells it the name and password of NEO4J_AUTH; nothing is asked yet. */
enum status neo4j_http_open(struct store *store, struct neo4j_http **ret_http, struct error *error) MUST_CHECK;

/*
 * Asks a database one statement, and waits for the rows of its result, which the caller releases: objects whose "row"
 * is an array of values. 30 seconds at the most. STATUS_UNAVAILABLE, and why, if it does not answer with rows.
 */
enum status neo4j_http_ask(struct neo4j_http *http, const char *database, const char *statement, json_t **ret_rows,
						   struct error *error) MUST_CHECK;

/* Asks the last question once more, and does not wait. */
enum status neo4j_http_again(struct neo4j_http *http, struct error *error) MUST_CHECK;

/* Waits for the answer to that, as neo4j_http_ask does. */
enum status neo4j_http_receive(struct neo4j_http *http, unsigned milliseconds, json_t **ret_rows,
							   struct error *error) MUST_CHECK;

/* Is there an answer to come? */
bool neo4j_http_pending(const struct neo4j_http *http);

/* Has the last question been answered in HTTP, whatever the answer? False while nobody listens there yet. */
bool neo4j_http_heard(const struct neo4j_http *http);

/*
 * Was it refused by a Neo4j for the name or the password? They are wrong (401), have to be changed (403), or were wrong
 * too often (429): the server locks a name for 5 seconds after three times, and again for each further try.
 */
bool neo4j_http_refused(const struct neo4j_http *http);

/* Ends the bash; NULL is fine. */
void neo4j_http_free(struct neo4j_http *http);
CLEANUP_DEFINE(neo4j_http, struct neo4j_http, neo4j_http_free)

/* Of the rows. */
static inline void cleanup_json_value(json_t **value)
{
	json_decref(*value);
}

/* --- for the unit tests ------------------------------------------------------------------------------------------- */

/*
 * The value of NEO4J_AUTH, "NAME/PASSWORD" or "NAME/PASSWORD/true", as HTTP wants it (RFC 7617), "NAME:PASSWORD".
 * "none", or none (NULL), is sent too: a server that wants no password does not look at it. The caller's; NULL without
 * memory.
 */
char *neo4j_http_credentials(const char *authentication);

#endif
