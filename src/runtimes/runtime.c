#include "runtimes/runtime.h"

#include "base/clock.h"
#include "base/interrupt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
	RUN_ERRORS_LIMIT = 16 << 10,    /* bytes kept of what a failing program says */
	HEALTH_STEP_MILLISECONDS = 100, /* between two looks at a container's health */
};

enum status runtime_reopen(struct runtime *runtime, struct runtime **ret_runtime, struct error *error)
{
	enum status status = runtime->ops->reopen(runtime, ret_runtime, error);
	if (status == STATUS_OK) {
		(*ret_runtime)->patience_seconds = runtime->patience_seconds;
		(*ret_runtime)->volume_access = runtime->volume_access;
	}
	return status;
}

void runtime_free(struct runtime *runtime)
{
	if (runtime != NULL) {
		runtime->ops->free(runtime);
	}
}

enum status runtime_find(struct runtime *runtime, const char *project, struct container_list *ret_list,
						 struct error *error)
{
	return runtime->ops->find(runtime, project, ret_list, error);
}

static void strings_free(char **texts)
{
	for (size_t i = 0; texts != NULL && texts[i] != NULL; i++) {
		free(texts[i]);
	}
	free(texts);
}

void container_free(struct container *container)
{
	if (container == NULL) {
		return;
	}
	for (size_t i = 0; i < container->mount_count; i++) {
		free(container->mounts[i].type);
		free(container->mounts[i].source);
		free(container->mounts[i].destination);
	}
	free(container->mounts);
	for (size_t i = 0; i < container->port_count; i++) {
		free(container->ports[i].published);
	}
	free(container->ports);
	strings_free(container->environment);
	strings_free(container->command);
	free(container->id);
	free(container->name);
	free(container->service);
	free(container->store);
	free(container->image);
	free(container->image_digest);
	free(container);
}

void container_list_free(struct container_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		container_free(list->items[i]);
	}
	free(list->items);
	*list = (struct container_list){0};
}

const char *container_environment(const struct container *container, const char *name)
{
	size_t length = strlen(name);
	for (size_t i = 0; container->environment[i] != NULL; i++) {
		const char *entry = container->environment[i];
		if (strncmp(entry, name, length) == 0 && entry[length] == '=') {
			return entry + length + 1;
		}
	}
	return NULL;
}

const char *container_published(const struct container *container, unsigned port)
{
	for (size_t i = 0; i < container->port_count; i++) {
		if (container->ports[i].number == port) {
			return container->ports[i].published;
		}
	}
	return NULL;
}

/* The part of `path` below `parent`: "" for itself, "/x" for a child, NULL if it is not below. */
static const char *below(const char *path, const char *parent)
{
	size_t length = strlen(parent);
	while (length > 1 && parent[length - 1] == '/') {
		length--;
	}
	if (strncmp(path, parent, length) != 0) {
		return NULL;
	}
	return path[length] == '\0' || path[length] == '/' ? path + length : NULL;
}

const struct mount *container_mount_of(const struct container *container, const char *path)
{
	const struct mount *best = NULL;
	for (size_t i = 0; i < container->mount_count; i++) {
		const struct mount *mount = &container->mounts[i];
		if (below(path, mount->destination) != NULL &&
			(best == NULL || strlen(mount->destination) > strlen(best->destination))) {
			best = mount;
		}
	}
	return best;
}

const struct mount *container_mount_below(const struct container *container, const char *path)
{
	for (size_t i = 0; i < container->mount_count; i++) {
		const char *inside = below(container->mounts[i].destination, path);
		if (inside != NULL && inside[0] != '\0') {
			return &container->mounts[i];
		}
	}
	return NULL;
}

static enum status find_host_folder(const struct runtime *runtime, const struct container *container, const char *path,
									char **ret_folder, struct error *error)
{
	*ret_folder = NULL;
	const struct mount *mount = container_mount_of(container, path);
	/* In the volume's own folder, another mount below `path` is only the empty folder that it hides. */
	if (runtime->volume_access == VOLUME_API || container_mount_below(container, path) != NULL || mount == NULL ||
		mount->source[0] != '/' || !mount->writable) {
		return STATUS_OK;
	}
	CLEANUP(cleanup_free) char *source = realpath(mount->source, NULL);
	CLEANUP(cleanup_free) char *folder = NULL;
	if (source == NULL) {
		return STATUS_OK;
	}
	const char *inside = below(path, mount->destination);
	if (asprintf(&folder, "%s%s", strcmp(source, "/") == 0 ? "" : source, inside) < 0) {
		return error_memory(error);
	}
	/* A symbolic link in a volume means something in the container only; and who is in there must not lead us. */
	CLEANUP(cleanup_free) char *real = realpath(folder, NULL);
	struct stat attributes;
	/* Only as root: another user may see the folder but not keep the owners of what it holds. */
	if (geteuid() != 0 || real == NULL || strcmp(real, folder) != 0 || stat(folder, &attributes) != 0 ||
		!S_ISDIR(attributes.st_mode) || access(folder, R_OK | W_OK | X_OK) != 0) {
		return STATUS_OK;
	}
	*ret_folder = MOVE(folder);
	return STATUS_OK;
}

enum status runtime_host_folder(struct runtime *runtime, const struct container *container, const char *path,
								char **ret_folder, struct error *error)
{
	enum status status = find_host_folder(runtime, container, path, ret_folder, error);
	if (status != STATUS_OK || *ret_folder != NULL || runtime->volume_access != VOLUME_DIRECT) {
		return status;
	}
	(void)error_set(error, STATUS_FAILED, "%s of container %s cannot be reached from here", path, container->name);
	return error_hint(error, "run this as root on the engine's machine, or allow the way through the engine: "
							 "--volume-access auto");
}

enum status runtime_inspect(struct runtime *runtime, const struct container *container, enum container_state *ret_state,
							enum container_health *ret_health, struct error *error)
{
	return runtime->ops->inspect(runtime, container, ret_state, ret_health, error);
}

enum status runtime_was_ended(struct runtime *runtime, const struct container *container, bool *ret_ended,
							  struct error *error)
{
	return runtime->ops->was_ended(runtime, container, ret_ended, error);
}

enum status runtime_last_start(struct runtime *runtime, const struct container *container,
							   char ret_start[RUNTIME_START_SIZE], struct error *error)
{
	return runtime->ops->last_start(runtime, container, ret_start, error);
}

enum status runtime_pause(struct runtime *runtime, const struct container *container, struct error *error)
{
	return runtime->ops->pause(runtime, container, error);
}

enum status runtime_unpause(struct runtime *runtime, const struct container *container, struct error *error)
{
	return runtime->ops->unpause(runtime, container, error);
}

enum status runtime_next_check(struct runtime *runtime, const struct container *container, double *ret_seconds,
							   struct error *error)
{
	return runtime->ops->next_check(runtime, container, ret_seconds, error);
}

enum status runtime_stop(struct runtime *runtime, const struct container *container, const char *signal,
						 unsigned seconds, struct error *error)
{
	return runtime->ops->stop(runtime, container, signal, seconds, error);
}

enum status runtime_start(struct runtime *runtime, const struct container *container, struct error *error)
{
	return runtime->ops->start(runtime, container, error);
}

enum status runtime_wait_healthy(struct runtime *runtime, const struct container *container, unsigned seconds,
								 struct error *error)
{
	enum container_state state = CONTAINER_STOPPED;
	enum container_health health = HEALTH_NONE;
	for (double began = clock_seconds(); clock_seconds() - began < seconds;) {
		enum status status = runtime_inspect(runtime, container, &state, &health, error);
		if (status == STATUS_OK) {
			status = interrupt_check(error);
		}
		if (status != STATUS_OK) {
			return status;
		}
		if (state == CONTAINER_RUNNING && (health == HEALTH_NONE || health == HEALTH_HEALTHY)) {
			return STATUS_OK;
		}
		if (state == CONTAINER_STOPPED) { /* one that is to be started again is not stopped, but restarting */
			(void)error_set(error, STATUS_UNAVAILABLE, "container %s has ended", container->name);
			return error_hint(error, "see its log: docker logs %s", container->name);
		}
		clock_sleep(HEALTH_STEP_MILLISECONDS);
	}
	(void)error_set(error, STATUS_UNAVAILABLE, "container %s %s after %u seconds", container->name,
					state != CONTAINER_RUNNING ? "does not run" : "runs but is not healthy", seconds);
	return error_hint(error, "see its log: docker logs %s", container->name);
}

enum status runtime_throwaway(struct runtime *runtime, const struct throwaway *wanted, struct container **ret_container,
							  struct error *error)
{
	return runtime->ops->throwaway(runtime, wanted, ret_container, error);
}

enum status runtime_discard(struct runtime *runtime, const char *drill, size_t *ret_count, struct error *error)
{
	interrupt_hold();
	enum status status = runtime->ops->discard(runtime, drill, ret_count, error);
	interrupt_release();
	return status;
}

enum status runtime_logs(struct runtime *runtime, const struct container *container, struct buffer *output,
						 struct error *error)
{
	return runtime->ops->logs(runtime, container, output, error);
}

enum status runtime_archive_get(struct runtime *runtime, const struct container *container, const char *path,
								struct source **ret_tar, struct error *error)
{
	return runtime->ops->archive_get(runtime, container, path, ret_tar, error);
}

enum status runtime_archive_put(struct runtime *runtime, const struct container *container, const char *path,
								struct source *tar, struct error *error)
{
	return runtime->ops->archive_put(runtime, container, path, tar, error);
}

enum status runtime_archive_stat(struct runtime *runtime, const struct container *container, const char *path,
								 struct path_stat *ret_stat, struct error *error)
{
	return runtime->ops->archive_stat(runtime, container, path, ret_stat, error);
}

enum status runtime_helper(struct runtime *runtime, const struct container *container, const char *const *arguments,
						   struct buffer *output, int *ret_exit_code, struct error *error)
{
	return runtime->ops->helper(runtime, container, arguments, output, ret_exit_code, error);
}

/* --- programs ---------------------------------------------------------------------------------------------------- */

enum status runtime_exec_open(struct runtime *runtime, const struct exec_request *request, struct exec **ret_exec,
							  struct error *error)
{
	return runtime->ops->exec_open(runtime, request, ret_exec, error);
}

enum status runtime_exec_write(struct exec *exec, const void *bytes, size_t length, struct buffer *output,
							   struct buffer *errors, struct error *error)
{
	const char *at = bytes;
	while (length > 0) {
		size_t written = 0;
		bool ended = false;
		enum status status =
			exec->runtime->ops->exec_exchange(exec, at, length, &written, output, errors, -1, &ended, error);
		if (status != STATUS_OK) {
			return status;
		}
		at += written;
		length -= written;
	}
	return STATUS_OK;
}

enum status runtime_exec_read(struct exec *exec, struct buffer *output, struct buffer *errors, int timeout_milliseconds,
							  bool *ret_ended, struct error *error)
{
	size_t written = 0;
	return exec->runtime->ops->exec_exchange(exec, NULL, 0, &written, output, errors, timeout_milliseconds, ret_ended,
											 error);
}

enum status runtime_exec_close_input(struct exec *exec, struct error *error)
{
	return exec->runtime->ops->exec_close_input(exec, error);
}

enum status runtime_exec_finish(struct exec *exec, int *ret_exit_code, struct error *error)
{
	return exec->runtime->ops->exec_finish(exec, ret_exit_code, error);
}

void runtime_exec_free(struct exec *exec)
{
	if (exec != NULL) {
		exec->runtime->ops->exec_free(exec);
	}
}

/* Moves what the program has said on to where it belongs. */
static enum status hand_on(struct buffer *said, struct sink *output, struct error *error)
{
	enum status status = output != NULL ? sink_write(output, said->data, said->length, error) : STATUS_OK;
	buffer_clear(said);
	return status;
}

/* The program ended well, but before all of its input was taken from `input`. */
static enum status expect_no_rest(const struct exec_request *request, struct source *input, struct error *error)
{
	char byte = 0;
	size_t length = 0;
	enum status status = source_read(input, &byte, sizeof byte, &length, error);
	return status == STATUS_OK && length > 0
			   ? error_set(error, STATUS_FAILED, "%s in container %s ended before it had read all of its input",
						   request->arguments[0], request->container->name)
			   : status;
}

/* Feeds the whole input while taking whatever comes back, so that neither side ever waits for the other in vain. */
static enum status feed(struct exec *exec, struct source *input, struct sink *output, struct buffer *said,
						struct buffer *errors, bool *ret_ended, struct error *error)
{
	CLEANUP(cleanup_free) char *block = malloc(STREAM_BLOCK_SIZE);
	if (block == NULL) {
		return error_memory(error);
	}
	enum status status = STATUS_OK;
	while (status == STATUS_OK && !*ret_ended) {
		size_t length = 0;
		status = source_read(input, block, STREAM_BLOCK_SIZE, &length, error);
		if (status == STATUS_OK && length == 0) {
			break;
		}
		for (size_t at = 0, written = 0; status == STATUS_OK && at < length; at += written) {
			status = exec->runtime->ops->exec_exchange(exec, block + at, length - at, &written, said, errors, -1,
													   ret_ended, error);
			if (status == STATUS_OK) {
				status = hand_on(said, output, error);
			}
		}
	}
	return status == STATUS_OK ? runtime_exec_close_input(exec, error) : status;
}

enum status runtime_run(struct runtime *runtime, const struct exec_request *request, struct source *input,
						struct sink *output, struct buffer *errors, int *ret_exit_code, struct error *error)
{
	struct exec_request copy = *request;
	copy.input = input != NULL;
	CLEANUP(cleanup_exec) struct exec *exec = NULL;
	CLEANUP(buffer_free) struct buffer said = BUFFER_INIT(64 << 20);
	enum status status = runtime_exec_open(runtime, &copy, &exec, error);
	bool ended = false;
	if (status == STATUS_OK && input != NULL) {
		status = feed(exec, input, output, &said, errors, &ended, error);
	}
	bool cut = ended; /* while it was fed */
	bool patient = runtime->patience_seconds == 0;
	for (double began = clock_seconds(); status == STATUS_OK && !ended;) {
		double left = runtime->patience_seconds - (clock_seconds() - began);
		int milliseconds = patient ? -1 : left > 0 ? (int)(left * 1000) : 0;
		status = runtime_exec_read(exec, &said, errors, milliseconds, &ended, error);
		if (status == STATUS_OK && !ended && !patient && clock_seconds() - began >= runtime->patience_seconds) {
			status = error_set(error, STATUS_UNAVAILABLE, "%s in container %s has not answered for %u seconds",
							   request->arguments[0], request->container->name, runtime->patience_seconds);
		}
		if (status == STATUS_OK) {
			status = hand_on(&said, output, error);
		}
	}
	if (status == STATUS_OK) {
		status = runtime_exec_finish(exec, ret_exit_code, error);
	}
	return status == STATUS_OK && *ret_exit_code == 0 && input != NULL && cut && request->reads_all
			   ? expect_no_rest(request, input, error)
			   : status;
}

enum status runtime_run_text(struct runtime *runtime, const struct exec_request *request, struct buffer *output,
							 struct error *error)
{
	CLEANUP(buffer_free) struct buffer errors = BUFFER_INIT(RUN_ERRORS_LIMIT);
	CLEANUP(cleanup_sink) struct sink *sink = NULL;
	int exit_code = 0;
	enum status status = sink_to_buffer_new(output, &sink, error);
	if (status == STATUS_OK) {
		status = runtime_run(runtime, request, NULL, sink, &errors, &exit_code, error);
	}
	if (status != STATUS_OK || exit_code == 0) {
		return status;
	}
	/* A program that is not there is reported on standard output by the engine, with exit code 126 or 127. */
	buffer_trim(&errors);
	buffer_trim(output);
	return error_set(error, STATUS_FAILED, "%s in container %s ended with exit code %d: %s", request->arguments[0],
					 request->container->name, exit_code, errors.length > 0 ? errors.data : buffer_text(output));
}
