/* stores/redis/persistence: what INFO says, and whose save a file is. */
#include "support.h"

#include "stores/redis/persistence.h"

#include "stores/redis/dump.h"

#include <time.h>

/* --- INFO persistence --------------------------------------------------------------------------------------------- */

static enum status read_both(const char *text, const char *statistics, struct redis_persistence *persistence)
{
	struct error error;
	struct buffer info = BUFFER_INIT(1 << 16);
	struct buffer commands = BUFFER_INIT(1 << 16);
	assert_ok(buffer_append_text(&info, text, &error), &error);
	assert_ok(buffer_append_text(&commands, statistics, &error), &error);
	enum status status = redis_persistence_read(&info, &commands, persistence, &error);
	buffer_free(&info);
	buffer_free(&commands);
	return status;
}

static enum status read_persistence(const char *text, struct redis_persistence *persistence)
{
	return read_both(text, "# Commandstats\r\ncmdstat_get:calls=1,usec=3\r\n", persistence);
}

static void how_saves_go_is_read(void **state)
{
	(void)state;
	struct redis_persistence persistence;
	assert_int_equal(read_persistence("# Persistence\r\nloading:0\r\nrdb_bgsave_in_progress:1\r\n"
									  "rdb_last_save_time:1795599904\r\nrdb_last_bgsave_status:err\r\nrdb_saves:7\r\n"
									  "aof_rewrite_in_progress:1\r\n",
									  &persistence),
					 STATUS_OK);
	assert_true(persistence.saving && persistence.rewriting && persistence.failed);
	assert_int_equal(persistence.saves, 7);
	assert_int_equal(persistence.last_save, 1795599904);
}

static void an_old_server_has_no_number_of_saves(void **state)
{
	(void)state;
	struct redis_persistence persistence;
	assert_int_equal(
		read_persistence("rdb_bgsave_in_progress:0\r\nrdb_last_save_time:5\r\nrdb_last_bgsave_status:ok\r\n",
						 &persistence),
		STATUS_OK);
	assert_false(persistence.saving || persistence.rewriting || persistence.failed);
	assert_int_equal(persistence.saves, -1);
}

static void another_answer_is_refused(void **state)
{
	(void)state;
	struct redis_persistence persistence;
	assert_int_equal(read_persistence("NOPERM this user has no permissions\r\n", &persistence), STATUS_FAILED);
	assert_int_equal(read_persistence("", &persistence), STATUS_FAILED);
}

static const char some_saves[] =
	"rdb_bgsave_in_progress:0\r\nrdb_last_save_time:5\r\nrdb_last_bgsave_status:ok\r\nrdb_saves:7\r\n";

static void how_often_it_was_emptied_is_read(void **state)
{
	(void)state;
	struct redis_persistence persistence;
	assert_int_equal(read_both(some_saves,
							   "# Commandstats\r\ncmdstat_flushdb:calls=9,usec=7\r\n"
							   "cmdstat_flushall:calls=3,usec=105,usec_per_call=35.00,rejected_calls=0,"
							   "failed_calls=0\r\n",
							   &persistence),
					 STATUS_OK);
	assert_int_equal(persistence.flushes, 3);
	assert_int_equal(read_both(some_saves, "# Commandstats\r\n", &persistence), STATUS_OK);
	assert_int_equal(persistence.flushes, 0);
}

static void one_that_does_not_tell_how_often_it_was_emptied_is_refused(void **state)
{
	(void)state;
	struct redis_persistence persistence;
	assert_int_equal(read_both(some_saves, "", &persistence), STATUS_FAILED);
	assert_int_equal(read_both(some_saves, "NOPERM this user has no permissions\r\n", &persistence), STATUS_FAILED);
	assert_int_equal(read_both(some_saves, "# Commandstats\r\ncmdstat_flushall:often\r\n", &persistence),
					 STATUS_FAILED);
}

/* --- INFO keyspace ------------------------------------------------------------------------------------------------ */

static bool read_keyspace(const char *text, struct fingerprint *fingerprint)
{
	struct error error;
	struct buffer info = BUFFER_INIT(1 << 16);
	bool known = false;
	assert_ok(buffer_append_text(&info, text, &error), &error);
	assert_ok(redis_keyspace_read(&info, fingerprint, &known, &error), &error);
	buffer_free(&info);
	return known;
}

static void assert_count(const struct count *count, const char *kind, const char *name, uint64_t number)
{
	assert_string_equal(count->kind, kind);
	assert_string_equal(count->name, name);
	assert_int_equal(count->number, number);
}

static void keys_are_counted_for_each_database(void **state)
{
	(void)state;
	struct fingerprint fingerprint = {0};
	assert_true(read_keyspace("# Keyspace\r\ndb0:keys=2026,expires=1002,avg_ttl=1138943871\r\n"
							  "db15:keys=5,expires=0,avg_ttl=0,subexpiry=0\r\n",
							  &fingerprint));
	assert_int_equal(fingerprint.count, 4);
	assert_count(&fingerprint.items[0], "keys", "db0", 2026);
	assert_count(&fingerprint.items[1], "expiring keys", "db0", 1002);
	assert_count(&fingerprint.items[2], "keys", "db15", 5);
	assert_count(&fingerprint.items[3], "expiring keys", "db15", 0);
	fingerprint_free(&fingerprint);
}

/* As Redis 7.4.1 says it. */
static void keys_with_fields_that_expire_are_counted(void **state)
{
	(void)state;
	struct fingerprint fingerprint = {0};
	assert_true(read_keyspace("# Keyspace\r\ndb0:keys=4,expires=2,avg_ttl=0,subexpiry=3\r\n"
							  "db3:keys=1,expires=0,avg_ttl=0,subexpiry=0\r\n",
							  &fingerprint));
	assert_int_equal(fingerprint.count, 5);
	assert_count(&fingerprint.items[2], "keys with expiring fields", "db0", 3);
	assert_count(&fingerprint.items[3], "keys", "db3", 1);
	fingerprint_free(&fingerprint);
}

static void an_empty_server_has_no_counts_and_is_known(void **state)
{
	(void)state;
	struct fingerprint fingerprint = {0};
	assert_true(read_keyspace("# Keyspace\r\n", &fingerprint));
	assert_int_equal(fingerprint.count, 0);
}

static void a_refusal_leaves_the_counts_unknown(void **state)
{
	(void)state;
	struct fingerprint fingerprint = {0};
	assert_false(read_keyspace("NOPERM this user has no permissions to run the 'info' command\r\n", &fingerprint));
	assert_int_equal(fingerprint.count, 0);
}

static void counts_are_compared(void **state)
{
	(void)state;
	struct fingerprint one = {0};
	struct fingerprint other = {0};
	struct fingerprint more = {0};
	(void)read_keyspace("# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n", &one);
	(void)read_keyspace("# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=77\r\n", &other);
	(void)read_keyspace("# Keyspace\r\ndb0:keys=2,expires=0,avg_ttl=0\r\n", &more);
	assert_true(fingerprint_is_same(&one, &other));
	assert_false(fingerprint_is_same(&one, &more));
	fingerprint_free(&more);
	assert_false(fingerprint_is_same(&one, &more));
	fingerprint_free(&one);
	fingerprint_free(&other);
}

/* --- whose save is it? -------------------------------------------------------------------------------------------- */

static struct redis_persistence seen(long long saves, bool saving)
{
	return (struct redis_persistence){.saves = saves, .saving = saving};
}

static void a_save_has_ended_when_none_is_under_way_or_another_has_begun(void **state)
{
	(void)state;
	const struct redis_persistence before = seen(4, false);
	static const struct {
		long long saves;
		bool saving;
		bool ended;
	} cases[] = {{3, false, false}, {4, false, false}, {4, true, false}, {5, true, false},
				 {5, false, true},  {6, true, true},   {6, false, true}, {9, true, true}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct redis_persistence now = seen(cases[i].saves, cases[i].saving);
		assert_int_equal(redis_save_has_ended(&before, &now), cases[i].ended);
	}
}

static void a_failure_is_ours_until_the_next_save_has_ended(void **state)
{
	(void)state;
	const struct redis_persistence before = {.saves = 4, .failed = true};
	static const struct {
		long long saves;
		bool saving;
		bool ours;
	} cases[] = {{5, true, false}, {5, false, true}, {6, true, true}, {6, false, false}, {7, true, false}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct redis_persistence bad = {.saves = cases[i].saves, .saving = cases[i].saving, .failed = true};
		const struct redis_persistence good = seen(cases[i].saves, cases[i].saving);
		assert_int_equal(redis_save_has_failed(&before, &bad), cases[i].ours);
		assert_false(redis_save_has_failed(&before, &good));
	}
}

static void without_numbers_the_time_tells(void **state)
{
	(void)state;
	const struct redis_persistence before = {.saves = -1, .last_save = 100};
	const struct redis_persistence under_way = {.saves = -1, .saving = true, .last_save = 100};
	const struct redis_persistence ended = {.saves = -1, .last_save = 103};
	const struct redis_persistence again = {.saves = -1, .last_save = 110};
	const struct redis_persistence bad = {.saves = -1, .last_save = 100, .failed = true};
	assert_false(redis_save_has_ended(&before, &before));
	assert_false(redis_save_has_ended(&before, &under_way));
	assert_true(redis_save_has_ended(&before, &ended));
	assert_true(redis_save_has_failed(&before, &bad));
	assert_false(redis_save_has_failed(&before, &under_way));
	assert_true(redis_save_is_dump(&before, &ended, &ended));
	assert_false(redis_save_is_dump(&before, &ended, &again));
	assert_false(redis_save_is_dump(&before, &under_way, &ended));
	assert_false(redis_save_is_temporary(&before, &under_way, &under_way));
}

static void without_numbers_a_save_that_is_over_and_not_the_last_one_was_killed(void **state)
{
	(void)state;
	const struct redis_persistence before = {.saves = -1, .last_save = 100};
	const struct redis_persistence under_way = {.saves = -1, .saving = true, .last_save = 100};
	const struct redis_persistence ended = {.saves = -1, .last_save = 103};
	const struct redis_persistence bad = {.saves = -1, .last_save = 100, .failed = true};
	assert_true(redis_save_was_killed(&before, &before));
	assert_false(redis_save_was_killed(&before, &under_way));
	assert_false(redis_save_was_killed(&before, &ended));
	assert_false(redis_save_was_killed(&before, &bad));
}

static void after_a_flush_no_file_is_ours(void **state)
{
	(void)state;
	const struct redis_persistence before = {.saves = 4, .flushes = 2};
	const struct redis_persistence under_way = {.saves = 5, .saving = true, .flushes = 2};
	const struct redis_persistence ended = {.saves = 5, .flushes = 2};
	const struct redis_persistence flushed = {.saves = 5, .flushes = 3};
	const struct redis_persistence reset = {.saves = 5, .flushes = 0};
	assert_true(redis_save_is_dump(&before, &ended, &ended));
	assert_false(redis_save_is_dump(&before, &ended, &flushed));
	assert_false(redis_save_is_dump(&before, &ended, &reset));
	assert_true(redis_save_is_temporary(&before, &under_way, &ended));
	assert_false(redis_save_is_temporary(&before, &under_way, &flushed));
}

static void without_numbers_a_clock_that_was_set_back_hides_no_save(void **state)
{
	(void)state;
	const struct redis_persistence before = {.saves = -1, .last_save = 100};
	const struct redis_persistence ended = {.saves = -1, .last_save = 40};
	assert_true(redis_save_has_ended(&before, &ended));
	assert_true(redis_save_is_dump(&before, &ended, &ended));
}

/*
 * A server that makes saves of its own and is emptied, in every order of things: where the rules say that a file is
 * ours, it is. In each step nothing comes next, or what a save does, or a FLUSHALL.
 */
enum happening { NOTHING, SAVE, FLUSH, HAPPENINGS };
enum { STEPS = 8, SCRIPTS = 6561 /* HAPPENINGS to the power of STEPS */ };

struct server {
	struct redis_persistence now;
	long long dump; /* number of the save whose file it is; 0: of none */
};

/* How a server saves that was not told to. */
struct habits {
	bool foreground;
	bool save_points;
};

static void go_on(struct server *server, enum happening what, struct habits habits)
{
	if (what == FLUSH) {
		server->now.flushes++;
		server->now.saving = false;
		server->dump = habits.save_points ? 0 : server->dump;
	} else if (server->now.saving) {
		server->dump = server->now.saves;
		server->now.saving = false;
	} else {
		server->now.saves++;
		server->now.saving = !habits.foreground;
		server->dump = habits.foreground ? server->now.saves : server->dump;
	}
}

static unsigned dumps;
static unsigned temporaries;

/* What is in the folder is opened in the step `open`, and the server was last looked at in the step `first`. */
static void play(unsigned script, struct habits habits, unsigned first, unsigned open)
{
	const struct redis_persistence before = seen(7, false);
	struct server server = {.now = seen(8, true), .dump = 7};
	struct redis_persistence then = server.now;
	long long opened_dump = 0;
	long long opened_temporary = 0;
	for (unsigned step = 0; step < STEPS; step++, script /= HAPPENINGS) {
		if (step == first) {
			then = server.now;
		}
		if (step == open) {
			opened_dump = server.dump;
			opened_temporary = server.now.saving ? server.now.saves : 0;
		}
		if (script % HAPPENINGS != NOTHING) {
			go_on(&server, (enum happening)(script % HAPPENINGS), habits);
		}
	}
	if (redis_save_is_dump(&before, &then, &server.now)) {
		dumps++;
		assert_int_equal(opened_dump, 8);
	}
	if (opened_temporary != 0 && redis_save_is_temporary(&before, &then, &server.now)) {
		temporaries++;
		assert_int_equal(opened_temporary, 8);
	}
}

static void what_is_said_to_be_ours_is_ours(void **state)
{
	(void)state;
	dumps = temporaries = 0;
	for (unsigned script = 0; script < SCRIPTS; script++) {
		for (unsigned kind = 0; kind < 4; kind++) {
			const struct habits habits = {.foreground = (kind & 1) != 0, .save_points = (kind & 2) != 0};
			for (unsigned first = 0; first < STEPS; first++) {
				for (unsigned open = first; open < STEPS; open++) {
					play(script, habits, first, open);
				}
			}
		}
	}
	assert_true(dumps > 0 && temporaries > 0);
}

/* --- the file of a save under way --------------------------------------------------------------------------------- */

static void make_at(const char *path, const char *text, time_t seconds)
{
	const struct timespec times[] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
	write_file(path, text);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void the_newest_file_of_a_save_is_opened(void **state)
{
	const char *folder = *state;
	const struct timespec since = {.tv_sec = 1000};
	make_at(at(folder, "temp-12.rdb"), "left behind", 999);
	make_at(at(folder, "temp-7.rdb"), "older", 1000);
	make_at(at(folder, "temp-13.rdb"), "ours", 1001);
	make_at(at(folder, "temp-1700000000.99.rdb"), "a replica's", 1002);
	make_at(at(folder, "temp-rewriteaof-13.aof"), "another thing", 1003);
	CLEANUP(cleanup_close) int fd = redis_dump_open_temporary(folder, &since);
	char text[16] = "";
	assert_int_equal(pread(fd, text, sizeof text, 0), 4);
	assert_string_equal(text, "ours");
	assert_true(redis_dump_is_temporary(folder, fd));
	assert_int_equal(rename(at(folder, "temp-13.rdb"), at(folder, "dump.rdb")), 0);
	assert_false(redis_dump_is_temporary(folder, fd));
	assert_int_equal(unlink(at(folder, "dump.rdb")), 0);
	assert_false(redis_dump_is_temporary(folder, fd));
}

static void what_was_left_behind_is_not_opened(void **state)
{
	const struct timespec since = {.tv_sec = 1000};
	make_at(at(*state, "temp-12.rdb"), "left behind", 999);
	assert_int_equal(redis_dump_open_temporary(*state, &since), -1);
	assert_int_equal(redis_dump_open_temporary(at(*state, "nothing"), &since), -1);
}

static void what_is_no_file_is_not_opened(void **state)
{
	const struct timespec since = {.tv_sec = 1000};
	make_folder(at(*state, "temp-12.rdb"));
	assert_int_equal(symlink("/dev/zero", at(*state, "temp-13.rdb")), 0);
	assert_int_equal(mkfifo(at(*state, "temp-14.rdb"), 0600), 0);
	assert_int_equal(redis_dump_open_temporary(*state, &since), -1);
}

static void a_dump_that_is_a_pipe_is_not_waited_for(void **state)
{
	struct error error;
	int fd = -1;
	assert_int_equal(mkfifo(at(*state, "dump.rdb"), 0600), 0);
	assert_status(STATUS_FAILED, redis_dump_open(*state, "dump.rdb", &fd, &error), &error);
	assert_int_equal(fd, -1);
	assert_non_null(strstr(error.message, "is not a file"));
}

static void a_dump_is_another_one_than_before_or_not(void **state)
{
	const struct timespec later[] = {{.tv_sec = 3000000000}, {.tv_sec = 3000000000}};
	const struct redis_dump_identity none = redis_dump_identify(*state, "dump.rdb");
	write_file(at(*state, "dump.rdb"), "a dump");
	const struct redis_dump_identity before = redis_dump_identify(*state, "dump.rdb");
	CLEANUP(cleanup_close) int fd = open(at(*state, "dump.rdb"), O_RDWR);
	assert_true(redis_dump_is_same(fd, &before));
	assert_false(redis_dump_is_same(fd, &none));
	assert_int_equal(futimens(fd, later), 0);
	assert_false(redis_dump_is_same(fd, &before)); /* as one whose number was used again */
	write_file(at(*state, "temp-1.rdb"), "the next");
	assert_int_equal(utimensat(AT_FDCWD, at(*state, "temp-1.rdb"), later, 0), 0);
	const struct redis_dump_identity next = redis_dump_identify(*state, "temp-1.rdb");
	assert_false(redis_dump_is_same(fd, &next));
	assert_true(redis_dump_is_same(-1, &next));
}

static bool has_end(const char *path, const char *bytes, size_t length)
{
	CLEANUP(cleanup_close) int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, bytes, length), length);
	return redis_dump_has_end(fd);
}

static void a_dump_that_is_cut_off_has_no_end(void **state)
{
	static const char bytes[] = "REDIS0010\xff"
								"12345678";
	const char *path = at(*state, "dump.rdb");
	assert_true(has_end(path, bytes, sizeof bytes - 1));
	for (size_t length = 0; length < sizeof bytes - 1; length++) {
		assert_false(has_end(path, bytes, length));
	}
}

/* It would be taken for a whole one. */
static void a_file_in_a_folder_that_cannot_be_read_may_have_a_temporary_name(void **state)
{
	write_file(at(*state, "dump.rdb"), "ours");
	CLEANUP(cleanup_close) int fd = open(at(*state, "dump.rdb"), O_RDONLY);
	assert_true(redis_dump_is_temporary(at(*state, "nothing"), fd));
	assert_true(redis_dump_is_temporary(*state, -1));
	assert_false(redis_dump_is_temporary(*state, fd));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(how_saves_go_is_read),
		cmocka_unit_test(an_old_server_has_no_number_of_saves),
		cmocka_unit_test(another_answer_is_refused),
		cmocka_unit_test(how_often_it_was_emptied_is_read),
		cmocka_unit_test(one_that_does_not_tell_how_often_it_was_emptied_is_refused),
		cmocka_unit_test(keys_are_counted_for_each_database),
		cmocka_unit_test(keys_with_fields_that_expire_are_counted),
		cmocka_unit_test(an_empty_server_has_no_counts_and_is_known),
		cmocka_unit_test(a_refusal_leaves_the_counts_unknown),
		cmocka_unit_test(counts_are_compared),
		cmocka_unit_test(a_save_has_ended_when_none_is_under_way_or_another_has_begun),
		cmocka_unit_test(a_failure_is_ours_until_the_next_save_has_ended),
		cmocka_unit_test(without_numbers_the_time_tells),
		cmocka_unit_test(without_numbers_a_save_that_is_over_and_not_the_last_one_was_killed),
		cmocka_unit_test(after_a_flush_no_file_is_ours),
		cmocka_unit_test(without_numbers_a_clock_that_was_set_back_hides_no_save),
		cmocka_unit_test(what_is_said_to_be_ours_is_ours),
		scratch_test(the_newest_file_of_a_save_is_opened),
		scratch_test(what_was_left_behind_is_not_opened),
		scratch_test(what_is_no_file_is_not_opened),
		scratch_test(a_dump_that_is_a_pipe_is_not_waited_for),
		scratch_test(a_dump_is_another_one_than_before_or_not),
		scratch_test(a_dump_that_is_cut_off_has_no_end),
		scratch_test(a_file_in_a_folder_that_cannot_be_read_may_have_a_temporary_name),
	};
	return cmocka_run_group_tests_name("redis_persistence", tests, NULL, NULL);
}
