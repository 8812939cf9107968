#include "stores/artefact_read.h"

#include "pipeline/digest_source.h"
#include "pipeline/file.h"

#include <string.h>

/* Counts the bytes of the file, where `check` counts those of its content. */
struct file_progress {
	struct progress progress;
	struct progress *outer; /* lent; may be NULL */
	const struct digest_source *digest;
	uint64_t told;
};

static void on_step(struct progress *progress, const char *text, uint64_t total_bytes)
{
	progress_step(((struct file_progress *)progress)->outer, text, total_bytes);
}

static void on_advance(struct progress *progress, uint64_t bytes)
{
	struct file_progress *self = (struct file_progress *)progress;
	uint64_t size = digest_source_size(self->digest);
	(void)bytes;
	progress_advance(self->outer, size - self->told);
	self->told = size;
}

static void on_warn(struct progress *progress, const char *text)
{
	progress_warn(((struct file_progress *)progress)->outer, "%s", text);
}

enum status artefact_read_stream(const struct store_ops *ops, struct source *file, const char *expected,
								 struct progress *progress, struct artefact_reading *ret_reading, struct error *error)
{
	CLEANUP(cleanup_digest_source) struct digest_source *digest = NULL;
	struct error checking;
	*ret_reading = (struct artefact_reading){0};
	enum status status = digest_source_new(file, &digest, error);
	if (status != STATUS_OK) {
		return status;
	}
	struct file_progress counting = {
		.progress = {.step = on_step, .advance = on_advance, .warn = on_warn}, .outer = progress, .digest = digest};
	enum status checked =
		ops->check(digest_source_stream(digest), &counting.progress, &ret_reading->artefact, &checking);
	if (checked == STATUS_INTERRUPTED) {
		*error = checking;
		return checked;
	}
	status = digest_source_finish(digest, ret_reading->sha256, &ret_reading->size, error);
	ret_reading->unreadable = digest_source_failed(digest);
	if (status != STATUS_OK) {
		return status;
	}
	on_advance(&counting.progress, 0); /* what was read since */
	if (expected[0] != '\0' && strcmp(ret_reading->sha256, expected) != 0) {
		return error_set(error, STATUS_DAMAGED, "its content is not what was written (SHA-256 differs)");
	}
	if (checked != STATUS_OK) {
		*error = checking;
	}
	memcpy(ret_reading->artefact.sha256, ret_reading->sha256, sizeof ret_reading->sha256);
	return checked;
}

enum status artefact_read(const struct store_ops *ops, const char *path, const char *expected,
						  struct progress *progress, struct artefact_reading *ret_reading, struct error *error)
{
	struct source *file = NULL;
	*ret_reading = (struct artefact_reading){0};
	enum status status = file_source_new(path, &file, error);
	if (status != STATUS_OK) {
		ret_reading->unreadable = true;
		return status;
	}
	return artefact_read_stream(ops, file, expected, progress, ret_reading, error);
}

enum status artefact_expect_unchanged(const struct store_ops *ops, const char *path, const struct artefact *artefact,
									  struct error *error)
{
	char sha256[DIGEST_TEXT_SIZE];
	uint64_t size = 0;
	if (!ops->unsummed || artefact->sha256[0] == '\0') {
		return STATUS_OK;
	}
	enum status status = digest_file(path, NULL, sha256, &size, error);
	if (status == STATUS_OK && strcmp(sha256, artefact->sha256) != 0) {
		(void)error_set(error, STATUS_DAMAGED, "%s is not what was checked: it has changed since", path);
		return error_hint(error, "see whether something writes into the backup folder, and whether its disk is well");
	}
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}
