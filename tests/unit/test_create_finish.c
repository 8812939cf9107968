/* commands/create_finish: what an artefact is is taken down, from the writing of it or by reading it. */
#include "support.h"

#include "commands/create_finish.h"

enum { CONTENT = 300000 };

struct fake_store {
	struct store store;
	const char *path;
	struct saved saved;
};

static enum status fake_finish(struct store *store, struct progress *progress, struct saved *ret_saved,
							   struct error *error)
{
	struct fake_store *self = (struct fake_store *)store;
	static const char bytes[CONTENT];
	(void)progress;
	(void)error;
	write_bytes(self->path, bytes, CONTENT);
	*ret_saved = self->saved;
	return STATUS_OK;
}

static enum status fake_check(struct source *file, struct progress *progress, struct artefact *ret_artefact,
							  struct error *error)
{
	char block[4096];
	enum status status = STATUS_OK;
	*ret_artefact = (struct artefact){.version = "1", .folder = "chroma"};
	for (size_t length = 1; status == STATUS_OK && length > 0;) {
		status = source_read(file, block, sizeof block, &length, error);
		ret_artefact->raw_bytes += status == STATUS_OK ? length : 0;
	}
	(void)progress;
	source_free(file);
	return status;
}

static const struct store_ops fake_ops = {
	.name = "fake", .title = "Fake", .artefact = "fake", .finish = fake_finish, .check = fake_check};

static enum status finish(const char *scratch, const struct saved *saved, const char *data_folder,
						  struct store_record *record, struct error *error)
{
	struct fake_store fake = {.store = {.ops = &fake_ops}, .path = at(scratch, "artefact"), .saved = *saved};
	snprintf(fake.store.data_folder, sizeof fake.store.data_folder, "%s", data_folder);
	return create_finish(&fake.store, fake.path, NULL, record, error);
}

static void an_artefact_that_nothing_is_known_of_is_read(void **state)
{
	struct error error;
	struct store_record record = {0};
	const struct saved nothing = {.method = "fake"};
	assert_ok(finish(*state, &nothing, "/chroma", &record, &error), &error);
	assert_int_equal(record.size, CONTENT);
	assert_int_equal(record.artefact.raw_bytes, CONTENT);
	assert_int_equal(strlen(record.sha256), DIGEST_TEXT_SIZE - 1);
}

static void one_that_was_hashed_on_the_way_is_still_checked(void **state)
{
	struct error error;
	struct store_record record = {0};
	const struct saved hashed = {.digest = {.sha256 = "known", .size = 5}};
	assert_ok(finish(*state, &hashed, "/chroma", &record, &error), &error);
	assert_string_equal(record.sha256, "known");
	assert_int_equal(record.size, 5);
	assert_int_equal(record.artefact.raw_bytes, CONTENT);
}

static void one_that_was_hashed_and_checked_is_not_read_again(void **state)
{
	struct error error;
	struct store_record record = {0};
	const struct saved known = {
		.digest = {.sha256 = "known", .size = 5}, .checked = true, .artefact = {.raw_bytes = 7, .folder = "chroma"}};
	assert_ok(finish(*state, &known, "/chroma", &record, &error), &error);
	assert_int_equal(record.artefact.raw_bytes, 7);
}

static void one_that_shows_another_folder_is_refused(void **state)
{
	struct error error;
	struct store_record record = {0};
	const struct saved nothing = {.method = "fake"};
	assert_status(STATUS_FAILED, finish(*state, &nothing, "/data", &record, &error), &error);
	assert_non_null(strstr(error.message, "shows its data in /chroma, not in /data"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(an_artefact_that_nothing_is_known_of_is_read),
		scratch_test(one_that_was_hashed_on_the_way_is_still_checked),
		scratch_test(one_that_was_hashed_and_checked_is_not_read_again),
		scratch_test(one_that_shows_another_folder_is_refused),
	};
	return cmocka_run_group_tests_name("create_finish", tests, NULL, NULL);
}
