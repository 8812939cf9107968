/*
 * interrupt.h - Ctrl-C, SIGTERM and SIGHUP ask the program to stop; they never stop it in the middle of something.
 *
 * The handler only sets a flag. Long loops call interrupt_check, and unwinding thaws, restarts and removes as after any
 * other failure. A second signal does not shorten that.
 */
#ifndef WHISPERBACKUP_BASE_INTERRUPT_H
#define WHISPERBACKUP_BASE_INTERRUPT_H

#include "base/error.h"

#include <stdatomic.h>
#include <stdbool.h>

/* Installs the handlers, but for SIGHUP where that is ignored already, as by nohup(1); and ignores SIGPIPE. Once, at
 * the start of main. */
void interrupt_install(void);

/* STATUS_INTERRUPTED with a message if a signal has come and interrupts are not held off. From any thread. */
enum status interrupt_check(struct error *error) MUST_CHECK;

/*
 * From now on interrupt_check also fails once `seconds` have gone by, with a copy of `failure`: for what must not take
 * longer, whatever it waits for. Until interrupt_unlimit; there is one limit at a time.
 */
void interrupt_limit(unsigned seconds, const struct error *failure);
void interrupt_unlimit(void);

/*
 * Asks threads to stop because of another one: to those that obey it, and to those that obey one within it,
 * interrupt_check says STATUS_INTERRUPTED from then on.
 */
struct interrupt_stop {
	atomic_bool asked;
	const struct interrupt_stop *outer; /* NULL: none */
};

/* The calling thread obeys it from now on, instead of what it obeyed before; NULL: none. */
void interrupt_obey(const struct interrupt_stop *stop);

/* What the calling thread obeys. */
const struct interrupt_stop *interrupt_obeyed(void);

/* While held, interrupt_check says STATUS_OK: for steps that have to be finished or undone whole. Calls nest. */
void interrupt_hold(void);
void interrupt_release(void);

/* True if a signal has come, held or not. */
bool interrupt_pending(void);

#endif
