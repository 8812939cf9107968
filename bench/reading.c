/*
 * What reading an archive costs, without any server: for bench/reading.sh.
 *
 *   reading make FOLDER MIB     data as stores have it: vectors, text, 10,000 small files, some that does not compress
 *   reading pack FOLDER FILE    as a backup does it, in one go
 *   reading inflate FILE        only the bytes
 *   reading check FILE          as verify does it: SHA-256 and structure, as ChromaDB's
 *   reading unpack FILE FOLDER  as a restore does it, flushed to disk
 *
 * Prints seconds, MiB of content per second where there is content, and the largest amount of memory it had.
 */
#include "base/clock.h"
#include "catalog/artefact_read.h"
#include "pipeline/file.h"
#include "pipeline/gzip.h"
#include "pipeline/tar.h"
#include "snapshot/folder_copy.h"
#include "stores/store_table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { BLOCK = 1 << 20, DIMENSIONS = 384, SMALL_FILES = 10000, SMALL_SIZE = 4096 };

static uint64_t random_state = 88172645463325252;

static uint32_t random_number(void)
{
	random_state ^= random_state << 13; /* xorshift64 */
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32);
}

static void fill_vectors(char *block)
{
	for (size_t at = 0; at + DIMENSIONS * sizeof(float) <= BLOCK; at += DIMENSIONS * sizeof(float)) {
		float vector[DIMENSIONS];
		double square = 0;
		for (size_t i = 0; i < DIMENSIONS; i++) {
			double sum = 0;
			for (int j = 0; j < 4; j++) {
				sum += random_number() / 4294967296.0 - 0.5;
			}
			vector[i] = (float)sum;
			square += sum * sum;
		}
		for (size_t i = 0; i < DIMENSIONS; i++) {
			vector[i] = (float)(vector[i] / sqrt(square));
		}
		memcpy(block + at, vector, sizeof vector);
	}
}

static void fill_text(char *block)
{
	static const char *const words[] = {"memory ", "user ",  "said ",   "that ", "the ",  "whisper ",  "engine ",
										"of ",     "night ", "\n42\t1", "is ",   "was a", "{\"id\": ", "} "};
	for (size_t at = 0; at < BLOCK;) {
		const char *word = words[random_number() % (sizeof words / sizeof *words)];
		for (size_t i = 0; word[i] != '\0' && at < BLOCK; i++) {
			block[at++] = word[i];
		}
	}
}

static void fill_noise(char *block)
{
	for (size_t at = 0; at < BLOCK; at += 4) {
		uint32_t number = random_number();
		memcpy(block + at, &number, 4);
	}
}

static void write_file(const char *folder, const char *name, void (*fill)(char *block), size_t size)
{
	static char block[BLOCK];
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *file = fopen(path, "w");
	for (size_t done = 0; file != NULL && done < size; done += BLOCK) {
		fill(block);
		fwrite(block, 1, size - done < BLOCK ? size - done : BLOCK, file);
	}
	if (file == NULL || fclose(file) != 0) {
		perror(path);
		exit(1);
	}
}

static void make(const char *folder, size_t mebibytes)
{
	char small[4096];
	size_t part = mebibytes * BLOCK / 10;
	snprintf(small, sizeof small, "%s/small", folder);
	if (mkdir(folder, 0755) != 0 || mkdir(small, 0755) != 0) {
		perror(folder);
		exit(1);
	}
	write_file(folder, "vectors", fill_vectors, 5 * part);
	write_file(folder, "chroma.sqlite3", fill_text, 4 * part);
	write_file(folder, "noise", fill_noise, part);
	for (int i = 0; i < SMALL_FILES; i++) {
		char name[32];
		snprintf(name, sizeof name, "%d", i);
		write_file(small, name, i % 2 == 0 ? fill_text : fill_vectors, SMALL_SIZE);
	}
}

static enum status pack(const char *folder, const char *path, struct error *error)
{
	CLEANUP(cleanup_folder_copy) struct folder_copy *copy = NULL;
	struct folder_copy_result result;
	uint64_t bytes = 0;
	enum status status = folder_copy_of(folder, "data", path, &copy, error);
	if (status == STATUS_OK) {
		status = folder_copy_catch_up(copy, NULL, &bytes, error);
	}
	if (status == STATUS_OK) {
		status = folder_copy_capture(copy, error);
	}
	return status == STATUS_OK ? folder_copy_finish(copy, NULL, &result, error) : status;
}

static enum status open_archive(const char *path, struct source **ret_tar, struct error *error)
{
	struct source *file = NULL;
	enum status status = file_source_new(path, &file, error);
	return status == STATUS_OK ? gzip_source_new(file, ret_tar, error) : status;
}

static enum status inflate(const char *path, uint64_t *ret_bytes, struct error *error)
{
	static char block[STREAM_BLOCK_SIZE];
	CLEANUP(cleanup_source) struct source *tar = NULL;
	enum status status = open_archive(path, &tar, error);
	for (size_t length = 1; status == STATUS_OK && length > 0; *ret_bytes += length) {
		status = source_read(tar, block, sizeof block, &length, error);
	}
	return status;
}

static enum status check(const char *path, uint64_t *ret_bytes, struct error *error)
{
	struct artefact_reading reading;
	enum status status = artefact_read(&store_chromadb, path, "", NULL, &reading, error);
	*ret_bytes = reading.artefact.raw_bytes;
	return status;
}

static enum status unpack(const char *path, const char *folder, struct error *error)
{
	CLEANUP(cleanup_source) struct source *tar = NULL;
	enum status status = open_archive(path, &tar, error);
	return status == STATUS_OK ? tar_unpack(tar, "data", folder, NULL, error) : status;
}

int main(int argc, char **argv)
{
	struct error error;
	struct rusage usage;
	uint64_t bytes = 0;
	enum status status = STATUS_OK;
	double began = clock_seconds();
	if (argc == 4 && strcmp(argv[1], "make") == 0) {
		make(argv[2], strtoul(argv[3], NULL, 10));
	} else if (argc == 4 && strcmp(argv[1], "pack") == 0) {
		status = pack(argv[2], argv[3], &error);
	} else if (argc == 3 && strcmp(argv[1], "inflate") == 0) {
		status = inflate(argv[2], &bytes, &error);
	} else if (argc == 3 && strcmp(argv[1], "check") == 0) {
		status = check(argv[2], &bytes, &error);
	} else if (argc == 4 && strcmp(argv[1], "unpack") == 0) {
		status = unpack(argv[2], argv[3], &error);
	} else {
		fprintf(stderr, "usage: see bench/reading.c\n");
		return 2;
	}
	double seconds = clock_seconds() - began;
	if (status != STATUS_OK) {
		fprintf(stderr, "%s\n", error.message);
		return 1;
	}
	getrusage(RUSAGE_SELF, &usage);
	printf("%.2f s", seconds);
	if (bytes > 0) {
		printf("  %.0f MiB/s", (double)bytes / BLOCK / seconds);
	}
	printf("  processor %.2f s, memory %ld MiB\n",
		   (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
		   usage.ru_maxrss / 1024);
	return 0;
}
