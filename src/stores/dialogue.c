#include "stores/dialogue.h"

#include "base/clock.h"
#include "base/interrupt.h"

#include <string.h>

enum {
	ERRORS_LIMIT = 4 << 10,       /* bytes of standard error that are kept */
	STEP_MILLISECONDS = 100,      /* between two looks for an interrupt */
	FAREWELL_MILLISECONDS = 1000, /* for a program to end when its input has */
};

struct dialogue {
	char *program; /* its name, for messages */
	char *container;
	struct exec *exec;
	struct buffer output;
	struct buffer errors;
};

enum status dialogue_open(struct runtime *runtime, const struct exec_request *request, size_t limit,
						  struct dialogue **ret_dialogue, struct error *error)
{
	CLEANUP(cleanup_dialogue) struct dialogue *dialogue = calloc(1, sizeof *dialogue);
	if (dialogue == NULL) {
		return error_memory(error);
	}
	dialogue->output = (struct buffer)BUFFER_INIT(limit);
	dialogue->errors = (struct buffer)BUFFER_INIT(ERRORS_LIMIT);
	dialogue->program = strdup(request->arguments[0]);
	dialogue->container = strdup(request->container->name);
	if (dialogue->program == NULL || dialogue->container == NULL) {
		return error_memory(error);
	}
	enum status status = runtime_exec_open(runtime, request, &dialogue->exec, error);
	if (status == STATUS_OK) {
		*ret_dialogue = MOVE(dialogue);
	}
	return status;
}

enum status dialogue_send(struct dialogue *dialogue, const char *text, struct error *error)
{
	return runtime_exec_write(dialogue->exec, text, strlen(text), &dialogue->output, &dialogue->errors, error);
}

/* Takes the answer before the mark and the mark's line out of what was said; false if the line is not there yet. */
static bool take(struct dialogue *dialogue, const char *mark, struct buffer *answer, enum status *ret_status,
				 struct error *error)
{
	const char *said = buffer_text(&dialogue->output);
	const char *at = strstr(said, mark);
	const char *end = at != NULL ? strchr(at, '\n') : NULL;
	if (end == NULL) {
		return false;
	}
	while (at > said && at[-1] != '\n') {
		at--;
	}
	buffer_clear(answer);
	*ret_status = buffer_append(answer, said, (size_t)(at - said), error);
	buffer_consume(&dialogue->output, (size_t)(end + 1 - said));
	return true;
}

static enum status gone(struct dialogue *dialogue, struct error *error)
{
	buffer_trim(&dialogue->errors);
	const char *said = dialogue->errors.length > 0 ? buffer_text(&dialogue->errors) : "it said nothing";
	return error_set(error, STATUS_UNAVAILABLE, "%s in container %s ended: %s", dialogue->program, dialogue->container,
					 said);
}

enum status dialogue_receive(struct dialogue *dialogue, const char *mark, unsigned milliseconds, struct buffer *answer,
							 struct error *error)
{
	enum status status = STATUS_OK;
	bool ended = false;
	for (double until = clock_seconds() + milliseconds / 1000.0;;) {
		if (take(dialogue, mark, answer, &status, error)) {
			return status;
		}
		double left = (until - clock_seconds()) * 1000;
		if (ended) {
			return gone(dialogue, error);
		}
		if (left <= 0) {
			(void)error_set(error, STATUS_UNAVAILABLE, "%s in container %s gave no answer within %u ms",
							dialogue->program, dialogue->container, milliseconds);
			return error_blameless(error); /* a slow machine would be the same */
		}
		status = interrupt_check(error);
		if (status == STATUS_OK) {
			int wait = left < STEP_MILLISECONDS ? (int)left + 1 : STEP_MILLISECONDS;
			status = runtime_exec_read(dialogue->exec, &dialogue->output, &dialogue->errors, wait, &ended, error);
		}
		if (status != STATUS_OK) {
			return status;
		}
	}
}

/* A program that ends by itself need not be looked for in the container. */
static void take_leave(struct dialogue *dialogue)
{
	struct error ignored;
	bool ended = false;
	int exit_code = 0;
	double until = clock_seconds() + FAREWELL_MILLISECONDS / 1000.0;
	enum status status = runtime_exec_close_input(dialogue->exec, &ignored);
	while (status == STATUS_OK && !ended && clock_seconds() < until) {
		buffer_clear(&dialogue->output);
		status = runtime_exec_read(dialogue->exec, &dialogue->output, &dialogue->errors, STEP_MILLISECONDS, &ended,
								   &ignored);
	}
	if (ended) {
		(void)!runtime_exec_finish(dialogue->exec, &exit_code, &ignored);
	}
}

void dialogue_free(struct dialogue *dialogue)
{
	if (dialogue == NULL) {
		return;
	}
	if (dialogue->exec != NULL) {
		take_leave(dialogue);
	}
	runtime_exec_free(dialogue->exec);
	buffer_free(&dialogue->output);
	buffer_free(&dialogue->errors);
	free(dialogue->program);
	free(dialogue->container);
	free(dialogue);
}
