/*
 * text.h - text that may have come from anywhere, made fit to be shown and to be put into JSON.
 */
#ifndef WHISPERBACKUP_BASE_TEXT_H
#define WHISPERBACKUP_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Well-formed UTF-8 (RFC 3629). */
bool text_is_utf8(const char *text);

/*
 * In place: every byte that is not part of well-formed UTF-8, and every control character but newline and tab, becomes
 * '?'; a character that was cut off at the end is dropped. Terminals then take none of it for a command.
 */
void text_make_plain(char *text);

/* The same, and newlines and tabs become spaces: it can then not be taken for several lines. */
void text_make_line(char *text);

/* The same of a copy, of as much as fits into `size` bytes with the closing NUL. */
void text_copy_line(char *to, size_t size, const char *text);

/* True if there is a control character in it, such as a newline. */
bool text_has_controls(const char *text);

#endif
