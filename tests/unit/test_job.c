/* schedule/job: the one command that a scheduler runs, and what can be read from it again. */
#include "support.h"

#include "base/process.h"
#include "schedule/job.h"

enum { RANDOM_JOBS = 60 };

static const char *const no_variables[] = {NULL};

static char *command_of(const char *program, const char *folder, const char *const *variables, unsigned days)
{
	struct error error;
	char *command = NULL;
	struct job_request request = {.program = program, .project_folder = folder, .variables = variables, .days = days};
	assert_ok(job_command(&request, &command, &error), &error);
	return command;
}

static void assert_command(const char *folder, const char *const *variables, const char *expected)
{
	char *command = command_of("/usr/bin/whisperbackup", folder, variables, 30);
	assert_string_equal(command, expected);
	free(command);
}

/* --- the text -------------------------------------------------------------------------------------------------------
 */

static void a_job_goes_to_the_project_and_runs_the_program(void **state)
{
	(void)state;
	assert_command("/home/me/whisperengine", no_variables,
				   "cd '/home/me/whisperengine' && '/usr/bin/whisperbackup' schedule run 30");
}

static void a_job_that_removes_nothing_names_no_days(void **state)
{
	(void)state;
	struct error error;
	char *command = NULL;
	struct job_request request = {
		.program = "/bin/p", .project_folder = "/x", .variables = no_variables, .days = JOB_KEEPS_ALL, .drill = true};
	assert_ok(job_command(&request, &command, &error), &error);
	assert_string_equal(command, "cd '/x' && '/bin/p' schedule run --drill");
	free(command);
}

static void settings_go_with_env_in_front_of_the_program(void **state)
{
	(void)state;
	static const char *const variables[] = {"BACKUP_DIR=/my disk", "COMPOSE_PROJECT_NAME=mine", NULL};
	assert_command("/p", variables,
				   "cd '/p' && env 'BACKUP_DIR=/my disk' 'COMPOSE_PROJECT_NAME=mine' '/usr/bin/whisperbackup' "
				   "schedule run 30");
}

static void what_some_shell_reads_within_quotes_stands_outside_of_them(void **state)
{
	(void)state;
	assert_command("/it's", no_variables, "cd '/it'\"'\"'s' && '/usr/bin/whisperbackup' schedule run 30");
	assert_command("/wow!", no_variables, "cd '/wow'\\!'' && '/usr/bin/whisperbackup' schedule run 30");
	assert_command("/a\\\\b\\", no_variables, "cd '/a'\\\\'\\b'\\\\'' && '/usr/bin/whisperbackup' schedule run 30");
}

/* Of "\\", some crons make "\" and some do not; of "\b" none makes anything else. */
static void a_lone_backslash_stays_single_for_every_cron(void **state)
{
	(void)state;
	assert_command("/a\\b", no_variables, "cd '/a\\b' && '/usr/bin/whisperbackup' schedule run 30");
}

static void a_line_break_in_any_part_is_refused(void **state)
{
	(void)state;
	static const char *const broken[] = {"BACKUP_DIR=/a\nb", NULL};
	const struct job_request requests[] = {
		{.program = "/p", .project_folder = "/a\nb", .variables = no_variables},
		{.program = "/p", .project_folder = "/a\rb", .variables = no_variables},
		{.program = "/p\n", .project_folder = "/a", .variables = no_variables},
		{.program = "/p", .project_folder = "/a", .variables = broken},
	};
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
		struct error error;
		char *command = NULL;
		assert_status(STATUS_USAGE, job_command(&requests[i], &command, &error), &error);
		assert_null(command);
		assert_string_not_equal(error.hint, "");
	}
}

/* env(1) takes each word with a "=" for a setting, until one has none. */
static void a_program_that_env_would_take_for_a_setting_is_refused(void **state)
{
	(void)state;
	static const char *const variables[] = {"BACKUP_DIR=/x", NULL};
	struct error error;
	char *command = NULL;
	struct job_request request = {.program = "/a=b/p", .project_folder = "/x", .variables = variables, .days = 1};
	assert_status(STATUS_USAGE, job_command(&request, &command, &error), &error);
	assert_null(command);
	assert_string_equal(error.hint, "rename the folder with the \"=\", or write the settings into .env");
	request.variables = no_variables;
	assert_ok(job_command(&request, &command, &error), &error);
	free(command);
}

static void a_command_that_is_far_too_long_is_refused(void **state)
{
	(void)state;
	struct error error;
	char *command = NULL;
	char *folder = malloc(70000);
	assert_non_null(folder);
	memset(folder, 'a', 69999);
	folder[0] = '/';
	folder[69999] = '\0';
	struct job_request request = {.program = "/p", .project_folder = folder, .variables = no_variables};
	assert_status(STATUS_FAILED, job_command(&request, &command, &error), &error);
	assert_null(command);
	free(folder);
}

/* --- reading it again
 * ------------------------------------------------------------------------------------------------- */

static void assert_variable(const char *command, const char *name, const char *expected)
{
	struct error error;
	char *value = NULL;
	assert_ok(job_variable(command, name, &value, &error), &error);
	if (expected == NULL) {
		assert_null(value);
	} else {
		assert_non_null(value);
		assert_string_equal(value, expected);
	}
	free(value);
}

static void a_variable_is_found_by_its_whole_name(void **state)
{
	(void)state;
	static const char *const variables[] = {"BACKUP_DIR_OLD=x", "BACKUP_DIR=/a=b", "EMPTY=", NULL};
	char *command = command_of("/bin/p", "/BACKUP=1", variables, 1);
	assert_variable(command, "BACKUP_DIR", "/a=b");
	assert_variable(command, "BACKUP_DIR_OLD", "x");
	assert_variable(command, "EMPTY", "");
	assert_variable(command, "BACKUP", NULL);
	assert_variable(command, "DIR", NULL);
	free(command);
}

static void a_variable_is_not_read_out_of_another_ones_value(void **state)
{
	(void)state;
	static const char *const variables[] = {"A=' 'B=1' '", "C=\\'D=2", NULL};
	char *command = command_of("/bin/p", "/x 'B=3'", variables, 1);
	assert_variable(command, "B", NULL);
	assert_variable(command, "D", NULL);
	assert_variable(command, "A", "' 'B=1' '");
	free(command);
}

static void a_command_that_somebody_broke_is_read_without_harm(void **state)
{
	(void)state;
	static const char *const commands[] = {"",        "'",        "''",      "'A=",        "'A=x",         "'A=x'\"",
										   "'A=x'\\", "'A=x'\\'", "'\"'\"'", "'A=x'\"'\"", "cd && env A=x"};
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		struct error error;
		char *value = NULL;
		assert_ok(job_variable(commands[i], "A", &value, &error), &error);
		free(value);
		assert_int_equal(job_days(commands[i]), 0);
	}
}

static void the_days_are_read_again(void **state)
{
	(void)state;
	char *command = command_of("/bin/p", "/x schedule run 5", no_variables, 36500);
	assert_int_equal(job_days(command), 36500);
	free(command);
}

static void no_days_are_told_from_a_command_of_others(void **state)
{
	(void)state;
	char *command = command_of("/bin/p", "/x", no_variables, 0);
	assert_int_equal(job_days(command), 0);
	assert_true(job_is_ours(command));
	free(command);
}

static void whether_it_drills_is_read_again(void **state)
{
	(void)state;
	struct error error;
	char *command = NULL;
	struct job_request request = {
		.program = "/bin/p", .project_folder = "/x --drill", .variables = no_variables, .days = 7, .drill = true};
	assert_ok(job_command(&request, &command, &error), &error);
	assert_string_equal(command, "cd '/x --drill' && '/bin/p' schedule run 7 --drill");
	assert_true(job_drills(command));
	assert_int_equal(job_days(command), 7);
	free(command);
	request.drill = false;
	assert_ok(job_command(&request, &command, &error), &error);
	assert_false(job_drills(command));
	assert_int_equal(job_days(command), 7);
	free(command);
}

static void what_is_no_command_of_ours_has_no_days(void **state)
{
	(void)state;
	static const char *const commands[] = {
		"/bin/p",
		"'/bin/p' schedule run",
		"'/bin/p' schedule run ",
		"'/bin/p' schedule run x",
		"'/bin/p' schedule run 30 >/dev/null",
		"'/bin/p' schedule run 30 --drill >/dev/null",
		"'/bin/p' schedule run --drill",
		"'/bin/p' schedule run -1",
		"'/bin/p' schedule run 99999999999999999999",
		"'/bin/p schedule run 30'",
	};
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		assert_int_equal(job_days(commands[i]), 0);
		assert_false(job_drills(commands[i]));
		assert_false(job_is_ours(commands[i]));
	}
}

/* --- real shells
 * ------------------------------------------------------------------------------------------------------ */

static unsigned random_below(uint64_t *random, unsigned limit)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return (unsigned)(*random >> 33) % limit;
}

/* A name made of what hurts in shells and crontabs; never with "/" or a line break. */
static void random_name(uint64_t *random, char *name, size_t size)
{
	static const char *const parts[] = {"a", " ",  "'",  "\"",  "\\",   "%",   "$HOME", "$(id)", "`id`", "!",   "!!",
										"&", "|",  ";",  "<",   ">",    "(",   ")",     "*",     "?",    "[a]", "{a",
										"}", "~",  "#",  "=",   "^",    ":",   "é",     "\t",    "-",    "🚀",   "\\n",
										"@", "''", "%%", "\\'", "\\\\", "\\%", ",b",    "+",     "A=1",  "0",   "\x01"};
	size_t length = 0;
	name[0] = '\0';
	for (unsigned left = 1 + random_below(random, 9); left > 0; left--) {
		const char *part = parts[random_below(random, sizeof parts / sizeof *parts)];
		length += (size_t)snprintf(name + length, size - length, "%s", part);
	}
}

/* A program that tells where it is, what it was given, and two settings; each in a line. */
static void make_program(const char *folder, const char *path)
{
	make_folder(folder);
	write_file(path, "#!/bin/sh\npwd -P\nprintf '%s\\n' \"$BACKUP_DIR\" \"$DOCKER_HOST\" \"$#\" \"$@\"\n");
	assert_int_equal(chmod(path, 0755), 0);
}

/* Random jobs, run by `shell`; each has to say exactly what went in. */
static void run_jobs(const char *scratch, const char *shell_name, uint64_t seed)
{
	uint64_t random = seed;
	for (int i = 0; i < RANDOM_JOBS; i++) {
		char names[4][128];
		for (size_t j = 0; j < 4; j++) {
			random_name(&random, names[j], sizeof names[j]);
		}
		struct error error;
		char *folder = NULL;
		char *program = NULL;
		char *variables[3] = {NULL};
		char *expected = NULL;
		unsigned days = random_below(&random, 36501);
		for (char *at = names[1]; (at = strchr(at, '=')) != NULL;) { /* see above */
			*at = '_';
		}
		assert_true(asprintf(&folder, "%s/%d%s", scratch, i, names[0]) > 0);
		assert_true(asprintf(&program, "%s/%d%s.sh", scratch, i, names[1]) > 0);
		assert_true(asprintf(&variables[0], "BACKUP_DIR=%s", names[2]) > 0);
		assert_true(asprintf(&variables[1], "DOCKER_HOST=%s", names[3]) > 0);
		assert_true(asprintf(&expected, "%s\n%s\n%s\n3\nschedule\nrun\n%u\n", folder, names[2], names[3], days) > 0);
		make_program(folder, program);
		char *command = command_of(program, folder, (const char *const *)variables, days);
		assert_variable(command, "BACKUP_DIR", names[2]);
		assert_variable(command, "DOCKER_HOST", names[3]);
		assert_int_equal(job_days(command), days);

		const char *const arguments[] = {shell_name, "-c", command, NULL};
		struct buffer output = BUFFER_INIT(1 << 20);
		struct buffer errors = BUFFER_INIT(1 << 20);
		int exit_code = -1;
		assert_ok(process_run(arguments, NULL, &output, &errors, &exit_code, &error), &error);
		if (exit_code != 0 || strcmp(buffer_text(&output), expected) != 0) {
			fail_msg("%s -c %s\nsays (exit code %d): %s%s", shell_name, command, exit_code, buffer_text(&output),
					 buffer_text(&errors));
		}
		buffer_free(&output);
		buffer_free(&errors);
		free(folder);
		free(program);
		free(variables[0]);
		free(variables[1]);
		free(expected);
		free(command);
	}
}

static void run_jobs_if_installed(void **state, const char *shell_name, uint64_t seed)
{
	int exit_code = 0;
	free(shell(&exit_code, "command -v %s", shell_name));
	if (exit_code != 0) {
		skip();
	}
	run_jobs(*state, shell_name, seed);
}

static void sh_runs_exactly_what_went_in(void **state)
{
	run_jobs(*state, "/bin/sh", 1);
}

static void bash_runs_exactly_what_went_in(void **state)
{
	run_jobs_if_installed(state, "bash", 2);
}

static void dash_runs_exactly_what_went_in(void **state)
{
	run_jobs_if_installed(state, "dash", 3);
}

static void zsh_runs_exactly_what_went_in(void **state)
{
	run_jobs_if_installed(state, "zsh", 4);
}

static void csh_runs_exactly_what_went_in(void **state)
{
	run_jobs_if_installed(state, "csh", 5);
}

static void tcsh_runs_exactly_what_went_in(void **state)
{
	run_jobs_if_installed(state, "tcsh", 6);
}

static void fish_runs_exactly_what_went_in(void **state)
{
	run_jobs_if_installed(state, "fish", 7);
}

static void a_job_whose_folder_has_gone_runs_nothing(void **state)
{
	struct error error;
	struct buffer output = BUFFER_INIT(4096);
	struct buffer errors = BUFFER_INIT(4096);
	int exit_code = 0;
	char *command = command_of("/bin/echo", at(*state, "gone"), no_variables, 1);
	const char *const arguments[] = {"/bin/sh", "-c", command, NULL};
	assert_ok(process_run(arguments, NULL, &output, &errors, &exit_code, &error), &error);
	assert_int_not_equal(exit_code, 0);
	assert_string_equal(buffer_text(&output), "");
	buffer_free(&output);
	buffer_free(&errors);
	free(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_goes_to_the_project_and_runs_the_program),
		cmocka_unit_test(a_job_that_removes_nothing_names_no_days),
		cmocka_unit_test(settings_go_with_env_in_front_of_the_program),
		cmocka_unit_test(what_some_shell_reads_within_quotes_stands_outside_of_them),
		cmocka_unit_test(a_lone_backslash_stays_single_for_every_cron),
		cmocka_unit_test(a_line_break_in_any_part_is_refused),
		cmocka_unit_test(a_program_that_env_would_take_for_a_setting_is_refused),
		cmocka_unit_test(a_command_that_is_far_too_long_is_refused),
		cmocka_unit_test(a_variable_is_found_by_its_whole_name),
		cmocka_unit_test(a_variable_is_not_read_out_of_another_ones_value),
		cmocka_unit_test(a_command_that_somebody_broke_is_read_without_harm),
		cmocka_unit_test(the_days_are_read_again),
		cmocka_unit_test(no_days_are_told_from_a_command_of_others),
		cmocka_unit_test(whether_it_drills_is_read_again),
		cmocka_unit_test(what_is_no_command_of_ours_has_no_days),
		scratch_test(sh_runs_exactly_what_went_in),
		scratch_test(bash_runs_exactly_what_went_in),
		scratch_test(dash_runs_exactly_what_went_in),
		scratch_test(zsh_runs_exactly_what_went_in),
		scratch_test(csh_runs_exactly_what_went_in),
		scratch_test(tcsh_runs_exactly_what_went_in),
		scratch_test(fish_runs_exactly_what_went_in),
		scratch_test(a_job_whose_folder_has_gone_runs_nothing),
	};
	return cmocka_run_group_tests_name("job", tests, NULL, NULL);
}
