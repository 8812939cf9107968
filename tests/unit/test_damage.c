/*
 * A backup's bytes after a bad disk: a bit that has flipped, a file that was cut off, another backup's file in its
 * place, a field of the manifest that says something else. verify_read notices each, and listing always ends. What a
 * restore looks at before it changes anything is the same: the manifest as it is listed, and artefact_read of each
 * file.
 *
 * One bit of each byte flips, another one for each; of the bulk of the archives, one byte in STRIDE.
 * WHISPERBACKUP_TORTURE=full: every bit of every byte, and every length; =little: one byte in LARGE_STRIDE everywhere,
 * for those that look at something else than what is noticed.
 */
#include "tar_support.h"

#include "catalog/record.h"
#include "commands/restore_work.h"
#include "commands/verify_read.h"
#include "stores/artefact_read.h"
#include "stores/store_table.h"

#include <sqlite3.h>
#include <time.h>

enum { STRIDE = 23, LARGE_STRIDE = 97, EDGE = 128, LARGEST_FILE = 1 << 20 };

static const char *const file_names[] = {"postgresql_backup.sql", "redis_backup.rdb", "chromadb_backup.tar.gz",
										 "neo4j_backup.tar.gz",   "manifest.json",    "SHA256SUMS",
										 "backup_info.txt"};
enum { FILE_COUNT = sizeof file_names / sizeof *file_names };

static bool torture_is(const char *word)
{
	const char *torture = getenv("WHISPERBACKUP_TORTURE");
	return torture != NULL && strcmp(torture, word) == 0;
}

static bool full(void)
{
	return torture_is("full");
}

/* --- a backup as `create` writes it, with a few KiB in it -----------------------------------------------------------
 */

static void write_dump(const char *path, int seed)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs("--\n-- PostgreSQL database cluster dump\n--\n\n", file);
	for (int i = 0; i < 40; i++) {
		fprintf(file, "CREATE ROLE role_%d_%d;\n", seed, i);
	}
	fputs("--\n-- PostgreSQL database cluster dump complete\n--\n\n", file);
	assert_int_equal(fclose(file), 0);
}

static void write_database(const char *path)
{
	sqlite3 *database = NULL;
	assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
	assert_int_equal(sqlite3_exec(database, "CREATE TABLE t (x); INSERT INTO t VALUES (1)", NULL, NULL, NULL),
					 SQLITE_OK);
	assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static void fill_folder(const char *folder)
{
	char noise[3000];
	make_folder(at(folder, "databases"));
	make_folder(at(folder, "databases/system"));
	make_folder(at(folder, "transactions"));
	make_folder(at(folder, "transactions/system"));
	fill_random(noise, sizeof noise, 3);
	write_bytes(at(folder, "databases/system/neostore"), noise, sizeof noise);
	write_file(at(folder, "transactions/system/neostore.transaction.db.0"), "log\n");
}

static struct backup_record record;

static void note_artefact(const char *folder, size_t store)
{
	struct error error;
	record.stores[store].status = STORE_OK;
	snprintf(record.stores[store].saved.method, sizeof record.stores[store].saved.method, "by hand");
	assert_ok(digest_file(at(folder, file_names[store]), NULL, record.stores[store].sha256, &record.stores[store].size,
						  &error),
			  &error);
}

/* `scratch`/whisperengine_backup_TIMESTAMP; the seed makes its files other ones than those of another backup. */
static void make_backup(const char *scratch, const char *timestamp, int seed)
{
	struct error error;
	char folder[PATH_MAX];
	snprintf(folder, sizeof folder, "%s/whisperengine_backup_%s", scratch, timestamp);
	make_folder(folder);
	shell_ok("rm -rf '%s/chroma' '%s/neo4j'", scratch, scratch);
	make_folder(at(scratch, "chroma"));
	write_database(at(scratch, "chroma/chroma.sqlite3"));
	make_folder(at(scratch, "neo4j"));
	fill_folder(at(scratch, "neo4j"));
	shell_ok("echo %d >'%s/chroma/seed'; echo %d >'%s/neo4j/seed'", seed, scratch, seed, scratch);
	write_dump(at(folder, file_names[0]), seed);
	char dump[] = "REDIS0011\xfe\0\0\1k\1?\xff\0\0\0\0\0\0\0"; /* one key; ends with the NUL of the text */
	*strchr(dump + sizeof "REDIS0011" + 4, '?') = (char)('0' + seed);
	write_bytes(at(folder, file_names[1]), dump, sizeof dump);
	(void)pack_into(at(folder, file_names[2]), at(scratch, "chroma"), "chroma/chroma");
	(void)pack_into(at(folder, file_names[3]), at(scratch, "neo4j"), "data");
	record = (struct backup_record){.timestamp = timestamp,
									.shown_path = folder,
									.project = "whisperengine",
									.started = {.tv_sec = 1726151422},
									.finished = {.tv_sec = 1726151425}};
	for (size_t i = 0; i < STORE_COUNT; i++) {
		note_artefact(folder, i);
	}
	assert_ok(fingerprint_add(&record.stores[1].saved.fingerprint, "keys", "db0", 12, &error), &error);
	record.stores[1].saved.fingerprint.known = true;
	assert_ok(record_write(&record, folder, &error), &error);
	record_free(&record);
}

/* --- what is found ------------------------------------------------------------------------------------------------ */

static struct display display;

/* What it finds it also says, thousands of times. */
static enum status read_without_a_word(const char *scratch, const struct backup *backup, struct verified_run *run,
									   struct error *error)
{
	struct artefact artefacts[STORE_COUNT] = {0};
	int standard_error = dup(STDERR_FILENO);
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	assert_true(standard_error >= 0 && nowhere >= 0 && dup2(nowhere, STDERR_FILENO) == STDERR_FILENO);
	enum status status = verify_read(scratch, backup, &display, run, artefacts, error);
	(void)fflush(stderr);
	assert_int_equal(dup2(standard_error, STDERR_FILENO), STDERR_FILENO);
	assert_int_equal(close(nowhere), 0);
	assert_int_equal(close(standard_error), 0);
	return status;
}

/* Would a restore begin? What it looks at before it changes anything: restore_plan_refuse_damaged, and then, in
 * restore_plan_check, artefact_read of each file. */
static bool would_restore(struct backup *backup)
{
	struct error error;
	struct restore_work *work = calloc(1, sizeof *work);
	assert_non_null(work);
	work->backup = backup;
	memset(work->session.chosen, true, sizeof work->session.chosen);
	enum status status = restore_plan_refuse_damaged(work, &error);
	for (size_t i = 0; status == STATUS_OK && i < STORE_COUNT; i++) {
		struct artefact_reading reading;
		status = artefact_read(store_table[i], at(backup->path, backup->stores[i].file), backup->stores[i].sha256, NULL,
							   &reading, &error);
	}
	free(work);
	return status == STATUS_OK;
}

struct verdict {
	bool verified;
	bool restored;
};

static struct verdict look_at(const char *scratch, const char *timestamp)
{
	struct error error;
	CLEANUP(backup_list_free) struct backup_list list = {0};
	struct verified_run run;
	assert_ok(catalog_list(scratch, &list, &error), &error);
	for (size_t i = 0; i < list.count; i++) {
		if (strcmp(list.items[i]->timestamp, timestamp) == 0) {
			assert_ok(read_without_a_word(scratch, list.items[i], &run, &error), &error);
			return (struct verdict){.verified = run.good, .restored = would_restore(list.items[i])};
		}
	}
	return (struct verdict){0};
}

static bool is_good(const char *scratch, const char *timestamp)
{
	struct verdict verdict = look_at(scratch, timestamp);
	return verdict.verified && verdict.restored;
}

/* Puts back what was there when it is freed. */
struct damage {
	char path[PATH_MAX];
	char *bytes;
	size_t length;
	const char *scratch;
	bool only_told; /* by verify: the file is for people, and nothing of it is restored */
	unsigned long count;
};

static struct damage damage_of(const char *scratch, const char *name)
{
	struct damage damage = {.scratch = scratch,
							.only_told = strcmp(name, "SHA256SUMS") == 0 || strcmp(name, "backup_info.txt") == 0};
	snprintf(damage.path, sizeof damage.path, "%s/whisperengine_backup_20240912_143022/%s", scratch, name);
	damage.bytes = read_file(damage.path, &damage.length);
	assert_true(damage.length > 0 && damage.length < LARGEST_FILE);
	return damage;
}

static void expect_noticed(struct damage *damage, const char *what, size_t where)
{
	struct verdict verdict = look_at(damage->scratch, "20240912_143022");
	bool well = !verdict.verified && (!verdict.restored || damage->only_told);
	if (!well) {
		print_message("%s: %s at %zu is not noticed by %s\n", damage->path, what, where,
					  verdict.verified ? "verify" : "restore");
	}
	assert_true(well);
	damage->count++;
}

static void mend(struct damage *damage)
{
	write_bytes(damage->path, damage->bytes, damage->length);
	free(damage->bytes);
	assert_true(is_good(damage->scratch, "20240912_143022"));
	print_message("# %lu times %s\n", damage->count, strrchr(damage->path, '/') + 1);
}

/* Every byte of the small files, and of the archives near their beginning and their end. */
static size_t step_at(size_t index, size_t at_byte, size_t length)
{
	bool archive = index == 2 || index == 3;
	if (torture_is("little")) {
		return LARGE_STRIDE;
	}
	return full() || !archive || at_byte < EDGE || at_byte + EDGE >= length ? 1 : STRIDE;
}

static void each_flipped_bit_is_noticed(void **state)
{
	for (size_t i = 0; i < FILE_COUNT; i++) {
		struct damage damage = damage_of(*state, file_names[i]);
		for (size_t byte = 0; byte < damage.length; byte += step_at(i, byte, damage.length)) {
			for (unsigned bit = full() ? 0 : byte % 8; bit < 8; bit += full() ? 1 : 8) {
				damage.bytes[byte] ^= (char)(1U << bit);
				write_bytes(damage.path, damage.bytes, damage.length);
				damage.bytes[byte] ^= (char)(1U << bit);
				expect_noticed(&damage, "a flipped bit", byte);
			}
		}
		mend(&damage);
	}
}

static void each_truncation_is_noticed(void **state)
{
	for (size_t i = 0; i < FILE_COUNT; i++) {
		struct damage damage = damage_of(*state, file_names[i]);
		size_t step = full() ? 1 : 13;
		for (size_t length = 0; length < damage.length; length += step) {
			write_bytes(damage.path, damage.bytes, length);
			expect_noticed(&damage, "a truncation", length);
		}
		write_bytes(damage.path, damage.bytes, damage.length - 1);
		expect_noticed(&damage, "a truncation", damage.length - 1);
		mend(&damage);
	}
}

static void a_file_with_more_behind_it_is_noticed(void **state)
{
	for (size_t i = 0; i < FILE_COUNT; i++) {
		struct damage damage = damage_of(*state, file_names[i]);
		FILE *file = fopen(damage.path, "a");
		assert_non_null(file);
		assert_int_equal(fputc('\n', file), '\n');
		assert_int_equal(fclose(file), 0);
		expect_noticed(&damage, "an additional line", damage.length);
		mend(&damage);
	}
}

/* Each file of the other backup is whole there; here it is the wrong one. */
static void a_file_of_another_backup_is_noticed(void **state)
{
	make_backup(*state, "20240913_143022", 2);
	assert_true(is_good(*state, "20240913_143022"));
	for (size_t i = 0; i < FILE_COUNT; i++) {
		struct damage damage = damage_of(*state, file_names[i]);
		shell_ok("cp '%s/whisperengine_backup_20240913_143022/%s' '%s'", (char *)*state, file_names[i], damage.path);
		expect_noticed(&damage, "another backup's file", 0);
		mend(&damage);
	}
}

/* Each value in the manifest, one after the other, becomes another one. */
static unsigned long change_each(json_t *value, json_t *document, struct damage *damage)
{
	const char *key = NULL;
	json_t *inner = NULL;
	void *next = NULL;
	size_t index = 0;
	unsigned long count = 0;
	json_object_foreach_safe(value, next, key, inner)
	{
		if (json_is_object(inner) || json_is_array(inner)) {
			count += change_each(inner, document, damage);
			continue;
		}
		json_t *kept = json_incref(inner);
		assert_int_equal(json_object_set_new(value, key, json_string("another")), 0);
		assert_int_equal(json_dump_file(document, damage->path, JSON_INDENT(2) | JSON_REAL_PRECISION(6)), 0);
		expect_noticed(damage, key, 0);
		assert_int_equal(json_object_set_new(value, key, kept), 0);
		count++;
	}
	json_array_foreach (value, index, inner) {
		count += change_each(inner, document, damage);
	}
	return count;
}

static void each_field_of_the_manifest_that_was_changed_is_noticed(void **state)
{
	struct damage damage = damage_of(*state, "manifest.json");
	json_t *document = json_loads(damage.bytes, 0, NULL);
	assert_non_null(document);
	assert_true(change_each(document, document, &damage) > 40);
	json_decref(document);
	mend(&damage);
}

static int make_scratch(void **state)
{
	setenv("TZ", "UTC", 1);
	tzset();
	display_open(&display, true);
	if (scratch_setup(state) != 0) {
		return -1;
	}
	make_backup(*state, "20240912_143022", 1);
	assert_true(is_good(*state, "20240912_143022"));
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_flipped_bit_is_noticed, make_scratch, scratch_teardown),
		cmocka_unit_test_setup_teardown(each_truncation_is_noticed, make_scratch, scratch_teardown),
		cmocka_unit_test_setup_teardown(a_file_with_more_behind_it_is_noticed, make_scratch, scratch_teardown),
		cmocka_unit_test_setup_teardown(a_file_of_another_backup_is_noticed, make_scratch, scratch_teardown),
		cmocka_unit_test_setup_teardown(each_field_of_the_manifest_that_was_changed_is_noticed, make_scratch,
										scratch_teardown),
	};
	return cmocka_run_group_tests_name("damage", tests, NULL, NULL);
}
