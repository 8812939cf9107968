#include "catalog/retention.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { SECONDS_OF_DAY = 24 * 60 * 60, PROJECT_SHOWN_SIZE = 64 };

/* --- what a backup holds ------------------------------------------------------------------------------------------ */

/* By what the catalog has seen of it, or by what verify or a drill has found out since. */
static bool is_bad(const struct backup *backup)
{
	return backup->status == BACKUP_DAMAGED || verification_is_bad(&backup->verified);
}

static bool is_checked(const struct backup *backup)
{
	return backup->status == BACKUP_COMPLETE || backup->status == BACKUP_PARTIAL;
}

static bool is_blamed(const struct verified_run *run, size_t store)
{
	return run->when != 0 && run->stores[store].looked_at && !run->stores[store].good;
}

static bool holds(const struct backup *backup, size_t store)
{
	const struct backup_store *copy = &backup->stores[store];
	return !backup->manifest_damaged && copy->status == STORE_OK && !copy->damaged && copy->size > 0 &&
		   !is_blamed(&backup->verified.read, store) && !is_blamed(&backup->verified.drill, store);
}

/* Besides one bit for each store. */
enum { LEGACY = 1U << STORE_COUNT, SAFETY = 1U << (STORE_COUNT + 1), GROUPS = 1U << (STORE_COUNT + 2) };

/* One bit for each store whose data is in it, others for a legacy backup and for what a restore has kept; 0 for one
 * that no rule may count. */
static unsigned group_of(const struct backup *backup)
{
	unsigned stores = 0;
	for (size_t s = 0; s < STORE_COUNT; s++) {
		stores |= holds(backup, s) ? 1U << s : 0;
	}
	if (is_bad(backup) || stores == 0) {
		return 0;
	}
	return stores | (backup->status == BACKUP_LEGACY ? LEGACY : 0) | (backup->before_restore ? SAFETY : 0);
}

/* --- whose it is -------------------------------------------------------------------------------------------------- */

/* One project's backups in a list, with what is decided of them. */
struct part {
	const struct backup_list *list;
	struct retention_decision *decisions;
	time_t now;
	const char *project; /* NULL: those of which it is not known */
	const char *only;    /* the one project that the whole list speaks of; NULL: of none, or of several */
};

static const char *project_of(const struct part *part, size_t index)
{
	const char *project = part->list->items[index]->project;
	return project != NULL ? project : part->only;
}

static bool is_same(const char *one, const char *other)
{
	return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

/* What is dated in the future counts nowhere. */
static bool counts(const struct part *part, size_t index)
{
	return part->list->items[index]->moment <= part->now && is_same(project_of(part, index), part->project);
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
	add(decision, " (%s", (group & LEGACY) != 0 ? "legacy" : (group & SAFETY) != 0 ? "made before a restore" : "");
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
static void keep_periods(const struct part *part, enum rule rule, int most, unsigned group)
{
	static const char *const names[RULE_COUNT] = {"last", "daily", "weekly", "monthly"};
	int count = 0;
	long long before = 0;
	for (size_t i = part->list->count; i > 0 && count < most; i--) {
		const struct backup *backup = part->list->items[i - 1];
		struct retention_decision *decision = &part->decisions[i - 1];
		if (!counts(part, i - 1) || group_of(backup) != group) {
			continue;
		}
		long long period = rule == LAST ? 0 : period_of(rule, backup_began(backup));
		if (rule == LAST || count == 0 || period != before) {
			count++;
			before = period;
			decision->verdict = RETENTION_KEEP;
			add(decision, "%s%s %d of %d", comma(decision), names[rule], count, most);
		}
	}
}

static void keep_by_rules(const struct part *part, const struct retention_policy *policy)
{
	const int most[RULE_COUNT] = {policy->last, policy->daily, policy->weekly, policy->monthly};
	for (unsigned group = 1; group < GROUPS; group++) {
		for (enum rule rule = LAST; rule < RULE_COUNT; rule++) {
			keep_periods(part, rule, most[rule], group);
		}
	}
	for (size_t i = 0; i < part->list->count; i++) {
		if (counts(part, i) && part->decisions[i].verdict == RETENTION_KEEP) {
			add_group(&part->decisions[i], group_of(part->list->items[i]));
		}
	}
}

static void keep_young(const struct part *part, int days)
{
	time_t limit = timestamp_days_before(part->now, days);
	for (size_t i = 0; i < part->list->count; i++) {
		struct retention_decision *decision = &part->decisions[i];
		if (counts(part, i) && part->list->items[i]->moment >= limit) {
			decision->verdict = RETENTION_KEEP;
			add(decision, "%syounger than %d day%s", comma(decision), days, days == 1 ? "" : "s");
		}
	}
}

/* --- what stays whatever the rules say ---------------------------------------------------------------------------- */

/* The last of their kind in a part, as indexes; NONE where there is none. */
struct last_ones {
	size_t complete;                 /* one that a restore has kept, only if there is no other */
	size_t any_complete;             /* whoever has made it */
	size_t known[1U << STORE_COUNT]; /* known to be good, for each choice of stores that it may hold */
	size_t good[STORE_COUNT];        /* of each store, in a backup that is not bad */
	size_t usual[STORE_COUNT];       /* the same, but for what a restore has kept */
	size_t checked[STORE_COUNT];     /* of each store, with a checksum */
	size_t rest[STORE_COUNT];        /* of each store without any good one, in a backup that is bad elsewhere */
	size_t unlike[STORE_COUNT];      /* likewise, of another form than a restore takes */
	size_t remains[STORE_COUNT];     /* of each store without any of these, whatever is left of it */
};

#define NONE SIZE_MAX

static void note_copies(const struct backup *backup, size_t index, struct last_ones *last)
{
	for (size_t s = 0; s < STORE_COUNT; s++) {
		const bool unlike = backup->stores[s].unlike;
		if (holds(backup, s)) {
			const bool good = !is_bad(backup) && !unlike;
			last->good[s] = good ? index : last->good[s];
			last->usual[s] = good && !backup->before_restore ? index : last->usual[s];
			last->checked[s] = !is_bad(backup) && is_checked(backup) ? index : last->checked[s];
			last->rest[s] = !unlike ? index : last->rest[s];
			last->unlike[s] = unlike ? index : last->unlike[s];
		}
		last->remains[s] = backup->stores[s].remains ? index : last->remains[s];
	}
}

static struct last_ones find_last_ones(const struct part *part)
{
	struct last_ones last;
	memset(&last, 0xff, sizeof last); /* NONE everywhere */
	for (size_t i = 0; i < part->list->count; i++) {
		const struct backup *backup = part->list->items[i];
		if (!counts(part, i)) {
			continue;
		}
		const bool complete = backup->status == BACKUP_COMPLETE && !is_bad(backup);
		last.complete = complete && !backup->before_restore ? i : last.complete;
		last.any_complete = complete ? i : last.any_complete;
		if (is_checked(backup) && verification_is_good(&backup->verified)) {
			last.known[group_of(backup) & ~SAFETY] = i;
		}
		note_copies(backup, i, &last);
	}
	last.complete = last.complete != NONE ? last.complete : last.any_complete;
	for (size_t s = 0; s < STORE_COUNT; s++) {
		last.remains[s] = last.rest[s] == NONE && last.unlike[s] == NONE ? last.remains[s] : NONE;
		last.rest[s] = last.good[s] == NONE ? last.rest[s] : NONE;
		last.unlike[s] = last.good[s] == NONE ? last.unlike[s] : NONE;
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
		is_one = is_one || last->good[s] == index || last->usual[s] == index || last->checked[s] == index;
	}
	return is_one;
}

/* The last one of fewer stores that is known to be good need not stay beside one of more that is newer. */
static bool is_last_known(const struct last_ones *last, size_t index)
{
	unsigned own = 0;
	for (unsigned group = 1; group < 1U << STORE_COUNT; group++) {
		own = last->known[group] == index ? group : own;
	}
	for (unsigned group = 1; own != 0 && group < 1U << STORE_COUNT; group++) {
		if (group != own && (group & own) == own && last->known[group] != NONE && last->known[group] > index) {
			return false;
		}
	}
	return own != 0;
}

static void keep_last_ones(const struct part *part)
{
	const struct last_ones last = find_last_ones(part);
	for (size_t i = 0; i < part->list->count; i++) {
		struct retention_decision *decision = &part->decisions[i];
		if (!counts(part, i)) {
			continue;
		}
		decision->relied_on = is_last(&last, i);
		if (decision->verdict != RETENTION_REMOVE) {
			continue;
		}
		if (i == last.complete) {
			decision->verdict = RETENTION_KEEP_SAFE;
			add(decision, "the newest complete backup");
			continue;
		}
		if (is_last_known(&last, i)) {
			const bool complete = part->list->items[i]->status == BACKUP_COMPLETE;
			decision->verdict = RETENTION_KEEP_SAFE;
			add(decision, "the newest %sbackup that is known to be good", complete ? "complete " : "");
			add_group(decision, group_of(part->list->items[i]));
			continue;
		}
		keep_copies(decision, i, last.good, "the newest good backup of ");
		if (decision->verdict == RETENTION_REMOVE) {
			keep_copies(decision, i, last.usual, "the newest good backup, but for what a restore has kept, of ");
		}
		if (decision->verdict == RETENTION_REMOVE) {
			keep_copies(decision, i, last.checked, "the newest backup with a checksum of ");
		}
		keep_copies(decision, i, last.rest, "though damaged, the only one with ");
		keep_copies(decision, i, last.unlike, "though not as a restore takes it, the newest one with ");
		keep_copies(decision, i, last.remains, "though damaged, all that is left of ");
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
	add(decision, "%s", is_bad(backup) ? "damaged, and " : "");
	if (only_age) {
		add(decision, "older than %d day%s", policy->days, policy->days == 1 ? "" : "s");
	} else {
		add(decision, "kept by no rule");
	}
}

/* Where there are several, one that stays beside a newer one says whose it is. */
static void add_project(const struct part *part)
{
	char name[PROJECT_SHOWN_SIZE];
	if (part->project == NULL || part->only != NULL) {
		return;
	}
	text_copy_line(name, sizeof name, part->project);
	for (size_t i = 0; i < part->list->count; i++) {
		if (counts(part, i) && part->decisions[i].verdict == RETENTION_KEEP_SAFE) {
			add(&part->decisions[i], ", of the project %s", name);
		}
	}
}

static void decide_part(const struct part *part, const struct retention_policy *policy)
{
	keep_by_rules(part, policy);
	if (policy->days != RETENTION_NO_DAYS) {
		keep_young(part, policy->days);
	}
	keep_last_ones(part);
	add_project(part);
}

/* The project of all whose project is known; NULL if there are several, or none. Not of what turns out to be bad later:
 * it would be another one then. */
static const char *only_project(const struct backup_list *list, time_t now)
{
	const char *only = NULL;
	for (size_t i = 0; i < list->count; i++) {
		const char *project = list->items[i]->project;
		if (project == NULL || list->items[i]->manifest_doubtful || list->items[i]->moment > now) {
			continue;
		}
		if (only != NULL && strcmp(project, only) != 0) {
			return NULL;
		}
		only = project;
	}
	return only;
}

static void decide_parts(const struct backup_list *list, const struct retention_policy *policy, time_t now,
						 struct retention_decision *decisions)
{
	struct part part = {.list = list, .decisions = decisions, .now = now, .only = only_project(list, now)};
	for (size_t i = 0; i < list->count; i++) {
		bool first = true;
		part.project = project_of(&part, i);
		for (size_t before = 0; first && before < i; before++) {
			first = !is_same(project_of(&part, before), part.project);
		}
		if (first) {
			decide_part(&part, policy);
		}
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
	decide_parts(list, policy, now, decisions);
	keep_unreadable(list, decisions);
	for (size_t i = 0; i < list->count; i++) {
		if (decisions[i].verdict == RETENTION_REMOVE) {
			explain_removal(list->items[i], policy, only_age, &decisions[i]);
		}
	}
}
