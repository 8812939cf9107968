/*
 * error.h - how failures travel.
 *
 * A function that can fail returns an enum status, which the compiler does not let its caller ignore, and takes a
 * struct error that it fills in before it returns anything but STATUS_OK. There is no global "last error", and nothing
 * below src/commands prints one.
 */
#ifndef WHISPERBACKUP_BASE_ERROR_H
#define WHISPERBACKUP_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* One value for each failure that some caller acts on. */
enum status {
	STATUS_OK = 0,
	STATUS_FAILED,      /* anything that has no value of its own */
	STATUS_USAGE,       /* the user asked for something that makes no sense */
	STATUS_NOT_FOUND,   /* the named thing does not exist */
	STATUS_UNAVAILABLE, /* a service or the container engine does not answer or does not run */
	STATUS_CONFLICT,    /* the container is not in the state for that: paused, or not running */
	STATUS_LOCKED,      /* another run is at work */
	STATUS_DAMAGED,     /* a backup's bytes are not what they have to be */
	STATUS_NO_SPACE,    /* the disk is full */
	STATUS_NO_MEMORY,   /* nothing is known of what was to be read */
	STATUS_INTERRUPTED, /* the user pressed Ctrl-C or sent SIGTERM */
};

#define MUST_CHECK                                __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first_argument) __attribute__((format(printf, format_index, first_argument)))

/* Fixed sizes, in bytes with the closing NUL, so that reporting a failure can itself never fail. */
enum { ERROR_MESSAGE_SIZE = 2048, ERROR_HINT_SIZE = 512 };

struct error {
	enum status status;
	char message[ERROR_MESSAGE_SIZE]; /* what happened, one sentence without its full stop; plain (text_make_plain) */
	char hint[ERROR_HINT_SIZE];       /* what to do next, or empty */
	bool on_the_way; /* the engine failed, or was not heard: what it was asked for may be done or not */
	bool blameless;  /* the server or its machine is at fault, and not the data (error_blameless) */
};

/* Fills in `error` (any earlier content is replaced, the hint emptied) and returns `status`. */
enum status error_set(struct error *error, enum status status, const char *format, ...) PRINTF_LIKE(3, 4);

/* As error_set with STATUS_FAILED, with ": " and the text of errno at the end. STATUS_INTERRUPTED if errno is EINTR,
 * STATUS_NO_MEMORY if it is ENOMEM, and STATUS_NO_SPACE with a hint if it is ENOSPC or EDQUOT. */
enum status error_set_errno(struct error *error, const char *format, ...) PRINTF_LIKE(2, 3);

/* As error_set_errno, for a file or folder that cannot be opened or read: STATUS_NOT_FOUND if it is not there; all else
 * is blameless (error_blameless), for the same file may well be read later. */
enum status error_set_unread(struct error *error, const char *format, ...) PRINTF_LIKE(2, 3);

/* Says what the user can do about it. Returns the status that `error` already has, so that it can end a function. */
enum status error_hint(struct error *error, const char *format, ...) PRINTF_LIKE(2, 3);

/* Puts "TEXT: " in front of the message that is there. Returns the status that `error` already has. */
enum status error_prefix(struct error *error, const char *format, ...) PRINTF_LIKE(2, 3);

/* Puts "; TEXT" behind it. Returns the status that `error` already has. */
enum status error_append(struct error *error, const char *format, ...) PRINTF_LIKE(2, 3);

/* Says that this is no word against the data that was worked on: another server, or the same one later, may well take
 * it. error_set takes it back. Returns the status that `error` already has. */
enum status error_blameless(struct error *error);

/* Empties `error`, for a caller that goes on after a failure it has dealt with. */
void error_clear(struct error *error);

/* STATUS_NO_MEMORY, in the words used everywhere. */
enum status error_memory(struct error *error);

#endif
