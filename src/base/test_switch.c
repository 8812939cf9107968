#include "base/test_switch.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static bool is_step(const char *variable, unsigned number)
{
	const char *text = getenv(variable);
	return text != NULL && strtoul(text, NULL, 10) == number;
}

enum status test_switch_step(const char *step, struct error *error)
{
	static atomic_uint steps;
	unsigned number = ++steps;
	if (is_step("WHISPERBACKUP_TEST_KILL_AT", number)) {
		(void)raise(SIGKILL);
	}
	if (is_step("WHISPERBACKUP_TEST_HOLD_AT", number)) {
		(void)kill(getpid(), SIGSTOP);
	}
	return is_step("WHISPERBACKUP_TEST_FAIL_AT", number)
			   ? error_set(error, STATUS_FAILED, "a test makes step %u fail (%s)", number, step)
			   : STATUS_OK;
}
