#include "base/units.h"

#include <stdio.h>

enum { MOST_SECONDS = 99999 * 60 + 59 }; /* that are told */

const char *units_bytes(uint64_t bytes, char ret_text[UNITS_SIZE])
{
	static const char letters[] = "KMGTPE";
	if (bytes < 1024) {
		snprintf(ret_text, UNITS_SIZE, "%u", (unsigned)bytes);
		return ret_text;
	}
	double number = (double)bytes / 1024;
	int letter = 0;
	while (number >= 1023.5) { /* what would be printed as 1024 is one of the next unit */
		number /= 1024;
		letter++;
	}
	snprintf(ret_text, UNITS_SIZE, number < 9.95 ? "%.1f%c" : "%.0f%c", number, letters[letter]);
	return ret_text;
}

const char *units_seconds(double seconds, char ret_text[UNITS_SIZE])
{
	if (seconds < 9.95) {
		snprintf(ret_text, UNITS_SIZE, "%.1f s", seconds);
	} else if (seconds < 119.5) {
		snprintf(ret_text, UNITS_SIZE, "%.0f s", seconds);
	} else {
		unsigned whole = seconds < MOST_SECONDS ? (unsigned)(seconds + 0.5) : MOST_SECONDS;
		snprintf(ret_text, UNITS_SIZE, "%u min %u s", whole / 60, whole % 60);
	}
	return ret_text;
}

const char *units_age(double seconds, char ret_text[UNITS_AGE_SIZE])
{
	static const double MINUTE = 60;
	static const double HOUR = 60 * MINUTE;
	static const double DAY = 24 * HOUR;
	static const double MOST_DAYS = 999999;
	if (seconds < 0) {
		snprintf(ret_text, UNITS_AGE_SIZE, "in the future");
	} else if (seconds < MINUTE) {
		snprintf(ret_text, UNITS_AGE_SIZE, "just now");
	} else if (seconds < 2 * HOUR) {
		snprintf(ret_text, UNITS_AGE_SIZE, "%u min ago", (unsigned)(seconds / MINUTE));
	} else if (seconds < 2 * DAY) {
		snprintf(ret_text, UNITS_AGE_SIZE, "%u h ago", (unsigned)(seconds / HOUR));
	} else {
		double days = seconds / DAY;
		snprintf(ret_text, UNITS_AGE_SIZE, "%u days ago", days < MOST_DAYS ? (unsigned)days : (unsigned)MOST_DAYS);
	}
	return ret_text;
}
