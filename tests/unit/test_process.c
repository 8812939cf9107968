/* base/process: programs on this machine: what goes in, what comes out, how they end. */
#include "support.h"

#include "base/process.h"

#include <dirent.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static bool no_files_in_memory; /* as where a kernel does not want them (vm.memfd_noexec) */

int memfd_create(const char *name, unsigned flags)
{
	errno = EACCES;
	return no_files_in_memory ? -1 : (int)syscall(SYS_memfd_create, name, flags);
}

/* Sets $open to the descriptors that a shell has; "*" and "$(...)" would open further ones. */
#define LOOK_FOR_OPEN_ONES                                                                                             \
	"open=; for i in 0 1 2 3 4 5 6 7 8 9; do [ ! -e /proc/$$/fd/$i ] || open=\"$open $i\"; done; "

enum { PATIENCE_SECONDS = 100, BIG = 1 << 20 };

struct result {
	enum status status;
	int exit_code;
	struct buffer output;
	struct buffer errors;
	struct error error;
};

static struct result run(const char *const *arguments, const char *input)
{
	struct result result = {.exit_code = -1, .output = BUFFER_INIT(4 * BIG), .errors = BUFFER_INIT(4 * BIG)};
	result.status = process_run(arguments, input, &result.output, &result.errors, &result.exit_code, &result.error);
	return result;
}

/* `sh -c SCRIPT`, which has to be run, however it ends. */
static struct result run_shell(const char *script, const char *input)
{
	const char *const arguments[] = {"sh", "-c", script, NULL};
	struct result result = run(arguments, input);
	assert_ok(result.status, &result.error);
	return result;
}

static void result_free(struct result *result)
{
	buffer_free(&result->output);
	buffer_free(&result->errors);
}

static void assert_exit_code(const char *script, int expected)
{
	struct result result = run_shell(script, NULL);
	assert_int_equal(result.exit_code, expected);
	result_free(&result);
}

static void assert_output(const char *script, const char *input, const char *expected)
{
	struct result result = run_shell(script, input);
	assert_string_equal(buffer_text(&result.output), expected);
	assert_int_equal(result.exit_code, 0);
	result_free(&result);
}

static char *big_text(void)
{
	char *text = malloc(BIG + 1);
	assert_non_null(text);
	for (size_t i = 0; i < BIG; i++) {
		text[i] = (char)('a' + i % 25);
	}
	text[BIG] = '\0';
	return text;
}

static int descriptors(void)
{
	int count = 0;
	DIR *folder = opendir("/proc/self/fd");
	assert_non_null(folder);
	while (readdir(folder) != NULL) {
		count++;
	}
	closedir(folder);
	return count;
}

/* --- process_run ----------------------------------------------------------------------------------------------------
 */

static void output_and_errors_are_kept_apart(void **state)
{
	(void)state;
	struct result result = run_shell("echo out; echo err >&2; printf end", NULL);
	assert_string_equal(buffer_text(&result.output), "out\nend");
	assert_string_equal(buffer_text(&result.errors), "err\n");
	result_free(&result);
}

static void the_exit_code_is_the_programs(void **state)
{
	(void)state;
	assert_exit_code("exit 0", 0);
	assert_exit_code("exit 1", 1);
	assert_exit_code("exit 126", 126);
	assert_exit_code("exit 255", 255);
}

/* A shell whose last command was missing says it so; the shell itself was there. */
static void a_program_that_ends_with_127_is_not_a_missing_one(void **state)
{
	(void)state;
	assert_exit_code("exit 127", 127);
}

static void a_signal_is_128_and_its_number(void **state)
{
	(void)state;
	assert_exit_code("kill -KILL $$", 128 + SIGKILL);
	assert_exit_code("kill -TERM $$", 128 + SIGTERM);
}

static void a_missing_program_is_named(void **state)
{
	(void)state;
	const char *const arguments[] = {"whisperbackup-no-such-program", "x", NULL};
	struct result result = run(arguments, NULL);
	assert_int_equal(result.status, STATUS_NOT_FOUND);
	assert_string_equal(result.error.message, "there is no program whisperbackup-no-such-program");
	result_free(&result);
}

static void a_file_that_is_no_program_is_told_with_the_reason(void **state)
{
	write_file(at(*state, "file"), "x");
	const char *const arguments[] = {at(*state, "file"), NULL};
	struct result result = run(arguments, NULL);
	assert_int_equal(result.status, STATUS_FAILED);
	assert_non_null(strstr(result.error.message, "/file: Permission denied"));
	result_free(&result);
}

static void arguments_arrive_as_they_are(void **state)
{
	(void)state;
	const char *const arguments[] = {"printf", "[%s]", "a b", "", "'\"$x%\\", "é", NULL};
	struct result result = run(arguments, NULL);
	assert_string_equal(buffer_text(&result.output), "[a b][]['\"$x%\\][é]");
	result_free(&result);
}

static void without_input_the_program_finds_an_end(void **state)
{
	(void)state;
	assert_output("cat; echo end", NULL, "end\n");
	assert_output("cat; echo end", "", "end\n");
}

static void messages_are_in_the_c_locale(void **state)
{
	(void)state;
	assert_output("echo $LC_ALL", NULL, "C\n");
}

static void much_output_on_both_streams_comes_whole(void **state)
{
	(void)state;
	struct result result =
		run_shell("head -c 1000000 /dev/zero | tr '\\0' o; head -c 1000000 /dev/zero | tr '\\0' e >&2;"
				  "head -c 1000000 /dev/zero | tr '\\0' p",
				  NULL);
	assert_int_equal(result.output.length, 2000000);
	assert_int_equal(result.errors.length, 1000000);
	assert_int_equal(result.output.data[1999999], 'p');
	result_free(&result);
}

static void output_beyond_the_limit_is_forgotten_and_does_not_stop_the_program(void **state)
{
	(void)state;
	const char *const arguments[] = {"sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' o; exit 3", NULL};
	struct buffer output = BUFFER_INIT(10);
	struct buffer errors = BUFFER_INIT(10);
	struct error error;
	int exit_code = 0;
	assert_ok(process_run(arguments, NULL, &output, &errors, &exit_code, &error), &error);
	assert_string_equal(buffer_text(&output), "oooooooooo");
	assert_int_equal(exit_code, 3);
	buffer_free(&output);
	buffer_free(&errors);
}

/* More than the pipes hold, in both directions at the same time. */
static void much_input_that_comes_back_as_output_does_not_get_stuck(void **state)
{
	(void)state;
	char *text = big_text();
	alarm(PATIENCE_SECONDS);
	assert_output("cat", text, text);
	alarm(0);
	free(text);
}

static void input_goes_through_where_no_file_can_be_in_memory(void **state)
{
	(void)state;
	char *text = big_text();
	no_files_in_memory = true;
	struct result result = run_shell("cat; " LOOK_FOR_OPEN_ONES "echo $open", text);
	no_files_in_memory = false;
	assert_int_equal(strncmp(buffer_text(&result.output), text, BIG), 0);
	assert_string_equal(buffer_text(&result.output) + BIG, "0 1 2\n");
	result_free(&result);
	free(text);
}

/* The program waits until nobody is left that could still tell it something. */
static void input_is_whole_for_a_program_whose_caller_was_killed(void **state)
{
	char *script = NULL;
	char *text = big_text();
	char byte = 0;
	assert_true(asprintf(&script, "echo > '%s/started'; read x < '%s/gone'; cat > '%s/input'; echo > '%s/end'",
						 (char *)*state, (char *)*state, (char *)*state, (char *)*state) > 0);
	assert_int_equal(mkfifo(at(*state, "started"), 0600), 0);
	assert_int_equal(mkfifo(at(*state, "gone"), 0600), 0);
	assert_int_equal(mkfifo(at(*state, "end"), 0600), 0);
	alarm(PATIENCE_SECONDS);
	pid_t caller = fork();
	assert_true(caller >= 0);
	if (caller == 0) {
		(void)run_shell(script, text);
		_exit(0);
	}
	int started = open(at(*state, "started"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(started, &byte, 1), 1);
	assert_int_equal(kill(caller, SIGKILL), 0);
	assert_int_equal(waitpid(caller, NULL, 0), caller);
	int gone = open(at(*state, "gone"), O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(gone, "\n", 1), 1);
	int end = open(at(*state, "end"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(end, &byte, 1), 1);
	alarm(0);
	assert_file_is(at(*state, "input"), text);
	close(started);
	close(gone);
	close(end);
	free(script);
	free(text);
}

static void input_that_is_not_read_is_no_failure(void **state)
{
	(void)state;
	char *text = big_text();
	struct result result = run_shell("echo enough; exit 4", text);
	assert_string_equal(buffer_text(&result.output), "enough\n");
	assert_int_equal(result.exit_code, 4);
	result_free(&result);
	free(text);
}

static void input_is_given_whole_to_a_program_that_has_closed_its_outputs(void **state)
{
	char *script = NULL;
	char *text = big_text();
	assert_true(asprintf(&script, "exec >&- 2>&-; cat > '%s/input'", (char *)*state) > 0);
	struct result result = run_shell(script, text);
	assert_int_equal(result.exit_code, 0);
	assert_file_is(at(*state, "input"), text);
	result_free(&result);
	free(script);
	free(text);
}

static void a_program_that_closes_its_outputs_is_waited_for(void **state)
{
	char *script = NULL;
	assert_true(asprintf(&script, "exec >&- 2>&-; sleep 0.1; touch '%s/done'; exit 5", (char *)*state) > 0);
	struct result result = run_shell(script, NULL);
	assert_int_equal(result.exit_code, 5);
	assert_true(exists(at(*state, "done")));
	result_free(&result);
	free(script);
}

static void a_program_gets_three_descriptors_and_no_more(void **state)
{
	(void)state;
	int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(other > 2);
	assert_output(LOOK_FOR_OPEN_ONES "echo $open", NULL, "0 1 2\n");
	close(other);
}

static void what_is_blocked_and_ignored_here_is_not_inherited(void **state)
{
	(void)state;
	sigset_t term;
	sigset_t before;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	assert_int_equal(sigprocmask(SIG_BLOCK, &term, &before), 0);
	/* 32 and 33 are the C library's own; a program that was started by its posix_spawn, as make does it, ignores them
	 * (glibc's spawni.c, __spawni_child), and nobody can change that but the thread sanitizer, of one. */
	assert_output("sed -n 's/0000000[01][08]0000000/0000000000000000/; /^Sig\\(Blk\\|Ign\\)/p' /proc/self/status", NULL,
				  "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
}

static void nothing_is_left_open_and_no_child_unburied(void **state)
{
	(void)state;
	const char *const missing[] = {"whisperbackup-no-such-program", NULL};
	int before = descriptors();
	struct result result = run_shell("echo x", "input");
	result_free(&result);
	result = run_shell("kill -KILL $$", NULL);
	result_free(&result);
	result = run(missing, NULL);
	result_free(&result);
	assert_int_equal(descriptors(), before);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* In children that lack some of the first three descriptors, in every combination. */
static void assert_whichever_are_closed(bool (*works)(void))
{
	for (unsigned closed = 0; closed < 8; closed++) {
		int ended = 0;
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			for (int fd = 0; fd < 3; fd++) {
				if ((closed >> fd & 1) != 0) {
					close(fd);
				}
			}
			_exit(works() ? 0 : 1);
		}
		assert_int_equal(waitpid(child, &ended, 0), child);
		if (ended != 0) {
			fail_msg("not with descriptors %u closed (bits 0 to 2)", closed);
		}
	}
}

static bool program_is_talked_with(void)
{
	const char *const arguments[] = {"sh", "-c", "cat; echo err >&2; " LOOK_FOR_OPEN_ONES "echo $open; exit 3", NULL};
	struct result result = run(arguments, "in ");
	bool right = result.status == STATUS_OK && result.exit_code == 3 &&
				 strcmp(buffer_text(&result.output), "in 0 1 2\n") == 0 &&
				 strcmp(buffer_text(&result.errors), "err\n") == 0;
	result_free(&result);
	return right;
}

static bool missing_program_is_told(void)
{
	const char *const arguments[] = {"whisperbackup-no-such-program", NULL};
	struct result result = run(arguments, "in");
	bool right = result.status == STATUS_NOT_FOUND;
	result_free(&result);
	return right;
}

static void a_program_is_run_whichever_descriptors_are_closed_here(void **state)
{
	(void)state;
	assert_whichever_are_closed(program_is_talked_with);
}

static void a_missing_program_is_told_whichever_descriptors_are_closed_here(void **state)
{
	(void)state;
	assert_whichever_are_closed(missing_program_is_told);
}

/* --- process_start_shell
 * ---------------------------------------------------------------------------------------------- */

static const char *const little[] = {"PATH=/usr/bin:/bin", "NAME=value", NULL};

/* Starts it and waits for its end. */
static int start(const char *command, const char *folder)
{
	struct error error;
	pid_t process = 0;
	bool ended = false;
	int exit_code = -1;
	assert_ok(process_start_shell(command, folder, little, &process, &error), &error);
	siginfo_t ignored;
	assert_int_equal(waitid(P_PID, (id_t)process, &ignored, WEXITED | WNOWAIT), 0);
	assert_ok(process_ended(process, &ended, &exit_code, &error), &error);
	assert_true(ended);
	return exit_code;
}

static void a_started_command_has_its_folder_and_nothing_but_its_environment(void **state)
{
	assert_int_equal(setenv("WHISPERBACKUP_TEST_SECRET", "x", 1), 0);
	assert_int_equal(start("env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD= | sort > environment", *state), 0);
	assert_file_is(at(*state, "environment"), "NAME=value\nPATH=/usr/bin:/bin\n");
	assert_int_equal(unsetenv("WHISPERBACKUP_TEST_SECRET"), 0);
}

static void a_started_command_has_no_input(void **state)
{
	assert_int_equal(start("cat && [ /proc/$$/fd/0 -ef /dev/null ]", *state), 0);
}

/* A child of ours says it, so that what this program's own outputs are does not matter. */
static void what_a_started_command_says_goes_where_ours_goes(void **state)
{
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int output = open(at(*state, "output"), O_WRONLY | O_CREAT, 0600);
		int errors = open(at(*state, "errors"), O_WRONLY | O_CREAT, 0600);
		bool ready = dup2(output, STDOUT_FILENO) == STDOUT_FILENO && dup2(errors, STDERR_FILENO) == STDERR_FILENO;
		struct error error;
		pid_t process = 0;
		ready = ready && process_start_shell("echo out; echo err >&2", "/", little, &process, &error) == STATUS_OK;
		_exit(ready && waitpid(process, NULL, 0) == process ? 0 : 1);
	}
	int ended = 0;
	assert_int_equal(waitpid(child, &ended, 0), child);
	assert_int_equal(ended, 0);
	assert_file_is(at(*state, "output"), "out\n");
	assert_file_is(at(*state, "errors"), "err\n");
}

static void a_command_is_started_without_a_standard_input_here(void **state)
{
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct error error;
		pid_t process = 0;
		int exit_code = 0;
		close(STDIN_FILENO);
		bool right = process_start_shell("cat && [ /proc/$$/fd/0 -ef /dev/null ]", *state, little, &process, &error) ==
						 STATUS_OK &&
					 waitpid(process, &exit_code, 0) == process && exit_code == 0;
		_exit(right ? 0 : 1);
	}
	int ended = 0;
	assert_int_equal(waitpid(child, &ended, 0), child);
	assert_int_equal(ended, 0);
}

/* The pipe ends with the last one that has it open. */
static void a_signal_reaches_all_that_a_started_command_has_started(void **state)
{
	struct error error;
	pid_t process = 0;
	char byte = 0;
	assert_int_equal(mkfifo(at(*state, "alive"), 0600), 0);
	assert_int_equal(mkfifo(at(*state, "never"), 0600), 0);
	alarm(PATIENCE_SECONDS);
	assert_ok(process_start_shell("sh -c 'exec > alive; echo x; read x < never; :' & wait; :", *state, little, &process,
								  &error),
			  &error);
	int alive = open(at(*state, "alive"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(alive, &byte, 1), 1);
	assert_int_equal(getpgid(process), process);
	assert_int_equal(kill(-process, SIGKILL), 0);
	while (read(alive, &byte, 1) > 0) {
	}
	alarm(0);
	assert_int_equal(waitpid(process, NULL, 0), process);
	close(alive);
}

static void a_started_command_gets_three_descriptors_and_no_more(void **state)
{
	assert_int_equal(start(LOOK_FOR_OPEN_ONES "echo $open > open", *state), 0);
	assert_file_is(at(*state, "open"), "0 1 2\n");
}

static void the_end_of_a_started_command_is_told_with_its_exit_code(void **state)
{
	assert_int_equal(start("exit 3", *state), 3);
	assert_int_equal(start("kill -KILL $$", *state), 128 + SIGKILL);
	assert_int_equal(start("whisperbackup-no-such-program", *state), 127);
}

static void a_started_command_that_is_at_work_has_not_ended(void **state)
{
	struct error error;
	pid_t process = 0;
	bool ended = true;
	int exit_code = -1;
	assert_ok(process_start_shell("kill -STOP $$", *state, little, &process, &error), &error);
	assert_ok(process_ended(process, &ended, &exit_code, &error), &error);
	assert_false(ended);
	assert_int_equal(kill(process, SIGKILL), 0);
	assert_int_equal(waitpid(process, NULL, 0), process);
}

static void a_folder_that_is_missing_is_an_exit_code(void **state)
{
	assert_int_equal(start("true", at(*state, "nothing")), 126);
}

static void asking_for_a_process_that_is_none_of_ours_is_a_failure(void **state)
{
	(void)state;
	struct error error;
	bool ended = false;
	int exit_code = 0;
	assert_status(STATUS_FAILED, process_ended(getpid(), &ended, &exit_code, &error), &error);
}

/* As main does it (interrupt_install); and of what this program was given, its children shall see nothing. */
static int prepare(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	/* nohup, or a shell that runs this in the background, leave these ignored; a program of ours inherits that. */
	signal(SIGHUP, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	for (int fd = 3; fd < 256; fd++) {
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_and_errors_are_kept_apart),
		cmocka_unit_test(the_exit_code_is_the_programs),
		cmocka_unit_test(a_program_that_ends_with_127_is_not_a_missing_one),
		cmocka_unit_test(a_signal_is_128_and_its_number),
		cmocka_unit_test(a_missing_program_is_named),
		scratch_test(a_file_that_is_no_program_is_told_with_the_reason),
		cmocka_unit_test(arguments_arrive_as_they_are),
		cmocka_unit_test(without_input_the_program_finds_an_end),
		cmocka_unit_test(messages_are_in_the_c_locale),
		cmocka_unit_test(much_output_on_both_streams_comes_whole),
		cmocka_unit_test(output_beyond_the_limit_is_forgotten_and_does_not_stop_the_program),
		cmocka_unit_test(much_input_that_comes_back_as_output_does_not_get_stuck),
		cmocka_unit_test(input_goes_through_where_no_file_can_be_in_memory),
		scratch_test(input_is_whole_for_a_program_whose_caller_was_killed),
		cmocka_unit_test(input_that_is_not_read_is_no_failure),
		scratch_test(input_is_given_whole_to_a_program_that_has_closed_its_outputs),
		scratch_test(a_program_that_closes_its_outputs_is_waited_for),
		cmocka_unit_test(a_program_gets_three_descriptors_and_no_more),
		cmocka_unit_test(what_is_blocked_and_ignored_here_is_not_inherited),
		cmocka_unit_test(nothing_is_left_open_and_no_child_unburied),
		cmocka_unit_test(a_program_is_run_whichever_descriptors_are_closed_here),
		cmocka_unit_test(a_missing_program_is_told_whichever_descriptors_are_closed_here),
		scratch_test(a_started_command_has_its_folder_and_nothing_but_its_environment),
		scratch_test(a_started_command_has_no_input),
		scratch_test(what_a_started_command_says_goes_where_ours_goes),
		scratch_test(a_command_is_started_without_a_standard_input_here),
		scratch_test(a_signal_reaches_all_that_a_started_command_has_started),
		scratch_test(a_started_command_gets_three_descriptors_and_no_more),
		scratch_test(the_end_of_a_started_command_is_told_with_its_exit_code),
		scratch_test(a_started_command_that_is_at_work_has_not_ended),
		scratch_test(a_folder_that_is_missing_is_an_exit_code),
		cmocka_unit_test(asking_for_a_process_that_is_none_of_ours_is_a_failure),
	};
	return cmocka_run_group_tests_name("process", tests, prepare, NULL);
}
