/*
 * postgresql_support.h - a PostgreSQL in a container that says whatever a test wants it to say.
 */
#ifndef WHISPERBACKUP_TESTS_POSTGRESQL_SUPPORT_H
#define WHISPERBACKUP_TESTS_POSTGRESQL_SUPPORT_H

#include "support.h"
#include "time_support.h"

#include "stores/postgresql/moment.h"
#include "stores/postgresql/postgresql.h"
#include "stores/store_table.h"

enum { LINES = 8, HEARD_LIMIT = 1 << 20, SAID_SIZE = 1024 };

/* What the server answers to the first piece of SQL that has these words in it; to all others it says nothing. */
struct line {
	const char *asked;
	const char *rows;   /* each field with a bar behind it, in place of the NUL byte */
	const char *errors; /* NULL: it goes well; else what psql says on its standard error before it ends */
	bool lost;          /* the engine does not answer */
	bool cut;           /* it drops the end of the answer, and says that all is well */
	bool silent;        /* it is never answered */
	bool interrupted;   /* somebody wants the program to end meanwhile */
};

struct server {
	struct runtime runtime;
	struct container container;
	struct postgresql postgresql;
	struct line lines[LINES];
	struct buffer heard; /* all that was asked, and the programs that are no psql */
	struct progress progress;
	char warned[SAID_SIZE];
};

/* One psql, or another program. */
struct talk {
	struct exec exec;
	struct server *server;
	struct buffer asked; /* since its last answer */
	bool input_closed;
	bool ended;
	int exit_code;
};

static inline enum status talk_open(struct runtime *runtime, const struct exec_request *request, struct exec **ret_exec,
									struct error *error)
{
	struct talk *talk = calloc(1, sizeof *talk);
	if (talk == NULL) {
		return error_memory(error);
	}
	enum status status = STATUS_OK;
	*talk = (struct talk){.exec = {.runtime = runtime}, .server = (struct server *)runtime};
	talk->asked = (struct buffer)BUFFER_INIT(HEARD_LIMIT);
	talk->input_closed = !request->input;
	for (size_t i = 0; status == STATUS_OK && !request->input && request->arguments[i] != NULL; i++) {
		status = buffer_printf(&talk->asked, error, "%s ", request->arguments[i]);
	}
	*ret_exec = &talk->exec;
	return status;
}

static inline const struct line *line_for(const struct server *server, const char *asked)
{
	static const struct line nothing = {.rows = ""};
	static const struct line encoding = {.rows = "UTF8|"};
	for (size_t i = 0; i < LINES && server->lines[i].asked != NULL; i++) {
		if (strstr(asked, server->lines[i].asked) != NULL) {
			return &server->lines[i];
		}
	}
	return strncmp(asked, "SHOW server_encoding;", strlen("SHOW server_encoding;")) == 0 ? &encoding : &nothing;
}

/* psql's \echo behind what was asked in a session tells it apart. */
static inline enum status talk_answer(struct talk *talk, const struct line *line, struct buffer *output,
									  struct buffer *errors, struct error *error)
{
	const char *asked = buffer_text(&talk->asked);
	const char *echo = strstr(asked, "\n\\echo '");
	enum status status = buffer_printf(&talk->server->heard, error, "%s\n", asked);
	if (status == STATUS_OK && line->lost) {
		error_set(error, STATUS_UNAVAILABLE, "the engine does not answer");
		error->on_the_way = true;
		return STATUS_UNAVAILABLE;
	}
	if (status == STATUS_OK && line->interrupted) {
		return error_set(error, STATUS_INTERRUPTED, "interrupted");
	}
	for (const char *at = line->rows; status == STATUS_OK && at != NULL && *at != '\0'; at++) {
		status = buffer_append(output, *at == '|' ? "" : at, 1, error);
	}
	if (status == STATUS_OK && line->errors != NULL) {
		status = buffer_append_text(errors, line->errors, error);
		talk->exit_code = 3;
		talk->ended = true;
	} else if (status == STATUS_OK && echo != NULL && !line->cut) {
		const char *mark = echo + strlen("\n\\echo '");
		status = buffer_printf(output, error, "%.*s\n", (int)strcspn(mark, "'"), mark);
	}
	buffer_clear(&talk->asked);
	return status;
}

static inline enum status talk_exchange(struct exec *exec, const void *bytes, size_t length, size_t *ret_written,
										struct buffer *output, struct buffer *errors, int timeout_milliseconds,
										bool *ret_ended, struct error *error)
{
	struct talk *talk = (struct talk *)exec;
	const struct line *line = line_for(talk->server, buffer_text(&talk->asked));
	*ret_written = length;
	enum status status = STATUS_OK;
	if (length > 0) {
		status = buffer_append(&talk->asked, bytes, length, error);
	} else if (line->silent) {
		time_pass(timeout_milliseconds * 1000000LL);
	} else if (talk->asked.length > 0) {
		status = talk_answer(talk, line, output, errors, error);
	}
	talk->ended |= length == 0 && talk->input_closed;
	*ret_ended = talk->ended;
	return status;
}

static inline enum status talk_close_input(struct exec *exec, struct error *error)
{
	(void)error;
	((struct talk *)exec)->input_closed = true;
	return STATUS_OK;
}

static inline enum status talk_finish(struct exec *exec, int *ret_exit_code, struct error *error)
{
	(void)error;
	*ret_exit_code = ((struct talk *)exec)->exit_code;
	return STATUS_OK;
}

static inline void talk_free(struct exec *exec)
{
	buffer_free(&((struct talk *)exec)->asked);
	free(exec);
}

static inline void keep_warning(struct progress *progress, const char *text)
{
	struct server *server = (struct server *)((char *)progress - offsetof(struct server, progress));
	snprintf(server->warned, sizeof server->warned, "%s", text);
}

static inline void take_no_step(struct progress *progress, const char *text, uint64_t total_bytes)
{
	(void)progress;
	(void)text;
	(void)total_bytes;
}

static inline void take_no_advance(struct progress *progress, uint64_t bytes)
{
	(void)progress;
	(void)bytes;
}

static inline int server_start(void **state)
{
	static const struct runtime_ops ops = {
		.exec_open = talk_open,
		.exec_exchange = talk_exchange,
		.exec_close_input = talk_close_input,
		.exec_finish = talk_finish,
		.exec_free = talk_free,
	};
	static char name[] = "stack_postgres_1";
	static char user[] = "boss";
	struct server *server = calloc(1, sizeof *server);
	assert_non_null(server);
	*server = (struct server){
		.runtime = {.ops = &ops},
		.container = {.name = name, .state = CONTAINER_RUNNING},
		.postgresql = {.user = user, .preferred = user, .version_number = 170000, .encoding = "--encoding=UTF8"},
		.heard = BUFFER_INIT(HEARD_LIMIT),
		.progress = {.step = take_no_step, .advance = take_no_advance, .warn = keep_warning},
	};
	server->postgresql.store = (struct store){.ops = &store_postgresql, .container = &server->container};
	server->postgresql.store.runtime = &server->runtime;
	*state = server;
	return 0;
}

static inline int server_stop(void **state)
{
	struct server *server = *state;
	postgresql_moment_free(server->postgresql.moment);
	buffer_free(&server->heard);
	free(server);
	return 0;
}

/* The server is in this phase of a restore. */
static inline void set_phase(struct server *server, const char *phase)
{
	server->lines[0] = (struct line){.asked = "FILTER (WHERE datname = 'wb_maint')", .rows = "1|0|0|0|"};
	server->lines[1] = (struct line){.asked = "SELECT phase FROM public.run", .rows = phase};
}

static inline bool was_asked(const struct server *server, const char *words)
{
	return strstr(buffer_text(&server->heard), words) != NULL;
}

#endif
