#include "commands/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct option_definition option_table[OPTION_COUNT] = {
	[OPTION_ONLY] = {"only", "STORES", "only these stores, separated by commas: postgresql, redis, chromadb, neo4j"},
	[OPTION_MAX_FREEZE] = {"max-freeze", "SECONDS", "give up rather than let services stand still for longer (30)"},
	[OPTION_NO_PAUSE_WRITERS] = {"no-pause-writers", NULL, "do not pause the containers that use the stores"},
	[OPTION_VOLUME_ACCESS] = {"volume-access", "WAY", "direct, api or auto: how the volumes' files are reached"},
	[OPTION_ALLOW_SHARED_FOLDER] = {"allow-shared-folder", NULL,
									"work in a backup folder that others can change as well"},
	[OPTION_YES] = {"yes", NULL, "do not ask; for scripts"},
	[OPTION_NO_SAFETY_BACKUP] = {"no-safety-backup", NULL, "do not back up the present state before it is replaced"},
	[OPTION_KEEP_LAST] = {"keep-last", "N", "keep the newest N backups"},
	[OPTION_KEEP_DAILY] = {"keep-daily", "N", "keep the newest backup of each of the last N days that have one"},
	[OPTION_KEEP_WEEKLY] = {"keep-weekly", "N", "the same for weeks, which begin on Monday"},
	[OPTION_KEEP_MONTHLY] = {"keep-monthly", "N", "the same for months"},
	[OPTION_DRY_RUN] = {"dry-run", NULL, "say what would be done, and do nothing"},
	[OPTION_ALL] = {"all", NULL, "all backups, the oldest first"},
	[OPTION_DRILL] = {"drill", NULL, "restore it into throwaway containers, and read every record there"},
	[OPTION_SYSTEMD] = {"systemd", NULL,
						"a systemd user timer instead of cron; it catches up on what was slept through"},
	[OPTION_WAIT] = {"wait", "SECONDS", "wait that long for all services to be healthy"},
	[OPTION_JSON] = {"json", NULL, "print one JSON document on standard output"},
	[OPTION_QUIET] = {"quiet", NULL, "no progress and no summary; warnings and errors only"},
	[OPTION_HELP] = {"help", NULL, "explain this command"},
};

const char *command_program(void)
{
	const char *name = getenv("WHISPERBACKUP_INVOKED_AS");
	return name != NULL && name[0] != '\0' ? name : "whisperbackup";
}

const struct command *command_by_name(const char *name)
{
	for (size_t i = 0; command_table[i] != NULL; i++) {
		if (strcmp(command_table[i]->name, name) == 0) {
			return command_table[i];
		}
	}
	return NULL;
}

bool command_allows(const struct command *command, size_t option)
{
	return option == OPTION_HELP || (command->options & 1U << option) != 0;
}

/* The first argument of a command with actions has to be one of them. */
static enum status check_action(const struct command *command, const char *word, struct error *error)
{
	char actions[256] = "";
	size_t length = 0;
	for (size_t i = 0; command->actions[i] != NULL; i++) {
		if (strcmp(command->actions[i], word) == 0) {
			return STATUS_OK;
		}
		const char *between = command->actions[i + 1] == NULL ? " or " : ", ";
		length += (size_t)snprintf(actions + length, sizeof actions - length, "%s%s", i == 0 ? "" : between,
								   command->actions[i]);
		length = length < sizeof actions ? length : sizeof actions - 1;
	}
	return error_set(error, STATUS_USAGE, "%s can do %s, but not \"%s\"", command->name, actions, word);
}

/* Takes "--name", "--name=value" or, with the value in the next word, "--name value". */
static enum status parse_option(const struct command *command, char *const **words, struct invocation *invocation,
								struct error *error)
{
	const char *word = **words;
	const char *name = word + 2;
	size_t length = strcspn(name, "=");
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct option_definition *option = &option_table[i];
		if (strlen(option->name) != length || strncmp(option->name, name, length) != 0 || !command_allows(command, i)) {
			continue;
		}
		const char *value = name[length] == '=' ? name + length + 1 : NULL;
		if (option->value == NULL && value != NULL) {
			return error_set(error, STATUS_USAGE, "--%s takes no value", option->name);
		}
		if (option->value != NULL && value == NULL) {
			value = (*words)[1];
			if (value == NULL) {
				return error_set(error, STATUS_USAGE, "--%s wants a value: %s", option->name, option->value);
			}
			(*words)++;
		}
		invocation->options[i] = value != NULL ? value : "";
		return STATUS_OK;
	}
	return error_set(error, STATUS_USAGE, "%s has no option %.*s", command->name, (int)(length + 2), word);
}

enum status command_parse(const struct command *command, char *const *words, struct invocation *ret_invocation,
						  struct error *error)
{
	struct invocation invocation = {.command = command};
	enum status status = STATUS_OK;
	bool only_arguments = false;
	for (; status == STATUS_OK && *words != NULL; words++) {
		if (!only_arguments && strcmp(*words, "--") == 0) {
			only_arguments = true;
		} else if (!only_arguments && strcmp(*words, "-h") == 0) {
			invocation.options[OPTION_HELP] = "";
		} else if (!only_arguments && strncmp(*words, "--", 2) == 0) {
			status = parse_option(command, &words, &invocation, error);
		} else if (!only_arguments && (*words)[0] == '-' && (*words)[1] != '\0') {
			status = error_set(error, STATUS_USAGE, "%s has no option %s", command->name, *words);
		} else if (invocation.argument_count == command->most_arguments) {
			status = error_set(error, STATUS_USAGE, "%s does not know what to do with \"%s\"", command->name, *words);
		} else {
			invocation.arguments[invocation.argument_count++] = *words;
		}
	}
	if (status == STATUS_OK && invocation.options[OPTION_HELP] == NULL &&
		invocation.argument_count < command->least_arguments) {
		status = error_set(error, STATUS_USAGE, "%s wants a %s", command->name, command->arguments);
	}
	if (status == STATUS_OK && invocation.options[OPTION_HELP] == NULL && command->actions != NULL &&
		invocation.argument_count > 0) {
		status = check_action(command, invocation.arguments[0], error);
	}
	if (status != STATUS_OK) {
		return error_hint(error, "%s help %s explains it", command_program(), command->name);
	}
	*ret_invocation = invocation;
	return STATUS_OK;
}
