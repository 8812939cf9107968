#include "runtimes/docker_frames.h"

enum { FRAME_STANDARD_ERROR = 2 }; /* the last type there is */

static enum status begin_frame(struct docker_frames *frames, struct error *error)
{
	const unsigned char *header = frames->header;
	frames->left = (size_t)header[4] << 24 | (size_t)header[5] << 16 | (size_t)header[6] << 8 | header[7];
	if (header[0] > FRAME_STANDARD_ERROR || header[1] != 0 || header[2] != 0 || header[3] != 0) {
		return error_set(error, STATUS_FAILED, "Docker's stream of a command's output makes no sense");
	}
	frames->header_length = frames->left == 0 ? 0 : frames->header_length;
	return STATUS_OK;
}

enum status docker_frames_take(struct docker_frames *frames, struct buffer *pending, struct buffer *output,
							   struct buffer *errors, struct error *error)
{
	size_t at = 0;
	enum status status = STATUS_OK;
	while (status == STATUS_OK && at < pending->length) {
		if (frames->header_length < DOCKER_FRAME_HEADER_SIZE) {
			frames->header[frames->header_length++] = (unsigned char)pending->data[at++];
			status = frames->header_length == DOCKER_FRAME_HEADER_SIZE ? begin_frame(frames, error) : STATUS_OK;
			continue;
		}
		size_t length = pending->length - at < frames->left ? pending->length - at : frames->left;
		if (frames->header[0] == FRAME_STANDARD_ERROR) {
			if (errors != NULL) {
				(void)buffer_append_some(errors, pending->data + at, length);
			}
		} else if (output != NULL) {
			status = buffer_append(output, pending->data + at, length, error);
		}
		at += length;
		frames->left -= length;
		frames->header_length = frames->left == 0 ? 0 : frames->header_length;
	}
	buffer_consume(pending, at);
	return status;
}
