/*
 * ChromaDB: its data folder, copied while the server is paused at a moment of rest; a restore swaps the whole folder.
 */
#include "base/clock.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "snapshot/folder_copy.h"
#include "stores/chromadb/archive.h"
#include "stores/chromadb/counts.h"
#include "stores/chromadb/folder.h"
#include "stores/chromadb/read_all.h"
#include "stores/chromadb/rest.h"
#include "stores/container_http.h"
#include "stores/rehearsal.h"
#include "stores/store_table.h"
#include "stores/volume_store.h"

#include <stdio.h>
#include <string.h>

enum {
	DEFAULT_PORT = 8000,
	REST_SECONDS = 60,
	STOP_SECONDS = 30,        /* SIGINT ends the server in 0.2 s */
	REPLY_LIMIT = 4 << 20,    /* bytes */
	SEGMENTS_LIMIT = 4 << 20, /* bytes of the list of segments' paths */
};

struct chromadb {
	struct volume_store volume;
	unsigned port;
	char *host_folder;      /* the data folder on this machine; NULL if it cannot be reached from here */
	struct buffer segments; /* as of the last look, where it cannot */
	struct chromadb_rest rest;
	struct folder_copy *copy; /* while a backup is made */
	char *path;               /* of the artefact, then */
};

static enum status get(struct chromadb *self, const char *path, int *ret_code, struct buffer *body, struct error *error)
{
	return container_http_get(self->volume.store.runtime, self->volume.store.container, self->port, path, ret_code,
							  body, error);
}

/* The first of these paths that the server knows; Chroma before 1.0 had API v1, and 1.x answers it with 410. */
static enum status get_first(struct chromadb *self, const char *const paths[2], int *ret_code, struct buffer *body,
							 struct error *error)
{
	enum status status = get(self, paths[0], ret_code, body, error);
	if (status == STATUS_OK && (*ret_code == 404 || *ret_code == 410)) {
		buffer_clear(body);
		status = get(self, paths[1], ret_code, body, error);
	}
	return status;
}

/* A heartbeat would say little: the collections are listed, which reads the database. */
static enum status chromadb_ready(struct store *store, struct error *error)
{
	static const char *const paths[] = {"/api/v2/tenants/default_tenant/databases/default_database/collections?limit=1",
										"/api/v1/collections?limit=1"};
	CLEANUP(buffer_free) struct buffer body = BUFFER_INIT(REPLY_LIMIT);
	int code = 0;
	enum status status = get_first((struct chromadb *)store, paths, &code, &body, error);
	if (status == STATUS_NOT_FOUND) {
		return STATUS_OK; /* no way to ask; the container's own health check remains */
	}
	if (status != STATUS_OK || code == 200 || code == 401 || code == 403) {
		return status;
	}
	return error_set(error, STATUS_UNAVAILABLE, "Chroma answers a request for its collections with HTTP %d", code);
}

static enum status chromadb_examine(struct store *store, struct examination *ret_examination, struct error *error)
{
	static const char *const heartbeat[] = {"/api/v2/heartbeat", "/api/v1/heartbeat"};
	static const char *const collections[] = {
		"/api/v2/tenants/default_tenant/databases/default_database/collections_count", "/api/v1/count_collections"};
	struct chromadb *self = (struct chromadb *)store;
	CLEANUP(buffer_free) struct buffer body = BUFFER_INIT(REPLY_LIMIT);
	char *answer = ret_examination->answer;
	size_t size = sizeof ret_examination->answer;
	int code = 0;
	enum status status = get_first(self, heartbeat, &code, &body, error);
	if (status == STATUS_OK && code != 200) {
		status = error_set(error, STATUS_UNAVAILABLE, "Chroma answers a heartbeat with HTTP %d", code);
	}
	if (status == STATUS_OK) {
		buffer_clear(&body);
		status = get_first(self, collections, &code, &body, error);
	}
	if (status == STATUS_OK && (code == 401 || code == 403)) {
		snprintf(answer, size, "answers a heartbeat; its collections need a token");
	} else if (status == STATUS_OK && code == 200) {
		unsigned long number = strtoul(buffer_text(&body), NULL, 10);
		snprintf(answer, size, "answers a heartbeat; %lu collection%s", number, number == 1 ? "" : "s");
		status = chromadb_ready(store, error); /* lists them */
	} else if (status == STATUS_OK) {
		status =
			error_set(error, STATUS_UNAVAILABLE, "Chroma answers a request for its collections with HTTP %d", code);
	}
	ret_examination->port = self->port;
	return status;
}

static enum status chromadb_count(struct store *store, const struct fingerprint *places,
								  struct fingerprint *ret_fingerprint, struct error *error)
{
	return chromadb_counts_now(store->runtime, store->container, ((struct chromadb *)store)->port, places,
							   ret_fingerprint, error);
}

/* Best effort: the backup is as good without it. */
static void learn_version(struct chromadb *self)
{
	static const char *const paths[] = {"/api/v2/version", "/api/v1/version"};
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		CLEANUP(buffer_free) struct buffer body = BUFFER_INIT(REPLY_LIMIT);
		struct error ignored;
		int code = 0;
		if (get(self, paths[i], &code, &body, &ignored) == STATUS_OK && code == 200) {
			const char *text = buffer_text(&body);
			text += strspn(text, "\" \r\n");
			snprintf(self->volume.store.version, sizeof self->volume.store.version, "%.*s",
					 (int)strcspn(text, "\"\r\n"), text);
			text_make_line(self->volume.store.version);
			return;
		}
	}
}

static enum status list_segments(struct store *store, struct error *error)
{
	struct chromadb *self = (struct chromadb *)store;
	if (self->host_folder != NULL) {
		return STATUS_OK;
	}
	return chromadb_rest_list(self->volume.store.runtime, self->volume.store.container, self->volume.store.data_folder,
							  &self->segments, error);
}

static enum status chromadb_at_rest(struct store *store, bool *ret_at_rest, struct error *error)
{
	struct chromadb *self = (struct chromadb *)store;
	if (self->host_folder != NULL) {
		return chromadb_rest_in_folder(&self->rest, self->host_folder, ret_at_rest, error);
	}
	return chromadb_rest_in_container(&self->rest, self->volume.store.runtime, self->volume.store.container,
									  &self->segments, ret_at_rest, error);
}

/*
 * A stop in the middle of a rewrite would break the index that a rollback needs. The server is at rest for most of the
 * time and ends within moments of its signal, so a rest that was just seen is used at once.
 */
static enum status wait_for_rest(struct volume_store *volume, struct error *error)
{
	for (double began = clock_seconds(); clock_seconds() - began < REST_SECONDS;) {
		bool rest = false;
		enum status status = interrupt_check(error);
		if (status == STATUS_OK) {
			status = list_segments(&volume->store, error);
		}
		if (status == STATUS_OK) {
			status = chromadb_at_rest(&volume->store, &rest, error);
		}
		if (status != STATUS_OK || rest) {
			return status;
		}
		clock_sleep(1);
	}
	return error_set(error, STATUS_FAILED, "Chroma was never at rest in %d seconds", REST_SECONDS);
}

static void chromadb_free(struct store *store)
{
	struct chromadb *self = (struct chromadb *)store;
	volume_store_close(&self->volume);
	folder_copy_free(self->copy);
	buffer_free(&self->segments);
	buffer_free(&self->rest.young);
	free(self->host_folder);
	free(self->path);
	free(self);
}

static struct chromadb *make(struct runtime *runtime, const struct container *container)
{
	struct chromadb *self = calloc(1, sizeof *self);
	if (self == NULL) {
		return NULL;
	}
	self->volume.store = (struct store){.ops = &store_chromadb, .runtime = runtime, .container = container};
	self->volume.stop_signal = "INT"; /* SIGTERM hangs the server until it is killed */
	self->volume.stop_seconds = STOP_SECONDS;
	self->volume.before_stop = wait_for_rest;
	self->segments = (struct buffer)BUFFER_INIT(SEGMENTS_LIMIT);
	self->rest = (struct chromadb_rest)CHROMADB_REST_INIT;
	self->port = DEFAULT_PORT;
	const char *port = chromadb_argument(container, "--port");
	if (port == NULL) {
		port = container_environment(container, "CHROMA_PORT");
	}
	if (port != NULL) {
		self->port = (unsigned)atoi(port);
	}
	return self;
}

static enum status chromadb_resume(struct runtime *runtime, const struct container *container, const char *memory,
								   bool swapping, struct store **ret_store, struct error *error)
{
	struct chromadb *self = make(runtime, container);
	if (self == NULL) {
		return error_memory(error);
	}
	enum status status = volume_store_recall(&self->volume, memory, NULL, error);
	if (status == STATUS_OK) {
		status = volume_store_resume(&self->volume, swapping, error);
	}
	if (status != STATUS_OK) {
		chromadb_free(&self->volume.store);
		return status;
	}
	*ret_store = &self->volume.store;
	return STATUS_OK;
}

static enum status chromadb_open(struct runtime *runtime, const struct container *container, struct store **ret_store,
								 struct error *error)
{
	struct chromadb *self = make(runtime, container);
	if (self == NULL) {
		return error_memory(error);
	}
	struct store *store = &self->volume.store;
	enum status status = chromadb_folder_find(runtime, container, self->port, store->data_folder, error);
	if (status == STATUS_OK) {
		status = runtime_host_folder(runtime, container, store->data_folder, &self->host_folder, error);
	}
	if (status != STATUS_OK) {
		chromadb_free(store);
		return status;
	}
	learn_version(self);
	*ret_store = store;
	return STATUS_OK;
}

static enum status chromadb_prepare(struct store *store, const char *path, struct progress *progress,
									struct error *error)
{
	struct chromadb *self = (struct chromadb *)store;
	uint64_t bytes = 0;
	free(self->path);
	self->path = strdup(path);
	enum status status = self->path == NULL ? error_memory(error)
											: folder_copy_new(store->runtime, store->container, store->data_folder,
															  path, &self->copy, error);
	return status == STATUS_OK ? folder_copy_catch_up(self->copy, progress, &bytes, error) : status;
}

static enum status chromadb_catch_up(struct store *store, struct progress *progress, uint64_t *ret_bytes,
									 struct error *error)
{
	return folder_copy_catch_up(((struct chromadb *)store)->copy, progress, ret_bytes, error);
}

static enum status chromadb_capture(struct store *store, struct error *error)
{
	return folder_copy_capture(((struct chromadb *)store)->copy, error);
}

/* In the archive itself, beside which there is room for its database. */
static enum status check_and_count(struct chromadb *self, struct progress *progress, struct artefact *ret_artefact,
								   struct fingerprint *fingerprint, struct error *error)
{
	CLEANUP(cleanup_free) char *folder = NULL;
	if (asprintf(&folder, "%s.database", self->path) < 0) {
		folder = NULL;
		return error_memory(error);
	}
	return chromadb_archive_count(self->path, self->volume.store.data_folder + 1, folder, progress, ret_artefact,
								  fingerprint, error);
}

static enum status chromadb_finish(struct store *store, struct progress *progress, struct saved *ret_saved,
								   struct error *error)
{
	struct chromadb *self = (struct chromadb *)store;
	struct folder_copy_result copied;
	struct artefact artefact = {0};
	CLEANUP(fingerprint_free) struct fingerprint fingerprint = {0};
	enum status status = folder_copy_finish(self->copy, progress, &copied, error);
	folder_copy_free(MOVE(self->copy)); /* what it knows of each file takes memory */
	if (status == STATUS_OK) {
		progress_step(progress, "checking and counting", 0);
		status = check_and_count(self, progress, &artefact, &fingerprint, error);
	}
	if (status == STATUS_OK) {
		*ret_saved = (struct saved){.window_bytes = copied.window_bytes,
									.fingerprint = fingerprint_take(&fingerprint),
									.digest = copied.digest,
									.artefact = artefact,
									.checked = true};
		snprintf(ret_saved->method, sizeof ret_saved->method, "paused at rest, read %s",
				 copied.direct ? "from the volume" : "through the engine");
	}
	return status;
}

static enum status chromadb_check(struct source *file, struct progress *progress, struct artefact *ret_artefact,
								  struct error *error)
{
	return chromadb_archive_check(file, NULL, progress, ret_artefact, error);
}

/* The database itself: SQLite's own check, and its records counted. */
static enum status chromadb_look_inside(const char *path, const struct artefact *artefact, const char *scratch,
										struct fingerprint *ret_holds, struct error *error)
{
	CLEANUP(fingerprint_free) struct fingerprint holds = {0};
	struct artefact again;
	enum status status = chromadb_archive_count(path, artefact->folder, scratch, NULL, &again, &holds, error);
	if (status == STATUS_OK) {
		*ret_holds = fingerprint_take(&holds);
	}
	return status;
}

static enum status chromadb_stage(struct store *store, const char *path, const struct artefact *artefact,
								  struct progress *progress, struct error *error)
{
	return volume_store_stage_archive((struct volume_store *)store, path, artefact->folder, progress, error);
}

static enum status chromadb_read(struct store *store, const struct fingerprint *places, struct progress *progress,
								 struct error *error)
{
	return chromadb_read_all(store->runtime, store->container, ((struct chromadb *)store)->port, places, progress,
							 error);
}

/* The folders of the images of 1.x and before; the one of the two that the server does not use stays empty. */
static const struct rehearsal_needs rehearsal = {
	.port = DEFAULT_PORT,
	.environment = (const char *const[]){"ANONYMIZED_TELEMETRY=FALSE", NULL},
	.volumes = (const char *const[]){"/data", "/chroma/chroma", NULL},
};

static const char *const legacy_artefacts[] = {"manual_chromadb_backup.tar.gz", NULL};

const struct store_ops store_chromadb = {
	.name = "chromadb",
	.title = "ChromaDB",
	.service = "chromadb",
	.artefact = "chromadb_backup.tar.gz",
	.legacy_artefacts = legacy_artefacts,
	.open = chromadb_open,
	.ready = chromadb_ready,
	.examine = chromadb_examine,
	.count = chromadb_count,
	.read_all = chromadb_read,
	.rehearsal = &rehearsal,
	.size = volume_store_size,
	.prepare = chromadb_prepare,
	.catch_up = chromadb_catch_up,
	.before_pause = list_segments,
	.at_rest = chromadb_at_rest,
	.capture = chromadb_capture,
	.finish = chromadb_finish,
	.check = chromadb_check,
	.look_inside = chromadb_look_inside,
	.stage = chromadb_stage,
	.swap = volume_store_swap,
	.settle = volume_store_settle,
	.commit = volume_store_commit,
	.rollback = volume_store_rollback,
	.remember = volume_store_remember,
	.resume = chromadb_resume,
	.free = chromadb_free,
};
