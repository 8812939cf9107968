/*
 * clock.h - how long things take, and waiting a little.
 */
#ifndef WHISPERBACKUP_BASE_CLOCK_H
#define WHISPERBACKUP_BASE_CLOCK_H

/* Seconds since some fixed moment; never set back. For differences only. */
double clock_seconds(void);

/* Sleeps; a signal may end it early. */
void clock_sleep(unsigned milliseconds);

#endif
