/*
 * cron_support.h - what the tests of schedules share: expressions, random ones, and local times as text.
 */
#ifndef WHISPERBACKUP_TESTS_CRON_SUPPORT_H
#define WHISPERBACKUP_TESTS_CRON_SUPPORT_H

#include "support.h"

#include "schedule/cron.h"

#include <time.h>

static inline struct cron parsed(const char *text)
{
	struct cron cron;
	struct error error;
	assert_ok(cron_parse(text, &cron, &error), &error);
	return cron;
}

static inline void use_zone(const char *zone)
{
	assert_int_equal(setenv("TZ", zone, 1), 0);
	tzset();
}

/* "2026-03-08 03:00 -0400" of the zone in use; the offset tells the two passes of a repeated hour apart. */
static inline const char *shown(time_t moment, char text[32])
{
	struct tm calendar;
	assert_non_null(localtime_r(&moment, &calendar));
	assert_true(strftime(text, 32, "%Y-%m-%d %H:%M %z", &calendar) > 0);
	return text;
}

/* The moment of such a text; the zone in use does not matter. */
static inline time_t moment_of(const char *text)
{
	struct tm calendar = {0};
	const char *end = strptime(text, "%Y-%m-%d %H:%M %z", &calendar);
	assert_true(end != NULL && *end == '\0');
	long offset = calendar.tm_gmtoff;
	return timegm(&calendar) - offset;
}

/* --- random expressions, the same in every run -------------------------------------------------------------------- */

static inline unsigned random_below(uint64_t *random, unsigned limit)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return (unsigned)(*random >> 33) % limit;
}

static inline void random_field(uint64_t *random, unsigned low, unsigned high, char *text, size_t size)
{
	unsigned kind = random_below(random, 12);
	unsigned one = low + random_below(random, high - low + 1);
	unsigned from = low + random_below(random, high - low + 1);
	unsigned to = from + random_below(random, high - from + 1);
	unsigned step = 1 + random_below(random, high - low);
	switch (kind < 8 ? kind : 0) {
	case 1:
		snprintf(text, size, "*/%u", step);
		break;
	case 2:
		snprintf(text, size, "%u", one);
		break;
	case 3:
		snprintf(text, size, "%u-%u", from, to);
		break;
	case 4:
		snprintf(text, size, "%u-%u/%u", from, to, step);
		break;
	case 5:
		snprintf(text, size, "%u,%u", one, to);
		break;
	case 6:
		snprintf(text, size, "%u,%u-%u", one, from, to);
		break;
	case 7:
		snprintf(text, size, "*,%u", one);
		break;
	default:
		snprintf(text, size, "*");
	}
}

/* One that is valid: dates that never come are passed over. */
static inline struct cron random_cron(uint64_t *random)
{
	for (;;) {
		char fields[5][32];
		char text[256];
		struct cron cron;
		struct error error;
		random_field(random, 0, 59, fields[0], sizeof fields[0]);
		random_field(random, 0, 23, fields[1], sizeof fields[1]);
		random_field(random, 1, 31, fields[2], sizeof fields[2]);
		random_field(random, 1, 12, fields[3], sizeof fields[3]);
		random_field(random, 0, 7, fields[4], sizeof fields[4]);
		snprintf(text, sizeof text, "%s %s %s %s %s", fields[0], fields[1], fields[2], fields[3], fields[4]);
		if (cron_parse(text, &cron, &error) == STATUS_OK) {
			return cron;
		}
		assert_non_null(strstr(error.message, "never comes"));
	}
}

#endif
