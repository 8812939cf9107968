/*
 * server_support.h - a server in a container that says whatever a test wants it to say. The programs that are run there
 * to talk with it are made up: `server` has their words.
 */
#ifndef WHISPERBACKUP_TESTS_SERVER_SUPPORT_H
#define WHISPERBACKUP_TESTS_SERVER_SUPPORT_H

#include "support.h"
#include "time_support.h"

#include "runtimes/runtime.h"

enum { SERVER_WORDS_LIMIT = 1 << 20 };

static struct {
	/* What a program says before it ends, and its exit code, which is 0 at first; NULL if it is talked with. */
	const char *(*run)(const struct exec_request *request, int *ret_exit_code);
	/* What one that is talked with says to a line, which has no newline; NULL: nothing. */
	const char *(*line)(const char *line);
} server;

struct server_program {
	struct exec exec;
	bool talks;
	int exit_code;
	struct buffer said;  /* and not read yet */
	struct buffer heard; /* of a line that has not ended */
};

static inline enum status server_open(struct runtime *runtime, const struct exec_request *request,
									  struct exec **ret_exec, struct error *error)
{
	struct server_program *program = calloc(1, sizeof *program);
	if (program == NULL) {
		return error_memory(error);
	}
	*program = (struct server_program){
		.exec.runtime = runtime, .said = BUFFER_INIT(SERVER_WORDS_LIMIT), .heard = BUFFER_INIT(SERVER_WORDS_LIMIT)};
	const char *words = server.run(request, &program->exit_code);
	program->talks = words == NULL;
	*ret_exec = &program->exec;
	return words == NULL ? STATUS_OK : buffer_append_text(&program->said, words, error);
}

static inline enum status server_hear(struct server_program *program, const char *bytes, size_t length,
									  struct error *error)
{
	enum status status = buffer_append(&program->heard, bytes, length, error);
	for (char *end; status == STATUS_OK && (end = strchr(buffer_text(&program->heard), '\n')) != NULL;) {
		*end = '\0';
		const char *words = server.line(program->heard.data);
		status = buffer_append_text(&program->said, words != NULL ? words : "", error);
		buffer_consume(&program->heard, (size_t)(end + 1 - program->heard.data));
	}
	return status;
}

/* Silence takes as long as it was to be waited for. */
static inline enum status server_exchange(struct exec *exec, const void *bytes, size_t length, size_t *ret_written,
										  struct buffer *output, struct buffer *errors, int timeout_milliseconds,
										  bool *ret_ended, struct error *error)
{
	struct server_program *program = (struct server_program *)exec;
	(void)errors;
	enum status status = program->talks && length > 0 ? server_hear(program, bytes, length, error) : STATUS_OK;
	if (program->said.length == 0 && timeout_milliseconds > 0) {
		time_pass(timeout_milliseconds * 1000000LL);
	}
	if (status == STATUS_OK) {
		status = buffer_append_text(output, buffer_text(&program->said), error);
	}
	buffer_clear(&program->said);
	*ret_written = length;
	*ret_ended = !program->talks;
	return status;
}

static inline enum status server_close_input(struct exec *exec, struct error *error)
{
	(void)error;
	((struct server_program *)exec)->talks = false;
	return STATUS_OK;
}

static inline enum status server_finish(struct exec *exec, int *ret_exit_code, struct error *error)
{
	(void)error;
	*ret_exit_code = ((struct server_program *)exec)->exit_code;
	return STATUS_OK;
}

static inline void server_free(struct exec *exec)
{
	struct server_program *program = (struct server_program *)exec;
	buffer_free(&program->said);
	buffer_free(&program->heard);
	free(program);
}

#define SERVER_PROGRAMS                                                                                                \
	.exec_open = server_open, .exec_exchange = server_exchange, .exec_close_input = server_close_input,                \
	.exec_finish = server_finish, .exec_free = server_free

/* --- HTTP, as bash in the container asks for it ------------------------------------------------------------------- */

struct http_reply {
	const char *part; /* of the path or of the body that is asked with */
	int code;         /* 0: the body is all that is said */
	const char *body;
};

static inline const struct http_reply *http_find(const char *asked, const struct http_reply *replies)
{
	while (replies != NULL && replies->part != NULL && strstr(asked, replies->part) == NULL) {
		replies++;
	}
	return replies != NULL && replies->part != NULL ? replies : NULL;
}

/* The first reply whose part is in `asked`, of the odd ones (NULL: none) and then of the usual ones; both end with a
 * NULL part. Lent until the next call. */
static inline const char *http_reply_to(const char *asked, const struct http_reply *odd, const struct http_reply *usual)
{
	static char text[1 << 16];
	const struct http_reply *reply = http_find(asked, odd);
	if (reply == NULL) {
		reply = http_find(asked, usual);
	}
	if (reply == NULL) {
		fail_msg("nobody knows what to answer to %s", asked);
	} else if (reply->code == 0) {
		snprintf(text, sizeof text, "%s", reply->body);
	} else {
		snprintf(text, sizeof text, "HTTP/1.0 %d Some Words\r\nServer: x\r\n\r\n%s", reply->code, reply->body);
	}
	return text;
}

#define REPLIES(...) ((const struct http_reply[]){__VA_ARGS__, {NULL, 0, NULL}})

#endif
