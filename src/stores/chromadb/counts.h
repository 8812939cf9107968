/*
 * counts.h - the records of each of Chroma's collections, as the running server counts them. Private to the store.
 *
 * Asked over HTTP from one bash in the container. A server lists the databases of a tenant, but not its tenants: those
 * that are no default are looked for where another fingerprint has counts.
 */
#ifndef WHISPERBACKUP_STORES_CHROMADB_COUNTS_H
#define WHISPERBACKUP_STORES_CHROMADB_COUNTS_H

#include "runtimes/runtime.h"
#include "stores/fingerprint.h"

#include <jansson.h>

/*
 * store_ops.count of the server at `port`: "records" with the names that database.h gives them. Unknown if it wants a
 * token, or if the container has no bash to ask with.
 */
enum status chromadb_counts_now(struct runtime *runtime, const struct container *container, unsigned port,
								const struct fingerprint *places, struct fingerprint *ret_fingerprint,
								struct error *error) MUST_CHECK;

/* What to do with a collection: `path` is that of its requests, `details` what the server lists of it, `count` its
 * records. */
typedef enum status (*chromadb_counts_visit)(void *context, const char *path, const json_t *details, uint64_t count,
											 struct error *error);

/* The same as chromadb_counts_now, but each collection is visited. STATUS_UNAVAILABLE if nothing can be asked for. */
enum status chromadb_counts_each(struct runtime *runtime, const struct container *container, unsigned port,
								 const struct fingerprint *places, chromadb_counts_visit visit, void *context,
								 struct error *error) MUST_CHECK;

/* --- for the unit tests ------------------------------------------------------------------------------------------- */

enum { CHROMADB_PLACE_SIZE = 256 }; /* bytes of a tenant's or a database's name */

/* The tenant and the database in the name of a count, "TENANT/DATABASE/COLLECTION"; false if it names none. */
bool chromadb_counts_place(const char *name, char ret_tenant[CHROMADB_PLACE_SIZE],
						   char ret_database[CHROMADB_PLACE_SIZE]);

#endif
