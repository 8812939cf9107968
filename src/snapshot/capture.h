/*
 * capture.h - a container's folder as it is at one moment, as a .tar.gz file.
 */
#ifndef WHISPERBACKUP_SNAPSHOT_CAPTURE_H
#define WHISPERBACKUP_SNAPSHOT_CAPTURE_H

#include "base/error.h"
#include "base/progress.h"
#include "runtimes/runtime.h"

#include <stdbool.h>
#include <stdint.h>

struct capture_request {
	struct runtime *runtime;
	const struct container *container;
	const char *folder; /* absolute path in the container */
	/*
	 * Called while the container is paused: may what the folder holds now be kept? NULL if every moment is good. It is
	 * asked again, after a short thaw, until it says yes, at most for CAPTURE_REST_SECONDS.
	 */
	enum status (*at_rest)(void *context, bool *ret_at_rest, struct error *error);
	/* Called before each pause, while programs can still be run in the container. May be NULL. */
	enum status (*before_pause)(void *context, struct error *error);
	void *context;
};

struct captured {
	uint64_t bytes;             /* of content, uncompressed */
	double freeze_milliseconds; /* of the pause that counts */
	unsigned retries;           /* pauses that found the store busy */
	bool direct;                /* read from the volume's folder, not through the engine */
};

enum { CAPTURE_REST_SECONDS = 60 };

/* Writes the archive to the new file `path`, flushed to disk. The container runs again in every case. */
enum status capture_folder(const struct capture_request *request, const char *path, struct progress *progress,
						   struct captured *ret_captured, struct error *error) MUST_CHECK;

#endif
