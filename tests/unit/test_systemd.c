/* schedule/systemd: the units of a timer, with a systemctl of our own making. */
#include "support.h"

#include "pipeline/digest.h"
#include "schedule/systemd.h"

#include <signal.h>
#include <sys/resource.h>

#define PROJECT  "/home/me/whisperengine"
#define NAME     "whisperbackup-home-me-whisperengine"
#define CALENDAR "OnCalendar=*-*-* 02:00:00\n"

enum { MOMENT = 1795399200, RANDOM_COMMANDS = 80 };

static struct error doubt;
static char *before[3];
static const char *const variables[] = {"PATH", "HOME", "XDG_CONFIG_HOME"};

/* A systemctl that notes its words in SCRATCH/calls, and fails for those in SCRATCH/fail, and at the call whose number
 * is in SCRATCH/fail_at. */
static int world_setup(void **state)
{
	signal(SIGPIPE, SIG_IGN); /* as main does it (interrupt_install) */
	for (size_t i = 0; i < 3; i++) {
		const char *value = getenv(variables[i]);
		before[i] = value != NULL ? strdup(value) : NULL;
	}
	if (scratch_setup(state) != 0) {
		return -1;
	}
	char *script = NULL;
	char *path = NULL;
	if (asprintf(&script,
				 "#!/bin/sh\ncd '%s'\necho \"$*\" >> calls\n[ \"$1 $2\" = '--user --no-pager' ] || exit 9\n"
				 "[ \"$(cat fail 2>/dev/null)\" != \"$3\" ] || { echo \"no $3 today\" >&2; exit 1; }\n"
				 "[ \"$(cat fail_at 2>/dev/null)\" != $(wc -l < calls) ] || exit 1\n",
				 (char *)*state) < 0 ||
		asprintf(&path, "%s/bin:%s", (char *)*state, before[0]) < 0) {
		return -1;
	}
	make_folder(at(*state, "bin"));
	write_file(at(*state, "bin/systemctl"), script);
	free(script);
	int result = chmod(at(*state, "bin/systemctl"), 0755);
	result |= setenv("PATH", path, 1) | setenv("XDG_CONFIG_HOME", at(*state, "config"), 1);
	free(path);
	return result;
}

static int world_teardown(void **state)
{
	for (size_t i = 0; i < 3; i++) {
		if (before[i] != NULL) {
			setenv(variables[i], before[i], 1);
		} else {
			unsetenv(variables[i]);
		}
		free(before[i]);
	}
	return scratch_teardown(state);
}

#define world_test(function) cmocka_unit_test_setup_teardown(function, world_setup, world_teardown)

static const char *unit(const char *scratch, const char *name)
{
	return at(at(scratch, "config/systemd/user"), name);
}

static enum status install(const char *command, struct error *error)
{
	return systemd_install(PROJECT, "0 2 * * *", CALENDAR, command, MOMENT, error);
}

static void install_ok(const char *command)
{
	struct error error;
	assert_ok(install(command, &error), &error);
}

static void assert_found(const char *command)
{
	struct error error;
	struct job job = {0};
	assert_ok(systemd_find(PROJECT, &job, &error), &error);
	assert_string_equal(job.command, command);
	assert_string_equal(job.schedule, "0 2 * * *");
	assert_int_equal(job.installed, MOMENT);
	assert_true(job.persistent);
	job_free(&job);
}

static void assert_nothing_found(const char *project)
{
	struct error error;
	struct job job = {0};
	assert_status(STATUS_NOT_FOUND, systemd_find(project, &job, &error), &error);
	assert_null(job.command);
}

static void assert_no_units(const char *scratch)
{
	int exit_code = 0;
	char *files = shell(&exit_code, "cd '%s' && find config -type f -o -type l 2>/dev/null", scratch);
	assert_string_equal(files, "");
	free(files);
}

/* --- names ---------------------------------------------------------------------------------------------------------
 */

static void assert_name(const char *project, const char *expected)
{
	char name[SYSTEMD_NAME_SIZE];
	assert_string_equal(systemd_name(project, name), expected);
}

static void a_name_is_the_path_as_systemd_escape_writes_it(void **state)
{
	(void)state;
	assert_name(PROJECT, NAME);
	assert_name("/a_b.c", "whisperbackup-a_b.c");
	assert_name("/my-bot v2", "whisperbackup-my\\x2dbot\\x20v2");
	assert_name("/é@%", "whisperbackup-\\xc3\\xa9\\x40\\x25");
}

static void folders_that_look_alike_have_different_names(void **state)
{
	(void)state;
	static const char *const folders[] = {"/a/b", "/a-b", "/a\\x2db", "/a_b", "/a b", "/A/b", "/a/b/"};
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		for (size_t j = 0; j < i; j++) {
			char one[SYSTEMD_NAME_SIZE];
			char other[SYSTEMD_NAME_SIZE];
			assert_string_not_equal(systemd_name(folders[i], one), systemd_name(folders[j], other));
		}
	}
}

static void long_folders_that_differ_only_at_their_end_have_different_names(void **state)
{
	(void)state;
	char one[SYSTEMD_NAME_SIZE];
	char other[SYSTEMD_NAME_SIZE];
	char folders[2][400];
	for (size_t length = 100; length < 390; length++) {
		for (size_t i = 0; i < 2; i++) {
			memset(folders[i], 'a', length);
			folders[i][0] = '/';
			folders[i][length] = (char)('1' + i);
			folders[i][length + 1] = '\0';
		}
		assert_string_not_equal(systemd_name(folders[0], one), systemd_name(folders[1], other));
		assert_true(strlen(one) < SYSTEMD_NAME_SIZE);
		for (const char *at = one; *at != '\0'; at++) {
			assert_non_null(strchr("abcdefghijklmnopqrstuvwxyz0123456789-", *at));
		}
	}
}

static void a_long_name_ends_with_a_hash_of_the_folder(void **state)
{
	(void)state;
	struct error error;
	char folder[400];
	char name[SYSTEMD_NAME_SIZE];
	char digest[DIGEST_TEXT_SIZE];
	memset(folder, 'a', sizeof folder - 1);
	folder[0] = '/';
	folder[sizeof folder - 1] = '\0';
	assert_ok(digest_text(folder, digest, &error), &error);
	assert_int_equal(strlen(systemd_name(folder, name)), SYSTEMD_NAME_SIZE - 1);
	assert_int_equal(strncmp(name, "whisperbackup-aaa", 17), 0);
	assert_int_equal(name[SYSTEMD_NAME_SIZE - 18], '-');
	assert_int_equal(strncmp(name + SYSTEMD_NAME_SIZE - 17, digest, 16), 0);
}

/* --- install and find ----------------------------------------------------------------------------------------------
 */

static void the_units_are_written_and_the_timer_started(void **state)
{
	install_ok("cd '/p' && '/usr/bin/whisperbackup' schedule run 30");
	assert_file_is(unit(*state, NAME ".service"),
				   "# Made by \"whisperbackup schedule install\", removed by \"schedule uninstall\".\n"
				   "[Unit]\nDescription=Backup of WhisperEngine's data\n\n[Service]\nType=oneshot\n"
				   "ExecStart=/bin/sh -c \"cd '/p' && '/usr/bin/whisperbackup' schedule run 30\"\n");
	assert_file_is(unit(*state, NAME ".timer"),
				   "# Made by \"whisperbackup schedule install\", removed by \"schedule uninstall\".\n"
				   "# schedule: 0 2 * * *\n# installed: 1795399200\n"
				   "[Unit]\nDescription=Backups of WhisperEngine's data\n\n"
				   "[Timer]\n" CALENDAR "Persistent=true\n\n[Install]\nWantedBy=timers.target\n");
	assert_file_is(at(*state, "calls"), "--user --no-pager daemon-reload\n"
										"--user --no-pager enable " NAME ".timer\n"
										"--user --no-pager restart " NAME ".timer\n");
}

/* systemd.service(5), "COMMAND LINES"; systemd.unit(5), "SPECIFIERS". */
static void what_systemd_reads_in_a_command_is_escaped(void **state)
{
	install_ok("a \"b\" c\\d 100% $HOME 'é'");
	char *text = read_file(unit(*state, NAME ".service"), NULL);
	assert_non_null(strstr(text, "\nExecStart=/bin/sh -c \"a \\\"b\\\" c\\\\d 100%% $$HOME 'é'\"\n"));
	free(text);
	assert_found("a \"b\" c\\d 100% $HOME 'é'");
}

static void any_command_is_found_as_it_was_installed(void **state)
{
	(void)state;
	static const char *const parts[] = {"a", " ", "'", "\"", "\\", "%", "$", "$$", "%%", "\\\\", "é", ";", "#"};
	for (uint64_t seed = 0; seed < RANDOM_COMMANDS; seed++) {
		char command[64] = "";
		unsigned char random[10];
		fill_random(random, sizeof random, seed);
		for (size_t i = 0; i < sizeof random; i++) {
			strcat(command, parts[random[i] % (sizeof parts / sizeof *parts)]);
		}
		install_ok(command);
		assert_found(command);
	}
}

/* systemd ignores a line that is not UTF-8, and a line break begins another. */
static void what_no_unit_can_hold_is_refused_before_anything_is_written(void **state)
{
	static const char *const commands[] = {"run\nExecStart=x", "run\r",    "a\tb",    "\033[31m", "\x7f",
										   "cd '/caf\xe9'",    "\xc0\xaf", "cut \xc3"};
	struct error error;
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		assert_status(STATUS_USAGE, install(commands[i], &error), &error);
		assert_string_equal(error.hint, "rename the folder");
	}
	assert_status(STATUS_USAGE, systemd_install(PROJECT, "0 2 * * *\nx", CALENDAR, "run", MOMENT, &error), &error);
	assert_no_units(*state);
	assert_false(exists(at(*state, "calls")));
}

static void what_is_refused_leaves_an_earlier_install_alone(void **state)
{
	struct error error;
	install_ok("run");
	write_file(at(*state, "calls"), "");
	assert_status(STATUS_USAGE, install("run\n", &error), &error);
	assert_file_is(at(*state, "calls"), "");
	assert_found("run");
}

static void what_a_killed_install_left_does_not_matter(void **state)
{
	install_ok("run");
	write_file(unit(*state, NAME ".timer.new"), "[Tim");
	assert_int_equal(symlink("precious", unit(*state, NAME ".service.new")), 0);
	install_ok("other");
	assert_found("other");
	assert_false(exists(unit(*state, NAME ".timer.new")));
	assert_false(exists(unit(*state, NAME ".service.new")));
	assert_false(exists(unit(*state, "precious")));
}

static void without_xdg_config_home_the_units_are_below_home(void **state)
{
	assert_int_equal(setenv("HOME", *state, 1), 0);
	assert_int_equal(setenv("XDG_CONFIG_HOME", "relative", 1), 0); /* is to be ignored (XDG base directories) */
	install_ok("run");
	assert_true(exists(at(*state, ".config/systemd/user/" NAME ".timer")));
	assert_found("run");
}

static void without_a_home_nothing_can_be_installed_and_nothing_is(void **state)
{
	(void)state;
	struct error error;
	unsetenv("HOME");
	unsetenv("XDG_CONFIG_HOME");
	assert_status(STATUS_UNAVAILABLE, install("run", &error), &error);
	assert_nothing_found(PROJECT);
}

static void projects_have_timers_of_their_own(void **state)
{
	(void)state;
	struct error error;
	install_ok("run");
	assert_nothing_found("/home/me/whisper");
	assert_ok(systemd_install("/other", "1 1 * * *", CALENDAR, "other", MOMENT, &error), &error);
	assert_ok(systemd_uninstall("/other", &doubt, &error), &error);
	assert_found("run");
}

static void a_unit_that_is_a_symbolic_link_is_replaced_not_followed(void **state)
{
	write_file(at(*state, "precious"), "x");
	shell_ok("cd '%s' && mkdir -p config/systemd/user && ln -s '%s/precious' 'config/systemd/user/" NAME ".service'",
			 (char *)*state, (char *)*state);
	install_ok("run");
	assert_file_is(at(*state, "precious"), "x");
	assert_found("run");
}

/* --- failures ------------------------------------------------------------------------------------------------------
 */

static void a_failure_of_systemctl_is_told_and_leaves_nothing_behind(void **state)
{
	static const char *const words[] = {"daemon-reload", "enable", "restart"};
	for (size_t i = 0; i < 3; i++) {
		struct error error;
		char message[128];
		write_file(at(*state, "fail"), words[i]);
		snprintf(message, sizeof message, "systemctl --user %s: no %s today", words[i], words[i]);
		assert_status(STATUS_FAILED, install("run", &error), &error);
		assert_string_equal(error.message, message);
		assert_no_units(*state);
	}
}

static void a_failure_takes_back_what_systemctl_did(void **state)
{
	struct error error;
	write_file(at(*state, "fail"), "restart");
	assert_status(STATUS_FAILED, install("run", &error), &error);
	assert_file_is(at(*state, "calls"), "--user --no-pager daemon-reload\n"
										"--user --no-pager enable " NAME ".timer\n"
										"--user --no-pager restart " NAME ".timer\n"
										"--user --no-pager disable --now " NAME ".timer\n"
										"--user --no-pager daemon-reload\n");
}

/* The names and texts of all units; the caller frees it. */
static char *all_units(const char *scratch)
{
	return shell(NULL,
				 "cd '%s' && mkdir -p config && find config -type f | sort | while read -r unit; do"
				 " echo \"$unit\"; cat \"$unit\"; done",
				 scratch);
}

/* An install that fails at the given call of systemctl, if it gets that far; all has to be as it was. */
static bool fails_without_trace(const char *scratch, int call)
{
	struct error error;
	char number[16];
	char *units = all_units(scratch);
	snprintf(number, sizeof number, "%d", call);
	write_file(at(scratch, "calls"), "");
	write_file(at(scratch, "fail_at"), number);
	bool failed = install("other", &error) != STATUS_OK;
	write_file(at(scratch, "fail_at"), "");
	if (failed) {
		char *now = all_units(scratch);
		assert_string_equal(now, units);
		free(now);
	}
	free(units);
	return failed;
}

static void an_install_that_fails_leaves_nothing_where_nothing_was(void **state)
{
	int call = 1;
	for (; fails_without_trace(*state, call); call++) {
		assert_no_units(*state);
	}
	assert_int_equal(call, 4);
	assert_found("other");
}

static void an_install_that_fails_leaves_an_earlier_one_as_it_was(void **state)
{
	install_ok("run 100% \"$x\" \\ é");
	int call = 1;
	for (; fails_without_trace(*state, call); call++) {
		assert_found("run 100% \"$x\" \\ é");
	}
	assert_int_equal(call, 4);
	assert_found("other");
}

static void an_install_that_fails_starts_the_earlier_timer_again(void **state)
{
	install_ok("run");
	assert_true(fails_without_trace(*state, 3));
	assert_file_is(at(*state, "calls"), "--user --no-pager daemon-reload\n"
										"--user --no-pager enable " NAME ".timer\n"
										"--user --no-pager restart " NAME ".timer\n"
										"--user --no-pager daemon-reload\n"
										"--user --no-pager enable " NAME ".timer\n"
										"--user --no-pager restart " NAME ".timer\n");
}

static void an_earlier_install_comes_back_without_a_systemd_that_answers(void **state)
{
	struct error error;
	install_ok("run");
	write_file(at(*state, "fail"), "daemon-reload");
	assert_status(STATUS_FAILED, install("other", &error), &error);
	assert_string_equal(error.message, "systemctl --user daemon-reload: no daemon-reload today");
	assert_found("run");
}

static void an_install_that_fails_leaves_half_of_an_earlier_one_as_it_was(void **state)
{
	static const char *const halves[] = {NAME ".timer", NAME ".service"};
	for (size_t i = 0; i < 2; i++) {
		install_ok("run");
		assert_int_equal(unlink(unit(*state, halves[i])), 0);
		for (int call = 1; call < 4; call++) {
			assert_true(fails_without_trace(*state, call));
			assert_false(exists(unit(*state, halves[i])));
			assert_true(exists(unit(*state, halves[1 - i])));
		}
	}
}

/* As on a disk that is full. */
static void a_unit_that_cannot_be_written_leaves_the_earlier_ones(void **state)
{
	enum { LIMIT = 1000 };
	struct error error;
	struct rlimit usual;
	char command[2 * LIMIT];
	memset(command, 'x', sizeof command - 1);
	command[sizeof command - 1] = '\0';
	install_ok("run");
	char *units = all_units(*state);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &usual), 0);
	struct rlimit small = {.rlim_cur = LIMIT, .rlim_max = usual.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	enum status status = install(command, &error);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &usual), 0);
	signal(SIGXFSZ, SIG_DFL);
	assert_status(STATUS_FAILED, status, &error);
	char *now = all_units(*state);
	assert_string_equal(now, units);
	free(now);
	free(units);
}

static void a_missing_systemctl_leaves_nothing_behind(void **state)
{
	struct error error;
	assert_int_equal(setenv("PATH", at(*state, "nothing"), 1), 0);
	assert_int_not_equal(install("run", &error), STATUS_OK);
	assert_int_equal(setenv("PATH", before[0], 1), 0);
	assert_no_units(*state);
}

static void a_folder_that_cannot_be_made_is_a_failure(void **state)
{
	struct error error;
	write_file(at(*state, "config"), "x");
	assert_status(STATUS_FAILED, install("run", &error), &error);
	assert_file_is(at(*state, "config"), "x");
}

static void a_systemd_that_does_not_answer_is_unavailable_with_its_words(void **state)
{
	struct error error;
	assert_ok(systemd_available(&error), &error);
	write_file(at(*state, "fail"), "show-environment");
	assert_status(STATUS_UNAVAILABLE, systemd_available(&error), &error);
	assert_string_equal(error.message, "systemd timers of your own cannot be used here: "
									   "systemctl --user show-environment: no show-environment today");
	assert_int_equal(setenv("PATH", at(*state, "nothing"), 1), 0);
	assert_status(STATUS_UNAVAILABLE, systemd_available(&error), &error);
	assert_non_null(strstr(error.message, "there is no program systemctl"));
}

/* --- uninstall, and units that somebody changed
 * ------------------------------------------------------------------------ */

static void uninstall_stops_the_timer_and_removes_the_units(void **state)
{
	struct error error;
	install_ok("run");
	write_file(at(*state, "calls"), "");
	assert_ok(systemd_uninstall(PROJECT, &doubt, &error), &error);
	assert_file_is(at(*state, "calls"), "--user --no-pager disable --now " NAME ".timer\n"
										"--user --no-pager clean --what=state " NAME ".timer\n"
										"--user --no-pager daemon-reload\n");
	assert_no_units(*state);
	assert_status(STATUS_NOT_FOUND, systemd_uninstall(PROJECT, &doubt, &error), &error);
}

static void uninstall_goes_on_without_a_systemd_that_answers(void **state)
{
	struct error error;
	static const char *const words[] = {"disable", "clean", "daemon-reload"};
	for (size_t i = 0; i < 3; i++) {
		write_file(at(*state, "fail"), "");
		install_ok("run");
		write_file(at(*state, "fail"), words[i]);
		assert_ok(systemd_uninstall(PROJECT, &doubt, &error), &error);
		assert_no_units(*state);
	}
}

/* Instead of the other one: a systemctl that says `state` to "is-active", and fails at everything else. */
static void have_systemctl_that_only_tells(const char *scratch, const char *state)
{
	char script[256];
	snprintf(script, sizeof script,
			 "#!/bin/sh\n[ \"$3\" != is-active ] || { echo \"%s\"; exit 3; }\necho no bus >&2; exit 1\n", state);
	write_file(at(scratch, "bin/systemctl"), script);
}

static void a_timer_that_may_still_run_is_told_after_an_uninstall(void **state)
{
	struct error error;
	install_ok("run");
	have_systemctl_that_only_tells(*state, "");
	assert_ok(systemd_uninstall(PROJECT, &doubt, &error), &error);
	assert_no_units(*state);
	assert_int_equal(doubt.status, STATUS_FAILED);
	assert_string_equal(doubt.message, "systemctl --user disable: no bus");
	assert_non_null(strstr(doubt.hint, "systemctl --user stop '" NAME ".timer'"));
	assert_non_null(strstr(doubt.hint, "loginctl"));
}

static void a_timer_that_still_runs_is_told_after_an_uninstall(void **state)
{
	struct error error;
	install_ok("run");
	have_systemctl_that_only_tells(*state, "active");
	assert_ok(systemd_uninstall(PROJECT, &doubt, &error), &error);
	assert_int_equal(doubt.status, STATUS_FAILED);
}

static void a_systemd_that_does_not_hear_that_the_units_are_gone_is_told(void **state)
{
	struct error error;
	install_ok("run");
	write_file(at(*state, "fail"), "daemon-reload");
	assert_ok(systemd_uninstall(PROJECT, &doubt, &error), &error);
	assert_string_equal(doubt.message, "systemctl --user daemon-reload: no daemon-reload today");
	assert_non_null(strstr(doubt.hint, "systemctl --user daemon-reload"));
}

static void a_timer_that_can_be_stopped_or_cannot_run_is_no_doubt(void **state)
{
	struct error error;
	install_ok("run");
	write_file(at(*state, "fail"), "disable"); /* as it does without the unit; "stop" does it */
	assert_ok(systemd_uninstall(PROJECT, &doubt, &error), &error);
	assert_int_equal(doubt.status, STATUS_OK);
	write_file(at(*state, "fail"), "");
	install_ok("run");
	assert_int_equal(setenv("PATH", at(*state, "nothing"), 1), 0); /* no systemctl at all */
	assert_ok(systemd_uninstall(PROJECT, &doubt, &error), &error);
	assert_int_equal(doubt.status, STATUS_OK);
	assert_int_equal(setenv("PATH", before[0], 1), 0);
	assert_no_units(*state);
}

static void units_that_are_not_as_they_were_written_are_told_and_can_be_removed(void **state)
{
	static const char *const damages[] = {"sed -i /schedule:/d *.timer",
										  "sed -i /ExecStart/d *.service",
										  "sed -i 's/^ExecStart.*/ExecStart=\\/bin\\/sh -c \"/' *.service",
										  "truncate -s 0 *.timer",
										  "rm *.service",
										  "rm *.timer"};
	for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
		struct error error;
		struct job job = {0};
		install_ok("run");
		shell_ok("cd '%s/config/systemd/user' && %s", (char *)*state, damages[i]);
		if (systemd_find(PROJECT, &job, &error) != STATUS_FAILED) {
			fail_msg("not told: %s", damages[i]);
		}
		assert_string_equal(error.hint,
							"install it again (schedule install --systemd), or remove it (schedule uninstall)");
		assert_ok(systemd_uninstall(PROJECT, &doubt, &error), &error);
		assert_no_units(*state);
		assert_nothing_found(PROJECT);
	}
}

static void half_of_the_units_can_be_installed_over(void **state)
{
	static const char *const halves[] = {NAME ".timer", NAME ".service"};
	for (size_t i = 0; i < 2; i++) {
		install_ok("run");
		assert_int_equal(unlink(unit(*state, halves[i])), 0);
		install_ok("other");
		assert_found("other");
	}
}

static void a_moment_that_makes_no_sense_is_none(void **state)
{
	struct error error;
	struct job job = {0};
	install_ok("run");
	shell_ok("cd '%s/config/systemd/user' && sed -i 's/installed: .*/installed: 99999999999999999999/' *.timer",
			 (char *)*state);
	assert_ok(systemd_find(PROJECT, &job, &error), &error);
	assert_int_equal(job.installed, 0);
	job_free(&job);
}

static void a_timer_is_active_if_systemctl_says_so(void **state)
{
	assert_true(systemd_is_active(PROJECT));
	assert_file_is(at(*state, "calls"), "--user --no-pager is-active " NAME ".timer\n");
	write_file(at(*state, "fail"), "is-active");
	assert_false(systemd_is_active(PROJECT));
}

static void have_loginctl(const char *scratch, const char *script)
{
	write_file(at(scratch, "bin/loginctl"), script);
	assert_int_equal(chmod(at(scratch, "bin/loginctl"), 0755), 0);
}

static void only_a_known_lack_of_lingering_ends_at_logout(void **state)
{
	have_loginctl(*state, "#!/bin/sh\necho Linger=no\n");
	assert_true(systemd_ends_at_logout());
	have_loginctl(*state, "#!/bin/sh\necho Linger=yes\n");
	assert_false(systemd_ends_at_logout());
	have_loginctl(*state, "#!/bin/sh\necho Linger=no; exit 1\n");
	assert_false(systemd_ends_at_logout());
	assert_int_equal(setenv("PATH", at(*state, "nothing"), 1), 0);
	assert_false(systemd_ends_at_logout());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_the_path_as_systemd_escape_writes_it),
		cmocka_unit_test(folders_that_look_alike_have_different_names),
		cmocka_unit_test(long_folders_that_differ_only_at_their_end_have_different_names),
		cmocka_unit_test(a_long_name_ends_with_a_hash_of_the_folder),
		world_test(the_units_are_written_and_the_timer_started),
		world_test(what_systemd_reads_in_a_command_is_escaped),
		world_test(any_command_is_found_as_it_was_installed),
		world_test(what_no_unit_can_hold_is_refused_before_anything_is_written),
		world_test(what_is_refused_leaves_an_earlier_install_alone),
		world_test(what_a_killed_install_left_does_not_matter),
		world_test(without_xdg_config_home_the_units_are_below_home),
		world_test(without_a_home_nothing_can_be_installed_and_nothing_is),
		world_test(projects_have_timers_of_their_own),
		world_test(a_unit_that_is_a_symbolic_link_is_replaced_not_followed),
		world_test(a_failure_of_systemctl_is_told_and_leaves_nothing_behind),
		world_test(a_failure_takes_back_what_systemctl_did),
		world_test(an_install_that_fails_leaves_nothing_where_nothing_was),
		world_test(an_install_that_fails_leaves_an_earlier_one_as_it_was),
		world_test(an_install_that_fails_starts_the_earlier_timer_again),
		world_test(an_earlier_install_comes_back_without_a_systemd_that_answers),
		world_test(an_install_that_fails_leaves_half_of_an_earlier_one_as_it_was),
		world_test(a_unit_that_cannot_be_written_leaves_the_earlier_ones),
		world_test(a_missing_systemctl_leaves_nothing_behind),
		world_test(a_folder_that_cannot_be_made_is_a_failure),
		world_test(a_systemd_that_does_not_answer_is_unavailable_with_its_words),
		world_test(uninstall_stops_the_timer_and_removes_the_units),
		world_test(uninstall_goes_on_without_a_systemd_that_answers),
		world_test(a_timer_that_may_still_run_is_told_after_an_uninstall),
		world_test(a_timer_that_still_runs_is_told_after_an_uninstall),
		world_test(a_systemd_that_does_not_hear_that_the_units_are_gone_is_told),
		world_test(a_timer_that_can_be_stopped_or_cannot_run_is_no_doubt),
		world_test(units_that_are_not_as_they_were_written_are_told_and_can_be_removed),
		world_test(half_of_the_units_can_be_installed_over),
		world_test(a_moment_that_makes_no_sense_is_none),
		world_test(a_timer_is_active_if_systemctl_says_so),
		world_test(only_a_known_lack_of_lingering_ends_at_logout),
	};
	return cmocka_run_group_tests_name("systemd", tests, NULL, NULL);
}
