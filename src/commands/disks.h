/*
 * disks.h - is there room for data that will be brought in? Stores may share a disk, which has to hold it all.
 */
#ifndef WHISPERBACKUP_COMMANDS_DISKS_H
#define WHISPERBACKUP_COMMANDS_DISKS_H

#include "base/cleanup.h"
#include "base/error.h"
#include "base/progress.h"
#include "stores/store_table.h"

#include <sys/types.h>

enum { DISKS_COUNT = STORE_COUNT + 1 }; /* at the most: one for each store, and the backups' */

struct disks {
	struct progress *progress; /* lent; is warned where it cannot be told whether there is room */
	struct disk {
		dev_t device;
		char *folder;    /* one on it; owned */
		uint64_t needed; /* bytes */
		uint64_t files;
	} items[DISKS_COUNT];
};

/* `folder` is owned from then on; NULL: it cannot be seen from here, and a full disk is found later. */
void disks_add(struct disks *disks, char *folder, uint64_t bytes, uint64_t files);

/* How many bytes a store's artefact takes, once it is staged. */
uint64_t disks_staged_bytes(size_t store, const struct artefact *artefact);

/* STATUS_NO_SPACE if one of them is too full for the `work`, such as "restore"; `why` says what it needs room for. */
enum status disks_check(const struct disks *disks, const char *work, const char *why, struct error *error) MUST_CHECK;

void disks_free(struct disks *disks);

#endif
