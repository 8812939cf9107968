/*
 * hostile.c - archives that somebody has made to hurt, in little time: the same compressed bytes again and again.
 *
 *   hostile bomb MEBIBYTES FILE     ChromaDB's, with a file of so many zeros; a thousandth of that on disk
 *   hostile entries COUNT FILE      ChromaDB's, with so many empty files
 *
 * Both are whole: each checksum is right.
 */
#include "pipeline/file.h"
#include "pipeline/gzip.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD = 512 }; /* bytes, of tar */

struct output {
	struct sink *file;
	struct sink *gzip;
};

/* libarchive's blocks, as they come. */
static la_ssize_t put(struct archive *archive, void *context, const void *bytes, size_t length)
{
	struct error error;
	(void)archive;
	return sink_write(((struct output *)context)->gzip, bytes, length, &error) == STATUS_OK ? (la_ssize_t)length : -1;
}

static enum status add(struct archive *archive, const char *path, uint64_t size, struct error *error)
{
	struct archive_entry *entry = archive_entry_new();
	archive_entry_set_pathname(entry, path);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0600);
	archive_entry_set_size(entry, (la_int64_t)size);
	int result = archive_write_header(archive, entry);
	archive_entry_free(entry);
	return result == ARCHIVE_OK ? STATUS_OK
								: error_set(error, STATUS_FAILED, "%s: %s", path, archive_error_string(archive));
}

static enum status entries(struct output *output, uint64_t count, struct error *error)
{
	struct archive *archive = archive_write_new();
	archive_write_set_format_ustar(archive);
	enum status status = archive_write_open(archive, output, NULL, put, NULL) == ARCHIVE_OK
							 ? add(archive, "chroma/chroma/chroma.sqlite3", 0, error)
							 : error_memory(error);
	for (uint64_t i = 0; status == STATUS_OK && i < count; i++) {
		char path[64];
		snprintf(path, sizeof path, "chroma/chroma/%llu/%llu", (unsigned long long)i / 1000, (unsigned long long)i);
		status = add(archive, path, 0, error);
	}
	if (archive_write_free(archive) != ARCHIVE_OK && status == STATUS_OK) {
		status = error_set(error, STATUS_FAILED, "the archive could not be ended");
	}
	return status == STATUS_OK ? sink_finish(output->gzip, error) : status;
}

/* A header whose size is in the base-256 form that GNU tar gave larger numbers than eleven octal digits can hold. */
static void make_header(char header[RECORD], const char *path, uint64_t size)
{
	unsigned sum = 0;
	memset(header, 0, RECORD);
	snprintf(header, 100, "%s", path);
	snprintf(header + 100, 8, "%07o", 0600U);
	snprintf(header + 108, 8, "%07o", 0U);
	snprintf(header + 116, 8, "%07o", 0U);
	header[124] = (char)0x80;
	for (int i = 0; i < 8; i++) {
		header[135 - i] = (char)(size >> 8 * i);
	}
	memset(header + 136, '0', 11);
	memset(header + 148, ' ', 8);
	header[156] = '0';
	memcpy(header + 257, "ustar  ", sizeof "ustar  ");
	for (int i = 0; i < RECORD; i++) {
		sum += (unsigned char)header[i];
	}
	snprintf(header + 148, 8, "%06o", sum);
}

static enum status bomb(struct output *output, uint64_t mebibytes, struct error *error)
{
	static char zeros[GZIP_MEMBER_SIZE];
	static char member[GZIP_MEMBER_ROOM];
	CLEANUP(cleanup_gzip_compressor) struct gzip_compressor *compressor = NULL;
	char headers[2 * RECORD];
	size_t length = 0;
	make_header(headers, "chroma/chroma/chroma.sqlite3", 0);
	make_header(headers + RECORD, "chroma/chroma/zeros", mebibytes * GZIP_MEMBER_SIZE);
	enum status status = gzip_compressor_new(&compressor, error);
	if (status == STATUS_OK) {
		status = gzip_compress(compressor, headers, sizeof headers, member, &length, error);
	}
	if (status == STATUS_OK) {
		status = sink_write(output->file, member, length, error);
	}
	if (status == STATUS_OK) {
		status = gzip_compress(compressor, zeros, sizeof zeros, member, &length, error);
	}
	/* The end of the archive is zeros as well. */
	for (uint64_t i = 0; status == STATUS_OK && i <= mebibytes; i++) {
		status = sink_write(output->file, member, length, error);
	}
	return status == STATUS_OK ? sink_finish(output->file, error) : status;
}

int main(int count, char **words)
{
	struct error error;
	struct output output = {0};
	if (count != 4 || (strcmp(words[1], "bomb") != 0 && strcmp(words[1], "entries") != 0)) {
		fprintf(stderr, "usage: see tests/hostile.c\n");
		return 2;
	}
	uint64_t number = strtoull(words[2], NULL, 10);
	enum status status = file_sink_new(words[3], &output.file, &error);
	if (status == STATUS_OK) {
		status = gzip_sink_new(output.file, &output.gzip, &error);
	}
	if (status == STATUS_OK) {
		status = words[1][0] == 'b' ? bomb(&output, number, &error) : entries(&output, number, &error);
	}
	if (status != STATUS_OK) {
		fprintf(stderr, "%s\n", error.message);
	}
	sink_free(output.gzip);
	sink_free(output.file);
	return status == STATUS_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
