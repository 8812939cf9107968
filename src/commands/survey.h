/*
 * survey.h - how the stores and the other containers of the project are right now.
 */
#ifndef WHISPERBACKUP_COMMANDS_SURVEY_H
#define WHISPERBACKUP_COMMANDS_SURVEY_H

#include "commands/session.h"

/* What was found out about one store. */
struct finding {
	bool present; /* there is a container for it */
	bool well;    /* it answered, and nothing is wrong with it */
	char version[STORE_VERSION_SIZE];
	struct examination examination;
	bool size_known;
	uint64_t data_bytes;  /* if it is known */
	struct error problem; /* unless it is well */
};

/*
 * Asks one store for real. Only what keeps us from asking any of them is a failure; that the store is not well is what
 * the finding says.
 */
enum status survey_store(const struct session *session, size_t store, bool with_size, struct finding *ret_finding,
						 struct error *error) MUST_CHECK;

/* Where programs reach it: "127.0.0.1:5432", or "postgres:5432 in the project's network". */
enum { SURVEY_ENDPOINT_SIZE = 160 };
const char *survey_endpoint(const struct container *container, unsigned port, char ret_endpoint[SURVEY_ENDPOINT_SIZE]);

/* "running", "healthy", "starting", "unhealthy", "paused", "stopped", "never started", "ended with exit code 1", ... */
enum { SURVEY_STATE_SIZE = 48 };
const char *survey_state(const struct container *container, char ret_state[SURVEY_STATE_SIZE]);

/*
 * Is the container as it should be, as far as the engine can tell: it runs, and its health check, if it has one, is
 * content. One that has done its work and ended with exit code 0 is well too, unless it is a store.
 */
bool survey_is_well(const struct session *session, const struct container *container);

/*
 * Waits until all containers of the project are well, and the stores without a health check answer; shows what it is
 * waiting for. STATUS_UNAVAILABLE, naming the one that is not well, after `seconds`, or as soon as waiting is no use.
 */
enum status survey_wait(struct session *session, unsigned seconds, bool quiet, struct error *error) MUST_CHECK;

#endif
