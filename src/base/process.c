#include "base/process.h"

#include "base/cleanup.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCK_SIZE = 4096, EXIT_CANNOT_START = 126 };

static int exit_code_of(int result)
{
	return WIFSIGNALED(result) ? 128 + WTERMSIG(result) : WEXITSTATUS(result);
}

/* What the parent has blocked or ignores is not for others to inherit. */
static void reset_signals(void)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
}

/* dup2 of a descriptor to itself would leave it to be closed by exec. */
static bool move_to(int from, int to)
{
	return from == to ? fcntl(to, F_SETFD, 0) == 0 : dup2(from, to) >= 0;
}

/* For exec, which does not change them (POSIX: the type is an accident of history). */
static char *const *unconst(const char *const *words)
{
	char *const *same = NULL;
	memcpy(&same, &words, sizeof same);
	return same;
}

/* In the child: never returns. If the program cannot be started, errno goes to `report`. */
_Noreturn static void become(const char *const *arguments, int input, int output, int errors, int report)
{
	reset_signals();
	setenv("LC_ALL", "C", 1); /* its messages are read */
	if (move_to(input, STDIN_FILENO) && move_to(output, STDOUT_FILENO) && move_to(errors, STDERR_FILENO)) {
		execvp(arguments[0], unconst(arguments));
	}
	int reason = errno;
	(void)!write(report, &reason, sizeof reason);
	_exit(EXIT_CANNOT_START);
}

struct streams {
	int input; /* a file that holds all of it */
	int output[2];
	int errors[2];
	int report[2]; /* closed by the start of the program; before that, the child's errno */
};

static void close_one(int *fd)
{
	cleanup_close(fd);
	*fd = -1;
}

static void close_both(int pair[2])
{
	close_one(&pair[0]);
	close_one(&pair[1]);
}

static void streams_close(struct streams *streams)
{
	close_one(&streams->input);
	close_both(streams->output);
	close_both(streams->errors);
	close_both(streams->report);
}

/* A file without a name; -1 if there can be none. */
static int nameless_file(void)
{
	int memory = memfd_create("input", MFD_CLOEXEC);
	if (memory >= 0) {
		return memory;
	}
	FILE *file = tmpfile(); /* which lets programs inherit it (tmpfile(3)) */
	int fd = file != NULL ? fcntl(fileno(file), F_DUPFD_CLOEXEC, 0) : -1;
	if (file != NULL) {
		int reason = errno;
		fclose(file);
		errno = reason;
	}
	return fd;
}

/*
 * The input is whole before there is a program to read it. Of a pipe it would read to the end also if we had been
 * killed half way, and take the half for all: crontab would install it.
 */
static bool prepare_input(int *ret_input, const char *text)
{
	*ret_input = nameless_file();
	return *ret_input >= 0 && files_write_at(*ret_input, text, strlen(text), 0);
}

/* Why the child could not become the program; 0 if it did. */
static int start_failure(struct streams *streams)
{
	int reason = 0;
	ssize_t length = 0;
	close_one(&streams->report[1]);
	do {
		length = read(streams->report[0], &reason, sizeof reason);
	} while (length < 0 && errno == EINTR);
	close_one(&streams->report[0]);
	return length == (ssize_t)sizeof reason ? reason : length < 0 ? EIO : 0;
}

/* Reads until the program has closed its ends. */
static enum status listen_to(struct streams *streams, struct buffer *output, struct buffer *errors, struct error *error)
{
	char block[BLOCK_SIZE];
	int *from[] = {&streams->output[0], &streams->errors[0]};
	struct buffer *to[] = {output, errors};
	while (*from[0] >= 0 || *from[1] >= 0) {
		struct pollfd waiting[] = {{.fd = *from[0], .events = POLLIN}, {.fd = *from[1], .events = POLLIN}};
		if (poll(waiting, 2, -1) < 0) {
			if (errno == EINTR) {
				continue;
			}
			return error_set_errno(error, "cannot wait for a program");
		}
		for (int i = 0; i < 2; i++) {
			if (waiting[i].revents != 0) {
				ssize_t length = read(*from[i], block, sizeof block);
				if (length > 0 && !buffer_append_some(to[i], block, (size_t)length) && to[i]->length < to[i]->limit) {
					return error_memory(error);
				}
				if (length == 0) {
					close_one(from[i]);
				} else if (length < 0 && errno != EINTR) {
					return error_set_errno(error, "cannot read what a program says");
				}
			}
		}
	}
	return STATUS_OK;
}

static enum status wait_for(pid_t process, int options, bool *ret_ended, int *ret_exit_code, struct error *error)
{
	int result = 0;
	pid_t ended = 0;
	do {
		ended = waitpid(process, &result, options);
	} while (ended < 0 && errno == EINTR);
	if (ended < 0) {
		return error_set_errno(error, "cannot wait for a program");
	}
	*ret_ended = ended == process;
	*ret_exit_code = exit_code_of(result);
	return STATUS_OK;
}

enum status process_run(const char *const *arguments, const char *input, struct buffer *output, struct buffer *errors,
						int *ret_exit_code, struct error *error)
{
	CLEANUP(streams_close) struct streams streams = {-1, {-1, -1}, {-1, -1}, {-1, -1}};
	if (!prepare_input(&streams.input, input != NULL ? input : "") || pipe2(streams.output, O_CLOEXEC) != 0 ||
		pipe2(streams.errors, O_CLOEXEC) != 0 || pipe2(streams.report, O_CLOEXEC) != 0) {
		return error_set_errno(error, "cannot run %s", arguments[0]);
	}
	pid_t child = fork();
	if (child < 0) {
		return error_set_errno(error, "cannot run %s", arguments[0]);
	}
	if (child == 0) {
		become(arguments, streams.input, streams.output[1], streams.errors[1], streams.report[1]);
	}
	close_one(&streams.input);
	close_one(&streams.output[1]);
	close_one(&streams.errors[1]);
	int reason = start_failure(&streams);
	enum status status = listen_to(&streams, output, errors, error);
	streams_close(&streams); /* it may be waiting for us */
	bool ended = false;
	struct error waiting;
	enum status waited = wait_for(child, 0, &ended, ret_exit_code, status == STATUS_OK ? error : &waiting);
	status = status == STATUS_OK ? waited : status;
	if (status == STATUS_OK && reason == ENOENT) {
		return error_set(error, STATUS_NOT_FOUND, "there is no program %s", arguments[0]);
	}
	if (status == STATUS_OK && reason != 0) {
		errno = reason;
		return error_set_errno(error, "cannot run %s", arguments[0]);
	}
	return status;
}

enum status process_start_shell(const char *command, const char *folder, const char *const *environment,
								pid_t *ret_process, struct error *error)
{
	pid_t child = fork();
	if (child < 0) {
		return error_set_errno(error, "cannot run %s", command);
	}
	if (child == 0) {
		reset_signals();
		setpgid(0, 0);
		int nothing = open("/dev/null", O_RDONLY);
		if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || chdir(folder) != 0) {
			_exit(EXIT_CANNOT_START);
		}
		if (nothing > STDERR_FILENO) {
			close(nothing);
		}
		execle("/bin/sh", "sh", "-c", command, (char *)NULL, unconst(environment));
		_exit(EXIT_CANNOT_START);
	}
	setpgid(child, child); /* whichever of the two is first */
	*ret_process = child;
	return STATUS_OK;
}

enum status process_ended(pid_t process, bool *ret_ended, int *ret_exit_code, struct error *error)
{
	return wait_for(process, WNOHANG, ret_ended, ret_exit_code, error);
}
