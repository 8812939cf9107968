#include "stores/postgresql/dump_digest.h"

#include <openssl/evp.h>
#include <stdlib.h>

struct digesting {
	struct dump_listener listener;
	EVP_MD_CTX *context;
};

static enum status take_part(struct dump_listener *listener, const struct dump_part *part, struct error *error)
{
	struct digesting *digesting = (struct digesting *)listener;
	if (part->piece != DUMP_STATEMENT && part->piece != DUMP_COPY_DATA) {
		return STATUS_OK;
	}
	return EVP_DigestUpdate(digesting->context, part->bytes, part->length) == 1
			   ? STATUS_OK
			   : error_set(error, STATUS_FAILED, "SHA-256 does not work");
}

static enum status begin(struct digesting *digesting, struct error *error)
{
	digesting->listener.part = take_part;
	digesting->context = EVP_MD_CTX_new();
	if (digesting->context == NULL || EVP_DigestInit_ex(digesting->context, EVP_sha256(), NULL) != 1) {
		return error_memory(error);
	}
	return STATUS_OK;
}

static enum status end(struct digesting *digesting, unsigned char *digest, struct error *error)
{
	return EVP_DigestFinal_ex(digesting->context, digest, NULL) == 1
			   ? STATUS_OK
			   : error_set(error, STATUS_FAILED, "SHA-256 does not work");
}

enum status dump_digest_file(const char *path, struct dump_stretch stretch, unsigned char ret_digest[DUMP_DIGEST_SIZE],
							 struct error *error)
{
	struct digesting digesting = {0};
	enum status status = begin(&digesting, error);
	if (status == STATUS_OK) {
		status = dump_reader_run(path, stretch, &digesting.listener, NULL, error);
	}
	if (status == STATUS_OK) {
		status = end(&digesting, ret_digest, error);
	}
	EVP_MD_CTX_free(digesting.context);
	return status;
}

struct digest_sink {
	struct sink sink;
	struct digesting digesting;
	struct dump_lexer *lexer;
	unsigned char *digest;
};

static enum status digest_sink_write(struct sink *sink, const void *bytes, size_t length, struct error *error)
{
	return dump_lexer_put_bytes(((struct digest_sink *)sink)->lexer, bytes, length, error);
}

static enum status digest_sink_finish(struct sink *sink, struct error *error)
{
	struct digest_sink *self = (struct digest_sink *)sink;
	enum status status = dump_lexer_finish(self->lexer, error);
	return status == STATUS_OK ? end(&self->digesting, self->digest, error) : status;
}

static void digest_sink_free(struct sink *sink)
{
	struct digest_sink *self = (struct digest_sink *)sink;
	EVP_MD_CTX_free(self->digesting.context);
	dump_lexer_free(self->lexer);
	free(self);
}

enum status dump_digest_sink_new(unsigned char digest[DUMP_DIGEST_SIZE], struct sink **ret_sink, struct error *error)
{
	static const struct sink_ops ops = {
		.write = digest_sink_write, .finish = digest_sink_finish, .free = digest_sink_free};
	struct digest_sink *self = calloc(1, sizeof *self);
	if (self == NULL) {
		return error_memory(error);
	}
	self->sink.ops = &ops;
	self->digest = digest;
	enum status status = begin(&self->digesting, error);
	if (status == STATUS_OK) {
		status = dump_lexer_new(&self->digesting.listener, 0, false, &self->lexer, error);
	}
	if (status != STATUS_OK) {
		digest_sink_free(&self->sink);
		return status;
	}
	*ret_sink = &self->sink;
	return STATUS_OK;
}
