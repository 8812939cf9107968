/* stores/redis/rdb: dumps made by hand, whole and broken. */
#include "support.h"

#include "pipeline/file.h"
#include "stores/redis/rdb.h"

/*
 * CRC-64 "Jones" as redis computes it (src/crc64.c): polynomial ad93d23594c935a9, bits in and out reversed, starting at
 * 0, not inverted. One bit at a time, so that it shares nothing with the code under test.
 */
static uint64_t slow_crc64(const void *bytes, size_t length)
{
	const unsigned char *byte = bytes;
	uint64_t crc = 0;
	for (size_t i = 0; i < length; i++) {
		crc ^= byte[i];
		for (int bit = 0; bit < 8; bit++) {
			crc = crc >> 1 ^ ((crc & 1) != 0 ? UINT64_C(0x95ac9329ac4bc9b5) : 0);
		}
	}
	return crc;
}

static void put(struct buffer *dump, const void *bytes, size_t length)
{
	struct error error;
	assert_ok(buffer_append(dump, bytes, length, &error), &error);
}

static void put_number(struct buffer *dump, uint64_t number)
{
	for (int i = 0; i < 8; i++) {
		unsigned char byte = (unsigned char)(number >> 8 * i);
		put(dump, &byte, 1);
	}
}

#define put_text(dump, text) put((dump), (text), sizeof(text) - 1)

/* A dump of redis 7.0.15 with one key, up to its closing opcode. */
static struct buffer body(void)
{
	struct buffer dump = BUFFER_INIT(64 << 20);
	put_text(&dump, "REDIS0010");
	put_text(&dump, "\xfa\x09redis-ver\x06"
					"7.0.15");
	put_text(&dump, "\xfa\x0aredis-bits\xc0\x40");
	put_text(&dump, "\xfe\x00\xfb\x01\x00");      /* database 0, one key, none that expires */
	put_text(&dump, "\x00\x08greeting\x05hello"); /* a string, its key and its value */
	put_text(&dump, "\xff");
	return dump;
}

static struct buffer whole(void)
{
	struct buffer dump = body();
	put_number(&dump, slow_crc64(dump.data, dump.length));
	return dump;
}

static enum status check(const char *scratch, const void *bytes, size_t length, struct artefact *artefact,
						 struct error *error)
{
	write_bytes(at(scratch, "dump.rdb"), bytes, length);
	struct source *file = NULL;
	assert_ok(file_source_new(at(scratch, "dump.rdb"), &file, error), error);
	return rdb_check(file, NULL, artefact, error);
}

static void assert_refused(const char *scratch, struct buffer *dump)
{
	struct error error;
	struct artefact artefact;
	enum status status = check(scratch, dump->data, dump->length, &artefact, &error);
	buffer_free(dump);
	assert_status(STATUS_DAMAGED, status, &error);
}

static void the_crc_of_these_tests_is_that_of_redis(void **state)
{
	(void)state;
	assert_int_equal(slow_crc64("123456789", 9), UINT64_C(0xe9c6d914c4b8d9ca)); /* the check value in crc64.c */
}

static void a_whole_dump_is_good(void **state)
{
	struct error error;
	struct artefact artefact;
	struct buffer dump = whole();
	enum status status = check(*state, dump.data, dump.length, &artefact, &error);
	buffer_free(&dump);
	assert_ok(status, &error);
}

static void the_version_of_the_server_is_read(void **state)
{
	struct error error;
	struct artefact artefact;
	struct buffer dump = whole();
	assert_ok(check(*state, dump.data, dump.length, &artefact, &error), &error);
	buffer_free(&dump);
	assert_string_equal(artefact.version, "7.0.15");
}

static void the_size_is_read(void **state)
{
	struct error error;
	struct artefact artefact;
	struct buffer dump = whole();
	size_t length = dump.length;
	assert_ok(check(*state, dump.data, dump.length, &artefact, &error), &error);
	buffer_free(&dump);
	assert_int_equal(artefact.raw_bytes, length);
}

static void a_dump_that_says_no_version_is_good_and_has_none(void **state)
{
	struct error error;
	struct artefact artefact;
	struct buffer dump = BUFFER_INIT(100);
	put_text(&dump, "REDIS0009\xff");
	put_number(&dump, slow_crc64(dump.data, dump.length));
	assert_ok(check(*state, dump.data, dump.length, &artefact, &error), &error);
	buffer_free(&dump);
	assert_string_equal(artefact.version, "");
}

static void a_version_that_is_too_long_is_not_read(void **state)
{
	struct error error;
	struct artefact artefact;
	struct buffer dump = BUFFER_INIT(1000);
	put_text(&dump, "REDIS0010\xfa\x09redis-ver\x3f");
	put_text(&dump, "7.0.15"); /* the length before it says 63 */
	put_text(&dump, "\xff");
	put_number(&dump, slow_crc64(dump.data, dump.length));
	assert_ok(check(*state, dump.data, dump.length, &artefact, &error), &error);
	buffer_free(&dump);
	assert_string_equal(artefact.version, "");
}

/* The server writes zeros there with "rdbchecksum no". */
static void a_dump_without_a_checksum_is_good(void **state)
{
	struct error error;
	struct artefact artefact;
	struct buffer dump = body();
	put_number(&dump, 0);
	enum status status = check(*state, dump.data, dump.length, &artefact, &error);
	buffer_free(&dump);
	assert_ok(status, &error);
}

static void a_dump_of_many_blocks_is_good(void **state)
{
	struct error error;
	struct artefact artefact;
	/* Sizes about the block's, so that the checksum stands across the border of two blocks in every way. */
	for (size_t size = STREAM_BLOCK_SIZE - 10; size <= STREAM_BLOCK_SIZE + 10; size++) {
		struct buffer dump = BUFFER_INIT(64 << 20);
		char *filler = malloc(size - 10);
		assert_non_null(filler);
		fill_random(filler, size - 10, size);
		put_text(&dump, "REDIS0010");
		put(&dump, filler, size - 10);
		put_text(&dump, "\xff");
		put_number(&dump, slow_crc64(dump.data, dump.length));
		free(filler);
		enum status status = check(*state, dump.data, dump.length, &artefact, &error);
		buffer_free(&dump);
		assert_ok(status, &error);
	}
}

static void a_dump_of_a_million_bytes_is_good(void **state)
{
	struct error error;
	struct artefact artefact;
	struct buffer dump = BUFFER_INIT(64 << 20);
	char *filler = malloc(1000003);
	assert_non_null(filler);
	fill_random(filler, 1000003, 3);
	put_text(&dump, "REDIS0010");
	put(&dump, filler, 1000003);
	put_text(&dump, "\xff");
	put_number(&dump, slow_crc64(dump.data, dump.length));
	free(filler);
	enum status status = check(*state, dump.data, dump.length, &artefact, &error);
	buffer_free(&dump);
	assert_ok(status, &error);
}

static void a_dump_that_is_cut_at_any_length_is_refused(void **state)
{
	struct error error;
	struct artefact artefact;
	struct buffer dump = whole();
	for (size_t length = 0; length < dump.length; length++) {
		assert_status(STATUS_DAMAGED, check(*state, dump.data, length, &artefact, &error), &error);
	}
	buffer_free(&dump);
}

static void a_dump_without_a_checksum_that_is_cut_at_any_length_is_refused(void **state)
{
	struct error error;
	struct artefact artefact;
	struct buffer dump = body();
	put_number(&dump, 0);
	for (size_t length = 0; length < dump.length; length++) {
		assert_status(STATUS_DAMAGED, check(*state, dump.data, length, &artefact, &error), &error);
	}
	buffer_free(&dump);
}

static void a_dump_with_any_bit_flipped_is_refused(void **state)
{
	struct error error;
	struct artefact artefact;
	struct buffer dump = whole();
	for (size_t bit = 0; bit < dump.length * 8; bit++) {
		dump.data[bit / 8] ^= (char)(1 << bit % 8);
		assert_status(STATUS_DAMAGED, check(*state, dump.data, dump.length, &artefact, &error), &error);
		dump.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	buffer_free(&dump);
}

/* redis-cli --rdb - appends a marker of 40 bytes, for one. */
static void a_dump_with_something_behind_it_is_refused(void **state)
{
	for (size_t length = 1; length <= 40; length++) {
		struct buffer dump = whole();
		put(&dump, "0123456789012345678901234567890123456789", length);
		assert_refused(*state, &dump);
	}
}

static void a_text_is_refused(void **state)
{
	struct buffer dump = BUFFER_INIT(100);
	put_text(&dump, "this is a text and no dump at all");
	assert_refused(*state, &dump);
}

static void a_magic_without_a_version_is_refused(void **state)
{
	struct buffer dump = BUFFER_INIT(100);
	put_text(&dump, "REDIS00x0\xff");
	put_number(&dump, slow_crc64(dump.data, dump.length));
	assert_refused(*state, &dump);
}

static void an_empty_file_is_refused(void **state)
{
	struct error error;
	struct artefact artefact;
	assert_status(STATUS_DAMAGED, check(*state, "", 0, &artefact, &error), &error);
	assert_non_null(strstr(error.message, "empty"));
}

/* --- empty ones --------------------------------------------------------------------------------------------------- */

/* As redis 7.0.15 writes it, with a function whose text it compresses (0xc3). */
#define DUMP_HEAD                                                                                                      \
	"REDIS0010\xfa\x09redis-ver\x06"                                                                                   \
	"7.0.15\xfa\x0aredis-bits\xc0\x40\xfa\x05"                                                                         \
	"ctime\xc2\xeb\xc2\x09\x6b"
#define DUMP_FUNCTION                                                                                                  \
	"\xf5\xc3\x04\x41\x2c"                                                                                             \
	"four"                                                                                                             \
	"\xf5\x40\x03"                                                                                                     \
	"abc"                                                                                                              \
	"\xf5\x80\0\0\0\x01"                                                                                               \
	"a"                                                                                                                \
	"\xf5\x81\0\0\0\0\0\0\0\x01"                                                                                       \
	"b\xf5\xc1xx"

static void a_dump_without_keys_is_empty(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t length;
		bool empty;
	} cases[] = {
#define CASE(bytes, empty) {bytes, sizeof(bytes) - 1, empty}
		CASE(DUMP_HEAD "\xff", true),
		CASE(DUMP_HEAD DUMP_FUNCTION "\xff"
									 "12345678",
			 true),
		CASE(DUMP_HEAD "\xfe\x00\xfb\x01\x00\x00\x01"
					   "a\xc0\x01\xff",
			 false),
		CASE(DUMP_HEAD DUMP_FUNCTION "\xfe\x00\xfb\x01\x00\x00\x01"
									 "a\xc0\x01\xff",
			 false),
		CASE(DUMP_HEAD DUMP_FUNCTION, false),
		CASE(DUMP_HEAD "\xf7\xff", false),                                     /* of a module */
		CASE(DUMP_HEAD "\xf5\xc4\xff", false),                                 /* a string of no known form */
		CASE(DUMP_HEAD "\xf5\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff", false), /* longer than can be */
		CASE("REDISxxxx\xff", false),
		CASE("", false),
#undef CASE
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(rdb_is_empty((const unsigned char *)cases[i].bytes, cases[i].length), cases[i].empty);
	}
}

static void a_dump_of_which_too_little_is_there_is_not_called_empty(void **state)
{
	(void)state;
	static const char bytes[] = DUMP_HEAD DUMP_FUNCTION "\xff";
	for (size_t length = 0; length < sizeof bytes - 1; length++) {
		unsigned char *some = malloc(length > 0 ? length : 1); /* so that whoever reads on is found out */
		assert_non_null(some);
		memcpy(some, bytes, length);
		assert_false(rdb_is_empty(some, length));
		free(some);
	}
	assert_true(rdb_is_empty((const unsigned char *)bytes, sizeof bytes - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_crc_of_these_tests_is_that_of_redis),
		scratch_test(a_whole_dump_is_good),
		scratch_test(the_version_of_the_server_is_read),
		scratch_test(the_size_is_read),
		scratch_test(a_dump_that_says_no_version_is_good_and_has_none),
		scratch_test(a_version_that_is_too_long_is_not_read),
		scratch_test(a_dump_without_a_checksum_is_good),
		scratch_test(a_dump_of_many_blocks_is_good),
		scratch_test(a_dump_of_a_million_bytes_is_good),
		scratch_test(a_dump_that_is_cut_at_any_length_is_refused),
		scratch_test(a_dump_without_a_checksum_that_is_cut_at_any_length_is_refused),
		scratch_test(a_dump_with_any_bit_flipped_is_refused),
		scratch_test(a_dump_with_something_behind_it_is_refused),
		scratch_test(a_text_is_refused),
		scratch_test(a_magic_without_a_version_is_refused),
		scratch_test(an_empty_file_is_refused),
		cmocka_unit_test(a_dump_without_keys_is_empty),
		cmocka_unit_test(a_dump_of_which_too_little_is_there_is_not_called_empty),
	};
	return cmocka_run_group_tests_name("rdb", tests, NULL, NULL);
}
