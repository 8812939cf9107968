/* runtimes/docker*: an engine whose answers are not what the API says, or that does not do what it is asked. */
#include "support.h"

#include "runtimes/docker.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { REQUEST_LIMIT = 64 << 10, REPLY_LIMIT = 64 << 10, BACKLOG = 8, ANSWERS = 8 };

/* The answer to requests whose first line has these words in it: the first that fits. */
struct answer {
	const char *asked;
	const char *body;
	int code; /* 0 for 200 */
};

static struct {
	int socket;
	pthread_t thread;
	pthread_mutex_t mutex;
	struct answer answers[ANSWERS];
	struct buffer heard; /* the first line of each request */
	char *host;
	struct runtime *runtime;
} engine = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static char name[] = "stack_redis_1";
static char id[] = "abc";
static const struct container container = {.name = name, .id = id, .image_digest = id};

/* Up to the end of its body: a connection that is closed with something unread in it is reset. False: there is none. */
static bool read_request(int fd, struct buffer *request)
{
	char block[4096];
	for (;;) {
		ssize_t length = recv(fd, block, sizeof block, 0);
		if (length <= 0 || !buffer_append_some(request, block, (size_t)length)) {
			return false;
		}
		const char *body = strstr(buffer_text(request), "\r\n\r\n");
		const char *field = strstr(buffer_text(request), "\r\nContent-Length:");
		size_t wanted = field != NULL ? strtoul(field + strlen("\r\nContent-Length:"), NULL, 10) : 0;
		if (body != NULL && strlen(body + 4) >= wanted) {
			return true;
		}
	}
}

static void reply_to(const char *request, struct buffer *reply)
{
	static const struct answer fine = {.body = "{\"ApiVersion\":\"1.43\",\"MinAPIVersion\":\"1.12\"}"};
	const struct answer *answer = &fine;
	char line[1024];
	struct error error;
	snprintf(line, sizeof line, "%.*s", (int)strcspn(request, "\r"), request);
	pthread_mutex_lock(&engine.mutex);
	for (size_t i = ANSWERS; i > 0; i--) {
		const struct answer *one = &engine.answers[i - 1];
		answer = one->asked != NULL && strstr(line, one->asked) != NULL ? one : answer;
	}
	(void)!buffer_printf(&engine.heard, &error, "%s\n", line);
	(void)!buffer_printf(reply, &error, "HTTP/1.1 %d Words\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
						 answer->code != 0 ? answer->code : 200, strlen(answer->body), answer->body);
	pthread_mutex_unlock(&engine.mutex);
}

/* Until the socket is shut. */
static void *serve(void *context)
{
	(void)context;
	for (int fd; (fd = accept4(engine.socket, NULL, NULL, SOCK_CLOEXEC)) >= 0; close(fd)) {
		CLEANUP(buffer_free) struct buffer request = BUFFER_INIT(REQUEST_LIMIT);
		CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(REPLY_LIMIT);
		if (read_request(fd, &request)) {
			reply_to(buffer_text(&request), &reply);
			(void)!send(fd, buffer_text(&reply), reply.length, MSG_NOSIGNAL);
		}
	}
	return NULL;
}

static int start(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct error error;
	assert_int_equal(scratch_setup(state), 0);
	assert_true(snprintf(address.sun_path, sizeof address.sun_path, "%s/engine", (const char *)*state) <
				(int)sizeof address.sun_path);
	engine.socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(engine.socket, (const struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(engine.socket, BACKLOG), 0);
	memset(engine.answers, 0, sizeof engine.answers);
	engine.heard = (struct buffer)BUFFER_INIT(REPLY_LIMIT);
	assert_true(asprintf(&engine.host, "unix://%s", address.sun_path) > 0);
	assert_int_equal(pthread_create(&engine.thread, NULL, serve, NULL), 0);
	assert_ok(docker_runtime_new(engine.host, &engine.runtime, &error), &error);
	return 0;
}

static int stop(void **state)
{
	runtime_free(engine.runtime);
	shutdown(engine.socket, SHUT_RDWR);
	pthread_join(engine.thread, NULL);
	close(engine.socket);
	buffer_free(&engine.heard);
	free(engine.host);
	return scratch_teardown(state);
}

static void set_answers(const struct answer *answers, size_t count)
{
	pthread_mutex_lock(&engine.mutex);
	memset(engine.answers, 0, sizeof engine.answers);
	memcpy(engine.answers, answers, count * sizeof *answers);
	buffer_clear(&engine.heard);
	pthread_mutex_unlock(&engine.mutex);
}

#define ANSWER(...)                                                                                                    \
	set_answers((const struct answer[]){__VA_ARGS__}, sizeof(struct answer[]){__VA_ARGS__} / sizeof(struct answer))

static bool was_asked(const char *words)
{
	pthread_mutex_lock(&engine.mutex);
	bool was = strstr(buffer_text(&engine.heard), words) != NULL;
	pthread_mutex_unlock(&engine.mutex);
	return was;
}

/* --- the state of a container ------------------------------------------------------------------------------------- */

static void a_container_whose_state_is_not_said_does_not_stand_still(void **state)
{
	(void)state;
	static const char *const bodies[] = {"{}", "", "[]", "{\"State\":null}", "{\"State\":\"running\"}"};
	enum container_state found = CONTAINER_RUNNING;
	enum container_health health = HEALTH_NONE;
	struct container_list list = {0};
	struct error error;
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		ANSWER({.asked = "/containers/abc/json", .body = bodies[i]},
			   {.asked = "/containers/json", .body = "[{\"Id\":\"abc\"}]"});
		assert_status(STATUS_FAILED, runtime_inspect(engine.runtime, &container, &found, &health, &error), &error);
		assert_string_equal(error.message,
							"container stack_redis_1: Docker does not say in which state the container is");
		assert_status(STATUS_FAILED, runtime_find(engine.runtime, "stack", &list, &error), &error);
		assert_string_equal(error.message, "Docker does not say in which state the container is");
	}
	ANSWER({.asked = "/containers/abc/json", .body = "{\"State\":{}}"});
	assert_ok(runtime_inspect(engine.runtime, &container, &found, &health, &error), &error);
	assert_int_equal(found, CONTAINER_STOPPED);
}

static void assert_ended_from_outside(bool expected, const char *body)
{
	struct error error;
	bool ended = !expected;
	ANSWER({.asked = "/containers/abc/json", .body = body});
	assert_ok(runtime_was_ended(engine.runtime, &container, &ended, &error), &error);
	assert_int_equal(ended, expected);
}

static void a_container_that_was_killed_was_ended_from_outside(void **state)
{
	(void)state;
	assert_ended_from_outside(true, "{\"State\":{\"ExitCode\":137,\"OOMKilled\":false}}");
}

static void a_container_that_was_terminated_was_ended_from_outside(void **state)
{
	(void)state;
	assert_ended_from_outside(true, "{\"State\":{\"ExitCode\":143,\"OOMKilled\":false}}");
}

static void a_container_without_memory_was_ended_from_outside(void **state)
{
	(void)state;
	assert_ended_from_outside(true, "{\"State\":{\"ExitCode\":1,\"OOMKilled\":true}}");
}

static void a_server_that_ended_well_was_told_to(void **state)
{
	(void)state;
	assert_ended_from_outside(true, "{\"State\":{\"ExitCode\":0,\"OOMKilled\":false}}");
}

static void a_server_that_failed_has_ended_by_itself(void **state)
{
	(void)state;
	assert_ended_from_outside(false, "{\"State\":{\"ExitCode\":1,\"OOMKilled\":false}}");
}

static void a_server_that_crashed_has_ended_by_itself(void **state)
{
	(void)state;
	assert_ended_from_outside(false, "{\"State\":{\"ExitCode\":139,\"OOMKilled\":false}}");
}

static void how_it_ended_is_not_made_up(void **state)
{
	(void)state;
	struct error error;
	bool ended = false;
	ANSWER({.asked = "/containers/abc/json", .body = "{}"});
	assert_status(STATUS_FAILED, runtime_was_ended(engine.runtime, &container, &ended, &error), &error);
}

static void assert_health(enum container_health expected, const char *details)
{
	struct error error;
	enum container_state state = CONTAINER_STOPPED;
	enum container_health health = HEALTH_NONE;
	ANSWER({.asked = "/containers/abc/json", .body = details});
	assert_ok(runtime_inspect(engine.runtime, &container, &state, &health, &error), &error);
	assert_int_equal(health, expected);
}

static void one_that_was_paused_is_not_unhealthy_until_a_check_has_failed(void **state)
{
	(void)state;
	assert_health(HEALTH_STARTING,
				  "{\"State\":{\"Running\":true,\"Health\":{\"Status\":\"unhealthy\",\"FailingStreak\":0}}}");
	assert_health(HEALTH_UNHEALTHY,
				  "{\"State\":{\"Running\":true,\"Health\":{\"Status\":\"unhealthy\",\"FailingStreak\":3}}}");
	assert_health(HEALTH_UNHEALTHY, "{\"State\":{\"Running\":true,\"Health\":{\"Status\":\"unhealthy\"}}}");
}

/* It may be about to be started; then it is this signal that it gets. */
static void a_stop_of_one_that_does_not_run_names_its_signal(void **state)
{
	(void)state;
	struct error error;
	ANSWER({.asked = "/containers/abc/json", .body = "{\"State\":{\"Running\":false}}"},
		   {.asked = "/containers/abc/stop", .code = 304, .body = ""});
	assert_ok(runtime_stop(engine.runtime, &container, "KILL", 5, &error), &error);
	assert_true(was_asked("/containers/abc/stop?t=5&signal=KILL"));
	assert_false(was_asked("/containers/abc/stop?t=0"));
}

/* Its restart policy is cancelled only by a stop with its own signal. */
static void one_that_is_started_again_after_a_stop_with_a_signal_is_stopped_for_good(void **state)
{
	(void)state;
	struct error error;
	ANSWER({.asked = "/containers/abc/json", .body = "{\"State\":{\"Running\":true,\"Restarting\":true}}"},
		   {.asked = "/containers/abc/stop", .code = 204, .body = ""});
	assert_ok(runtime_stop(engine.runtime, &container, "INT", 5, &error), &error);
	assert_true(was_asked("/containers/abc/stop?t=5&signal=INT"));
	assert_true(was_asked("/containers/abc/stop?t=0"));
}

static void the_last_start_of_a_container_is_told(void **state)
{
	(void)state;
	struct error error;
	char start[RUNTIME_START_SIZE];
	ANSWER({.asked = "/containers/abc/json", .body = "{\"State\":{\"StartedAt\":\"2024-09-11T14:30:22.123456789Z\"}}"});
	assert_ok(runtime_last_start(engine.runtime, &container, start, &error), &error);
	assert_string_equal(start, "2024-09-11T14:30:22.123456789Z");
}

static void a_last_start_that_is_not_said_is_a_failure(void **state)
{
	(void)state;
	struct error error;
	char start[RUNTIME_START_SIZE];
	ANSWER({.asked = "/containers/abc/json", .body = "{\"State\":{}}"});
	assert_status(STATUS_FAILED, runtime_last_start(engine.runtime, &container, start, &error), &error);
	assert_string_equal(error.message, "container stack_redis_1: Docker does not say when the container was started");
}

static void a_list_that_is_none_is_not_empty(void **state)
{
	(void)state;
	struct container_list list = {0};
	struct error error;
	ANSWER({.asked = "/containers/json", .body = "{}"});
	assert_status(STATUS_FAILED, runtime_find(engine.runtime, "stack", &list, &error), &error);
	assert_string_equal(error.message, "Docker's list of containers is none");
}

/* --- helpers ------------------------------------------------------------------------------------------------------ */

static enum status help(int *ret_exit_code, struct error *error)
{
	static const char *const arguments[] = {"sh", "-c", "true", NULL};
	CLEANUP(buffer_free) struct buffer output = BUFFER_INIT(REPLY_LIMIT);
	return runtime_helper(engine.runtime, &container, arguments, &output, ret_exit_code, error);
}

static void a_helper_tells_how_it_ended(void **state)
{
	(void)state;
	struct error error;
	int exit_code = 0;
	ANSWER({.asked = "/containers/json", .body = "[]"}, {.asked = "/create", .body = "{\"Id\":\"h1\"}"},
		   {.asked = "/logs", .body = ""}, {.asked = "/wait", .body = "{\"StatusCode\":3}"});
	assert_ok(help(&exit_code, &error), &error);
	assert_int_equal(exit_code, 3);
	assert_true(was_asked("/containers/h1?force=1&v=1"));
}

static void a_helper_of_which_it_is_not_said_how_it_ended_has_not_done_its_work(void **state)
{
	(void)state;
	static const char *const bodies[] = {"", "{}", "{\"StatusCode\":null}", "{\"StatusCode\":\"0\"}"};
	struct error error;
	int exit_code = 0;
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		ANSWER({.asked = "/containers/json", .body = "[]"}, {.asked = "/create", .body = "{\"Id\":\"h1\"}"},
			   {.asked = "/logs", .body = ""}, {.asked = "/wait", .body = bodies[i]});
		assert_status(STATUS_FAILED, help(&exit_code, &error), &error);
		assert_string_equal(error.message,
							"a helper container beside stack_redis_1 failed: Docker does not say how it ended");
		assert_true(was_asked("/containers/h1?force=1&v=1"));
	}
}

/* It may be at work in the same volume; a second one would move the same files. */
static void no_helper_is_made_beside_one_that_cannot_be_removed(void **state)
{
	(void)state;
	struct error error;
	int exit_code = 0;
	ANSWER({.asked = "/containers/json", .body = "[{\"Id\":\"0123456789abcdef\"}]"},
		   {.asked = "DELETE", .body = "{\"message\":\"it is busy\"}", .code = 500},
		   {.asked = "/create", .body = "{\"Id\":\"h1\"}"}, {.asked = "/logs", .body = ""},
		   {.asked = "/wait", .body = "{\"StatusCode\":0}"});
	assert_status(STATUS_FAILED, help(&exit_code, &error), &error);
	assert_string_equal(error.message, "no helper container can be made beside stack_redis_1: the helper container "
									   "0123456789ab of an earlier run cannot be removed");
	assert_string_equal(error.hint, "it may be at work in the same volume: docker rm -fv $(docker ps -aqf "
									"label=whisperengine.backup.helper=abc)");
	assert_true(was_asked("DELETE"));
	assert_false(was_asked("/create"));
}

static void no_helper_is_made_where_those_of_before_are_not_known(void **state)
{
	(void)state;
	struct error error;
	int exit_code = 0;
	ANSWER({.asked = "/containers/json", .body = "{}"}, {.asked = "/create", .body = "{\"Id\":\"h1\"}"});
	assert_status(STATUS_FAILED, help(&exit_code, &error), &error);
	assert_string_equal(error.message, "no helper container can be made beside stack_redis_1: Docker's list of "
									   "containers is none");
	assert_false(was_asked("/create"));
}

static void a_drill_whose_helper_cannot_be_removed_is_not_discarded(void **state)
{
	(void)state;
	struct error error;
	size_t count = 0;
	ANSWER({.asked = "backup.helper", .body = "[{\"Id\":\"h1\"}]"},
		   {.asked = "backup.drill", .body = "[{\"Id\":\"d1\"}]"},
		   {.asked = "DELETE", .body = "{\"message\":\"it is busy\"}", .code = 500});
	assert_status(STATUS_FAILED, runtime_discard(engine.runtime, "7", &count, &error), &error);
	assert_string_equal(error.message, "1 containers of a drill cannot be removed");
	assert_true(was_asked("/containers/h1?force=1&v=1"));
	assert_false(was_asked("/containers/d1?force=1&v=1"));
}

/* --- programs ----------------------------------------------------------------------------------------------------- */

/* The engine ends the connection before it has taken the input, and says later how the program ended. */
static enum status run_cut_off(const char *ended, bool reads_all, int *ret_exit_code, struct error *error)
{
	static const char *const arguments[] = {"psql", NULL};
	const struct exec_request request = {.container = &container, .arguments = arguments, .reads_all = reads_all};
	CLEANUP(cleanup_source) struct source *input = NULL;
	ANSWER({.asked = "/containers/abc/exec", .body = "{\"Id\":\"e1\"}"}, {.asked = "/exec/e1/start", .body = ""},
		   {.asked = "/exec/e1/json", .body = ended});
	assert_ok(source_from_memory_new("COMMIT;", 7, &input, error), error);
	return runtime_run(engine.runtime, &request, input, NULL, NULL, ret_exit_code, error);
}

static void a_program_that_did_not_get_all_of_its_input_has_not_done_well(void **state)
{
	(void)state;
	static const char well[] = "{\"Running\":false,\"ExitCode\":0}";
	struct error error;
	int exit_code = 0;
	assert_status(STATUS_FAILED, run_cut_off(well, true, &exit_code, &error), &error);
	assert_string_equal(error.message, "a command in a container did not get all of its input");
	assert_ok(run_cut_off(well, false, &exit_code, &error), &error);
	assert_int_equal(exit_code, 0);
	assert_ok(run_cut_off("{\"Running\":false,\"ExitCode\":3}", true, &exit_code, &error), &error);
	assert_int_equal(exit_code, 3); /* that says why */
}

#define engine_test(function) cmocka_unit_test_setup_teardown(function, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		engine_test(a_container_whose_state_is_not_said_does_not_stand_still),
		engine_test(a_container_that_was_killed_was_ended_from_outside),
		engine_test(a_container_that_was_terminated_was_ended_from_outside),
		engine_test(a_container_without_memory_was_ended_from_outside),
		engine_test(a_server_that_ended_well_was_told_to),
		engine_test(a_server_that_failed_has_ended_by_itself),
		engine_test(a_server_that_crashed_has_ended_by_itself),
		engine_test(how_it_ended_is_not_made_up),
		engine_test(one_that_was_paused_is_not_unhealthy_until_a_check_has_failed),
		engine_test(a_stop_of_one_that_does_not_run_names_its_signal),
		engine_test(one_that_is_started_again_after_a_stop_with_a_signal_is_stopped_for_good),
		engine_test(the_last_start_of_a_container_is_told),
		engine_test(a_last_start_that_is_not_said_is_a_failure),
		engine_test(a_list_that_is_none_is_not_empty),
		engine_test(a_program_that_did_not_get_all_of_its_input_has_not_done_well),
		engine_test(a_helper_tells_how_it_ended),
		engine_test(no_helper_is_made_beside_one_that_cannot_be_removed),
		engine_test(no_helper_is_made_where_those_of_before_are_not_known),
		engine_test(a_drill_whose_helper_cannot_be_removed_is_not_discarded),
		engine_test(a_helper_of_which_it_is_not_said_how_it_ended_has_not_done_its_work),
	};
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("docker", tests, NULL, NULL);
}
