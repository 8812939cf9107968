/* help: explains the commands. */
#include "commands/command.h"

static enum status run(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error)
{
	const struct command *command = NULL;
	if (invocation->argument_count > 0) {
		command = command_by_name(invocation->arguments[0]);
		if (command == NULL) {
			(void)error_set(error, STATUS_USAGE, "there is no command \"%s\"", invocation->arguments[0]);
			return error_hint(error, "%s help shows what there is", command_program());
		}
	}
	command_print_help(command);
	*ret_exit_code = EXIT_DONE;
	return STATUS_OK;
}

const struct command command_help = {
	.name = "help",
	.arguments = "[COMMAND]",
	.most_arguments = 1,
	.summary = "Explains the commands, or one of them",
	.details = "",
	.run = run,
};
