/*
 * timestamp.h - the names of backups: the local time at which they began, "20240912_143022".
 */
#ifndef WHISPERBACKUP_CATALOG_TIMESTAMP_H
#define WHISPERBACKUP_CATALOG_TIMESTAMP_H

#include "base/error.h"

#include <stdbool.h>
#include <time.h>

#define TIMESTAMP_FOLDER_PREFIX "whisperengine_backup_"

enum { TIMESTAMP_SIZE = 16 }; /* 15 characters and the closing NUL */

/*
 * Takes "20240912_143022" or "whisperengine_backup_20240912_143022" (with or without one closing slash); false for
 * anything else, also for what no calendar has, such as a 13th month.
 */
bool timestamp_parse(const char *text, char ret_timestamp[TIMESTAMP_SIZE]);

/* The timestamp of a moment, in local time. */
void timestamp_of(time_t moment, char ret_timestamp[TIMESTAMP_SIZE]);

/*
 * The moment of a valid timestamp. An hour that is gone through twice when daylight saving time ends makes two of it:
 * the later one, or the one that is nearer to a moment that is known from elsewhere.
 */
time_t timestamp_moment(const char *timestamp);
time_t timestamp_moment_near(const char *timestamp, time_t near);

/* The same time of day, that many days earlier by the local calendar; of two such moments, the earlier one. */
time_t timestamp_days_before(time_t moment, int days);

#endif
