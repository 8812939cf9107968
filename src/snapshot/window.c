#include "snapshot/window.h"

#include "base/clock.h"
#include "base/interrupt.h"
#include "snapshot/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

enum {
	GUARDIAN_TRIES =
		3600,          /* how often the guardian tries to thaw before it gives up (an engine is being updated) ... */
	PAUSE_SECONDS = 1, /* ... with this between two tries */
	LOOKS = 3,         /* how often all has to be found thawed where something may be paused without our knowing */
	LATE_PAUSE_MILLISECONDS = 1000,
	DISMISSAL_SECONDS = 15, /* that the guardian is waited for when it has something to thaw */
	DISMISSAL_STEP_MILLISECONDS = 20,
	HANGING_SECONDS = 10,          /* that the guardian tries to thaw beside a parent that hangs */
	BELIEF_STEP_MILLISECONDS = 20, /* between two tries while the engine may believe an old event */
};

/* That it may. Not longer, since others stand still; it is looked at again when they do not. */
static const double BELIEF_SECONDS = 0.5;

struct window {
	struct window_plan plan;      /* lent */
	double *paused;               /* clock_seconds when each was; 0: it is not */
	double began;                 /* clock_seconds of the first pause; 0 before it */
	bool *doubtful;               /* one for each: the engine calls it running, which it may be wrong about */
	bool unheard;                 /* a pause was asked for, and nothing heard of it: it may come at any time */
	struct sigaction stop_action; /* what SIGTSTP did before */
	pid_t guardian;
	int pipe; /* write end; its closing wakes the guardian */
	int lock; /* of the journal */
};

/*
 * Closes all descriptors but two: the parent's lock on the folder, its connections and its terminal are none of our
 * business. The journal's lock is kept: it says that somebody is there to thaw.
 */
static void let_go(int pipe, int lock)
{
	int null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd <= STDERR_FILENO && null >= 0; fd++) {
		dup2(null, fd);
	}
	long most = sysconf(_SC_OPEN_MAX);
	for (int fd = STDERR_FILENO + 1;
		 fd < (most > 0 && most < WINDOW_MOST_DESCRIPTORS ? (int)most : WINDOW_MOST_DESCRIPTORS); fd++) {
		if (fd != pipe && fd != lock) {
			close(fd);
		}
	}
}

/* False if it could not be done. */
static bool guardian_thaws(const struct window_plan *plan)
{
	struct runtime *runtime = NULL;
	struct error ignored;
	for (int attempt = 0, in_order = 0; attempt < GUARDIAN_TRIES; attempt++) {
		if (runtime == NULL && runtime_reopen(plan->runtime, &runtime, &ignored) != STATUS_OK) {
			runtime = NULL;
		}
		size_t thawed = 0;
		for (size_t i = 0; runtime != NULL && i < plan->count; i++) {
			enum status status = runtime_unpause(runtime, plan->containers[i], &ignored);
			thawed += status == STATUS_OK || status == STATUS_CONFLICT || status == STATUS_NOT_FOUND;
		}
		/* A pause that the parent had only just asked for may come after the first look. */
		in_order = runtime != NULL && thawed == plan->count ? in_order + 1 : 0;
		if (in_order == LOOKS) {
			runtime_free(runtime);
			return true;
		}
		sleep(PAUSE_SECONDS);
	}
	runtime_free(runtime);
	return false;
}

/*
 * While somebody reads a container's files through the engine, the engine lets nobody thaw it (moby,
 * containerArchivePath); if that is a parent that hangs, or was stopped, only its end lets go of them.
 */
static pid_t hanging_parent;

static void end_parent(int number)
{
	(void)number;
	if (getppid() == hanging_parent) {
		kill(hanging_parent, SIGKILL);
	}
}

static void thaw_beside_parent(const struct window_plan *plan, pid_t parent)
{
	hanging_parent = parent;
	signal(SIGALRM, end_parent);
	alarm(HANGING_SECONDS);
	(void)guardian_thaws(plan);
	alarm(0);
}

/* The guardian's whole life. It must not use the parent's connection, which is in the parent's hands. */
static void guard(const struct window_plan *plan, pid_t parent, int pipe, int lock)
{
	setsid(); /* Ctrl-C is for the parent */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	interrupt_hold();
	let_go(pipe, lock);
	char all_well = 0;
	ssize_t length = 0;
	int timeout = (int)(plan->longest_seconds + WINDOW_GRACE_SECONDS) * 1000;
	do {
		struct pollfd end = {.fd = pipe, .events = POLLIN};
		int ready = poll(&end, 1, timeout);
		if (ready == 0) {
			/* The parent hangs, or was stopped. What it does when it goes on is looked after as well. */
			thaw_beside_parent(plan, parent);
			timeout = -1;
		}
		length = ready > 0 ? read(pipe, &all_well, 1) : -1;
	} while (length < 0);
	if (length == 0 && guardian_thaws(plan)) {
		unlink(plan->journal);
	}
	_exit(0);
}

static enum status start_guardian(struct window *window, struct error *error)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0) {
		return error_set_errno(error, "cannot make a pipe");
	}
	/* What comes before it ignores them must not end it. */
	sigset_t ours;
	sigset_t before;
	sigemptyset(&ours);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGHUP);
	sigprocmask(SIG_BLOCK, &ours, &before);
	pid_t parent = getpid();
	window->guardian = fork();
	if (window->guardian != 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
	}
	if (window->guardian < 0) {
		(void)error_set_errno(error, "cannot start the process that thaws");
		close(ends[0]);
		close(ends[1]);
		return error->status;
	}
	if (window->guardian == 0) {
		close(ends[1]);
		guard(&window->plan, parent, ends[0], window->lock);
	}
	close(ends[0]);
	window->pipe = ends[1];
	return STATUS_OK;
}

/*
 * Tells the guardian that all is thawed, or lets it do so itself, and waits until it has gone: for a while only, and
 * not for who has pressed Ctrl-C, if the engine is dead. It then goes on alone.
 */
static void dismiss_guardian(struct window *window, bool all_well)
{
	if (all_well) {
		(void)!write(window->pipe, "!", 1);
	}
	close(window->pipe);
	double began = clock_seconds();
	for (pid_t gone = 0; gone == 0 || (gone < 0 && errno == EINTR);) {
		gone = waitpid(window->guardian, NULL, all_well ? 0 : WNOHANG);
		if (gone == 0 && (interrupt_pending() || clock_seconds() - began > DISMISSAL_SECONDS)) {
			return;
		}
		if (gone == 0) {
			clock_sleep(DISMISSAL_STEP_MILLISECONDS);
		}
	}
}

static void free_window(struct window *window)
{
	cleanup_close(&window->lock);
	free(window->paused);
	free(window->doubtful);
	free(window);
}

enum status window_open(const struct window_plan *plan, struct window **ret_window, struct error *error)
{
	struct window *window = calloc(1, sizeof *window);
	if (window == NULL) {
		return error_memory(error);
	}
	*window = (struct window){.plan = *plan,
							  .paused = calloc(plan->count + 1, sizeof *window->paused),
							  .doubtful = calloc(plan->count + 1, sizeof *window->doubtful),
							  .lock = -1};
	bool room = window->paused != NULL && window->doubtful != NULL;
	enum status status =
		!room ? error_memory(error)
			  : journal_write(plan->journal, plan->engine, plan->containers, plan->count, &window->lock, error);
	if (status == STATUS_OK) {
		status = start_guardian(window, error);
		if (status != STATUS_OK) {
			unlink(plan->journal);
		}
	}
	if (status != STATUS_OK) {
		free_window(window);
		return status;
	}
	/* Ctrl-Z would leave the containers frozen for as long as we are. */
	sigaction(SIGTSTP, &(struct sigaction){.sa_handler = SIG_IGN}, &window->stop_action);
	*ret_window = window;
	return STATUS_OK;
}

static size_t index_of(const struct window *window, const struct container *container)
{
	size_t i = 0;
	while (i < window->plan.count && window->plan.containers[i] != container) {
		i++;
	}
	return i;
}

double window_milliseconds(const struct window *window)
{
	return window->began > 0 ? (clock_seconds() - window->began) * 1000 : 0;
}

/* From the first pause on everything that waits gives up when the time is over (interrupt_check). */
static void begin(struct window *window)
{
	struct error failure;
	(void)error_set(&failure, STATUS_FAILED,
					"the services have stood still for %u seconds, which is as long as they may",
					window->plan.longest_seconds);
	const char *hint = window->plan.too_long_hint;
	(void)error_hint(
		&failure, "%s",
		hint != NULL ? hint : "run the backup again when there is less to do, or allow more: --max-freeze SECONDS");
	interrupt_limit(window->plan.longest_seconds, &failure);
	window->began = clock_seconds();
}

/*
 * The engine hears of each pause and each thaw once more, from containerd, and where one comes right behind another it
 * may hear of the old one last: it then takes a container that runs for paused, or one that is frozen for running,
 * until it hears of the new one (docs/FACTS.md). A conflict with what we have done ourselves is no answer before that.
 */
static enum status insist(enum status (*ask)(struct runtime *, const struct container *, struct error *),
						  const struct window *window, const struct container *container, struct error *error)
{
	double until = clock_seconds() + BELIEF_SECONDS;
	enum status status = ask(window->plan.runtime, container, error);
	while (status == STATUS_CONFLICT && clock_seconds() < until) {
		clock_sleep(BELIEF_STEP_MILLISECONDS);
		status = ask(window->plan.runtime, container, error);
	}
	return status;
}

enum status window_pause(struct window *window, const struct container *container, struct error *error)
{
	size_t index = index_of(window, container);
	if (index == window->plan.count) {
		return error_set(error, STATUS_FAILED, "container %s is not in the journal", container->name);
	}
	enum status status = interrupt_check(error);
	if (status != STATUS_OK) {
		return status;
	}
	if (window->began == 0) {
		begin(window);
	}
	window->paused[index] = clock_seconds();
	/* A request that we give up may still be carried out, so it is not given up, and counts from its beginning. */
	interrupt_hold();
	bool again = window->plan.thawed != NULL && window->plan.thawed[index];
	status =
		again ? insist(runtime_pause, window, container, error) : runtime_pause(window->plan.runtime, container, error);
	interrupt_release();
	if (status == STATUS_CONFLICT || status == STATUS_NOT_FOUND) {
		window->paused[index] = 0; /* refused: somebody else has paused, stopped or removed it */
	} else if (status != STATUS_OK) {
		window->unheard = true;
		clock_sleep(LATE_PAUSE_MILLISECONDS); /* closing the window thaws it, and the guardian looks again */
	}
	return status;
}

static enum status lost(const struct container *container, struct error *error)
{
	(void)error_set(error, STATUS_FAILED,
					"container %s did not stand still: it was thawed, stopped or restarted meanwhile", container->name);
	return error_hint(error, "see that it runs (./bot.sh status), then try again");
}

static bool may_run(const struct window *window, const struct container *container)
{
	struct error ignored;
	enum container_state state = CONTAINER_RUNNING;
	enum container_health health = HEALTH_NONE;
	return runtime_inspect(window->plan.runtime, container, &state, &health, &ignored) != STATUS_OK ||
		   state == CONTAINER_RUNNING;
}

enum status window_thaw(struct window *window, const struct container *container, double *ret_milliseconds,
						struct error *error)
{
	size_t index = index_of(window, container);
	if (index == window->plan.count || window->paused[index] == 0) {
		return STATUS_OK;
	}
	interrupt_hold();
	/* Where a pause may be on the way, the guardian looks again. */
	enum status status = window->unheard ? runtime_unpause(window->plan.runtime, container, error)
										 : insist(runtime_unpause, window, container, error);
	interrupt_release();
	if (ret_milliseconds != NULL) {
		*ret_milliseconds = (clock_seconds() - window->paused[index]) * 1000;
	}
	if (status == STATUS_CONFLICT || status == STATUS_NOT_FOUND) {
		window->paused[index] = 0;
		window->doubtful[index] = status == STATUS_CONFLICT && may_run(window, container);
		return lost(container, error);
	}
	window->paused[index] = status == STATUS_OK ? 0 : window->paused[index];
	if (status == STATUS_OK && window->plan.thawed != NULL) {
		window->plan.thawed[index] = true;
	}
	return status;
}

/* Looks once more at those that are in doubt. False: one of them cannot be thawed. */
static bool look_again(struct window *window, bool *ret_any_left)
{
	bool good = true;
	*ret_any_left = false;
	for (size_t i = 0; i < window->plan.count; i++) {
		struct error ignored;
		if (window->doubtful[i]) {
			enum status status = runtime_unpause(window->plan.runtime, window->plan.containers[i], &ignored);
			window->doubtful[i] = status != STATUS_OK && status != STATUS_NOT_FOUND;
			good = good && (!window->doubtful[i] || status == STATUS_CONFLICT);
			*ret_any_left = *ret_any_left || window->doubtful[i];
		}
	}
	return good;
}

/* Now that nothing else waits, the engine has time to come to know better. False: the guardian has to look as well. */
static bool settle_doubts(struct window *window)
{
	bool left = true;
	bool good = true;
	interrupt_hold();
	for (int look = 1; left && look <= LOOKS; look++) {
		good = look_again(window, &left);
		if (left && look < LOOKS) {
			clock_sleep(PAUSE_SECONDS * 1000);
		}
	}
	interrupt_release();
	return good;
}

enum status window_close(struct window *window, double *ret_milliseconds, struct error *error)
{
	if (window == NULL) {
		return STATUS_OK;
	}
	enum status result = STATUS_OK;
	bool all_thawed = true;
	interrupt_unlimit();
	for (size_t i = window->plan.count; i > 0; i--) {
		struct error failure;
		enum status status = window_thaw(window, window->plan.containers[i - 1], NULL, &failure);
		all_thawed = all_thawed && window->paused[i - 1] == 0;
		if (status != STATUS_OK && result == STATUS_OK) {
			*error = failure;
			result = status;
		}
	}
	if (ret_milliseconds != NULL) {
		*ret_milliseconds = window_milliseconds(window);
	}
	all_thawed = settle_doubts(window) && all_thawed && !window->unheard;
	sigaction(SIGTSTP, &window->stop_action, NULL);
	dismiss_guardian(window, all_thawed);
	/* Not before: a guardian that sees us killed between the two would thaw and unlink what is the next run's. */
	if (all_thawed) {
		unlink(window->plan.journal);
	}
	free_window(window);
	return result;
}

void window_abandon(struct window *window)
{
	struct error ignored;
	(void)!window_close(window, NULL, &ignored);
}
