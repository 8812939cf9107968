/* runtimes/docker_frames: however the connection cuts the stream, the same comes out, which is what the frames hold. */
#include "fuzz.h"

#include "runtimes/docker_frames.h"

enum { OUTPUT_LIMIT = 1 << 20, ERRORS_LIMIT = 100, HEADER = DOCKER_FRAME_HEADER_SIZE };

struct taken {
	enum status status;
	struct docker_frames frames;
	struct buffer output;
	struct buffer errors;
};

static struct taken take(const uint8_t *data, size_t size, size_t step)
{
	struct taken taken = {.output = BUFFER_INIT(OUTPUT_LIMIT), .errors = BUFFER_INIT(ERRORS_LIMIT)};
	CLEANUP(buffer_free) struct buffer pending = BUFFER_INIT(OUTPUT_LIMIT);
	struct error error = {.message = ""};
	for (size_t at = 0; taken.status == STATUS_OK && at < size; at += step) {
		size_t some = size - at < step ? size - at : step;
		HOLDS(buffer_append(&pending, data + at, some, &error) == STATUS_OK);
		taken.status = docker_frames_take(&taken.frames, &pending, &taken.output, &taken.errors, &error);
		HOLDS(taken.status != STATUS_OK || pending.length == 0);
	}
	HOLDS(taken.status == STATUS_OK || (taken.status == STATUS_FAILED && error.message[0] != '\0'));
	return taken;
}

static void taken_free(struct taken *taken)
{
	buffer_free(&taken->output);
	buffer_free(&taken->errors);
}

/* The same from a stream that is there as a whole. */
static struct taken take_simply(const uint8_t *data, size_t size)
{
	struct taken taken = {.output = BUFFER_INIT(OUTPUT_LIMIT), .errors = BUFFER_INIT(ERRORS_LIMIT)};
	while (size >= HEADER) {
		size_t length = ((size_t)data[4] << 24) + ((size_t)data[5] << 16) + ((size_t)data[6] << 8) + data[7];
		if (data[0] > 2 || data[1] != 0 || data[2] != 0 || data[3] != 0) {
			taken.status = STATUS_FAILED;
			return taken;
		}
		size_t some = length < size - HEADER ? length : size - HEADER;
		(void)buffer_append_some(data[0] == 2 ? &taken.errors : &taken.output, data + HEADER, some);
		taken.frames.header_length = some < length ? HEADER : 0;
		taken.frames.left = length - some;
		data += HEADER + some;
		size -= HEADER + some;
	}
	taken.frames.header_length = size > 0 ? size : taken.frames.header_length;
	return taken;
}

static void compare(const struct taken *one, const struct taken *other)
{
	HOLDS(one->status == other->status);
	HOLDS(fuzz_same(&one->output, &other->output) && fuzz_same(&one->errors, &other->errors));
	HOLDS(one->status != STATUS_OK ||
		  (one->frames.header_length == other->frames.header_length && one->frames.left == other->frames.left));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > OUTPUT_LIMIT / 2) {
		return 0;
	}
	size_t step = data[0] % 32 + 1; /* the first byte is no part of the stream */
	CLEANUP(taken_free) struct taken expected = take_simply(data + 1, size - 1);
	CLEANUP(taken_free) struct taken whole = take(data + 1, size - 1, size);
	CLEANUP(taken_free) struct taken pieces = take(data + 1, size - 1, step);
	compare(&whole, &expected);
	compare(&pieces, &expected);
	return 0;
}
