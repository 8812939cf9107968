/* pipeline/gzip_members: members of our own that are inflated side by side, as gzip_source hands them on. */
#include "support.h"

#include "pipeline/gzip.h"

#include <dirent.h>

enum { LIMIT = 64 << 20, LENGTH_OFFSET = 16, CONTENT_OFFSET = 20 };

/* --- helpers ------------------------------------------------------------------------------------------------------ */

/* A file that is made member by member, and what it holds. */
struct made {
	struct buffer file;
	struct buffer content;
	size_t starts[256]; /* of the members */
	size_t count;
};

static void made_free(struct made *made)
{
	buffer_free(&made->file);
	buffer_free(&made->content);
}

static struct made made_empty(void)
{
	return (struct made){.file = BUFFER_INIT(LIMIT), .content = BUFFER_INIT(LIMIT)};
}

static void add_bytes(struct buffer *buffer, const void *bytes, size_t length)
{
	struct error error;
	if (length > 0) {
		assert_ok(buffer_append(buffer, bytes, length, &error), &error);
	}
}

static void add_member(struct made *made, const void *content, size_t length)
{
	struct error error;
	CLEANUP(cleanup_gzip_compressor) struct gzip_compressor *compressor = NULL;
	CLEANUP(cleanup_free) char *member = malloc(GZIP_MEMBER_ROOM);
	size_t size = 0;
	assert_non_null(member);
	assert_ok(gzip_compressor_new(&compressor, &error), &error);
	assert_ok(gzip_compress(compressor, content, length, member, &size, &error), &error);
	assert_true(made->count < sizeof made->starts / sizeof *made->starts);
	made->starts[made->count++] = made->file.length;
	add_bytes(&made->file, member, size);
	add_bytes(&made->content, content, length);
}

/* A member of zeros that begins with its number: few bytes in the file, a batch of its own. */
static void add_large(struct made *made, uint64_t number)
{
	enum { LARGE = 600 << 10 };
	CLEANUP(cleanup_free) char *content = calloc(1, LARGE);
	assert_non_null(content);
	memcpy(content, &number, sizeof number);
	add_member(made, content, LARGE);
}

static struct made large_members(size_t count)
{
	struct made made = made_empty();
	for (size_t i = 0; i < count; i++) {
		add_large(&made, i + 1);
	}
	return made;
}

/* What gzip itself makes of "foreign" (its -n: no name, no time). */
static void add_foreign(struct made *made)
{
	static const unsigned char member[] = {0x1f, 0x8b, 8,    0,    0,    0,    0,    0,    0,
										   3,    0x4b, 0xcb, 0x2f, 0x4a, 0xcd, 0x4c, 0xcf, 0x03,
										   0x00, 0x20, 0xee, 0xf2, 0xc4, 7,    0,    0,    0};
	made->starts[made->count++] = made->file.length;
	add_bytes(&made->file, member, sizeof member);
	add_bytes(&made->content, "foreign", 7);
}

static void put_32(struct made *made, size_t at, uint32_t number)
{
	for (size_t i = 0; i < 4; i++) {
		made->file.data[at + i] = (char)(number >> 8 * i);
	}
}

static uint32_t get_32(const struct made *made, size_t at)
{
	uint32_t number = 0;
	for (size_t i = 4; i > 0; i--) {
		number = number << 8 | (unsigned char)made->file.data[at + i - 1];
	}
	return number;
}

/* Reads to the end or to a failure; *ret_same: every byte was the next one of `content`; *ret_length: how many came. */
static enum status compare(struct source *source, size_t ask, const struct buffer *content, size_t *ret_length,
						   bool *ret_same, struct error *error)
{
	CLEANUP(cleanup_free) char *bytes = malloc(ask);
	enum status status = STATUS_OK;
	assert_non_null(bytes);
	*ret_length = 0;
	*ret_same = true;
	for (size_t length = 1; status == STATUS_OK && length > 0;) {
		length = 0;
		status = source_read(source, bytes, ask, &length, error);
		if (status == STATUS_OK && length > 0) {
			bool fits = length <= content->length - *ret_length;
			*ret_same = *ret_same && fits && memcmp(bytes, content->data + *ret_length, length) == 0;
			*ret_length += length;
		}
		assert_true(*ret_length <= content->length || !*ret_same);
	}
	return status;
}

/* The status of reading all of it; content that comes has to be right, and whole if nothing is damaged. */
static enum status read_bytes(const struct made *made, const char *bytes, size_t length, struct error *error)
{
	CLEANUP(cleanup_source) struct source *source = NULL;
	size_t came = 0;
	bool same = false;
	assert_ok(gzip_source_new(drip(bytes, length, 100000), &source, error), error);
	enum status status = compare(source, STREAM_BLOCK_SIZE, &made->content, &came, &same, error);
	assert_true(status != STATUS_OK || (same && came == made->content.length));
	return status;
}

static void assert_whole(const struct made *made)
{
	struct error error;
	assert_ok(read_bytes(made, made->file.data, made->file.length, &error), &error);
}

static void assert_damaged(const struct made *made, const char *message)
{
	struct error error;
	assert_status(STATUS_DAMAGED, read_bytes(made, made->file.data, made->file.length, &error), &error);
	if (strstr(error.message, message) == NULL) {
		print_error("\"%s\" where \"%s\" is expected\n", error.message, message);
		fail();
	}
}

static size_t count_threads(void)
{
	size_t count = 0;
	DIR *tasks = opendir("/proc/self/task");
	assert_non_null(tasks);
	for (const struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
		count += entry->d_name[0] != '.';
	}
	closedir(tasks);
	return count;
}

/* --- order -------------------------------------------------------------------------------------------------------- */

static void members_come_in_order(void **state)
{
	(void)state;
	struct made made = large_members(60);
	assert_whole(&made);
	made_free(&made);
}

static void members_of_all_sizes_come_in_order(void **state)
{
	(void)state;
	static const size_t sizes[] = {0, 1, 512, 5000, 100000, 700000, GZIP_MEMBER_SIZE, 3, 0, GZIP_MEMBER_SIZE - 1, 1, 1};
	struct made made = made_empty();
	CLEANUP(cleanup_free) char *content = malloc(GZIP_MEMBER_SIZE);
	assert_non_null(content);
	for (size_t i = 0; i < 60; i++) {
		size_t size = sizes[i * 7 % (sizeof sizes / sizeof *sizes)];
		memset(content, (int)i, GZIP_MEMBER_SIZE);
		fill_random(content, i % 3 == 0 ? size : size / 2, i + 1);
		add_member(&made, content, size);
	}
	assert_whole(&made);
	for (size_t ask = 1; ask < 5000000; ask = ask * 13 + 1000) {
		struct error error;
		CLEANUP(cleanup_source) struct source *source = NULL;
		size_t came = 0;
		bool same = false;
		assert_ok(gzip_source_new(drip(made.file.data, made.file.length, 77777), &source, &error), &error);
		assert_ok(compare(source, ask, &made.content, &came, &same, &error), &error);
		assert_true(same);
		assert_int_equal(came, made.content.length);
	}
	made_free(&made);
}

static void a_member_of_ours_that_does_not_compress_fits(void **state)
{
	(void)state;
	struct made made = made_empty();
	CLEANUP(cleanup_free) char *content = malloc(GZIP_MEMBER_SIZE);
	assert_non_null(content);
	for (size_t i = 0; i < 5; i++) {
		fill_random(content, GZIP_MEMBER_SIZE, i + 1);
		add_member(&made, content, GZIP_MEMBER_SIZE);
	}
	assert_whole(&made);
	made_free(&made);
}

static void only_empty_members_are_an_empty_content(void **state)
{
	(void)state;
	struct made made = made_empty();
	add_member(&made, "", 0);
	add_member(&made, "", 0);
	assert_whole(&made);
	made_free(&made);
}

/* --- other programs' members -------------------------------------------------------------------------------------- */

static void members_of_ours_and_of_others_may_follow_each_other(void **state)
{
	(void)state;
	for (unsigned pattern = 0; pattern < 32; pattern++) {
		struct made made = made_empty();
		for (unsigned i = 0; i < 5; i++) {
			if ((pattern & 1U << i) != 0) {
				add_foreign(&made);
			} else {
				add_large(&made, i);
			}
		}
		assert_whole(&made);
		made_free(&made);
	}
}

static void a_foreign_member_behind_many_of_ours_is_read(void **state)
{
	(void)state;
	struct made made = large_members(30);
	add_foreign(&made);
	add_large(&made, 99);
	assert_whole(&made);
	made_free(&made);
}

static void damage_behind_a_foreign_member_is_seen(void **state)
{
	(void)state;
	struct made made = large_members(4);
	add_foreign(&made);
	add_large(&made, 99);
	made.file.data[made.file.length - 6] ^= 1;
	assert_damaged(&made, "does not match its own checksum");
	made_free(&made);
}

/* --- damage ------------------------------------------------------------------------------------------------------- */

/* In one thread, as any gzip file can be read: an empty foreign member comes first. */
static enum status read_ordinarily(const struct made *made, struct error *error)
{
	static const char empty[] = "\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0";
	struct buffer file = BUFFER_INIT(LIMIT);
	add_bytes(&file, empty, 20);
	add_bytes(&file, made->file.data, made->file.length);
	enum status status = read_bytes(made, file.data, file.length, error);
	buffer_free(&file);
	return status;
}

/* True for the bytes of a member's two lengths, which nothing but the reading side by side looks at. */
static bool is_length(const struct made *made, size_t at)
{
	size_t member = made->count - 1;
	while (made->starts[member] > at) {
		member--;
	}
	return at - made->starts[member] >= LENGTH_OFFSET && at - made->starts[member] < CONTENT_OFFSET + 4;
}

static void damage_of_any_byte_is_seen_as_it_is_in_one_thread(void **state)
{
	(void)state;
	struct made made = large_members(3);
	size_t damaged = 0;
	for (size_t at = 0; at < made.file.length; at++) {
		struct error error;
		char byte = made.file.data[at];
		made.file.data[at] = (char)(byte ^ (char)(1 << at % 8));
		enum status status = read_bytes(&made, made.file.data, made.file.length, &error);
		enum status ordinarily = read_ordinarily(&made, &error);
		made.file.data[at] = byte;
		bool as_before = status == ordinarily || (is_length(&made, at) && status == STATUS_DAMAGED);
		if (!as_before) {
			print_error("byte %zu: status %d where %d is expected\n", at, (int)status, (int)ordinarily);
			fail();
		}
		damaged += status == STATUS_DAMAGED;
	}
	assert_true(damaged > made.file.length / 2);
	made_free(&made);
}

static void what_comes_before_a_damaged_member_is_handed_on(void **state)
{
	(void)state;
	struct made made = large_members(12);
	for (size_t damaged = 0; damaged < made.count; damaged++) {
		struct error error;
		CLEANUP(cleanup_source) struct source *source = NULL;
		size_t came = 0;
		bool same = false;
		char *crc = &made.file.data[(damaged + 1 < made.count ? made.starts[damaged + 1] : made.file.length) - 8];
		*crc = (char)(*crc ^ 1);
		assert_ok(gzip_source_new(drip(made.file.data, made.file.length, 5000), &source, &error), &error);
		assert_status(STATUS_DAMAGED, compare(source, 100000, &made.content, &came, &same, &error), &error);
		assert_string_equal(error.message, "the gzip data does not match its own checksum");
		assert_true(same);
		assert_int_equal(came, made.content.length / made.count * damaged);
		*crc = (char)(*crc ^ 1);
	}
	made_free(&made);
}

static void a_wrong_length_in_the_trailer_is_seen(void **state)
{
	(void)state;
	struct made made = large_members(3);
	made.file.data[made.file.length - 4] ^= 1;
	assert_damaged(&made, "does not match its own checksum");
	made_free(&made);
}

static void a_cut_is_seen_wherever_it_is(void **state)
{
	(void)state;
	struct error error;
	struct made made = large_members(3);
	size_t boundary = 0;
	for (size_t length = 0; length < made.file.length; length++) {
		boundary += boundary < made.count - 1 && made.starts[boundary + 1] == length;
		if (length != made.starts[boundary] || length == 0) {
			CLEANUP(cleanup_source) struct source *source = NULL;
			size_t came = 0;
			bool same = false;
			assert_ok(gzip_source_new(drip(made.file.data, length, 100000), &source, &error), &error);
			assert_status(STATUS_DAMAGED, compare(source, STREAM_BLOCK_SIZE, &made.content, &came, &same, &error),
						  &error);
			assert_true(same);
			assert_non_null(strstr(error.message, length == 0 ? "is empty" : "ends in the middle"));
		}
	}
	made_free(&made);
}

static void what_is_no_gzip_behind_the_members_is_seen(void **state)
{
	(void)state;
	static const char garbage[1000] = "this is no member";
	struct made made = large_members(4);
	size_t length = made.file.length;
	add_bytes(&made.file, garbage, sizeof garbage);
	assert_damaged(&made, "goes on with something that is not gzip");
	made.file.length = length;
	add_bytes(&made.file, "\0", 1);
	assert_damaged(&made, "the gzip data");
	made_free(&made);
}

/* --- lengths that lie --------------------------------------------------------------------------------------------- */

/* In the first, a middle and the last of several members. */
static void assert_lie_is_damage(size_t field, uint32_t difference, uint32_t instead)
{
	for (size_t i = 0; i < 5; i += 2) {
		struct made made = large_members(5);
		size_t at = made.starts[i] + field;
		put_32(&made, at, difference != 0 ? get_32(&made, at) + difference : instead);
		assert_damaged(&made, "the gzip data");
		made_free(&made);
	}
}

static void a_member_that_is_shorter_than_it_says_is_damage(void **state)
{
	(void)state;
	assert_lie_is_damage(LENGTH_OFFSET, 1, 0);
	assert_lie_is_damage(LENGTH_OFFSET, 100, 0);
	assert_lie_is_damage(LENGTH_OFFSET, 0, GZIP_MEMBER_ROOM);
}

static void a_member_that_is_longer_than_it_says_is_damage(void **state)
{
	(void)state;
	assert_lie_is_damage(LENGTH_OFFSET, (uint32_t)-1, 0);
	assert_lie_is_damage(LENGTH_OFFSET, (uint32_t)-100, 0);
}

static void a_member_that_says_that_it_is_nothing_is_damage(void **state)
{
	(void)state;
	for (uint32_t length = 0; length <= 33; length++) {
		assert_lie_is_damage(LENGTH_OFFSET, 0, length);
	}
}

static void content_of_another_length_than_the_member_says_is_damage(void **state)
{
	(void)state;
	assert_lie_is_damage(CONTENT_OFFSET, 1, 0);
	assert_lie_is_damage(CONTENT_OFFSET, (uint32_t)-1, 0);
	assert_lie_is_damage(CONTENT_OFFSET, 0, 0);
	assert_lie_is_damage(CONTENT_OFFSET, 0, GZIP_MEMBER_SIZE);
}

/* Two members as the length of one: the second would be passed over. */
static void a_member_that_says_that_the_next_belongs_to_it_is_damage(void **state)
{
	(void)state;
	struct made made = large_members(5);
	put_32(&made, made.starts[1] + LENGTH_OFFSET, (uint32_t)(made.starts[3] - made.starts[1]));
	assert_damaged(&made, "is not as long as it says");
	made_free(&made);
}

/* Nobody allocates by such a number: it is none of ours, and read as any other gzip file is. */
static void a_member_that_is_larger_than_ours_is_read_in_the_ordinary_way(void **state)
{
	(void)state;
	for (size_t i = 0; i < 5; i += 2) {
		struct made made = large_members(5);
		put_32(&made, made.starts[i] + LENGTH_OFFSET, GZIP_MEMBER_ROOM + 1);
		assert_whole(&made);
		put_32(&made, made.starts[i] + LENGTH_OFFSET, UINT32_MAX);
		put_32(&made, made.starts[i] + CONTENT_OFFSET, UINT32_MAX);
		assert_whole(&made);
		made_free(&made);
	}
}

/* --- ends that come early ----------------------------------------------------------------------------------------- */

static void a_reader_may_stop_at_any_place(void **state)
{
	(void)state;
	struct error error;
	struct made made = large_members(40);
	size_t threads = count_threads();
	for (size_t reads = 0; reads < 40; reads++) {
		struct source *source = NULL;
		CLEANUP(cleanup_free) char *block = malloc(STREAM_BLOCK_SIZE);
		size_t length = 0;
		assert_ok(gzip_source_new(drip(made.file.data, made.file.length, 3000), &source, &error), &error);
		for (size_t i = 0; i < reads; i++) {
			assert_ok(source_read(source, block, STREAM_BLOCK_SIZE, &length, &error), &error);
			assert_true(length > 0);
		}
		source_free(source);
		assert_int_equal(count_threads(), threads);
	}
	made_free(&made);
}

static void no_thread_is_left_at_the_end(void **state)
{
	(void)state;
	struct error error;
	struct made made = large_members(20);
	CLEANUP(cleanup_source) struct source *source = NULL;
	size_t came = 0;
	bool same = false;
	size_t threads = count_threads();
	assert_ok(gzip_source_new(drip(made.file.data, made.file.length, 3000), &source, &error), &error);
	assert_ok(compare(source, 100000, &made.content, &came, &same, &error), &error);
	assert_int_equal(count_threads(), threads);
	made_free(&made);
}

/* Gives some bytes, and then says that the user has interrupted it. */
struct failing_source {
	struct source source;
	struct source *bytes;
};

static enum status failing_read(struct source *source, void *bytes, size_t capacity, size_t *ret_length,
								struct error *error)
{
	struct failing_source *self = (struct failing_source *)source;
	enum status status = source_read(self->bytes, bytes, capacity, ret_length, error);
	return status == STATUS_OK && *ret_length == 0 ? error_set(error, STATUS_INTERRUPTED, "stop") : status;
}

static void failing_free(struct source *source)
{
	struct failing_source *self = (struct failing_source *)source;
	source_free(self->bytes);
	free(self);
}

static struct source *failing(const void *bytes, size_t length)
{
	static const struct source_ops ops = {.read = failing_read, .free = failing_free};
	struct failing_source *self = malloc(sizeof *self);
	assert_non_null(self);
	*self = (struct failing_source){.source = {.ops = &ops}, .bytes = drip(bytes, length, 4000)};
	return &self->source;
}

static void an_interrupt_is_handed_on_behind_whole_members(void **state)
{
	(void)state;
	struct made made = large_members(12);
	size_t threads = count_threads();
	for (size_t i = 0; i < made.count; i++) {
		struct error error;
		CLEANUP(cleanup_source) struct source *source = NULL;
		size_t came = 0;
		bool same = false;
		assert_ok(gzip_source_new(failing(made.file.data, made.starts[i] + (i % 2) * 100), &source, &error), &error);
		assert_status(STATUS_INTERRUPTED, compare(source, 100000, &made.content, &came, &same, &error), &error);
		assert_string_equal(error.message, "stop");
		assert_true(same);
		assert_int_equal(came, made.content.length / made.count * i);
		assert_int_equal(count_threads(), threads);
		/* And again, for who asks again. */
		char byte = 0;
		assert_status(STATUS_INTERRUPTED, source_read(source, &byte, 1, &came, &error), &error);
	}
	made_free(&made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_come_in_order),
		cmocka_unit_test(members_of_all_sizes_come_in_order),
		cmocka_unit_test(a_member_of_ours_that_does_not_compress_fits),
		cmocka_unit_test(only_empty_members_are_an_empty_content),
		cmocka_unit_test(members_of_ours_and_of_others_may_follow_each_other),
		cmocka_unit_test(a_foreign_member_behind_many_of_ours_is_read),
		cmocka_unit_test(damage_behind_a_foreign_member_is_seen),
		cmocka_unit_test(damage_of_any_byte_is_seen_as_it_is_in_one_thread),
		cmocka_unit_test(what_comes_before_a_damaged_member_is_handed_on),
		cmocka_unit_test(a_wrong_length_in_the_trailer_is_seen),
		cmocka_unit_test(a_cut_is_seen_wherever_it_is),
		cmocka_unit_test(what_is_no_gzip_behind_the_members_is_seen),
		cmocka_unit_test(a_member_that_is_shorter_than_it_says_is_damage),
		cmocka_unit_test(a_member_that_is_longer_than_it_says_is_damage),
		cmocka_unit_test(a_member_that_says_that_it_is_nothing_is_damage),
		cmocka_unit_test(content_of_another_length_than_the_member_says_is_damage),
		cmocka_unit_test(a_member_that_says_that_the_next_belongs_to_it_is_damage),
		cmocka_unit_test(a_member_that_is_larger_than_ours_is_read_in_the_ordinary_way),
		cmocka_unit_test(a_reader_may_stop_at_any_place),
		cmocka_unit_test(no_thread_is_left_at_the_end),
		cmocka_unit_test(an_interrupt_is_handed_on_behind_whole_members),
	};
	return cmocka_run_group_tests_name("gzip_members", tests, NULL, NULL);
}
