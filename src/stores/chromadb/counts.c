#include "stores/chromadb/counts.h"

#include "base/json_text.h"
#include "stores/chromadb/database.h"
#include "stores/container_http.h"
#include "stores/dialogue.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ANSWER_MILLISECONDS = 30000,
	REPLY_LIMIT = 16 << 20, /* bytes of one reply: a page of collections with their metadata */
	PATH_LIMIT = 4096,      /* bytes of a request's path */
	PAGE = 100,             /* collections or databases that are asked for at once */
	PLACES_LIMIT = 10000,   /* databases of all tenants */
	MARK_SIZE = 48,
	HTTP_OK = 200,
};

/* A connection for each request: HTTP/1.0, so that the reply ends with it and is not cut into chunks (RFC 1945). */
static const char script[] =
	"while read -r mark path; do if exec 3<>\"/dev/tcp/127.0.0.1/$0\"; then "
	"printf 'GET %s HTTP/1.0\\r\\nHost: localhost\\r\\nAccept: application/json\\r\\n\\r\\n' \"$path\" >&3; "
	"cat <&3; exec 3>&-; fi 2>/dev/null; printf '\\n%s\\n' \"$mark\"; done";

struct place {
	char tenant[CHROMADB_PLACE_SIZE];
	char database[CHROMADB_PLACE_SIZE];
};

struct counting {
	struct dialogue *dialogue;
	unsigned number; /* of the requests so far */
	bool old;        /* API v1, of Chroma before 0.6 */
	bool refused;    /* a token is wanted */
	struct place *places;
	size_t place_count;
	struct fingerprint fingerprint;
	chromadb_counts_visit visit; /* NULL: only counted */
	void *context;
};

static void cleanup_counting(struct counting *counting)
{
	dialogue_free(counting->dialogue);
	fingerprint_free(&counting->fingerprint);
	free(counting->places);
}

static void cleanup_json_value(json_t **value)
{
	json_decref(*value);
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

static enum status get(struct counting *counting, const char *path, int *ret_code, json_t **ret_body,
					   struct error *error)
{
	char mark[MARK_SIZE];
	char line[PATH_LIMIT + MARK_SIZE + 2];
	CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(REPLY_LIMIT);
	snprintf(mark, sizeof mark, "whisperbackup:%08u", ++counting->number);
	snprintf(line, sizeof line, "%s %s\n", mark, path);
	enum status status = dialogue_send(counting->dialogue, line, error);
	if (status == STATUS_OK) {
		status = dialogue_receive(counting->dialogue, mark, ANSWER_MILLISECONDS, &reply, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	const char *body = strstr(buffer_text(&reply), "\r\n\r\n");
	if (body == NULL || sscanf(buffer_text(&reply), "HTTP/%*s %d", ret_code) != 1) {
		return error_set(error, STATUS_UNAVAILABLE, "Chroma's HTTP port does not answer");
	}
	counting->refused = counting->refused || *ret_code == 401 || *ret_code == 403;
	if (*ret_code == HTTP_OK &&
		json_text_read(body, JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, ret_body, error) == STATUS_NO_MEMORY) {
		return error->status;
	}
	return STATUS_OK;
}

static enum status unexpected(int code, const char *path, struct error *error)
{
	(void)error_set(error, STATUS_UNAVAILABLE, "Chroma answers %s with HTTP %d, or with what cannot be read", path,
					code);
	return container_http_is_busy(code) ? error_blameless(error) : error->status;
}

/* A part of a path or a query, with every other character as %XX (RFC 3986, 2.1). */
static void append_escaped(char *path, size_t size, const char *text)
{
	size_t length = strlen(path);
	for (; *text != '\0' && length + 4 < size; text++) {
		unsigned char byte = (unsigned char)*text;
		bool plain = isalnum(byte) || byte == '-' || byte == '_' || byte == '.' || byte == '~';
		length += (size_t)snprintf(path + length, size - length, plain ? "%c" : "%%%02X", byte);
	}
}

static void append(char *path, size_t size, const char *text)
{
	size_t length = strlen(path);
	snprintf(path + length, size - length, "%s", text);
}

/* --- places ------------------------------------------------------------------------------------------------------- */

bool chromadb_counts_place(const char *name, char ret_tenant[CHROMADB_PLACE_SIZE],
						   char ret_database[CHROMADB_PLACE_SIZE])
{
	const char *slash = strchr(name, '/');
	const char *end = slash != NULL ? strchr(slash + 1, '/') : NULL;
	if (end == NULL || slash - name >= CHROMADB_PLACE_SIZE || end - slash > CHROMADB_PLACE_SIZE) {
		return false;
	}
	snprintf(ret_tenant, CHROMADB_PLACE_SIZE, "%.*s", (int)(slash - name), name);
	snprintf(ret_database, CHROMADB_PLACE_SIZE, "%.*s", (int)(end - slash - 1), slash + 1);
	return true;
}

static enum status add_place(struct counting *counting, const char *tenant, const char *database, struct error *error)
{
	for (size_t i = counting->place_count; i > 0; i--) {
		const struct place *place = &counting->places[i - 1];
		if (strcmp(place->tenant, tenant) == 0 && strcmp(place->database, database) == 0) {
			return STATUS_OK;
		}
	}
	struct place *places = counting->place_count < PLACES_LIMIT
							   ? reallocarray(counting->places, counting->place_count + 1, sizeof *places)
							   : NULL;
	if (places == NULL) {
		return counting->place_count < PLACES_LIMIT
				   ? error_memory(error)
				   : error_set(error, STATUS_FAILED, "Chroma has more than %d databases", PLACES_LIMIT);
	}
	counting->places = places;
	struct place *place = &places[counting->place_count++];
	snprintf(place->tenant, sizeof place->tenant, "%s", tenant);
	snprintf(place->database, sizeof place->database, "%s", database);
	return STATUS_OK;
}

/* Reads pages until one is not full, holds more than that, or comes again: an old server pays no heed to pages. */
typedef enum status (*handle_item)(struct counting *counting, const struct place *place, const json_t *item,
								   struct error *error);

static enum status each(struct counting *counting, const char *base, char separator, const struct place *place,
						handle_item handle, struct error *error)
{
	CLEANUP(cleanup_json_value) json_t *last = NULL;
	for (size_t offset = 0, items = PAGE; items == PAGE && offset < FINGERPRINT_LIMIT; offset += PAGE) {
		char path[PATH_LIMIT];
		CLEANUP(cleanup_json_value) json_t *page = NULL;
		int code = 0;
		snprintf(path, sizeof path, "%s%climit=%d&offset=%zu", base, separator, PAGE, offset);
		enum status status = get(counting, path, &code, &page, error);
		if (status != STATUS_OK || counting->refused || code == 404) {
			return status; /* 404: no such tenant or database */
		}
		if (!json_is_array(page)) {
			return unexpected(code, path, error);
		}
		if (json_equal(page, last)) {
			return STATUS_OK;
		}
		json_decref(last);
		last = json_incref(page);
		items = json_array_size(page);
		for (size_t i = 0; i < items; i++) {
			status = handle(counting, place, json_array_get(page, i), error);
			if (status != STATUS_OK || counting->refused) {
				return status;
			}
		}
	}
	return STATUS_OK;
}

static enum status handle_database(struct counting *counting, const struct place *place, const json_t *item,
								   struct error *error)
{
	const char *name = json_string_value(json_object_get(item, "name"));
	return name != NULL && strlen(name) < CHROMADB_PLACE_SIZE ? add_place(counting, place->tenant, name, error)
															  : STATUS_OK;
}

static enum status list_databases(struct counting *counting, const char *tenant, struct error *error)
{
	char path[PATH_LIMIT] = "/api/v2/tenants/";
	struct place place = {0};
	snprintf(place.tenant, sizeof place.tenant, "%s", tenant);
	append_escaped(path, sizeof path, tenant);
	append(path, sizeof path, "/databases");
	return counting->old ? STATUS_OK : each(counting, path, '?', &place, handle_database, error);
}

static enum status find_places(struct counting *counting, const struct fingerprint *others, struct error *error)
{
	char listed[CHROMADB_PLACE_SIZE] = CHROMADB_DEFAULT_TENANT; /* counts of one tenant stand together */
	enum status status = add_place(counting, CHROMADB_DEFAULT_TENANT, CHROMADB_DEFAULT_DATABASE, error);
	if (status == STATUS_OK) {
		status = list_databases(counting, CHROMADB_DEFAULT_TENANT, error);
	}
	for (size_t i = 0; status == STATUS_OK && others != NULL && i < others->count; i++) {
		char tenant[CHROMADB_PLACE_SIZE];
		char database[CHROMADB_PLACE_SIZE];
		if (!chromadb_counts_place(others->items[i].name, tenant, database)) {
			continue;
		}
		status = add_place(counting, tenant, database, error);
		if (status == STATUS_OK && strcmp(tenant, listed) != 0) {
			strcpy(listed, tenant);
			status = list_databases(counting, tenant, error);
		}
	}
	return status;
}

/* --- counting ----------------------------------------------------------------------------------------------------- */

static bool is_id(const char *text)
{
	return text != NULL && text[0] != '\0' && strspn(text, "0123456789abcdefABCDEF-") == strlen(text);
}

static void path_of(const struct counting *counting, const struct place *place, char path[PATH_LIMIT])
{
	snprintf(path, PATH_LIMIT, "%s", counting->old ? "/api/v1/collections?tenant=" : "/api/v2/tenants/");
	append_escaped(path, PATH_LIMIT, place->tenant);
	append(path, PATH_LIMIT, counting->old ? "&database=" : "/databases/");
	append_escaped(path, PATH_LIMIT, place->database);
	append(path, PATH_LIMIT, counting->old ? "" : "/collections");
}

static enum status handle_collection(struct counting *counting, const struct place *place, const json_t *item,
									 struct error *error)
{
	const char *id = json_string_value(json_object_get(item, "id"));
	const char *collection = json_string_value(json_object_get(item, "name"));
	char path[PATH_LIMIT] = "/api/v1/collections";
	CLEANUP(cleanup_json_value) json_t *number = NULL;
	CLEANUP(cleanup_free) char *name = NULL;
	int code = 0;
	if (!is_id(id) || collection == NULL) {
		return error_set(error, STATUS_UNAVAILABLE, "Chroma's list of collections makes no sense");
	}
	if (!counting->old) {
		path_of(counting, place, path);
	}
	append(path, sizeof path, "/");
	append(path, sizeof path, id);
	CLEANUP(cleanup_free) char *of_collection = strdup(path);
	if (of_collection == NULL) {
		return error_memory(error);
	}
	append(path, sizeof path, "/count");
	enum status status = get(counting, path, &code, &number, error);
	if (status != STATUS_OK || counting->refused || code == 404) {
		return status; /* 404: it has been deleted meanwhile */
	}
	if (!json_is_integer(number) || json_integer_value(number) < 0) {
		return unexpected(code, path, error);
	}
	if (counting->visit != NULL) {
		return counting->visit(counting->context, of_collection, item, (uint64_t)json_integer_value(number), error);
	}
	name = chromadb_database_count_name(place->tenant, place->database, collection);
	return name == NULL
			   ? error_memory(error)
			   : fingerprint_add(&counting->fingerprint, "records", name, (uint64_t)json_integer_value(number), error);
}

/* Chroma before 0.6 has API v1 alone, and 1.x answers that with 410. */
static enum status find_version(struct counting *counting, struct error *error)
{
	CLEANUP(cleanup_json_value) json_t *body = NULL;
	int code = 0;
	enum status status = get(counting, "/api/v2/heartbeat", &code, &body, error);
	counting->old = code == 404 || code == 410;
	return status;
}

static enum status count(struct counting *counting, const struct fingerprint *places, struct error *error)
{
	enum status status = find_version(counting, error);
	if (status == STATUS_OK) {
		status = find_places(counting, places, error);
	}
	for (size_t i = 0; status == STATUS_OK && !counting->refused && i < counting->place_count; i++) {
		char path[PATH_LIMIT];
		path_of(counting, &counting->places[i], path);
		status = each(counting, path, counting->old ? '&' : '?', &counting->places[i], handle_collection, error);
	}
	return status;
}

static enum status run(struct counting *counting, struct runtime *runtime, const struct container *container,
					   unsigned port, const struct fingerprint *places, struct error *error)
{
	char port_text[16];
	snprintf(port_text, sizeof port_text, "%u", port);
	const char *const arguments[] = {"bash", "-c", script, port_text, NULL};
	const struct exec_request request = {.container = container, .arguments = arguments, .input = true};
	enum status status = container_http_listens(runtime, container, port, error);
	if (status == STATUS_OK) {
		status = dialogue_open(runtime, &request, REPLY_LIMIT, &counting->dialogue, error);
	}
	return status == STATUS_OK ? count(counting, places, error) : status;
}

enum status chromadb_counts_now(struct runtime *runtime, const struct container *container, unsigned port,
								const struct fingerprint *places, struct fingerprint *ret_fingerprint,
								struct error *error)
{
	CLEANUP(cleanup_counting) struct counting counting = {0};
	*ret_fingerprint = (struct fingerprint){0};
	enum status status = run(&counting, runtime, container, port, places, error);
	if (status == STATUS_NOT_FOUND) {
		return STATUS_OK; /* no bash */
	}
	if (status != STATUS_OK) {
		return error_prefix(error, "Chroma's records cannot be counted");
	}
	if (!counting.refused) {
		counting.fingerprint.known = counting.fingerprint.exact = true;
		*ret_fingerprint = fingerprint_take(&counting.fingerprint);
	}
	return STATUS_OK;
}

enum status chromadb_counts_each(struct runtime *runtime, const struct container *container, unsigned port,
								 const struct fingerprint *places, chromadb_counts_visit visit, void *context,
								 struct error *error)
{
	CLEANUP(cleanup_counting) struct counting counting = {.visit = visit, .context = context};
	enum status status = run(&counting, runtime, container, port, places, error);
	return status == STATUS_OK && counting.refused
			   ? error_set(error, STATUS_UNAVAILABLE, "Chroma does not let itself be read without a token")
			   : status;
}
