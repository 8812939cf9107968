#include "stores/container_http.h"

#include <stdio.h>
#include <string.h>

enum {
	HTTP_REPLY_LIMIT = 4 << 20, /* bytes */
	HTTP_SECONDS = 10,
	HTTP_POST_SECONDS = 120,
	HTTP_PORT_SIZE = 12,
	EXIT_NOBODY_LISTENS = 7, /* of our scripts */
	EXIT_TIMED_OUT = 124,    /* of timeout (coreutils), ... */
	EXIT_TERMINATED = 143,   /* ... and of BusyBox's */
	EXIT_NOT_STARTED = 126,
	EXIT_NOT_FOUND = 127,
};

/*
 * 127, or 126 with the engine's words for a program that is not there ("executable file not found in $PATH", "stat
 * /bin/bash: no such file or directory"). 126 alone means little: a container that ends meanwhile gives it too, with
 * words such as "cannot exec in a stopped container" or "task ... not found" (docs/FACTS.md).
 */
static bool has_no_bash(int exit_code, const struct buffer *said)
{
	const char *words = buffer_text(said);
	return exit_code == EXIT_NOT_FOUND ||
		   (exit_code == EXIT_NOT_STARTED &&
			(strstr(words, "executable file") != NULL || strstr(words, "o such file") != NULL ||
			 strstr(words, "ermission denied") != NULL));
}

/* Runs a bash script whose $0 is the port; what it says is appended to `output`. *ret_late: it took too long. */
static enum status run_bash(struct runtime *runtime, const struct container *container, unsigned port,
							const char *script, const char *const words[3], struct source *input, struct buffer *output,
							bool *ret_late, struct error *error)
{
	char port_text[HTTP_PORT_SIZE];
	snprintf(port_text, sizeof port_text, "%u", port);
	const char *const arguments[] = {"bash", "-c", script, port_text, words[0], words[1], words[2], NULL};
	struct exec_request request = {.container = container, .arguments = arguments, .input = input != NULL};
	CLEANUP(cleanup_sink) struct sink *sink = NULL;
	int exit_code = 0;
	enum status status = sink_to_buffer_new(output, &sink, error);
	if (status == STATUS_OK) {
		status = runtime_run(runtime, &request, input, sink, NULL, &exit_code, error);
	}
	if (status == STATUS_NOT_FOUND) {
		return error->status = STATUS_UNAVAILABLE; /* the container or the program has ended meanwhile */
	}
	if (status != STATUS_OK) {
		return status;
	}
	if (has_no_bash(exit_code, output)) {
		return error_set(error, STATUS_NOT_FOUND, "container %s has no bash", container->name);
	}
	if (exit_code == EXIT_NOT_STARTED) {
		buffer_trim(output);
		return error_set(error, STATUS_UNAVAILABLE, "container %s runs no program: %.200s", container->name,
						 buffer_text(output));
	}
	if (exit_code == EXIT_NOBODY_LISTENS) {
		return error_set(error, STATUS_UNAVAILABLE, "nothing listens on port %u of container %s", port,
						 container->name);
	}
	*ret_late = exit_code == EXIT_TIMED_OUT || exit_code == EXIT_TERMINATED;
	return STATUS_OK;
}

bool container_http_is_busy(int code)
{
	return code == 429 || code == 502 || code == 503 || code == 504 || code == 507;
}

enum status container_http_listens(struct runtime *runtime, const struct container *container, unsigned port,
								   struct error *error)
{
	CLEANUP(buffer_free) struct buffer ignored = BUFFER_INIT(HTTP_REPLY_LIMIT);
	bool late = false;
	return run_bash(runtime, container, port, "exec 3<>/dev/tcp/127.0.0.1/$0 || exit 7", (const char *const[3]){NULL},
					NULL, &ignored, &late, error);
}

/* Takes the HTTP status and the body out of a whole reply. */
static enum status take_answer(const struct container *container, unsigned port, struct buffer *reply, int *ret_code,
							   struct buffer *body, struct error *error)
{
	const char *end = strstr(buffer_text(reply), "\r\n\r\n");
	if (end == NULL || sscanf(buffer_text(reply), "HTTP/%*s %d", ret_code) != 1) {
		return error_set(error, STATUS_UNAVAILABLE, "no HTTP answer on port %u of container %s", port, container->name);
	}
	return buffer_append_text(body, end + 4, error);
}

enum status container_http_get(struct runtime *runtime, const struct container *container, unsigned port,
							   const char *path, int *ret_code, struct buffer *body, struct error *error)
{
	/* HTTP/1.0, so that the reply ends with the connection and is not cut into chunks (RFC 1945). */
	static const char script[] =
		"exec 3<>/dev/tcp/127.0.0.1/$0 || exit 7; "
		"printf 'GET %s HTTP/1.0\\r\\nHost: localhost\\r\\nAccept: application/json\\r\\n\\r\\n' \"$1\" >&3; "
		"exec timeout \"$2\" cat <&3";
	char seconds[HTTP_PORT_SIZE];
	snprintf(seconds, sizeof seconds, "%d", HTTP_SECONDS);
	CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(HTTP_REPLY_LIMIT);
	const char *const words[3] = {path, seconds};
	bool late = false;
	enum status status = run_bash(runtime, container, port, script, words, NULL, &reply, &late, error);
	return status == STATUS_OK ? take_answer(container, port, &reply, ret_code, body, error) : status;
}

enum status container_http_post(struct runtime *runtime, const struct container *container, unsigned port,
								const char *path, const char *json, int *ret_code, struct buffer *body,
								struct error *error)
{
	static const char script[] =
		"exec 3<>/dev/tcp/127.0.0.1/$0 || exit 7; "
		"printf 'POST %s HTTP/1.0\\r\\nHost: localhost\\r\\nAccept: application/json\\r\\nContent-Type: "
		"application/json\\r\\n"
		"Content-Length: %s\\r\\n\\r\\n' \"$1\" \"$3\" >&3; cat >&3; exec timeout \"$2\" cat <&3";
	char seconds[HTTP_PORT_SIZE];
	char length[24];
	snprintf(seconds, sizeof seconds, "%d", HTTP_POST_SECONDS);
	snprintf(length, sizeof length, "%zu", strlen(json));
	CLEANUP(cleanup_source) struct source *input = NULL;
	CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(body->limit);
	const char *const words[3] = {path, seconds, length};
	bool late = false;
	enum status status = source_from_memory_new(json, strlen(json), &input, error);
	if (status == STATUS_OK) {
		status = run_bash(runtime, container, port, script, words, input, &reply, &late, error);
	}
	if (status == STATUS_OK) {
		status = take_answer(container, port, &reply, ret_code, body, error);
		return status == STATUS_UNAVAILABLE && late ? error_blameless(error) : status;
	}
	return status;
}
