/* whisperbackup: set-up, which command is meant, and what a failure becomes. */
#include "base/interrupt.h"
#include "commands/backup_json.h"
#include "commands/command.h"
#include "commands/display.h"
#include "snapshot/window.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGE_BLOCK = 128 << 10 }; /* bytes */

static enum status run(char *const *words, const struct command **ret_command, bool *ret_json,
					   enum exit_code *ret_exit_code, struct error *error)
{
	const char *name = words[0] != NULL ? words[0] : "help";
	if (strcmp(name, "--version") == 0) {
		printf("whisperbackup %s\n", WHISPERBACKUP_VERSION);
		return STATUS_OK;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		name = "help";
	}
	const struct command *command = command_by_name(name);
	if (command == NULL) {
		(void)error_set(error, STATUS_USAGE, "there is no command \"%s\"", name);
		return error_hint(error, "%s help shows what there is", command_program());
	}
	struct invocation invocation;
	enum status status = command_parse(command, words[0] != NULL ? words + 1 : words, &invocation, error);
	if (status != STATUS_OK) {
		return status;
	}
	*ret_command = command;
	*ret_json = invocation.options[OPTION_JSON] != NULL;
	if (invocation.options[OPTION_HELP] != NULL) {
		command_print_help(command);
		return STATUS_OK;
	}
	return command->run(&invocation, ret_exit_code, error);
}

/* A descriptor below 3 that is closed would be the next file's, and what is printed would end up there. In the place of
 * standard output comes one that cannot be written to, so that it is not lost without a word. */
static void open_standard_streams(void)
{
	static const int modes[] = {O_RDONLY, O_RDONLY, O_WRONLY};
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0) {
			(void)!open("/dev/null", modes[fd]); /* the lowest that is free, which is this one */
		}
	}
}

/* One heap for all threads, and large blocks apart from it: what one has freed serves the others, or is the system's
 * again. glibc would make heaps for each, and keep more and more of what is large in them (mallopt(3)). */
static void limit_heaps(void)
{
#ifdef __GLIBC__
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
#endif
}

/* One is held for each level of folders that are removed. */
static void raise_descriptors(void)
{
	static const rlim_t wanted = WINDOW_MOST_DESCRIPTORS;
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted) {
		limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int count, char **words)
{
	(void)count;
	limit_heaps();
	raise_descriptors();
	open_standard_streams();
	umask(077); /* dumps hold secrets */
	/* So does our memory. A limit of 0 would not keep a program that collects core files from being handed one
	 * (core(5)). */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* File names are UTF-8 to libarchive, also under cron, which sets no locale. */
	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL) {
		(void)setlocale(LC_CTYPE, "");
	}
	interrupt_install();
	struct error error = {0};
	struct display display;
	display_open(&display, false);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		(void)error_set(&error, STATUS_FAILED, "libcurl cannot be used");
		display_error(&display, &error);
		return EXIT_FAILED;
	}
	const struct command *command = NULL;
	bool json = false;
	enum exit_code exit_code = EXIT_DONE;
	enum status status = run(words[0] != NULL ? words + 1 : words, &command, &json, &exit_code, &error);
	if (status != STATUS_OK) {
		exit_code = command_exit_code(status);
		(void)fflush(stdout);
		display.line_open = display.terminal; /* the command's own may have been in the middle of one */
		display_error(&display, &error);
		if (json) {
			struct error ignored;
			(void)!backup_json_print(json_pack("{s:{s:s, s:s}}", "error", "message", error.message, "hint", error.hint),
									 &ignored);
		}
	}
	/* Whoever reads us must not take a cut answer for the whole: `list | head` is the one that does not mind. */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		if (errno != EPIPE) {
			(void)error_set_errno(&error, "cannot write to standard output");
			display_error(&display, &error);
		}
		exit_code = exit_code == EXIT_DONE ? EXIT_FAILED : exit_code;
	}
	curl_global_cleanup();
	return (int)exit_code;
}
