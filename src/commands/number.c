#include "commands/number.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DIGITS = 9 };

bool number_read(const char *text, unsigned least, unsigned most, unsigned *ret_number)
{
	size_t length = strlen(text);
	bool good = length > 0 && length <= MOST_DIGITS;
	for (size_t i = 0; i < length; i++) {
		good = good && isdigit((unsigned char)text[i]);
	}
	unsigned number = good ? (unsigned)strtoul(text, NULL, 10) : 0;
	if (!good || number < least || number > most) {
		return false;
	}
	*ret_number = number;
	return true;
}

enum status number_parse(const char *text, const char *what, unsigned least, unsigned most, unsigned *ret_number,
						 struct error *error)
{
	if (number_read(text, least, most, ret_number)) {
		return STATUS_OK;
	}
	(void)error_set(error, STATUS_USAGE, "\"%s\" is not %s", text, what);
	return error_hint(error, "give a whole number from %u to %u", least, most);
}
