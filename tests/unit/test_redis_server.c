/* stores/redis/server, moment and dump: a Redis that answers otherwise than most do, and what is then said of it. */
#include "server_support.h"
#include "volume_support.h"

#include "stores/redis/server.h"
#include "stores/store_table.h"

#include <fnmatch.h>

/* --- a server ----------------------------------------------------------------------------------------------------- */

struct saves {
	long long begun;
	bool saving;
	bool failed;
	long long takes;   /* seconds, to say so */
	long long flushes; /* FLUSHALL so far */
};

struct words {
	const char *question; /* as it is asked, its words joined by spaces; NULL ends a list */
	const char *answer;
};

#define SETTINGS "CONFIG GET " REDIS_SETTINGS

static const struct words usual[] = {
	{"PING", "PONG\n"},
	{"INFO server", "# Server\r\nredis_version:7.0.15\r\n"},
	{SETTINGS, "appenddirname\nappendonlydir\ndbfilename\ndump.rdb\nproc-title-dir\n\ndir\n/var/lib/data\n"
			   "appendfilename\nappendonly.aof\n"},
	{"stat -c %u %g /var/lib/data", "999 1000\n"},
	{"INFO keyspace", "# Keyspace\r\ndb0:keys=2,expires=0,avg_ttl=0\r\n"},
	{"BGSAVE", "Background saving started\n"},
	{"INFO replication", "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"},
	{"stat -c %Y /var/lib/data/dump.rdb", "2\n"},
	{NULL, NULL},
};

static const struct words *odd;   /* comes before that; may be NULL */
static const struct saves *looks; /* what INFO persistence says, one after the other; the last one stays */
static size_t looks_left;         /* behind that one */
static long long flushes;         /* as of the last look */

static const char *answer(const char *question)
{
	for (const struct words *words = odd; words != NULL && words->question != NULL; words++) {
		if (strcmp(words->question, question) == 0) {
			return words->answer;
		}
	}
	for (const struct words *words = usual; words->question != NULL; words++) {
		if (strcmp(words->question, question) == 0) {
			return words->answer;
		}
	}
	fail_msg("nobody knows what to answer to %s", question);
	return NULL;
}

static const char *run_program(const struct exec_request *request, int *ret_exit_code)
{
	static const char client[] = "redis-cli -p 6379 ";
	char question[512] = "";
	(void)ret_exit_code;
	if (request->input) {
		return NULL;
	}
	for (size_t i = 0; request->arguments[i] != NULL; i++) {
		size_t length = strlen(question);
		snprintf(question + length, sizeof question - length, "%s%s", i > 0 ? " " : "", request->arguments[i]);
	}
	return answer(strncmp(question, client, sizeof client - 1) == 0 ? question + sizeof client - 1 : question);
}

static const char *answer_line(const char *line)
{
	static char text[256];
	if (strncmp(line, "ECHO ", 5) == 0) {
		snprintf(text, sizeof text, "%s\n", line + 5);
		return text;
	}
	if (strcmp(line, "INFO commandstats") == 0) {
		snprintf(text, sizeof text, "# Commandstats\r\ncmdstat_flushall:calls=%lld,usec=1\r\n", flushes);
		return text;
	}
	if (strcmp(line, "INFO persistence") != 0) {
		return answer(line);
	}
	snprintf(text, sizeof text,
			 "rdb_bgsave_in_progress:%d\r\nrdb_last_save_time:1\r\nrdb_last_bgsave_status:%s\r\nrdb_saves:%lld\r\n",
			 looks->saving, looks->failed ? "err" : "ok", looks->begun);
	time_pass(looks->takes * TIME_BILLION);
	flushes = looks->flushes;
	looks += looks_left > 0;
	looks_left -= looks_left > 0;
	return text;
}

/* The engine's stream of a path in the volume. */
static enum status archive_of(struct runtime *self, const struct container *in, const char *path,
							  struct source **ret_tar, struct error *error)
{
	(void)self;
	(void)in;
	(void)error;
	static char *bytes;
	size_t length = 0;
	shell_ok("tar cf '%s.tar' -C '%s' '%s'", volume, volume, path + strlen(destination) + 1);
	free(bytes);
	bytes = read_file(at(volume, "../data.tar"), &length);
	*ret_tar = drip(bytes, length, 1000);
	return STATUS_OK;
}

static const struct runtime_ops engine = {SERVER_PROGRAMS, .archive_get = archive_of};

/* A server with a volume that is empty; `access` is VOLUME_API, or what only root may use. */
static void make_server(void **state, enum volume_access access, const struct words *words)
{
	if (access != VOLUME_API && geteuid() != 0) {
		skip();
	}
	runtime = (struct runtime){.ops = &engine, .volume_access = access};
	server.run = run_program;
	server.line = answer_line;
	odd = words;
	looks = NULL;
	flushes = 0;
	snprintf(volume, sizeof volume, "%s/data", (const char *)*state);
	make_folder(volume);
}

#define WORDS(...) ((const struct words[]){__VA_ARGS__, {NULL, NULL}})

/* From now on INFO persistence says these. */
#define LOOKS(...)                                                                                                     \
	do {                                                                                                               \
		static const struct saves list[] = {__VA_ARGS__};                                                              \
		looks = list;                                                                                                  \
		looks_left = sizeof list / sizeof *list - 1;                                                                   \
	} while (0)

/* --- getting to know it ------------------------------------------------------------------------------------------- */

static void assert_refused(void **state, const struct words *words, const char *message, const char *hint)
{
	struct error error;
	struct store *store = NULL;
	make_server(state, VOLUME_API, words);
	assert_status(STATUS_FAILED, store_redis.open(&runtime, &container, &store, &error), &error);
	assert_string_equal(error.message, message);
	assert_string_equal(error.hint, hint);
	assert_null(store);
}

static void one_whose_configuration_is_not_told_is_refused_with_a_hint(void **state)
{
	assert_refused(state, WORDS({SETTINGS, "ERR unknown command 'CONFIG', with args beginning with: 'GET' 'dir' \n\n"}),
				   "Redis does not tell its configuration: ERR unknown command 'CONFIG', with args beginning with: "
				   "'GET' 'dir'",
				   "the command CONFIG must not be renamed or forbidden");
}

static void all_settings_are_asked_for(void **state)
{
	(void)state;
	static const char *const names[] = {"dir", "dbfilename", "appenddirname", "appendfilename"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		assert_int_equal(fnmatch(REDIS_SETTINGS, names[i], 0), 0); /* as Redis' own patterns, as far as this one goes */
	}
}

static void a_value_that_is_the_name_of_a_setting_is_a_value(void **state)
{
	struct error error;
	struct store *store = NULL;
	make_server(state, VOLUME_API,
				WORDS({SETTINGS, "dbfilename\ndir\nappendfilename\ndbfilename\ndir\n/var/lib/data\n"}));
	assert_ok(store_redis.open(&runtime, &container, &store, &error), &error);
	assert_string_equal(store->data_folder, "/var/lib/data");
	assert_string_equal(((struct redis *)store)->dump_name, "dir");
	assert_string_equal(((struct redis *)store)->append_name, "dbfilename");
	store_free(store);
}

static void one_whose_files_names_are_too_long_is_refused(void **state)
{
	char answer_of_it[400] = "dir\n/var/lib/data\ndbfilename\n";
	memset(answer_of_it + strlen(answer_of_it), 'x', 300);
	assert_refused(state, WORDS({SETTINGS, answer_of_it}), "Redis has a dbfilename that is too long", "");
}

static void one_that_has_no_version_is_refused(void **state)
{
	assert_refused(state, WORDS({"INFO server", "NOPERM User default has no permissions to run the 'info' command\n"}),
				   "Redis does not tell its version: NOPERM User default has no permissions to run the 'info' command",
				   "");
}

static void one_that_has_no_place_for_its_files_is_refused(void **state)
{
	assert_refused(state, WORDS({SETTINGS, "dbfilename\ndump.rdb\nappendfilename\nappendonly.aof\ndir\n\n"}),
				   "Redis does not tell where its files are", "");
}

static void one_that_has_no_name_for_its_dump_is_refused(void **state)
{
	assert_refused(state, WORDS({SETTINGS, "dbfilename\n\nappendfilename\nappendonly.aof\ndir\n/var/lib/data\n"}),
				   "Redis does not tell where its files are", "");
}

static void one_whose_dump_lies_elsewhere_is_refused(void **state)
{
	assert_refused(state, WORDS({SETTINGS, "dbfilename\n../../etc/shadow\ndir\n/var/lib/data\n"}),
				   "Redis gives a file of its own a name that is none: ../../etc/shadow", "");
}

static void one_whose_dump_is_the_folder_above_is_refused(void **state)
{
	assert_refused(state, WORDS({SETTINGS, "dbfilename\n..\ndir\n/var/lib/data\n"}),
				   "Redis gives a file of its own a name that is none: ..", "");
}

static void one_whose_append_only_files_lie_elsewhere_is_refused(void **state)
{
	assert_refused(state, WORDS({SETTINGS, "dbfilename\ndump.rdb\nappenddirname\na/b\ndir\n/var/lib/data\n"}),
				   "Redis gives a file of its own a name that is none: a/b", "");
}

static void one_whose_folder_belongs_to_nobody_is_refused(void **state)
{
	assert_refused(state, WORDS({"stat -c %u %g /var/lib/data", "? ?\n"}),
				   "the owner of Redis's data folder is not known: ? ?", "");
}

static void a_port_that_is_none_is_refused(void **state)
{
	struct error error;
	struct store *store = NULL;
	char program[] = "redis-server";
	char option[] = "--port";
	char value[] = "1234567890123456";
	char *command[] = {program, option, value, NULL};
	struct container with_port = container;
	with_port.command = command;
	make_server(state, VOLUME_API, NULL);
	assert_status(STATUS_FAILED, store_redis.open(&runtime, &with_port, &store, &error), &error);
	assert_string_equal(error.message, "Redis has a port that is none: 1234567890123456");
}

static struct store *open_store(const struct container *in)
{
	struct error error;
	struct store *store = NULL;
	assert_ok(store_redis.open(&runtime, in, &store, &error), &error);
	return store;
}

/* --- after it was opened ------------------------------------------------------------------------------------------ */

static const char read_script[] = "-n 0 EVAL local at, count = '0', 0 repeat local page = redis.call('SCAN', at, "
								  "'COUNT', 1000) at = page[1] for _, key in ipairs(page[2]) do redis.call('DUMP', "
								  "key) count = count + 1 end until at == '0' return count 0";

static void keys_that_cannot_be_read_are_damage(void **state)
{
	struct error error;
	make_server(state, VOLUME_API, WORDS({read_script, "ERR Error running script: Bad data format\n"}));
	struct store *store = open_store(&container);
	assert_status(STATUS_DAMAGED, store_redis.read_all(store, NULL, NULL, &error), &error);
	assert_string_equal(error.message, "the keys of db0 cannot be read: ERR Error running script: Bad data format");
	assert_false(error.blameless);
	store_free(store);
}

static void one_that_runs_no_scripts_just_now_is_no_damage(void **state)
{
	static const char *const replies[] = {
		"OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'\n",
		"LOADING Redis is loading the dataset in memory\n",
		"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\n",
	};
	make_server(state, VOLUME_API, NULL);
	for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
		struct error error;
		odd = WORDS({read_script, replies[i]});
		struct store *store = open_store(&container);
		assert_status(STATUS_UNAVAILABLE, store_redis.read_all(store, NULL, NULL, &error), &error);
		assert_true(error.blameless);
		store_free(store);
	}
}

static const char *const no_keyspaces[] = {
	"LOADING Redis is loading the dataset in memory\n",
	"ERR unknown command 'INFO', with args beginning with: 'keyspace'\n",
	"",
};

static void one_that_does_not_tell_its_keys_is_not_counted(void **state)
{
	make_server(state, VOLUME_API, NULL);
	for (size_t i = 0; i < sizeof no_keyspaces / sizeof *no_keyspaces; i++) {
		struct error error;
		struct fingerprint keys = {0};
		odd = WORDS({"INFO keyspace", no_keyspaces[i]});
		struct store *store = open_store(&container);
		assert_status(STATUS_UNAVAILABLE, store_redis.count(store, NULL, &keys, &error), &error);
		assert_true(error.blameless);
		store_free(store);
	}
}

/* They would be none, and reading all of none is soon done. */
static void keys_of_which_is_not_told_how_many_there_are_have_not_been_read(void **state)
{
	make_server(state, VOLUME_API, NULL);
	for (size_t i = 0; i < sizeof no_keyspaces / sizeof *no_keyspaces; i++) {
		struct error error;
		odd = WORDS({"INFO keyspace", no_keyspaces[i]});
		struct store *store = open_store(&container);
		assert_status(STATUS_UNAVAILABLE, store_redis.read_all(store, NULL, NULL, &error), &error);
		assert_true(error.blameless);
		store_free(store);
	}
}

/* As one that did not run when we began, and whose password was not known to be needed. */
static void a_password_that_is_wanted_later_is_found_later(void **state)
{
	struct error error;
	char variable[] = "REDIS_PASSWORD=late";
	char *environment[] = {variable, NULL};
	struct container with_password = container;
	with_password.environment = environment;
	make_server(state, VOLUME_API, NULL);
	struct store *store = open_store(&with_password);
	odd = WORDS({"PING", "NOAUTH Authentication required.\n"});
	assert_status(STATUS_UNAVAILABLE, store_redis.ready(store, &error), &error);
	odd = NULL;
	assert_ok(store_redis.ready(store, &error), &error);
	store_free(store);
}

/* --- saving ------------------------------------------------------------------------------------------------------- */

/* Opened, prepared, and asked for its moment. */
static struct store *asked_store(void **state)
{
	struct error error;
	struct store *store = open_store(&container);
	assert_ok(store_redis.prepare(store, at(*state, "artefact"), NULL, &error), &error);
	assert_ok(store_redis.ask(store, &error), &error);
	return store;
}

static void assert_no_moment(void **state, const char *said, enum status status, const char *message)
{
	struct error error;
	make_server(state, VOLUME_API, WORDS({"BGSAVE", said}));
	LOOKS({.begun = 4});
	struct store *store = asked_store(state);
	assert_status(status, store_redis.answer(store, &error), &error);
	assert_string_equal(error.message, message);
	store_redis.forget(store);
	store_free(store);
	assert_false(exists(at(*state, "artefact")));
}

static void one_that_refuses_to_save_says_why(void **state)
{
	assert_no_moment(state, "NOPERM User default has no permissions to run the 'bgsave' command\r\nmore\n",
					 STATUS_FAILED,
					 "Redis refuses to save: NOPERM User default has no permissions to run the 'bgsave' command");
}

static void one_that_saves_already_may_be_tried_again(void **state)
{
	assert_no_moment(state, "ERR Background save already in progress\n", STATUS_CONFLICT,
					 "Redis is saving or rewriting its append-only file all the time");
}

static void one_that_rewrites_may_be_tried_again(void **state)
{
	assert_no_moment(state,
					 "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in "
					 "order to schedule a BGSAVE whenever possible.\n",
					 STATUS_CONFLICT, "Redis is saving or rewriting its append-only file all the time");
}

static void a_save_of_somebody_else_in_the_moment_may_be_tried_again(void **state)
{
	struct error error;
	make_server(state, VOLUME_API, NULL);
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 6, .saving = true}, {.begun = 6});
	struct store *store = asked_store(state);
	assert_status(STATUS_CONFLICT, store_redis.answer(store, &error), &error);
	assert_string_equal(error.message, "other clients of Redis make it save all the time");
	store_redis.forget(store);
	store_free(store);
}

/* After that, another try is as good as any. */
static void what_was_forgotten_is_not_in_the_way_of_the_next_try(void **state)
{
	struct error error;
	struct saved saved = {0};
	make_server(state, VOLUME_AUTO, NULL);
	write_file(at(volume, "dump.rdb"), "not ours");
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5}, {.begun = 5}, {.begun = 5}, {.begun = 5}, {.begun = 5},
		  {.begun = 6});
	struct store *store = asked_store(state);
	assert_ok(store_redis.answer(store, &error), &error);
	store_redis.forget(store);
	assert_ok(store_redis.ask(store, &error), &error);
	write_file(at(volume, "next.rdb"), "ours");
	assert_int_equal(rename(at(volume, "next.rdb"), at(volume, "dump.rdb")), 0);
	assert_ok(store_redis.answer(store, &error), &error);
	/* Its content is no dump, which is found where it is written. */
	assert_status(STATUS_DAMAGED, store_redis.finish(store, NULL, &saved, &error), &error);
	assert_file_is(at(*state, "artefact"), "ours");
	store_free(store);
}

static void one_that_never_ceases_to_save_is_given_up(void **state)
{
	struct error error;
	make_server(state, VOLUME_API, NULL);
	LOOKS({.begun = 4, .saving = true, .takes = 10});
	struct store *store = open_store(&container);
	assert_status(STATUS_FAILED, store_redis.prepare(store, at(*state, "artefact"), NULL, &error), &error);
	assert_string_equal(error.message, "Redis was busy saving for more than 3600 seconds");
	store_free(store);
}

/* One whose moment was good. */
static struct store *answered_store(void **state)
{
	struct error error;
	struct store *store = asked_store(state);
	assert_ok(store_redis.answer(store, &error), &error);
	return store;
}

/* What comes after the moment is not, and nothing is left of it. */
static void assert_lost(void **state, struct store *store, const char *message, const char *hint)
{
	struct error error;
	struct saved saved = {0};
	assert_status(STATUS_FAILED, store_redis.finish(store, NULL, &saved, &error), &error);
	assert_string_equal(error.message, message);
	assert_string_equal(error.hint, hint);
	assert_int_equal(saved.fingerprint.count, 0);
	store_free(store);
	assert_false(exists(at(*state, "artefact")));
}

static const char could_not_save[] = "Redis could not save its data";
static const char see_its_log[] = "see its log (./bot.sh logs redis); most often its disk is full";

static void a_save_that_fails_is_told_with_a_hint(void **state)
{
	make_server(state, VOLUME_AUTO, NULL);
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5, .saving = true}, {.begun = 5, .failed = true});
	assert_lost(state, answered_store(state), could_not_save, see_its_log);
}

static void a_save_that_has_failed_at_once_is_told_with_a_hint(void **state)
{
	make_server(state, VOLUME_AUTO, NULL);
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5, .failed = true});
	assert_lost(state, answered_store(state), could_not_save, see_its_log);
}

static void a_save_that_fails_is_told_through_the_engine_too(void **state)
{
	make_server(state, VOLUME_API, NULL);
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5, .saving = true}, {.begun = 5, .saving = true},
		  {.begun = 5, .failed = true});
	assert_lost(state, answered_store(state), could_not_save, see_its_log);
}

static const char was_replaced[] = "Redis's next save replaced the file of this backup before it could be copied";
static const char save_less_often[] = "let Redis save less often: see its setting \"save\" (redis-cli CONFIG GET save)";

static void a_dump_that_was_replaced_before_it_was_opened_is_not_taken(void **state)
{
	make_server(state, VOLUME_AUTO, NULL);
	write_file(at(volume, "dump.rdb"), "of the next save");
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5, .saving = true}, {.begun = 7});
	assert_lost(state, answered_store(state), was_replaced, save_less_often);
}

static void a_dump_that_may_have_been_replaced_before_it_was_opened_is_not_taken(void **state)
{
	make_server(state, VOLUME_AUTO, NULL);
	write_file(at(volume, "dump.rdb"), "of the next save");
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5}, {.begun = 6});
	assert_lost(state, answered_store(state), was_replaced, save_less_often);
}

static void a_file_of_a_save_under_way_that_may_be_of_the_next_one_is_not_taken(void **state)
{
	make_server(state, VOLUME_AUTO, NULL);
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5, .saving = true}, {.begun = 6});
	shell_ok("touch -d 'next year' '%s/temp-12.rdb'", volume);
	struct store *store = answered_store(state);
	assert_int_equal(rename(at(volume, "temp-12.rdb"), at(volume, "dump.rdb")), 0);
	assert_lost(state, store, was_replaced, save_less_often);
}

static void a_dump_that_was_replaced_is_not_taken_through_the_engine_either(void **state)
{
	make_server(state, VOLUME_API, NULL);
	write_file(at(volume, "dump.rdb"), "of the next save");
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5}, {.begun = 5}, {.begun = 6});
	assert_lost(state, answered_store(state), was_replaced, save_less_often);
}

/* --- saves that were ended, and dumps that were emptied ----------------------------------------------------------- */

static const char was_emptied[] = "Redis was emptied (FLUSHALL) before the file of this backup could be copied";
static const char another_backup[] = "make another backup: it will hold what Redis holds now";
static const char was_ended[] = "Redis ended the save of this backup before it was whole";
static const char see_its_log_and_try[] = "see its log (./bot.sh logs redis), then make another backup";

/* As redis 7.0.15 writes it when it holds nothing, and with one key; without a CRC. */
#define DUMP_HEAD                                                                                                      \
	"REDIS0010\xfa\x09redis-ver\x06"                                                                                   \
	"7.0.15\xfa\x0aredis-bits\xc0\x40\xfa\x05"                                                                         \
	"ctime\xc2\xeb\xc2\x09\x6b"                                                                                        \
	"\xfa\x08used-mem\xc2\x68\x54\x0e\x00\xfa\x08"                                                                     \
	"aof-base\xc0\x00"
#define DUMP_END "\xff\0\0\0\0\0\0\0\0"
#define DUMP_KEY                                                                                                       \
	"\xfe\x00\xfb\x01\x00\x00\x01"                                                                                     \
	"a\xc0\x01"
static const char empty_dump[] = DUMP_HEAD DUMP_END;
static const char dump_of_one_key[] = DUMP_HEAD DUMP_KEY DUMP_END;

#define MAKE_DUMP(name, bytes) write_bytes(at(volume, name), bytes, sizeof(bytes) - 1)

static void assert_saved(void **state, struct store *store)
{
	struct error error;
	struct saved saved = {0};
	size_t length = 0;
	assert_ok(store_redis.finish(store, NULL, &saved, &error), &error);
	char *bytes = read_file(at(*state, "artefact"), &length);
	assert_int_equal(length, sizeof dump_of_one_key - 1);
	assert_memory_equal(bytes, dump_of_one_key, length);
	free(bytes);
	fingerprint_free(&saved.fingerprint);
	store_free(store);
}

static void one_that_is_emptied_in_the_moment_may_be_tried_again(void **state)
{
	struct error error;
	make_server(state, VOLUME_API, NULL);
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5, .flushes = 1});
	struct store *store = asked_store(state);
	assert_status(STATUS_CONFLICT, store_redis.answer(store, &error), &error);
	assert_string_equal(error.message, "other clients of Redis empty it all the time (FLUSHALL)");
	store_redis.forget(store);
	store_free(store);
}

static void a_save_that_a_flush_has_ended_is_not_taken(void **state)
{
	make_server(state, VOLUME_AUTO, NULL);
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5, .saving = true}, {.begun = 5, .saving = true},
		  {.begun = 5, .flushes = 1});
	struct store *store = answered_store(state);
	MAKE_DUMP("dump.rdb", dump_of_one_key);
	assert_lost(state, store, was_emptied, another_backup);
}

static void a_save_that_a_flush_has_ended_is_not_taken_through_the_engine_either(void **state)
{
	make_server(state, VOLUME_API, NULL);
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5, .saving = true}, {.begun = 5, .flushes = 1});
	struct store *store = answered_store(state);
	MAKE_DUMP("dump.rdb", dump_of_one_key);
	assert_lost(state, store, was_emptied, another_backup);
}

static void a_dump_that_a_flush_may_have_replaced_while_it_was_opened_is_not_taken(void **state)
{
	make_server(state, VOLUME_AUTO, NULL);
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5}, {.begun = 5, .flushes = 1});
	struct store *store = answered_store(state);
	MAKE_DUMP("dump.rdb", dump_of_one_key);
	assert_lost(state, store, was_emptied, another_backup);
}

static void a_dump_that_a_flush_may_have_replaced_is_not_taken_through_the_engine_either(void **state)
{
	make_server(state, VOLUME_API, NULL);
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5}, {.begun = 5}, {.begun = 5, .flushes = 1});
	struct store *store = answered_store(state);
	MAKE_DUMP("dump.rdb", dump_of_one_key);
	assert_lost(state, store, was_emptied, another_backup);
}

/* FLUSHALL is counted when it has ended, and since Redis 7.4 others are answered before that (docs/FACTS.md). */
static void an_empty_dump_of_one_that_had_keys_is_not_taken(void **state)
{
	make_server(state, VOLUME_AUTO, NULL);
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5});
	struct store *store = answered_store(state);
	MAKE_DUMP("dump.rdb", empty_dump);
	assert_lost(state, store, was_emptied, another_backup);
}

static void an_empty_dump_of_one_that_had_keys_is_not_taken_through_the_engine_either(void **state)
{
	make_server(state, VOLUME_API, NULL);
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5});
	struct store *store = answered_store(state);
	MAKE_DUMP("dump.rdb", empty_dump);
	assert_lost(state, store, was_emptied, another_backup);
}

static void an_empty_dump_of_one_without_keys_is_taken(void **state)
{
	struct error error;
	struct saved saved = {0};
	make_server(state, VOLUME_AUTO, WORDS({"INFO keyspace", "# Keyspace\r\n"}));
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5});
	struct store *store = answered_store(state);
	MAKE_DUMP("dump.rdb", empty_dump);
	assert_ok(store_redis.finish(store, NULL, &saved, &error), &error);
	store_free(store);
}

/* That file is ours whatever has become the dump since. */
static void a_file_that_was_held_before_a_flush_replaced_it_is_taken(void **state)
{
	make_server(state, VOLUME_AUTO, NULL);
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5, .saving = true}, {.begun = 5, .saving = true},
		  {.begun = 5, .flushes = 1});
	MAKE_DUMP("temp-12.rdb", dump_of_one_key);
	shell_ok("touch -d 'next year' '%s/temp-12.rdb'", volume);
	struct store *store = answered_store(state);
	assert_int_equal(unlink(at(volume, "temp-12.rdb")), 0);
	MAKE_DUMP("dump.rdb", empty_dump);
	assert_saved(state, store);
}

static void a_file_that_was_held_is_taken_before_a_dump_that_seems_to_be_ours(void **state)
{
	make_server(state, VOLUME_AUTO, NULL);
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5, .saving = true}, {.begun = 5, .saving = true}, {.begun = 5});
	MAKE_DUMP("temp-12.rdb", dump_of_one_key);
	shell_ok("touch -d 'next year' '%s/temp-12.rdb'", volume);
	struct store *store = answered_store(state);
	assert_int_equal(unlink(at(volume, "temp-12.rdb")), 0);
	MAKE_DUMP("dump.rdb", empty_dump);
	assert_saved(state, store);
}

static void a_file_that_was_held_and_is_cut_off_by_a_flush_is_not_taken(void **state)
{
	make_server(state, VOLUME_AUTO, NULL);
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5, .saving = true}, {.begun = 5, .saving = true},
		  {.begun = 5, .flushes = 1});
	MAKE_DUMP("temp-12.rdb", DUMP_HEAD DUMP_KEY);
	shell_ok("touch -d 'next year' '%s/temp-12.rdb'", volume);
	struct store *store = answered_store(state);
	assert_int_equal(unlink(at(volume, "temp-12.rdb")), 0);
	MAKE_DUMP("dump.rdb", dump_of_one_key);
	assert_lost(state, store, was_emptied, another_backup);
}

/* By a signal that Redis does not call a failure. */
static void a_file_that_was_held_and_is_cut_off_is_not_taken(void **state)
{
	make_server(state, VOLUME_AUTO, NULL);
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5, .saving = true}, {.begun = 5, .saving = true}, {.begun = 5});
	MAKE_DUMP("temp-12.rdb", DUMP_HEAD DUMP_KEY);
	shell_ok("touch -d 'next year' '%s/temp-12.rdb'", volume);
	struct store *store = answered_store(state);
	assert_int_equal(unlink(at(volume, "temp-12.rdb")), 0);
	MAKE_DUMP("dump.rdb", dump_of_one_key);
	assert_lost(state, store, was_ended, see_its_log_and_try);
}

static void a_dump_that_is_older_than_the_moment_is_not_taken(void **state)
{
	make_server(state, VOLUME_AUTO, NULL);
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5});
	MAKE_DUMP("dump.rdb", dump_of_one_key);
	assert_lost(state, answered_store(state), was_ended, see_its_log_and_try);
}

/* The second of the last save is the first that the fake server tells. */
static void a_dump_that_is_older_than_the_moment_is_not_taken_through_the_engine_either(void **state)
{
	make_server(state, VOLUME_API, WORDS({"stat -c %Y /var/lib/data/dump.rdb", "1\n"}));
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5});
	struct store *store = answered_store(state);
	MAKE_DUMP("dump.rdb", dump_of_one_key);
	assert_lost(state, store, was_ended, see_its_log_and_try);
}

static void a_dump_of_which_the_engine_tells_no_time_is_not_taken(void **state)
{
	make_server(state, VOLUME_API, WORDS({"stat -c %Y /var/lib/data/dump.rdb", "?\n"}));
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5});
	struct store *store = answered_store(state);
	MAKE_DUMP("dump.rdb", dump_of_one_key);
	assert_lost(state, store, "the time of Redis's dump is not known: ?", "");
}

/* It has no numbers, and would be waited for in vain. */
static void a_save_of_an_old_server_that_was_ended_is_told_at_once(void **state)
{
	make_server(state, VOLUME_AUTO, NULL);
	LOOKS({.begun = -1}, {.begun = -1}, {.begun = -1, .saving = true}, {.begun = -1});
	assert_lost(state, answered_store(state), was_ended, see_its_log_and_try);
}

static void a_save_of_an_old_server_that_was_ended_is_told_at_once_through_the_engine_too(void **state)
{
	make_server(state, VOLUME_API, NULL);
	LOOKS({.begun = -1}, {.begun = -1}, {.begun = -1, .saving = true}, {.begun = -1, .flushes = 1});
	assert_lost(state, answered_store(state), was_emptied, another_backup);
}

/* --- after the moment --------------------------------------------------------------------------------------------- */

static const char *say_nothing(const char *line)
{
	(void)line;
	return NULL;
}

static void one_that_falls_silent_while_it_saves_is_told_of(void **state)
{
	struct error error;
	struct saved saved = {0};
	make_server(state, VOLUME_AUTO, NULL);
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5, .saving = true}, {.begun = 5, .saving = true});
	struct store *store = answered_store(state);
	server.line = say_nothing;
	assert_status(STATUS_UNAVAILABLE, store_redis.finish(store, NULL, &saved, &error), &error);
	assert_string_equal(error.message, "redis-cli in container  gave no answer within 30000 ms");
	assert_int_equal(saved.fingerprint.count, 0);
	store_free(store);
	assert_false(exists(at(*state, "artefact")));
}

static void a_dump_that_is_not_where_it_should_be_is_told_of(void **state)
{
	char message[PATH_MAX + 64];
	make_server(state, VOLUME_AUTO, NULL);
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5});
	snprintf(message, sizeof message, "cannot open Redis's dump %s/dump.rdb: No such file or directory", volume);
	assert_lost(state, answered_store(state), message, "");
}

static void a_dump_that_is_no_file_is_not_taken(void **state)
{
	make_server(state, VOLUME_API, NULL);
	make_folder(at(volume, "dump.rdb"));
	LOOKS({.begun = 4}, {.begun = 4}, {.begun = 5});
	assert_lost(state, answered_store(state), "Redis's dump is not a file", "");
}

/* --- replicas ------------------------------------------------------------------------------------------------------
 */

/* As redis 7.0.15 says it. */
#define REPLICA                                                                                                        \
	"INFO replication", "# Replication\r\nrole:slave\r\nmaster_host:cache.example\r\nmaster_port:6380\r\n"             \
						"master_link_status:up\r\n"

static char warning[256];

static void keep_warning(struct progress *progress, const char *text)
{
	(void)progress;
	snprintf(warning, sizeof warning, "%s", text);
}

static void ignore_step(struct progress *progress, const char *text, uint64_t total_bytes)
{
	(void)progress;
	(void)text;
	(void)total_bytes;
}

static void prepare(void **state)
{
	struct error error;
	struct progress progress = {.step = ignore_step, .warn = keep_warning};
	warning[0] = '\0';
	LOOKS({.begun = 4});
	struct store *store = open_store(&container);
	assert_ok(store_redis.prepare(store, at(*state, "artefact"), &progress, &error), &error);
	store_free(store);
}

static void a_backup_of_a_replica_is_made_with_a_warning(void **state)
{
	make_server(state, VOLUME_API, WORDS({REPLICA}));
	prepare(state);
	assert_string_equal(warning,
						"Redis is a replica of cache.example:6380: what that had written last may not have come "
						"yet, and is not in the backup then");
}

static void a_backup_of_a_master_is_made_without_a_warning(void **state)
{
	make_server(state, VOLUME_API, NULL);
	prepare(state);
	assert_string_equal(warning, "");
}

static void a_restore_into_a_replica_is_refused_with_a_hint(void **state)
{
	struct error error;
	make_server(state, VOLUME_API, WORDS({REPLICA}));
	struct store *store = open_store(&container);
	assert_status(STATUS_FAILED, store_redis.keeps(store, &error), &error);
	assert_string_equal(
		error.message,
		"Redis is a replica of cache.example:6380, which would replace what is restored; nothing was changed");
	assert_string_equal(error.hint, "restore into the master, or end the replication (redis-cli REPLICAOF NO ONE, and "
									"its setting \"replicaof\") and restore again");
	store_free(store);
}

static void a_restore_into_a_master_is_not_refused(void **state)
{
	struct error error;
	make_server(state, VOLUME_API, NULL);
	struct store *store = open_store(&container);
	assert_ok(store_redis.keeps(store, &error), &error);
	store_free(store);
}

/* --- restoring ---------------------------------------------------------------------------------------------------- */

static void one_before_redis_7_gets_its_append_only_file_beside_the_dump(void **state)
{
	struct error error;
	struct artefact artefact = {0};
	make_server(state, VOLUME_AUTO,
				WORDS({SETTINGS, "dir\n/var/lib/data\ndbfilename\ndump.rdb\nappendfilename\nappendonly.aof\n"}));
	write_file(at(*state, "artefact"), "a dump");
	struct store *store = open_store(&container);
	assert_ok(store_redis.stage(store, at(*state, "artefact"), &artefact, NULL, &error), &error);
	assert_file_is(at(volume, ".whisperbackup-restore/new/dump.rdb"), "a dump");
	assert_file_is(at(volume, ".whisperbackup-restore/new/appendonly.aof"), "a dump");
	char *entries = shell(NULL, "ls -A '%s/.whisperbackup-restore/new' | wc -l", volume);
	assert_string_equal(entries, "2\n");
	free(entries);
	assert_ok(store_redis.rollback(store, NULL, &error), &error);
	assert_false(exists(at(volume, ".whisperbackup-restore")));
	store_free(store);
}

/* All that is in the folder would be taken for the data. */
static void a_memory_without_names_is_refused(void **state)
{
	struct error error;
	struct store *store = NULL;
	make_server(state, VOLUME_API, NULL);
	assert_status(
		STATUS_FAILED,
		store_redis.resume(&runtime, &container, "{\"folder\":\"/var/lib/data\",\"names\":[]}", false, &store, &error),
		&error);
	assert_string_equal(error.message, "what is written about the data of Redis makes no sense");
	assert_null(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(one_whose_configuration_is_not_told_is_refused_with_a_hint),
		cmocka_unit_test(all_settings_are_asked_for),
		scratch_test(a_value_that_is_the_name_of_a_setting_is_a_value),
		scratch_test(one_whose_files_names_are_too_long_is_refused),
		scratch_test(one_that_has_no_version_is_refused),
		scratch_test(one_that_has_no_place_for_its_files_is_refused),
		scratch_test(one_that_has_no_name_for_its_dump_is_refused),
		scratch_test(one_whose_dump_lies_elsewhere_is_refused),
		scratch_test(one_whose_dump_is_the_folder_above_is_refused),
		scratch_test(one_whose_append_only_files_lie_elsewhere_is_refused),
		scratch_test(one_whose_folder_belongs_to_nobody_is_refused),
		scratch_test(a_port_that_is_none_is_refused),
		scratch_test(keys_that_cannot_be_read_are_damage),
		scratch_test(one_that_runs_no_scripts_just_now_is_no_damage),
		scratch_test(one_that_does_not_tell_its_keys_is_not_counted),
		scratch_test(keys_of_which_is_not_told_how_many_there_are_have_not_been_read),
		scratch_test(a_password_that_is_wanted_later_is_found_later),
		scratch_test(one_that_refuses_to_save_says_why),
		scratch_test(one_that_saves_already_may_be_tried_again),
		scratch_test(one_that_rewrites_may_be_tried_again),
		scratch_test(a_save_of_somebody_else_in_the_moment_may_be_tried_again),
		scratch_test(what_was_forgotten_is_not_in_the_way_of_the_next_try),
		scratch_test(one_that_never_ceases_to_save_is_given_up),
		scratch_test(a_save_that_fails_is_told_with_a_hint),
		scratch_test(a_save_that_has_failed_at_once_is_told_with_a_hint),
		scratch_test(a_save_that_fails_is_told_through_the_engine_too),
		scratch_test(a_dump_that_was_replaced_before_it_was_opened_is_not_taken),
		scratch_test(a_dump_that_may_have_been_replaced_before_it_was_opened_is_not_taken),
		scratch_test(a_file_of_a_save_under_way_that_may_be_of_the_next_one_is_not_taken),
		scratch_test(a_dump_that_was_replaced_is_not_taken_through_the_engine_either),
		scratch_test(one_that_is_emptied_in_the_moment_may_be_tried_again),
		scratch_test(a_save_that_a_flush_has_ended_is_not_taken),
		scratch_test(a_save_that_a_flush_has_ended_is_not_taken_through_the_engine_either),
		scratch_test(a_dump_that_a_flush_may_have_replaced_while_it_was_opened_is_not_taken),
		scratch_test(a_dump_that_a_flush_may_have_replaced_is_not_taken_through_the_engine_either),
		scratch_test(an_empty_dump_of_one_that_had_keys_is_not_taken),
		scratch_test(an_empty_dump_of_one_that_had_keys_is_not_taken_through_the_engine_either),
		scratch_test(an_empty_dump_of_one_without_keys_is_taken),
		scratch_test(a_file_that_was_held_before_a_flush_replaced_it_is_taken),
		scratch_test(a_file_that_was_held_is_taken_before_a_dump_that_seems_to_be_ours),
		scratch_test(a_file_that_was_held_and_is_cut_off_by_a_flush_is_not_taken),
		scratch_test(a_file_that_was_held_and_is_cut_off_is_not_taken),
		scratch_test(a_dump_that_is_older_than_the_moment_is_not_taken),
		scratch_test(a_dump_that_is_older_than_the_moment_is_not_taken_through_the_engine_either),
		scratch_test(a_dump_of_which_the_engine_tells_no_time_is_not_taken),
		scratch_test(a_save_of_an_old_server_that_was_ended_is_told_at_once),
		scratch_test(a_save_of_an_old_server_that_was_ended_is_told_at_once_through_the_engine_too),
		scratch_test(one_that_falls_silent_while_it_saves_is_told_of),
		scratch_test(a_dump_that_is_not_where_it_should_be_is_told_of),
		scratch_test(a_dump_that_is_no_file_is_not_taken),
		scratch_test(a_backup_of_a_replica_is_made_with_a_warning),
		scratch_test(a_backup_of_a_master_is_made_without_a_warning),
		scratch_test(a_restore_into_a_replica_is_refused_with_a_hint),
		scratch_test(a_restore_into_a_master_is_not_refused),
		scratch_test(one_before_redis_7_gets_its_append_only_file_beside_the_dump),
		scratch_test(a_memory_without_names_is_refused),
	};
	return cmocka_run_group_tests_name("redis_server", tests, NULL, NULL);
}
