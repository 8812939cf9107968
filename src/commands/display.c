#include "commands/display.h"

#include "base/clock.h"
#include "base/text.h"
#include "base/units.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LONGEST_TEXT = 8 << 10 }; /* bytes */

static const double SECONDS_BETWEEN_UPDATES = 0.1;

static const char *const marks[] = {[MARK_DONE] = "✅", [MARK_WARNING] = "⚠️ ", [MARK_FAILED] = "❌"};

static void close_line(struct display *display)
{
	if (display->line_open) {
		fputs("\r\033[K", stderr); /* back to the start, clear to the end: ECMA-48 EL */
		display->line_open = false;
	}
}

static void update(struct display *display, bool now)
{
	if (display->quiet || !display->terminal || display->store[0] == '\0') {
		return;
	}
	double moment = clock_seconds();
	if (!now && moment - display->shown < SECONDS_BETWEEN_UPDATES) {
		return;
	}
	display->shown = moment;
	double seconds = moment - display->began;
	char bytes[UNITS_SIZE];
	char rate[UNITS_SIZE];
	fprintf(stderr, "\r\033[K   %-11s %s", display->store, display->step);
	if (display->done > 0) {
		fprintf(stderr, "  %s", units_bytes(display->done, bytes));
		if (display->total > 0) {
			fprintf(stderr, " of %s", units_bytes(display->total, bytes));
		}
		if (seconds > 0.2) {
			double per_second = (double)display->done / seconds;
			fprintf(stderr, "  %s/s", units_bytes((uint64_t)per_second, rate));
			if (display->total > display->done) {
				fprintf(stderr, "  %s left",
						units_seconds((double)(display->total - display->done) / per_second, rate));
			}
		}
	}
	fflush(stderr);
	display->line_open = true;
}

static void on_step(struct progress *progress, const char *text, uint64_t total_bytes)
{
	struct display *display = (struct display *)progress;
	snprintf(display->step, sizeof display->step, "%s", text);
	display->total = total_bytes;
	display->done = 0;
	display->began = clock_seconds();
	update(display, true);
}

static void on_advance(struct progress *progress, uint64_t bytes)
{
	struct display *display = (struct display *)progress;
	display->done += bytes;
	update(display, false);
}

static void on_warn(struct progress *progress, const char *text)
{
	display_line((struct display *)progress, MARK_WARNING, "%s", text);
}

void display_open(struct display *display, bool quiet)
{
	const char *kind = getenv("TERM");
	*display = (struct display){
		.progress = {.step = on_step, .advance = on_advance, .warn = on_warn},
		.terminal = isatty(STDERR_FILENO) && kind != NULL && strcmp(kind, "dumb") != 0,
		.quiet = quiet,
	};
}

void display_resume(struct display *display, const char *store)
{
	snprintf(display->store, sizeof display->store, "%s", store);
	on_step(&display->progress, "...", 0);
}

void display_begin(struct display *display, const char *store)
{
	display_resume(display, store);
	if (!display->quiet && !display->terminal) {
		fprintf(stderr, "   %s ...\n", store);
	}
}

/* Whatever is in it, also a name out of somebody's archive: a terminal takes none of it for a command, and a further
 * line cannot be mistaken for one of ours. */
PRINTF_LIKE(1, 0)
static void show(const char *format, va_list arguments)
{
	char text[LONGEST_TEXT];
	vsnprintf(text, sizeof text, format, arguments);
	text_make_plain(text);
	for (const char *line = text;; line++) {
		size_t length = strcspn(line, "\n");
		fwrite(line, 1, length, stderr);
		line += length;
		if (line[0] == '\0' || line[1] == '\0') {
			break;
		}
		fputs("\n   | ", stderr);
	}
	fputc('\n', stderr);
}

PRINTF_LIKE(4, 0)
static void print(struct display *display, enum mark mark, const char *store, const char *format, va_list arguments)
{
	close_line(display);
	if (display->quiet && mark == MARK_DONE) {
		return;
	}
	fprintf(stderr, "%s ", marks[mark]);
	if (store != NULL) {
		fprintf(stderr, "%-11s ", store);
	}
	show(format, arguments);
	fflush(stderr);
}

void display_end(struct display *display, enum mark mark, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	print(display, mark, display->store, format, arguments);
	va_end(arguments);
	display->store[0] = '\0';
}

void display_line(struct display *display, enum mark mark, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	print(display, mark, NULL, format, arguments);
	va_end(arguments);
}

void display_hint(struct display *display, const char *format, ...)
{
	close_line(display);
	fputs("   hint: ", stderr);
	va_list arguments;
	va_start(arguments, format);
	show(format, arguments);
	va_end(arguments);
}

void display_error(struct display *display, const struct error *error)
{
	display_line(display, MARK_FAILED, "%s", error->message);
	if (error->hint[0] != '\0') {
		display_hint(display, "%s", error->hint);
	}
}
