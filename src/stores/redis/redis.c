/*
 * Redis: BGSAVE, waited for, and the RDB file it wrote; a restore puts that file where this server will load it from.
 */
#include "base/clock.h"
#include "base/interrupt.h"
#include "pipeline/file.h"
#include "pipeline/tar.h"
#include "stores/redis/rdb.h"
#include "stores/store_table.h"
#include "stores/volume_store.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
	NAME_SIZE = 256,         /* bytes of a file name or folder in the server's configuration */
	REPLY_LIMIT = 256 << 10, /* bytes of a reply to INFO */
	SAVE_SECONDS = 3600,     /* for a BGSAVE to end */
	SAVE_STEP_MILLISECONDS = 50,
	STOP_SECONDS = 120, /* a stop may write the whole data */
	NAMES_COUNT = 4,
};

struct redis {
	struct volume_store volume;
	char *password; /* NULL if none is needed */
	char port[16];
	char dump_name[NAME_SIZE];     /* dbfilename */
	char append_folder[NAME_SIZE]; /* appenddirname; empty before Redis 7 */
	char append_name[NAME_SIZE];   /* appendfilename */
	unsigned user;                 /* owner of the data folder */
	unsigned group;
	const char *names[NAMES_COUNT];
};

/* Runs one Redis command; the reply is what redis-cli prints to a pipe. */
static enum status command(struct redis *self, struct buffer *reply, struct error *error, const char *const *words)
{
	enum { WORDS_LIMIT = 16 };
	const char *arguments[WORDS_LIMIT + 4] = {"redis-cli", "-p", self->port};
	for (size_t i = 0; i < WORDS_LIMIT && words[i] != NULL; i++) {
		arguments[3 + i] = words[i];
	}
	CLEANUP(cleanup_free) char *secret = NULL;
	const char *environment[2] = {NULL};
	if (self->password != NULL) {
		if (asprintf(&secret, "REDISCLI_AUTH=%s", self->password) < 0) {
			return error_memory(error);
		}
		environment[0] = secret;
	}
	struct exec_request request = {
		.container = self->volume.store.container, .arguments = arguments, .environment = environment};
	buffer_clear(reply);
	enum status status = runtime_run_text(self->volume.store.runtime, &request, reply, error);
	if (status == STATUS_OK) {
		buffer_trim(reply);
	}
	return status;
}

#define COMMAND(self, reply, error, ...) command(self, reply, error, (const char *const[]){__VA_ARGS__, NULL})

/* The value of "NAME:value" in a reply to INFO. */
static bool info_value(const struct buffer *info, const char *name, char *value, size_t size)
{
	size_t length = strlen(name);
	for (const char *line = buffer_text(info); line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, length) == 0 && line[length] == ':') {
			size_t end = strcspn(line + length + 1, "\r\n");
			snprintf(value, size, "%.*s", (int)end, line + length + 1);
			return true;
		}
	}
	return false;
}

/* CONFIG GET answers with the name on one line and the value on the next; an unknown name gives an empty reply. */
static enum status configuration(struct redis *self, const char *name, char *value, size_t size, struct error *error)
{
	CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(REPLY_LIMIT);
	enum status status = COMMAND(self, &reply, error, "CONFIG", "GET", name);
	if (status != STATUS_OK) {
		return status;
	}
	const char *newline = strchr(buffer_text(&reply), '\n');
	if (newline == NULL && reply.length > 0 && strncmp(reply.data, name, strlen(name)) != 0) {
		(void)error_set(error, STATUS_FAILED, "Redis does not tell its configuration: %s", reply.data);
		return error_hint(error, "the command CONFIG must not be renamed or forbidden");
	}
	const char *text = newline != NULL ? newline + 1 : "";
	if (strlen(text) >= size) {
		return error_set(error, STATUS_FAILED, "Redis has a %s that is too long", name);
	}
	strcpy(value, text);
	return STATUS_OK;
}

/* The argument after `option` in the container's command, also inside a "sh -c" line. Owned by the caller, or NULL. */
static char *option_of(const struct container *container, const char *option)
{
	size_t length = strlen(option);
	for (size_t i = 0; container->command[i] != NULL; i++) {
		const char *word = container->command[i];
		if (strcmp(word, option) == 0) {
			return container->command[i + 1] != NULL ? strdup(container->command[i + 1]) : NULL;
		}
		const char *inside = strstr(word, option);
		if (inside != NULL && inside[length] == ' ') {
			inside += length + strspn(inside + length, " \"'");
			return strndup(inside, strcspn(inside, " \"'"));
		}
	}
	return NULL;
}

/* Sets the password only if the server asks for one: redis-cli complains about one that is not needed. */
static enum status log_in(struct redis *self, struct error *error)
{
	CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(REPLY_LIMIT);
	enum status status = COMMAND(self, &reply, error, "PING");
	if (status != STATUS_OK || strstr(buffer_text(&reply), "NOAUTH") == NULL) {
		return status;
	}
	const struct container *container = self->volume.store.container;
	const char *password = container_environment(container, "REDIS_PASSWORD");
	self->password = password != NULL ? strdup(password) : option_of(container, "--requirepass");
	if (self->password == NULL) {
		(void)error_set(error, STATUS_FAILED, "Redis wants a password and container %s does not tell it",
						container->name);
		return error_hint(error,
						  "give the container the environment variable REDIS_PASSWORD, or start it with --requirepass");
	}
	return STATUS_OK;
}

static enum status redis_ready(struct store *store, struct error *error)
{
	CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(REPLY_LIMIT);
	enum status status = COMMAND((struct redis *)store, &reply, error, "PING");
	if (status == STATUS_OK && strcmp(buffer_text(&reply), "PONG") != 0) {
		status = error_set(error, STATUS_UNAVAILABLE, "Redis answers: %s", buffer_text(&reply));
	}
	return status;
}

static enum status learn(struct redis *self, struct error *error)
{
	struct store *store = &self->volume.store;
	CLEANUP(buffer_free) struct buffer info = BUFFER_INIT(REPLY_LIMIT);
	enum status status = log_in(self, error);
	if (status == STATUS_OK) {
		status = redis_ready(store, error);
	}
	if (status == STATUS_OK) {
		status = COMMAND(self, &info, error, "INFO", "server");
	}
	if (status == STATUS_OK && !info_value(&info, "redis_version", store->version, sizeof store->version)) {
		status = error_set(error, STATUS_FAILED, "Redis does not tell its version: %s", buffer_text(&info));
	}
	if (status == STATUS_OK) {
		status = configuration(self, "dir", store->data_folder, sizeof store->data_folder, error);
	}
	if (status == STATUS_OK) {
		status = configuration(self, "dbfilename", self->dump_name, sizeof self->dump_name, error);
	}
	if (status == STATUS_OK) {
		status = configuration(self, "appenddirname", self->append_folder, sizeof self->append_folder, error);
	}
	if (status == STATUS_OK) {
		status = configuration(self, "appendfilename", self->append_name, sizeof self->append_name, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	if (store->data_folder[0] != '/' || self->dump_name[0] == '\0' || self->append_name[0] == '\0') {
		return error_set(error, STATUS_FAILED, "Redis does not tell where its files are");
	}
	/* Before Redis 7 the append-only file's name could not be asked for, and there was no folder. */
	self->names[0] = self->dump_name;
	self->names[1] = self->append_name;
	self->names[2] = self->append_folder[0] != '\0' ? self->append_folder : NULL;
	const char *const arguments[] = {"stat", "-c", "%u %g", store->data_folder, NULL};
	struct exec_request request = {.container = store->container, .arguments = arguments};
	buffer_clear(&info);
	status = runtime_run_text(store->runtime, &request, &info, error);
	if (status == STATUS_OK && sscanf(buffer_text(&info), "%u %u", &self->user, &self->group) != 2) {
		status =
			error_set(error, STATUS_FAILED, "the owner of Redis's data folder is not known: %s", buffer_text(&info));
	}
	return status;
}

static void redis_free(struct store *store)
{
	struct redis *self = (struct redis *)store;
	volume_store_close(&self->volume);
	free(self->password);
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
	CLEANUP(cleanup_free) char *port = option_of(container, "--port");
	snprintf(self->port, sizeof self->port, "%s", port != NULL ? port : "6379");
	enum status status = learn(self, error);
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
	CLEANUP(buffer_free) struct buffer info = BUFFER_INIT(REPLY_LIMIT);
	enum status status = COMMAND(self, &info, error, "INFO", "persistence");
	char saving[32] = "";
	char rewriting[32] = "";
	char result[32] = "";
	char time[32] = "";
	char saves[32] = "-1";
	if (status != STATUS_OK) {
		return status;
	}
	if (!info_value(&info, "rdb_bgsave_in_progress", saving, sizeof saving) ||
		!info_value(&info, "rdb_last_bgsave_status", result, sizeof result) ||
		!info_value(&info, "rdb_last_save_time", time, sizeof time)) {
		return error_set(error, STATUS_FAILED, "Redis does not tell how its saves go: %s", buffer_text(&info));
	}
	(void)info_value(&info, "aof_rewrite_in_progress", rewriting, sizeof rewriting);
	(void)info_value(&info, "rdb_saves", saves, sizeof saves);
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
	CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(REPLY_LIMIT);
	double began = clock_seconds();
	for (bool started = false; !started;) {
		enum status status = look(self, &before, error);
		bool same_second = before.saves < 0 && before.last_save >= (long long)time(NULL);
		if (status == STATUS_OK && !before.saving && !before.rewriting && !same_second) {
			status = COMMAND(self, &reply, error, "BGSAVE");
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

static enum status redis_save(struct store *store, const char *path, struct progress *progress, struct saved *ret_saved,
							  struct error *error)
{
	struct redis *self = (struct redis *)store;
	progress_step(progress, "saving", 0);
	enum status status = background_save(self, error);
	if (status != STATUS_OK) {
		return status;
	}
	progress_step(progress, "copying", 0);
	char dump[2 * NAME_SIZE + 1];
	snprintf(dump, sizeof dump, "%s/%s", store->data_folder, self->dump_name);
	CLEANUP(cleanup_free) char *folder = NULL;
	CLEANUP(cleanup_source) struct source *source = NULL;
	CLEANUP(cleanup_sink) struct sink *file = NULL;
	status = runtime_host_folder(store->runtime, store->container, store->data_folder, &folder, error);
	if (status == STATUS_OK) {
		status = file_sink_new(path, &file, error);
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
	char dump[2 * NAME_SIZE];
	char folder[2 * NAME_SIZE];
	char base[3 * NAME_SIZE];
	char manifest[3 * NAME_SIZE];
	char manifest_text[2 * NAME_SIZE];
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
	.save = redis_save,
	.check = rdb_check,
	.stage = redis_stage,
	.swap = volume_store_swap,
	.commit = volume_store_commit,
	.rollback = volume_store_rollback,
	.free = redis_free,
};
