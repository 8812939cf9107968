/*
 * What is asked of Chroma, Redis and Neo4j, with its Nth allocation failing, and with all from the Nth on: it is
 * said, nothing is left, and nothing half is taken for the whole. What starts threads or calls libarchive is done in a
 * child, as in faults_create.c.
 */
#include "faults_support.h"
#include "server_support.h"
#include "volume_support.h"

#include "snapshot/name_list.h"
#include "stores/chromadb/archive.h"
#include "stores/chromadb/rest.h"
#include "stores/neo4j/counts.h"
#include "stores/redis/dump.h"
#include "stores/redis/rdb.h"
#include "stores/redis/server.h"
#include "stores/rehearsal.h"
#include "stores/store_table.h"
#include "stores/volume_store.h"
#include "transaction/folder_swap.h"

/* --- fingerprints ------------------------------------------------------------------------------------------------- */

enum { NAMES = 20 };

static enum status count_some(struct fingerprint *fingerprint, struct error *error)
{
	enum status status = STATUS_OK;
	for (unsigned i = 0; status == STATUS_OK && i < NAMES; i++) {
		char name[16];
		snprintf(name, sizeof name, "table %u", i);
		status = fingerprint_add(fingerprint, "rows", name, i, error);
	}
	fingerprint->known = fingerprint->exact = true;
	return status;
}

static enum status count_and_compare(struct error *error)
{
	CLEANUP(fingerprint_free) struct fingerprint one = {0};
	CLEANUP(fingerprint_free) struct fingerprint other = {0};
	char difference[FINGERPRINT_DIFFERENCE_SIZE];
	bool same = false;
	enum status status = count_some(&one, error);
	if (status == STATUS_OK) {
		status = count_some(&other, error);
	}
	if (status == STATUS_OK) {
		status = fingerprint_compare(&one, &other, &same, difference, error);
	}
	return unless_wrong(status, same && one.count == NAMES, error);
}

static void counts_are_kept_and_compared(void **state)
{
	(void)state;
	assert_told(count_and_compare);
}

/* --- Chroma ------------------------------------------------------------------------------------------------------- */

static enum status path_stat_of(struct runtime *self, const struct container *in, const char *path,
								struct path_stat *ret_stat, struct error *error)
{
	(void)self;
	(void)in;
	*ret_stat = (struct path_stat){0};
	bool there = strncmp(path, destination, strlen(destination)) == 0;
	return there ? STATUS_OK : error_set(error, STATUS_NOT_FOUND, "there is no %s", path);
}

static const struct runtime_ops engine = {SERVER_PROGRAMS, .archive_stat = path_stat_of};

static void start_server(const char *(*run)(const struct exec_request *request, int *ret_exit_code),
						 const char *(*line)(const char *line))
{
	runtime = (struct runtime){.ops = &engine};
	server.run = run;
	server.line = line;
}

#define COLLECTIONS "databases/default_database/collections?limit="

static const struct http_reply of_chroma[] = {
	{"/api/v2/heartbeat", 200, "{}"},
	{"/api/v2/version", 200, "\"1.0.0\""},
	{"/api/v1/version", 410, "{}"}, /* asked if that is not understood */
	{"/databases?limit=", 200, "[{\"name\":\"default_database\"}]"},
	{COLLECTIONS, 200, "[{\"id\":\"a1\",\"name\":\"memories\",\"dimension\":2}]"},
	{"/a1/count", 200, "2"},
	{"/a1/query", 200, "{\"ids\":[[\"r1\",\"r2\"],[\"r2\",\"r1\"]]}"},
	{NULL, 0, NULL},
};

static unsigned pages_read;

static const char *reply_of_chroma(const char *path)
{
	static const struct http_reply page[] = {{"/a1/get", 200, "{\"ids\":[\"r1\",\"r2\"],\"embeddings\":[[1,2],[3,4]]}"},
											 {NULL, 0, NULL}};
	static const struct http_reply end[] = {{"/a1/get", 200, "{\"ids\":[],\"embeddings\":[]}"}, {NULL, 0, NULL}};
	bool is_page = strstr(path, "/a1/get") != NULL;
	return http_reply_to(path, is_page && pages_read++ % 2 == 0 ? page : end, of_chroma);
}

/* bash -c SCRIPT PORT [PATH ..] */
static const char *run_bash(const struct exec_request *request, int *ret_exit_code)
{
	(void)ret_exit_code;
	if (strcmp(request->arguments[0], "sh") == 0) { /* nothing is open */
		return "whisperbackup:end\n";
	}
	const char *path = request->arguments[4];
	return path != NULL ? reply_of_chroma(path) : request->input ? NULL : "";
}

/* "MARK PATH" */
static const char *answer_chroma(const char *line)
{
	static char text[1 << 16];
	const char *space = strchr(line, ' ');
	snprintf(text, sizeof text, "%s\n%.*s\n", reply_of_chroma(space), (int)(space - line), line);
	return text;
}

static enum status count_chroma(struct error *error)
{
	struct store *store = NULL;
	CLEANUP(fingerprint_free) struct fingerprint counted = {0};
	enum status status = store_chromadb.open(&runtime, &container, &store, error);
	if (status == STATUS_OK) {
		status = store_chromadb.count(store, NULL, &counted, error);
		store_free(store);
	}
	return unless_wrong(status, counted.known && fingerprint_sum(&counted, "records", NULL) == 2, error);
}

static void chroma_is_counted(void **state)
{
	(void)state;
	start_server(run_bash, answer_chroma);
	assert_told(count_chroma);
}

static enum status read_chroma(struct error *error)
{
	struct store *store = NULL;
	pages_read = 0;
	enum status status = store_chromadb.open(&runtime, &container, &store, error);
	if (status == STATUS_OK) {
		status = store_chromadb.read_all(store, NULL, NULL, error);
		store_free(store);
	}
	return unless_wrong(status, pages_read == 2, error);
}

static void chroma_is_read(void **state)
{
	(void)state;
	start_server(run_bash, answer_chroma);
	assert_told(read_chroma);
}

/* --- Redis -------------------------------------------------------------------------------------------------------- */

struct words {
	const char *question; /* as it is asked, its words joined by spaces */
	const char *answer;
};

static const struct words of_redis[] = {
	{"PING", "PONG\n"},
	{"INFO server", "# Server\r\nredis_version:7.0.15\r\n"},
	{"CONFIG GET " REDIS_SETTINGS, "dir\n/var/lib/data\ndbfilename\ndump.rdb\nappenddirname\nappendonlydir\n"
								   "appendfilename\nappendonly.aof\n"},
	{"stat -c %u %g /var/lib/data", "999 1000\n"},
	{"INFO memory", "# Memory\r\nused_memory_dataset:1000\r\n"},
	{"INFO keyspace", "# Keyspace\r\ndb0:keys=2,expires=0,avg_ttl=0\r\n"},
	{"INFO commandstats", "# Commandstats\r\ncmdstat_flushall:calls=1,usec=1\r\n"},
	{"INFO replication", "# Replication\r\nrole:master\r\n"},
	{"BGSAVE", "Background saving started\n"},
	{"stat -c %Y /var/lib/data/dump.rdb", "2\n"},
	{NULL, NULL},
};

static unsigned saves;

static const char *answer_redis(const char *line)
{
	static char text[256];
	const struct words *words = of_redis;
	if (strncmp(line, "ECHO ", 5) == 0) {
		snprintf(text, sizeof text, "%s\n", line + 5);
		return text;
	}
	if (strcmp(line, "INFO persistence") == 0) {
		snprintf(text, sizeof text,
				 "rdb_bgsave_in_progress:0\r\nrdb_last_save_time:1\r\nrdb_last_bgsave_status:ok\r\nrdb_saves:%u\r\n",
				 saves);
		return text;
	}
	saves += strcmp(line, "BGSAVE") == 0;
	while (words->question != NULL && strcmp(words->question, line) != 0) {
		words++;
	}
	return words->answer != NULL ? words->answer : "";
}

static const char *run_redis(const struct exec_request *request, int *ret_exit_code)
{
	static const char client[] = "redis-cli -p 6380 ";
	char question[512] = "";
	(void)ret_exit_code;
	for (size_t i = 0; request->arguments[i] != NULL; i++) {
		size_t length = strlen(question);
		snprintf(question + length, sizeof question - length, "%s%s", i > 0 ? " " : "", request->arguments[i]);
	}
	const char *line = strncmp(question, client, sizeof client - 1) == 0 ? question + sizeof client - 1 : question;
	if (strcmp(line, "PING") == 0 && request->environment[0] == NULL) {
		return "NOAUTH Authentication required.\n";
	}
	return request->input ? NULL : strstr(line, " EVAL ") != NULL ? "2\n" : answer_redis(line);
}

/* One that wants a password, and not on the usual port. */
static enum status open_redis(struct store **ret_store, struct error *error)
{
	static char variable[] = "REDIS_PASSWORD=word";
	static char *environment[] = {variable, NULL};
	static char line[] = "exec redis-server --port \"6380\"";
	static char *command[] = {line, NULL};
	static struct container with_password;
	with_password = container;
	with_password.environment = environment;
	with_password.command = command;
	return store_redis.open(&runtime, &with_password, ret_store, error);
}

/* As create does it up to the moment; its file is of no interest here. */
static enum status save_redis(struct error *error)
{
	struct store *store = NULL;
	unsigned saves_before = saves;
	enum status status = open_redis(&store, error);
	if (status != STATUS_OK) {
		return status;
	}
	status = store_redis.prepare(store, "/nonexistent/artefact", NULL, error);
	if (status == STATUS_OK) {
		status = store_redis.ask(store, error);
	}
	if (status == STATUS_OK) {
		status = store_redis.answer(store, error);
	}
	store_free(store);
	return unless_wrong(status, saves == saves_before + 1, error);
}

static void redis_is_saved(void **state)
{
	(void)state;
	start_server(run_redis, answer_redis);
	runtime.volume_access = VOLUME_API;
	assert_told(save_redis);
	runtime.volume_access = VOLUME_DIRECT;
}

/* As restore and verify do it. */
static enum status examine_redis(struct error *error)
{
	struct store *store = NULL;
	struct examination examination = {0};
	CLEANUP(fingerprint_free) struct fingerprint counted = {0};
	uint64_t bytes = 0;
	enum status status = open_redis(&store, error);
	if (status != STATUS_OK) {
		return status;
	}
	status = store_redis.examine(store, &examination, error);
	if (status == STATUS_OK) {
		status = store_redis.size(store, &bytes, error);
	}
	if (status == STATUS_OK) {
		status = store_redis.count(store, NULL, &counted, error);
	}
	if (status == STATUS_OK) {
		status = store_redis.read_all(store, NULL, NULL, error);
	}
	store_free(store);
	return unless_wrong(status, bytes == 1000 && fingerprint_sum(&counted, "keys", NULL) == 2, error);
}

static void redis_is_examined(void **state)
{
	(void)state;
	start_server(run_redis, answer_redis);
	assert_told(examine_redis);
}

/* --- Neo4j -------------------------------------------------------------------------------------------------------- */

#define ROWS(rows) "{\"results\":[{\"data\":[" rows "]}],\"errors\":[]}"

static const struct http_reply of_neo4j[] = {
	{"SHOW DATABASES", 200, ROWS("{\"row\":[\"system\"]},{\"row\":[\"neo4j\"]}")},
	{"SHOW HOME DATABASE", 200, ROWS("{\"row\":[\"neo4j\",\"online\",\"online\",\"\"]}")},
	{"MATCH (n)", 200, ROWS("{\"row\":[3]}")},
	{"MATCH (x)", 200,
	 ROWS("{\"row\":[0,3]},{\"row\":[1,2]},{\"row\":[2,5]},{\"row\":[3,4]},"
		  "{\"row\":[4,[\"User\"]]},{\"row\":[5,[\"KNOWS\"]]}")},
	{"db.labels", 200, ROWS("{\"row\":[\"User\"]}")},
	{"db.relationshipTypes", 200, ROWS("{\"row\":[\"KNOWS\"]}")},
	{NULL, 0, NULL},
};

/* "go MARK" asks the last body again. */
static const char *answer_neo4j(const char *line)
{
	static char body[1 << 12];
	static char text[1 << 16];
	if (line[0] == '{') {
		snprintf(body, sizeof body, "%s", line);
	}
	if (strncmp(line, "go ", 3) != 0) {
		return NULL;
	}
	snprintf(text, sizeof text, "%s\n%s\n", http_reply_to(body, NULL, of_neo4j), line + 3);
	return text;
}

static enum status count_neo4j(struct error *error)
{
	struct store store = {.ops = &store_neo4j, .runtime = &runtime, .container = &container};
	struct neo4j_counts *counts = NULL;
	bool refused = false;
	enum status status = neo4j_counts_open(&store, &counts, &refused, error);
	if (status == STATUS_OK) {
		status = neo4j_counts_ask(counts, error);
	}
	if (status == STATUS_OK) {
		status = neo4j_counts_answer(counts, error);
	}
	CLEANUP(fingerprint_free) struct fingerprint counted = {0};
	if (status == STATUS_OK) {
		counted = neo4j_counts_take(counts);
	}
	neo4j_counts_free(counts);
	return unless_wrong(status, counted.known && counted.count == 4, error);
}

static void neo4j_is_counted(void **state)
{
	(void)state;
	start_server(run_bash, answer_neo4j);
	assert_told(count_neo4j);
}

static char neo4j_login[] = "NEO4J_AUTH=neo4j/word/true";
static char *neo4j_environment[] = {neo4j_login, NULL};

static const char *run_neo4j(const struct exec_request *request, int *ret_exit_code)
{
	(void)ret_exit_code;
	if (strcmp(request->arguments[0], "cypher-shell") != 0) {
		return request->input ? NULL : "";
	}
	bool databases = strstr(request->arguments[3], "SHOW DATABASES") != NULL;
	return databases ? "name, currentStatus\n\"system\", \"online\"\n\"neo4j\", \"online\"\n" : "1\n1\n";
}

static enum status look_whether_neo4j_is_up(const char *folder, struct error *error)
{
	(void)folder;
	struct container with_login = container;
	struct store store = {.ops = &store_neo4j, .runtime = &runtime, .container = &with_login};
	with_login.environment = neo4j_environment;
	return store_neo4j.ready(&store, error);
}

static enum status any_path_stat(struct runtime *self, const struct container *in, const char *path,
								 struct path_stat *ret_stat, struct error *error)
{
	(void)self;
	(void)in;
	(void)path;
	(void)error;
	*ret_stat = (struct path_stat){0};
	return STATUS_OK;
}

/* --- what is written down of a volume ----------------------------------------------------------------------------- */

static enum status recall(struct error *error)
{
	struct volume_store self = {.store = {.ops = &store_redis, .runtime = &runtime, .container = &container}};
	char **names = NULL;
	enum status status = volume_store_recall(
		&self, "{\"folder\":\"/var/lib/data\",\"names\":[\"dump.rdb\",\"appendonlydir\"]}", &names, error);
	bool right = status == STATUS_OK && strcmp(self.store.data_folder, destination) == 0 &&
				 strcmp(names[1], "appendonlydir") == 0 && names[2] == NULL;
	for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
		free(names[i]);
	}
	free(names);
	return unless_wrong(status, right, error);
}

static void what_is_written_down_is_taken_up_whole(void **state)
{
	(void)state;
	assert_told(recall);
}

/* Each store says that the volume is another one, which it has then understood. */
static enum status resume_each(struct error *error)
{
	static const struct store_ops *const stores[] = {&store_redis, &store_chromadb, &store_neo4j};
	static const char memory[] = "{\"folder\":\"/var/lib/data\",\"source\":\"/elsewhere\",\"names\":[\"dump.rdb\"]}";
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < sizeof stores / sizeof stores[0]; i++) {
		struct store *store = NULL;
		status = stores[i]->resume(&runtime, &container, memory, false, &store, error);
		bool understood = status == STATUS_FAILED && strstr(error->message, "has another volume now") != NULL;
		status = understood ? STATUS_OK : status;
	}
	return status;
}

static void a_restore_that_was_killed_is_gone_on_with_by_who_understands_it(void **state)
{
	(void)state;
	start_server(run_bash, answer_chroma);
	assert_told(resume_each);
}

/* --- a drill's container ------------------------------------------------------------------------------------------ */

static enum status make_throwaway(struct runtime *self, const struct throwaway *wanted,
								  struct container **ret_container, struct error *error)
{
	(void)self;
	bool right = strncmp(wanted->environment[0], "POSTGRES_PASSWORD=", 18) == 0 && strlen(wanted->environment[0]) == 50;
	*ret_container = right ? calloc(1, sizeof **ret_container) : NULL;
	return *ret_container != NULL ? STATUS_OK
		   : right                ? error_memory(error)
								  : error_set(error, STATUS_CONFLICT, "it has no fresh password");
}

static enum status begin_rehearsal(struct error *error)
{
	struct rehearsal rehearsal = {0};
	bool other = true;
	enum status status =
		rehearsal_begin(&rehearsal, &runtime, &store_postgresql, "d1", "sha256:1", "postgres", NULL, &other, error);
	rehearsal_free(&rehearsal);
	return unless_wrong(status, !other, error);
}

static const struct runtime_ops drills = {.throwaway = make_throwaway};

static void a_drill_is_begun_with_a_fresh_password(void **state)
{
	(void)state;
	runtime = (struct runtime){.ops = &drills};
	assert_told(begin_rehearsal);
}

/* --- without random bytes ----------------------------------------------------------------------------------------- */

static void no_drill_is_begun_with_a_password_that_can_be_guessed(void **state)
{
	(void)state;
	runtime = (struct runtime){.ops = &drills};
	assert_needs_random_bytes(begin_rehearsal);
}

/* --- a folder that only the engine reaches ------------------------------------------------------------------------ */

static const char *say_all(const struct exec_request *request, int *ret_exit_code)
{
	(void)request;
	(void)ret_exit_code;
	return ""; /* server_support.h says strings: the list's end comes with a NUL */
}

static enum status list_names(struct error *error)
{
	struct name_list *list = NULL;
	enum name_list_extent extent = NAMES_NONE;
	enum status status = name_list_ask(&runtime, &container, destination, &list, &extent, error);
	name_list_free(list);
	bool lost = status == STATUS_FAILED && strstr(error->message, "has not come whole") != NULL;
	return lost ? STATUS_OK : status;
}

static void a_list_of_names_is_asked_for(void **state)
{
	(void)state;
	start_server(say_all, NULL);
	assert_told(list_names);
}

static enum status begin_copy(struct error *error)
{
	CLEANUP(cleanup_folder_copy) struct folder_copy *copy = NULL;
	return folder_copy_new(&runtime, &container, destination, "/nonexistent/archive", &copy, error);
}

static void a_copy_through_the_engine_is_begun(void **state)
{
	(void)state;
	start_server(say_all, NULL);
	runtime.volume_access = VOLUME_API;
	assert_told(begin_copy);
	runtime.volume_access = VOLUME_DIRECT;
}

static enum status look_for_a_swap(struct error *error)
{
	bool unfinished = false;
	enum status status = folder_swap_unfinished(&runtime, &container, destination, &unfinished, error);
	return unless_wrong(status, unfinished, error); /* its state has no length, as path_stat_of has it */
}

static void an_unfinished_swap_is_not_overlooked(void **state)
{
	(void)state;
	start_server(say_all, NULL);
	assert_told(look_for_a_swap);
}

static enum status look_at_no_segments(struct error *error)
{
	const struct buffer none = BUFFER_INIT(1);
	struct chromadb_rest rest = CHROMADB_REST_INIT;
	bool at_rest = false;
	enum status status = chromadb_rest_in_container(&rest, &runtime, &container, &none, &at_rest, error);
	buffer_free(&rest.young);
	return unless_wrong(status, at_rest, error);
}

static void chroma_is_seen_to_be_at_rest(void **state)
{
	(void)state;
	start_server(say_all, NULL);
	assert_told(look_at_no_segments);
}

static enum status check_dump(struct error *error)
{
	static const char dump[18] = "REDIS0011\xff"; /* an empty one, without a checksum */
	struct artefact artefact = {0};
	struct source *file = NULL;
	enum status status = source_from_memory_new(dump, sizeof dump, &file, error);
	return status == STATUS_OK ? rdb_check(file, NULL, &artefact, error) : status;
}

static void a_dump_of_redis_is_checked(void **state)
{
	(void)state;
	assert_told(check_dump);
}

/* --- where JSON gets no memory at all ----------------------------------------------------------------------------- */

static enum status count_chroma_here(const char *folder, struct error *error)
{
	(void)folder;
	return count_chroma(error);
}

static enum status count_neo4j_here(const char *folder, struct error *error)
{
	(void)folder;
	return count_neo4j(error);
}

static void prepare_chroma(const char *folder)
{
	(void)folder;
	start_server(run_bash, answer_chroma);
}

static void prepare_neo4j(const char *folder)
{
	(void)folder;
	start_server(run_bash, answer_neo4j);
}

static void judge_counting(const char *folder, enum status status)
{
	(void)folder;
	assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
}

static void an_answer_that_json_has_no_memory_for_is_a_lack_of_memory(void **state)
{
	const struct work chroma = {prepare_chroma, count_chroma_here, judge_counting};
	const struct work neo4j = {prepare_neo4j, count_neo4j_here, judge_counting};
	each_lack_of_json(*state, &chroma, 3);
	each_lack_of_json(*state, &neo4j, 3);
}

static void prepare_neo4j_with_shell(const char *folder)
{
	(void)folder;
	start_server(run_neo4j, answer_neo4j);
}

static void whether_neo4j_is_up_is_found_out_or_it_is_said(void **state)
{
	const struct work work = {prepare_neo4j_with_shell, look_whether_neo4j_is_up, judge_counting};
	assert_true(each_nth(*state, &work, FAULT_MEMORY, false, 1) > 20);
	each_lack_of_json(*state, &work, 3);
}

static enum status examine_neo4j(const char *folder, struct error *error)
{
	(void)folder;
	struct container with_login = container;
	struct store *store = NULL;
	struct examination examination = {0};
	CLEANUP(fingerprint_free) struct fingerprint counted = {0};
	with_login.environment = neo4j_environment;
	enum status status = store_neo4j.open(&runtime, &with_login, &store, error);
	if (status != STATUS_OK) {
		return status;
	}
	status = store_neo4j.examine(store, &examination, error);
	if (status == STATUS_OK) {
		status = store_neo4j.count(store, NULL, &counted, error);
	}
	store_free(store);
	return unless_wrong(status, counted.count == 4 && strstr(examination.answer, "2 databases online") != NULL, error);
}

static void prepare_neo4j_with_data(const char *folder)
{
	static const struct runtime_ops with_data = {SERVER_PROGRAMS, .archive_stat = any_path_stat};
	(void)folder;
	start_server(run_neo4j, answer_neo4j);
	runtime.ops = &with_data;
}

/* In processes of their own: the memory that is kept for JSON (json_text.c) would not do for all of them. */
static void neo4j_is_examined(void **state)
{
	const struct work work = {prepare_neo4j_with_data, examine_neo4j, judge_counting};
	assert_true(each_nth(*state, &work, FAULT_MEMORY, false, 1) > 100);
	assert_true(each_nth(*state, &work, FAULT_MEMORY, true, 1) > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_are_kept_and_compared),
		cmocka_unit_test(chroma_is_counted),
		cmocka_unit_test(chroma_is_read),
		cmocka_unit_test(redis_is_saved),
		cmocka_unit_test(neo4j_is_counted),
		cmocka_unit_test(redis_is_examined),
		scratch_test(neo4j_is_examined),
		scratch_test(whether_neo4j_is_up_is_found_out_or_it_is_said),
		cmocka_unit_test(what_is_written_down_is_taken_up_whole),
		cmocka_unit_test(a_restore_that_was_killed_is_gone_on_with_by_who_understands_it),
		cmocka_unit_test(a_drill_is_begun_with_a_fresh_password),
		cmocka_unit_test(no_drill_is_begun_with_a_password_that_can_be_guessed),
		cmocka_unit_test(a_list_of_names_is_asked_for),
		cmocka_unit_test(a_copy_through_the_engine_is_begun),
		cmocka_unit_test(an_unfinished_swap_is_not_overlooked),
		cmocka_unit_test(chroma_is_seen_to_be_at_rest),
		cmocka_unit_test(a_dump_of_redis_is_checked),
		scratch_test(an_answer_that_json_has_no_memory_for_is_a_lack_of_memory),
	};
	return cmocka_run_group_tests_name("faults_stores", tests, NULL, NULL);
}
