#include "snapshot/test_switch.h"

#include <stdlib.h>
#include <string.h>

bool test_switch_leaves_out(const char *part)
{
	const char *list = getenv("WHISPERBACKUP_TEST_WITHOUT");
	size_t length = strlen(part);
	for (const char *at = list; at != NULL && *at != '\0';) {
		size_t item = strcspn(at, ",");
		if (item == length && strncmp(at, part, length) == 0) {
			return true;
		}
		at += item + (at[item] == ',');
	}
	return false;
}
