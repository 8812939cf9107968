/*
 * file.h - files as ends of a pipeline.
 */
#ifndef WHISPERBACKUP_PIPELINE_FILE_H
#define WHISPERBACKUP_PIPELINE_FILE_H

#include "base/error.h"
#include "base/stream.h"

/* Makes a new file (mode 0600; one that exists already is a failure). Finishing flushes it to disk and closes it. */
enum status file_sink_new(const char *path, struct sink **ret_sink, struct error *error) MUST_CHECK;

/* Reads a file from its start; the kernel is told that it is read once, in order. STATUS_NOT_FOUND if it is not there.
 */
enum status file_source_new(const char *path, struct source **ret_source, struct error *error) MUST_CHECK;

/* Flushes a folder's own entries (names that were added, renamed, removed) to disk. */
enum status file_sync_folder(const char *path, struct error *error) MUST_CHECK;

/* The same for the folder that the file is in; the path has a slash. */
enum status file_sync_folder_of(const char *path, struct error *error) MUST_CHECK;

/*
 * Gives a finished file its name, which has to be free, and flushes the folder. `draft` may still be there afterwards,
 * as another name of it. After a failure nothing is called `path`, unless something was before.
 */
enum status file_publish(const char *draft, const char *path, struct error *error) MUST_CHECK;

/* Writes a whole small file (mode 0600, new) and flushes it to disk. */
enum status file_write_text(const char *path, const char *text, struct error *error) MUST_CHECK;

/* The same for the file `name` of an open folder; `path` is what a failure calls it. */
enum status file_write_text_at(int folder, const char *name, const char *path, const char *text,
							   struct error *error) MUST_CHECK;

#endif
