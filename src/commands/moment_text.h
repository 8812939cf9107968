/*
 * moment_text.h - a backup's moment and what its stores held, in plain words.
 */
#ifndef WHISPERBACKUP_COMMANDS_MOMENT_TEXT_H
#define WHISPERBACKUP_COMMANDS_MOMENT_TEXT_H

#include "catalog/catalog.h"

enum { MOMENT_TEXT_SIZE = 256 };

/* "all four stores at 14:30:22.418, frozen for 61 ms"; empty if the manifest knows of no moment. */
const char *moment_text(const struct backup *backup, char ret_text[MOMENT_TEXT_SIZE]);

/* "1234 rows in 17 tables"; empty if it was not counted. */
const char *moment_contents_of(const struct fingerprint *fingerprint, char ret_text[MOMENT_TEXT_SIZE]);

/* The same of a store in a backup. */
const char *moment_contents(const struct backup *backup, size_t store, char ret_text[MOMENT_TEXT_SIZE]);

#endif
