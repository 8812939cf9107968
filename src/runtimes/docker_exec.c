/* Programs in containers: exec create, start (an upgraded connection) and inspect of the Engine API. */
#include "base/clock.h"
#include "base/interrupt.h"
#include "runtimes/docker_frames.h"
#include "runtimes/docker_http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

enum {
	EXIT_CODE_WAIT_SECONDS = 10, /* between the end of the streams and the exit code's being there */
	EXIT_CODE_WAIT_STEP_MILLISECONDS = 5,
	ID_SIZE = 80, /* 64 hexadecimal digits */
	MARK_SIZE = 48,
};

struct docker_exec {
	struct exec exec;
	struct docker *docker;
	char id[ID_SIZE];
	char container_id[ID_SIZE];
	char mark[MARK_SIZE]; /* an environment variable that tells the program from all others */
	struct docker_transfer transfer;
	bool input_open;
	bool reads_all;
	bool dropped; /* a part of its input */
	bool finished;
	struct docker_frames frames;
};

static json_t *json_strings(const char *const *texts, const char *further)
{
	json_t *array = json_array();
	for (size_t i = 0; array != NULL && texts != NULL && texts[i] != NULL; i++) {
		/* A text that is not UTF-8 cannot be told to the engine at all: json_string fails, and so do we. */
		if (json_array_append_new(array, json_string(texts[i])) != 0) {
			json_decref(array);
			array = NULL;
		}
	}
	if (array != NULL && further != NULL && json_array_append_new(array, json_string(further)) != 0) {
		json_decref(array);
		array = NULL;
	}
	return array;
}

static enum status create(struct docker_exec *self, const struct exec_request *request, struct error *error)
{
	json_t *arguments = json_strings(request->arguments, NULL);
	json_t *environment = json_strings(request->environment, self->mark);
	CLEANUP(cleanup_json)
	json_t *body = json_pack("{s:b, s:b, s:b, s:b, s:o, s:o}", "AttachStdin", request->input, "AttachStdout", 1,
							 "AttachStderr", 1, "Tty", 0, "Cmd", arguments, "Env", environment);
	if (body == NULL || (request->user != NULL && json_object_set_new(body, "User", json_string(request->user)) != 0)) {
		return error_set(error, STATUS_FAILED, "cannot form the command to run in %s", request->container->name);
	}
	CLEANUP(cleanup_json) json_t *reply = NULL;
	enum status status =
		docker_request(self->docker, "POST", body, &reply, NULL, error, "/containers/%s/exec", request->container->id);
	if (status != STATUS_OK) {
		return error_prefix(error, "cannot run %s in container %s", request->arguments[0], request->container->name);
	}
	const char *id = json_string_value(json_object_get(reply, "Id"));
	if (id == NULL || strlen(id) >= sizeof self->id) {
		return error_set(error, STATUS_FAILED, "Docker gave no id for a command in %s", request->container->name);
	}
	strcpy(self->id, id);
	return STATUS_OK;
}

enum status docker_exec_open(struct runtime *runtime, const struct exec_request *request, struct exec **ret_exec,
							 struct error *error)
{
	struct docker_exec *self = calloc(1, sizeof *self);
	if (self == NULL) {
		return error_memory(error);
	}
	uint64_t random = 0;
	if (getrandom(&random, sizeof random, 0) != sizeof random) {
		free(self);
		return error_set_errno(error, "no random number");
	}
	self->exec.runtime = runtime;
	self->docker = (struct docker *)runtime;
	self->finished = true;
	self->input_open = request->input;
	self->reads_all = request->reads_all;
	snprintf(self->mark, sizeof self->mark, "WHISPERBACKUP_EXEC=%016llx", (unsigned long long)random);
	snprintf(self->container_id, sizeof self->container_id, "%s", request->container->id);
	enum status status = create(self, request, error);
	if (status == STATUS_OK) {
		char path[DOCKER_PATH_SIZE];
		snprintf(path, sizeof path, "/exec/%s/start", self->id);
		self->finished = false;
		status = docker_transfer_open(&self->transfer, self->docker, "POST", "{\"Detach\":false,\"Tty\":false}", true,
									  path, error);
	}
	if (status != STATUS_OK) {
		docker_exec_free(&self->exec);
		return status;
	}
	*ret_exec = &self->exec;
	return STATUS_OK;
}

enum status docker_exec_exchange(struct exec *exec, const void *bytes, size_t length, size_t *ret_written,
								 struct buffer *output, struct buffer *errors, int timeout_milliseconds,
								 bool *ret_ended, struct error *error)
{
	struct docker_exec *self = (struct docker_exec *)exec;
	*ret_written = 0;
	bool writable = false;
	bool write = length > 0 && self->input_open;
	enum status status = docker_transfer_wait(&self->transfer, write ? &writable : NULL, timeout_milliseconds, error);
	if (status == STATUS_OK && writable) {
		ssize_t sent = send(self->transfer.fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent >= 0) {
			*ret_written = (size_t)sent;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			self->input_open = false; /* the program has ended; its exit code will say why */
		} else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
			return error_set_errno(error, "cannot write to a command in a container");
		}
	}
	if (status == STATUS_OK) {
		status = docker_frames_take(&self->frames, &self->transfer.pending, output, errors, error);
	}
	if (status == STATUS_OK) {
		status = docker_transfer_result(&self->transfer, error);
	}
	if (length > *ret_written && (self->transfer.ended || !self->input_open)) {
		self->dropped = true;
	}
	self->input_open = self->input_open && !self->transfer.ended; /* there is no connection any more to end it on */
	if (self->transfer.ended || (write && !self->input_open)) {
		*ret_written = length; /* nobody reads it any more */
	}
	*ret_ended = self->transfer.ended && self->transfer.pending.length == 0;
	if (status == STATUS_OK && *ret_ended && self->frames.header_length != 0) {
		return error_set(error, STATUS_FAILED, "the output of a command in a container ended in the middle");
	}
	return status;
}

enum status docker_exec_close_input(struct exec *exec, struct error *error)
{
	struct docker_exec *self = (struct docker_exec *)exec;
	if (self->input_open && shutdown(self->transfer.fd, SHUT_WR) != 0 && errno != ENOTCONN) {
		return error_set_errno(error, "cannot end the input of a command in a container");
	}
	self->input_open = false;
	return STATUS_OK;
}

enum status docker_exec_finish(struct exec *exec, int *ret_exit_code, struct error *error)
{
	struct docker_exec *self = (struct docker_exec *)exec;
	for (double began = clock_seconds(); clock_seconds() - began < EXIT_CODE_WAIT_SECONDS;) {
		CLEANUP(cleanup_json) json_t *reply = NULL;
		enum status status = docker_request(self->docker, "GET", NULL, &reply, NULL, error, "/exec/%s/json", self->id);
		if (status != STATUS_OK) {
			return status;
		}
		const json_t *code = json_object_get(reply, "ExitCode");
		if (json_is_false(json_object_get(reply, "Running")) && json_is_integer(code)) {
			self->finished = true;
			*ret_exit_code = (int)json_integer_value(code);
			/* What half a script says is done well, too. */
			return *ret_exit_code == 0 && self->dropped && self->reads_all
					   ? error_set(error, STATUS_FAILED, "a command in a container did not get all of its input")
					   : STATUS_OK;
		}
		clock_sleep(EXIT_CODE_WAIT_STEP_MILLISECONDS);
	}
	return error_set(error, STATUS_FAILED, "Docker does not say how a command in a container ended");
}

/*
 * The engine has no call that ends an exec, and the program runs on when its client goes away. So it is found by the
 * mark in its environment, from inside the container, and ended there.
 */
static void end_program(struct docker_exec *self)
{
	static const char script[] =
		"for p in /proc/[0-9]*; do "
		"if tr '\\0' '\\n' <$p/environ 2>/dev/null | grep -qxF \"$0\"; then kill ${p#/proc/}; fi; done";
	const char *const arguments[] = {"sh", "-c", script, self->mark, NULL};
	json_t *list = json_strings(arguments, NULL);
	CLEANUP(cleanup_json) json_t *body = json_pack("{s:o, s:s}", "Cmd", list, "User", "0");
	CLEANUP(cleanup_json) json_t *reply = NULL;
	CLEANUP(cleanup_json) json_t *detach = json_pack("{s:b}", "Detach", 1);
	struct error ignored;
	interrupt_hold();
	if (body != NULL && detach != NULL &&
		docker_request(self->docker, "POST", body, &reply, NULL, &ignored, "/containers/%s/exec", self->container_id) ==
			STATUS_OK) {
		const char *id = json_string_value(json_object_get(reply, "Id"));
		if (id != NULL) {
			(void)!docker_request(self->docker, "POST", detach, NULL, NULL, &ignored, "/exec/%s/start", id);
		}
	}
	interrupt_release();
}

void docker_exec_free(struct exec *exec)
{
	if (exec == NULL) {
		return;
	}
	struct docker_exec *self = (struct docker_exec *)exec;
	if (!self->finished) {
		end_program(self);
	}
	docker_transfer_close(&self->transfer);
	free(self);
}
