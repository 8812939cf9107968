/* The engine's connection and its containers: find, inspect, stop, start. */
#include "runtimes/docker.h"

#include "base/clock.h"
#include "base/json_text.h"
#include "runtimes/docker_http.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_SOCKET "/var/run/docker.sock"
#define UNIX_SCHEME    "unix://"

/* The API versions this program was written for: older than 1.24 is not negotiable, newer ones are asked for as 1.51.
 */
enum { OLDEST_MINOR_VERSION = 24, NEWEST_MINOR_VERSION = 51 };

enum { STOP_SIGNAL_MINOR_VERSION = 42 }; /* since when a stop may name its signal; before, that is a call of its own */

enum {
	STOP_STEP_MILLISECONDS = 20, /* between two looks at a container that is about to stop */
	EXIT_SIGNAL = 128,           /* and the signal's number: the exit code of what a signal has ended */
};

static const struct runtime_ops docker_ops;

static void docker_free(struct runtime *runtime)
{
	struct docker *docker = (struct docker *)runtime;
	curl_easy_cleanup(docker->curl);
	free(docker->socket_path);
	free(docker);
}

/* GET /version works without a version in the path and names the newest (ApiVersion) and oldest (MinAPIVersion). */
static enum status negotiate(struct docker *docker, struct error *error)
{
	CLEANUP(cleanup_json) json_t *reply = NULL;
	enum status status = docker_request(docker, "GET", NULL, &reply, NULL, error, "/version");
	if (status != STATUS_OK) {
		return status;
	}
	const char *newest = json_string_value(json_object_get(reply, "ApiVersion"));
	const char *oldest = json_string_value(json_object_get(reply, "MinAPIVersion"));
	int newest_minor = 0;
	int oldest_minor = 0;
	if (newest == NULL || sscanf(newest, "1.%d", &newest_minor) != 1) {
		return error_set(error, STATUS_FAILED, "%s does not speak the Docker Engine API", docker->socket_path);
	}
	if (oldest != NULL) {
		(void)!sscanf(oldest, "1.%d", &oldest_minor);
	}
	if (newest_minor < OLDEST_MINOR_VERSION || oldest_minor > NEWEST_MINOR_VERSION) {
		(void)error_set(error, STATUS_FAILED,
						"this Docker Engine speaks API versions 1.%d to 1.%d, not one of 1.%d to 1.%d", oldest_minor,
						newest_minor, OLDEST_MINOR_VERSION, NEWEST_MINOR_VERSION);
		return error_hint(error, newest_minor < OLDEST_MINOR_VERSION ? "update Docker" : "update whisperbackup");
	}
	snprintf(docker->version, sizeof docker->version, "1.%d",
			 newest_minor < NEWEST_MINOR_VERSION ? newest_minor : NEWEST_MINOR_VERSION);
	return STATUS_OK;
}

enum status docker_runtime_new(const char *host, struct runtime **ret_runtime, struct error *error)
{
	const char *path = DEFAULT_SOCKET;
	if (host != NULL && host[0] != '\0') {
		if (strncmp(host, UNIX_SCHEME, strlen(UNIX_SCHEME)) != 0) {
			(void)error_set(error, STATUS_USAGE, "DOCKER_HOST is %s, but only unix sockets can be used", host);
			return error_hint(error, "set DOCKER_HOST=unix:///path/to/docker.sock, or unset it for %s", DEFAULT_SOCKET);
		}
		path = host + strlen(UNIX_SCHEME);
	}
	struct docker *docker = calloc(1, sizeof *docker);
	if (docker == NULL) {
		return error_memory(error);
	}
	docker->runtime.ops = &docker_ops;
	docker->timeout_seconds = DOCKER_REQUEST_TIMEOUT_SECONDS;
	docker->socket_path = strdup(path);
	docker->curl = curl_easy_init();
	enum status status =
		docker->socket_path == NULL || docker->curl == NULL ? error_memory(error) : negotiate(docker, error);
	if (status != STATUS_OK) {
		docker_free(&docker->runtime);
		return status;
	}
	*ret_runtime = &docker->runtime;
	return STATUS_OK;
}

static enum status docker_reopen(struct runtime *runtime, struct runtime **ret_runtime, struct error *error)
{
	char host[DOCKER_PATH_SIZE];
	snprintf(host, sizeof host, UNIX_SCHEME "%s", ((struct docker *)runtime)->socket_path);
	return docker_runtime_new(host, ret_runtime, error);
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text != NULL ? text : "";
}

static void free_texts(char **texts)
{
	for (size_t i = 0; texts[i] != NULL; i++) {
		free(texts[i]);
	}
	free(texts);
}

static char **strings_of(const json_t *first, const json_t *second)
{
	size_t count = json_array_size(first) + json_array_size(second);
	char **texts = calloc(count + 1, sizeof *texts);
	for (size_t i = 0; texts != NULL && i < count; i++) {
		size_t in_first = json_array_size(first);
		const json_t *item = i < in_first ? json_array_get(first, i) : json_array_get(second, i - in_first);
		texts[i] = strdup(json_string_value(item) != NULL ? json_string_value(item) : "");
		if (texts[i] == NULL) { /* a setting that is left out would be taken for one that is not made */
			free_texts(texts);
			return NULL;
		}
	}
	return texts;
}

/* An answer that says nothing of it would be that of a container that stands still. */
static enum status expect_state(const json_t *details, struct error *error)
{
	return json_is_object(json_object_get(details, "State"))
			   ? STATUS_OK
			   : error_set(error, STATUS_FAILED, "Docker does not say in which state the container is");
}

static enum container_state state_of(const json_t *state)
{
	if (json_is_true(json_object_get(state, "Paused"))) {
		return CONTAINER_PAUSED;
	}
	if (json_is_true(json_object_get(state, "Restarting"))) {
		return CONTAINER_RESTARTING;
	}
	return json_is_true(json_object_get(state, "Running")) ? CONTAINER_RUNNING : CONTAINER_STOPPED;
}

/* One that was paused is called unhealthy until its next check (moby, container/health.go, CloseMonitorChannel),
 * without one that has failed. */
static enum container_health health_of(const json_t *state)
{
	const json_t *details = json_object_get(state, "Health");
	const json_t *failed = json_object_get(details, "FailingStreak");
	const char *health = text_of(details, "Status");
	if (strcmp(health, "healthy") == 0) {
		return HEALTH_HEALTHY;
	}
	if (strcmp(health, "unhealthy") == 0) {
		return json_is_integer(failed) && json_integer_value(failed) == 0 ? HEALTH_STARTING : HEALTH_UNHEALTHY;
	}
	return strcmp(health, "starting") == 0 ? HEALTH_STARTING : HEALTH_NONE;
}

static bool fill_mounts(struct container *container, const json_t *mounts)
{
	container->mounts = calloc(json_array_size(mounts) + 1, sizeof *container->mounts);
	if (container->mounts == NULL) {
		return false;
	}
	size_t index = 0;
	const json_t *item = NULL;
	json_array_foreach (mounts, index, item) {
		struct mount *mount = &container->mounts[container->mount_count++];
		mount->type = strdup(text_of(item, "Type"));
		mount->source = strdup(text_of(item, "Source"));
		mount->destination = strdup(text_of(item, "Destination"));
		mount->writable = json_is_true(json_object_get(item, "RW"));
		if (mount->type == NULL || mount->source == NULL || mount->destination == NULL) {
			return false;
		}
	}
	return true;
}

/* Docker starts it again whenever it ends; so it is not meant to (Docker: "restart policies"). */
static bool is_kept_running(const json_t *host_configuration)
{
	const char *policy = text_of(json_object_get(host_configuration, "RestartPolicy"), "Name");
	return strcmp(policy, "always") == 0 || strcmp(policy, "unless-stopped") == 0;
}

/* {"5432/tcp": [{"HostIp": "127.0.0.1", "HostPort": "15432"}, ...], "7473/tcp": null, ...}; the first of each counts.
 */
static bool fill_ports(struct container *container, json_t *ports)
{
	container->ports = calloc(json_object_size(ports) + 1, sizeof *container->ports);
	if (container->ports == NULL) {
		return false;
	}
	const char *name = NULL;
	json_t *bindings = NULL;
	json_object_foreach (ports, name, bindings) {
		unsigned number = 0;
		char protocol[8] = "";
		const json_t *binding = json_array_get(bindings, 0);
		if (binding == NULL || sscanf(name, "%u/%7s", &number, protocol) != 2 || strcmp(protocol, "tcp") != 0) {
			continue;
		}
		struct port *port = &container->ports[container->port_count++];
		port->number = number;
		const char *host = text_of(binding, "HostIp");
		bool colons = strchr(host, ':') != NULL; /* IPv6 */
		if (asprintf(&port->published, "%s%s%s:%s", colons ? "[" : "", host[0] != '\0' ? host : "0.0.0.0",
					 colons ? "]" : "", text_of(binding, "HostPort")) < 0) {
			port->published = NULL;
			return false;
		}
	}
	return true;
}

/* From the reply of GET /containers/ID/json (ContainerInspect). */
static struct container *container_of(const json_t *json)
{
	struct container *container = calloc(1, sizeof *container);
	if (container == NULL) {
		return NULL;
	}
	const json_t *config = json_object_get(json, "Config");
	const json_t *labels = json_object_get(config, "Labels");
	const char *name = text_of(json, "Name");
	container->id = strdup(text_of(json, "Id"));
	container->name = strdup(name[0] == '/' ? name + 1 : name);
	container->service = strdup(text_of(labels, "com.docker.compose.service"));
	container->store = strdup(text_of(labels, "whisperengine.backup.store"));
	container->never_paused = strcmp(text_of(labels, "whisperengine.backup.pause"), "false") == 0;
	container->image = strdup(text_of(config, "Image"));
	container->image_digest = strdup(text_of(json, "Image"));
	container->environment = strings_of(json_object_get(config, "Env"), NULL);
	container->command = strings_of(json_object_get(config, "Entrypoint"), json_object_get(config, "Cmd"));
	const json_t *state = json_object_get(json, "State");
	container->state = state_of(state);
	container->health = health_of(state);
	container->exit_code = (int)json_integer_value(json_object_get(state, "ExitCode"));
	container->created_only = strcmp(text_of(state, "Status"), "created") == 0;
	container->kept_running = is_kept_running(json_object_get(json, "HostConfig"));
	bool complete = container->id != NULL && container->name != NULL && container->service != NULL &&
					container->store != NULL && container->image != NULL && container->image_digest != NULL &&
					container->environment != NULL && container->command != NULL &&
					fill_mounts(container, json_object_get(json, "Mounts")) &&
					fill_ports(container, json_object_get(json_object_get(json, "NetworkSettings"), "Ports"));
	if (!complete) {
		container_free(container);
		return NULL;
	}
	return container;
}

/* What the engine knows of a container, its state for certain; owned by the caller, after a failure as well. */
static enum status get_details(struct docker *docker, const char *id, json_t **ret_details, struct error *error)
{
	enum status status = docker_request(docker, "GET", NULL, ret_details, NULL, error, "/containers/%s/json", id);
	return status == STATUS_OK ? expect_state(*ret_details, error) : status;
}

enum status docker_container(struct docker *docker, const char *id, struct container **ret_container,
							 struct error *error)
{
	CLEANUP(cleanup_json) json_t *details = NULL;
	enum status status = get_details(docker, id, &details, error);
	if (status == STATUS_OK) {
		*ret_container = container_of(details);
		status = *ret_container != NULL ? STATUS_OK : error_memory(error);
	}
	return status;
}

/* GET /containers/json with the given labels; all states. */
static enum status list_by_label(struct docker *docker, const char *label, json_t **ret_list, struct error *error)
{
	CLEANUP(cleanup_json) json_t *filters = json_pack("{s:[s, s]}", "label", label, "com.docker.compose.oneoff=False");
	if (filters == NULL) { /* not UTF-8 */
		return error_set(error, STATUS_USAGE, "the project's name or folder cannot be asked for: %s", label);
	}
	CLEANUP(cleanup_free) char *text = json_text_write(filters, JSON_COMPACT);
	CLEANUP(cleanup_free) char *escaped = text != NULL ? docker_escape(docker, text) : NULL;
	if (escaped == NULL) {
		return error_memory(error);
	}
	enum status status =
		docker_request(docker, "GET", NULL, ret_list, NULL, error, "/containers/json?all=1&filters=%s", escaped);
	return status == STATUS_OK && !json_is_array(*ret_list)
			   ? error_set(error, STATUS_FAILED, "Docker's list of containers is none")
			   : status;
}

static enum status docker_find(struct runtime *runtime, const char *project, struct container_list *ret_list,
							   struct error *error)
{
	struct docker *docker = (struct docker *)runtime;
	char label[512];
	snprintf(label, sizeof label, "com.docker.compose.project=%s", project);
	CLEANUP(cleanup_json) json_t *list = NULL;
	enum status status = list_by_label(docker, label, &list, error);
	if (status != STATUS_OK) {
		return status;
	}
	struct container_list found = {.items = calloc(json_array_size(list) + 1, sizeof(struct container *))};
	if (found.items == NULL) {
		return error_memory(error);
	}
	size_t index = 0;
	const json_t *item = NULL;
	json_array_foreach (list, index, item) {
		status = docker_container(docker, text_of(item, "Id"), &found.items[found.count], error);
		if (status == STATUS_NOT_FOUND) {
			continue; /* removed since the list was made */
		}
		if (status != STATUS_OK) {
			container_list_free(&found);
			return status;
		}
		found.count++;
	}
	*ret_list = found;
	return STATUS_OK;
}

enum status docker_project_of_folder(struct runtime *runtime, const char *folder, char **ret_project,
									 struct error *error)
{
	char label[DOCKER_PATH_SIZE / 2];
	snprintf(label, sizeof label, "com.docker.compose.project.working_dir=%s", folder);
	CLEANUP(cleanup_json) json_t *list = NULL;
	enum status status = list_by_label((struct docker *)runtime, label, &list, error);
	if (status != STATUS_OK) {
		return status;
	}
	const char *project = NULL;
	size_t index = 0;
	const json_t *item = NULL;
	json_array_foreach (list, index, item) {
		const char *name = text_of(json_object_get(item, "Labels"), "com.docker.compose.project");
		if (project != NULL && strcmp(project, name) != 0) {
			(void)error_set(error, STATUS_USAGE, "two Compose projects were started from %s: %s and %s", folder,
							project, name);
			return error_hint(error, "say which one is meant: COMPOSE_PROJECT_NAME=%s (in the environment or in .env)",
							  project);
		}
		project = name;
	}
	*ret_project = project != NULL ? strdup(project) : NULL;
	return project != NULL && *ret_project == NULL ? error_memory(error) : STATUS_OK;
}

static enum status docker_inspect(struct runtime *runtime, const struct container *container,
								  enum container_state *ret_state, enum container_health *ret_health,
								  struct error *error)
{
	CLEANUP(cleanup_json) json_t *details = NULL;
	enum status status = get_details((struct docker *)runtime, container->id, &details, error);
	if (status != STATUS_OK) {
		return error_prefix(error, "container %s", container->name);
	}
	const json_t *state = json_object_get(details, "State");
	*ret_state = state_of(state);
	*ret_health = health_of(state);
	return STATUS_OK;
}

static enum status docker_was_ended(struct runtime *runtime, const struct container *container, bool *ret_ended,
									struct error *error)
{
	CLEANUP(cleanup_json) json_t *details = NULL;
	enum status status = get_details((struct docker *)runtime, container->id, &details, error);
	if (status != STATUS_OK) {
		return error_prefix(error, "container %s", container->name);
	}
	const json_t *state = json_object_get(details, "State");
	json_int_t code = json_integer_value(json_object_get(state, "ExitCode"));
	*ret_ended = code == 0 || code == EXIT_SIGNAL + SIGKILL || code == EXIT_SIGNAL + SIGTERM ||
				 json_is_true(json_object_get(state, "OOMKilled"));
	return STATUS_OK;
}

/* Whether the container runs, and since when: another time means that it has been started again. */
static enum status look_at_run(struct docker *docker, const struct container *container, bool *ret_running,
							   char ret_since[RUNTIME_START_SIZE], struct error *error)
{
	CLEANUP(cleanup_json) json_t *details = NULL;
	enum status status = get_details(docker, container->id, &details, error);
	const json_t *state = json_object_get(details, "State");
	*ret_running = state_of(state) != CONTAINER_STOPPED;
	snprintf(ret_since, RUNTIME_START_SIZE, "%s", text_of(state, "StartedAt"));
	return status;
}

static enum status docker_last_start(struct runtime *runtime, const struct container *container,
									 char ret_start[RUNTIME_START_SIZE], struct error *error)
{
	bool running = false;
	enum status status = look_at_run((struct docker *)runtime, container, &running, ret_start, error);
	if (status == STATUS_OK && ret_start[0] == '\0') {
		status = error_set(error, STATUS_FAILED, "Docker does not say when the container was started");
	}
	return status == STATUS_OK ? STATUS_OK : error_prefix(error, "container %s", container->name);
}

/*
 * Sends the signal and waits until the container has stopped, at most `seconds`. A kill, and a stop with a signal too,
 * cancels the restart policy, unless the container has a stop signal of its own and this is another one (moby,
 * daemon/kill.go): then the engine starts it again, and the fresh server, which nobody has talked to yet, is left to
 * the stop without a signal that follows.
 */
static enum status signal_and_wait(struct docker *docker, const struct container *container, const char *signal,
								   unsigned seconds, struct error *error)
{
	char before[RUNTIME_START_SIZE];
	char since[RUNTIME_START_SIZE];
	bool running = true;
	enum status status = look_at_run(docker, container, &running, before, error);
	if (status == STATUS_OK) {
		status = docker_request(docker, "POST", NULL, NULL, NULL, error, "/containers/%s/kill?signal=%s", container->id,
								signal);
		if (status == STATUS_CONFLICT) {
			return STATUS_OK; /* it has ended by itself, or by a signal whose answer was lost */
		}
	}
	for (double began = clock_seconds(); status == STATUS_OK && clock_seconds() - began < seconds;) {
		status = look_at_run(docker, container, &running, since, error);
		if (status == STATUS_OK && (!running || strcmp(before, since) != 0)) {
			break;
		}
		clock_sleep(STOP_STEP_MILLISECONDS);
	}
	return status;
}

static enum status ask_stop(struct docker *docker, const struct container *container, const char *signal,
							unsigned seconds, struct error *error)
{
	docker->timeout_seconds = seconds + DOCKER_REQUEST_TIMEOUT_SECONDS;
	enum status status =
		docker_request(docker, "POST", NULL, NULL, NULL, error, "/containers/%s/stop?t=%u%s%s", container->id, seconds,
					   signal != NULL ? "&signal=" : "", signal != NULL ? signal : "");
	docker->timeout_seconds = DOCKER_REQUEST_TIMEOUT_SECONDS;
	return status;
}

static enum status docker_stop(struct runtime *runtime, const struct container *container, const char *signal,
							   unsigned seconds, struct error *error)
{
	struct docker *docker = (struct docker *)runtime;
	enum container_state state = CONTAINER_RUNNING;
	enum container_health health = HEALTH_NONE;
	enum status status = docker_inspect(runtime, container, &state, &health, error);
	if (status != STATUS_OK) {
		return status;
	}
	/* One that is stopped is asked all the same: a start may be under way. The engine says 304 if there is none. */
	int minor = 0;
	(void)!sscanf(docker->version, "1.%d", &minor);
	if (signal == NULL) {
		status = ask_stop(docker, container, NULL, seconds, error);
	} else if (minor >= STOP_SIGNAL_MINOR_VERSION) {
		status = ask_stop(docker, container, signal, seconds, error);
		if (status == STATUS_OK) {
			status = docker_inspect(runtime, container, &state, &health, error);
		}
		if (status == STATUS_OK && state != CONTAINER_STOPPED) {
			status = ask_stop(docker, container, NULL, 0, error);
		}
	} else {
		if (state != CONTAINER_STOPPED) {
			status = signal_and_wait(docker, container, signal, seconds, error);
		}
		if (status == STATUS_OK) {
			status = ask_stop(docker, container, NULL, 0, error);
		}
	}
	return status == STATUS_OK ? STATUS_OK : error_prefix(error, "cannot stop %s", container->name);
}

static enum status docker_start(struct runtime *runtime, const struct container *container, struct error *error)
{
	enum status status = docker_request((struct docker *)runtime, "POST", NULL, NULL, NULL, error,
										"/containers/%s/start", container->id);
	return status == STATUS_OK ? STATUS_OK : error_prefix(error, "cannot start %s", container->name);
}

static const struct runtime_ops docker_ops = {
	.reopen = docker_reopen,
	.find = docker_find,
	.inspect = docker_inspect,
	.was_ended = docker_was_ended,
	.last_start = docker_last_start,
	.pause = docker_pause,
	.unpause = docker_unpause,
	.next_check = docker_next_check,
	.stop = docker_stop,
	.start = docker_start,
	.archive_get = docker_archive_get,
	.archive_put = docker_archive_put,
	.archive_stat = docker_archive_stat,
	.helper = docker_helper,
	.throwaway = docker_throwaway,
	.discard = docker_discard,
	.logs = docker_logs,
	.exec_open = docker_exec_open,
	.exec_exchange = docker_exec_exchange,
	.exec_close_input = docker_exec_close_input,
	.exec_finish = docker_exec_finish,
	.exec_free = docker_exec_free,
	.free = docker_free,
};
