#include "stores/artefact_write.h"

#include "base/thread.h"
#include "pipeline/file.h"
#include "pipeline/pipe.h"

#include <string.h>

struct artefact_sink {
	struct sink sink;
	struct sink *file;
	const struct store_ops *ops;
	struct artefact_reading *ret_reading; /* lent */

	struct pipe *pipe;
	pthread_t thread; /* that reads from the pipe */
	bool has_thread;
	struct artefact_reading reading; /* its result, once it has ended */
	enum status status;
	struct error error;
};

static void *read_pipe(void *context)
{
	struct artefact_sink *self = context;
	self->status = artefact_read_stream(self->ops, pipe_source(self->pipe), "", NULL, &self->reading, &self->error);
	return NULL;
}

static void end_thread(struct artefact_sink *self)
{
	if (self->has_thread) {
		pthread_join(self->thread, NULL);
		self->has_thread = false;
	}
}

static enum status artefact_sink_write(struct sink *sink, const void *bytes, size_t length, struct error *error)
{
	struct artefact_sink *self = (struct artefact_sink *)sink;
	enum status status = self->has_thread ? sink_write(pipe_sink(self->pipe), bytes, length, error) : STATUS_OK;
	return status == STATUS_OK ? sink_write(self->file, bytes, length, error) : status;
}

/* That it cannot be flushed is said first. */
static enum status artefact_sink_finish(struct sink *sink, struct error *error)
{
	struct artefact_sink *self = (struct artefact_sink *)sink;
	enum status status = self->has_thread ? sink_finish(pipe_sink(self->pipe), error) : STATUS_OK;
	if (status == STATUS_OK) {
		status = sink_finish(self->file, error);
	}
	end_thread(self);
	if (status == STATUS_OK && self->status != STATUS_OK) {
		*error = self->error;
		status = self->status;
	}
	*self->ret_reading = self->reading;
	return status;
}

static void artefact_sink_free(struct sink *sink)
{
	struct artefact_sink *self = (struct artefact_sink *)sink;
	if (self->has_thread) {
		pipe_break(self->pipe);
		end_thread(self);
	}
	pipe_free(self->pipe);
	sink_free(self->file);
	free(self);
}

enum status artefact_sink_new(const struct store_ops *ops, const char *path, struct artefact_reading *ret_reading,
							  struct sink **ret_sink, struct error *error)
{
	static const struct sink_ops sink_ops = {
		.write = artefact_sink_write, .finish = artefact_sink_finish, .free = artefact_sink_free};
	struct artefact_sink *self = calloc(1, sizeof *self);
	if (self == NULL) {
		return error_memory(error);
	}
	*self = (struct artefact_sink){.sink = {.ops = &sink_ops}, .ops = ops, .ret_reading = ret_reading};
	*ret_reading = (struct artefact_reading){0};
	enum status status = pipe_new(&self->pipe, error);
	if (status == STATUS_OK) {
		status = file_sink_new(path, &self->file, error);
	}
	if (status != STATUS_OK) {
		artefact_sink_free(&self->sink);
		return status;
	}
	self->has_thread = thread_start(&self->thread, read_pipe, self);
	*ret_sink = &self->sink;
	return STATUS_OK;
}

void artefact_note(struct saved *saved, const struct artefact_reading *reading)
{
	saved->checked = reading->sha256[0] != '\0';
	saved->artefact = reading->artefact;
	saved->digest.size = reading->size;
	memcpy(saved->digest.sha256, reading->sha256, sizeof saved->digest.sha256);
}
