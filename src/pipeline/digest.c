#include "pipeline/digest.h"

#include "base/interrupt.h"
#include "pipeline/file.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

static void cleanup_context(EVP_MD_CTX **context)
{
	EVP_MD_CTX_free(*context);
}

void digest_print(const unsigned char digest[DIGEST_SIZE], char ret_text[DIGEST_TEXT_SIZE])
{
	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		snprintf(ret_text + 2 * i, 3, "%02x", digest[i]);
	}
}

enum status digest_file(const char *path, struct progress *progress, char ret_text[DIGEST_TEXT_SIZE],
						uint64_t *ret_size, struct error *error)
{
	CLEANUP(cleanup_source) struct source *source = NULL;
	CLEANUP(cleanup_free) unsigned char *block = malloc(STREAM_BLOCK_SIZE);
	CLEANUP(cleanup_context) EVP_MD_CTX *context = EVP_MD_CTX_new();
	if (block == NULL || context == NULL || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
		return error_memory(error);
	}
	enum status status = file_source_new(path, &source, error);
	uint64_t size = 0;
	for (size_t length = 1; status == STATUS_OK && length > 0; size += length) {
		status = interrupt_check(error);
		if (status == STATUS_OK) {
			status = source_read(source, block, STREAM_BLOCK_SIZE, &length, error);
		}
		if (status == STATUS_OK && EVP_DigestUpdate(context, block, length) != 1) {
			status = error_set(error, STATUS_FAILED, "cannot compute a SHA-256");
		}
		progress_advance(progress, length);
	}
	unsigned char digest[DIGEST_SIZE];
	if (status == STATUS_OK && EVP_DigestFinal_ex(context, digest, NULL) != 1) {
		status = error_set(error, STATUS_FAILED, "cannot compute a SHA-256");
	}
	if (status != STATUS_OK) {
		return status;
	}
	digest_print(digest, ret_text);
	*ret_size = size;
	return STATUS_OK;
}

enum status digest_text(const char *text, char ret_text[DIGEST_TEXT_SIZE], struct error *error)
{
	unsigned char digest[DIGEST_SIZE];
	if (EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) != 1) {
		return error_set(error, STATUS_FAILED, "cannot compute a SHA-256");
	}
	digest_print(digest, ret_text);
	return STATUS_OK;
}
