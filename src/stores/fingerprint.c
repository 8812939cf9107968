#include "stores/fingerprint.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 16 };

enum status fingerprint_add(struct fingerprint *fingerprint, const char *kind, const char *name, uint64_t number,
							struct error *error)
{
	size_t count = fingerprint->count;
	if (count == FINGERPRINT_LIMIT) {
		return error_set(error, STATUS_FAILED, "there are more than %d things to count", FINGERPRINT_LIMIT);
	}
	/* The capacity is the next power of two, and grows when that is full. */
	if (count == 0 || (count >= FIRST_CAPACITY && (count & (count - 1)) == 0)) {
		size_t capacity = count == 0 ? FIRST_CAPACITY : 2 * count;
		struct count *items = reallocarray(fingerprint->items, capacity, sizeof *items);
		if (items == NULL) {
			return error_memory(error);
		}
		fingerprint->items = items;
	}
	struct count item = {.kind = strdup(kind), .name = strdup(name), .number = number};
	if (item.kind == NULL || item.name == NULL) {
		free(item.kind);
		free(item.name);
		return error_memory(error);
	}
	fingerprint->items[fingerprint->count++] = item;
	return STATUS_OK;
}

uint64_t fingerprint_sum(const struct fingerprint *fingerprint, const char *kind, size_t *ret_names)
{
	uint64_t sum = 0;
	size_t names = 0;
	for (size_t i = 0; i < fingerprint->count; i++) {
		if (strcmp(fingerprint->items[i].kind, kind) == 0) {
			sum += fingerprint->items[i].number;
			names++;
		}
	}
	if (ret_names != NULL) {
		*ret_names = names;
	}
	return sum;
}

bool fingerprint_is_same(const struct fingerprint *one, const struct fingerprint *other)
{
	bool same = one->count == other->count;
	for (size_t i = 0; same && i < one->count; i++) {
		same = one->items[i].number == other->items[i].number &&
			   strcmp(one->items[i].kind, other->items[i].kind) == 0 &&
			   strcmp(one->items[i].name, other->items[i].name) == 0;
	}
	return same;
}

struct fingerprint fingerprint_take(struct fingerprint *fingerprint)
{
	struct fingerprint taken = *fingerprint;
	*fingerprint = (struct fingerprint){0};
	return taken;
}

void fingerprint_free(struct fingerprint *fingerprint)
{
	for (size_t i = 0; i < fingerprint->count; i++) {
		free(fingerprint->items[i].kind);
		free(fingerprint->items[i].name);
	}
	free(fingerprint->items);
	*fingerprint = (struct fingerprint){0};
}
