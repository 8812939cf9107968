/*
 * progress.h - how long work says how far it is, without knowing who listens.
 */
#ifndef WHISPERBACKUP_BASE_PROGRESS_H
#define WHISPERBACKUP_BASE_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

struct progress {
	/* A new step of the work has begun: "dumping", "waiting for the service". `total_bytes` is 0 where it is unknown.
	 */
	void (*step)(struct progress *progress, const char *text, uint64_t total_bytes);
	/* `bytes` more of the current step are done. */
	void (*advance)(struct progress *progress, uint64_t bytes);
	/* Something the user ought to know although the work goes on. */
	void (*warn)(struct progress *progress, const char *text);
};

/* Each does nothing if `progress` is NULL. */
static inline void progress_step(struct progress *progress, const char *text, uint64_t total_bytes)
{
	if (progress != NULL) {
		progress->step(progress, text, total_bytes);
	}
}

static inline void progress_advance(struct progress *progress, uint64_t bytes)
{
	if (progress != NULL) {
		progress->advance(progress, bytes);
	}
}

void progress_warn(struct progress *progress, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
