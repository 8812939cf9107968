#include "snapshot/folder_copy.h"

#include "pipeline/file.h"
#include "pipeline/gzip.h"
#include "pipeline/tar.h"

#include <string.h>

struct folder_copy {
	struct runtime *runtime;
	const struct container *container;
	char *folder;
	char *host_folder;
	char *path;
	struct sink *file;
	struct sink *gzip;
	struct folder_copy_result result;
};

enum status folder_copy_new(struct runtime *runtime, const struct container *container, const char *folder,
							const char *path, struct folder_copy **ret_copy, struct error *error)
{
	struct folder_copy *copy = calloc(1, sizeof *copy);
	if (copy == NULL) {
		return error_memory(error);
	}
	copy->runtime = runtime;
	copy->container = container;
	copy->folder = strdup(folder);
	copy->path = strdup(path);
	enum status status = copy->folder == NULL || copy->path == NULL
							 ? error_memory(error)
							 : runtime_host_folder(runtime, container, folder, &copy->host_folder, error);
	copy->result.direct = copy->host_folder != NULL;
	if (status != STATUS_OK) {
		folder_copy_free(copy);
		return status;
	}
	*ret_copy = copy;
	return STATUS_OK;
}

enum status folder_copy_catch_up(struct folder_copy *copy, struct progress *progress, uint64_t *ret_bytes,
								 struct error *error)
{
	(void)copy;
	(void)progress;
	(void)error;
	*ret_bytes = 0;
	return STATUS_OK;
}

/* Through the engine: its stream names everything after the folder's last component. */
static enum status copy_stream(struct folder_copy *copy, struct error *error)
{
	const char *slash = strrchr(copy->folder, '/');
	CLEANUP(cleanup_source) struct source *tar = NULL;
	CLEANUP(cleanup_source) struct source *renamed = NULL;
	enum status status = runtime_archive_get(copy->runtime, copy->container, copy->folder, &tar, error);
	if (status == STATUS_OK) {
		status = tar_rename_source_new(MOVE(tar), slash + 1, copy->folder + 1, &renamed, error);
	}
	return status == STATUS_OK ? stream_copy(renamed, copy->gzip, &copy->result.bytes, error) : status;
}

enum status folder_copy_capture(struct folder_copy *copy, struct error *error)
{
	sink_free(MOVE(copy->gzip));
	sink_free(MOVE(copy->file));
	unlink(copy->path);
	enum status status = file_sink_new(copy->path, &copy->file, error);
	if (status == STATUS_OK) {
		status = gzip_sink_new(copy->file, &copy->gzip, error);
	}
	if (status == STATUS_OK) {
		status = copy->host_folder != NULL
					 ? tar_pack(copy->host_folder, copy->folder + 1, copy->gzip, NULL, &copy->result.bytes, error)
					 : copy_stream(copy, error);
	}
	copy->result.window_bytes = copy->result.bytes;
	return status;
}

enum status folder_copy_finish(struct folder_copy *copy, struct progress *progress,
							   struct folder_copy_result *ret_result, struct error *error)
{
	progress_step(progress, "flushing to disk", 0);
	enum status status = sink_finish(copy->gzip, error);
	*ret_result = copy->result;
	return status;
}

void folder_copy_free(struct folder_copy *copy)
{
	if (copy == NULL) {
		return;
	}
	sink_free(copy->gzip);
	sink_free(copy->file);
	free(copy->folder);
	free(copy->host_folder);
	free(copy->path);
	free(copy);
}
