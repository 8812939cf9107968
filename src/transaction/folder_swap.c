#include "transaction/folder_swap.h"

#include "base/files.h"
#include "base/test_switch.h"
#include "pipeline/file.h"
#include "pipeline/tar.h"
#include "transaction/folder_swap_script.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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

/* --- with system calls -----------------------------------------------------------------------------------------------
 */

static bool is_ours(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
		   strncmp(name, TAR_OWN_PREFIX, strlen(TAR_OWN_PREFIX)) == 0;
}

static bool is_chosen(const struct folder_swap *swap, const char *name)
{
	for (size_t i = 0; swap->names != NULL && swap->names[i] != NULL; i++) {
		if (strcmp(swap->names[i], name) == 0) {
			return true;
		}
	}
	return swap->names == NULL;
}

/* Renames one entry; what stands in its place at the target goes to the folder `aside` first (NULL: nothing may). */
static enum status move_entry(const char *name, const char *from, const char *to, const char *aside,
							  struct error *error)
{
	CLEANUP(cleanup_free) char *source = NULL;
	CLEANUP(cleanup_free) char *target = NULL;
	enum status status = files_join(from, name, &source, error);
	if (status == STATUS_OK) {
		status = files_join(to, name, &target, error);
	}
	bool exists = false;
	if (status == STATUS_OK) {
		status = files_exists(target, &exists, error);
	}
	if (status == STATUS_OK && exists) {
		status = aside != NULL ? move_entry(name, to, aside, NULL, error)
							   : error_set(error, STATUS_FAILED, "cannot move %s to %s: it exists", source, target);
	}
	if (status == STATUS_OK && rename(source, target) != 0) {
		status = error_set_errno(error, "cannot move %s to %s", source, target);
	}
	return status;
}

/*
 * Renames every entry of `from` that is not ours (and, if `chosen_only`, that is to be replaced) into `to`; `aside` as
 * for move_entry.
 */
static enum status move_entries(const struct folder_swap *swap, const char *from, const char *to, const char *aside,
								bool chosen_only, struct error *error)
{
	/* All names before the first rename: what readdir says of a folder that changes meanwhile is nobody's promise. */
	struct dirent **names = NULL;
	int count = scandir(from, &names, NULL, NULL);
	if (count < 0) {
		return error_set_errno(error, "cannot read %s", from);
	}
	enum status status = STATUS_OK;
	for (int i = 0; i < count; i++) {
		const char *name = names[i]->d_name;
		if (status == STATUS_OK && !is_ours(name) && (!chosen_only || is_chosen(swap, name))) {
			status = move_entry(name, from, to, aside, error);
		}
		free(names[i]);
	}
	free(names);
	if (status == STATUS_OK) {
		status = file_sync_folder(from, error);
	}
	return status == STATUS_OK ? file_sync_folder(to, error) : status;
}

static enum status copy_attributes(const char *from, const char *to, struct error *error)
{
	struct stat attributes;
	if (stat(from, &attributes) != 0 || chown(to, attributes.st_uid, attributes.st_gid) != 0 ||
		chmod(to, attributes.st_mode & 07777) != 0) {
		return error_set_errno(error, "cannot give %s its owner and mode", to);
	}
	return STATUS_OK;
}

/* Paths on this machine of the parts of a swap. */
struct parts {
	char *own;
	char *new;
	char *old;
	char *aside;
	char *state;
};

static void cleanup_parts(struct parts *parts)
{
	free(parts->own);
	free(parts->new);
	free(parts->old);
	free(parts->aside);
	free(parts->state);
}

static enum status find_parts(const struct folder_swap *swap, struct parts *parts, struct error *error)
{
	bool complete =
		asprintf(&parts->own, "%s/%s", swap->host, OWN_FOLDER) >= 0 &&
		asprintf(&parts->new, "%s/new", parts->own) >= 0 && asprintf(&parts->old, "%s/old", parts->own) >= 0 &&
		asprintf(&parts->aside, "%s/aside", parts->own) >= 0 && asprintf(&parts->state, "%s/state", parts->own) >= 0;
	return complete ? STATUS_OK : error_memory(error);
}

static enum status write_state(const struct parts *parts, const char *text, struct error *error)
{
	CLEANUP(cleanup_free) char *temporary = NULL;
	if (asprintf(&temporary, "%s.new", parts->state) < 0) {
		return error_memory(error);
	}
	(void)unlink(temporary);
	enum status status = file_write_text(temporary, text, error);
	if (status == STATUS_OK && rename(temporary, parts->state) != 0) {
		status = error_set_errno(error, "cannot write %s", parts->state);
	}
	if (status == STATUS_OK) {
		status = file_sync_folder(parts->own, error);
	}
	return status == STATUS_OK ? test_switch_step(text, error) : status;
}

/* "", "out", "in" or "done" */
static enum status read_state(const struct parts *parts, char **ret_state, struct error *error)
{
	enum status status = files_read_text(parts->state, ret_state, error);
	if (status != STATUS_NOT_FOUND) {
		return status;
	}
	*ret_state = strdup("");
	return *ret_state == NULL ? error_memory(error) : STATUS_OK;
}

static enum status direct_apply(const struct folder_swap *swap, struct error *error)
{
	CLEANUP(cleanup_parts) struct parts parts = {0};
	enum status status = find_parts(swap, &parts, error);
	if (status == STATUS_OK && mkdir(parts.old, 0700) != 0) {
		status = error_set_errno(error, "cannot make %s", parts.old);
	}
	if (status == STATUS_OK) {
		status = copy_attributes(swap->host, parts.old, error);
	}
	if (status == STATUS_OK) {
		status = write_state(&parts, "out", error);
	}
	if (status == STATUS_OK) {
		status = move_entries(swap, swap->host, parts.old, NULL, true, error);
	}
	if (status == STATUS_OK) {
		status = write_state(&parts, "in", error);
	}
	if (status == STATUS_OK) {
		status = move_entries(swap, parts.new, swap->host, NULL, false, error);
	}
	if (status == STATUS_OK && swap->names == NULL) {
		status = copy_attributes(parts.new, swap->host, error);
	}
	return status == STATUS_OK ? write_state(&parts, "done", error) : status;
}

/* The state goes last: a removal that is interrupted can be taken up again. */
static enum status direct_remove(const struct folder_swap *swap, struct error *error)
{
	CLEANUP(cleanup_parts) struct parts parts = {0};
	enum status status = find_parts(swap, &parts, error);
	const char *const order[] = {parts.new, parts.old, parts.aside, parts.own};
	for (size_t i = 0; status == STATUS_OK && i < sizeof order / sizeof order[0]; i++) {
		status = files_remove(order[i], error);
	}
	return status;
}

static enum status direct_rollback(const struct folder_swap *swap, struct error *error)
{
	CLEANUP(cleanup_parts) struct parts parts = {0};
	CLEANUP(cleanup_free) char *state = NULL;
	enum status status = find_parts(swap, &parts, error);
	bool has_old = false;
	if (status == STATUS_OK) {
		status = read_state(&parts, &state, error);
	}
	if (status == STATUS_OK) {
		status = files_exists(parts.old, &has_old, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	if (!has_old && strcmp(state, "done") == 0) {
		return direct_remove(swap, error); /* a commit had begun to remove the old data: the new data stands */
	}
	if (!has_old && (strcmp(state, "in") == 0 || strcmp(state, "out") == 0)) {
		return error_set(error, STATUS_FAILED, "the old data that should be in %s is not there", parts.old);
	}
	/* Leftovers of a rollback that was itself interrupted; what they were copies of has been dealt with. */
	status = files_remove(parts.aside, error);
	if (status == STATUS_OK && state[0] != '\0' && mkdir(parts.aside, 0700) != 0) {
		status = error_set_errno(error, "cannot make %s", parts.aside);
	}
	if (status == STATUS_OK && strcmp(state, "done") == 0) {
		status = write_state(&parts, "in", error); /* what is done stands; what is being moved aside must not */
	}
	if (status == STATUS_OK && (strcmp(state, "in") == 0 || strcmp(state, "done") == 0)) {
		/* What is there now came from us, or was written since by the service that is being rolled back. */
		status = move_entries(swap, swap->host, parts.aside, NULL, true, error);
		if (status == STATUS_OK) {
			status = write_state(&parts, "out", error);
		}
	}
	if (status == STATUS_OK && state[0] != '\0') {
		/* A service that was started on the half empty folder may have made files of the same names. */
		status = move_entries(swap, parts.old, swap->host, parts.aside, false, error);
		if (status == STATUS_OK) {
			status = copy_attributes(parts.old, swap->host, error);
		}
	}
	/* Without its state the rest is rubbish: a removal that is interrupted can be taken up again. */
	if (status == STATUS_OK && unlink(parts.state) != 0 && errno != ENOENT) {
		status = error_set_errno(error, "cannot remove %s", parts.state);
	}
	if (status == STATUS_OK && state[0] != '\0') {
		status = file_sync_folder(parts.own, error);
	}
	return status == STATUS_OK ? files_remove(parts.own, error) : status;
}

static enum status direct_state(const struct folder_swap *swap, char **ret_state, struct error *error)
{
	CLEANUP(cleanup_parts) struct parts parts = {0};
	CLEANUP(cleanup_free) char *state = NULL;
	enum status status = find_parts(swap, &parts, error);
	if (status == STATUS_OK) {
		status = read_state(&parts, &state, error);
	}
	/* Old data without a state: an empty folder can be removed, and then it is gone. */
	if (status == STATUS_OK && state[0] == '\0' && rmdir(parts.old) != 0 && errno != ENOENT) {
		if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR) {
			return error_set_errno(error, "cannot look at %s", parts.old);
		}
		free(MOVE(state));
		state = strdup("lost");
		status = state == NULL ? error_memory(error) : STATUS_OK;
	}
	if (status == STATUS_OK) {
		*ret_state = MOVE(state);
	}
	return status;
}

static enum status direct_stage(const struct folder_swap *swap, struct source *tar, const char *path_in_archive,
								struct progress *progress, struct error *error)
{
	CLEANUP(cleanup_source) struct source *owned = tar;
	CLEANUP(cleanup_parts) struct parts parts = {0};
	enum status status = find_parts(swap, &parts, error);
	if (status == STATUS_OK && (mkdir(parts.own, 0700) != 0 || mkdir(parts.new, 0700) != 0)) {
		status = error_set_errno(error, "cannot make %s", parts.new);
	}
	return status == STATUS_OK ? tar_unpack(owned, path_in_archive, parts.new, progress, error) : status;
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
	return swap->host != NULL ? direct_state(swap, ret_state, error) : remote_state(swap, ret_state, error);
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
		return swap->host != NULL ? direct_rollback(swap, error) : run_script(swap, "rollback", NULL, error);
	}
	status = refuse_strange(swap, state, error);
	if (status != STATUS_OK) {
		return status;
	}
	return swap->host != NULL ? direct_remove(swap, error) : run_script(swap, "remove", NULL, error);
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
	return swap->host != NULL ? direct_stage(swap, tar, path_in_archive, progress, error)
							  : remote_stage(swap, tar, path_in_archive, error);
}

enum status folder_swap_apply(struct folder_swap *swap, struct error *error)
{
	swap->applied = true;
	return swap->host != NULL ? direct_apply(swap, error) : run_script(swap, "apply", NULL, error);
}

enum status folder_swap_commit(struct folder_swap *swap, struct error *error)
{
	enum status status = swap->host != NULL ? direct_remove(swap, error) : run_script(swap, "remove", NULL, error);
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
	status = swap->host != NULL ? direct_rollback(swap, error) : run_script(swap, "rollback", NULL, error);
	swap->applied = swap->applied && status != STATUS_OK;
	return status;
}
