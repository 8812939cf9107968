#include "base/thread.h"

#include <signal.h>
#include <time.h>

bool thread_start(pthread_t *ret_thread, void *(*work)(void *context), void *context)
{
	sigset_t all;
	sigset_t before;
	sigfillset(&all);
	static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL}; /* of the thread itself; sigprocmask(2), NOTES */
	for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
		sigdelset(&all, own[i]);
	}
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool started = pthread_create(ret_thread, NULL, work, context) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return started;
}

void thread_condition_init(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(condition, &attributes);
	pthread_condattr_destroy(&attributes);
}

void thread_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, unsigned milliseconds)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += milliseconds % 1000 * 1000000L;
	until.tv_sec += milliseconds / 1000 + until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_cond_timedwait(condition, mutex, &until);
}
