#include "base/clock.h"

#include <time.h>

double clock_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int64_t clock_date_offset(void)
{
	struct timespec steady;
	struct timespec date;
	clock_gettime(CLOCK_MONOTONIC, &steady);
	clock_gettime(CLOCK_REALTIME, &date);
	return (date.tv_sec - steady.tv_sec) * INT64_C(1000000000) + date.tv_nsec - steady.tv_nsec;
}

void clock_sleep(unsigned milliseconds)
{
	nanosleep(&(struct timespec){.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000L}, NULL);
}
