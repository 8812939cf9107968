#include "commands/backup_json.h"

#include "base/json_text.h"

#include <stdio.h>

static json_t *json_or_null(json_t *value)
{
	return value != NULL ? value : json_null();
}

static json_t *store_json(const struct backup *backup, size_t index)
{
	const struct backup_store *store = &backup->stores[index];
	json_t *object =
		json_pack("{s:s, s:s}", "name", store_table[index]->name, "status", store_status_name(store->status));
	if (object == NULL) {
		return NULL;
	}
	if (store->status == STORE_OK) {
		json_t *fingerprint = json_object_get(backup_store_manifest(backup, index), "fingerprint");
		(void)json_object_set_new(object, "file", json_or_null(json_string(store->file)));
		(void)json_object_set_new(object, "size_bytes", json_integer((json_int_t)store->size));
		(void)json_object_set_new(object, "sha256",
								  store->sha256[0] != '\0' ? json_string(store->sha256) : json_null());
		(void)json_object_set(object, "fingerprint", json_or_null(fingerprint));
		(void)json_object_set_new(object, "damaged", json_boolean(store->damaged));
	} else {
		(void)json_object_set_new(object, "reason", json_or_null(json_string(store->reason)));
	}
	return object;
}

/* The moment of the backup's name with its offset from UTC, as RFC 3339 has it. */
static json_t *created_json(const struct backup *backup)
{
	time_t moment = backup->moment;
	struct tm calendar;
	char text[BACKUP_DATE_SIZE];
	localtime_r(&moment, &calendar);
	size_t length = strftime(text, sizeof text - 8, "%Y-%m-%dT%H:%M:%S", &calendar);
	long offset = calendar.tm_gmtoff / 60;
	long minutes = offset < 0 ? -offset : offset;
	snprintf(text + length, sizeof text - length, "%c%02ld:%02ld", offset < 0 ? '-' : '+', minutes / 60 % 100,
			 minutes % 60);
	return json_string(text);
}

json_t *backup_json(const struct backup *backup)
{
	json_t *stores = json_array();
	for (size_t i = 0; stores != NULL && i < STORE_COUNT; i++) {
		if (backup->stores[i].status != STORE_ABSENT && json_array_append_new(stores, store_json(backup, i)) != 0) {
			json_decref(stores);
			return NULL;
		}
	}
	json_t *object = json_pack("{s:s, s:o, s:o, s:s, s:I, s:o, s:o}", "timestamp", backup->timestamp, "path",
							   json_or_null(json_string(backup->path)), "created", created_json(backup), "status",
							   backup_status_name(backup->status), "size_bytes", (json_int_t)backup->size, "verified",
							   json_or_null(verification_json(&backup->verified)), "stores", stores);
	if (object != NULL) {
		(void)json_object_set_new(object, "project", json_or_null(json_string(backup->project)));
		(void)json_object_set_new(object, "before_restore", json_boolean(backup->before_restore));
	}
	if (object != NULL && (backup->status == BACKUP_DAMAGED || backup->unreadable)) {
		(void)json_object_set_new(object, "problem", json_or_null(json_string(backup->problem)));
	}
	return object;
}

enum status backup_json_print(json_t *document, struct error *error)
{
	if (document == NULL) {
		return error_memory(error);
	}
	CLEANUP(cleanup_free) char *text = json_text_write(document, JSON_INDENT(2));
	json_decref(document);
	if (text == NULL) {
		return error_memory(error);
	}
	return puts(text) == EOF ? error_set_errno(error, "cannot write to standard output") : STATUS_OK;
}

const char *backup_date(const struct backup *backup, char ret_text[BACKUP_DATE_SIZE])
{
	time_t moment = backup->moment;
	struct tm calendar;
	localtime_r(&moment, &calendar);
	strftime(ret_text, BACKUP_DATE_SIZE, "%a %e %b %Y %H:%M:%S", &calendar);
	return ret_text;
}
