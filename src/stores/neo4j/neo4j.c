/*
 * Neo4j: its data folder, copied while the server is paused; a restore swaps the whole folder.
 *
 * A paused server is what a power cut would leave, and the transaction logs recover from that when it starts.
 */
#include "base/text.h"
#include "pipeline/gzip.h"
#include "pipeline/tar.h"
#include "snapshot/folder_copy.h"
#include "stores/container_http.h"
#include "stores/neo4j/counts.h"
#include "stores/neo4j/folders.h"
#include "stores/neo4j/server.h"
#include "stores/rehearsal.h"
#include "stores/store_table.h"
#include "stores/volume_store.h"

#include <stdio.h>
#include <string.h>

enum {
	HTTP_PORT = 7474,
	STOP_SECONDS = 120,
	REPLY_LIMIT = 256 << 10, /* bytes */
};

struct neo4j {
	struct volume_store volume;
	struct folder_copy *copy;    /* while a backup is made */
	struct neo4j_counts *counts; /* the same; NULL if the server does not let itself be counted */
	bool counts_failed;          /* in the moment */
	bool refused;                /* the password, when it was asked before: three times, and Neo4j locks the name out */
};

static enum status neo4j_count(struct store *store, const struct fingerprint *places,
							   struct fingerprint *ret_fingerprint, struct error *error)
{
	(void)places;
	struct neo4j_counts *counts = NULL;
	*ret_fingerprint = (struct fingerprint){0};
	bool refused = false;
	enum status status = neo4j_counts_open(store, &counts, &refused, error);
	if (status == STATUS_OK) {
		status = neo4j_counts_ask(counts, error);
	}
	if (status == STATUS_OK) {
		status = neo4j_counts_answer(counts, error);
	}
	if (status == STATUS_OK) {
		*ret_fingerprint = neo4j_counts_take(counts);
	} else if (refused) {
		status = STATUS_OK;
	} else if (status != STATUS_INTERRUPTED) {
		/* HTTP may be switched off. */
		CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(REPLY_LIMIT);
		struct error ignored;
		(void)!neo4j_server_ask(store, "RETURN 1", &refused, &reply, &ignored);
		status = refused ? STATUS_OK : error_prefix(error, "Neo4j cannot be counted");
	}
	((struct neo4j *)store)->refused = refused;
	neo4j_counts_free(counts);
	return status;
}

/* The HTTP port's discovery document names the version (Neo4j HTTP API, "Discovery"). Best effort. */
static void learn_version(struct store *store)
{
	static const char field[] = "\"neo4j_version\"";
	CLEANUP(buffer_free) struct buffer body = BUFFER_INIT(REPLY_LIMIT);
	struct error ignored;
	int code = 0;
	if (container_http_get(store->runtime, store->container, HTTP_PORT, "/", &code, &body, &ignored) != STATUS_OK ||
		code != 200) {
		return;
	}
	const char *text = strstr(buffer_text(&body), field);
	if (text != NULL) {
		text += strlen(field);
		text += strspn(text, " :\"");
		snprintf(store->version, sizeof store->version, "%.*s", (int)strcspn(text, "\""), text);
		text_make_line(store->version);
	}
}

static void neo4j_free(struct store *store)
{
	struct neo4j *self = (struct neo4j *)store;
	folder_copy_free(self->copy);
	neo4j_counts_free(self->counts);
	volume_store_close(&self->volume);
	free(self);
}

static struct neo4j *make(struct runtime *runtime, const struct container *container)
{
	struct neo4j *self = calloc(1, sizeof *self);
	if (self != NULL) {
		self->volume.store = (struct store){.ops = &store_neo4j, .runtime = runtime, .container = container};
		self->volume.stop_seconds = STOP_SECONDS;
	}
	return self;
}

static enum status neo4j_resume(struct runtime *runtime, const struct container *container, const char *memory,
								bool swapping, struct store **ret_store, struct error *error)
{
	struct neo4j *self = make(runtime, container);
	if (self == NULL) {
		return error_memory(error);
	}
	enum status status = volume_store_recall(&self->volume, memory, NULL, error);
	if (status == STATUS_OK) {
		status = volume_store_resume(&self->volume, swapping, error);
	}
	if (status != STATUS_OK) {
		neo4j_free(&self->volume.store);
		return status;
	}
	*ret_store = &self->volume.store;
	return STATUS_OK;
}

static enum status neo4j_open(struct runtime *runtime, const struct container *container, struct store **ret_store,
							  struct error *error)
{
	struct neo4j *self = make(runtime, container);
	if (self == NULL) {
		return error_memory(error);
	}
	struct store *store = &self->volume.store;
	const char *folder = container_environment(container, "NEO4J_server_directories_data");
	snprintf(store->data_folder, sizeof store->data_folder, "%s",
			 folder != NULL && folder[0] == '/' ? folder : "/data");
	char databases[sizeof store->data_folder + sizeof "/databases"];
	snprintf(databases, sizeof databases, "%s/databases", store->data_folder);
	struct path_stat attributes;
	enum status status = runtime_archive_stat(runtime, container, databases, &attributes, error);
	if (status == STATUS_NOT_FOUND) {
		status = error_set(error, STATUS_UNAVAILABLE, "no Neo4j databases in %s of container %s (yet)",
						   store->data_folder, container->name);
		(void)error_hint(error, "wait until it is healthy (./bot.sh status), then try again");
	}
	if (status != STATUS_OK) {
		neo4j_free(store);
		return status;
	}
	learn_version(store);
	*ret_store = store;
	return STATUS_OK;
}

/* A backup is as good without its counts. */
static enum status give_up_counts(struct neo4j *self, enum status status, struct progress *progress,
								  const struct error *error)
{
	if (status == STATUS_OK || status == STATUS_INTERRUPTED) {
		return status;
	}
	progress_warn(progress, "Neo4j's nodes and relationships are not counted: %s", error->message);
	neo4j_counts_free(MOVE(self->counts));
	return STATUS_OK;
}

static enum status prepare_counts(struct neo4j *self, struct progress *progress, struct error *error)
{
	progress_step(progress, "counting", 0);
	bool refused = false;
	enum status status = neo4j_counts_open(&self->volume.store, &self->counts, &refused, error);
	return give_up_counts(self, status, progress, error);
}

static enum status neo4j_prepare(struct store *store, const char *path, struct progress *progress, struct error *error)
{
	struct neo4j *self = (struct neo4j *)store;
	uint64_t bytes = 0;
	enum status status = prepare_counts(self, progress, error);
	if (status == STATUS_OK && self->counts != NULL) { /* one that refuses the password is not asked again */
		status = neo4j_folders_check(store, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	status = folder_copy_new(store->runtime, store->container, store->data_folder, path, &self->copy, error);
	return status == STATUS_OK ? folder_copy_catch_up(self->copy, progress, &bytes, error) : status;
}

/* Labels may have come up since the copying began, which takes as long as there is much. */
static enum status neo4j_catch_up(struct store *store, struct progress *progress, uint64_t *ret_bytes,
								  struct error *error)
{
	struct neo4j *self = (struct neo4j *)store;
	enum status status = folder_copy_catch_up(self->copy, progress, ret_bytes, error);
	if (status == STATUS_OK && self->counts != NULL) {
		status = give_up_counts(self, neo4j_counts_renew(self->counts, error), progress, error);
	}
	return status;
}

/* Counts that do not come in time are done without. */
static enum status do_without_counts(struct neo4j *self, enum status status)
{
	if (status == STATUS_OK || status == STATUS_INTERRUPTED) {
		return status;
	}
	self->counts_failed = true; /* freed later: nothing stands still then */
	return STATUS_OK;
}

static bool has_counts(const struct neo4j *self)
{
	return self->counts != NULL && !self->counts_failed;
}

static enum status neo4j_ask(struct store *store, struct error *error)
{
	struct neo4j *self = (struct neo4j *)store;
	return has_counts(self) ? do_without_counts(self, neo4j_counts_ask(self->counts, error)) : STATUS_OK;
}

static enum status neo4j_answer(struct store *store, struct error *error)
{
	struct neo4j *self = (struct neo4j *)store;
	return has_counts(self) ? do_without_counts(self, neo4j_counts_answer(self->counts, error)) : STATUS_OK;
}

static void neo4j_forget(struct store *store)
{
	struct neo4j *self = (struct neo4j *)store;
	if (has_counts(self)) {
		neo4j_counts_forget(self->counts);
	}
}

static enum status neo4j_capture(struct store *store, struct error *error)
{
	return folder_copy_capture(((struct neo4j *)store)->copy, error);
}

static enum status neo4j_finish(struct store *store, struct progress *progress, struct saved *ret_saved,
								struct error *error)
{
	struct neo4j *self = (struct neo4j *)store;
	struct folder_copy_result copied;
	CLEANUP(fingerprint_free) struct fingerprint fingerprint = {0};
	if (has_counts(self)) {
		fingerprint = neo4j_counts_take(self->counts);
	}
	enum status status = folder_copy_finish(self->copy, progress, &copied, error);
	folder_copy_free(MOVE(self->copy)); /* what it knows of each file takes memory */
	if (status == STATUS_OK) {
		*ret_saved = (struct saved){.window_bytes = copied.window_bytes,
									.fingerprint = fingerprint_take(&fingerprint),
									.digest = copied.digest};
		snprintf(ret_saved->method, sizeof ret_saved->method, "paused, read %s",
				 copied.direct ? "from the volume" : "through the engine");
	}
	return status;
}

/* Every database needs its store, and its transaction logs to recover from having been copied as it ran. */
struct seen {
	bool databases;
	bool transactions;
};

static enum status note_entry(const struct tar_entry *entry, struct seen *seen, struct artefact *artefact,
							  struct error *error)
{
	/* Every server has the database "system", and no other folder is called like that. */
	const char *store_file = strstr(entry->path, "/databases/system/");
	seen->transactions =
		seen->transactions || (strstr(entry->path, "/transactions/") != NULL && entry->is_file && entry->size > 0);
	if (store_file == NULL || !entry->is_file) {
		return STATUS_OK;
	}
	seen->databases = true;
	size_t length = (size_t)(store_file - entry->path);
	if (artefact->folder[0] == '\0') {
		if (length >= sizeof artefact->folder) {
			return error_set(error, STATUS_DAMAGED, "the data folder's path in it is too long");
		}
		memcpy(artefact->folder, entry->path, length);
		artefact->folder[length] = '\0';
	}
	return STATUS_OK;
}

static enum status neo4j_check(struct source *file, struct progress *progress, struct artefact *ret_artefact,
							   struct error *error)
{
	CLEANUP(cleanup_source) struct source *owned = file;
	struct artefact artefact = {0};
	struct seen seen = {0};
	CLEANUP(cleanup_source) struct source *tar = NULL;
	CLEANUP(cleanup_tar_reader) struct tar_reader *reader = NULL;
	enum status status = gzip_source_new(MOVE(owned), &tar, error);
	if (status == STATUS_OK) {
		status = tar_reader_new(tar, &reader, error);
	}
	while (status == STATUS_OK) {
		struct tar_entry entry;
		bool ended = false;
		status = tar_reader_next(reader, &entry, &ended, error);
		if (status != STATUS_OK || ended) {
			break;
		}
		artefact.entries++;
		status = tar_refuse_device(&entry, error);
		if (entry.is_file) {
			artefact.raw_bytes += entry.stored;
			progress_advance(progress, entry.stored);
		}
		if (status == STATUS_OK) {
			status = note_entry(&entry, &seen, &artefact, error);
		}
	}
	if (status == STATUS_OK && (!seen.databases || !seen.transactions)) {
		return error_set(error, STATUS_DAMAGED, "it holds no Neo4j %s",
						 seen.databases ? "transaction logs" : "databases");
	}
	if (status == STATUS_OK) {
		*ret_artefact = artefact;
	}
	return status;
}

static enum status neo4j_stage(struct store *store, const char *path, const struct artefact *artefact,
							   struct progress *progress, struct error *error)
{
	const bool refused = ((struct neo4j *)store)->refused;
	enum status status = refused ? STATUS_OK : neo4j_folders_check(store, error);
	return status == STATUS_OK
			   ? volume_store_stage_archive((struct volume_store *)store, path, artefact->folder, progress, error)
			   : status;
}

/* Whether a property is there is known without reading it; whether it is null is not. */
static enum status neo4j_read_all(struct store *store, const struct fingerprint *places, struct progress *progress,
								  struct error *error)
{
	static const char query[] = "MATCH (n) UNWIND keys(n) AS k RETURN count(n[k]); "
								"MATCH ()-[r]->() UNWIND keys(r) AS k RETURN count(r[k]);";
	CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(REPLY_LIMIT);
	bool refused = false;
	(void)places;
	(void)progress;
	return neo4j_server_ask(store, query, &refused, &reply, error);
}

/* The password is part of the data, and nobody but us can reach the container: so none is asked for. */
static const struct rehearsal_needs rehearsal = {
	.port = NEO4J_BOLT_PORT,
	.environment = (const char *const[]){"NEO4J_AUTH=none", NULL},
	.inherited =
		(const char *const[]){"NEO4J_server_memory_", "NEO4J_dbms_memory_",
							  "NEO4J_initial_dbms_default__database=", "NEO4J_ACCEPT_LICENSE_AGREEMENT=", NULL},
	.volumes = (const char *const[]){"/data", NULL},
};

static const char *const legacy_artefacts[] = {"manual_neo4j_backup.tar.gz", NULL};

const struct store_ops store_neo4j = {
	.name = "neo4j",
	.title = "Neo4j",
	.service = "neo4j",
	.artefact = "neo4j_backup.tar.gz",
	.legacy_artefacts = legacy_artefacts,
	.open = neo4j_open,
	.ready = neo4j_server_ready,
	.examine = neo4j_server_examine,
	.count = neo4j_count,
	.read_all = neo4j_read_all,
	.rehearsal = &rehearsal,
	.size = volume_store_size,
	.prepare = neo4j_prepare,
	.catch_up = neo4j_catch_up,
	.ask = neo4j_ask,
	.answer = neo4j_answer,
	.capture = neo4j_capture,
	.forget = neo4j_forget,
	.finish = neo4j_finish,
	.check = neo4j_check,
	.stage = neo4j_stage,
	.swap = volume_store_swap,
	.settle = volume_store_settle,
	.commit = volume_store_commit,
	.rollback = volume_store_rollback,
	.remember = volume_store_remember,
	.resume = neo4j_resume,
	.free = neo4j_free,
};
