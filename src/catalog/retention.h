/*
 * retention.h - which backups may go. A decision about a list, without any look at the disk.
 *
 * Rules keep backups; what no rule keeps goes. Each rule counts for itself, so that one more rule never removes more:
 *
 *   days      what is younger, by the local calendar: "the same time of day, that many days ago"
 *   last      the newest N
 *   daily     of each of the N newest days that have a backup, its newest one
 *   weekly    the same of weeks, which begin on Monday (ISO 8601)
 *   monthly   the same of months
 *
 * All but `days` count backups that hold the same stores together, legacy ones apart, and so what a restore has kept of
 * the state before: a night without Neo4j does not take a complete backup's place, what has no checksums does not take
 * that of what has, and a stack that only ever has
 * two of the stores is served like any other. A bad backup, or one that holds no store's data, has no place in any of
 * them; only its age can keep it. Bad is what is damaged, and what verify or a drill has spoken against.
 *
 * Backups of several projects may lie in one folder: each project's are judged as if they were alone. Those of which it
 * is not known go with the others, if these are of one project, and are a project of their own if not.
 *
 * Whatever the rules say, these stay:
 *
 *   - the newest complete backup; one that a restore has kept of the state before, only if there is no other;
 *   - the newest backup that is known to be good: verify has read it, and nothing speaks against it. One of fewer
 * stores stays too, unless a newer one that is known to be good holds these and more;
 *   - of each store the newest good copy, and the newest one that has a checksum. Copies in bad backups do not count,
 *     unless there is no other copy of that store: then the newest that is not the bad part stays; and if there is not
 *     even that, the newest of which anything is left;
 *   - what is dated in the future. The clock was wrong or is, so no rule can judge it, and it counts nowhere: it never
 *     is the reason for which a backup with a true date goes.
 */
#ifndef WHISPERBACKUP_CATALOG_RETENTION_H
#define WHISPERBACKUP_CATALOG_RETENTION_H

#include "catalog/catalog.h"

#include <time.h>

enum {
	RETENTION_NO_DAYS = -1,
	RETENTION_DEFAULT_DAYS = 30,
	RETENTION_MOST = 36500, /* of days, and of N: a hundred years */
	RETENTION_WHY_SIZE = 256,
};

struct retention_policy {
	int days; /* 0 to RETENTION_MOST, or RETENTION_NO_DAYS: the age keeps nothing */
	int last; /* this and the following: 0 is no such rule */
	int daily;
	int weekly;
	int monthly;
};

enum retention_verdict {
	RETENTION_REMOVE,
	RETENTION_KEEP,        /* a rule keeps it */
	RETENTION_KEEP_SAFE,   /* no rule does, but it is the last of its kind */
	RETENTION_KEEP_FUTURE, /* dated in the future */
};

struct retention_decision {
	enum retention_verdict verdict;
	bool relied_on;               /* the newest one that is good, of all or of a store: others go because it is there */
	char why[RETENTION_WHY_SIZE]; /* part of a sentence: "younger than 30 days", "the newest complete backup" */
};

/*
 * Fills in decisions[i] for items[i] of the list, which is ordered as catalog_list does it. `now` is the moment from
 * which ages count. A policy without any rule keeps everything.
 */
void retention_decide(const struct backup_list *list, const struct retention_policy *policy, time_t now,
					  struct retention_decision *decisions);

#endif
