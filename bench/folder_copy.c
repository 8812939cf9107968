/*
 * folder_copy.c - makes seeded data, and measures how a folder of it is copied as `create` does it.
 *
 *   bench-folder-copy make vectors|text|random|small FOLDER MEBIBYTES
 *   bench-folder-copy copy FOLDER ARCHIVE
 *
 * No test: bench/copy.sh runs it beside tar and cp.
 */
#include "snapshot/folder_copy.h"
#include "base/clock.h"
#include "base/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum {
	MEBIBYTE = 1 << 20,
	FILE_SIZE = 64 * MEBIBYTE, /* of large files */
	SMALL_SIZE = 4096,         /* bytes of a small file */
	DIMENSIONS = 384,          /* of a vector: a usual sentence embedding */
	LINE = 256,
};

static uint64_t state = 88172645463325252U;

/* xorshift64 (Marsaglia, 2003). */
static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static double next_unit(void)
{
	return ((double)(next_random() >> 11) + 0.5) / 9007199254740992.0;
}

/* Unit vectors of normal coordinates: what an embedding looks like to a compressor. */
static void fill_vectors(char *bytes, size_t length)
{
	float vector[DIMENSIONS];
	for (size_t at = 0; at < length;) {
		double sum = 0;
		for (size_t i = 0; i < DIMENSIONS; i++) {
			vector[i] = (float)(sqrt(-2 * log(next_unit())) * cos(2 * 3.14159265358979 * next_unit()));
			sum += (double)vector[i] * (double)vector[i];
		}
		for (size_t i = 0; i < DIMENSIONS; i++) {
			vector[i] = (float)(vector[i] / sqrt(sum));
		}
		size_t some = length - at < sizeof vector ? length - at : sizeof vector;
		memcpy(bytes + at, vector, some);
		at += some;
	}
}

static void fill_text(char *bytes, size_t length)
{
	static const char *const words[] = {"memory", "of",  "the",   "engine", "whisper", "said",   "that",    "a",
										"garden", "was", "never", "quite",  "what",    "people", "thought", "it"};
	for (size_t at = 0; at < length;) {
		char line[LINE];
		int used = snprintf(line, sizeof line, "%llu\t2026-11-%02u\t{\"user\": %u, \"text\": \"",
							(unsigned long long)(next_random() % 100000000), (unsigned)(next_random() % 30 + 1),
							(unsigned)(next_random() % 5000));
		for (unsigned i = 0; i < 16; i++) {
			used += snprintf(line + used, sizeof line - (size_t)used, "%s ", words[next_random() >> 60]);
		}
		used += snprintf(line + used, sizeof line - (size_t)used, "\"}\n");
		size_t some = length - at < (size_t)used ? length - at : (size_t)used;
		memcpy(bytes + at, line, some);
		at += some;
	}
}

static void fill_random(char *bytes, size_t length)
{
	for (size_t at = 0; at + 8 <= length; at += 8) {
		uint64_t number = next_random() * 0x2545F4914F6CDD1DU;
		memcpy(bytes + at, &number, sizeof number);
	}
}

static void fill(const char *kind, char *bytes, size_t length)
{
	if (strcmp(kind, "vectors") == 0) {
		fill_vectors(bytes, length);
	} else if (strcmp(kind, "random") == 0) {
		fill_random(bytes, length);
	} else {
		fill_text(bytes, length);
	}
}

static int write_file(const char *path, const char *kind, size_t size)
{
	static char block[MEBIBYTE];
	FILE *file = fopen(path, "w");
	for (size_t left = size; file != NULL && left > 0;) {
		size_t some = left < sizeof block ? left : sizeof block;
		fill(kind, block, some);
		left = fwrite(block, 1, some, file) == some ? left - some : 0;
	}
	return file == NULL || fclose(file) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int make(const char *kind, const char *folder, size_t bytes)
{
	bool small = strcmp(kind, "small") == 0;
	size_t size = small ? SMALL_SIZE : FILE_SIZE;
	size_t count = (bytes + size - 1) / size;
	int result = EXIT_SUCCESS;
	mkdir(folder, 0755);
	for (size_t i = 0; result == EXIT_SUCCESS && i < count; i++) {
		char path[4096];
		snprintf(path, sizeof path, "%s/%02zu", folder, i / 500);
		mkdir(path, 0755);
		snprintf(path, sizeof path, "%s/%02zu/%s-%zu", folder, i / 500, kind, i);
		result = write_file(path, i % 2 == 0 || !small ? kind : "vectors", bytes < size ? bytes : size);
		bytes -= bytes < size ? bytes : size;
	}
	return result;
}

static int report(enum status status, const struct error *error, double *began, const char *what)
{
	double now = clock_seconds();
	if (status != STATUS_OK) {
		fprintf(stderr, "%s\n", error->message);
		return EXIT_FAILURE;
	}
	printf("%s %.3f  ", what, now - *began);
	*began = clock_seconds();
	return EXIT_SUCCESS;
}

static int copy_folder(const char *folder, const char *archive)
{
	struct error error;
	CLEANUP(cleanup_folder_copy) struct folder_copy *copy = NULL;
	struct folder_copy_result result = {0};
	uint64_t bytes = 0;
	double start = clock_seconds();
	double began = start;
	enum status status = folder_copy_of(folder, "data", archive, &copy, &error);
	status = status == STATUS_OK ? folder_copy_catch_up(copy, NULL, &bytes, &error) : status;
	int failed = report(status, &error, &began, "copy");
	status = failed ? status : folder_copy_capture(copy, &error);
	failed = failed || report(status, &error, &began, "moment");
	status = failed ? status : folder_copy_finish(copy, NULL, &result, &error);
	failed = failed || report(status, &error, &began, "finish");
	double seconds = clock_seconds() - start;
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	printf("total %.3f s  %llu bytes  cpu %ld.%02ld+%ld.%02ld s  peak %ld KiB\n", seconds,
		   (unsigned long long)result.digest.size, (long)usage.ru_utime.tv_sec, (long)usage.ru_utime.tv_usec / 10000,
		   (long)usage.ru_stime.tv_sec, (long)usage.ru_stime.tv_usec / 10000, usage.ru_maxrss);
	return failed;
}

int main(int count, char **arguments)
{
	if (count == 5 && strcmp(arguments[1], "make") == 0) {
		return make(arguments[2], arguments[3], (size_t)strtoul(arguments[4], NULL, 10) * MEBIBYTE);
	}
	if (count == 4 && strcmp(arguments[1], "copy") == 0) {
		return copy_folder(arguments[2], arguments[3]);
	}
	fprintf(stderr, "usage: %s make KIND FOLDER MEBIBYTES | copy FOLDER ARCHIVE\n", arguments[0]);
	return 2;
}
