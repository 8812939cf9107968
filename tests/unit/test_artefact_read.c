/* stores/artefact_read: one reading for the checksum and the structure, and which of two failures is said. */
#include "progress_support.h"
#include "tar_support.h"

#include "base/interrupt.h"
#include "stores/artefact_read.h"
#include "stores/store_table.h"

#include <signal.h>

#define WRONG "its content is not what was written (SHA-256 differs)"

/* --- helpers ------------------------------------------------------------------------------------------------------ */

/* SCRATCH/archive: what a ChromaDB's data folder might be, of several members that do not compress. */
static const char *make_archive(const char *scratch)
{
	make_source(scratch, "echo database >chroma.sqlite3; head -c 9000000 /dev/urandom >vectors; "
						 "mkdir small; for i in $(seq 100); do echo $i >small/$i; done");
	(void)pack_into(at(scratch, "archive"), at(scratch, "src"), "data");
	return at(scratch, "archive");
}

static void digest_of(const char *path, char ret_text[DIGEST_TEXT_SIZE])
{
	struct error error;
	uint64_t size = 0;
	assert_ok(digest_file(path, NULL, ret_text, &size, &error), &error);
}

static void change_byte(const char *path, long offset)
{
	FILE *file = fopen(path, "r+");
	assert_non_null(file);
	assert_int_equal(fseek(file, offset, SEEK_SET), 0);
	int byte = fgetc(file);
	assert_int_equal(fseek(file, offset, SEEK_SET), 0);
	assert_true(fputc(byte ^ 1, file) != EOF);
	assert_int_equal(fclose(file), 0);
}

static void assert_says(enum status expected, const struct store_ops *ops, const char *path, const char *sha256,
						const char *message)
{
	struct error error;
	struct artefact_reading reading;
	assert_status(expected, artefact_read(ops, path, sha256, NULL, &reading, &error), &error);
	if (strstr(error.message, message) == NULL) {
		print_error("\"%s\" where \"%s\" is expected\n", error.message, message);
		fail();
	}
}

struct counting {
	struct progress progress;
	uint64_t bytes;
};

static void count(struct progress *progress, uint64_t bytes)
{
	((struct counting *)progress)->bytes += bytes;
}

/* --- tests -------------------------------------------------------------------------------------------------------- */

static void a_whole_archive_is_good(void **state)
{
	struct error error;
	struct artefact_reading reading;
	const char *path = make_archive(*state);
	char sha256[DIGEST_TEXT_SIZE];
	struct counting counting = {.progress = {.advance = count}};
	digest_of(path, sha256);
	assert_ok(artefact_read(&store_chromadb, path, sha256, &counting.progress, &reading, &error), &error);
	assert_string_equal(reading.sha256, sha256);
	assert_string_equal(reading.artefact.folder, "data");
	assert_int_equal(reading.size, attributes_of(path).st_size);
	assert_int_equal(counting.bytes, reading.size);
	assert_false(reading.unreadable);
	assert_ok(artefact_read(&store_chromadb, path, "", NULL, &reading, &error), &error);
	assert_string_equal(reading.sha256, sha256);
}

static const struct store_ops *store_called(const char *name)
{
	const struct store_ops *ops = store_by_name(name);
	assert_non_null(ops);
	return ops;
}

static void a_dump_that_has_changed_since_it_was_checked_is_damage(void **state)
{
	struct error error;
	struct artefact artefact = {0};
	const char *path = make_archive(*state); /* what it holds does not matter */
	const struct store_ops *postgresql = store_called("postgresql");
	assert_ok(artefact_expect_unchanged(postgresql, path, &artefact, &error), &error); /* nobody knows */
	digest_of(path, artefact.sha256);
	assert_ok(artefact_expect_unchanged(postgresql, path, &artefact, &error), &error);
	change_byte(path, 5);
	assert_status(STATUS_DAMAGED, artefact_expect_unchanged(postgresql, path, &artefact, &error), &error);
	assert_non_null(strstr(error.message, "has changed since"));
	assert_ok(artefact_expect_unchanged(store_called("chromadb"), path, &artefact, &error),
			  &error); /* gzip has a CRC */
	unlink(path);
	assert_ok(artefact_expect_unchanged(postgresql, path, &artefact, &error), &error);
}

static void another_checksum_is_damage(void **state)
{
	const char *path = make_archive(*state);
	assert_says(STATUS_DAMAGED, &store_chromadb, path, "0123", WRONG);
}

static void the_checksum_is_said_first_wherever_the_file_is_damaged(void **state)
{
	const char *path = make_archive(*state);
	char sha256[DIGEST_TEXT_SIZE];
	long size = (long)attributes_of(path).st_size;
	digest_of(path, sha256);
	for (long offset = 0; offset < size; offset += size / 9) {
		change_byte(path, offset);
		assert_says(STATUS_DAMAGED, &store_chromadb, path, sha256, WRONG);
		change_byte(path, offset);
	}
	assert_int_equal(truncate(path, size / 2), 0);
	assert_says(STATUS_DAMAGED, &store_chromadb, path, sha256, WRONG);
}

static void the_structure_is_said_if_the_checksum_is_right(void **state)
{
	const char *path = make_archive(*state);
	char sha256[DIGEST_TEXT_SIZE];
	change_byte(path, (long)attributes_of(path).st_size / 2);
	digest_of(path, sha256);
	assert_says(STATUS_DAMAGED, &store_chromadb, path, sha256, "does not match its own checksum");
	assert_says(STATUS_DAMAGED, &store_chromadb, path, "", "does not match its own checksum");
	assert_says(STATUS_DAMAGED, &store_neo4j, path, sha256, "does not match its own checksum");
	change_byte(path, 0);
	digest_of(path, sha256);
	assert_says(STATUS_DAMAGED, &store_chromadb, path, sha256, "is not gzip at all");
}

static void a_file_that_is_refused_at_its_start_is_hashed_to_its_end(void **state)
{
	char sha256[DIGEST_TEXT_SIZE];
	shell_ok("head -c 5000000 /dev/zero >'%s/file'", (char *)*state);
	const char *path = at(*state, "file");
	digest_of(path, sha256);
	assert_says(STATUS_DAMAGED, &store_redis, path, sha256, "it is not a Redis dump");
	assert_says(STATUS_DAMAGED, &store_postgresql, path, sha256, "");
	change_byte(path, 4999999);
	assert_says(STATUS_DAMAGED, &store_redis, path, sha256, WRONG);
	assert_says(STATUS_DAMAGED, &store_postgresql, path, sha256, WRONG);
}

static void a_file_that_is_not_there_is_not_found(void **state)
{
	struct error error;
	for (size_t i = 0; i < STORE_COUNT; i++) {
		struct artefact_reading reading;
		assert_status(STATUS_NOT_FOUND,
					  artefact_read(store_table[i], at(*state, "nothing"), "", NULL, &reading, &error), &error);
		assert_true(reading.unreadable);
	}
}

static void a_file_that_cannot_be_read_is_no_damage_of_its_structure(void **state)
{
	struct error error;
	for (size_t i = 0; i < STORE_COUNT; i++) {
		struct artefact_reading reading;
		assert_status(STATUS_FAILED, artefact_read(store_table[i], *state, "", NULL, &reading, &error), &error);
		assert_non_null(strstr(error.message, "cannot read"));
		assert_true(reading.unreadable);
	}
}

/* In a process of its own: the flag cannot be taken back. */
static void an_interrupt_ends_the_reading(void **state)
{
	const char *path = make_archive(*state);
	pid_t child = fork();
	if (child == 0) {
		struct error error;
		struct artefact_reading reading;
		interrupt_install();
		raise(SIGTERM);
		_exit(artefact_read(&store_chromadb, path, "0123", NULL, &reading, &error) == STATUS_INTERRUPTED ? 0 : 1);
	}
	int result = 0;
	assert_int_equal(waitpid(child, &result, 0), child);
	assert_int_equal(result, 0);
}

static enum status warn_and_give_up(struct source *file, struct progress *progress, struct artefact *ret_artefact,
									struct error *error)
{
	(void)ret_artefact;
	progress_step(progress, "looking", 0);
	progress_warn(progress, "it is %s", "odd");
	source_free(file);
	return error_set(error, STATUS_INTERRUPTED, "that is enough");
}

/* Also of a file that is damaged: nothing is known of it yet. */
static void what_a_check_says_is_handed_on(void **state)
{
	static const struct store_ops ops = {.check = warn_and_give_up};
	struct error error;
	struct artefact_reading reading;
	const char *path = make_archive(*state);
	assert_status(STATUS_INTERRUPTED, artefact_read(&ops, path, "0123", &progress_kept, &reading, &error), &error);
	assert_string_equal(error.message, "that is enough");
	assert_string_equal(progress_warned, "it is odd");
	assert_false(reading.unreadable);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(a_whole_archive_is_good),
		scratch_test(a_dump_that_has_changed_since_it_was_checked_is_damage),
		scratch_test(another_checksum_is_damage),
		scratch_test(the_checksum_is_said_first_wherever_the_file_is_damaged),
		scratch_test(the_structure_is_said_if_the_checksum_is_right),
		scratch_test(a_file_that_is_refused_at_its_start_is_hashed_to_its_end),
		scratch_test(a_file_that_is_not_there_is_not_found),
		scratch_test(a_file_that_cannot_be_read_is_no_damage_of_its_structure),
		scratch_test(an_interrupt_ends_the_reading),
		scratch_test(what_a_check_says_is_handed_on),
	};
	return cmocka_run_group_tests_name("artefact_read", tests, NULL, NULL);
}
