/*
 * runtime_support.h - a runtime without an engine, for what no engine can be made to do at will: its containers live in
 * memory that is shared with child processes, and its answers can be chosen.
 */
#ifndef WHISPERBACKUP_TESTS_RUNTIME_SUPPORT_H
#define WHISPERBACKUP_TESTS_RUNTIME_SUPPORT_H

#include "support.h"

#include "base/clock.h"
#include "runtimes/runtime.h"

#include <math.h>
#include <sys/mman.h>

enum { FAKE_CONTAINERS = 8, FAKE_LOG_SIZE = 4096 };

/* Shared with the guardian. */
struct fake_engine {
	enum container_state states[FAKE_CONTAINERS];
	enum status pause_answer[FAKE_CONTAINERS];   /* STATUS_OK: it obeys */
	enum status unpause_answer[FAKE_CONTAINERS]; /* likewise */
	unsigned starts[FAKE_CONTAINERS];            /* since the test began */
	unsigned believes_old[FAKE_CONTAINERS];      /* so many pauses and thaws are refused as made already */
	double believes_until[FAKE_CONTAINERS];      /* clock_seconds; a thaw is refused as made already before */
	unsigned unpauses;                           /* that were asked for */
	bool pauses_late[FAKE_CONTAINERS];  /* right after the next try to thaw it, by a pause that nothing was heard of */
	double next_check[FAKE_CONTAINERS]; /* clock_seconds of a health check; 0: there is none; -1: always soon */
	char log[FAKE_LOG_SIZE];            /* "+a" paused, "-a" thawed, in the order of the calls */
};

struct fake_runtime {
	struct runtime runtime;
	struct fake_engine *engine;
};

static const struct runtime_ops fake_ops;

static inline size_t fake_index(const struct container *container)
{
	return (size_t)(container->id[0] - 'a');
}

static inline void fake_note(struct fake_engine *engine, char what, const struct container *container)
{
	size_t length = strlen(engine->log);
	snprintf(engine->log + length, sizeof engine->log - length, "%c%c", what, container->id[0]);
}

static inline struct fake_engine *fake_of(struct runtime *runtime)
{
	return ((struct fake_runtime *)runtime)->engine;
}

static inline enum status fake_inspect(struct runtime *runtime, const struct container *container,
									   enum container_state *ret_state, enum container_health *ret_health,
									   struct error *error)
{
	struct fake_engine *engine = fake_of(runtime);
	size_t index = fake_index(container);
	if (engine->pause_answer[index] == STATUS_NOT_FOUND) {
		return error_set(error, STATUS_NOT_FOUND, "there is no %s", container->name);
	}
	*ret_state = clock_seconds() < engine->believes_until[index] ? CONTAINER_RUNNING : engine->states[index];
	*ret_health = HEALTH_NONE;
	return STATUS_OK;
}

static inline enum status fake_last_start(struct runtime *runtime, const struct container *container,
										  char ret_start[RUNTIME_START_SIZE], struct error *error)
{
	const struct fake_engine *engine = fake_of(runtime);
	size_t index = fake_index(container);
	if (engine->pause_answer[index] == STATUS_NOT_FOUND) {
		return error_set(error, STATUS_NOT_FOUND, "there is no %s", container->name);
	}
	snprintf(ret_start, RUNTIME_START_SIZE, "start %u", engine->starts[index]);
	return STATUS_OK;
}

static inline enum status fake_pause(struct runtime *runtime, const struct container *container, struct error *error)
{
	struct fake_engine *engine = fake_of(runtime);
	size_t index = fake_index(container);
	if (engine->believes_old[index] > 0) {
		engine->believes_old[index]--;
		return error_set(error, STATUS_CONFLICT, "%s is paused already", container->name);
	}
	if (engine->pause_answer[index] != STATUS_OK) {
		return error_set(error, engine->pause_answer[index], "cannot pause %s", container->name);
	}
	if (engine->states[index] != CONTAINER_RUNNING) {
		return error_set(error, STATUS_CONFLICT, "%s does not run", container->name);
	}
	engine->states[index] = CONTAINER_PAUSED;
	fake_note(engine, '+', container);
	return STATUS_OK;
}

static inline enum status fake_unpause(struct runtime *runtime, const struct container *container, struct error *error)
{
	struct fake_engine *engine = fake_of(runtime);
	size_t index = fake_index(container);
	engine->unpauses++;
	if (engine->believes_old[index] > 0 || clock_seconds() < engine->believes_until[index]) {
		engine->believes_old[index] -= engine->believes_old[index] > 0;
		return error_set(error, STATUS_CONFLICT, "%s is not paused", container->name);
	}
	if (engine->unpause_answer[index] != STATUS_OK) {
		return error_set(error, engine->unpause_answer[index], "cannot thaw %s", container->name);
	}
	if (engine->states[index] != CONTAINER_PAUSED) {
		engine->states[index] = engine->pauses_late[index] ? CONTAINER_PAUSED : engine->states[index];
		engine->pauses_late[index] = false;
		return error_set(error, STATUS_CONFLICT, "%s is not paused", container->name);
	}
	engine->states[index] = CONTAINER_RUNNING;
	fake_note(engine, '-', container);
	return STATUS_OK;
}

static inline enum status fake_next_check(struct runtime *runtime, const struct container *container,
										  double *ret_seconds, struct error *error)
{
	(void)error;
	double next = fake_of(runtime)->next_check[fake_index(container)];
	*ret_seconds = next > 0 ? next - clock_seconds() : next < 0 ? 0.01 : INFINITY;
	return STATUS_OK;
}

static inline void fake_free(struct runtime *runtime)
{
	free(runtime);
}

static inline struct runtime *fake_runtime(struct fake_engine *engine)
{
	struct fake_runtime *runtime = calloc(1, sizeof *runtime);
	assert_non_null(runtime);
	runtime->runtime.ops = &fake_ops;
	runtime->engine = engine;
	return &runtime->runtime;
}

static inline enum status fake_reopen(struct runtime *runtime, struct runtime **ret_runtime, struct error *error)
{
	(void)error;
	*ret_runtime = fake_runtime(fake_of(runtime));
	return STATUS_OK;
}

static const struct runtime_ops fake_ops = {
	.reopen = fake_reopen,
	.inspect = fake_inspect,
	.last_start = fake_last_start,
	.pause = fake_pause,
	.unpause = fake_unpause,
	.next_check = fake_next_check,
	.free = fake_free,
};

static inline struct fake_engine *fake_engine(void)
{
	void *memory = mmap(NULL, sizeof(struct fake_engine), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(memory != MAP_FAILED);
	return memory;
}

/* The containers "a", "b", ...; all of them run at first. */
static inline const struct container *const *fake_containers(void)
{
	static char ids[FAKE_CONTAINERS][2] = {"a", "b", "c", "d", "e", "f", "g", "h"};
	static char names[FAKE_CONTAINERS][8] = {"name-a", "name-b", "name-c", "name-d",
											 "name-e", "name-f", "name-g", "name-h"};
	static struct container containers[FAKE_CONTAINERS];
	static const struct container *list[FAKE_CONTAINERS];
	for (size_t i = 0; i < FAKE_CONTAINERS; i++) {
		containers[i] = (struct container){.id = ids[i], .name = names[i]};
		list[i] = &containers[i];
	}
	return list;
}

static inline bool fake_any_paused(const struct fake_engine *engine)
{
	for (size_t i = 0; i < FAKE_CONTAINERS; i++) {
		if (engine->states[i] == CONTAINER_PAUSED) {
			return true;
		}
	}
	return false;
}

#endif
