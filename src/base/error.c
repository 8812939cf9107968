#include "base/error.h"

#include "base/text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

PRINTF_LIKE(3, 0)
static void fill(struct error *error, enum status status, const char *format, va_list arguments)
{
	error->status = status;
	error->hint[0] = '\0';
	error->on_the_way = false;
	error->blameless = false;
	vsnprintf(error->message, sizeof error->message, format, arguments);
	text_make_plain(error->message);
}

enum status error_set(struct error *error, enum status status, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fill(error, status, format, arguments);
	va_end(arguments);
	return status;
}

PRINTF_LIKE(3, 0)
static void fill_errno(struct error *error, int number, const char *format, va_list arguments)
{
	bool full = number == ENOSPC || number == EDQUOT;
	enum status status = full               ? STATUS_NO_SPACE
						 : number == EINTR  ? STATUS_INTERRUPTED
						 : number == ENOMEM ? STATUS_NO_MEMORY
											: STATUS_FAILED;
	fill(error, status, format, arguments);
	size_t length = strlen(error->message);
	snprintf(error->message + length, sizeof error->message - length, ": %s", strerror(number));
	if (full) {
		(void)error_hint(error, "free some space on that disk (./bot.sh backup cleanup DAYS removes old backups), or "
								"set BACKUP_DIR to a folder on a larger one");
	}
}

enum status error_set_errno(struct error *error, const char *format, ...)
{
	int number = errno;
	va_list arguments;
	va_start(arguments, format);
	fill_errno(error, number, format, arguments);
	va_end(arguments);
	return error->status;
}

enum status error_set_unread(struct error *error, const char *format, ...)
{
	int number = errno;
	va_list arguments;
	va_start(arguments, format);
	fill_errno(error, number, format, arguments);
	va_end(arguments);
	return number == ENOENT ? error->status = STATUS_NOT_FOUND : error_blameless(error);
}

enum status error_hint(struct error *error, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(error->hint, sizeof error->hint, format, arguments);
	text_make_plain(error->hint);
	va_end(arguments);
	return error->status;
}

enum status error_prefix(struct error *error, const char *format, ...)
{
	char text[ERROR_MESSAGE_SIZE];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	size_t used = strlen(text);
	if (used + 2 < sizeof text) {
		snprintf(text + used, sizeof text - used, ": %s", error->message);
	}
	memcpy(error->message, text, sizeof text);
	text_make_plain(error->message);
	return error->status;
}

enum status error_append(struct error *error, const char *format, ...)
{
	size_t used = strlen(error->message);
	used += (size_t)snprintf(error->message + used, sizeof error->message - used, "; ");
	if (used < sizeof error->message) {
		va_list arguments;
		va_start(arguments, format);
		vsnprintf(error->message + used, sizeof error->message - used, format, arguments);
		va_end(arguments);
	}
	text_make_plain(error->message);
	return error->status;
}

enum status error_blameless(struct error *error)
{
	error->blameless = true;
	return error->status;
}

void error_clear(struct error *error)
{
	error->status = STATUS_OK;
	error->message[0] = '\0';
	error->hint[0] = '\0';
	error->on_the_way = false;
	error->blameless = false;
}

enum status error_memory(struct error *error)
{
	return error_set(error, STATUS_NO_MEMORY, "out of memory");
}
