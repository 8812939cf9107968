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

/* What a manifest says about a file's bytes. */
struct digest_result {
	char sha256[DIGEST_TEXT_SIZE]; /* lower-case hexadecimal; empty: not known */
	uint64_t size;                 /* bytes */
};

/*
 * The SHA-256 of bytes that come one after the other, for who may have to go back: of a file in the making whose end is
 * written anew. What it was is remembered every `step` bytes, or in wider steps when there are many, so that it never
 * takes more than some 100 KiB. One thread at a time.
 */
struct digest;
enum status digest_new(uint64_t step, struct digest **ret_digest, struct error *error) MUST_CHECK;
void digest_free(struct digest *digest);
CLEANUP_DEFINE(digest, struct digest, digest_free)

enum status digest_add(struct digest *digest, const void *bytes, size_t length, struct error *error) MUST_CHECK;

/* How many bytes it is of. */
uint64_t digest_length(const struct digest *digest);

/* Forgets everything behind the last remembered place at or before `length`; that is digest_length from now on. */
enum status digest_go_back(struct digest *digest, uint64_t length, struct error *error) MUST_CHECK;

/* Of all bytes so far, lower-case hexadecimal; more may follow. */
enum status digest_print(const struct digest *digest, char ret_text[DIGEST_TEXT_SIZE], struct error *error) MUST_CHECK;

/* The lower-case hexadecimal SHA-256 and the size in bytes of a file, read once. */
enum status digest_file(const char *path, struct progress *progress, char ret_text[DIGEST_TEXT_SIZE],
						uint64_t *ret_size, struct error *error) MUST_CHECK;

/* The text of a digest in bytes. */
void digest_format(const unsigned char digest[DIGEST_SIZE], char ret_text[DIGEST_TEXT_SIZE]);

/* Of a text. */
enum status digest_text(const char *text, char ret_text[DIGEST_TEXT_SIZE], struct error *error) MUST_CHECK;

#endif
