/*
 * Pausing and thawing.
 *
 * A program that the engine starts in a container (docker exec, a health check) while the container is being paused may
 * be frozen before it has begun. Whoever starts it waits for it then, and a thaw waits for him: until a health check's
 * time is over, or for ever. So a thaw that takes too long is done past the engine (freezer.h). The program then
 * begins, but the engine finds nothing to thaw any more and still takes the container for paused; for it to see a thaw,
 * the container is frozen once more for as long as a request takes. docs/FACTS.md has what was seen.
 */
#include "runtimes/docker_http.h"
#include "runtimes/freezer.h"

#include <math.h>
#include <string.h>
#include <time.h>

enum {
	SLOW_MILLISECONDS = 250, /* a thaw takes 10 to 20 ms */
	TRIES = 5,               /* another program may be in the way */
};

struct slow_thaw {
	struct docker_watch watch;
	const char *id;
	bool thawed; /* past the engine */
};

static void thaw_past_engine(struct docker_watch *watch)
{
	struct slow_thaw *thaw = (struct slow_thaw *)watch;
	thaw->thawed = freezer_set(thaw->id, false);
}

enum status docker_pause(struct runtime *runtime, const struct container *container, struct error *error)
{
	enum status status = docker_request((struct docker *)runtime, "POST", NULL, NULL, NULL, error,
										"/containers/%s/pause", container->id);
	return status == STATUS_OK ? STATUS_OK : error_prefix(error, "cannot pause %s", container->name);
}

static enum status ask(struct docker *docker, struct slow_thaw *thaw, struct error *error)
{
	docker->watch = &thaw->watch;
	enum status status = docker_request(docker, "POST", NULL, NULL, NULL, error, "/containers/%s/unpause", thaw->id);
	docker->watch = NULL;
	return status;
}

enum status docker_unpause(struct runtime *runtime, const struct container *container, struct error *error)
{
	struct docker *docker = (struct docker *)runtime;
	struct slow_thaw thaw = {.watch = {.slow = thaw_past_engine, .milliseconds = SLOW_MILLISECONDS},
							 .id = container->id};
	enum status status = ask(docker, &thaw, error);
	if (status == STATUS_OK) {
		return STATUS_OK;
	}
	struct error ignored;
	enum container_state state = CONTAINER_PAUSED;
	enum container_health health = HEALTH_NONE;
	bool known = runtime_inspect(runtime, container, &state, &health, &ignored) == STATUS_OK;
	if (known && state != CONTAINER_PAUSED) {
		return error_set(error, STATUS_CONFLICT, "%s is not paused", container->name);
	}
	/* Its services need not stand still until somebody has started the engine again. */
	if (!known && freezer_set(container->id, false)) {
		(void)error_prefix(error, "%s runs on, but Docker still has to be told", container->name);
		return error_hint(error, "start Docker, then run this again: recover, or the next backup, sees to it");
	}
	/* It may also have been thawed past the engine by a run that was killed then. One that an engine that does not
	 * answer may long have thawed is not frozen again. */
	for (int tries = 0; known && tries < TRIES && status != STATUS_OK && status != STATUS_INTERRUPTED &&
						freezer_set(container->id, true);
		 tries++) {
		status = ask(docker, &thaw, error);
		thaw.thawed = true;
	}
	if (status == STATUS_OK) {
		return STATUS_OK;
	}
	if (thaw.thawed && freezer_set(container->id, false)) {
		(void)error_prefix(error, "%s runs, but Docker takes it for paused", container->name);
		return error_hint(error, "start it again: docker restart %s", container->name);
	}
	(void)error_prefix(error, "cannot thaw %s", container->name);
	return error_hint(error, "thaw it by hand: docker unpause %s", container->name);
}

/* "If omitted or zero: 30 s" (Engine API, HealthConfig). */
static const double default_interval_seconds = 30;

static bool has_check(const json_t *check)
{
	const char *kind = json_string_value(json_array_get(json_object_get(check, "Test"), 0));
	return kind != NULL && strcmp(kind, "NONE") != 0;
}

/* The engine counts the interval from the end of the check before, or from the start (moby, daemon/health.go, monitor).
 */
enum status docker_next_check(struct runtime *runtime, const struct container *container, double *ret_seconds,
							  struct error *error)
{
	CLEANUP(cleanup_json) json_t *reply = NULL;
	enum status status = docker_request((struct docker *)runtime, "GET", NULL, &reply, NULL, error,
										"/containers/%s/json", container->id);
	*ret_seconds = INFINITY;
	const json_t *check = json_object_get(json_object_get(reply, "Config"), "Healthcheck");
	if (status != STATUS_OK || !has_check(check)) {
		return status;
	}
	const json_t *state = json_object_get(reply, "State");
	const json_t *log = json_object_get(json_object_get(state, "Health"), "Log");
	const json_t *last = json_array_get(log, json_array_size(log) - 1);
	const char *since = json_string_value(json_object_get(last, "End"));
	double interval = (double)json_integer_value(json_object_get(check, "Interval")) / 1e9;
	struct timespec then;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	since = since != NULL ? since : json_string_value(json_object_get(state, "StartedAt"));
	if (since != NULL && docker_time(since, &then)) {
		double ago = (double)(now.tv_sec - then.tv_sec) + (double)(now.tv_nsec - then.tv_nsec) / 1e9;
		*ret_seconds = (interval > 0 ? interval : default_interval_seconds) - ago;
	}
	return STATUS_OK;
}
