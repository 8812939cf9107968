#include "base/interrupt.h"

#include "base/clock.h"

#include <signal.h>
#include <string.h>

static volatile sig_atomic_t received_signal;
static atomic_uint held;
static double limit; /* clock_seconds; 0: there is none */
static struct error limit_failure;
static _Thread_local const struct interrupt_stop *obeyed;

static void remember(int number)
{
	received_signal = number;
}

void interrupt_install(void)
{
	/* No SA_RESTART: a blocking read at the question "Type yes" has to end. */
	struct sigaction action = {.sa_handler = remember};
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	struct sigaction before;
	if (sigaction(SIGHUP, NULL, &before) != 0 || before.sa_handler != SIG_IGN) { /* as nohup has it */
		sigaction(SIGHUP, &action, NULL);
	}
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigemptyset(&ignore.sa_mask);
	sigaction(SIGPIPE, &ignore, NULL);
}

static bool asked_to_stop(void)
{
	const struct interrupt_stop *stop = obeyed;
	while (stop != NULL && !stop->asked) {
		stop = stop->outer;
	}
	return stop != NULL;
}

enum status interrupt_check(struct error *error)
{
	if (held > 0) {
		return STATUS_OK;
	}
	if (received_signal == 0) {
		if (asked_to_stop()) {
			return error_set(error, STATUS_INTERRUPTED, "given up, since something else has failed");
		}
		if (limit > 0 && clock_seconds() > limit) {
			*error = limit_failure;
			return error->status;
		}
		return STATUS_OK;
	}
	return error_set(error, STATUS_INTERRUPTED, "interrupted by %s",
					 received_signal == SIGINT    ? "Ctrl-C"
					 : received_signal == SIGTERM ? "a request to terminate"
												  : "the closing of the terminal");
}

void interrupt_limit(unsigned seconds, const struct error *failure)
{
	limit_failure = *failure;
	limit = clock_seconds() + seconds;
}

void interrupt_unlimit(void)
{
	limit = 0;
}

void interrupt_obey(const struct interrupt_stop *stop)
{
	obeyed = stop;
}

const struct interrupt_stop *interrupt_obeyed(void)
{
	return obeyed;
}

void interrupt_hold(void)
{
	held++;
}

void interrupt_release(void)
{
	held--;
}

bool interrupt_pending(void)
{
	return received_signal != 0;
}
