#include "catalog/timestamp.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum {
	SEPARATOR = 8, /* where the underscore stands */
	SECONDS_OF_DAY = 24 * 60 * 60,
};

static struct tm calendar_of(const char *timestamp)
{
	struct tm calendar = {0};
	(void)!sscanf(timestamp, "%4d%2d%2d_%2d%2d%2d", &calendar.tm_year, &calendar.tm_mon, &calendar.tm_mday,
				  &calendar.tm_hour, &calendar.tm_min, &calendar.tm_sec);
	calendar.tm_year -= 1900;
	calendar.tm_mon -= 1;
	return calendar;
}

bool timestamp_parse(const char *text, char ret_timestamp[TIMESTAMP_SIZE])
{
	size_t prefix = strlen(TIMESTAMP_FOLDER_PREFIX);
	size_t length = strlen(text);
	if (strncmp(text, TIMESTAMP_FOLDER_PREFIX, prefix) == 0) {
		text += prefix;
		length -= prefix;
		length -= length > 0 && text[length - 1] == '/';
	}
	if (length != TIMESTAMP_SIZE - 1) {
		return false;
	}
	for (size_t i = 0; i < length; i++) {
		if (i == SEPARATOR ? text[i] != '_' : !isdigit((unsigned char)text[i])) {
			return false;
		}
	}
	struct tm calendar = calendar_of(text);
	struct tm normal = calendar;
	normal.tm_isdst = 0;
	/* By the calendar alone: a time zone may skip hours, and has skipped whole days (Samoa, 30 December 2011). */
	if (calendar.tm_hour > 23 || calendar.tm_min > 59 || calendar.tm_sec > 60 || timegm(&normal) == (time_t)-1 ||
		normal.tm_year != calendar.tm_year || normal.tm_mon != calendar.tm_mon || normal.tm_mday != calendar.tm_mday) {
		return false;
	}
	memcpy(ret_timestamp, text, length);
	ret_timestamp[length] = '\0';
	return true;
}

void timestamp_of(time_t moment, char ret_timestamp[TIMESTAMP_SIZE])
{
	struct tm calendar;
	localtime_r(&moment, &calendar);
	strftime(ret_timestamp, TIMESTAMP_SIZE, "%Y%m%d_%H%M%S", &calendar);
}

static time_t offset_at(time_t moment)
{
	struct tm calendar;
	localtime_r(&moment, &calendar);
	return calendar.tm_gmtoff;
}

/*
 * The moments that a local time may mean: two in an hour that the clocks go through twice, else twice the same one. In
 * an hour that they skip it is what a clock would have shown that had not been changed. mktime knows that too, but
 * which of two it takes depends on what it was asked before (glibc's time/mktime.c, localtime_offset).
 */
static void moments_of(struct tm calendar, time_t *ret_first, time_t *ret_last)
{
	calendar.tm_isdst = 0;
	time_t if_utc = timegm(&calendar);
	time_t before = if_utc - offset_at(if_utc - SECONDS_OF_DAY);
	time_t after = if_utc - offset_at(if_utc + SECONDS_OF_DAY);
	bool before_is = before + offset_at(before) == if_utc;
	bool after_is = after + offset_at(after) == if_utc;
	*ret_first = before_is || !after_is ? before : after;
	*ret_last = after_is ? after : before;
}

time_t timestamp_moment(const char *timestamp)
{
	time_t first = 0;
	time_t last = 0;
	moments_of(calendar_of(timestamp), &first, &last);
	return last;
}

time_t timestamp_moment_near(const char *timestamp, time_t near)
{
	time_t first = 0;
	time_t last = 0;
	moments_of(calendar_of(timestamp), &first, &last);
	return near - first < last - near ? first : last;
}

time_t timestamp_days_before(time_t moment, int days)
{
	struct tm calendar;
	time_t first = 0;
	time_t last = 0;
	localtime_r(&moment, &calendar);
	calendar.tm_mday -= days;
	moments_of(calendar, &first, &last);
	return days > 0 ? first : moment;
}
