/*
 * runtime.h - where the stores run: the one interface between the rest of the program and a container engine.
 *
 * Nothing above this header knows about HTTP, sockets or JSON of an engine; nothing below it knows what a database is.
 * docker.h makes the only runtime there is today.
 */
#ifndef WHISPERBACKUP_RUNTIMES_RUNTIME_H
#define WHISPERBACKUP_RUNTIMES_RUNTIME_H

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum container_state { CONTAINER_RUNNING, CONTAINER_PAUSED, CONTAINER_RESTARTING, CONTAINER_STOPPED };
enum container_health { HEALTH_NONE, HEALTH_STARTING, HEALTH_HEALTHY, HEALTH_UNHEALTHY };

struct mount {
	char *type;        /* "volume", "bind", "tmpfs" */
	char *source;      /* folder on the engine's host; may be empty */
	char *destination; /* absolute path in the container */
	bool writable;
};

/* A port of the container that the engine's host answers on. */
struct port {
	unsigned number; /* in the container, TCP */
	char *published; /* "127.0.0.1:5432" */
};

/* What is known of one container, as it was when it was found. All strings are owned by the container and never NULL.
 */
struct container {
	char *id;
	char *name;         /* without the leading slash */
	char *service;      /* Compose service, or empty */
	char *store;        /* value of the label whisperengine.backup.store, or empty */
	char *image;        /* as the user named it, "postgres:16-alpine" */
	char *image_digest; /* "sha256:..." of the image's configuration */
	char **environment; /* "NAME=VALUE", NULL-terminated */
	char **command;     /* entrypoint and arguments, NULL-terminated */
	struct mount *mounts;
	size_t mount_count;
	struct port *ports;
	size_t port_count;
	enum container_state state;
	enum container_health health;
	int exit_code;     /* of a stopped one */
	bool created_only; /* never started */
	bool never_paused; /* its label whisperengine.backup.pause says "false" */
	bool kept_running; /* it is meant to run: Docker would start it again if it ended by itself */
};

struct container_list {
	struct container **items;
	size_t count;
};

struct runtime;
struct exec;

/* A program to run in a container. */
struct exec_request {
	const struct container *container;
	const char *const *arguments;   /* program first, NULL-terminated */
	const char *const *environment; /* further "NAME=VALUE", NULL-terminated; may be NULL. Secrets go here. */
	const char *user;               /* user in the container; NULL for the image's own */
	bool input;                     /* its standard input will be written to */
	/* It reads all of that: exit code 0 with a part of it left, which nobody was there to take, is a failure. */
	bool reads_all;
};

/* A container that is made for a drill and removed with it. Strings and lists are lent; lists end with NULL. */
struct throwaway {
	const char *image;
	const char *name;
	const char *drill;              /* which drill it belongs to; letters and digits */
	const char *const *environment; /* "NAME=VALUE" */
	const char *const *command;     /* NULL for the image's own */
	const char *const *volumes;     /* folders that get a volume of their own */
};

struct path_stat {
	uint64_t size; /* bytes */
	mode_t mode;   /* POSIX type and permission bits */
	struct timespec mtime;
};

enum { RUNTIME_START_SIZE = 48 }; /* bytes of a time in RFC 3339, with nanoseconds */

struct runtime_ops {
	/* A second connection to the same engine. */
	enum status (*reopen)(struct runtime *runtime, struct runtime **ret_runtime, struct error *error);
	enum status (*find)(struct runtime *runtime, const char *project, struct container_list *ret_list,
						struct error *error);
	enum status (*inspect)(struct runtime *runtime, const struct container *container, enum container_state *ret_state,
						   enum container_health *ret_health, struct error *error);
	enum status (*was_ended)(struct runtime *runtime, const struct container *container, bool *ret_ended,
							 struct error *error);
	enum status (*last_start)(struct runtime *runtime, const struct container *container,
							  char ret_start[RUNTIME_START_SIZE], struct error *error);
	enum status (*pause)(struct runtime *runtime, const struct container *container, struct error *error);
	enum status (*unpause)(struct runtime *runtime, const struct container *container, struct error *error);
	enum status (*next_check)(struct runtime *runtime, const struct container *container, double *ret_seconds,
							  struct error *error);
	enum status (*stop)(struct runtime *runtime, const struct container *container, const char *signal,
						unsigned seconds, struct error *error);
	enum status (*start)(struct runtime *runtime, const struct container *container, struct error *error);
	enum status (*archive_get)(struct runtime *runtime, const struct container *container, const char *path,
							   struct source **ret_tar, struct error *error);
	enum status (*archive_put)(struct runtime *runtime, const struct container *container, const char *path,
							   struct source *tar, struct error *error);
	enum status (*archive_stat)(struct runtime *runtime, const struct container *container, const char *path,
								struct path_stat *ret_stat, struct error *error);
	enum status (*helper)(struct runtime *runtime, const struct container *container, const char *const *arguments,
						  struct buffer *output, int *ret_exit_code, struct error *error);
	enum status (*throwaway)(struct runtime *runtime, const struct throwaway *wanted, struct container **ret_container,
							 struct error *error);
	enum status (*discard)(struct runtime *runtime, const char *drill, size_t *ret_count, struct error *error);
	enum status (*logs)(struct runtime *runtime, const struct container *container, struct buffer *output,
						struct error *error);
	enum status (*exec_open)(struct runtime *runtime, const struct exec_request *request, struct exec **ret_exec,
							 struct error *error);
	enum status (*exec_exchange)(struct exec *exec, const void *bytes, size_t length, size_t *ret_written,
								 struct buffer *output, struct buffer *errors, int timeout_milliseconds,
								 bool *ret_ended, struct error *error);
	enum status (*exec_close_input)(struct exec *exec, struct error *error);
	enum status (*exec_finish)(struct exec *exec, int *ret_exit_code, struct error *error);
	void (*exec_free)(struct exec *exec);
	void (*free)(struct runtime *runtime);
};

/* How the files in a volume are reached: in its folder where that can be, only so, or only through the engine. */
enum volume_access { VOLUME_AUTO, VOLUME_DIRECT, VOLUME_API };

struct runtime {
	const struct runtime_ops *ops;
	unsigned patience_seconds; /* how long runtime_run waits for a program in a container to end; 0: for ever */
	enum volume_access volume_access;
};

struct exec {
	struct runtime *runtime;
};

/* A second connection to the same engine, for another thread or process; with the same settings. */
enum status runtime_reopen(struct runtime *runtime, struct runtime **ret_runtime, struct error *error) MUST_CHECK;

void runtime_free(struct runtime *runtime);
CLEANUP_DEFINE(runtime, struct runtime, runtime_free)

/* --- containers ------------------------------------------------------------------------------------------------ */

/* All containers of a Compose project, one-off ones left out. An empty list is no error. */
enum status runtime_find(struct runtime *runtime, const char *project, struct container_list *ret_list,
						 struct error *error) MUST_CHECK;
void container_list_free(struct container_list *list);
void container_free(struct container *container);
CLEANUP_DEFINE(container, struct container, container_free)

/* The value of an environment variable of the container; NULL if it is not set. Lent. */
const char *container_environment(const struct container *container, const char *name);

/* The mount that holds `path`: the one with the longest destination that is `path` or a parent of it; NULL if none.
 * Lent. */
const struct mount *container_mount_of(const struct container *container, const char *path);

/* Where the engine's host answers for the container's TCP port; NULL if it does not. Lent. */
const char *container_published(const struct container *container, unsigned port);

/* A mount at a place strictly below `path`; NULL if there is none. Lent. */
const struct mount *container_mount_below(const struct container *container, const char *path);

/*
 * The folder on this machine that shows the container's `path`, if that lies in a mount and can be read and written
 * from here; *ret_folder is NULL (and the status OK) where it cannot or shall not, and the archive calls are the way
 * in. STATUS_FAILED where it cannot and has to (VOLUME_DIRECT). Owned by the caller.
 */
enum status runtime_host_folder(struct runtime *runtime, const struct container *container, const char *path,
								char **ret_folder, struct error *error) MUST_CHECK;

enum status runtime_inspect(struct runtime *runtime, const struct container *container, enum container_state *ret_state,
							enum container_health *ret_health, struct error *error) MUST_CHECK;

/* Whether a container that does not run was ended from outside: by SIGKILL, by SIGTERM, for a lack of memory, or with
 * exit code 0, as a server ends that is told to and none that has failed. */
enum status runtime_was_ended(struct runtime *runtime, const struct container *container, bool *ret_ended,
							  struct error *error) MUST_CHECK;

/* When the container was last started, in the engine's words: after another start it is another text. */
enum status runtime_last_start(struct runtime *runtime, const struct container *container,
							   char ret_start[RUNTIME_START_SIZE], struct error *error) MUST_CHECK;

/* Freezes all processes, and thaws them; STATUS_CONFLICT if the container is paused (or stopped, or about to be
 * started again), or not paused, already. */
enum status runtime_pause(struct runtime *runtime, const struct container *container, struct error *error) MUST_CHECK;
enum status runtime_unpause(struct runtime *runtime, const struct container *container, struct error *error) MUST_CHECK;

/*
 * In how many seconds the engine starts the container's health check; less than 0 if it has been due for so long, and
 * runs or will at once; INFINITY if there is none or nothing is known of it. A program that is being started in a
 * container as it is paused is in the way of its thaw.
 */
enum status runtime_next_check(struct runtime *runtime, const struct container *container, double *ret_seconds,
							   struct error *error) MUST_CHECK;

/*
 * Stops the container and waits until it has: `signal` (NULL for the container's own stop signal) first, SIGKILL after
 * `seconds`. A stopped container is STATUS_OK, and so is starting one that runs.
 */
enum status runtime_stop(struct runtime *runtime, const struct container *container, const char *signal,
						 unsigned seconds, struct error *error) MUST_CHECK;
enum status runtime_start(struct runtime *runtime, const struct container *container, struct error *error) MUST_CHECK;

/* Waits until the container, which was started, runs and its health check, if it has one, is content;
 * STATUS_UNAVAILABLE after `seconds`, or when the container has ended. */
enum status runtime_wait_healthy(struct runtime *runtime, const struct container *container, unsigned seconds,
								 struct error *error) MUST_CHECK;

/*
 * Makes and starts a container for a drill, without a network, ports or anything of other containers. STATUS_NOT_FOUND
 * if its image is not there; nothing is pulled.
 */
enum status runtime_throwaway(struct runtime *runtime, const struct throwaway *wanted, struct container **ret_container,
							  struct error *error) MUST_CHECK;

/* Removes all containers of a drill with their volumes, whatever signal comes; *ret_count is how many there were. */
enum status runtime_discard(struct runtime *runtime, const char *drill, size_t *ret_count,
							struct error *error) MUST_CHECK;

/* The last lines that the container has logged, as far as they fit. */
enum status runtime_logs(struct runtime *runtime, const struct container *container, struct buffer *output,
						 struct error *error) MUST_CHECK;

/* --- files ------------------------------------------------------------------------------------------------------- */

/* A tar stream of `path`, whose entries begin with its last component. Works on running, paused and stopped containers.
 */
enum status runtime_archive_get(struct runtime *runtime, const struct container *container, const char *path,
								struct source **ret_tar, struct error *error) MUST_CHECK;

/* Unpacks a tar stream into the existing folder `path`; numeric owners are kept, nothing is deleted. */
enum status runtime_archive_put(struct runtime *runtime, const struct container *container, const char *path,
								struct source *tar, struct error *error) MUST_CHECK;

/* STATUS_NOT_FOUND if there is no such path. */
enum status runtime_archive_stat(struct runtime *runtime, const struct container *container, const char *path,
								 struct path_stat *ret_stat, struct error *error) MUST_CHECK;

/*
 * Runs a program as root in a throwaway container made from the container's own image, with the container's volumes and
 * no network; standard output and standard error go to `output` as far as they fit. For work in a stopped container's
 * volume that cannot be reached from here. The throwaway container is always removed.
 */
enum status runtime_helper(struct runtime *runtime, const struct container *container, const char *const *arguments,
						   struct buffer *output, int *ret_exit_code, struct error *error) MUST_CHECK;

/* --- programs ---------------------------------------------------------------------------------------------------- */

/*
 * Runs a program to its end: `input` (NULL for none) to its standard input, its standard output to `output` (NULL to
 * drop it), its standard error to `errors` as far as that has room (NULL to drop it). *ret_exit_code is always read
 * from the engine; 126 and 127 are returned as such (the program is not there). A program that stops reading its input
 * early is no error here: its exit code tells. Stops, and ends the program, when interrupted; STATUS_UNAVAILABLE when
 * the runtime's patience is at its end.
 */
enum status runtime_run(struct runtime *runtime, const struct exec_request *request, struct source *input,
						struct sink *output, struct buffer *errors, int *ret_exit_code, struct error *error) MUST_CHECK;

/* As runtime_run without input, and anything but exit code 0 is a failure whose message is what the program said. */
enum status runtime_run_text(struct runtime *runtime, const struct exec_request *request, struct buffer *output,
							 struct error *error) MUST_CHECK;

/* A program that is talked with: opened, written to and read from in any order, finished. */
enum status runtime_exec_open(struct runtime *runtime, const struct exec_request *request, struct exec **ret_exec,
							  struct error *error) MUST_CHECK;

/* Writes all; what the program says meanwhile is appended to `output` and `errors` (both needed, both bounded). */
enum status runtime_exec_write(struct exec *exec, const void *bytes, size_t length, struct buffer *output,
							   struct buffer *errors, struct error *error) MUST_CHECK;

/*
 * Waits for something to come (at most `timeout_milliseconds`, -1 for ever) and appends it to `output` or `errors`.
 * *ret_ended says that nothing more will come.
 */
enum status runtime_exec_read(struct exec *exec, struct buffer *output, struct buffer *errors, int timeout_milliseconds,
							  bool *ret_ended, struct error *error) MUST_CHECK;
enum status runtime_exec_close_input(struct exec *exec, struct error *error) MUST_CHECK;

/* Only after *ret_ended: the exit code. */
enum status runtime_exec_finish(struct exec *exec, int *ret_exit_code, struct error *error) MUST_CHECK;

/* Ends the program in the container too, if it still runs. */
void runtime_exec_free(struct exec *exec);
CLEANUP_DEFINE(exec, struct exec, runtime_exec_free)

#endif
