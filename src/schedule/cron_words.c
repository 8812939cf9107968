#include "schedule/cron.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	TIMES_MAX = 6, /* times of a day that are told one by one */
	RUN_MIN = 3,   /* values in a row from which on it is "1 to 3" */
	NO_RUNS = 64,  /* as RUN_MIN: each value is told */
};

struct words {
	char *text; /* CRON_WORDS_SIZE bytes */
	size_t length;
};

PRINTF_LIKE(2, 3) static void say(struct words *words, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(words->text + words->length, CRON_WORDS_SIZE - words->length, format, arguments);
	va_end(arguments);
	assert(length >= 0 && words->length + (size_t)length < CRON_WORDS_SIZE);
	words->length += (size_t)length;
}

/* --- sets of values ----------------------------------------------------------------------------------------------- */

static unsigned count_of(uint64_t set)
{
	return (unsigned)__builtin_popcountll(set);
}

static unsigned lowest(uint64_t set)
{
	return (unsigned)__builtin_ctzll(set);
}

static unsigned highest(uint64_t set)
{
	return 63 - (unsigned)__builtin_clzll(set);
}

static bool is_one_run(uint64_t set)
{
	return highest(set) - lowest(set) + 1 == count_of(set);
}

/* N if the set is every Nth of `size` values all the way round, so that the next day or hour goes on evenly; else 0. */
static unsigned even_step(uint64_t set, unsigned size)
{
	unsigned count = count_of(set);
	unsigned step = size / count;
	if (count < 2 || size % count != 0 || lowest(set) >= step) {
		return 0;
	}
	for (unsigned i = 0; i < count; i++) {
		if ((set >> (lowest(set) + i * step) & 1) == 0) {
			return 0;
		}
	}
	return step;
}

static void say_number(struct words *words, unsigned value)
{
	say(words, "%u", value);
}

static void say_ordinal(struct words *words, unsigned day)
{
	static const char *const endings[] = {"th", "st", "nd", "rd"};
	bool plain = day % 10 > 3 || day / 10 == 1;
	say(words, "%u%s", day, endings[plain ? 0 : day % 10]);
}

static void say_month(struct words *words, unsigned month)
{
	static const char *const names[] = {"January", "February", "March",     "April",   "May",      "June",
										"July",    "August",   "September", "October", "November", "December"};
	say(words, "%s", names[month - 1]);
}

static void say_weekday(struct words *words, unsigned day)
{
	static const char *const names[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
	say(words, "%s", names[day]);
}

/* "1, 3 and 5 to 8": `conjunction` stands before the last one; runs of at least `run_min` are drawn together. */
static void say_set(struct words *words, uint64_t set, void (*say_value)(struct words *, unsigned),
					const char *conjunction, unsigned run_min)
{
	for (bool first = true; set != 0; first = false) {
		unsigned from = lowest(set);
		unsigned to = from;
		while ((set >> to & 2) != 0) {
			to++;
		}
		to = to - from + 1 >= run_min ? to : from;
		set &= ~((UINT64_C(2) << to) - (UINT64_C(1) << from));
		if (!first) {
			say(words, "%s%s ", set != 0 ? "," : " ", set != 0 ? "" : conjunction);
		}
		say_value(words, from);
		if (to > from) {
			say(words, " to ");
			say_value(words, to);
		}
	}
}

/* --- the time of the day ------------------------------------------------------------------------------------------ */

static void say_times(struct words *words, uint64_t hours, uint64_t minutes)
{
	unsigned left = count_of(hours) * count_of(minutes);
	unsigned total = left;
	say(words, "at ");
	for (unsigned hour = 0; hour < 24; hour++) {
		for (unsigned minute = 0; minute < 60; minute++) {
			if ((hours >> hour & 1) != 0 && (minutes >> minute & 1) != 0) {
				left--;
				say(words, "%s%02u:%02u", left == total - 1 ? "" : left == 0 ? " and " : ", ", hour, minute);
			}
		}
	}
}

static void say_hours(struct words *words, uint64_t hours)
{
	if (hours == 0xffffff) {
		say(words, "every hour");
	} else {
		say(words, "the hour%s ", count_of(hours) == 1 ? "" : "s");
		say_set(words, hours, say_number, "and", RUN_MIN);
	}
}

/* One minute of some hours: how often, if it is often; or else false. */
static bool say_hourly(struct words *words, uint64_t hours, unsigned minute, bool every_day)
{
	unsigned step = even_step(hours, 24);
	bool few = count_of(hours) <= TIMES_MAX;
	if (step == 1 && minute == 0) {
		say(words, "every hour, on the hour");
	} else if (step == 1) {
		say(words, "at %u minute%s past every hour", minute, minute == 1 ? "" : "s");
	} else if (step > 1 && !few) {
		say(words, "every %u hours from %02u:%02u to %02u:%02u", step, lowest(hours), minute, highest(hours), minute);
	} else if (is_one_run(hours) && !few) {
		say(words, "every hour from %02u:%02u to %02u:%02u", lowest(hours), minute, highest(hours), minute);
	} else if (step > 1 && every_day && count_of(hours) >= RUN_MIN) {
		say(words, "every %u hours: ", step);
		say_times(words, hours, UINT64_C(1) << minute);
	} else {
		return false;
	}
	return true;
}

static void say_time(struct words *words, const struct cron *cron, bool every_day)
{
	uint64_t minutes = cron->values[CRON_MINUTE];
	uint64_t hours = cron->values[CRON_HOUR];
	unsigned step = even_step(minutes, 60);
	if (count_of(minutes) == 1 && say_hourly(words, hours, lowest(minutes), every_day)) {
		return;
	}
	if (step != 0 && lowest(minutes) == 0 && (hours == 0xffffff || count_of(minutes) * count_of(hours) > TIMES_MAX)) {
		if (step == 1) {
			say(words, "every minute");
		} else {
			say(words, "every %u minutes", step);
		}
		if (hours == 0xffffff) {
			return;
		}
		if (is_one_run(hours)) {
			say(words, " from %02u:00 to %02u:%02u", lowest(hours), highest(hours), highest(minutes));
		} else {
			say(words, " in ");
			say_hours(words, hours);
		}
	} else if (count_of(minutes) * count_of(hours) <= TIMES_MAX) {
		say_times(words, hours, minutes);
	} else {
		say(words, "at minute%s ", count_of(minutes) == 1 ? "" : "s");
		say_set(words, minutes, say_number, "and", RUN_MIN);
		say(words, " of ");
		say_hours(words, hours);
	}
}

/* --- the days ----------------------------------------------------------------------------------------------------- */

static bool every_month(const struct cron *cron)
{
	return cron->values[CRON_MONTH] == 0x1ffe;
}

static void say_months(struct words *words, const struct cron *cron)
{
	if (!every_month(cron)) {
		say(words, " in ");
		say_set(words, cron->values[CRON_MONTH], say_month, "and", RUN_MIN);
	}
}

/* Monday first, because that is how people count the days of a working week. */
static uint64_t from_monday(const struct cron *cron)
{
	uint64_t days = cron->values[CRON_WEEKDAY];
	return days >> 1 | (days & 1) << 6;
}

static void say_weekdays(struct words *words, const struct cron *cron)
{
	uint64_t days = from_monday(cron);
	bool run = is_one_run(days) && count_of(days) >= RUN_MIN;
	say(words, run ? "" : "every ");
	say_set(words, days, say_weekday, "and", run ? RUN_MIN : NO_RUNS);
	say_months(words, cron);
}

/* Whether one of the months, in most years, lacks one of the days. */
static bool days_are_missing(const struct cron *cron)
{
	static const unsigned char length[] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	for (unsigned month = 1; month <= 12; month++) {
		if ((cron->values[CRON_MONTH] >> month & 1) != 0 && highest(cron->values[CRON_DAY]) > length[month]) {
			return true;
		}
	}
	return false;
}

/* True if it ends in a clause, after which a comma belongs. */
static bool say_month_days(struct words *words, const struct cron *cron)
{
	say(words, "on the ");
	say_set(words, cron->values[CRON_DAY], say_ordinal, "and", RUN_MIN);
	say(words, " of ");
	if (every_month(cron)) {
		say(words, "every month");
	} else {
		say_set(words, cron->values[CRON_MONTH], say_month, "and", RUN_MIN);
	}
	bool missing = days_are_missing(cron);
	say(words, missing ? ", where there is such a day" : "");
	return missing;
}

static bool say_days(struct words *words, const struct cron *cron)
{
	switch (cron_days(cron)) {
	case CRON_DAYS_ALL:
		say(words, "every day");
		say_months(words, cron);
		return false;
	case CRON_DAYS_OF_WEEK:
		say_weekdays(words, cron);
		return false;
	case CRON_DAYS_OF_MONTH:
		return say_month_days(words, cron);
	case CRON_DAYS_EITHER:
		say_month_days(words, cron);
		say(words, ", and also ");
		say_weekdays(words, cron);
		return true;
	case CRON_DAYS_BOTH:
		break;
	}
	say_month_days(words, cron);
	say(words, ", but only on a ");
	say_set(words, from_monday(cron), say_weekday, "or", NO_RUNS);
	return true;
}

const char *cron_in_words(const struct cron *cron, char ret_text[CRON_WORDS_SIZE])
{
	bool every_day = cron_days(cron) == CRON_DAYS_ALL && every_month(cron);
	char time_text[CRON_WORDS_SIZE] = "";
	struct words time = {.text = time_text};
	say_time(&time, cron, every_day);
	bool at = strncmp(time_text, "at ", 3) == 0;
	struct words words = {.text = ret_text};
	/* That something is done every hour says already that it is done every day. */
	if (!every_day || (cron->values[CRON_HOUR] != 0xffffff && (at || even_step(cron->values[CRON_HOUR], 24) == 0))) {
		bool clause = say_days(&words, cron);
		say(&words, at ? clause ? ", " : " " : ": ");
	}
	say(&words, "%s", time_text);
	return ret_text;
}
