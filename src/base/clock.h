/*
 * clock.h - how long things take, and waiting a little.
 */
#ifndef WHISPERBACKUP_BASE_CLOCK_H
#define WHISPERBACKUP_BASE_CLOCK_H

#include <stdint.h>

/* Seconds since some fixed moment; never set back. For differences only. */
double clock_seconds(void);

/*
 * How far the clock of dates is ahead of the one above, in nanoseconds: it becomes less only when that is set back,
 * for both are slewed alike (adjtimex(2)). The two are not read at the same instant; good for some milliseconds.
 */
int64_t clock_date_offset(void);

/* Sleeps; a signal may end it early. */
void clock_sleep(unsigned milliseconds);

#endif
