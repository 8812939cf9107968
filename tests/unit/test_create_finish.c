/* commands/create_finish: the stores are completed side by side, and each is heard of in the caller's thread. */
#include "support.h"

#include "commands/create_finish.h"

#include <pthread.h>

enum { CONTENT = 300000 };

struct fake_store {
	struct store store;
	const char *path;
	enum status answer;
	unsigned *there; /* how many are in `finish` now; shared */
	pthread_mutex_t *mutex;
	pthread_cond_t *changed;
	unsigned wait_for; /* so many have to be there at the same time; 0: none */
	bool gives_warnings;
};

/* As a store that knows what it has written, or that leaves that to who asks. */
static enum status fake_finish(struct store *store, struct progress *progress, struct saved *ret_saved,
							   struct error *error)
{
	struct fake_store *self = (struct fake_store *)store;
	static const char bytes[CONTENT];
	pthread_mutex_lock(self->mutex);
	++*self->there;
	pthread_cond_broadcast(self->changed);
	while (self->wait_for > *self->there) {
		pthread_cond_wait(self->changed, self->mutex);
	}
	pthread_mutex_unlock(self->mutex);
	progress_step(progress, "saving it", CONTENT);
	for (int i = 0; i < 1000; i++) {
		progress_advance(progress, 1);
	}
	if (self->gives_warnings) {
		progress_warn(progress, "it is only a test");
	}
	write_bytes(self->path, bytes, CONTENT);
	*ret_saved = (struct saved){.method = "fake"};
	return self->answer == STATUS_OK ? STATUS_OK : error_set(error, self->answer, "it failed on purpose");
}

static enum status fake_check(struct source *file, struct progress *progress, struct artefact *ret_artefact,
							  struct error *error)
{
	char block[4096];
	enum status status = STATUS_OK;
	*ret_artefact = (struct artefact){.version = "1"};
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

struct heard {
	pthread_t caller;
	size_t order[STORE_COUNT];
	size_t count;
	enum status answer; /* of the first */
};

static enum status hear(void *context, size_t index, struct error *error)
{
	struct heard *heard = context;
	assert_true(pthread_equal(pthread_self(), heard->caller));
	heard->order[heard->count++] = index;
	return heard->count == 1 && heard->answer != STATUS_OK ? error_set(error, heard->answer, "the run is over")
														   : STATUS_OK;
}

struct fixture {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	unsigned there;
	struct fake_store stores[STORE_COUNT];
	struct finishing items[STORE_COUNT];
	struct store_record records[STORE_COUNT];
	struct heard heard;
	struct display display;
};

static void prepare(struct fixture *fixture, const char *scratch, size_t count)
{
	*fixture = (struct fixture){.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
	display_open(&fixture->display, true);
	fixture->heard.caller = pthread_self();
	for (size_t i = 0; i < count; i++) {
		char name[16];
		snprintf(name, sizeof name, "artefact-%zu", i);
		fixture->items[i] = (struct finishing){.store = &fixture->stores[i].store, .record = &fixture->records[i]};
		fixture->items[i].path = strdup(at(scratch, name));
		assert_non_null(fixture->items[i].path);
		fixture->stores[i] = (struct fake_store){.store = {.ops = &fake_ops},
												 .path = fixture->items[i].path,
												 .there = &fixture->there,
												 .mutex = &fixture->mutex,
												 .changed = &fixture->changed};
	}
}

static enum status finish(struct fixture *fixture, struct error *error)
{
	enum status status = create_finish(fixture->items, STORE_COUNT, &fixture->display, hear, &fixture->heard, error);
	for (size_t i = 0; i < STORE_COUNT; i++) {
		free(fixture->items[i].path);
	}
	return status;
}

static void all_are_completed_at_the_same_time(void **state)
{
	struct error error;
	struct fixture fixture;
	prepare(&fixture, *state, STORE_COUNT);
	for (size_t i = 0; i < STORE_COUNT; i++) {
		fixture.stores[i].wait_for = STORE_COUNT; /* each waits for all */
	}
	assert_ok(finish(&fixture, &error), &error);
	assert_int_equal(fixture.heard.count, STORE_COUNT);
	for (size_t i = 0; i < STORE_COUNT; i++) {
		assert_int_equal(fixture.items[i].status, STATUS_OK);
		assert_int_equal(fixture.records[i].size, CONTENT);
		assert_int_equal(fixture.records[i].artefact.raw_bytes, CONTENT);
		assert_int_equal(strlen(fixture.records[i].sha256), DIGEST_TEXT_SIZE - 1);
	}
}

static void what_takes_no_part_is_not_heard_of(void **state)
{
	struct error error;
	struct fixture fixture;
	prepare(&fixture, *state, 2);
	assert_ok(finish(&fixture, &error), &error);
	assert_int_equal(fixture.heard.count, 2);
	assert_true(fixture.heard.order[0] < 2 && fixture.heard.order[1] < 2);
}

static void one_that_fails_does_not_fail_the_others(void **state)
{
	struct error error;
	struct fixture fixture;
	prepare(&fixture, *state, STORE_COUNT);
	fixture.stores[1].answer = STATUS_FAILED;
	fixture.stores[1].gives_warnings = true;
	assert_ok(finish(&fixture, &error), &error);
	assert_int_equal(fixture.heard.count, STORE_COUNT);
	for (size_t i = 0; i < STORE_COUNT; i++) {
		assert_int_equal(fixture.items[i].status, i == 1 ? STATUS_FAILED : STATUS_OK);
	}
	assert_string_equal(fixture.items[1].error.message, "it failed on purpose");
}

static void what_ends_the_run_is_said_when_all_have_ended(void **state)
{
	struct error error;
	struct fixture fixture;
	prepare(&fixture, *state, STORE_COUNT);
	fixture.heard.answer = STATUS_NO_SPACE;
	assert_status(STATUS_NO_SPACE, finish(&fixture, &error), &error);
	assert_string_equal(error.message, "the run is over");
	assert_int_equal(fixture.heard.count, STORE_COUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(all_are_completed_at_the_same_time),
		scratch_test(what_takes_no_part_is_not_heard_of),
		scratch_test(one_that_fails_does_not_fail_the_others),
		scratch_test(what_ends_the_run_is_said_when_all_have_ended),
	};
	return cmocka_run_group_tests_name("create_finish", tests, NULL, NULL);
}
