/*
 * sums.h - reads SHA256SUMS, as `sha256sum` writes it. Private to the catalog and to verify.
 */
#ifndef WHISPERBACKUP_CATALOG_SUMS_H
#define WHISPERBACKUP_CATALOG_SUMS_H

#include "pipeline/digest.h"

#include <stdbool.h>
#include <stddef.h>

/* The checksum in the line of the file `name` of the text `sums`; false if there is none. */
bool sums_find(const char *sums, const char *name, char ret_sum[DIGEST_TEXT_SIZE]);

/* The number, from 1, of the first line that is no checksum of one of the files `names`; 0 if there is none. */
size_t sums_foreign_line(const char *sums, const char *const *names, size_t count);

#endif
