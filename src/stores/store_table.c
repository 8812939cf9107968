#include "stores/store_table.h"

#include <string.h>

const struct store_ops *const store_table[STORE_COUNT] = {&store_postgresql, &store_redis, &store_chromadb,
														  &store_neo4j};

enum status store_settle(struct store *store, struct progress *progress, struct error *error)
{
	return store->ops->settle != NULL ? store->ops->settle(store, progress, error) : STATUS_OK;
}

enum status store_settle_back(struct store *store, struct progress *progress, struct error *error)
{
	struct error silence;
	enum status status = store_settle(store, progress, error);
	if (status != STATUS_UNAVAILABLE || store->ops->ready(store, &silence) != STATUS_OK) {
		return status;
	}
	progress_warn(progress, "%s", error->message);
	return STATUS_OK;
}

void store_free(struct store *store)
{
	if (store != NULL) {
		store->ops->free(store);
	}
}

const struct store_ops *store_by_name(const char *name)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		if (strcmp(store_table[i]->name, name) == 0 || strcmp(store_table[i]->service, name) == 0) {
			return store_table[i];
		}
	}
	return NULL;
}

const struct store_ops *store_of_container(const struct container *container)
{
	return store_by_name(container->store[0] != '\0' ? container->store : container->service);
}
