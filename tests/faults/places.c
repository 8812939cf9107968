/* By system calls and without an allocation: the calls that come here are the ones that fail. */
#include "places.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <unwind.h>

/* Of the linker: where the program's own code begins and ends. */
extern const char __executable_start[];
extern const char etext[];

enum {
	MOST_PLACES = 1 << 16,
	OURS = 3,    /* the innermost ones: `places_take_turn`, its caller, and the call that may fail */
	CALLERS = 3, /* functions that tell one place from another */
};

static const char *places_file;
static size_t had_turn_count;
static uint64_t *had_turn;
static atomic_bool *turn_taken; /* shared with the processes that the program starts */

static void *room(size_t size, int sharing)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		abort();
	}
	return memory;
}

void places_read(const char *file)
{
	places_file = file;
	had_turn = room(MOST_PLACES * sizeof *had_turn, MAP_PRIVATE);
	turn_taken = room(sizeof *turn_taken, MAP_SHARED);
	long fd = syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return;
	}
	long length = syscall(SYS_read, fd, had_turn, MOST_PLACES * sizeof *had_turn);
	(void)syscall(SYS_close, fd);
	if (length < 0 || (size_t)length == MOST_PLACES * sizeof *had_turn) {
		abort();
	}
	had_turn_count = (size_t)length / sizeof *had_turn;
}

struct chain {
	uint64_t place;
	int length;
};

/* Adds an address to the place, by the FNV-1a hash. */
static _Unwind_Reason_Code add_caller(struct _Unwind_Context *context, void *chain_memory)
{
	struct chain *chain = chain_memory;
	uintptr_t address = _Unwind_GetIP(context);
	if (address < (uintptr_t)__executable_start || address >= (uintptr_t)etext) {
		return _URC_NO_REASON; /* a library's */
	}
	chain->length++;
	if (chain->length > OURS) {
		uint64_t offset = address - (uintptr_t)__executable_start;
		for (size_t i = 0; i < sizeof offset; i++) {
			chain->place = (chain->place ^ (offset >> (8 * i) & 0xff)) * 0x100000001b3;
		}
	}
	return chain->length < OURS + CALLERS ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static bool has_had_turn(uint64_t place)
{
	for (size_t i = 0; i < had_turn_count; i++) {
		if (had_turn[i] == place) {
			return true;
		}
	}
	return false;
}

bool places_take_turn(void)
{
	static _Thread_local bool looking;
	if (looking || atomic_load(turn_taken)) {
		return false;
	}
	int before = errno;
	looking = true;
	struct chain chain = {.place = 0xcbf29ce484222325};
	(void)_Unwind_Backtrace(add_caller, &chain);
	looking = false;
	bool turn = !has_had_turn(chain.place) && !atomic_exchange(turn_taken, true);
	if (turn) {
		long fd = syscall(SYS_openat, AT_FDCWD, places_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0 || syscall(SYS_write, fd, &chain.place, sizeof chain.place) != sizeof chain.place) {
			abort(); /* it would have its turn for ever */
		}
		(void)syscall(SYS_close, fd);
	}
	errno = before;
	return turn;
}

bool places_turn_was_taken(void)
{
	return atomic_load(turn_taken);
}
