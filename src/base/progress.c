#include "base/progress.h"

#include "base/error.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>

void progress_warn(struct progress *progress, const char *format, ...)
{
	if (progress == NULL) {
		return;
	}
	char text[ERROR_MESSAGE_SIZE];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	text_make_plain(text);
	progress->warn(progress, text);
}
