/*
 * number.h - whole numbers on the command line.
 */
#ifndef WHISPERBACKUP_COMMANDS_NUMBER_H
#define WHISPERBACKUP_COMMANDS_NUMBER_H

#include "base/error.h"

#include <stdbool.h>

enum { NUMBER_SECONDS_MAX = 86400 };

/* True, and the number, if the text is digits and nothing else, from `least` to `most`. */
bool number_read(const char *text, unsigned least, unsigned most, unsigned *ret_number);

/* Digits and nothing else, from `least` to `most`. STATUS_USAGE otherwise: "TEXT" is not WHAT, such as "a number of
 * days". */
enum status number_parse(const char *text, const char *what, unsigned least, unsigned most, unsigned *ret_number,
						 struct error *error) MUST_CHECK;

#endif
