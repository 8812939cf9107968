/*
 * display.h - how a command shows what it is doing, store by store.
 *
 * On a terminal, one line a store that is rewritten in place (bytes, rate) and ends with a mark. Elsewhere, plain lines
 * at the beginning and at the end of a store's work. All on standard error.
 */
#ifndef WHISPERBACKUP_COMMANDS_DISPLAY_H
#define WHISPERBACKUP_COMMANDS_DISPLAY_H

#include "base/error.h"
#include "base/progress.h"

#include <stdbool.h>

enum mark { MARK_DONE, MARK_WARNING, MARK_FAILED };

struct display {
	struct progress progress; /* hand this to what does the work */
	bool terminal;
	bool quiet;
	char store[32];
	char step[96];
	uint64_t total; /* bytes of the step; 0 if unknown */
	uint64_t done;
	double began; /* clock_seconds */
	double shown; /* when the line was last rewritten */
	bool line_open;
};

void display_open(struct display *display, bool quiet);

/* A store's work begins. */
void display_begin(struct display *display, const char *store);

/* The work on one that has begun before goes on; on a terminal the line shows it again. */
void display_resume(struct display *display, const char *store);

/* It has ended; the line is replaced by the mark and the text. Warnings and failures are shown even when quiet. */
void display_end(struct display *display, enum mark mark, const char *format, ...) PRINTF_LIKE(3, 4);

/* A line of its own, for the whole run. */
void display_line(struct display *display, enum mark mark, const char *format, ...) PRINTF_LIKE(3, 4);

/* What to do next, below the line before it. */
void display_hint(struct display *display, const char *format, ...) PRINTF_LIKE(2, 3);

/* A failure with its hint, on lines of their own. */
void display_error(struct display *display, const struct error *error);

#endif
