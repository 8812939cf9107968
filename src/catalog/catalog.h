/*
 * catalog.h - the folder that holds the backups: what is there, what may be removed, and who may change it.
 *
 * A backup is a folder "whisperengine_backup_YYYYMMDD_HHMMSS". It is made under another name (".partial-...") and gets
 * this one only when every byte of it is on disk, and loses it (".removing-...") before the first byte is removed: what
 * is listed is whole. docs/FORMAT.md describes the files.
 */
#ifndef WHISPERBACKUP_CATALOG_CATALOG_H
#define WHISPERBACKUP_CATALOG_CATALOG_H

#include "base/cleanup.h"
#include "base/error.h"
#include "catalog/timestamp.h"
#include "catalog/verification.h"
#include "pipeline/digest.h"
#include "stores/store.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum backup_status {
	BACKUP_COMPLETE,
	BACKUP_PARTIAL, /* good, but not of all stores */
	BACKUP_DAMAGED, /* something that the manifest names is missing or has another size; or the manifest is broken; or
					   backup_check has found another content */
	BACKUP_LEGACY,  /* made by hand or by another program: no manifest */
};

enum store_status { STORE_ABSENT, STORE_OK, STORE_SKIPPED, STORE_FAILED };

/* One store in one backup. */
struct backup_store {
	enum store_status status;
	bool damaged;    /* its file is not what the manifest says, or the manifest makes no sense of it */
	bool unreadable; /* damaged only so far as its file could not be looked at or read just now */
	bool remains;    /* whatever is known of it, a file of it is there that is not empty */
	bool unlike;     /* it has no checksum, and backup_check has found that no restore takes it as it is */
	char file[64];   /* name in the backup's folder */
	uint64_t size;   /* bytes */
	char sha256[DIGEST_TEXT_SIZE]; /* empty in a legacy backup */
	char reason[512];              /* why it was skipped or has failed, or what is damaged */
};

struct backup {
	char timestamp[TIMESTAMP_SIZE];
	time_t moment; /* when it began: what its name says in local time */
	char *path;
	enum backup_status status;
	bool manifest_damaged;  /* not one store, but the whole cannot be trusted */
	bool manifest_doubtful; /* it, or SHA256SUMS, has changed since it was written; what it names may still be good */
	bool unreadable;        /* something of it could not be read just now, which may pass */
	bool before_restore;    /* a restore made it of what it was about to replace */
	uint64_t size;          /* bytes of all files in the folder */
	char problem[512];      /* what is damaged, first of all; else what is unreadable */
	struct backup_store stores[STORE_COUNT]; /* in the order of store_table */
	json_t *manifest;                        /* NULL in a legacy backup */
	const char *project;          /* whose data it holds, if that is known, else NULL; lent by the manifest */
	struct verification verified; /* what has been found out about it since it was made */
};

struct backup_list {
	struct backup **items; /* oldest first, by when they began */
	size_t count;
};

const char *backup_status_name(enum backup_status status); /* "complete", "partial", "damaged", "legacy" */
const char *store_status_name(enum store_status status);   /* "ok", "skipped", "failed" */

/* A store's part of the manifest, for what only that knows; NULL if there is none. Lent. */
const json_t *backup_store_manifest(const struct backup *backup, size_t store);

/* What the manifest says that a store held; unknown if it does not. The caller frees it. */
enum status backup_fingerprint(const struct backup *backup, size_t store, struct fingerprint *ret_fingerprint,
							   struct error *error) MUST_CHECK;

/*
 * Reads the files of a backup whole, as nothing else here does, and compares them with their checksums. What differs or
 * cannot be read is noted as damage; what has no checksum and is not of the structure that a restore takes, as
 * `unlike`. Neither is a failure; STATUS_INTERRUPTED and STATUS_NO_MEMORY are.
 */
enum status backup_check(struct backup *backup, struct progress *progress, struct error *error) MUST_CHECK;

/*
 * When it began. Its name says so in local time; but where TZ was another when it was made, as in a run of cron's, that
 * means another moment here. The manifest has it in UTC, unless somebody has given the folder another name since.
 */
time_t backup_began(const struct backup *backup);

void backup_free(struct backup *backup);
CLEANUP_DEFINE(backup, struct backup, backup_free)
void backup_list_free(struct backup_list *list);

/* All backups in `folder`; a folder that does not exist holds none. */
enum status catalog_list(const char *folder, struct backup_list *ret_list, struct error *error) MUST_CHECK;

/*
 * Which of a list is "latest": the newest that is not damaged. One that a restore has made of what it was about to
 * replace, that another project has made (`project` NULL: any will do), that is dated in the future, or that verify or
 * a drill has spoken against, is it only if there is no other. SIZE_MAX: there is none.
 */
size_t catalog_latest(const struct backup_list *list, const char *project);

/* Why a backup is passed over for "latest", in words behind "is"; NULL: it need not be. */
const char *catalog_passed_over(const struct backup *backup, const char *project);

/*
 * The backup that `text` names: a timestamp, a backup folder's name, or "latest" (catalog_latest). STATUS_USAGE for
 * anything else - it is never taken for a path -, STATUS_NOT_FOUND if there is no such backup.
 */
enum status catalog_find(const char *folder, const char *text, const char *project, struct backup **ret_backup,
						 struct error *error) MUST_CHECK;

/*
 * Makes the folder if it is missing and locks it for this process; what runs that died have left is removed.
 * STATUS_LOCKED if another run is at work. The lock ends with catalog_unlock or with the process.
 */
enum status catalog_lock(const char *folder, int *ret_lock, struct error *error) MUST_CHECK;
void catalog_unlock(const int *lock);

/*
 * Locks the folder for looking at what the backups hold: others may make backups meanwhile, but only one looks. Removes
 * the scratch folders of a run that died. STATUS_LOCKED if another is at work; catalog_unlock ends it.
 */
enum status catalog_lock_verify(const char *folder, int *ret_lock, struct error *error) MUST_CHECK;

/* Where that one may unpack what it looks at: a path in the folder, where nothing is yet. Owned by the caller. */
enum status catalog_scratch(const char *folder, const struct backup *backup, char **ret_path,
							struct error *error) MUST_CHECK;

/* A backup in the making, in a folder that is not listed. */
struct draft {
	char timestamp[TIMESTAMP_SIZE];
	char *path;       /* where it is made */
	char *final_path; /* where it will be */
};

/* Makes the folder for a backup that begins now; the lock is held. */
enum status catalog_draft(const char *folder, struct draft *ret_draft, struct error *error) MUST_CHECK;

/* Flushes the folder, gives it its final name and flushes that. From then on it is listed. */
enum status catalog_publish(const char *folder, struct draft *draft, struct error *error) MUST_CHECK;

/* Removes it if it has not been published; frees the names. Safe on an empty draft. */
void catalog_discard(struct draft *draft);

/*
 * Removes a backup; the lock is held. However this ends, the backup is whole and listed, or it is not listed. What can
 * be seen not to be removable (it belongs to someone else, is marked immutable, is read-only or another file system) is
 * refused before anything is removed; folders that only their mode protects are removed.
 */
enum status catalog_remove(const char *folder, const struct backup *backup, struct error *error) MUST_CHECK;

#endif
