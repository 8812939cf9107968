/* schedule/crontab_program: the crontab program, here one of our own making, and what it may do wrong. */
#include "support.h"

#include "base/files.h"
#include "schedule/crontab.h"

#include <dirent.h>
#include <dlfcn.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>

static bool folders_fail;

struct dirent *readdir(DIR *folder)
{
	struct dirent *(*real)(DIR *) = NULL;
	*(void **)&real = dlsym(RTLD_NEXT, "readdir64");
	errno = folders_fail ? EIO : errno;
	return folders_fail ? NULL : real(folder);
}

static char *path_before;

static int world_setup(void **state)
{
	signal(SIGPIPE, SIG_IGN); /* as main does it (interrupt_install) */
	path_before = strdup(getenv("PATH"));
	return path_before == NULL || scratch_setup(state) != 0 ? -1 : 0;
}

static int world_teardown(void **state)
{
	int result = setenv("PATH", path_before, 1);
	free(path_before);
	return scratch_teardown(state) != 0 ? -1 : result;
}

#define world_test(function) cmocka_unit_test_setup_teardown(function, world_setup, world_teardown)

/* A crontab that keeps its text in SCRATCH/crontab; `script` runs first, and may end it. */
static void have_crontab(const char *scratch, const char *script)
{
	char *text = NULL;
	char *path = NULL;
	assert_true(asprintf(&text,
						 "#!/bin/sh\nfile='%s/crontab'\n%s\n"
						 "case $1 in\n"
						 "-l) [ -e \"$file\" ] || { echo 'no crontab for me' >&2; exit 1; }; cat \"$file\" ;;\n"
						 "-r) rm \"$file\" ;;\n"
						 "-) cat > \"$file\" ;;\n"
						 "*) exit 2 ;;\n"
						 "esac\n",
						 scratch, script) > 0);
	assert_true(asprintf(&path, "%s/bin:%s", scratch, path_before) > 0);
	make_folder(at(scratch, "bin"));
	write_file(at(scratch, "bin/crontab"), text);
	assert_int_equal(chmod(at(scratch, "bin/crontab"), 0755), 0);
	assert_int_equal(setenv("PATH", path, 1), 0);
	free(text);
	free(path);
}

static void assert_read(const char *expected)
{
	struct error error;
	char *text = NULL;
	assert_ok(crontab_read(&text, &error), &error);
	if (expected == NULL) {
		assert_null(text);
	} else {
		assert_non_null(text);
		assert_string_equal(text, expected);
	}
	free(text);
}

static void assert_read_fails(enum status status, const char *message)
{
	struct error error;
	char *text = NULL;
	assert_status(status, crontab_read(&text, &error), &error);
	assert_null(text);
	assert_string_equal(error.message, message);
}

static void assert_write_fails(enum status status, const char *text, const char *message)
{
	struct error error;
	assert_status(status, crontab_write(text, NULL, &error), &error);
	assert_string_equal(error.message, message);
}

/* --- reading
 * ----------------------------------------------------------------------------------------------------------- */

static void the_text_is_read_byte_for_byte(void **state)
{
	have_crontab(*state, "");
	write_file(at(*state, "crontab"), "a\r\n\n é\xff\n last");
	assert_read("a\r\n\n é\xff\n last");
}

static void no_crontab_is_another_thing_than_an_empty_one(void **state)
{
	have_crontab(*state, "");
	assert_read(NULL);
	write_file(at(*state, "crontab"), "");
	assert_read("");
}

static void a_user_who_may_not_is_told_what_crontab_says(void **state)
{
	have_crontab(*state, "echo 'You (me) are not allowed to use this program (crontab)' >&2; exit 1");
	assert_read_fails(STATUS_FAILED,
					  "crontab does not show your crontab: You (me) are not allowed to use this program (crontab)");
}

static void a_crontab_that_fails_without_a_word_is_told_with_its_exit_code(void **state)
{
	have_crontab(*state, "exit 7");
	assert_read_fails(STATUS_FAILED, "crontab does not show your crontab: exit code 7");
}

static void what_it_shows_before_it_fails_is_no_crontab(void **state)
{
	have_crontab(*state, "echo '0 2 * * * half'; kill -KILL $$");
	assert_read_fails(STATUS_FAILED, "crontab does not show your crontab: exit code 137");
}

/* busybox: the crontab is a file of that name in a folder that it has gone to. */
static void busybox_says_no_crontab_in_its_own_words(void **state)
{
	have_crontab(*state, "[ \"$1\" != -l ] || [ -e \"$file\" ] ||"
						 " { echo \"crontab: can't open 'me': No such file or directory\" >&2; exit 1; }");
	struct error error;
	assert_read(NULL);
	assert_ok(crontab_write("a\n", NULL, &error), &error);
	assert_read("a\n");
	assert_ok(crontab_write(NULL, NULL, &error), &error);
}

/* Taken for none, it would be overwritten. */
static void a_crontab_that_is_there_but_cannot_be_opened_is_not_none(void **state)
{
	have_crontab(*state, "[ \"$1\" != -l ] || { echo \"crontab: can't open 'me': Permission denied\" >&2; exit 1; }");
	assert_read_fails(STATUS_FAILED, "crontab does not show your crontab: crontab: can't open 'me': Permission denied");
}

static void a_missing_program_is_unavailable_and_the_hint_says_where_to_get_it(void **state)
{
	struct error error;
	char *text = NULL;
	assert_int_equal(setenv("PATH", *state, 1), 0);
	assert_status(STATUS_UNAVAILABLE, crontab_read(&text, &error), &error);
	assert_string_equal(error.message, "there is no crontab program on this machine");
	assert_non_null(strstr(error.hint, "apt-get install cron"));
	assert_status(STATUS_UNAVAILABLE, crontab_write("x\n", NULL, &error), &error);
}

/* Half of a crontab must never be taken for the whole: it would be written back. */
static void a_crontab_that_is_too_long_to_be_read_whole_is_refused(void **state)
{
	have_crontab(*state, "[ $1 != -l ] || { head -c 5000000 /dev/zero | tr '\\0' '\\n'; exit 0; }");
	assert_read_fails(STATUS_FAILED, "your crontab has more than 4194304 bytes, and is left alone");
}

static void a_crontab_with_a_nul_byte_is_refused(void **state)
{
	have_crontab(*state, "[ $1 != -l ] || { printf 'a\\n\\0b\\n'; exit 0; }");
	assert_read_fails(STATUS_FAILED, "your crontab has a NUL byte in it, and is left alone");
}

/* --- writing
 * ----------------------------------------------------------------------------------------------------------- */

static void the_text_is_written_byte_for_byte(void **state)
{
	struct error error;
	bool added = true;
	have_crontab(*state, "");
	assert_ok(crontab_write("a\n\xff% \\\n", &added, &error), &error);
	assert_file_is(at(*state, "crontab"), "a\n\xff% \\\n");
	assert_false(added);
}

static void an_empty_text_is_an_empty_crontab_and_null_is_none(void **state)
{
	struct error error;
	have_crontab(*state, "");
	assert_ok(crontab_write("", NULL, &error), &error);
	assert_file_is(at(*state, "crontab"), "");
	assert_ok(crontab_write(NULL, NULL, &error), &error);
	assert_false(exists(at(*state, "crontab")));
}

static void a_large_crontab_goes_through(void **state)
{
	enum { LENGTH = 1 << 20 };
	struct error error;
	char *text = malloc(LENGTH + 1);
	assert_non_null(text);
	memset(text, '#', LENGTH);
	text[LENGTH - 1] = '\n';
	text[LENGTH] = '\0';
	have_crontab(*state, "");
	assert_ok(crontab_write(text, NULL, &error), &error);
	assert_file_is(at(*state, "crontab"), text);
	free(text);
}

/* Debian's: "new crontab file is missing newline before EOF, can't install." */
#define REFUSES_NEWLINE                                                                                                \
	"[ \"$1\" != - ] || { cat > \"$file.new\"; [ -z \"$(tail -c 1 \"$file.new\")\" ] ||"                               \
	" { echo 'new crontab file is missing newline before EOF, can'\\''t install.' >&2; exit 1; };"                     \
	" mv \"$file.new\" \"$file\"; exit 0; }"

static void a_newline_that_is_insisted_on_is_added_and_told(void **state)
{
	struct error error;
	bool added = false;
	have_crontab(*state, REFUSES_NEWLINE);
	assert_ok(crontab_write("a\nb", &added, &error), &error);
	assert_file_is(at(*state, "crontab"), "a\nb\n");
	assert_true(added);
}

static void a_crontab_that_takes_it_without_a_newline_gets_none(void **state)
{
	struct error error;
	bool added = true;
	have_crontab(*state, "");
	assert_ok(crontab_write("a\nb", &added, &error), &error);
	assert_file_is(at(*state, "crontab"), "a\nb");
	assert_false(added);
}

static void a_complaint_about_a_newline_that_is_there_is_not_tried_again(void **state)
{
	have_crontab(*state, "[ \"$1\" != - ] || { echo x >> \"$file.tries\"; echo 'newline?' >&2; exit 1; }");
	assert_write_fails(STATUS_FAILED, "a\n", "crontab does not take the change, and nothing was changed: newline?");
	assert_file_is(at(*state, "crontab.tries"), "x\n");
}

static void a_refusal_is_passed_on(void **state)
{
	have_crontab(*state, "[ \"$1\" = -l ] || { echo '\"-\":0: bad minute' >&2; exit 1; }");
	assert_write_fails(STATUS_FAILED, "a\n",
					   "crontab does not take the change, and nothing was changed: \"-\":0: bad minute");
	assert_write_fails(STATUS_FAILED, NULL,
					   "crontab does not take the change, and nothing was changed: \"-\":0: bad minute");
}

/* Debian's: "-":1: command too long. */
static void a_line_that_is_too_long_for_cron_has_a_hint(void **state)
{
	struct error error;
	have_crontab(*state, "[ \"$1\" != - ] || { cat > /dev/null; echo '\"-\":1: command too long' >&2; exit 1; }");
	assert_status(STATUS_FAILED, crontab_write("a\n", NULL, &error), &error);
	assert_string_equal(error.message,
						"crontab does not take the change, and nothing was changed: \"-\":1: command too long");
	assert_non_null(strstr(error.hint, "use --systemd"));
	assert_false(exists(at(*state, "crontab")));
}

static void what_crontab_says_is_shown_without_its_terminal_escapes(void **state)
{
	have_crontab(*state, "printf 'no \\033[31mway\\n' >&2; exit 1");
	assert_read_fails(STATUS_FAILED, "crontab does not show your crontab: no ?[31mway");
}

static void a_text_that_is_changed_behind_our_back_is_noticed(void **state)
{
	static const char *const message =
		"your crontab is not what was written: something else changes it at the same time";
	have_crontab(*state, "[ \"$1\" = -l ] || trap 'echo \"# mine\" >> \"$file\"' EXIT");
	assert_write_fails(STATUS_FAILED, "a\n", message);
	assert_write_fails(STATUS_FAILED, NULL, message);
}

static void a_text_that_changes_while_it_is_read_is_noticed(void **state)
{
	have_crontab(*state, "[ \"$1\" != -l ] || echo \"# $$\" >> \"$file\"");
	assert_read_fails(STATUS_FAILED, "your crontab is not the same when it is read again: something else changes it");
}

/* Debian's: what it takes for its header is not listed, unless that is asked for. */
static void comments_at_the_top_that_are_not_listed_are_read(void **state)
{
	have_crontab(*state, "[ \"$1\" != -l ] || [ \"$CRONTAB_NOHEADER\" = N ] || { tail -n +4 \"$file\"; exit; }");
	write_file(at(*state, "crontab"), "# a\n# b\n# c\n1 1 * * * d\n");
	assert_read("# a\n# b\n# c\n1 1 * * * d\n");
	write_file(at(*state, "crontab"),
			   "# DO NOT EDIT THIS FILE - edit\n# (- installed on)\n# (Cron version 3)\n# mine\n");
	assert_read("# mine\n");
	write_file(at(*state, "crontab"), "# DO NOT EDIT THIS FILE - edit\n# (- installed on)\n# mine, too\n# mine\n");
	assert_read("# DO NOT EDIT THIS FILE - edit\n# (- installed on)\n# mine, too\n# mine\n");
}

/* Debian's: what is listed is not what is there, but an editor gets that. */
static void carriage_returns_and_backspaces_that_are_listed_as_two_characters_are_read(void **state)
{
	have_crontab(*state, "[ \"$1\" != -l ] || { sed 's/\r/\\\\r/g; s/\b/\\\\b/g' \"$file\"; exit; }\n"
						 "[ \"$1\" != -e ] || { $VISUAL \"$file\"; exit; }");
	write_file(at(*state, "crontab"), "# a\bb \\b\n");
	assert_read("# a\bb \\b\n");
	write_file(at(*state, "crontab"), "# a\rb \\r \b\n");
	assert_read("# a\rb \\r \b\n");
}

static void a_crontab_whose_true_bytes_cannot_be_told_is_left_alone(void **state)
{
	have_crontab(*state, "[ \"$1\" != -e ] || exit 0");
	write_file(at(*state, "crontab"), "# \\b\n");
	assert_read_fails(STATUS_FAILED, "your crontab has carriage returns or backspaces, or \"\\r\" or \"\\b\", and "
									 "crontab does not show which; it is left alone");
}

static void a_crontab_that_only_says_it_has_written_is_noticed(void **state)
{
	have_crontab(*state, "[ \"$1\" = -l ] || { cat > /dev/null; exit 0; }");
	assert_write_fails(STATUS_FAILED, "a\n",
					   "your crontab is not what was written: something else changes it at the same time");
}

/* --- a change of it -----------------------------------------------------------------------------------------------
 */

/* Each crontab_read lists twice: the first time, somebody else adds a line. */
#define CHANGES_WHEN(condition)                                                                                        \
	"[ \"$1\" != -l ] || { echo x >> \"$file.looks\"; looks=$(wc -l < \"$file.looks\");"                               \
	" ! [ " condition " ] || echo '# theirs' >> \"$file\"; }"

static void what_somebody_changes_before_we_write_is_kept(void **state)
{
	struct error error;
	have_crontab(*state, CHANGES_WHEN("$looks = 3"));
	write_file(at(*state, "crontab"), "# mine\n");
	assert_ok(crontab_install("/p", "0 2 * * *", "true", 0, &error), &error);
	assert_file_is(at(*state, "crontab"),
				   "# mine\n# theirs\n# BEGIN whisperbackup /p\n# installed 1970-01-01T00:00:00Z by \"schedule "
				   "install\"; removed by \"schedule uninstall\"\n0 2 * * * true\n# END whisperbackup /p\n");
	write_file(at(*state, "crontab.looks"), "");
	assert_ok(crontab_uninstall("/p", NULL, &error), &error);
	assert_file_is(at(*state, "crontab"), "# mine\n# theirs\n# theirs\n");
}

static void a_crontab_that_changes_all_the_time_is_left_alone(void **state)
{
	struct error error;
	char *text = NULL;
	have_crontab(*state, CHANGES_WHEN("$((looks % 2)) = 1"));
	write_file(at(*state, "crontab"), "# mine\n");
	assert_status(STATUS_FAILED, crontab_install("/p", "0 2 * * *", "true", 0, &error), &error);
	assert_string_equal(error.message, "something else changes your crontab all the time, and it is left alone");
	assert_non_null(strstr(error.hint, "crontab -e"));
	assert_ok(files_read_text(at(*state, "crontab"), &text, &error), &error);
	assert_null(strstr(text, "BEGIN"));
	free(text);
}

/* --- the daemon ---------------------------------------------------------------------------------------------------
 */

enum { NOT_ALLOWED = 77 };

/* Starts a process of that name, in a further namespace of processes if it is to be like one in a container. */
static pid_t start_process(const char *name, bool in_a_container)
{
	int ready[2];
	char sign = '0';
	if (pipe(ready) != 0) {
		return -1;
	}
	pid_t child = fork();
	if (child == 0) {
		/* Not this process is in the new namespace, but its next child. */
		bool named = !in_a_container || (unshare(CLONE_NEWPID) == 0 && fork() == 0);
		if (named && prctl(PR_SET_NAME, name) == 0) {
			(void)!write(ready[1], "1", 1);
		}
		pause();
		_exit(0);
	}
	(void)!read(ready[0], &sign, 1);
	close(ready[0]);
	close(ready[1]);
	return sign == '1' ? child : -1;
}

/* Is that what crontab_daemon says while a process of that name is there? */
static bool is_found(const char *name, bool in_a_container, bool expected)
{
	char found_name[CRONTAB_DAEMON_SIZE] = "";
	pid_t process = start_process(name, in_a_container);
	int found = crontab_daemon(found_name);
	bool right = process > 0 && (expected ? found == process && strcmp(found_name, name) == 0 : found == 0);
	if (process > 0) {
		kill(process, SIGKILL);
		waitpid(process, NULL, 0);
	}
	return right;
}

static bool daemons_are_found(void)
{
	return is_found("cron", false, true) && is_found("crond", false, true) && is_found("fcron", false, true) &&
		   is_found("bcron-sched", false, true) && is_found("dcron", false, true);
}

static bool others_are_not_found(void)
{
	return is_found("cro", false, false) && is_found("cronx", false, false) && is_found("anacron", false, false) &&
		   is_found("bcron-schedule", false, false);
}

static bool one_in_a_container_is_not_found(void)
{
	return is_found("cron", true, false);
}

static bool hidden_ones_are_told(void)
{
	char name[CRONTAB_DAEMON_SIZE] = "";
	return mount("none", "/proc", "tmpfs", 0, NULL) == 0 && crontab_daemon(name) == -1;
}

/*
 * Where no processes are but the test's own: it is the first one of new namespaces, and all end with it. Skipped where
 * this user may not have any (in some containers, or where unprivileged ones are switched off).
 */
static void assert_in_a_world_of_its_own(bool (*check)(void))
{
	int result = 0;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (unshare(CLONE_NEWPID | CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER)) != 0) {
			_exit(NOT_ALLOWED);
		}
		pid_t first = fork();
		if (first == 0) {
			bool ready = mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
						 mount("none", "/proc", "proc", 0, NULL) == 0;
			_exit(!ready ? NOT_ALLOWED : check() ? 0 : 1);
		}
		_exit(first > 0 && waitpid(first, &result, 0) == first && WIFEXITED(result) ? WEXITSTATUS(result) : 2);
	}
	assert_int_equal(waitpid(child, &result, 0), child);
	assert_true(WIFEXITED(result));
	if (WEXITSTATUS(result) == NOT_ALLOWED) {
		print_message("# SKIPPED: this user may not have namespaces of their own here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(result), 0);
}

static void the_daemons_of_all_crons_are_known_by_name(void **state)
{
	(void)state;
	assert_in_a_world_of_its_own(daemons_are_found);
}

static void names_that_only_look_alike_are_no_daemons(void **state)
{
	(void)state;
	assert_in_a_world_of_its_own(others_are_not_found);
}

static void a_daemon_in_a_container_is_not_this_machines(void **state)
{
	(void)state;
	assert_in_a_world_of_its_own(one_in_a_container_is_not_found);
}

static void where_the_processes_of_others_are_hidden_it_is_not_known(void **state)
{
	(void)state;
	assert_in_a_world_of_its_own(hidden_ones_are_told);
}

static void where_the_processes_cannot_be_listed_it_is_not_known(void **state)
{
	(void)state;
	char name[CRONTAB_DAEMON_SIZE] = "";
	folders_fail = true;
	int found = crontab_daemon(name);
	folders_fail = false;
	assert_int_equal(found, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(the_text_is_read_byte_for_byte),
		world_test(no_crontab_is_another_thing_than_an_empty_one),
		world_test(a_user_who_may_not_is_told_what_crontab_says),
		world_test(a_crontab_that_fails_without_a_word_is_told_with_its_exit_code),
		world_test(what_it_shows_before_it_fails_is_no_crontab),
		world_test(busybox_says_no_crontab_in_its_own_words),
		world_test(a_crontab_that_is_there_but_cannot_be_opened_is_not_none),
		world_test(a_missing_program_is_unavailable_and_the_hint_says_where_to_get_it),
		world_test(a_crontab_that_is_too_long_to_be_read_whole_is_refused),
		world_test(a_crontab_with_a_nul_byte_is_refused),
		world_test(the_text_is_written_byte_for_byte),
		world_test(an_empty_text_is_an_empty_crontab_and_null_is_none),
		world_test(a_large_crontab_goes_through),
		world_test(a_newline_that_is_insisted_on_is_added_and_told),
		world_test(a_crontab_that_takes_it_without_a_newline_gets_none),
		world_test(a_complaint_about_a_newline_that_is_there_is_not_tried_again),
		world_test(a_refusal_is_passed_on),
		world_test(a_line_that_is_too_long_for_cron_has_a_hint),
		world_test(what_crontab_says_is_shown_without_its_terminal_escapes),
		world_test(a_text_that_is_changed_behind_our_back_is_noticed),
		world_test(a_text_that_changes_while_it_is_read_is_noticed),
		world_test(comments_at_the_top_that_are_not_listed_are_read),
		world_test(carriage_returns_and_backspaces_that_are_listed_as_two_characters_are_read),
		world_test(a_crontab_whose_true_bytes_cannot_be_told_is_left_alone),
		world_test(a_crontab_that_only_says_it_has_written_is_noticed),
		world_test(what_somebody_changes_before_we_write_is_kept),
		world_test(a_crontab_that_changes_all_the_time_is_left_alone),
		cmocka_unit_test(the_daemons_of_all_crons_are_known_by_name),
		cmocka_unit_test(names_that_only_look_alike_are_no_daemons),
		cmocka_unit_test(a_daemon_in_a_container_is_not_this_machines),
		cmocka_unit_test(where_the_processes_of_others_are_hidden_it_is_not_known),
		cmocka_unit_test(where_the_processes_cannot_be_listed_it_is_not_known),
	};
	return cmocka_run_group_tests_name("crontab_program", tests, NULL, NULL);
}
