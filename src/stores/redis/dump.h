/*
 * dump.h - the dump's file, held open before it is replaced, and copied. Private to the store.
 *
 * A save is written to temp-PID.rdb and then renamed (redis 7.0, src/rdb.c, rdbSave): who has that file open has the
 * dump, whatever is done with its name. Only where the volume can be read from here; otherwise the engine's stream of
 * the dump is opened, which holds it as well once its first byte has come.
 */
#ifndef WHISPERBACKUP_STORES_REDIS_DUMP_H
#define WHISPERBACKUP_STORES_REDIS_DUMP_H

#include "base/progress.h"
#include "base/stream.h"
#include "runtimes/runtime.h"

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

/* Opens the dump `name` in `folder` (of this machine); *ret_fd is the caller's. */
enum status redis_dump_open(const char *folder, const char *name, int *ret_fd, struct error *error) MUST_CHECK;

/* Opens the newest file of a save under way that was written to at `since` or later; -1 if there is none. */
int redis_dump_open_temporary(const char *folder, const struct timespec *since);

/* The file still has a temporary name: it is what a save left behind that was killed. */
bool redis_dump_is_temporary(const char *folder, int fd);

/* Which file it is; all 0 if there is none. */
struct redis_dump_identity {
	dev_t device;
	ino_t inode;
	struct timespec written;
};

/* Of the dump `name` in `folder`. Costs microseconds. */
struct redis_dump_identity redis_dump_identify(const char *folder, const char *name);

/* It is that file, as it was. A save never writes into one that is there, so a dump has another identity than the one
 * before it. */
bool redis_dump_is_same(int fd, const struct redis_dump_identity *identity);

/* The file ends as a dump does; one that is cut off hardly ever does, and its CRC tells. */
bool redis_dump_has_end(int fd);

/* The dump surely has no keys; of the file or the stream, which is read no further for it. One of the two is given. */
bool redis_dump_is_empty(int fd, const struct source *source);

/* Opens `path` in a container through the engine; what it holds is settled by then. */
enum status redis_dump_open_stream(struct runtime *runtime, const struct container *container, const char *path,
								   struct source **ret_source, struct error *error) MUST_CHECK;

/* Writes all of the file (from its start) or of the stream to `sink`, and finishes it; one of the two is given. */
enum status redis_dump_copy(int fd, struct source *source, struct sink *sink, struct progress *progress,
							struct error *error) MUST_CHECK;

#endif
