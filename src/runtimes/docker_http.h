/*
 * docker_http.h - requests to the Docker Engine with libcurl. Private to the Docker runtime.
 */
#ifndef WHISPERBACKUP_RUNTIMES_DOCKER_HTTP_H
#define WHISPERBACKUP_RUNTIMES_DOCKER_HTTP_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/stream.h"
#include "runtimes/runtime.h"

#include <curl/curl.h>
#include <jansson.h>

enum {
	DOCKER_PATH_SIZE = 2048,              /* bytes of a request's path and query */
	DOCKER_REPLY_LIMIT = 32 << 20,        /* bytes of a JSON reply: an inspect of a container is some 10 KiB */
	DOCKER_CONNECT_TIMEOUT_SECONDS = 10,  /* a local socket answers at once or not at all */
	DOCKER_REQUEST_TIMEOUT_SECONDS = 120, /* a plain request */
};

/* Is told when no answer has come in time; the request goes on. */
struct docker_watch {
	void (*slow)(struct docker_watch *watch);
	unsigned milliseconds;
};

struct docker {
	struct runtime runtime;
	char *socket_path;
	char version[16];           /* "1.41"; empty before it is agreed */
	CURL *curl;                 /* for plain requests, which reuse its connection */
	unsigned timeout_seconds;   /* of a plain request; 0 for none */
	struct docker_watch *watch; /* of the plain request that is made; NULL: nobody */
};

CLEANUP_DEFINE(json, json_t, json_decref)

/*
 * One plain request. `body` may be NULL. The reply's JSON goes to *ret_reply (NULL to drop it; it is NULL when the
 * reply has no body). An HTTP status of 400 and more is a failure: STATUS_NOT_FOUND for 404, STATUS_CONFLICT for
 * 409, otherwise STATUS_FAILED, with the engine's own message. *ret_code (may be NULL) gets the HTTP status whenever
 * there was one.
 */
enum status docker_request(struct docker *docker, const char *method, json_t *body, json_t **ret_reply, long *ret_code,
						   struct error *error, const char *path_format, ...) PRINTF_LIKE(7, 8) MUST_CHECK;

/* A text as part of a path or query, percent-encoded. Owned by the caller. */
char *docker_escape(struct docker *docker, const char *text);

/* A curl handle for `path` with everything set that all requests share. NULL when out of memory. */
CURL *docker_curl_new(struct docker *docker, const char *path);

/* The failure that a curl code, or an HTTP status with its body, stands for. */
enum status docker_curl_error(struct docker *docker, CURL *curl, CURLcode code, struct error *error);
enum status docker_http_error(long code, const struct buffer *body, struct error *error);

/*
 * A transfer whose reply is pulled as it comes: what has arrived waits in `pending`, and the engine is held back while
 * that is full.
 */
struct docker_transfer {
	struct docker *docker;
	CURL *curl;
	CURLM *multi;
	struct curl_slist *headers;
	struct buffer pending;
	struct buffer failure; /* the body of a reply that is an HTTP error */
	int fd;                /* the connection, for programs that are written to; -1 before it is open */
	bool answered;         /* the reply's headers are complete */
	bool paused;
	bool ended;
	CURLcode result; /* once ended */
};

/* Begins it and waits until the reply's headers are there; an HTTP error is a failure as for docker_request. */
enum status docker_transfer_open(struct docker_transfer *transfer, struct docker *docker, const char *method,
								 const char *body, bool upgrade, const char *path, struct error *error) MUST_CHECK;

/*
 * Waits until something is pending, the headers have come, the transfer has ended, `write_fd_ready` (may be NULL) found
 * the connection ready for writing, or the time is over (milliseconds, -1 for ever).
 */
enum status docker_transfer_wait(struct docker_transfer *transfer, bool *write_fd_ready, int timeout_milliseconds,
								 struct error *error) MUST_CHECK;

/* A transfer that broke is a failure; one that ended well or goes on is not. */
enum status docker_transfer_result(struct docker_transfer *transfer, struct error *error) MUST_CHECK;
void docker_transfer_close(struct docker_transfer *transfer);

/* A time as the engine writes it: RFC 3339, with "Z" or an offset, and fractions of a second. False if it is none. */
bool docker_time(const char *text, struct timespec *ret_time);

/* docker.c: the container with that id, inspected. */
enum status docker_container(struct docker *docker, const char *id, struct container **ret_container,
							 struct error *error) MUST_CHECK;

/* docker_archive.c, docker_exec.c, docker_pause.c and docker_throwaway.c: their part of the runtime's table. */
enum status docker_pause(struct runtime *runtime, const struct container *container, struct error *error);
enum status docker_unpause(struct runtime *runtime, const struct container *container, struct error *error);
enum status docker_next_check(struct runtime *runtime, const struct container *container, double *ret_seconds,
							  struct error *error);
enum status docker_archive_get(struct runtime *runtime, const struct container *container, const char *path,
							   struct source **ret_tar, struct error *error);
enum status docker_archive_put(struct runtime *runtime, const struct container *container, const char *path,
							   struct source *tar, struct error *error);
enum status docker_archive_stat(struct runtime *runtime, const struct container *container, const char *path,
								struct path_stat *ret_stat, struct error *error);
enum status docker_exec_open(struct runtime *runtime, const struct exec_request *request, struct exec **ret_exec,
							 struct error *error);
enum status docker_exec_exchange(struct exec *exec, const void *bytes, size_t length, size_t *ret_written,
								 struct buffer *output, struct buffer *errors, int timeout_milliseconds,
								 bool *ret_ended, struct error *error);
enum status docker_exec_close_input(struct exec *exec, struct error *error);
enum status docker_exec_finish(struct exec *exec, int *ret_exit_code, struct error *error);
void docker_exec_free(struct exec *exec);
enum status docker_throwaway(struct runtime *runtime, const struct throwaway *wanted, struct container **ret_container,
							 struct error *error);
enum status docker_discard(struct runtime *runtime, const char *drill, size_t *ret_count, struct error *error);
enum status docker_logs(struct runtime *runtime, const struct container *container, struct buffer *output,
						struct error *error);
enum status docker_helper(struct runtime *runtime, const struct container *container, const char *const *arguments,
						  struct buffer *output, int *ret_exit_code, struct error *error);

#endif
