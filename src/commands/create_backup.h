/*
 * create_backup.h - one new backup in the folder of backups: what create does, and a restore before it changes
 * anything.
 */
#ifndef WHISPERBACKUP_COMMANDS_CREATE_BACKUP_H
#define WHISPERBACKUP_COMMANDS_CREATE_BACKUP_H

#include "commands/create_stores.h"

struct create_backup_request {
	struct session *session; /* connected; the folder's lock is held */
	struct display *display;
	unsigned longest_seconds; /* that services may stand still */
	bool pause_writers;
	bool all_or_nothing;           /* a store that fails makes the whole a failure, of which nothing is kept */
	const char *before_restore_of; /* the backup that is about to be restored; NULL: it is one like any other */
};

struct create_backup_result {
	char timestamp[TIMESTAMP_SIZE];
	char *shown_path; /* its folder, as the user knows it; owned by the caller */
	uint64_t bytes;   /* of all artefacts */
	bool complete;    /* every store is in it */
	size_t failed;    /* stores */
};

/* Backs up the session's chosen stores that run. When it returns STATUS_OK the backup is listed. */
enum status create_backup(const struct create_backup_request *request, struct create_backup_result *ret_result,
						  struct error *error) MUST_CHECK;

#endif
