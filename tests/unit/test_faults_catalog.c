/*
 * The folder of backups, with its Nth allocation, write, flush, rename, opening, reading or removal failing: no backup
 * is called damaged that is not, none is half removed, and what is known of one is not lost.
 */
#include "faults_support.h"

#include "catalog/backup.h"
#include "catalog/catalog.h"
#include "catalog/drill_journal.h"
#include "catalog/record.h"
#include "catalog/trust.h"
#include "pipeline/file.h"
#include "stores/store_table.h"

#include <time.h>

#define TIMESTAMP "20240912_143022"
#define OLDER     "20240911_143022"

static void judge_nothing(const char *folder, enum status status)
{
	(void)folder;
	assert_int_not_equal(status, STATUS_CONFLICT);
}

/* --- two backups -------------------------------------------------------------------------------------------------- */

static struct verification known(const char *problem)
{
	struct verification known = {.read = {.when = 1726151422, .good = problem[0] == '\0', .seconds = 1}};
	for (size_t i = 0; i < STORE_COUNT; i++) {
		known.read.stores[i] = (struct verified_store){.looked_at = true, .good = i > 0 || known.read.good};
	}
	snprintf(known.read.problem, sizeof known.read.problem, "%s", problem);
	snprintf(known.read.stores[0].problem, sizeof known.read.stores[0].problem, "%s", problem);
	return known;
}

static bool is_known(const struct verification *verification, const char *problem)
{
	const struct verified_run *read = &verification->read;
	bool all = read->when != 0 && strcmp(read->problem, problem) == 0;
	for (size_t i = 0; i < STORE_COUNT; i++) {
		all = all && read->stores[i].looked_at;
	}
	return all && strcmp(read->stores[0].problem, problem) == 0;
}

static void fill_record(struct backup_record *record)
{
	static char name[] = "whisperengine-redis";
	static char image[] = "redis:7";
	static const struct container container = {.name = name, .image = image, .image_digest = image};
	*record = (struct backup_record){.shown_path = "backups/" TIMESTAMP,
									 .project = "whisperengine",
									 .timestamp = TIMESTAMP,
									 .started = {.tv_sec = 1726151422},
									 .finished = {.tv_sec = 1726151425},
									 .cut = {.tv_sec = 1726151424},
									 .window_steps = {{"pause_writers", 1.5}, {"thaw", 2.5}}};
	for (size_t i = 0; i < STORE_COUNT; i++) {
		struct store_record *store = &record->stores[i];
		struct error error;
		store->status = STORE_OK;
		store->container = &container;
		store->size = 4;
		assert_ok(digest_text("data", store->sha256, &error), &error);
		store->saved.fingerprint.known = true;
		assert_ok(fingerprint_add(&store->saved.fingerprint, "rows", "first", 1, &error), &error);
		assert_ok(fingerprint_add(&store->saved.fingerprint, "rows", "second", 2, &error), &error);
	}
}

static char sound[PATH_MAX];
static char legacy[PATH_MAX];

/* What belongs to a legacy backup is told by its files' times. */
static void write_artefacts(const char *path)
{
	static const struct timespec then[2] = {{.tv_sec = 1726151422}, {.tv_sec = 1726151422}};
	make_folder(path);
	for (size_t i = 0; i < STORE_COUNT; i++) {
		write_file(at(path, store_table[i]->artefact), "data");
		assert_int_equal(utimensat(AT_FDCWD, at(path, store_table[i]->artefact), then, 0), 0);
	}
}

static void write_what_is_known(void)
{
	struct error error;
	struct backup_record record;
	fill_record(&record);
	assert_ok(record_write(&record, sound, &error), &error);
	record_free(&record);
	struct verification good = known("");
	assert_ok(verification_write(sound, &good, &error), &error);
	assert_ok(verification_write(legacy, &good, &error), &error);
}

/* One that is complete and known to be good, and an older one without a manifest. What is flushed is made only once. */
static void make_backups(const char *folder)
{
	static const char *const names[] = {"manifest.json", "SHA256SUMS", "backup_info.txt", VERIFICATION_FILE};
	static char *texts[sizeof names / sizeof *names];
	static char *text_of_legacy;
	snprintf(sound, sizeof sound, "%s/whisperengine_backup_" TIMESTAMP, folder);
	snprintf(legacy, sizeof legacy, "%s/whisperengine_backup_" OLDER, folder);
	write_artefacts(sound);
	write_artefacts(legacy);
	if (text_of_legacy == NULL) {
		write_what_is_known();
		text_of_legacy = read_file(at(legacy, VERIFICATION_FILE), NULL);
	}
	write_file(at(legacy, VERIFICATION_FILE), text_of_legacy);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		texts[i] = texts[i] != NULL ? texts[i] : read_file(at(sound, names[i]), NULL);
		write_file(at(sound, names[i]), texts[i]);
	}
}

static bool is_called_bad(const struct backup *backup, enum backup_status expected)
{
	return !backup->unreadable && (backup->status != expected || !is_known(&backup->verified, ""));
}

static enum status list_backups(const char *folder, struct error *error)
{
	CLEANUP(backup_list_free) struct backup_list list = {0};
	enum status status = catalog_list(folder, &list, error);
	bool wrong = status == STATUS_OK && (list.count != 2 || is_called_bad(list.items[0], BACKUP_LEGACY) ||
										 is_called_bad(list.items[1], BACKUP_COMPLETE));
	return blame(status, wrong, "a good backup is missing or called bad", error);
}

static void a_good_backup_is_never_called_bad(void **state)
{
	const struct work work = {make_backups, list_backups, judge_nothing};
	each_fault(*state, &work);
}

static enum status check_backup(const char *folder, struct error *error)
{
	CLEANUP(cleanup_backup) struct backup *backup = NULL;
	enum status status = backup_read(folder, TIMESTAMP, &backup, error);
	if (status == STATUS_OK) {
		status = backup_check(backup, NULL, error);
	}
	bool wrong = status == STATUS_OK && !backup->unreadable && backup->status != BACKUP_COMPLETE;
	return blame(status, wrong, "a file that could not be read is called changed", error);
}

static void a_file_that_cannot_be_read_is_not_called_changed(void **state)
{
	const struct work work = {make_backups, check_backup, judge_nothing};
	each_fault(*state, &work);
}

static enum status count_backup(const char *folder, struct error *error)
{
	CLEANUP(cleanup_backup) struct backup *backup = NULL;
	CLEANUP(fingerprint_free) struct fingerprint counted = {0};
	enum status status = backup_read(folder, TIMESTAMP, &backup, error);
	if (status == STATUS_OK && backup->manifest == NULL) {
		return STATUS_OK; /* it could not be read, as others test */
	}
	if (status == STATUS_OK) {
		status = backup_fingerprint(backup, 0, &counted, error);
	}
	return blame(status, counted.count != 2, "a count is missing", error);
}

static void what_a_backup_holds_is_told_whole(void **state)
{
	const struct work work = {make_backups, count_backup, judge_nothing};
	assert_true(each_nth(*state, &work, FAULT_MEMORY, false, 1) > 0);
}

/* --- the record --------------------------------------------------------------------------------------------------- */

static struct backup_record written;

static void prepare_record(const char *folder)
{
	(void)folder;
	fill_record(&written);
	write_file(at(folder, "backup.txt"), "");
}

static enum status write_record(const char *folder, struct error *error)
{
	return record_write(&written, folder, error);
}

static void judge_record(const char *folder, enum status status)
{
	record_free(&written);
	assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
	if (status == STATUS_NO_MEMORY) {
		assert_false(exists(at(folder, "manifest.json")));
		return;
	}
	char *told = shell(NULL,
					   "jq -c '[.window_steps, (.stores | length), (.stores[] | .container, .image, .fingerprint)]' "
					   "'%s/manifest.json'",
					   folder);
	static const char store[] = ",\"whisperengine-redis\",\"redis:7\",{\"rows\":{\"first\":1,\"second\":2}}";
	char expected[1024];
	snprintf(expected, sizeof expected, "[{\"pause_writers\":1.5,\"thaw\":2.5},4%s%s%s%s]\n", store, store, store,
			 store);
	assert_string_equal(told, expected);
	free(told);
}

static void a_manifest_lacks_nothing_for_lack_of_memory(void **state)
{
	const struct work work = {prepare_record, write_record, judge_record};
	assert_true(each_nth(*state, &work, FAULT_MEMORY, false, MEMORY_STRIDE) > 0);
}

static void a_manifest_lacks_nothing_where_json_gets_no_memory_at_all(void **state)
{
	const struct work work = {prepare_record, write_record, judge_record};
	each_lack_of_json(*state, &work, 3);
}

static void a_manifest_is_read_whole_where_json_gets_no_memory_at_all(void **state)
{
	const struct work work = {make_backups, count_backup, judge_nothing};
	each_lack_of_json(*state, &work, MEMORY_STRIDE * 3);
}

/* --- what is known of it ------------------------------------------------------------------------------------------ */

static enum status note_problem(const char *folder, struct error *error)
{
	(void)folder;
	struct verification bad = known("PostgreSQL: it is cut off");
	return verification_write(sound, &bad, error);
}

static void judge_note(const char *folder, enum status status)
{
	(void)folder;
	struct error error;
	struct verification now;
	assert_ok(verification_read(sound, &now, &error), &error);
	bool bad = is_known(&now, "PostgreSQL: it is cut off");
	assert_true(bad || (status != STATUS_OK && is_known(&now, "")));
	assert_false(exists(at(sound, VERIFICATION_FILE ".new")));
}

static void what_is_known_of_a_backup_is_the_old_or_the_new(void **state)
{
	const struct work work = {make_backups, note_problem, judge_note};
	each_fault(*state, &work);
}

static enum status note_legacy(const char *folder, struct error *error)
{
	(void)folder;
	struct verification now = {0};
	struct verification good = known("");
	enum status status = verification_write(legacy, &good, error);
	if (status == STATUS_OK) {
		status = verification_read(legacy, &now, error);
	}
	return blame(status, !is_known(&now, ""), "what was written is not believed", error);
}

static void what_is_known_of_a_backup_without_a_manifest_belongs_to_it(void **state)
{
	const struct work work = {make_backups, note_legacy, judge_nothing};
	each_fault(*state, &work);
}

/* --- removing ----------------------------------------------------------------------------------------------------- */

static enum status remove_backup(const char *folder, struct error *error)
{
	const struct backup backup = {.timestamp = TIMESTAMP, .path = sound};
	return catalog_remove(folder, &backup, error);
}

static void judge_removal(const char *folder, enum status status)
{
	struct error error;
	if (exists(sound)) {
		assert_int_not_equal(status, STATUS_OK);
		CLEANUP(cleanup_backup) struct backup *backup = NULL;
		assert_ok(backup_read(folder, TIMESTAMP, &backup, &error), &error);
		assert_ok(backup_check(backup, NULL, &error), &error);
		assert_int_equal(backup->status, BACKUP_COMPLETE);
		assert_ok(catalog_remove(folder, backup, &error), &error);
	}
	int lock = -1;
	assert_ok(catalog_lock(folder, &lock, &error), &error);
	catalog_unlock(&lock);
	assert_false(exists(at(folder, ".removing-" TIMESTAMP)));
	assert_false(exists(sound));
	assert_true(exists(legacy));
}

static void a_backup_is_removed_whole_or_not_at_all(void **state)
{
	const struct work work = {make_backups, remove_backup, judge_removal};
	each_fault(*state, &work);
	assert_true(each_nth(*state, &work, FAULT_MEMORY, false, 1) > 0);
}

/* --- the locks ---------------------------------------------------------------------------------------------------- */

static char left_draft[PATH_MAX];
static char left_scratch[PATH_MAX];

static void leave_rubbish(const char *folder)
{
	snprintf(left_draft, sizeof left_draft, "%s/.partial-" TIMESTAMP, folder);
	snprintf(left_scratch, sizeof left_scratch, "%s/.checking-" TIMESTAMP, folder);
	make_folder(left_draft);
	make_folder(left_scratch);
	write_file(at(left_draft, "redis_backup.rdb"), "half");
}

static enum status take_locks(const char *folder, struct error *error)
{
	CLEANUP(catalog_unlock) int lock = -1;
	CLEANUP(catalog_unlock) int verify_lock = -1;
	CLEANUP(cleanup_free) char *scratch = NULL;
	const struct backup backup = {.timestamp = TIMESTAMP};
	enum status status = catalog_lock(folder, &lock, error);
	if (status == STATUS_OK) {
		status = catalog_lock_verify(folder, &verify_lock, error);
	}
	if (status == STATUS_OK) {
		status = catalog_scratch(folder, &backup, &scratch, error);
	}
	bool left = exists(left_draft) || exists(left_scratch);
	return blame(status, left, "what a dead run has left is still there", error);
}

static void judge_locks(const char *folder, enum status status)
{
	struct error error;
	assert_int_not_equal(status, STATUS_CONFLICT);
	assert_ok(take_locks(folder, &error), &error);
}

static void a_lock_that_is_held_has_cleared_away_what_was_left(void **state)
{
	const struct work work = {leave_rubbish, take_locks, judge_locks};
	each_fault(*state, &work);
	assert_true(each_nth(*state, &work, FAULT_MEMORY, false, 1) > 0);
}

static enum status take_lock_over_what_stays(const char *folder, struct error *error)
{
	CLEANUP(catalog_unlock) int lock = -1;
	enum status status = catalog_lock(folder, &lock, error);
	bool told = status == STATUS_FAILED && strstr(error->hint, "a run that died has left it") != NULL &&
				strstr(error->hint, ".partial-" TIMESTAMP) != NULL;
	return told || status == STATUS_OK ? status : error_set(error, STATUS_CONFLICT, "it is not told what to remove");
}

static void what_cannot_be_cleared_away_is_named(void **state)
{
	const struct work work = {leave_rubbish, take_lock_over_what_stays, judge_nothing};
	assert_true(each_nth(*state, &work, FAULT_REMOVE, false, 1) > 0);
}

/* --- a drill's journal -------------------------------------------------------------------------------------------- */

static void prepare_nothing(const char *folder)
{
	(void)folder;
}

static char drill[DRILL_NAME_SIZE];

static enum status begin_drill(const char *folder, struct error *error)
{
	return drill_journal_write(folder, "unix:///engine", drill, error);
}

static void judge_drill(const char *folder, enum status status)
{
	struct error error;
	bool there = false;
	char name[DRILL_NAME_SIZE];
	CLEANUP(cleanup_free) char *engine = NULL;
	assert_ok(drill_journal_is_there(folder, &there, &error), &error);
	assert_true(there || status != STATUS_OK);
	if (there) {
		assert_ok(drill_journal_read(folder, &engine, name, &error), &error);
		assert_true(engine == NULL || strcmp(engine, "unix:///engine") == 0);
		assert_true(status != STATUS_OK || (engine != NULL && strlen(name) == DRILL_NAME_SIZE - 1));
	}
}

static void leave_drill(const char *folder)
{
	struct error error;
	assert_ok(drill_journal_write(folder, "unix:///engine", drill, &error), &error);
}

static enum status read_drill(const char *folder, struct error *error)
{
	char name[DRILL_NAME_SIZE];
	CLEANUP(cleanup_free) char *engine = NULL;
	enum status status = drill_journal_read(folder, &engine, name, error);
	bool right = engine != NULL && strcmp(engine, "unix:///engine") == 0 && strcmp(name, drill) == 0;
	return unless_wrong(status, right, error);
}

static void judge_reading(const char *folder, enum status status)
{
	(void)folder;
	assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
}

static void a_drill_that_was_left_is_not_forgotten_for_lack_of_memory(void **state)
{
	const struct work work = {leave_drill, read_drill, judge_reading};
	each_lack_of_json(*state, &work, 1);
}

static void a_drill_that_begins_can_be_found(void **state)
{
	const struct work work = {prepare_nothing, begin_drill, judge_drill};
	each_fault(*state, &work);
}

/* --- who can change it -------------------------------------------------------------------------------------------- */

static char to_own[PATH_MAX];
static char to_others[PATH_MAX];

static void make_ways(const char *folder)
{
	snprintf(to_own, sizeof to_own, "%s/to_own", folder);
	snprintf(to_others, sizeof to_others, "%s/to_others", folder);
	make_folder(at(folder, "own"));
	make_folder(at(folder, "others"));
	assert_int_equal(chmod(at(folder, "others"), 0777), 0);
	assert_int_equal(symlink("own", to_own), 0);
	assert_int_equal(symlink("others", to_others), 0);
}

static enum status look_at_ways(const char *folder, struct error *error)
{
	(void)folder;
	enum status refused = trust_check(to_others, error);
	bool trusted = refused == STATUS_OK;
	enum status status = trust_check(to_own, error);
	return trusted ? error_set(error, STATUS_CONFLICT, "a folder of others is trusted") : status;
}

static void a_folder_that_others_can_change_is_never_trusted(void **state)
{
	const struct work work = {make_ways, look_at_ways, judge_nothing};
	each_fault(*state, &work);
	assert_true(each_nth(*state, &work, FAULT_MEMORY, false, 1) > 0);
}

int main(void)
{
	setenv("TZ", "UTC", 1);
	tzset();
	unsetenv("SUDO_UID");
	const struct CMUnitTest tests[] = {
		scratch_test(a_good_backup_is_never_called_bad),
		scratch_test(a_file_that_cannot_be_read_is_not_called_changed),
		scratch_test(what_a_backup_holds_is_told_whole),
		scratch_test(a_manifest_lacks_nothing_for_lack_of_memory),
		scratch_test(a_manifest_lacks_nothing_where_json_gets_no_memory_at_all),
		scratch_test(a_manifest_is_read_whole_where_json_gets_no_memory_at_all),
		scratch_test(what_is_known_of_a_backup_is_the_old_or_the_new),
		scratch_test(what_is_known_of_a_backup_without_a_manifest_belongs_to_it),
		scratch_test(a_backup_is_removed_whole_or_not_at_all),
		scratch_test(a_lock_that_is_held_has_cleared_away_what_was_left),
		scratch_test(what_cannot_be_cleared_away_is_named),
		scratch_test(a_drill_that_begins_can_be_found),
		scratch_test(a_drill_that_was_left_is_not_forgotten_for_lack_of_memory),
		scratch_test(a_folder_that_others_can_change_is_never_trusted),
	};
	return cmocka_run_group_tests_name("faults_catalog", tests, NULL, NULL);
}
