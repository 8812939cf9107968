/* stores/dialogue: answers are told apart by marks, however they arrive. */
#include "support.h"

#include "stores/dialogue.h"

/* A program that says prepared pieces, one for each look; then nothing more, or its end. */
struct program {
	struct exec exec;
	const char *const *pieces; /* NULL-terminated */
	const char *last_words;    /* on standard error */
	bool ends;
	bool lost; /* the engine does not answer */
	char heard[64];
};

static enum status exchange(struct exec *exec, const void *bytes, size_t length, size_t *ret_written,
							struct buffer *output, struct buffer *errors, int timeout_milliseconds, bool *ret_ended,
							struct error *error)
{
	struct program *program = (struct program *)exec;
	(void)timeout_milliseconds;
	*ret_written = length;
	*ret_ended = false;
	if (program->lost) {
		return error_set(error, STATUS_UNAVAILABLE, "the engine does not answer");
	}
	if (length > 0) {
		strncat(program->heard, bytes, length);
		return STATUS_OK;
	}
	if (*program->pieces != NULL) {
		return buffer_append_text(output, *program->pieces++, error);
	}
	*ret_ended = program->ends;
	return program->last_words != NULL ? buffer_append_text(errors, program->last_words, error) : STATUS_OK;
}

static enum status close_input(struct exec *exec, struct error *error)
{
	(void)error;
	((struct program *)exec)->ends = true;
	return STATUS_OK;
}

static enum status finish(struct exec *exec, int *ret_exit_code, struct error *error)
{
	(void)exec;
	(void)error;
	*ret_exit_code = 0;
	return STATUS_OK;
}

static void free_program(struct exec *exec)
{
	(void)exec;
}

static struct program *started;

static enum status open_program(struct runtime *runtime, const struct exec_request *request, struct exec **ret_exec,
								struct error *error)
{
	(void)request;
	(void)error;
	started->exec.runtime = runtime;
	*ret_exec = &started->exec;
	return STATUS_OK;
}

static const struct runtime_ops ops = {
	.exec_open = open_program,
	.exec_exchange = exchange,
	.exec_close_input = close_input,
	.exec_finish = finish,
	.exec_free = free_program,
};
static struct runtime runtime = {.ops = &ops};

static struct dialogue *start(struct program *program)
{
	static char name[] = "stack_redis_1";
	static const struct container container = {.name = name};
	static const char *const arguments[] = {"redis-cli", NULL};
	const struct exec_request request = {.container = &container, .arguments = arguments, .input = true};
	struct dialogue *dialogue = NULL;
	struct error error;
	started = program;
	assert_ok(dialogue_open(&runtime, &request, 1 << 16, &dialogue, &error), &error);
	return dialogue;
}

static void assert_answer(struct dialogue *dialogue, const char *mark, const char *expected)
{
	struct buffer answer = BUFFER_INIT(1 << 16);
	struct error error;
	assert_ok(dialogue_receive(dialogue, mark, 1000, &answer, &error), &error);
	assert_string_equal(buffer_text(&answer), expected);
	buffer_free(&answer);
}

static void answers_are_told_apart(void **state)
{
	(void)state;
	const char *const pieces[] = {"one\nmark:1\ntwo\nmo", "re\nmar", "k:2\n", "mark:3\n", NULL};
	struct program program = {.pieces = pieces};
	struct dialogue *dialogue = start(&program);
	struct error error;
	assert_ok(dialogue_send(dialogue, "ECHO mark:1\n", &error), &error);
	assert_string_equal(program.heard, "ECHO mark:1\n");
	assert_answer(dialogue, "mark:1", "one\n");
	assert_answer(dialogue, "mark:2", "two\nmore\n");
	assert_answer(dialogue, "mark:3", "");
	dialogue_free(dialogue);
	assert_true(program.ends);
}

static void a_mark_inside_a_complaint_is_one(void **state)
{
	(void)state;
	const char *const pieces[] = {"one\nERR unknown command 'ECHO', with args beginning with: 'mark:1'\ntwo\nmark:2\n",
								  NULL};
	struct program program = {.pieces = pieces};
	struct dialogue *dialogue = start(&program);
	assert_answer(dialogue, "mark:1", "one\n");
	assert_answer(dialogue, "mark:2", "two\n");
	dialogue_free(dialogue);
}

static void what_was_not_received_comes_with_the_next_answer(void **state)
{
	(void)state;
	const char *const pieces[] = {"one\nmark:1\n", "two\nmark:2\n", NULL};
	struct program program = {.pieces = pieces};
	struct dialogue *dialogue = start(&program);
	assert_answer(dialogue, "mark:2", "one\nmark:1\ntwo\n");
	dialogue_free(dialogue);
}

static void silence_is_given_up(void **state)
{
	(void)state;
	const char *const pieces[] = {"one\n", NULL};
	struct program program = {.pieces = pieces};
	struct dialogue *dialogue = start(&program);
	struct buffer answer = BUFFER_INIT(1 << 16);
	struct error error;
	assert_status(STATUS_UNAVAILABLE, dialogue_receive(dialogue, "mark:1", 20, &answer, &error), &error);
	assert_string_equal(error.message, "redis-cli in container stack_redis_1 gave no answer within 20 ms");
	assert_true(error.blameless);
	buffer_free(&answer);
	dialogue_free(dialogue);
}

static void the_programs_end_is_told_with_its_words(void **state)
{
	(void)state;
	const char *const pieces[] = {"one\n", NULL};
	struct program program = {.pieces = pieces, .ends = true, .last_words = "Could not connect\n"};
	struct dialogue *dialogue = start(&program);
	struct buffer answer = BUFFER_INIT(1 << 16);
	struct error error;
	assert_status(STATUS_UNAVAILABLE, dialogue_receive(dialogue, "mark:1", 1000, &answer, &error), &error);
	assert_string_equal(error.message, "redis-cli in container stack_redis_1 ended: Could not connect");
	buffer_free(&answer);
	dialogue_free(dialogue);
}

static void an_engine_that_does_not_answer_is_told_of(void **state)
{
	(void)state;
	const char *const pieces[] = {"one\n", NULL};
	struct program program = {.pieces = pieces, .lost = true};
	struct dialogue *dialogue = start(&program);
	struct buffer answer = BUFFER_INIT(1 << 16);
	struct error error;
	assert_status(STATUS_UNAVAILABLE, dialogue_receive(dialogue, "mark:1", 1000, &answer, &error), &error);
	assert_string_equal(error.message, "the engine does not answer");
	assert_int_equal(answer.length, 0);
	buffer_free(&answer);
	dialogue_free(dialogue);
}

static void nothing_is_freed_without_complaint(void **state)
{
	(void)state;
	dialogue_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_told_apart),
		cmocka_unit_test(a_mark_inside_a_complaint_is_one),
		cmocka_unit_test(what_was_not_received_comes_with_the_next_answer),
		cmocka_unit_test(silence_is_given_up),
		cmocka_unit_test(the_programs_end_is_told_with_its_words),
		cmocka_unit_test(an_engine_that_does_not_answer_is_told_of),
		cmocka_unit_test(nothing_is_freed_without_complaint),
	};
	return cmocka_run_group_tests_name("dialogue", tests, NULL, NULL);
}
