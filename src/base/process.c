#include "base/process.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
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
	int input[2];
	int output[2];
	int errors[2];
	int report[2]; /* closed by the start of the program; before that, the child's errno */
};

static void close_both(int pair[2])
{
	for (int i = 0; i < 2; i++) {
		if (pair[i] >= 0) {
			close(pair[i]);
			pair[i] = -1;
		}
	}
}

static void streams_close(struct streams *streams)
{
	close_both(streams->input);
	close_both(streams->output);
	close_both(streams->errors);
	close_both(streams->report);
}

static void close_one(int *fd)
{
	close(*fd);
	*fd = -1;
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

/* Feeds and reads until all is said and the program has closed its ends. */
static enum status talk(struct streams *streams, const char *input, struct buffer *output, struct buffer *errors,
						struct error *error)
{
	char block[BLOCK_SIZE];
	size_t left = strlen(input);
	while (left > 0 || streams->output[0] >= 0 || streams->errors[0] >= 0) {
		if (left == 0 && streams->input[1] >= 0) {
			close_one(&streams->input[1]);
		}
		struct pollfd waiting[] = {
			{.fd = streams->output[0], .events = POLLIN},
			{.fd = streams->errors[0], .events = POLLIN},
			{.fd = streams->input[1], .events = POLLOUT},
		};
		if (poll(waiting, 3, -1) < 0) {
			if (errno == EINTR) {
				continue;
			}
			return error_set_errno(error, "cannot wait for a program");
		}
		int *from[] = {&streams->output[0], &streams->errors[0]};
		struct buffer *to[] = {output, errors};
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
		if (waiting[2].revents != 0) {
			/* More than PIPE_BUF could wait for a program that waits for us to read (pipe(7), poll(2)). */
			ssize_t length = write(streams->input[1], input, left < PIPE_BUF ? left : PIPE_BUF);
			if (length >= 0) {
				input += length;
				left -= (size_t)length;
			} else if (errno == EPIPE) {
				left = 0; /* it wants no more; its exit code tells whether that is right */
			} else if (errno != EINTR && errno != EAGAIN) {
				return error_set_errno(error, "cannot tell a program what it is to know");
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
	CLEANUP(streams_close) struct streams streams = {{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
	if (pipe2(streams.input, O_CLOEXEC) != 0 || pipe2(streams.output, O_CLOEXEC) != 0 ||
		pipe2(streams.errors, O_CLOEXEC) != 0 || pipe2(streams.report, O_CLOEXEC) != 0) {
		return error_set_errno(error, "cannot run %s", arguments[0]);
	}
	pid_t child = fork();
	if (child < 0) {
		return error_set_errno(error, "cannot run %s", arguments[0]);
	}
	if (child == 0) {
		become(arguments, streams.input[0], streams.output[1], streams.errors[1], streams.report[1]);
	}
	close_one(&streams.input[0]);
	close_one(&streams.output[1]);
	close_one(&streams.errors[1]);
	int reason = start_failure(&streams);
	enum status status = talk(&streams, input != NULL ? input : "", output, errors, error);
	if (status != STATUS_OK) {
		kill(child, SIGKILL); /* the half of its input that it has been given is not for it to act on */
	}
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
