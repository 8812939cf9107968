#include "stores/neo4j/counts.h"

#include "stores/neo4j/http.h"

#include <string.h>

enum {
	MOMENT_MILLISECONDS = 2000, /* for an answer in the moment */
	QUERY_LIMIT = 1 << 20,      /* bytes of the question */
	NAME_SIZE = 256,            /* bytes of a database's name */
};

struct neo4j_counts {
	struct neo4j_http *http;
	char database[NAME_SIZE];
	char **labels; /* owned, and so are the texts; NULL-terminated */
	char **types;
	struct fingerprint fingerprint;
};

static void free_names(char **names)
{
	for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
		free(names[i]);
	}
	free(names);
}

void neo4j_counts_free(struct neo4j_counts *counts)
{
	if (counts == NULL) {
		return;
	}
	neo4j_http_free(counts->http);
	free_names(counts->labels);
	free_names(counts->types);
	fingerprint_free(&counts->fingerprint);
	free(counts);
}
CLEANUP_DEFINE(counts, struct neo4j_counts, neo4j_counts_free)

/* --- getting ready ------------------------------------------------------------------------------------------------ */

/* The texts in the first column, as many of them as may be. */
static enum status names_of(const json_t *rows, char ***ret_names, struct error *error)
{
	size_t index = 0;
	const json_t *row = NULL;
	char **names = calloc(json_array_size(rows) + 1, sizeof *names);
	*ret_names = names;
	json_array_foreach (rows, index, row) {
		const char *name = json_string_value(json_array_get(json_object_get(row, "row"), 0));
		if (names != NULL && name != NULL) {
			names[index] = strdup(name);
		}
		if (names == NULL || name == NULL || names[index] == NULL) {
			return names == NULL || name != NULL ? error_memory(error)
												 : error_set(error, STATUS_UNAVAILABLE, "it names something strange");
		}
	}
	return STATUS_OK;
}

/* Community has one database besides "system", and its name can be chosen. */
static enum status find_database(struct neo4j_counts *counts, struct error *error)
{
	CLEANUP(cleanup_json_value) json_t *rows = NULL;
	size_t index = 0;
	const json_t *row = NULL;
	enum status status =
		neo4j_http_ask(counts->http, "system", "SHOW DATABASES YIELD name RETURN DISTINCT name", &rows, error);
	json_array_foreach (rows, index, row) {
		const char *name = json_string_value(json_array_get(json_object_get(row, "row"), 0));
		if (status != STATUS_OK || name == NULL || strcmp(name, "system") == 0) {
			continue;
		}
		if (counts->database[0] != '\0' || strlen(name) >= sizeof counts->database) {
			return error_set(error, STATUS_UNAVAILABLE, "it has more than one database");
		}
		strcpy(counts->database, name);
	}
	if (status == STATUS_OK && counts->database[0] == '\0') {
		return error_set(error, STATUS_UNAVAILABLE, "it shows no database");
	}
	return status;
}

static enum status learn_names(struct neo4j_counts *counts, struct error *error)
{
	CLEANUP(cleanup_json_value) json_t *labels = NULL;
	CLEANUP(cleanup_json_value) json_t *types = NULL;
	free_names(MOVE(counts->labels));
	free_names(MOVE(counts->types));
	enum status status = neo4j_http_ask(counts->http, counts->database, "CALL db.labels()", &labels, error);
	if (status == STATUS_OK) {
		status = neo4j_http_ask(counts->http, counts->database, "CALL db.relationshipTypes()", &types, error);
	}
	if (status == STATUS_OK && json_array_size(labels) + json_array_size(types) > NEO4J_COUNTS_NAMES_LIMIT) {
		json_array_clear(labels);
		json_array_clear(types);
	}
	if (status == STATUS_OK) {
		status = names_of(labels, &counts->labels, error);
	}
	return status == STATUS_OK ? names_of(types, &counts->types, error) : status;
}

/* A name in Cypher: between backticks, which are doubled inside (Cypher manual, "Naming rules"). What looks like an
 * escape such as \u0060 would be read as its character before, so its backslash is escaped in turn. */
static enum status append_name(struct buffer *query, const char *name, struct error *error)
{
	enum status status = buffer_append_text(query, "`", error);
	for (; status == STATUS_OK && *name != '\0'; name++) {
		const char *text = *name == '`' ? "``" : strncmp(name, "\\u", 2) == 0 ? "\\u005c" : NULL;
		status = text != NULL ? buffer_append_text(query, text, error) : buffer_append(query, name, 1, error);
	}
	return status == STATUS_OK ? buffer_append_text(query, "`", error) : status;
}

/* One count: without a grouping key beside it, so that the count store answers it. */
static enum status append_count(struct buffer *query, size_t number, const char *before, const char *name,
								const char *after, struct error *error)
{
	enum status status = buffer_printf(query, error, "%sMATCH %s", number > 0 ? " UNION ALL " : "", before);
	if (status == STATUS_OK && name != NULL) {
		status = buffer_append_text(query, ":", error);
		if (status == STATUS_OK) {
			status = append_name(query, name, error);
		}
	}
	return status == STATUS_OK ? buffer_printf(query, error, "%s WITH count(x) AS c RETURN %zu AS i, c", after, number)
							   : status;
}

/* The names there are, as one value: of more than are ever counted by name, some that are not among those. */
static enum status append_names(struct buffer *query, size_t number, const char *call, struct error *error)
{
	return buffer_printf(query, error,
						 " UNION ALL CALL %s AS x WITH x LIMIT %d WITH collect(x) AS c RETURN %zu AS i, c", call,
						 NEO4J_COUNTS_NAMES_LIMIT + 1, number);
}

enum status neo4j_counts_query(const char *const *labels, const char *const *types, struct buffer *query,
							   struct error *error)
{
	size_t number = 0;
	enum status status = append_count(query, number++, "(x", NULL, ")", error);
	for (size_t i = 0; status == STATUS_OK && labels[i] != NULL; i++) {
		status = append_count(query, number++, "(x", labels[i], ")", error);
	}
	if (status == STATUS_OK) {
		status = append_count(query, number++, "()-[x", NULL, "]->()", error);
	}
	for (size_t i = 0; status == STATUS_OK && types[i] != NULL; i++) {
		status = append_count(query, number++, "()-[x", types[i], "]->()", error);
	}
	if (status == STATUS_OK) {
		status = append_names(query, number++, "db.labels() YIELD label", error);
	}
	return status == STATUS_OK ? append_names(query, number, "db.relationshipTypes() YIELD relationshipType", error)
							   : status;
}

enum status neo4j_counts_renew(struct neo4j_counts *counts, struct error *error)
{
	CLEANUP(buffer_free) struct buffer query = BUFFER_INIT(QUERY_LIMIT);
	CLEANUP(cleanup_json_value) json_t *rows = NULL;
	enum status status = learn_names(counts, error);
	if (status == STATUS_OK) {
		status =
			neo4j_counts_query((const char *const *)counts->labels, (const char *const *)counts->types, &query, error);
	}
	return status == STATUS_OK ? neo4j_http_ask(counts->http, counts->database, buffer_text(&query), &rows, error)
							   : status;
}

enum status neo4j_counts_open(struct store *store, struct neo4j_counts **ret_counts, bool *ret_refused,
							  struct error *error)
{
	CLEANUP(cleanup_counts) struct neo4j_counts *counts = calloc(1, sizeof *counts);
	*ret_refused = false;
	if (counts == NULL) {
		return error_memory(error);
	}
	enum status status = neo4j_http_open(store, &counts->http, error);
	if (status == STATUS_OK) {
		status = find_database(counts, error);
		*ret_refused = status != STATUS_OK && neo4j_http_refused(counts->http);
	}
	if (status == STATUS_OK) {
		status = neo4j_counts_renew(counts, error);
	}
	if (status == STATUS_OK) {
		*ret_counts = MOVE(counts);
	}
	return status;
}

/* --- the moment --------------------------------------------------------------------------------------------------- */

enum status neo4j_counts_ask(struct neo4j_counts *counts, struct error *error)
{
	return neo4j_http_again(counts->http, error);
}

static enum status add(struct fingerprint *fingerprint, const char *kind, const char *name, json_int_t number,
					   struct error *error)
{
	/* A label that nothing has any more is listed for a while. */
	return name[0] != '\0' && number == 0 ? STATUS_OK
										  : fingerprint_add(fingerprint, kind, name, (uint64_t)number, error);
}

/* What the server has answered, in the order of the question. */
struct answer {
	json_int_t *numbers; /* owned */
	const json_t *labels;
	const json_t *types;
};

static void answer_free(struct answer *answer)
{
	free(answer->numbers);
}

static bool has_name(char *const *names, const char *name)
{
	while (*names != NULL && strcmp(*names, name) != 0) {
		names++;
	}
	return *names != NULL;
}

/* Are all that there are now among those that were asked for? */
static bool has_names(char *const *names, const json_t *now)
{
	size_t index = 0;
	const json_t *name = NULL;
	json_array_foreach (now, index, name) {
		if (!json_is_string(name) || !has_name(names, json_string_value(name))) {
			return false;
		}
	}
	return true;
}

static enum status note_each(char *const *names, const char *kind, const json_int_t *numbers,
							 struct fingerprint *fingerprint, struct error *error)
{
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && names[i] != NULL; i++) {
		status = add(fingerprint, kind, names[i], numbers[i], error);
	}
	return status;
}

static size_t name_count(char *const *names)
{
	size_t count = 0;
	while (names[count] != NULL) {
		count++;
	}
	return count;
}

/* With a label or a type that nobody has asked for, only the totals are all there is of their kind. */
static enum status note(struct neo4j_counts *counts, const struct answer *answer, struct fingerprint *fingerprint,
						struct error *error)
{
	const json_int_t *of_labels = answer->numbers + 1;
	const json_int_t *relationships = of_labels + name_count(counts->labels);
	bool named = has_names(counts->labels, answer->labels) && has_names(counts->types, answer->types);
	enum status status = add(fingerprint, "nodes", "", answer->numbers[0], error);
	if (status == STATUS_OK && named) {
		status = note_each(counts->labels, "nodes by label", of_labels, fingerprint, error);
	}
	if (status == STATUS_OK) {
		status = add(fingerprint, "relationships", "", *relationships, error);
	}
	if (status == STATUS_OK && named) {
		status = note_each(counts->types, "relationships by type", relationships + 1, fingerprint, error);
	}
	fingerprint->known = status == STATUS_OK;
	return status;
}

static bool take_row(const json_t *row, size_t numbers, struct answer *answer)
{
	const json_t *values = json_object_get(row, "row");
	const json_t *number = json_array_get(values, 0);
	const json_t *value = json_array_get(values, 1);
	size_t place = json_integer_value(number) < 0 ? SIZE_MAX : (size_t)json_integer_value(number);
	if (json_is_integer(number) && place < numbers && json_is_integer(value)) {
		answer->numbers[place] = json_integer_value(value);
		return true;
	}
	bool names = json_is_integer(number) && json_is_array(value);
	answer->labels = names && place == numbers ? value : answer->labels;
	answer->types = names && place == numbers + 1 ? value : answer->types;
	return names && (place == numbers || place == numbers + 1);
}

static enum status read_counts(struct neo4j_counts *counts, const json_t *rows, struct fingerprint *fingerprint,
							   struct error *error)
{
	size_t numbers = name_count(counts->labels) + name_count(counts->types) + 2;
	CLEANUP(answer_free) struct answer answer = {.numbers = calloc(numbers, sizeof *answer.numbers)};
	size_t index = 0;
	const json_t *row = NULL;
	if (answer.numbers == NULL) {
		return error_memory(error);
	}
	json_array_foreach (rows, index, row) {
		if (!take_row(row, numbers, &answer)) {
			return error_set(error, STATUS_UNAVAILABLE, "it answers with something that is no count");
		}
	}
	if (index != numbers + 2 || answer.labels == NULL || answer.types == NULL) {
		return error_set(error, STATUS_UNAVAILABLE, "it answers %zu of %zu questions", index, numbers + 2);
	}
	return note(counts, &answer, fingerprint, error);
}

enum status neo4j_counts_answer(struct neo4j_counts *counts, struct error *error)
{
	CLEANUP(cleanup_json_value) json_t *rows = NULL;
	fingerprint_free(&counts->fingerprint);
	enum status status = neo4j_http_receive(counts->http, MOMENT_MILLISECONDS, &rows, error);
	return status == STATUS_OK ? read_counts(counts, rows, &counts->fingerprint, error) : status;
}

void neo4j_counts_forget(struct neo4j_counts *counts)
{
	CLEANUP(cleanup_json_value) json_t *rows = NULL;
	struct error ignored;
	fingerprint_free(&counts->fingerprint);
	if (neo4j_http_pending(counts->http)) {
		(void)!neo4j_http_receive(counts->http, MOMENT_MILLISECONDS, &rows, &ignored);
	}
}

struct fingerprint neo4j_counts_take(struct neo4j_counts *counts)
{
	struct fingerprint kept = fingerprint_take(&counts->fingerprint);
	struct error ignored;
	if (kept.known && neo4j_http_again(counts->http, &ignored) == STATUS_OK &&
		neo4j_counts_answer(counts, &ignored) == STATUS_OK) {
		kept.exact = fingerprint_is_same(&kept, &counts->fingerprint);
	}
	return kept;
}
