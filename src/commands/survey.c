#include "commands/survey.h"

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "base/units.h"
#include "commands/display.h"

#include <stdio.h>
#include <string.h>

enum {
	WAIT_STEP_MILLISECONDS = 500,
	SETTLE_SECONDS = 3,    /* after which a stopped container is not about to be started any more */
	PATIENCE_SECONDS = 60, /* for a server to say something; cypher-shell alone takes 3 s to start, more under load */
};

static enum status examine(const struct session *session, size_t index, bool with_size, struct finding *finding,
						   struct error *error)
{
	const struct store_ops *ops = store_table[index];
	CLEANUP(cleanup_store) struct store *store = NULL;
	enum status status = ops->open(session->runtime, session->of_store[index], &store, error);
	if (status == STATUS_OK) {
		memcpy(finding->version, store->version, sizeof finding->version);
		status = ops->examine(store, &finding->examination, error);
	}
	if (status == STATUS_OK && with_size) { /* a size that cannot be told is no sickness */
		struct error ignored;
		finding->size_known = ops->size(store, &finding->data_bytes, &ignored) == STATUS_OK;
	}
	return status;
}

/* `patience` in seconds. */
static enum status ask(const struct session *session, size_t store, bool with_size, unsigned patience,
					   struct finding *ret_finding, struct error *error)
{
	const struct container *container = session->of_store[store];
	const char *why_not = session_why_not(session, store);
	*ret_finding = (struct finding){.present = container != NULL};
	struct error *problem = &ret_finding->problem;
	if (why_not != NULL) {
		(void)error_set(problem, STATUS_UNAVAILABLE, "%s", why_not);
		if (container != NULL && container->state == CONTAINER_PAUSED) {
			(void)error_hint(problem, "if nobody paused it on purpose, thaw it: docker unpause %s", container->name);
		} else {
			(void)error_hint(problem, "start it: ./bot.sh start");
		}
		return STATUS_OK;
	}
	session->runtime->patience_seconds = patience;
	enum status status = examine(session, store, with_size, ret_finding, problem);
	session->runtime->patience_seconds = 0;
	text_make_line(problem->message); /* it stands in a table */
	if (status == STATUS_INTERRUPTED) {
		return interrupt_check(error);
	}
	ret_finding->well = status == STATUS_OK;
	if (status != STATUS_OK && problem->hint[0] == '\0') {
		(void)error_hint(problem, "./bot.sh logs %s tells more", container->service);
	}
	return STATUS_OK;
}

enum status survey_store(const struct session *session, size_t store, bool with_size, struct finding *ret_finding,
						 struct error *error)
{
	return ask(session, store, with_size, PATIENCE_SECONDS, ret_finding, error);
}

const char *survey_endpoint(const struct container *container, unsigned port, char ret_endpoint[SURVEY_ENDPOINT_SIZE])
{
	const char *published = container_published(container, port);
	if (published != NULL) {
		snprintf(ret_endpoint, SURVEY_ENDPOINT_SIZE, "%s", published);
	} else {
		snprintf(ret_endpoint, SURVEY_ENDPOINT_SIZE, "%s:%u in the project's network", container->service, port);
	}
	return ret_endpoint;
}

const char *survey_state(const struct container *container, char ret_state[SURVEY_STATE_SIZE])
{
	const char *state = "running";
	switch (container->state) {
	case CONTAINER_PAUSED:
		state = "paused";
		break;
	case CONTAINER_RESTARTING:
		state = "restarting again and again";
		break;
	case CONTAINER_STOPPED:
		if (container->created_only) {
			state = "never started";
			break;
		}
		if (container->exit_code != 0) {
			snprintf(ret_state, SURVEY_STATE_SIZE, "ended with exit code %d", container->exit_code);
			return ret_state;
		}
		state = "stopped";
		break;
	case CONTAINER_RUNNING:
		state = container->health == HEALTH_HEALTHY     ? "healthy"
				: container->health == HEALTH_STARTING  ? "starting"
				: container->health == HEALTH_UNHEALTHY ? "unhealthy"
														: "running";
		break;
	}
	snprintf(ret_state, SURVEY_STATE_SIZE, "%s", state);
	return ret_state;
}

bool survey_is_well(const struct session *session, const struct container *container)
{
	if (container->state == CONTAINER_STOPPED) {
		for (size_t s = 0; s < STORE_COUNT; s++) {
			if (session->of_store[s] == container) {
				return false;
			}
		}
		return container->exit_code == 0 && !container->created_only && !container->kept_running;
	}
	return container->state == CONTAINER_RUNNING &&
		   (container->health == HEALTH_NONE || container->health == HEALTH_HEALTHY);
}

/* What is waited for, in words: "neo4j (starting), bot (unhealthy)"; and whether there is hope for all of it. */
struct pending {
	char words[192];
	char first[64];
	char first_state[SURVEY_STATE_SIZE];
	bool hope;
	bool any;
};

/* The first without hope is the one to name, else the first of all. */
static void note_pending(struct pending *pending, const char *service, const char *state, bool hope)
{
	size_t used = strlen(pending->words);
	if (!pending->any || (pending->hope && !hope)) {
		snprintf(pending->first, sizeof pending->first, "%s", service);
		snprintf(pending->first_state, sizeof pending->first_state, "%s", state);
	}
	snprintf(pending->words + used, sizeof pending->words - used, "%s%s (%s)", used > 0 ? ", " : "", service, state);
	pending->hope = (pending->hope || !pending->any) && hope;
	pending->any = true;
}

static enum status look(struct session *session, unsigned seconds_left, struct pending *pending, struct error *error)
{
	unsigned patience = seconds_left < 1 ? 1 : seconds_left < PATIENCE_SECONDS ? seconds_left : PATIENCE_SECONDS;
	*pending = (struct pending){0};
	enum status status = session_refresh(session, error);
	for (size_t i = 0; status == STATUS_OK && i < session->containers.count; i++) {
		const struct container *container = session->containers.items[i];
		char state[SURVEY_STATE_SIZE];
		if (!survey_is_well(session, container)) {
			bool hope = container->state == CONTAINER_RUNNING || container->state == CONTAINER_RESTARTING;
			note_pending(pending, container->service, survey_state(container, state), hope);
		}
	}
	for (size_t s = 0; status == STATUS_OK && !pending->any && s < STORE_COUNT; s++) {
		const struct container *container = session->of_store[s];
		if (container == NULL || container->health != HEALTH_NONE) {
			continue;
		}
		struct finding finding;
		status = ask(session, s, false, patience, &finding, error);
		if (status == STATUS_OK && !finding.well) {
			note_pending(pending, container->service, "does not answer yet", true);
		}
	}
	return status;
}

enum status survey_wait(struct session *session, unsigned seconds, bool quiet, struct error *error)
{
	struct display display;
	struct pending pending = {0};
	char shown[sizeof pending.words] = "";
	display_open(&display, quiet);
	double began = clock_seconds();
	bool begun = false;
	for (;;) {
		double waited = clock_seconds() - began;
		enum status status = look(session, waited < seconds ? (unsigned)(seconds - waited) : 0, &pending, error);
		waited = clock_seconds() - began;
		if (status == STATUS_OK && session->containers.count == 0) {
			return session_nothing_runs(session, error);
		}
		if (status == STATUS_OK && pending.any) {
			status = interrupt_check(error);
		}
		char time[UNITS_SIZE];
		if (status != STATUS_OK || !pending.any) {
			if (begun) {
				display_line(&display, status == STATUS_OK ? MARK_DONE : MARK_FAILED, "%s after %s",
							 status == STATUS_OK ? "healthy" : "gave up waiting", units_seconds(waited, time));
			}
			return status;
		}
		if (waited >= seconds || (!pending.hope && waited >= SETTLE_SECONDS)) {
			break;
		}
		if (!begun && display.terminal) {
			display_begin(&display, "waiting");
		}
		begun = true;
		if (!display.terminal && !quiet && strcmp(shown, pending.words) != 0) {
			fprintf(stderr, "   waiting for %s\n", pending.words);
			memcpy(shown, pending.words, sizeof shown);
		}
		char step[sizeof pending.words + UNITS_SIZE + 16];
		snprintf(step, sizeof step, "for %.60s, %s", pending.words, units_seconds(waited, time));
		progress_step(&display.progress, step, 0);
		clock_sleep(WAIT_STEP_MILLISECONDS);
	}
	if (begun) {
		display_line(&display, MARK_FAILED, "not healthy: %s", pending.words);
	}
	(void)error_set(error, STATUS_UNAVAILABLE, "%s is not healthy: %s", pending.first, pending.first_state);
	return error_hint(error, "./bot.sh logs %s tells why", pending.first);
}
