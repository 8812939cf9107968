/*
 * store_table.h - the stores there are; each is defined in a folder of its own.
 */
#ifndef WHISPERBACKUP_STORES_STORE_TABLE_H
#define WHISPERBACKUP_STORES_STORE_TABLE_H

#include "stores/store.h"

extern const struct store_ops store_postgresql;
extern const struct store_ops store_redis;
extern const struct store_ops store_chromadb;
extern const struct store_ops store_neo4j;

#endif
