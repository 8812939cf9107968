/* stores/container_http: what an engine says about a program in a container, and what is made of it. */
#include "support.h"

#include "stores/container_http.h"

static struct told {
	enum status open;  /* what comes of the attempt to start it */
	const char *words; /* on its standard output */
	int exit_code;
} told;

static struct exec program;

static enum status told_open(struct runtime *runtime, const struct exec_request *request, struct exec **ret_exec,
							 struct error *error)
{
	(void)request;
	program.runtime = runtime;
	*ret_exec = told.open == STATUS_OK ? &program : NULL;
	return told.open == STATUS_OK ? STATUS_OK : error_set(error, told.open, "No such exec instance");
}

static enum status told_exchange(struct exec *exec, const void *bytes, size_t length, size_t *ret_written,
								 struct buffer *output, struct buffer *errors, int timeout_milliseconds,
								 bool *ret_ended, struct error *error)
{
	(void)exec;
	(void)bytes;
	(void)errors;
	(void)timeout_milliseconds;
	*ret_written = length;
	*ret_ended = true;
	return buffer_append_text(output, told.words, error);
}

static enum status told_close_input(struct exec *exec, struct error *error)
{
	(void)exec;
	(void)error;
	return STATUS_OK;
}

static enum status told_finish(struct exec *exec, int *ret_exit_code, struct error *error)
{
	(void)exec;
	(void)error;
	*ret_exit_code = told.exit_code;
	return STATUS_OK;
}

static void told_free(struct exec *exec)
{
	(void)exec;
}

static const struct runtime_ops told_ops = {
	.exec_open = told_open,
	.exec_exchange = told_exchange,
	.exec_close_input = told_close_input,
	.exec_finish = told_finish,
	.exec_free = told_free,
};

/* Both functions, of a server in such a container. */
static void assert_both(struct told what, enum status expected)
{
	char name[] = "chroma";
	struct runtime runtime = {.ops = &told_ops};
	struct container container = {.name = name};
	struct error error;
	struct buffer body = BUFFER_INIT(1000);
	int code = 0;
	told = what;
	assert_status(expected, container_http_get(&runtime, &container, 8000, "/", &code, &body, &error), &error);
	assert_status(expected, container_http_listens(&runtime, &container, 8000, &error), &error);
	buffer_free(&body);
}

static void an_answer_has_a_code_and_a_body(void **state)
{
	(void)state;
	char name[] = "chroma";
	struct runtime runtime = {.ops = &told_ops};
	struct container container = {.name = name};
	struct error error;
	struct buffer body = BUFFER_INIT(1000);
	int code = 0;
	told = (struct told){.words = "HTTP/1.0 200 OK\r\nServer: x\r\n\r\n[1]"};
	assert_ok(container_http_get(&runtime, &container, 8000, "/", &code, &body, &error), &error);
	assert_int_equal(code, 200);
	assert_string_equal(buffer_text(&body), "[1]");
	buffer_free(&body);
}

static void a_post_that_takes_too_long_is_blameless(void **state)
{
	(void)state;
	char name[] = "chroma";
	struct runtime runtime = {.ops = &told_ops};
	struct container container = {.name = name};
	struct error error;
	const int codes[] = {0, 124, 143}; /* the server hangs up, timeout of coreutils, that of BusyBox */
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
		struct buffer body = BUFFER_INIT(1000);
		int code = 0;
		told = (struct told){.words = "", .exit_code = codes[i]};
		assert_status(STATUS_UNAVAILABLE,
					  container_http_post(&runtime, &container, 8000, "/", "", &code, &body, &error), &error);
		assert_int_equal(error.blameless, codes[i] != 0);
		buffer_free(&body);
	}
}

static void where_nobody_listens_the_server_is_not_available(void **state)
{
	(void)state;
	assert_both((struct told){.words = "", .exit_code = 7}, STATUS_UNAVAILABLE);
}

static void a_container_without_bash_cannot_be_asked(void **state)
{
	(void)state;
	static const char *const words[] = {
		"OCI runtime exec failed: exec failed: unable to start container process: exec: \"bash\": executable file not "
		"found in $PATH: unknown\r\n",
		"OCI runtime exec failed: exec failed: unable to start container process: exec: \"/bin/bash\": stat /bin/bash: "
		"no such file or directory: unknown\r\n",
		"crun: executable file `bash` not found in $PATH: No such file or directory\r\n",
		"OCI runtime exec failed: exec failed: unable to start container process: exec: \"bash\": permission denied: "
		"unknown\r\n",
	};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		assert_both((struct told){.words = words[i], .exit_code = 126}, STATUS_NOT_FOUND);
		assert_both((struct told){.words = words[i], .exit_code = 127}, STATUS_NOT_FOUND);
	}
	assert_both((struct told){.words = "", .exit_code = 127}, STATUS_NOT_FOUND);
}

/* Taken for one without bash, it would pass for a server that is well. */
static void a_container_that_ends_meanwhile_is_not_one_without_bash(void **state)
{
	(void)state;
	static const char *const words[] = {
		"OCI runtime exec failed: exec failed: cannot exec in a stopped container: unknown\r\n",
		"OCI runtime exec failed: exec failed: unable to start container process: error executing setns process: exit "
		"status 1: unknown\r\n",
		"OCI runtime exec failed: exec failed: unable to start container process: read init-p: connection reset by "
		"peer: unknown\r\n",
		"cannot exec in a deleted state: unknown\r\n",
		"task 0123456789abcdef not found: not found\r\n",
		"ttrpc: closed: unknown\r\n",
		"",
	};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		assert_both((struct told){.words = words[i], .exit_code = 126}, STATUS_UNAVAILABLE);
	}
	assert_both((struct told){.open = STATUS_NOT_FOUND}, STATUS_UNAVAILABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_has_a_code_and_a_body),
		cmocka_unit_test(a_post_that_takes_too_long_is_blameless),
		cmocka_unit_test(where_nobody_listens_the_server_is_not_available),
		cmocka_unit_test(a_container_without_bash_cannot_be_asked),
		cmocka_unit_test(a_container_that_ends_meanwhile_is_not_one_without_bash),
	};
	return cmocka_run_group_tests_name("container_http", tests, NULL, NULL);
}
