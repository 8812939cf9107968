/*
 * faults_support.h - runs a piece of work again and again, with its Nth call failing, for every N.
 */
#ifndef WHISPERBACKUP_TESTS_FAULTS_SUPPORT_H
#define WHISPERBACKUP_TESTS_FAULTS_SUPPORT_H

#include "tar_support.h"

#include "../faults/faults.h"
#include "base/json_text.h"
#include "pipeline/digest.h"

#include <signal.h>
#include <sys/mman.h>

enum {
	NEXT_PLACE = 0, /* instead of the Nth: the first allocation of a place that has not had its turn (places.h) */
	MEMORY_STRIDE =
		7, /* of allocations, one in so many fails where places do not tell enough; WHISPERBACKUP_TORTURE=full: each */
	MOST_FAULTS = 100000,
};

static const char *const fault_names[] = {
	[FAULT_MEMORY] = "allocation", [FAULT_WRITE] = "write",        [FAULT_FLUSH] = "flush", [FAULT_NAME] = "name",
	[FAULT_OPEN] = "opening",      [FAULT_READ] = "reading",       [FAULT_LOOK] = "look",   [FAULT_REMOVE] = "removal",
	[FAULT_SCARCE] = "resource",   [FAULT_INTERRUPT] = "interrupt"};

struct work {
	/* Makes what the work needs in the empty folder. */
	void (*prepare)(const char *folder);
	/* Is done with a fault. It has no assertions: they need memory. */
	enum status (*act)(const char *folder, struct error *error);
	/* Without a fault again: is what there is now right after that status? */
	void (*judge)(const char *folder, enum status status);
};

/* There in a build with the address sanitizer. Nonzero: something has leaked, and was told. */
__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);

/* What a child has found, in memory that is shared with it. */
struct outcome {
	bool returned;
	bool reached;
	bool leaked;
	enum status status;
	struct error error;
};

/*
 * Without memory libarchive 3.6 ends the program where it cannot make a string longer (__archive_errx), and crashes
 * where it does not look whether it got any (archive_write_disk_posix.c, new_fixup, and others); so do fts_open of
 * glibc 2.36 and the address sanitizer at the start of a thread. That cannot be helped from here: for who looks at what
 * is left, the program was killed.
 */
static inline bool others_have_ended_it(const char *said)
{
	const char *top = strstr(said, "    #0 ");
	const char *next = top != NULL ? strstr(top, "    #1 ") : NULL;
	size_t line = top != NULL ? strcspn(top, "\n") : 0;
	size_t next_line = next != NULL ? strcspn(next, "\n") : 0;
	bool in_library = top != NULL && memmem(top, line, "/libarchive.so", 14) != NULL;
	bool in_fts = top != NULL && memmem(top, line, " in fts_open ", 13) != NULL;
	bool by_library = top != NULL && next != NULL && memmem(top, line, " in __interceptor_", 18) != NULL &&
					  memmem(next, next_line, "/libarchive.so", 14) != NULL;
	return in_library || by_library || in_fts || strstr(said, "Fatal Internal Error in libarchive: ") != NULL ||
		   strstr(said, "in __sanitizer::GetThreadStackTopAndBottom") != NULL;
}

/* What JSON is made of when there is no memory (json_text.c) is used up too, in each child from here on. */
static bool without_reserve;

static inline void read_until_none_is_left(const char *text, size_t length)
{
	for (enum status status = STATUS_OK; status == STATUS_OK;) {
		json_t *json = NULL;
		struct error error;
		status = json_text_read_bytes(text, length, JSON_DECODE_ANY, &json, &error);
		json_decref(json);
	}
}

static inline void use_up_reserve(void)
{
	static char text[1 << 16];
	memset(text, 'x', sizeof text);
	text[0] = '"';
	fault_arm(FAULT_MEMORY, 1, true, NULL);
	for (size_t length = sizeof text; length > 2; length /= 2) {
		text[length - 1] = '"';
		read_until_none_is_left(text, length);
	}
	read_until_none_is_left("null", 4); /* takes the least there is to be had */
	fault_disarm();
}

/* Some calls end the program. So each is made by a child, which can die as one that is killed does. */
static inline void act_in_child(const char *scratch, const char *folder, const struct work *work, enum fault_kind kind,
								unsigned long nth, bool onwards, struct outcome *outcome)
{
	const char *said = at(scratch, "said");
	const char *places = at(scratch, "places");
	memset(outcome, 0, sizeof *outcome);
	fflush(NULL);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		signal(SIGSEGV, SIG_DFL); /* cmocka's would go on with the next test */
		signal(SIGABRT, SIG_DFL);
		if (freopen(said, "w", stderr) == NULL) {
			_exit(2);
		}
		if (without_reserve) {
			use_up_reserve();
		}
		if (nth == NEXT_PLACE) {
			fault_arm_place(places);
		} else {
			fault_arm(kind, nth, onwards, kind == FAULT_MEMORY ? NULL : folder);
		}
		outcome->status = work->act(folder, &outcome->error);
		outcome->reached = fault_disarm();
		outcome->leaked = __lsan_do_recoverable_leak_check != NULL && __lsan_do_recoverable_leak_check() != 0;
		outcome->returned = true;
		_exit(0);
	}
	int result = 0;
	assert_int_equal(waitpid(child, &result, 0), child);
	char *text = read_file(said, NULL);
	bool ended = kind == FAULT_MEMORY && !outcome->returned && others_have_ended_it(text);
	bool well = ended || (outcome->returned && !outcome->leaked &&
						  (outcome->status == STATUS_OK || (outcome->reached && outcome->error.message[0] != '\0')));
	if (!well) {
		print_error("%s %lu%s: result %d, status %d: %s\n%s\n", fault_names[kind], nth, onwards ? " and on" : "",
					result, (int)outcome->status, outcome->error.message, text);
	}
	free(text);
	assert_true(well);
	if (ended) {
		outcome->status = STATUS_FAILED;
		outcome->reached = true;
	}
}

struct found {
	bool reached;
	enum status status;
};

static inline struct found one_fault(const char *scratch, const struct work *work, enum fault_kind kind,
									 unsigned long nth, bool onwards)
{
	struct outcome *outcome = mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char folder[PATH_MAX];
	assert_true(outcome != MAP_FAILED);
	snprintf(folder, sizeof folder, "%s/work", scratch);
	make_folder(folder);
	work->prepare(folder);
	act_in_child(scratch, folder, work, kind, nth, onwards, outcome);
	const struct found found = {outcome->reached, outcome->status};
	if (getenv("WHISPERBACKUP_FAULT_TRACE") != NULL) { /* to find the one that the judge does not like */
		print_message("# %s %lu%s: status %d\n", fault_names[kind], nth, onwards ? " and on" : "",
					  (int)outcome->status);
	}
	work->judge(folder, outcome->status);
	assert_int_equal(munmap(outcome, sizeof *outcome), 0);
	assert_int_equal(nftw(folder, support_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	return found;
}

static inline unsigned long each_nth(const char *scratch, const struct work *work, enum fault_kind kind, bool onwards,
									 unsigned long step)
{
	unsigned long count = 0;
	bool reached = true;
	for (unsigned long nth = 1; reached; nth += step) {
		assert_true(nth < MOST_FAULTS);
		reached = one_fault(scratch, work, kind, nth, onwards).reached;
		count += reached;
	}
	return count;
}

static inline unsigned long each_place(const char *scratch, const struct work *work)
{
	unsigned long count = 0;
	while (one_fault(scratch, work, FAULT_MEMORY, NEXT_PLACE, false).reached) {
		count++;
		assert_true(count < MOST_FAULTS);
	}
	assert_true(count > 2); /* if places could not be told from each other, they would all be one */
	assert_return_code(unlink(at(scratch, "places")), errno);
	return count;
}

static inline bool is_torture(void)
{
	const char *torture = getenv("WHISPERBACKUP_TORTURE");
	return torture != NULL && strcmp(torture, "full") == 0;
}

/* Where JSON gets no memory at all any more: one allocation in `step` fails, for a moment, and for good. */
static inline void each_lack_of_json(const char *scratch, const struct work *work, unsigned long step)
{
	without_reserve = true;
	unsigned long single = each_nth(scratch, work, FAULT_MEMORY, false, is_torture() ? 1 : step);
	unsigned long lasting = each_nth(scratch, work, FAULT_MEMORY, true, is_torture() ? 1 : MEMORY_STRIDE);
	without_reserve = false;
	assert_true(single > 0 && lasting > 0);
	print_message("# %lu faults\n", single + lasting);
}

/* A signal that comes while something is read or written changes nothing. */
static inline unsigned long each_interrupt(const char *scratch, const struct work *work)
{
	unsigned long count = 0;
	struct found found = {.reached = true};
	for (unsigned long nth = 1; found.reached; nth++) {
		assert_true(nth < MOST_FAULTS);
		found = one_fault(scratch, work, FAULT_INTERRUPT, nth, false);
		assert_int_equal(found.status, STATUS_OK);
		count += found.reached;
	}
	return count;
}

static inline void each_fault(const char *scratch, const struct work *work)
{
	unsigned long count = 0;
	char warm[DIGEST_TEXT_SIZE];
	struct error error;
	assert_ok(digest_text("", warm, &error), &error); /* OpenSSL comes up once, and not in each child */
	count += is_torture() ? each_nth(scratch, work, FAULT_MEMORY, false, 1) : each_place(scratch, work);
	for (enum fault_kind kind = FAULT_MEMORY + 1; kind <= FAULT_SCARCE; kind++) {
		count += each_nth(scratch, work, kind, false, 1);
	}
	count += each_nth(scratch, work, FAULT_WRITE, true, 1);
	count += each_interrupt(scratch, work);
	assert_true(count > 0);
	print_message("# %lu faults\n", count);
}

/* --- without memory, in this process: for what starts no threads and does not call libarchive ----------------------
 */

/* Is done again and again. It makes no assertions while memory fails; what it has got wrong is STATUS_CONFLICT. */
typedef enum status (*piece)(struct error *error);

static inline unsigned long each_lack(piece act, bool onwards, unsigned long step)
{
	unsigned long count = 0;
	bool reached = true;
	for (unsigned long nth = 1; reached; nth += step) {
		assert_true(nth < MOST_FAULTS);
		struct error error = {0};
		fault_arm(FAULT_MEMORY, nth, onwards, NULL);
		enum status status = act(&error);
		reached = fault_disarm();
		if (status != STATUS_OK && !(reached && status == STATUS_NO_MEMORY)) {
			print_error("allocation %lu%s: status %d: %s\n", nth, onwards ? " and on" : "", (int)status, error.message);
		}
		assert_true(status == STATUS_OK || (reached && status == STATUS_NO_MEMORY));
		assert_true(status == STATUS_OK || strstr(error.message, "out of memory") != NULL);
		count += reached;
	}
	return count;
}

static inline void assert_told(piece act)
{
	unsigned long single = each_lack(act, false, 1);
	unsigned long lasting = each_lack(act, true, 1);
	assert_true(single > 0 && lasting > 0);
	print_message("# %lu faults\n", single + lasting);
}

/* What was found out about a call that said it was well. STATUS_CONFLICT is no status of what is tested with it. */
static inline enum status blame(enum status status, bool wrong, const char *what, struct error *error)
{
	return status == STATUS_OK && wrong ? error_set(error, STATUS_CONFLICT, "%s", what) : status;
}

static inline enum status unless_wrong(enum status status, bool right, struct error *error)
{
	return blame(status, !right, "it is wrong", error);
}

/* A mark or a password that somebody can guess is none. */
static inline void assert_needs_random_bytes(piece act)
{
	struct error error;
	fault_arm(FAULT_SCARCE, 1, false, NULL);
	enum status status = act(&error);
	assert_true(fault_disarm());
	assert_status(STATUS_FAILED, status, &error);
	assert_string_equal(error.message, "cannot get random bytes: Resource temporarily unavailable");
	assert_ok(act(&error), &error);
}

#endif
