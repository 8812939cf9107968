#include "stores/fingerprint.h"

#include <stdio.h>
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

/* --- comparing ---------------------------------------------------------------------------------------------------- */

/* A count whose texts are lent. */
struct entry {
	const char *kind;
	const char *name;
	uint64_t number;
};

static int compare_entries(const void *one, const void *other)
{
	const struct entry *a = one;
	const struct entry *b = other;
	int order = strcmp(a->kind, b->kind);
	return order != 0 ? order : strcmp(a->name, b->name);
}

/* Its counts in an order of their own, so that each is found quickly; NULL without memory. */
static struct entry *sorted(const struct fingerprint *fingerprint)
{
	struct entry *entries = calloc(fingerprint->count + 1, sizeof *entries);
	for (size_t i = 0; entries != NULL && i < fingerprint->count; i++) {
		const struct count *item = &fingerprint->items[i];
		entries[i] = (struct entry){.kind = item->kind, .name = item->name, .number = item->number};
	}
	if (entries != NULL) {
		qsort(entries, fingerprint->count, sizeof *entries, compare_entries);
	}
	return entries;
}

struct comparison {
	struct entry *entries[2]; /* of the backup, and now */
	size_t count[2];
};

static const struct entry *find(const struct comparison *both, int side, const char *kind, const char *name)
{
	const struct entry wanted = {.kind = kind, .name = name};
	return bsearch(&wanted, both->entries[side], both->count[side], sizeof wanted, compare_entries);
}

static uint64_t number_of(const struct comparison *both, int side, const char *kind, const char *name)
{
	const struct entry *entry = find(both, side, kind, name);
	return entry != NULL ? entry->number : 0;
}

static bool has_kind(const struct fingerprint *fingerprint, const char *kind)
{
	size_t names = 0;
	(void)fingerprint_sum(fingerprint, kind, &names);
	return names > 0;
}

static void number_text(const struct comparison *both, int side, const struct entry *what, char *text, size_t size)
{
	const struct entry *entry = find(both, side, what->kind, what->name);
	if (entry != NULL) {
		snprintf(text, size, "%llu", (unsigned long long)entry->number);
	} else {
		snprintf(text, size, "none");
	}
}

/*
 * A key is gone when its time has come: then there is one less of both kinds. A hash is gone as well when the time of
 * its last field has come, and is not among the expiring keys for that; one that has other fields stays, and is only no
 * longer among those with expiring fields.
 */
static bool only_expired(const struct comparison *both, const char *name)
{
	uint64_t keys = number_of(both, 0, "keys", name);
	uint64_t keys_now = number_of(both, 1, "keys", name);
	uint64_t expiring = number_of(both, 0, "expiring keys", name);
	uint64_t expiring_now = number_of(both, 1, "expiring keys", name);
	uint64_t hashes = number_of(both, 0, "keys with expiring fields", name);
	uint64_t hashes_now = number_of(both, 1, "keys with expiring fields", name);
	if (keys_now > keys || expiring_now > expiring) {
		return false;
	}
	uint64_t gone = keys - keys_now;
	uint64_t expired = expiring - expiring_now;
	uint64_t emptied = hashes > hashes_now ? hashes - hashes_now : 0; /* backups of before do not count them */
	return gone >= expired && gone - expired <= emptied;
}

static bool is_same(const struct comparison *both, const char *kind, const char *name)
{
	if (strcmp(kind, "keys") == 0 || strcmp(kind, "expiring keys") == 0 ||
		strcmp(kind, "keys with expiring fields") == 0) {
		return only_expired(both, name); /* a database without keys is not named at all */
	}
	const struct entry *then = find(both, 0, kind, name);
	const struct entry *now = find(both, 1, kind, name);
	return then != NULL && now != NULL && then->number == now->number;
}

static bool compare_all(const struct comparison *both, const struct fingerprint *sides[2], char *difference)
{
	for (int side = 0; side < 2; side++) {
		for (size_t i = 0; i < both->count[side]; i++) {
			const struct entry *what = &both->entries[side][i];
			bool may_be_left_out =
				strcmp(what->kind, "nodes by label") == 0 || strcmp(what->kind, "relationships by type") == 0;
			if ((may_be_left_out && !has_kind(sides[1 - side], what->kind)) || is_same(both, what->kind, what->name)) {
				continue;
			}
			char then[24];
			char now[24];
			number_text(both, 0, what, then, sizeof then);
			number_text(both, 1, what, now, sizeof now);
			snprintf(difference, FINGERPRINT_DIFFERENCE_SIZE, "%s%s%.300s: %s in the backup, %s now", what->kind,
					 what->name[0] != '\0' ? " of " : "", what->name, then, now);
			return false;
		}
	}
	return true;
}

enum status fingerprint_compare(const struct fingerprint *backup, const struct fingerprint *now, bool *ret_same,
								char ret_difference[FINGERPRINT_DIFFERENCE_SIZE], struct error *error)
{
	ret_difference[0] = '\0';
	*ret_same = true;
	if (!backup->known || !backup->exact || !now->known) {
		return STATUS_OK;
	}
	const struct fingerprint *sides[2] = {backup, now};
	struct comparison both = {.entries = {sorted(backup), sorted(now)}, .count = {backup->count, now->count}};
	enum status status = both.entries[0] != NULL && both.entries[1] != NULL ? STATUS_OK : error_memory(error);
	if (status == STATUS_OK) {
		*ret_same = compare_all(&both, sides, ret_difference);
	}
	free(both.entries[0]);
	free(both.entries[1]);
	return status;
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
