/*
 * digest.h - SHA-256 on the way (OpenSSL), and of files.
 */
#ifndef WHISPERBACKUP_PIPELINE_DIGEST_H
#define WHISPERBACKUP_PIPELINE_DIGEST_H

#include "base/error.h"
#include "base/progress.h"
#include "base/stream.h"

#include <stdint.h>

enum { DIGEST_TEXT_SIZE = 65 }; /* 64 hexadecimal digits and the closing NUL */

/* The lower-case hexadecimal SHA-256 and the size in bytes of a file, read once. */
enum status digest_file(const char *path, struct progress *progress, char ret_text[DIGEST_TEXT_SIZE],
						uint64_t *ret_size, struct error *error) MUST_CHECK;

/* Of a text. */
enum status digest_text(const char *text, char ret_text[DIGEST_TEXT_SIZE], struct error *error) MUST_CHECK;

#endif
