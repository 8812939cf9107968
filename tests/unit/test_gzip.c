/* pipeline/gzip: members of our own, and gzip files of other programs. */
#include "support.h"

#include "pipeline/gzip.h"

enum { BUFFER_LIMIT = 64 << 20, HEADER_SIZE = 24 /* of our members: RFC 1952 header, XLEN, 12 bytes of FEXTRA */ };

/* --- helpers ------------------------------------------------------------------------------------------------------ */

static struct buffer compressed(const void *bytes, size_t length)
{
	struct error error;
	struct buffer output = BUFFER_INIT(BUFFER_LIMIT);
	struct sink *buffer = NULL;
	struct sink *gzip = NULL;
	assert_ok(sink_to_buffer_new(&output, &buffer, &error), &error);
	assert_ok(gzip_sink_new(buffer, &gzip, &error), &error);
	assert_ok(sink_write(gzip, bytes, length, &error), &error);
	assert_ok(sink_finish(gzip, &error), &error);
	sink_free(gzip);
	sink_free(buffer);
	return output;
}

/* Inflates memory that comes `come` bytes at a time and is asked for `ask` bytes at a time. */
static enum status inflated(const void *bytes, size_t length, size_t come, size_t ask, struct buffer *output,
							struct error *error)
{
	struct source *gzip = NULL;
	enum status status = gzip_source_new(drip(bytes, length, come), &gzip, error);
	return status == STATUS_OK ? drain(gzip, ask, output, error) : status;
}

static void assert_inflates_to(const void *bytes, size_t length, size_t come, size_t ask, const void *content,
							   size_t content_length)
{
	struct error error;
	struct buffer output = BUFFER_INIT(BUFFER_LIMIT);
	assert_ok(inflated(bytes, length, come, ask, &output, &error), &error);
	assert_int_equal(output.length, content_length);
	assert_memory_equal(output.data, content, content_length);
	buffer_free(&output);
}

static void assert_refused(const void *bytes, size_t length)
{
	struct error error;
	struct buffer output = BUFFER_INIT(BUFFER_LIMIT);
	assert_status(STATUS_DAMAGED, inflated(bytes, length, STREAM_BLOCK_SIZE, STREAM_BLOCK_SIZE, &output, &error),
				  &error);
	buffer_free(&output);
}

static void assert_round_trip(const void *bytes, size_t length)
{
	struct buffer file = compressed(bytes, length);
	assert_inflates_to(file.data, file.length, STREAM_BLOCK_SIZE, STREAM_BLOCK_SIZE, bytes, length);
	buffer_free(&file);
}

/* Bytes that compress about as a database does: words in a changing order. */
static char *words(size_t length)
{
	static const char *const list[] = {"user ", "memory ", "42,", "\n", "relationship ", "", "0.5 "};
	char *bytes = calloc(1, length + 16);
	assert_non_null(bytes);
	for (size_t done = 0, i = 1; done < length; i = i * 1103515245 + 12345) {
		const char *word = list[(i >> 16) % 7];
		done += (size_t)sprintf(bytes + done, "%s", word);
		done += word[0] == '\0' ? 4 : 0; /* zeros */
	}
	return bytes;
}

static char *random_bytes(size_t length)
{
	char *bytes = malloc(length);
	assert_non_null(bytes);
	fill_random(bytes, length, 7);
	return bytes;
}

static uint32_t number_at(const struct buffer *file, size_t offset)
{
	const unsigned char *byte = (const unsigned char *)file->data + offset;
	return (uint32_t)byte[0] | (uint32_t)byte[1] << 8 | (uint32_t)byte[2] << 16 | (uint32_t)byte[3] << 24;
}

enum { FIRST_MEMBER = 128 << 10 };

/* A small file of two members: 128 KiB of few different bytes, and 40 bytes. */
static struct buffer two_members(size_t *ret_boundary)
{
	static const char *const second = "the second member, forty bytes of text..";
	struct error error;
	struct buffer output = BUFFER_INIT(BUFFER_LIMIT);
	struct gzip_compressor *compressor = NULL;
	size_t length = 0;
	char *first = calloc(1, FIRST_MEMBER);
	char *member = malloc(GZIP_MEMBER_ROOM);
	assert_true(first != NULL && member != NULL);
	memset(first, 'a', 1000);
	assert_ok(gzip_compressor_new(&compressor, &error), &error);
	assert_ok(gzip_compress(compressor, first, FIRST_MEMBER, member, &length, &error), &error);
	assert_ok(buffer_append(&output, member, length, &error), &error);
	*ret_boundary = output.length;
	assert_ok(gzip_compress(compressor, second, 40, member, &length, &error), &error);
	assert_ok(buffer_append(&output, member, length, &error), &error);
	gzip_compressor_free(compressor);
	free(member);
	free(first);
	return output;
}

/* --- round trips -------------------------------------------------------------------------------------------------- */

static void one_byte_comes_back(void **state)
{
	(void)state;
	assert_round_trip("x", 1);
}

static void exactly_one_member_comes_back(void **state)
{
	(void)state;
	char *bytes = words(GZIP_MEMBER_SIZE);
	assert_round_trip(bytes, GZIP_MEMBER_SIZE);
	free(bytes);
}

static void one_byte_more_than_a_member_comes_back(void **state)
{
	(void)state;
	char *bytes = words(GZIP_MEMBER_SIZE + 1);
	assert_round_trip(bytes, GZIP_MEMBER_SIZE + 1);
	free(bytes);
}

static void bytes_that_do_not_compress_come_back(void **state)
{
	(void)state;
	char *bytes = random_bytes(3 * GZIP_MEMBER_SIZE + 5);
	assert_round_trip(bytes, 3 * GZIP_MEMBER_SIZE + 5);
	free(bytes);
}

static void zeros_come_back(void **state)
{
	(void)state;
	char *bytes = calloc(1, 2 * GZIP_MEMBER_SIZE + 5);
	assert_non_null(bytes);
	assert_round_trip(bytes, 2 * GZIP_MEMBER_SIZE + 5);
	free(bytes);
}

static void bytes_that_do_not_compress_grow_by_less_than_a_thousandth(void **state)
{
	(void)state;
	char *bytes = random_bytes(GZIP_MEMBER_SIZE);
	struct buffer file = compressed(bytes, GZIP_MEMBER_SIZE);
	assert_in_range(file.length, GZIP_MEMBER_SIZE, GZIP_MEMBER_SIZE + GZIP_MEMBER_SIZE / 1000);
	buffer_free(&file);
	free(bytes);
}

static void every_length_up_to_a_thousand_comes_back(void **state)
{
	(void)state;
	char *bytes = words(1000);
	for (size_t length = 1; length <= 1000; length += 7) {
		assert_round_trip(bytes, length);
	}
	free(bytes);
}

static void the_same_content_gives_the_same_bytes(void **state)
{
	(void)state;
	char *bytes = words(300000);
	struct buffer one = compressed(bytes, 300000);
	struct buffer two = compressed(bytes, 300000);
	assert_int_equal(one.length, two.length);
	assert_memory_equal(one.data, two.data, one.length);
	buffer_free(&one);
	buffer_free(&two);
	free(bytes);
}

static void content_comes_back_whatever_the_size_of_the_reads(void **state)
{
	(void)state;
	static const size_t steps[] = {1, 3, 10, 23, 24, 25, 511, 4096};
	size_t boundary = 0;
	struct buffer file = two_members(&boundary);
	struct error error;
	struct buffer content = BUFFER_INIT(BUFFER_LIMIT);
	assert_ok(inflated(file.data, file.length, file.length, STREAM_BLOCK_SIZE, &content, &error), &error);
	assert_int_equal(content.length, FIRST_MEMBER + 40);
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		assert_inflates_to(file.data, file.length, steps[i], STREAM_BLOCK_SIZE, content.data, content.length);
	}
	assert_inflates_to(file.data, file.length, 1, 1, content.data, content.length);
	assert_inflates_to(file.data, file.length, 1000, 7, content.data, content.length);
	buffer_free(&content);
	buffer_free(&file);
}

/* Bytes that do not compress make blocks of input end at many places of the compressed stream. */
static void large_content_comes_back_in_odd_blocks(void **state)
{
	(void)state;
	enum { LENGTH = 2 * GZIP_MEMBER_SIZE + 99 };
	char *bytes = words(LENGTH);
	fill_random(bytes + 300000, 900000, 3);
	struct buffer file = compressed(bytes, LENGTH);
	assert_inflates_to(file.data, file.length, 997, 65536, bytes, LENGTH);
	assert_inflates_to(file.data, file.length, 65536, 997, bytes, LENGTH);
	buffer_free(&file);
	free(bytes);
}

/* --- the members -------------------------------------------------------------------------------------------------- */

static void an_empty_content_is_still_a_gzip_file(void **state)
{
	struct error error;
	struct buffer output = BUFFER_INIT(100);
	struct sink *buffer = NULL;
	struct sink *gzip = NULL;
	assert_ok(sink_to_buffer_new(&output, &buffer, &error), &error);
	assert_ok(gzip_sink_new(buffer, &gzip, &error), &error);
	assert_ok(sink_finish(gzip, &error), &error);
	sink_free(gzip);
	sink_free(buffer);
	write_bytes(at(*state, "empty.gz"), buffer_text(&output), output.length);
	buffer_free(&output);
	char *content = shell(NULL, "gunzip -c '%s/empty.gz' 2>&1", (char *)*state);
	assert_string_equal(content, "");
	free(content);
}

static void each_member_tells_its_lengths(void **state)
{
	(void)state;
	enum { LENGTH = 3 * GZIP_MEMBER_SIZE + 12345 };
	char *bytes = words(LENGTH);
	fill_random(bytes + GZIP_MEMBER_SIZE, GZIP_MEMBER_SIZE, 5);
	struct buffer file = compressed(bytes, LENGTH);
	size_t offset = 0;
	size_t done = 0;
	while (offset < file.length) {
		assert_true(file.length - offset > HEADER_SIZE);
		/* ID1 ID2 CM FLG=FEXTRA, then XLEN 12, "WB", LEN 8 */
		assert_memory_equal(file.data + offset, "\x1f\x8b\x08\x04", 4);
		assert_memory_equal(file.data + offset + 10, "\x0c\x00WB\x08\x00", 6);
		size_t length = number_at(&file, offset + 16);
		size_t content = number_at(&file, offset + 20);
		assert_in_range(length, HEADER_SIZE + 8, file.length - offset);
		assert_int_equal(number_at(&file, offset + length - 4), content);
		/* A member that is read on its own gives its own part of the content. */
		assert_inflates_to(file.data + offset, length, length, STREAM_BLOCK_SIZE, bytes + done, content);
		offset += length;
		done += content;
	}
	assert_int_equal(offset, file.length);
	assert_int_equal(done, LENGTH);
	buffer_free(&file);
	free(bytes);
}

static void a_member_holds_a_mebibyte_at_the_most(void **state)
{
	(void)state;
	char *bytes = words(2 * GZIP_MEMBER_SIZE);
	struct buffer file = compressed(bytes, 2 * GZIP_MEMBER_SIZE);
	assert_int_equal(number_at(&file, 20), GZIP_MEMBER_SIZE);
	assert_int_equal(number_at(&file, number_at(&file, 16) + 20), GZIP_MEMBER_SIZE);
	buffer_free(&file);
	free(bytes);
}

static void the_next_sink_that_fails_makes_the_write_fail(void **state)
{
	(void)state;
	struct error error;
	struct buffer output = BUFFER_INIT(1000);
	struct sink *buffer = NULL;
	struct sink *gzip = NULL;
	char *bytes = random_bytes(GZIP_MEMBER_SIZE);
	assert_ok(sink_to_buffer_new(&output, &buffer, &error), &error);
	assert_ok(gzip_sink_new(buffer, &gzip, &error), &error);
	assert_status(STATUS_FAILED, sink_write(gzip, bytes, GZIP_MEMBER_SIZE, &error), &error);
	sink_free(gzip);
	sink_free(buffer);
	buffer_free(&output);
	free(bytes);
}

/* --- with the system's gzip --------------------------------------------------------------------------------------- */

static void gunzip_reads_what_we_write(void **state)
{
	enum { LENGTH = 2 * GZIP_MEMBER_SIZE + 77 };
	char *bytes = words(LENGTH);
	struct buffer file = compressed(bytes, LENGTH);
	write_bytes(at(*state, "raw"), bytes, LENGTH);
	write_bytes(at(*state, "file.gz"), file.data, file.length);
	char *output = shell(NULL, "cd '%s' && { gunzip -c file.gz | cmp - raw; } 2>&1", (char *)*state);
	assert_string_equal(output, "");
	free(output);
	buffer_free(&file);
	free(bytes);
}

/* What the system's programs make of words in "raw", by a command that ends in "file.gz", is read by us. */
static void assert_reads(const char *folder, const char *command)
{
	enum { LENGTH = 600000 };
	char *bytes = words(LENGTH);
	write_bytes(at(folder, "raw"), bytes, LENGTH);
	shell_ok("cd '%s' && %s", folder, command);
	size_t length = 0;
	char *file = read_file(at(folder, "file.gz"), &length);
	assert_inflates_to(file, length, STREAM_BLOCK_SIZE, STREAM_BLOCK_SIZE, bytes, LENGTH);
	assert_inflates_to(file, length, 61, 1000, bytes, LENGTH);
	free(file);
	free(bytes);
}

static void gzip_source_reads_a_file_of_gzip(void **state)
{
	assert_reads(*state, "gzip -9c raw >file.gz");
}

static void gzip_source_reads_a_stream_of_gzip(void **state)
{
	assert_reads(*state, "gzip -1 <raw >file.gz");
}

static void gzip_source_reads_members_of_gzip_one_behind_the_other(void **state)
{
	assert_reads(*state, "{ head -c 1 raw | gzip; tail -c +2 raw | head -c 299999 | gzip -9n; "
						 "tail -c +300001 raw | gzip -1; } >file.gz");
}

static void gzip_source_reads_empty_members(void **state)
{
	assert_reads(*state, "{ gzip </dev/null; gzip -c raw; gzip </dev/null; gzip </dev/null; } >file.gz");
}

static void gzip_source_reads_an_empty_file_of_gzip(void **state)
{
	struct error error;
	struct buffer output = BUFFER_INIT(100);
	shell_ok("cd '%s' && gzip </dev/null >file.gz", (char *)*state);
	size_t length = 0;
	char *file = read_file(at(*state, "file.gz"), &length);
	assert_ok(inflated(file, length, 1, 10, &output, &error), &error);
	assert_int_equal(output.length, 0);
	buffer_free(&output);
	free(file);
}

/*
 * A member with the content "hi" and all optional fields in its header; `header_crc` adds the header's own CRC, which
 * is the lower half of the CRC-32 of what precedes it (RFC 1952, section 2.3.1).
 */
static size_t member_with_fields(bool header_crc, unsigned char file[64])
{
	/* ID1 ID2 CM FLG=FTEXT|FEXTRA|FNAME|FCOMMENT MTIME XFL OS, XLEN and 3 bytes, name, comment */
	static const unsigned char header[] = {0x1f, 0x8b, 8,   0x1d, 1,   2,   3, 4,   0,   255, 3,   0, 'a',
										   'b',  'c',  'n', 'a',  'm', 'e', 0, 't', 'e', 'x', 't', 0};
	/* One stored block (RFC 1951, 3.2.4) with "hi", its CRC-32 d8932aac and length. */
	static const unsigned char rest[] = {1, 2, 0, 0xfd, 0xff, 'h', 'i', 0xac, 0x2a, 0x93, 0xd8, 2, 0, 0, 0};
	size_t length = sizeof header;
	memcpy(file, header, sizeof header);
	if (header_crc) {
		uint32_t crc = 0xffffffff;
		file[3] |= 2; /* FHCRC */
		for (size_t i = 0; i < sizeof header; i++) {
			crc ^= file[i];
			for (int bit = 0; bit < 8; bit++) {
				crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
			}
		}
		file[length++] = (unsigned char)~crc;
		file[length++] = (unsigned char)(~crc >> 8);
	}
	memcpy(file + length, rest, sizeof rest);
	return length + sizeof rest;
}

static void gunzip_reads_the_header_that_the_next_tests_use(void **state)
{
	unsigned char file[64];
	size_t length = member_with_fields(true, file);
	write_bytes(at(*state, "file.gz"), file, length);
	char *content = shell(NULL, "gunzip -c '%s/file.gz' 2>&1", (char *)*state);
	assert_string_equal(content, "hi");
	free(content);
}

static void gzip_source_reads_a_header_with_all_optional_fields(void **state)
{
	(void)state;
	unsigned char file[64];
	size_t length = member_with_fields(false, file);
	assert_inflates_to(file, length, length, 100, "hi", 2);
}

static void gzip_source_reads_optional_fields_that_come_in_pieces(void **state)
{
	(void)state;
	unsigned char file[64];
	size_t length = member_with_fields(false, file);
	for (size_t step = 1; step < length; step++) {
		assert_inflates_to(file, length, step, 100, "hi", 2);
	}
}

static void gzip_source_reads_a_header_with_its_own_crc(void **state)
{
	(void)state;
	unsigned char file[64];
	size_t length = member_with_fields(true, file);
	assert_inflates_to(file, length, length, 100, "hi", 2);
}

static void gzip_source_reads_a_header_with_its_own_crc_that_comes_in_pieces(void **state)
{
	(void)state;
	unsigned char file[64];
	size_t length = member_with_fields(true, file);
	for (size_t step = 1; step < length; step++) {
		assert_inflates_to(file, length, step, 100, "hi", 2);
	}
}

/* --- what does not compress --------------------------------------------------------------------------------------- */

enum { STORED = HEADER_SIZE + GZIP_MEMBER_SIZE + 17 * 5 + 8 /* 17 stored blocks of at most 65,535 bytes */ };

static size_t length_compressed(const char *bytes)
{
	struct buffer file = compressed(bytes, GZIP_MEMBER_SIZE);
	assert_inflates_to(file.data, file.length, STREAM_BLOCK_SIZE, STREAM_BLOCK_SIZE, bytes, GZIP_MEMBER_SIZE);
	size_t length = file.length;
	buffer_free(&file);
	return length;
}

static void what_does_not_compress_is_stored(void **state)
{
	char *bytes = random_bytes(GZIP_MEMBER_SIZE);
	struct buffer file = compressed(bytes, GZIP_MEMBER_SIZE);
	assert_int_equal(file.length, STORED);
	assert_int_equal(gzip_member_room(GZIP_MEMBER_SIZE), STORED);
	write_bytes(at(*state, "file.gz"), file.data, file.length);
	write_bytes(at(*state, "raw"), bytes, GZIP_MEMBER_SIZE);
	shell_ok("cd '%s' && gzip -t file.gz && gunzip -c file.gz | cmp - raw", (char *)*state);
	assert_int_equal(length_compressed(bytes), STORED);
	buffer_free(&file);
	free(bytes);
}

/* Wherever a sixteenth of a block is text, the samples find it. */
static void a_little_text_in_a_block_is_not_overlooked(void **state)
{
	(void)state;
	enum { TEXT = GZIP_MEMBER_SIZE / 16 + 4096 };
	for (size_t at = 0; at + TEXT <= GZIP_MEMBER_SIZE; at += 50001) {
		char *bytes = random_bytes(GZIP_MEMBER_SIZE);
		memset(bytes + at, 'a', TEXT);
		assert_true(length_compressed(bytes) < STORED - TEXT / 2);
		free(bytes);
	}
}

/* Numbers between -1 and 1: only the bytes of their exponents compress, which is 7 % or so. */
static void vectors_are_compressed(void **state)
{
	(void)state;
	char *bytes = random_bytes(GZIP_MEMBER_SIZE);
	for (size_t i = 0; i + 4 <= GZIP_MEMBER_SIZE; i += 4) {
		int32_t number;
		memcpy(&number, bytes + i, sizeof number);
		float value = (float)number / 2147483648.0F;
		memcpy(bytes + i, &value, sizeof value);
	}
	assert_true(length_compressed(bytes) < STORED / 100 * 95);
	free(bytes);
}

/* --- damage ------------------------------------------------------------------------------------------------------- */

static void gzip_source_refuses_a_stream_that_is_cut(void **state)
{
	(void)state;
	size_t boundary = 0;
	struct buffer file = two_members(&boundary);
	for (size_t length = 0; length < file.length; length++) {
		if (length != boundary) {
			assert_refused(file.data, length);
		}
	}
	buffer_free(&file);
}

/*
 * gzip cannot know that a member that ends well was not the last one; the end marker of the tar stream inside tells
 * (test_tar_unpack).
 */
static void gzip_source_takes_a_stream_that_is_cut_between_members_for_a_whole_one(void **state)
{
	(void)state;
	struct error error;
	struct buffer output = BUFFER_INIT(BUFFER_LIMIT);
	size_t boundary = 0;
	struct buffer file = two_members(&boundary);
	assert_ok(inflated(file.data, boundary, 100, 1000, &output, &error), &error);
	assert_int_equal(output.length, FIRST_MEMBER);
	buffer_free(&output);
	buffer_free(&file);
}

static void gzip_source_refuses_a_cut_that_comes_byte_by_byte(void **state)
{
	(void)state;
	struct error error;
	size_t boundary = 0;
	struct buffer file = two_members(&boundary);
	for (size_t length = boundary + 1; length < file.length; length++) {
		struct buffer output = BUFFER_INIT(BUFFER_LIMIT);
		assert_status(STATUS_DAMAGED, inflated(file.data, length, 1, STREAM_BLOCK_SIZE, &output, &error), &error);
		buffer_free(&output);
	}
	buffer_free(&file);
}

/*
 * Flips every single bit in turn: the file has to be refused, or to give the same content. Not every flip can be seen:
 * gzip's CRC and length cover the content, not the file, so that FTEXT, MTIME, XFL, OS, the bytes of our subfield, and
 * bits of the compressed data that say nothing (padding, codes that are not used) may change. The SHA-256 of the whole
 * file sees those too. Returns how many flips were seen.
 */
static size_t flip_every_bit(struct buffer *file)
{
	struct error error;
	struct buffer content = BUFFER_INIT(BUFFER_LIMIT);
	size_t seen = 0;
	assert_ok(inflated(file->data, file->length, file->length, STREAM_BLOCK_SIZE, &content, &error), &error);
	for (size_t bit = 0; bit < file->length * 8; bit++) {
		struct buffer output = BUFFER_INIT(BUFFER_LIMIT);
		file->data[bit / 8] ^= (char)(1 << bit % 8);
		enum status status = inflated(file->data, file->length, STREAM_BLOCK_SIZE, STREAM_BLOCK_SIZE, &output, &error);
		file->data[bit / 8] ^= (char)(1 << bit % 8);
		bool same = output.length == content.length && memcmp(output.data, content.data, content.length) == 0;
		if (status != STATUS_DAMAGED && (status != STATUS_OK || !same)) {
			print_error("bit %zu of byte %zu: status %d\n", bit % 8, bit / 8, (int)status);
			fail();
		}
		seen += status == STATUS_DAMAGED;
		buffer_free(&output);
	}
	buffer_free(&content);
	return seen;
}

static void gzip_source_gives_no_other_content_after_any_bit_has_flipped(void **state)
{
	(void)state;
	size_t boundary = 0;
	struct buffer file = two_members(&boundary);
	assert_true(flip_every_bit(&file) > (file.length - 2 * HEADER_SIZE) * 8 / 2);
	buffer_free(&file);
}

/* Stored blocks, where deflate itself has nothing to notice: all but the five padding bits behind the block's type. */
static void gzip_source_sees_every_bit_of_stored_content(void **state)
{
	(void)state;
	char *bytes = random_bytes(700);
	struct buffer file = compressed(bytes, 700);
	assert_int_equal(file.length, HEADER_SIZE + 5 + 700 + 8);
	for (size_t byte = HEADER_SIZE + 1; byte < file.length; byte++) {
		for (int bit = 0; bit < 8; bit++) {
			file.data[byte] ^= (char)(1 << bit);
			assert_refused(file.data, file.length);
			file.data[byte] ^= (char)(1 << bit);
		}
	}
	buffer_free(&file);
	free(bytes);
}

static void assert_garbage_refused(const void *garbage, size_t length)
{
	struct error error;
	struct buffer file = compressed("content", 7);
	assert_ok(buffer_append(&file, garbage, length, &error), &error);
	assert_refused(file.data, file.length);
	buffer_free(&file);
}

static void gzip_source_refuses_text_behind_the_last_member(void **state)
{
	(void)state;
	assert_garbage_refused("trailing garbage", 16);
}

static void gzip_source_refuses_zeros_behind_the_last_member(void **state)
{
	(void)state;
	static const char zeros[512];
	assert_garbage_refused(zeros, sizeof zeros);
}

static void gzip_source_refuses_one_byte_behind_the_last_member(void **state)
{
	(void)state;
	assert_garbage_refused("", 1);
	assert_garbage_refused("\x1f", 1);
	assert_garbage_refused("x", 1);
}

static void gzip_source_refuses_the_start_of_another_member(void **state)
{
	(void)state;
	struct buffer another = compressed("content", 7);
	for (size_t length = 1; length < another.length; length++) {
		assert_garbage_refused(another.data, length);
	}
	buffer_free(&another);
}

static void gzip_source_refuses_what_is_no_gzip(void **state)
{
	(void)state;
	assert_refused("this is a text and nothing else", 31);
}

static void gzip_source_refuses_nothing_at_all(void **state)
{
	(void)state;
	assert_refused("", 0);
}

static void gzip_source_refuses_a_wrong_length_in_the_trailer(void **state)
{
	(void)state;
	struct buffer file = compressed("content", 7);
	file.data[file.length - 4] = 8;
	assert_refused(file.data, file.length);
	buffer_free(&file);
}

static enum status interrupted_read(struct source *source, void *bytes, size_t capacity, size_t *ret_length,
									struct error *error)
{
	(void)source;
	(void)bytes;
	(void)capacity;
	(void)ret_length;
	return error_set(error, STATUS_INTERRUPTED, "stop");
}

static void static_source_free(struct source *source)
{
	(void)source;
}

static void gzip_source_hands_on_the_failure_of_what_it_reads(void **state)
{
	(void)state;
	static const struct source_ops ops = {.read = interrupted_read, .free = static_source_free};
	struct source inner = {.ops = &ops};
	struct error error;
	struct source *gzip = NULL;
	char byte = 0;
	size_t length = 0;
	assert_ok(gzip_source_new(&inner, &gzip, &error), &error);
	assert_status(STATUS_INTERRUPTED, source_read(gzip, &byte, 1, &length, &error), &error);
	source_free(gzip);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_byte_comes_back),
		cmocka_unit_test(exactly_one_member_comes_back),
		cmocka_unit_test(one_byte_more_than_a_member_comes_back),
		cmocka_unit_test(bytes_that_do_not_compress_come_back),
		cmocka_unit_test(zeros_come_back),
		cmocka_unit_test(bytes_that_do_not_compress_grow_by_less_than_a_thousandth),
		cmocka_unit_test(every_length_up_to_a_thousand_comes_back),
		cmocka_unit_test(the_same_content_gives_the_same_bytes),
		cmocka_unit_test(content_comes_back_whatever_the_size_of_the_reads),
		cmocka_unit_test(large_content_comes_back_in_odd_blocks),
		scratch_test(an_empty_content_is_still_a_gzip_file),
		cmocka_unit_test(each_member_tells_its_lengths),
		cmocka_unit_test(a_member_holds_a_mebibyte_at_the_most),
		cmocka_unit_test(the_next_sink_that_fails_makes_the_write_fail),
		scratch_test(gunzip_reads_what_we_write),
		scratch_test(gzip_source_reads_a_file_of_gzip),
		scratch_test(gzip_source_reads_a_stream_of_gzip),
		scratch_test(gzip_source_reads_members_of_gzip_one_behind_the_other),
		scratch_test(gzip_source_reads_empty_members),
		scratch_test(gzip_source_reads_an_empty_file_of_gzip),
		scratch_test(gunzip_reads_the_header_that_the_next_tests_use),
		cmocka_unit_test(gzip_source_reads_a_header_with_all_optional_fields),
		cmocka_unit_test(gzip_source_reads_optional_fields_that_come_in_pieces),
		cmocka_unit_test(gzip_source_reads_a_header_with_its_own_crc),
		cmocka_unit_test(gzip_source_reads_a_header_with_its_own_crc_that_comes_in_pieces),
		scratch_test(what_does_not_compress_is_stored),
		cmocka_unit_test(a_little_text_in_a_block_is_not_overlooked),
		cmocka_unit_test(vectors_are_compressed),
		cmocka_unit_test(gzip_source_refuses_a_stream_that_is_cut),
		cmocka_unit_test(gzip_source_takes_a_stream_that_is_cut_between_members_for_a_whole_one),
		cmocka_unit_test(gzip_source_refuses_a_cut_that_comes_byte_by_byte),
		cmocka_unit_test(gzip_source_gives_no_other_content_after_any_bit_has_flipped),
		cmocka_unit_test(gzip_source_sees_every_bit_of_stored_content),
		cmocka_unit_test(gzip_source_refuses_text_behind_the_last_member),
		cmocka_unit_test(gzip_source_refuses_zeros_behind_the_last_member),
		cmocka_unit_test(gzip_source_refuses_one_byte_behind_the_last_member),
		cmocka_unit_test(gzip_source_refuses_the_start_of_another_member),
		cmocka_unit_test(gzip_source_refuses_what_is_no_gzip),
		cmocka_unit_test(gzip_source_refuses_nothing_at_all),
		cmocka_unit_test(gzip_source_refuses_a_wrong_length_in_the_trailer),
		cmocka_unit_test(gzip_source_hands_on_the_failure_of_what_it_reads),
	};
	return cmocka_run_group_tests_name("gzip", tests, NULL, NULL);
}
