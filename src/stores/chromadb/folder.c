#include "stores/chromadb/folder.h"

#include "stores/chromadb/database.h"
#include "stores/container_http.h"

#include <stdio.h>
#include <string.h>

enum {
	CANDIDATES = 32,
	REPLY_LIMIT = 4 << 20, /* bytes of what one program says */
	MESSAGE_LIMIT = 400,   /* bytes of the folders that a message names */
};

/* Paths without slashes at their ends, each once. */
struct folders {
	char paths[CANDIDATES][CHROMADB_FOLDER_SIZE];
	size_t count;
};

const char *chromadb_argument(const struct container *container, const char *option)
{
	size_t length = strlen(option);
	for (size_t i = 0; container->command[i] != NULL; i++) {
		const char *word = container->command[i];
		if (strncmp(word, option, length) == 0 && word[length] == '=') {
			return word + length + 1;
		}
		if (strcmp(word, option) == 0 && container->command[i + 1] != NULL) {
			return container->command[i + 1];
		}
	}
	return NULL;
}

static bool has_folder(const struct folders *folders, const char *path)
{
	bool has = false;
	for (size_t i = 0; i < folders->count; i++) {
		has = has || strcmp(folders->paths[i], path) == 0;
	}
	return has;
}

/* One that is no absolute path, or the root, is not taken. */
static void add_folder(struct folders *folders, const char *path, size_t length)
{
	char *place = folders->paths[folders->count];
	while (length > 0 && path[length - 1] == '/') {
		length--;
	}
	if (path[0] != '/' || length < 2 || length >= CHROMADB_FOLDER_SIZE || folders->count == CANDIDATES - 1) {
		return;
	}
	memcpy(place, path, length);
	place[length] = '\0';
	folders->count += !has_folder(folders, place);
}

/* --- what the server has open ------------------------------------------------------------------------------------- */

#define HELD_END "whisperbackup:end"

/*
 * The open files of the processes that see the same files as we do there (proc(5): /proc/PID/fd, /proc/PID/ns/mnt); a
 * container may show those of its host as well. Files of other users cannot be seen.
 */
static const char script[] = "for process in /proc/[0-9]*; do\n"
							 "	[ \"$process/ns/mnt\" -ef /proc/self/ns/mnt ] && ls -l \"$process/fd/\"\n"
							 "done 2>/dev/null\n"
							 "echo '" HELD_END "'\n";

struct held {
	struct folders folders;
	struct folders removed; /* their database is open, but it has no name any more */
};

/* "lrwx------ 1 root root 64 Jan 1 00:00 26 -> /data/chroma.sqlite3"; what was removed has " (deleted)" behind it. */
static void note_line(struct held *held, const char *line, size_t length)
{
	static const char arrow[] = " -> ";
	static const char file[] = "/" CHROMADB_DATABASE;
	static const char removed[] = " (deleted)";
	const char *path = memmem(line, length, arrow, sizeof arrow - 1);
	if (path == NULL) {
		return;
	}
	path += sizeof arrow - 1;
	size_t left = length - (size_t)(path - line);
	bool is_removed =
		left > sizeof removed - 1 && strncmp(path + left - (sizeof removed - 1), removed, sizeof removed - 1) == 0;
	left -= is_removed ? sizeof removed - 1 : 0;
	if (left > sizeof file - 1 && strncmp(path + left - (sizeof file - 1), file, sizeof file - 1) == 0) {
		add_folder(is_removed ? &held->removed : &held->folders, path, left - (sizeof file - 1));
	}
}

static enum status look_what_is_held(struct runtime *runtime, const struct container *container, struct held *held,
									 struct error *error)
{
	const char *const arguments[] = {"sh", "-c", script, NULL};
	const struct exec_request request = {.container = container, .arguments = arguments};
	CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(REPLY_LIMIT);
	CLEANUP(cleanup_sink) struct sink *sink = NULL;
	int exit_code = 0;
	enum status status = sink_to_buffer_new(&reply, &sink, error);
	if (status == STATUS_OK) {
		status = runtime_run(runtime, &request, NULL, sink, NULL, &exit_code, error);
	}
	if (status != STATUS_OK || exit_code != 0) {
		return status; /* no shell */
	}
	buffer_trim(&reply);
	const char *end = strstr(buffer_text(&reply), HELD_END);
	if (end == NULL) { /* the engine can lose the end of what a program says */
		(void)error_set(error, STATUS_FAILED, "the list of the open files in container %s has not come whole",
						container->name);
		error->on_the_way = true;
		return error->status;
	}
	for (const char *line = buffer_text(&reply); line < end;) {
		size_t length = strcspn(line, "\n");
		note_line(held, line, length);
		line += length + 1;
	}
	return STATUS_OK;
}

/* If an answer is lost on its way. */
static enum status look_twice(struct runtime *runtime, const struct container *container, struct held *held,
							  struct error *error)
{
	enum status status = look_what_is_held(runtime, container, held, error);
	return status != STATUS_OK && error->on_the_way ? look_what_is_held(runtime, container, held, error) : status;
}

/* A server may close what nobody has asked for in a while. */
static enum status wake(struct runtime *runtime, const struct container *container, unsigned port, struct error *error)
{
	static const char *const paths[] = {"/api/v2/tenants/default_tenant/databases/default_database/collections?limit=1",
										"/api/v1/collections?limit=1"};
	int code = 404;
	for (size_t i = 0; i < sizeof paths / sizeof paths[0] && (code == 404 || code == 410); i++) {
		CLEANUP(buffer_free) struct buffer body = BUFFER_INIT(REPLY_LIMIT);
		enum status status = container_http_get(runtime, container, port, paths[i], &code, &body, error);
		if (status != STATUS_OK) {
			return status == STATUS_INTERRUPTED || status == STATUS_NO_MEMORY ? status : STATUS_OK;
		}
	}
	return STATUS_OK;
}

static enum status find_held(struct runtime *runtime, const struct container *container, unsigned port,
							 struct held *held, struct error *error)
{
	enum status status = look_twice(runtime, container, held, error);
	if (status != STATUS_OK || held->folders.count + held->removed.count > 0) {
		return status;
	}
	status = wake(runtime, container, port, error);
	return status == STATUS_OK ? look_twice(runtime, container, held, error) : status;
}

/* --- where it may be ---------------------------------------------------------------------------------------------- */

static void list_candidates(const struct container *container, struct folders *candidates)
{
	static const char *const variables[] = {"PERSIST_DIRECTORY", "CHROMA_PERSIST_PATH", "CHROMA_PERSIST_DIRECTORY"};
	static const char *const usual[] = {"/data", "/chroma/chroma"};
	const char *value = chromadb_argument(container, "--path");
	if (value != NULL) {
		add_folder(candidates, value, strlen(value));
	}
	for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
		value = container_environment(container, variables[i]);
		if (value != NULL) {
			add_folder(candidates, value, strlen(value));
		}
	}
	for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
		add_folder(candidates, usual[i], strlen(usual[i]));
	}
	for (size_t i = 0; i < container->mount_count; i++) {
		add_folder(candidates, container->mounts[i].destination, strlen(container->mounts[i].destination));
	}
}

/* No answer is a failure: the database of another folder might be an old one. What the engine says twice is believed:
 * also of a file in the place of the folder it says that it has failed. */
static enum status look_for_database(struct runtime *runtime, const struct container *container, const char *folder,
									 bool *ret_there, struct error *error)
{
	char path[CHROMADB_FOLDER_SIZE + sizeof "/" CHROMADB_DATABASE];
	struct path_stat attributes;
	snprintf(path, sizeof path, "%s/" CHROMADB_DATABASE, folder);
	enum status status = runtime_archive_stat(runtime, container, path, &attributes, error);
	if (status != STATUS_OK && error->on_the_way) {
		status = runtime_archive_stat(runtime, container, path, &attributes, error);
	}
	*ret_there = status == STATUS_OK;
	bool unknown = status == STATUS_UNAVAILABLE || status == STATUS_INTERRUPTED || status == STATUS_NO_MEMORY;
	return unknown ? status : STATUS_OK;
}

/* The same volume, mounted at two places? */
static bool is_same_place(const struct container *container, const char *one, const char *other)
{
	const struct mount *of_one = container_mount_of(container, one);
	const struct mount *of_other = container_mount_of(container, other);
	return of_one != NULL && of_other != NULL && of_one->source[0] != '\0' &&
		   strcmp(of_one->source, of_other->source) == 0 &&
		   strcmp(one + strlen(of_one->destination), other + strlen(of_other->destination)) == 0;
}

static enum status find_databases(struct runtime *runtime, const struct container *container, struct folders *found,
								  struct error *error)
{
	struct folders candidates = {.count = 0};
	enum status status = STATUS_OK;
	list_candidates(container, &candidates);
	for (size_t i = 0; status == STATUS_OK && i < candidates.count; i++) {
		const char *path = candidates.paths[i];
		bool there = false;
		status = look_for_database(runtime, container, path, &there, error);
		for (size_t j = 0; there && j < found->count; j++) {
			there = !is_same_place(container, found->paths[j], path);
		}
		if (status == STATUS_OK && there) {
			add_folder(found, path, strlen(path));
		}
	}
	return status;
}

/* --- which one it is ---------------------------------------------------------------------------------------------- */

static enum status refuse_several(const struct container *container, const struct folders *folders, struct error *error)
{
	char list[MESSAGE_LIMIT] = "";
	for (size_t i = 0; i < folders->count; i++) {
		size_t length = strlen(list);
		snprintf(list + length, sizeof list - length, "%s%s", i > 0 ? ", " : "", folders->paths[i]);
	}
	(void)error_set(error, STATUS_UNAVAILABLE,
					"container %s has a " CHROMADB_DATABASE
					" in several folders, and it cannot be told which one Chroma writes to: %s",
					container->name, list);
	return error_hint(error,
					  "name the folder in Chroma's command (--path), or remove the databases that it does not use");
}

static enum status refuse_removed(const struct container *container, const char *folder, struct error *error)
{
	(void)error_set(error, STATUS_UNAVAILABLE,
					"the " CHROMADB_DATABASE " that Chroma has open in container %s was removed from %s, or replaced",
					container->name, folder);
	return error_hint(error, "what Chroma writes now is lost when it ends; ./bot.sh restart has it read what is there");
}

static enum status choose(const struct container *container, const struct folders *folders, char *ret_folder,
						  struct error *error)
{
	const char *told = chromadb_argument(container, "--path");
	struct folders named = {.count = 0};
	if (told != NULL) {
		add_folder(&named, told, strlen(told));
	}
	if (folders->count == 0) {
		(void)error_set(error, STATUS_UNAVAILABLE, "no " CHROMADB_DATABASE " in container %s", container->name);
		return error_hint(
			error, "set the container's environment variable PERSIST_DIRECTORY to the folder that Chroma writes to");
	}
	if (folders->count > 1 && (named.count == 0 || !has_folder(folders, named.paths[0]))) {
		return refuse_several(container, folders, error);
	}
	strcpy(ret_folder, folders->count > 1 ? named.paths[0] : folders->paths[0]);
	return STATUS_OK;
}

enum status chromadb_folder_find(struct runtime *runtime, const struct container *container, unsigned port,
								 char ret_folder[CHROMADB_FOLDER_SIZE], struct error *error)
{
	struct held held = {.folders.count = 0};
	struct folders found = {.count = 0};
	enum status status = find_held(runtime, container, port, &held, error);
	if (status != STATUS_OK) {
		return status;
	}
	for (size_t i = 0; i < held.removed.count; i++) {
		if (held.folders.count == 0 || has_folder(&held.folders, held.removed.paths[i])) {
			return refuse_removed(container, held.removed.paths[i], error);
		}
	}
	if (held.folders.count == 0) {
		status = find_databases(runtime, container, &found, error);
	}
	return status == STATUS_OK ? choose(container, held.folders.count > 0 ? &held.folders : &found, ret_folder, error)
							   : status;
}
