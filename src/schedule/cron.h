/*
 * cron.h - when to run: five-field cron expressions, read, computed, and told to people and to systemd.
 *
 * The facts are those of Debian's cron 3.0pl1-162: crontab(5) for the fields, cron(8) for changes of the clock, and
 * where these say less than has to be known, its source: entry.c (load_entry, get_list, get_range) for what is
 * accepted and for the star flags, cron.c (main, find_jobs) for what runs when.
 *
 * Time zone: everything is local time, that of TZ or of the machine; cron_next_here has that of the machine, by which
 * its schedulers go.
 */
#ifndef WHISPERBACKUP_SCHEDULE_CRON_H
#define WHISPERBACKUP_SCHEDULE_CRON_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum {
	/* Bytes of an expression with the closing NUL; one that spells out every value has 392. */
	CRON_TEXT_SIZE = 512,
	/* Bytes of an expression in words with the closing NUL; the longest have about 600. */
	CRON_WORDS_SIZE = 1024,
	/* How far ahead cron_next looks. The rarest date, 29 February on one weekday, comes after 40 years at the latest.
	 */
	CRON_YEARS_MAX = 41,
};

enum cron_field { CRON_MINUTE, CRON_HOUR, CRON_DAY, CRON_MONTH, CRON_WEEKDAY, CRON_FIELDS };

/* An expression; a plain value, to be copied freely. */
struct cron {
	uint64_t values[CRON_FIELDS]; /* bit N: the value N. Sunday is bit 0 alone */
	bool star[CRON_FIELDS];       /* the field begins with "*"; so does "*" + "/2", and cron treats both as open */
	char text[CRON_TEXT_SIZE];    /* five fields as the user wrote them, one blank between; presets written out */
};

/*
 * Which days are meant. If neither of the fields for days begins with "*", a day that either of them names will do
 * (crontab(5), the note on the two fields); otherwise both have to name it.
 */
enum cron_days {
	CRON_DAYS_ALL,
	CRON_DAYS_OF_MONTH, /* the day of the month decides alone */
	CRON_DAYS_OF_WEEK,  /* the weekday decides alone */
	CRON_DAYS_EITHER,   /* "1 * 5": the first, and every Friday */
	CRON_DAYS_BOTH,     /* a star with a step: the days of the month that are also one of the weekdays */
};

/*
 * Takes, with blanks and tabs around and between the fields:
 *   hourly            0 * * * *
 *   daily             0 2 * * *   these four are our own: at two at night, as the user's guide has it
 *   weekly            0 2 * * 0
 *   monthly           0 2 1 * *
 *   @hourly @daily @midnight @weekly @monthly @yearly @annually: cron's, at midnight; all words in any case
 *   five fields       as crontab(5) has them; names of months and weekdays also in lists and ranges, in any case
 * What cron would take but never run, or would read otherwise than it looks, is refused too: ranges that run backwards,
 * steps that leave the field, dates that never come. So are "%" and control characters, which mean something else in a
 * crontab.
 *
 * STATUS_USAGE with a hint for all that is refused; *ret_cron is then as it was.
 */
enum status cron_parse(const char *text, struct cron *ret_cron, struct error *error) MUST_CHECK;

enum cron_days cron_days(const struct cron *cron);

/*
 * The first moment after `after` at which cron runs the job; (time_t)-1 if there is none within CRON_YEARS_MAX (it
 * would be one that falls into an hour skipped by summer time in every year).
 *
 * Where the clock changes by up to three hours (cron(8)): a job whose minute or hour begins with "*" follows the new
 * time at once, so its minutes in a skipped hour are left out and those in a repeated hour come twice. Any other job
 * runs at the moment of the change if it was due in the skipped time, and only the first time in a repeated one.
 * Larger changes: the new time counts, for all jobs.
 */
time_t cron_next(const struct cron *cron, time_t after);

/*
 * The same for a timer of systemd's with the lines of cron_on_calendar, which differs where the clock changes: nothing
 * runs for what falls into skipped time, and nothing twice in repeated time (tried with systemd-analyze 252).
 */
time_t cron_next_timer(const struct cron *cron, time_t after);

/*
 * When this machine's cron runs the job next (cron_next), or a timer of the user's systemd (cron_next_timer). Both go
 * by the machine's zone, whatever TZ is here: that is of a shell, and neither was started by it (docs/FACTS.md). For
 * the whole process TZ is not set meanwhile: no other thread may look at it.
 */
time_t cron_next_here(const struct cron *cron, bool timer, time_t after);

/* Does a clock of the machine's zone show another time at that moment than one of TZ? */
bool cron_zone_differs(time_t moment);

/* In English, to follow "runs": "every day at 02:00", "Monday to Friday at 06:30 and 18:30". Plain ASCII, always whole.
 * Returns ret_text. */
const char *cron_in_words(const struct cron *cron, char ret_text[CRON_WORDS_SIZE]);

/*
 * Appends the same as one or two lines "OnCalendar=...\n" of a systemd timer (systemd.time(7), "Calendar Events"); two
 * are for CRON_DAYS_EITHER, and a timer with two lines runs once where they meet.
 *
 * cron_next_timer tells when such a timer runs. Fails only for want of room in the buffer, or memory; the buffer's
 * limit has to leave CRON_CALENDAR_SIZE bytes.
 */
enum { CRON_CALENDAR_SIZE = 1024 };
enum status cron_on_calendar(const struct cron *cron, struct buffer *ret_lines, struct error *error) MUST_CHECK;

#endif
