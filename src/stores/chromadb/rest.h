/*
 * rest.h - is Chroma between two rewrites of its index files?
 *
 * Chroma rewrites the files of a vector segment in place, not atomically, in the order header.bin, data_level0.bin,
 * length.bin, link_lists.bin, index_metadata.pickle. What is frozen or killed in the middle of that is lost: the
 * vectors are nowhere else. So a copy counts only if, while the container is paused, in every segment's folder the
 * pickle ends with '.' (the STOP opcode of Python's pickle) and no *.bin is newer than it.
 *
 * A collection with fewer adds than its sync_threshold (1000) has the four *.bin files and no pickle, for ever. There
 * the first rewrite is under way only if a *.bin has just been written, so none may be younger than
 * CHROMADB_QUIET_SECONDS; that rewrite of some megabytes takes milliseconds. The same goes for a pickle from the
 * future: after the clock was set back, a rewrite makes *.bin that are older than it. How young a file is cannot be
 * told where the clock was set back, or that of the engine is ahead of ours: then it is enough that none of these files
 * has got another time stamp for as long, which the next look finds out.
 */
#ifndef WHISPERBACKUP_STORES_CHROMADB_REST_H
#define WHISPERBACKUP_STORES_CHROMADB_REST_H

#include "base/buffer.h"
#include "base/error.h"
#include "runtimes/runtime.h"

#include <stdbool.h>

#define CHROMADB_PICKLE "index_metadata.pickle"

enum {
	CHROMADB_QUIET_SECONDS = 2,
	CHROMADB_FUTURE_SECONDS = 600, /* that no clock of an engine is ahead of ours */
};

/* One file of a segment that the server needs; NULL ends the list. The pickle is not among them. */
extern const char *const chromadb_segment_files[];

/* What a look leaves to the next one at the same folder. CHROMADB_REST_INIT before the first; free `young`. */
struct chromadb_rest {
	struct buffer young; /* the time stamps of all files that may just have been written */
	double since;        /* clock_seconds() of the first look that has found just these */
};

#define CHROMADB_REST_INIT                                                                                             \
	{                                                                                                                  \
		.young = BUFFER_INIT(16 << 20)                                                                                 \
	}

/* Looks at the folder on this machine. */
enum status chromadb_rest_in_folder(struct chromadb_rest *rest, const char *folder, bool *ret_at_rest,
									struct error *error) MUST_CHECK;

/*
 * The same through the engine, for a volume that cannot be reached from here: the segments are listed while programs
 * can run in the container, and looked at while it is paused. `segments` is a list of absolute paths, one to a line; it
 * is empty after a failure, and a folder that cannot be read, or a list that did not come whole, is one.
 */
enum status chromadb_rest_list(struct runtime *runtime, const struct container *container, const char *folder,
							   struct buffer *segments, struct error *error) MUST_CHECK;
enum status chromadb_rest_in_container(struct chromadb_rest *rest, struct runtime *runtime,
									   const struct container *container, const struct buffer *segments,
									   bool *ret_at_rest, struct error *error) MUST_CHECK;

#endif
