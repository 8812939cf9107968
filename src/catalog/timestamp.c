#include "catalog/timestamp.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { SEPARATOR = 8 }; /* where the underscore stands */

static struct tm calendar_of(const char *timestamp)
{
	struct tm calendar = {.tm_isdst = -1}; /* whether daylight saving time was in force is for mktime to find out */
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

time_t timestamp_moment(const char *timestamp)
{
	struct tm calendar = calendar_of(timestamp);
	return mktime(&calendar);
}
