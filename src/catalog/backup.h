/*
 * backup.h - reads one backup's folder. Private to the catalog.
 */
#ifndef WHISPERBACKUP_CATALOG_BACKUP_H
#define WHISPERBACKUP_CATALOG_BACKUP_H

#include "catalog/catalog.h"

#define BACKUP_MANIFEST    "manifest.json"
#define BACKUP_SUMS        "SHA256SUMS"
#define BACKUP_INFORMATION "backup_info.txt"

enum { BACKUP_FORMAT = 1 };

/* STATUS_NOT_FOUND if there is no such folder or it holds nothing of a backup. Damage is no failure: it is its status.
 */
enum status backup_read(const char *folder, const char *timestamp, struct backup **ret_backup,
						struct error *error) MUST_CHECK;

/* Is a manifest of this text, which is one of ours, small enough for backup_read? */
bool backup_manifest_can_be_read(const char *text);

#endif
