#include "stores/redis/server.h"

#include "base/text.h"
#include "stores/redis/persistence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Runs one Redis command; the reply is what redis-cli prints to a pipe. */
enum status redis_command(struct redis *self, struct buffer *reply, struct error *error, const char *const *words)
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

/* The value of "NAME:value" in a reply to INFO. */
bool redis_info_value(const struct buffer *info, const char *name, char *value, size_t size)
{
	size_t length = strlen(name);
	for (const char *line = buffer_text(info); line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, length) == 0 && line[length] == ':') {
			size_t end = strcspn(line + length + 1, "\r\n");
			snprintf(value, size, "%.*s", (int)end, line + length + 1);
			text_make_line(value);
			return true;
		}
	}
	return false;
}

/* CONFIG GET answers with a name on one line and its value on the next, in any order; a name that is not known to the
 * server, as one of a later version, is not there. */
static enum status setting(const char *reply, const char *name, char *value, size_t size, struct error *error)
{
	size_t length = strlen(name);
	value[0] = '\0';
	for (const char *line = reply; line[0] != '\0';) {
		size_t end = strcspn(line, "\n");
		const char *text = line + end + (line[end] == '\n');
		size_t text_length = strcspn(text, "\n");
		if (end == length && strncmp(line, name, length) == 0) {
			if (text_length >= size) {
				return error_set(error, STATUS_FAILED, "Redis has a %s that is too long", name);
			}
			memcpy(value, text, text_length);
			value[text_length] = '\0';
		}
		line = text + text_length + (text[text_length] == '\n');
	}
	return STATUS_OK;
}

/* They become part of paths that root may open, on the machine itself. */
static bool is_file_name(const char *name)
{
	return strchr(name, '/') == NULL && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static enum status expect_file_names(const struct redis *self, struct error *error)
{
	const char *const names[] = {self->dump_name, self->append_folder, self->append_name};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (!is_file_name(names[i])) {
			return error_set(error, STATUS_FAILED, "Redis gives a file of its own a name that is none: %s", names[i]);
		}
	}
	return STATUS_OK;
}

/* Asks for all at once, by a pattern that fits their names; with it come some others that do not matter. */
static enum status read_settings(struct redis *self, struct error *error)
{
	CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(REDIS_REPLY_LIMIT);
	struct store *store = &self->volume.store;
	enum status status = REDIS_COMMAND(self, &reply, error, "CONFIG", "GET", REDIS_SETTINGS);
	if (status != STATUS_OK) {
		return status;
	}
	const char *text = buffer_text(&reply);
	if (text[0] != '\0' && strchr(text, '\n') == NULL) {
		(void)error_set(error, STATUS_FAILED, "Redis does not tell its configuration: %s", text);
		return error_hint(error, "the command CONFIG must not be renamed or forbidden");
	}
	status = setting(text, "dir", store->data_folder, sizeof store->data_folder, error);
	if (status == STATUS_OK) {
		status = setting(text, "dbfilename", self->dump_name, sizeof self->dump_name, error);
	}
	if (status == STATUS_OK) {
		status = setting(text, "appenddirname", self->append_folder, sizeof self->append_folder, error);
	}
	if (status == STATUS_OK) {
		status = setting(text, "appendfilename", self->append_name, sizeof self->append_name, error);
	}
	return status == STATUS_OK ? expect_file_names(self, error) : status;
}

/* The argument after `option` in the container's command, also inside a "sh -c" line; *ret_value is the caller's, NULL
 * if there is none. */
static enum status option_of(const struct container *container, const char *option, char **ret_value,
							 struct error *error)
{
	size_t length = strlen(option);
	const char *value = NULL;
	size_t value_length = 0;
	*ret_value = NULL;
	for (size_t i = 0; value == NULL && container->command[i] != NULL; i++) {
		const char *word = container->command[i];
		const char *inside = strstr(word, option);
		if (strcmp(word, option) == 0) {
			value = container->command[i + 1];
			value_length = value != NULL ? strlen(value) : 0;
		} else if (inside != NULL && inside[length] == ' ') {
			value = inside + length + strspn(inside + length, " \"'");
			value_length = strcspn(value, " \"'");
		}
	}
	if (value == NULL) {
		return STATUS_OK;
	}
	*ret_value = strndup(value, value_length);
	return *ret_value != NULL ? STATUS_OK : error_memory(error);
}

static enum status find_password(const struct container *container, char **ret_password, struct error *error)
{
	const char *password = container_environment(container, "REDIS_PASSWORD");
	if (password == NULL) {
		return option_of(container, "--requirepass", ret_password, error);
	}
	*ret_password = strdup(password);
	return *ret_password != NULL ? STATUS_OK : error_memory(error);
}

static enum status set_password(struct redis *self, struct error *error)
{
	const struct container *container = self->volume.store.container;
	enum status status = find_password(container, &self->password, error);
	if (status == STATUS_OK && self->password == NULL) {
		(void)error_set(error, STATUS_FAILED, "Redis wants a password and container %s does not tell it",
						container->name);
		return error_hint(error,
						  "give the container the environment variable REDIS_PASSWORD, or start it with --requirepass");
	}
	return status;
}

enum status redis_ready(struct store *store, struct error *error)
{
	CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(REDIS_REPLY_LIMIT);
	struct redis *self = (struct redis *)store;
	enum status status = REDIS_COMMAND(self, &reply, error, "PING");
	if (status == STATUS_OK && self->password == NULL && strstr(buffer_text(&reply), "NOAUTH") != NULL) {
		/* Only then: redis-cli complains about a password that is not needed. */
		status = set_password(self, error);
		if (status == STATUS_OK) {
			status = REDIS_COMMAND(self, &reply, error, "PING");
		}
	}
	if (status == STATUS_OK && strncmp(buffer_text(&reply), "LOADING", 7) == 0) {
		(void)error_set(error, STATUS_UNAVAILABLE, "Redis is still loading its data");
		return error_hint(error, "wait a little, then try again");
	}
	/* MISCONF: its last save failed. It answers all the same, and the next save may well succeed. */
	bool answers = strcmp(buffer_text(&reply), "PONG") == 0 || strncmp(buffer_text(&reply), "MISCONF", 7) == 0;
	if (status == STATUS_OK && !answers) {
		status = error_set(error, STATUS_UNAVAILABLE, "Redis answers: %s", buffer_text(&reply));
	}
	return status;
}

enum status redis_find_port(struct redis *self, struct error *error)
{
	CLEANUP(cleanup_free) char *port = NULL;
	enum status status = option_of(self->volume.store.container, "--port", &port, error);
	if (status == STATUS_OK && port != NULL && strlen(port) >= sizeof self->port) {
		return error_set(error, STATUS_FAILED, "Redis has a port that is none: %s", port);
	}
	snprintf(self->port, sizeof self->port, "%s", port != NULL ? port : "6379");
	return status;
}

enum status redis_learn(struct redis *self, struct error *error)
{
	struct store *store = &self->volume.store;
	CLEANUP(buffer_free) struct buffer info = BUFFER_INIT(REDIS_REPLY_LIMIT);
	enum status status = redis_find_port(self, error);
	if (status == STATUS_OK) {
		status = redis_ready(store, error);
	}
	if (status == STATUS_OK) {
		status = REDIS_COMMAND(self, &info, error, "INFO", "server");
	}
	if (status == STATUS_OK && !redis_info_value(&info, "redis_version", store->version, sizeof store->version)) {
		status = error_set(error, STATUS_FAILED, "Redis does not tell its version: %s", buffer_text(&info));
	}
	if (status == STATUS_OK) {
		status = read_settings(self, error);
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
	buffer_trim(&info);
	if (status == STATUS_OK && sscanf(buffer_text(&info), "%u %u", &self->user, &self->group) != 2) {
		status =
			error_set(error, STATUS_FAILED, "the owner of Redis's data folder is not known: %s", buffer_text(&info));
	}
	return status;
}

/* A server that cannot save answers for hours and loses them all when it ends. */
enum status redis_examine(struct store *store, struct examination *ret_examination, struct error *error)
{
	static const struct {
		const char *field;
		const char *good;
		const char *problem;
	} checks[] = {
		{"loading", "0", "is still loading its data"},
		{"async_loading", "0", "is still loading its data"},
		{"rdb_last_bgsave_status", "ok", "could not save its data the last time it tried"},
		{"aof_last_bgrewrite_status", "ok", "could not rewrite its append-only file the last time it tried"},
		{"aof_last_write_status", "ok", "cannot write to its append-only file"},
	};
	struct redis *self = (struct redis *)store;
	CLEANUP(buffer_free) struct buffer info = BUFFER_INIT(REDIS_REPLY_LIMIT);
	char value[64];
	enum status status = redis_ready(store, error);
	if (status == STATUS_OK) {
		status = REDIS_COMMAND(self, &info, error, "INFO", "persistence");
	}
	for (size_t i = 0; status == STATUS_OK && i < sizeof checks / sizeof *checks; i++) {
		/* Not every version has every field. */
		if (redis_info_value(&info, checks[i].field, value, sizeof value) && strcmp(value, checks[i].good) != 0) {
			(void)error_set(error, STATUS_UNAVAILABLE, "Redis %s", checks[i].problem);
			status =
				error_hint(error, "./bot.sh logs %s tells why; most often its disk is full", store->container->service);
		}
	}
	ret_examination->port = (unsigned)atoi(self->port);
	snprintf(ret_examination->answer, sizeof ret_examination->answer, "answers PING; its last save went well");
	return status;
}

enum status redis_count(struct store *store, const struct fingerprint *places, struct fingerprint *ret_fingerprint,
						struct error *error)
{
	(void)places;
	CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(REDIS_REPLY_LIMIT);
	CLEANUP(fingerprint_free) struct fingerprint fingerprint = {0};
	enum status status = REDIS_COMMAND((struct redis *)store, &reply, error, "INFO", "keyspace");
	if (status == STATUS_OK) {
		status = redis_keyspace_read(&reply, &fingerprint, &fingerprint.known, error);
	}
	if (status == STATUS_OK && !fingerprint.known) {
		(void)error_set(error, STATUS_UNAVAILABLE, "Redis does not tell how many keys it holds: %.300s",
						buffer_text(&reply));
		return error_blameless(error);
	}
	if (status == STATUS_OK) {
		fingerprint.exact = true;
		*ret_fingerprint = fingerprint_take(&fingerprint);
	}
	return status;
}

bool redis_is_replica(const struct buffer *info, char ret_master[REDIS_MASTER_SIZE])
{
	char role[16] = "";
	char host[256] = "?";
	char port[16] = "?";
	(void)redis_info_value(info, "role", role, sizeof role);
	(void)redis_info_value(info, "master_host", host, sizeof host);
	(void)redis_info_value(info, "master_port", port, sizeof port);
	snprintf(ret_master, REDIS_MASTER_SIZE, "%s:%s", host, port);
	return strcmp(role, "slave") == 0;
}

/* A replica takes over all that its master holds as soon as it has been started. */
enum status redis_keeps(struct store *store, struct error *error)
{
	CLEANUP(buffer_free) struct buffer info = BUFFER_INIT(REDIS_REPLY_LIMIT);
	char master[REDIS_MASTER_SIZE];
	enum status status = REDIS_COMMAND((struct redis *)store, &info, error, "INFO", "replication");
	if (status == STATUS_OK && redis_is_replica(&info, master)) {
		(void)error_set(error, STATUS_FAILED,
						"Redis is a replica of %s, which would replace what is restored; nothing was changed", master);
		status =
			error_hint(error, "restore into the master, or end the replication (redis-cli REPLICAOF NO ONE, and its "
							  "setting \"replicaof\") and restore again");
	}
	return status;
}

/* Errors of a server that runs no script just now, whatever its keys are (redis, src/server.c, createSharedObjects). */
static bool is_busy(const char *reply)
{
	static const char *const words[] = {"OOM ", "LOADING ", "BUSY "};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strncmp(reply, words[i], strlen(words[i])) == 0) {
			return true;
		}
	}
	return false;
}

/* DUMP writes a key's whole value in the form of a dump, so it has to read all of it. */
enum status redis_read_all(struct store *store, const struct fingerprint *places, struct progress *progress,
						   struct error *error)
{
	static const char script[] = "local at, count = '0', 0 repeat local page = redis.call('SCAN', at, 'COUNT', 1000) "
								 "at = page[1] for _, key in ipairs(page[2]) do redis.call('DUMP', key) "
								 "count = count + 1 end until at == '0' return count";
	struct redis *self = (struct redis *)store;
	CLEANUP(fingerprint_free) struct fingerprint keys = {0};
	CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(REDIS_REPLY_LIMIT);
	enum status status = redis_count(store, places, &keys, error);
	for (size_t i = 0; status == STATUS_OK && i < keys.count; i++) {
		const struct count *count = &keys.items[i];
		if (strcmp(count->kind, "keys") != 0 || strncmp(count->name, "db", 2) != 0) {
			continue;
		}
		status = REDIS_COMMAND(self, &reply, error, "-n", count->name + 2, "EVAL", script, "0");
		if (status == STATUS_OK && (reply.length == 0 || strspn(reply.data, "0123456789") != reply.length)) {
			bool busy = is_busy(buffer_text(&reply));
			status = error_set(error, busy ? STATUS_UNAVAILABLE : STATUS_DAMAGED,
							   "the keys of %s cannot be read: %.300s", count->name, buffer_text(&reply));
			status = busy ? error_blameless(error) : status;
		}
		progress_advance(progress, count->number);
	}
	return status;
}

enum status redis_size(struct store *store, uint64_t *ret_bytes, struct error *error)
{
	CLEANUP(buffer_free) struct buffer info = BUFFER_INIT(REDIS_REPLY_LIMIT);
	char value[64];
	enum status status = REDIS_COMMAND((struct redis *)store, &info, error, "INFO", "memory");
	if (status == STATUS_OK) {
		bool known = redis_info_value(&info, "used_memory_dataset", value, sizeof value);
		*ret_bytes = known ? strtoull(value, NULL, 10) : 0;
	}
	return status;
}
