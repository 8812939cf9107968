/*
 * dump_digest.h - what two dumps of one database have in common: the SHA-256 of their statements and rows, in order.
 *
 * Comments and backslash commands are left out: they hold versions and a key that is another one each time.
 */
#ifndef WHISPERBACKUP_STORES_POSTGRESQL_DUMP_DIGEST_H
#define WHISPERBACKUP_STORES_POSTGRESQL_DUMP_DIGEST_H

#include "base/stream.h"
#include "stores/postgresql/dump_reader.h"

#include <stdint.h>

enum { DUMP_DIGEST_SIZE = 32 };

enum status dump_digest_file(const char *path, struct dump_stretch stretch, unsigned char ret_digest[DUMP_DIGEST_SIZE],
							 struct error *error) MUST_CHECK;

/* Of what is written to the sink: stored in `digest` (lent) when it is finished. */
enum status dump_digest_sink_new(unsigned char digest[DUMP_DIGEST_SIZE], struct sink **ret_sink,
								 struct error *error) MUST_CHECK;

#endif
