/*
 * stores/volume_store: stopping and starting when the engine does not do, or not say, what it was asked for; and what
 * is taken up, or not, of a restore that was killed.
 */
#include "progress_support.h"
#include "support.h"
#include "time_support.h"
#include "volume_support.h"

#include "pipeline/file.h"
#include "stores/volume_store.h"

/* --- an engine and a store ---------------------------------------------------------------------------------------- */

static enum status stop_answer;  /* of the next stop alone */
static enum status rest_answer;  /* of the next wait for it alone */
static bool stop_on_the_way;     /* nothing was heard of it */
static enum status look_answer;  /* of one look at the container ... */
static int look_after;           /* ... after so many */
static enum status ready_answer; /* of the next look alone ... */
static bool ready_stays;         /* ... or of all that come */
static char calls[64];           /* "r" was brought to rest, "-" stopped, "x" killed, "+" started, in this order */
static bool runs;                /* the container ... */
static enum container_health health;
static int healthy_after;    /* ... is, after so many more looks */
static int starts;           /* so far */
static bool ends_again;      /* what somebody else has started */
static int starts_after;     /* so many stops somebody else starts it; 0: never ... */
static int starts_once_told; /* ... or so many times when it was started */
static int fails_after;      /* so many stops one fails; 0: none */

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

static void start_astray(int *countdown)
{
	if (*countdown > 0 && --*countdown == 0) {
		starts++;
		runs = !ends_again;
	}
}

static enum status stop_it(struct runtime *self, const struct container *in, const char *signal, unsigned seconds,
						   struct error *error)
{
	(void)self;
	(void)in;
	(void)seconds;
	note(signal != NULL && strcmp(signal, "KILL") == 0 ? 'x' : '-');
	enum status status = once(&stop_answer, error);
	stop_answer = fails_after > 0 && --fails_after == 0 ? STATUS_UNAVAILABLE : STATUS_OK;
	error->on_the_way = status != STATUS_OK && stop_on_the_way;
	runs = status != STATUS_OK;
	start_astray(&starts_after);
	return status;
}

static enum status start_it(struct runtime *self, const struct container *in, struct error *error)
{
	(void)self;
	(void)in;
	(void)error;
	note('+');
	runs = true;
	starts++;
	return STATUS_OK;
}

static enum status look(struct runtime *self, const struct container *in, enum container_state *ret_state,
						enum container_health *ret_health, struct error *error)
{
	(void)self;
	(void)in;
	*ret_state = runs ? CONTAINER_RUNNING : CONTAINER_STOPPED;
	*ret_health = healthy_after > 0 && --healthy_after == 0 ? HEALTH_HEALTHY : health;
	return look_after-- > 0 ? STATUS_OK : once(&look_answer, error);
}

static enum status tell_start(struct runtime *self, const struct container *in, char ret_start[RUNTIME_START_SIZE],
							  struct error *error)
{
	(void)self;
	(void)in;
	(void)error;
	snprintf(ret_start, RUNTIME_START_SIZE, "start %d", starts);
	start_astray(&starts_once_told);
	return STATUS_OK;
}

static enum status is_ready(struct store *store, struct error *error)
{
	(void)store;
	enum status status = ready_answer;
	enum status said = once(&ready_answer, error);
	ready_answer = ready_stays ? status : STATUS_OK;
	return said;
}

static enum status rest(struct volume_store *self, struct error *error)
{
	(void)self;
	note('r');
	return once(&rest_answer, error);
}

static const struct runtime_ops engine_ops = {
	.stop = stop_it, .start = start_it, .inspect = look, .last_start = tell_start};
static const struct store_ops store_ops = {.title = "Store", .ready = is_ready};

/* One whose data is about to be swapped. */
static struct volume_store store_in_folder(const char *folder)
{
	struct error error;
	runtime.ops = &engine_ops;
	snprintf(volume, sizeof volume, "%s", folder);
	calls[0] = '\0';
	look_after = 0;
	rest_answer = STATUS_OK;
	stop_answer = look_answer = ready_answer = STATUS_OK;
	stop_on_the_way = ready_stays = false;
	runs = true;
	health = HEALTH_NONE;
	healthy_after = 0;
	ends_again = false;
	starts_after = starts_once_told = fails_after = 0;
	struct volume_store self = {.store = {.ops = &store_ops, .runtime = &runtime, .container = &container},
								.before_stop = rest};
	strcpy(self.store.data_folder, destination);
	assert_ok(folder_swap_new(&runtime, &container, destination, NULL, &self.swap, &error), &error);
	return self;
}

static struct volume_store store_in(void **state)
{
	return store_in_folder(*state);
}

/* What a restore has left that was killed while it moved the old data out. */
static void leave_half(const char *folder)
{
	if (geteuid() != 0) {
		skip();
	}
	shell_ok("mkdir -p '%s/.whisperbackup-restore/old' '%s/.whisperbackup-restore/new' && cd '%s' && "
			 "printf moved >.whisperbackup-restore/old/a && printf new >.whisperbackup-restore/new/a && "
			 "printf stays >b && printf out >.whisperbackup-restore/state",
			 folder, folder, folder);
}

static void assert_whole(const char *folder)
{
	assert_file_is(at(folder, "a"), "moved");
	assert_file_is(at(folder, "b"), "stays");
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

static void a_server_that_never_answers_on_the_restored_data_is_given_up(void **state)
{
	struct error error;
	struct volume_store self = store_in(state);
	self.stopped = true;
	ready_answer = STATUS_UNAVAILABLE;
	ready_stays = true;
	assert_status(STATUS_UNAVAILABLE, volume_store_rollback(&self.store, NULL, &error), &error);
	assert_string_equal(error.message, "Store is not accessible after the restore (180 seconds): no");
	assert_string_equal(error.hint, "./bot.sh logs  tells why; if it does not run, ./bot.sh restart starts it again");
	ready_stays = false;
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	volume_store_close(&self);
}

/* Other stores are seen to meanwhile. */
static void a_health_check_is_waited_for_only_when_the_store_is_to_settle(void **state)
{
	struct error error;
	struct volume_store self = store_in(state);
	self.stopped = true;
	health = HEALTH_STARTING;
	healthy_after = 3;
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	assert_int_equal(healthy_after, 3);
	assert_ok(volume_store_settle(&self.store, NULL, &error), &error);
	assert_int_equal(healthy_after, 0);
	volume_store_close(&self);
}

static void one_that_was_not_started_has_nothing_to_settle(void **state)
{
	struct error error;
	struct volume_store self = store_in(state);
	look_answer = STATUS_UNAVAILABLE;
	assert_ok(volume_store_settle(&self.store, NULL, &error), &error);
	volume_store_close(&self);
}

static void one_that_answered_and_ended_before_it_was_healthy_is_told_and_started_again(void **state)
{
	struct error error;
	struct volume_store self = store_in(state);
	self.stopped = true;
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	runs = false;
	assert_status(STATUS_UNAVAILABLE, volume_store_settle(&self.store, NULL, &error), &error);
	assert_string_equal(error.message, "Store answered after the restore, but it is not well: container  has ended");
	assert_string_equal(error.hint, "./bot.sh logs  tells why; if it does not run, ./bot.sh restart starts it again");
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	assert_ok(volume_store_settle(&self.store, NULL, &error), &error);
	assert_string_equal(calls, "-++");
	volume_store_close(&self);
}

/* In a container without a health check that is started again and again, for one. */
static void one_that_answers_no_more_when_it_is_to_settle_is_waited_for(void **state)
{
	struct error error;
	struct volume_store self = store_in(state);
	self.stopped = true;
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	ready_answer = STATUS_UNAVAILABLE;
	assert_ok(volume_store_settle(&self.store, NULL, &error), &error);
	assert_int_equal(ready_answer, STATUS_OK);
	volume_store_close(&self);
}

static void a_look_that_failed_is_no_reason_not_to_settle_later(void **state)
{
	struct error error;
	struct volume_store self = store_in(state);
	self.stopped = true;
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	look_answer = STATUS_FAILED;
	assert_status(STATUS_FAILED, volume_store_settle(&self.store, NULL, &error), &error);
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	assert_ok(volume_store_settle(&self.store, NULL, &error), &error);
	assert_string_equal(calls, "-++");
	volume_store_close(&self);
}

/* The first one is made an interval after the start. */
static void a_health_check_that_says_nothing_is_no_failure(void **state)
{
	struct error error;
	struct volume_store self = store_in(state);
	self.stopped = true;
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	health = HEALTH_STARTING;
	assert_ok(volume_store_settle(&self.store, NULL, &error), &error);
	volume_store_close(&self);
}

static void a_health_check_that_fails_is_one(void **state)
{
	struct error error;
	struct volume_store self = store_in(state);
	self.stopped = true;
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	health = HEALTH_UNHEALTHY;
	assert_status(STATUS_UNAVAILABLE, volume_store_settle(&self.store, NULL, &error), &error);
	assert_string_equal(error.message, "Store answered after the restore, but it is not well: container  runs but is "
									   "not healthy after 180 seconds");
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	assert_ok(store_settle_back(&self.store, NULL, &error), &error); /* its data is back */
	volume_store_close(&self);
}

/* Its data may have been broken; then it passes now. */
static void a_health_check_that_had_failed_before_is_waited_for_all_the_same(void **state)
{
	struct error error;
	struct volume_store self = store_in(state);
	self.stopped = true;
	self.unhealthy = true;
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	health = HEALTH_STARTING;
	healthy_after = 3;
	assert_ok(volume_store_settle(&self.store, NULL, &error), &error);
	assert_int_equal(healthy_after, 0);
	volume_store_close(&self);
}

/* The command of a health check may not even be in the image. */
static void a_health_check_that_had_failed_before_need_not_pass(void **state)
{
	struct error error;
	struct buffer memory = BUFFER_INIT(1000);
	struct volume_store self = store_in(state);
	health = HEALTH_UNHEALTHY;
	assert_ok(volume_store_remember(&self.store, &memory, &error), &error);
	self.stopped = true;
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	assert_ok(volume_store_settle(&self.store, NULL, &error), &error);
	volume_store_close(&self);

	struct volume_store later = store_in(state);
	health = HEALTH_UNHEALTHY;
	assert_ok(volume_store_recall(&later, buffer_text(&memory), NULL, &error), &error);
	later.stopped = true;
	assert_ok(volume_store_rollback(&later.store, NULL, &error), &error);
	assert_ok(volume_store_settle(&later.store, NULL, &error), &error);
	buffer_free(&memory);
	volume_store_close(&later);
}

/* The folder "newest" with a file "a" that says "newest". */
static struct source *newest(const char *folder)
{
	struct error error;
	struct source *file = NULL;
	shell_ok("cd '%s' && mkdir newest && printf newest >newest/a && tar cf tar newest", folder);
	assert_ok(file_source_new(at(folder, "tar"), &file, &error), &error);
	return file;
}

static struct volume_store half_restored(void **state)
{
	const char *folder = at(*state, "data");
	make_folder(folder);
	leave_half(folder);
	struct volume_store self = store_in_folder(folder);
	self.before_stop = NULL;
	return self;
}

/* --- who is started by somebody else while the data is exchanged ---------------------------------------------------
 */

enum {
	TOLD_BEFORE = 2, /* when the container was started, until the exchange begins */
};

/* With "old" in its folder and "newest" staged. */
static struct volume_store staged(void **state)
{
	struct error error;
	const char *folder = at(*state, "data");
	if (geteuid() != 0) {
		skip();
	}
	make_folder(folder);
	write_file(at(folder, "a"), "old");
	struct volume_store self = store_in_folder(folder);
	self.before_stop = NULL;
	assert_ok(volume_store_stage(&self, newest(*state), "newest", NULL, &error), &error);
	return self;
}

static void assert_old(void)
{
	assert_file_is(at(volume, "a"), "old");
	assert_false(exists(at(volume, ".whisperbackup-restore")));
}

static void nobody_else_starts_it(void **state)
{
	struct error error;
	struct volume_store self = staged(state);
	assert_ok(volume_store_swap(&self.store, NULL, &error), &error);
	assert_string_equal(calls, "-+");
	assert_file_is(at(volume, "a"), "newest");
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	assert_string_equal(calls, "-+-x+");
	assert_old();
	volume_store_close(&self);
}

/* An engine starts again what it has not stopped itself, until it is told to. */
static void one_that_is_started_again_on_its_way_down_is_no_conflict(void **state)
{
	struct error error;
	struct volume_store self = staged(state);
	starts_after = 1;
	ends_again = true;
	assert_ok(volume_store_swap(&self.store, NULL, &error), &error);
	assert_string_equal(calls, "-+");
	assert_file_is(at(volume, "a"), "newest");
	volume_store_close(&self);
}

/* Nothing is taken from under one that runs. */
static void one_that_runs_again_keeps_its_data(void **state)
{
	struct error error;
	struct volume_store self = staged(state);
	self.before_stop = rest;
	starts_after = 1;
	assert_status(STATUS_CONFLICT, volume_store_swap(&self.store, NULL, &error), &error);
	assert_string_equal(error.message, "container  was started by somebody else while it was to stand still");
	assert_string_equal(error.hint, "run the restore again when nothing else starts the containers");
	assert_file_is(at(volume, "a"), "old");
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	assert_string_equal(calls, "r-r-+");
	assert_old();
	volume_store_close(&self);
}

/* It is not stopped in the middle of what it does, for a restore that has changed nothing. */
static void one_that_is_never_at_rest_runs_on(void **state)
{
	struct error error;
	struct volume_store self = staged(state);
	self.before_stop = rest;
	rest_answer = STATUS_UNAVAILABLE;
	assert_status(STATUS_UNAVAILABLE, volume_store_swap(&self.store, NULL, &error), &error);
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	assert_string_equal(calls, "r");
	assert_old();
	volume_store_close(&self);
}

/* It may have read what was there before, and would go on with that. */
static void one_that_was_started_meanwhile_holds_nothing_of_the_backup(void **state)
{
	struct error error;
	struct volume_store self = staged(state);
	starts_once_told = TOLD_BEFORE;
	assert_status(STATUS_CONFLICT, volume_store_swap(&self.store, NULL, &error), &error);
	assert_string_equal(error.message, "container  was started by somebody else while it was to stand still");
	assert_string_equal(error.hint, "run the restore again when nothing else starts the containers");
	assert_string_equal(calls, "-");
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	assert_string_equal(calls, "-xx+");
	assert_old();
	volume_store_close(&self);
}

/* It may have written what it had read. */
static void one_that_was_started_meanwhile_and_has_ended_again_has_not_gone_unseen(void **state)
{
	struct error error;
	struct volume_store self = staged(state);
	starts_once_told = TOLD_BEFORE;
	ends_again = true;
	assert_status(STATUS_CONFLICT, volume_store_swap(&self.store, NULL, &error), &error);
	assert_string_equal(error.message, "container  was started by somebody else while it was to stand still");
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	assert_old();
	volume_store_close(&self);
}

/* What is half moved is no data to be written by who comes up on it. */
static void one_that_is_started_after_an_exchange_that_failed_gets_no_time_to_write(void **state)
{
	struct error error;
	struct volume_store self = staged(state);
	shell_ok("rm -r '%s/.whisperbackup-restore/new'", volume);
	assert_status(STATUS_FAILED, volume_store_swap(&self.store, NULL, &error), &error);
	runs = true;
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	assert_string_equal(calls, "-xx+");
	assert_old();
	volume_store_close(&self);
}

/* That is why the data could not be exchanged. */
static void one_that_was_started_and_is_in_the_way_is_told(void **state)
{
	struct error error;
	struct volume_store self = staged(state);
	shell_ok("rm -r '%s/.whisperbackup-restore/new'", volume);
	starts_once_told = TOLD_BEFORE;
	assert_status(STATUS_CONFLICT, volume_store_swap(&self.store, NULL, &error), &error);
	assert_string_equal(error.message, "container  was started by somebody else while it was to stand still");
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	assert_old();
	volume_store_close(&self);
}

static void one_that_was_not_started_is_not_blamed(void **state)
{
	struct error error;
	struct volume_store self = staged(state);
	shell_ok("rm -r '%s/.whisperbackup-restore/new'", volume);
	assert_status(STATUS_FAILED, volume_store_swap(&self.store, NULL, &error), &error);
	assert_null(strstr(error.message, "somebody else"));
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	assert_old();
	volume_store_close(&self);
}

static void whether_it_runs_again_has_to_be_known(void **state)
{
	struct error error;
	struct volume_store self = staged(state);
	look_answer = STATUS_UNAVAILABLE;
	assert_status(STATUS_UNAVAILABLE, volume_store_swap(&self.store, NULL, &error), &error);
	assert_file_is(at(volume, "a"), "old");
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	assert_string_equal(calls, "--+");
	assert_old();
	volume_store_close(&self);
}

static void whether_it_was_started_meanwhile_has_to_be_known(void **state)
{
	struct error error;
	struct volume_store self = staged(state);
	look_answer = STATUS_UNAVAILABLE;
	look_after = 1;
	assert_status(STATUS_UNAVAILABLE, volume_store_swap(&self.store, NULL, &error), &error);
	assert_string_equal(calls, "-");
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	assert_string_equal(calls, "-xx+");
	assert_old();
	volume_store_close(&self);
}

/* It must not write over the old data when it ends; nor when that fails at first. */
static void one_that_was_started_while_it_was_rolled_back_gets_no_time_to_write(void **state)
{
	struct error error;
	struct volume_store self = staged(state);
	assert_ok(volume_store_swap(&self.store, NULL, &error), &error);
	starts_after = 1;
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	assert_string_equal(calls, "-+-x+");
	assert_old();
	volume_store_close(&self);
}

static void one_that_was_started_while_it_was_rolled_back_is_ended_again_if_that_fails(void **state)
{
	struct error error;
	struct volume_store self = staged(state);
	assert_ok(volume_store_swap(&self.store, NULL, &error), &error);
	fails_after = 1;
	assert_status(STATUS_UNAVAILABLE, volume_store_rollback(&self.store, NULL, &error), &error);
	assert_string_equal(calls, "-+-x");
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	assert_string_equal(calls, "-+-xxx+");
	assert_old();
	volume_store_close(&self);
}

static void one_of_a_half_made_restore_gets_no_time_to_write(void **state)
{
	struct error error;
	struct volume_store self = half_restored(state);
	folder_swap_free(MOVE(self.swap));
	assert_ok(volume_store_resume(&self, true, &error), &error);
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	assert_string_equal(calls, "xx+");
	assert_whole(volume);
	volume_store_close(&self);
}

/* --- after a restore that was killed ------------------------------------------------------------------------------ */

static void a_restore_that_was_killed_is_undone_before_the_next_one_is_staged(void **state)
{
	struct error error;
	struct volume_store self = half_restored(state);
	assert_ok(volume_store_stage(&self, newest(*state), "newest", &progress_kept, &error), &error);
	assert_string_equal(progress_warned, "a restore of Store that was killed is undone first");
	assert_string_equal(calls, "xx+");
	assert_whole(volume);
	assert_file_is(at(volume, ".whisperbackup-restore/new/a"), "newest");
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	assert_string_equal(calls, "xx+");
	assert_whole(volume);
	assert_false(exists(at(volume, ".whisperbackup-restore")));
	volume_store_close(&self);
}

static void a_restore_that_was_killed_stays_if_its_server_cannot_be_stopped(void **state)
{
	struct error error;
	struct volume_store self = half_restored(state);
	stop_answer = STATUS_UNAVAILABLE;
	assert_status(STATUS_UNAVAILABLE, volume_store_stage(&self, newest(*state), "newest", &progress_kept, &error),
				  &error);
	assert_string_equal(calls, "x");
	assert_file_is(at(volume, ".whisperbackup-restore/old/a"), "moved");
	assert_file_is(at(volume, ".whisperbackup-restore/new/a"), "new");
	volume_store_close(&self);
}

static void old_data_is_kept_where_the_new_data_is_not_in_place(void **state)
{
	struct error error;
	struct volume_store self = half_restored(state);
	folder_swap_free(MOVE(self.swap));
	assert_ok(volume_store_resume(&self, true, &error), &error);
	assert_status(STATUS_FAILED, volume_store_commit(&self.store, NULL, &error), &error);
	assert_string_equal(error.message, "Store's old data cannot be removed: the restored data is not in place");
	assert_ok(volume_store_rollback(&self.store, NULL, &error), &error);
	assert_whole(volume);
	volume_store_close(&self);
}

static void a_commit_that_has_been_done_touches_nothing(void **state)
{
	struct error error;
	struct volume_store self = store_in(state);
	folder_swap_free(MOVE(self.swap));
	assert_ok(volume_store_commit(&self.store, NULL, &error), &error);
	assert_string_equal(calls, "");
	volume_store_close(&self);
}

/* Killed when all was decided; the machine has gone down since, say. */
static void one_that_does_not_run_is_started_when_its_commit_is_taken_up(void **state)
{
	struct error error;
	struct volume_store self = staged(state);
	assert_ok(volume_store_swap(&self.store, NULL, &error), &error);
	folder_swap_free(MOVE(self.swap));
	runs = false;
	assert_ok(volume_store_resume(&self, true, &error), &error);
	assert_ok(volume_store_commit(&self.store, NULL, &error), &error);
	assert_string_equal(calls, "-++");
	assert_true(runs);
	assert_false(exists(at(volume, ".whisperbackup-restore")));
	volume_store_close(&self);
}

/* --- what was written down for who comes after us ----------------------------------------------------------------- */

static void what_was_written_down_is_taken_up(void **state)
{
	struct error error;
	char **names = NULL;
	struct buffer memory = BUFFER_INIT(1000);
	struct volume_store self = store_in(state);
	self.names = (const char *const[]){"one", "two", NULL};
	assert_ok(volume_store_remember(&self.store, &memory, &error), &error);
	self.store.data_folder[0] = '\0';
	assert_ok(volume_store_recall(&self, buffer_text(&memory), &names, &error), &error);
	assert_string_equal(self.store.data_folder, destination);
	assert_string_equal(names[0], "one");
	assert_string_equal(names[1], "two");
	assert_null(names[2]);
	free(names[0]);
	free(names[1]);
	free(names);
	buffer_free(&memory);
	volume_store_close(&self);
}

static void what_makes_no_sense_is_not_taken_up(void **state)
{
	static const char *const memories[] = {
		"",
		"no JSON",
		"{}",
		"{\"folder\":7}",
		"{\"folder\":\"relative\",\"names\":[]}",
		"{\"folder\":\"/var/lib/data\",\"names\":[7]}",
		"{\"folder\":\"/var/lib/data\",\"names\":[\"one\",\"../two\"]}",
	};
	struct volume_store self = store_in(state);
	for (size_t i = 0; i < sizeof memories / sizeof *memories; i++) {
		struct error error;
		char **names = NULL;
		assert_status(STATUS_FAILED, volume_store_recall(&self, memories[i], &names, &error), &error);
		assert_string_equal(error.message, "what is written about the data of Store makes no sense");
		assert_null(names);
	}
	volume_store_close(&self);
}

static void the_data_of_another_volume_is_not_taken_up(void **state)
{
	struct error error;
	struct volume_store self = store_in(state);
	static const char memory[] = "{\"folder\":\"/var/lib/data\",\"source\":\"/volumes/earlier\",\"names\":[]}";
	assert_status(STATUS_FAILED, volume_store_recall(&self, memory, NULL, &error), &error);
	assert_string_equal(error.message,
						"container  has another volume now; the data of the restore lies in /volumes/earlier");
	volume_store_close(&self);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(a_stop_that_failed_is_made_again_only_when_the_server_is_at_rest),
		scratch_test(a_stop_of_which_nothing_was_heard_is_made_again_at_once_but_at_rest),
		scratch_test(a_rollback_that_goes_on_starts_again_what_is_not_known_to_be_up),
		scratch_test(a_rollback_that_has_been_done_touches_nothing),
		scratch_test(a_server_that_never_answers_on_the_restored_data_is_given_up),
		scratch_test(a_health_check_is_waited_for_only_when_the_store_is_to_settle),
		scratch_test(one_that_was_not_started_has_nothing_to_settle),
		scratch_test(one_that_answered_and_ended_before_it_was_healthy_is_told_and_started_again),
		scratch_test(one_that_answers_no_more_when_it_is_to_settle_is_waited_for),
		scratch_test(a_look_that_failed_is_no_reason_not_to_settle_later),
		scratch_test(a_health_check_that_says_nothing_is_no_failure),
		scratch_test(a_health_check_that_fails_is_one),
		scratch_test(a_health_check_that_had_failed_before_is_waited_for_all_the_same),
		scratch_test(a_health_check_that_had_failed_before_need_not_pass),
		scratch_test(nobody_else_starts_it),
		scratch_test(one_that_is_started_again_on_its_way_down_is_no_conflict),
		scratch_test(one_that_runs_again_keeps_its_data),
		scratch_test(one_that_is_never_at_rest_runs_on),
		scratch_test(one_that_was_started_meanwhile_holds_nothing_of_the_backup),
		scratch_test(one_that_was_started_meanwhile_and_has_ended_again_has_not_gone_unseen),
		scratch_test(one_that_is_started_after_an_exchange_that_failed_gets_no_time_to_write),
		scratch_test(one_that_was_started_and_is_in_the_way_is_told),
		scratch_test(one_that_was_not_started_is_not_blamed),
		scratch_test(whether_it_runs_again_has_to_be_known),
		scratch_test(whether_it_was_started_meanwhile_has_to_be_known),
		scratch_test(one_that_was_started_while_it_was_rolled_back_gets_no_time_to_write),
		scratch_test(one_that_was_started_while_it_was_rolled_back_is_ended_again_if_that_fails),
		scratch_test(one_of_a_half_made_restore_gets_no_time_to_write),
		scratch_test(a_restore_that_was_killed_is_undone_before_the_next_one_is_staged),
		scratch_test(a_restore_that_was_killed_stays_if_its_server_cannot_be_stopped),
		scratch_test(old_data_is_kept_where_the_new_data_is_not_in_place),
		scratch_test(a_commit_that_has_been_done_touches_nothing),
		scratch_test(one_that_does_not_run_is_started_when_its_commit_is_taken_up),
		scratch_test(what_was_written_down_is_taken_up),
		scratch_test(what_makes_no_sense_is_not_taken_up),
		scratch_test(the_data_of_another_volume_is_not_taken_up),
	};
	return cmocka_run_group_tests_name("volume_store", tests, NULL, NULL);
}
