/*
 * faults.h - makes one system call or allocation of a program fail: the Nth of its kind.
 *
 * faults.c is linked into the program, not preloaded: the program's own malloc comes first in every look-up, also in
 * that of the libraries it uses, and still hands on to the allocator of the address sanitizer, which a preloaded malloc
 * would never be asked by. So each allocation can be made to fail, in libraries too, and what is leaked or used after
 * it was freed on the way out is still told.
 *
 * A program that is run by others is told by its environment:
 *
 *   WHISPERBACKUP_FAULT        KIND:N, the Nth call fails
 *                              KIND:N+, all from the Nth on do, like on a disk that is full
 *                              KIND:place, the first one of a place that has not had its turn (places.h)
 *   WHISPERBACKUP_FAULT_PLACES the file of the places that had
 *   WHISPERBACKUP_FAULT_BELOW  the folder in which calls count and fail; without it all do. Of answers and refusals
 *                              those count whose request has this in its first line
 *   WHISPERBACKUP_FAULT_NOTE   a file that is made when the Nth call is reached
 */
#ifndef WHISPERBACKUP_TESTS_FAULTS_H
#define WHISPERBACKUP_TESTS_FAULTS_H

#include <stdbool.h>

enum fault_kind {
	FAULT_NONE,
	FAULT_MEMORY, /* malloc, calloc, realloc, reallocarray, and what makes strings: ENOMEM. No folder narrows it. */
	FAULT_WRITE,  /* write, pwrite, writev, ftruncate: ENOSPC */
	FAULT_FLUSH,  /* fsync, fdatasync, syncfs, sync_file_range, close of what was written: EIO */
	FAULT_NAME,   /* rename, link, mkdir, symlink and the like, chown, chmod, futimens, setxattr: ENOSPC */
	FAULT_OPEN,   /* open, openat, openat2, fopen, opendir: EIO; fdopendir: ENOMEM */
	FAULT_READ,   /* read, pread, readv, readdir, scandir: EIO */
	FAULT_LOOK,   /* stat and the like, access, statvfs, readlink, getxattr, listxattr: EIO */
	FAULT_REMOVE, /* unlink, rmdir, remove: EIO */
	FAULT_SCARCE, /* fork, pipe, memfd_create, socket, flock, getrandom, threads: EAGAIN and the like. No folder narrows
					 it. */
	FAULT_CLOCK,  /* clock_gettime of the date, time: from the Nth on it is an hour ago. No folder narrows it. */
	FAULT_ANSWER, /* recv: ECONNRESET */
	FAULT_REFUSE, /* an HTTP reply that says that it went well: it did, but the reply says 500 */
	FAULT_FULL,   /* statvfs: it tells that nothing is free */
	FAULT_INTERRUPT, /* read and write and the like: EINTR, as when a signal comes, and the call has done nothing */
	FAULT_KILL,      /* what FAULT_WRITE to FAULT_SCARCE are about: the process is killed before the call */
};

/* From here on the `nth` call fails, counted from 1; with `onwards` those behind it too. `below` is lent, or NULL. */
void fault_arm(enum fault_kind kind, unsigned long nth, bool onwards, const char *below);

/* From here on the first allocation fails of a place (places.h) that is not in `file`, and is put there. The text is
 * lent. For a process that has no threads yet, and ends after it. */
void fault_arm_place(const char *file);

/* No call fails any more. Was the Nth reached? */
bool fault_disarm(void);

#endif
