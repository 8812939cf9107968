#include "stores/redis/rdb.h"

#include "base/interrupt.h"

#include <ctype.h>
#include <isa-l/crc64.h>
#include <stdio.h>
#include <string.h>

enum {
	MAGIC_SIZE = 9,         /* "REDIS" and four digits */
	CRC_SIZE = 8,           /* little endian, over everything before it */
	OPCODE_END = 0xff,      /* RDB_OPCODE_EOF, the last byte before the CRC */
	OPCODE_AUX = 0xfa,      /* RDB_OPCODE_AUX: two strings, a name and a value */
	OPCODE_FUNCTION = 0xf5, /* RDB_OPCODE_FUNCTION2: a string */
	HEAD_SIZE = 256,        /* bytes looked at for the version: it is the first auxiliary field */
};

/* The value of the auxiliary field "redis-ver" (opcode 0xfa, then name and value); strings this short have their length
 * in one byte. */
static void read_version(const unsigned char *head, size_t length, struct artefact *artefact)
{
	static const unsigned char field[] = "\xfa\x09redis-ver";
	const size_t at = MAGIC_SIZE + sizeof field - 1;
	if (length > at && memcmp(head + MAGIC_SIZE, field, sizeof field - 1) == 0 && head[at] < 0x40 &&
		at + 1 + head[at] <= length && head[at] < sizeof artefact->version) {
		memcpy(artefact->version, head + at + 1, head[at]);
		artefact->version[head[at]] = '\0';
	}
}

static bool has_magic(const unsigned char *head, size_t length)
{
	bool digits = length > MAGIC_SIZE && memcmp(head, "REDIS", 5) == 0;
	for (size_t i = 5; digits && i < MAGIC_SIZE; i++) {
		digits = isdigit(head[i]) != 0;
	}
	return digits;
}

/* --- what is before the keys -------------------------------------------------------------------------------------- */

/* Bytes that are there up to `end`; NULL as soon as more are wanted. */
struct bytes {
	const unsigned char *at;
	const unsigned char *end;
};

static void skip(struct bytes *bytes, uint64_t count)
{
	bytes->at = bytes->at != NULL && count <= (uint64_t)(bytes->end - bytes->at) ? bytes->at + count : NULL;
}

/* A big-endian number of so many bytes. */
static uint64_t take_number(struct bytes *bytes, unsigned count)
{
	const unsigned char *from = bytes->at;
	uint64_t number = 0;
	skip(bytes, count);
	for (unsigned i = 0; bytes->at != NULL && i < count; i++) {
		number = number << 8 | from[i];
	}
	return number;
}

/* A length, by its first byte (src/rdb.h, RDB_6BITLEN and what follows); *ret_encoding is -1, or that of a string of
 * another form, and there is no length then. */
static uint64_t take_length(struct bytes *bytes, int *ret_encoding)
{
	unsigned first = (unsigned)take_number(bytes, 1);
	*ret_encoding = -1;
	if (first < 0x40) {
		return first;
	}
	if (first < 0x80) {
		return (first & 0x3f) << 8 | take_number(bytes, 1);
	}
	if (first == 0x80) {
		return take_number(bytes, 4);
	}
	if (first == 0x81) {
		return take_number(bytes, 8);
	}
	*ret_encoding = (int)(first & 0x3f);
	return 0;
}

/* A string is a length and its bytes, or a number of one, two or four bytes, or compressed: two lengths, and as many
 * bytes as the first says (src/rdb.h, RDB_ENC_INT8 to RDB_ENC_LZF). */
static void skip_string(struct bytes *bytes)
{
	enum { NUMBERS = 3, COMPRESSED = 3 };
	int encoding = 0;
	uint64_t length = take_length(bytes, &encoding);
	if (encoding >= 0 && encoding < NUMBERS) {
		length = UINT64_C(1) << encoding;
	} else if (encoding == COMPRESSED) {
		length = take_length(bytes, &encoding);
		(void)take_length(bytes, &encoding);
	} else if (encoding > COMPRESSED) {
		bytes->at = NULL;
	}
	skip(bytes, length);
}

bool rdb_is_empty(const unsigned char *head, size_t length)
{
	if (!has_magic(head, length)) {
		return false;
	}
	struct bytes bytes = {.at = head + MAGIC_SIZE, .end = head + length};
	for (;;) {
		uint64_t opcode = take_number(&bytes, 1);
		if (bytes.at == NULL || (opcode != OPCODE_AUX && opcode != OPCODE_FUNCTION)) {
			return bytes.at != NULL && opcode == OPCODE_END;
		}
		skip_string(&bytes);
		if (opcode == OPCODE_AUX) {
			skip_string(&bytes);
		}
	}
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

/* At least `least` bytes, or all that there are; *ret_length 0 at the end. */
static enum status read_some(struct source *source, unsigned char *bytes, size_t least, size_t *ret_length,
							 struct error *error)
{
	*ret_length = 0;
	for (size_t length = 1; length > 0 && *ret_length < least; *ret_length += length) {
		enum status status = interrupt_check(error);
		if (status == STATUS_OK) {
			status = source_read(source, bytes + *ret_length, STREAM_BLOCK_SIZE - *ret_length, &length, error);
		}
		if (status != STATUS_OK) {
			return status;
		}
	}
	return STATUS_OK;
}

enum status rdb_check(struct source *file, struct progress *progress, struct artefact *ret_artefact,
					  struct error *error)
{
	CLEANUP(cleanup_source) struct source *source = file;
	CLEANUP(cleanup_free) unsigned char *block = malloc(CRC_SIZE + STREAM_BLOCK_SIZE);
	if (block == NULL) {
		return error_memory(error);
	}
	struct artefact artefact = {0};
	/* Redis starts its CRC at 0 and does not invert; ISA-L inverts on the way in and out. */
	uint64_t crc = ~UINT64_C(0);
	size_t kept = 0;        /* bytes at the start of `block` that may be the closing ones */
	unsigned char last = 0; /* the byte before those */
	bool first = true;
	enum status status = STATUS_OK;
	for (size_t length = 1; status == STATUS_OK && length > 0;) {
		status = read_some(source, block + kept, first ? HEAD_SIZE : 1, &length, error);
		if (status != STATUS_OK || length == 0) {
			break;
		}
		if (first && !has_magic(block, length)) {
			return error_set(error, STATUS_DAMAGED,
							 "it is not a Redis dump: it does not begin with REDIS and a version");
		}
		if (first) {
			read_version(block, length < HEAD_SIZE ? length : HEAD_SIZE, &artefact);
			first = false;
		}
		artefact.raw_bytes += length;
		size_t available = kept + length;
		kept = available < CRC_SIZE ? available : CRC_SIZE;
		/* Everything but what may turn out to be the CRC itself; the byte before that is the closing opcode. */
		crc = crc64_jones_refl(crc, block, available - kept);
		if (available > kept) {
			last = block[available - kept - 1];
		}
		memmove(block, block + available - kept, kept);
		progress_advance(progress, length);
	}
	if (status != STATUS_OK) {
		return status;
	}
	if (first) {
		return error_set(error, STATUS_DAMAGED, "it is empty");
	}
	uint64_t expected = 0;
	for (size_t i = CRC_SIZE; i > 0 && kept == CRC_SIZE; i--) {
		expected = expected << 8 | block[i - 1];
	}
	if (kept < CRC_SIZE || last != OPCODE_END) {
		return error_set(error, STATUS_DAMAGED, "it is cut off: the end of the dump is missing");
	}
	if (expected != 0 && expected != ~crc) {
		return error_set(error, STATUS_DAMAGED, "its content does not match its own CRC-64");
	}
	*ret_artefact = artefact;
	return STATUS_OK;
}
