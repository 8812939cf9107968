#include "pipeline/digest_source.h"

#include "base/interrupt.h"
#include "base/thread.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 4 }; /* of STREAM_BLOCK_SIZE: one is filled, one is hashed, two may wait */

struct digest_source {
	struct source source;
	struct source *inner; /* owned */
	enum status status;   /* of reading from it */
	struct error failure;
	uint64_t size;
	unsigned char *blocks[BLOCKS];
	size_t length; /* bytes in the block that is being filled */

	EVP_MD_CTX *context; /* the thread's, if there is one */
	bool hashed_badly;

	pthread_t thread;
	bool has_thread;
	pthread_mutex_t mutex; /* over what follows */
	pthread_cond_t changed;
	size_t filled; /* blocks, since the start */
	size_t hashed;
	bool ended;
};

/* --- hashing ------------------------------------------------------------------------------------------------------ */

static void hash(struct digest_source *self, const void *bytes, size_t length)
{
	self->hashed_badly = EVP_DigestUpdate(self->context, bytes, length) != 1 || self->hashed_badly;
}

/* Whole blocks; what is left at the end is hashed by digest_source_finish. */
static void *work(void *context)
{
	struct digest_source *self = context;
	pthread_mutex_lock(&self->mutex);
	for (;;) {
		while (self->hashed == self->filled && !self->ended) {
			pthread_cond_wait(&self->changed, &self->mutex);
		}
		if (self->hashed == self->filled) {
			break;
		}
		pthread_mutex_unlock(&self->mutex);
		hash(self, self->blocks[self->hashed % BLOCKS], STREAM_BLOCK_SIZE);
		pthread_mutex_lock(&self->mutex);
		self->hashed++;
		pthread_cond_signal(&self->changed);
	}
	pthread_mutex_unlock(&self->mutex);
	return NULL;
}

/* Without a thread (yet) the block is hashed here, and the next may be filled at once. */
static void hand_over_block(struct digest_source *self)
{
	if (!self->has_thread) {
		hash(self, self->blocks[self->filled % BLOCKS], STREAM_BLOCK_SIZE);
		self->filled = ++self->hashed;
		self->has_thread = thread_start(&self->thread, work, self);
		return;
	}
	pthread_mutex_lock(&self->mutex);
	self->filled++;
	pthread_cond_signal(&self->changed);
	while (self->filled - self->hashed == BLOCKS) {
		pthread_cond_wait(&self->changed, &self->mutex);
	}
	pthread_mutex_unlock(&self->mutex);
}

static void keep(struct digest_source *self, const unsigned char *bytes, size_t length)
{
	while (length > 0) {
		size_t room = STREAM_BLOCK_SIZE - self->length;
		size_t some = length < room ? length : room;
		memcpy(self->blocks[self->filled % BLOCKS] + self->length, bytes, some);
		self->length += some;
		bytes += some;
		length -= some;
		if (self->length == STREAM_BLOCK_SIZE) {
			hand_over_block(self);
			self->length = 0;
		}
	}
}

static void end_thread(struct digest_source *self)
{
	if (self->has_thread) {
		pthread_mutex_lock(&self->mutex);
		self->ended = true;
		pthread_cond_signal(&self->changed);
		pthread_mutex_unlock(&self->mutex);
		pthread_join(self->thread, NULL);
		self->has_thread = false;
	}
}

/* --- the source --------------------------------------------------------------------------------------------------- */

static enum status digest_source_read(struct source *source, void *bytes, size_t capacity, size_t *ret_length,
									  struct error *error)
{
	struct digest_source *self = (struct digest_source *)source;
	enum status status = source_read(self->inner, bytes, capacity, ret_length, error);
	if (status != STATUS_OK) {
		self->status = status;
		self->failure = *error;
		return status;
	}
	__atomic_fetch_add(&self->size, *ret_length, __ATOMIC_RELAXED);
	keep(self, bytes, *ret_length);
	return STATUS_OK;
}

/* It is lent to who reads, and some own what they read from. */
static void digest_source_let_go(struct source *source)
{
	(void)source;
}

struct source *digest_source_stream(struct digest_source *digest)
{
	return &digest->source;
}

uint64_t digest_source_size(const struct digest_source *digest)
{
	return __atomic_load_n(&digest->size, __ATOMIC_RELAXED);
}

bool digest_source_failed(const struct digest_source *digest)
{
	return digest->status != STATUS_OK;
}

enum status digest_source_new(struct source *inner, struct digest_source **ret_digest, struct error *error)
{
	static const struct source_ops ops = {.read = digest_source_read, .free = digest_source_let_go};
	struct digest_source *self = calloc(1, sizeof *self);
	if (self == NULL) {
		source_free(inner);
		return error_memory(error);
	}
	self->source.ops = &ops;
	self->inner = inner;
	pthread_mutex_init(&self->mutex, NULL);
	pthread_cond_init(&self->changed, NULL);
	self->context = EVP_MD_CTX_new();
	bool made = self->context != NULL && EVP_DigestInit_ex(self->context, EVP_sha256(), NULL) == 1;
	for (size_t i = 0; i < BLOCKS; i++) {
		self->blocks[i] = malloc(STREAM_BLOCK_SIZE);
		made = made && self->blocks[i] != NULL;
	}
	if (!made) {
		digest_source_free(self);
		return error_memory(error);
	}
	*ret_digest = self;
	return STATUS_OK;
}

static enum status read_the_rest(struct digest_source *self, struct error *error)
{
	CLEANUP(cleanup_free) unsigned char *block = malloc(STREAM_BLOCK_SIZE);
	enum status status = block == NULL ? error_memory(error) : STATUS_OK;
	for (size_t length = 1; status == STATUS_OK && length > 0;) {
		status = interrupt_check(error);
		if (status == STATUS_OK) {
			status = source_read(&self->source, block, STREAM_BLOCK_SIZE, &length, error);
		}
	}
	return status;
}

enum status digest_source_finish(struct digest_source *digest, char ret_text[DIGEST_TEXT_SIZE], uint64_t *ret_size,
								 struct error *error)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	if (digest->status != STATUS_OK) {
		*error = digest->failure;
		return digest->status;
	}
	enum status status = read_the_rest(digest, error);
	end_thread(digest);
	if (status != STATUS_OK) {
		return status;
	}
	hash(digest, digest->blocks[digest->filled % BLOCKS], digest->length);
	digest->length = 0;
	if (digest->hashed_badly || EVP_DigestFinal_ex(digest->context, bytes, NULL) != 1) {
		return error_set(error, STATUS_NO_MEMORY, "cannot compute a SHA-256: out of memory");
	}
	digest_format(bytes, ret_text);
	*ret_size = digest->size;
	return STATUS_OK;
}

void digest_source_free(struct digest_source *digest)
{
	if (digest == NULL) {
		return;
	}
	end_thread(digest);
	source_free(digest->inner);
	for (size_t i = 0; i < BLOCKS; i++) {
		free(digest->blocks[i]);
	}
	EVP_MD_CTX_free(digest->context);
	pthread_cond_destroy(&digest->changed);
	pthread_mutex_destroy(&digest->mutex);
	free(digest);
}
