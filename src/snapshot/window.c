#include "snapshot/window.h"

#include "base/clock.h"
#include "base/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

enum {
	GUARDIAN_TRIES =
		3600, /* how often the guardian tries to thaw before it gives up (an engine is being updated) ... */
	GUARDIAN_PAUSE_SECONDS = 1, /* ... with this between two tries */
	GUARDIAN_LOOKS = 3,         /* how often it has to find everything thawed */
	MOST_DESCRIPTORS = 4096,
	LATE_PAUSE_MILLISECONDS = 1000,
};

struct window {
	struct runtime *runtime;
	const struct container *const *containers;
	size_t count;
	size_t paused;                /* the first ones of `containers` are frozen */
	double began;                 /* clock_seconds */
	struct sigaction stop_action; /* what SIGTSTP did before */
	pid_t guardian;
	int pipe; /* write end; its closing wakes the guardian */
};

/* Closes all descriptors but `keep`: the parent's lock, its connections and its terminal are none of our business. */
static void let_go(int keep)
{
	int null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd <= STDERR_FILENO && null >= 0; fd++) {
		dup2(null, fd);
	}
	long most = sysconf(_SC_OPEN_MAX);
	for (int fd = STDERR_FILENO + 1; fd < (most > 0 && most < MOST_DESCRIPTORS ? (int)most : MOST_DESCRIPTORS); fd++) {
		if (fd != keep) {
			close(fd);
		}
	}
}

/* The guardian's whole life. It must not use the parent's connection, which is in the parent's hands. */
static void guard(struct runtime *parents_runtime, const struct container *const *containers, size_t count, int pipe)
{
	setsid(); /* Ctrl-C is for the parent */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	interrupt_hold();
	let_go(pipe);
	char all_well = 0;
	ssize_t length = 0;
	do {
		length = read(pipe, &all_well, 1);
	} while (length < 0 && errno == EINTR);
	if (length == 1) {
		_exit(0);
	}
	struct runtime *runtime = NULL;
	struct error ignored;
	for (int attempt = 0, in_order = 0; attempt < GUARDIAN_TRIES; attempt++) {
		if (runtime == NULL && parents_runtime->ops->reopen(parents_runtime, &runtime, &ignored) != STATUS_OK) {
			runtime = NULL;
		}
		size_t thawed = 0;
		for (size_t i = 0; runtime != NULL && i < count; i++) {
			enum status status = runtime_unpause(runtime, containers[i], &ignored);
			thawed += status == STATUS_OK || status == STATUS_CONFLICT || status == STATUS_NOT_FOUND;
		}
		/* A pause that the parent had only just asked for may come after the first look. */
		in_order = thawed == count ? in_order + 1 : 0;
		if (in_order == GUARDIAN_LOOKS) {
			_exit(0);
		}
		sleep(GUARDIAN_PAUSE_SECONDS);
	}
	_exit(1);
}

static enum status start_guardian(struct window *window, struct error *error)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0) {
		return error_set_errno(error, "cannot make a pipe");
	}
	window->guardian = fork();
	if (window->guardian < 0) {
		(void)error_set_errno(error, "cannot start the process that thaws");
		close(ends[0]);
		close(ends[1]);
		return error->status;
	}
	if (window->guardian == 0) {
		close(ends[1]);
		guard(window->runtime, window->containers, window->count, ends[0]);
	}
	close(ends[0]);
	window->pipe = ends[1];
	return STATUS_OK;
}

/* Tells the guardian that all is thawed, or lets it do so itself, and waits until it has gone. */
static void dismiss_guardian(struct window *window, bool all_well)
{
	if (all_well) {
		(void)!write(window->pipe, "!", 1);
	}
	close(window->pipe);
	while (waitpid(window->guardian, NULL, 0) < 0 && errno == EINTR) {
	}
}

static enum status thaw(struct window *window, struct error *error)
{
	enum status result = STATUS_OK;
	const struct container *lost = NULL; /* the moment is lost if one was not frozen to the end */
	interrupt_hold();
	for (; window->paused > 0; window->paused--) {
		struct error failure;
		enum status status = runtime_unpause(window->runtime, window->containers[window->paused - 1], &failure);
		if (status == STATUS_CONFLICT || status == STATUS_NOT_FOUND) {
			lost = window->containers[window->paused - 1];
		} else if (status != STATUS_OK && result == STATUS_OK) {
			*error = failure;
			result = status;
		}
	}
	interrupt_release();
	sigaction(SIGTSTP, &window->stop_action, NULL);
	dismiss_guardian(window, result == STATUS_OK);
	if (result == STATUS_OK && lost != NULL) {
		(void)error_set(error, STATUS_FAILED,
						"container %s did not stand still: it was thawed, stopped or restarted meanwhile", lost->name);
		result = error_hint(error, "see that it runs (./bot.sh status), then try again");
	}
	return result;
}

enum status window_open(struct runtime *runtime, const struct container *const *containers, size_t count,
						struct window **ret_window, struct error *error)
{
	struct window *window = calloc(1, sizeof *window);
	if (window == NULL) {
		return error_memory(error);
	}
	*window = (struct window){.runtime = runtime, .containers = containers, .count = count};
	enum status status = start_guardian(window, error);
	if (status != STATUS_OK) {
		free(window);
		return status;
	}
	/* Ctrl-Z would leave the containers frozen for as long as we are. */
	sigaction(SIGTSTP, &(struct sigaction){.sa_handler = SIG_IGN}, &window->stop_action);
	window->began = clock_seconds();
	/* A request that we give up may still be carried out, so it is not given up, and counts from its beginning. */
	interrupt_hold();
	while (status == STATUS_OK && window->paused < count) {
		const struct container *container = containers[window->paused++];
		status = runtime_pause(runtime, container, error);
	}
	interrupt_release();
	if (status == STATUS_CONFLICT) {
		window->paused--; /* refused, because somebody else has paused or stopped it: that is left as it is */
	} else if (status != STATUS_OK) {
		clock_sleep(LATE_PAUSE_MILLISECONDS); /* a pause that we heard nothing of */
	}
	if (status != STATUS_OK) {
		window_abandon(window);
		return status;
	}
	*ret_window = window;
	return STATUS_OK;
}

enum status window_close(struct window *window, double *ret_milliseconds, struct error *error)
{
	if (window == NULL) {
		return STATUS_OK;
	}
	double began = window->began;
	enum status status = thaw(window, error);
	if (ret_milliseconds != NULL) {
		*ret_milliseconds = (clock_seconds() - began) * 1000;
	}
	free(window);
	return status;
}

void window_abandon(struct window *window)
{
	struct error ignored;
	(void)!window_close(window, NULL, &ignored);
}
