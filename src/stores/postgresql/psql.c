#include "stores/postgresql/psql.h"

#include "base/interrupt.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum {
	VARIABLES = 8,               /* environment variables of a session, with the closing NULL */
	DUMP_BLOCK_LIMIT = 64 << 20, /* bytes of a dump that come at once */
	MARK_SIZE = 64,              /* bytes of what psql says when it has done all that was sent */
	ECHO_SIZE = MARK_SIZE + 16,  /* bytes of the command that makes it say so */
};

/*
 * Whatever the server, the database or the role may have been set to, our sessions can write, wait and are understood.
 * (A setting given by the client goes before those of ALTER DATABASE and ALTER ROLE: PostgreSQL 17, 20.1.3.)
 */
#define SETTINGS                                                                                                       \
	"-c default_transaction_read_only=off -c standard_conforming_strings=on -c statement_timeout=0 -c lock_timeout=0 " \
	"-c idle_in_transaction_session_timeout=0 -c synchronous_commit=on -c search_path=pg_catalog,public -c "           \
	"client_min_messages=error"

/* The environment of one program: owned texts, ended by NULL. */
struct variables {
	char *texts[VARIABLES];
	size_t count;
};

static void variables_free(struct variables *variables)
{
	for (size_t i = 0; i < variables->count; i++) {
		free(variables->texts[i]);
	}
}

static enum status set(struct variables *variables, const char *name, const char *value, struct error *error)
{
	if (asprintf(&variables->texts[variables->count], "%s=%s", name, value) < 0) {
		variables->texts[variables->count] = NULL;
		return error_memory(error);
	}
	variables->count++;
	return STATUS_OK;
}

/* `database` goes into the environment too: as an argument, a name with "=" in it would be taken for something else. */
static enum status connection(const struct postgresql *server, const char *database, const char *password,
							  struct variables *ret_variables, struct error *error)
{
	enum status status = set(ret_variables, "PGUSER", server->user, error);
	if (status == STATUS_OK) {
		status = set(ret_variables, "PGDATABASE", database, error);
	}
	if (status == STATUS_OK) {
		status = set(ret_variables, "PGAPPNAME", POSTGRESQL_APPLICATION, error);
	}
	/* An empty host is the local socket (libpq, "host"). */
	if (status == STATUS_OK) {
		status = set(ret_variables, "PGHOST", "", error);
	}
	if (status == STATUS_OK && password != NULL) {
		status = set(ret_variables, "PGPASSWORD", password, error);
	}
	return status;
}

static enum status settings(struct variables *variables, struct error *error)
{
	enum status status = set(variables, "PGOPTIONS", SETTINGS, error);
	return status == STATUS_OK ? set(variables, "PGCLIENTENCODING", "SQL_ASCII", error) : status;
}

/* Rows and keys are the users', and a message goes into logs and mails. (PostgreSQL 17: execMain.c,
 * ExecConstraints and ExecPartitionCheckEmitError; nbtinsert.c, _bt_check_unique; ri_triggers.c, ri_ReportViolation;
 * jsonfuncs.c, json_errdetail.) */
static bool quotes_data(const char *detail, size_t length)
{
	static const char *const signs[] = {"ailing row contains", ")=(", ") = (", "Token \""};
	for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
		if (memmem(detail, length, signs[i], strlen(signs[i])) != NULL) {
			return true;
		}
	}
	return false;
}

/* What a program said when it failed, as one line: the first error, without psql's file and line in front. */
static void explain(const struct buffer *errors, char *ret_text, size_t size)
{
	static const char *const marks[] = {"ERROR:  ", "FATAL:  ", "PANIC:  ", "error: "};
	const char *text = buffer_text(errors);
	const char *from = text;
	for (size_t i = 0; i < sizeof marks / sizeof *marks && from == text; i++) {
		const char *mark = strstr(text, marks[i]);
		from = mark != NULL ? mark + strlen(marks[i]) : text;
	}
	snprintf(ret_text, size, "%.*s", (int)strcspn(from, "\n"), from);
	const char *detail = strstr(from, "\nDETAIL:  ");
	size_t used = strlen(ret_text);
	if (detail == NULL || used >= size) {
		return;
	}
	detail += strlen("\nDETAIL:  ");
	size_t length = strcspn(detail, "\n");
	if (!quotes_data(detail, length)) {
		snprintf(ret_text + used, size - used, " (%.*s)", (int)length, detail);
	}
}

/* psql does not tell the SQLSTATE, 53100; what it tells ends with the words of the C library for ENOSPC. */
static bool is_full(const char *words)
{
	return strstr(words, "No space left on device") != NULL;
}

#define LOCKS_SETTING "max_locks_per_transaction"

static enum status failed(const struct postgresql *server, const char *program, int exit_code,
						  const struct buffer *errors, struct error *error)
{
	char text[ERROR_MESSAGE_SIZE / 2];
	explain(errors, text, sizeof text);
	/* psql: 2 is a lost connection; the engine: 126 and 127 are a program that is not there. */
	enum status status = exit_code == 2 ? STATUS_UNAVAILABLE : STATUS_FAILED;
	if (text[0] == '\0') {
		(void)error_set(error, status, "%s in container %s ended with exit code %d", program,
						server->store.container->name, exit_code);
	} else {
		(void)error_set(error, status, "%s in container %s: %s", program, server->store.container->name, text);
	}
	if (is_full(buffer_text(errors))) {
		return error_hint(error, "make room on the disk that PostgreSQL's data are on, and try again");
	}
	if (strstr(buffer_text(errors), LOCKS_SETTING) != NULL) {
		return error_hint(error, "raise " LOCKS_SETTING " of the server, restart it, and try again");
	}
	/* Source: PostgreSQL 17, src/backend/storage/lmgr/proc.c, InitProcess. */
	if (strstr(buffer_text(errors), "too many clients already") != NULL) {
		return error_hint(error, "a backup needs one connection for each database, and some more: see max_connections "
								 "of the server");
	}
	return status;
}

bool psql_is_short_of_locks(const struct error *error)
{
	return strstr(error->hint, LOCKS_SETTING) != NULL;
}

static enum status run(struct postgresql *server, const struct variables *variables, const char *const *arguments,
					   struct source *input, struct sink *output, struct error *error)
{
	CLEANUP(buffer_free) struct buffer errors = BUFFER_INIT(PSQL_ERRORS_LIMIT);
	const struct exec_request request = {
		.container = server->store.container,
		.arguments = arguments,
		.environment = (const char *const *)variables->texts,
		.input = input != NULL,
		.reads_all = true,
	};
	int exit_code = 0;
	enum status status = runtime_run(server->store.runtime, &request, input, output, &errors, &exit_code, error);
	return status == STATUS_OK && exit_code != 0 ? failed(server, arguments[0], exit_code, &errors, error) : status;
}

/* As `run`, for what writes into the server: that it does not fit says nothing against it. What only asks is not told
 * apart: it is not the disk of the backups that is full, and STATUS_NO_SPACE in a backup has old ones removed. */
static enum status run_writing(struct postgresql *server, const struct variables *variables,
							   const char *const *arguments, struct source *input, struct sink *output,
							   struct error *error)
{
	enum status status = run(server, variables, arguments, input, output, error);
	return status == STATUS_FAILED && is_full(error->message) ? error->status = STATUS_NO_SPACE : status;
}

/* Fields and rows are ended by a NUL byte, which no value can hold; see psql, -z and -0. */
static const char *const query_arguments[] = {"psql", "-X", "-q", "-w", "-A", "-t", "-z", "-0", "-v", "ON_ERROR_STOP=1",
											  "-f",   "-",  NULL};

/* The end of an answer, and how psql is told to say it. It is secret, so that no name or value looks like it. */
struct end_mark {
	char text[MARK_SIZE];
	char echo[ECHO_SIZE];
};

static enum status secret_new(uint64_t *ret_secret, struct error *error)
{
	if (getrandom(ret_secret, sizeof *ret_secret, 0) != sizeof *ret_secret) {
		return error_set_errno(error, "cannot get random bytes");
	}
	return STATUS_OK;
}

static struct end_mark end_mark(uint64_t secret, unsigned number)
{
	struct end_mark mark;
	int length =
		snprintf(mark.text, sizeof mark.text, POSTGRESQL_APPLICATION " %" PRIx64 " answer %u\n", secret, number);
	snprintf(mark.echo, sizeof mark.echo, "\n\\echo '%.*s'\n", length - 1, mark.text);
	return mark;
}

/* The engine can drop the end of what a program says, or all of it, and hand on its exit code 0 (moment_save.c): half
 * an answer would be taken for the whole, and none for "there are none". What was asked for may be done all the same.
 */
static enum status take_end(const struct postgresql *server, const struct end_mark *mark, struct buffer *rows,
							struct error *error)
{
	size_t length = strlen(mark->text);
	if (rows->length >= length && memcmp(rows->data + rows->length - length, mark->text, length) == 0) {
		rows->length -= length;
		rows->data[rows->length] = '\0';
		return STATUS_OK;
	}
	(void)error_set(error, STATUS_UNAVAILABLE, "psql in container %s: its answer did not come whole through the engine",
					server->store.container->name);
	error->on_the_way = true;
	return error_hint(error, "the program was held up for some seconds at that moment; try again");
}

enum status psql_query(struct postgresql *server, const char *database, const char *sql, struct buffer *rows,
					   struct error *error)
{
	CLEANUP(variables_free) struct variables variables = {0};
	CLEANUP(buffer_free) struct buffer asked = BUFFER_INIT(strlen(sql) + ECHO_SIZE + 2);
	CLEANUP(buffer_free) struct buffer unwanted = BUFFER_INIT(PSQL_ROWS_LIMIT);
	CLEANUP(cleanup_source) struct source *input = NULL;
	CLEANUP(cleanup_sink) struct sink *output = NULL;
	struct buffer *answer = rows != NULL ? rows : &unwanted;
	uint64_t secret = 0;
	enum status status = connection(server, database, server->password, &variables, error);
	if (status == STATUS_OK) {
		status = settings(&variables, error);
	}
	if (status == STATUS_OK) {
		status = secret_new(&secret, error);
	}
	const struct end_mark mark = end_mark(secret, 1);
	if (status == STATUS_OK) {
		status = buffer_append_text(&asked, sql, error);
	}
	if (status == STATUS_OK) { /* psql would do a last statement without its semicolon behind the mark */
		status = buffer_append_text(&asked, "\n;", error);
	}
	if (status == STATUS_OK) {
		status = buffer_append_text(&asked, mark.echo, error);
	}
	if (status == STATUS_OK) {
		status = source_from_memory_new(asked.data, asked.length, &input, error);
	}
	if (status == STATUS_OK) {
		status = sink_to_buffer_new(answer, &output, error);
	}
	if (status == STATUS_OK) {
		status = rows == NULL ? run_writing(server, &variables, query_arguments, input, output, error)
							  : run(server, &variables, query_arguments, input, output, error);
	}
	return status == STATUS_OK ? take_end(server, &mark, answer, error) : status;
}

enum status psql_find_database(struct postgresql *server, struct error *error)
{
	const char *const names[] = {server->preferred, "postgres", "template1"};
	enum status status = STATUS_UNAVAILABLE;
	for (size_t i = 0; status == STATUS_UNAVAILABLE && i < sizeof names / sizeof *names; i++) {
		server->database = names[i];
		status = psql_query(server, names[i], "SELECT 1;", NULL, error);
	}
	return status;
}

const char *psql_next(const struct buffer *rows, size_t *at)
{
	if (*at >= rows->length) {
		return NULL;
	}
	const char *field = rows->data + *at;
	*at += strlen(field) + 1;
	return field;
}

enum status psql_load(struct postgresql *server, const char *database, bool transaction, struct source *sql,
					  struct error *error)
{
	static const char *const plain[] = {"psql", "-X", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-f", "-", NULL};
	static const char *const whole[] = {"psql", "-X", "-q", "-w", "-1", "-v", "ON_ERROR_STOP=1", "-f", "-", NULL};
	CLEANUP(variables_free) struct variables variables = {0};
	enum status status = connection(server, database, server->password, &variables, error);
	if (status == STATUS_OK) {
		status = settings(&variables, error);
	}
	return status == STATUS_OK ? run_writing(server, &variables, transaction ? whole : plain, sql, NULL, error)
							   : status;
}

/* Source: the release notes of these, CVE-2025-8714; psql-ref, \\restrict. Nothing older than 13 is restored into. */
static bool has_restrict(int psql_number)
{
	static const int since[] = {130022, 140019, 150014, 160010, 170006, 180000};
	size_t last = sizeof since / sizeof *since - 1;
	for (size_t i = 0; i < last; i++) {
		if (psql_number / 10000 == since[i] / 10000) {
			return psql_number >= since[i];
		}
	}
	return psql_number >= since[last];
}

enum status psql_fence_new(const struct postgresql *server, struct psql_fence *ret_fence, struct error *error)
{
	uint64_t key[2] = {0, 0};
	*ret_fence = (struct psql_fence){.begin = "", .end = ""};
	if (!has_restrict(server->psql_number)) {
		return STATUS_OK;
	}
	enum status status = secret_new(&key[0], error);
	if (status == STATUS_OK) {
		status = secret_new(&key[1], error);
	}
	if (status == STATUS_OK) {
		snprintf(ret_fence->begin, sizeof ret_fence->begin, "\n\\restrict wb%016" PRIx64 "%016" PRIx64 "\n", key[0],
				 key[1]);
		snprintf(ret_fence->end, sizeof ret_fence->end, "\n\\unrestrict wb%016" PRIx64 "%016" PRIx64 "\n", key[0],
				 key[1]);
	}
	return status;
}

enum status psql_dump(struct postgresql *server, const char *database, const char *const *arguments,
					  struct sink *output, struct error *error)
{
	CLEANUP(variables_free) struct variables variables = {0};
	enum status status = connection(server, database, server->password, &variables, error);
	return status == STATUS_OK ? run(server, &variables, arguments, NULL, output, error) : status;
}

enum status psql_dump_watched(struct postgresql *server, const char *database, const char *const *arguments,
							  struct sink *output, struct psql_watch *watch, struct error *error)
{
	CLEANUP(variables_free) struct variables variables = {0};
	CLEANUP(cleanup_exec) struct exec *exec = NULL;
	CLEANUP(buffer_free) struct buffer said = BUFFER_INIT(DUMP_BLOCK_LIMIT);
	CLEANUP(buffer_free) struct buffer errors = BUFFER_INIT(PSQL_ERRORS_LIMIT);
	enum status status = connection(server, database, server->password, &variables, error);
	const struct exec_request request = {
		.container = server->store.container,
		.arguments = arguments,
		.environment = (const char *const *)variables.texts,
	};
	if (status == STATUS_OK) {
		status = runtime_exec_open(server->store.runtime, &request, &exec, error);
	}
	for (bool ended = false, begun = false; status == STATUS_OK && !ended;) {
		status = runtime_exec_read(exec, &said, &errors, begun ? -1 : PSQL_WATCH_MILLISECONDS, &ended, error);
		if (status == STATUS_OK && said.length > 0) {
			begun = true;
			status = sink_write(output, said.data, said.length, error);
			buffer_clear(&said);
		} else if (status == STATUS_OK && !begun && !ended) {
			status = watch->waits(watch, error);
		}
	}
	int exit_code = 0;
	if (status == STATUS_OK) {
		status = runtime_exec_finish(exec, &exit_code, error);
	}
	return status == STATUS_OK && exit_code != 0 ? failed(server, arguments[0], exit_code, &errors, error) : status;
}

bool psql_needs_no_password(struct postgresql *server, const char *database)
{
	static const char *const arguments[] = {"psql", "-X", "-q", "-w", "-c", "SELECT 1", NULL};
	CLEANUP(variables_free) struct variables variables = {0};
	struct error ignored;
	/* Not a word that anyone has for a password; an empty one would let ~/.pgpass speak. */
	return connection(server, database, "\x01", &variables, &ignored) == STATUS_OK &&
		   run(server, &variables, arguments, NULL, NULL, &ignored) == STATUS_OK;
}

/* --- a session that is talked with ------------------------------------------------------------------------------- */

struct psql_session {
	struct postgresql *server;
	struct exec *exec;
	struct buffer output;
	struct buffer errors;
	unsigned number; /* of the answers waited for so far */
	uint64_t secret;
	struct end_mark mark;
};

enum status psql_session_open(struct postgresql *server, const char *database, struct psql_session **ret_session,
							  struct error *error)
{
	CLEANUP(variables_free) struct variables variables = {0};
	CLEANUP(cleanup_psql_session) struct psql_session *session = calloc(1, sizeof *session);
	if (session == NULL) {
		return error_memory(error);
	}
	enum status status = secret_new(&session->secret, error);
	session->server = server;
	session->output = (struct buffer)BUFFER_INIT(PSQL_ROWS_LIMIT);
	session->errors = (struct buffer)BUFFER_INIT(PSQL_ERRORS_LIMIT);
	if (status == STATUS_OK) {
		status = connection(server, database, server->password, &variables, error);
	}
	if (status == STATUS_OK) {
		status = settings(&variables, error);
	}
	const struct exec_request request = {
		.container = server->store.container,
		.arguments = query_arguments,
		.environment = (const char *const *)variables.texts,
		.input = true,
	};
	if (status == STATUS_OK) {
		status = runtime_exec_open(server->store.runtime, &request, &session->exec, error);
	}
	if (status == STATUS_OK) {
		status = psql_session_run(session, "SELECT 1;", error);
	}
	if (status == STATUS_OK) {
		*ret_session = MOVE(session);
	}
	return status;
}

enum status psql_session_send(struct psql_session *session, const char *sql, struct error *error)
{
	buffer_clear(&session->output);
	session->mark = end_mark(session->secret, ++session->number);
	const char *echo = session->mark.echo;
	enum status status = runtime_exec_write(session->exec, sql, strlen(sql), &session->output, &session->errors, error);
	return status == STATUS_OK
			   ? runtime_exec_write(session->exec, echo, strlen(echo), &session->output, &session->errors, error)
			   : status;
}

enum status psql_session_wait(struct psql_session *session, int timeout_milliseconds, bool *ret_answered,
							  struct error *error)
{
	bool ended = false;
	enum status status =
		runtime_exec_read(session->exec, &session->output, &session->errors, timeout_milliseconds, &ended, error);
	if (status != STATUS_OK) {
		return status;
	}
	const struct buffer *output = &session->output;
	const char *mark = output->length > 0
						   ? memmem(output->data, output->length, session->mark.text, strlen(session->mark.text))
						   : NULL;
	*ret_answered = mark != NULL;
	if (mark != NULL) {
		session->output.length = (size_t)(mark - output->data);
		session->output.data[session->output.length] = '\0';
	}
	if (*ret_answered || !ended) {
		return STATUS_OK;
	}
	int exit_code = 0;
	status = runtime_exec_finish(session->exec, &exit_code, error);
	return status == STATUS_OK ? failed(session->server, query_arguments[0], exit_code, &session->errors, error)
							   : status;
}

enum status psql_session_run(struct psql_session *session, const char *sql, struct error *error)
{
	enum status status = psql_session_send(session, sql, error);
	for (bool answered = false; status == STATUS_OK && !answered;) {
		status = psql_session_wait(session, -1, &answered, error);
		if (status == STATUS_OK && !answered) {
			status = interrupt_check(error);
		}
	}
	return status;
}

const struct buffer *psql_session_rows(const struct psql_session *session)
{
	return &session->output;
}

enum status psql_session_end(struct psql_session *session, struct error *error)
{
	enum status status = runtime_exec_close_input(session->exec, error);
	for (bool ended = false; status == STATUS_OK && !ended;) {
		buffer_clear(&session->output);
		status = runtime_exec_read(session->exec, &session->output, &session->errors, -1, &ended, error);
	}
	int exit_code = 0;
	if (status == STATUS_OK) {
		status = runtime_exec_finish(session->exec, &exit_code, error);
	}
	return status == STATUS_OK && exit_code != 0
			   ? failed(session->server, query_arguments[0], exit_code, &session->errors, error)
			   : status;
}

void psql_session_free(struct psql_session *session)
{
	if (session == NULL) {
		return;
	}
	runtime_exec_free(session->exec);
	buffer_free(&session->output);
	buffer_free(&session->errors);
	free(session);
}
