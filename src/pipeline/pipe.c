#include "pipeline/pipe.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

enum { PIPE_SIZE = 4 * STREAM_BLOCK_SIZE };

struct pipe {
	struct sink sink;
	struct source source;
	pthread_mutex_t mutex; /* over what follows */
	pthread_cond_t changed;
	uint64_t written; /* bytes since the beginning; the byte n is at bytes[n % PIPE_SIZE] */
	uint64_t read;
	enum { PIPE_OPEN, PIPE_ENDED, PIPE_BROKEN } state;
	bool unread; /* nobody reads any more */
	char bytes[PIPE_SIZE];
};

static struct pipe *of_sink(struct sink *sink)
{
	return (struct pipe *)((char *)sink - offsetof(struct pipe, sink));
}

static struct pipe *of_source(struct source *source)
{
	return (struct pipe *)((char *)source - offsetof(struct pipe, source));
}

/* How many bytes from `at` on lie together, of `length`. */
static size_t together(uint64_t at, uint64_t length)
{
	size_t left = PIPE_SIZE - (size_t)(at % PIPE_SIZE);
	return length < left ? (size_t)length : left;
}

/* Between two bytes that the one may use and the other does not, no lock is needed while they are copied. */
static enum status pipe_write(struct sink *sink, const void *bytes, size_t length, struct error *error)
{
	struct pipe *pipe = of_sink(sink);
	const char *from = bytes;
	(void)error;
	pthread_mutex_lock(&pipe->mutex);
	while (length > 0 && !pipe->unread) {
		uint64_t room = PIPE_SIZE - (pipe->written - pipe->read);
		if (room == 0) {
			pthread_cond_wait(&pipe->changed, &pipe->mutex);
			continue;
		}
		size_t some = together(pipe->written, room < length ? room : length);
		pthread_mutex_unlock(&pipe->mutex);
		memcpy(pipe->bytes + pipe->written % PIPE_SIZE, from, some);
		pthread_mutex_lock(&pipe->mutex);
		pipe->written += some;
		from += some;
		length -= some;
		pthread_cond_signal(&pipe->changed);
	}
	pthread_mutex_unlock(&pipe->mutex);
	return STATUS_OK;
}

static void end(struct pipe *pipe, int state)
{
	pthread_mutex_lock(&pipe->mutex);
	if (pipe->state == PIPE_OPEN) {
		pipe->state = state;
	}
	pthread_cond_signal(&pipe->changed);
	pthread_mutex_unlock(&pipe->mutex);
}

static enum status pipe_finish(struct sink *sink, struct error *error)
{
	(void)error;
	end(of_sink(sink), PIPE_ENDED);
	return STATUS_OK;
}

static void pipe_sink_free(struct sink *sink)
{
	pipe_break(of_sink(sink));
}

void pipe_break(struct pipe *pipe)
{
	end(pipe, PIPE_BROKEN);
}

static enum status pipe_read(struct source *source, void *bytes, size_t capacity, size_t *ret_length,
							 struct error *error)
{
	struct pipe *pipe = of_source(source);
	pthread_mutex_lock(&pipe->mutex);
	while (pipe->read == pipe->written && pipe->state == PIPE_OPEN) {
		pthread_cond_wait(&pipe->changed, &pipe->mutex);
	}
	bool broken = pipe->state == PIPE_BROKEN;
	uint64_t there = pipe->written - pipe->read;
	pthread_mutex_unlock(&pipe->mutex);
	if (broken) {
		return error_set(error, STATUS_FAILED, "the rest does not come any more");
	}
	size_t some = together(pipe->read, there < capacity ? there : capacity);
	memcpy(bytes, pipe->bytes + pipe->read % PIPE_SIZE, some);
	*ret_length = some;
	pthread_mutex_lock(&pipe->mutex);
	pipe->read += some;
	pthread_cond_signal(&pipe->changed);
	pthread_mutex_unlock(&pipe->mutex);
	return STATUS_OK;
}

static void pipe_source_free(struct source *source)
{
	struct pipe *pipe = of_source(source);
	pthread_mutex_lock(&pipe->mutex);
	pipe->unread = true;
	pthread_cond_signal(&pipe->changed);
	pthread_mutex_unlock(&pipe->mutex);
}

enum status pipe_new(struct pipe **ret_pipe, struct error *error)
{
	static const struct sink_ops sink_ops = {.write = pipe_write, .finish = pipe_finish, .free = pipe_sink_free};
	static const struct source_ops source_ops = {.read = pipe_read, .free = pipe_source_free};
	struct pipe *pipe = calloc(1, sizeof *pipe);
	if (pipe == NULL) {
		return error_memory(error);
	}
	pipe->sink.ops = &sink_ops;
	pipe->source.ops = &source_ops;
	pthread_mutex_init(&pipe->mutex, NULL);
	pthread_cond_init(&pipe->changed, NULL);
	*ret_pipe = pipe;
	return STATUS_OK;
}

void pipe_free(struct pipe *pipe)
{
	if (pipe != NULL) {
		pthread_cond_destroy(&pipe->changed);
		pthread_mutex_destroy(&pipe->mutex);
		free(pipe);
	}
}

struct sink *pipe_sink(struct pipe *pipe)
{
	return &pipe->sink;
}

struct source *pipe_source(struct pipe *pipe)
{
	return &pipe->source;
}
