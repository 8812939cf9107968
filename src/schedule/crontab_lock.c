#include "schedule/crontab_lock.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { PAUSE_MILLISECONDS = 50 };

static enum status open_file(const char *path, int *ret_fd, struct error *error)
{
	struct stat attributes;
	/* O_NONBLOCK: somebody may have put a pipe there. */
	CLEANUP(cleanup_close) int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0 || fstat(fd, &attributes) != 0) {
		enum status status = error_set_errno(error, "cannot lock your crontab with %s", path);
		return status == STATUS_FAILED ? error_hint(error, "see what is there (ls -ld %s)", path) : status;
	}
	if (!S_ISREG(attributes.st_mode) || attributes.st_uid != getuid()) {
		(void)error_set(error, STATUS_FAILED, "cannot lock your crontab with %s: it is not a file of yours", path);
		return error_hint(error, "see who has put it there (ls -ld %s); it has to be removed", path);
	}
	*ret_fd = cleanup_take(&fd);
	return STATUS_OK;
}

/* *ret_fd stays -1 while another has the lock, or had it until now: the file goes with it. */
static enum status try_once(const char *path, int *ret_fd, struct error *error)
{
	CLEANUP(cleanup_close) int fd = -1;
	bool is_there = false;
	enum status status = open_file(path, &fd, error);
	if (status == STATUS_OK && flock(fd, LOCK_EX | LOCK_NB) != 0) {
		return errno == EWOULDBLOCK ? STATUS_OK : error_set_errno(error, "cannot lock your crontab with %s", path);
	}
	if (status == STATUS_OK) {
		status = files_is_name_of(path, fd, &is_there, error);
	}
	if (status == STATUS_OK && is_there) {
		*ret_fd = cleanup_take(&fd);
	}
	return status;
}

enum status crontab_lock_take(const char *folder, struct crontab_lock *ret_lock, struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	int fd = -1;
	double until = clock_seconds() + CRONTAB_LOCK_SECONDS;
	if (asprintf(&path, "%s/whisperbackup-crontab-%u.lock", folder, (unsigned)getuid()) < 0) {
		path = NULL;
		return error_memory(error);
	}
	enum status status = try_once(path, &fd, error);
	while (status == STATUS_OK && fd < 0) {
		if (clock_seconds() >= until) {
			(void)error_set(error, STATUS_LOCKED, "another change of your crontab is at work, and has %s", path);
			return error_hint(error, "wait until it has ended, then try again");
		}
		clock_sleep(PAUSE_MILLISECONDS);
		status = interrupt_check(error);
		if (status == STATUS_OK) {
			status = try_once(path, &fd, error);
		}
	}
	if (status == STATUS_OK) {
		*ret_lock = (struct crontab_lock){.path = MOVE(path), .fd = fd};
	}
	return status;
}

void crontab_lock_release(struct crontab_lock *lock)
{
	if (lock->fd >= 0) {
		(void)unlink(lock->path); /* if it stays, it is the next one's */
		close(lock->fd);
	}
	free(lock->path);
	*lock = CRONTAB_LOCK_INIT;
}
