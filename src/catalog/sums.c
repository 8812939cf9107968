#include "catalog/sums.h"

#include <stdio.h>
#include <string.h>

enum { NAME_OFFSET = DIGEST_TEXT_SIZE + 1 }; /* behind the checksum and two characters, of which the second says how */

/* The name in the line, lent and not ended; NULL if the line is none of a checksum. */
static const char *name_in(const char *line, size_t length, size_t *ret_length)
{
	if (length <= NAME_OFFSET || strspn(line, "0123456789abcdef") != DIGEST_TEXT_SIZE - 1 ||
		line[DIGEST_TEXT_SIZE - 1] != ' ' || (line[DIGEST_TEXT_SIZE] != ' ' && line[DIGEST_TEXT_SIZE] != '*')) {
		return NULL;
	}
	const char *name = line + NAME_OFFSET;
	bool dotted = strncmp(name, "./", 2) == 0;
	*ret_length = length - NAME_OFFSET - (dotted ? 2 : 0);
	return dotted ? name + 2 : name;
}

static bool is_name(const char *line, size_t length, const char *name)
{
	size_t found_length = 0;
	const char *found = name_in(line, length, &found_length);
	return found != NULL && found_length == strlen(name) && strncmp(found, name, found_length) == 0;
}

bool sums_find(const char *sums, const char *name, char ret_sum[DIGEST_TEXT_SIZE])
{
	for (const char *line = sums; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
		if (is_name(line, strcspn(line, "\r\n"), name)) {
			snprintf(ret_sum, DIGEST_TEXT_SIZE, "%s", line);
			return true;
		}
	}
	return false;
}

size_t sums_foreign_line(const char *sums, const char *const *names, size_t count)
{
	size_t number = 1;
	for (const char *line = sums; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n', number++) {
		size_t length = strcspn(line, "\n");
		bool known = false;
		for (size_t i = 0; i < count; i++) {
			known = known || is_name(line, length - (length > 0 && line[length - 1] == '\r'), names[i]);
		}
		known = known && line[length] == '\n'; /* else it was cut off */
		if (!known) {
			return number;
		}
	}
	return 0;
}
