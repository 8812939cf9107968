/* runtimes/docker*: whatever answers on the engine's socket, a call ends, and what it gives is whole. */
#include "fuzz.h"

#include "runtimes/docker.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
	REQUEST_LIMIT = 64 << 10,
	OUTPUT_LIMIT = 1 << 20,
	PATIENCE_SECONDS = 5,
	BACKLOG = 8,
};

/* Between two replies of an input; a reply that is no HTTP is the body of one that is well. */
#define SEPARATOR "\n%%\n"

/* --- the engine --------------------------------------------------------------------------------------------------- */

static struct {
	pthread_mutex_t mutex;
	const uint8_t *data;
	size_t left;
	int socket;
} engine = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void set_replies(const uint8_t *data, size_t size)
{
	pthread_mutex_lock(&engine.mutex);
	engine.data = data;
	engine.left = size;
	pthread_mutex_unlock(&engine.mutex);
}

/* Appends the next reply; none if there is no more. */
static void take_reply(struct buffer *reply)
{
	struct error error;
	pthread_mutex_lock(&engine.mutex);
	const uint8_t *end = engine.left > 0 ? memmem(engine.data, engine.left, SEPARATOR, strlen(SEPARATOR)) : NULL;
	size_t length = end != NULL ? (size_t)(end - engine.data) : engine.left;
	if (engine.left > 0 && (length < 5 || memcmp(engine.data, "HTTP/", 5) != 0)) {
		HOLDS(buffer_printf(reply, &error, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", length) == STATUS_OK);
	}
	HOLDS(buffer_append(reply, engine.data, length, &error) == STATUS_OK);
	length += end != NULL ? strlen(SEPARATOR) : 0;
	engine.data += length;
	engine.left -= length;
	pthread_mutex_unlock(&engine.mutex);
}

/*
 * libcurl before 8.1.0 reads what it has freed when the first header of a reply begins with a blank, as if it went on
 * with that of the reply before (docs/FACTS.md). That is not ours to find again and again.
 */
static void spare_libcurl(struct buffer *reply)
{
	if (curl_version_info(CURLVERSION_NOW)->version_num >= 0x080100) {
		return;
	}
	for (size_t i = 1; i < reply->length; i++) {
		bool blank = reply->data[i] == ' ' || reply->data[i] == '\t';
		reply->data[i] = (char)(blank && reply->data[i - 1] == '\n' ? 'x' : reply->data[i]);
	}
}

/* Up to the end of its body: a connection that is closed with something unread in it is reset. */
static void read_request(int fd)
{
	CLEANUP(buffer_free) struct buffer request = BUFFER_INIT(REQUEST_LIMIT);
	char block[4096];
	for (;;) {
		ssize_t length = recv(fd, block, sizeof block, 0);
		if (length <= 0 || !buffer_append_some(&request, block, (size_t)length)) {
			return;
		}
		const char *body = strstr(buffer_text(&request), "\r\n\r\n");
		const char *field = strstr(buffer_text(&request), "\r\nContent-Length:");
		size_t wanted = field != NULL ? strtoul(field + strlen("\r\nContent-Length:"), NULL, 10) : 0;
		if (body != NULL && strlen(body + 4) >= wanted) {
			return;
		}
	}
}

static void *answer(void *context)
{
	(void)context;
	for (;;) {
		CLEANUP(cleanup_close) int fd = accept4(engine.socket, NULL, NULL, SOCK_CLOEXEC);
		CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(OUTPUT_LIMIT);
		if (fd >= 0) {
			read_request(fd);
			take_reply(&reply);
			spare_libcurl(&reply);
			(void)!send(fd, buffer_text(&reply), reply.length, MSG_NOSIGNAL);
		}
	}
	return NULL;
}

static char *begin_engine(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char *host = NULL;
	pthread_t thread;
	HOLDS(snprintf(address.sun_path, sizeof address.sun_path, "%s/engine", fuzz_scratch()) > 0);
	engine.socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	HOLDS(bind(engine.socket, (const struct sockaddr *)&address, sizeof address) == 0);
	HOLDS(listen(engine.socket, BACKLOG) == 0);
	HOLDS(pthread_create(&thread, NULL, answer, NULL) == 0 && pthread_detach(thread) == 0);
	HOLDS(asprintf(&host, "unix://%s", address.sun_path) > 0);
	(void)signal(SIGPIPE, SIG_IGN);
	return host;
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

static void check_container(const struct container *container)
{
	HOLDS(container->id != NULL && container->name != NULL && container->service != NULL && container->store != NULL);
	HOLDS(container->image != NULL && container->image_digest != NULL);
	(void)container_environment(container, "PATH");
	(void)container_mount_below(container, "/data");
	(void)container_published(container, 6379);
	const struct mount *mount = container_mount_of(container, "/data/x");
	HOLDS(mount == NULL || (mount->source != NULL && mount->destination != NULL));
}

static enum status find(struct runtime *runtime, struct error *error)
{
	struct container_list list = {0};
	enum status status = runtime_find(runtime, "project", &list, error);
	for (size_t i = 0; status == STATUS_OK && i < list.count; i++) {
		check_container(list.items[i]);
	}
	container_list_free(&list);
	return status;
}

static enum status run_program(struct runtime *runtime, const struct container *container, struct error *error)
{
	static const char *const arguments[] = {"echo", "a", NULL};
	const struct exec_request request = {.container = container, .arguments = arguments};
	CLEANUP(buffer_free) struct buffer output = BUFFER_INIT(OUTPUT_LIMIT);
	return runtime_run_text(runtime, &request, &output, error);
}

static enum status get_archive(struct runtime *runtime, const struct container *container, struct error *error)
{
	CLEANUP(buffer_free) struct buffer output = BUFFER_INIT(OUTPUT_LIMIT);
	struct source *tar = NULL;
	enum status status = runtime_archive_get(runtime, container, "/data", &tar, error);
	return status == STATUS_OK ? fuzz_drain(tar, &output, error) : status;
}

static enum status run_helper(struct runtime *runtime, const struct container *container, struct error *error)
{
	static const char *const arguments[] = {"ls", "/data", NULL};
	CLEANUP(buffer_free) struct buffer output = BUFFER_INIT(OUTPUT_LIMIT);
	int exit_code = 0;
	return runtime_helper(runtime, container, arguments, &output, &exit_code, error);
}

static enum status make_throwaway(struct runtime *runtime, struct error *error)
{
	const struct throwaway wanted = {.image = "redis:7", .name = "drill", .drill = "0a1b"};
	CLEANUP(cleanup_container) struct container *container = NULL;
	enum status status = runtime_throwaway(runtime, &wanted, &container, error);
	if (status == STATUS_OK) {
		check_container(container);
	}
	return status;
}

static enum status look(struct runtime *runtime, const struct container *container, struct error *error)
{
	enum container_state state = CONTAINER_STOPPED;
	enum container_health health = HEALTH_NONE;
	double seconds = 0;
	bool killed = false;
	enum status status = runtime_inspect(runtime, container, &state, &health, error);
	if (status == STATUS_OK) {
		status = runtime_next_check(runtime, container, &seconds, error);
	}
	return status == STATUS_OK ? runtime_was_ended(runtime, container, &killed, error) : status;
}

static enum status log_of(struct runtime *runtime, const struct container *container, struct error *error)
{
	CLEANUP(buffer_free) struct buffer output = BUFFER_INIT(OUTPUT_LIMIT);
	return runtime_logs(runtime, container, &output, error);
}

static enum status connect_anew(const char *host, struct error *error)
{
	CLEANUP(cleanup_runtime) struct runtime *runtime = NULL;
	return docker_runtime_new(host, &runtime, error);
}

static enum status call(unsigned number, struct runtime *runtime, const char *host, struct error *error)
{
	char id[] = "0a1b";
	char name[] = "name";
	char empty[] = "";
	const struct container container = {
		.id = id, .name = name, .service = empty, .store = empty, .image = empty, .image_digest = empty};
	CLEANUP(cleanup_free) char *project = NULL;
	struct path_stat attributes;
	size_t count = 0;
	switch (number) {
	case 0:
		return connect_anew(host, error);
	case 1:
		return find(runtime, error);
	case 2:
		return look(runtime, &container, error);
	case 3:
		return runtime_archive_stat(runtime, &container, "/data", &attributes, error);
	case 4:
		return get_archive(runtime, &container, error);
	case 5:
		return run_program(runtime, &container, error);
	case 6:
		return log_of(runtime, &container, error);
	case 7:
		return run_helper(runtime, &container, error);
	case 8:
		return make_throwaway(runtime, error);
	case 9:
		return runtime_discard(runtime, "0a1b", &count, error);
	case 10:
		return docker_project_of_folder(runtime, "/folder", &project, error);
	default:
		return runtime_start(runtime, &container, error);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *host;
	static struct runtime *runtime;
	struct error error = {.message = ""};
	if (host == NULL) {
		static const char version[] = "{\"ApiVersion\": \"1.41\"}";
		host = begin_engine();
		set_replies((const uint8_t *)version, strlen(version));
		HOLDS(docker_runtime_new(host, &runtime, &error) == STATUS_OK);
		runtime->patience_seconds = PATIENCE_SECONDS;
	}
	if (size == 0 || size > OUTPUT_LIMIT / 2) {
		return 0;
	}
	/* The first byte says what is asked; the rest is what the engine says to that. */
	set_replies(data + 1, size - 1);
	enum status status = call((unsigned)(data[0] - 'a') % 12, runtime, host, &error);
	HOLDS(status == STATUS_OK || (error.status == status && error.message[0] != '\0' && fuzz_plain(error.message)));
	set_replies(NULL, 0);
	return 0;
}
