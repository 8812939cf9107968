#include "snapshot/folder_copy.h"

#include "pipeline/file.h"
#include "pipeline/gzip.h"
#include "snapshot/direct_copy.h"
#include "snapshot/name_list.h"

#include <string.h>
#include <unistd.h>

struct folder_copy {
	struct direct_copy *direct;        /* NULL: through the engine, by what follows */
	struct runtime *runtime;           /* lent */
	const struct container *container; /* lent */
	char *folder;                      /* in the container */
	char *path;                        /* of the archive */
	struct sink *file;
	struct sink *gzip;
	struct name_list *names; /* of what has to be in the archive; NULL: they have not been asked for */
	bool warned;             /* that not all of them are known */
	uint64_t bytes;
};

enum status folder_copy_of(const char *host_folder, const char *path_in_archive, const char *path,
						   struct folder_copy **ret_copy, struct error *error)
{
	CLEANUP(cleanup_folder_copy) struct folder_copy *copy = calloc(1, sizeof *copy);
	enum status status =
		copy == NULL ? error_memory(error) : direct_copy_new(host_folder, path_in_archive, path, &copy->direct, error);
	if (status == STATUS_OK) {
		*ret_copy = MOVE(copy);
	}
	return status;
}

enum status folder_copy_new(struct runtime *runtime, const struct container *container, const char *folder,
							const char *path, struct folder_copy **ret_copy, struct error *error)
{
	CLEANUP(cleanup_free) char *host_folder = NULL;
	enum status status = runtime_host_folder(runtime, container, folder, &host_folder, error);
	if (status != STATUS_OK || host_folder != NULL) {
		return status == STATUS_OK ? folder_copy_of(host_folder, folder + 1, path, ret_copy, error) : status;
	}
	CLEANUP(cleanup_folder_copy) struct folder_copy *copy = calloc(1, sizeof *copy);
	if (copy == NULL) {
		return error_memory(error);
	}
	*copy = (struct folder_copy){
		.runtime = runtime, .container = container, .folder = strdup(folder), .path = strdup(path)};
	if (copy->folder == NULL || copy->path == NULL) {
		return error_memory(error);
	}
	*ret_copy = MOVE(copy);
	return STATUS_OK;
}

/* Anew each time: what has been made since the last time has to be in the archive too. */
static enum status ask_names(struct folder_copy *copy, struct progress *progress, struct error *error)
{
	enum name_list_extent extent = NAMES_NONE;
	name_list_free(MOVE(copy->names));
	enum status status = name_list_ask(copy->runtime, copy->container, copy->folder, &copy->names, &extent, error);
	if (status == STATUS_OK && extent != NAMES_ALL && !copy->warned) {
		copy->warned = true;
		progress_warn(progress,
					  "%s of the names in %s can be listed in container %s: a file that the engine cannot "
					  "read there could be missing unnoticed",
					  extent == NAMES_NONE ? "none" : "only some", copy->folder, copy->container->name);
	}
	return status;
}

enum status folder_copy_catch_up(struct folder_copy *copy, struct progress *progress, uint64_t *ret_bytes,
								 struct error *error)
{
	*ret_bytes = 0;
	return copy->direct != NULL ? direct_live_catch_up(copy->direct, progress, ret_bytes, error)
								: ask_names(copy, progress, error);
}

/* Through the engine: its stream names everything after the folder's last component. */
static enum status capture_stream(struct folder_copy *copy, struct error *error)
{
	const char *slash = strrchr(copy->folder, '/');
	CLEANUP(cleanup_source) struct source *tar = NULL;
	CLEANUP(cleanup_source) struct source *renamed = NULL;
	sink_free(MOVE(copy->gzip));
	sink_free(MOVE(copy->file));
	unlink(copy->path);
	enum status status = file_sink_new(copy->path, &copy->file, error);
	if (status == STATUS_OK) {
		status = gzip_sink_new(copy->file, &copy->gzip, error);
	}
	if (status == STATUS_OK) {
		status = runtime_archive_get(copy->runtime, copy->container, copy->folder, &tar, error);
	}
	if (status == STATUS_OK) {
		status = tar_rename_source_new(MOVE(tar), slash + 1, copy->folder + 1, &renamed, error);
	}
	if (status == STATUS_OK && copy->names != NULL) {
		name_list_begin(copy->names);
		tar_rename_source_watch(renamed, name_list_see, copy->names);
	}
	if (status == STATUS_OK) {
		status = stream_copy(renamed, copy->gzip, &copy->bytes, error);
	}
	source_free(MOVE(renamed)); /* as long as it is read, the engine keeps the container locked */
	if (status == STATUS_OK && copy->names != NULL) {
		status = name_list_expect_seen(copy->names, copy->runtime, copy->container, copy->folder, error);
	}
	return status;
}

enum status folder_copy_capture(struct folder_copy *copy, struct error *error)
{
	return copy->direct != NULL ? direct_moment_capture(copy->direct, error) : capture_stream(copy, error);
}

enum status folder_copy_finish(struct folder_copy *copy, struct progress *progress,
							   struct folder_copy_result *ret_result, struct error *error)
{
	if (copy->direct != NULL) {
		enum status status = direct_moment_finish(copy->direct, progress, error);
		*ret_result = (struct folder_copy_result){.bytes = copy->direct->bytes,
												  .window_bytes = copy->direct->window_bytes,
												  .direct = true,
												  .digest = copy->direct->digest};
		return status;
	}
	progress_step(progress, "flushing to disk", 0);
	*ret_result = (struct folder_copy_result){.bytes = copy->bytes, .window_bytes = copy->bytes};
	return sink_finish(copy->gzip, error);
}

void folder_copy_free(struct folder_copy *copy)
{
	if (copy != NULL) {
		direct_copy_free(copy->direct);
		name_list_free(copy->names);
		sink_free(copy->gzip);
		sink_free(copy->file);
		free(copy->folder);
		free(copy->path);
		free(copy);
	}
}
