#include "transaction/folder_swap.h"

#include "pipeline/tar.h"
#include "transaction/folder_swap_direct.h"
#include "transaction/folder_swap_script.h"

#include <stdio.h>
#include <string.h>

#define OWN_FOLDER FOLDER_SWAP_OWN_FOLDER

enum { SCRIPT_OUTPUT_LIMIT = 4096 };

struct folder_swap {
	struct runtime *runtime;
	const struct container *container;
	const char *const *names;
	char *path; /* in the container */
	char *host; /* the same folder on this machine; NULL if it cannot be reached from here */
	bool applied;
};

enum status folder_swap_new(struct runtime *runtime, const struct container *container, const char *path,
							const char *const *names, struct folder_swap **ret_swap, struct error *error)
{
	if (container_mount_of(container, path) == NULL) {
		(void)error_set(error, STATUS_FAILED,
						"%s of container %s is in no volume: what is there goes with the container", path,
						container->name);
		return error_hint(error, "give the service a volume for %s in the compose file, then try again", path);
	}
	const struct mount *inner = container_mount_below(container, path);
	if (inner != NULL) {
		(void)error_set(error, STATUS_FAILED,
						"%s of container %s holds another mount, %s, which cannot be replaced with it", path,
						container->name, inner->destination);
		return error_hint(error, "restore this store by hand (docs/RESTORE.md), or keep its data in one volume");
	}
	struct folder_swap *swap = calloc(1, sizeof *swap);
	if (swap == NULL) {
		return error_memory(error);
	}
	*swap = (struct folder_swap){.runtime = runtime, .container = container, .names = names, .path = strdup(path)};
	enum status status =
		swap->path == NULL ? error_memory(error) : runtime_host_folder(runtime, container, path, &swap->host, error);
	if (status != STATUS_OK) {
		folder_swap_free(swap);
		return status;
	}
	*ret_swap = swap;
	return STATUS_OK;
}

void folder_swap_free(struct folder_swap *swap)
{
	if (swap != NULL) {
		free(swap->path);
		free(swap->host);
		free(swap);
	}
}

bool folder_swap_applied(const struct folder_swap *swap)
{
	return swap->applied;
}

/* --- in a throwaway container ----------------------------------------------------------------------------------------
 */

static enum status run_script(const struct folder_swap *swap, const char *step, char **ret_output, struct error *error)
{
	enum { NAMES_LIMIT = 16 };
	const char *arguments[NAMES_LIMIT + 8] = {"sh", "-c", folder_swap_script, "whisperbackup", step, swap->path};
	for (size_t i = 0; swap->names != NULL && swap->names[i] != NULL && i < NAMES_LIMIT; i++) {
		arguments[6 + i] = swap->names[i];
	}
	CLEANUP(buffer_free) struct buffer output = BUFFER_INIT(SCRIPT_OUTPUT_LIMIT);
	int exit_code = 0;
	enum status status = runtime_helper(swap->runtime, swap->container, arguments, &output, &exit_code, error);
	if (status == STATUS_OK && exit_code != 0) {
		buffer_trim(&output);
		status = error_set(error, STATUS_FAILED, "cannot change %s of container %s (step %s): %s", swap->path,
						   swap->container->name, step, buffer_text(&output));
	}
	if (status == STATUS_OK && ret_output != NULL) {
		*ret_output = strdup(buffer_text(&output));
		status = *ret_output == NULL ? error_memory(error) : STATUS_OK;
	}
	return status;
}

/* The script says "state=WORD."; without that line nothing is known. */
static enum status remote_state(const struct folder_swap *swap, char **ret_state, struct error *error)
{
	CLEANUP(cleanup_free) char *output = NULL;
	enum status status = run_script(swap, "state", &output, error);
	if (status != STATUS_OK) {
		return status;
	}
	const char *word = strstr(output, "state=");
	const char *end = word != NULL ? strchr(word, '.') : NULL;
	if (end == NULL) {
		return error_set(error, STATUS_FAILED, "cannot tell how far an earlier restore of %s has come: %s",
						 swap->container->name, output);
	}
	word += strlen("state=");
	*ret_state = strndup(word, (size_t)(end - word));
	return *ret_state == NULL ? error_memory(error) : STATUS_OK;
}

static enum status remote_stage(const struct folder_swap *swap, struct source *tar, const char *path_in_archive,
								struct error *error)
{
	CLEANUP(cleanup_source) struct source *renamed = NULL;
	enum status status = tar_rename_source_new(tar, path_in_archive, OWN_FOLDER "/new", &renamed, error);
	return status == STATUS_OK ? runtime_archive_put(swap->runtime, swap->container, swap->path, renamed, error)
							   : status;
}

/* --- either way ------------------------------------------------------------------------------------------------------
 */

static enum status look(const struct folder_swap *swap, char **ret_state, struct error *error)
{
	return swap->host != NULL ? folder_swap_direct_state(swap->host, ret_state, error)
							  : remote_state(swap, ret_state, error);
}

static bool is_half(const char *state)
{
	return strcmp(state, "out") == 0 || strcmp(state, "in") == 0;
}

static enum status refuse_strange(const struct folder_swap *swap, const char *state, struct error *error)
{
	if (state[0] == '\0' || strcmp(state, "done") == 0 || is_half(state)) {
		return STATUS_OK;
	}
	(void)error_set(error, STATUS_FAILED, "%s/" OWN_FOLDER " of container %s holds data of an earlier restore (%s)",
					swap->path, swap->container->name, state);
	return error_hint(error, "see what is in it (docs/RESTORE.md), save what you need, and remove that folder");
}

enum status folder_swap_resume(struct folder_swap *swap, bool *ret_half, struct error *error)
{
	CLEANUP(cleanup_free) char *state = NULL;
	enum status status = look(swap, &state, error);
	if (status == STATUS_OK) {
		status = refuse_strange(swap, state, error);
	}
	if (status == STATUS_OK) {
		*ret_half = is_half(state);
		swap->applied = state[0] != '\0';
	}
	return status;
}

enum status folder_swap_heal(struct folder_swap *swap, bool stopped, bool *ret_moved, struct error *error)
{
	CLEANUP(cleanup_free) char *state = NULL;
	*ret_moved = false;
	enum status status = look(swap, &state, error);
	if (status != STATUS_OK) {
		return status;
	}
	if (is_half(state)) {
		*ret_moved = !stopped;
		if (!stopped) {
			return STATUS_OK;
		}
		return swap->host != NULL ? folder_swap_direct_rollback(swap->host, swap->names, error)
								  : run_script(swap, "rollback", NULL, error);
	}
	status = refuse_strange(swap, state, error);
	if (status != STATUS_OK) {
		return status;
	}
	return swap->host != NULL ? folder_swap_direct_remove(swap->host, error) : run_script(swap, "remove", NULL, error);
}

enum status folder_swap_unfinished(struct runtime *runtime, const struct container *container, const char *path,
								   bool *ret_unfinished, struct error *error)
{
	CLEANUP(cleanup_free) char *state = NULL;
	struct path_stat attributes;
	*ret_unfinished = false;
	if (asprintf(&state, "%s/" OWN_FOLDER "/state", path) < 0) {
		state = NULL;
		return error_memory(error);
	}
	enum status status = runtime_archive_stat(runtime, container, state, &attributes, error);
	if (status == STATUS_OK) {
		*ret_unfinished = attributes.size != strlen("done"); /* "out" and "in" are shorter */
	}
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status folder_swap_stage(struct folder_swap *swap, struct source *tar, const char *path_in_archive,
							  struct progress *progress, struct error *error)
{
	return swap->host != NULL ? folder_swap_direct_stage(swap->host, tar, path_in_archive, progress, error)
							  : remote_stage(swap, tar, path_in_archive, error);
}

enum status folder_swap_apply(struct folder_swap *swap, struct error *error)
{
	swap->applied = true;
	return swap->host != NULL ? folder_swap_direct_apply(swap->host, swap->names, error)
							  : run_script(swap, "apply", NULL, error);
}

enum status folder_swap_commit(struct folder_swap *swap, struct error *error)
{
	enum status status =
		swap->host != NULL ? folder_swap_direct_remove(swap->host, error) : run_script(swap, "remove", NULL, error);
	swap->applied = swap->applied && status != STATUS_OK;
	return status;
}

enum status folder_swap_rollback(struct folder_swap *swap, struct error *error)
{
	CLEANUP(cleanup_free) char *state = NULL;
	enum status status = look(swap, &state, error);
	if (status == STATUS_OK) {
		status = refuse_strange(swap, state, error); /* what is in there may be the only copy */
	}
	if (status != STATUS_OK) {
		return status;
	}
	status = swap->host != NULL ? folder_swap_direct_rollback(swap->host, swap->names, error)
								: run_script(swap, "rollback", NULL, error);
	swap->applied = swap->applied && status != STATUS_OK;
	return status;
}
