/* Both names of a call are ours, the one with 64 behind it too. */
#undef _FILE_OFFSET_BITS
#include "faults.h"
#include "places.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) == sizeof(off64_t), "one function has to do for both names of a call");

static _Atomic enum fault_kind armed;
static atomic_ulong seen;
static unsigned long nth_call;
static bool every_later;
static const char *folder;
static const char *note;
static bool each_place; /* one of each place fails, instead of the Nth */

/* What the address sanitizer is told: whole stacks, since libraries have no frame pointers; and what libcurl,
 * OpenSSL, setlocale and libarchive leak themselves when they come up without memory, and libarchive when an extended
 * attribute cannot be read. */
const char *__asan_default_options(void)
{
	return "fast_unwind_on_malloc=0:handle_segv=2";
}

const char *__lsan_default_suppressions(void)
{
	return "leak:curl_global_init\nleak:EVP_MD_fetch\nleak:_nl_find_locale\nleak:archive_write_open2\n"
		   "leak:archive_read_disk_entry_from_file\n";
}

/* --- which call ----------------------------------------------------------------------------------------------------
 */

void fault_arm(enum fault_kind kind, unsigned long nth, bool onwards, const char *below)
{
	nth_call = nth;
	every_later = onwards;
	folder = below;
	atomic_store(&seen, 0);
	atomic_store(&armed, kind);
}

void fault_arm_place(const char *file)
{
	each_place = true;
	places_read(file);
	fault_arm(FAULT_MEMORY, 1, false, NULL);
}

bool fault_disarm(void)
{
	atomic_store(&armed, FAULT_NONE);
	return each_place ? places_turn_was_taken() : atomic_load(&seen) >= nth_call;
}

/* Before main: what the libraries do to come up is not the program's. */
__attribute__((constructor)) static void arm_from_environment(void)
{
	static const char *const names[] = {
		[FAULT_MEMORY] = "memory", [FAULT_WRITE] = "write",         [FAULT_FLUSH] = "flush",
		[FAULT_NAME] = "name",     [FAULT_OPEN] = "open",           [FAULT_READ] = "read",
		[FAULT_LOOK] = "look",     [FAULT_REMOVE] = "remove",       [FAULT_SCARCE] = "scarce",
		[FAULT_CLOCK] = "clock",   [FAULT_ANSWER] = "answer",       [FAULT_REFUSE] = "refuse",
		[FAULT_FULL] = "full",     [FAULT_INTERRUPT] = "interrupt", [FAULT_KILL] = "kill"};
	const char *wanted = getenv("WHISPERBACKUP_FAULT");
	if (wanted == NULL) {
		return;
	}
	note = getenv("WHISPERBACKUP_FAULT_NOTE");
	for (size_t i = FAULT_MEMORY; i < sizeof names / sizeof *names; i++) {
		size_t length = strlen(names[i]);
		if (strncmp(wanted, names[i], length) == 0 && wanted[length] == ':') {
			each_place = strcmp(wanted + length + 1, "place") == 0;
			if (each_place) {
				places_read(getenv("WHISPERBACKUP_FAULT_PLACES"));
			}
			unsigned long nth = each_place ? 1 : strtoul(wanted + length + 1, NULL, 10);
			fault_arm((enum fault_kind)i, nth, wanted[strlen(wanted) - 1] == '+', getenv("WHISPERBACKUP_FAULT_BELOW"));
			return;
		}
	}
	abort(); /* a test that asks for nothing that there is would pass */
}

static void reached(void)
{
	if (note != NULL) {
		long fd = syscall(SYS_openat, AT_FDCWD, note, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		(void)syscall(SYS_close, fd);
	}
}

/* Do calls of this kind count? */
static bool is_counted(enum fault_kind kind)
{
	enum fault_kind now = atomic_load(&armed);
	return now == kind || (now == FAULT_KILL && kind >= FAULT_WRITE && kind <= FAULT_SCARCE);
}

/* Counts a call; is it to fail? Sets errno then. */
static bool fails(enum fault_kind kind, int number)
{
	if (!is_counted(kind)) {
		return false;
	}
	if (each_place && !places_take_turn()) {
		return false;
	}
	unsigned long call = atomic_fetch_add(&seen, 1) + 1;
	if (call == nth_call) {
		reached();
	}
	if (call != nth_call && !(every_later && call > nth_call)) {
		return false;
	}
	if (atomic_load(&armed) == FAULT_KILL) {
		(void)kill(getpid(), SIGKILL);
	}
	errno = number;
	return true;
}

/* --- where ---------------------------------------------------------------------------------------------------------
 */

static bool is_below(const char *path)
{
	size_t length = strlen(folder);
	return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static bool link_is_below(const char *link, const char *name)
{
	char path[PATH_MAX + NAME_MAX];
	long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
	if (length <= 0) {
		return false;
	}
	snprintf(path + length, sizeof path - (size_t)length, "/%s", name);
	return is_below(path);
}

static bool fd_is_meant(enum fault_kind kind, int fd)
{
	if (!is_counted(kind) || folder == NULL) {
		return is_counted(kind);
	}
	char link[32];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	return link_is_below(link, "");
}

static bool path_is_meant(enum fault_kind kind, int at, const char *path)
{
	if (!is_counted(kind) || folder == NULL) {
		return is_counted(kind);
	}
	if (path[0] == '/') {
		return is_below(path);
	}
	char link[32] = "/proc/self/cwd";
	if (at != AT_FDCWD) {
		snprintf(link, sizeof link, "/proc/self/fd/%d", at);
	}
	return link_is_below(link, path);
}

#define FAIL_FD(kind, number, fd)         (fd_is_meant((kind), (fd)) && fails((kind), (number)))
#define FAIL_PATH(kind, number, at, path) (path_is_meant((kind), (at), (path)) && fails((kind), (number)))
#define FAIL_READ(fd)                     (FAIL_FD(FAULT_READ, EIO, (fd)) || FAIL_FD(FAULT_INTERRUPT, EINTR, (fd)))
#define FAIL_WRITE(fd)                    (FAIL_FD(FAULT_WRITE, ENOSPC, (fd)) || FAIL_FD(FAULT_INTERRUPT, EINTR, (fd)))

/* --- memory --------------------------------------------------------------------------------------------------------
 */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
/* There in a build with the address sanitizer, else NULL. */
__attribute__((weak)) void *__interceptor_malloc(size_t size);
__attribute__((weak)) void *__interceptor_calloc(size_t count, size_t size);
__attribute__((weak)) void *__interceptor_realloc(void *memory, size_t size);

void *malloc(size_t size)
{
	if (fails(FAULT_MEMORY, ENOMEM)) {
		return NULL;
	}
	return __interceptor_malloc != NULL ? __interceptor_malloc(size) : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	if (fails(FAULT_MEMORY, ENOMEM)) {
		return NULL;
	}
	return __interceptor_calloc != NULL ? __interceptor_calloc(count, size) : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	if (fails(FAULT_MEMORY, ENOMEM)) {
		return NULL;
	}
	return __interceptor_realloc != NULL ? __interceptor_realloc(memory, size) : __libc_realloc(memory, size);
}

/* The C library's does not come by our realloc. */
void *reallocarray(void *memory, size_t count, size_t size)
{
	size_t length = 0;
	if (__builtin_mul_overflow(count, size, &length)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(memory, length);
}

/* The sanitizer's own do not come by malloc. */
char *strndup(const char *text, size_t length)
{
	size_t size = strnlen(text, length);
	char *copy = malloc(size + 1);
	if (copy != NULL) {
		memcpy(copy, text, size);
		copy[size] = '\0';
	}
	return copy;
}

char *strdup(const char *text)
{
	return strndup(text, SIZE_MAX);
}

/* --- files ---------------------------------------------------------------------------------------------------------
 */

ssize_t write(int fd, const void *bytes, size_t length)
{
	return FAIL_WRITE(fd) ? -1 : syscall(SYS_write, fd, bytes, length);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset)
{
	return FAIL_WRITE(fd) ? -1 : syscall(SYS_pwrite64, fd, bytes, length, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
	return pwrite64(fd, bytes, length, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	return FAIL_WRITE(fd) ? -1 : syscall(SYS_writev, fd, parts, count);
}

int ftruncate64(int fd, off64_t length)
{
	return FAIL_FD(FAULT_WRITE, ENOSPC, fd) ? -1 : (int)syscall(SYS_ftruncate, fd, length);
}

int ftruncate(int fd, off_t length)
{
	return ftruncate64(fd, length);
}

ssize_t read(int fd, void *bytes, size_t length)
{
	return FAIL_READ(fd) ? -1 : syscall(SYS_read, fd, bytes, length);
}

ssize_t pread64(int fd, void *bytes, size_t length, off64_t offset)
{
	return FAIL_READ(fd) ? -1 : syscall(SYS_pread64, fd, bytes, length, offset);
}

ssize_t pread(int fd, void *bytes, size_t length, off_t offset)
{
	return pread64(fd, bytes, length, offset);
}

ssize_t readv(int fd, const struct iovec *parts, int count)
{
	return FAIL_READ(fd) ? -1 : syscall(SYS_readv, fd, parts, count);
}

int fsync(int fd)
{
	return FAIL_FD(FAULT_FLUSH, EIO, fd) ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return FAIL_FD(FAULT_FLUSH, EIO, fd) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int syncfs(int fd)
{
	return FAIL_FD(FAULT_FLUSH, EIO, fd) ? -1 : (int)syscall(SYS_syncfs, fd);
}

int sync_file_range(int fd, off64_t offset, off64_t length, unsigned flags)
{
	return FAIL_FD(FAULT_FLUSH, EIO, fd) ? -1 : (int)syscall(SYS_sync_file_range, fd, offset, length, flags);
}

/* Of what was open for writing: a network's file system says only then that a disk is full. It is closed all the same.
 */
int close(int fd)
{
	int number = errno;
	long flags = atomic_load(&armed) == FAULT_FLUSH ? syscall(SYS_fcntl, fd, F_GETFL) : O_RDONLY;
	bool written = flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
	bool fails_now = written && FAIL_FD(FAULT_FLUSH, EIO, fd);
	errno = number;
	long result = syscall(SYS_close, fd);
	if (fails_now) {
		errno = EIO;
	}
	return fails_now ? -1 : (int)result;
}

/* openat2(2), which the C library has no function for. As in the C library's, six words are taken, however many there
 * are. */
__attribute__((no_sanitize("address"))) long syscall(long number, ...)
{
	static long (*real)(long, ...);
	if (real == NULL) {
		*(void **)&real = dlsym(RTLD_NEXT, "syscall");
	}
	long words[6];
	va_list rest;
	va_start(rest, number);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		words[i] = va_arg(rest, long);
	}
	va_end(rest);
	/* The path stays what it was: the call has it as a word. */
	const char *path = number == SYS_openat2 ? (const char *)words[1] : NULL; // NOLINT(performance-no-int-to-ptr)
	if (path != NULL && FAIL_PATH(FAULT_OPEN, EIO, (int)words[0], path)) {
		return -1;
	}
	return real(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

static int open_mode(int at, const char *path, int flags, va_list rest)
{
	mode_t mode = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(rest, mode_t) : 0;
	return FAIL_PATH(FAULT_OPEN, EIO, at, path) ? -1 : (int)syscall(SYS_openat, at, path, flags, mode);
}

#define DEFINE_OPEN(name)                                                                                              \
	int name(const char *path, int flags, ...)                                                                         \
	{                                                                                                                  \
		va_list rest;                                                                                                  \
		va_start(rest, flags);                                                                                         \
		int fd = open_mode(AT_FDCWD, path, flags, rest);                                                               \
		va_end(rest);                                                                                                  \
		return fd;                                                                                                     \
	}

#define DEFINE_OPENAT(name)                                                                                            \
	int name(int at, const char *path, int flags, ...)                                                                 \
	{                                                                                                                  \
		va_list rest;                                                                                                  \
		va_start(rest, flags);                                                                                         \
		int fd = open_mode(at, path, flags, rest);                                                                     \
		va_end(rest);                                                                                                  \
		return fd;                                                                                                     \
	}

DEFINE_OPEN(open)
DEFINE_OPEN(open64)
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)

DIR *fdopendir(int fd)
{
	DIR *(*real)(int) = NULL;
	*(void **)&real = dlsym(RTLD_NEXT, "fdopendir");
	return FAIL_FD(FAULT_OPEN, ENOMEM, fd) ? NULL : real(fd);
}

DIR *opendir(const char *path)
{
	DIR *(*real)(const char *) = NULL;
	*(void **)&real = dlsym(RTLD_NEXT, "opendir"); /* as dlsym(3) has it */
	return FAIL_PATH(FAULT_OPEN, EIO, AT_FDCWD, path) ? NULL : real(path);
}

FILE *fopen64(const char *path, const char *mode)
{
	FILE *(*real)(const char *, const char *) = NULL;
	*(void **)&real = dlsym(RTLD_NEXT, "fopen64");
	return FAIL_PATH(FAULT_OPEN, EIO, AT_FDCWD, path) ? NULL : real(path, mode);
}

FILE *fopen(const char *path, const char *mode)
{
	return fopen64(path, mode);
}

struct dirent *readdir(DIR *list)
{
	struct dirent *(*real)(DIR *) = NULL;
	*(void **)&real = dlsym(RTLD_NEXT, "readdir");
	return FAIL_FD(FAULT_READ, EIO, dirfd(list)) ? NULL : real(list);
}

struct dirent64 *readdir64(DIR *list)
{
	return (struct dirent64 *)readdir(list);
}

#define DEFINE_SCANDIR(name, dirent)                                                                                   \
	int name(const char *path, struct dirent ***ret_entries, int (*filter)(const struct dirent *),                     \
			 int (*compare)(const struct dirent **, const struct dirent **))                                           \
	{                                                                                                                  \
		int (*real)(const char *, struct dirent ***, int (*)(const struct dirent *),                                   \
					int (*)(const struct dirent **, const struct dirent **)) = NULL;                                   \
		*(void **)&real = dlsym(RTLD_NEXT, #name);                                                                     \
		return FAIL_PATH(FAULT_READ, EIO, AT_FDCWD, path) ? -1 : real(path, ret_entries, filter, compare);             \
	}

int scandirat(int at, const char *path, struct dirent ***ret_entries, int (*filter)(const struct dirent *),
			  int (*compare)(const struct dirent **, const struct dirent **))
{
	int (*real)(int, const char *, struct dirent ***, int (*)(const struct dirent *),
				int (*)(const struct dirent **, const struct dirent **)) = NULL;
	*(void **)&real = dlsym(RTLD_NEXT, "scandirat");
	return FAIL_PATH(FAULT_READ, EIO, at, path) ? -1 : real(at, path, ret_entries, filter, compare);
}

int scandirat64(int at, const char *path, struct dirent64 ***ret_entries, int (*filter)(const struct dirent64 *),
				int (*compare)(const struct dirent64 **, const struct dirent64 **))
{
	int (*real)(int, const char *, struct dirent64 ***, int (*)(const struct dirent64 *),
				int (*)(const struct dirent64 **, const struct dirent64 **)) = NULL;
	*(void **)&real = dlsym(RTLD_NEXT, "scandirat64");
	return FAIL_PATH(FAULT_READ, EIO, at, path) ? -1 : real(at, path, ret_entries, filter, compare);
}

DEFINE_SCANDIR(scandir, dirent)
DEFINE_SCANDIR(scandir64, dirent64)

/* --- attributes ----------------------------------------------------------------------------------------------------
 */

_Static_assert(sizeof(struct stat) == sizeof(struct stat64), "one function has to do for both names of a call");

static int look(int at, const char *path, void *ret_attributes, int flags)
{
	bool fails_now = path[0] == '\0' ? FAIL_FD(FAULT_LOOK, EIO, at) : FAIL_PATH(FAULT_LOOK, EIO, at, path);
	return fails_now ? -1 : (int)syscall(SYS_newfstatat, at, path, ret_attributes, flags);
}

#define DEFINE_LOOKS(suffix)                                                                                           \
	int stat##suffix(const char *path, struct stat##suffix *ret_attributes)                                            \
	{                                                                                                                  \
		return look(AT_FDCWD, path, ret_attributes, 0);                                                                \
	}                                                                                                                  \
	int lstat##suffix(const char *path, struct stat##suffix *ret_attributes)                                           \
	{                                                                                                                  \
		return look(AT_FDCWD, path, ret_attributes, AT_SYMLINK_NOFOLLOW);                                              \
	}                                                                                                                  \
	int fstat##suffix(int fd, struct stat##suffix *ret_attributes)                                                     \
	{                                                                                                                  \
		return look(fd, "", ret_attributes, AT_EMPTY_PATH);                                                            \
	}                                                                                                                  \
	int fstatat##suffix(int at, const char *path, struct stat##suffix *ret_attributes, int flags)                      \
	{                                                                                                                  \
		return look(at, path, ret_attributes, flags);                                                                  \
	}

DEFINE_LOOKS()
DEFINE_LOOKS(64)

int access(const char *path, int mode)
{
	return FAIL_PATH(FAULT_LOOK, EIO, AT_FDCWD, path) ? -1 : (int)syscall(SYS_faccessat, AT_FDCWD, path, mode);
}

int faccessat(int at, const char *path, int mode, int flags)
{
	return FAIL_PATH(FAULT_LOOK, EIO, at, path) ? -1 : (int)syscall(SYS_faccessat2, at, path, mode, flags);
}

int statx(int at, const char *path, int flags, unsigned mask, struct statx *ret_attributes)
{
	return FAIL_PATH(FAULT_LOOK, EIO, at, path) ? -1 : (int)syscall(SYS_statx, at, path, flags, mask, ret_attributes);
}

int statvfs64(const char *path, struct statvfs64 *ret_statistics)
{
	int (*real)(const char *, struct statvfs64 *) = NULL;
	*(void **)&real = dlsym(RTLD_NEXT, "statvfs64");
	if (FAIL_PATH(FAULT_LOOK, EIO, AT_FDCWD, path) || real(path, ret_statistics) != 0) {
		return -1;
	}
	if (FAIL_PATH(FAULT_FULL, 0, AT_FDCWD, path)) {
		ret_statistics->f_bavail = 0;
	}
	return 0;
}

/* Extended attributes, and access lists. */

#define DEFINE_XATTRS(prefix)                                                                                          \
	ssize_t prefix##getxattr(const char *path, const char *name, void *value, size_t size)                             \
	{                                                                                                                  \
		return FAIL_PATH(FAULT_LOOK, EIO, AT_FDCWD, path) ? -1                                                         \
														  : syscall(SYS_##prefix##getxattr, path, name, value, size);  \
	}                                                                                                                  \
	ssize_t prefix##listxattr(const char *path, char *list, size_t size)                                               \
	{                                                                                                                  \
		return FAIL_PATH(FAULT_LOOK, EIO, AT_FDCWD, path) ? -1 : syscall(SYS_##prefix##listxattr, path, list, size);   \
	}                                                                                                                  \
	int prefix##setxattr(const char *path, const char *name, const void *value, size_t size, int flags)                \
	{                                                                                                                  \
		return FAIL_PATH(FAULT_NAME, ENOSPC, AT_FDCWD, path)                                                           \
				   ? -1                                                                                                \
				   : (int)syscall(SYS_##prefix##setxattr, path, name, value, size, flags);                             \
	}

DEFINE_XATTRS()
DEFINE_XATTRS(l)

ssize_t fgetxattr(int fd, const char *name, void *value, size_t size)
{
	return FAIL_FD(FAULT_LOOK, EIO, fd) ? -1 : syscall(SYS_fgetxattr, fd, name, value, size);
}

ssize_t flistxattr(int fd, char *list, size_t size)
{
	return FAIL_FD(FAULT_LOOK, EIO, fd) ? -1 : syscall(SYS_flistxattr, fd, list, size);
}

int fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
	return FAIL_FD(FAULT_NAME, ENOSPC, fd) ? -1 : (int)syscall(SYS_fsetxattr, fd, name, value, size, flags);
}

ssize_t readlinkat(int at, const char *path, char *text, size_t size)
{
	return FAIL_PATH(FAULT_LOOK, EIO, at, path) ? -1 : syscall(SYS_readlinkat, at, path, text, size);
}

ssize_t readlink(const char *path, char *text, size_t size)
{
	return readlinkat(AT_FDCWD, path, text, size);
}

/* --- names ---------------------------------------------------------------------------------------------------------
 */

int renameat(int from_at, const char *from, int to_at, const char *to)
{
	return FAIL_PATH(FAULT_NAME, ENOSPC, to_at, to) ? -1 : (int)syscall(SYS_renameat2, from_at, from, to_at, to, 0);
}

int rename(const char *from, const char *to)
{
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int linkat(int from_at, const char *from, int to_at, const char *to, int flags)
{
	return FAIL_PATH(FAULT_NAME, ENOSPC, to_at, to) ? -1 : (int)syscall(SYS_linkat, from_at, from, to_at, to, flags);
}

int link(const char *from, const char *to)
{
	return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int symlinkat(const char *target, int at, const char *path)
{
	return FAIL_PATH(FAULT_NAME, ENOSPC, at, path) ? -1 : (int)syscall(SYS_symlinkat, target, at, path);
}

int symlink(const char *target, const char *path)
{
	return symlinkat(target, AT_FDCWD, path);
}

int mkdirat(int at, const char *path, mode_t mode)
{
	return FAIL_PATH(FAULT_NAME, ENOSPC, at, path) ? -1 : (int)syscall(SYS_mkdirat, at, path, mode);
}

int mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

int unlinkat(int at, const char *path, int flags)
{
	return FAIL_PATH(FAULT_REMOVE, EIO, at, path) ? -1 : (int)syscall(SYS_unlinkat, at, path, flags);
}

int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
	return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int remove(const char *path)
{
	if (FAIL_PATH(FAULT_REMOVE, EIO, AT_FDCWD, path)) {
		return -1;
	}
	long result = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
	return (int)(result != 0 && (errno == EISDIR || errno == EPERM)
					 ? syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR)
					 : result);
}

int fchownat(int at, const char *path, uid_t owner, gid_t group, int flags)
{
	return FAIL_PATH(FAULT_NAME, ENOSPC, at, path) ? -1 : (int)syscall(SYS_fchownat, at, path, owner, group, flags);
}

int chown(const char *path, uid_t owner, gid_t group)
{
	return fchownat(AT_FDCWD, path, owner, group, 0);
}

int lchown(const char *path, uid_t owner, gid_t group)
{
	return fchownat(AT_FDCWD, path, owner, group, AT_SYMLINK_NOFOLLOW);
}

int fchown(int fd, uid_t owner, gid_t group)
{
	return FAIL_FD(FAULT_NAME, ENOSPC, fd) ? -1 : (int)syscall(SYS_fchown, fd, owner, group);
}

/* Of files alone: libarchive sets the times of folders when all is done, and does not look whether it could. */
int futimens(int fd, const struct timespec times[2])
{
	struct stat attributes = {0};
	bool is_file = syscall(SYS_fstat, fd, &attributes) == 0 && S_ISREG(attributes.st_mode);
	return is_file && FAIL_FD(FAULT_NAME, ENOSPC, fd) ? -1 : (int)syscall(SYS_utimensat, fd, (char *)NULL, times, 0);
}

int chmod(const char *path, mode_t mode)
{
	return FAIL_PATH(FAULT_NAME, ENOSPC, AT_FDCWD, path) ? -1 : (int)syscall(SYS_fchmodat, AT_FDCWD, path, mode);
}

int fchmod(int fd, mode_t mode)
{
	return FAIL_FD(FAULT_NAME, ENOSPC, fd) ? -1 : (int)syscall(SYS_fchmod, fd, mode);
}

/* --- what there is not enough of
 * --------------------------------------------------------------------------------------
 */

pid_t fork(void)
{
	pid_t (*real)(void) = NULL;
	*(void **)&real = dlsym(RTLD_NEXT, "fork");
	return fails(FAULT_SCARCE, EAGAIN) ? -1 : real();
}

int pipe2(int ret_ends[2], int flags)
{
	return fails(FAULT_SCARCE, EMFILE) ? -1 : (int)syscall(SYS_pipe2, ret_ends, flags);
}

int pipe(int ret_ends[2])
{
	return pipe2(ret_ends, 0);
}

int memfd_create(const char *name, unsigned flags)
{
	return fails(FAULT_SCARCE, EMFILE) ? -1 : (int)syscall(SYS_memfd_create, name, flags);
}

int socket(int domain, int type, int protocol)
{
	return fails(FAULT_SCARCE, EMFILE) ? -1 : (int)syscall(SYS_socket, domain, type, protocol);
}

int flock(int fd, int operation)
{
	bool unlocks = (operation & LOCK_UN) != 0;
	return !unlocks && fails(FAULT_SCARCE, ENOLCK) ? -1 : (int)syscall(SYS_flock, fd, operation);
}

ssize_t getrandom(void *bytes, size_t length, unsigned flags)
{
	return fails(FAULT_SCARCE, EAGAIN) ? -1 : syscall(SYS_getrandom, bytes, length, flags);
}

typedef int start_thread(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
__attribute__((weak)) start_thread __interceptor_pthread_create; /* the sanitizer's, which has to know of each */

int pthread_create(pthread_t *ret_thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument)
{
	start_thread *real = __interceptor_pthread_create;
	if (real == NULL) {
		*(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
	}
	return fails(FAULT_SCARCE, EAGAIN) ? EAGAIN : real(ret_thread, attributes, body, argument);
}

/* --- the clock -------------------------------------------------------------------------------------------------------
 */

enum { HOUR = 3600 };

static bool is_set_back(void)
{
	int before = errno;
	bool set_back = fails(FAULT_CLOCK, 0) || (atomic_load(&armed) == FAULT_CLOCK && atomic_load(&seen) > nth_call);
	errno = before;
	return set_back;
}

int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
	int result = (int)syscall(SYS_clock_gettime, clock, ret_time);
	bool date = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
	if (result == 0 && date && is_set_back()) {
		ret_time->tv_sec -= HOUR;
	}
	return result;
}

time_t time(time_t *ret_time)
{
	struct timespec now = {0};
	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (ret_time != NULL) {
		*ret_time = now.tv_sec;
	}
	return now.tv_sec;
}

/* --- what is answered ------------------------------------------------------------------------------------------------
 */

/* Makes a refusal of a reply, of `length` bytes so far. One that has no body by its nature would be waited for. */
static size_t refuse(char *reply, size_t length)
{
	static const char refusal[] = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
	static const char *const without_body[] = {"101", "204", "304"};
	for (size_t i = 0; i < sizeof without_body / sizeof *without_body; i++) {
		if (memcmp(reply + strlen("HTTP/1.1 "), without_body[i], 3) == 0 && length >= strlen(refusal)) {
			memcpy(reply, refusal, strlen(refusal));
			return strlen(refusal);
		}
	}
	memcpy(reply + strlen("HTTP/1.1 "), "500", 3);
	return length;
}

static bool says_well(const char *reply, size_t length)
{
	static const char *const well[] = {"HTTP/1.1 2", "HTTP/1.1 101", "HTTP/1.1 304"};
	for (size_t i = 0; i < sizeof well / sizeof *well; i++) {
		if (length > strlen("HTTP/1.1 200") && memcmp(reply, well[i], strlen(well[i])) == 0) {
			return true;
		}
	}
	return false;
}

/* Of each descriptor: was the last request sent there one whose answers count? */
enum { MOST_DESCRIPTORS = 4096 };
static atomic_bool counts[MOST_DESCRIPTORS];

static void note_request(int fd, const char *request, size_t length)
{
	const char *end = memchr(request, '\r', length);
	bool is_request = end != NULL && memmem(request, (size_t)(end - request), " HTTP/1.1", strlen(" HTTP/1.1")) != NULL;
	if (is_request && fd < MOST_DESCRIPTORS) {
		bool wanted = folder == NULL || memmem(request, (size_t)(end - request), folder, strlen(folder)) != NULL;
		atomic_store(&counts[fd], wanted);
	}
}

ssize_t send(int fd, const void *bytes, size_t length, int flags)
{
	note_request(fd, bytes, length);
	return syscall(SYS_sendto, fd, bytes, length, flags, (void *)NULL, 0);
}

ssize_t recv(int fd, void *bytes, size_t length, int flags)
{
	bool counted = fd < MOST_DESCRIPTORS && atomic_load(&counts[fd]) && (flags & MSG_PEEK) == 0;
	if (counted && fails(FAULT_ANSWER, ECONNRESET)) {
		return -1;
	}
	ssize_t got = syscall(SYS_recvfrom, fd, bytes, length, flags, (void *)NULL, (void *)NULL);
	if (got > 0 && counted && atomic_load(&armed) == FAULT_REFUSE && says_well(bytes, (size_t)got) &&
		fails(FAULT_REFUSE, 0)) {
		return (ssize_t)refuse(bytes, (size_t)got);
	}
	return got;
}
