/*
 * thread.h - threads that do part of somebody's work.
 */
#ifndef WHISPERBACKUP_BASE_THREAD_H
#define WHISPERBACKUP_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/*
 * Starts a thread that gets no signals: those are for the threads that were there before. False if there is none to be
 * had, which whoever asks has to be able to do without.
 */
bool thread_start(pthread_t *ret_thread, void *(*work)(void *context), void *context);

/* A condition for thread_wait. */
void thread_condition_init(pthread_cond_t *condition);

/* Waits for the condition, for so long at the most whatever is done to the clock; with the mutex. */
void thread_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, unsigned milliseconds);

#endif
