/*
 * time_support.h - time that whoever waits for it need not wait for: a sleep ends at once, and the clock shows that it
 * has been slept. Dates are those of the machine. For one program of tests, whose functions stand before the C
 * library's. Beside faults.h, whose clock is another, the clock does not show it.
 */
#ifndef WHISPERBACKUP_TESTS_TIME_SUPPORT_H
#define WHISPERBACKUP_TESTS_TIME_SUPPORT_H

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { TIME_BILLION = 1000000000 };

static long long time_slept; /* nanoseconds */

static inline void time_pass(long long nanoseconds)
{
	time_slept += nanoseconds;
}

int nanosleep(const struct timespec *wanted, struct timespec *ret_left)
{
	(void)ret_left;
	time_pass((long long)wanted->tv_sec * TIME_BILLION + wanted->tv_nsec);
	return 0;
}

#ifndef WHISPERBACKUP_TESTS_FAULTS_H
int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
	int result = (int)syscall(SYS_clock_gettime, clock, ret_time);
	if (result == 0 && clock == CLOCK_MONOTONIC) {
		long long nanoseconds = ret_time->tv_nsec + time_slept;
		ret_time->tv_sec += (time_t)(nanoseconds / TIME_BILLION);
		ret_time->tv_nsec = (long)(nanoseconds % TIME_BILLION);
	}
	return result;
}
#endif

#endif
