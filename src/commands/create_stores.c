#include "commands/create_stores.h"

#include "base/clock.h"
#include "base/crew.h"
#include "base/files.h"
#include "base/text.h"
#include "base/units.h"
#include "commands/create_finish.h"
#include "commands/writers.h"
#include "snapshot/journal.h"
#include "transaction/folder_swap.h"

#include <stdio.h>
#include <string.h>

enum {
	CATCH_UP_ROUNDS = 8,       /* at the most */
	CATCH_UP_ENOUGH = 4 << 20, /* bytes that changed during a round; fewer may wait for the moment */
};

struct work {
	const struct create_request *request;
	struct backup_record *record;
	struct runtime *runtimes[STORE_COUNT]; /* one for each store, which has a thread of its own at the end */
	struct store *stores[STORE_COUNT];     /* those that take part */
	double seconds[STORE_COUNT];           /* spent on each */
	struct writers writers;                /* just before the moment */
	size_t left[STORE_COUNT];              /* which of them are to be completed, */
	char *paths[STORE_COUNT];              /* and of each its artefact */
};

static void cleanup_work(struct work *work)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		store_free(work->stores[i]);
		runtime_free(work->runtimes[i]);
		free(work->paths[i]);
	}
	writers_free(&work->writers);
}

/* What a service shows that was started after its restore had been killed must not pass for its data. */
static enum status refuse_half_restored(const struct work *work, const struct store *store, struct error *error)
{
	bool unfinished = false;
	enum status status = STATUS_OK;
	if (store->data_folder[0] != '\0') {
		status = folder_swap_unfinished(work->request->session->runtime, store->container, store->data_folder,
										&unfinished, error);
	}
	if (status == STATUS_OK && unfinished) {
		(void)error_set(error, STATUS_FAILED, "a restore of %s was killed half way, its data is not in place",
						store->ops->title);
		return error_hint(error, "run the restore again; it first undoes what was left");
	}
	return status;
}

/* What ends the whole run rather than one store of it. */
static bool is_fatal(enum status status)
{
	return status == STATUS_INTERRUPTED || status == STATUS_NO_SPACE;
}

/* A store is done for, or the run. Its artefact, whole or not, is none. */
static enum status give_up(struct work *work, size_t index, const struct error *failure, struct error *error)
{
	const struct store_ops *ops = store_table[index];
	struct store_record *record = &work->record->stores[index];
	struct display *display = work->request->display;
	CLEANUP(cleanup_free) char *path = NULL;
	struct error ignored;
	store_free(MOVE(work->stores[index]));
	record->status = STORE_FAILED;
	text_copy_line(record->reason, sizeof record->reason, failure->message);
	if (files_join(work->request->folder, ops->artefact, &path, &ignored) == STATUS_OK) {
		(void)!files_remove(path, &ignored); /* the whole draft may be discarded anyway */
	}
	if (is_fatal(failure->status)) {
		*error = *failure;
		return error_prefix(error, "%s backup failed", ops->title);
	}
	display_resume(display, ops->name);
	display_end(display, MARK_FAILED, "%s backup failed: %s", ops->title, failure->message);
	display_hint(display, "%s",
				 failure->hint[0] != '\0' ? failure->hint : "./bot.sh status and ./bot.sh logs SERVICE tell more");
	return STATUS_OK;
}

static enum status open_and_prepare(struct work *work, size_t index, struct error *error)
{
	const struct store_ops *ops = store_table[index];
	struct store_record *record = &work->record->stores[index];
	CLEANUP(cleanup_free) char *path = NULL;
	enum status status = files_join(work->request->folder, ops->artefact, &path, error);
	if (status == STATUS_OK) {
		status = runtime_reopen(work->request->session->runtime, &work->runtimes[index], error);
	}
	if (status == STATUS_OK) {
		status = ops->open(work->runtimes[index], record->container, &work->stores[index], error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	struct store *store = work->stores[index];
	snprintf(record->server_version, sizeof record->server_version, "%s", store->version);
	snprintf(record->data_folder, sizeof record->data_folder, "%s", store->data_folder);
	status = refuse_half_restored(work, store, error);
	return status == STATUS_OK ? ops->prepare(store, path, &work->request->display->progress, error) : status;
}

static enum status prepare(struct work *work, size_t index, struct error *error)
{
	const struct session *session = work->request->session;
	struct display *display = work->request->display;
	struct store_record *record = &work->record->stores[index];
	record->container = session->of_store[index];
	record->status = STORE_SKIPPED;
	if (!session->chosen[index]) {
		snprintf(record->reason, sizeof record->reason, "not chosen");
		return STATUS_OK;
	}
	const char *why_not = session_why_not(session, index);
	if (why_not != NULL) {
		snprintf(record->reason, sizeof record->reason, "%s", why_not);
		display_line(display, MARK_WARNING, "%-11s skipped: %s", store_table[index]->name, why_not);
		return STATUS_OK;
	}
	display_begin(display, store_table[index]->name);
	double began = clock_seconds();
	struct error failure;
	enum status status = open_and_prepare(work, index, &failure);
	work->seconds[index] += clock_seconds() - began;
	return status == STATUS_OK ? STATUS_OK : give_up(work, index, &failure, error);
}

/* Until little is left to be copied in the moment, or it does not get less. */
static enum status catch_up(struct work *work, struct error *error)
{
	uint64_t before = UINT64_MAX;
	for (unsigned round = 0; round < CATCH_UP_ROUNDS; round++) {
		uint64_t changed = 0;
		for (size_t i = 0; i < STORE_COUNT; i++) {
			struct store *store = work->stores[i];
			if (store == NULL || store->ops->catch_up == NULL) {
				continue;
			}
			uint64_t bytes = 0;
			struct error failure;
			display_resume(work->request->display, store->ops->name);
			double began = clock_seconds();
			enum status status = store->ops->catch_up(store, &work->request->display->progress, &bytes, &failure);
			work->seconds[i] += clock_seconds() - began;
			if (status != STATUS_OK) {
				status = give_up(work, i, &failure, error);
			}
			if (status != STATUS_OK) {
				return status;
			}
			changed += bytes;
		}
		if (changed <= CATCH_UP_ENOUGH || changed > before / 2) {
			break;
		}
		before = changed;
	}
	return STATUS_OK;
}

/* --- the moment ---------------------------------------------------------------------------------------------------
 */

static enum status participant_ask(void *context, struct error *error)
{
	struct store *store = context;
	return store->ops->ask != NULL ? store->ops->ask(store, error) : STATUS_OK;
}

static enum status participant_answer(void *context, struct error *error)
{
	struct store *store = context;
	return store->ops->answer != NULL ? store->ops->answer(store, error) : STATUS_OK;
}

static enum status participant_before_pause(void *context, struct error *error)
{
	struct store *store = context;
	return store->ops->before_pause != NULL ? store->ops->before_pause(store, error) : STATUS_OK;
}

static enum status participant_at_rest(void *context, bool *ret_at_rest, struct error *error)
{
	struct store *store = context;
	return store->ops->at_rest(store, ret_at_rest, error);
}

static enum status participant_capture(void *context, struct error *error)
{
	struct store *store = context;
	return store->ops->capture(store, error);
}

static void participant_forget(void *context)
{
	struct store *store = context;
	if (store->ops->forget != NULL) {
		store->ops->forget(store);
	}
}

static const struct participant_ops plain = {
	.ask = participant_ask,
	.answer = participant_answer,
	.before_pause = participant_before_pause,
	.capture = participant_capture,
	.forget = participant_forget,
};

static const struct participant_ops restless = {
	.ask = participant_ask,
	.answer = participant_answer,
	.before_pause = participant_before_pause,
	.at_rest = participant_at_rest,
	.capture = participant_capture,
	.forget = participant_forget,
};

static enum status find_writers(struct work *work, struct error *error)
{
	enum status status =
		work->request->pause_writers ? writers_find(work->request->session, &work->writers, error) : STATUS_OK;
	work->record->writers_exempt = work->writers.exempt;
	return status;
}

static enum status take_moment(struct work *work, struct error *error)
{
	struct participant participants[STORE_COUNT];
	size_t of[STORE_COUNT];
	size_t count = 0;
	CLEANUP(cleanup_free) char *journal = NULL;
	const struct session *session = work->request->session;
	enum status status = files_join(session->backup_folder, JOURNAL_NAME, &journal, error);
	for (size_t i = 0; i < STORE_COUNT; i++) {
		struct store *store = work->stores[i];
		if (store != NULL) {
			of[count] = i;
			participants[count++] = (struct participant){.ops = store->ops->at_rest != NULL ? &restless : &plain,
														 .context = store,
														 .title = store->ops->title,
														 .container = store->container,
														 .pauses = store->ops->capture != NULL};
		}
	}
	if (status == STATUS_OK) {
		status = find_writers(work, error);
	}
	const struct moment_request request = {
		.runtime = session->runtime,
		.engine = session->docker_host != NULL ? session->docker_host : "",
		.journal = journal,
		.writers = work->writers.items,
		.writer_count = work->writers.count,
		.longest_seconds = work->request->longest_seconds,
	};
	if (status == STATUS_OK && count > 0) {
		struct moment moment = {0};
		display_resume(work->request->display, "moment");
		status = moment_take(&request, participants, count, &work->request->display->progress, &moment, error);
		work->record->cut = moment.cut;
		work->record->window_milliseconds = moment.window_milliseconds;
		for (size_t i = 0; i < MOMENT_STEPS; i++) {
			work->record->window_steps[i] = (struct window_step){moment_step_names[i], moment.step_milliseconds[i]};
		}
		work->record->tries = moment.tries;
		work->record->writers_paused = work->writers.count;
	}
	for (size_t i = 0; status == STATUS_OK && i < count; i++) {
		struct store_record *record = &work->record->stores[of[i]];
		record->freeze_milliseconds = participants[i].freeze_milliseconds;
		record->retries = participants[i].retries;
		if (participants[i].status != STATUS_OK) {
			status = give_up(work, of[i], &participants[i].error, error);
		}
	}
	return status;
}

/* --- afterwards -----------------------------------------------------------------------------------------------------
 */

static enum status finish_one(void *context, size_t index, struct progress *progress, struct error *error)
{
	struct work *work = context;
	size_t of = work->left[index];
	return create_finish(work->stores[of], work->paths[of], progress, &work->record->stores[of], error);
}

static enum status note_end(void *context, size_t index, const struct crew_end *end, struct error *error)
{
	struct work *work = context;
	size_t of = work->left[index];
	struct display *display = work->request->display;
	const struct store_ops *ops = store_table[of];
	enum status status = STATUS_OK;
	work->seconds[of] += end->seconds;
	display_resume(display, ops->name);
	if (end->status != STATUS_OK) {
		status = give_up(work, of, &end->error, error);
	} else {
		char size[UNITS_SIZE];
		char seconds[UNITS_SIZE];
		work->record->stores[of].status = STORE_OK;
		display_end(display, MARK_DONE, "%s (%s) in %s", ops->artefact,
					units_bytes(work->record->stores[of].size, size), units_seconds(work->seconds[of], seconds));
		store_free(MOVE(work->stores[of]));
	}
	display_resume(display, "saving");
	return status;
}

static enum status finish(struct work *work, struct error *error)
{
	struct crew_plan plan = {.at_once = STORE_COUNT, .context = work, .work = finish_one, .ended = note_end};
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < STORE_COUNT; i++) {
		if (work->stores[i] != NULL) {
			work->left[plan.count++] = i;
			status = files_join(work->request->folder, store_table[i]->artefact, &work->paths[i], error);
		}
	}
	display_resume(work->request->display, "saving");
	return status == STATUS_OK ? crew_run(&plan, &work->request->display->progress, error) : status;
}

enum status create_stores(const struct create_request *request, struct backup_record *record, struct error *error)
{
	CLEANUP(cleanup_work) struct work work = {.request = request, .record = record};
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < STORE_COUNT; i++) {
		status = prepare(&work, i, error);
	}
	if (status == STATUS_OK) {
		status = catch_up(&work, error);
	}
	if (status == STATUS_OK) {
		status = take_moment(&work, error);
	}
	return status == STATUS_OK ? finish(&work, error) : status;
}
