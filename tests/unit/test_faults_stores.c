/*
 * What is asked of servers and read of dumps, with its Nth allocation failing, and with all from the Nth on: it is
 * said, nothing is left, and nothing half is taken for the whole. What starts threads or calls libarchive is done in a
 * child, as in faults_create.c.
 */
#include "faults_support.h"
#include "postgresql_support.h"
#include "server_support.h"
#include "volume_support.h"

#include "stores/chromadb/archive.h"
#include "stores/neo4j/counts.h"
#include "stores/postgresql/dump_digest.h"
#include "stores/postgresql/dump_layout.h"
#include "stores/postgresql/dump_rename.h"
#include "stores/postgresql/restore.h"
#include "stores/redis/dump.h"
#include "stores/rehearsal.h"
#include "stores/volume_store.h"

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

/* --- dumps of PostgreSQL ------------------------------------------------------------------------------------------ */

static const char dump[] =
	"--\n-- PostgreSQL database cluster dump\n--\n\nCREATE ROLE boss;\n\n"
	"--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 17.2\n\n"
	"CREATE DATABASE shop WITH TEMPLATE = template0;\n\\connect shop\n\nCREATE TABLE t (a text);\n"
	"COPY t (a) FROM stdin;\nshop\n\\.\n\n--\n-- PostgreSQL database dump complete\n--\n\n"
	"--\n-- PostgreSQL database cluster dump complete\n--\n\n";
static const char section[] = "CREATE DATABASE shop;\nCOPY shop (a) FROM stdin;\nshop\n\\.\n";
static char dump_path[PATH_MAX];

static void write_dump(const char *folder, const char *text)
{
	snprintf(dump_path, sizeof dump_path, "%s/dump", folder);
	write_file(dump_path, text);
}

static enum status read_layout(struct error *error)
{
	struct dump_layout layout = {0};
	struct source *file = NULL;
	enum status status = file_source_new(dump_path, &file, error);
	if (status == STATUS_OK) {
		status = dump_layout_read(file, NULL, &layout, error);
	}
	bool right = layout.count == 1 && strcmp(layout.databases[0].name, "shop") == 0;
	dump_layout_free(&layout);
	return unless_wrong(status, right, error);
}

static void a_layout_is_read_whole(void **state)
{
	write_dump(*state, dump);
	assert_told(read_layout);
}

/* Of the same text, once from its file and once from a stream. */
static enum status digest_twice(struct error *error)
{
	unsigned char of_file[DUMP_DIGEST_SIZE] = {0};
	unsigned char of_stream[DUMP_DIGEST_SIZE] = {1};
	CLEANUP(cleanup_sink) struct sink *sink = NULL;
	enum status status = dump_digest_file(dump_path, 0, sizeof section - 1, of_file, error);
	if (status == STATUS_OK) {
		status = dump_digest_sink_new(of_stream, &sink, error);
	}
	if (status == STATUS_OK) {
		status = sink_write(sink, section, sizeof section - 1, error);
	}
	if (status == STATUS_OK) {
		status = sink_finish(sink, error);
	}
	return unless_wrong(status, memcmp(of_file, of_stream, sizeof of_file) == 0, error);
}

static void what_databases_have_in_common_is_digested(void **state)
{
	char warm[DIGEST_TEXT_SIZE];
	struct error error;
	assert_ok(digest_text("", warm, &error), &error); /* OpenSSL comes up */
	write_dump(*state, section);
	assert_told(digest_twice);
}

static enum status rename_all(struct error *error)
{
	CLEANUP(cleanup_source) struct source *source = NULL;
	char text[256] = "";
	size_t used = 0;
	enum status status =
		dump_rename_source_new(dump_path, 0, sizeof section - 1, "shop", "wb_new_1", "<", ">", NULL, &source, error);
	for (size_t length = 1; status == STATUS_OK && length > 0; used += length) {
		status = source_read(source, text + used, sizeof text - 1 - used, &length, error);
		length = status == STATUS_OK ? length : 0;
	}
	static const char renamed[] = "<CREATE DATABASE \"wb_new_1\";\nCOPY shop (a) FROM stdin;\nshop\n\\.\n>";
	return unless_wrong(status, strcmp(text, renamed) == 0, error);
}

static void a_database_is_renamed_whole(void **state)
{
	write_dump(*state, section);
	assert_told(rename_all);
}

/* --- PostgreSQL --------------------------------------------------------------------------------------------------- */

static struct server *postgresql;

static int start_postgresql(void **state)
{
	void *started = NULL;
	int result = scratch_setup(state);
	result = result == 0 ? server_start(&started) : result;
	postgresql = started;
	return result;
}

static int stop_postgresql(void **state)
{
	(void)server_stop((void *[]){postgresql});
	return scratch_teardown(state);
}

static enum status open_postgresql(struct error *error)
{
	struct store *store = NULL;
	buffer_free(&postgresql->heard);
	enum status status = store_postgresql.open(&postgresql->runtime, &postgresql->container, &store, error);
	bool right = store != NULL && strcmp(store->version, "17.2") == 0 && strcmp(store->data_folder, "/data") == 0;
	if (status == STATUS_OK) {
		store_free(store);
	}
	return unless_wrong(status, right, error);
}

static void postgresql_is_got_to_know(void **state)
{
	(void)state;
	char user[] = "POSTGRES_USER=boss";
	char password[] = "POSTGRES_PASSWORD_FILE=/secret";
	char database[] = "POSTGRES_DB=shop";
	postgresql->container.environment = (char *[]){user, password, database, NULL};
	postgresql->lines[0] = (struct line){.asked = "SHOW server_version", .rows = "17.2 (Debian)|170002|/data|"};
	postgresql->lines[1] = (struct line){.asked = "cat /secret", .rows = "word"};
	assert_told(open_postgresql);
}

/* As create does it up to the moment. */
static enum status take_moment(struct error *error)
{
	struct postgresql *self = &postgresql->postgresql;
	buffer_free(&postgresql->heard);
	enum status status = postgresql_moment_prepare(self, &postgresql->progress, error);
	if (status == STATUS_OK) {
		status = postgresql_moment_catch_up(self, error);
	}
	if (status == STATUS_OK) {
		status = postgresql_moment_ask(self, error);
	}
	if (status == STATUS_OK) {
		status = postgresql_moment_answer(self, error);
	}
	bool right = self->moment != NULL && self->moment->count == 1 &&
				 strcmp(self->moment->databases[0].snapshot, "00000003-1B-1") == 0;
	postgresql_moment_free(self->moment);
	self->moment = NULL;
	return unless_wrong(status, right, error);
}

static void a_moment_of_postgresql_is_taken(void **state)
{
	(void)state;
	char password[] = "word";
	postgresql->postgresql.password = password;
	postgresql->lines[0] =
		(struct line){.asked = "SELECT current_setting('whisperbackup.trouble');\nSELECT oid, datname FROM",
					  .rows = "00000003-1B-1||1|template1|"};
	postgresql->lines[1] = (struct line){.asked = "SELECT oid, datname FROM", .rows = "1|template1|"};
	postgresql->lines[2] = (struct line){.asked = "pg_dumpall", .rows = MOMENT_GLOBALS_CLOSING};
	assert_told(take_moment);
}

/* As health, restore and verify do it. */
static enum status examine_postgresql(struct error *error)
{
	struct store *store = &postgresql->postgresql.store;
	struct examination examination = {0};
	CLEANUP(fingerprint_free) struct fingerprint counted = {0};
	uint64_t bytes = 0;
	buffer_free(&postgresql->heard);
	enum status status = store_postgresql.ready(store, error);
	if (status == STATUS_OK) {
		status = store_postgresql.examine(store, &examination, error);
	}
	if (status == STATUS_OK) {
		status = store_postgresql.size(store, &bytes, error);
	}
	if (status == STATUS_OK) {
		status = store_postgresql.count(store, NULL, &counted, error);
	}
	return unless_wrong(status, bytes == 1000 && fingerprint_sum(&counted, "rows", NULL) == 7, error);
}

static void postgresql_is_examined(void **state)
{
	(void)state;
	postgresql->lines[0] = (struct line){.asked = "pg_is_in_recovery", .rows = "1|0|5432|"};
	postgresql->lines[1] = (struct line){.asked = "sum(pg_database_size(oid))", .rows = "1000|"};
	postgresql->lines[2] = (struct line){.asked = "SELECT datname FROM pg_catalog.pg_database", .rows = "shop|"};
	postgresql->lines[3] = (struct line){.asked = "SELECT string_agg", .rows = "public|t|7|"};
	assert_told(examine_postgresql);
}

static enum status compare_live(struct error *error)
{
	static const struct dump_database database = {.name = "postgres", .content = 22, .end = sizeof section - 1};
	bool needless = false;
	buffer_free(&postgresql->heard);
	enum status status = restore_load_is_needless(&postgresql->postgresql, dump_path, &database, &needless, error);
	return unless_wrong(status, needless, error);
}

static void a_database_that_is_the_same_is_not_loaded(void **state)
{
	char warm[DIGEST_TEXT_SIZE];
	struct error error;
	assert_ok(digest_text("", warm, &error), &error); /* OpenSSL comes up */
	write_dump(*state, section);
	postgresql->lines[0] = (struct line){.asked = "SELECT count(*) FROM pg_database WHERE datallowconn", .rows = "1|"};
	postgresql->lines[1] = (struct line){.asked = "pg_dump ", .rows = section + 22};
	assert_told(compare_live);
}

static void let_be(struct progress *progress, const char *text)
{
	(void)progress;
	(void)text;
}

static enum status load_one(struct error *error)
{
	static const struct dump_database databases[] = {{.name = "shop", .created = true, .content = 22},
													 {.name = "postgres", .content = 22, .end = sizeof section - 1}};
	struct postgresql *self = &postgresql->postgresql;
	enum status status = STATUS_OK;
	buffer_free(&postgresql->heard);
	for (unsigned i = 0; status == STATUS_OK && i < 2; i++) {
		status = restore_load(self, dump_path, &databases[i], i, &postgresql->progress, error);
	}
	return unless_wrong(status, strstr(buffer_text(&postgresql->heard), "ALTER ROLE boss NOSUPERUSER;") != NULL, error);
}

/* Once with what the dump says of a database, once with what the server does; for lack of memory there may be no
 * statistics, which is warned of. */
static void databases_are_loaded(void **state)
{
	write_dump(*state, section);
	postgresql->progress.warn = let_be;
	postgresql->lines[0] = (struct line){.asked = "SELECT count(*) FROM pg_database WHERE datallowconn", .rows = "1|"};
	postgresql->lines[1] = (struct line){.asked = "FROM public.loading_superuser",
										 .rows = "ALTER ROLE boss SUPERUSER;\n|ALTER ROLE boss NOSUPERUSER;|"};
	postgresql->lines[2] = (struct line){
		.asked = "pg_dump ",
		.rows = "CREATE DATABASE postgres WITH x = y;\n\n--\n-- PostgreSQL database dump complete\n--\n\n"};
	assert_told(load_one);
}

static enum status swap_all(struct error *error)
{
	buffer_free(&postgresql->heard);
	enum status status = restore_swap(&postgresql->postgresql.store, &postgresql->progress, error);
	return unless_wrong(status, strstr(buffer_text(&postgresql->heard), "COMMIT;") != NULL, error);
}

static void databases_are_swapped(void **state)
{
	(void)state;
	set_phase(postgresql, "staged");
	postgresql->lines[2] = (struct line){.asked = "pg_dumpall", .rows = "CREATE ROLE boss;\n" MOMENT_GLOBALS_CLOSING};
	postgresql->lines[3] = (struct line){.asked = "SELECT new_lists, new_changes", .rows = "||"};
	assert_told(swap_all);
}

static enum status roll_back(struct error *error)
{
	buffer_free(&postgresql->heard);
	enum status status = restore_rollback(&postgresql->postgresql.store, &postgresql->progress, error);
	return unless_wrong(status, strstr(buffer_text(&postgresql->heard), "DROP DATABASE IF EXISTS wb_maint") != NULL,
						error);
}

static void a_restore_is_rolled_back(void **state)
{
	(void)state;
	set_phase(postgresql, "swapped");
	postgresql->lines[2] = (struct line){.asked = "SELECT old_lists, old_changes", .rows = "||"};
	postgresql->lines[3] = (struct line){.asked = "SELECT 1 FROM pg_database WHERE datname = 'wb_maint'", .rows = "1|"};
	postgresql->lines[4] = (struct line){.asked = "SELECT 1 WHERE to_regclass('public.run')", .rows = "1|"};
	postgresql->lines[5] = (struct line){.asked = "SELECT name, format('DROP ROLE", .rows = "new|DROP ROLE new;|"};
	assert_told(roll_back);
	assert_string_equal(postgresql->warned, "");
}

static enum status commit_all(struct error *error)
{
	buffer_free(&postgresql->heard);
	enum status status = restore_commit(&postgresql->postgresql.store, &postgresql->progress, error);
	return unless_wrong(status, strstr(buffer_text(&postgresql->heard), "DROP DATABASE IF EXISTS wb_maint") != NULL,
						error);
}

/* A role that cannot be dropped for lack of memory is not left behind with a warning. */
static void a_restore_is_committed(void **state)
{
	(void)state;
	set_phase(postgresql, "finishing");
	postgresql->lines[2] = (struct line){.asked = "SELECT name, format('DROP ROLE", .rows = "late|DROP ROLE late;|"};
	postgresql->lines[3] = (struct line){.asked = "datname IN ('postgres', 'template1')", .rows = "postgres|"};
	postgresql->lines[4] = (struct line){.asked = "DROP OWNED BY %I", .rows = "DROP OWNED BY late;|"};
	assert_told(commit_all);
	assert_string_equal(postgresql->warned, "");
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
	{"CONFIG GET dir", "dir\n/var/lib/data\n"},
	{"CONFIG GET dbfilename", "dbfilename\ndump.rdb\n"},
	{"CONFIG GET appenddirname", "appenddirname\nappendonlydir\n"},
	{"CONFIG GET appendfilename", "appendfilename\nappendonly.aof\n"},
	{"stat -c %u %g /var/lib/data", "999 1000\n"},
	{"INFO memory", "# Memory\r\nused_memory_dataset:1000\r\n"},
	{"INFO keyspace", "# Keyspace\r\ndb0:keys=2,expires=0,avg_ttl=0\r\n"},
	{"BGSAVE", "Background saving started\n"},
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
	{"db.labels", 200, ROWS("{\"row\":[\"User\"]}")},
	{"db.relationshipTypes", 200, ROWS("{\"row\":[\"KNOWS\"]}")},
	{"MATCH (x)", 200, ROWS("{\"row\":[0,3]},{\"row\":[1,2]},{\"row\":[2,5]},{\"row\":[3,4]}")},
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
	enum status status = neo4j_counts_open(&store, &counts, error);
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

static enum status examine_neo4j(struct error *error)
{
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

static void neo4j_is_examined(void **state)
{
	(void)state;
	static const struct runtime_ops with_data = {SERVER_PROGRAMS, .archive_stat = any_path_stat};
	start_server(run_neo4j, answer_neo4j);
	runtime.ops = &with_data;
	assert_told(examine_neo4j);
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

static void assert_needs_random_bytes(piece act)
{
	struct error error;
	fault_arm(FAULT_SCARCE, 1, false, NULL);
	enum status status = act(&error);
	assert_true(fault_disarm());
	assert_status(STATUS_FAILED, status, &error);
	assert_string_equal(error.message, "cannot get random bytes: Resource temporarily unavailable");
	assert_ok(act(&error), &error);
}

/* A mark that somebody can guess could be said by a row. */
static void nothing_is_asked_of_postgresql_with_a_mark_that_can_be_guessed(void **state)
{
	(void)state;
	postgresql->container.environment = (char *[]){NULL};
	postgresql->lines[0] = (struct line){.asked = "SHOW server_version", .rows = "17.2 (Debian)|170002|/data|"};
	assert_needs_random_bytes(open_postgresql);
}

static void no_drill_is_begun_with_a_password_that_can_be_guessed(void **state)
{
	(void)state;
	runtime = (struct runtime){.ops = &drills};
	assert_needs_random_bytes(begin_rehearsal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_are_kept_and_compared),
		scratch_test(a_layout_is_read_whole),
		scratch_test(what_databases_have_in_common_is_digested),
		scratch_test(a_database_is_renamed_whole),
		cmocka_unit_test_setup_teardown(postgresql_is_got_to_know, start_postgresql, stop_postgresql),
		cmocka_unit_test_setup_teardown(a_moment_of_postgresql_is_taken, start_postgresql, stop_postgresql),
		cmocka_unit_test_setup_teardown(postgresql_is_examined, start_postgresql, stop_postgresql),
		cmocka_unit_test_setup_teardown(a_database_that_is_the_same_is_not_loaded, start_postgresql, stop_postgresql),
		cmocka_unit_test_setup_teardown(databases_are_loaded, start_postgresql, stop_postgresql),
		cmocka_unit_test_setup_teardown(databases_are_swapped, start_postgresql, stop_postgresql),
		cmocka_unit_test_setup_teardown(a_restore_is_rolled_back, start_postgresql, stop_postgresql),
		cmocka_unit_test_setup_teardown(a_restore_is_committed, start_postgresql, stop_postgresql),
		cmocka_unit_test(chroma_is_counted),
		cmocka_unit_test(chroma_is_read),
		cmocka_unit_test(redis_is_saved),
		cmocka_unit_test(neo4j_is_counted),
		cmocka_unit_test(redis_is_examined),
		cmocka_unit_test(neo4j_is_examined),
		cmocka_unit_test(what_is_written_down_is_taken_up_whole),
		cmocka_unit_test(a_restore_that_was_killed_is_gone_on_with_by_who_understands_it),
		cmocka_unit_test(a_drill_is_begun_with_a_fresh_password),
		cmocka_unit_test_setup_teardown(nothing_is_asked_of_postgresql_with_a_mark_that_can_be_guessed,
										start_postgresql, stop_postgresql),
		cmocka_unit_test(no_drill_is_begun_with_a_password_that_can_be_guessed),
	};
	return cmocka_run_group_tests_name("faults_stores", tests, NULL, NULL);
}
