#include "stores/volume_store.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/json_text.h"
#include "base/test_switch.h"
#include "pipeline/file.h"
#include "pipeline/gzip.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum {
	READY_SECONDS = 180,    /* for a server to start on the restored data and to answer */
	UNHEALTHY_SECONDS = 60, /* for a health check that had failed before, perhaps because of the data */
	READY_STEP_MILLISECONDS = 200,
	DU_REPLY_LIMIT = 64 << 10, /* bytes */
};

#define START_HINT "./bot.sh logs %s tells why; if it does not run, ./bot.sh restart starts it again"

enum status volume_store_open_archive(const char *path, struct source **ret_tar, struct error *error)
{
	struct source *file = NULL;
	enum status status = file_source_new(path, &file, error);
	return status == STATUS_OK ? gzip_source_new(file, ret_tar, error) : status;
}

enum status volume_store_size(struct store *store, uint64_t *ret_bytes, struct error *error)
{
	CLEANUP(cleanup_free) char *folder = NULL;
	CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(DU_REPLY_LIMIT);
	enum status status = runtime_host_folder(store->runtime, store->container, store->data_folder, &folder, error);
	if (status != STATUS_OK || folder != NULL) {
		return status == STATUS_OK ? files_disk_usage(folder, ret_bytes, error) : status;
	}
	/* A file that is removed meanwhile makes du fail, but not say nothing. */
	const char *const arguments[] = {"sh", "-c", "du -sk \"$0\" 2>/dev/null || true", store->data_folder, NULL};
	struct exec_request request = {.container = store->container, .arguments = arguments};
	unsigned long long kibibytes = 0;
	status = runtime_run_text(store->runtime, &request, &reply, error);
	if (status == STATUS_OK && sscanf(buffer_text(&reply), "%llu", &kibibytes) != 1) {
		status = error_set(error, STATUS_FAILED, "the size of %s in container %s cannot be told", store->data_folder,
						   store->container->name);
	}
	*ret_bytes = kibibytes * 1024;
	return status;
}

/* What has read other data than is in place must not write it over that when it ends. */
static const char *stop_signal(const struct volume_store *self)
{
	return self->astray ? "KILL" : self->stop_signal;
}

static enum status stop(struct volume_store *self, struct progress *progress, struct error *error)
{
	struct store *store = &self->store;
	progress_step(progress, "stopping", 0);
	self->stopping = true;
	/* A stop that we give up goes on without us, and would end what a rollback starts. */
	interrupt_hold();
	enum status status = runtime_stop(store->runtime, store->container, stop_signal(self), self->stop_seconds, error);
	if (status != STATUS_OK && error->on_the_way) {
		struct error ignored; /* it may have been stopped all the same */
		if (self->before_stop != NULL && !folder_swap_applied(self->swap)) {
			(void)!self->before_stop(self, &ignored);
		}
		status = runtime_stop(store->runtime, store->container, stop_signal(self), self->stop_seconds, error);
	}
	interrupt_release();
	if (status != STATUS_OK) {
		return status;
	}
	self->stopped = true;
	self->stopping = false;
	return test_switch_step("stopped", error);
}

/* A server that ends right after its start, or is started again and again by its restart policy, will never answer. */
static enum status expect_running(struct store *store, struct error *error)
{
	enum container_state state = CONTAINER_RUNNING;
	enum container_health health = HEALTH_NONE;
	enum status status = runtime_inspect(store->runtime, store->container, &state, &health, error);
	if (status != STATUS_OK || state == CONTAINER_RUNNING) {
		return status;
	}
	(void)error_set(error, STATUS_UNAVAILABLE, "%s failed to start after the restore: container %s ends at once",
					store->ops->title, store->container->name);
	return error_hint(error, START_HINT, store->container->service);
}

/* Until the server really answers. */
static enum status wait_until_up(struct store *store, struct error *error)
{
	enum status status = STATUS_OK;
	enum status ready = STATUS_UNAVAILABLE;
	struct error failure = {0};
	for (double began = clock_seconds(); status == STATUS_OK && ready != STATUS_OK;) {
		clock_sleep(READY_STEP_MILLISECONDS);
		ready = store->ops->ready(store, &failure);
		if (ready == STATUS_DAMAGED) { /* waiting does not help */
			*error = failure;
			error->status = STATUS_FAILED;
			(void)error_prefix(error, "%s does not accept the restored data", store->ops->title);
			return error_hint(error, START_HINT, store->container->service);
		}
		if (ready != STATUS_OK) {
			status = expect_running(store, error);
		}
		if (status == STATUS_OK && ready != STATUS_OK && clock_seconds() - began > READY_SECONDS) {
			*error = failure;
			(void)error_prefix(error, "%s is not accessible after the restore (%d seconds)", store->ops->title,
							   READY_SECONDS);
			return error_hint(error, START_HINT, store->container->service);
		}
		status = status == STATUS_OK ? interrupt_check(error) : status;
	}
	return status;
}

/* Its health check is left to volume_store_settle. */
static enum status start(struct volume_store *self, struct progress *progress, struct error *error)
{
	struct store *store = &self->store;
	progress_step(progress, "starting", 0);
	enum status status = runtime_start(store->runtime, store->container, error);
	if (status != STATUS_OK && error->on_the_way) { /* it may have been started all the same, which is no failure */
		status = runtime_start(store->runtime, store->container, error);
	}
	if (status == STATUS_OK) {
		progress_step(progress, "waiting until it answers", 0);
		status = wait_until_up(store, error);
	}
	self->unsettled = status == STATUS_OK;
	self->stopped =
		status != STATUS_OK; /* one that is not known to be up is started again by a rollback that goes on */
	return status;
}

/*
 * A health check that has not passed yet is no failure of one that answers if it had failed before, as one does whose
 * command is not in the image, or if it was not made yet: the first comes an interval after the start.
 */
static bool need_not_pass(const struct volume_store *self, struct progress *progress, unsigned seconds)
{
	const struct store *store = &self->store;
	enum container_state state = CONTAINER_STOPPED;
	enum container_health health = HEALTH_NONE;
	struct error ignored;
	if (runtime_inspect(store->runtime, store->container, &state, &health, &ignored) != STATUS_OK ||
		state != CONTAINER_RUNNING || !(self->unhealthy || health == HEALTH_STARTING)) {
		return false;
	}
	progress_warn(progress, "%s answers, but its health check has not passed in %u seconds%s", store->ops->title,
				  seconds, self->unhealthy ? "; it had failed before the restore too" : "");
	return true;
}

enum status volume_store_settle(struct store *store, struct progress *progress, struct error *error)
{
	struct volume_store *self = (struct volume_store *)store;
	if (!self->unsettled) {
		return STATUS_OK;
	}
	progress_step(progress, "waiting until it is healthy", 0);
	const unsigned seconds = self->unhealthy ? UNHEALTHY_SECONDS : READY_SECONDS;
	enum status status = runtime_wait_healthy(store->runtime, store->container, seconds, error);
	if (status == STATUS_UNAVAILABLE && need_not_pass(self, progress, seconds)) {
		status = STATUS_OK;
	}
	struct error failure;
	if (status == STATUS_OK &&
		store->ops->ready(store, &failure) != STATUS_OK) { /* it has ended since, or it is busy */
		status = wait_until_up(store, error);
	}
	self->unsettled = self->stopped = status != STATUS_OK;
	if (status != STATUS_UNAVAILABLE) {
		return status;
	}
	(void)error_prefix(error, "%s answered after the restore, but it is not well", store->ops->title);
	return error_hint(error, START_HINT, store->container->service);
}

/* STATUS_CONFLICT: somebody else, or the engine, has started the server since `start` was noted. It may have ended
 * again since, and have written what it had read. */
static enum status expect_stopped(const struct volume_store *self, struct error *error)
{
	const struct store *store = &self->store;
	enum container_state state = CONTAINER_STOPPED;
	enum container_health health = HEALTH_NONE;
	char start[RUNTIME_START_SIZE];
	enum status status = runtime_inspect(store->runtime, store->container, &state, &health, error);
	if (status == STATUS_OK) {
		status = runtime_last_start(store->runtime, store->container, start, error);
	}
	if (status != STATUS_OK || (state == CONTAINER_STOPPED && strcmp(start, self->start) == 0)) {
		return status;
	}
	(void)error_set(error, STATUS_CONFLICT, "container %s was started by somebody else while it was to stand still",
					store->container->name);
	return error_hint(error, "run the restore again when nothing else starts the containers");
}

/* The start is noted only after the stop: an engine may start again, until it is told to stop, what we have ended by a
 * signal. Who runs then has not ended since the start that is noted, and is to be at rest when a rollback stops it. */
static enum status expect_stays_stopped(struct volume_store *self, struct error *error)
{
	enum status status = runtime_last_start(self->store.runtime, self->store.container, self->start, error);
	if (status == STATUS_OK) {
		status = expect_stopped(self, error);
	}
	self->stopping = status != STATUS_OK;
	return status;
}

/* The old data is in place again; who was started while it was not is ended, so that it is read from the beginning. */
static enum status end_astray(struct volume_store *self, struct error *error)
{
	enum status status =
		runtime_stop(self->store.runtime, self->store.container, stop_signal(self), self->stop_seconds, error);
	self->astray = self->astray && status != STATUS_OK;
	return status;
}

static enum status heal(struct volume_store *self, struct progress *progress, struct error *error)
{
	bool moved = false;
	enum status status = folder_swap_heal(self->swap, false, &moved, error);
	if (status != STATUS_OK || !moved) {
		return status;
	}
	progress_warn(progress, "a restore of %s that was killed is undone first", self->store.ops->title);
	self->astray = true;
	status = stop(self, progress, error);
	if (status == STATUS_OK) {
		status = folder_swap_heal(self->swap, true, &moved, error);
	}
	if (status == STATUS_OK) {
		status = end_astray(self, error);
	}
	if (status == STATUS_OK) {
		status = start(self, progress, error);
	}
	return status == STATUS_OK ? volume_store_settle(&self->store, progress, error) : status;
}

enum status volume_store_stage(struct volume_store *self, struct source *tar, const char *path_in_archive,
							   struct progress *progress, struct error *error)
{
	CLEANUP(cleanup_source) struct source *owned = tar;
	struct store *store = &self->store;
	folder_swap_free(MOVE(self->swap));
	enum status status =
		folder_swap_new(store->runtime, store->container, store->data_folder, self->names, &self->swap, error);
	if (status == STATUS_OK) {
		status = heal(self, progress, error);
	}
	return status == STATUS_OK ? folder_swap_stage(self->swap, MOVE(owned), path_in_archive, progress, error) : status;
}

enum status volume_store_swap(struct store *store, struct progress *progress, struct error *error)
{
	struct volume_store *self = (struct volume_store *)store;
	enum status status = self->before_stop != NULL ? self->before_stop(self, error) : STATUS_OK;
	if (status == STATUS_OK) {
		status = stop(self, progress, error);
	}
	if (status == STATUS_OK) {
		status = expect_stays_stopped(self, error);
	}
	if (status == STATUS_OK) {
		progress_step(progress, "swapping", 0);
		self->astray = true;
		status = folder_swap_apply(self->swap, error);
	}
	struct error failure;
	if (self->astray && expect_stopped(self, &failure) != STATUS_OK &&
		(status == STATUS_OK || failure.status == STATUS_CONFLICT)) {
		*error = failure; /* says more */
		status = error->status;
	}
	self->astray = self->astray && status != STATUS_OK;
	return status == STATUS_OK ? start(self, progress, error) : status;
}

enum status volume_store_commit(struct store *store, struct progress *progress, struct error *error)
{
	struct volume_store *self = (struct volume_store *)store;
	if (self->swap == NULL) {
		return STATUS_OK;
	}
	if (self->half) {
		return error_set(error, STATUS_FAILED, "%s's old data cannot be removed: the restored data is not in place",
						 store->ops->title);
	}
	progress_step(progress, "removing the old data", 0);
	enum status status = test_switch_step("removing the old data", error);
	if (status == STATUS_OK) {
		status = folder_swap_commit(self->swap, error);
	}
	if (status == STATUS_OK) {
		folder_swap_free(MOVE(self->swap));
	}
	if (status == STATUS_OK && self->stopped) {
		status = start(self, progress, error);
	}
	return status == STATUS_OK ? volume_store_settle(store, progress, error) : status;
}

enum status volume_store_rollback(struct store *store, struct progress *progress, struct error *error)
{
	struct volume_store *self = (struct volume_store *)store;
	enum status status = STATUS_OK;
	if (self->swap != NULL) {
		if (self->stopping && !folder_swap_applied(self->swap) && self->before_stop != NULL) {
			struct error ignored; /* it may be on its way down already */
			(void)!self->before_stop(self, &ignored);
		}
		if (folder_swap_applied(self->swap) || self->stopped || self->stopping) {
			status = stop(self, progress, error);
		}
		if (status == STATUS_OK) {
			self->astray = self->astray || folder_swap_applied(self->swap);
			status = folder_swap_rollback(self->swap, error);
		}
		if (status == STATUS_OK && self->astray) {
			status = end_astray(self, error);
		}
		if (status == STATUS_OK) {
			folder_swap_free(MOVE(self->swap));
		}
	}
	return status == STATUS_OK && self->stopped ? start(self, progress, error) : status;
}

/* --- for who comes after us --------------------------------------------------------------------------------------- */

enum status volume_store_remember(struct store *store, struct buffer *memory, struct error *error)
{
	struct volume_store *self = (struct volume_store *)store;
	enum container_state state = CONTAINER_RUNNING;
	enum container_health health = HEALTH_NONE;
	enum status status = runtime_inspect(store->runtime, store->container, &state, &health, error);
	if (status != STATUS_OK) {
		return status;
	}
	self->unhealthy = health == HEALTH_UNHEALTHY;
	json_t *names = json_array();
	for (size_t i = 0; self->names != NULL && self->names[i] != NULL; i++) {
		(void)json_array_append_new(names, json_string(self->names[i]));
	}
	const struct mount *mount = container_mount_of(store->container, store->data_folder);
	json_t *document = json_pack("{s:s, s:s, s:o, s:b}", "folder", store->data_folder, "source",
								 mount != NULL ? mount->source : "", "names", names, "unhealthy", self->unhealthy);
	CLEANUP(cleanup_free) char *text = json_text_write(document, JSON_COMPACT);
	json_decref(document);
	return text == NULL ? error_memory(error) : buffer_append_text(memory, text, error);
}

static void names_free(char **names)
{
	for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
		free(names[i]);
	}
	free(names);
}

/* `names` has room for all of the list, and a NULL behind them. */
static enum status read_memory(struct volume_store *self, const json_t *document, char **names, struct error *error)
{
	const char *folder = json_string_value(json_object_get(document, "folder"));
	const json_t *list = json_object_get(document, "names");
	bool sound = folder != NULL && folder[0] == '/' && strlen(folder) < sizeof self->store.data_folder;
	for (size_t i = 0; sound && i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));
		sound = name != NULL && strchr(name, '/') == NULL;
		names[i] = sound ? strdup(name) : NULL;
		if (sound && names[i] == NULL) {
			return error_memory(error);
		}
	}
	if (!sound) {
		return error_set(error, STATUS_FAILED, "what is written about the data of %s makes no sense",
						 self->store.ops->title);
	}
	strcpy(self->store.data_folder, folder);
	self->unhealthy = json_is_true(json_object_get(document, "unhealthy")); /* not there: of an earlier version */
	return STATUS_OK;
}

/* A container that was made anew with another volume says nothing of the data that the restore had begun to move. */
static enum status expect_same_volume(const struct volume_store *self, const json_t *document, struct error *error)
{
	const struct mount *mount = container_mount_of(self->store.container, self->store.data_folder);
	const char *source = json_string_value(json_object_get(document, "source"));
	if (source == NULL || strcmp(source, mount != NULL ? mount->source : "") == 0) {
		return STATUS_OK;
	}
	return error_set(error, STATUS_FAILED, "container %s has another volume now; the data of the restore lies in %s",
					 self->store.container->name, source);
}

enum status volume_store_recall(struct volume_store *self, const char *memory, char ***ret_names, struct error *error)
{
	json_t *document = NULL;
	if (json_text_read(memory, 0, &document, error) == STATUS_NO_MEMORY) {
		return error->status;
	}
	char **names = calloc(json_array_size(json_object_get(document, "names")) + 1, sizeof(char *));
	enum status status = names == NULL ? error_memory(error) : STATUS_OK;
	if (status == STATUS_OK) {
		status = read_memory(self, document, names, error);
	}
	if (status == STATUS_OK) {
		status = expect_same_volume(self, document, error);
	}
	json_decref(document);
	if (status == STATUS_OK && ret_names != NULL) {
		*ret_names = MOVE(names);
	}
	names_free(names);
	return status;
}

enum status volume_store_resume(struct volume_store *self, bool swapping, struct error *error)
{
	struct store *store = &self->store;
	enum container_state state = CONTAINER_RUNNING;
	enum container_health health = HEALTH_NONE;
	enum status status =
		folder_swap_new(store->runtime, store->container, store->data_folder, self->names, &self->swap, error);
	if (status == STATUS_OK) {
		status = folder_swap_resume(self->swap, &self->half, error);
	}
	if (status == STATUS_OK) {
		status = runtime_inspect(store->runtime, store->container, &state, &health, error);
	}
	self->stopped = state == CONTAINER_STOPPED;
	self->stopping = swapping && !self->stopped;
	self->astray = self->half;
	return status;
}

void volume_store_close(struct volume_store *self)
{
	folder_swap_free(self->swap);
}

enum status volume_store_stage_archive(struct volume_store *self, const char *path, const char *path_in_archive,
									   struct progress *progress, struct error *error)
{
	struct source *tar = NULL;
	enum status status = volume_store_open_archive(path, &tar, error);
	return status == STATUS_OK ? volume_store_stage(self, tar, path_in_archive, progress, error) : status;
}
