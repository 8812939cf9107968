#include "pipeline/gzip.h"

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <stdbool.h>
#include <string.h>

enum {
	EXTRA_SIZE = 12,   /* "WB", length 8, two 32-bit numbers: RFC 1952, section 2.3.1.1 */
	EXTRA_OFFSET = 12, /* of the extra field's data in a member: 10 bytes of header, 2 of XLEN */
	HEADER_SIZE = EXTRA_OFFSET + EXTRA_SIZE,
	TRAILER_SIZE = 8,    /* CRC-32 and length of the content */
	STORED_MOST = 65535, /* bytes in a stored block, which has ... */
	STORED_HEADER = 5,   /* ... bytes before them: RFC 1951, section 3.2.4 */
	/*
	 * Whether it pays to compress a block is tried with samples of it: so many that a stretch of one sixteenth that
	 * compresses is not overlooked, and worth it if they become smaller by one sixty-fourth.
	 */
	SAMPLES = 16,
	SAMPLE_SIZE = 2 << 10,                    /* bytes of each */
	SAMPLED_FROM = 4 * SAMPLES * SAMPLE_SIZE, /* bytes; less is compressed as quickly as it is sampled */
	WORTH = 64,
};

struct gzip_compressor {
	struct isal_zstream stream;
	unsigned char level_memory[ISAL_DEF_LVL1_DEFAULT];
	unsigned char samples[SAMPLES * SAMPLE_SIZE];
	unsigned char tried[SAMPLES * SAMPLE_SIZE];
};

enum status gzip_compressor_new(struct gzip_compressor **ret_compressor, struct error *error)
{
	/* Zeroed: ISA-L 2.30 reads of a new stream what isal_deflate_stateless_init leaves alone, such as the size of its
	 * window (hist_bits); what another had left there would make members larger. */
	*ret_compressor = calloc(1, sizeof **ret_compressor);
	return *ret_compressor != NULL ? STATUS_OK : error_memory(error);
}

void gzip_compressor_free(struct gzip_compressor *compressor)
{
	free(compressor);
}

static void put_32(unsigned char *at, uint32_t number)
{
	at[0] = (unsigned char)number;
	at[1] = (unsigned char)(number >> 8);
	at[2] = (unsigned char)(number >> 16);
	at[3] = (unsigned char)(number >> 24);
}

size_t gzip_member_room(size_t length)
{
	return HEADER_SIZE + length + (length / STORED_MOST + 1) * STORED_HEADER + TRAILER_SIZE;
}

/* Deflated data of `length` bytes; false if it needs more than `room`. */
static bool deflate(struct gzip_compressor *compressor, const void *content, size_t length, unsigned char *to,
					size_t room, size_t *ret_length)
{
	struct isal_zstream *stream = &compressor->stream;
	isal_deflate_stateless_init(stream);
	stream->level = 1;
	stream->level_buf = compressor->level_memory;
	stream->level_buf_size = sizeof compressor->level_memory;
	stream->gzip_flag = IGZIP_DEFLATE;
	stream->end_of_stream = 1;
	stream->flush = NO_FLUSH;
	memcpy(&stream->next_in, &content, sizeof content); /* it is only read, but its type does not say so */
	stream->avail_in = (uint32_t)length;
	stream->next_out = to;
	stream->avail_out = (uint32_t)room;
	if (isal_deflate_stateless(stream) != COMP_OK) {
		return false;
	}
	*ret_length = stream->total_out;
	return true;
}

/* Deflated data that is the content itself: BFINAL and BTYPE 00, LEN, NLEN, the bytes. Returns its length. */
static size_t store(const unsigned char *content, size_t length, unsigned char *to)
{
	unsigned char *at = to;
	do {
		size_t some = length < STORED_MOST ? length : (size_t)STORED_MOST;
		length -= some;
		at[0] = length == 0;
		at[1] = (unsigned char)some;
		at[2] = (unsigned char)(some >> 8);
		at[3] = (unsigned char)~at[1];
		at[4] = (unsigned char)~at[2];
		memcpy(at + STORED_HEADER, content, some);
		at += STORED_HEADER + some;
		content += some;
	} while (length > 0);
	return (size_t)(at - to);
}

static bool is_worth_it(struct gzip_compressor *compressor, const unsigned char *content, size_t length)
{
	if (length < SAMPLED_FROM) {
		return true;
	}
	size_t all = sizeof compressor->samples;
	size_t stride = (length - SAMPLE_SIZE) / (SAMPLES - 1);
	for (size_t i = 0; i < SAMPLES; i++) {
		memcpy(compressor->samples + i * SAMPLE_SIZE, content + i * stride, SAMPLE_SIZE);
	}
	return deflate(compressor, compressor->samples, all, compressor->tried, all - all / WORTH, &all);
}

enum status gzip_compress(struct gzip_compressor *compressor, const void *content, size_t length, void *member,
						  size_t *ret_length, struct error *error)
{
	/* ID1 ID2 CM=8 FLG=FEXTRA MTIME=0 XFL=0 OS=3 (Unix) XLEN=12 "WB" LEN=8, then the two lengths. */
	static const unsigned char header[EXTRA_OFFSET + 4] = {0x1f, 0x8b, 8,          4, 0,   0,   0, 0,
														   0,    3,    EXTRA_SIZE, 0, 'W', 'B', 8, 0};
	if (length > GZIP_MEMBER_SIZE) {
		return error_set(error, STATUS_FAILED, "a gzip member cannot hold %zu bytes", length);
	}
	unsigned char *start = member;
	unsigned char *data = start + HEADER_SIZE;
	size_t room = gzip_member_room(length) - HEADER_SIZE - TRAILER_SIZE;
	size_t data_length = 0;
	if (!is_worth_it(compressor, content, length) || !deflate(compressor, content, length, data, room, &data_length)) {
		data_length = store(content, length, data);
	}
	size_t total = HEADER_SIZE + data_length + TRAILER_SIZE;
	memcpy(start, header, sizeof header);
	put_32(start + sizeof header, (uint32_t)total);
	put_32(start + sizeof header + 4, (uint32_t)length);
	put_32(start + total - 8, crc32_gzip_refl(0, content, length));
	put_32(start + total - 4, (uint32_t)length);
	*ret_length = total;
	return STATUS_OK;
}

struct gzip_sink {
	struct sink sink;
	struct sink *next; /* lent */
	struct gzip_compressor *compressor;
	unsigned char *content;
	unsigned char *member;
	size_t content_length;
	bool any_member;
};

static enum status write_member(struct gzip_sink *self, struct error *error)
{
	size_t length = 0;
	enum status status =
		gzip_compress(self->compressor, self->content, self->content_length, self->member, &length, error);
	self->content_length = 0;
	self->any_member = true;
	return status == STATUS_OK ? sink_write(self->next, self->member, length, error) : status;
}

static enum status gzip_sink_write(struct sink *sink, const void *bytes, size_t length, struct error *error)
{
	struct gzip_sink *self = (struct gzip_sink *)sink;
	const unsigned char *at = bytes;
	enum status status = STATUS_OK;
	while (status == STATUS_OK && length > 0) {
		size_t room = GZIP_MEMBER_SIZE - self->content_length;
		size_t some = length < room ? length : room;
		memcpy(self->content + self->content_length, at, some);
		self->content_length += some;
		at += some;
		length -= some;
		if (self->content_length == GZIP_MEMBER_SIZE) {
			status = write_member(self, error);
		}
	}
	return status;
}

static enum status gzip_sink_finish(struct sink *sink, struct error *error)
{
	struct gzip_sink *self = (struct gzip_sink *)sink;
	/* Also without any content: a gzip file has at least one member. */
	bool needed = self->content_length > 0 || !self->any_member;
	enum status status = needed ? write_member(self, error) : STATUS_OK;
	return status == STATUS_OK ? sink_finish(self->next, error) : status;
}

static void gzip_sink_free(struct sink *sink)
{
	struct gzip_sink *self = (struct gzip_sink *)sink;
	free(self->content);
	free(self->member);
	gzip_compressor_free(self->compressor);
	free(self);
}

enum status gzip_sink_new(struct sink *next, struct sink **ret_sink, struct error *error)
{
	static const struct sink_ops ops = {.write = gzip_sink_write, .finish = gzip_sink_finish, .free = gzip_sink_free};
	struct gzip_sink *self = calloc(1, sizeof *self);
	if (self == NULL) {
		return error_memory(error);
	}
	self->sink.ops = &ops;
	self->next = next;
	self->content = malloc(GZIP_MEMBER_SIZE);
	self->member = malloc(GZIP_MEMBER_ROOM);
	enum status status = self->content == NULL || self->member == NULL ? error_memory(error)
																	   : gzip_compressor_new(&self->compressor, error);
	if (status != STATUS_OK) {
		gzip_sink_free(&self->sink);
		return status;
	}
	*ret_sink = &self->sink;
	return STATUS_OK;
}
