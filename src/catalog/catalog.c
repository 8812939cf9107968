#include "catalog/catalog.h"

#include "base/clock.h"
#include "base/files.h"
#include "catalog/backup.h"
#include "pipeline/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define DRAFT_PREFIX   ".partial-"
#define REMOVAL_PREFIX ".removing-"
#define SCRATCH_PREFIX ".checking-"
#define LOCK_NAME      ".lock"
#define VERIFY_LOCK    ".verify.lock"

void backup_list_free(struct backup_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		backup_free(list->items[i]);
	}
	free(list->items);
	*list = (struct backup_list){0};
}

static int is_backup_folder(const struct dirent *entry)
{
	char timestamp[TIMESTAMP_SIZE];
	return strncmp(entry->d_name, TIMESTAMP_FOLDER_PREFIX, strlen(TIMESTAMP_FOLDER_PREFIX)) == 0 &&
		   timestamp_parse(entry->d_name, timestamp);
}

static int by_beginning(const void *left, const void *right)
{
	const struct backup *one = *(struct backup *const *)left;
	const struct backup *other = *(struct backup *const *)right;
	const time_t one_began = backup_began(one);
	const time_t other_began = backup_began(other);
	if (one_began != other_began) {
		return one_began < other_began ? -1 : 1;
	}
	return strcmp(one->timestamp, other->timestamp);
}

enum status catalog_list(const char *folder, struct backup_list *ret_list, struct error *error)
{
	struct dirent **names = NULL;
	int count = scandir(folder, &names, is_backup_folder, NULL);
	if (count < 0 && errno == ENOENT) {
		*ret_list = (struct backup_list){0};
		return STATUS_OK;
	}
	if (count < 0) {
		(void)error_set_errno(error, "cannot read the backup folder %s", folder);
		return error_hint(error, "see who owns it (ls -ld %s), or set BACKUP_DIR", folder);
	}
	struct backup_list list = {.items = calloc((size_t)count + 1, sizeof(struct backup *))};
	enum status status = list.items == NULL ? error_memory(error) : STATUS_OK;
	for (int i = 0; i < count; i++) {
		char timestamp[TIMESTAMP_SIZE];
		if (status == STATUS_OK && timestamp_parse(names[i]->d_name, timestamp)) {
			status = backup_read(folder, timestamp, &list.items[list.count], error);
			list.count += status == STATUS_OK;
			/* A folder of that name that holds no backup, or that has just been removed, is not ours to speak of. */
			status = status == STATUS_NOT_FOUND ? STATUS_OK : status;
		}
		free(names[i]);
	}
	free(names);
	if (status != STATUS_OK) {
		backup_list_free(&list);
		return status;
	}
	qsort(list.items, list.count, sizeof(struct backup *), by_beginning);
	*ret_list = list;
	return STATUS_OK;
}

/* What speaks against its being meant by "latest", the strongest first. */
enum { OF_A_RESTORE = 1U << 4, OF_ANOTHER = 1U << 3, OF_THE_FUTURE = 1U << 2, BAD = 1U << 1 };

static unsigned doubts(const struct backup *backup, const char *project, time_t now)
{
	const bool of_another = project != NULL && backup->project != NULL && strcmp(backup->project, project) != 0;
	return (backup->before_restore ? OF_A_RESTORE : 0U) | (of_another ? OF_ANOTHER : 0U) |
		   (backup_began(backup) > now ? OF_THE_FUTURE : 0U) | (verification_is_bad(&backup->verified) ? BAD : 0U);
}

const char *catalog_passed_over(const struct backup *backup, const char *project)
{
	const unsigned against = doubts(backup, project, time(NULL));
	return backup->status == BACKUP_DAMAGED ? "damaged"
		   : (against & OF_A_RESTORE) != 0  ? "what a restore has kept of the state before"
		   : (against & OF_ANOTHER) != 0    ? "another project's"
		   : (against & OF_THE_FUTURE) != 0 ? "dated in the future"
		   : (against & BAD) != 0           ? "known to be bad"
											: NULL;
}

size_t catalog_latest(const struct backup_list *list, const char *project)
{
	const time_t now = time(NULL);
	size_t latest = SIZE_MAX;
	unsigned least = UINT_MAX;
	for (size_t i = list->count; i > 0; i--) {
		const unsigned against = doubts(list->items[i - 1], project, now);
		if (list->items[i - 1]->status != BACKUP_DAMAGED && against < least) {
			latest = i - 1;
			least = against;
		}
	}
	return latest;
}

static enum status find_latest(const char *folder, const char *project, struct backup **ret_backup, struct error *error)
{
	CLEANUP(backup_list_free) struct backup_list list = {0};
	enum status status = catalog_list(folder, &list, error);
	if (status != STATUS_OK) {
		return status;
	}
	const size_t latest = catalog_latest(&list, project);
	if (latest != SIZE_MAX) {
		*ret_backup = MOVE(list.items[latest]);
		return STATUS_OK;
	}
	(void)error_set(error, STATUS_NOT_FOUND, "there is no good backup in %s", folder);
	if (list.count == 0) {
		return error_hint(error, "make one with create, or set BACKUP_DIR to the folder that has them");
	}
	const struct backup *newest = list.items[list.count - 1];
	return error_hint(error, "the command list shows what there is; the newest, %s, is damaged: %s", newest->timestamp,
					  newest->problem);
}

enum status catalog_find(const char *folder, const char *text, const char *project, struct backup **ret_backup,
						 struct error *error)
{
	char timestamp[TIMESTAMP_SIZE];
	if (strcmp(text, "latest") == 0) {
		return find_latest(folder, project, ret_backup, error);
	}
	if (!timestamp_parse(text, timestamp)) {
		(void)error_set(error, STATUS_USAGE, "\"%s\" is not the timestamp of a backup", text);
		return error_hint(error, "give one such as 20240912_143022, or latest; the command list shows what there is");
	}
	enum status status = backup_read(folder, timestamp, ret_backup, error);
	if (status == STATUS_NOT_FOUND) {
		(void)error_hint(error, "the command list shows what there is");
	}
	return status;
}

/* What lock protects what, named by the prefixes; nothing else that begins with a dot is ours. */
static const char *const drafts[] = {DRAFT_PREFIX, REMOVAL_PREFIX, NULL};
static const char *const scratches[] = {SCRATCH_PREFIX, NULL};

static bool is_leftover(const char *name, const char *const *prefixes)
{
	char timestamp[TIMESTAMP_SIZE];
	for (size_t i = 0; prefixes[i] != NULL; i++) {
		size_t length = strlen(prefixes[i]);
		if (strncmp(name, prefixes[i], length) == 0) {
			return strlen(name + length) == TIMESTAMP_SIZE - 1 && timestamp_parse(name + length, timestamp);
		}
	}
	return false;
}

/* Removes what a run that died has left: it held the lock that we hold now. */
static enum status remove_leftovers(const char *folder, const char *const *prefixes, struct error *error)
{
	DIR *list = opendir(folder);
	if (list == NULL) {
		return error_set_errno(error, "cannot read the backup folder %s", folder);
	}
	enum status status = STATUS_OK;
	errno = 0;
	for (struct dirent *entry; status == STATUS_OK && (entry = readdir(list)) != NULL; errno = 0) {
		const char *name = entry->d_name;
		if (is_leftover(name, prefixes)) {
			CLEANUP(cleanup_free) char *path = NULL;
			status = files_join(folder, name, &path, error);
			if (status == STATUS_OK && (status = files_remove(path, error)) != STATUS_OK) {
				(void)error_hint(error, "a run that died has left it; remove it as the user who owns it (ls -lR %s)",
								 path);
			}
		}
	}
	if (status == STATUS_OK && errno != 0) {
		status = error_set_errno(error, "cannot read the backup folder %s", folder);
	}
	closedir(list);
	return status;
}

static enum status take_lock(const char *folder, const char *name, const char *busy, int *ret_lock, struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	enum status status = files_make_folder(folder, 0700, error);
	if (status == STATUS_OK) {
		status = files_join(folder, name, &path, error);
	}
	if (status != STATUS_OK) {
		(void)error_hint(error, "set BACKUP_DIR to a folder that you can write to");
		return status;
	}
	CLEANUP(cleanup_close) int lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (lock < 0) {
		bool full = error_set_errno(error, "cannot write to the backup folder %s", folder) == STATUS_NO_SPACE;
		return full ? error->status
					: error_hint(error, "see who owns it (ls -ld %s), or set BACKUP_DIR to another folder", folder);
	}
	if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK) {
			return error_set_errno(error, "cannot lock the backup folder %s", folder);
		}
		(void)error_set(error, STATUS_LOCKED, "another %s is at work in %s", busy, folder);
		return error_hint(error, "wait until it has ended, then try again");
	}
	*ret_lock = cleanup_take(&lock);
	return STATUS_OK;
}

enum status catalog_lock(const char *folder, int *ret_lock, struct error *error)
{
	CLEANUP(cleanup_close) int lock = -1;
	enum status status = take_lock(folder, LOCK_NAME, "backup, restore or cleanup", &lock, error);
	if (status == STATUS_OK) {
		status = remove_leftovers(folder, drafts, error);
	}
	if (status == STATUS_OK) {
		*ret_lock = cleanup_take(&lock);
	}
	return status;
}

enum status catalog_lock_verify(const char *folder, int *ret_lock, struct error *error)
{
	CLEANUP(cleanup_close) int lock = -1;
	enum status status = take_lock(folder, VERIFY_LOCK, "verify", &lock, error);
	if (status == STATUS_OK) {
		status = remove_leftovers(folder, scratches, error);
	}
	if (status == STATUS_OK) {
		*ret_lock = cleanup_take(&lock);
	}
	return status;
}

enum status catalog_scratch(const char *folder, const struct backup *backup, char **ret_path, struct error *error)
{
	if (asprintf(ret_path, "%s/" SCRATCH_PREFIX "%s", folder, backup->timestamp) < 0) {
		*ret_path = NULL;
		return error_memory(error);
	}
	return STATUS_OK;
}

void catalog_unlock(const int *lock)
{
	cleanup_close(lock);
}

enum status catalog_draft(const char *folder, struct draft *ret_draft, struct error *error)
{
	struct draft draft = {0};
	for (;;) {
		timestamp_of(time(NULL), draft.timestamp);
		if (asprintf(&draft.path, "%s/" DRAFT_PREFIX "%s", folder, draft.timestamp) < 0) {
			return error_memory(error);
		}
		if (asprintf(&draft.final_path, "%s/" TIMESTAMP_FOLDER_PREFIX "%s", folder, draft.timestamp) < 0) {
			free(draft.path);
			return error_memory(error);
		}
		if (access(draft.final_path, F_OK) != 0) {
			break;
		}
		free(MOVE(draft.path)); /* the one before began within this second */
		free(MOVE(draft.final_path));
		clock_sleep(50);
	}
	if (mkdir(draft.path, 0700) != 0) {
		(void)error_set_errno(error, "cannot make the folder %s", draft.path);
		free(draft.path);
		free(draft.final_path);
		return error->status;
	}
	*ret_draft = draft;
	return STATUS_OK;
}

enum status catalog_publish(const char *folder, struct draft *draft, struct error *error)
{
	enum status status = file_sync_folder(draft->path, error);
	if (status == STATUS_OK && rename(draft->path, draft->final_path) != 0) {
		status = error_set_errno(error, "cannot give the backup its name %s", draft->final_path);
	}
	if (status == STATUS_OK) {
		free(MOVE(draft->path));
		status = file_sync_folder(folder, error);
	}
	return status;
}

void catalog_discard(struct draft *draft)
{
	struct error ignored;
	if (draft->path != NULL) {
		(void)!files_remove(draft->path, &ignored); /* else the next run does */
	}
	free(draft->path);
	free(draft->final_path);
	*draft = (struct draft){0};
}

static void cleanup_walk(FTS **walk)
{
	if (*walk != NULL) {
		fts_close(*walk);
	}
}

/* What keeps one entry of a walk from being removed: an errno, or 0. Opens folders of ours that their mode closes. */
static int obstacle(const FTSENT *entry, dev_t device)
{
	struct statx attributes = {0};
	const unsigned short is = entry->fts_info;
	if (is == FTS_DNR || is == FTS_ERR || is == FTS_NS) {
		return entry->fts_errno;
	}
	if (is == FTS_DP) {
		return 0;
	}
	const bool seen = statx(AT_FDCWD, entry->fts_accpath, AT_SYMLINK_NOFOLLOW, 0, &attributes) == 0;
	/* A folder of the same file system may be mounted there as well. */
	if ((is == FTS_D && entry->fts_statp->st_dev != device) ||
		(seen && (attributes.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0)) {
		return EBUSY;
	}
	if (is == FTS_D && faccessat(AT_FDCWD, entry->fts_accpath, R_OK | W_OK | X_OK, AT_EACCESS) != 0 &&
		chmod(entry->fts_accpath, (entry->fts_statp->st_mode & 07777) | S_IRWXU) != 0) {
		return errno;
	}
	return seen && (attributes.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND)) != 0 ? EPERM : 0;
}

/* So that a removal does not come to a stop half way. */
static enum status check_removable(const char *path, struct error *error)
{
	struct stat attributes;
	if (lstat(path, &attributes) != 0) {
		return error_set_errno(error, "cannot remove %s", path);
	}
	CLEANUP(cleanup_free) char *root = strdup(path);
	char *const roots[] = {root, NULL};
	CLEANUP(cleanup_walk)
	FTS *walk = root != NULL ? fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL) : NULL;
	if (walk == NULL) {
		return error_memory(error);
	}
	for (FTSENT *entry; errno = 0, (entry = fts_read(walk)) != NULL;) {
		int reason = obstacle(entry, attributes.st_dev);
		if (reason != 0) {
			const char *where = entry->fts_path + strlen(path); /* may be longer than a message */
			(void)error_set(error, STATUS_FAILED, "cannot remove %s: %s%s%s", path, strerror(reason),
							where[0] != '\0' ? ", at ." : "", where);
			return error_hint(error,
							  "nothing of the backup was removed; see who owns it and how it is protected: "
							  "ls -lR %s; lsattr -R %s",
							  path, path);
		}
	}
	return errno == 0 ? STATUS_OK : error_set_errno(error, "cannot look through %s", path);
}

enum status catalog_remove(const char *folder, const struct backup *backup, struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	if (asprintf(&path, "%s/" REMOVAL_PREFIX "%s", folder, backup->timestamp) < 0) {
		return error_memory(error);
	}
	enum status status = files_remove(path, error);
	if (status == STATUS_OK) {
		status = check_removable(backup->path, error);
	}
	if (status == STATUS_OK && rename(backup->path, path) != 0) {
		status = error_set_errno(error, "cannot remove %s", backup->path);
	}
	if (status == STATUS_OK) {
		status = file_sync_folder(folder, error); /* not listed any more, before the first byte goes */
	}
	return status == STATUS_OK ? files_remove(path, error) : status;
}
