/*
 * folders.h - does Neo4j write where we look? Private to the store.
 */
#ifndef WHISPERBACKUP_STORES_NEO4J_FOLDERS_H
#define WHISPERBACKUP_STORES_NEO4J_FOLDERS_H

#include "stores/store.h"

/*
 * Asks the server for its folders. STATUS_UNAVAILABLE if its data is not in the store's data folder, or its transaction
 * logs are not inside it. One that does not tell (before version 5, a user who may not ask, no HTTP) is believed.
 */
enum status neo4j_folders_check(struct store *store, struct error *error) MUST_CHECK;

#endif
