/*
 * Redis: BGSAVE, waited for, and the RDB file it wrote; a restore puts that file where this server will load it from.
 */
#include "base/clock.h"
#include "base/interrupt.h"
#include "pipeline/file.h"
#include "pipeline/tar.h"
#include "stores/redis/rdb.h"
#include "stores/redis/server.h"
#include "stores/store_table.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
	SAVE_SECONDS = 3600, /* for a BGSAVE to end */
	SAVE_STEP_MILLISECONDS = 50,
	STOP_SECONDS = 120, /* a stop may write the whole data */
};

static void redis_free(struct store *store)
{
	struct redis *self = (struct redis *)store;
	volume_store_close(&self->volume);
	free(self->password);
	free(self->path);
	free(self);
}

static enum status redis_open(struct runtime *runtime, const struct container *container, struct store **ret_store,
							  struct error *error)
{
	struct redis *self = calloc(1, sizeof *self);
	if (self == NULL) {
		return error_memory(error);
	}
	self->volume.store = (struct store){.ops = &store_redis, .runtime = runtime, .container = container};
	self->volume.stop_seconds = STOP_SECONDS;
	self->volume.names = self->names;
	enum status status = redis_learn(self, error);
	if (status != STATUS_OK) {
		redis_free(&self->volume.store);
		return status;
	}
	*ret_store = &self->volume.store;
	return STATUS_OK;
}

/* --- backup ----------------------------------------------------------------------------------------------------------
 */

struct persistence {
	bool saving;    /* a save is under way */
	bool rewriting; /* the append-only file is being rewritten, which keeps a save from starting */
	bool failed;
	long long saves;     /* counts those that have begun; -1 where the server is too old to tell */
	long long last_save; /* seconds since the epoch */
};

static enum status look(struct redis *self, struct persistence *persistence, struct error *error)
{
	CLEANUP(buffer_free) struct buffer info = BUFFER_INIT(REDIS_REPLY_LIMIT);
	enum status status = REDIS_COMMAND(self, &info, error, "INFO", "persistence");
	char saving[32] = "";
	char rewriting[32] = "";
	char result[32] = "";
	char time[32] = "";
	char saves[32] = "-1";
	if (status != STATUS_OK) {
		return status;
	}
	if (!redis_info_value(&info, "rdb_bgsave_in_progress", saving, sizeof saving) ||
		!redis_info_value(&info, "rdb_last_bgsave_status", result, sizeof result) ||
		!redis_info_value(&info, "rdb_last_save_time", time, sizeof time)) {
		return error_set(error, STATUS_FAILED, "Redis does not tell how its saves go: %s", buffer_text(&info));
	}
	(void)redis_info_value(&info, "aof_rewrite_in_progress", rewriting, sizeof rewriting);
	(void)redis_info_value(&info, "rdb_saves", saves, sizeof saves);
	*persistence = (struct persistence){
		.saving = strcmp(saving, "0") != 0,
		.rewriting = strcmp(rewriting, "1") == 0,
		.failed = strcmp(result, "ok") != 0,
		.saves = atoll(saves),
		.last_save = atoll(time),
	};
	return STATUS_OK;
}

static enum status wait_step(double began, struct error *error)
{
	if (clock_seconds() - began > SAVE_SECONDS) {
		return error_set(error, STATUS_FAILED, "Redis was busy saving for more than %d seconds", SAVE_SECONDS);
	}
	clock_sleep(SAVE_STEP_MILLISECONDS);
	return interrupt_check(error);
}

/*
 * Has the save ended that was the next to begin after `before` was seen? `rdb_saves` counts it as soon as it begins, so
 * it is over when none is under way or when yet another has begun. Without that counter the time has to tell, in whole
 * seconds.
 */
static bool is_over(const struct persistence *now, const struct persistence *before)
{
	if (before->saves < 0) {
		return !now->saving && now->last_save > before->last_save;
	}
	return now->saves > before->saves + 1 || (now->saves == before->saves + 1 && !now->saving);
}

static enum status background_save(struct redis *self, struct error *error)
{
	struct persistence before = {0};
	struct persistence now = {0};
	CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(REDIS_REPLY_LIMIT);
	double began = clock_seconds();
	for (bool started = false; !started;) {
		enum status status = look(self, &before, error);
		bool same_second = before.saves < 0 && before.last_save >= (long long)time(NULL);
		if (status == STATUS_OK && !before.saving && !before.rewriting && !same_second) {
			status = REDIS_COMMAND(self, &reply, error, "BGSAVE");
			started = status == STATUS_OK && strstr(buffer_text(&reply), "Background saving started") != NULL;
			if (status == STATUS_OK && !started && strstr(buffer_text(&reply), "in progress") == NULL) {
				return error_set(error, STATUS_FAILED, "Redis refuses to save: %s", buffer_text(&reply));
			}
		}
		if (status == STATUS_OK && !started) {
			status = wait_step(began, error);
		}
		if (status != STATUS_OK) {
			return status;
		}
	}
	for (;;) {
		enum status status = look(self, &now, error);
		if (status == STATUS_OK && !now.saving && now.failed) {
			(void)error_set(error, STATUS_FAILED, "Redis could not save its data");
			return error_hint(error, "see its log (./bot.sh logs redis); most often its disk is full");
		}
		if (status == STATUS_OK && is_over(&now, &before)) {
			return STATUS_OK;
		}
		if (status == STATUS_OK) {
			status = wait_step(began, error);
		}
		if (status != STATUS_OK) {
			return status;
		}
	}
}

/* The one file of an archive call's stream. */
static enum status copy_from_archive(struct source *tar, struct sink *output, struct progress *progress,
									 uint64_t *ret_bytes, struct error *error)
{
	CLEANUP(cleanup_tar_reader) struct tar_reader *reader = NULL;
	CLEANUP(cleanup_free) char *block = malloc(STREAM_BLOCK_SIZE);
	struct tar_entry entry = {0};
	bool ended = false;
	enum status status = block == NULL ? error_memory(error) : tar_reader_new(tar, &reader, error);
	if (status == STATUS_OK) {
		status = tar_reader_next(reader, &entry, &ended, error);
	}
	if (status == STATUS_OK && (ended || !entry.is_file)) {
		status = error_set(error, STATUS_FAILED, "Redis's dump is not a file");
	}
	for (size_t length = 1; status == STATUS_OK && length > 0; *ret_bytes += length) {
		status = interrupt_check(error);
		if (status == STATUS_OK) {
			status = tar_reader_read(reader, block, STREAM_BLOCK_SIZE, &length, error);
		}
		if (status == STATUS_OK) {
			status = sink_write(output, block, length, error);
		}
		progress_advance(progress, length);
	}
	return status;
}

static enum status redis_prepare(struct store *store, const char *path, struct progress *progress, struct error *error)
{
	struct redis *self = (struct redis *)store;
	(void)progress;
	free(self->path);
	self->path = strdup(path);
	return self->path != NULL ? STATUS_OK : error_memory(error);
}

static enum status redis_finish(struct store *store, struct progress *progress, struct saved *ret_saved,
								struct error *error)
{
	struct redis *self = (struct redis *)store;
	progress_step(progress, "saving", 0);
	enum status status = background_save(self, error);
	if (status != STATUS_OK) {
		return status;
	}
	progress_step(progress, "copying", 0);
	char dump[2 * REDIS_NAME_SIZE + 1];
	snprintf(dump, sizeof dump, "%s/%s", store->data_folder, self->dump_name);
	CLEANUP(cleanup_free) char *folder = NULL;
	CLEANUP(cleanup_source) struct source *source = NULL;
	CLEANUP(cleanup_sink) struct sink *file = NULL;
	status = runtime_host_folder(store->runtime, store->container, store->data_folder, &folder, error);
	if (status == STATUS_OK) {
		status = file_sink_new(self->path, &file, error);
	}
	uint64_t bytes = 0;
	if (status == STATUS_OK && folder != NULL) {
		CLEANUP(cleanup_free) char *host_path = NULL;
		status = asprintf(&host_path, "%s/%s", folder, self->dump_name) < 0
					 ? error_memory(error)
					 : file_source_new(host_path, &source, error);
		if (status == STATUS_OK) {
			status = stream_copy(source, file, &bytes, error);
			progress_advance(progress, bytes);
		}
	} else if (status == STATUS_OK) {
		status = runtime_archive_get(store->runtime, store->container, dump, &source, error);
		if (status == STATUS_OK) {
			status = copy_from_archive(source, file, progress, &bytes, error);
		}
	}
	if (status == STATUS_OK) {
		status = sink_finish(file, error);
	}
	if (status == STATUS_OK) {
		*ret_saved = (struct saved){0};
		snprintf(ret_saved->method, sizeof ret_saved->method, "BGSAVE, then a copy of %s", self->dump_name);
	}
	return status;
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
	.size = redis_size,
	.prepare = redis_prepare,
	.finish = redis_finish,
	.hurries = true,
	.check = rdb_check,
	.stage = redis_stage,
	.swap = volume_store_swap,
	.commit = volume_store_commit,
	.rollback = volume_store_rollback,
	.free = redis_free,
};
