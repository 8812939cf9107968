/*
 * cleanup.h - things that free themselves when their scope ends.
 *
 *   CLEANUP(cleanup_free) char *text = strdup(...);
 *   CLEANUP(cleanup_close) int fd = open(...);
 *
 * Every cleanup function accepts the empty value (NULL, -1). Ownership is handed on with MOVE(variable).
 */
#ifndef WHISPERBACKUP_BASE_CLEANUP_H
#define WHISPERBACKUP_BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(function) __attribute__((cleanup(function)))

/* The pointer's value, leaving NULL behind. */
#define MOVE(pointer)                                                                                                  \
	__extension__({                                                                                                    \
		__typeof__(pointer) moved_value_ = (pointer);                                                                  \
		(pointer) = NULL;                                                                                              \
		moved_value_;                                                                                                  \
	})

/* free() for a variable of any pointer type; `pointer` is the variable's address. */
static inline void cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}

static inline void cleanup_close(const int *fd)
{
	if (*fd >= 0) {
		close(*fd);
	}
}

/* The descriptor, leaving -1 behind. */
static inline int cleanup_take(int *fd)
{
	int taken = *fd;
	*fd = -1;
	return taken;
}

/* Defines cleanup_NAME for a TYPE whose free function takes the pointer itself. */
/* NOLINTBEGIN(bugprone-macro-parentheses): a type cannot stand in parentheses */
#define CLEANUP_DEFINE(name, type, free_function)                                                                      \
	static inline void cleanup_##name(type **pointer)                                                                  \
	{                                                                                                                  \
		free_function(*pointer);                                                                                       \
	}
/* NOLINTEND(bugprone-macro-parentheses) */

#endif
