/* Files of containers: the archive calls of the Engine API. */
#include "base/json_text.h"
#include "runtimes/docker_http.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <openssl/evp.h>

enum { STAT_HEADER_LIMIT = 64 << 10 }; /* bytes of the X-Docker-Container-Path-Stat header */

static bool archive_path(char *path, size_t size, struct docker *docker, const struct container *container,
						 const char *inside)
{
	CLEANUP(cleanup_free) char *escaped = docker_escape(docker, inside);
	int length = escaped == NULL ? -1 : snprintf(path, size, "/containers/%s/archive?path=%s", container->id, escaped);
	return length > 0 && (size_t)length < size;
}

/* --- get --------------------------------------------------------------------------------------------------------- */

struct archive_source {
	struct source source;
	struct docker_transfer transfer;
};

static enum status archive_source_read(struct source *source, void *bytes, size_t capacity, size_t *ret_length,
									   struct error *error)
{
	struct archive_source *self = (struct archive_source *)source;
	enum status status = docker_transfer_wait(&self->transfer, NULL, -1, error);
	if (status != STATUS_OK) {
		return status;
	}
	struct buffer *pending = &self->transfer.pending;
	if (pending->length == 0) {
		*ret_length = 0;
		return docker_transfer_result(&self->transfer, error);
	}
	size_t length = pending->length < capacity ? pending->length : capacity;
	memcpy(bytes, pending->data, length);
	buffer_consume(pending, length);
	*ret_length = length;
	return STATUS_OK;
}

static void archive_source_free(struct source *source)
{
	struct archive_source *self = (struct archive_source *)source;
	docker_transfer_close(&self->transfer);
	free(self);
}

enum status docker_archive_get(struct runtime *runtime, const struct container *container, const char *path,
							   struct source **ret_tar, struct error *error)
{
	static const struct source_ops ops = {.read = archive_source_read, .free = archive_source_free};
	struct docker *docker = (struct docker *)runtime;
	char request[DOCKER_PATH_SIZE];
	struct archive_source *self = calloc(1, sizeof *self);
	if (self == NULL || !archive_path(request, sizeof request, docker, container, path)) {
		free(self);
		return error_memory(error);
	}
	self->source.ops = &ops;
	enum status status = docker_transfer_open(&self->transfer, docker, "GET", NULL, false, request, error);
	if (status != STATUS_OK) {
		free(self);
		return error_prefix(error, "cannot read %s in container %s", path, container->name);
	}
	*ret_tar = &self->source;
	return STATUS_OK;
}

/* --- put --------------------------------------------------------------------------------------------------------- */

struct upload {
	struct source *tar;
	enum status status;
	struct error *error;
};

static size_t upload_more(char *bytes, size_t size, size_t count, void *context)
{
	struct upload *upload = context;
	size_t length = 0;
	upload->status = source_read(upload->tar, bytes, size * count, &length, upload->error);
	return upload->status == STATUS_OK ? length : CURL_READFUNC_ABORT;
}

static size_t collect_some(char *bytes, size_t size, size_t count, void *context)
{
	(void)buffer_append_some(context, bytes, size * count);
	return size * count;
}

enum status docker_archive_put(struct runtime *runtime, const struct container *container, const char *path,
							   struct source *tar, struct error *error)
{
	struct docker *docker = (struct docker *)runtime;
	char request[DOCKER_PATH_SIZE];
	if (!archive_path(request, sizeof request, docker, container, path)) {
		return error_memory(error);
	}
	CURL *curl = docker_curl_new(docker, request);
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/x-tar");
	struct curl_slist *more = headers != NULL ? curl_slist_append(headers, "Expect:") : NULL;
	CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(STAT_HEADER_LIMIT);
	struct upload upload = {.tar = tar, .error = error};
	enum status status = STATUS_OK;
	if (curl == NULL || more == NULL) {
		status = error_memory(error);
	} else {
		curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, (long)STREAM_BLOCK_SIZE);
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(curl, CURLOPT_READFUNCTION, upload_more);
		curl_easy_setopt(curl, CURLOPT_READDATA, &upload);
		curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect_some);
		curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply);
		CURLcode result = curl_easy_perform(curl);
		long code = 0;
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
		if (upload.status != STATUS_OK) {
			status = upload.status;
		} else if (code >= 400) {
			status = docker_http_error(code, &reply, error);
		} else if (result != CURLE_OK) {
			status = docker_curl_error(docker, curl, result, error);
		}
	}
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	return status == STATUS_OK ? STATUS_OK
							   : error_prefix(error, "cannot write to %s in container %s", path, container->name);
}

/* --- stat -------------------------------------------------------------------------------------------------------- */

/* Type bits of Go's fs.FileMode (package io/fs): the engine sends that, not POSIX's st_mode. */
static mode_t mode_of_go(json_int_t mode)
{
	const json_int_t directory = 1LL << 31;
	const json_int_t symbolic_link = 1LL << 27;
	mode_t type = (mode & directory) != 0 ? S_IFDIR : (mode & symbolic_link) != 0 ? S_IFLNK : S_IFREG;
	return type | (mode_t)(mode & 0777);
}

static enum status parse_stat(const char *base64, struct path_stat *ret_stat, struct error *error)
{
	size_t length = strlen(base64);
	CLEANUP(cleanup_free) unsigned char *text = calloc(1, length + 1);
	if (text == NULL) {
		return error_memory(error);
	}
	int decoded = EVP_DecodeBlock(text, (const unsigned char *)base64, (int)length);
	CLEANUP(cleanup_json) json_t *json = NULL;
	if (decoded >= 0 && json_text_read((const char *)text, 0, &json, error) == STATUS_NO_MEMORY) {
		return error->status;
	}
	const char *mtime = json_string_value(json_object_get(json, "mtime"));
	if (mtime == NULL || !docker_time(mtime, &ret_stat->mtime)) {
		return error_set(error, STATUS_FAILED, "Docker's description of a file makes no sense");
	}
	ret_stat->size = (uint64_t)json_integer_value(json_object_get(json, "size"));
	ret_stat->mode = mode_of_go(json_integer_value(json_object_get(json, "mode")));
	return STATUS_OK;
}

static size_t keep_stat_header(char *bytes, size_t size, size_t count, void *context)
{
	static const char name[] = "X-Docker-Container-Path-Stat:";
	size_t length = size * count;
	if (length > sizeof name && strncasecmp(bytes, name, sizeof name - 1) == 0) {
		(void)buffer_append_some(context, bytes + sizeof name - 1, length - (sizeof name - 1));
	}
	return length;
}

enum status docker_archive_stat(struct runtime *runtime, const struct container *container, const char *path,
								struct path_stat *ret_stat, struct error *error)
{
	struct docker *docker = (struct docker *)runtime;
	char request[DOCKER_PATH_SIZE];
	CURL *curl =
		archive_path(request, sizeof request, docker, container, path) ? docker_curl_new(docker, request) : NULL;
	if (curl == NULL) {
		return error_memory(error);
	}
	CLEANUP(buffer_free) struct buffer header = BUFFER_INIT(STAT_HEADER_LIMIT);
	curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, keep_stat_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, &header);
	CURLcode result = curl_easy_perform(curl);
	long code = 0;
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
	enum status status = result != CURLE_OK ? docker_curl_error(docker, curl, result, error) : STATUS_OK;
	curl_easy_cleanup(curl);
	if (status != STATUS_OK) {
		return status;
	}
	if (code == 404) {
		return error_set(error, STATUS_NOT_FOUND, "no %s in container %s", path, container->name);
	}
	if (code >= 500) {
		buffer_clear(&header); /* a HEAD has no text that says why */
		return docker_http_error(code, &header, error);
	}
	buffer_trim(&header);
	const char *text = buffer_text(&header);
	return parse_stat(text + strspn(text, " "), ret_stat, error);
}
