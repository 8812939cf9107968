/* stores/rehearsal: what speaks against the data of a drill, and what against its container or its engine. */
#include "server_support.h"
#include "volume_support.h"

#include "base/interrupt.h"
#include "stores/rehearsal.h"

/* --- an engine and a store ---------------------------------------------------------------------------------------- */

enum { COUNTED = 7 };

static struct {
	enum container_state state; /* of the drill's container */
	enum status look;           /* what comes of a look at it */
	bool killed;                /* it was ended from outside, ... */
	enum status tells;          /* ... if the engine tells that */
	bool on_the_way;            /* what the failing step says of itself */
	bool blameless;
	const char *log;   /* its log; NULL: the engine does not tell it */
	const char *words; /* of a bash in it ... */
	int exit_code;     /* ... and what that ends with */
	enum status open;  /* what comes of these steps */
	enum status ready;
	enum status stage;
	enum status read;
	unsigned failing_counts; /* that come first */
	bool uncounted;          /* the counts are not known */
	unsigned opened;         /* stores that have not been freed */
} world;

static enum status inspect(struct runtime *self, const struct container *in, enum container_state *ret_state,
						   enum container_health *ret_health, struct error *error)
{
	(void)self;
	(void)in;
	*ret_state = world.state;
	*ret_health = HEALTH_NONE;
	return world.look == STATUS_OK ? STATUS_OK : error_set(error, world.look, "there is no engine");
}

static enum status was_ended(struct runtime *self, const struct container *in, bool *ret_ended, struct error *error)
{
	(void)self;
	(void)in;
	*ret_ended = world.killed;
	return world.tells == STATUS_OK ? STATUS_OK : error_set(error, world.tells, "there is no engine");
}

static enum status tell_log(struct runtime *self, const struct container *in, struct buffer *output,
							struct error *error)
{
	(void)self;
	(void)in;
	return world.log != NULL ? buffer_append_text(output, world.log, error)
							 : error_set(error, STATUS_UNAVAILABLE, "there is no log");
}

static const struct runtime_ops engine = {SERVER_PROGRAMS, .inspect = inspect, .was_ended = was_ended,
										  .logs = tell_log};

static const char *run_bash(const struct exec_request *request, int *ret_exit_code)
{
	(void)request;
	*ret_exit_code = world.exit_code;
	return world.words;
}

/* The hint is one for the project's own containers. */
static enum status outcome(enum status status, struct error *error)
{
	if (status == STATUS_OK) {
		return STATUS_OK;
	}
	(void)error_set(error, status, "it cannot");
	error->on_the_way = world.on_the_way;
	error->blameless = world.blameless;
	return error_hint(error, "start it");
}

static enum status open_store(struct runtime *self, const struct container *in, struct store **ret_store,
							  struct error *error);

static enum status ready(struct store *store, struct error *error)
{
	(void)store;
	return outcome(world.ready, error);
}

static enum status stage(struct store *store, const char *path, const struct artefact *artefact,
						 struct progress *progress, struct error *error)
{
	(void)store;
	(void)path;
	(void)artefact;
	(void)progress;
	return outcome(world.stage, error);
}

static enum status go_on(struct store *store, struct progress *progress, struct error *error)
{
	(void)store;
	(void)progress;
	(void)error;
	return STATUS_OK;
}

static enum status count(struct store *store, const struct fingerprint *places, struct fingerprint *ret_fingerprint,
						 struct error *error)
{
	(void)store;
	(void)places;
	if (world.failing_counts > 0) {
		world.failing_counts--;
		return outcome(STATUS_UNAVAILABLE, error);
	}
	if (world.uncounted) {
		return STATUS_OK;
	}
	ret_fingerprint->known = true;
	return fingerprint_add(ret_fingerprint, "keys", "db0", COUNTED, error);
}

static enum status read_all(struct store *store, const struct fingerprint *places, struct progress *progress,
							struct error *error)
{
	(void)store;
	(void)places;
	(void)progress;
	return outcome(world.read, error);
}

static void close_store(struct store *store)
{
	world.opened--;
	free(store);
}

static const struct rehearsal_needs needs = {.port = 1234};
static const struct store_ops store_ops = {
	.title = "Store",
	.open = open_store,
	.ready = ready,
	.count = count,
	.read_all = read_all,
	.rehearsal = &needs,
	.stage = stage,
	.swap = go_on,
	.commit = go_on,
	.free = close_store,
};

static enum status open_store(struct runtime *self, const struct container *in, struct store **ret_store,
							  struct error *error)
{
	if (world.open != STATUS_OK) {
		return outcome(world.open, error);
	}
	struct store *store = calloc(1, sizeof *store);
	assert_non_null(store);
	*store = (struct store){.ops = &store_ops, .runtime = self, .container = in};
	world.opened++;
	*ret_store = store;
	return STATUS_OK;
}

/* Of a container that runs, and in which somebody listens; nothing has been restored into it. */
static struct rehearsal begun(void)
{
	runtime = (struct runtime){.ops = &engine};
	server.run = run_bash;
	memset(&world, 0, sizeof world);
	world.words = "";
	struct container *drill = calloc(1, sizeof *drill);
	assert_non_null(drill);
	drill->name = strdup("drill");
	return (struct rehearsal){.ops = &store_ops, .runtime = &runtime, .container = drill};
}

static void end(struct rehearsal *rehearsal)
{
	rehearsal_free(rehearsal);
	assert_int_equal(world.opened, 0);
}

/* --- restoring ---------------------------------------------------------------------------------------------------- */

static void assert_not_restored(struct rehearsal *rehearsal, enum status status, bool blameless, const char *message)
{
	struct error error;
	struct artefact artefact = {0};
	assert_status(status, rehearsal_restore(rehearsal, "artefact", &artefact, NULL, &error), &error);
	assert_string_equal(error.message, message);
	assert_string_equal(error.hint, "");
	assert_int_equal(rehearsal->blameless, blameless);
	end(rehearsal);
}

static void an_empty_server_that_ends_is_told_with_its_last_words(void **state)
{
	(void)state;
	struct rehearsal rehearsal = begun();
	world.exit_code = 7; /* nobody listens */
	world.state = CONTAINER_STOPPED;
	world.log = "it starts\nFATAL: first\n \tFATAL: no room\nWARNING: an error\nbye\n";
	assert_not_restored(&rehearsal, STATUS_FAILED, true, "an empty Store does not run: FATAL: no room");
}

static void an_empty_server_that_ends_without_a_word_is_told(void **state)
{
	(void)state;
	const char *const logs[] = {NULL, "", "it starts\n"};
	for (size_t i = 0; i < sizeof logs / sizeof *logs; i++) {
		struct rehearsal rehearsal = begun();
		world.exit_code = 7;
		world.state = CONTAINER_RESTARTING;
		world.log = logs[i];
		assert_not_restored(&rehearsal, STATUS_FAILED, true, "an empty Store does not run: it ends at once");
	}
}

static void an_empty_server_of_which_the_engine_knows_nothing_is_nobodys_damage(void **state)
{
	(void)state;
	struct rehearsal rehearsal = begun();
	world.exit_code = 7;
	world.look = STATUS_UNAVAILABLE;
	assert_not_restored(&rehearsal, STATUS_UNAVAILABLE, true, "there is no engine");
}

static void an_empty_server_that_never_opens_is_given_up(void **state)
{
	(void)state;
	struct rehearsal rehearsal = begun();
	world.open = STATUS_UNAVAILABLE;
	assert_not_restored(&rehearsal, STATUS_UNAVAILABLE, true,
						"an empty Store does not answer in 300 seconds: it cannot");
}

static void an_empty_server_that_never_gets_ready_is_given_up(void **state)
{
	(void)state;
	struct rehearsal rehearsal = begun();
	world.ready = STATUS_UNAVAILABLE;
	assert_not_restored(&rehearsal, STATUS_UNAVAILABLE, true,
						"an empty Store does not answer in 300 seconds: it cannot");
}

static void waiting_for_an_empty_server_can_be_ended(void **state)
{
	(void)state;
	struct error enough;
	struct rehearsal rehearsal = begun();
	world.ready = STATUS_UNAVAILABLE;
	(void)error_set(&enough, STATUS_INTERRUPTED, "that is enough");
	interrupt_limit(60, &enough);
	assert_not_restored(&rehearsal, STATUS_INTERRUPTED, true, "that is enough");
	interrupt_unlimit();
}

static void a_container_without_bash_is_asked_by_its_store_alone(void **state)
{
	(void)state;
	struct error error;
	struct artefact artefact = {0};
	struct rehearsal rehearsal = begun();
	world.exit_code = 127;
	assert_ok(rehearsal_restore(&rehearsal, "artefact", &artefact, NULL, &error), &error);
	end(&rehearsal);
}

static void data_that_cannot_be_restored_is_damaged_and_the_log_says_why(void **state)
{
	(void)state;
	struct rehearsal rehearsal = begun();
	world.stage = STATUS_FAILED;
	world.log = "ERROR: odd data\n";
	assert_not_restored(&rehearsal, STATUS_DAMAGED, false, "it cannot; its log says: ERROR: odd data");
}

/* What it logs may be part of its data. */
static void what_the_log_says_is_no_command_to_a_terminal(void **state)
{
	(void)state;
	struct rehearsal rehearsal = begun();
	world.stage = STATUS_FAILED;
	world.log = "ERROR: \033[2Jodd\n";
	assert_not_restored(&rehearsal, STATUS_DAMAGED, false, "it cannot; its log says: ERROR: ?[2Jodd");
}

static void a_full_disk_speaks_against_nobodys_data(void **state)
{
	(void)state;
	struct rehearsal rehearsal = begun();
	world.stage = STATUS_NO_SPACE;
	world.log = "ERROR: no space\n";
	assert_not_restored(&rehearsal, STATUS_NO_SPACE, true, "it cannot");
}

static void a_lack_of_memory_speaks_against_nobodys_data(void **state)
{
	(void)state;
	struct rehearsal rehearsal = begun();
	world.stage = STATUS_NO_MEMORY;
	world.log = "ERROR: no space\n";
	assert_not_restored(&rehearsal, STATUS_NO_MEMORY, true, "it cannot");
}

static void an_engine_that_is_gone_speaks_against_nobodys_data(void **state)
{
	(void)state;
	struct rehearsal rehearsal = begun();
	world.stage = STATUS_UNAVAILABLE;
	world.look = STATUS_UNAVAILABLE;
	assert_not_restored(&rehearsal, STATUS_UNAVAILABLE, true, "it cannot");
}

/* A server that is too old, and the like. */
static void a_step_that_blames_the_server_speaks_against_nobodys_data(void **state)
{
	(void)state;
	struct rehearsal rehearsal = begun();
	world.stage = STATUS_FAILED;
	world.blameless = true;
	world.log = "ERROR: odd data\n";
	assert_not_restored(&rehearsal, STATUS_FAILED, true, "it cannot");
}

/* Nobody has ended it from outside: the engine starts again what ends by itself. */
static void a_server_that_ends_again_and_again_is_damage(void **state)
{
	(void)state;
	struct rehearsal rehearsal = begun();
	world.stage = STATUS_UNAVAILABLE;
	world.state = CONTAINER_RESTARTING;
	world.killed = true; /* is not asked */
	world.log = "FATAL: odd data\n";
	assert_not_restored(&rehearsal, STATUS_DAMAGED, false, "it cannot; its log says: FATAL: odd data");
}

static void a_server_that_ends_by_itself_is_damage(void **state)
{
	(void)state;
	struct rehearsal rehearsal = begun();
	world.stage = STATUS_UNAVAILABLE;
	world.state = CONTAINER_STOPPED;
	world.log = "FATAL: odd data\n";
	assert_not_restored(&rehearsal, STATUS_DAMAGED, false, "it cannot; its log says: FATAL: odd data");
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static struct rehearsal restored(void)
{
	struct error error;
	struct artefact artefact = {0};
	struct rehearsal rehearsal = begun();
	assert_ok(rehearsal_restore(&rehearsal, "artefact", &artefact, NULL, &error), &error);
	return rehearsal;
}

/* The manifest says that there are so many keys. */
static enum status read_with(struct rehearsal *rehearsal, uint64_t recorded, bool *ret_compared, struct error *error)
{
	struct fingerprint fingerprint = {0};
	assert_ok(fingerprint_add(&fingerprint, "keys", "db0", recorded, error), error);
	fingerprint.known = fingerprint.exact = true;
	enum status status = rehearsal_read(rehearsal, &fingerprint, NULL, NULL, ret_compared, error);
	fingerprint_free(&fingerprint);
	return status;
}

static void a_server_that_lets_itself_be_counted_later_is_waited_for(void **state)
{
	(void)state;
	struct error error;
	bool compared = false;
	struct rehearsal rehearsal = restored();
	world.failing_counts = 100;
	assert_ok(read_with(&rehearsal, COUNTED, &compared, &error), &error);
	assert_true(compared);
	end(&rehearsal);
}

static void a_server_that_does_not_let_itself_be_counted_is_given_up(void **state)
{
	(void)state;
	struct error error;
	bool compared = false;
	struct rehearsal rehearsal = restored();
	world.failing_counts = UINT_MAX;
	assert_status(STATUS_DAMAGED, read_with(&rehearsal, COUNTED, &compared, &error), &error);
	assert_string_equal(error.message, "it cannot");
	assert_false(compared || rehearsal.blameless);
	end(&rehearsal);
}

static void waiting_for_counts_can_be_ended(void **state)
{
	(void)state;
	struct error error;
	struct error enough;
	bool compared = false;
	struct rehearsal rehearsal = restored();
	world.failing_counts = UINT_MAX;
	(void)error_set(&enough, STATUS_INTERRUPTED, "that is enough");
	interrupt_limit(30, &enough);
	assert_status(STATUS_INTERRUPTED, read_with(&rehearsal, COUNTED, &compared, &error), &error);
	interrupt_unlimit();
	assert_true(rehearsal.blameless);
	end(&rehearsal);
}

static void other_counts_are_damage(void **state)
{
	(void)state;
	struct error error;
	bool compared = false;
	struct rehearsal rehearsal = restored();
	assert_status(STATUS_DAMAGED, read_with(&rehearsal, COUNTED + 1, &compared, &error), &error);
	assert_string_equal(error.message, "it does not hold what the manifest says: keys of db0: 8 in the backup, 7 now");
	assert_false(rehearsal.blameless);
	end(&rehearsal);
}

/* It is a drill that could not compare, and no good backup. */
static void a_server_that_does_not_know_its_counts_says_nothing_of_the_data(void **state)
{
	(void)state;
	struct error error;
	bool compared = false;
	struct rehearsal rehearsal = restored();
	world.uncounted = true;
	assert_status(STATUS_UNAVAILABLE, read_with(&rehearsal, COUNTED, &compared, &error), &error);
	assert_string_equal(error.message, "it does not tell what it holds, so it cannot be compared with the manifest");
	assert_true(rehearsal.blameless);
	end(&rehearsal);
}

/* As that of a backup that was made by hand. */
static void a_server_that_does_not_know_its_counts_is_good_if_there_is_nothing_to_compare(void **state)
{
	(void)state;
	struct error error;
	struct fingerprint none = {0};
	bool compared = true;
	struct rehearsal rehearsal = restored();
	world.uncounted = true;
	assert_ok(rehearsal_read(&rehearsal, &none, NULL, NULL, &compared, &error), &error);
	assert_false(compared);
	end(&rehearsal);
}

static void a_record_that_cannot_be_read_is_damage(void **state)
{
	(void)state;
	struct error error;
	bool compared = false;
	struct rehearsal rehearsal = restored();
	world.read = STATUS_DAMAGED;
	world.log = "ERROR: that would say less\n";
	assert_status(STATUS_DAMAGED, read_with(&rehearsal, COUNTED, &compared, &error), &error);
	assert_string_equal(error.message, "it cannot");
	assert_false(rehearsal.blameless);
	end(&rehearsal);
}

/* A crash cuts answers short, and it is the data that a server crashes of. */
static void an_excuse_does_not_hold_once_the_server_has_ended(void **state)
{
	(void)state;
	struct error error;
	bool compared = false;
	for (int i = 0; i < 2; i++) {
		struct rehearsal rehearsal = restored();
		world.blameless = i == 0;
		world.on_the_way = i == 1;
		world.state = CONTAINER_STOPPED;
		world.log = "PANIC: odd data\n";
		world.read = STATUS_UNAVAILABLE;
		assert_status(STATUS_DAMAGED, read_with(&rehearsal, COUNTED, &compared, &error), &error);
		assert_string_equal(error.message, "it cannot; its log says: PANIC: odd data");
		assert_false(rehearsal.blameless);
		end(&rehearsal);
	}
}

static void assert_disturbed(struct rehearsal *rehearsal, enum status status, const char *message)
{
	struct error error;
	bool compared = false;
	assert_status(status, read_with(rehearsal, COUNTED, &compared, &error), &error);
	assert_string_equal(error.message, message);
	assert_true(rehearsal->blameless);
	end(rehearsal);
}

static void a_container_that_was_paused_speaks_against_nobodys_data(void **state)
{
	(void)state;
	struct rehearsal rehearsal = restored();
	world.read = STATUS_CONFLICT;
	world.state = CONTAINER_PAUSED;
	assert_disturbed(&rehearsal, STATUS_CONFLICT, "it cannot; somebody has paused its container");
}

static void a_container_that_was_killed_speaks_against_nobodys_data(void **state)
{
	(void)state;
	struct rehearsal rehearsal = restored();
	world.read = STATUS_DAMAGED; /* as what is left of an answer may look */
	world.state = CONTAINER_STOPPED;
	world.killed = true;
	assert_disturbed(&rehearsal, STATUS_UNAVAILABLE,
					 "it cannot; its container was stopped or killed, perhaps for a lack of memory");
}

static void a_container_of_which_nobody_tells_why_it_ended_speaks_against_nobodys_data(void **state)
{
	(void)state;
	struct rehearsal rehearsal = restored();
	world.read = STATUS_FAILED;
	world.state = CONTAINER_STOPPED;
	world.tells = STATUS_UNAVAILABLE;
	assert_disturbed(&rehearsal, STATUS_FAILED, "it cannot");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_server_that_ends_is_told_with_its_last_words),
		cmocka_unit_test(an_empty_server_that_ends_without_a_word_is_told),
		cmocka_unit_test(an_empty_server_of_which_the_engine_knows_nothing_is_nobodys_damage),
		cmocka_unit_test(an_empty_server_that_never_opens_is_given_up),
		cmocka_unit_test(an_empty_server_that_never_gets_ready_is_given_up),
		cmocka_unit_test(waiting_for_an_empty_server_can_be_ended),
		cmocka_unit_test(a_container_without_bash_is_asked_by_its_store_alone),
		cmocka_unit_test(data_that_cannot_be_restored_is_damaged_and_the_log_says_why),
		cmocka_unit_test(what_the_log_says_is_no_command_to_a_terminal),
		cmocka_unit_test(a_full_disk_speaks_against_nobodys_data),
		cmocka_unit_test(a_lack_of_memory_speaks_against_nobodys_data),
		cmocka_unit_test(an_engine_that_is_gone_speaks_against_nobodys_data),
		cmocka_unit_test(a_step_that_blames_the_server_speaks_against_nobodys_data),
		cmocka_unit_test(a_server_that_ends_again_and_again_is_damage),
		cmocka_unit_test(a_server_that_ends_by_itself_is_damage),
		cmocka_unit_test(a_server_that_lets_itself_be_counted_later_is_waited_for),
		cmocka_unit_test(a_server_that_does_not_let_itself_be_counted_is_given_up),
		cmocka_unit_test(waiting_for_counts_can_be_ended),
		cmocka_unit_test(other_counts_are_damage),
		cmocka_unit_test(a_server_that_does_not_know_its_counts_says_nothing_of_the_data),
		cmocka_unit_test(a_server_that_does_not_know_its_counts_is_good_if_there_is_nothing_to_compare),
		cmocka_unit_test(a_record_that_cannot_be_read_is_damage),
		cmocka_unit_test(an_excuse_does_not_hold_once_the_server_has_ended),
		cmocka_unit_test(a_container_that_was_paused_speaks_against_nobodys_data),
		cmocka_unit_test(a_container_that_was_killed_speaks_against_nobodys_data),
		cmocka_unit_test(a_container_of_which_nobody_tells_why_it_ended_speaks_against_nobodys_data),
	};
	return cmocka_run_group_tests_name("rehearsal", tests, NULL, NULL);
}
