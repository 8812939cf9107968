#include "commands/session.h"

#include "base/files.h"
#include "base/text.h"
#include "catalog/catalog.h"
#include "catalog/trust.h"
#include "commands/recovery.h"
#include "runtimes/docker.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const compose_files[] = {"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml",
											NULL};

static enum status holds_compose_file(const char *folder, bool *ret_holds, struct error *error)
{
	*ret_holds = false;
	for (size_t i = 0; compose_files[i] != NULL && !*ret_holds; i++) {
		CLEANUP(cleanup_free) char *path = NULL;
		enum status status = files_join(folder, compose_files[i], &path, error);
		if (status != STATUS_OK) {
			return status;
		}
		*ret_holds = access(path, F_OK) == 0;
		if (!*ret_holds && errno != ENOENT && errno != ENOTDIR && errno != ELOOP && errno != EACCES) {
			return error_set_errno(error, "cannot look at %s", path);
		}
	}
	return STATUS_OK;
}

/*
 * The current folder as the shell names it (PWD), with symbolic links in it: Compose v2 writes that into its label,
 * while v1 writes the real path. Owned by the caller; NULL with errno.
 */
static char *current_folder(void)
{
	const char *named = getenv("PWD");
	struct stat by_name;
	struct stat real;
	if (named != NULL && named[0] == '/' && stat(named, &by_name) == 0 && stat(".", &real) == 0 &&
		by_name.st_dev == real.st_dev && by_name.st_ino == real.st_ino) {
		return strdup(named);
	}
	return getcwd(NULL, 0);
}

static enum status find_project_folder(char **ret_folder, bool *ret_found, struct error *error)
{
	CLEANUP(cleanup_free) char *here = current_folder();
	CLEANUP(cleanup_free) char *folder = here != NULL ? strdup(here) : NULL;
	if (folder == NULL) {
		return error_set_errno(error, "cannot tell the current folder");
	}
	for (;;) {
		bool holds = false;
		enum status status = holds_compose_file(folder, &holds, error);
		if (status != STATUS_OK) {
			return status;
		}
		if (holds) {
			*ret_found = true;
			*ret_folder = MOVE(folder);
			return STATUS_OK;
		}
		char *slash = strrchr(folder, '/');
		if (slash == NULL || slash == folder) {
			*ret_folder = MOVE(here);
			return STATUS_OK;
		}
		*slash = '\0';
	}
}

/* The value of a line "NAME=value" of a .env file, without quotes, as Compose reads it, lent and not ended; NULL if
 * there is none. */
static const char *dot_env_value(const char *text, const char *name, size_t *ret_length)
{
	size_t length = strlen(name);
	const char *value = NULL;
	for (const char *line = text; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *at = line + strspn(line, " \t");
		if (strncmp(at, "export ", 7) == 0) {
			at += 7 + strspn(at + 7, " \t");
		}
		if (strncmp(at, name, length) != 0 || at[length] != '=') {
			continue;
		}
		at += length + 1;
		size_t end = strcspn(at, "\r\n");
		if ((at[0] == '"' || at[0] == '\'') && end > 1 && memchr(at + 1, at[0], end - 1) != NULL) {
			end = (size_t)((const char *)memchr(at + 1, at[0], end - 1) - at - 1);
			at++;
		} else {
			for (size_t i = 0; i < end; i++) { /* a comment begins with " #" */
				end = at[i] == '#' && (i == 0 || isspace((unsigned char)at[i - 1])) ? i : end;
			}
			while (end > 0 && isspace((unsigned char)at[end - 1])) {
				end--;
			}
		}
		value = at; /* the last line wins */
		*ret_length = end;
	}
	return value;
}

/* The environment's value, else that of .env; *ret_value is NULL if neither sets it, or to nothing. */
static enum status setting(const char *dot_env, const char *name, char **ret_value, struct error *error)
{
	const char *value = getenv(name);
	size_t length = value != NULL ? strlen(value) : 0;
	if (length == 0 && dot_env != NULL) {
		value = dot_env_value(dot_env, name, &length);
	}
	*ret_value = value != NULL && length > 0 ? strndup(value, length) : NULL;
	return value != NULL && length > 0 && *ret_value == NULL ? error_memory(error) : STATUS_OK;
}

static enum status choose(struct session *session, const char *only, struct error *error)
{
	session->all_chosen = only == NULL;
	for (size_t i = 0; i < STORE_COUNT; i++) {
		session->chosen[i] = only == NULL;
	}
	if (only == NULL) {
		return STATUS_OK;
	}
	CLEANUP(cleanup_free) char *list = strdup(only);
	if (list == NULL) {
		return error_memory(error);
	}
	char *rest = list;
	for (char *name; (name = strsep(&rest, ",")) != NULL;) {
		const struct store_ops *store = store_by_name(name);
		if (store == NULL) {
			(void)error_set(error, STATUS_USAGE, "--only knows no store \"%s\"", name);
			return error_hint(error, "the stores are postgresql, redis, chromadb and neo4j, separated by commas");
		}
		for (size_t i = 0; i < STORE_COUNT; i++) {
			session->chosen[i] = session->chosen[i] || store_table[i] == store;
		}
	}
	return STATUS_OK;
}

static enum status set_backup_folder(struct session *session, const char *dot_env, struct error *error)
{
	CLEANUP(cleanup_free) char *chosen = NULL;
	enum status status = setting(dot_env, "BACKUP_DIR", &chosen, error);
	if (status != STATUS_OK) {
		return status;
	}
	session->folder_chosen = chosen != NULL;
	if (chosen != NULL && chosen[0] == '/') {
		session->backup_folder = strdup(chosen);
		session->backup_folder_shown = strdup(chosen);
	} else {
		const char *inside = chosen != NULL ? chosen : "backups";
		while (strncmp(inside, "./", 2) == 0) {
			inside += 2;
		}
		status = files_join(session->project_folder, inside, &session->backup_folder, error);
		if (status == STATUS_OK) {
			status = files_join(".", inside, &session->backup_folder_shown, error);
		}
		if (status != STATUS_OK) {
			return status;
		}
	}
	session->project_folder_shown = strdup(session->project_folder);
	if (session->backup_folder == NULL || session->backup_folder_shown == NULL ||
		session->project_folder_shown == NULL) {
		return error_memory(error);
	}
	text_make_line(session->backup_folder_shown);
	text_make_line(session->project_folder_shown);
	for (char *folder = session->backup_folder; strlen(folder) > 1 && folder[strlen(folder) - 1] == '/';) {
		folder[strlen(folder) - 1] = '\0';
	}
	return STATUS_OK;
}

/*
 * Said once, it holds for all that this run calls, so it goes into the environment. It is not read from .env: who can
 * write to the backups may well have written that.
 */
static enum status set_shared_allowed(struct session *session, const struct invocation *invocation, struct error *error)
{
	if (invocation->options[OPTION_ALLOW_SHARED_FOLDER] != NULL &&
		setenv("WHISPERBACKUP_ALLOW_SHARED_FOLDER", "yes", 1) != 0) {
		return error_memory(error);
	}
	const char *value = getenv("WHISPERBACKUP_ALLOW_SHARED_FOLDER");
	session->shared_allowed = value != NULL && strcmp(value, "yes") == 0;
	if (value == NULL || value[0] == '\0' || strcmp(value, "no") == 0 || session->shared_allowed) {
		return STATUS_OK;
	}
	return error_set(error, STATUS_USAGE, "WHISPERBACKUP_ALLOW_SHARED_FOLDER is \"%s\", but may be yes or no", value);
}

enum status session_open_only(const struct invocation *invocation, struct session *ret_session, struct error *error)
{
	struct session session = {0};
	CLEANUP(cleanup_free) char *dot_env_path = NULL;
	CLEANUP(cleanup_free) char *dot_env = NULL;
	enum status status = find_project_folder(&session.project_folder, &session.has_compose_file, error);
	if (status == STATUS_OK) {
		session.real_folder = realpath(session.project_folder, NULL);
		status = session.real_folder != NULL ? files_join(session.project_folder, ".env", &dot_env_path, error)
											 : error_set_errno(error, "cannot find %s", session.project_folder);
	}
	if (status == STATUS_OK) {
		status = files_read_text(dot_env_path, &dot_env, error);
		status = status == STATUS_NOT_FOUND ? STATUS_OK : status;
	}
	if (status == STATUS_OK) {
		status = set_backup_folder(&session, dot_env, error);
	}
	if (status == STATUS_OK) {
		status = setting(dot_env, "DOCKER_HOST", &session.docker_host, error);
	}
	if (status == STATUS_OK) {
		status = setting(dot_env, "COMPOSE_PROJECT_NAME", &session.project, error);
	}
	if (status == STATUS_OK) {
		session.volume_access = invocation->options[OPTION_VOLUME_ACCESS];
		status = choose(&session, invocation->options[OPTION_ONLY], error);
	}
	if (status == STATUS_OK) {
		status = set_shared_allowed(&session, invocation, error);
	}
	if (status != STATUS_OK) {
		session_close(&session);
		return status;
	}
	*ret_session = session;
	return STATUS_OK;
}

enum status session_open(const struct invocation *invocation, struct session *ret_session, struct error *error)
{
	enum status status = session_open_only(invocation, ret_session, error);
	struct error ignored;
	if (status == STATUS_OK && session_guard(ret_session, &ignored) == STATUS_OK) {
		recovery_try(ret_session->backup_folder);
	}
	return status;
}

enum status session_guard(const struct session *session, struct error *error)
{
	return session->shared_allowed ? STATUS_OK : trust_check(session->backup_folder, error);
}

enum status session_lock(const struct session *session, int *ret_lock, struct error *error)
{
	CLEANUP(catalog_unlock) int lock = -1;
	enum status status = catalog_lock(session->backup_folder, &lock, error);
	if (status == STATUS_OK) {
		status = session_guard(session, error);
	}
	if (status == STATUS_OK) {
		*ret_lock = cleanup_take(&lock);
	}
	return status;
}

/* Compose's default: the folder's name in lower case, of letters, digits, underscores and dashes. */
static char *default_project(const char *folder)
{
	const char *slash = strrchr(folder, '/');
	char *name = strdup(slash != NULL ? slash + 1 : folder);
	size_t length = 0;
	for (size_t i = 0; name != NULL && name[i] != '\0'; i++) {
		int c = tolower((unsigned char)name[i]);
		if (isalnum(c) || (length > 0 && (c == '_' || c == '-'))) {
			name[length++] = (char)c;
		}
	}
	if (name != NULL) {
		name[length] = '\0';
	}
	return name;
}

static enum status assign_containers(struct session *session, struct error *error)
{
	for (size_t i = 0; i < session->containers.count; i++) {
		const struct container *container = session->containers.items[i];
		const struct store_ops *store = store_of_container(container);
		for (size_t s = 0; store != NULL && s < STORE_COUNT; s++) {
			if (store_table[s] != store) {
				continue;
			}
			const struct container *other = session->of_store[s];
			/* A label outweighs a service's name; two of the same weight are a question for the user. */
			bool outweighs = other == NULL || (container->store[0] != '\0' && other->store[0] == '\0');
			bool outweighed = other != NULL && container->store[0] == '\0' && other->store[0] != '\0';
			if (!outweighs && !outweighed) {
				(void)error_set(error, STATUS_FAILED, "two containers are %s: %s and %s", store->title, other->name,
								container->name);
				return error_hint(error, "give the one that is meant the label whisperengine.backup.store=%s",
								  store->name);
			}
			session->of_store[s] = outweighs ? container : other;
		}
	}
	return STATUS_OK;
}

/* --volume-access, else WHISPERBACKUP_VOLUME_ACCESS: how files in volumes are reached. */
static enum status set_volume_access(struct session *session, struct error *error)
{
	static const char *const names[] = {[VOLUME_AUTO] = "auto", [VOLUME_DIRECT] = "direct", [VOLUME_API] = "api"};
	const char *access = session->volume_access;
	access = access != NULL ? access : getenv("WHISPERBACKUP_VOLUME_ACCESS");
	if (access == NULL || access[0] == '\0') {
		return STATUS_OK;
	}
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(access, names[i]) == 0) {
			session->runtime->volume_access = (enum volume_access)i;
			return STATUS_OK;
		}
	}
	return error_set(error, STATUS_USAGE, "%s is \"%s\", but may be auto, direct or api",
					 session->volume_access != NULL ? "--volume-access" : "WHISPERBACKUP_VOLUME_ACCESS", access);
}

static enum status find_project(struct session *session, struct error *error)
{
	enum status status = docker_project_of_folder(session->runtime, session->project_folder, &session->project, error);
	if (status == STATUS_OK && session->project == NULL) {
		status = docker_project_of_folder(session->runtime, session->real_folder, &session->project, error);
	}
	if (status == STATUS_OK && session->project == NULL) {
		session->project = default_project(session->project_folder);
		status = session->project == NULL ? error_memory(error) : STATUS_OK;
	}
	return status;
}

enum status session_connect(struct session *session, struct error *error)
{
	enum status status = docker_runtime_new(session->docker_host, &session->runtime, error);
	if (status == STATUS_OK) {
		status = set_volume_access(session, error);
	}
	if (status == STATUS_OK && session->project == NULL) {
		status = find_project(session, error);
	}
	return status == STATUS_OK ? session_refresh(session, error) : status;
}

enum status session_refresh(struct session *session, struct error *error)
{
	container_list_free(&session->containers);
	memset(session->of_store, 0, sizeof session->of_store);
	enum status status = runtime_find(session->runtime, session->project, &session->containers, error);
	return status == STATUS_OK ? assign_containers(session, error) : status;
}

const char *session_why_not(const struct session *session, size_t store)
{
	const struct container *container = session->of_store[store];
	if (container == NULL) {
		return "no container";
	}
	switch (container->state) {
	case CONTAINER_RUNNING:
		return NULL;
	case CONTAINER_PAUSED:
		return "paused";
	case CONTAINER_RESTARTING:
		return "restarting again and again";
	case CONTAINER_STOPPED:
		break;
	}
	return "not running";
}

enum status session_nothing_runs(const struct session *session, struct error *error)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		const struct container *container = session->of_store[i];
		if (session->chosen[i] && container != NULL && container->state == CONTAINER_PAUSED) {
			(void)error_set(error, STATUS_UNAVAILABLE, "%s is paused", store_table[i]->title);
			return error_hint(error, "if nobody paused it on purpose, thaw it: docker unpause %s", container->name);
		}
	}
	(void)error_set(error, STATUS_UNAVAILABLE, "No containers are running in the Compose project %s%s",
					session->project, session->all_chosen ? "" : " for the chosen stores");
	return error_hint(error, "start WhisperEngine first: ./bot.sh start; if its project has another name, set "
							 "COMPOSE_PROJECT_NAME");
}

void session_close(struct session *session)
{
	container_list_free(&session->containers);
	runtime_free(session->runtime);
	free(session->project_folder);
	free(session->real_folder);
	free(session->backup_folder);
	free(session->project_folder_shown);
	free(session->backup_folder_shown);
	free(session->docker_host);
	free(session->project);
	*session = (struct session){0};
}
