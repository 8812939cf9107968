#include "stores/neo4j/http.h"

#include "base/json_text.h"
#include "stores/dialogue.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum {
	HTTP_PORT = 7474,
	ASK_MILLISECONDS = 30000, /* for an answer while nothing stands still */
	REPLY_LIMIT = 4 << 20,    /* bytes of one reply */
	MARK_SIZE = 48,
};

/*
 * Answers are whole connections, so that a server that ends idle ones does not matter. Nothing but the request's texts
 * comes in, over standard input: the password is on no command line. What is asked last can be asked again by "go".
 */
static const char script[] =
	"while read -r command mark; do case $command in "
	"login) IFS= read -r login;; "
	"ask) IFS= read -r path; IFS= read -r length; IFS= read -r body;; "
	"go) if exec 3<>\"/dev/tcp/127.0.0.1/$0\"; then "
	"printf 'POST %s HTTP/1.0\\r\\nHost: localhost\\r\\n%s\\r\\nAccept: application/json\\r\\n"
	"Content-Type: application/json\\r\\nContent-Length: %s\\r\\n\\r\\n%s' "
	"\"$path\" \"Authorization: Basic $login\" \"$length\" \"$body\" >&3; cat <&3; exec 3>&-; fi 2>/dev/null; "
	"printf '\\n%s\\n' \"$mark\";; esac; done";

struct neo4j_http {
	struct dialogue *dialogue;
	unsigned number; /* of the answers asked for so far */
	bool pending;    /* the last of them has not come */
	int code;        /* HTTP status of the last answer; 0: there was none */
	bool refused;    /* for the name or the password, and by Neo4j */
};

void neo4j_http_free(struct neo4j_http *http)
{
	if (http != NULL) {
		dialogue_free(http->dialogue);
		free(http);
	}
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

static const char *mark_of(const struct neo4j_http *http, char mark[MARK_SIZE])
{
	snprintf(mark, MARK_SIZE, "whisperbackup:%08u", http->number);
	return mark;
}

enum status neo4j_http_again(struct neo4j_http *http, struct error *error)
{
	char mark[MARK_SIZE];
	char line[MARK_SIZE + 8];
	http->number++;
	http->pending = true;
	snprintf(line, sizeof line, "go %s\n", mark_of(http, mark));
	return dialogue_send(http->dialogue, line, error);
}

bool neo4j_http_heard(const struct neo4j_http *http)
{
	return http->code != 0;
}

bool neo4j_http_refused(const struct neo4j_http *http)
{
	return http->refused;
}

/* What Neo4j calls each refusal (status codes, "Neo.ClientError.Security"); anybody may answer 401 at that port. */
static const char refusal[] = "\"Neo.ClientError.Security.";

/* The rows of the one statement's result. */
static enum status rows_of(struct neo4j_http *http, const struct buffer *reply, json_t **ret_rows, struct error *error)
{
	int code = 0;
	const char *body = strstr(buffer_text(reply), "\r\n\r\n");
	if (body == NULL || sscanf(buffer_text(reply), "HTTP/%*s %d", &code) != 1) {
		return error_set(error, STATUS_UNAVAILABLE, "its HTTP port does not answer");
	}
	http->code = code;
	http->refused = (code == 401 || code == 403 || code == 429) && strstr(body, refusal) != NULL;
	if (http->refused) {
		return error_set(error, STATUS_UNAVAILABLE, "it refuses the name and password of NEO4J_AUTH");
	}
	CLEANUP(cleanup_json_value) json_t *document = NULL;
	if (json_text_read(body, JSON_DISABLE_EOF_CHECK, &document, error) == STATUS_NO_MEMORY) {
		return error->status;
	}
	const json_t *failure = json_array_get(json_object_get(document, "errors"), 0);
	const char *message = json_string_value(json_object_get(failure, "message"));
	if (message != NULL) {
		return error_set(error, STATUS_UNAVAILABLE, "it says: %s", message);
	}
	json_t *rows = json_object_get(json_array_get(json_object_get(document, "results"), 0), "data");
	if (code != 200 || !json_is_array(rows)) {
		return error_set(error, STATUS_UNAVAILABLE, "its HTTP API answers with status %d", code);
	}
	*ret_rows = json_incref(rows);
	return STATUS_OK;
}

enum status neo4j_http_receive(struct neo4j_http *http, unsigned milliseconds, json_t **ret_rows, struct error *error)
{
	char mark[MARK_SIZE];
	CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(REPLY_LIMIT);
	enum status status = dialogue_receive(http->dialogue, mark_of(http, mark), milliseconds, &reply, error);
	http->pending = http->pending && status != STATUS_OK;
	return status == STATUS_OK ? rows_of(http, &reply, ret_rows, error) : status;
}

enum status neo4j_http_ask(struct neo4j_http *http, const char *database, const char *statement, json_t **ret_rows,
						   struct error *error)
{
	CLEANUP(cleanup_json_value) json_t *document = json_pack("{s:[{s:s}]}", "statements", "statement", statement);
	CLEANUP(cleanup_free) char *body = json_text_write(document, JSON_COMPACT | JSON_ENSURE_ASCII);
	CLEANUP(cleanup_free) char *text = NULL;
	http->code = 0;
	http->refused = false;
	if (body == NULL || asprintf(&text, "ask\n/db/%s/tx/commit\n%zu\n%s\n", database, strlen(body), body) < 0) {
		text = NULL;
		return error_memory(error);
	}
	enum status status = dialogue_send(http->dialogue, text, error);
	if (status == STATUS_OK) {
		status = neo4j_http_again(http, error);
	}
	return status == STATUS_OK ? neo4j_http_receive(http, ASK_MILLISECONDS, ret_rows, error) : status;
}

bool neo4j_http_pending(const struct neo4j_http *http)
{
	return http->pending;
}

/* --- getting ready ------------------------------------------------------------------------------------------------ */

char *neo4j_http_credentials(const char *authentication)
{
	static const char further[] = "/true";
	char *plain = strdup(authentication != NULL ? authentication : "none");
	char *slash = plain != NULL ? strchr(plain, '/') : NULL;
	if (slash != NULL) {
		*slash = ':';
		size_t length = strlen(slash);
		if (length >= sizeof further && strcmp(slash + length - (sizeof further - 1), further) == 0) {
			slash[length - (sizeof further - 1)] = '\0';
		}
	}
	return plain;
}

static enum status log_in(struct neo4j_http *http, const struct container *container, struct error *error)
{
	CLEANUP(cleanup_free) char *plain = neo4j_http_credentials(container_environment(container, "NEO4J_AUTH"));
	CLEANUP(cleanup_free) unsigned char *encoded = plain != NULL ? malloc(4 * (strlen(plain) / 3 + 1) + 1) : NULL;
	CLEANUP(cleanup_free) char *text = NULL;
	if (encoded == NULL) {
		return error_memory(error);
	}
	EVP_EncodeBlock(encoded, (const unsigned char *)plain, (int)strlen(plain));
	if (asprintf(&text, "login\n%s\n", (const char *)encoded) < 0) {
		text = NULL;
		return error_memory(error);
	}
	return dialogue_send(http->dialogue, text, error);
}

static enum status open_dialogue(struct store *store, struct neo4j_http *http, struct error *error)
{
	char port[16];
	snprintf(port, sizeof port, "%d", HTTP_PORT);
	const char *const arguments[] = {"bash", "-c", script, port, NULL};
	const struct exec_request request = {.container = store->container, .arguments = arguments, .input = true};
	return dialogue_open(store->runtime, &request, REPLY_LIMIT, &http->dialogue, error);
}

enum status neo4j_http_open(struct store *store, struct neo4j_http **ret_http, struct error *error)
{
	CLEANUP(cleanup_neo4j_http) struct neo4j_http *http = calloc(1, sizeof *http);
	if (http == NULL) {
		return error_memory(error);
	}
	enum status status = open_dialogue(store, http, error);
	if (status == STATUS_OK) {
		status = log_in(http, store->container, error);
	}
	if (status == STATUS_OK) {
		*ret_http = MOVE(http);
	}
	return status;
}
