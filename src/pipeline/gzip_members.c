#include "pipeline/gzip_members.h"

#include "base/thread.h"
#include "pipeline/gzip.h"

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <string.h>

enum {
	MOST_THREADS = 4, /* more inflate faster than one reader takes it, and two archives may be read at the same time */
	MOST_BATCHES = MOST_THREADS + MOST_THREADS / 2 + 2, /* one each, and some that wait to be read or to be begun */
	HEADER_SIZE = 24,                                   /* docs/FORMAT.md, "gzip members" */
	LENGTH_OFFSET = 16,
	CONTENT_OFFSET = 20,
	TRAILER_SIZE = 8, /* CRC-32 and length of the content: RFC 1952, section 2.3.1 */
};

#define WRONG_LENGTH "has a member that is not as long as it says"

/* Members that are inflated by one thread, one after the other. */
struct batch {
	enum { BATCH_FREE, BATCH_BUSY, BATCH_READY } state;
	unsigned char *input; /* whole members, of GZIP_MEMBER_ROOM bytes at the most */
	size_t input_length;
	unsigned char *output; /* their content, of GZIP_MEMBER_SIZE bytes at the most */
	size_t output_length;
	size_t handed_on;   /* of it */
	bool last;          /* no batch comes after this */
	enum status status; /* of what comes behind the content */
	struct error error;
	struct inflate_state inflate;
};

struct gzip_members {
	pthread_mutex_t reading; /* over the next four, held while a batch is read; taken before `mutex` */
	struct gzip_input *input;
	size_t next; /* number of the batch to be read */
	bool over;   /* nothing more of ours can be read */
	bool any;

	pthread_mutex_t mutex; /* over the states of the batches and `stopping` */
	pthread_cond_t freed;
	pthread_cond_t ready;
	bool stopping;

	struct batch *batches[MOST_BATCHES];
	size_t batch_count;
	size_t current; /* number of the batch that is handed on; the caller's thread alone knows it */
	pthread_t threads[MOST_THREADS];
	size_t thread_count;
};

/* --- the file ----------------------------------------------------------------------------------------------------- */

enum status gzip_input_want(struct gzip_input *input, size_t wanted, struct error *error)
{
	if (input->end - input->at < wanted && input->at > 0) {
		memmove(input->bytes, input->bytes + input->at, input->end - input->at);
		input->end -= input->at;
		input->at = 0;
	}
	while (input->end - input->at < wanted && !input->ended) {
		size_t length = 0;
		enum status status =
			source_read(input->inner, input->bytes + input->end, STREAM_BLOCK_SIZE - input->end, &length, error);
		if (status != STATUS_OK) {
			return status;
		}
		input->end += length;
		input->ended = length == 0;
	}
	return STATUS_OK;
}

/* Exactly `length` bytes, or fewer at the end of the file. */
static enum status take(struct gzip_input *input, unsigned char *to, size_t length, size_t *ret_taken,
						struct error *error)
{
	*ret_taken = 0;
	while (length > 0) {
		enum status status = gzip_input_want(input, 1, error);
		size_t there = input->end - input->at;
		size_t some = there < length ? there : length;
		if (status != STATUS_OK || some == 0) {
			return status;
		}
		memcpy(to, input->bytes + input->at, some);
		input->at += some;
		to += some;
		length -= some;
		*ret_taken += some;
	}
	return STATUS_OK;
}

enum status gzip_damaged(struct error *error, const char *text)
{
	return error_set(error, STATUS_DAMAGED, "the gzip data %s", text);
}

static uint32_t get_32(const unsigned char *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* By its header; one that is larger than any of ours has only the looks of it. */
static bool is_ours(const unsigned char *header)
{
	return memcmp(header, "\x1f\x8b\x08\x04", 4) == 0 && memcmp(header + 10, "\x0c\x00WB\x08\x00", 6) == 0 &&
		   get_32(header + LENGTH_OFFSET) <= GZIP_MEMBER_ROOM && get_32(header + CONTENT_OFFSET) <= GZIP_MEMBER_SIZE;
}

/* Adds the next member, unless there is no room for it (*ret_full) or it is none of ours (members->over). */
static enum status read_member(struct gzip_members *members, struct batch *batch, size_t *content, bool *ret_full,
							   struct error *error)
{
	struct gzip_input *input = members->input;
	enum status status = gzip_input_want(input, HEADER_SIZE, error);
	const unsigned char *header = input->bytes + input->at;
	if (status != STATUS_OK || input->end - input->at < HEADER_SIZE || !is_ours(header)) {
		members->over = true;
		return status;
	}
	size_t length = get_32(header + LENGTH_OFFSET);
	size_t size = get_32(header + CONTENT_OFFSET);
	size_t taken = 0;
	*ret_full = batch->input_length + length > GZIP_MEMBER_ROOM || *content + size > GZIP_MEMBER_SIZE;
	if (*ret_full) {
		return STATUS_OK;
	}
	if (length <= HEADER_SIZE + TRAILER_SIZE) {
		return gzip_damaged(error, WRONG_LENGTH);
	}
	status = take(input, batch->input + batch->input_length, length, &taken, error);
	if (status == STATUS_OK && taken < length) {
		status = gzip_damaged(error, "ends in the middle");
	}
	if (status == STATUS_OK) {
		batch->input_length += length;
		*content += size;
		members->any = true;
	}
	return status;
}

/* As many members as fit. */
static void read_batch(struct gzip_members *members, struct batch *batch)
{
	size_t content = 0;
	bool full = false;
	batch->input_length = 0;
	batch->output_length = 0;
	batch->handed_on = 0;
	batch->status = STATUS_OK;
	while (batch->status == STATUS_OK && !full && !members->over) {
		batch->status = read_member(members, batch, &content, &full, &batch->error);
	}
	members->over = members->over || batch->status != STATUS_OK;
	batch->last = members->over;
}

/* --- inflating ---------------------------------------------------------------------------------------------------- */

static enum status inflate_member(struct batch *batch, unsigned char *member, struct error *error)
{
	struct inflate_state *state = &batch->inflate;
	uint32_t length = get_32(member + LENGTH_OFFSET);
	uint32_t size = get_32(member + CONTENT_OFFSET);
	unsigned char *content = batch->output + batch->output_length;
	const unsigned char *trailer = member + length - TRAILER_SIZE;
	isal_inflate_init(state);
	state->next_in = member + HEADER_SIZE;
	state->avail_in = length - HEADER_SIZE - TRAILER_SIZE;
	state->next_out = content;
	state->avail_out = size;
	int result = isal_inflate_stateless(state);
	if (result == ISAL_END_INPUT || result == ISAL_OUT_OVERFLOW) {
		return gzip_damaged(error, WRONG_LENGTH);
	}
	if (result != ISAL_DECOMP_OK) {
		return gzip_damaged(error, "is not what a compressor writes");
	}
	if (state->avail_in != 0 || state->total_out != size) {
		return gzip_damaged(error, WRONG_LENGTH);
	}
	if (get_32(trailer) != crc32_gzip_refl(0, content, size) || get_32(trailer + 4) != size) {
		return gzip_damaged(error, "does not match its own checksum");
	}
	batch->output_length += size;
	return STATUS_OK;
}

/* What comes before a damaged member is handed on. */
static void inflate_batch(struct batch *batch)
{
	for (size_t at = 0; at < batch->input_length;) {
		unsigned char *member = batch->input + at;
		struct error error;
		enum status status = inflate_member(batch, member, &error);
		if (status != STATUS_OK) {
			batch->status = status;
			batch->error = error;
			break;
		}
		at += get_32(member + LENGTH_OFFSET);
	}
}

/* --- threads ------------------------------------------------------------------------------------------------------ */

/* The next batch to be filled, once it is free; NULL if there will be none. The reading lock is held. */
static struct batch *claim_batch(struct gzip_members *members)
{
	struct batch *batch = members->batches[members->next % members->batch_count];
	pthread_mutex_lock(&members->mutex);
	while (!members->over && !members->stopping && batch->state != BATCH_FREE) {
		pthread_cond_wait(&members->freed, &members->mutex);
	}
	bool claimed = !members->over && !members->stopping;
	if (claimed) {
		batch->state = BATCH_BUSY;
		members->next++;
	}
	pthread_mutex_unlock(&members->mutex);
	return claimed ? batch : NULL;
}

static bool work_once(struct gzip_members *members)
{
	pthread_mutex_lock(&members->reading);
	struct batch *batch = claim_batch(members);
	if (batch != NULL) {
		read_batch(members, batch);
	}
	pthread_mutex_unlock(&members->reading);
	if (batch == NULL) {
		return false;
	}
	inflate_batch(batch);
	pthread_mutex_lock(&members->mutex);
	batch->state = BATCH_READY;
	pthread_cond_signal(&members->ready); /* only the caller's thread waits for this */
	pthread_mutex_unlock(&members->mutex);
	return true;
}

static void *work(void *context)
{
	while (work_once(context)) {
	}
	return NULL;
}

static void batch_free(struct batch *batch)
{
	free(batch->input);
	free(batch->output);
	free(batch);
}

static enum status add_batch(struct gzip_members *members, struct error *error)
{
	struct batch *batch = calloc(1, sizeof *batch);
	if (batch == NULL) {
		return error_memory(error);
	}
	batch->input = malloc(GZIP_MEMBER_ROOM);
	batch->output = malloc(GZIP_MEMBER_SIZE);
	if (batch->input == NULL || batch->output == NULL) {
		batch_free(batch);
		return error_memory(error);
	}
	members->batches[members->batch_count++] = batch;
	return STATUS_OK;
}

/* One that cannot be started is not missed: the caller's works. */
static enum status start_threads(struct gzip_members *members, struct error *error)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	size_t wanted = cores < 1 ? 1 : cores > MOST_THREADS ? MOST_THREADS : (size_t)cores;
	enum status status = STATUS_OK;
	while (status == STATUS_OK && members->batch_count < wanted + wanted / 2 + 2) {
		status = add_batch(members, error);
	}
	for (size_t i = 0; status == STATUS_OK && i < wanted; i++) {
		members->thread_count += thread_start(&members->threads[members->thread_count], work, members);
	}
	return status;
}

static void stop_threads(struct gzip_members *members)
{
	pthread_mutex_lock(&members->mutex);
	members->stopping = true;
	pthread_cond_broadcast(&members->freed);
	pthread_mutex_unlock(&members->mutex);
	for (; members->thread_count > 0; members->thread_count--) {
		pthread_join(members->threads[members->thread_count - 1], NULL);
	}
}

/* --- for the caller's thread -------------------------------------------------------------------------------------- */

enum status gzip_members_new(struct gzip_input *input, struct gzip_members **ret_members, struct error *error)
{
	struct gzip_members *members = calloc(1, sizeof *members);
	if (members == NULL) {
		return error_memory(error);
	}
	members->input = input;
	pthread_mutex_init(&members->reading, NULL);
	pthread_mutex_init(&members->mutex, NULL);
	pthread_cond_init(&members->freed, NULL);
	pthread_cond_init(&members->ready, NULL);
	enum status status = add_batch(members, error);
	if (status != STATUS_OK) {
		gzip_members_free(members);
		return status;
	}
	*ret_members = members;
	return STATUS_OK;
}

static struct batch *wait_for_batch(struct gzip_members *members)
{
	struct batch *batch = members->batches[members->current % members->batch_count];
	if (members->thread_count == 0 && batch->state == BATCH_FREE) {
		(void)work_once(members);
	}
	pthread_mutex_lock(&members->mutex);
	while (batch->state != BATCH_READY) {
		pthread_cond_wait(&members->ready, &members->mutex);
	}
	pthread_mutex_unlock(&members->mutex);
	return batch;
}

/* A file of one batch is done by now; more is worth threads. */
static enum status next_batch(struct gzip_members *members, struct batch *batch, struct error *error)
{
	bool first = members->current == 0;
	members->current++;
	pthread_mutex_lock(&members->mutex);
	batch->state = BATCH_FREE;
	pthread_cond_signal(&members->freed); /* only who holds the reading lock waits for this */
	pthread_mutex_unlock(&members->mutex);
	return first ? start_threads(members, error) : STATUS_OK;
}

enum status gzip_members_read(struct gzip_members *members, void *bytes, size_t capacity, size_t *ret_length,
							  struct error *error)
{
	struct batch *batch = wait_for_batch(members);
	while (batch->handed_on == batch->output_length) {
		if (batch->last || batch->status != STATUS_OK) {
			stop_threads(members);
			*ret_length = 0;
			if (batch->status != STATUS_OK) {
				*error = batch->error;
			}
			return batch->status;
		}
		enum status status = next_batch(members, batch, error);
		if (status != STATUS_OK) {
			return status;
		}
		batch = wait_for_batch(members);
	}
	size_t left = batch->output_length - batch->handed_on;
	*ret_length = capacity < left ? capacity : left;
	memcpy(bytes, batch->output + batch->handed_on, *ret_length);
	batch->handed_on += *ret_length;
	return STATUS_OK;
}

bool gzip_members_any(const struct gzip_members *members)
{
	return members->any;
}

void gzip_members_free(struct gzip_members *members)
{
	if (members == NULL) {
		return;
	}
	stop_threads(members);
	for (size_t i = 0; i < members->batch_count; i++) {
		batch_free(members->batches[i]);
	}
	pthread_cond_destroy(&members->ready);
	pthread_cond_destroy(&members->freed);
	pthread_mutex_destroy(&members->mutex);
	pthread_mutex_destroy(&members->reading);
	free(members);
}
