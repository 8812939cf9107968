#include "transaction/restore_journal.h"

#include "base/files.h"
#include "base/json_text.h"
#include "base/test_switch.h"
#include "pipeline/file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { JOURNAL_FORMAT = 1 };

void restore_journal_free(struct restore_journal *journal)
{
	if (journal == NULL) {
		return;
	}
	for (size_t i = 0; i < journal->count; i++) {
		free(journal->stores[i].name);
		free(journal->stores[i].container);
		free(journal->stores[i].memory);
	}
	if (journal->path != NULL) {
		cleanup_close(&journal->fd);
	}
	free(journal->stores);
	free(journal->path);
	free(journal->engine);
	free(journal->project);
	free(journal->timestamp);
	free(journal);
}

enum status restore_journal_add(struct restore_journal *journal, const char *name, const char *container,
								const char *memory, struct error *error)
{
	struct restore_journal_store *stores = reallocarray(journal->stores, journal->count + 1, sizeof *stores);
	if (stores == NULL) {
		return error_memory(error);
	}
	journal->stores = stores;
	struct restore_journal_store *store = &stores[journal->count++];
	*store =
		(struct restore_journal_store){.name = strdup(name), .container = strdup(container), .memory = strdup(memory)};
	return store->name == NULL || store->container == NULL || store->memory == NULL ? error_memory(error) : STATUS_OK;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* Takes back what was written behind `length`: a step that could not be noted must not be found noted. */
static enum status take_back(int fd, off_t length, enum status status)
{
	if (status != STATUS_OK && length >= 0 && ftruncate(fd, length) == 0) {
		(void)fsync(fd);
	}
	return status;
}

/* Appends a line and flushes it. The document is owned from then on. */
static enum status append(int fd, const char *path, json_t *document, struct error *error)
{
	CLEANUP(cleanup_free) char *text = json_text_write(document, JSON_COMPACT);
	CLEANUP(cleanup_free) char *line = NULL;
	json_decref(document);
	if (text == NULL || asprintf(&line, "%s\n", text) < 0) {
		line = NULL;
		return error_memory(error);
	}
	off_t before = lseek(fd, 0, SEEK_END);
	for (size_t left = strlen(line), done = 0; left > 0;) {
		ssize_t written = write(fd, line + done, left);
		if (written < 0 && errno != EINTR) {
			return take_back(fd, before, error_set_errno(error, "cannot write %s", path));
		}
		done += written > 0 ? (size_t)written : 0;
		left -= written > 0 ? (size_t)written : 0;
	}
	return fsync(fd) != 0 ? take_back(fd, before, error_set_errno(error, "cannot flush %s to disk", path)) : STATUS_OK;
}

static json_t *heading(const struct restore_journal *journal)
{
	json_t *stores = json_array();
	for (size_t i = 0; i < journal->count; i++) {
		const struct restore_journal_store *store = &journal->stores[i];
		(void)json_array_append_new(stores, json_pack("{s:s, s:s, s:s}", "name", store->name, "container",
													  store->container, "memory", store->memory));
	}
	return json_pack("{s:i, s:s, s:s, s:i, s:s, s:o}", "format", JOURNAL_FORMAT, "engine", journal->engine, "project",
					 journal->project, "volume_access", journal->volume_access, "timestamp", journal->timestamp,
					 "stores", stores);
}

enum status restore_journal_begin(struct restore_journal *journal, const char *path, const char *engine,
								  const char *project, const char *timestamp, struct error *error)
{
	CLEANUP(cleanup_free) char *draft = NULL;
	journal->path = strdup(path);
	journal->fd = -1;
	journal->engine = strdup(engine);
	journal->project = strdup(project);
	journal->timestamp = strdup(timestamp);
	if (journal->path == NULL || journal->engine == NULL || journal->project == NULL || journal->timestamp == NULL ||
		asprintf(&draft, "%s.new", path) < 0) {
		draft = NULL;
		return error_memory(error);
	}
	/* It gets its name only when it is locked and whole: whoever finds it must not take it for one that was left. */
	unlink(draft);
	CLEANUP(cleanup_close) int fd = open(draft, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		return error_set_errno(error, "cannot make %s", draft);
	}
	enum status status =
		flock(fd, LOCK_EX | LOCK_NB) != 0 ? error_set_errno(error, "cannot lock %s", draft) : STATUS_OK;
	if (status == STATUS_OK) {
		status = append(fd, draft, heading(journal), error);
	}
	status = status == STATUS_OK ? file_publish(draft, path, error) : status;
	unlink(draft);
	if (status == STATUS_OK) {
		journal->fd = cleanup_take(&fd);
	}
	return status;
}

enum status restore_journal_note(struct restore_journal *journal, const char *step, const char *store,
								 struct error *error)
{
	enum status status =
		append(journal->fd, journal->path,
			   store != NULL ? json_pack("{s:s, s:s}", "step", step, "store", store) : json_pack("{s:s}", "step", step),
			   error);
	return status == STATUS_OK ? test_switch_step(step, error) : status;
}

enum status restore_journal_end(struct restore_journal *journal, struct error *error)
{
	if (unlink(journal->path) != 0 && errno != ENOENT) {
		return error_set_errno(error, "cannot remove %s", journal->path);
	}
	return file_sync_folder_of(journal->path, error);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* Stays NULL if there is none. */
static enum status copy_text(char **text, const json_t *object, const char *key, struct error *error)
{
	const char *value = json_string_value(json_object_get(object, key));
	*text = value != NULL ? strdup(value) : NULL;
	return value != NULL && *text == NULL ? error_memory(error) : STATUS_OK;
}

static enum status read_heading(struct restore_journal *journal, const json_t *document, struct error *error)
{
	size_t index = 0;
	const json_t *item = NULL;
	if (copy_text(&journal->engine, document, "engine", error) != STATUS_OK ||
		copy_text(&journal->project, document, "project", error) != STATUS_OK ||
		copy_text(&journal->timestamp, document, "timestamp", error) != STATUS_OK) {
		return error->status;
	}
	journal->volume_access = (int)json_integer_value(json_object_get(document, "volume_access"));
	bool sound = json_integer_value(json_object_get(document, "format")) == JOURNAL_FORMAT && journal->engine != NULL &&
				 journal->project != NULL && journal->timestamp != NULL;
	json_array_foreach (json_object_get(document, "stores"), index, item) {
		const char *name = json_string_value(json_object_get(item, "name"));
		const char *container = json_string_value(json_object_get(item, "container"));
		const char *memory = json_string_value(json_object_get(item, "memory"));
		sound = sound && name != NULL && container != NULL && memory != NULL;
		enum status status = sound ? restore_journal_add(journal, name, container, memory, error) : STATUS_OK;
		if (status != STATUS_OK) {
			return status;
		}
	}
	if (sound && journal->count > 0) {
		return STATUS_OK;
	}
	(void)error_set(error, STATUS_FAILED, "%s, which a restore has left, makes no sense to this version",
					journal->path);
	return error_hint(error, "see docs/RESTORE.md, put the stores right by hand, and remove that file");
}

static void read_step(struct restore_journal *journal, const char *step, const char *store)
{
	if (strcmp(step, RESTORE_JOURNAL_COMMITTING) == 0) {
		journal->committing = true;
	} else if (strcmp(step, RESTORE_JOURNAL_ROLLING_BACK) == 0 || strcmp(step, RESTORE_JOURNAL_UNDONE) == 0) {
		journal->committing = false; /* the decision could not be made for good */
	}
	for (size_t i = 0; i < journal->count; i++) {
		struct restore_journal_store *each = &journal->stores[i];
		if (store == NULL || strcmp(each->name, store) != 0) {
			continue;
		}
		each->swapping = (each->swapping || strcmp(step, RESTORE_JOURNAL_SWAPPING) == 0) &&
						 strcmp(step, RESTORE_JOURNAL_UNDONE) != 0;
	}
}

static enum status read_lines(struct restore_journal *journal, char *text, struct error *error)
{
	char *rest = text;
	bool first = true;
	enum status status = STATUS_OK;
	/* A line that was cut off is the last one, and its step has not begun. */
	for (char *line; status == STATUS_OK && (line = strsep(&rest, "\n")) != NULL && (first || rest != NULL);) {
		json_t *document = NULL;
		if (json_text_read(line, JSON_REJECT_DUPLICATES, &document, error) == STATUS_NO_MEMORY) {
			return error->status;
		}
		const char *step = json_string_value(json_object_get(document, "step"));
		if (first) {
			status = read_heading(journal, document, error);
		}
		if (step != NULL) {
			read_step(journal, step, json_string_value(json_object_get(document, "store")));
		}
		json_decref(document);
		first = false;
	}
	return status;
}

enum status restore_journal_take(const char *path, struct restore_journal **ret_journal, struct error *error)
{
	*ret_journal = NULL;
	CLEANUP(cleanup_close) int fd = open(path, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		return errno == ENOENT || errno == ENOTDIR ? STATUS_OK : error_set_errno(error, "cannot read %s", path);
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		return errno == EWOULDBLOCK ? error_set(error, STATUS_LOCKED, "a restore is at work")
									: error_set_errno(error, "cannot lock %s", path);
	}
	bool still_there = false; /* or removed, or another run's, by the time that it is locked */
	enum status status = files_is_name_of(path, fd, &still_there, error);
	if (status != STATUS_OK || !still_there) {
		return status;
	}
	CLEANUP(cleanup_free) char *text = NULL;
	CLEANUP(cleanup_restore_journal) struct restore_journal *journal = calloc(1, sizeof *journal);
	if (journal == NULL || (journal->path = strdup(path)) == NULL) {
		return error_memory(error);
	}
	journal->fd = cleanup_take(&fd);
	status = files_read_text(path, &text, error);
	if (status == STATUS_OK) {
		status = read_lines(journal, text, error);
	}
	if (status == STATUS_OK) {
		*ret_journal = MOVE(journal);
	}
	return status;
}
