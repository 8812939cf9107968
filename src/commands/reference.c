#include "commands/reference.h"

#include <string.h>

const char *const reference_summary =
	"Backs up and restores the data of a WhisperEngine stack: PostgreSQL, Redis, ChromaDB and Neo4j.";

const struct reference_exit reference_exits[] = {
	{EXIT_DONE, "Done. Also when a backup left out a store that does not run."},
	{EXIT_FAILED,
	 "Failed, and nothing is half done: the message says what happened and what to do next. Also when status or "
	 "health finds something that is not well."},
	{EXIT_USAGE, "Wrong usage, or a question that there was no terminal to ask on. Nothing was done."},
	{EXIT_PARTIAL,
	 "Partial: a backup in which a store failed and another is good, or a restore without a store that does not run."},
	{EXIT_LOCKED, "Another run is at work in the same backup folder."},
	{EXIT_DAMAGED, "The backup is damaged. Nothing was changed. From verify also: it could not be read."},
	{EXIT_INTERRUPTED, "Interrupted by Ctrl-C or a signal, or a question was not answered with yes."},
	{0, NULL},
};

const struct reference_entry reference_environment[] = {
	{"BACKUP_DIR",
	 "Where the backups are kept. Default: backups beside the compose file; a relative path begins there."},
	{"COMPOSE_PROJECT_NAME", "Which Compose project is meant. Default: the one that was started from this folder."},
	{"DOCKER_HOST", "The Docker Engine's unix socket, unix:///path. Default: /var/run/docker.sock."},
	{"WHISPERBACKUP_VOLUME_ACCESS", "The same as --volume-access, which outweighs it: auto, direct or api."},
	{"WHISPERBACKUP_ALLOW_SHARED_FOLDER", "yes: the same as --allow-shared-folder. It is not read from .env."},
	{"WHISPERBACKUP_INVOKED_AS", "What hints and help call the program; bot.sh sets it."},
	{NULL, NULL},
};

const struct reference_entry reference_files[] = {
	{"backup_info.txt", "What the backup is, for people."},
	{"SHA256SUMS", "The checksums of the files; sha256sum -c reads them."},
	{"manifest.json",
	 "The moment, sizes, checksums, versions and counts, for programs. A backup without it was made by hand."},
	{"verified.json", "What verify has found out, once it has looked."},
	{NULL, NULL},
};

const struct reference_example reference_examples[] = {
	{"create", "", "Back up everything that runs."},
	{"create", "--only redis,neo4j --quiet", "Back up two stores, and say something only if it goes wrong."},
	{"create", "--max-freeze 5", "Give up if services had to stand still for longer than 5 seconds."},
	{"list", "--json", "Hand the list of backups to another program."},
	{"show", "latest", "Look at the newest backup that is not damaged."},
	{"verify", "", "Read every byte of the newest backup, and say whether it is good."},
	{"restore", "20240912_143022", "Put the data of a backup back, after a question."},
	{"restore", "latest --only postgresql --yes", "Put back one store, without a question."},
	{"cleanup", "7", "Remove what is older than a week."},
	{"schedule", "install daily", "Make a backup every night."},
	{"schedule", "status", "See whether the schedule is installed, and how the last run went."},
	{"status", "--wait 60", "Wait for the services after a start."},
	{"health", "--json", "Tell a monitoring program how things are."},
	{"help", "restore", "Explain a command."},
	{NULL, NULL, NULL},
};

const char *const reference_intervals[] = {"hourly", "daily", "weekly", "monthly", NULL};
const char *const reference_ways[] = {"auto", "direct", "api", NULL};

static const struct {
	const char *name;
	enum reference_kind kind;
} kinds[] = {
	{"TIMESTAMP", REFERENCE_TIMESTAMP},
	{"STORES", REFERENCE_STORES},
	{"COMMAND", REFERENCE_COMMAND},
	{"INTERVAL", REFERENCE_INTERVAL},
	{"WHEN", REFERENCE_INTERVAL},
	{"ACTION", REFERENCE_ACTION},
	{"WAY", REFERENCE_WAY},
};

enum reference_kind reference_kind(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (strlen(kinds[i].name) == length && strncmp(kinds[i].name, name, length) == 0) {
			return kinds[i].kind;
		}
	}
	return REFERENCE_FREE;
}

bool reference_next_argument(const char **arguments, const char **ret_name, size_t *ret_length)
{
	const char *outside = " []|.";
	const char *name = *arguments + strspn(*arguments, outside);
	size_t length = strcspn(name, outside);
	if (length == 0) {
		return false;
	}
	*ret_name = name;
	*ret_length = length;
	*arguments = name + length;
	return true;
}

enum reference_block reference_next_block(const char **details, const char **ret_text, size_t *ret_length)
{
	const char *text = *details + strspn(*details, "\n");
	if (*text == '\0') {
		return BLOCK_END;
	}
	bool verbatim = *text == ' ';
	const char *end = text;
	do { /* line by line */
		end += strcspn(end, "\n");
		end += *end == '\n';
	} while (*end != '\0' && *end != '\n' && (*end == ' ') == verbatim);
	*ret_text = text;
	*ret_length = (size_t)(end - text) - (end[-1] == '\n');
	*details = end;
	return verbatim ? BLOCK_VERBATIM : BLOCK_PARAGRAPH;
}

bool reference_next_word(const char **text, size_t *length, const char **ret_word, size_t *ret_length)
{
	const char *end = *text + *length;
	const char *word = *text;
	while (word < end && (*word == ' ' || *word == '\n')) {
		word++;
	}
	const char *behind = word;
	while (behind < end && *behind != ' ' && *behind != '\n') {
		behind++;
	}
	*text = behind;
	*length = (size_t)(end - behind);
	*ret_word = word;
	*ret_length = (size_t)(behind - word);
	return behind > word;
}
