/*
 * Redis: BGSAVE, waited for, and the RDB file it wrote; a restore puts that file where this server will load it from.
 */
#include "pipeline/tar.h"
#include "stores/redis/moment.h"
#include "stores/redis/rdb.h"
#include "stores/redis/server.h"
#include "stores/rehearsal.h"
#include "stores/store_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	STOP_SECONDS = 120, /* a stop may write the whole data */
};

static void redis_free(struct store *store)
{
	struct redis *self = (struct redis *)store;
	volume_store_close(&self->volume);
	free(self->password);
	redis_moment_free(self->moment);
	free(self);
}

static struct redis *make(struct runtime *runtime, const struct container *container)
{
	struct redis *self = calloc(1, sizeof *self);
	if (self != NULL) {
		self->volume.store = (struct store){.ops = &store_redis, .runtime = runtime, .container = container};
		self->volume.stop_seconds = STOP_SECONDS;
		self->volume.names = self->names;
	}
	return self;
}

static enum status redis_open(struct runtime *runtime, const struct container *container, struct store **ret_store,
							  struct error *error)
{
	struct redis *self = make(runtime, container);
	if (self == NULL) {
		return error_memory(error);
	}
	enum status status = redis_learn(self, error);
	if (status != STATUS_OK) {
		redis_free(&self->volume.store);
		return status;
	}
	*ret_store = &self->volume.store;
	return STATUS_OK;
}

/* The names are those of redis_learn, in its order. */
static enum status recall(struct redis *self, const char *memory, struct error *error)
{
	char *const places[] = {self->dump_name, self->append_name, self->append_folder};
	char **names = NULL;
	enum status status = volume_store_recall(&self->volume, memory, &names, error);
	for (size_t i = 0; status == STATUS_OK && i < sizeof places / sizeof *places && names[i] != NULL; i++) {
		snprintf(places[i], REDIS_NAME_SIZE, "%s", names[i]);
		self->names[i] = places[i];
	}
	for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
		free(names[i]);
	}
	free(names);
	if (status == STATUS_OK && self->names[0] == NULL) {
		/* Without names everything in the folder would be taken for the data. */
		status = error_set(error, STATUS_FAILED, "what is written about the data of Redis makes no sense");
	}
	return status;
}

static enum status redis_resume(struct runtime *runtime, const struct container *container, const char *memory,
								bool swapping, struct store **ret_store, struct error *error)
{
	struct redis *self = make(runtime, container);
	if (self == NULL) {
		return error_memory(error);
	}
	enum status status = recall(self, memory, error);
	if (status == STATUS_OK) {
		status = redis_find_port(self, error);
	}
	if (status == STATUS_OK) {
		status = volume_store_resume(&self->volume, swapping, error);
	}
	if (status != STATUS_OK) {
		redis_free(&self->volume.store);
		return status;
	}
	*ret_store = &self->volume.store;
	return STATUS_OK;
}

/* --- restore ---------------------------------------------------------------------------------------------------------
 */

/*
 * A server with an append-only file ignores dump.rdb, and starts empty if the file is missing. So the dump becomes that
 * file: since Redis 7 the base file of a folder with a manifest (redis 7.0, src/aof.c, "Naming of BASE/INCR/MANIFEST"),
 * before that the one file, whose beginning may be an RDB (redis.conf, aof-use-rdb-preamble).
 *
 * What the running server is configured to do need not be what it is started with, so both forms are there. Since Redis
 * 7 neither is ever written in place, and the second costs nothing: it is a link to the first.
 */
static enum status redis_stage(struct store *store, const char *path, const struct artefact *artefact,
							   struct progress *progress, struct error *error)
{
	(void)artefact;
	struct redis *self = (struct redis *)store;
	char dump[2 * REDIS_NAME_SIZE];
	char folder[2 * REDIS_NAME_SIZE];
	char base[3 * REDIS_NAME_SIZE];
	char manifest[3 * REDIS_NAME_SIZE];
	char manifest_text[2 * REDIS_NAME_SIZE];
	snprintf(dump, sizeof dump, "new/%s", self->dump_name);
	struct tar_part parts[5] = {
		{.path = "new", .mode = S_IFDIR | 0700},
		{.path = dump, .mode = S_IFREG | 0600, .file = path},
	};
	size_t count = 2;
	if (self->append_folder[0] != '\0') {
		snprintf(folder, sizeof folder, "new/%s", self->append_folder);
		snprintf(base, sizeof base, "%s/%s.1.base.rdb", folder, self->append_name);
		snprintf(manifest, sizeof manifest, "%s/%s.manifest", folder, self->append_name);
		snprintf(manifest_text, sizeof manifest_text, "file %s.1.base.rdb seq 1 type b\n", self->append_name);
		parts[count++] = (struct tar_part){.path = folder, .mode = S_IFDIR | 0700};
		parts[count++] = (struct tar_part){.path = base, .mode = S_IFREG | 0600, .link = dump};
		parts[count++] = (struct tar_part){.path = manifest, .mode = S_IFREG | 0600, .text = manifest_text};
	} else {
		snprintf(base, sizeof base, "new/%s", self->append_name);
		parts[count++] = (struct tar_part){.path = base, .mode = S_IFREG | 0600, .file = path};
	}
	for (size_t i = 0; i < count; i++) {
		parts[i].user = self->user;
		parts[i].group = self->group;
	}
	struct source *tar = NULL;
	enum status status = tar_compose_source_new(parts, count, &tar, error);
	return status == STATUS_OK ? volume_store_stage(&self->volume, tar, "new", progress, error) : status;
}

/* The server looks into every value when it loads the dump, not only at its length (since Redis 6.2). */
static const struct rehearsal_needs rehearsal = {
	.port = 6379,
	.command = (const char *const[]){"redis-server", "--sanitize-dump-payload", "yes", NULL},
	.volumes = (const char *const[]){"/data", NULL},
};

static const char *const legacy_artefacts[] = {"manual_redis_backup.rdb", NULL};

const struct store_ops store_redis = {
	.name = "redis",
	.title = "Redis",
	.service = "redis",
	.artefact = "redis_backup.rdb",
	.legacy_artefacts = legacy_artefacts,
	.open = redis_open,
	.ready = redis_ready,
	.examine = redis_examine,
	.count = redis_count,
	.read_all = redis_read_all,
	.rehearsal = &rehearsal,
	.size = redis_size,
	.prepare = redis_prepare,
	.ask = redis_ask,
	.answer = redis_answer,
	.forget = redis_forget,
	.finish = redis_finish,
	.check = rdb_check,
	.unsummed = true, /* its CRC can be switched off (rdbchecksum) */
	.keeps = redis_keeps,
	.stage = redis_stage,
	.swap = volume_store_swap,
	.settle = volume_store_settle,
	.commit = volume_store_commit,
	.rollback = volume_store_rollback,
	.remember = volume_store_remember,
	.resume = redis_resume,
	.free = redis_free,
};
