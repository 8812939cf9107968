/* pipeline/gzip: what is taken for whole holds what libarchive reads in it too, and the same comes however it is read.
 */
#include "fuzz.h"

#include "pipeline/gzip.h"

#include <archive.h>
#include <archive_entry.h>

enum { CONTENT_LIMIT = 4 << 20 }; /* bytes; more is a bomb, which the ones that use it bound for themselves */

static enum status inflate(const uint8_t *data, size_t size, size_t step, struct buffer *content)
{
	struct source *source = NULL;
	struct error error = {.message = ""};
	HOLDS(gzip_source_new(fuzz_source(data, size, step), &source, &error) == STATUS_OK);
	enum status status = fuzz_drain(source, content, &error);
	HOLDS(status == STATUS_OK || (status == STATUS_DAMAGED && error.message[0] != '\0'));
	return status;
}

/* By zlib, which checks less than we do. */
static void check_like_libarchive(const uint8_t *data, size_t size, const struct buffer *content)
{
	static char block[STREAM_BLOCK_SIZE];
	struct archive *archive = archive_read_new();
	struct archive_entry *entry = NULL;
	size_t at = 0;
	la_ssize_t length = 0;
	HOLDS(archive != NULL);
	archive_read_support_filter_gzip(archive);
	archive_read_support_format_raw(archive);
	HOLDS(archive_read_open_memory(archive, data, size) == ARCHIVE_OK);
	HOLDS(archive_read_next_header(archive, &entry) == ARCHIVE_OK);
	while ((length = archive_read_data(archive, block, sizeof block)) > 0) {
		HOLDS((size_t)length <= content->length - at && memcmp(content->data + at, block, (size_t)length) == 0);
		at += (size_t)length;
	}
	HOLDS(length == 0 && at == content->length);
	archive_read_free(archive);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buffer_free) struct buffer whole = BUFFER_INIT(CONTENT_LIMIT);
	CLEANUP(buffer_free) struct buffer dripped = BUFFER_INIT(CONTENT_LIMIT);
	enum status status = inflate(data, size, STREAM_BLOCK_SIZE, &whole);
	HOLDS(inflate(data, size, size > 0 ? data[size - 1] % 32 : 1, &dripped) == status);
	HOLDS(status != STATUS_OK || fuzz_same(&whole, &dripped));
	if (status == STATUS_OK && whole.length > 0 && whole.length < CONTENT_LIMIT) {
		check_like_libarchive(data, size, &whole);
	}
	return 0;
}
