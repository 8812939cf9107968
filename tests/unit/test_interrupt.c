/* base/interrupt. A signal that has come stays, so each test has a child of its own. */
#include "support.h"

#include "base/interrupt.h"

#include <signal.h>

typedef void (*handler)(int);

/* Runs `body` in a child that has installed the handlers, and to which SIGHUP meant that before; true if it ran to its
 * end and returned true. */
static bool in_child_with(handler hangup, bool (*body)(void))
{
	fflush(NULL);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		signal(SIGHUP, hangup);
		interrupt_install();
		_exit(body() ? 0 : 1);
	}
	int result = 0;
	assert_int_equal(waitpid(child, &result, 0), child);
	return result == 0;
}

static bool in_child(bool (*body)(void))
{
	return in_child_with(SIG_DFL, body);
}

static bool quiet_body(void)
{
	struct error error;
	return interrupt_check(&error) == STATUS_OK && !interrupt_pending();
}

static void check_without_a_signal_is_fine(void **state)
{
	(void)state;
	assert_true(in_child(quiet_body));
}

static bool says(int number, const char *text)
{
	struct error error;
	raise(number);
	return interrupt_check(&error) == STATUS_INTERRUPTED && strstr(error.message, text) != NULL;
}

static bool terminate_body(void)
{
	return says(SIGTERM, "terminate");
}

static void check_says_that_we_are_asked_to_terminate(void **state)
{
	(void)state;
	assert_true(in_child(terminate_body));
}

static bool keyboard_body(void)
{
	return says(SIGINT, "Ctrl-C");
}

static void check_says_that_the_user_pressed_ctrl_c(void **state)
{
	(void)state;
	assert_true(in_child(keyboard_body));
}

static bool hangup_body(void)
{
	return says(SIGHUP, "terminal");
}

static void check_says_that_the_terminal_was_closed(void **state)
{
	(void)state;
	assert_true(in_child(hangup_body));
}

static bool deaf_body(void)
{
	struct error error;
	raise(SIGHUP);
	return interrupt_check(&error) == STATUS_OK && !interrupt_pending();
}

/* nohup(1) has said so. */
static void the_closing_of_a_terminal_that_is_to_be_ignored_is_ignored(void **state)
{
	(void)state;
	assert_true(in_child_with(SIG_IGN, deaf_body));
}

static bool again_body(void)
{
	struct error error;
	raise(SIGTERM);
	enum status first = interrupt_check(&error);
	enum status second = interrupt_check(&error);
	return first == STATUS_INTERRUPTED && second == STATUS_INTERRUPTED;
}

static void check_says_it_every_time(void **state)
{
	(void)state;
	assert_true(in_child(again_body));
}

static bool held_body(void)
{
	struct error error;
	interrupt_hold();
	raise(SIGTERM);
	return interrupt_check(&error) == STATUS_OK;
}

static void check_says_nothing_while_interrupts_are_held(void **state)
{
	(void)state;
	assert_true(in_child(held_body));
}

static bool pending_body(void)
{
	interrupt_hold();
	raise(SIGTERM);
	return interrupt_pending();
}

static void pending_is_true_while_interrupts_are_held(void **state)
{
	(void)state;
	assert_true(in_child(pending_body));
}

static bool released_body(void)
{
	struct error error;
	interrupt_hold();
	raise(SIGTERM);
	interrupt_release();
	return interrupt_check(&error) == STATUS_INTERRUPTED;
}

static void check_says_what_came_meanwhile_after_the_release(void **state)
{
	(void)state;
	assert_true(in_child(released_body));
}

static bool nested_body(void)
{
	struct error error;
	interrupt_hold();
	interrupt_hold();
	raise(SIGTERM);
	interrupt_release();
	bool inner = interrupt_check(&error) == STATUS_OK;
	interrupt_release();
	return inner && interrupt_check(&error) == STATUS_INTERRUPTED;
}

static void holds_nest(void **state)
{
	(void)state;
	assert_true(in_child(nested_body));
}

static bool pipe_body(void)
{
	int ends[2];
	if (pipe(ends) != 0) {
		return false;
	}
	close(ends[0]);
	return write(ends[1], "x", 1) == -1 && errno == EPIPE && !interrupt_pending();
}

static void broken_pipes_are_no_signal(void **state)
{
	(void)state;
	assert_true(in_child(pipe_body));
}

static bool read_body(void)
{
	int ends[2];
	char byte = 0;
	if (pipe(ends) != 0) {
		return false;
	}
	/* The other child ends the wait; it goes on sending, so that it does not matter who is first. */
	pid_t reader = getpid();
	pid_t child = fork();
	if (child == 0) {
		for (int i = 0; i < 3000 && kill(reader, SIGTERM) == 0; i++) {
			usleep(10000);
		}
		_exit(0);
	}
	bool ended = read(ends[0], &byte, 1) == -1 && errno == EINTR;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return ended;
}

static void a_signal_ends_a_read_that_waits(void **state)
{
	(void)state;
	assert_true(in_child(read_body));
}

static bool copy_body(void)
{
	struct error error;
	struct buffer output = BUFFER_INIT(10);
	struct sink *sink = NULL;
	struct source *source = drip("abc", 3, 1);
	raise(SIGTERM);
	bool stopped = sink_to_buffer_new(&output, &sink, &error) == STATUS_OK &&
				   stream_copy(source, sink, NULL, &error) == STATUS_INTERRUPTED && output.length == 0;
	source_free(source);
	sink_free(sink);
	buffer_free(&output);
	return stopped;
}

static void a_signal_stops_the_copying_of_a_stream(void **state)
{
	(void)state;
	assert_true(in_child(copy_body));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_without_a_signal_is_fine),
		cmocka_unit_test(check_says_that_we_are_asked_to_terminate),
		cmocka_unit_test(check_says_that_the_user_pressed_ctrl_c),
		cmocka_unit_test(check_says_that_the_terminal_was_closed),
		cmocka_unit_test(the_closing_of_a_terminal_that_is_to_be_ignored_is_ignored),
		cmocka_unit_test(check_says_it_every_time),
		cmocka_unit_test(check_says_nothing_while_interrupts_are_held),
		cmocka_unit_test(pending_is_true_while_interrupts_are_held),
		cmocka_unit_test(check_says_what_came_meanwhile_after_the_release),
		cmocka_unit_test(holds_nest),
		cmocka_unit_test(broken_pipes_are_no_signal),
		cmocka_unit_test(a_signal_ends_a_read_that_waits),
		cmocka_unit_test(a_signal_stops_the_copying_of_a_stream),
	};
	return cmocka_run_group_tests_name("interrupt", tests, NULL, NULL);
}
