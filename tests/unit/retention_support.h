/*
 * retention_support.h - a list of backups in memory, for the tests of what may go.
 */
#ifndef WHISPERBACKUP_TESTS_RETENTION_SUPPORT_H
#define WHISPERBACKUP_TESTS_RETENTION_SUPPORT_H

#include "support.h"

#include "catalog/retention.h"

#include <time.h>

enum { MOST_BACKUPS = 64, ALL = (1 << STORE_COUNT) - 1 };

static struct backup backups[MOST_BACKUPS];
static struct backup *items[MOST_BACKUPS];
static struct backup_list list;
static struct retention_decision decisions[MOST_BACKUPS];

static inline void use_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

/* Oldest first; a store is good if its bit is in `stores`. */
static inline struct backup *add_at(time_t moment, enum backup_status status, unsigned stores)
{
	assert_true(list.count < MOST_BACKUPS);
	struct backup *backup = &backups[list.count];
	*backup = (struct backup){.moment = moment, .status = status, .size = 1};
	timestamp_of(moment, backup->timestamp);
	for (size_t s = 0; s < STORE_COUNT; s++) {
		bool good = (stores & 1U << s) != 0;
		/* A damaged backup names all stores, and some of their files are not what they should be. */
		backup->stores[s].status = good || status == BACKUP_DAMAGED ? STORE_OK : STORE_SKIPPED;
		backup->stores[s].damaged = !good && status == BACKUP_DAMAGED;
		backup->stores[s].size = 10;
		backup->stores[s].remains = good;
	}
	items[list.count++] = backup;
	assert_true(list.count < 2 || items[list.count - 2]->moment <= moment);
	return backup;
}

#endif
