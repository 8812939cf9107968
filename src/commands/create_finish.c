#include "commands/create_finish.h"

#include "base/clock.h"
#include "base/thread.h"
#include "pipeline/file.h"
#include "stores/artefact_read.h"

#include <stdio.h>
#include <string.h>

enum { SHOW_MILLISECONDS = 100 };

struct crew;

struct finisher {
	struct progress progress;
	struct crew *crew;
	struct finishing *item;
	pthread_t thread;
	bool has_thread;
	bool at_work;
};

struct crew {
	struct finisher finishers[STORE_COUNT];
	pthread_mutex_t mutex; /* over the display, `at_work` and what follows */
	pthread_cond_t changed;
	struct display *display;
	uint64_t bytes; /* done since they were shown */
	char step[96];  /* the newest; empty once it is shown */
};

/* --- one store ---------------------------------------------------------------------------------------------------- */

/* Looks whether an artefact is whole, and takes down what it is, unless that is known from writing it. */
static enum status read_back(const struct store_ops *ops, const char *path, struct progress *progress,
							 struct store_record *record, struct error *error)
{
	const struct digest_result *known = &record->saved.digest;
	if (known->sha256[0] != '\0') {
		struct source *file = NULL;
		memcpy(record->sha256, known->sha256, sizeof record->sha256);
		record->size = known->size;
		record->artefact = record->saved.artefact;
		if (record->saved.checked) {
			return STATUS_OK;
		}
		enum status status = file_source_new(path, &file, error);
		return status == STATUS_OK ? ops->check(file, progress, &record->artefact, error) : status;
	}
	struct artefact_reading reading;
	enum status status = artefact_read(ops, path, "", progress, &reading, error);
	if (status == STATUS_OK) {
		record->artefact = reading.artefact;
		record->size = reading.size;
		memcpy(record->sha256, reading.sha256, sizeof record->sha256);
	}
	return status;
}

/* Completes one store, and reads what was written: an artefact that is not whole is a failure now, not at the restore.
 */
static enum status complete_and_check(const struct finishing *item, struct progress *progress, struct error *error)
{
	struct store *store = item->store;
	struct store_record *record = item->record;
	enum status status = store->ops->finish(store, progress, &record->saved, error);
	if (status == STATUS_OK) {
		progress_step(progress, "checking what was written", 0);
		status = read_back(store->ops, item->path, progress, record, error);
	}
	if (status == STATUS_OK && record->artefact.folder[0] != '\0' &&
		strcmp(record->artefact.folder, store->data_folder + 1) != 0) {
		status =
			error_set(error, STATUS_FAILED, "the archive shows its data in /%s, not in %s: it could not be restored",
					  record->artefact.folder, store->data_folder);
	}
	return status;
}

static void finish(struct finishing *item, struct progress *progress)
{
	double began = clock_seconds();
	item->status = complete_and_check(item, progress, &item->error);
	item->seconds = clock_seconds() - began;
}

/* --- a thread ----------------------------------------------------------------------------------------------------- */

static void on_step(struct progress *progress, const char *text, uint64_t total_bytes)
{
	struct crew *crew = ((struct finisher *)progress)->crew;
	(void)total_bytes; /* of one store; what is shown is all of them */
	pthread_mutex_lock(&crew->mutex);
	snprintf(crew->step, sizeof crew->step, "%s", text);
	pthread_mutex_unlock(&crew->mutex);
}

static void on_advance(struct progress *progress, uint64_t bytes)
{
	struct crew *crew = ((struct finisher *)progress)->crew;
	pthread_mutex_lock(&crew->mutex);
	crew->bytes += bytes;
	pthread_mutex_unlock(&crew->mutex);
}

static void on_warn(struct progress *progress, const char *text)
{
	struct crew *crew = ((struct finisher *)progress)->crew;
	pthread_mutex_lock(&crew->mutex);
	progress_warn(&crew->display->progress, "%s", text);
	pthread_mutex_unlock(&crew->mutex);
}

static void *work(void *context)
{
	struct finisher *finisher = context;
	finish(finisher->item, &finisher->progress);
	pthread_mutex_lock(&finisher->crew->mutex);
	finisher->at_work = false;
	pthread_cond_signal(&finisher->crew->changed);
	pthread_mutex_unlock(&finisher->crew->mutex);
	return NULL;
}

/* --- all of them -------------------------------------------------------------------------------------------------- */

static void show(struct crew *crew)
{
	if (crew->step[0] != '\0') {
		progress_step(&crew->display->progress, crew->step, 0);
		crew->step[0] = '\0';
	}
	progress_advance(&crew->display->progress, crew->bytes);
	crew->bytes = 0;
}

/* The index of one that has ended and was not seen to; `count` if there is none yet. With the mutex. */
static size_t next_ended(const struct crew *crew, size_t count)
{
	size_t i = 0;
	while (i < count && !(crew->finishers[i].has_thread && !crew->finishers[i].at_work)) {
		i++;
	}
	return i;
}

static size_t start(struct crew *crew, struct finishing *items, size_t count)
{
	size_t started = 0;
	for (size_t i = 0; i < count; i++) {
		struct finisher *finisher = &crew->finishers[i];
		*finisher = (struct finisher){
			.progress = {.step = on_step, .advance = on_advance, .warn = on_warn}, .crew = crew, .item = &items[i]};
		if (items[i].store != NULL) {
			finisher->at_work = true;
			finisher->has_thread = thread_start(&finisher->thread, work, finisher);
			started += finisher->has_thread;
		}
	}
	return started;
}

static void note(enum status status, const struct error *failure, enum status *ret_status, struct error *error)
{
	if (*ret_status == STATUS_OK && status != STATUS_OK) {
		*ret_status = status;
		*error = *failure;
	}
}

enum status create_finish(struct finishing *items, size_t count, struct display *display,
						  enum status (*ended)(void *context, size_t index, struct error *error), void *context,
						  struct error *error)
{
	struct crew crew = {.display = display};
	struct error failure;
	enum status status = STATUS_OK;
	thread_condition_init(&crew.changed);
	pthread_mutex_init(&crew.mutex, NULL);
	display_resume(display, "saving");

	size_t left = start(&crew, items, count);
	pthread_mutex_lock(&crew.mutex);
	while (left > 0) {
		size_t index = next_ended(&crew, count);
		if (index == count) {
			show(&crew);
			thread_wait(&crew.changed, &crew.mutex, SHOW_MILLISECONDS);
			continue;
		}
		pthread_join(crew.finishers[index].thread, NULL);
		crew.finishers[index].has_thread = false;
		note(ended(context, index, &failure), &failure, &status, error);
		display_resume(display, "saving");
		left--;
	}
	pthread_mutex_unlock(&crew.mutex);
	/* Without a thread, one after the other. */
	for (size_t i = 0; i < count; i++) {
		if (crew.finishers[i].at_work) {
			finish(&items[i], &display->progress);
			note(ended(context, i, &failure), &failure, &status, error);
		}
	}
	pthread_mutex_destroy(&crew.mutex);
	pthread_cond_destroy(&crew.changed);
	return status;
}
