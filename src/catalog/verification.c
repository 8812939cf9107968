#include "catalog/verification.h"

#include "base/files.h"
#include "base/json_text.h"
#include "base/text.h"
#include "catalog/backup.h"
#include "pipeline/digest.h"
#include "pipeline/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	VERIFICATION_FORMAT = 1,
	TIME_SIZE = 32,
	LEGACY_LIMIT = 64 << 10, /* bytes of what is told of a legacy backup's files */
};

bool verification_is_good(const struct verification *verification)
{
	return verification->read.when != 0 && !verification_is_bad(verification);
}

bool verification_is_bad(const struct verification *verification)
{
	return (verification->read.when != 0 && !verification->read.good) ||
		   (verification->drill.when != 0 && !verification->drill.good);
}

static void note(struct verified_run *run, struct verified_store *store, const char *problem)
{
	if (store != NULL) {
		store->good = false;
		text_copy_line(store->problem, sizeof store->problem, problem);
	}
	if (run->problem[0] == '\0') {
		text_copy_line(run->problem, sizeof run->problem, problem);
	}
	run->good = false;
}

void verified_run_blame(struct verified_run *run, struct verified_store *store, const char *problem)
{
	if (run->unread) {
		run->problem[0] = '\0';
		run->unread = false;
	}
	note(run, store, problem);
}

void verified_run_unread(struct verified_run *run, struct verified_store *store, const char *problem)
{
	run->unread = run->unread || run->good;
	note(run, store, problem);
}

/* --- what it belongs to ------------------------------------------------------------------------------------------- */

/* A backup without a manifest is known by its files' names, sizes and times. */
static enum status identify_legacy(const char *path, char ret_identity[DIGEST_TEXT_SIZE], struct error *error)
{
	CLEANUP(buffer_free) struct buffer text = BUFFER_INIT(LEGACY_LIMIT);
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < STORE_COUNT; i++) {
		const char *name = store_table[i]->artefact;
		for (size_t next = 0; status == STATUS_OK && name != NULL; name = store_table[i]->legacy_artefacts[next++]) {
			CLEANUP(cleanup_free) char *file = NULL;
			struct stat attributes;
			status = files_join(path, name, &file, error);
			bool there = status == STATUS_OK && lstat(file, &attributes) == 0;
			if (status == STATUS_OK && !there && errno != ENOENT) {
				status = error_set_errno(error, "cannot look at %s", file);
			}
			if (there) {
				status = buffer_printf(&text, error, "%s %lld %lld.%09ld\n", name, (long long)attributes.st_size,
									   (long long)attributes.st_mtim.tv_sec, attributes.st_mtim.tv_nsec);
			}
		}
	}
	return status == STATUS_OK ? digest_text(buffer_text(&text), ret_identity, error) : status;
}

static enum status identify(const char *path, char ret_identity[DIGEST_TEXT_SIZE], struct error *error)
{
	CLEANUP(cleanup_free) char *manifest = NULL;
	uint64_t size = 0;
	enum status status = files_join(path, BACKUP_MANIFEST, &manifest, error);
	if (status == STATUS_OK) {
		status = digest_file(manifest, NULL, ret_identity, &size, error);
	}
	return status == STATUS_NOT_FOUND ? identify_legacy(path, ret_identity, error) : status;
}

/* --- as JSON ------------------------------------------------------------------------------------------------------ */

static json_t *problem_json(const char *problem)
{
	json_t *text = problem[0] != '\0' ? json_string(problem) : NULL;
	return text != NULL ? text : json_null();
}

static json_t *run_json(const struct verified_run *run)
{
	char when[TIME_SIZE];
	struct tm calendar;
	gmtime_r(&run->when, &calendar);
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &calendar);
	json_t *stores = json_array();
	for (size_t i = 0; stores != NULL && i < STORE_COUNT; i++) {
		const struct verified_store *store = &run->stores[i];
		if (store->looked_at) {
			(void)json_array_append_new(stores, json_pack("{s:s, s:b, s:f, s:o}", "name", store_table[i]->name, "good",
														  store->good, "seconds", store->seconds, "problem",
														  problem_json(store->problem)));
		}
	}
	return json_pack("{s:s, s:b, s:f, s:o, s:o}", "when", when, "good", run->good, "seconds", run->seconds, "problem",
					 problem_json(run->problem), "stores", stores);
}

json_t *verification_json(const struct verification *verification)
{
	if (verification->read.when == 0) {
		return json_null();
	}
	bool drilled = verification->drill.when != 0;
	return json_pack("{s:b, s:o, s:o}", "good", verification_is_good(verification), "read",
					 run_json(&verification->read), "drill", drilled ? run_json(&verification->drill) : json_null());
}

static void copy_text(char *to, size_t size, const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	text_copy_line(to, size, text != NULL ? text : "");
}

static void read_run(const json_t *object, struct verified_run *run)
{
	struct tm calendar = {0};
	const char *when = json_string_value(json_object_get(object, "when"));
	if (when == NULL || strptime(when, "%Y-%m-%dT%H:%M:%SZ", &calendar) == NULL) {
		return;
	}
	run->when = timegm(&calendar);
	run->good = json_is_true(json_object_get(object, "good"));
	run->seconds = json_number_value(json_object_get(object, "seconds"));
	copy_text(run->problem, sizeof run->problem, object, "problem");
	size_t index = 0;
	const json_t *item = NULL;
	json_array_foreach (json_object_get(object, "stores"), index, item) {
		const char *name = json_string_value(json_object_get(item, "name"));
		for (size_t i = 0; name != NULL && i < STORE_COUNT; i++) {
			if (strcmp(store_table[i]->name, name) == 0) {
				struct verified_store *store = &run->stores[i];
				store->looked_at = true;
				store->good = json_is_true(json_object_get(item, "good"));
				store->seconds = json_number_value(json_object_get(item, "seconds"));
				copy_text(store->problem, sizeof store->problem, item, "problem");
			}
		}
	}
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

static enum status read_document(const char *path, struct verification *verification, struct error *error)
{
	CLEANUP(cleanup_free) char *file = NULL;
	CLEANUP(cleanup_free) char *text = NULL;
	char identity[DIGEST_TEXT_SIZE];
	json_t *document = NULL;
	enum status status = files_join(path, VERIFICATION_FILE, &file, error);
	if (status == STATUS_OK) {
		status = files_read_text(file, &text, error);
	}
	if (status == STATUS_OK) {
		status = json_text_read(text, JSON_REJECT_DUPLICATES, &document, error);
		if (status != STATUS_OK && status != STATUS_NO_MEMORY) {
			return STATUS_OK; /* nonsense says nothing */
		}
	}
	if (status == STATUS_OK) {
		status = identify(path, identity, error);
	}
	const char *of = json_string_value(json_object_get(document, "backup"));
	if (status == STATUS_OK && of != NULL && strcmp(of, identity) == 0 &&
		json_integer_value(json_object_get(document, "format")) == VERIFICATION_FORMAT) {
		read_run(json_object_get(document, "read"), &verification->read);
		read_run(json_object_get(document, "drill"), &verification->drill);
	}
	json_decref(document);
	return status;
}

enum status verification_read(const char *path, struct verification *ret_verification, struct error *error)
{
	*ret_verification = (struct verification){0};
	enum status status = read_document(path, ret_verification, error);
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status replace(const char *path, const char *text, struct error *error)
{
	CLEANUP(cleanup_free) char *file = NULL;
	CLEANUP(cleanup_free) char *fresh = NULL;
	enum status status = files_join(path, VERIFICATION_FILE, &file, error);
	if (status == STATUS_OK) {
		status = files_join(path, VERIFICATION_FILE ".new", &fresh, error);
	}
	if (status == STATUS_OK) {
		status = files_remove(fresh, error); /* of a run that was killed */
	}
	if (status == STATUS_OK) {
		status = file_write_text(fresh, text, error);
	}
	if (status == STATUS_OK && rename(fresh, file) != 0) {
		status = error_set_errno(error, "cannot give %s its name", file);
	}
	if (status != STATUS_OK && fresh != NULL) {
		(void)unlink(fresh);
	}
	return status == STATUS_OK ? file_sync_folder(path, error) : status;
}

enum status verification_write(const char *path, const struct verification *verification, struct error *error)
{
	char identity[DIGEST_TEXT_SIZE];
	enum status status = identify(path, identity, error);
	if (status != STATUS_OK) {
		return status;
	}
	json_t *document = verification_json(verification);
	if (json_is_object(document)) {
		(void)json_object_set_new(document, "format", json_integer(VERIFICATION_FORMAT));
		(void)json_object_set_new(document, "backup", json_string(identity));
	}
	CLEANUP(cleanup_free)
	char *text = json_text_write(document, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	CLEANUP(cleanup_free) char *line = NULL;
	json_decref(document);
	if (text == NULL || asprintf(&line, "%s\n", text) < 0) {
		line = NULL;
		return error_memory(error);
	}
	return replace(path, line, error);
}
