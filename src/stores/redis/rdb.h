/*
 * rdb.h - what a Redis dump file says about itself.
 *
 * Source: redis 7.0, src/rdb.c (rdbSaveRio, rdbSaveInfoAuxFields) and src/crc64.c.
 */
#ifndef WHISPERBACKUP_STORES_REDIS_RDB_H
#define WHISPERBACKUP_STORES_REDIS_RDB_H

#include "stores/store.h"

#include <stdbool.h>

/*
 * store_ops.check: its magic, its closing opcode and its CRC-64 (which a server with "rdbchecksum no" leaves 0).
 * STATUS_DAMAGED if it is not a complete dump. Fills in the version of the server that wrote it.
 */
enum status rdb_check(struct source *file, struct progress *progress, struct artefact *ret_artefact,
					  struct error *error) MUST_CHECK;

/* The first bytes of a dump are all of it but its CRC, and it has no keys. false also where that cannot be told from
 * these bytes: functions may stand before the keys. */
bool rdb_is_empty(const unsigned char *head, size_t length);

#endif
