#include "catalog/record.h"

#include "base/buffer.h"
#include "base/files.h"
#include "base/json_text.h"
#include "base/text.h"
#include "base/units.h"
#include "catalog/backup.h"
#include "pipeline/file.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	TEXT_LIMIT = 64 << 10, /* bytes of backup_info.txt and of SHA256SUMS */
	TIME_SIZE = 40,
	HOST_SIZE = 256,
};

bool record_is_complete(const struct backup_record *record)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		if (record->stores[i].status != STORE_OK) {
			return false;
		}
	}
	return true;
}

static enum status write_text(const char *folder, const char *name, const char *text, struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	enum status status = files_join(folder, name, &path, error);
	return status == STATUS_OK ? file_write_text(path, text, error) : status;
}

static enum status write_information(const struct backup_record *record, const char *folder, struct error *error)
{
	CLEANUP(buffer_free) struct buffer text = BUFFER_INIT(TEXT_LIMIT);
	struct tm calendar;
	char date[TIME_SIZE];
	localtime_r(&record->started.tv_sec, &calendar);
	strftime(date, sizeof date, "%a %b %e %H:%M:%S %Z %Y", &calendar);
	enum status status =
		buffer_printf(&text, error,
					  "WhisperEngine Backup Information\n================================\nBackup Date: %s\n"
					  "Backup Directory: %s\nBackup Type: %s System Backup\n\nServices Backed Up:\n",
					  date, record->shown_path, record_is_complete(record) ? "Full" : "Partial");
	for (size_t i = 0; status == STATUS_OK && i < STORE_COUNT; i++) {
		const struct store_record *store = &record->stores[i];
		const char *name = store_table[i]->name;
		char size[UNITS_SIZE];
		if (store->status == STORE_OK) {
			status = buffer_printf(&text, error, "✅ %s: %s (%s)\n", name, store_table[i]->artefact,
								   units_bytes(store->size, size));
		} else {
			status = buffer_printf(&text, error, "%s %s: %s (%s)\n", store->status == STORE_FAILED ? "❌" : "⚠️",
								   name, store_status_name(store->status), store->reason);
		}
	}
	return status == STATUS_OK ? write_text(folder, BACKUP_INFORMATION, buffer_text(&text), error) : status;
}

/* The manifest's comes first, so that none of the lines can be cut off without being missed. */
static enum status write_sums(const struct backup_record *record, const char *manifest, const char *folder,
							  struct error *error)
{
	CLEANUP(buffer_free) struct buffer text = BUFFER_INIT(TEXT_LIMIT);
	CLEANUP(cleanup_free) char *information = NULL;
	char digest[DIGEST_TEXT_SIZE];
	uint64_t size = 0;
	enum status status = digest_text(manifest, digest, error);
	if (status == STATUS_OK) {
		status = buffer_printf(&text, error, "%s  %s\n", digest, BACKUP_MANIFEST);
	}
	if (status == STATUS_OK) {
		status = files_join(folder, BACKUP_INFORMATION, &information, error);
	}
	if (status == STATUS_OK) {
		status = digest_file(information, NULL, digest, &size, error);
	}
	if (status == STATUS_OK) {
		status = buffer_printf(&text, error, "%s  %s\n", digest, BACKUP_INFORMATION);
	}
	for (size_t i = 0; status == STATUS_OK && i < STORE_COUNT; i++) {
		if (record->stores[i].status == STORE_OK) {
			status = buffer_printf(&text, error, "%s  %s\n", record->stores[i].sha256, store_table[i]->artefact);
		}
	}
	return status == STATUS_OK ? write_text(folder, BACKUP_SUMS, buffer_text(&text), error) : status;
}

/* RFC 3339 in UTC with milliseconds. */
static json_t *json_time(const struct timespec *moment)
{
	struct tm calendar;
	char text[TIME_SIZE];
	gmtime_r(&moment->tv_sec, &calendar);
	size_t length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &calendar);
	snprintf(text + length, sizeof text - length, ".%03dZ", (int)(moment->tv_nsec / 1000000));
	return json_string(text);
}

/* A text that came from outside; null if it is empty or cannot be told in JSON. NULL: no memory. */
static json_t *json_text(const char *text)
{
	return text[0] != '\0' && text_is_utf8(text) ? json_string(text) : json_null();
}

static bool add_count(json_t *object, const struct count *count)
{
	json_t *kind = json_object_get(object, count->kind);
	if (kind == NULL) {
		kind = json_object();
		if (json_object_set_new(object, count->kind, kind) != 0) {
			return false;
		}
	}
	return json_object_set_new(kind, count->name, json_integer((json_int_t)count->number)) == 0;
}

/* {"rows": {"shop.public.users": 12, ...}, ...}; null if it is not known. A name that is not UTF-8, which JSON cannot
 * tell, is left out. NULL: no memory. */
static json_t *json_fingerprint(const struct fingerprint *fingerprint)
{
	json_t *object = fingerprint->known ? json_object() : json_null();
	bool complete = object != NULL;
	for (size_t i = 0; complete && fingerprint->known && i < fingerprint->count; i++) {
		const struct count *count = &fingerprint->items[i];
		complete = !text_is_utf8(count->name) || add_count(object, count);
	}
	if (!complete) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *json_store(const struct store_ops *ops, const struct store_record *store, bool counts)
{
	json_t *object = json_pack("{s:s, s:s}", "name", ops->name, "status", store_status_name(store->status));
	if (object == NULL) {
		return NULL;
	}
	int failed = 0;
	if (store->container != NULL) {
		failed |= json_object_set_new(object, "container", json_text(store->container->name));
		failed |= json_object_set_new(object, "image", json_text(store->container->image));
		failed |= json_object_set_new(object, "image_digest", json_text(store->container->image_digest));
	}
	if (store->status == STORE_OK) {
		failed |= json_object_set_new(object, "file", json_string(ops->artefact));
		failed |= json_object_set_new(object, "size_bytes", json_integer((json_int_t)store->size));
		failed |= json_object_set_new(object, "raw_bytes", json_integer((json_int_t)store->artefact.raw_bytes));
		failed |= json_object_set_new(object, "sha256", json_string(store->sha256));
		failed |= json_object_set_new(object, "method", json_text(store->saved.method));
		failed |= json_object_set_new(object, "server_version", json_text(store->server_version));
		failed |= json_object_set_new(object, "data_folder", json_text(store->data_folder));
		failed |= json_object_set_new(object, "freeze_milliseconds", json_real(store->freeze_milliseconds));
		failed |= json_object_set_new(object, "retries", json_integer((json_int_t)store->retries));
		failed |= json_object_set_new(object, "window_bytes", json_integer((json_int_t)store->saved.window_bytes));
		failed |= json_object_set_new(object, "fingerprint",
									  counts ? json_fingerprint(&store->saved.fingerprint) : json_null());
		failed |= json_object_set_new(
			object, "fingerprint_exact",
			json_boolean(counts && store->saved.fingerprint.known && store->saved.fingerprint.exact));
	} else {
		failed |= json_object_set_new(object, "reason", json_text(store->reason));
	}
	if (failed != 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *json_steps(const struct backup_record *record)
{
	json_t *object = json_object();
	for (size_t i = 0; object != NULL && i < RECORD_WINDOW_STEPS && record->window_steps[i].name != NULL; i++) {
		const struct window_step *step = &record->window_steps[i];
		if (json_object_set_new(object, step->name, json_real(step->milliseconds)) != 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static bool add_moment(json_t *manifest, const struct backup_record *record)
{
	bool taken = record->cut.tv_sec != 0;
	return json_object_set_new(manifest, "one_moment", json_boolean(taken && !record->writers_ran)) == 0 &&
		   json_object_set_new(manifest, "cut", taken ? json_time(&record->cut) : json_null()) == 0 &&
		   json_object_set_new(manifest, "window_milliseconds", json_real(record->window_milliseconds)) == 0 &&
		   json_object_set_new(manifest, "window_steps", json_steps(record)) == 0 &&
		   json_object_set_new(manifest, "window_tries", json_integer((json_int_t)record->tries)) == 0 &&
		   json_object_set_new(manifest, "writers_paused", json_integer((json_int_t)record->writers_paused)) == 0 &&
		   json_object_set_new(manifest, "writers_exempt", json_integer((json_int_t)record->writers_exempt)) == 0;
}

static enum status make_manifest(const struct backup_record *record, bool counts, char **ret_text, struct error *error)
{
	char host[HOST_SIZE] = "";
	(void)gethostname(host, sizeof host - 1);
	json_t *manifest = json_pack("{s:i, s:{s:s, s:s}, s:o, s:o, s:s, s:s, s:o, s:o}", "format", BACKUP_FORMAT, "tool",
								 "name", "whisperbackup", "version", WHISPERBACKUP_VERSION, "host", json_text(host),
								 "project", json_text(record->project), "timestamp", record->timestamp, "status",
								 record_is_complete(record) ? "complete" : "partial", "started",
								 json_time(&record->started), "finished", json_time(&record->finished));
	json_t *stores = json_array();
	bool complete = manifest != NULL && stores != NULL;
	for (size_t i = 0; complete && i < STORE_COUNT; i++) {
		complete = json_array_append_new(stores, json_store(store_table[i], &record->stores[i], counts)) == 0;
	}
	if (complete && record->before_restore_of != NULL) {
		complete = json_object_set_new(manifest, "before_restore_of", json_string(record->before_restore_of)) == 0;
	}
	complete = complete && add_moment(manifest, record);
	complete = complete && json_object_set(manifest, "stores", stores) == 0;
	CLEANUP(cleanup_free)
	char *text = complete ? json_text_write(manifest, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) : NULL;
	CLEANUP(cleanup_free) char *line = NULL;
	json_decref(stores);
	json_decref(manifest);
	if (text == NULL || asprintf(&line, "%s\n", text) < 0) {
		line = NULL;
		return error_memory(error);
	}
	*ret_text = MOVE(line);
	return STATUS_OK;
}

void record_free(struct backup_record *record)
{
	for (size_t i = 0; i < STORE_COUNT; i++) {
		fingerprint_free(&record->stores[i].saved.fingerprint);
	}
}

enum status record_write(const struct backup_record *record, const char *folder, struct error *error)
{
	CLEANUP(cleanup_free) char *manifest = NULL;
	enum status status = write_information(record, folder, error);
	if (status == STATUS_OK) {
		status = make_manifest(record, true, &manifest, error);
	}
	/* With so many tables or collections nobody could read it: the backup is as good without their counts. */
	if (status == STATUS_OK && !backup_manifest_can_be_read(manifest)) {
		free(MOVE(manifest));
		status = make_manifest(record, false, &manifest, error);
	}
	if (status == STATUS_OK) {
		status = write_sums(record, manifest, folder, error);
	}
	return status == STATUS_OK ? write_text(folder, BACKUP_MANIFEST, manifest, error) : status;
}
