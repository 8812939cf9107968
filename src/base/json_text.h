/*
 * json_text.h - JSON to text and back, which does not take a machine without memory for anything else.
 *
 * jansson (2.14) calls it a syntax error when it has no memory while it reads, or goes on without a value; and while it
 * writes, it may leave something out and say that all is well. For a file that says what is to be undone, or what a
 * backup holds, either would be a wrong answer. It is therefore given some memory of our own then, a MiB in all; when
 * that is used up too, what it makes counts for nothing.
 */
#ifndef WHISPERBACKUP_BASE_JSON_TEXT_H
#define WHISPERBACKUP_BASE_JSON_TEXT_H

#include "base/error.h"

#include <jansson.h>

/*
 * As json_loads(text, flags): the caller releases *ret_json. STATUS_FAILED with jansson's words if it is no JSON,
 * STATUS_NO_MEMORY if that cannot be known.
 */
enum status json_text_read(const char *text, size_t flags, json_t **ret_json, struct error *error) MUST_CHECK;

/* The same for json_loadb(bytes, length, flags). */
enum status json_text_read_bytes(const char *bytes, size_t length, size_t flags, json_t **ret_json,
								 struct error *error) MUST_CHECK;

/*
 * json_dumps(json, flags), owned by the caller. NULL if there was not enough memory for that, or for anything else that
 * this thread has made of JSON before: something may be missing in it. NULL for NULL.
 */
char *json_text_write(const json_t *json, size_t flags);

#endif
