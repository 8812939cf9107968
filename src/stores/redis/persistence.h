/*
 * persistence.h - what INFO tells about saves and keys, and what can be concluded from it. Private to the store.
 *
 * Redis numbers its saves: `rdb_saves` counts one as soon as it begins, and never are two under way (redis 7.0,
 * src/rdb.c, rdbSaveBackground). Versions before 7 have no such number; there the time of the last save has to tell, in
 * whole seconds.
 *
 * FLUSHALL ends a save under way, which is not called a failure, and where save points are set it writes an empty dump
 * itself, which is not counted (redis 7.0, src/db.c, flushAllDataAndResetRDB; src/rdb.c, killRDBChild and
 * backgroundSaveDoneHandlerDisk). It is counted among the commands.
 */
#ifndef WHISPERBACKUP_STORES_REDIS_PERSISTENCE_H
#define WHISPERBACKUP_STORES_REDIS_PERSISTENCE_H

#include "base/buffer.h"
#include "stores/fingerprint.h"

#include <stdbool.h>

struct redis_persistence {
	bool saving;         /* a save is under way */
	bool rewriting;      /* the append-only file is being rewritten, which keeps a save from starting */
	bool failed;         /* the last save that has ended */
	long long saves;     /* begun so far; -1 where the server is too old to tell */
	long long last_save; /* seconds since the epoch, of the last one that went well */
	long long flushes;   /* FLUSHALL so far; CONFIG RESETSTAT makes it 0 */
};

/* From the answers to INFO persistence and INFO commandstats. */
enum status redis_persistence_read(const struct buffer *info, const struct buffer *commands,
								   struct redis_persistence *ret_persistence, struct error *error) MUST_CHECK;

/*
 * In these, `before` is what was seen just before our BGSAVE, so that ours is save number before->saves + 1. `then` and
 * `now` were seen after it, in this order.
 */

/* Ours has ended, well or not. */
bool redis_save_has_ended(const struct redis_persistence *before, const struct redis_persistence *now);

/* Ours has ended, and badly. Only surely so before the one after it ends, too. */
bool redis_save_has_failed(const struct redis_persistence *before, const struct redis_persistence *now);

/* There was a FLUSHALL: what becomes the dump is not known. */
bool redis_save_was_flushed(const struct redis_persistence *before, const struct redis_persistence *now);

/* Ours was ended by a signal that Redis does not call a failure, and the last save is the one before it. Told only by
 * servers without numbers; for others it has ended like any other, and the dump is an older one. */
bool redis_save_was_killed(const struct redis_persistence *before, const struct redis_persistence *now);

/* The dump that was opened between `then` and `now` is ours, if it is another one than before our BGSAVE: it was there
 * by `then` and not yet replaced at `now`. */
bool redis_save_is_dump(const struct redis_persistence *before, const struct redis_persistence *then,
						const struct redis_persistence *now);

/* The newest file of a save under way that was opened between `then` and `now` is ours, if it has become the dump
 * since. */
bool redis_save_is_temporary(const struct redis_persistence *before, const struct redis_persistence *then,
							 const struct redis_persistence *now);

/* Adds the keys of each database from the answer to INFO keyspace, which names only databases that have some.
 * *ret_known is false if it is no such answer. */
enum status redis_keyspace_read(const struct buffer *info, struct fingerprint *fingerprint, bool *ret_known,
								struct error *error) MUST_CHECK;

#endif
