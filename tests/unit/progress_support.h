/*
 * progress_support.h - somebody who listens to how far work is, and keeps the last warning: `progress_warned`.
 */
#ifndef WHISPERBACKUP_TESTS_PROGRESS_SUPPORT_H
#define WHISPERBACKUP_TESTS_PROGRESS_SUPPORT_H

#include "base/progress.h"

#include <stdio.h>

static char progress_warned[256];

static inline void progress_keep_step(struct progress *progress, const char *text, uint64_t total_bytes)
{
	(void)progress;
	(void)text;
	(void)total_bytes;
}

static inline void progress_keep_advance(struct progress *progress, uint64_t bytes)
{
	(void)progress;
	(void)bytes;
}

static inline void progress_keep_warning(struct progress *progress, const char *text)
{
	(void)progress;
	snprintf(progress_warned, sizeof progress_warned, "%s", text);
}

static struct progress progress_kept = {
	.step = progress_keep_step, .advance = progress_keep_advance, .warn = progress_keep_warning};

#endif
