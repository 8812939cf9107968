/* Gives a harness every file of its corpus; libFuzzer's main for `make test`. Writes TAP. */
#include "fuzz.h"

#include <ftw.h>
#include <signal.h>

enum { FOLDERS_OPEN = 8 };

static const char *current;
static size_t count;

/* The sanitizers call it before they end the program. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void say_current(void)
{
	printf("not ok 1 - %s\n", current != NULL ? current : CORPUS);
	(void)fflush(stdout);
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
		current = path;
		replay(path);
		count++;
	}
	return 0;
}

/* fuzz_broken has said what does not hold. */
static void say_aborted(int signal)
{
	say_current();
	_Exit(128 + signal);
}

int main(void)
{
	puts("1..1");
	if (__sanitizer_set_death_callback != NULL) {
		__sanitizer_set_death_callback(say_current);
	}
	(void)signal(SIGABRT, say_aborted);
	int result = nftw(CORPUS, visit, FOLDERS_OPEN, FTW_PHYS);
	current = NULL;
	if (result != 0 || count == 0) {
		say_current();
		return 1;
	}
	printf("ok 1 - all %zu inputs of %s are read as they have to be\n", count, strrchr(CORPUS, '/') + 1);
	return 0;
}
