#include "pipeline/gzip.h"
#include "pipeline/gzip_members.h"

#include <isa-l/igzip_lib.h>
#include <string.h>

enum { GZIP_FIXED_SIZE = 16 }; /* bytes of a header up to where our subfield begins to differ: docs/FORMAT.md */

struct gzip_source {
	struct source source;
	struct source *inner;         /* owned */
	struct gzip_members *members; /* owned; NULL once something has come that is no member of ours */
	struct gzip_input input;
	struct inflate_state state;
	struct isal_gzip_header header;
	bool in_member;
	bool in_header; /* of the member */
	bool any_member;
};

/*
 * Of a header that ISA-L would take. "A compliant decompressor must give an error indication if any reserved bit is
 * non-zero" (RFC 1952, section 2.3.1.2). And what begins with our subfield has nothing else: with another length of the
 * whole field a member would be skipped, and the next one's content taken for its own.
 */
static bool is_spoilt(const struct gzip_input *input)
{
	enum { FLAGS = 3, EXTRA_LENGTH = 10, SUBFIELD = 12, ONLY_EXTRA = 4, RESERVED = 0xe0 };
	const unsigned char *header = input->bytes + input->at;
	size_t length = input->end - input->at;
	if (length <= FLAGS || memcmp(header, "\x1f\x8b", 2) != 0) {
		return false;
	}
	bool ours =
		length >= GZIP_FIXED_SIZE && (header[FLAGS] & ONLY_EXTRA) != 0 && memcmp(header + SUBFIELD, "WB\x08", 4) == 0;
	return (header[FLAGS] & RESERVED) != 0 ||
		   (ours && (header[FLAGS] != ONLY_EXTRA || memcmp(header + EXTRA_LENGTH, "\x0c", 2) != 0));
}

/* Begins a member, unless the file has ended (*ret_ended). */
static enum status begin_member(struct gzip_source *self, bool *ret_ended, struct error *error)
{
	enum status status = gzip_input_want(&self->input, GZIP_FIXED_SIZE, error);
	*ret_ended = self->input.at == self->input.end;
	if (status != STATUS_OK) {
		return status;
	}
	if (*ret_ended) {
		return self->any_member ? STATUS_OK : gzip_damaged(error, "is empty");
	}
	if (is_spoilt(&self->input)) {
		return gzip_damaged(error, "has a header that no gzip program writes");
	}
	isal_inflate_reset(&self->state);
	self->state.crc_flag = ISAL_GZIP_NO_HDR_VER; /* the header is read here, the trailer is still verified */
	isal_gzip_header_init(&self->header);
	self->in_member = self->in_header = true;
	return STATUS_OK;
}

/* isal_inflate can read a header too, but loses its place in one that arrives in two pieces. */
static enum status read_header(struct gzip_source *self, struct error *error)
{
	int result = isal_read_gzip_header(&self->state, &self->header);
	if (result == ISAL_END_INPUT && !self->input.ended) {
		return STATUS_OK;
	}
	if (result == ISAL_END_INPUT) {
		return gzip_damaged(error, "ends in the middle");
	}
	if (result != ISAL_DECOMP_OK) {
		return gzip_damaged(error, self->any_member ? "goes on with something that is not gzip" : "is not gzip at all");
	}
	self->in_header = false;
	self->any_member = true;
	return STATUS_OK;
}

static enum status read_content(struct gzip_source *self, struct error *error)
{
	struct inflate_state *state = &self->state;
	uint32_t input = state->avail_in;
	uint32_t room = state->avail_out;
	int result = isal_inflate(state);
	if (result == ISAL_INCORRECT_CHECKSUM) {
		return gzip_damaged(error, "does not match its own checksum");
	}
	if (result != ISAL_DECOMP_OK) {
		return gzip_damaged(error, "is not what a compressor writes");
	}
	if (state->block_state == ISAL_BLOCK_FINISH) {
		self->in_member = false;
	} else if (self->input.ended && state->avail_in == input && state->avail_out == room) {
		return gzip_damaged(error, "ends in the middle");
	}
	return STATUS_OK;
}

/* One step on the way through the file: a header, or some content. */
static enum status step(struct gzip_source *self, struct error *error)
{
	struct gzip_input *input = &self->input;
	enum status status = gzip_input_want(input, 1, error);
	if (status == STATUS_OK) {
		self->state.next_in = input->bytes + input->at;
		self->state.avail_in = (uint32_t)(input->end - input->at);
		status = self->in_header ? read_header(self, error) : read_content(self, error);
		input->at = input->end - self->state.avail_in;
	}
	return status;
}

/* In this thread, which any gzip file can be. */
static enum status read_any(struct gzip_source *self, void *bytes, size_t capacity, size_t *ret_length,
							struct error *error)
{
	uint32_t room = capacity > STREAM_BLOCK_SIZE ? STREAM_BLOCK_SIZE : (uint32_t)capacity;
	enum status status = STATUS_OK;
	bool ended = false;
	self->state.next_out = bytes;
	self->state.avail_out = room;
	while (status == STATUS_OK && !ended && self->state.avail_out == room) {
		status = self->in_member ? step(self, error) : begin_member(self, &ended, error);
	}
	*ret_length = room - self->state.avail_out;
	return status;
}

static enum status gzip_source_read(struct source *source, void *bytes, size_t capacity, size_t *ret_length,
									struct error *error)
{
	struct gzip_source *self = (struct gzip_source *)source;
	if (self->members != NULL) {
		enum status status = gzip_members_read(self->members, bytes, capacity, ret_length, error);
		if (status != STATUS_OK || *ret_length > 0) {
			return status;
		}
		self->any_member = gzip_members_any(self->members);
		gzip_members_free(MOVE(self->members));
	}
	return read_any(self, bytes, capacity, ret_length, error);
}

static void gzip_source_free(struct source *source)
{
	struct gzip_source *self = (struct gzip_source *)source;
	gzip_members_free(self->members); /* its threads read from `inner` */
	source_free(self->inner);
	free(self->input.bytes);
	free(self);
}

enum status gzip_source_new(struct source *inner, struct source **ret_source, struct error *error)
{
	static const struct source_ops ops = {.read = gzip_source_read, .free = gzip_source_free};
	struct gzip_source *self = calloc(1, sizeof *self);
	if (self == NULL) {
		source_free(inner);
		return error_memory(error);
	}
	self->source.ops = &ops;
	self->inner = inner;
	self->input = (struct gzip_input){.inner = inner, .bytes = malloc(STREAM_BLOCK_SIZE)};
	enum status status =
		self->input.bytes == NULL ? error_memory(error) : gzip_members_new(&self->input, &self->members, error);
	if (status != STATUS_OK) {
		gzip_source_free(&self->source);
		return status;
	}
	isal_inflate_init(&self->state);
	*ret_source = &self->source;
	return STATUS_OK;
}
