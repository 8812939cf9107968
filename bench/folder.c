/*
 * folder.c - one folder to an archive and back, as `create`, `verify` and `restore` do it; no server is needed.
 *
 *   bench-folder make KIND FOLDER MEBIBYTES   seeded data (data.h)
 *   bench-folder create FOLDER ARCHIVE        flushed to disk
 *   bench-folder verify ARCHIVE               SHA-256 and structure, as ChromaDB's
 *   bench-folder restore ARCHIVE FOLDER       into a folder that exists; flushed to disk
 *
 * No test: bench/folder.sh runs it beside other programs.
 */
#include "data.h"
#include "pipeline/file.h"
#include "pipeline/gzip.h"
#include "pipeline/tar.h"
#include "snapshot/folder_copy.h"
#include "stores/artefact_read.h"
#include "stores/store_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum status make(const char *kind, const char *folder, const char *mebibytes, struct error *error)
{
	return data_make(kind, folder, (size_t)strtoul(mebibytes, NULL, 10) << 20) == 0
			   ? STATUS_OK
			   : error_set_errno(error, "cannot make %s in %s", kind, folder);
}

static enum status create(const char *folder, const char *archive, struct error *error)
{
	CLEANUP(cleanup_folder_copy) struct folder_copy *copy = NULL;
	struct folder_copy_result result;
	uint64_t bytes = 0;
	enum status status = folder_copy_of(folder, "data", archive, &copy, error);
	if (status == STATUS_OK) {
		status = folder_copy_catch_up(copy, NULL, &bytes, error);
	}
	if (status == STATUS_OK) {
		status = folder_copy_capture(copy, error);
	}
	return status == STATUS_OK ? folder_copy_finish(copy, NULL, &result, error) : status;
}

static enum status verify(const char *archive, struct error *error)
{
	struct artefact_reading reading;
	return artefact_read(&store_chromadb, archive, "", NULL, &reading, error);
}

static enum status restore(const char *archive, const char *folder, struct error *error)
{
	struct source *file = NULL;
	CLEANUP(cleanup_source) struct source *tar = NULL;
	enum status status = file_source_new(archive, &file, error);
	if (status == STATUS_OK) {
		status = gzip_source_new(file, &tar, error);
	}
	return status == STATUS_OK ? tar_unpack(tar, "data", folder, NULL, error) : status;
}

int main(int count, char **words)
{
	struct error error;
	enum status status = STATUS_OK;
	const char *what = count > 2 ? words[1] : "";
	if (count == 5 && strcmp(what, "make") == 0) {
		status = make(words[2], words[3], words[4], &error);
	} else if (count == 4 && strcmp(what, "create") == 0) {
		status = create(words[2], words[3], &error);
	} else if (count == 3 && strcmp(what, "verify") == 0) {
		status = verify(words[2], &error);
	} else if (count == 4 && strcmp(what, "restore") == 0) {
		status = restore(words[2], words[3], &error);
	} else {
		fprintf(stderr, "usage: see bench/folder.c\n");
		return 2;
	}
	if (status != STATUS_OK) {
		fprintf(stderr, "%s\n", error.message);
	}
	return status == STATUS_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
