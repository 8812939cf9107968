#include "snapshot/capture.h"

#include "base/clock.h"
#include "base/interrupt.h"
#include "pipeline/file.h"
#include "pipeline/gzip.h"
#include "pipeline/tar.h"
#include "snapshot/window.h"

#include <stdio.h>
#include <string.h>

enum { LONGEST_THAW_MILLISECONDS = 30 }; /* between two pauses while a store is busy */

/* Pauses the container at a moment that counts. */
static enum status freeze(const struct capture_request *request, struct captured *captured, struct window **ret_window,
						  struct error *error)
{
	double began = clock_seconds();
	for (;;) {
		CLEANUP(cleanup_window) struct window *window = NULL;
		enum status status = interrupt_check(error);
		if (status == STATUS_OK && request->before_pause != NULL) {
			status = request->before_pause(request->context, error);
		}
		if (status == STATUS_OK) {
			status = window_open(request->runtime, &request->container, 1, &window, error);
		}
		bool rest = true;
		if (status == STATUS_OK && request->at_rest != NULL) {
			status = request->at_rest(request->context, &rest, error);
		}
		if (status == STATUS_OK && rest) {
			*ret_window = MOVE(window);
			return STATUS_OK;
		}
		if (status == STATUS_OK) {
			status = window_close(MOVE(window), NULL, error);
		}
		if (status != STATUS_OK) {
			return status;
		}
		if (clock_seconds() - began > CAPTURE_REST_SECONDS) {
			(void)error_set(error, STATUS_FAILED, "%s was never at rest in %d seconds: it keeps rewriting its files",
							request->container->name, CAPTURE_REST_SECONDS);
			return error_hint(error,
							  "run the backup again when there is less to do, or stop what writes to it for a minute");
		}
		captured->retries++;
		unsigned milliseconds =
			captured->retries < LONGEST_THAW_MILLISECONDS ? captured->retries : LONGEST_THAW_MILLISECONDS;
		clock_sleep(milliseconds);
	}
}

/* Through the engine: its stream names everything after the folder's last component. */
static enum status copy_stream(const struct capture_request *request, struct sink *output, struct progress *progress,
							   uint64_t *ret_bytes, struct error *error)
{
	const char *slash = strrchr(request->folder, '/');
	CLEANUP(cleanup_source) struct source *tar = NULL;
	CLEANUP(cleanup_source) struct source *renamed = NULL;
	enum status status = runtime_archive_get(request->runtime, request->container, request->folder, &tar, error);
	if (status == STATUS_OK) {
		status = tar_rename_source_new(MOVE(tar), slash + 1, request->folder + 1, &renamed, error);
	}
	if (status == STATUS_OK) {
		status = stream_copy(renamed, output, ret_bytes, error);
	}
	progress_advance(progress, status == STATUS_OK ? *ret_bytes : 0);
	return status;
}

enum status capture_folder(const struct capture_request *request, const char *path, struct progress *progress,
						   struct captured *ret_captured, struct error *error)
{
	struct captured captured = {0};
	CLEANUP(cleanup_free) char *folder = NULL;
	CLEANUP(cleanup_sink) struct sink *file = NULL;
	CLEANUP(cleanup_sink) struct sink *gzip = NULL;
	CLEANUP(cleanup_window) struct window *window = NULL;
	enum status status = runtime_host_folder(request->runtime, request->container, request->folder, &folder, error);
	captured.direct = folder != NULL;
	if (status == STATUS_OK) {
		status = file_sink_new(path, &file, error);
	}
	if (status == STATUS_OK) {
		status = gzip_sink_new(file, &gzip, error);
	}
	if (status == STATUS_OK) {
		progress_step(progress, "waiting for a moment of rest", 0);
		status = freeze(request, &captured, &window, error);
	}
	if (status == STATUS_OK) {
		progress_step(progress, "copying (paused)", 0);
		status = folder != NULL ? tar_pack(folder, request->folder + 1, gzip, progress, &captured.bytes, error)
								: copy_stream(request, gzip, progress, &captured.bytes, error);
	}
	if (status == STATUS_OK) {
		status = window_close(MOVE(window), &captured.freeze_milliseconds, error);
	}
	if (status == STATUS_OK) {
		progress_step(progress, "flushing to disk", 0);
		status = sink_finish(gzip, error);
	}
	if (status == STATUS_OK) {
		*ret_captured = captured;
	}
	return status;
}
