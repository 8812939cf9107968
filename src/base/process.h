/*
 * process.h - runs a program on this machine, such as crontab or systemctl.
 */
#ifndef WHISPERBACKUP_BASE_PROCESS_H
#define WHISPERBACKUP_BASE_PROCESS_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * Runs `arguments` (the program first, looked for in PATH; NULL-terminated) in the C locale to its end: `input` (NULL
 * for none) on its standard input, its standard output and standard error into `output` and `errors` (trimmed of
 * nothing; as far as they have room). The input is a file and whole before the program starts, so it is also whole if
 * we are killed. *ret_exit_code is 128 + N if signal N ended it. STATUS_NOT_FOUND if there is no such program. It is
 * not interrupted: these programs are quick.
 */
enum status process_run(const char *const *arguments, const char *input, struct buffer *output, struct buffer *errors,
						int *ret_exit_code, struct error *error) MUST_CHECK;

/*
 * Starts `/bin/sh -c COMMAND` in `folder` with nothing but `environment` ("NAME=VALUE", NULL-terminated), without
 * standard input, in a process group of its own: kill(-PROCESS, SIGNAL) reaches all of it. process_ended looks whether
 * it has ended.
 */
enum status process_start_shell(const char *command, const char *folder, const char *const *environment,
								pid_t *ret_process, struct error *error) MUST_CHECK;

/* *ret_exit_code as above, once *ret_ended; it must not be asked again after that. */
enum status process_ended(pid_t process, bool *ret_ended, int *ret_exit_code, struct error *error) MUST_CHECK;

#endif
