/*
 * dialogue.h - a program in a container that is talked with: lines go in, and what it says is taken apart by marks that
 * it was asked to say.
 */
#ifndef WHISPERBACKUP_STORES_DIALOGUE_H
#define WHISPERBACKUP_STORES_DIALOGUE_H

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "runtimes/runtime.h"

struct dialogue;

/* Starts the program, whose standard input has to be open. What it says and nobody has received yet may be `limit`
 * bytes. */
enum status dialogue_open(struct runtime *runtime, const struct exec_request *request, size_t limit,
						  struct dialogue **ret_dialogue, struct error *error) MUST_CHECK;

/* Writes, and does not wait for an answer. */
enum status dialogue_send(struct dialogue *dialogue, const char *text, struct error *error) MUST_CHECK;

/*
 * Waits for the next line that holds `mark`; `answer` becomes what was said before that line. STATUS_UNAVAILABLE if it
 * does not come within `milliseconds`, or if the program ends; the dialogue is of no use then.
 */
enum status dialogue_receive(struct dialogue *dialogue, const char *mark, unsigned milliseconds, struct buffer *answer,
							 struct error *error) MUST_CHECK;

/* Ends the program; NULL is fine. */
void dialogue_free(struct dialogue *dialogue);
CLEANUP_DEFINE(dialogue, struct dialogue, dialogue_free)

#endif
