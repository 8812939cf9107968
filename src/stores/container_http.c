#include "stores/container_http.h"

#include <stdio.h>
#include <string.h>

enum {
	HTTP_REPLY_LIMIT = 4 << 20, /* bytes */
	HTTP_SECONDS = 10,
	HTTP_PORT_SIZE = 12,
};

enum status container_http_get(struct runtime *runtime, const struct container *container, unsigned port,
							   const char *path, int *ret_code, struct buffer *body, struct error *error)
{
	/* HTTP/1.0, so that the reply ends with the connection and is not cut into chunks (RFC 1945). */
	static const char script[] =
		"exec 3<>/dev/tcp/127.0.0.1/$0 || exit 7; "
		"printf 'GET %s HTTP/1.0\\r\\nHost: localhost\\r\\nAccept: application/json\\r\\n\\r\\n' \"$1\" >&3; "
		"exec timeout \"$2\" cat <&3";
	char port_text[HTTP_PORT_SIZE];
	char seconds[HTTP_PORT_SIZE];
	snprintf(port_text, sizeof port_text, "%u", port);
	snprintf(seconds, sizeof seconds, "%d", HTTP_SECONDS);
	const char *const arguments[] = {"bash", "-c", script, port_text, path, seconds, NULL};
	struct exec_request request = {.container = container, .arguments = arguments};
	CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(HTTP_REPLY_LIMIT);
	CLEANUP(cleanup_sink) struct sink *sink = NULL;
	int exit_code = 0;
	enum status status = sink_to_buffer_new(&reply, &sink, error);
	if (status == STATUS_OK) {
		status = runtime_run(runtime, &request, NULL, sink, NULL, &exit_code, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	if (exit_code == 126 || exit_code == 127) {
		return error_set(error, STATUS_NOT_FOUND, "container %s has no bash", container->name);
	}
	const char *end = strstr(buffer_text(&reply), "\r\n\r\n");
	if (end == NULL || sscanf(buffer_text(&reply), "HTTP/%*s %d", ret_code) != 1) {
		return error_set(error, STATUS_UNAVAILABLE, "nothing answers on port %u of container %s", port,
						 container->name);
	}
	return buffer_append_text(body, end + 4, error);
}
