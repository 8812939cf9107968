/*
 * units.h - numbers as people read them.
 */
#ifndef WHISPERBACKUP_BASE_UNITS_H
#define WHISPERBACKUP_BASE_UNITS_H

#include <stdint.h>

enum { UNITS_SIZE = 16 }; /* bytes of a formatted number */

/* "0", "156K", "2.1M", "45M", "1.0G": in the way of du -h: powers of 1024, one digit behind the point below ten. */
const char *units_bytes(uint64_t bytes, char ret_text[UNITS_SIZE]);

/* "0.4 s", "12 s", "3 min 20 s" */
const char *units_seconds(double seconds, char ret_text[UNITS_SIZE]);

/* How long ago: "just now", "5 min ago", "3 h ago", "2 days ago"; "in the future" if it is negative. */
enum { UNITS_AGE_SIZE = 32 };
const char *units_age(double seconds, char ret_text[UNITS_AGE_SIZE]);

#endif
