#include "base/stream.h"

#include "base/buffer.h"
#include "base/interrupt.h"

#include <string.h>

enum status source_read(struct source *source, void *bytes, size_t capacity, size_t *ret_length, struct error *error)
{
	return source->ops->read(source, bytes, capacity, ret_length, error);
}

void source_free(struct source *source)
{
	if (source != NULL) {
		source->ops->free(source);
	}
}

enum status sink_write(struct sink *sink, const void *bytes, size_t length, struct error *error)
{
	return length == 0 ? STATUS_OK : sink->ops->write(sink, bytes, length, error);
}

enum status sink_finish(struct sink *sink, struct error *error)
{
	return sink->ops->finish(sink, error);
}

void sink_free(struct sink *sink)
{
	if (sink != NULL) {
		sink->ops->free(sink);
	}
}

enum status stream_copy(struct source *source, struct sink *sink, uint64_t *ret_bytes, struct error *error)
{
	CLEANUP(cleanup_free) char *block = malloc(STREAM_BLOCK_SIZE);
	if (block == NULL) {
		return error_memory(error);
	}
	uint64_t total = 0;
	for (;;) {
		size_t length = 0;
		enum status status = interrupt_check(error);
		if (status == STATUS_OK) {
			status = source_read(source, block, STREAM_BLOCK_SIZE, &length, error);
		}
		if (status == STATUS_OK && length == 0) {
			break;
		}
		if (status == STATUS_OK) {
			status = sink_write(sink, block, length, error);
		}
		if (status != STATUS_OK) {
			return status;
		}
		total += length;
	}
	if (ret_bytes != NULL) {
		*ret_bytes = total;
	}
	return STATUS_OK;
}

struct buffer_sink {
	struct sink sink;
	struct buffer *buffer;
};

static enum status buffer_sink_write(struct sink *sink, const void *bytes, size_t length, struct error *error)
{
	return buffer_append(((struct buffer_sink *)sink)->buffer, bytes, length, error);
}

static enum status buffer_sink_write_some(struct sink *sink, const void *bytes, size_t length, struct error *error)
{
	(void)error;
	(void)buffer_append_some(((struct buffer_sink *)sink)->buffer, bytes, length);
	return STATUS_OK;
}

static enum status buffer_sink_finish(struct sink *sink, struct error *error)
{
	(void)sink;
	(void)error;
	return STATUS_OK;
}

static void buffer_sink_free(struct sink *sink)
{
	free(sink);
}

static enum status buffer_sink_new(const struct sink_ops *ops, struct buffer *buffer, struct sink **ret_sink,
								   struct error *error)
{
	struct buffer_sink *self = malloc(sizeof *self);
	if (self == NULL) {
		return error_memory(error);
	}
	*self = (struct buffer_sink){.sink = {.ops = ops}, .buffer = buffer};
	*ret_sink = &self->sink;
	return STATUS_OK;
}

enum status sink_to_buffer_new(struct buffer *buffer, struct sink **ret_sink, struct error *error)
{
	static const struct sink_ops ops = {
		.write = buffer_sink_write, .finish = buffer_sink_finish, .free = buffer_sink_free};
	return buffer_sink_new(&ops, buffer, ret_sink, error);
}

enum status sink_to_buffer_some_new(struct buffer *buffer, struct sink **ret_sink, struct error *error)
{
	static const struct sink_ops ops = {
		.write = buffer_sink_write_some, .finish = buffer_sink_finish, .free = buffer_sink_free};
	return buffer_sink_new(&ops, buffer, ret_sink, error);
}

struct memory_source {
	struct source source;
	const char *bytes;
	size_t left;
};

static enum status memory_source_read(struct source *source, void *bytes, size_t capacity, size_t *ret_length,
									  struct error *error)
{
	(void)error;
	struct memory_source *self = (struct memory_source *)source;
	size_t length = self->left < capacity ? self->left : capacity;
	memcpy(bytes, self->bytes, length);
	self->bytes += length;
	self->left -= length;
	*ret_length = length;
	return STATUS_OK;
}

static void memory_source_free(struct source *source)
{
	free(source);
}

enum status source_from_memory_new(const void *bytes, size_t length, struct source **ret_source, struct error *error)
{
	static const struct source_ops ops = {.read = memory_source_read, .free = memory_source_free};
	struct memory_source *self = malloc(sizeof *self);
	if (self == NULL) {
		return error_memory(error);
	}
	*self = (struct memory_source){.source = {.ops = &ops}, .bytes = bytes, .left = length};
	*ret_source = &self->source;
	return STATUS_OK;
}
