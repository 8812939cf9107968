/* stores/volume_store: stopping and starting when the engine does not do, or not say, what it was asked for. */
#include "support.h"
#include "volume_support.h"

#include "stores/volume_store.h"

/* --- an engine and a store ---------------------------------------------------------------------------------------- */

static enum status stop_answer;  /* of the next stop alone */
static bool stop_on_the_way;     /* nothing was heard of it */
static enum status ready_answer; /* of the next look alone */
static char calls[64];           /* "r" was brought to rest, "-" stopped, "+" started, in this order */

static void note(char what)
{
	size_t length = strlen(calls);
	assert_true(length + 1 < sizeof calls);
	calls[length] = what;
	calls[length + 1] = '\0';
}

static enum status once(enum status *answer, struct error *error)
{
	enum status status = *answer;
	*answer = STATUS_OK;
	return status == STATUS_OK ? STATUS_OK : error_set(error, status, "no");
}

static enum status stop_it(struct runtime *self, const struct container *in, const char *signal, unsigned seconds,
						   struct error *error)
{
	(void)self;
	(void)in;
	(void)signal;
	(void)seconds;
	note('-');
	enum status status = once(&stop_answer, error);
	error->on_the_way = status != STATUS_OK && stop_on_the_way;
	return status;
}

static enum status start_it(struct runtime *self, const struct container *in, struct error *error)
{
	(void)self;
	(void)in;
	(void)error;
	note('+');
	return STATUS_OK;
}

static enum status look(struct runtime *self, const struct container *in, enum container_state *ret_state,
						enum container_health *ret_health, struct error *error)
{
	(void)self;
	(void)in;
	(void)error;
	*ret_state = CONTAINER_RUNNING;
	*ret_health = HEALTH_NONE;
	return STATUS_OK;
}

static enum status is_ready(struct store *store, struct error *error)
{
	(void)store;
	return once(&ready_answer, error);
}

static enum status rest(struct volume_store *self, struct error *error)
{
	(void)self;
	(void)error;
	note('r');
	return STATUS_OK;
}

static const struct runtime_ops engine_ops = {.stop = stop_it, .start = start_it, .inspect = look};
static const struct store_ops store_ops = {.title = "Store", .ready = is_ready};

/* One whose data is about to be swapped. */
static struct volume_store store_in(void **state)
{
	struct error error;
	runtime.ops = &engine_ops;
	snprintf(volume, sizeof volume, "%s", (const char *)*state);
	calls[0] = '\0';
	stop_answer = ready_answer = STATUS_OK;
	stop_on_the_way = false;
	struct volume_store self = {.store = {.ops = &store_ops, .runtime = &runtime, .container = &container},
								.before_stop = rest};
	strcpy(self.store.data_folder, destination);
	assert_ok(folder_swap_new(&runtime, &container, destination, NULL, &self.swap, &error), &error);
	return self;
}

/* --- tests -------------------------------------------------------------------------------------------------------- */

static void a_stop_that_failed_is_made_again_only_when_the_server_is_at_rest(void **state)
{
	struct error error;
	struct volume_store self = store_in(state);
	stop_answer = STATUS_UNAVAILABLE;
	assert_status(STATUS_UNAVAILABLE, volume_store_swap(&self.store, NULL, &error), &error);
	assert_string_equal(calls, "r-");
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	assert_string_equal(calls, "r-r-+");
	volume_store_close(&self);
}

static void a_stop_of_which_nothing_was_heard_is_made_again_at_once_but_at_rest(void **state)
{
	struct error error;
	struct volume_store self = store_in(state);
	stop_answer = STATUS_UNAVAILABLE;
	stop_on_the_way = true;
	assert_status(STATUS_FAILED, volume_store_swap(&self.store, NULL, &error), &error); /* nothing is staged */
	assert_string_equal(calls, "r-r-");
	volume_store_close(&self);
}

static void a_rollback_that_goes_on_starts_again_what_is_not_known_to_be_up(void **state)
{
	struct error error;
	struct volume_store self = store_in(state);
	self.stopped = true;
	ready_answer = STATUS_DAMAGED;
	assert_status(STATUS_FAILED, volume_store_rollback(&self.store, NULL, &error), &error);
	assert_string_equal(calls, "-+");
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	assert_string_equal(calls, "-++");
	volume_store_close(&self);
}

static void a_rollback_that_has_been_done_touches_nothing(void **state)
{
	struct error error;
	struct volume_store self = store_in(state);
	self.stopped = true;
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	assert_string_equal(calls, "-+");
	volume_store_close(&self);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(a_stop_that_failed_is_made_again_only_when_the_server_is_at_rest),
		scratch_test(a_stop_of_which_nothing_was_heard_is_made_again_at_once_but_at_rest),
		scratch_test(a_rollback_that_goes_on_starts_again_what_is_not_known_to_be_up),
		scratch_test(a_rollback_that_has_been_done_touches_nothing),
	};
	return cmocka_run_group_tests_name("volume_store", tests, NULL, NULL);
}
