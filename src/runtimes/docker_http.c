#include "runtimes/docker_http.h"

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/json_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum {
	PENDING_LIMIT = 1 << 20,  /* bytes of a reply that wait to be read before the engine is held back */
	FAILURE_LIMIT = 16 << 10, /* bytes of an error reply worth keeping */
	POLL_MILLISECONDS = 500,  /* how long an interrupt may go unnoticed */
	WATCH_MILLISECONDS = 20,  /* between two looks at the time of who watches */
};

static int stop_when_interrupted(void *context, curl_off_t total, curl_off_t now, curl_off_t upload_total,
								 curl_off_t upload_now)
{
	(void)context;
	(void)total;
	(void)now;
	(void)upload_total;
	(void)upload_now;
	struct error ignored;
	return interrupt_check(&ignored) == STATUS_OK ? 0 : 1;
}

char *docker_escape(struct docker *docker, const char *text)
{
	char *escaped = curl_easy_escape(docker->curl, text, 0);
	char *copy = escaped != NULL ? strdup(escaped) : NULL;
	curl_free(escaped);
	return copy;
}

static bool set_target(struct docker *docker, CURL *curl, const char *path)
{
	char url[DOCKER_PATH_SIZE + 64];
	const char *slash_v = docker->version[0] != '\0' ? "/v" : "";
	int length = snprintf(url, sizeof url, "http://docker%s%s%s", slash_v, docker->version, path);
	return length > 0 && (size_t)length < sizeof url && curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, docker->socket_path) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)DOCKER_CONNECT_TIMEOUT_SECONDS) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, stop_when_interrupted) == CURLE_OK;
}

CURL *docker_curl_new(struct docker *docker, const char *path)
{
	CURL *curl = curl_easy_init();
	if (curl != NULL && !set_target(docker, curl, path)) {
		curl_easy_cleanup(curl);
		curl = NULL;
	}
	return curl;
}

enum status docker_curl_error(struct docker *docker, CURL *curl, CURLcode code, struct error *error)
{
	long number = 0;
	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &number);
	if (code == CURLE_ABORTED_BY_CALLBACK) {
		enum status status = interrupt_check(error);
		/* Another thread may hold interrupts by now. */
		return status != STATUS_OK ? status : error_set(error, STATUS_INTERRUPTED, "a request to Docker was stopped");
	}
	if (code == CURLE_COULDNT_CONNECT && number == EACCES) {
		(void)error_set(error, STATUS_UNAVAILABLE, "no permission to use Docker at %s", docker->socket_path);
		return error_hint(error, "run this with sudo, or add your user to the group docker and log in again");
	}
	if (code == CURLE_COULDNT_CONNECT) {
		(void)error_set(error, STATUS_UNAVAILABLE, "Docker not running: nothing answers at %s", docker->socket_path);
		error->on_the_way = true;
		return error_hint(error,
						  "start Docker Desktop or the Docker service (check with: docker info), then ./bot.sh start");
	}
	if (code == CURLE_OUT_OF_MEMORY) {
		return error_memory(error);
	}
	(void)error_set(error, STATUS_UNAVAILABLE, "the connection to Docker broke: %s", curl_easy_strerror(code));
	error->on_the_way = code != CURLE_OPERATION_TIMEDOUT; /* that was waited for long enough */
	return error_hint(error, "see whether Docker still runs: docker info");
}

enum status docker_http_error(long code, const struct buffer *body, struct error *error)
{
	/* "All errors are returned as JSON: {"message": ...}" (Engine API reference, section Errors). */
	CLEANUP(cleanup_json) json_t *json = NULL;
	(void)!json_text_read_bytes(buffer_text(body), body->length, 0, &json, error);
	const char *message = json_string_value(json_object_get(json, "message"));
	/* 409: the container is paused or not running (exec, pause, unpause). */
	enum status status = code == 404 ? STATUS_NOT_FOUND : code == 409 ? STATUS_CONFLICT : STATUS_FAILED;
	(void)error_set(error, status, "Docker says: %s", message != NULL ? message : "(an error without a text)");
	error->on_the_way = code >= 500;
	return status;
}

static size_t collect(char *bytes, size_t size, size_t count, void *context)
{
	struct error ignored;
	return buffer_append(context, bytes, size * count, &ignored) == STATUS_OK ? size * count : 0;
}

/* As curl_easy_perform, which wakes up too seldom. */
static CURLcode perform_watched(CURL *curl, struct docker_watch *watch)
{
	CURLM *multi = curl_multi_init();
	CURLMcode code = multi != NULL ? curl_multi_add_handle(multi, curl) : CURLM_OUT_OF_MEMORY;
	double late = clock_seconds() + watch->milliseconds / 1000.0;
	int running = 1;
	while (code == CURLM_OK && running > 0) {
		code = curl_multi_perform(multi, &running);
		if (code == CURLM_OK && running > 0) {
			code = curl_multi_poll(multi, NULL, 0, watch != NULL ? WATCH_MILLISECONDS : POLL_MILLISECONDS, NULL);
		}
		if (watch != NULL && running > 0 && clock_seconds() > late) {
			watch->slow(watch);
			watch = NULL;
		}
	}
	int left = 0;
	const CURLMsg *message = code == CURLM_OK ? curl_multi_info_read(multi, &left) : NULL;
	CURLcode result = message != NULL ? message->data.result : CURLE_OUT_OF_MEMORY;
	curl_multi_remove_handle(multi, curl);
	curl_multi_cleanup(multi);
	return result;
}

enum status docker_request(struct docker *docker, const char *method, json_t *body, json_t **ret_reply, long *ret_code,
						   struct error *error, const char *path_format, ...)
{
	char path[DOCKER_PATH_SIZE];
	va_list arguments;
	va_start(arguments, path_format);
	int length = vsnprintf(path, sizeof path, path_format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= sizeof path) {
		return error_set(error, STATUS_FAILED, "a request to Docker is too long");
	}
	CURL *curl = docker->curl;
	curl_easy_reset(curl);
	CLEANUP(cleanup_free) char *text = json_text_write(body, JSON_COMPACT);
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(DOCKER_REPLY_LIMIT);
	if (headers == NULL || (body != NULL && text == NULL) || !set_target(docker, curl, path)) {
		curl_slist_free_all(headers);
		return error_memory(error);
	}
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)docker->timeout_seconds);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply);
	if (strcmp(method, "POST") == 0) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text != NULL ? text : "");
	}
	/* Over a connection that was used before and breaks, libcurl sends a request again (transfer.c,
	 * Curl_retry_request): of two pauses the second is refused, and looks like one that somebody else had made before.
	 */
	curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, strcmp(method, "GET") == 0 ? 0L : 1L);
	CURLcode result = docker->watch != NULL ? perform_watched(curl, docker->watch) : curl_easy_perform(curl);
	curl_slist_free_all(headers);
	if (result != CURLE_OK) {
		return docker_curl_error(docker, curl, result, error);
	}
	long code = 0;
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
	if (ret_code != NULL) {
		*ret_code = code;
	}
	if (code >= 400) {
		return docker_http_error(code, &reply, error);
	}
	if (ret_reply != NULL) {
		*ret_reply = NULL;
		if (reply.length > 0) {
			enum status status =
				json_text_read_bytes(reply.data, reply.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, ret_reply, error);
			if (status != STATUS_OK) {
				return status == STATUS_NO_MEMORY ? status
												  : error_prefix(error, "Docker's answer to %s is not JSON", path);
			}
		}
	}
	return STATUS_OK;
}

bool docker_time(const char *text, struct timespec *ret_time)
{
	struct tm calendar = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &calendar);
	if (rest == NULL) {
		return false;
	}
	long nanoseconds = 0;
	if (*rest == '.') {
		rest++;
		for (long unit = 100000000; *rest >= '0' && *rest <= '9'; rest++, unit /= 10) {
			nanoseconds += unit * (*rest - '0');
		}
	}
	long offset = 0;
	int hours = 0;
	int minutes = 0;
	if ((*rest == '+' || *rest == '-') && sscanf(rest + 1, "%2d:%2d", &hours, &minutes) == 2) {
		offset = (*rest == '-' ? -1L : 1L) * (hours * 3600L + minutes * 60L);
	}
	*ret_time = (struct timespec){.tv_sec = timegm(&calendar) - offset, .tv_nsec = nanoseconds};
	return true;
}

/* --- transfers that are pulled -------------------------------------------------------------------------------------
 */

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	(void)purpose;
	struct docker_transfer *transfer = context;
	transfer->fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	return transfer->fd;
}

static size_t take_header(char *bytes, size_t size, size_t count, void *context)
{
	struct docker_transfer *transfer = context;
	if (size * count == 2 && memcmp(bytes, "\r\n", 2) == 0) {
		long code = 0;
		curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &code);
		transfer->answered = code != 100;
	}
	return size * count;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
	struct docker_transfer *transfer = context;
	long code = 0;
	curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &code);
	if (code >= 400) {
		(void)buffer_append_some(&transfer->failure, bytes, size * count);
		return size * count;
	}
	if (transfer->pending.length > 0 && transfer->pending.length + size * count > PENDING_LIMIT) {
		transfer->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	struct error ignored;
	return buffer_append(&transfer->pending, bytes, size * count, &ignored) == STATUS_OK ? size * count : 0;
}

static enum status advance(struct docker_transfer *transfer, struct error *error)
{
	if (transfer->paused && transfer->pending.length == 0) {
		transfer->paused = false;
		curl_easy_pause(transfer->curl, CURLPAUSE_CONT);
	}
	int running = 0;
	CURLMcode code = curl_multi_perform(transfer->multi, &running);
	if (code != CURLM_OK) {
		return error_set(error, STATUS_FAILED, "a request to Docker failed: %s", curl_multi_strerror(code));
	}
	int left = 0;
	for (CURLMsg *message; (message = curl_multi_info_read(transfer->multi, &left)) != NULL;) {
		if (message->msg == CURLMSG_DONE) {
			transfer->ended = true;
			/* libcurl does not count the headers of a 101, so a program without any output looks like no reply at all.
			 */
			bool silent = message->data.result == CURLE_GOT_NOTHING && transfer->answered;
			transfer->result = silent ? CURLE_OK : message->data.result;
		}
	}
	return STATUS_OK;
}

enum status docker_transfer_wait(struct docker_transfer *transfer, bool *write_fd_ready, int timeout_milliseconds,
								 struct error *error)
{
	int waited = 0;
	bool answered = transfer->answered;
	if (write_fd_ready != NULL) {
		*write_fd_ready = false;
	}
	for (;;) {
		enum status status = advance(transfer, error);
		if (status == STATUS_OK) {
			status = interrupt_check(error);
		}
		bool over = timeout_milliseconds >= 0 && waited >= timeout_milliseconds;
		if (status != STATUS_OK || transfer->pending.length > 0 || transfer->ended || transfer->answered != answered ||
			over) {
			return status;
		}
		struct curl_waitfd extra = {.fd = transfer->fd, .events = CURL_WAIT_POLLOUT};
		int step = timeout_milliseconds >= 0 && timeout_milliseconds - waited < POLL_MILLISECONDS
					   ? timeout_milliseconds - waited
					   : POLL_MILLISECONDS;
		bool write = write_fd_ready != NULL;
		CURLMcode code = curl_multi_poll(transfer->multi, write ? &extra : NULL, write ? 1 : 0, step, NULL);
		if (code != CURLM_OK) {
			return error_set(error, STATUS_FAILED, "cannot wait for Docker: %s", curl_multi_strerror(code));
		}
		if (write && extra.revents != 0) {
			*write_fd_ready = true;
			return advance(transfer, error);
		}
		waited += step;
	}
}

enum status docker_transfer_result(struct docker_transfer *transfer, struct error *error)
{
	if (!transfer->ended || transfer->result == CURLE_OK) {
		return STATUS_OK;
	}
	return docker_curl_error(transfer->docker, transfer->curl, transfer->result, error);
}

static bool configure(struct docker_transfer *transfer, const char *method, const char *body, bool upgrade)
{
	CURL *curl = transfer->curl;
	const char *const headers[] = {"Content-Type: application/json", "Expect:", "Connection: Upgrade", "Upgrade: tcp"};
	for (size_t i = 0; i < (upgrade ? 4 : 2); i++) {
		struct curl_slist *more = curl_slist_append(transfer->headers, headers[i]);
		if (more == NULL) {
			return false;
		}
		transfer->headers = more;
	}
	if (body != NULL) {
		curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, body);
	}
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, transfer->headers);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, transfer);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, (long)STREAM_BLOCK_SIZE);
	return curl_multi_add_handle(transfer->multi, curl) == CURLM_OK;
}

enum status docker_transfer_open(struct docker_transfer *transfer, struct docker *docker, const char *method,
								 const char *body, bool upgrade, const char *path, struct error *error)
{
	*transfer = (struct docker_transfer){
		.docker = docker,
		.pending = BUFFER_INIT(PENDING_LIMIT + CURL_MAX_READ_SIZE),
		.failure = BUFFER_INIT(FAILURE_LIMIT),
		.fd = -1,
	};
	transfer->curl = docker_curl_new(docker, path);
	transfer->multi = curl_multi_init();
	if (transfer->curl == NULL || transfer->multi == NULL || !configure(transfer, method, body, upgrade)) {
		docker_transfer_close(transfer);
		return error_memory(error);
	}
	enum status status = STATUS_OK;
	long code = 0;
	while (status == STATUS_OK && !transfer->ended && (!transfer->answered || code >= 400)) {
		status = docker_transfer_wait(transfer, NULL, POLL_MILLISECONDS, error);
		if (transfer->answered) {
			curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &code);
		}
		if (transfer->pending.length > 0) {
			break;
		}
	}
	if (status == STATUS_OK) {
		status = docker_transfer_result(transfer, error);
	}
	if (status == STATUS_OK) {
		curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &code);
		status = code >= 400 ? docker_http_error(code, &transfer->failure, error) : STATUS_OK;
	}
	if (status != STATUS_OK) {
		docker_transfer_close(transfer);
	}
	return status;
}

void docker_transfer_close(struct docker_transfer *transfer)
{
	if (transfer->multi != NULL && transfer->curl != NULL) {
		curl_multi_remove_handle(transfer->multi, transfer->curl);
	}
	curl_easy_cleanup(transfer->curl);
	curl_multi_cleanup(transfer->multi);
	curl_slist_free_all(transfer->headers);
	buffer_free(&transfer->pending);
	buffer_free(&transfer->failure);
	*transfer = (struct docker_transfer){.fd = -1, .ended = true};
}
