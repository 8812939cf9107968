#include "stores/chromadb/rest.h"

#include "base/clock.h"
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

enum age { QUIET, YOUNG, TORN };

/*
 * What the time stamp of a *.bin tells. `pickle` is that of the pickle; NULL: there is none. After the clock was set
 * back the pickle may lie in the future: what is older than it, but not of the future too, has been written since, and
 * what counts is how long ago. Without a pickle, what lies in the future by more than clocks differ is from before
 * that.
 */
static enum age age_of(const struct timespec *file, const struct timespec *pickle, const struct timespec *now)
{
	struct timespec lately = {.tv_sec = now->tv_sec - CHROMADB_QUIET_SECONDS, .tv_nsec = now->tv_nsec};
	struct timespec future = {.tv_sec = now->tv_sec + CHROMADB_FUTURE_SECONDS, .tv_nsec = now->tv_nsec};
	if (pickle != NULL && is_after(file, pickle)) {
		return TORN;
	}
	if (pickle != NULL && !is_after(pickle, &future)) {
		return QUIET;
	}
	return is_after(file, &lately) && !is_after(file, &future) ? YOUNG : QUIET;
}

/* One look at all segments. */
struct look {
	struct timespec now;
	bool torn;           /* nothing further has to be looked at */
	struct buffer young; /* struct timespec of each file that may just have been written */
};

static void look_begin(struct look *look, const struct chromadb_rest *rest)
{
	*look = (struct look){.young = {.limit = rest->young.limit}};
	clock_gettime(CLOCK_REALTIME, &look->now);
}

static enum status look_at_file(struct look *look, const struct timespec *file, const struct timespec *pickle,
								struct error *error)
{
	enum age age = age_of(file, pickle, &look->now);
	look->torn = look->torn || age == TORN;
	return age == YOUNG ? buffer_append(&look->young, file, sizeof *file, error) : STATUS_OK;
}

/* Young files that are still the same have not been written since: they only seem young. */
static bool look_end(struct look *look, struct chromadb_rest *rest)
{
	bool same = look->young.length == rest->young.length &&
				(rest->young.length == 0 || memcmp(look->young.data, rest->young.data, rest->young.length) == 0);
	if (look->torn || !same) {
		struct buffer before = rest->young;
		rest->young = look->young;
		look->young = before;
		rest->since = clock_seconds();
	}
	return !look->torn && (rest->young.length == 0 || clock_seconds() - rest->since >= CHROMADB_QUIET_SECONDS);
}

/* One segment's folder, open as `segment`. A folder without a header.bin is no segment. */
static enum status look_at_segment(struct look *look, int segment, struct error *error)
{
	struct stat file;
	if (fstatat(segment, chromadb_segment_files[0], &file, 0) != 0 && errno == ENOENT) {
		return STATUS_OK;
	}
	CLEANUP(cleanup_close) int fd = openat(segment, CHROMADB_PICKLE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT) {
		return error_set_errno(error, "cannot read a " CHROMADB_PICKLE);
	}
	struct stat pickle;
	if (fd >= 0) {
		char last = 0;
		bool whole = fstat(fd, &pickle) == 0 && pickle.st_size > 0 &&
					 files_read_at(fd, &last, 1, (uint64_t)pickle.st_size - 1) == 1;
		look->torn = !whole || last != PICKLE_STOP;
	}
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && !look->torn && chromadb_segment_files[i] != NULL; i++) {
		look->torn = fstatat(segment, chromadb_segment_files[i], &file, 0) != 0;
		if (!look->torn) {
			status = look_at_file(look, &file.st_mtim, fd >= 0 ? &pickle.st_mtim : NULL, error);
		}
	}
	return status;
}

enum status chromadb_rest_in_folder(struct chromadb_rest *rest, const char *folder, bool *ret_at_rest,
									struct error *error)
{
	*ret_at_rest = false;
	DIR *list = opendir(folder);
	if (list == NULL) {
		return error_set_errno(error, "cannot read the folder %s", folder);
	}
	struct look look;
	look_begin(&look, rest);
	enum status status = STATUS_OK;
	while (status == STATUS_OK && !look.torn) {
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
			status = look_at_segment(&look, segment, error);
		} else if (errno != ENOTDIR && errno != ELOOP && errno != ENOENT) {
			status = error_set_errno(error, "cannot read %s/%s", folder, entry->d_name);
		}
	}
	closedir(list);
	*ret_at_rest = look_end(&look, rest) && status == STATUS_OK;
	buffer_free(&look.young);
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

static enum status look_in_container(struct look *look, struct runtime *runtime, const struct container *container,
									 const char *segment, struct error *error)
{
	struct path_stat pickle;
	struct path_stat attributes;
	bool has_pickle = false;
	CLEANUP(cleanup_free) char *path = NULL;
	enum status status = files_join(segment, CHROMADB_PICKLE, &path, error);
	if (status == STATUS_OK) {
		status = runtime_archive_stat(runtime, container, path, &pickle, error);
	}
	if (status == STATUS_OK) {
		char last = 0;
		has_pickle = true;
		status = last_byte(runtime, container, path, &last, error);
		look->torn = last != PICKLE_STOP;
	}
	status = status == STATUS_NOT_FOUND ? STATUS_OK : status;
	for (size_t i = 0; status == STATUS_OK && !look->torn && chromadb_segment_files[i] != NULL; i++) {
		CLEANUP(cleanup_free) char *file = NULL;
		status = files_join(segment, chromadb_segment_files[i], &file, error);
		if (status == STATUS_OK) {
			status = runtime_archive_stat(runtime, container, file, &attributes, error);
		}
		if (status == STATUS_OK) {
			status = look_at_file(look, &attributes.mtime, has_pickle ? &pickle.mtime : NULL, error);
		} else if (status == STATUS_NOT_FOUND) {
			look->torn = true;
			status = STATUS_OK;
		}
	}
	return status;
}

enum status chromadb_rest_in_container(struct chromadb_rest *rest, struct runtime *runtime,
									   const struct container *container, const struct buffer *segments,
									   bool *ret_at_rest, struct error *error)
{
	*ret_at_rest = false;
	CLEANUP(cleanup_free) char *list = strdup(buffer_text(segments));
	if (list == NULL) {
		return error_memory(error);
	}
	struct look look;
	look_begin(&look, rest);
	char *next = NULL;
	enum status status = STATUS_OK;
	for (char *segment = strtok_r(list, "\n", &next); status == STATUS_OK && !look.torn && segment != NULL;
		 segment = strtok_r(NULL, "\n", &next)) {
		status = look_in_container(&look, runtime, container, segment, error);
	}
	*ret_at_rest = look_end(&look, rest) && status == STATUS_OK;
	buffer_free(&look.young);
	return status;
}
