#include "catalog/retention.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { SECONDS_OF_DAY = 24 * 60 * 60 };

/* --- what a backup holds ------------------------------------------------------------------------------------------ */

static bool is_checked(const struct backup *backup)
{
	return backup->status == BACKUP_COMPLETE || backup->status == BACKUP_PARTIAL;
}

static bool holds(const struct backup *backup, size_t store)
{
	const struct backup_store *copy = &backup->stores[store];
	return !backup->manifest_damaged && copy->status == STORE_OK && !copy->damaged && copy->size > 0;
}

/* One bit for each store whose data is in it, one more for a legacy backup; 0 for one that no rule may count. */
static unsigned group_of(const struct backup *backup)
{
	unsigned stores = 0;
	for (size_t s = 0; s < STORE_COUNT; s++) {
		stores |= holds(backup, s) ? 1U << s : 0;
	}
	if (backup->status == BACKUP_DAMAGED || stores == 0) {
		return 0;
	}
	return stores | (backup->status == BACKUP_LEGACY ? 1U << STORE_COUNT : 0);
}

/* --- reasons ------------------------------------------------------------------------------------------------------ */

PRINTF_LIKE(2, 3) static void add(struct retention_decision *decision, const char *format, ...)
{
	size_t length = strlen(decision->why);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(decision->why + length, sizeof decision->why - length, format, arguments);
	va_end(arguments);
}

static const char *comma(const struct retention_decision *decision)
{
	return decision->why[0] != '\0' ? ", " : "";
}

/* Says among which backups the one was counted, if it is not among the complete ones. */
static void add_group(struct retention_decision *decision, unsigned group)
{
	const unsigned all = (1U << STORE_COUNT) - 1;
	if (group == all) {
		return;
	}
	add(decision, " (%s", (group & ~all) != 0 ? "legacy" : "");
	for (size_t s = 0, named = 0; (group & all) != all && s < STORE_COUNT; s++) {
		if ((group & 1U << s) != 0) {
			const char *before = (group & ~all) != 0 ? ", only " : "only ";
			add(decision, "%s%s", named++ == 0 ? before : ", ", store_table[s]->name);
		}
	}
	add(decision, ")");
}

/* --- the rules ---------------------------------------------------------------------------------------------------- */

enum rule { LAST, DAILY, WEEKLY, MONTHLY, RULE_COUNT };

/* A number that backups of the same day, week or month share. */
static long long period_of(enum rule rule, time_t moment)
{
	struct tm local;
	localtime_r(&moment, &local);
	if (rule == MONTHLY) {
		return local.tm_year * 12LL + local.tm_mon;
	}
	struct tm midnight = {.tm_year = local.tm_year, .tm_mon = local.tm_mon, .tm_mday = local.tm_mday};
	long long day = timegm(&midnight) / SECONDS_OF_DAY; /* as if in UTC, where no day is longer than another */
	return rule == DAILY ? day : day - (local.tm_wday + 6) % 7;
}

/* Applies one rule to one group: from the newest on, the first backup of each of `most` periods is kept. */
static void keep_periods(const struct backup_list *list, enum rule rule, int most, unsigned group, time_t now,
						 struct retention_decision *decisions)
{
	static const char *const names[RULE_COUNT] = {"last", "daily", "weekly", "monthly"};
	int count = 0;
	long long before = 0;
	for (size_t i = list->count; i > 0 && count < most; i--) {
		const struct backup *backup = list->items[i - 1];
		struct retention_decision *decision = &decisions[i - 1];
		if (backup->moment > now || group_of(backup) != group) {
			continue;
		}
		long long period = rule == LAST ? 0 : period_of(rule, backup->moment);
		if (rule == LAST || count == 0 || period != before) {
			count++;
			before = period;
			decision->verdict = RETENTION_KEEP;
			add(decision, "%s%s %d of %d", comma(decision), names[rule], count, most);
		}
	}
}

static void keep_by_rules(const struct backup_list *list, const struct retention_policy *policy, time_t now,
						  struct retention_decision *decisions)
{
	const int most[RULE_COUNT] = {policy->last, policy->daily, policy->weekly, policy->monthly};
	for (unsigned group = 1; group < 1U << (STORE_COUNT + 1); group++) {
		for (enum rule rule = LAST; rule < RULE_COUNT; rule++) {
			keep_periods(list, rule, most[rule], group, now, decisions);
		}
	}
	for (size_t i = 0; i < list->count; i++) {
		if (decisions[i].verdict == RETENTION_KEEP) {
			add_group(&decisions[i], group_of(list->items[i]));
		}
	}
}

static void keep_young(const struct backup_list *list, int days, time_t now, struct retention_decision *decisions)
{
	time_t limit = timestamp_days_before(now, days);
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i]->moment >= limit && decisions[i].verdict != RETENTION_KEEP_FUTURE) {
			decisions[i].verdict = RETENTION_KEEP;
			add(&decisions[i], "%syounger than %d day%s", comma(&decisions[i]), days, days == 1 ? "" : "s");
		}
	}
}

/* --- what stays whatever the rules say ---------------------------------------------------------------------------- */

/* The last of their kind in a list, as indexes; NONE where there is none. */
struct last_ones {
	size_t complete;
	size_t known;                /* complete and known to be good */
	size_t good[STORE_COUNT];    /* of each store, in a backup that is not damaged */
	size_t checked[STORE_COUNT]; /* of each store, with a checksum */
	size_t rest[STORE_COUNT];    /* of each store without any good one, in a backup that is damaged elsewhere */
};

#define NONE SIZE_MAX

static struct last_ones find_last_ones(const struct backup_list *list, time_t now)
{
	struct last_ones last = {.complete = NONE, .known = NONE};
	for (size_t s = 0; s < STORE_COUNT; s++) {
		last.good[s] = last.checked[s] = last.rest[s] = NONE;
	}
	for (size_t i = 0; i < list->count && list->items[i]->moment <= now; i++) {
		const struct backup *backup = list->items[i];
		last.complete = backup->status == BACKUP_COMPLETE ? i : last.complete;
		if (backup->status == BACKUP_COMPLETE && verification_is_good(&backup->verified)) {
			last.known = i;
		}
		for (size_t s = 0; s < STORE_COUNT; s++) {
			if (holds(backup, s)) {
				last.good[s] = backup->status != BACKUP_DAMAGED ? i : last.good[s];
				last.checked[s] = is_checked(backup) ? i : last.checked[s];
				last.rest[s] = i;
			}
		}
	}
	for (size_t s = 0; s < STORE_COUNT; s++) {
		last.rest[s] = last.good[s] == NONE ? last.rest[s] : NONE;
	}
	return last;
}

/* Keeps the backup if it is the last one of some stores, and names them. */
static void keep_copies(struct retention_decision *decision, size_t index, const size_t last[STORE_COUNT],
						const char *what)
{
	bool named = false;
	for (size_t s = 0; s < STORE_COUNT; s++) {
		if (last[s] == index) {
			add(decision, "%s%s%s", comma(decision), named ? "" : what, store_table[s]->name);
			decision->verdict = RETENTION_KEEP_SAFE;
			named = true;
		}
	}
}

static bool is_last(const struct last_ones *last, size_t index)
{
	bool is_one = index == last->complete;
	for (size_t s = 0; s < STORE_COUNT; s++) {
		is_one = is_one || last->good[s] == index || last->checked[s] == index;
	}
	return is_one;
}

static void keep_last_ones(const struct backup_list *list, time_t now, struct retention_decision *decisions)
{
	struct last_ones last = find_last_ones(list, now);
	for (size_t i = 0; i < list->count; i++) {
		struct retention_decision *decision = &decisions[i];
		decision->relied_on = is_last(&last, i);
		if (decision->verdict != RETENTION_REMOVE) {
			continue;
		}
		if (i == last.complete) {
			decision->verdict = RETENTION_KEEP_SAFE;
			add(decision, "the newest complete backup");
			continue;
		}
		if (i == last.known) {
			decision->verdict = RETENTION_KEEP_SAFE;
			add(decision, "the newest complete backup that is known to be good");
			continue;
		}
		keep_copies(decision, i, last.good, "the newest good backup of ");
		if (decision->verdict == RETENTION_REMOVE) {
			keep_copies(decision, i, last.checked, "the newest backup with a checksum of ");
		}
		keep_copies(decision, i, last.rest, "though damaged, the only one with ");
	}
}

/* It may be as good as any; a disk or a share that comes back shows it. */
static void keep_unreadable(const struct backup_list *list, struct retention_decision *decisions)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i]->unreadable && decisions[i].verdict == RETENTION_REMOVE) {
			decisions[i].verdict = RETENTION_KEEP_SAFE;
			add(&decisions[i], "it could not be read just now");
		}
	}
}

/* --- all together ------------------------------------------------------------------------------------------------- */

static void explain_removal(const struct backup *backup, const struct retention_policy *policy, bool only_age,
							struct retention_decision *decision)
{
	add(decision, "%s", backup->status == BACKUP_DAMAGED ? "damaged, and " : "");
	if (only_age) {
		add(decision, "older than %d day%s", policy->days, policy->days == 1 ? "" : "s");
	} else {
		add(decision, "kept by no rule");
	}
}

void retention_decide(const struct backup_list *list, const struct retention_policy *policy, time_t now,
					  struct retention_decision *decisions)
{
	bool only_age = policy->last == 0 && policy->daily == 0 && policy->weekly == 0 && policy->monthly == 0;
	bool no_rule = only_age && policy->days == RETENTION_NO_DAYS;
	for (size_t i = 0; i < list->count; i++) {
		decisions[i] = (struct retention_decision){.verdict = RETENTION_REMOVE};
		if (list->items[i]->moment > now) {
			decisions[i].verdict = RETENTION_KEEP_FUTURE;
			add(&decisions[i], "dated in the future");
		} else if (no_rule) {
			decisions[i].verdict = RETENTION_KEEP;
			add(&decisions[i], "no rule was given");
		}
	}
	if (no_rule) {
		return;
	}
	keep_by_rules(list, policy, now, decisions);
	if (policy->days != RETENTION_NO_DAYS) {
		keep_young(list, policy->days, now, decisions);
	}
	keep_last_ones(list, now, decisions);
	keep_unreadable(list, decisions);
	for (size_t i = 0; i < list->count; i++) {
		if (decisions[i].verdict == RETENTION_REMOVE) {
			explain_removal(list->items[i], policy, only_age, &decisions[i]);
		}
	}
}
