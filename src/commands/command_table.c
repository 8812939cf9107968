/* All commands, in the order in which the help shows them. */
#include "commands/command.h"

const struct command *const command_table[] = {
	&command_create, &command_list, &command_show, &command_restore, &command_cleanup, &command_status,
	&command_health, &command_help, NULL,
};
