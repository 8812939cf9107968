/* base/text and digest_text: what is UTF-8, and what is left of a text that may hold anything. */
#include "support.h"

#include "base/text.h"
#include "pipeline/digest.h"

#include <stdint.h>

enum { RANDOM_TEXTS = 20000, MOST_CODE_POINT = 0x10FFFF };

/* How many bytes the character at `at` has by the grammar of RFC 3629, section 4; 0 if it is none. */
static size_t by_the_grammar(const unsigned char *at)
{
	static const struct {
		unsigned char first[2];
		unsigned char second[2];
		size_t length;
	} rows[] = {
		{{0x00, 0x7F}, {0x00, 0xFF}, 1}, {{0xC2, 0xDF}, {0x80, 0xBF}, 2}, {{0xE0, 0xE0}, {0xA0, 0xBF}, 3},
		{{0xE1, 0xEC}, {0x80, 0xBF}, 3}, {{0xED, 0xED}, {0x80, 0x9F}, 3}, {{0xEE, 0xEF}, {0x80, 0xBF}, 3},
		{{0xF0, 0xF0}, {0x90, 0xBF}, 4}, {{0xF1, 0xF3}, {0x80, 0xBF}, 4}, {{0xF4, 0xF4}, {0x80, 0x8F}, 4},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (at[0] < rows[i].first[0] || at[0] > rows[i].first[1]) {
			continue;
		}
		bool right = rows[i].length == 1 || (at[1] >= rows[i].second[0] && at[1] <= rows[i].second[1]);
		for (size_t tail = 2; right && tail < rows[i].length; tail++) {
			right = at[tail] >= 0x80 && at[tail] <= 0xBF;
		}
		return right ? rows[i].length : 0;
	}
	return 0;
}

static bool is_utf8(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	while (*at != '\0') {
		size_t length = by_the_grammar(at);
		if (length == 0) {
			return false;
		}
		at += length;
	}
	return true;
}

/* Of a text that is UTF-8: no control character but newline and tab. */
static bool is_plain(const char *text)
{
	for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
		if ((*at < 0x20 && *at != '\n' && *at != '\t') || *at == 0x7F || (*at == 0xC2 && at[1] < 0xA0)) {
			return false;
		}
	}
	return true;
}

static void encode(uint32_t value, char ret_text[5])
{
	size_t length = value < 0x80 ? 1 : value < 0x800 ? 2 : value < 0x10000 ? 3 : 4;
	static const unsigned char marks[] = {0, 0, 0xC0, 0xE0, 0xF0};
	ret_text[length] = '\0';
	for (size_t i = length - 1; i > 0; i--, value >>= 6) {
		ret_text[i] = (char)(0x80 | (value & 0x3F));
	}
	ret_text[0] = (char)(marks[length] | value);
}

static void assert_plain_text(const char *text, const char *expected)
{
	char copy[256];
	snprintf(copy, sizeof copy, "%s", text);
	text_make_plain(copy);
	assert_string_equal(copy, expected);
}

/* --- text_is_utf8 ------------------------------------------------------------------------------------------------- */

static void every_character_but_the_surrogates_is_utf8(void **state)
{
	(void)state;
	for (uint32_t value = 1; value <= MOST_CODE_POINT; value++) {
		char text[5];
		encode(value, text);
		if (text_is_utf8(text) != (value < 0xD800 || value > 0xDFFF)) {
			fail_msg("U+%04X", value);
		}
	}
}

static void every_single_byte_beyond_ascii_is_not_utf8(void **state)
{
	(void)state;
	for (int byte = 1; byte < 256; byte++) {
		const char alone[] = {(char)byte, '\0'};
		const char between[] = {'a', (char)byte, 'b', '\0'};
		if (text_is_utf8(alone) != (byte < 0x80) || text_is_utf8(between) != (byte < 0x80)) {
			fail_msg("byte %02x", (unsigned)byte);
		}
	}
}

static void any_two_bytes_are_judged_by_the_grammar(void **state)
{
	(void)state;
	for (unsigned pair = 0; pair < 0x10000; pair++) {
		const char text[] = {(char)(pair >> 8), (char)pair, '\0'};
		if (text_is_utf8(text) != is_utf8(text)) {
			fail_msg("bytes %04x", pair);
		}
	}
}

/* The bytes at which the grammar changes its mind, in all combinations of four. */
static void the_edges_of_the_grammar_are_kept(void **state)
{
	(void)state;
	static const unsigned char edges[] = {0x00, 0x01, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1,
										  0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3,
										  0xF4, 0xF5, 0xF7, 0xF8, 0xFB, 0xFC, 0xFD, 0xFE, 0xFF};
	enum { EDGES = sizeof edges };
	for (size_t number = 0; number < (size_t)EDGES * EDGES * EDGES * EDGES; number++) {
		const char text[] = {(char)edges[number % EDGES], (char)edges[number / EDGES % EDGES],
							 (char)edges[number / EDGES / EDGES % EDGES], (char)edges[number / EDGES / EDGES / EDGES],
							 '\0'};
		if (text_is_utf8(text) != is_utf8(text)) {
			fail_msg("combination %zu", number);
		}
	}
}

static void what_looks_like_utf8_is_told_from_it(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"\xC0\x80",                 /* NUL in two bytes */
		"\xC0\xAF",                 /* "/" in two bytes */
		"\xC1\xBF",                 /* DEL in two bytes */
		"\xE0\x80\xAF",             /* "/" in three */
		"\xE0\x9F\xBF",             /* U+07FF in three */
		"\xF0\x80\x80\xAF",         /* "/" in four */
		"\xF0\x8F\xBF\xBF",         /* U+FFFF in four */
		"\xED\xA0\x80",             /* U+D800, a surrogate */
		"\xED\xBF\xBF",             /* U+DFFF, the last of them */
		"\xED\xA0\xBD\xED\xBA\x80", /* U+1F680 in two surrogates (CESU-8) */
		"\xF4\x90\x80\x80",         /* U+110000 */
		"\xF8\x88\x80\x80\x80",     /* five bytes */
		"\xFC\x84\x80\x80\x80\x80", /* six */
		"caf\xE9",                  /* Latin-1 */
		"\xC3\xA9\xC3",             /* cut */
		"\xF0\x9F\x9A",             /* cut */
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		if (text_is_utf8(wrong[i])) {
			fail_msg("number %zu is not UTF-8", i);
		}
	}
	assert_true(text_is_utf8(""));
	assert_true(text_is_utf8("plain é €\n🚀 \xEF\xBB\xBF\xEF\xBF\xBF"));
}

/* --- text_make_plain ---------------------------------------------------------------------------------------------- */

static void text_that_is_fine_stays(void **state)
{
	(void)state;
	static const char *const texts[] = {"", "plain", "two\nlines\twith a tab\n", "é € 🚀 \xC2\xA0 \xEF\xBF\xBD", "?"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		assert_plain_text(texts[i], texts[i]);
	}
}

static void every_control_character_but_newline_and_tab_becomes_a_question_mark(void **state)
{
	(void)state;
	for (int byte = 1; byte < 0x80; byte++) {
		const char text[] = {'a', (char)byte, 'b', '\0'};
		bool stays = (byte >= 0x20 && byte < 0x7F) || byte == '\n' || byte == '\t';
		assert_plain_text(text, stays ? text : "a?b");
	}
}

/* U+009B is what "ESC [" is, in one character. */
static void c1_controls_become_question_marks(void **state)
{
	(void)state;
	for (uint32_t value = 0x80; value <= 0xA0; value++) {
		char character[5];
		char text[8];
		encode(value, character);
		snprintf(text, sizeof text, "a%sb", character);
		assert_plain_text(text, value < 0xA0 ? "a??b" : text);
	}
}

/* U+202E makes what follows read backwards; U+2028 ends a line. */
static void what_makes_a_line_read_otherwise_becomes_question_marks(void **state)
{
	static const uint32_t ours[] = {0x61C,  0x200E, 0x200F, 0x2028, 0x2029, 0x202A, 0x202B,
									0x202C, 0x202D, 0x202E, 0x2066, 0x2067, 0x2068, 0x2069};
	(void)state;
	for (uint32_t value = 0x600, i = 0; value <= 0x2100; value++) {
		char character[5];
		char text[8];
		encode(value, character);
		snprintf(text, sizeof text, "a%sb", character);
		bool turns = i < sizeof ours / sizeof *ours && value == ours[i];
		i += turns;
		assert_plain_text(text, !turns ? text : value < 0x800 ? "a??b" : "a???b");
	}
}

static void a_terminal_is_told_nothing(void **state)
{
	(void)state;
	assert_plain_text("\033[2J\033]0;title\a\r\b\x7f", "?[2J?]0;title????");
	assert_plain_text("\xC2\x9B"
					  "31m",
					  "??31m");
	assert_plain_text("\x9B"
					  "31m",
					  "?31m");
}

static void every_byte_that_is_not_utf8_becomes_a_question_mark(void **state)
{
	(void)state;
	assert_plain_text("caf\xE9!", "caf?!");
	assert_plain_text("\xC0\xAF.", "??.");
	assert_plain_text("\xED\xA0\x80.", "???.");
	assert_plain_text("\xF4\x90\x80\x80.", "????.");
	assert_plain_text("\xF8\x88\x80\x80\x80.", "?????.");
	assert_plain_text("\x80.", "?.");
	assert_plain_text("\xFF\xFE.", "??.");
}

/* What interrupts a character is not swallowed with it. */
static void a_character_that_is_broken_off_costs_nothing_behind_it(void **state)
{
	(void)state;
	assert_plain_text("\xC3x", "?x");
	assert_plain_text("\xE2\x82x", "??x");
	assert_plain_text("\xF0\x9F\x9A\xC3\xA9", "???\xC3\xA9");
	assert_plain_text("\xE2\x82\033[m", "???[m");
}

static void a_character_that_is_cut_off_at_the_end_is_dropped(void **state)
{
	(void)state;
	static const char *const characters[] = {"é", "€", "🚀"};
	for (size_t i = 0; i < sizeof characters / sizeof *characters; i++) {
		for (size_t length = 1; length < strlen(characters[i]); length++) {
			char text[16];
			snprintf(text, sizeof text, "x%.*s", (int)length, characters[i]);
			assert_plain_text(text, "x");
		}
	}
}

/* Any bytes: pieces of characters, whole ones, controls. */
static void make_random(uint64_t seed, char ret_text[64])
{
	static const char *const pieces[] = {"a",    "?",    "\n",   "\t",   "\r",       "\033[", "\x7f", "\x01",
										 "é",    "€",    "🚀",    "\xC2", "\x9B",     "\xC0",  "\xED", "\xA0",
										 "\xE2", "\x82", "\xF0", "\x9F", "\xF4\x90", "\xFF",  "\xC2", "\x80"};
	unsigned char random[13];
	fill_random(random, sizeof random, seed);
	size_t length = 0;
	ret_text[0] = '\0';
	for (size_t i = 1; i <= random[0] % 12U; i++) {
		length += (size_t)snprintf(ret_text + length, 64 - length, "%s",
								   pieces[random[i] % (sizeof pieces / sizeof *pieces)]);
	}
}

static void whatever_the_text_is_the_result_is_plain_and_one_that_is_fine_stays(void **state)
{
	(void)state;
	size_t fine = 0;
	for (uint64_t seed = 0; seed < RANDOM_TEXTS; seed++) {
		char text[64];
		char result[64];
		make_random(seed, text);
		strcpy(result, text);
		text_make_plain(result);
		bool stays = is_utf8(text) && is_plain(text);
		if (!is_utf8(result) || !is_plain(result) || strlen(result) > strlen(text) ||
			(stays && strcmp(result, text) != 0)) {
			fail_msg("seed %llu", (unsigned long long)seed);
		}
		fine += stays;
	}
	assert_true(fine > 100 && fine < RANDOM_TEXTS);
}

/* As snprintf does it, which knows nothing of characters. */
static void a_copy_is_plain_and_ends_with_a_whole_character(void **state)
{
	(void)state;
	char copy[4] = "old";
	text_copy_line(copy, sizeof copy, "a\033b");
	assert_string_equal(copy, "a?b");
	text_copy_line(copy, sizeof copy, "abcd");
	assert_string_equal(copy, "abc");
	text_copy_line(copy, sizeof copy, "ab\xc3\xa9");
	assert_string_equal(copy, "ab");
	text_copy_line(copy, sizeof copy, "");
	assert_string_equal(copy, "");
}

static void a_line_is_one_line(void **state)
{
	(void)state;
	char text[] = "\na\tb\n\nc\r\n";
	text_make_line(text);
	assert_string_equal(text, " a b  c? ");
	char empty[] = "";
	text_make_line(empty);
	assert_string_equal(empty, "");
}

static void a_text_may_be_cut_anywhere(void **state)
{
	(void)state;
	const char *const whole = "one é two € three 🚀 end";
	for (size_t length = 0; length <= strlen(whole); length++) {
		char text[64];
		snprintf(text, sizeof text, "%.*s", (int)length, whole);
		text_make_plain(text);
		assert_true(is_utf8(text));
		assert_memory_equal(text, whole, strlen(text));
		assert_true(strlen(text) + 4 > length);
	}
}

/* --- text_has_controls -------------------------------------------------------------------------------------------- */

static void control_characters_are_found_wherever_they_are(void **state)
{
	(void)state;
	for (int byte = 1; byte < 0x80; byte++) {
		const char text[] = {'a', (char)byte, 'b', '\0'};
		const char at_the_end[] = {'a', (char)byte, '\0'};
		assert_int_equal(text_has_controls(text), byte < 0x20 || byte == 0x7F);
		assert_int_equal(text_has_controls(at_the_end), byte < 0x20 || byte == 0x7F);
	}
}

static void text_without_controls_has_none(void **state)
{
	(void)state;
	assert_false(text_has_controls(""));
	assert_false(text_has_controls("/srv/my bot/é€🚀/\xFF"));
}

/* --- digest_text -------------------------------------------------------------------------------------------------- */

/* FIPS 180-4's examples, as sha256sum gives them. */
static void the_digest_of_a_text_is_its_sha_256(void **state)
{
	(void)state;
	struct error error;
	char digest[DIGEST_TEXT_SIZE];
	assert_ok(digest_text("", digest, &error), &error);
	assert_string_equal(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_ok(digest_text("abc", digest, &error), &error);
	assert_string_equal(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void the_digest_of_a_text_is_that_of_a_file_that_holds_it(void **state)
{
	struct error error;
	char text[10000];
	char of_text[DIGEST_TEXT_SIZE];
	char of_file[DIGEST_TEXT_SIZE];
	uint64_t size = 0;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	write_file(at(*state, "file"), text);
	assert_ok(digest_text(text, of_text, &error), &error);
	assert_ok(digest_file(at(*state, "file"), NULL, of_file, &size, &error), &error);
	assert_string_equal(of_text, of_file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_character_but_the_surrogates_is_utf8),
		cmocka_unit_test(every_single_byte_beyond_ascii_is_not_utf8),
		cmocka_unit_test(any_two_bytes_are_judged_by_the_grammar),
		cmocka_unit_test(the_edges_of_the_grammar_are_kept),
		cmocka_unit_test(what_looks_like_utf8_is_told_from_it),
		cmocka_unit_test(text_that_is_fine_stays),
		cmocka_unit_test(every_control_character_but_newline_and_tab_becomes_a_question_mark),
		cmocka_unit_test(c1_controls_become_question_marks),
		cmocka_unit_test(what_makes_a_line_read_otherwise_becomes_question_marks),
		cmocka_unit_test(a_terminal_is_told_nothing),
		cmocka_unit_test(every_byte_that_is_not_utf8_becomes_a_question_mark),
		cmocka_unit_test(a_character_that_is_broken_off_costs_nothing_behind_it),
		cmocka_unit_test(a_character_that_is_cut_off_at_the_end_is_dropped),
		cmocka_unit_test(whatever_the_text_is_the_result_is_plain_and_one_that_is_fine_stays),
		cmocka_unit_test(a_text_may_be_cut_anywhere),
		cmocka_unit_test(a_copy_is_plain_and_ends_with_a_whole_character),
		cmocka_unit_test(a_line_is_one_line),
		cmocka_unit_test(control_characters_are_found_wherever_they_are),
		cmocka_unit_test(text_without_controls_has_none),
		cmocka_unit_test(the_digest_of_a_text_is_its_sha_256),
		scratch_test(the_digest_of_a_text_is_that_of_a_file_that_holds_it),
	};
	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
