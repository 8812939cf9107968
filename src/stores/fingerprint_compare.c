#include "stores/fingerprint_compare.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SHOWN = 200 }; /* bytes of a name in a text */

#define KEYS     "keys"
#define EXPIRING "expiring keys"

static int by_name(const void *left, const void *right)
{
	const struct count *one = left;
	const struct count *other = right;
	int kinds = strcmp(one->kind, other->kind);
	return kinds != 0 ? kinds : strcmp(one->name, other->name);
}

/* The counts that can be compared, ordered; the texts stay the fingerprint's. */
static enum status comparable(const struct fingerprint *fingerprint, struct count **ret_items, size_t *ret_count,
							  struct error *error)
{
	struct count *items = calloc(fingerprint->count + 1, sizeof *items);
	if (items == NULL) {
		return error_memory(error);
	}
	size_t count = 0;
	for (size_t i = 0; i < fingerprint->count; i++) {
		struct count item = fingerprint->items[i];
		bool keys = strcmp(item.kind, KEYS) == 0;
		for (size_t j = 0; keys && j < fingerprint->count; j++) {
			const struct count *other = &fingerprint->items[j];
			if (strcmp(other->kind, EXPIRING) == 0 && strcmp(other->name, item.name) == 0) {
				item.number -= other->number < item.number ? other->number : item.number;
			}
		}
		if ((!keys || item.number > 0) && strcmp(item.kind, EXPIRING) != 0 && text_is_utf8(item.name)) {
			items[count++] = item;
		}
	}
	qsort(items, count, sizeof *items, by_name);
	*ret_items = items;
	*ret_count = count;
	return STATUS_OK;
}

static void tell(char text[FINGERPRINT_DIFFERENCE_SIZE], const struct count *item, const char *number,
				 const char *instead)
{
	snprintf(text, FINGERPRINT_DIFFERENCE_SIZE, "%s %s%s%s, not %s", number,
			 strcmp(item->kind, KEYS) == 0 ? "keys that do not expire" : item->kind,
			 item->name[0] != '\0' ? " in " : "",
			 strnlen(item->name, NAME_SHOWN) < NAME_SHOWN ? item->name : "something with a long name", instead);
}

enum status fingerprint_compare(const struct fingerprint *recorded, const struct fingerprint *there,
								char ret_difference[FINGERPRINT_DIFFERENCE_SIZE], struct error *error)
{
	CLEANUP(cleanup_free) struct count *old = NULL;
	CLEANUP(cleanup_free) struct count *new = NULL;
	size_t old_count = 0;
	size_t new_count = 0;
	ret_difference[0] = '\0';
	enum status status = comparable(recorded, &old, &old_count, error);
	if (status == STATUS_OK) {
		status = comparable(there, &new, &new_count, error);
	}
	for (size_t i = 0, j = 0; status == STATUS_OK && ret_difference[0] == '\0' && (i < old_count || j < new_count);) {
		char before[24];
		char now[24];
		int order = i == old_count ? 1 : j == new_count ? -1 : by_name(&old[i], &new[j]);
		snprintf(before, sizeof before, "%" PRIu64, i < old_count ? old[i].number : 0);
		snprintf(now, sizeof now, "%" PRIu64, j < new_count ? new[j].number : 0);
		if (order < 0) {
			tell(ret_difference, &old[i], "no", before);
		} else if (order > 0) {
			tell(ret_difference, &new[j], now, "none");
		} else if (old[i].number != new[j].number) {
			tell(ret_difference, &old[i], now, before);
		}
		i += order <= 0;
		j += order >= 0;
	}
	return status;
}
