#include "commands/writers.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	SHORT_ID_LENGTH = 12,   /* of a container, hexadecimal digits */
	LONGEST_SECONDS = 3600, /* that they may stand still for a restore: as long as all services need for their starts */
};

static bool is_a_store(const struct container *const stores[STORE_COUNT], const struct container *container)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		if (stores[i] != NULL && strcmp(stores[i]->id, container->id) == 0) {
			return true;
		}
	}
	return false;
}

/* This program, if it runs in a container: its host's name is then the beginning of the id (Docker's default). */
static bool is_ours(const struct container *container)
{
	char host[HOST_NAME_MAX + 1] = "";
	return gethostname(host, sizeof host - 1) == 0 && strlen(host) == SHORT_ID_LENGTH &&
		   strncmp(container->id, host, SHORT_ID_LENGTH) == 0;
}

enum status writers_find(const struct session *session, struct writers *ret_writers, struct error *error)
{
	return writers_of(session->runtime, session->project, session->of_store, ret_writers, error);
}

enum status writers_of(struct runtime *runtime, const char *project, const struct container *const stores[STORE_COUNT],
					   struct writers *ret_writers, struct error *error)
{
	struct writers writers = {0};
	enum status status = runtime_find(runtime, project, &writers.now, error);
	if (status != STATUS_OK) {
		return status;
	}
	writers.items = calloc(writers.now.count + 1, sizeof(const struct container *));
	if (writers.items == NULL) {
		writers_free(&writers);
		return error_memory(error);
	}
	for (size_t i = 0; i < writers.now.count; i++) {
		const struct container *container = writers.now.items[i];
		bool runs = container->state == CONTAINER_RUNNING || container->state == CONTAINER_RESTARTING;
		if (!runs || is_a_store(stores, container) || is_ours(container)) {
			continue;
		}
		if (container->never_paused) {
			writers.exempt++;
		} else {
			writers.items[writers.count++] = container;
		}
	}
	*ret_writers = writers;
	return STATUS_OK;
}

void writers_free(struct writers *writers)
{
	free(writers->items);
	container_list_free(&writers->now);
	*writers = (struct writers){0};
}

enum status writers_pause(const struct writers *writers, struct runtime *runtime, const char *engine,
						  const char *journal, const char *again, struct window **ret_window, struct error *error)
{
	const struct window_plan plan = {
		.runtime = runtime,
		.engine = engine,
		.journal = journal,
		.containers = writers->items,
		.count = writers->count,
		.longest_seconds = LONGEST_SECONDS,
		.too_long_hint = again,
	};
	enum status status = plan.count > 0 ? window_open(&plan, ret_window, error) : STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < plan.count; i++) {
		status = window_pause(*ret_window, plan.containers[i], error);
		if (status == STATUS_CONFLICT || status == STATUS_NOT_FOUND) {
			status = STATUS_OK;
		}
	}
	return status;
}
