/* catalog/retention: what is true of any list of backups and any policy. */
#include "retention_support.h"

static uint64_t seed;

static unsigned any(unsigned below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % below;
}

enum { NOW = 1730000000, SECONDS_OF_DAY = 24 * 60 * 60 }; /* some hours after the clocks were put back in Europe */

static void any_list(void)
{
	static const char *const zones[] = {"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"};
	list.count = 0;
	list.items = items;
	use_zone(zones[any(4)]);
	unsigned count = any(40);
	time_t moment = NOW + any(2) * any(3 * SECONDS_OF_DAY) - 1;
	time_t moments[40];
	for (unsigned i = 0; i < count; i++) {
		moments[i] = moment;
		moment -= any(3) == 0 ? any(60 * SECONDS_OF_DAY) : any(SECONDS_OF_DAY / 2);
	}
	for (unsigned i = count; i > 0; i--) {
		static const enum backup_status statuses[] = {BACKUP_COMPLETE, BACKUP_COMPLETE, BACKUP_PARTIAL, BACKUP_DAMAGED,
													  BACKUP_LEGACY};
		enum backup_status status = statuses[any(5)];
		add_at(moments[i - 1], status, status == BACKUP_COMPLETE ? ALL : 1 + any(ALL - 1));
		if (any(4) == 0) {
			items[list.count - 1]->verified.read = (struct verified_run){.when = 1, .good = any(3) > 0};
		}
	}
}

static struct retention_policy any_policy(void)
{
	return (struct retention_policy){.days = any(2) == 0 ? RETENTION_NO_DAYS : (int)any(90),
									 .last = any(2) == 0 ? 0 : (int)any(5),
									 .daily = any(2) == 0 ? 0 : (int)any(9),
									 .weekly = any(2) == 0 ? 0 : (int)any(9),
									 .monthly = 1 + (int)any(5)};
}

/* Any list and any policy, a thousand times, with the decision that is made of them. */
static void for_many_lists(void (*check)(const struct retention_policy *policy))
{
	seed = 20240912;
	for (unsigned i = 0; i < 1000; i++) {
		any_list();
		struct retention_policy policy = any_policy();
		retention_decide(&list, &policy, NOW, decisions);
		check(&policy);
	}
}

/* The newest one of which `is_one` is true, if there is any, stays. */
static void assert_newest_stays(bool (*is_one)(const struct backup *backup, size_t store), size_t store)
{
	for (size_t i = list.count; i > 0; i--) {
		if (list.items[i - 1]->moment <= NOW && is_one(list.items[i - 1], store)) {
			assert_int_not_equal(decisions[i - 1].verdict, RETENTION_REMOVE);
			return;
		}
	}
}

static bool is_bad(const struct backup *backup)
{
	return backup->status == BACKUP_DAMAGED || verification_is_bad(&backup->verified);
}

static bool is_complete(const struct backup *backup, size_t store)
{
	(void)store;
	return backup->status == BACKUP_COMPLETE && !is_bad(backup);
}

static bool is_known(const struct backup *backup, size_t store)
{
	return is_complete(backup, store) && verification_is_good(&backup->verified);
}

static bool has_good_copy(const struct backup *backup, size_t store)
{
	return !is_bad(backup) && backup->stores[store].status == STORE_OK;
}

static bool has_checked_copy(const struct backup *backup, size_t store)
{
	return has_good_copy(backup, store) && backup->status != BACKUP_LEGACY;
}

static void check_last_ones(const struct retention_policy *policy)
{
	(void)policy;
	assert_newest_stays(is_complete, 0);
	assert_newest_stays(is_known, 0);
	for (size_t s = 0; s < STORE_COUNT; s++) {
		assert_newest_stays(has_good_copy, s);
		assert_newest_stays(has_checked_copy, s);
	}
}

/* Read again before anything goes. */
static void check_relied_on(const struct retention_policy *policy)
{
	(void)policy;
	bool any_good = false;
	bool any_relied_on = false;
	for (size_t i = 0; i < list.count; i++) {
		const struct backup *backup = list.items[i];
		any_good = any_good || (backup->moment <= NOW && !is_bad(backup));
		any_relied_on = any_relied_on || decisions[i].relied_on;
		if (decisions[i].relied_on) {
			assert_int_not_equal(decisions[i].verdict, RETENTION_REMOVE);
			assert_false(is_bad(backup));
		}
	}
	assert_int_equal(any_good, any_relied_on);
}

static void what_others_go_for_stays_and_is_named(void **state)
{
	(void)state;
	for_many_lists(check_relied_on);
}

static void the_last_of_a_kind_always_stays(void **state)
{
	(void)state;
	for_many_lists(check_last_ones);
}

/* No store of which some backup holds an undamaged copy is without one afterwards. */
static void check_no_store_is_lost(const struct retention_policy *policy)
{
	(void)policy;
	for (size_t s = 0; s < STORE_COUNT; s++) {
		bool before = false;
		bool after = false;
		for (size_t i = 0; i < list.count; i++) {
			const struct backup_store *store = &list.items[i]->stores[s];
			bool copy = store->status == STORE_OK && !store->damaged;
			before = before || copy;
			after = after || (copy && decisions[i].verdict != RETENTION_REMOVE);
		}
		assert_int_equal(before, after);
	}
}

static void no_store_is_ever_lost(void **state)
{
	(void)state;
	for_many_lists(check_no_store_is_lost);
}

static void assert_keeps_at_least(struct retention_policy policy)
{
	struct retention_decision more[MOST_BACKUPS];
	retention_decide(&list, &policy, NOW, more);
	for (size_t i = 0; i < list.count; i++) {
		assert_true(more[i].verdict != RETENTION_REMOVE || decisions[i].verdict == RETENTION_REMOVE);
	}
}

static void check_more_rules(const struct retention_policy *policy)
{
	struct retention_policy more[5] = {*policy, *policy, *policy, *policy, *policy};
	more[0].days += 1 + (int)any(30);
	more[1].last += 1 + (int)any(5);
	more[2].daily += 1 + (int)any(5);
	more[3].weekly += 1 + (int)any(5);
	more[4].monthly += 1 + (int)any(5);
	for (size_t i = 0; i < 5; i++) {
		assert_keeps_at_least(more[i]);
	}
}

static void one_more_rule_never_removes_more(void **state)
{
	(void)state;
	for_many_lists(check_more_rules);
}

/* Decides again about the list without those of which `leaves` is true; the others' fate is the same. */
static void assert_the_same_without(bool (*leaves)(size_t index), const struct retention_policy *policy)
{
	struct backup *rest[MOST_BACKUPS];
	size_t from[MOST_BACKUPS];
	struct backup_list others = {.items = rest};
	struct retention_decision again[MOST_BACKUPS];
	for (size_t i = 0; i < list.count; i++) {
		if (!leaves(i)) {
			from[others.count] = i;
			rest[others.count++] = list.items[i];
		}
	}
	retention_decide(&others, policy, NOW, again);
	for (size_t i = 0; i < others.count; i++) {
		assert_int_equal(again[i].verdict, decisions[from[i]].verdict);
		assert_string_equal(again[i].why, decisions[from[i]].why);
	}
}

static bool is_removed(size_t index)
{
	return decisions[index].verdict == RETENTION_REMOVE;
}

static void check_again(const struct retention_policy *policy)
{
	assert_the_same_without(is_removed, policy);
}

static void a_second_cleanup_removes_nothing(void **state)
{
	(void)state;
	for_many_lists(check_again);
}

static bool is_in_the_future(size_t index)
{
	return list.items[index]->moment > NOW;
}

static void check_without_the_future(const struct retention_policy *policy)
{
	assert_the_same_without(is_in_the_future, policy);
}

static void backups_of_the_future_change_nothing_for_the_others(void **state)
{
	(void)state;
	for_many_lists(check_without_the_future);
}

static bool is_damaged(size_t index)
{
	return is_bad(list.items[index]);
}

static void check_without_the_damaged(const struct retention_policy *policy)
{
	assert_the_same_without(is_damaged, policy);
}

static void damaged_backups_change_nothing_for_the_others(void **state)
{
	(void)state;
	for_many_lists(check_without_the_damaged);
}

/* The number of the complete ones that a rule keeps is that of the rule, if there are as many. */
static void check_count(const struct retention_policy *policy)
{
	struct retention_policy last = {.days = RETENTION_NO_DAYS, .last = policy->monthly};
	size_t there = 0;
	size_t kept = 0;
	retention_decide(&list, &last, NOW, decisions);
	for (size_t i = 0; i < list.count; i++) {
		bool counts = is_complete(list.items[i], 0) && list.items[i]->moment <= NOW;
		there += counts;
		kept += counts && decisions[i].verdict == RETENTION_KEEP; /* others may stay for what is known of them */
	}
	assert_int_equal(kept, there < (size_t)last.last ? there : (size_t)last.last);
}

static void as_many_are_kept_as_were_asked_for(void **state)
{
	(void)state;
	for_many_lists(check_count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_of_a_kind_always_stays),
		cmocka_unit_test(what_others_go_for_stays_and_is_named),
		cmocka_unit_test(no_store_is_ever_lost),
		cmocka_unit_test(one_more_rule_never_removes_more),
		cmocka_unit_test(a_second_cleanup_removes_nothing),
		cmocka_unit_test(backups_of_the_future_change_nothing_for_the_others),
		cmocka_unit_test(damaged_backups_change_nothing_for_the_others),
		cmocka_unit_test(as_many_are_kept_as_were_asked_for),
	};
	return cmocka_run_group_tests_name("retention_any", tests, NULL, NULL);
}
