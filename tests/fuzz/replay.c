/* Gives a harness every file of its corpus; libFuzzer's main for `make test`. Writes TAP. */
#include "fuzz.h"

#include <ftw.h>
#include <limits.h>
#include <signal.h>

enum { FOLDERS_OPEN = 8 };

static char last_words[PATH_MAX]; /* of a harness that does not come to its end */
static size_t last_words_length;
static size_t count;

/* The sanitizers call it before they end the program. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void blame(const char *path)
{
	int length = snprintf(last_words, sizeof last_words, "not ok 1 - %s\n", path);
	HOLDS(length > 0 && (size_t)length < sizeof last_words);
	last_words_length = (size_t)length;
}

static void say_last_words(void)
{
	(void)!write(STDOUT_FILENO, last_words, last_words_length);
}

static void replay(const char *path)
{
	CLEANUP(cleanup_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;
	HOLDS(size >= 0);
	CLEANUP(cleanup_free) uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
	HOLDS(data != NULL && pread(fd, data, (size_t)size, 0) == size);
	(void)LLVMFuzzerTestOneInput(data, (size_t)size);
}

static int visit(const char *path, const struct stat *attributes, int type, struct FTW *place)
{
	(void)attributes;
	(void)place;
	if (type == FTW_F) {
		blame(path);
		replay(path);
		count++;
	}
	return 0;
}

/* fuzz_broken has said what does not hold. */
static void say_aborted(int signal)
{
	say_last_words();
	_exit(128 + signal);
}

int main(void)
{
	puts("1..1");
	(void)fflush(stdout);
	if (__sanitizer_set_death_callback != NULL) {
		__sanitizer_set_death_callback(say_last_words);
	}
	(void)signal(SIGABRT, say_aborted);
	int result = nftw(CORPUS, visit, FOLDERS_OPEN, FTW_PHYS);
	blame(CORPUS);
	if (result != 0 || count == 0) {
		say_last_words();
		return 1;
	}
	printf("ok 1 - all %zu inputs of %s are read as they have to be\n", count, strrchr(CORPUS, '/') + 1);
	return 0;
}
