#include "stores/container_http.h"

#include <stdio.h>
#include <string.h>

enum {
	HTTP_REPLY_LIMIT = 4 << 20, /* bytes */
	HTTP_SECONDS = 10,
	HTTP_PORT_SIZE = 12,
	EXIT_NOBODY_LISTENS = 7, /* of our scripts */
};

/* Runs a bash script whose $0 is the port. */
static enum status run_bash(struct runtime *runtime, const struct container *container, unsigned port,
							const char *script, const char *first, const char *second, struct sink *output,
							struct error *error)
{
	char port_text[HTTP_PORT_SIZE];
	snprintf(port_text, sizeof port_text, "%u", port);
	const char *const arguments[] = {"bash", "-c", script, port_text, first, second, NULL};
	struct exec_request request = {.container = container, .arguments = arguments};
	int exit_code = 0;
	enum status status = runtime_run(runtime, &request, NULL, output, NULL, &exit_code, error);
	if (status != STATUS_OK) {
		return status;
	}
	if (exit_code == 126 || exit_code == 127) {
		return error_set(error, STATUS_NOT_FOUND, "container %s has no bash", container->name);
	}
	if (exit_code == EXIT_NOBODY_LISTENS) {
		return error_set(error, STATUS_UNAVAILABLE, "nothing listens on port %u of container %s", port,
						 container->name);
	}
	return STATUS_OK;
}

enum status container_http_listens(struct runtime *runtime, const struct container *container, unsigned port,
								   struct error *error)
{
	return run_bash(runtime, container, port, "exec 3<>/dev/tcp/127.0.0.1/$0 || exit 7", NULL, NULL, NULL, error);
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
	CLEANUP(cleanup_sink) struct sink *sink = NULL;
	enum status status = sink_to_buffer_new(&reply, &sink, error);
	if (status == STATUS_OK) {
		status = run_bash(runtime, container, port, script, path, seconds, sink, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	const char *end = strstr(buffer_text(&reply), "\r\n\r\n");
	if (end == NULL || sscanf(buffer_text(&reply), "HTTP/%*s %d", ret_code) != 1) {
		return error_set(error, STATUS_UNAVAILABLE, "no HTTP answer on port %u of container %s", port, container->name);
	}
	return buffer_append_text(body, end + 4, error);
}
