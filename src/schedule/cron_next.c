/* Two clocks are at work here: real time (time_t) and what a clock on the wall shows, counted in minutes since
 * 1970-01-01 00:00 as if it had never been changed. The fields of an expression are about the wall. */
#include "schedule/cron.h"

enum { MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR, MINUTES_A_DAY = 24 * 60 };

/* In seconds. cron.c compares with three hours what lies between two minutes that follow each other: the change and
 * that one minute. */
enum { FORWARD_MAX = 3 * HOUR - MINUTE, BACKWARD_MAX = 3 * HOUR };

static bool has(const struct cron *cron, enum cron_field field, int value)
{
	return (cron->values[field] >> value & 1) != 0;
}

static bool day_matches(const struct cron *cron, const struct tm *day)
{
	if (!has(cron, CRON_MONTH, day->tm_mon + 1)) {
		return false;
	}
	bool of_month = has(cron, CRON_DAY, day->tm_mday);
	bool of_week = has(cron, CRON_WEEKDAY, day->tm_wday);
	return cron->star[CRON_DAY] || cron->star[CRON_WEEKDAY] ? of_month && of_week : of_month || of_week;
}

/* The first minute of the day, from `from` on, that matches; or -1. */
static int minute_in_day(const struct cron *cron, int from)
{
	for (int hour = from / 60; hour < 24; hour++) {
		if (!has(cron, CRON_HOUR, hour)) {
			continue;
		}
		uint64_t minutes = cron->values[CRON_MINUTE] >> (hour == from / 60 ? from % 60 : 0);
		if (minutes != 0) {
			return hour * 60 + __builtin_ctzll(minutes) + (hour == from / 60 ? from % 60 : 0);
		}
	}
	return -1;
}

static int64_t floor_divide(int64_t number, int64_t by)
{
	return number / by - (number % by < 0);
}

/* The first minute on the wall after `wall` that matches; false if there is none up to the day of `limit`. */
static bool next_on_wall(const struct cron *cron, int64_t wall, int64_t limit, int64_t *ret_wall)
{
	wall++;
	int64_t day = floor_divide(wall, MINUTES_A_DAY);
	int from = (int)(wall - day * MINUTES_A_DAY);
	for (; day * MINUTES_A_DAY <= limit; day++, from = 0) {
		time_t midnight = day * DAY;
		struct tm calendar;
		if (gmtime_r(&midnight, &calendar) == NULL) {
			return false;
		}
		int minute = day_matches(cron, &calendar) ? minute_in_day(cron, from) : -1;
		if (minute >= 0) {
			*ret_wall = day * MINUTES_A_DAY + minute;
			return true;
		}
	}
	return false;
}

/* Seconds that the wall is ahead of UTC. */
static int64_t offset_at(time_t moment)
{
	struct tm calendar;
	return localtime_r(&moment, &calendar) != NULL ? calendar.tm_gmtoff : 0;
}

static int64_t wall_at(time_t moment, int64_t offset)
{
	return floor_divide(moment + offset, MINUTE);
}

/* The first moment after `from`, up to `to`, from which on the wall has another offset; false if both have the same.
 * To be asked for a day at most, in which no clock is changed twice. */
static bool find_change(time_t from, time_t to, time_t *ret_change)
{
	int64_t before = offset_at(from);
	if (from >= to || offset_at(to) == before) {
		return false;
	}
	while (to - from > 1) {
		time_t middle = from + (to - from) / 2;
		if (offset_at(middle) == before) {
			from = middle;
		} else {
			to = middle;
		}
	}
	*ret_change = to;
	return true;
}

/* The last minute on the wall whose jobs are done at `moment`: the one it shows; or in a repeated time, for a job that
 * runs only once, the one it had shown before it was put back. */
static int64_t done_at(time_t moment, bool once)
{
	int64_t done = wall_at(moment, offset_at(moment));
	time_t change = 0;
	if (once && find_change(moment - BACKWARD_MAX, moment, &change)) {
		int64_t before = offset_at(change - 1);
		int64_t back = before - offset_at(change);
		int64_t shown = wall_at(change - 1, before);
		if (back <= BACKWARD_MAX && shown > done) {
			done = shown;
		}
	}
	return done;
}

/* What happens where the clock changes. */
enum change_rule {
	FOLLOWS,    /* the new time counts at once */
	MAKES_UP,   /* nothing is left out and nothing done twice */
	LEAVES_OUT, /* nothing is done twice, but skipped time is left out */
};

static time_t next_by_rule(const struct cron *cron, time_t after, enum change_rule rule)
{
	tzset(); /* localtime_r need not look at TZ */
	bool once = rule != FOLLOWS;
	time_t now = after;
	int64_t offset = offset_at(now);
	int64_t done = done_at(after, once);
	int64_t limit = done + (int64_t)CRON_YEARS_MAX * 366 * MINUTES_A_DAY;
	int64_t wanted = 0;
	while (next_on_wall(cron, done, limit, &wanted)) {
		time_t moment = wanted * MINUTE - offset;
		time_t to = moment < now + DAY ? moment : now + DAY;
		time_t change = 0;
		if (find_change(now, to, &change)) {
			/* The wall is changed before it shows the minute that is wanted. */
			int64_t ahead = offset_at(change) - offset;
			int64_t shown = wall_at(change, offset + ahead);
			if (rule == MAKES_UP && ahead > 0 && ahead <= FORWARD_MAX && wanted <= shown) {
				return change;
			}
			bool left_out = rule == LEAVES_OUT && ahead > 0;
			if (!once || left_out || ahead > FORWARD_MAX || ahead < -BACKWARD_MAX) {
				done = shown - 1;
			}
			now = change;
		} else if (to == moment) {
			return moment;
		} else {
			/* No change that is further away than a day from here and from there can make a difference. */
			now = to > moment - 2 * DAY ? to : moment - 2 * DAY;
		}
		offset = offset_at(now);
	}
	return (time_t)-1;
}

time_t cron_next(const struct cron *cron, time_t after)
{
	bool follows = cron->star[CRON_MINUTE] || cron->star[CRON_HOUR];
	return next_by_rule(cron, after, follows ? FOLLOWS : MAKES_UP);
}

time_t cron_next_timer(const struct cron *cron, time_t after)
{
	return next_by_rule(cron, after, LEAVES_OUT);
}
