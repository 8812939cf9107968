#include "stores/chromadb/read_all.h"

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/json_text.h"
#include "stores/chromadb/counts.h"
#include "stores/container_http.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum {
	PATH_LIMIT = 4096,
	REPLY_LIMIT = 48 << 20, /* bytes of a page */
	PAGE_BYTES = 2 << 20,   /* what a page is meant to hold */
	PAGE_MOST = 500,        /* records */
	NUMBER_BYTES = 24,      /* of a number of a vector, as text */
	RECORD_BYTES = 2 << 10, /* of the rest of a record; a guess */
	QUERIES_MOST = 8,       /* vectors that are searched for in one collection, of each page */
	NEIGHBOURS = 5,         /* records that each of them has to find, if there are that many */
	WORDS_SHOWN = 300,      /* bytes of what the server says */
	HTTP_OK = 200,
	AGAIN_MILLISECONDS = 2000, /* until a server that could not answer is asked once more */
};

struct reading {
	struct runtime *runtime;
	const struct container *container;
	unsigned port;
	struct progress *progress;
};

static void cleanup_json_value(json_t **value)
{
	json_decref(*value);
}

/* An index that is damaged is answered with HTTP 500, and never with an answer that has no end. */
static enum status post_once(const struct reading *reading, const char *path, const char *body, json_t **ret_reply,
							 struct error *error)
{
	CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(REPLY_LIMIT);
	int code = 0;
	enum status status =
		container_http_post(reading->runtime, reading->container, reading->port, path, body, &code, &reply, error);
	if (status != STATUS_OK) {
		return status;
	}
	if (code < HTTP_OK || code >= HTTP_OK + 100) {
		bool busy = container_http_is_busy(code);
		(void)error_set(error, busy ? STATUS_UNAVAILABLE : STATUS_DAMAGED, "Chroma answers with HTTP %d: %.*s", code,
						WORDS_SHOWN, buffer_text(&reply));
		return busy ? error_blameless(error) : error->status;
	}
	status = json_text_read(buffer_text(&reply), JSON_ALLOW_NUL, ret_reply, error);
	if (status == STATUS_OK || status == STATUS_NO_MEMORY) {
		return status;
	}
	(void)error_set(error, STATUS_UNAVAILABLE, "Chroma's answer is not whole: %zu bytes with HTTP %d", reply.length,
					code);
	return error_blameless(error);
}

static enum status post(const struct reading *reading, const char *path, json_t *body, json_t **ret_reply,
						struct error *error)
{
	CLEANUP(cleanup_free) char *text = json_text_write(body, JSON_COMPACT);
	json_decref(body);
	if (text == NULL) {
		return error_memory(error);
	}
	enum status status = post_once(reading, path, text, ret_reply, error);
	if (status == STATUS_OK || !error->blameless) {
		return status;
	}
	clock_sleep(AGAIN_MILLISECONDS);
	status = interrupt_check(error);
	return status == STATUS_OK ? post_once(reading, path, text, ret_reply, error) : status;
}

/* A vector is there, whole, and made of numbers. */
static bool is_vector(const json_t *vector, size_t dimension)
{
	bool good = json_is_array(vector) && json_array_size(vector) > 0 &&
				(dimension == 0 || json_array_size(vector) == dimension);
	for (size_t i = 0; good && i < json_array_size(vector); i++) {
		good = json_is_number(json_array_get(vector, i));
	}
	return good;
}

static enum status check_page(const json_t *ids, const json_t *vectors, size_t dimension, struct error *error)
{
	if (json_array_size(vectors) != json_array_size(ids)) {
		return error_set(error, STATUS_DAMAGED, "%zu of %zu records have their vectors", json_array_size(vectors),
						 json_array_size(ids));
	}
	for (size_t i = 0; i < json_array_size(ids); i++) {
		const char *id = json_string_value(json_array_get(ids, i));
		if (id == NULL || !is_vector(json_array_get(vectors, i), dimension)) {
			return error_set(error, STATUS_DAMAGED, "the record %.100s has no whole vector", id != NULL ? id : "?");
		}
	}
	return STATUS_OK;
}

/* Some of the page's vectors are searched for: each has to find as many neighbours as there can be. */
static enum status query(const struct reading *reading, const char *collection, const json_t *vectors, size_t count,
						 struct error *error)
{
	CLEANUP(cleanup_json_value) json_t *reply = NULL;
	char path[PATH_LIMIT];
	size_t size = json_array_size(vectors);
	size_t step = size / QUERIES_MOST + 1;
	size_t wanted = count < NEIGHBOURS ? count : NEIGHBOURS;
	json_t *chosen = json_array();
	for (size_t i = 0; i < size; i += step) {
		(void)json_array_append(chosen, json_array_get(vectors, i));
	}
	size_t queries = json_array_size(chosen);
	snprintf(path, sizeof path, "%s/query", collection);
	enum status status = post(
		reading, path,
		json_pack("{s:o, s:i, s:[s]}", "query_embeddings", chosen, "n_results", (int)wanted, "include", "distances"),
		&reply, error);
	const json_t *found = json_object_get(reply, "ids");
	for (size_t i = 0; status == STATUS_OK && i < queries; i++) {
		if (json_array_size(json_array_get(found, i)) != wanted) {
			status = error_set(error, STATUS_DAMAGED, "a search finds %zu of %zu records",
							   json_array_size(json_array_get(found, i)), wanted);
		}
	}
	return status;
}

static size_t page_size(size_t dimension)
{
	size_t records = PAGE_BYTES / (dimension * NUMBER_BYTES + RECORD_BYTES);
	return records < 1 ? 1 : records > PAGE_MOST ? PAGE_MOST : records;
}

static enum status read_pages(const struct reading *reading, const char *collection, size_t dimension, size_t count,
							  struct error *error)
{
	char path[PATH_LIMIT];
	size_t limit = page_size(dimension);
	size_t records = 0;
	enum status status = STATUS_OK;
	snprintf(path, sizeof path, "%s/get", collection);
	for (size_t size = limit; status == STATUS_OK && size > 0;) {
		CLEANUP(cleanup_json_value) json_t *page = NULL;
		json_t *body = json_pack("{s:I, s:I, s:[s, s, s]}", "limit", (json_int_t)limit, "offset", (json_int_t)records,
								 "include", "embeddings", "documents", "metadatas");
		status = post(reading, path, body, &page, error);
		const json_t *ids = json_object_get(page, "ids");
		const json_t *vectors = json_object_get(page, "embeddings");
		size = json_array_size(ids);
		if (status == STATUS_OK && size > 0) {
			status = check_page(ids, vectors, dimension, error);
		}
		if (status == STATUS_OK && size > 0) {
			status = query(reading, collection, vectors, count, error);
		}
		records += size;
		progress_advance(reading->progress, size);
	}
	if (status == STATUS_OK && records != count) {
		status = error_set(error, STATUS_DAMAGED, "%zu of %zu records can be read", records, count);
	}
	return status;
}

static enum status read_collection(void *context, const char *collection, const json_t *details, uint64_t count,
								   struct error *error)
{
	const struct reading *reading = context;
	json_int_t dimension = json_integer_value(json_object_get(details, "dimension"));
	const char *name = json_string_value(json_object_get(details, "name"));
	enum status status = read_pages(reading, collection, dimension > 0 ? (size_t)dimension : 0, (size_t)count, error);
	return status == STATUS_OK || status == STATUS_INTERRUPTED
			   ? status
			   : error_prefix(error, "the collection %.200s", name != NULL ? name : "?");
}

enum status chromadb_read_all(struct runtime *runtime, const struct container *container, unsigned port,
							  const struct fingerprint *places, struct progress *progress, struct error *error)
{
	struct reading reading = {.runtime = runtime, .container = container, .port = port, .progress = progress};
	return chromadb_counts_each(runtime, container, port, places, read_collection, &reading, error);
}
