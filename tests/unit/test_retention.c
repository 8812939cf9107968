/* catalog/retention: which backups may go, decided without a disk. */
#include "retention_support.h"

enum { POSTGRESQL = 1, REDIS = 2, CHROMADB = 4, NEO4J = 8 }; /* in the order of store_table */

static int empty_list(void **state)
{
	(void)state;
	use_zone("UTC");
	list = (struct backup_list){.items = items};
	return 0;
}

#define list_test(function) cmocka_unit_test_setup(function, empty_list)

static struct backup *add(const char *timestamp, enum backup_status status, unsigned stores)
{
	struct backup *backup = add_at(timestamp_moment(timestamp), status, stores);
	snprintf(backup->timestamp, sizeof backup->timestamp, "%s", timestamp);
	return backup;
}

static struct backup *complete(const char *timestamp)
{
	return add(timestamp, BACKUP_COMPLETE, ALL);
}

/* --- looking at the decision -------------------------------------------------------------------------------------- */

static void decide(const char *now, struct retention_policy policy)
{
	retention_decide(&list, &policy, timestamp_moment(now), decisions);
}

#define DAYS(number) ((struct retention_policy){.days = (number)})
#define KEEP(...)    ((struct retention_policy){.days = RETENTION_NO_DAYS, __VA_ARGS__})

/* These stay, and no others: timestamps, oldest first, each followed by a space. */
static void assert_kept(const char *expected)
{
	char kept[MOST_BACKUPS * TIMESTAMP_SIZE + 1] = "";
	for (size_t i = 0; i < list.count; i++) {
		if (decisions[i].verdict != RETENTION_REMOVE) {
			snprintf(kept + strlen(kept), sizeof kept - strlen(kept), "%s ", list.items[i]->timestamp);
		}
	}
	assert_string_equal(kept, expected);
}

static void assert_decision(size_t index, enum retention_verdict verdict, const char *why)
{
	assert_string_equal(decisions[index].why, why);
	assert_int_equal(decisions[index].verdict, verdict);
}

/* --- by age ------------------------------------------------------------------------------------------------------- */

static void what_is_older_than_the_days_goes(void **state)
{
	(void)state;
	complete("20240801_120000");
	complete("20240831_115959");
	complete("20240831_120000");
	complete("20240930_115959");
	decide("20240930_120000", DAYS(30));
	assert_kept("20240831_120000 20240930_115959 ");
	assert_decision(1, RETENTION_REMOVE, "older than 30 days");
	assert_decision(2, RETENTION_KEEP, "younger than 30 days");
}

static void days_are_those_of_the_calendar_in_spring(void **state)
{
	(void)state;
	use_zone("Europe/Berlin"); /* 31 March 2024 had 23 hours */
	complete("20240330_115959");
	complete("20240330_120000");
	complete("20240401_110000");
	decide("20240401_120000", DAYS(2));
	assert_kept("20240330_120000 20240401_110000 ");
}

static void days_are_those_of_the_calendar_in_autumn(void **state)
{
	(void)state;
	use_zone("Europe/Berlin"); /* 27 October 2024 had 25 hours */
	complete("20241026_115959");
	complete("20241026_120000");
	complete("20241028_110000");
	decide("20241028_120000", DAYS(2));
	assert_kept("20241026_120000 20241028_110000 ");
}

/* What is "one day ago" happened twice: the limit is the first of the two. */
static void a_limit_in_a_repeated_hour_keeps_more(void **state)
{
	(void)state;
	use_zone("Europe/Berlin");
	add_at(1729988999, BACKUP_COMPLETE, ALL); /* 02:29:59, summer time */
	add_at(1729989000, BACKUP_COMPLETE, ALL); /* 02:30:00, summer time */
	add_at(1729992600, BACKUP_COMPLETE, ALL); /* 02:30:00, winter time */
	add("20241028_000000", BACKUP_COMPLETE, ALL);
	decide("20241028_023000", DAYS(1));
	assert_int_equal(decisions[0].verdict, RETENTION_REMOVE);
	assert_int_equal(decisions[1].verdict, RETENTION_KEEP);
	assert_int_equal(decisions[2].verdict, RETENTION_KEEP);
}

static void a_limit_in_a_skipped_hour_is_found(void **state)
{
	(void)state;
	use_zone("Europe/Berlin"); /* 2024-03-31: 02:00 became 03:00 */
	complete("20240331_013000");
	complete("20240331_040000");
	complete("20240401_020000");
	decide("20240401_023000", DAYS(1));
	assert_kept("20240331_040000 20240401_020000 ");
}

static void days_count_over_the_29th_of_february(void **state)
{
	(void)state;
	complete("20240228_235959");
	complete("20240229_000000");
	complete("20240329_000000");
	decide("20240330_000000", DAYS(30));
	assert_kept("20240229_000000 20240329_000000 ");
}

static void zero_days_keep_the_newest_complete_backup_alone(void **state)
{
	(void)state;
	complete("20240929_000000");
	complete("20240930_000000");
	decide("20240930_120000", DAYS(0));
	assert_kept("20240930_000000 ");
	assert_decision(1, RETENTION_KEEP_SAFE, "the newest complete backup");
	assert_decision(0, RETENTION_REMOVE, "older than 0 days");
}

static void zero_days_in_a_repeated_hour_are_no_hour(void **state)
{
	(void)state;
	use_zone("Europe/Berlin");
	add_at(1729992000, BACKUP_COMPLETE, ALL);
	add_at(1729992001, BACKUP_COMPLETE, ALL);
	struct retention_policy policy = DAYS(0);
	retention_decide(&list, &policy, 1729992600, decisions); /* 02:30 for the second time */
	assert_int_equal(decisions[0].verdict, RETENTION_REMOVE);
}

static void an_empty_list_is_decided(void **state)
{
	(void)state;
	decide("20240930_120000", DAYS(30));
	assert_kept("");
}

static void a_policy_without_a_rule_keeps_everything(void **state)
{
	(void)state;
	complete("19990929_000000");
	complete("20240930_000000");
	decide("20240930_120000", KEEP(0));
	assert_kept("19990929_000000 20240930_000000 ");
}

/* --- by number, day, week and month ------------------------------------------------------------------------------- */

static void the_last_ones_are_kept(void **state)
{
	(void)state;
	complete("20240101_000000");
	complete("20240101_000001");
	complete("20240930_000000");
	decide("20240930_120000", KEEP(.last = 2));
	assert_kept("20240101_000001 20240930_000000 ");
	assert_decision(0, RETENTION_REMOVE, "kept by no rule");
	assert_decision(1, RETENTION_KEEP, "last 2 of 2");
}

static void more_than_there_are_keeps_all(void **state)
{
	(void)state;
	complete("20240101_000000");
	complete("20240930_000000");
	decide("20240930_120000", KEEP(.last = RETENTION_MOST));
	assert_kept("20240101_000000 20240930_000000 ");
}

static void of_each_day_the_newest_is_kept(void **state)
{
	(void)state;
	complete("20240928_000000");
	complete("20240929_000000");
	complete("20240929_235959");
	complete("20240930_000000");
	complete("20240930_000001");
	decide("20240930_120000", KEEP(.daily = 2));
	assert_kept("20240929_235959 20240930_000001 ");
	assert_decision(4, RETENTION_KEEP, "daily 1 of 2");
	assert_decision(2, RETENTION_KEEP, "daily 2 of 2");
}

static void days_without_a_backup_do_not_count(void **state)
{
	(void)state;
	complete("20220929_000000");
	complete("20230929_000000");
	complete("20240929_000000");
	decide("20240930_120000", KEEP(.daily = 2));
	assert_kept("20230929_000000 20240929_000000 ");
}

static void a_day_of_25_hours_is_one_day(void **state)
{
	(void)state;
	use_zone("Europe/Berlin");
	complete("20241026_235959");
	complete("20241027_000000");
	complete("20241027_235959"); /* 24 h 59 min 59 s later */
	complete("20241028_000000");
	decide("20241028_120000", KEEP(.daily = 3));
	assert_kept("20241026_235959 20241027_235959 20241028_000000 ");
}

static void a_day_of_23_hours_is_one_day(void **state)
{
	(void)state;
	use_zone("Europe/Berlin");
	complete("20240330_235959");
	complete("20240331_000000");
	complete("20240331_235959");
	complete("20240401_000000");
	decide("20240401_120000", KEEP(.daily = 3));
	assert_kept("20240330_235959 20240331_235959 20240401_000000 ");
}

/* Midnight in Auckland is noon in Greenwich. */
static void days_are_local_days(void **state)
{
	(void)state;
	use_zone("Pacific/Auckland");
	complete("20240929_230000");
	complete("20240930_010000");
	decide("20240930_120000", KEEP(.daily = 2));
	assert_kept("20240929_230000 20240930_010000 ");
}

static void the_29th_of_february_is_a_day(void **state)
{
	(void)state;
	complete("20240228_120000");
	complete("20240229_120000");
	complete("20240301_120000");
	decide("20240301_130000", KEEP(.daily = 3));
	assert_kept("20240228_120000 20240229_120000 20240301_120000 ");
	decide("20240301_130000", KEEP(.monthly = 3));
	assert_kept("20240229_120000 20240301_120000 ");
}

static void weeks_begin_on_monday(void **state)
{
	(void)state;
	complete("20240915_120000"); /* Sunday */
	complete("20240916_000000"); /* Monday */
	complete("20240922_235959"); /* Sunday */
	complete("20240923_000000"); /* Monday */
	decide("20240924_120000", KEEP(.weekly = 3));
	assert_kept("20240915_120000 20240922_235959 20240923_000000 ");
	assert_decision(2, RETENTION_KEEP, "weekly 2 of 3");
}

static void a_week_goes_over_the_new_year(void **state)
{
	(void)state;
	complete("20241229_120000"); /* Sunday */
	complete("20241230_120000"); /* Monday */
	complete("20241231_120000");
	complete("20250101_120000");
	complete("20250105_120000"); /* Sunday */
	decide("20250105_130000", KEEP(.weekly = 2));
	assert_kept("20241229_120000 20250105_120000 ");
}

/* Both are in a "week 1" and a "week 53" of some count; a year lies between them. */
static void weeks_of_different_years_are_different(void **state)
{
	(void)state;
	complete("20230104_120000");
	complete("20240103_120000");
	decide("20240103_130000", KEEP(.weekly = 2));
	assert_kept("20230104_120000 20240103_120000 ");
}

static void of_each_month_the_newest_is_kept(void **state)
{
	(void)state;
	complete("20230930_120000");
	complete("20240831_235959");
	complete("20240901_000000");
	complete("20240930_000000");
	decide("20240930_120000", KEEP(.monthly = 3));
	assert_kept("20230930_120000 20240831_235959 20240930_000000 ");
}

static void every_rule_counts_for_itself(void **state)
{
	(void)state;
	complete("20240701_120000");
	complete("20240731_120000");
	complete("20240831_120000");
	complete("20240928_120000");
	complete("20240929_120000");
	complete("20240930_100000");
	complete("20240930_110000");
	decide("20240930_120000", KEEP(.last = 2, .daily = 2, .monthly = 3));
	assert_kept("20240731_120000 20240831_120000 20240929_120000 20240930_100000 20240930_110000 ");
	assert_decision(6, RETENTION_KEEP, "last 1 of 2, daily 1 of 2, monthly 1 of 3");
}

static void with_days_the_young_are_kept_as_well(void **state)
{
	(void)state;
	complete("20240701_120000");
	complete("20240731_120000");
	complete("20240929_110000");
	complete("20240929_120000");
	complete("20240930_110000");
	decide("20240930_120000", (struct retention_policy){.days = 1, .monthly = 2});
	assert_kept("20240731_120000 20240929_120000 20240930_110000 ");
	assert_decision(4, RETENTION_KEEP, "monthly 1 of 2, younger than 1 day");
	assert_decision(2, RETENTION_REMOVE, "kept by no rule");
}

/* --- partial backups ---------------------------------------------------------------------------------------------- */

static void a_partial_backup_takes_no_complete_ones_place(void **state)
{
	(void)state;
	complete("20240928_120000");
	complete("20240929_120000");
	add("20240930_100000", BACKUP_PARTIAL, ALL & ~NEO4J);
	decide("20240930_120000", KEEP(.last = 2));
	assert_kept("20240928_120000 20240929_120000 20240930_100000 ");
	assert_decision(2, RETENTION_KEEP, "last 1 of 2 (only postgresql, redis, chromadb)");
}

static void a_stack_of_two_stores_is_kept_like_any_other(void **state)
{
	(void)state;
	add("20240927_120000", BACKUP_PARTIAL, POSTGRESQL | REDIS);
	add("20240928_120000", BACKUP_PARTIAL, POSTGRESQL | REDIS);
	add("20240929_110000", BACKUP_PARTIAL, POSTGRESQL | REDIS);
	add("20240929_120000", BACKUP_PARTIAL, POSTGRESQL | REDIS);
	decide("20240930_120000", KEEP(.daily = 2));
	assert_kept("20240928_120000 20240929_120000 ");
}

static void a_newer_partial_backup_does_not_make_the_complete_one_removable(void **state)
{
	(void)state;
	complete("20230101_120000");
	add("20240928_120000", BACKUP_PARTIAL, ALL & ~NEO4J);
	decide("20240930_120000", DAYS(7));
	assert_kept("20230101_120000 20240928_120000 ");
	decide("20240930_120000", DAYS(1));
	assert_kept("20230101_120000 20240928_120000 ");
	assert_decision(0, RETENTION_KEEP_SAFE, "the newest complete backup");
	assert_decision(1, RETENTION_KEEP_SAFE, "the newest good backup of postgresql, redis, chromadb");
}

static void of_every_store_the_newest_good_copy_stays(void **state)
{
	(void)state;
	add("20240101_120000", BACKUP_PARTIAL, POSTGRESQL | NEO4J);
	add("20240102_120000", BACKUP_PARTIAL, POSTGRESQL);
	add("20240103_120000", BACKUP_PARTIAL, REDIS);
	add("20240104_120000", BACKUP_PARTIAL, REDIS);
	decide("20240930_120000", DAYS(0));
	assert_kept("20240101_120000 20240102_120000 20240104_120000 ");
	assert_decision(0, RETENTION_KEEP_SAFE, "the newest good backup of neo4j");
}

static void an_empty_file_is_no_copy_of_a_store(void **state)
{
	(void)state;
	add("20240101_120000", BACKUP_PARTIAL, POSTGRESQL);
	add("20240102_120000", BACKUP_LEGACY, POSTGRESQL)->stores[0].size = 0;
	decide("20240930_120000", KEEP(.last = 5));
	assert_kept("20240101_120000 ");
}

/* --- damaged backups ---------------------------------------------------------------------------------------------- */

static void a_damaged_backup_is_kept_by_days_only(void **state)
{
	(void)state;
	complete("20240928_120000");
	add("20240929_120000", BACKUP_DAMAGED, POSTGRESQL);
	decide("20240930_120000", DAYS(3));
	assert_kept("20240928_120000 20240929_120000 ");
	decide("20240930_120000", KEEP(.last = 9, .daily = 9, .weekly = 9, .monthly = 9));
	assert_kept("20240928_120000 ");
	assert_decision(1, RETENTION_REMOVE, "damaged, and kept by no rule");
	decide("20240930_130000", DAYS(1));
	assert_decision(1, RETENTION_REMOVE, "damaged, and older than 1 day");
}

static void a_damaged_backup_takes_no_good_ones_place(void **state)
{
	(void)state;
	complete("20240930_080000");
	complete("20240930_090000");
	add("20240930_100000", BACKUP_DAMAGED, POSTGRESQL | REDIS | CHROMADB);
	decide("20240930_120000", KEEP(.last = 1, .daily = 1));
	assert_kept("20240930_090000 ");
}

static void a_damaged_backup_with_the_only_copy_of_a_store_stays(void **state)
{
	(void)state;
	add("20240101_120000", BACKUP_DAMAGED, REDIS);
	add("20240102_120000", BACKUP_DAMAGED, REDIS | NEO4J);
	add("20240103_120000", BACKUP_DAMAGED, POSTGRESQL);
	add("20240104_120000", BACKUP_PARTIAL, POSTGRESQL | NEO4J);
	decide("20240930_120000", DAYS(7));
	assert_kept("20240102_120000 20240104_120000 ");
	assert_decision(1, RETENTION_KEEP_SAFE, "though damaged, the only one with redis");
}

static void a_backup_with_a_damaged_manifest_goes_where_there_is_a_good_one(void **state)
{
	(void)state;
	complete("20240101_120000");
	add("20240102_120000", BACKUP_DAMAGED, ALL)->manifest_damaged = true;
	decide("20240930_120000", DAYS(7));
	assert_kept("20240101_120000 ");
}

static void a_backup_with_a_damaged_manifest_stays_if_there_is_nothing_else(void **state)
{
	(void)state;
	add("20240101_120000", BACKUP_DAMAGED, ALL)->manifest_damaged = true;
	add("20240102_120000", BACKUP_DAMAGED, ALL)->manifest_damaged = true;
	decide("20240930_120000", DAYS(7));
	assert_kept("20240102_120000 ");
	assert_decision(1, RETENTION_KEEP_SAFE, "though damaged, all that is left of postgresql, redis, chromadb, neo4j");
}

static void the_last_damaged_file_of_a_store_stays(void **state)
{
	(void)state;
	complete("20240101_120000")->stores[1] = (struct backup_store){.status = STORE_SKIPPED};
	add("20240102_120000", BACKUP_DAMAGED, ALL & ~REDIS)->stores[1].remains = true;
	add("20240103_120000", BACKUP_DAMAGED, ALL & ~REDIS);
	decide("20240930_120000", DAYS(7));
	assert_kept("20240101_120000 20240102_120000 ");
	assert_decision(1, RETENTION_KEEP_SAFE, "though damaged, all that is left of redis");
}

static void a_backup_without_anything_goes(void **state)
{
	(void)state;
	add("20240101_120000", BACKUP_DAMAGED, 0);
	decide("20240930_120000", DAYS(7));
	assert_kept("");
}

/* --- what verify has found ---------------------------------------------------------------------------------------- */

static void blame(struct verified_run *run, size_t store)
{
	run->when = 1;
	run->good = false;
	for (size_t s = 0; s < STORE_COUNT; s++) {
		run->stores[s] = (struct verified_store){.looked_at = true, .good = s != store};
	}
}

static void praise(struct backup *backup)
{
	backup->verified.read = (struct verified_run){.when = 1, .good = true};
}

static void what_verify_has_found_bad_takes_no_good_ones_place(void **state)
{
	(void)state;
	complete("20240101_120000");
	blame(&complete("20240102_120000")->verified.read, 1);
	decide("20240930_120000", DAYS(7));
	assert_kept("20240101_120000 ");
	assert_decision(0, RETENTION_KEEP_SAFE, "the newest complete backup");
	assert_false(decisions[1].relied_on);
}

static void what_a_drill_has_found_bad_takes_no_good_ones_place(void **state)
{
	(void)state;
	complete("20240101_120000");
	praise(complete("20240102_120000"));
	blame(&items[1]->verified.drill, 1);
	decide("20240930_120000", KEEP(.last = 1));
	assert_kept("20240101_120000 ");
	assert_decision(0, RETENTION_KEEP, "last 1 of 1");
}

static void of_what_verify_has_found_bad_the_good_part_stays_if_there_is_no_other(void **state)
{
	(void)state;
	add("20240101_120000", BACKUP_PARTIAL, REDIS);
	blame(&complete("20240102_120000")->verified.read, 1);
	decide("20240930_120000", DAYS(7));
	assert_kept("20240101_120000 20240102_120000 ");
	assert_decision(1, RETENTION_KEEP_SAFE, "though damaged, the only one with postgresql, chromadb, neo4j");
}

static void the_newest_that_is_known_to_be_good_stays_in_a_stack_of_one_store(void **state)
{
	(void)state;
	praise(add("20240101_120000", BACKUP_PARTIAL, REDIS));
	add("20240102_120000", BACKUP_PARTIAL, REDIS);
	add("20240103_120000", BACKUP_PARTIAL, REDIS);
	decide("20240930_120000", DAYS(7));
	assert_kept("20240101_120000 20240103_120000 ");
	assert_decision(0, RETENTION_KEEP_SAFE, "the newest backup that is known to be good (only redis)");
}

static void a_known_good_one_of_fewer_stores_goes_for_a_newer_one_of_more(void **state)
{
	(void)state;
	praise(add("20240101_120000", BACKUP_PARTIAL, REDIS));
	praise(complete("20240102_120000"));
	complete("20240103_120000");
	decide("20240930_120000", DAYS(7));
	assert_kept("20240102_120000 20240103_120000 ");
}

/* --- what a restore has kept ----------------------------------------------------------------------------------------
 */

static void what_a_restore_has_kept_takes_no_place(void **state)
{
	(void)state;
	complete("20240101_120000");
	complete("20240102_120000")->before_restore = true;
	decide("20240930_120000", KEEP(.last = 1));
	assert_kept("20240101_120000 20240102_120000 ");
	assert_decision(0, RETENTION_KEEP, "last 1 of 1");
	assert_decision(1, RETENTION_KEEP, "last 1 of 1 (made before a restore)");
}

static void what_a_restore_has_kept_is_the_newest_complete_one_if_there_is_no_other(void **state)
{
	(void)state;
	complete("20240101_120000")->before_restore = true;
	add("20240102_120000", BACKUP_PARTIAL, ALL & ~REDIS);
	decide("20240930_120000", DAYS(7));
	assert_decision(0, RETENTION_KEEP_SAFE, "the newest complete backup");
}

static void what_a_restore_has_kept_takes_no_place_of_a_partial_one(void **state)
{
	(void)state;
	add("20240101_120000", BACKUP_PARTIAL, REDIS);
	add("20240102_120000", BACKUP_PARTIAL, REDIS)->before_restore = true;
	decide("20240930_120000", DAYS(7));
	assert_kept("20240101_120000 20240102_120000 ");
	assert_decision(0, RETENTION_KEEP_SAFE, "the newest good backup, but for what a restore has kept, of redis");
}

static void what_a_restore_has_kept_takes_no_place_of_a_legacy_one(void **state)
{
	(void)state;
	add("20230101_120000", BACKUP_LEGACY, ALL);
	add("20230102_120000", BACKUP_LEGACY, ALL);
	complete("20240930_110000")->before_restore = true;
	decide("20240930_120000", DAYS(7));
	assert_kept("20230102_120000 20240930_110000 ");
}

/* --- several projects --------------------------------------------------------------------------------------------- */

static void each_projects_backups_are_judged_as_if_they_were_alone(void **state)
{
	(void)state;
	complete("20240101_120000")->project = "one";
	complete("20240102_120000")->project = "one";
	complete("20240103_120000")->project = "other";
	decide("20240930_120000", DAYS(7));
	assert_kept("20240102_120000 20240103_120000 ");
	assert_decision(1, RETENTION_KEEP_SAFE, "the newest complete backup, of the project one");
}

static void each_project_has_its_own_number(void **state)
{
	(void)state;
	complete("20240101_120000")->project = "one";
	complete("20240102_120000")->project = "other";
	complete("20240103_120000")->project = "other";
	decide("20240930_120000", KEEP(.last = 1));
	assert_kept("20240101_120000 20240103_120000 ");
}

static void backups_of_an_unknown_project_go_with_those_of_the_only_one(void **state)
{
	(void)state;
	complete("20240101_120000");
	complete("20240102_120000")->project = "one";
	decide("20240930_120000", DAYS(7));
	assert_kept("20240102_120000 ");
}

static void a_project_whose_backups_are_all_bad_is_one_all_the_same(void **state)
{
	(void)state;
	complete("20240101_120000");
	add("20240102_120000", BACKUP_DAMAGED, ALL & ~REDIS)->project = "one";
	complete("20240103_120000")->project = "other";
	decide("20240930_120000", DAYS(7));
	assert_kept("20240101_120000 20240102_120000 20240103_120000 ");
}

static void backups_of_an_unknown_project_are_one_of_their_own_among_several(void **state)
{
	(void)state;
	complete("20240101_120000");
	complete("20240102_120000")->project = "one";
	complete("20240103_120000")->project = "other";
	decide("20240930_120000", DAYS(7));
	assert_kept("20240101_120000 20240102_120000 20240103_120000 ");
}

/* --- legacy backups ----------------------------------------------------------------------------------------------- */

static void a_legacy_backup_takes_no_checked_ones_place(void **state)
{
	(void)state;
	complete("20240928_120000");
	add("20240929_110000", BACKUP_LEGACY, ALL);
	add("20240929_120000", BACKUP_LEGACY, ALL);
	decide("20240930_120000", KEEP(.last = 1));
	assert_kept("20240928_120000 20240929_120000 ");
	assert_decision(2, RETENTION_KEEP, "last 1 of 1 (legacy)");
}

static void a_legacy_backup_of_one_store_says_so(void **state)
{
	(void)state;
	add("20240929_120000", BACKUP_LEGACY, REDIS);
	decide("20240930_120000", KEEP(.last = 1));
	assert_decision(0, RETENTION_KEEP, "last 1 of 1 (legacy, only redis)");
}

static void a_legacy_backup_of_another_form_is_not_called_damaged(void **state)
{
	(void)state;
	add("20240101_120000", BACKUP_LEGACY, REDIS)->stores[1].unlike = true;
	decide("20240930_120000", DAYS(7));
	assert_kept("20240101_120000 ");
	assert_decision(0, RETENTION_KEEP_SAFE, "though not as a restore takes it, the newest one with redis");
}

static void a_legacy_backup_of_another_form_takes_nothings_place(void **state)
{
	(void)state;
	struct backup *damaged = add("20240101_120000", BACKUP_DAMAGED, ALL & ~REDIS);
	damaged->stores[1].remains = false;
	add("20240102_120000", BACKUP_LEGACY, ALL)->stores[0].unlike = true;
	decide("20240930_120000", DAYS(7));
	assert_kept("20240101_120000 20240102_120000 ");
	assert_decision(0, RETENTION_KEEP_SAFE, "though damaged, the only one with postgresql");
}

static void a_damaged_backup_takes_not_the_place_of_one_of_another_form(void **state)
{
	(void)state;
	add("20240101_120000", BACKUP_DAMAGED, REDIS)->stores[0].remains = false;
	add("20240601_120000", BACKUP_LEGACY, REDIS)->stores[1].unlike = true;
	decide("20240930_120000", DAYS(7));
	assert_kept("20240101_120000 20240601_120000 ");
	assert_decision(1, RETENTION_KEEP_SAFE, "though not as a restore takes it, the newest one with redis");
}

static void legacy_backups_follow_the_same_rules(void **state)
{
	(void)state;
	add("20240801_120000", BACKUP_LEGACY, ALL);
	add("20240901_120000", BACKUP_LEGACY, ALL);
	complete("20240929_120000");
	decide("20240930_120000", DAYS(30));
	assert_kept("20240901_120000 20240929_120000 ");
}

static void of_legacy_backups_alone_the_newest_stays(void **state)
{
	(void)state;
	add("20230101_120000", BACKUP_LEGACY, ALL);
	add("20230102_120000", BACKUP_LEGACY, ALL);
	decide("20240930_120000", DAYS(7));
	assert_kept("20230102_120000 ");
}

/* Nobody knows whether the newer one is whole. */
static void a_legacy_backup_does_not_make_the_last_checked_copy_removable(void **state)
{
	(void)state;
	add("20230101_120000", BACKUP_PARTIAL, POSTGRESQL);
	add("20230102_120000", BACKUP_LEGACY, ALL);
	decide("20240930_120000", DAYS(7));
	assert_kept("20230101_120000 20230102_120000 ");
	assert_decision(0, RETENTION_KEEP_SAFE, "the newest backup with a checksum of postgresql");
}

static void what_could_not_be_read_stays(void **state)
{
	(void)state;
	add("20240101_120000", BACKUP_DAMAGED, 0)->unreadable = true;
	add("20240102_120000", BACKUP_DAMAGED, 0);
	complete("20240103_120000");
	decide("20240930_120000", DAYS(7));
	assert_kept("20240101_120000 20240103_120000 ");
	assert_decision(0, RETENTION_KEEP_SAFE, "it could not be read just now");
}

/* --- the future --------------------------------------------------------------------------------------------------- */

static void what_is_dated_in_the_future_stays_and_counts_nowhere(void **state)
{
	(void)state;
	complete("20240101_120000");
	complete("20240102_120000");
	complete("20380101_120000");
	add("20380102_120000", BACKUP_DAMAGED, 0);
	decide("20240930_120000", KEEP(.last = 1));
	assert_kept("20240102_120000 20380101_120000 20380102_120000 ");
	assert_decision(1, RETENTION_KEEP, "last 1 of 1");
	assert_decision(2, RETENTION_KEEP_FUTURE, "dated in the future");
	decide("20240930_120000", DAYS(7));
	assert_kept("20240102_120000 20380101_120000 20380102_120000 ");
	assert_decision(1, RETENTION_KEEP_SAFE, "the newest complete backup");
	assert_decision(3, RETENTION_KEEP_FUTURE, "dated in the future");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		list_test(what_is_older_than_the_days_goes),
		list_test(days_are_those_of_the_calendar_in_spring),
		list_test(days_are_those_of_the_calendar_in_autumn),
		list_test(a_limit_in_a_repeated_hour_keeps_more),
		list_test(a_limit_in_a_skipped_hour_is_found),
		list_test(days_count_over_the_29th_of_february),
		list_test(zero_days_keep_the_newest_complete_backup_alone),
		list_test(zero_days_in_a_repeated_hour_are_no_hour),
		list_test(an_empty_list_is_decided),
		list_test(a_policy_without_a_rule_keeps_everything),
		list_test(the_last_ones_are_kept),
		list_test(more_than_there_are_keeps_all),
		list_test(of_each_day_the_newest_is_kept),
		list_test(days_without_a_backup_do_not_count),
		list_test(a_day_of_25_hours_is_one_day),
		list_test(a_day_of_23_hours_is_one_day),
		list_test(days_are_local_days),
		list_test(the_29th_of_february_is_a_day),
		list_test(weeks_begin_on_monday),
		list_test(a_week_goes_over_the_new_year),
		list_test(weeks_of_different_years_are_different),
		list_test(of_each_month_the_newest_is_kept),
		list_test(every_rule_counts_for_itself),
		list_test(with_days_the_young_are_kept_as_well),
		list_test(a_partial_backup_takes_no_complete_ones_place),
		list_test(a_stack_of_two_stores_is_kept_like_any_other),
		list_test(a_newer_partial_backup_does_not_make_the_complete_one_removable),
		list_test(of_every_store_the_newest_good_copy_stays),
		list_test(an_empty_file_is_no_copy_of_a_store),
		list_test(a_damaged_backup_is_kept_by_days_only),
		list_test(a_damaged_backup_takes_no_good_ones_place),
		list_test(a_damaged_backup_with_the_only_copy_of_a_store_stays),
		list_test(a_backup_with_a_damaged_manifest_goes_where_there_is_a_good_one),
		list_test(a_backup_with_a_damaged_manifest_stays_if_there_is_nothing_else),
		list_test(the_last_damaged_file_of_a_store_stays),
		list_test(a_backup_without_anything_goes),
		list_test(what_verify_has_found_bad_takes_no_good_ones_place),
		list_test(what_a_drill_has_found_bad_takes_no_good_ones_place),
		list_test(of_what_verify_has_found_bad_the_good_part_stays_if_there_is_no_other),
		list_test(the_newest_that_is_known_to_be_good_stays_in_a_stack_of_one_store),
		list_test(a_known_good_one_of_fewer_stores_goes_for_a_newer_one_of_more),
		list_test(what_a_restore_has_kept_takes_no_place),
		list_test(what_a_restore_has_kept_is_the_newest_complete_one_if_there_is_no_other),
		list_test(what_a_restore_has_kept_takes_no_place_of_a_partial_one),
		list_test(what_a_restore_has_kept_takes_no_place_of_a_legacy_one),
		list_test(a_project_whose_backups_are_all_bad_is_one_all_the_same),
		list_test(each_projects_backups_are_judged_as_if_they_were_alone),
		list_test(each_project_has_its_own_number),
		list_test(backups_of_an_unknown_project_go_with_those_of_the_only_one),
		list_test(backups_of_an_unknown_project_are_one_of_their_own_among_several),
		list_test(a_legacy_backup_takes_no_checked_ones_place),
		list_test(a_legacy_backup_of_one_store_says_so),
		list_test(a_legacy_backup_of_another_form_is_not_called_damaged),
		list_test(a_legacy_backup_of_another_form_takes_nothings_place),
		list_test(a_damaged_backup_takes_not_the_place_of_one_of_another_form),
		list_test(legacy_backups_follow_the_same_rules),
		list_test(of_legacy_backups_alone_the_newest_stays),
		list_test(a_legacy_backup_does_not_make_the_last_checked_copy_removable),
		list_test(what_could_not_be_read_stays),
		list_test(what_is_dated_in_the_future_stays_and_counts_nowhere),
	};
	return cmocka_run_group_tests_name("retention", tests, NULL, NULL);
}
