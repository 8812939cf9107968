/*
 * files.h - small things about files and folders that more than one module needs.
 */
#ifndef WHISPERBACKUP_BASE_FILES_H
#define WHISPERBACKUP_BASE_FILES_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { FILES_TEXT_LIMIT = 1 << 20 }; /* bytes of a small file that is read whole */

/* Removes a file, or a folder with all it holds, never following a symbolic link. STATUS_OK if it is not there. */
enum status files_remove(const char *path, struct error *error) MUST_CHECK;

/* The same for the entry `name` of an open folder (as openat(2) takes it); `path` is what a failure calls it. Whatever
 * is exchanged for what meanwhile, nothing is removed that is not below the folder. */
enum status files_remove_at(int folder, const char *name, const char *path, struct error *error) MUST_CHECK;

/* The space on disk that a folder takes with all it holds, in bytes; what vanishes meanwhile does not count,
 * and a file with several names does for each. */
enum status files_disk_usage(const char *path, uint64_t *ret_bytes, struct error *error) MUST_CHECK;

/* "FOLDER/NAME". Owned by the caller. */
enum status files_join(const char *folder, const char *name, char **ret_path, struct error *error) MUST_CHECK;

/* A small file's text. STATUS_NOT_FOUND if it is not there. A pipe is no file, and is not waited for. Owned by the
 * caller. */
enum status files_read_text(const char *path, char **ret_text, struct error *error) MUST_CHECK;

/* The same for the file `name` of an open folder; `path` is what a failure calls it. A symbolic link is STATUS_FAILED.
 */
enum status files_read_text_at(int folder, const char *name, const char *path, char **ret_text,
							   struct error *error) MUST_CHECK;

/* The same of a file that may have `limit` bytes. */
enum status files_read_long_text(const char *path, size_t limit, char **ret_text, struct error *error) MUST_CHECK;

/* Is there anything of that name? A symbolic link is, wherever it leads. That it cannot be seen does not mean no. */
enum status files_exists(const char *path, bool *ret_exists, struct error *error) MUST_CHECK;

/* Is `path` still a name of the file that is open as `fd`? It may have been removed, or replaced. */
enum status files_is_name_of(const char *path, int fd, bool *ret_is, struct error *error) MUST_CHECK;

/*
 * As pread(2) and pwrite(2), but a signal does not end them (an interrupt is acted on between blocks), and less than
 * all is read only where the file ends. How much that is; -1 or false after a failure, with its errno.
 */
ssize_t files_read_at(int fd, void *bytes, size_t length, uint64_t offset);
bool files_write_at(int fd, const void *bytes, size_t length, uint64_t offset);

/* Makes a folder and its missing parents; one that exists is STATUS_OK. New ones get `mode`. */
enum status files_make_folder(const char *path, unsigned mode, struct error *error) MUST_CHECK;

#endif
