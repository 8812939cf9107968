/* One backup's folder: read from its manifest, or from its files if it has none. */
#include "catalog/backup.h"

#include "base/files.h"
#include "base/json_text.h"
#include "base/text.h"
#include "catalog/sums.h"
#include "stores/artefact_read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The counts of a fingerprint take some fifty bytes each, and there may be many tables; anything else is a few KB. */
enum {
	MANIFEST_LIMIT = 16 << 20, /* bytes */
	MOST_VALUES = 200000,      /* 50 MiB of memory at most */
	ZONES_APART = 26 * 3600,   /* seconds between the clocks of any two zones: UTC-12 to UTC+14 */
};

const char *backup_status_name(enum backup_status status)
{
	static const char *const names[] = {"complete", "partial", "damaged", "legacy"};
	return names[status];
}

const char *store_status_name(enum store_status status)
{
	static const char *const names[] = {"absent", "ok", "skipped", "failed"};
	return names[status];
}

void backup_free(struct backup *backup)
{
	if (backup != NULL) {
		json_decref(backup->manifest);
		free(backup->path);
		free(backup);
	}
}

const json_t *backup_store_manifest(const struct backup *backup, size_t store)
{
	size_t index = 0;
	const json_t *object = NULL;
	json_array_foreach (json_object_get(backup->manifest, "stores"), index, object) {
		const char *name = json_string_value(json_object_get(object, "name"));
		if (name != NULL && strcmp(name, store_table[store]->name) == 0) {
			return object;
		}
	}
	return NULL;
}

enum status backup_fingerprint(const struct backup *backup, size_t store, struct fingerprint *ret_fingerprint,
							   struct error *error)
{
	const json_t *manifest = backup_store_manifest(backup, store);
	json_t *kinds = json_object_get(manifest, "fingerprint");
	CLEANUP(fingerprint_free)
	struct fingerprint fingerprint = {.known = json_is_object(kinds),
									  .exact = json_is_true(json_object_get(manifest, "fingerprint_exact"))};
	const char *kind = NULL;
	json_t *counts = NULL;
	json_object_foreach (kinds, kind, counts) {
		const char *name = NULL;
		json_t *number = NULL;
		json_object_foreach (counts, name, number) {
			enum status status = fingerprint_add(&fingerprint, kind, name, (uint64_t)json_integer_value(number), error);
			if (status != STATUS_OK) {
				return status;
			}
		}
	}
	*ret_fingerprint = fingerprint_take(&fingerprint);
	return STATUS_OK;
}

/* The sum of its files. STATUS_NOT_FOUND if it was removed meanwhile. */
static enum status size_of_folder(const char *path, uint64_t *ret_size, struct error *error)
{
	*ret_size = 0;
	DIR *folder = opendir(path);
	if (folder == NULL) {
		bool removed = errno == ENOENT;
		(void)error_set_errno(error, "cannot read the folder %s", path);
		return removed ? error->status = STATUS_NOT_FOUND : error->status;
	}
	enum status status = STATUS_OK;
	errno = 0;
	for (struct dirent *entry; status == STATUS_OK && (entry = readdir(folder)) != NULL; errno = 0) {
		struct stat attributes;
		if (fstatat(dirfd(folder), entry->d_name, &attributes, AT_SYMLINK_NOFOLLOW) == 0) {
			*ret_size += S_ISREG(attributes.st_mode) ? (uint64_t)attributes.st_size : 0;
		} else if (errno != ENOENT) {
			status = error_set_errno(error, "cannot look at %s/%s", path, entry->d_name);
		}
	}
	if (status == STATUS_OK && errno != 0) {
		status = error_set_errno(error, "cannot read the folder %s", path);
	}
	closedir(folder);
	return status;
}

/* False if it is not there, is no regular file, or cannot be looked at just now (*ret_unseen). */
static bool file_size(const struct backup *backup, const char *name, uint64_t *ret_size, bool *ret_unseen)
{
	char path[PATH_MAX];
	struct stat attributes;
	bool fits = (size_t)snprintf(path, sizeof path, "%s/%s", backup->path, name) < sizeof path;
	*ret_unseen = false;
	if (!fits || lstat(path, &attributes) != 0) {
		*ret_unseen = !fits || errno != ENOENT;
		return false;
	}
	*ret_size = (uint64_t)attributes.st_size;
	return S_ISREG(attributes.st_mode);
}

/* Where the manifest does not tell, there may still be data. */
static void look_for_remains(struct backup *backup)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		const char *name = store_table[i]->artefact;
		for (size_t next = 0; name != NULL && !backup->stores[i].remains;
			 name = store_table[i]->legacy_artefacts[next++]) {
			uint64_t size = 0;
			bool unseen = false;
			backup->stores[i].remains = (file_size(backup, name, &size, &unseen) && size > 0) || unseen;
		}
	}
}

/* `store` is NULL if the damage is not that of one store. */
static void damaged(struct backup *backup, struct backup_store *store, const char *format, const char *name)
{
	char problem[sizeof backup->problem];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(problem, sizeof problem, format, name);
#pragma GCC diagnostic pop
	text_make_line(problem); /* jansson tells what it could not read */
	if (store != NULL) {
		store->damaged = true;
		snprintf(store->reason, sizeof store->reason, "%s", problem);
	} else {
		backup->manifest_damaged = true;
	}
	if (backup->status != BACKUP_DAMAGED) {
		backup->status = BACKUP_DAMAGED;
		memcpy(backup->problem, problem, sizeof problem);
	}
}

/* Something about it cannot be seen just now: that is said, and what was seen is believed. */
static enum status unless_unseen(struct backup *backup, enum status status, const struct error *error)
{
	if (status == STATUS_OK || status == STATUS_NO_MEMORY || status == STATUS_NOT_FOUND) {
		return status;
	}
	backup->unreadable = true;
	if (backup->problem[0] == '\0') {
		text_copy_line(backup->problem, sizeof backup->problem, error->message);
	}
	return STATUS_OK;
}

static void copy_text(char *to, size_t size, const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	text_copy_line(to, size, text != NULL ? text : "");
}

static bool is_sha256(const char *text)
{
	return strlen(text) == DIGEST_TEXT_SIZE - 1 && strspn(text, "0123456789abcdef") == DIGEST_TEXT_SIZE - 1;
}

static void read_store(struct backup *backup, const json_t *object)
{
	const char *name = json_string_value(json_object_get(object, "name"));
	const char *status = json_string_value(json_object_get(object, "status"));
	for (size_t i = 0; i < STORE_COUNT; i++) {
		struct backup_store *store = &backup->stores[i];
		if (name == NULL || status == NULL || strcmp(store_table[i]->name, name) != 0) {
			continue;
		}
		copy_text(store->reason, sizeof store->reason, object, "reason");
		store->status = strcmp(status, "ok") == 0       ? STORE_OK
						: strcmp(status, "failed") == 0 ? STORE_FAILED
														: STORE_SKIPPED;
		if (store->status != STORE_OK) {
			return;
		}
		copy_text(store->file, sizeof store->file, object, "file");
		copy_text(store->sha256, sizeof store->sha256, object, "sha256");
		store->size = (uint64_t)json_integer_value(json_object_get(object, "size_bytes"));
		uint64_t size = 0;
		bool unseen = false;
		/* The name leads to a file that will be read: nothing but the store's own name may stand there. */
		if (strcmp(store->file, store_table[i]->artefact) != 0) {
			damaged(backup, store, "the manifest names a file that is not ours for %s", name);
		} else if (!is_sha256(store->sha256)) {
			damaged(backup, store, "the manifest has no checksum of %s", store->file);
		} else if (!file_size(backup, store->file, &size, &unseen)) {
			backup->unreadable = backup->unreadable || unseen;
			store->unreadable = unseen;
			damaged(backup, store, unseen ? "%s cannot be looked at" : "%s is missing", store->file);
		} else if (size != store->size) {
			damaged(backup, store, "%s has not the size it was written with", store->file);
		}
		return;
	}
}

/* What it says. */
static void read_document(struct backup *backup)
{
	const json_t *stores = json_object_get(backup->manifest, "stores");
	json_int_t format = json_integer_value(json_object_get(backup->manifest, "format"));
	backup->project = json_string_value(json_object_get(backup->manifest, "project"));
	backup->before_restore = json_object_get(backup->manifest, "before_restore_of") != NULL;
	if (format != BACKUP_FORMAT) {
		backup->unreadable = format > BACKUP_FORMAT; /* of a later version, which knows what is good and what is not */
		damaged(backup, NULL, BACKUP_MANIFEST " is of another format than %s", "1");
		return;
	}
	const char *status = json_string_value(json_object_get(backup->manifest, "status"));
	if (!json_is_array(stores) || status == NULL) {
		damaged(backup, NULL, BACKUP_MANIFEST " lacks its %s", "status or stores");
		return;
	}
	backup->status = BACKUP_COMPLETE;
	size_t index = 0;
	const json_t *object = NULL;
	json_array_foreach (stores, index, object) {
		read_store(backup, object);
	}
	for (size_t i = 0; i < STORE_COUNT; i++) {
		if (backup->stores[i].status == STORE_OK) {
			continue;
		}
		if (strcmp(status, "complete") == 0) {
			damaged(backup, NULL, "the manifest calls the backup complete, but not %s", store_table[i]->name);
		} else if (backup->status == BACKUP_COMPLETE) {
			backup->status = BACKUP_PARTIAL;
		}
	}
}

/* Backups by earlier versions have no checksum of the manifest. What else is wrong with SHA256SUMS, verify says. */
static enum status compare_sum(struct backup *backup, const char *text, struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(cleanup_free) char *sums = NULL;
	char expected[DIGEST_TEXT_SIZE];
	char sum[DIGEST_TEXT_SIZE];
	enum status status = files_join(backup->path, BACKUP_SUMS, &path, error);
	if (status == STATUS_OK) {
		status = files_read_text(path, &sums, error);
	}
	if (status == STATUS_OK) {
		status = digest_text(text, sum, error);
	}
	if (status == STATUS_OK && sums_find(sums, BACKUP_MANIFEST, expected) && strcmp(expected, sum) != 0) {
		bool manifest_damaged = backup->manifest_damaged;
		damaged(backup, NULL, BACKUP_MANIFEST " and %s do not agree: one of them is not what was written", BACKUP_SUMS);
		backup->manifest_damaged = manifest_damaged; /* its stores may be found whole */
		backup->manifest_doubtful = true;
	}
	return status == STATUS_NO_MEMORY ? status : STATUS_OK;
}

/* In memory a value takes up to 250 bytes, however short its text is. A comma in a name counts as well. */
static bool has_too_many_values(const char *text)
{
	size_t count = 0;
	for (const char *at = text; (at = strpbrk(at, ",[{")) != NULL && count <= MOST_VALUES; at++) {
		count++;
	}
	return count > MOST_VALUES;
}

bool backup_manifest_can_be_read(const char *text)
{
	return strlen(text) <= MANIFEST_LIMIT && !has_too_many_values(text);
}

static enum status read_manifest(struct backup *backup, const char *text, struct error *error)
{
	if (has_too_many_values(text)) {
		backup->unreadable = true; /* it may be as good as any, and is kept */
		damaged(backup, NULL, BACKUP_MANIFEST " cannot be read: %s", "it holds more than can be counted");
		return STATUS_OK;
	}
	enum status status = json_text_read(text, JSON_REJECT_DUPLICATES, &backup->manifest, error);
	if (status == STATUS_NO_MEMORY) {
		return status;
	}
	if (status != STATUS_OK) {
		damaged(backup, NULL, BACKUP_MANIFEST " cannot be read: %s", error->message);
		return STATUS_OK;
	}
	read_document(backup);
	return compare_sum(backup, text, error);
}

/* False if the folder holds nothing that a backup is made of. */
static bool read_legacy(struct backup *backup)
{
	bool any = false;
	backup->status = BACKUP_LEGACY;
	for (size_t i = 0; i < STORE_COUNT; i++) {
		struct backup_store *store = &backup->stores[i];
		const char *name = store_table[i]->artefact;
		for (size_t next = 0; name != NULL && store->status != STORE_OK;
			 name = store_table[i]->legacy_artefacts[next++]) {
			bool unseen = false;
			if (file_size(backup, name, &store->size, &unseen) || unseen) {
				store->status = STORE_OK;
				snprintf(store->file, sizeof store->file, "%s", name);
			}
			if (unseen) {
				backup->unreadable = store->unreadable = true;
				damaged(backup, store, "%s cannot be looked at", name);
			}
		}
		any = any || store->status == STORE_OK;
	}
	return any;
}

/*
 * The name is in local time, which an hour in autumn has twice. Which one is meant the manifest knows, in UTC
 * ("started", RFC 3339); of anything else the name is the only judge, so that a folder that is renamed has its new age.
 */
static time_t moment_of(const struct backup *backup)
{
	const char *started = json_string_value(json_object_get(backup->manifest, "started"));
	struct tm calendar = {0};
	if (started == NULL || strptime(started, "%Y-%m-%dT%H:%M:%S", &calendar) == NULL) {
		return timestamp_moment(backup->timestamp);
	}
	return timestamp_moment_near(backup->timestamp, timegm(&calendar));
}

time_t backup_began(const struct backup *backup)
{
	struct tm calendar = {0};
	const char *started = json_string_value(json_object_get(backup->manifest, "started"));
	if (started == NULL || strptime(started, "%Y-%m-%dT%H:%M:%S", &calendar) == NULL) {
		return backup->moment;
	}
	time_t moment = timegm(&calendar);
	time_t apart = moment > backup->moment ? moment - backup->moment : backup->moment - moment;
	return apart <= ZONES_APART ? moment : backup->moment;
}

enum status backup_read(const char *folder, const char *timestamp, struct backup **ret_backup, struct error *error)
{
	CLEANUP(cleanup_backup) struct backup *backup = calloc(1, sizeof *backup);
	if (backup == NULL || asprintf(&backup->path, "%s/" TIMESTAMP_FOLDER_PREFIX "%s", folder, timestamp) < 0) {
		return error_memory(error);
	}
	snprintf(backup->timestamp, sizeof backup->timestamp, "%s", timestamp);
	struct stat attributes;
	bool seen = lstat(backup->path, &attributes) == 0; /* if that fails for now, its manifest tells */
	if (seen ? !S_ISDIR(attributes.st_mode) : errno == ENOENT || errno == ENOTDIR) {
		return error_set(error, STATUS_NOT_FOUND, "there is no backup %s in %s", timestamp, folder);
	}
	CLEANUP(cleanup_free) char *manifest_path = NULL;
	CLEANUP(cleanup_free) char *text = NULL;
	enum status status = files_join(backup->path, BACKUP_MANIFEST, &manifest_path, error);
	if (status == STATUS_OK) {
		status = files_read_long_text(manifest_path, MANIFEST_LIMIT, &text, error);
	}
	if (status == STATUS_OK) {
		status = read_manifest(backup, text, error);
	} else if (status == STATUS_NOT_FOUND) {
		status =
			read_legacy(backup) ? STATUS_OK : error_set(error, STATUS_NOT_FOUND, "%s holds no backup", backup->path);
	} else if (status != STATUS_NO_MEMORY) {
		backup->unreadable = true;
		damaged(backup, NULL, "%s", error->message);
		status = STATUS_OK;
	}
	if (status == STATUS_OK) {
		look_for_remains(backup);
		status = unless_unseen(backup, verification_read(backup->path, &backup->verified, error), error);
	}
	if (status == STATUS_OK) {
		status = unless_unseen(backup, size_of_folder(backup->path, &backup->size, error), error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	backup->moment = moment_of(backup);
	*ret_backup = MOVE(backup);
	return STATUS_OK;
}

/* What has no checksum can only be looked through. It may be good in a form of its own, such as a dump of one database:
 * that is no damage. */
static enum status check_structure(struct backup *backup, struct backup_store *store, size_t index, const char *path,
								   struct progress *progress, struct error *error)
{
	struct artefact_reading reading;
	enum status status = artefact_read(store_table[index], path, "", progress, &reading, error);
	if (status == STATUS_OK || status == STATUS_INTERRUPTED || status == STATUS_NO_MEMORY) {
		return status;
	}
	store->unlike = true;
	store->unreadable = reading.unreadable && status != STATUS_NOT_FOUND;
	backup->unreadable = backup->unreadable || store->unreadable;
	text_copy_line(store->reason, sizeof store->reason, error->message);
	return STATUS_OK;
}

static enum status check_sum(struct backup *backup, struct backup_store *store, const char *path,
							 struct progress *progress, struct error *error)
{
	char sha256[DIGEST_TEXT_SIZE];
	uint64_t size = 0;
	enum status status = digest_file(path, progress, sha256, &size, error);
	if (status == STATUS_INTERRUPTED || status == STATUS_NO_MEMORY) {
		return status;
	}
	if (status != STATUS_OK) {
		store->unreadable = status != STATUS_NOT_FOUND;
		backup->unreadable = backup->unreadable || store->unreadable;
		damaged(backup, store, "%s cannot be read", store->file);
	} else if (strcmp(sha256, store->sha256) != 0) {
		damaged(backup, store, "%s is not what was written (SHA-256 differs)", store->file);
	}
	return STATUS_OK;
}

enum status backup_check(struct backup *backup, struct progress *progress, struct error *error)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		struct backup_store *store = &backup->stores[i];
		CLEANUP(cleanup_free) char *path = NULL;
		if (store->status != STORE_OK || store->damaged || store->unlike) {
			continue;
		}
		progress_step(progress, store->file, store->size);
		enum status status = files_join(backup->path, store->file, &path, error);
		if (status == STATUS_OK) {
			status = store->sha256[0] != '\0' ? check_sum(backup, store, path, progress, error)
											  : check_structure(backup, store, i, path, progress, error);
		}
		if (status != STATUS_OK) {
			return status;
		}
	}
	return STATUS_OK;
}
