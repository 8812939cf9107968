#include "pipeline/digest.h"

#include "base/interrupt.h"
#include "pipeline/file.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES = 128 }; /* that are remembered at the most; then every second one is forgotten */

struct place {
	uint64_t length;
	EVP_MD_CTX *context; /* after so many bytes; owned */
};

struct digest {
	uint64_t length;
	EVP_MD_CTX *context;
	struct place places[PLACES]; /* in order; the first is the beginning */
	size_t count;
	uint64_t step; /* bytes between two places, at least */
};

/* There is nothing else that can be in its way; libcrypto does not tell. */
static enum status failed(struct error *error)
{
	return error_set(error, STATUS_NO_MEMORY, "cannot compute a SHA-256: out of memory");
}

void digest_format(const unsigned char digest[DIGEST_SIZE], char ret_text[DIGEST_TEXT_SIZE])
{
	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		snprintf(ret_text + 2 * i, 3, "%02x", digest[i]);
	}
}

/* Makes room, if there is none, by forgetting every second place. */
static void thin_out(struct digest *digest)
{
	if (digest->count < PLACES) {
		return;
	}
	for (size_t i = 1; i < PLACES; i += 2) {
		EVP_MD_CTX_free(digest->places[i].context);
		digest->places[(i + 1) / 2] = i + 1 < PLACES ? digest->places[i + 1] : (struct place){0};
	}
	digest->count = PLACES / 2;
	digest->step *= 2;
}

static enum status remember(struct digest *digest, struct error *error)
{
	EVP_MD_CTX *copy = EVP_MD_CTX_new();
	if (copy == NULL || EVP_MD_CTX_copy_ex(copy, digest->context) != 1) {
		EVP_MD_CTX_free(copy);
		return failed(error);
	}
	thin_out(digest);
	digest->places[digest->count++] = (struct place){digest->length, copy};
	return STATUS_OK;
}

enum status digest_new(uint64_t step, struct digest **ret_digest, struct error *error)
{
	CLEANUP(cleanup_digest) struct digest *digest = calloc(1, sizeof *digest);
	if (digest == NULL) {
		return error_memory(error);
	}
	digest->step = step;
	digest->context = EVP_MD_CTX_new();
	if (digest->context == NULL || EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) != 1) {
		return failed(error);
	}
	enum status status = remember(digest, error);
	if (status == STATUS_OK) {
		*ret_digest = MOVE(digest);
	}
	return status;
}

void digest_free(struct digest *digest)
{
	if (digest != NULL) {
		for (size_t i = 0; i < digest->count; i++) {
			EVP_MD_CTX_free(digest->places[i].context);
		}
		EVP_MD_CTX_free(digest->context);
		free(digest);
	}
}

enum status digest_add(struct digest *digest, const void *bytes, size_t length, struct error *error)
{
	if (EVP_DigestUpdate(digest->context, bytes, length) != 1) {
		return failed(error);
	}
	digest->length += length;
	bool far = digest->length - digest->places[digest->count - 1].length >= digest->step;
	return far ? remember(digest, error) : STATUS_OK;
}

uint64_t digest_length(const struct digest *digest)
{
	return digest->length;
}

enum status digest_go_back(struct digest *digest, uint64_t length, struct error *error)
{
	if (length >= digest->length) {
		return STATUS_OK;
	}
	while (digest->places[digest->count - 1].length > length) {
		EVP_MD_CTX_free(digest->places[--digest->count].context);
	}
	const struct place *place = &digest->places[digest->count - 1];
	digest->length = place->length;
	return EVP_MD_CTX_copy_ex(digest->context, place->context) == 1 ? STATUS_OK : failed(error);
}

enum status digest_print(const struct digest *digest, char ret_text[DIGEST_TEXT_SIZE], struct error *error)
{
	unsigned char bytes[DIGEST_SIZE];
	EVP_MD_CTX *copy = EVP_MD_CTX_new();
	bool well =
		copy != NULL && EVP_MD_CTX_copy_ex(copy, digest->context) == 1 && EVP_DigestFinal_ex(copy, bytes, NULL) == 1;
	EVP_MD_CTX_free(copy);
	if (!well) {
		return failed(error);
	}
	digest_format(bytes, ret_text);
	return STATUS_OK;
}

enum status digest_file(const char *path, struct progress *progress, char ret_text[DIGEST_TEXT_SIZE],
						uint64_t *ret_size, struct error *error)
{
	CLEANUP(cleanup_source) struct source *source = NULL;
	CLEANUP(cleanup_free) unsigned char *block = malloc(STREAM_BLOCK_SIZE);
	CLEANUP(cleanup_digest) struct digest *digest = NULL;
	enum status status = block == NULL ? error_memory(error) : digest_new(UINT64_MAX, &digest, error);
	if (status == STATUS_OK) {
		status = file_source_new(path, &source, error);
	}
	for (size_t length = 1; status == STATUS_OK && length > 0;) {
		status = interrupt_check(error);
		if (status == STATUS_OK) {
			status = source_read(source, block, STREAM_BLOCK_SIZE, &length, error);
		}
		if (status == STATUS_OK) {
			status = digest_add(digest, block, length, error);
		}
		progress_advance(progress, length);
	}
	if (status == STATUS_OK) {
		status = digest_print(digest, ret_text, error);
	}
	if (status == STATUS_OK) {
		*ret_size = digest_length(digest);
	}
	return status;
}

enum status digest_text(const char *text, char ret_text[DIGEST_TEXT_SIZE], struct error *error)
{
	unsigned char digest[DIGEST_SIZE];
	if (EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) != 1) {
		return failed(error);
	}
	digest_format(digest, ret_text);
	return STATUS_OK;
}
