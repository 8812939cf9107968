/* snapshot/folder_copy: folders that change while they are copied. */
#include "tar_support.h"

#include "snapshot/direct_copy.h"

#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

static struct folder_copy *begin(const char *scratch)
{
	struct error error;
	struct folder_copy *copy = NULL;
	uint64_t bytes = 0;
	assert_ok(folder_copy_of(at(scratch, "src"), "data", at(scratch, "archive.tar.gz"), &copy, &error), &error);
	assert_ok(folder_copy_catch_up(copy, NULL, &bytes, &error), &error);
	return copy;
}

static uint64_t catch_up(struct folder_copy *copy)
{
	struct error error;
	uint64_t bytes = 0;
	assert_ok(folder_copy_catch_up(copy, NULL, &bytes, &error), &error);
	return bytes;
}

/* Everything but the times of folders, which are those of when they were first seen. */
static char *content_of(const char *folder)
{
	return shell(NULL,
				 "cd '%s' && export LC_ALL=C && find . -type d -printf '%%p %%m %%U %%G\\n' | sort && "
				 "find . ! -type d -printf '%%p %%y %%l %%m %%U %%G %%Ts %%s %%n\\n' | sort && "
				 "find . -type f -print0 | sort -z | xargs -0r sha256sum",
				 folder);
}

/* The archive holds what the folder holds now, each thing once, and GNU tar agrees. */
static void assert_archive_is_now(const char *scratch)
{
	char *doubles = shell(NULL, "tar tzf '%s/archive.tar.gz' | sort | uniq -d", scratch);
	assert_string_equal(doubles, "");
	free(doubles);
	char *said = shell(
		NULL, "cd '%s' && rm -rf out && mkdir out && tar -xzpf archive.tar.gz --numeric-owner -C out 2>&1", scratch);
	assert_string_equal(said, "");
	free(said);
	char *expected = content_of(at(scratch, "src"));
	char *found = content_of(at(scratch, "out/data"));
	assert_string_equal(found, expected);
	free(found);
	struct error error;
	struct buffer tar = uncompressed(at(scratch, "archive.tar.gz"));
	shell_ok("rm -rf '%s/out' && mkdir '%s/out'", scratch, scratch);
	assert_ok(unpack(&tar, "data", at(scratch, "out"), &error), &error);
	buffer_free(&tar);
	found = content_of(at(scratch, "out"));
	assert_string_equal(found, expected);
	free(found);
	free(expected);
}

/* `before`, a copy, `change`, the moment: the archive shows what is there then. */
static struct folder_copy_result moment_after(const char *scratch, const char *before, const char *change)
{
	make_folder(at(scratch, "src"));
	run_in(at(scratch, "src"), before);
	struct folder_copy *copy = begin(scratch);
	run_in(at(scratch, "src"), change);
	struct folder_copy_result result = completed(copy);
	assert_archive_is_now(scratch);
	assert_digest_is_of(at(scratch, "archive.tar.gz"), &result.digest);
	return result;
}

#define BIG "for i in 1 2 3; do head -c 3500000 /dev/urandom >big$i; done; touch -d @1 big1; touch -d @2 big2"

static void what_has_not_changed_is_not_read_again(void **state)
{
	struct folder_copy_result result = moment_after(*state, BIG "; touch -d @3 big3", "sleep 0.1");
	assert_int_equal(result.window_bytes, 0);
}

static void a_block_that_has_changed_is_taken_anew(void **state)
{
	struct folder_copy_result result =
		moment_after(*state, BIG, "printf another | dd of=big2 bs=1 seek=1500000 conv=notrunc status=none");
	assert_int_equal(result.window_bytes, 1 << 20);
}

static void a_file_that_has_grown_is_taken_anew_at_its_end(void **state)
{
	struct folder_copy_result result = moment_after(*state, BIG, "head -c 200000 /dev/urandom >>big1");
	assert_true(result.window_bytes <= 2 << 20);
}

static void a_file_that_has_grown_by_zeros_alone_is_noticed(void **state)
{
	(void)moment_after(*state, "head -c 5000 /dev/zero >zeros; head -c 2000000 /dev/zero >more",
					   "head -c 1 /dev/zero >>zeros; head -c 10 /dev/zero >>more");
}

static void a_file_that_has_become_shorter_is_cut(void **state)
{
	(void)moment_after(*state, BIG, "truncate -s 1048577 big1; truncate -s 1048576 big2; truncate -s 3 big3");
}

static void a_file_that_has_become_empty_is_empty(void **state)
{
	(void)moment_after(*state, BIG, ": >big1; : >big3");
}

static void what_is_gone_is_not_in_the_archive(void **state)
{
	(void)moment_after(*state, BIG "; mkdir -p a/b; echo 1 >a/b/c", "rm -r a big1 big3");
}

static void everything_may_be_gone(void **state)
{
	(void)moment_after(*state, BIG "; mkdir a", "rm -r *");
}

static void what_is_new_is_in_the_archive(void **state)
{
	(void)moment_after(*state, BIG,
					   "mkdir -p n/m; head -c 2500000 /dev/urandom >n/m/f; echo 1 >n/g; ln -s g n/s; mkfifo p");
}

static void a_rename_moves_the_content(void **state)
{
	(void)moment_after(*state, BIG, "mv big1 other; mv big2 big1; mkdir d; mv big3 d/big1");
}

static void a_file_may_become_a_folder_and_the_other_way_round(void **state)
{
	(void)moment_after(*state, "echo 1 >a; mkdir b; echo 2 >b/c; ln -s a l; echo 4 >f",
					   "rm a; mkdir a; echo 3 >a/x; rm -r b; echo 5 >b; rm l; echo 6 >l; rm f; ln -s b f");
}

static void modes_owners_and_times_alone_are_noticed(void **state)
{
	(void)moment_after(*state, BIG "; mkdir d e", "chmod 600 big1 d; chown 5:6 big2 e; touch -d @7 big3");
}

static void a_file_that_was_replaced_by_one_of_the_same_size_and_time_is_noticed(void **state)
{
	(void)moment_after(*state, "echo one >a; touch -d @1 a", "echo two >b; touch -d @1 b; mv b a");
}

static void hard_links_that_come_and_go_are_noticed(void **state)
{
	(void)moment_after(*state, "echo 1 >a; ln a b; echo 2 >c; ln c d; ln c e; echo 3 >f",
					   "rm b; ln c g; rm c; ln f h; ln a z; rm a; echo 4 >>d");
}

static void holes_that_come_and_go_are_noticed(void **state)
{
	(void)moment_after(
		*state,
		"truncate -s 20M a; printf x | dd of=a bs=1 seek=9000000 conv=notrunc status=none; truncate -s 5M b; "
		"head -c 6000000 /dev/urandom >c; truncate -s 3M d",
		"printf y | dd of=a bs=1 seek=3000000 conv=notrunc status=none; truncate -s 9M b; "
		"fallocate --punch-hole --offset 1048576 --length 3145728 c; head -c 3145728 /dev/urandom >d");
}

/* Stale versions lie at the beginning, in the middle and at the end of the file in the making. */
static void nothing_stale_stays_in_the_archive(void **state)
{
	make_source(*state, BIG "; echo 1 >s1; echo 2 >s2; touch -d @1 s1");
	struct folder_copy *copy = begin(*state);
	for (int round = 0; round < 4; round++) {
		run_in(at(*state, "src"), "head -c 3500000 /dev/urandom >big1; head -c 3500000 /dev/urandom >big2; date >s1");
		(void)catch_up(copy);
	}
	run_in(at(*state, "src"), "head -c 3500000 /dev/urandom >big3; echo 3 >s2");
	struct folder_copy_result result = completed(copy);
	assert_archive_is_now(*state);
	assert_digest_is_of(at(*state, "archive.tar.gz"), &result.digest);
	(void)pack_into(at(*state, "fresh.tar.gz"), at(*state, "src"), "data");
	off_t fresh = attributes_of(at(*state, "fresh.tar.gz")).st_size;
	assert_int_equal(attributes_of(at(*state, "archive.tar.gz")).st_size, fresh);
}

static void little_of_a_large_file_is_left_to_the_moment(void **state)
{
	make_source(*state, "head -c 20000000 /dev/urandom >large; touch -d @1 large");
	struct folder_copy *copy = begin(*state);
	run_in(at(*state, "src"), "printf another | dd of=large bs=1 seek=5000000 conv=notrunc status=none");
	assert_int_equal(catch_up(copy), 1 << 20);
	assert_true(attributes_of(at(*state, "archive.tar.gz")).st_size < 20200000);
	struct folder_copy_result result = completed(copy);
	assert_int_equal(result.window_bytes, 1 << 20);
	assert_archive_is_now(*state);
	assert_digest_is_of(at(*state, "archive.tar.gz"), &result.digest);
}

static void what_has_changed_is_less_each_time_if_nothing_happens(void **state)
{
	make_source(*state, BIG);
	struct folder_copy *copy = begin(*state);
	run_in(at(*state, "src"), "head -c 3500000 /dev/urandom >big2; sleep 0.1");
	assert_int_equal(catch_up(copy), 3500000);
	assert_int_equal(catch_up(copy), 0);
	folder_copy_free(copy);
}

/* The window was no good and another is tried. */
static void a_moment_may_be_taken_again(void **state)
{
	struct error error;
	make_source(*state, BIG);
	struct folder_copy *copy = begin(*state);
	run_in(at(*state, "src"), "head -c 3500000 /dev/urandom >big2; echo 1 >new");
	assert_ok(folder_copy_capture(copy, &error), &error);
	run_in(at(*state, "src"), "head -c 3500000 /dev/urandom >big1; head -c 100 /dev/urandom >>big2; rm new big3");
	struct folder_copy_result result = completed(copy);
	assert_archive_is_now(*state);
	assert_digest_is_of(at(*state, "archive.tar.gz"), &result.digest);
}

/* What happens after the moment is not in it. */
static void what_happens_after_the_moment_does_not_show(void **state)
{
	struct error error;
	struct folder_copy_result result;
	make_source(*state, BIG "; echo 1 >s; ln -s s l");
	struct folder_copy *copy = begin(*state);
	run_in(at(*state, "src"), "head -c 3500000 /dev/urandom >big2; echo 2 >s; echo 3 >n");
	assert_ok(folder_copy_capture(copy, &error), &error);
	shell_ok("cp -a '%s/src' '%s/then'", (char *)*state, (char *)*state);
	run_in(at(*state, "src"), "rm big1 s n; head -c 3500000 /dev/urandom >big2; : >big3; mkdir later");
	assert_ok(folder_copy_finish(copy, NULL, &result, &error), &error);
	folder_copy_free(copy);
	shell_ok("cd '%s' && rm -r src && mv then src", (char *)*state);
	assert_archive_is_now(*state);
}

static void a_copy_that_is_given_up_leaves_nothing_but_the_draft(void **state)
{
	struct error error;
	make_source(*state, BIG);
	struct folder_copy *copy = begin(*state);
	run_in(at(*state, "src"), "head -c 3500000 /dev/urandom >big2");
	assert_ok(folder_copy_capture(copy, &error), &error);
	folder_copy_free(copy);
	char *names = shell(NULL, "ls -A '%s'", (char *)*state);
	assert_string_equal(names, "archive.tar.gz\nsrc\n");
	free(names);
}

/* The threads that write cannot: their failure ends the pass, and every later one. */
static void a_failure_to_write_ends_the_copy(void **state)
{
	struct error error;
	struct folder_copy *copy = NULL;
	uint64_t bytes = 0;
	struct rlimit before;
	make_source(*state, "for i in 1 2 3 4 5; do head -c 9000000 /dev/urandom >big$i; done");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	struct rlimit small = {.rlim_cur = 5000000, .rlim_max = before.rlim_max};
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN); /* setrlimit(2): a write behind it fails with EFBIG then */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_ok(folder_copy_of(at(*state, "src"), "data", at(*state, "archive.tar.gz"), &copy, &error), &error);
	enum status first = folder_copy_catch_up(copy, NULL, &bytes, &error);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, handler);
	assert_status(STATUS_FAILED, first, &error);
	assert_non_null(strstr(error.message, "cannot write"));
	assert_status(STATUS_FAILED, folder_copy_catch_up(copy, NULL, &bytes, &error), &error);
	assert_non_null(strstr(error.message, "cannot write"));
	folder_copy_free(copy);
}

/* What is all header is kept in the moment as well: where a symbolic link points to, and what has gone since. */
static void links_show_what_they_pointed_to_in_the_moment(void **state)
{
	struct error error;
	struct folder_copy_result result;
	make_source(*state, "ln -s one a; ln -s one b; mkfifo p");
	struct folder_copy *copy = begin(*state);
	run_in(at(*state, "src"), "ln -sfn two a; ln -sfn two b; ln -s two c; rm p; mkfifo -m 600 p; mkdir d");
	assert_ok(folder_copy_capture(copy, &error), &error);
	shell_ok("cp -a '%s/src' '%s/then'", (char *)*state, (char *)*state);
	run_in(at(*state, "src"), "ln -sfn three a; rm b p; rm c; echo 1 >c; rmdir d");
	assert_ok(folder_copy_finish(copy, NULL, &result, &error), &error);
	folder_copy_free(copy);
	shell_ok("cd '%s' && rm -r src && mv then src", (char *)*state);
	assert_archive_is_now(*state);
}

/* --- what happens in the middle of a pass ----------------------------------------------------------------------------
 */

/* Runs a shell command between the scan of a pass and its reading, and writes to mapped memory. */
struct interloper {
	struct progress progress;
	const char *folder;
	const char *command;
	char *memory; /* or NULL */
};

static void interfere(struct progress *progress, const char *text, uint64_t total_bytes)
{
	const struct interloper *interloper = (const struct interloper *)progress;
	(void)total_bytes;
	if (strncmp(text, "copying", strlen("copying")) == 0) {
		run_in(interloper->folder, interloper->command);
		if (interloper->memory != NULL) {
			interloper->memory[0]++;
		}
	}
}

static void advance_nothing(struct progress *progress, uint64_t bytes)
{
	(void)progress;
	(void)bytes;
}

static void catch_up_while(struct folder_copy *copy, const char *folder, const char *command, char *memory)
{
	struct error error;
	uint64_t bytes = 0;
	struct interloper interloper = {.progress = {.step = interfere, .advance = advance_nothing},
									.folder = folder,
									.command = command,
									.memory = memory};
	assert_ok(folder_copy_catch_up(copy, &interloper.progress, &bytes, &error), &error);
}

static void what_changes_its_kind_after_the_scan_is_no_failure(void **state)
{
	make_source(*state, "mkdir a b c d; for i in a/f b/f c/f d/f e f g h; do echo $i >$i; done; ln -s e l");
	struct folder_copy *copy = begin(*state);
	run_in(at(*state, "src"), "for i in a/f b/f c/f d/f e f g h; do date >>$i; done; ln -sfn f l; mkdir k; ln -s e m");
	catch_up_while(
		copy, at(*state, "src"),
		"rm -r a; echo 1 >a; rm -r b; ln -s c b; rm -r c/f; mkdir c/f; rm d/f; rm e; mkdir e; rm f; ln -s g f; "
		"rm g; mkfifo g; rm h; perl -MSocket -e 'socket(S,AF_UNIX,SOCK_STREAM,0); bind(S,sockaddr_un(\"h\"))'; "
		"rm l; mkdir l; rmdir k; echo 2 >k; rm m; echo 3 >m",
		NULL);
	run_in(at(*state, "src"), "rm h");
	struct folder_copy_result result = completed(copy);
	assert_archive_is_now(*state);
	assert_digest_is_of(at(*state, "archive.tar.gz"), &result.digest);
}

/* --- whatever happens, in any order ---------------------------------------------------------------------------------
 */

static unsigned random_number(uint64_t *seed, unsigned below)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(*seed >> 33) % below;
}

static void do_something(const char *folder, uint64_t *seed)
{
	static const char *const names[] = {"a", "b", "c", "d/e", "d/f", "d/g/h", "i", "j"};
	const char *name = names[random_number(seed, 8)];
	const char *other = names[random_number(seed, 8)];
	unsigned size = random_number(seed, 3) == 0 ? random_number(seed, 5000000) : random_number(seed, 5000);
	unsigned place = random_number(seed, 5000000);
	int ignored = 0;
	static const char *const actions[] = {
		"head -c %u /dev/urandom >'%s'",
		"head -c %u /dev/urandom >>'%s'",
		"rm -rf '%2$s' # %1$u",
		"truncate -s %u '%s'",
		"mv '%2$s' '%3$s' # %1$u",
		"rm -f '%3$s'; ln '%2$s' '%3$s' # %1$u",
		"rm -f '%3$s'; ln -s '%2$s' '%3$s' # %1$u",
		"head -c %u /dev/urandom | dd of='%s' bs=1M seek=%4$u oflag=seek_bytes conv=notrunc status=none",
		"chmod 6%3$.0s40 '%2$s' # %1$u",
		"fallocate --punch-hole --offset %4$u --length 2000000 '%2$s' # %1$u",
	};
	char command[512];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
	snprintf(command, sizeof command, actions[random_number(seed, 10)], size, name, other, place);
#pragma GCC diagnostic pop
	free(shell(&ignored, "cd '%s' && mkdir -p d/g && { %s\n } 2>/dev/null", folder, command));
}

static void any_number_of_changes_is_followed(void **state)
{
	for (uint64_t number = 1; number <= 25; number++) {
		uint64_t seed = number;
		shell_ok("cd '%s' && rm -rf src out archive.tar.gz fresh.tar.gz && mkdir src", (char *)*state);
		for (int i = 0; i < 6; i++) {
			do_something(at(*state, "src"), &seed);
		}
		struct folder_copy *copy = begin(*state);
		for (unsigned round = random_number(&seed, 4); round > 0; round--) {
			for (int i = 0; i < 4; i++) {
				do_something(at(*state, "src"), &seed);
			}
			(void)catch_up(copy);
		}
		for (int i = 0; i < 4; i++) {
			do_something(at(*state, "src"), &seed);
		}
		(void)completed(copy);
		assert_archive_is_now(*state);
	}
}

/* --- what no time stamp tells ----------------------------------------------------------------------------------------
 */

struct writer {
	volatile uint64_t *page;
	bool stop; /* atomic */
};

/* Writes to mapped memory all the time: only the first write after a flush gives the file a new time stamp. */
static void *write_to_memory(void *context)
{
	struct writer *writer = context;
	while (!__atomic_load_n(&writer->stop, __ATOMIC_RELAXED)) {
		(*writer->page)++;
	}
	return NULL;
}

/* One try; true if the moment's content is in the archive. */
static bool mapped_memory_is_followed(const char *scratch)
{
	shell_ok("cd '%s' && rm -rf src out archive.tar.gz && mkdir src && head -c 4096 /dev/zero >src/mapped", scratch);
	int fd = open(at(scratch, "src/mapped"), O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(memory != MAP_FAILED);
	struct writer writer = {.page = memory};
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, write_to_memory, &writer), 0);
	struct folder_copy *copy = begin(scratch);
	__atomic_store_n(&writer.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	*writer.page = UINT64_C(0x6c61737420776f72);
	(void)completed(copy);
	munmap(memory, 4096);
	close(fd);
	char *out =
		shell(NULL, "cd '%s' && mkdir out && tar xzf archive.tar.gz -C out && head -c 8 out/data/mapped", scratch);
	bool followed = memcmp(out, "row tsal", 8) == 0;
	free(out);
	return followed;
}

enum { MEMORY_TRIES = 40 };

static void what_is_written_through_memory_after_the_copy_is_not_missed(void **state)
{
	for (int i = 0; i < MEMORY_TRIES; i++) {
		assert_true(mapped_memory_is_followed(*state));
	}
}

/* The same without the rule has to go wrong, or the test above shows nothing. */
static void without_the_rule_for_racily_clean_files_it_is_missed(void **state)
{
	int missed = 0;
	setenv("WHISPERBACKUP_TEST_WITHOUT", "racily_clean", 1);
	for (int i = 0; i < MEMORY_TRIES && missed == 0; i++) {
		missed += !mapped_memory_is_followed(*state);
	}
	unsetenv("WHISPERBACKUP_TEST_WITHOUT");
	assert_int_not_equal(missed, 0);
}

/*
 * A file that has to be compared cannot be found for a while, since its folder has another name, and comes back: its
 * own stat tells nothing of that.
 */
static void a_file_that_is_away_while_it_is_to_be_compared_is_compared_later(void **state)
{
	make_source(*state, "mkdir d; head -c 4096 /dev/zero >d/mapped; head -c 9000 /dev/zero >d/other");
	int fd = open(at(*state, "src/d/mapped"), O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	char *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(memory != MAP_FAILED);
	struct folder_copy *copy = NULL;
	struct error error;
	uint64_t bytes = 0;
	assert_ok(folder_copy_of(at(*state, "src"), "data", at(*state, "archive.tar.gz"), &copy, &error), &error);
	assert_ok(folder_copy_catch_up(copy, NULL, &bytes, &error), &error);
	catch_up_while(copy, at(*state, "src"), "echo 1 >>d/other", memory); /* after the flush: it has its time stamp */
	memory[0]++;
	run_in(at(*state, "src"), "sleep 0.1");
	catch_up_while(copy, at(*state, "src"), "mv d e", NULL);
	run_in(at(*state, "src"), "mv e d");
	(void)completed(copy);
	munmap(memory, 4096);
	close(fd);
	assert_archive_is_now(*state);
}

/* A file system in memory has nothing to flush, so only the first write through mapped memory gets a time stamp. */
static void where_nothing_is_flushed_everything_is_compared(void **state)
{
	char folder[] = "/dev/shm/whisperbackup-test-XXXXXX";
	if (mkdtemp(folder) == NULL) {
		skip();
	}
	make_source(folder, "head -c 4096 /dev/zero >mapped");
	int fd = open(at(folder, "src/mapped"), O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	char *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(memory != MAP_FAILED);
	memory[0]++;
	run_in(folder, "sleep 0.1");
	struct folder_copy *copy = begin(folder);
	memory[0]++;
	(void)completed(copy);
	munmap(memory, 4096);
	close(fd);
	assert_archive_is_now(folder);
	(void)state;
	shell_ok("rm -r '%s'", folder);
}

/* --- what must not be ----------------------------------------------------------------------------------------------
 */

/* Nobody has copied what was found, and the archive would be taken for a whole one. */
static void an_archive_that_lacks_a_file_is_never_finished(void **state)
{
	struct error error;
	CLEANUP(cleanup_direct_copy) struct direct_copy *copy = NULL;
	make_folder(at(*state, "src"));
	write_file(at(*state, "src/one"), "1");
	assert_ok(direct_copy_new(at(*state, "src"), "data", at(*state, "archive.tar.gz"), &copy, &error), &error);
	assert_ok(file_tree_scan(&copy->tree, &error), &error);
	assert_ok(direct_entry_write_plain(copy, copy->tree.files[0], &error), &error);
	assert_status(STATUS_FAILED, direct_moment_finish(copy, NULL, &error), &error);
	assert_string_equal(error.message, "one is missing in the archive");
}

int main(void)
{
	/* As main does it: to libarchive, names are what the locale says. */
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	const struct CMUnitTest tests[] = {
		scratch_test(what_has_not_changed_is_not_read_again),
		scratch_test(a_block_that_has_changed_is_taken_anew),
		scratch_test(a_file_that_has_grown_is_taken_anew_at_its_end),
		scratch_test(a_file_that_has_grown_by_zeros_alone_is_noticed),
		scratch_test(a_file_that_has_become_shorter_is_cut),
		scratch_test(a_file_that_has_become_empty_is_empty),
		scratch_test(what_is_gone_is_not_in_the_archive),
		scratch_test(everything_may_be_gone),
		scratch_test(what_is_new_is_in_the_archive),
		scratch_test(a_rename_moves_the_content),
		scratch_test(a_file_may_become_a_folder_and_the_other_way_round),
		scratch_test(modes_owners_and_times_alone_are_noticed),
		scratch_test(a_file_that_was_replaced_by_one_of_the_same_size_and_time_is_noticed),
		scratch_test(hard_links_that_come_and_go_are_noticed),
		scratch_test(holes_that_come_and_go_are_noticed),
		scratch_test(nothing_stale_stays_in_the_archive),
		scratch_test(little_of_a_large_file_is_left_to_the_moment),
		scratch_test(what_has_changed_is_less_each_time_if_nothing_happens),
		scratch_test(a_moment_may_be_taken_again),
		scratch_test(what_happens_after_the_moment_does_not_show),
		scratch_test(links_show_what_they_pointed_to_in_the_moment),
		scratch_test(what_changes_its_kind_after_the_scan_is_no_failure),
		scratch_test(a_file_that_is_away_while_it_is_to_be_compared_is_compared_later),
		scratch_test(where_nothing_is_flushed_everything_is_compared),
		scratch_test(a_copy_that_is_given_up_leaves_nothing_but_the_draft),
		scratch_test(a_failure_to_write_ends_the_copy),
		scratch_test(any_number_of_changes_is_followed),
		scratch_test(what_is_written_through_memory_after_the_copy_is_not_missed),
		scratch_test(without_the_rule_for_racily_clean_files_it_is_missed),
		scratch_test(an_archive_that_lacks_a_file_is_never_finished),
	};
	return cmocka_run_group_tests_name("folder_copy", tests, NULL, NULL);
}
