#include "stores/neo4j/folders.h"

#include "stores/neo4j/http.h"

#include <string.h>

enum { REPLY_LIMIT = 64 << 10 }; /* bytes of three paths */

#define PATHS_END "whisperbackup:end"

/* Neo4j's manual, "Configuration settings"; both are absolute paths in the answer. */
static const char settings[] = "SHOW SETTINGS YIELD name, value WHERE name IN ['server.directories.data', "
							   "'server.directories.transaction.logs.root'] RETURN name, value ORDER BY name";

/* Without symbolic links: in the official image /var/lib/neo4j/data is one. */
static const char script[] = "for folder; do cd -P -- \"$folder\" && pwd -P || exit 1; done; echo '" PATHS_END "'";

static const char *value_of(const json_t *rows, size_t index)
{
	return json_string_value(json_array_get(json_object_get(json_array_get(rows, index), "row"), 1));
}

static enum status ask_settings(struct store *store, json_t **ret_rows, struct error *error)
{
	CLEANUP(cleanup_neo4j_http) struct neo4j_http *http = NULL;
	enum status status = neo4j_http_open(store, &http, error);
	return status == STATUS_OK ? neo4j_http_ask(http, "system", settings, ret_rows, error) : status;
}

/* The real paths of the store's folder, of the server's and of its logs, a line each; empty if they cannot be told. */
static enum status resolve(struct store *store, const char *data, const char *logs, struct buffer *reply,
						   struct error *error)
{
	const char *const arguments[] = {"sh", "-c", script, "sh", store->data_folder, data, logs, NULL};
	const struct exec_request request = {.container = store->container, .arguments = arguments};
	CLEANUP(cleanup_sink) struct sink *sink = NULL;
	int exit_code = 0;
	enum status status = sink_to_buffer_new(reply, &sink, error);
	if (status == STATUS_OK) {
		status = runtime_run(store->runtime, &request, NULL, sink, NULL, &exit_code, error);
	}
	if (status == STATUS_OK && (exit_code != 0 || strstr(buffer_text(reply), "\n" PATHS_END "\n") == NULL)) {
		buffer_clear(reply);
	}
	return status;
}

static enum status compare(char *paths, struct error *error)
{
	const char *ours = strtok_r(paths, "\n", &paths);
	const char *data = strtok_r(NULL, "\n", &paths);
	const char *logs = strtok_r(NULL, "\n", &paths);
	size_t length = ours != NULL ? strlen(ours) : 0;
	if (logs == NULL) {
		return STATUS_OK;
	}
	if (strcmp(ours, data) != 0) {
		(void)error_set(error, STATUS_UNAVAILABLE, "Neo4j keeps its data in %s, and not in %s", data, ours);
		return error_hint(error,
						  "set the container's environment variable NEO4J_server_directories_data to that folder");
	}
	if (strncmp(logs, ours, length) != 0 || logs[length] != '/') {
		(void)error_set(error, STATUS_UNAVAILABLE,
						"Neo4j keeps its transaction logs in %s, outside of its data folder %s", logs, ours);
		return error_hint(error,
						  "one cannot be restored without the other: have them in the data folder (Neo4j's setting "
						  "server.directories.transaction.logs.root)");
	}
	return STATUS_OK;
}

enum status neo4j_folders_check(struct store *store, struct error *error)
{
	CLEANUP(cleanup_json_value) json_t *rows = NULL;
	CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(REPLY_LIMIT);
	enum status status = ask_settings(store, &rows, error);
	if (status == STATUS_INTERRUPTED || status == STATUS_NO_MEMORY) {
		return status;
	}
	const char *data = value_of(rows, 0);
	const char *logs = value_of(rows, 1);
	if (status != STATUS_OK || data == NULL || logs == NULL) {
		return STATUS_OK;
	}
	status = resolve(store, data, logs, &reply, error);
	return status == STATUS_OK && reply.length > 0 ? compare(reply.data, error) : status;
}
