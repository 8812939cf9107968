/* All commands, in the order in which the help shows them; and what their failures become. */
#include "commands/command.h"

const struct command *const command_table[] = {
	&command_create,  &command_list,   &command_show,   &command_verify,   &command_restore, &command_cleanup,
	&command_recover, &command_status, &command_health, &command_schedule, &command_help,    NULL,
};

enum exit_code command_exit_code(enum status status)
{
	switch (status) {
	case STATUS_OK:
		return EXIT_DONE;
	case STATUS_USAGE:
		return EXIT_USAGE;
	case STATUS_LOCKED:
		return EXIT_LOCKED;
	case STATUS_DAMAGED:
		return EXIT_DAMAGED;
	case STATUS_INTERRUPTED:
		return EXIT_INTERRUPTED;
	case STATUS_FAILED:
	case STATUS_NOT_FOUND:
	case STATUS_UNAVAILABLE:
	case STATUS_CONFLICT:
	case STATUS_NO_SPACE:
	case STATUS_NO_MEMORY:
		break;
	}
	return EXIT_FAILED;
}
