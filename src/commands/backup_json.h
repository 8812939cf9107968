/*
 * backup_json.h - backups as JSON on standard output.
 */
#ifndef WHISPERBACKUP_COMMANDS_BACKUP_JSON_H
#define WHISPERBACKUP_COMMANDS_BACKUP_JSON_H

#include "catalog/catalog.h"

#include <jansson.h>

/* {"timestamp", "path", "created", "status", "size_bytes", "verified", "stores": [...]}; NULL when out of memory. */
json_t *backup_json(const struct backup *backup);

/* Prints `document` (taken; NULL is "out of memory") on standard output, with a newline. */
enum status backup_json_print(json_t *document, struct error *error) MUST_CHECK;

/* "Thu 12 Sep 2024 14:30:22", local time. */
enum { BACKUP_DATE_SIZE = 64 };
const char *backup_date(const struct backup *backup, char ret_text[BACKUP_DATE_SIZE]);

#endif
