/*
 * here_support.h - a container that is this machine: its programs run here, and what they say can be chosen to be lost.
 */
#ifndef WHISPERBACKUP_TESTS_HERE_SUPPORT_H
#define WHISPERBACKUP_TESTS_HERE_SUPPORT_H

#include "support.h"

#include "runtimes/runtime.h"

enum { HERE_WORDS_LIMIT = 64 << 20 };

static struct {
	char programs[PATH_MAX]; /* a folder of programs that come before those of this machine; "": none */
	const char *path;        /* instead of this machine's; NULL: that */
	size_t lost;             /* bytes of the end of what a program says that nobody gets to hear */
	bool paused;             /* nothing may be run */
	unsigned runs;
} here;

struct here_program {
	struct exec exec;
	int exit_code;
	struct buffer said;
	struct buffer complained;
};

static inline void here_run(const struct exec_request *request, int output, int errors)
{
	char path[PATH_MAX * 2];
	char *arguments[8] = {NULL};
	for (size_t i = 0; i < 7 && request->arguments[i] != NULL; i++) {
		arguments[i] = strdup(request->arguments[i]);
	}
	snprintf(path, sizeof path, "%s%s%s", here.programs, here.programs[0] != '\0' ? ":" : "",
			 here.path != NULL ? here.path : "/usr/bin:/bin");
	setenv("PATH", path, 1);
	dup2(output, STDOUT_FILENO);
	dup2(errors, STDERR_FILENO);
	execvp(arguments[0], arguments);
	_exit(127);
}

static inline void here_read(int file, struct buffer *words)
{
	struct error error;
	char block[4096];
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	for (ssize_t some; (some = read(file, block, sizeof block)) > 0;) {
		assert_ok(buffer_append(words, block, (size_t)some, &error), &error);
	}
	close(file);
}

static inline int here_file(void)
{
	int file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	assert_true(file >= 0);
	return file;
}

static inline enum status here_open(struct runtime *runtime, const struct exec_request *request, struct exec **ret_exec,
									struct error *error)
{
	(void)error;
	assert_false(here.paused);
	struct here_program *program = calloc(1, sizeof *program);
	assert_non_null(program);
	*program = (struct here_program){
		.exec.runtime = runtime, .said = BUFFER_INIT(HERE_WORDS_LIMIT), .complained = BUFFER_INIT(HERE_WORDS_LIMIT)};
	int output = here_file();
	int errors = here_file();
	int ended = 0;
	here.runs++;
	pid_t child = fork();
	if (child == 0) {
		here_run(request, output, errors);
	}
	assert_int_equal(waitpid(child, &ended, 0), child);
	program->exit_code = WIFEXITED(ended) ? WEXITSTATUS(ended) : 128;
	here_read(output, &program->said);
	here_read(errors, &program->complained);
	program->said.length -= here.lost < program->said.length ? here.lost : program->said.length;
	*ret_exec = &program->exec;
	return STATUS_OK;
}

static inline enum status here_exchange(struct exec *exec, const void *bytes, size_t length, size_t *ret_written,
										struct buffer *output, struct buffer *errors, int timeout_milliseconds,
										bool *ret_ended, struct error *error)
{
	struct here_program *program = (struct here_program *)exec;
	(void)bytes;
	(void)timeout_milliseconds;
	if (errors != NULL) {
		(void)buffer_append_some(errors, program->complained.data, program->complained.length);
	}
	*ret_written = length;
	*ret_ended = true;
	return program->said.length == 0 ? STATUS_OK
									 : buffer_append(output, program->said.data, program->said.length, error);
}

static inline enum status here_finish(struct exec *exec, int *ret_exit_code, struct error *error)
{
	(void)error;
	*ret_exit_code = ((struct here_program *)exec)->exit_code;
	return STATUS_OK;
}

static inline void here_free(struct exec *exec)
{
	struct here_program *program = (struct here_program *)exec;
	buffer_free(&program->said);
	buffer_free(&program->complained);
	free(program);
}

#define HERE_PROGRAMS                                                                                                  \
	.exec_open = here_open, .exec_exchange = here_exchange, .exec_finish = here_finish, .exec_free = here_free

/* A program of that name that cannot do what it is to do if its `last` argument is this pattern of the shell: it says
 * what the real one says then. */
static inline void here_let_fail(const char *scratch, const char *program, const char *last, const char *message)
{
	make_folder(at(scratch, "bin"));
	shell_ok(
		"printf '%%s\\n' '#!/bin/sh' 'for last do :; done' 'case $last in %s) echo \"%s: $last: %s\" >&2; exit 2;; "
		"esac' 'exec /usr/bin/%s \"$@\"' >'%s/bin/%s' && chmod +x '%s/bin/%s'",
		last, program, message, program, scratch, program, scratch, program);
	snprintf(here.programs, sizeof here.programs, "%s/bin", scratch);
}

#endif
