/* pipeline/tar: no path leads out of an archive, and one that is renamed holds the same files. */
#include "fuzz.h"
#include "tar_mutate.h"

#include "pipeline/tar.h"

enum {
	ENTRIES_LIMIT = 1000,
	CONTENT_LIMIT = 1 << 20, /* bytes; a hole may be as long as it likes */
	STREAM_LIMIT = 4 << 20,
};

/* What an archive holds: names, sizes and content, as text. */
struct summary {
	enum status status;
	size_t entries;
	bool whole; /* nothing was too long to be looked at */
	struct buffer text;
};

static bool leads_out(const char *path)
{
	return path[0] == '/' || strcmp(path, "..") == 0 || strncmp(path, "../", 3) == 0 || strstr(path, "/../") != NULL ||
		   (strlen(path) >= 3 && strcmp(path + strlen(path) - 3, "/..") == 0);
}

static enum status add_content(struct tar_reader *reader, struct summary *summary, struct error *error)
{
	static char block[1 << 16];
	enum status status = STATUS_OK;
	for (size_t length = 1, total = 0; status == STATUS_OK && length > 0 && summary->whole; total += length) {
		status = tar_reader_read(reader, block, sizeof block, &length, error);
		summary->whole =
			status != STATUS_OK || (total < CONTENT_LIMIT && buffer_append_some(&summary->text, block, length));
	}
	return status;
}

static struct summary summarize(struct source *tar, const char *prefix)
{
	struct summary summary = {.whole = true, .text = BUFFER_INIT(STREAM_LIMIT)};
	struct tar_reader *reader = NULL;
	struct error error = {.message = ""};
	summary.status = tar_reader_new(tar, &reader, &error);
	for (bool ended = false; summary.status == STATUS_OK && summary.whole;) {
		struct tar_entry entry;
		summary.status = tar_reader_next(reader, &entry, &ended, &error);
		if (summary.status != STATUS_OK || ended) {
			break;
		}
		HOLDS(!leads_out(entry.path));
		const char *name = strncmp(entry.path, prefix, strlen(prefix)) == 0 ? entry.path + strlen(prefix) : entry.path;
		summary.whole = ++summary.entries < ENTRIES_LIMIT;
		if (entry.is_file) {
			(void)!buffer_printf(&summary.text, &error, "\n%s %zu:", name, (size_t)entry.size);
			summary.status = add_content(reader, &summary, &error);
		}
	}
	tar_reader_free(reader);
	HOLDS(summary.status == STATUS_OK || summary.status == STATUS_DAMAGED);
	HOLDS(summary.status == STATUS_OK || error.message[0] != '\0');
	return summary;
}

static struct summary summarize_input(const uint8_t *data, size_t size, size_t step)
{
	CLEANUP(cleanup_source) struct source *source = fuzz_source(data, size, step);
	return summarize(source, "data");
}

/* STATUS_OK if it could be renamed. */
static enum status rename_input(const uint8_t *data, size_t size, struct buffer *ret_tar)
{
	struct source *renamed = NULL;
	struct error error = {.message = ""};
	enum status status = tar_rename_source_new(fuzz_source(data, size, size), "data", "other", &renamed, &error);
	if (status == STATUS_OK) {
		status = fuzz_drain(renamed, ret_tar, &error);
	}
	HOLDS(status == STATUS_OK || error.message[0] != '\0');
	return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tar_locale();
	struct summary whole = summarize_input(data, size, STREAM_BLOCK_SIZE);
	struct summary dripped = summarize_input(data, size, size > 0 ? data[size - 1] : 1);
	HOLDS(whole.status == dripped.status && fuzz_same(&whole.text, &dripped.text));
	if (whole.status == STATUS_OK && whole.whole) {
		CLEANUP(buffer_free) struct buffer tar = BUFFER_INIT(2 * STREAM_LIMIT);
		if (rename_input(data, size, &tar) == STATUS_OK && tar.length < STREAM_LIMIT) {
			CLEANUP(cleanup_source)
			struct source *source = fuzz_source((const uint8_t *)buffer_text(&tar), tar.length, STREAM_BLOCK_SIZE);
			struct summary renamed = summarize(source, "other");
			HOLDS(renamed.status == STATUS_OK);
			HOLDS(fuzz_same(&renamed.text, &whole.text));
			buffer_free(&renamed.text);
		}
	}
	buffer_free(&whole.text);
	buffer_free(&dripped.text);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
	return tar_mutate(data, size, most, seed);
}
