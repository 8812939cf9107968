#include "transaction/folder_swap.h"

#include "base/files.h"
#include "pipeline/file.h"
#include "pipeline/tar.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define OWN_FOLDER TAR_OWN_PREFIX "restore"

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

/* Renames every entry of `from` that is not ours (and, if `chosen_only`, that is to be replaced) into `to`. */
static enum status move_entries(const struct folder_swap *swap, const char *from, const char *to, bool chosen_only,
								struct error *error)
{
	DIR *folder = opendir(from);
	if (folder == NULL) {
		return error_set_errno(error, "cannot read %s", from);
	}
	enum status status = STATUS_OK;
	struct dirent *entry = NULL;
	errno = 0;
	while (status == STATUS_OK && (entry = readdir(folder)) != NULL) {
		if (!is_ours(entry->d_name) && (!chosen_only || is_chosen(swap, entry->d_name))) {
			CLEANUP(cleanup_free) char *source = NULL;
			CLEANUP(cleanup_free) char *target = NULL;
			status = files_join(from, entry->d_name, &source, error);
			if (status == STATUS_OK) {
				status = files_join(to, entry->d_name, &target, error);
			}
			if (status == STATUS_OK && rename(source, target) != 0) {
				status = error_set_errno(error, "cannot move %s to %s", source, target);
			}
		}
		errno = 0;
	}
	if (status == STATUS_OK && errno != 0) {
		status = error_set_errno(error, "cannot read %s", from);
	}
	closedir(folder);
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
	char *state;
};

static void cleanup_parts(struct parts *parts)
{
	free(parts->own);
	free(parts->new);
	free(parts->old);
	free(parts->state);
}

static enum status find_parts(const struct folder_swap *swap, struct parts *parts, struct error *error)
{
	bool complete = asprintf(&parts->own, "%s/%s", swap->host, OWN_FOLDER) >= 0 &&
					asprintf(&parts->new, "%s/new", parts->own) >= 0 &&
					asprintf(&parts->old, "%s/old", parts->own) >= 0 &&
					asprintf(&parts->state, "%s/state", parts->own) >= 0;
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
	return status == STATUS_OK ? file_sync_folder(parts->own, error) : status;
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
		status = move_entries(swap, swap->host, parts.old, true, error);
	}
	if (status == STATUS_OK) {
		status = write_state(&parts, "in", error);
	}
	if (status == STATUS_OK) {
		status = move_entries(swap, parts.new, swap->host, false, error);
	}
	if (status == STATUS_OK && swap->names == NULL) {
		status = copy_attributes(parts.new, swap->host, error);
	}
	return status == STATUS_OK ? write_state(&parts, "done", error) : status;
}

static enum status direct_rollback(const struct folder_swap *swap, struct error *error)
{
	CLEANUP(cleanup_parts) struct parts parts = {0};
	CLEANUP(cleanup_free) char *state = NULL;
	enum status status = find_parts(swap, &parts, error);
	if (status == STATUS_OK) {
		status = read_state(&parts, &state, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	if (strcmp(state, "in") == 0 || strcmp(state, "done") == 0) {
		/* What is there now came from us, or was written since by the service that is being rolled back. */
		status = move_entries(swap, swap->host, parts.new, true, error);
		if (status == STATUS_OK) {
			status = write_state(&parts, "out", error);
		}
	}
	if (status == STATUS_OK && state[0] != '\0') {
		status = move_entries(swap, parts.old, swap->host, false, error);
		if (status == STATUS_OK) {
			status = copy_attributes(parts.old, swap->host, error);
		}
	}
	return status == STATUS_OK ? files_remove(parts.own, error) : status;
}

static enum status direct_state(const struct folder_swap *swap, char **ret_state, struct error *error)
{
	CLEANUP(cleanup_parts) struct parts parts = {0};
	enum status status = find_parts(swap, &parts, error);
	return status == STATUS_OK ? read_state(&parts, ret_state, error) : status;
}

static enum status direct_remove(const struct folder_swap *swap, struct error *error)
{
	CLEANUP(cleanup_parts) struct parts parts = {0};
	enum status status = find_parts(swap, &parts, error);
	return status == STATUS_OK ? files_remove(parts.own, error) : status;
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

/*
 * The same steps for a shell: $1 the step, $2 the data folder, then the names to be replaced (none: all). An entry
 * whose name begins with a dot is matched by the second pattern; ours are left out.
 */
static const char swap_script[] =
	"set -e; step=$1; cd \"$2\"; shift 2; own=" OWN_FOLDER "; "
	"state() { printf %s \"$1\" >$own/state.new; mv -f $own/state.new $own/state; sync; }; "
	"out() { to=$1; shift; "
	"if [ $# -gt 0 ]; then for n; do if [ -e \"$n\" ]; then mv \"$n\" $to/; fi; done; return; fi; "
	"for n in * .[!.]*; do case $n in " TAR_OWN_PREFIX "*) continue;; esac; "
	"if [ -e \"$n\" ] || [ -L \"$n\" ]; then mv \"$n\" $to/; fi; done; }; "
	"back() { for n in $1/* $1/.[!.]*; do if [ -e \"$n\" ] || [ -L \"$n\" ]; then mv \"$n\" .; fi; done; }; "
	"like() { chown $(stat -c %u:%g $1) $2; chmod $(stat -c %a $1) $2; }; "
	"case $step in "
	"state) cat $own/state 2>/dev/null || true;; "
	"remove) rm -rf $own;; "
	"apply) mkdir $own/old; like . $own/old; state out; out $own/old \"$@\"; state in; back $own/new; "
	"if [ $# -eq 0 ]; then like $own/new .; fi; state done;; "
	"rollback) s=$(cat $own/state 2>/dev/null || true); "
	"case $s in in|done) out $own/new \"$@\"; state out;; esac; "
	"case $s in ?*) back $own/old; like $own/old .;; esac; rm -rf $own;; "
	"esac";

static enum status run_script(const struct folder_swap *swap, const char *step, char **ret_output, struct error *error)
{
	enum { NAMES_LIMIT = 16 };
	const char *arguments[NAMES_LIMIT + 8] = {"sh", "-c", swap_script, "whisperbackup", step, swap->path};
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

enum status folder_swap_heal(struct folder_swap *swap, bool stopped, bool *ret_moved, struct error *error)
{
	CLEANUP(cleanup_free) char *state = NULL;
	*ret_moved = false;
	enum status status =
		swap->host != NULL ? direct_state(swap, &state, error) : run_script(swap, "state", &state, error);
	if (status != STATUS_OK) {
		return status;
	}
	if (strcmp(state, "out") == 0 || strcmp(state, "in") == 0) {
		*ret_moved = !stopped;
		if (!stopped) {
			return STATUS_OK;
		}
		return swap->host != NULL ? direct_rollback(swap, error) : run_script(swap, "rollback", NULL, error);
	}
	return swap->host != NULL ? direct_remove(swap, error) : run_script(swap, "remove", NULL, error);
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
	enum status status = swap->host != NULL ? direct_rollback(swap, error) : run_script(swap, "rollback", NULL, error);
	swap->applied = swap->applied && status != STATUS_OK;
	return status;
}
