#include "snapshot/journal.h"

#include "base/buffer.h"
#include "base/files.h"
#include "base/json_text.h"
#include "pipeline/file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum {
	JOURNAL_FORMAT = 1,
	BOOT_ID_SIZE = 64,
	JOURNAL_LIMIT = 1 << 20, /* bytes */
};

/* random(4), "/proc/sys/kernel/random/boot_id": another one after each start of the machine. Empty if unknown. */
static void boot_id(char text[BOOT_ID_SIZE])
{
	CLEANUP(cleanup_close) int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd >= 0 ? read(fd, text, BOOT_ID_SIZE - 1) : 0;
	text[length > 0 ? length : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

static json_t *containers_json(const struct container *const *containers, size_t count)
{
	json_t *list = json_array();
	for (size_t i = 0; list != NULL && i < count; i++) {
		json_t *item = json_pack("{s:s, s:s}", "id", containers[i]->id, "name", containers[i]->name);
		if (json_array_append_new(list, item) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static enum status write_text(int fd, const char *path, const char *text, struct error *error)
{
	for (size_t left = strlen(text); left > 0;) {
		ssize_t written = write(fd, text, left);
		if (written < 0 && errno != EINTR) {
			return error_set_errno(error, "cannot write %s", path);
		}
		text += written > 0 ? written : 0;
		left -= written > 0 ? (size_t)written : 0;
	}
	if (fsync(fd) != 0) {
		return error_set_errno(error, "cannot flush %s to disk", path);
	}
	return STATUS_OK;
}

enum status journal_write(const char *path, const char *engine, const struct container *const *containers, size_t count,
						  int *ret_fd, struct error *error)
{
	char boot[BOOT_ID_SIZE];
	boot_id(boot);
	json_t *list = containers_json(containers, count);
	json_t *document =
		json_pack("{s:i, s:s, s:s, s:o}", "format", JOURNAL_FORMAT, "boot", boot, "engine", engine, "containers", list);
	CLEANUP(cleanup_free) char *text = json_text_write(document, JSON_INDENT(2));
	json_decref(document);
	if (text == NULL) {
		return error_memory(error);
	}
	CLEANUP(cleanup_free) char *draft = NULL;
	if (asprintf(&draft, "%s.new", path) < 0) {
		draft = NULL;
		return error_memory(error);
	}
	/* It gets its name only when it is locked and whole: whoever finds it must not take it for one that was left. */
	unlink(draft);
	CLEANUP(cleanup_close) int fd = open(draft, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		return error_set_errno(error, "cannot make %s", draft);
	}
	enum status status =
		flock(fd, LOCK_EX | LOCK_NB) != 0 ? error_set_errno(error, "cannot lock %s", draft) : STATUS_OK;
	if (status == STATUS_OK) {
		status = write_text(fd, draft, text, error);
	}
	status = status == STATUS_OK ? file_publish(draft, path, error) : status;
	unlink(draft);
	if (status == STATUS_OK) {
		*ret_fd = cleanup_take(&fd);
	}
	return status;
}

static enum status fill(struct journal *journal, const char *text, struct error *error)
{
	json_t *document = NULL;
	if (json_text_read(text, JSON_REJECT_DUPLICATES, &document, error) == STATUS_NO_MEMORY) {
		return error->status; /* a text that is no JSON names nothing */
	}
	json_t *list = json_object_get(document, "containers");
	const char *engine = json_string_value(json_object_get(document, "engine"));
	const char *boot = json_string_value(json_object_get(document, "boot"));
	char now[BOOT_ID_SIZE];
	boot_id(now);
	journal->rebooted = boot != NULL && boot[0] != '\0' && now[0] != '\0' && strcmp(boot, now) != 0;
	journal->engine = strdup(engine != NULL ? engine : "");
	journal->ids = calloc(json_array_size(list) + 1, sizeof *journal->ids);
	journal->names = calloc(json_array_size(list) + 1, sizeof *journal->names);
	bool complete = journal->engine != NULL && journal->ids != NULL && journal->names != NULL;
	size_t index = 0;
	const json_t *item = NULL;
	json_array_foreach (list, index, item) {
		const char *id = json_string_value(json_object_get(item, "id"));
		const char *name = json_string_value(json_object_get(item, "name"));
		if (!complete || id == NULL || name == NULL || strspn(id, "0123456789abcdef") != strlen(id) || id[0] == '\0') {
			continue; /* an id becomes part of a request's path */
		}
		journal->ids[journal->count] = strdup(id);
		journal->names[journal->count] = strdup(name);
		complete = journal->ids[journal->count] != NULL && journal->names[journal->count] != NULL;
		journal->count++;
	}
	json_decref(document);
	return complete ? STATUS_OK : error_memory(error);
}

enum status journal_take(const char *path, struct journal **ret_journal, struct error *error)
{
	*ret_journal = NULL;
	CLEANUP(cleanup_close) int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		return errno == ENOENT || errno == ENOTDIR ? STATUS_OK : error_set_errno(error, "cannot read %s", path);
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		return errno == EWOULDBLOCK
				   ? error_set(error, STATUS_LOCKED, "a backup is taking its moment, or is being thawed after")
				   : error_set_errno(error, "cannot lock %s", path);
	}
	bool still_there = false; /* or removed, or another run's, by the time that it is locked */
	enum status status = files_is_name_of(path, fd, &still_there, error);
	if (status != STATUS_OK || !still_there) {
		return status;
	}
	CLEANUP(cleanup_free) char *text = NULL;
	CLEANUP(cleanup_journal) struct journal *journal = calloc(1, sizeof *journal);
	if (journal == NULL) {
		return error_memory(error);
	}
	journal->fd = -1;
	journal->fd = cleanup_take(&fd);
	journal->path = strdup(path);
	status = journal->path == NULL ? error_memory(error) : files_read_text(path, &text, error);
	if (status == STATUS_OK) {
		status = fill(journal, text, error);
	}
	if (status == STATUS_OK) {
		*ret_journal = MOVE(journal);
	}
	return status;
}

/* *ret_thawed: it was paused, and is no more. */
static enum status thaw(struct journal *journal, size_t index, struct runtime *runtime, bool *ret_thawed,
						struct error *error)
{
	const struct container container = {.id = journal->ids[index], .name = journal->names[index]};
	enum container_state state = CONTAINER_STOPPED;
	enum container_health health = HEALTH_NONE;
	enum status status = runtime_inspect(runtime, &container, &state, &health, error);
	*ret_thawed = false;
	if (status == STATUS_OK && state == CONTAINER_PAUSED) {
		status = runtime_unpause(runtime, &container, error);
		*ret_thawed = status == STATUS_OK;
	}
	return status == STATUS_CONFLICT || status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status journal_heal(struct journal *journal, struct runtime *runtime, char **ret_thawed, struct error *error)
{
	CLEANUP(buffer_free) struct buffer names = BUFFER_INIT(JOURNAL_LIMIT);
	enum status result = STATUS_OK;
	for (size_t i = 0; !journal->rebooted && i < journal->count; i++) {
		bool thawed = false;
		struct error failure;
		enum status status = thaw(journal, i, runtime, &thawed, &failure);
		if (status == STATUS_OK && thawed) {
			status = buffer_printf(&names, &failure, "%s%s", names.length > 0 ? ", " : "", journal->names[i]);
		}
		if (status != STATUS_OK && result == STATUS_OK) {
			*error = failure;
			result = status;
		}
	}
	if (result == STATUS_OK && unlink(journal->path) != 0 && errno != ENOENT) {
		result = error_set_errno(error, "cannot remove %s", journal->path);
	}
	if (result == STATUS_OK) {
		*ret_thawed = strdup(buffer_text(&names));
		result = *ret_thawed == NULL ? error_memory(error) : STATUS_OK;
	}
	return result;
}

void journal_free(struct journal *journal)
{
	if (journal == NULL) {
		return;
	}
	for (size_t i = 0; i < journal->count; i++) {
		free(journal->ids[i]);
		free(journal->names[i]);
	}
	free(journal->ids);
	free(journal->names);
	free(journal->engine);
	free(journal->path);
	cleanup_close(&journal->fd);
	free(journal);
}
