#include "base/buffer.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALLEST_CAPACITY = 256 };

const char *buffer_text(const struct buffer *buffer)
{
	return buffer->data != NULL ? buffer->data : "";
}

enum status buffer_reserve(struct buffer *buffer, size_t more, struct error *error)
{
	if (more > buffer->limit || buffer->length > buffer->limit - more) {
		return error_set(error, STATUS_FAILED, "more than %zu bytes where no more are expected", buffer->limit);
	}
	size_t needed = buffer->length + more + 1;
	if (needed <= buffer->capacity) {
		return STATUS_OK;
	}
	size_t capacity = buffer->capacity < SMALLEST_CAPACITY ? SMALLEST_CAPACITY : buffer->capacity;
	while (capacity < needed) {
		capacity *= 2;
	}
	char *data = realloc(buffer->data, capacity);
	if (data == NULL) {
		return error_memory(error);
	}
	data[buffer->length] = '\0';
	buffer->data = data;
	buffer->capacity = capacity;
	return STATUS_OK;
}

enum status buffer_append(struct buffer *buffer, const void *bytes, size_t length, struct error *error)
{
	enum status status = buffer_reserve(buffer, length, error);
	if (status == STATUS_OK && length > 0) {
		memcpy(buffer->data + buffer->length, bytes, length);
		buffer->length += length;
		buffer->data[buffer->length] = '\0';
	}
	return status;
}

enum status buffer_append_text(struct buffer *buffer, const char *text, struct error *error)
{
	return buffer_append(buffer, text, strlen(text), error);
}

enum status buffer_printf(struct buffer *buffer, struct error *error, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	va_list again;
	va_copy(again, arguments);
	int length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	enum status status = length < 0 ? error_set(error, STATUS_FAILED, "cannot format a text")
									: buffer_reserve(buffer, (size_t)length, error);
	if (status == STATUS_OK) {
		vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, again);
		buffer->length += (size_t)length;
	}
	va_end(again);
	return status;
}

bool buffer_append_some(struct buffer *buffer, const void *bytes, size_t length)
{
	struct error ignored;
	size_t room = buffer->limit - buffer->length;
	size_t some = length < room ? length : room;
	return buffer_append(buffer, bytes, some, &ignored) == STATUS_OK && some == length;
}

void buffer_consume(struct buffer *buffer, size_t length)
{
	if (length >= buffer->length) {
		buffer_clear(buffer);
		return;
	}
	buffer->length -= length;
	memmove(buffer->data, buffer->data + length, buffer->length + 1);
}

void buffer_trim(struct buffer *buffer)
{
	while (buffer->length > 0 && isspace((unsigned char)buffer->data[buffer->length - 1])) {
		buffer->data[--buffer->length] = '\0';
	}
}

void buffer_clear(struct buffer *buffer)
{
	buffer->length = 0;
	if (buffer->data != NULL) {
		buffer->data[0] = '\0';
	}
}

void buffer_free(struct buffer *buffer)
{
	free(buffer->data);
	buffer->data = NULL;
	buffer->length = buffer->capacity = 0;
}
