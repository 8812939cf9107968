#include "transaction/folder_swap_direct.h"

#include "base/files.h"
#include "base/test_switch.h"
#include "pipeline/file.h"
#include "pipeline/tar.h"
#include "transaction/folder_swap_script.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define OWN_FOLDER FOLDER_SWAP_OWN_FOLDER

/* --- the folders of a swap, open -------------------------------------------------------------------------------------
 */

struct place {
	int fd;     /* -1: it is not there */
	char *path; /* for messages */
};

struct parts {
	struct place volume;
	struct place own;
	struct place new;
	struct place old;
	struct place aside;
};

#define NOWHERE                                                                                                        \
	{                                                                                                                  \
		.fd = -1                                                                                                       \
	}
#define PARTS_INIT                                                                                                     \
	{                                                                                                                  \
		NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE                                                                    \
	}

static void leave(struct place *place)
{
	cleanup_close(&place->fd);
	free(place->path);
}

static void cleanup_parts(struct parts *parts)
{
	leave(&parts->volume);
	leave(&parts->own);
	leave(&parts->new);
	leave(&parts->old);
	leave(&parts->aside);
}

/* Opens an absolute path step by step, so that none of its parts can be a symbolic link; -1 with errno. */
static int open_without_links(const char *path)
{
	CLEANUP(cleanup_free) char *copy = strdup(path);
	CLEANUP(cleanup_close) int fd = copy != NULL ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	char *rest = NULL;
	char *name = fd >= 0 ? strtok_r(copy, "/", &rest) : NULL;
	for (; fd >= 0 && name != NULL; name = strtok_r(NULL, "/", &rest)) {
		int next = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int number = errno;
		close(fd);
		fd = next;
		errno = number;
	}
	return fd >= 0 ? openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

static enum status refuse(const char *path, struct error *error)
{
	(void)error_set(error, STATUS_FAILED,
					"%s is a symbolic link or a file, which is not followed: a restore has a folder there", path);
	return error_hint(error, "somebody who can write into this volume has put it there: see what it is (ls -l), "
							 "remove it, and try again");
}

/* Its descriptor stays -1 if nothing of that name is there. */
static enum status open_part(const struct place *in, const char *name, struct place *place, struct error *error)
{
	if (in->fd < 0) {
		return STATUS_OK;
	}
	place->fd = openat(in->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (place->fd >= 0 || errno == ENOENT) {
		return STATUS_OK;
	}
	return errno == ENOTDIR || errno == ELOOP ? refuse(place->path, error)
											  : error_set_errno(error, "cannot look at %s", place->path);
}

static enum status open_needed(const struct place *in, const char *name, struct place *place, struct error *error)
{
	enum status status = open_part(in, name, place, error);
	return status == STATUS_OK && place->fd < 0 ? error_set(error, STATUS_FAILED, "there is no folder %s", place->path)
												: status;
}

static enum status make_part(const struct place *in, const char *name, struct place *place, struct error *error)
{
	if (mkdirat(in->fd, name, 0700) != 0) {
		return error_set_errno(error, "cannot make %s", place->path);
	}
	return open_needed(in, name, place, error);
}

static enum status name_parts(const char *folder, struct parts *parts, struct error *error)
{
	parts->volume.path = strdup(folder);
	enum status status =
		parts->volume.path != NULL ? files_join(folder, OWN_FOLDER, &parts->own.path, error) : error_memory(error);
	if (status == STATUS_OK) {
		status = files_join(parts->own.path, "new", &parts->new.path, error);
	}
	if (status == STATUS_OK) {
		status = files_join(parts->own.path, "old", &parts->old.path, error);
	}
	return status == STATUS_OK ? files_join(parts->own.path, "aside", &parts->aside.path, error) : status;
}

/* Opens the volume and, if it is there, our folder in it. */
static enum status open_parts(const char *folder, struct parts *parts, struct error *error)
{
	enum status status = name_parts(folder, parts, error);
	if (status != STATUS_OK) {
		return status;
	}
	parts->volume.fd = open_without_links(folder);
	if (parts->volume.fd < 0) {
		return error_set_errno(error, "cannot open the folder %s", folder);
	}
	return open_part(&parts->volume, OWN_FOLDER, &parts->own, error);
}

static enum status sync_place(const struct place *place, struct error *error)
{
	return fsync(place->fd) == 0 ? STATUS_OK
								 : error_set_errno(error, "cannot flush the folder %s to disk", place->path);
}

static enum status copy_attributes(const struct place *from, const struct place *to, struct error *error)
{
	struct stat attributes;
	if (fstat(from->fd, &attributes) != 0 || fchown(to->fd, attributes.st_uid, attributes.st_gid) != 0 ||
		fchmod(to->fd, attributes.st_mode & 07777) != 0) {
		return error_set_errno(error, "cannot give %s its owner and mode", to->path);
	}
	return STATUS_OK;
}

/* --- moving ----------------------------------------------------------------------------------------------------------
 */

static bool is_ours(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
		   strncmp(name, TAR_OWN_PREFIX, strlen(TAR_OWN_PREFIX)) == 0;
}

/* `names` NULL: all are */
static bool is_chosen(const char *const *names, const char *name)
{
	for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
		if (strcmp(names[i], name) == 0) {
			return true;
		}
	}
	return names == NULL;
}

/* Renames one entry; what stands in its place at the target goes to the folder `aside` first (NULL: nothing may). */
static enum status move_entry(const char *name, const struct place *from, const struct place *to,
							  const struct place *aside, struct error *error)
{
	struct stat attributes;
	enum status status = STATUS_OK;
	bool exists = fstatat(to->fd, name, &attributes, AT_SYMLINK_NOFOLLOW) == 0;
	if (!exists && errno != ENOENT) {
		return error_set_errno(error, "cannot look at %s/%s", to->path, name);
	}
	if (exists) {
		status = aside != NULL ? move_entry(name, to, aside, NULL, error)
							   : error_set(error, STATUS_FAILED, "cannot move %s/%s to %s/%s: it exists", from->path,
										   name, to->path, name);
	}
	if (status == STATUS_OK && renameat(from->fd, name, to->fd, name) != 0) {
		status = error_set_errno(error, "cannot move %s/%s to %s/%s", from->path, name, to->path, name);
	}
	return status;
}

/* Renames every entry of `from` that is not ours, and that is one of `names`, into `to`; `aside` as for move_entry. */
static enum status move_entries(const char *const *names, const struct place *from, const struct place *to,
								const struct place *aside, struct error *error)
{
	/* All names before the first rename: what readdir says of a folder that changes meanwhile is nobody's promise. */
	struct dirent **entries = NULL;
	int count = scandirat(from->fd, ".", &entries, NULL, NULL);
	if (count < 0) {
		return error_set_errno(error, "cannot read %s", from->path);
	}
	enum status status = STATUS_OK;
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		if (status == STATUS_OK && !is_ours(name) && is_chosen(names, name)) {
			status = move_entry(name, from, to, aside, error);
		}
		free(entries[i]);
	}
	free(entries);
	if (status == STATUS_OK) {
		status = sync_place(from, error);
	}
	return status == STATUS_OK ? sync_place(to, error) : status;
}

/* --- the state -------------------------------------------------------------------------------------------------------
 */

static enum status write_state(const struct place *own, const char *text, struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	enum status status = files_join(own->path, "state.new", &path, error);
	if (status != STATUS_OK) {
		return status;
	}
	(void)unlinkat(own->fd, "state.new", 0);
	status = file_write_text_at(own->fd, "state.new", path, text, error);
	if (status == STATUS_OK && renameat(own->fd, "state.new", own->fd, "state") != 0) {
		status = error_set_errno(error, "cannot write %s/state", own->path);
	}
	if (status == STATUS_OK) {
		status = sync_place(own, error);
	}
	return status == STATUS_OK ? test_switch_step(text, error) : status;
}

/* "", "out", "in" or "done" */
static enum status read_state(const struct place *own, char **ret_state, struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	enum status status = STATUS_NOT_FOUND;
	if (own->fd >= 0) {
		status = files_join(own->path, "state", &path, error);
		status = status == STATUS_OK ? files_read_text_at(own->fd, "state", path, ret_state, error) : status;
	}
	if (status != STATUS_NOT_FOUND) {
		return status;
	}
	*ret_state = strdup("");
	return *ret_state == NULL ? error_memory(error) : STATUS_OK;
}

/* *ret_lost: there is old data. An empty folder can be removed, and then it is gone. */
static enum status remove_empty_old(const struct parts *parts, bool *ret_lost, struct error *error)
{
	if (unlinkat(parts->own.fd, "old", AT_REMOVEDIR) == 0 || errno == ENOENT) {
		return STATUS_OK;
	}
	*ret_lost = errno == ENOTEMPTY || errno == EEXIST;
	if (*ret_lost) {
		return STATUS_OK;
	}
	return errno == ENOTDIR ? refuse(parts->old.path, error)
							: error_set_errno(error, "cannot look at %s", parts->old.path);
}

enum status folder_swap_direct_state(const char *folder, char **ret_state, struct error *error)
{
	CLEANUP(cleanup_parts) struct parts parts = PARTS_INIT;
	CLEANUP(cleanup_free) char *state = NULL;
	bool lost = false;
	enum status status = open_parts(folder, &parts, error);
	if (status == STATUS_OK) {
		status = read_state(&parts.own, &state, error);
	}
	if (status == STATUS_OK && parts.own.fd >= 0 && state[0] == '\0') {
		status = remove_empty_old(&parts, &lost, error);
	}
	if (status == STATUS_OK && lost) {
		free(MOVE(state));
		state = strdup("lost");
		status = state == NULL ? error_memory(error) : STATUS_OK;
	}
	if (status == STATUS_OK) {
		*ret_state = MOVE(state);
	}
	return status;
}

/* --- the steps -------------------------------------------------------------------------------------------------------
 */

enum status folder_swap_direct_stage(const char *folder, struct source *tar, const char *path_in_archive,
									 struct progress *progress, struct error *error)
{
	CLEANUP(cleanup_source) struct source *owned = tar;
	CLEANUP(cleanup_parts) struct parts parts = PARTS_INIT;
	enum status status = open_parts(folder, &parts, error);
	if (status == STATUS_OK) {
		status = make_part(&parts.volume, OWN_FOLDER, &parts.own, error);
	}
	if (status == STATUS_OK) {
		status = make_part(&parts.own, "new", &parts.new, error);
	}
	return status == STATUS_OK ? tar_unpack_at(owned, path_in_archive, parts.new.fd, parts.new.path, progress, error)
							   : status;
}

enum status folder_swap_direct_apply(const char *folder, const char *const *names, struct error *error)
{
	CLEANUP(cleanup_parts) struct parts parts = PARTS_INIT;
	enum status status = open_parts(folder, &parts, error);
	if (status == STATUS_OK) {
		status = parts.own.fd >= 0 ? open_needed(&parts.own, "new", &parts.new, error)
								   : error_set(error, STATUS_FAILED, "there is no folder %s", parts.own.path);
	}
	if (status == STATUS_OK) {
		status = make_part(&parts.own, "old", &parts.old, error);
	}
	if (status == STATUS_OK) {
		status = copy_attributes(&parts.volume, &parts.old, error);
	}
	if (status == STATUS_OK) {
		status = write_state(&parts.own, "out", error);
	}
	if (status == STATUS_OK) {
		status = move_entries(names, &parts.volume, &parts.old, NULL, error);
	}
	if (status == STATUS_OK) {
		status = write_state(&parts.own, "in", error);
	}
	if (status == STATUS_OK) {
		status = move_entries(NULL, &parts.new, &parts.volume, NULL, error);
	}
	if (status == STATUS_OK && names == NULL) {
		status = copy_attributes(&parts.new, &parts.volume, error);
	}
	return status == STATUS_OK ? write_state(&parts.own, "done", error) : status;
}

static enum status remove_part(const struct place *in, const char *name, const struct place *part, struct error *error)
{
	return files_remove_at(in->fd, name, part->path, error);
}

/* The state goes last: a removal that is interrupted can be taken up again. */
enum status folder_swap_direct_remove(const char *folder, struct error *error)
{
	CLEANUP(cleanup_parts) struct parts parts = PARTS_INIT;
	enum status status = open_parts(folder, &parts, error);
	if (status != STATUS_OK || parts.own.fd < 0) {
		return status;
	}
	status = remove_part(&parts.own, "new", &parts.new, error);
	if (status == STATUS_OK) {
		status = remove_part(&parts.own, "old", &parts.old, error);
	}
	if (status == STATUS_OK) {
		status = remove_part(&parts.own, "aside", &parts.aside, error);
	}
	return status == STATUS_OK ? remove_part(&parts.volume, OWN_FOLDER, &parts.own, error) : status;
}

/* What there is to be rolled back, from its state; *ret_state is not "" only if the old data is there. */
static enum status open_old(const char *folder, struct parts *parts, char **ret_state, struct error *error)
{
	enum status status = open_parts(folder, parts, error);
	if (status == STATUS_OK) {
		status = read_state(&parts->own, ret_state, error);
	}
	return status == STATUS_OK ? open_part(&parts->own, "old", &parts->old, error) : status;
}

/* Brings the old data back, from how far the swap had come. */
static enum status bring_back(struct parts *parts, const char *const *names, const char *state, struct error *error)
{
	enum status status = make_part(&parts->own, "aside", &parts->aside, error);
	if (status == STATUS_OK && strcmp(state, "done") == 0) {
		status = write_state(&parts->own, "in", error); /* what is done stands; what is being moved aside must not */
	}
	if (status == STATUS_OK && (strcmp(state, "in") == 0 || strcmp(state, "done") == 0)) {
		/* What is there now came from us, or was written since by the service that is being rolled back. */
		status = move_entries(names, &parts->volume, &parts->aside, NULL, error);
		if (status == STATUS_OK) {
			status = write_state(&parts->own, "out", error);
		}
	}
	if (status == STATUS_OK) {
		/* A service that was started on the half empty folder may have made files of the same names. */
		status = move_entries(NULL, &parts->old, &parts->volume, &parts->aside, error);
	}
	return status == STATUS_OK ? copy_attributes(&parts->old, &parts->volume, error) : status;
}

enum status folder_swap_direct_rollback(const char *folder, const char *const *names, struct error *error)
{
	CLEANUP(cleanup_parts) struct parts parts = PARTS_INIT;
	CLEANUP(cleanup_free) char *state = NULL;
	enum status status = open_old(folder, &parts, &state, error);
	if (status != STATUS_OK || parts.own.fd < 0) {
		return status;
	}
	const bool has_old = parts.old.fd >= 0;
	if (!has_old && strcmp(state, "done") == 0) {
		return folder_swap_direct_remove(folder, error); /* a commit had begun to remove the old data: the new stands */
	}
	if (!has_old && state[0] != '\0') {
		return error_set(error, STATUS_FAILED, "the old data that should be in %s is not there", parts.old.path);
	}
	/* Leftovers of a rollback that was itself interrupted; what they were copies of has been dealt with. */
	status = remove_part(&parts.own, "aside", &parts.aside, error);
	if (status == STATUS_OK && state[0] != '\0') {
		status = bring_back(&parts, names, state, error);
	}
	/* Without its state the rest is rubbish: a removal that is interrupted can be taken up again. */
	if (status == STATUS_OK && unlinkat(parts.own.fd, "state", 0) != 0 && errno != ENOENT) {
		status = error_set_errno(error, "cannot remove %s/state", parts.own.path);
	}
	if (status == STATUS_OK && state[0] != '\0') {
		status = sync_place(&parts.own, error);
	}
	return status == STATUS_OK ? remove_part(&parts.volume, OWN_FOLDER, &parts.own, error) : status;
}
