#include "catalog/drill_journal.h"

#include "base/cleanup.h"
#include "base/files.h"
#include "base/json_text.h"
#include "pipeline/file.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define JOURNAL_NAME ".drill.json"

enum { JOURNAL_FORMAT = 1 };

enum status drill_journal_write(const char *folder, const char *engine, char ret_name[DRILL_NAME_SIZE],
								struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	uint64_t number = 0;
	if (getrandom(&number, sizeof number, 0) != sizeof number) {
		return error_set_errno(error, "cannot get random bytes");
	}
	snprintf(ret_name, DRILL_NAME_SIZE, "%016" PRIx64, number);
	json_t *document = json_pack("{s:i, s:s?, s:s}", "format", JOURNAL_FORMAT, "engine", engine, "drill", ret_name);
	CLEANUP(cleanup_free) char *text = json_text_write(document, JSON_INDENT(2));
	json_decref(document);
	enum status status = text == NULL ? error_memory(error) : files_join(folder, JOURNAL_NAME, &path, error);
	if (status == STATUS_OK) {
		status = file_write_text(path, text, error);
	}
	return status == STATUS_OK ? file_sync_folder(folder, error) : status;
}

enum status drill_journal_is_there(const char *folder, bool *ret_there, struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	*ret_there = false;
	enum status status = files_join(folder, JOURNAL_NAME, &path, error);
	return status == STATUS_OK ? files_exists(path, ret_there, error) : status;
}

enum status drill_journal_read(const char *folder, char **ret_engine, char ret_name[DRILL_NAME_SIZE],
							   struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(cleanup_free) char *text = NULL;
	*ret_engine = NULL;
	ret_name[0] = '\0';
	enum status status = files_join(folder, JOURNAL_NAME, &path, error);
	if (status == STATUS_OK) {
		status = files_read_text(path, &text, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	json_t *document = NULL;
	if (json_text_read(text, JSON_REJECT_DUPLICATES, &document, error) == STATUS_NO_MEMORY) {
		return error->status; /* a text that is no JSON names no drill */
	}
	const char *engine = json_string_value(json_object_get(document, "engine"));
	const char *name = json_string_value(json_object_get(document, "drill"));
	/* The name becomes part of a question to the engine. */
	if (name != NULL && strlen(name) == DRILL_NAME_SIZE - 1 && strspn(name, "0123456789abcdef") == strlen(name)) {
		strcpy(ret_name, name);
	}
	*ret_engine = engine != NULL ? strdup(engine) : NULL;
	status = engine != NULL && *ret_engine == NULL ? error_memory(error) : STATUS_OK;
	json_decref(document);
	return status;
}

enum status drill_journal_remove(const char *folder, struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	enum status status = files_join(folder, JOURNAL_NAME, &path, error);
	return status == STATUS_OK ? files_remove(path, error) : status;
}
