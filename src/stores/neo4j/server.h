/*
 * server.h - is a running Neo4j up, and what does it say of itself? Private to the store.
 *
 * A question over HTTP takes milliseconds, one by cypher-shell seconds, in which a service that was restored is of no
 * use to anybody; but HTTP can be switched off, and Bolt is what its users speak.
 */
#ifndef WHISPERBACKUP_STORES_NEO4J_SERVER_H
#define WHISPERBACKUP_STORES_NEO4J_SERVER_H

#include "base/buffer.h"
#include "stores/store.h"

enum { NEO4J_BOLT_PORT = 7687 };

/*
 * store_ops.ready: its Bolt port listens, and its home database answers a real query, over HTTP, or by cypher-shell
 * where HTTP does not answer. After a restore the passwords are those of the backup, which need not be the one in the
 * container's environment; a server that refuses a password has its databases up, so that counts as an answer.
 * STATUS_DAMAGED if it could not start that database.
 */
enum status neo4j_server_ready(struct store *store, struct error *error) MUST_CHECK;

/* store_ops.examine. */
enum status neo4j_server_examine(struct store *store, struct examination *ret_examination,
								 struct error *error) MUST_CHECK;

/*
 * Runs a query in the home database, by cypher-shell; what that prints, in its plain format, is appended to `reply`.
 * STATUS_UNAVAILABLE if the server does not answer it; *ret_refused: because of the name or the password.
 */
enum status neo4j_server_ask(struct store *store, const char *query, bool *ret_refused, struct buffer *reply,
							 struct error *error) MUST_CHECK;

#endif
