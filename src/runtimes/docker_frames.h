/*
 * docker_frames.h - the frames in which the engine sends standard output and standard error of a program over one
 * connection. Private to the Docker runtime.
 *
 * Source: Docker Engine API reference, ContainerAttach, "Stream format".
 */
#ifndef WHISPERBACKUP_RUNTIMES_DOCKER_FRAMES_H
#define WHISPERBACKUP_RUNTIMES_DOCKER_FRAMES_H

#include "base/buffer.h"
#include "base/error.h"

#include <stddef.h>

enum { DOCKER_FRAME_HEADER_SIZE = 8 }; /* bytes: type of stream, three zeros, length as 32-bit big endian */

/* The place in a stream; all zero where it begins. */
struct docker_frames {
	unsigned char header[DOCKER_FRAME_HEADER_SIZE]; /* of the frame at hand */
	size_t header_length;                           /* 0: between two frames */
	size_t left;                                    /* bytes of its payload that are still to come */
};

/*
 * Takes apart what has arrived, and empties `pending`: standard output is appended to `output`, which has to have room
 * for it, standard error to `errors` as far as that has room. Either may be NULL, to drop it.
 */
enum status docker_frames_take(struct docker_frames *frames, struct buffer *pending, struct buffer *output,
							   struct buffer *errors, struct error *error) MUST_CHECK;

#endif
