#include "stores/neo4j/server.h"

#include "base/clock.h"
#include "base/interrupt.h"
#include "stores/container_http.h"
#include "stores/neo4j/http.h"

#include <stdio.h>
#include <string.h>

enum {
	REPLY_LIMIT = 256 << 10,      /* bytes */
	HTTP_SECONDS = 2,             /* that HTTP is waited for when Bolt is there */
	HTTP_STEP_MILLISECONDS = 100, /* between two tries */
};

#define NOT_STARTED "Neo4j could not start a database: "

static const char count_nodes[] = "MATCH (n) RETURN count(n)";

/* --- by cypher-shell, over Bolt ----------------------------------------------------------------------------------- */

/* "NAME/PASSWORD" or "NAME/PASSWORD/true" of NEO4J_AUTH as cypher-shell's own environment variables; "none" means no
 * authentication. */
static bool credentials(const struct container *container, char **ret_user, char **ret_password)
{
	const char *authentication = container_environment(container, "NEO4J_AUTH");
	const char *slash = authentication != NULL ? strchr(authentication, '/') : NULL;
	*ret_user = NULL;
	*ret_password = NULL;
	if (slash == NULL) {
		return true;
	}
	size_t length = strlen(slash + 1);
	size_t end = strlen("/true"); /* "the password is to be changed at the first login", to the image alone */
	if (length > end && strcmp(slash + 1 + length - end, "/true") == 0) {
		length -= end;
	}
	return asprintf(ret_user, "NEO4J_USERNAME=%.*s", (int)(slash - authentication), authentication) >= 0 &&
		   asprintf(ret_password, "NEO4J_PASSWORD=%.*s", (int)length, slash + 1) >= 0;
}

/* Runs a query in a database, NULL for the home database; STATUS_UNAVAILABLE if the server does not answer it. */
static enum status ask_shell(struct store *store, const char *database, const char *query, bool *ret_refused,
							 struct buffer *reply, struct error *error)
{
	CLEANUP(cleanup_free) char *user = NULL;
	CLEANUP(cleanup_free) char *password = NULL;
	*ret_refused = false;
	/* cypher-shell takes seconds to start; there is no need to ask it while nobody listens. */
	enum status status = container_http_listens(store->runtime, store->container, NEO4J_BOLT_PORT, error);
	if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
		return status;
	}
	if (!credentials(store->container, &user, &password)) {
		return error_memory(error);
	}
	const char *const environment[] = {user, password, NULL};
	const char *const in_home[] = {"cypher-shell", "--format", "plain", query, NULL};
	const char *const in_database[] = {"cypher-shell", "--format", "plain", "--database", database, query, NULL};
	const char *const *arguments = database != NULL ? in_database : in_home;
	struct exec_request request = {.container = store->container, .arguments = arguments, .environment = environment};
	status = runtime_run_text(store->runtime, &request, reply, error);
	if (status == STATUS_FAILED) {
		*ret_refused = strstr(error->message, "authentication failure") != NULL ||
					   strstr(error->message, "credentials") != NULL ||
					   strstr(error->message, "too many times") != NULL;
		error->status = STATUS_UNAVAILABLE;
	}
	return status == STATUS_FAILED ? STATUS_UNAVAILABLE : status;
}

enum status neo4j_server_ask(struct store *store, const char *query, bool *ret_refused, struct buffer *reply,
							 struct error *error)
{
	return ask_shell(store, NULL, query, ret_refused, reply, error);
}

/*
 * A database that could not be started stays so: "offline" although "online" was asked for, with a message (tried with
 * 5.26). The server itself goes on. STATUS_DAMAGED if there is one; the line is what cypher-shell prints of it.
 */
static enum status expect_started(struct store *store, struct error *error)
{
	static const char query[] = "SHOW DATABASES YIELD name, requestedStatus, currentStatus, statusMessage WHERE "
								"requestedStatus = 'online' AND currentStatus = 'offline' AND statusMessage <> '' "
								"RETURN name + ': ' + statusMessage";
	CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(REPLY_LIMIT);
	bool refused = false;
	enum status status = ask_shell(store, "system", query, &refused, &reply, error);
	buffer_trim(&reply);
	const char *line = status == STATUS_OK ? strchr(buffer_text(&reply), '\n') : NULL; /* the first is the heading */
	return line == NULL ? status : error_set(error, STATUS_DAMAGED, NOT_STARTED "%s", line + 1);
}

/* One line a database, as cypher-shell's plain format has it: "neo4j", "online". The first line is the heading. */
enum status neo4j_server_examine(struct store *store, struct examination *ret_examination, struct error *error)
{
	CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(REPLY_LIMIT);
	bool refused = false;
	enum status status = neo4j_server_ask(store, "SHOW DATABASES YIELD name, currentStatus RETURN name, currentStatus",
										  &refused, &reply, error);
	if (refused) {
		(void)error_set(error, STATUS_UNAVAILABLE, "Neo4j refuses the name and password of NEO4J_AUTH");
		return error_hint(error, "they are those of its data: after a restore, those of the backup");
	}
	size_t databases = 0;
	size_t at = status == STATUS_OK ? strcspn(buffer_text(&reply), "\n") : 0;
	for (const char *line = buffer_text(&reply) + at; status == STATUS_OK && *line == '\n';) {
		line++;
		size_t length = strcspn(line, "\n");
		if (length > 0 && memmem(line, length, "\"online\"", 8) == NULL) {
			status =
				error_set(error, STATUS_UNAVAILABLE, "not every database of Neo4j is online: %.*s", (int)length, line);
		}
		databases += length > 0;
		line += length;
	}
	if (status == STATUS_OK && databases == 0) {
		status = error_set(error, STATUS_UNAVAILABLE, "Neo4j shows no databases");
	}
	if (status == STATUS_OK) {
		ret_examination->port = NEO4J_BOLT_PORT;
		snprintf(ret_examination->answer, sizeof ret_examination->answer, "answers a query; %zu databases online",
				 databases);
	}
	return status;
}

/* --- is it up? ---------------------------------------------------------------------------------------------------- */

/* The text in a row's column; NULL if there is none. */
static const char *text_in(const json_t *row, size_t column)
{
	return json_string_value(json_array_get(json_object_get(row, "row"), column));
}

/* *ret_known: it has told how it is; without that the status says why not. */
static enum status home_is_up(struct neo4j_http *http, bool *ret_known, struct error *error)
{
	static const char query[] = "SHOW HOME DATABASE YIELD name, requestedStatus, currentStatus, statusMessage "
								"RETURN name, requestedStatus, currentStatus, statusMessage";
	CLEANUP(cleanup_json_value) json_t *rows = NULL;
	CLEANUP(cleanup_json_value) json_t *counted = NULL;
	enum status status = neo4j_http_ask(http, "system", query, &rows, error);
	if (status != STATUS_OK) {
		*ret_known = neo4j_http_refused(http); /* it is up, then; a second try with the same password would count */
		return *ret_known ? STATUS_OK : status;
	}
	if (json_array_size(rows) > 1) {
		return error_set(error, STATUS_UNAVAILABLE, "its home database is on more than one server");
	}
	const json_t *row = json_array_get(rows, 0);
	const char *name = text_in(row, 0);
	const char *requested = text_in(row, 1);
	const char *current = text_in(row, 2);
	const char *message = text_in(row, 3);
	if (name == NULL || requested == NULL || current == NULL) {
		return error_set(error, STATUS_UNAVAILABLE, "it shows no home database");
	}
	if (strcmp(current, "online") == 0) {
		status = neo4j_http_ask(http, name, count_nodes, &counted, error);
		*ret_known = status == STATUS_OK;
		return status;
	}
	*ret_known = true;
	bool failed =
		strcmp(requested, "online") == 0 && strcmp(current, "offline") == 0 && message != NULL && *message != '\0';
	return failed ? error_set(error, STATUS_DAMAGED, NOT_STARTED "%s: %s", name, message)
				  : error_set(error, STATUS_UNAVAILABLE, "its database %s is %s", name, current);
}

/* HTTP comes up after Bolt, some tenths of a second later. */
static enum status ready_over_http(struct store *store, bool *ret_known, struct error *error)
{
	CLEANUP(cleanup_neo4j_http) struct neo4j_http *http = NULL;
	enum status status = neo4j_http_open(store, &http, error);
	bool opened = status == STATUS_OK;
	for (double until = clock_seconds() + HTTP_SECONDS; opened;) {
		status = home_is_up(http, ret_known, error);
		if (*ret_known || status != STATUS_UNAVAILABLE || neo4j_http_heard(http) || clock_seconds() > until) {
			break;
		}
		clock_sleep(HTTP_STEP_MILLISECONDS);
		status = interrupt_check(error);
		opened = status == STATUS_OK;
	}
	return status;
}

/* By cypher-shell, which tells a refused password from other trouble. */
static enum status ready_by_shell(struct store *store, struct error *error)
{
	CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(REPLY_LIMIT);
	bool refused = false;
	enum status status = neo4j_server_ask(store, count_nodes, &refused, &reply, error);
	struct error reason;
	if (!refused && status == STATUS_UNAVAILABLE && strstr(error->message, "unavailable") != NULL &&
		expect_started(store, &reason) == STATUS_DAMAGED) {
		*error = reason;
		status = STATUS_DAMAGED;
	}
	return refused ? STATUS_OK : status;
}

enum status neo4j_server_ready(struct store *store, struct error *error)
{
	bool known = false;
	enum status status = container_http_listens(store->runtime, store->container, NEO4J_BOLT_PORT, error);
	if (status == STATUS_OK) {
		status = ready_over_http(store, &known, error);
	} else if (status != STATUS_NOT_FOUND) {
		return status;
	}
	return known || status == STATUS_INTERRUPTED || status == STATUS_NO_MEMORY ? status : ready_by_shell(store, error);
}
