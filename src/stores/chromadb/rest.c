#include "stores/chromadb/rest.h"

#include "base/files.h"
#include "pipeline/tar.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

const char *const chromadb_segment_files[] = {"header.bin", "data_level0.bin", "length.bin", "link_lists.bin", NULL};

static const char PICKLE_STOP = '.';

/* Stands behind a list of segments' paths, which all begin with a slash. */
#define LIST_END "that is all"

static bool is_after(const struct timespec *left, const struct timespec *right)
{
	return left->tv_sec != right->tv_sec ? left->tv_sec > right->tv_sec : left->tv_nsec > right->tv_nsec;
}

/*
 * True if this time stamp of a *.bin shows no rewrite under way. `pickle` is that of the pickle; NULL: there is none.
 * After the clock was set back the pickle may lie in the future: what is older than it, but not of the future too, has
 * been written since, and what counts is how long ago. Without a pickle, what lies in the future by more than clocks
 * differ is from before that.
 */
static bool is_at_rest(const struct timespec *file, const struct timespec *pickle, const struct timespec *now)
{
	struct timespec lately = {.tv_sec = now->tv_sec - CHROMADB_QUIET_SECONDS, .tv_nsec = now->tv_nsec};
	struct timespec future = {.tv_sec = now->tv_sec + CHROMADB_FUTURE_SECONDS, .tv_nsec = now->tv_nsec};
	if (pickle != NULL) {
		bool written_since = is_after(pickle, &future) && !is_after(file, &future);
		return !is_after(file, pickle) && !(written_since && is_after(file, &lately));
	}
	return !is_after(file, &lately) || is_after(file, &future);
}

/* One segment's folder, open as `segment`. A folder without a header.bin is no segment. */
static enum status look_at_segment(int segment, bool *ret_at_rest, struct error *error)
{
	struct stat file;
	*ret_at_rest = true;
	if (fstatat(segment, chromadb_segment_files[0], &file, 0) != 0 && errno == ENOENT) {
		return STATUS_OK;
	}
	CLEANUP(cleanup_close) int fd = openat(segment, CHROMADB_PICKLE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT) {
		return error_set_errno(error, "cannot read a " CHROMADB_PICKLE);
	}
	struct timespec now;
	struct stat pickle;
	clock_gettime(CLOCK_REALTIME, &now);
	if (fd >= 0) {
		char last = 0;
		bool whole = fstat(fd, &pickle) == 0 && pickle.st_size > 0 && pread(fd, &last, 1, pickle.st_size - 1) == 1;
		*ret_at_rest = whole && last == PICKLE_STOP;
	}
	for (size_t i = 0; *ret_at_rest && chromadb_segment_files[i] != NULL; i++) {
		bool there = fstatat(segment, chromadb_segment_files[i], &file, 0) == 0;
		*ret_at_rest = there && is_at_rest(&file.st_mtim, fd >= 0 ? &pickle.st_mtim : NULL, &now);
	}
	return STATUS_OK;
}

enum status chromadb_rest_in_folder(const char *folder, bool *ret_at_rest, struct error *error)
{
	DIR *list = opendir(folder);
	if (list == NULL) {
		return error_set_errno(error, "cannot read the folder %s", folder);
	}
	*ret_at_rest = true;
	enum status status = STATUS_OK;
	while (status == STATUS_OK && *ret_at_rest) {
		errno = 0;
		const struct dirent *entry = readdir(list);
		if (entry == NULL) {
			status = errno != 0 ? error_set_errno(error, "cannot read the folder %s", folder) : STATUS_OK;
			break;
		}
		if (entry->d_name[0] == '.') {
			continue;
		}
		CLEANUP(cleanup_close)
		int segment = openat(dirfd(list), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (segment >= 0) {
			status = look_at_segment(segment, ret_at_rest, error);
		} else if (errno != ENOTDIR && errno != ELOOP && errno != ENOENT) {
			status = error_set_errno(error, "cannot read %s/%s", folder, entry->d_name);
		}
	}
	closedir(list);
	return status;
}

/*
 * A folder that cannot be read must not pass for one without segments, and neither a glob nor a test tells them apart.
 * So `ls` has the names, and what does not show a header.bin is read too, unless it has gone meanwhile.
 */
static const char LIST_SCRIPT[] = "LC_ALL=C; export LC_ALL; set -f; IFS='\n'\n"
								  "names=$(ls -A \"$0\") || exit 1\n"
								  "for name in $names; do\n"
								  "	case $name in .*) continue ;; esac\n"
								  "	if [ ! -e \"$0/$name/header.bin\" ]; then\n"
								  "		inside=$(ls -A \"$0/$name\" 2>&1) || case $inside in\n"
								  "			*': No such file or directory') continue ;;\n"
								  "			*) printf '%s\\n' \"$inside\" >&2; exit 1 ;;\n"
								  "		esac\n"
								  "		case \"\n$inside\n\" in *'\nheader.bin\n'*) ;; *) continue ;; esac\n"
								  "	fi\n"
								  "	printf '%s\\n' \"$0/$name\" || exit 1\n"
								  "done\n"
								  "echo '" LIST_END "'\n";

enum status chromadb_rest_list(struct runtime *runtime, const struct container *container, const char *folder,
							   struct buffer *segments, struct error *error)
{
	const char *const arguments[] = {"sh", "-c", LIST_SCRIPT, folder, NULL};
	struct exec_request request = {.container = container, .arguments = arguments};
	buffer_clear(segments);
	enum status status = runtime_run_text(runtime, &request, segments, error);
	if (status != STATUS_OK) {
		buffer_clear(segments);
		return status;
	}
	/* The engine can lose the end of what a program says and hand over exit code 0. */
	static const char end[] = LIST_END "\n";
	size_t kept = segments->length < sizeof end - 1 ? 0 : segments->length - (sizeof end - 1);
	if (strcmp(buffer_text(segments) + kept, end) != 0 || (kept > 0 && segments->data[kept - 1] != '\n')) {
		buffer_clear(segments);
		return error_set(error, STATUS_FAILED, "the list of the segments in container %s has not come whole",
						 container->name);
	}
	segments->data[kept] = '\0';
	segments->length = kept;
	return STATUS_OK;
}

/* The last byte of a file in the container; 0 for an empty one. */
static enum status last_byte(struct runtime *runtime, const struct container *container, const char *path,
							 char *ret_last, struct error *error)
{
	CLEANUP(cleanup_source) struct source *tar = NULL;
	CLEANUP(cleanup_tar_reader) struct tar_reader *reader = NULL;
	CLEANUP(cleanup_free) char *block = malloc(STREAM_BLOCK_SIZE);
	struct tar_entry entry;
	bool ended = false;
	*ret_last = 0;
	enum status status =
		block == NULL ? error_memory(error) : runtime_archive_get(runtime, container, path, &tar, error);
	if (status == STATUS_OK) {
		status = tar_reader_new(tar, &reader, error);
	}
	if (status == STATUS_OK) {
		status = tar_reader_next(reader, &entry, &ended, error);
	}
	for (size_t length = 1; status == STATUS_OK && !ended && length > 0;) {
		status = tar_reader_read(reader, block, STREAM_BLOCK_SIZE, &length, error);
		*ret_last = status == STATUS_OK && length > 0 ? block[length - 1] : *ret_last;
	}
	return status;
}

static enum status look_in_container(struct runtime *runtime, const struct container *container, const char *segment,
									 bool *ret_at_rest, struct error *error)
{
	struct path_stat pickle;
	struct path_stat attributes;
	struct timespec now;
	bool has_pickle = false;
	CLEANUP(cleanup_free) char *path = NULL;
	clock_gettime(CLOCK_REALTIME, &now);
	enum status status = files_join(segment, CHROMADB_PICKLE, &path, error);
	if (status == STATUS_OK) {
		status = runtime_archive_stat(runtime, container, path, &pickle, error);
	}
	*ret_at_rest = true;
	if (status == STATUS_OK) {
		char last = 0;
		has_pickle = true;
		status = last_byte(runtime, container, path, &last, error);
		*ret_at_rest = last == PICKLE_STOP;
	} else if (status == STATUS_NOT_FOUND) {
		status = STATUS_OK;
	}
	for (size_t i = 0; *ret_at_rest && status == STATUS_OK && chromadb_segment_files[i] != NULL; i++) {
		CLEANUP(cleanup_free) char *file = NULL;
		status = files_join(segment, chromadb_segment_files[i], &file, error);
		if (status == STATUS_OK) {
			status = runtime_archive_stat(runtime, container, file, &attributes, error);
		}
		*ret_at_rest = status == STATUS_OK && is_at_rest(&attributes.mtime, has_pickle ? &pickle.mtime : NULL, &now);
	}
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status chromadb_rest_in_container(struct runtime *runtime, const struct container *container,
									   const struct buffer *segments, bool *ret_at_rest, struct error *error)
{
	*ret_at_rest = true;
	CLEANUP(cleanup_free) char *list = strdup(buffer_text(segments));
	if (list == NULL) {
		return error_memory(error);
	}
	char *rest = NULL;
	enum status status = STATUS_OK;
	for (char *segment = strtok_r(list, "\n", &rest); status == STATUS_OK && *ret_at_rest && segment != NULL;
		 segment = strtok_r(NULL, "\n", &rest)) {
		status = look_in_container(runtime, container, segment, ret_at_rest, error);
	}
	return status;
}
