/*
 * pipe.h - what one thread writes, another one reads.
 */
#ifndef WHISPERBACKUP_PIPELINE_PIPE_H
#define WHISPERBACKUP_PIPELINE_PIPE_H

#include "base/stream.h"

struct pipe;

/* Holds 1 MiB: who writes more than that waits for who reads. To be freed when neither uses it any more. */
enum status pipe_new(struct pipe **ret_pipe, struct error *error) MUST_CHECK;
void pipe_free(struct pipe *pipe); /* NULL is fine */
CLEANUP_DEFINE(pipe, struct pipe, pipe_free)

/* The end that is written to, lent. Once nobody reads any more, what is written is dropped. */
struct sink *pipe_sink(struct pipe *pipe);

/* The end that is read from, lent: freeing it says that nobody reads any more. */
struct source *pipe_source(struct pipe *pipe);

/* No more comes, and what came is not all: who reads gets STATUS_FAILED. After sink_finish it changes nothing. */
void pipe_break(struct pipe *pipe);

#endif
