/*
 * digest.h - SHA-256 (OpenSSL) of files and texts; digest_source.h has that of streams.
 */
#ifndef WHISPERBACKUP_PIPELINE_DIGEST_H
#define WHISPERBACKUP_PIPELINE_DIGEST_H

#include "base/error.h"
#include "base/progress.h"
#include "base/stream.h"

#include <stdint.h>

enum {
	DIGEST_SIZE = 32,      /* bytes */
	DIGEST_TEXT_SIZE = 65, /* 64 hexadecimal digits and the closing NUL */
};

/* The lower-case hexadecimal SHA-256 and the size in bytes of a file, read once. */
enum status digest_file(const char *path, struct progress *progress, char ret_text[DIGEST_TEXT_SIZE],
						uint64_t *ret_size, struct error *error) MUST_CHECK;

/* The text of a digest in bytes. */
void digest_print(const unsigned char digest[DIGEST_SIZE], char ret_text[DIGEST_TEXT_SIZE]);

/* Of a text. */
enum status digest_text(const char *text, char ret_text[DIGEST_TEXT_SIZE], struct error *error) MUST_CHECK;

#endif
