#include "data.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
	BLOCK = 1 << 20,    /* bytes made at a time */
	LARGE = 64 * BLOCK, /* bytes of a large file */
	SMALL = 4096,       /* bytes of a small file */
	FILES_IN_FOLDER = 500,
	DIMENSIONS = 384, /* of a vector: a usual sentence embedding */
	WORDS = 4096,
	WORD_SIZE = 16,
	RECORD_SIZE = 34, /* bytes: Neo4j 5, relationship store of the standard format */
	PATH_LENGTH = 4096,
};

static uint64_t state;

/* xorshift64* (Vigna, 2016). */
static uint64_t next_random(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545F4914F6CDD1DU;
}

static double next_unit(void)
{
	return (double)(next_random() >> 11) / 9007199254740992.0;
}

static void fill_noise(char *bytes, size_t length)
{
	for (size_t at = 0; at < length; at += sizeof(uint64_t)) {
		uint64_t number = next_random();
		memcpy(bytes + at, &number, length - at < sizeof number ? length - at : sizeof number);
	}
}

/* A sum of uniform numbers is near enough to a normal one. */
static void fill_vectors(char *bytes, size_t length)
{
	for (size_t at = 0; at < length;) {
		float vector[DIMENSIONS];
		float squares = 0;
		for (size_t i = 0; i < DIMENSIONS; i++) {
			uint64_t random = next_random();
			int sum = 0;
			for (unsigned shift = 0; shift < 64; shift += 16) {
				sum += (int)(random >> shift & 0xffff) - 0x8000;
			}
			vector[i] = (float)sum;
			squares += vector[i] * vector[i];
		}
		for (size_t i = 0; i < DIMENSIONS; i++) {
			vector[i] /= sqrtf(squares);
		}
		size_t some = length - at < sizeof vector ? length - at : sizeof vector;
		memcpy(bytes + at, vector, some);
		at += some;
	}
}

static void make_words(char words[WORDS][WORD_SIZE])
{
	static const char *const syllables[] = {"ba", "den", "e",  "fol", "gra", "hi", "in",  "ka",
											"lo", "mer", "no", "o",   "per", "re", "sta", "ti"};
	for (size_t i = 0; i < WORDS; i++) {
		words[i][0] = '\0';
		for (size_t j = 0; j < 1 + i % 4; j++) {
			strcat(words[i], syllables[next_random() >> 60]);
		}
	}
}

/* Few words are frequent and many are rare (Zipf). */
static void fill_text(char *bytes, size_t length)
{
	static char words[WORDS][WORD_SIZE];
	if (words[0][0] == '\0') {
		make_words(words);
	}
	for (size_t at = 0; at < length;) {
		char line[1024];
		int used = snprintf(
			line, sizeof line, "%llu\t2026-%02u-%02u %02u:%02u:%02u.%06u+00\t{\"user\": %u, \"text\": \"",
			(unsigned long long)(next_random() % 100000000), (unsigned)(next_random() % 12 + 1),
			(unsigned)(next_random() % 28 + 1), (unsigned)(next_random() % 24), (unsigned)(next_random() % 60),
			(unsigned)(next_random() % 60), (unsigned)(next_random() % 1000000), (unsigned)(next_random() % 5000));
		for (size_t left = 8 + next_random() % 32; left > 0; left--) {
			const char *word = words[(size_t)(pow(WORDS, next_unit())) - 1];
			used += snprintf(line + used, sizeof line - (size_t)used, "%s ", word);
		}
		used += snprintf(line + used, sizeof line - (size_t)used, "\"}\n");
		size_t some = length - at < (size_t)used ? length - at : (size_t)used;
		memcpy(bytes + at, line, some);
		at += some;
	}
}

static void fill_records(char *bytes, size_t length)
{
	static uint32_t number;
	for (size_t at = 0; at < length; at += RECORD_SIZE) {
		const uint32_t numbers[] = {(uint32_t)(next_random() % 200000),
									(uint32_t)(next_random() % 200000),
									(uint32_t)(next_random() % 12),
									number > 0 ? number - 1 : 0,
									number + (uint32_t)(next_random() % 64),
									number + 1,
									number + (uint32_t)(next_random() % 4096),
									number * 2};
		char record[RECORD_SIZE] = {1};
		for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
			for (size_t j = 0; j < 4; j++) {
				record[1 + 4 * i + j] = (char)(numbers[i] >> (24 - 8 * j));
			}
		}
		memcpy(bytes + at, record, length - at < RECORD_SIZE ? length - at : RECORD_SIZE);
		number++;
	}
}

struct kind {
	const char *name;
	void (*fill)(char *bytes, size_t length);
	unsigned percent; /* of what is mixed */
};

static const struct kind kinds[] = {
	{"vectors", fill_vectors, 50}, {"text", fill_text, 30},  {"records", fill_records, 15},
	{"small", fill_text, 5},       {"noise", fill_noise, 0},
};

static int write_file(const char *path, void (*fill)(char *bytes, size_t length), size_t size)
{
	static char block[BLOCK];
	FILE *file = fopen(path, "w");
	if (file == NULL) {
		return -1;
	}
	for (size_t left = size; left > 0;) {
		size_t some = left < sizeof block ? left : sizeof block;
		fill(block, some);
		if (fwrite(block, 1, some, file) != some) {
			fclose(file);
			return -1;
		}
		left -= some;
	}
	return fclose(file) == 0 ? 0 : -1;
}

static int make_folder(const char *path)
{
	return mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : -1;
}

static int make_kind(const struct kind *kind, const char *path, size_t bytes)
{
	bool small = strcmp(kind->name, "small") == 0;
	size_t size = small ? SMALL : LARGE;
	int result = make_folder(path);
	state = 88172645463325252U; /* whatever was made before */
	for (size_t i = 0; result == 0 && bytes > 0; i++) {
		char name[PATH_LENGTH];
		size_t some = bytes < size ? bytes : size;
		snprintf(name, sizeof name, "%s/%s-%zu", path, kind->name, i / FILES_IN_FOLDER);
		result = make_folder(name);
		snprintf(name, sizeof name, "%s/%s-%zu/%zu", path, kind->name, i / FILES_IN_FOLDER, i);
		result = result == 0 ? write_file(name, small && i % 2 == 1 ? fill_vectors : kind->fill, some) : result;
		bytes -= some;
	}
	return result;
}

int data_make(const char *name, const char *path, size_t bytes)
{
	bool mixed = strcmp(name, "mixed") == 0;
	bool known = mixed;
	int result = 0;
	for (size_t i = 0; result == 0 && i < sizeof kinds / sizeof *kinds; i++) {
		bool wanted = strcmp(name, kinds[i].name) == 0;
		if (wanted || mixed) {
			known = true;
			result = make_kind(&kinds[i], path, wanted ? bytes : bytes / 100 * kinds[i].percent);
		}
	}
	if (!known) {
		errno = EINVAL;
	}
	return known ? result : -1;
}
