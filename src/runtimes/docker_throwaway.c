/* Throwaway containers: for work in a volume that the archive calls cannot do, and for drills. */
#include "base/interrupt.h"
#include "runtimes/docker_http.h"

#include <stdio.h>
#include <string.h>

/* On every helper, with the id of the container that it works for; on every container of a drill, with the drill's. */
#define HELPER_LABEL "whisperengine.backup.helper"
#define DRILL_LABEL  "whisperengine.backup.drill"

enum {
	LOG_LIMIT = 1 << 20, /* bytes of a throwaway container's output that are read */
	REMOVE_TRIES = 3,    /* looks at what is left of it before a container counts as one that cannot be removed */
};

static void remove_container(struct docker *docker, const char *id)
{
	struct error ignored;
	interrupt_hold();
	(void)!docker_request(docker, "DELETE", NULL, NULL, NULL, &ignored, "/containers/%s?force=1&v=1", id);
	interrupt_release();
}

static enum status read_log(struct docker *docker, const char *id, const char *tail, struct buffer *output,
							struct error *error)
{
	char path[DOCKER_PATH_SIZE];
	snprintf(path, sizeof path, "/containers/%s/logs?stdout=1&stderr=1&tail=%s", id, tail);
	struct docker_transfer transfer;
	enum status status = docker_transfer_open(&transfer, docker, "GET", NULL, false, path, error);
	if (status != STATUS_OK) {
		return status;
	}
	CLEANUP(buffer_free) struct buffer log = BUFFER_INIT(LOG_LIMIT);
	while (status == STATUS_OK && !(transfer.ended && transfer.pending.length == 0)) {
		status = docker_transfer_wait(&transfer, NULL, -1, error);
		(void)buffer_append_some(&log, buffer_text(&transfer.pending), transfer.pending.length);
		buffer_clear(&transfer.pending);
	}
	if (status == STATUS_OK) {
		status = docker_transfer_result(&transfer, error);
	}
	docker_transfer_close(&transfer);
	/* The same frames as of an exec, but whole; a cut one at the limit is left out. */
	const unsigned char *at = (const unsigned char *)buffer_text(&log);
	size_t left = log.length;
	while (status == STATUS_OK && left >= 8) {
		size_t length = (size_t)at[4] << 24 | (size_t)at[5] << 16 | (size_t)at[6] << 8 | at[7];
		if (length > left - 8) {
			break;
		}
		(void)buffer_append_some(output, at + 8, length);
		at += 8 + length;
		left -= 8 + length;
	}
	return status;
}

/* What carries the label, whoever has left it. */
static enum status list_labelled(struct docker *docker, const char *label, const char *value, json_t **ret_list,
								 struct error *error)
{
	CLEANUP(cleanup_free) char *filters = NULL;
	if (asprintf(&filters, "{\"label\":[\"%s=%s\"]}", label, value) < 0) {
		filters = NULL;
		return error_memory(error);
	}
	CLEANUP(cleanup_free) char *escaped = docker_escape(docker, filters);
	if (escaped == NULL) {
		return error_memory(error);
	}
	enum status status =
		docker_request(docker, "GET", NULL, ret_list, NULL, error, "/containers/json?all=1&filters=%s", escaped);
	return status == STATUS_OK && !json_is_array(*ret_list)
			   ? error_set(error, STATUS_FAILED, "Docker's list of containers is none")
			   : status;
}

/* An engine that could not remove one, or did not answer to that, is asked again: only the list tells what is left. */
static enum status remove_helpers(struct docker *docker, const char *container_id, struct error *error)
{
	for (int tries = 0; tries < REMOVE_TRIES; tries++) {
		CLEANUP(cleanup_json) json_t *list = NULL;
		enum status status = list_labelled(docker, HELPER_LABEL, container_id, &list, error);
		if (status != STATUS_OK || json_array_size(list) == 0) {
			return status;
		}
		size_t index = 0;
		const json_t *item = NULL;
		const char *id = NULL;
		json_array_foreach (list, index, item) {
			id = json_string_value(json_object_get(item, "Id"));
			if (id != NULL && tries + 1 < REMOVE_TRIES) {
				remove_container(docker, id);
			}
		}
		(void)error_set(error, STATUS_FAILED, "the helper container %.12s of an earlier run cannot be removed",
						id != NULL ? id : "");
	}
	return error_hint(error,
					  "it may be at work in the same volume: docker rm -fv $(docker ps -aqf label=" HELPER_LABEL "=%s)",
					  container_id);
}

/* Removes a drill's containers, and first the helpers beside them, which keep their volumes in use. */
static enum status remove_drill(struct docker *docker, const char *drill, size_t *ret_count, struct error *error)
{
	CLEANUP(cleanup_json) json_t *list = NULL;
	*ret_count = 0;
	enum status status = list_labelled(docker, DRILL_LABEL, drill, &list, error);
	size_t index = 0;
	const json_t *item = NULL;
	json_array_foreach (list, index, item) {
		const char *id = json_string_value(json_object_get(item, "Id"));
		struct error ignored; /* without it a helper would not be found any more */
		if (id != NULL && remove_helpers(docker, id, &ignored) == STATUS_OK) {
			remove_container(docker, id);
		}
		*ret_count += 1;
	}
	return status;
}

/* One that we gave up would be made without us, and nobody would know of it. */
static enum status create(struct docker *docker, json_t *body, const char *query, json_t **ret_reply,
						  struct error *error)
{
	interrupt_hold();
	enum status status = docker_request(docker, "POST", body, ret_reply, NULL, error, "/containers/create%s", query);
	interrupt_release();
	return status;
}

enum status docker_helper(struct runtime *runtime, const struct container *container, const char *const *arguments,
						  struct buffer *output, int *ret_exit_code, struct error *error)
{
	struct docker *docker = (struct docker *)runtime;
	/* A run that was killed while its helper was at work could not remove it, and it keeps the volumes in use. Two at a
	 * time would move the same files. */
	enum status status = remove_helpers(docker, container->id, error);
	if (status != STATUS_OK) {
		return error_prefix(error, "no helper container can be made beside %s", container->name);
	}
	json_t *entrypoint = json_array();
	for (size_t i = 0; arguments[i] != NULL; i++) { /* one that is left out would make another command of it */
		if (json_array_append_new(entrypoint, json_string(arguments[i])) != 0) {
			json_decref(entrypoint);
			return error_set(error, STATUS_FAILED, "cannot form the command of a helper container: \"%s\" is not UTF-8",
							 arguments[i]);
		}
	}
	CLEANUP(cleanup_json)
	json_t *body = json_pack("{s:s, s:o, s:[], s:s, s:s, s:{s:s}, s:{s:[s], s:s, s:{s:s, s:{}}}}", "Image",
							 container->image_digest, "Entrypoint", entrypoint, "Cmd", "User", "0", "WorkingDir", "/",
							 "Labels", HELPER_LABEL, container->id, "HostConfig", "VolumesFrom", container->id,
							 "NetworkMode", "none", "LogConfig", "Type", "json-file", "Config");
	if (body == NULL) {
		return error_memory(error);
	}
	CLEANUP(cleanup_json) json_t *reply = NULL;
	status = create(docker, body, "", &reply, error);
	if (status != STATUS_OK) {
		struct error ignored; /* it may be there all the same */
		(void)!remove_helpers(docker, container->id, &ignored);
		return error_prefix(error, "cannot make a helper container beside %s", container->name);
	}
	const char *id = json_string_value(json_object_get(reply, "Id"));
	if (id == NULL) {
		return error_set(error, STATUS_FAILED, "Docker gave no id for a helper container beside %s", container->name);
	}
	CLEANUP(cleanup_json) json_t *result = NULL;
	status = docker_request(docker, "POST", NULL, NULL, NULL, error, "/containers/%s/start", id);
	if (status == STATUS_OK) {
		docker->timeout_seconds = 0; /* moving is quick, but removing much takes its time */
		status = docker_request(docker, "POST", NULL, &result, NULL, error, "/containers/%s/wait", id);
		docker->timeout_seconds = DOCKER_REQUEST_TIMEOUT_SECONDS;
	}
	const json_t *code = json_object_get(result, "StatusCode");
	if (status == STATUS_OK && !json_is_integer(code)) { /* 0 would mean that all of it is done */
		status = error_set(error, STATUS_FAILED, "Docker does not say how it ended");
	}
	if (status == STATUS_OK) {
		*ret_exit_code = (int)json_integer_value(code);
		status = read_log(docker, id, "all", output, error);
	}
	remove_container(docker, id);
	return status == STATUS_OK ? STATUS_OK
							   : error_prefix(error, "a helper container beside %s failed", container->name);
}

/* --- for a drill -------------------------------------------------------------------------------------------------- */

static json_t *strings_json(const char *const *texts)
{
	json_t *array = texts != NULL ? json_array() : NULL;
	for (size_t i = 0; array != NULL && texts[i] != NULL; i++) {
		if (json_array_append_new(array, json_string(texts[i])) != 0) { /* left out it would mean something else */
			json_decref(array);
			array = NULL;
		}
	}
	return array;
}

/* Without a source a volume is anonymous, and goes with its container. */
static json_t *mounts_json(const struct throwaway *wanted)
{
	json_t *mounts = json_array();
	for (size_t i = 0; wanted->volumes != NULL && wanted->volumes[i] != NULL; i++) {
		(void)json_array_append_new(mounts,
									json_pack("{s:s, s:s, s:{s:{s:s}}}", "Type", "volume", "Target", wanted->volumes[i],
											  "VolumeOptions", "Labels", DRILL_LABEL, wanted->drill));
	}
	return mounts;
}

/*
 * With no network it has a loopback interface, which is all that is needed: programs are run inside it. Its host name
 * would then not be known to it, and Neo4j calls that an invalid configuration; "localhost" always is.
 */
static json_t *throwaway_json(const struct throwaway *wanted)
{
	json_t *environment = strings_json(wanted->environment);
	if (environment == NULL && wanted->environment != NULL) {
		return NULL;
	}
	json_t *body =
		json_pack("{s:s, s:s, s:o?, s:{s:s}, s:{s:s, s:o, s:{s:s, s:{s:s}}}}", "Image", wanted->image, "Hostname",
				  "localhost", "Env", environment, "Labels", DRILL_LABEL, wanted->drill, "HostConfig", "NetworkMode",
				  "none", "Mounts", mounts_json(wanted), "LogConfig", "Type", "json-file", "Config", "max-size", "1m");
	if (body != NULL && wanted->command != NULL &&
		json_object_set_new(body, "Cmd", strings_json(wanted->command)) != 0) {
		json_decref(body);
		body = NULL;
	}
	return body;
}

enum status docker_throwaway(struct runtime *runtime, const struct throwaway *wanted, struct container **ret_container,
							 struct error *error)
{
	struct docker *docker = (struct docker *)runtime;
	CLEANUP(cleanup_json) json_t *body = throwaway_json(wanted);
	CLEANUP(cleanup_json) json_t *reply = NULL;
	if (body == NULL) {
		return error_set(error, STATUS_FAILED, "cannot form the command of the container %s", wanted->name);
	}
	CLEANUP(cleanup_free) char *name = NULL;
	if (asprintf(&name, "?name=%s", wanted->name) < 0) {
		name = NULL;
		return error_memory(error);
	}
	enum status status = create(docker, body, name, &reply, error);
	const char *id = json_string_value(json_object_get(reply, "Id"));
	if (status == STATUS_OK && id == NULL) {
		status = error_set(error, STATUS_FAILED, "Docker gave no id for it");
	}
	if (status == STATUS_OK) {
		status = docker_request(docker, "POST", NULL, NULL, NULL, error, "/containers/%s/start", id);
		if (status == STATUS_NOT_FOUND) {
			error->status = status = STATUS_FAILED; /* not the image, which is there */
		}
	}
	if (status == STATUS_OK) {
		status = docker_container(docker, id, ret_container, error);
	}
	return status == STATUS_OK ? STATUS_OK : error_prefix(error, "cannot make the container %s", wanted->name);
}

enum status docker_discard(struct runtime *runtime, const char *drill, size_t *ret_count, struct error *error)
{
	struct docker *docker = (struct docker *)runtime;
	size_t left = 0;
	enum status status = remove_drill(docker, drill, ret_count, error);
	if (status == STATUS_OK && *ret_count > 0) {
		status = remove_drill(docker, drill, &left, error);
	}
	if (status == STATUS_OK && left > 0) {
		status = remove_drill(docker, drill, &left, error);
	}
	if (status == STATUS_OK && left > 0) {
		(void)error_set(error, STATUS_FAILED, "%zu containers of a drill cannot be removed", left);
		return error_hint(error, "docker rm -fv $(docker ps -aqf label=" DRILL_LABEL "=%s)", drill);
	}
	return status == STATUS_OK ? STATUS_OK : error_prefix(error, "cannot remove the containers of a drill");
}

enum status docker_logs(struct runtime *runtime, const struct container *container, struct buffer *output,
						struct error *error)
{
	return read_log((struct docker *)runtime, container->id, "200", output, error);
}
