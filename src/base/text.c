#include "base/text.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* How many bytes the character at `text` has; 0 if it is not well-formed. *ret_cut: it only lacks its end. */
static size_t character_length(const unsigned char *text, bool *ret_cut)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = text[0] < 0x80                      ? 1
					: text[0] >= 0xC2 && text[0] < 0xE0 ? 2
					: text[0] >= 0xE0 && text[0] < 0xF0 ? 3
					: text[0] >= 0xF0 && text[0] < 0xF5 ? 4
														: 0;
	*ret_cut = false;
	if (length < 2) {
		return length;
	}
	uint32_t value = text[0] & (0xFFU >> (length + 1));
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xC0) != 0x80) {
			*ret_cut = text[i] == '\0';
			return 0;
		}
		value = value << 6 | (text[i] & 0x3FU);
	}
	bool surrogate = value >= 0xD800 && value < 0xE000;
	return value < least[length] || value > 0x10FFFF || surrogate ? 0 : length;
}

bool text_is_utf8(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	bool cut = false;
	size_t length = 1;
	while (*at != '\0' && length > 0) {
		length = character_length(at, &cut);
		at += length;
	}
	return length > 0;
}

/*
 * C0 and DEL; C1 (U+0080 to U+009F), which some terminals obey as well; what turns the direction of writing about, so
 * that a line reads otherwise than it is (U+061C, U+200E and F, U+202A to E, U+2066 to 9), and the line and paragraph
 * separators (U+2028 and 9).
 */
static bool is_control(const unsigned char *text, size_t length)
{
	if (length == 1) {
		return *text < 0x20 || *text == 0x7F;
	}
	if (length == 2) {
		return (text[0] == 0xC2 && text[1] < 0xA0) || (text[0] == 0xD8 && text[1] == 0x9C);
	}
	return length == 3 && text[0] == 0xE2 &&
		   ((text[1] == 0x80 && (text[2] == 0x8E || text[2] == 0x8F || (text[2] >= 0xA8 && text[2] <= 0xAE))) ||
			(text[1] == 0x81 && text[2] >= 0xA6 && text[2] <= 0xA9));
}

void text_make_plain(char *text)
{
	unsigned char *at = (unsigned char *)text;
	while (*at != '\0') {
		bool cut = false;
		size_t length = character_length(at, &cut);
		if (cut) {
			*at = '\0';
			return;
		}
		bool plain = length > 0 && (!is_control(at, length) || *at == '\n' || *at == '\t');
		for (size_t i = 0; !plain && i < (length > 0 ? length : 1); i++) {
			at[i] = '?';
		}
		at += length > 0 ? length : 1;
	}
}

void text_make_line(char *text)
{
	text_make_plain(text);
	for (text += strcspn(text, "\n\t"); *text != '\0'; text += strcspn(text, "\n\t")) {
		*text = ' ';
	}
}

void text_copy_line(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text);
	text_make_line(to);
}

bool text_has_controls(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7F) {
			return true;
		}
	}
	return false;
}
