/* stores/chromadb: a server that answers otherwise than it should, or not at all, and what is then said of it. */
#include "server_support.h"
#include "volume_support.h"

#include "stores/store_table.h"

/* --- a server ----------------------------------------------------------------------------------------------------- */

#define LIST "databases/default_database/collections?limit="

static const struct http_reply usual[] = {
	{"/api/v2/heartbeat", 200, "{}"},
	{"/api/v2/version", 200, "\"1.0.0\""},
	{"/collections_count", 200, "1"},
	{"/databases?limit=", 200, "[{\"name\":\"default_database\"}]"},
	{LIST, 200, "[{\"id\":\"a1\",\"name\":\"memories\",\"dimension\":2}]"},
	{"/a1/count", 200, "2"},
	{"/a1/query", 200, "{\"ids\":[[\"r1\",\"r2\"],[\"r2\",\"r1\"]]}"},
	{NULL, 0, NULL},
};

static const struct http_reply *odd; /* come before those; may be NULL */
static struct http_reply once[2];    /* before all of them, once */
static const char *const *pages;     /* of records, one after the other; then there are none */
static bool without_bash;
static const char *open_files;      /* of the server's processes, as a shell lists them; NULL: there is no shell */
static const char *open_files_once; /* the first time, if not NULL */
static unsigned looks;              /* at those */
static const char *const *folders;  /* that hold a database */

static const char *reply_to(const char *path)
{
	if (once[0].part != NULL && strstr(path, once[0].part) != NULL) {
		const struct http_reply now[2] = {once[0]};
		once[0].part = NULL;
		return http_reply_to(path, now, usual);
	}
	if (strstr(path, "/a1/get") != NULL) {
		const char *page = *pages != NULL ? *pages++ : "{\"ids\":[],\"embeddings\":[]}";
		return http_reply_to(path, NULL, REPLIES({path, 200, page}));
	}
	return http_reply_to(path, odd, usual);
}

/* bash -c SCRIPT PORT [PATH ..]: without a path it is either talked with, or only looks whether somebody listens. */
static const char *run_bash(const struct exec_request *request, int *ret_exit_code)
{
	if (strcmp(request->arguments[0], "sh") == 0) {
		looks++;
		const char *files = open_files_once != NULL ? open_files_once : open_files;
		open_files_once = NULL;
		*ret_exit_code = files != NULL ? 0 : 127;
		return files != NULL ? files : "";
	}
	assert_string_equal(request->arguments[0], "bash");
	*ret_exit_code = without_bash ? 127 : 0;
	if (without_bash) {
		return "";
	}
	return request->arguments[4] != NULL ? reply_to(request->arguments[4]) : request->input ? NULL : "";
}

/* "MARK PATH" */
static const char *answer_line(const char *line)
{
	static char text[1 << 16];
	const char *space = strchr(line, ' ');
	assert_non_null(space);
	snprintf(text, sizeof text, "%s\n%.*s\n", reply_to(space), (int)(space - line), line);
	return text;
}

static enum status path_stat_of(struct runtime *self, const struct container *in, const char *path,
								struct path_stat *ret_stat, struct error *error)
{
	(void)self;
	(void)in;
	*ret_stat = (struct path_stat){0};
	bool there = false;
	for (size_t i = 0; folders[i] != NULL; i++) {
		size_t length = strlen(folders[i]);
		there = there || (strncmp(path, folders[i], length) == 0 && strcmp(path + length, "/chroma.sqlite3") == 0);
	}
	return there ? STATUS_OK : error_set(error, STATUS_NOT_FOUND, "there is no %s", path);
}

static unsigned stops;

static enum status stop_it(struct runtime *self, const struct container *in, const char *signal, unsigned seconds,
						   struct error *error)
{
	(void)self;
	(void)in;
	(void)signal;
	(void)seconds;
	(void)error;
	stops++;
	return STATUS_OK;
}

static enum status tell_start(struct runtime *self, const struct container *in, char ret_start[RUNTIME_START_SIZE],
							  struct error *error)
{
	(void)self;
	(void)in;
	(void)error;
	strcpy(ret_start, "just now");
	return STATUS_OK;
}

static const struct runtime_ops engine = {SERVER_PROGRAMS, .archive_stat = path_stat_of, .stop = stop_it,
										  .last_start = tell_start};

#define LISTED(files) files "whisperbackup:end\n"
#define OPEN_FILE     "lrwx------ 1 root root 64 Jan  1 00:00 26 -> "
#define FOLDERS(...)  ((const char *const[]){__VA_ARGS__, NULL})

static void start(const char *folder, const struct http_reply *replies)
{
	static const char *const no_pages[] = {NULL};
	static const char *const in_volume[] = {destination, NULL};
	runtime = (struct runtime){.ops = &engine};
	server.run = run_bash;
	server.line = answer_line;
	odd = replies;
	pages = no_pages;
	once[0].part = NULL;
	without_bash = false;
	open_files = LISTED(OPEN_FILE "/var/lib/data/chroma.sqlite3\n");
	open_files_once = NULL;
	folders = in_volume;
	stops = looks = 0;
	snprintf(volume, sizeof volume, "%s", folder);
}

static struct store *chroma(void **state, const struct http_reply *replies)
{
	struct error error;
	struct store *store = NULL;
	start(*state, replies);
	assert_ok(store_chromadb.open(&runtime, &container, &store, &error), &error);
	return store;
}

/* --- its folder --------------------------------------------------------------------------------------------------- */

/* Of a server with this word behind its command's option (NULL: none), and this environment variable. */
static enum status find_folder(const char *word, const char *variable, char folder[256], struct error *error)
{
	char *command[] = {strdup("run"), strdup("--path"), word != NULL ? strdup(word) : NULL, NULL};
	char *environment[] = {variable != NULL ? strdup(variable) : NULL, NULL};
	struct container in = container;
	struct store *store = NULL;
	in.command = command;
	in.environment = environment;
	enum status status = store_chromadb.open(&runtime, &in, &store, error);
	snprintf(folder, 256, "%s", store != NULL ? store->data_folder : "");
	store_free(store);
	free(command[0]);
	free(command[1]);
	free(command[2]);
	free(environment[0]);
	return status;
}

static void assert_folder(const char *word, const char *variable, const char *expected)
{
	struct error error;
	char folder[256];
	assert_ok(find_folder(word, variable, folder, &error), &error);
	assert_string_equal(folder, expected);
}

static void assert_no_folder(enum status expected, const char *message)
{
	struct error error;
	char folder[256];
	assert_status(expected, find_folder(NULL, NULL, folder, &error), &error);
	assert_string_equal(error.message, message);
}

static void the_folder_of_its_command_is_taken_without_slashes_at_its_end(void **state)
{
	start(*state, NULL);
	open_files = LISTED("");
	folders = FOLDERS("/elsewhere/inside");
	assert_folder("/elsewhere/inside//", NULL, "/elsewhere/inside");
}

static void the_folder_of_its_environment_is_taken(void **state)
{
	start(*state, NULL);
	open_files = LISTED("");
	folders = FOLDERS("/elsewhere/set");
	assert_folder(NULL, "PERSIST_DIRECTORY=/elsewhere/set", "/elsewhere/set");
}

static void the_folder_of_the_database_that_is_open_is_taken(void **state)
{
	start(*state, NULL);
	folders = FOLDERS("/data", "/chroma/chroma", "/srv/inside");
	open_files = LISTED(OPEN_FILE "/dev/null\n" OPEN_FILE "/srv/inside/chroma.sqlite3\n" OPEN_FILE
								  "/srv/inside/chroma.sqlite3\n" OPEN_FILE "/data/not-chroma.sqlite3\n");
	assert_folder("/data", "PERSIST_DIRECTORY=/chroma/chroma", "/srv/inside");
	assert_int_equal(looks, 1);
}

static void one_that_has_nothing_open_is_asked_something_and_looked_at_again(void **state)
{
	start(*state, NULL);
	open_files = LISTED("");
	assert_folder(NULL, NULL, destination);
	assert_int_equal(looks, 2);
}

static void of_several_databases_the_one_in_its_commands_folder_is_taken(void **state)
{
	start(*state, NULL);
	folders = FOLDERS("/data", "/chroma/chroma");
	open_files = NULL;
	assert_folder("/chroma/chroma", NULL, "/chroma/chroma");
}

static void of_several_databases_none_is_guessed(void **state)
{
	start(*state, NULL);
	folders = FOLDERS("/data", "/chroma/chroma");
	open_files = NULL;
	assert_no_folder(STATUS_UNAVAILABLE, "container  has a chroma.sqlite3 in several folders, and it cannot be told "
										 "which one Chroma writes to: /data, /chroma/chroma");
}

static void of_several_databases_that_are_open_none_is_guessed(void **state)
{
	start(*state, NULL);
	open_files = LISTED(OPEN_FILE "/one/chroma.sqlite3\n" OPEN_FILE "/other/chroma.sqlite3\n");
	assert_no_folder(STATUS_UNAVAILABLE, "container  has a chroma.sqlite3 in several folders, and it cannot be told "
										 "which one Chroma writes to: /one, /other");
}

static void one_volume_at_two_places_is_one_database(void **state)
{
	struct error error;
	struct store *store = NULL;
	char at_data[] = "/data";
	start(*state, NULL);
	open_files = LISTED("");
	struct mount twice[] = {mounts[0], mounts[0]};
	struct container in = container;
	twice[1].destination = at_data;
	in.mounts = twice;
	in.mount_count = 2;
	folders = FOLDERS("/data", "/var/lib/data");
	assert_ok(store_chromadb.open(&runtime, &in, &store, &error), &error);
	assert_string_equal(store->data_folder, "/data");
	store_free(store);
}

static void a_database_that_was_removed_while_it_is_open_is_refused(void **state)
{
	static const char message[] =
		"the chroma.sqlite3 that Chroma has open in container  was removed from /data, or replaced";
	start(*state, NULL);
	folders = FOLDERS("/data");
	open_files = LISTED(OPEN_FILE "/data/chroma.sqlite3 (deleted)\n");
	assert_no_folder(STATUS_UNAVAILABLE, message);
	open_files = LISTED(OPEN_FILE "/data/chroma.sqlite3 (deleted)\n" OPEN_FILE "/data/chroma.sqlite3\n");
	assert_no_folder(STATUS_UNAVAILABLE, message);
}

static void a_list_of_open_files_that_has_not_come_whole_is_a_failure(void **state)
{
	start(*state, NULL);
	open_files = OPEN_FILE "/da";
	assert_no_folder(STATUS_FAILED, "the list of the open files in container  has not come whole");
}

static void a_list_of_open_files_that_has_not_come_whole_is_asked_for_once_more(void **state)
{
	start(*state, NULL);
	folders = FOLDERS("/data");
	open_files_once = OPEN_FILE "/da";
	open_files = LISTED(OPEN_FILE "/srv/inside/chroma.sqlite3\n");
	assert_folder(NULL, NULL, "/srv/inside");
	assert_int_equal(looks, 2);
}

static void a_memory_that_makes_no_sense_is_not_taken_up(void **state)
{
	struct error error;
	struct store *store = NULL;
	store_free(chroma(state, NULL));
	assert_status(STATUS_FAILED, store_chromadb.resume(&runtime, &container, "{}", true, &store, &error), &error);
	assert_string_equal(error.message, "what is written about the data of ChromaDB makes no sense");
	assert_null(store);
	assert_int_equal(stops, 0);
}

/* --- is it well? -------------------------------------------------------------------------------------------------- */

static void assert_not_well(void **state, const struct http_reply *replies, const char *message)
{
	struct error error;
	struct examination examination = {0};
	struct store *store = chroma(state, replies);
	assert_status(STATUS_UNAVAILABLE, store_chromadb.examine(store, &examination, &error), &error);
	assert_string_equal(error.message, message);
	store_free(store);
}

static void assert_well(void **state, const struct http_reply *replies, const char *answer)
{
	struct error error;
	struct examination examination = {0};
	struct store *store = chroma(state, replies);
	assert_ok(store_chromadb.examine(store, &examination, &error), &error);
	assert_string_equal(examination.answer, answer);
	assert_int_equal(examination.port, 8000);
	store_free(store);
}

static void one_that_lists_its_collections_is_well(void **state)
{
	assert_well(state, NULL, "answers a heartbeat; 1 collection");
}

static void one_that_wants_a_token_is_well(void **state)
{
	assert_well(state, REPLIES({"/collections_count", 401, "{}"}), "answers a heartbeat; its collections need a token");
	assert_well(state, REPLIES({"/collections_count", 403, "{}"}), "answers a heartbeat; its collections need a token");
}

static void one_of_an_old_version_is_well(void **state)
{
	assert_well(state,
				REPLIES({"/api/v2/", 404, "{\"detail\":\"Not Found\"}"}, {"/api/v1/heartbeat", 200, "{}"},
						{"/api/v1/version", 200, "\"0.4.24\""}, {"/api/v1/count_collections", 200, "3"},
						{"/api/v1/collections?limit=1", 200, "[]"}),
				"answers a heartbeat; 3 collections");
}

static void one_whose_heart_does_not_beat_is_not_well(void **state)
{
	assert_not_well(state, REPLIES({"/heartbeat", 500, "{}"}), "Chroma answers a heartbeat with HTTP 500");
}

static void one_that_cannot_count_its_collections_is_not_well(void **state)
{
	assert_not_well(state, REPLIES({"/collections_count", 500, "{}"}),
					"Chroma answers a request for its collections with HTTP 500");
}

/* Chroma 1.x says 410 to any request of the old kind. */
static void one_that_cannot_list_its_collections_is_told_with_its_own_number(void **state)
{
	assert_not_well(state, REPLIES({LIST, 500, "{}"}, {"/api/v1/", 410, "{}"}),
					"Chroma answers a request for its collections with HTTP 500");
}

static void one_that_speaks_no_http_is_not_well(void **state)
{
	assert_not_well(state, REPLIES({"/api/v2/heartbeat", 0, "SSH-2.0-OpenSSH_9.2\r\n"}),
					"no HTTP answer on port 8000 of container ");
	assert_not_well(state, REPLIES({"/api/v2/heartbeat", 0, "HTTP/x nothing\r\n\r\n"}),
					"no HTTP answer on port 8000 of container ");
}

static void one_that_cannot_be_asked_is_left_to_its_own_health_check(void **state)
{
	struct error error;
	struct fingerprint fingerprint = {0};
	struct store *store = chroma(state, NULL);
	without_bash = true;
	assert_ok(store_chromadb.ready(store, &error), &error);
	assert_ok(store_chromadb.count(store, NULL, &fingerprint, &error), &error);
	assert_false(fingerprint.known);
	store_free(store);
}

/* --- counting ----------------------------------------------------------------------------------------------------- */

static void assert_not_counted(void **state, const struct http_reply *replies, const char *message)
{
	struct error error;
	struct fingerprint fingerprint = {0};
	struct store *store = chroma(state, replies);
	assert_status(STATUS_UNAVAILABLE, store_chromadb.count(store, NULL, &fingerprint, &error), &error);
	assert_string_equal(error.message, message);
	assert_false(fingerprint.known);
	assert_int_equal(fingerprint.count, 0);
	store_free(store);
}

static void one_that_falls_silent_is_not_counted(void **state)
{
	assert_not_counted(state, REPLIES({"/a1/count", 0, ""}),
					   "Chroma's records cannot be counted: Chroma's HTTP port does not answer");
}

static void one_whose_list_is_none_is_not_counted(void **state)
{
	assert_not_counted(state, REPLIES({LIST, 200, "{\"error\":\"x\"}"}),
					   "Chroma's records cannot be counted: Chroma answers "
					   "/api/v2/tenants/default_tenant/databases/default_database/collections?limit=100&offset=0 "
					   "with HTTP 200, or with what cannot be read");
	assert_not_counted(state, REPLIES({LIST, 500, "[]"}),
					   "Chroma's records cannot be counted: Chroma answers "
					   "/api/v2/tenants/default_tenant/databases/default_database/collections?limit=100&offset=0 "
					   "with HTTP 500, or with what cannot be read");
}

static void one_whose_list_makes_no_sense_is_not_counted(void **state)
{
	static const char message[] = "Chroma's records cannot be counted: Chroma's list of collections makes no sense";
	assert_not_counted(state, REPLIES({LIST, 200, "[{\"name\":\"memories\"}]"}), message);
	assert_not_counted(state, REPLIES({LIST, 200, "[{\"id\":\"a1\"}]"}), message);
	assert_not_counted(state, REPLIES({LIST, 200, "[{\"id\":\"../heartbeat\",\"name\":\"memories\"}]"}), message);
}

static void one_whose_count_is_none_is_not_counted(void **state)
{
	static const char message[] = "Chroma's records cannot be counted: Chroma answers "
								  "/api/v2/tenants/default_tenant/databases/default_database/collections/a1/count "
								  "with HTTP 200, or with what cannot be read";
	assert_not_counted(state, REPLIES({"/a1/count", 200, "-1"}), message);
	assert_not_counted(state, REPLIES({"/a1/count", 200, "\"many\""}), message);
	assert_not_counted(state, REPLIES({"/a1/count", 200, "<html>"}), message);
}

static void a_collection_that_is_deleted_meanwhile_is_not_missed(void **state)
{
	struct error error;
	struct fingerprint fingerprint = {0};
	struct store *store = chroma(state, REPLIES({"/a1/count", 404, "{}"}));
	assert_ok(store_chromadb.count(store, NULL, &fingerprint, &error), &error);
	assert_true(fingerprint.known);
	assert_int_equal(fingerprint.count, 0);
	store_free(store);
}

/* As old ones do: all that they have stands on each page. */
static void one_that_pays_no_heed_to_pages_is_counted_once(void **state)
{
	struct error error;
	struct fingerprint fingerprint = {0};
	char list[1 << 13] = "[";
	for (int i = 0; i < 100; i++) {
		size_t length = strlen(list);
		snprintf(list + length, sizeof list - length, "%s{\"id\":\"%d\",\"name\":\"of %d\"}", i > 0 ? "," : "", i, i);
	}
	strcat(list, "]");
	struct store *store =
		chroma(state, REPLIES({"offset=200", 500, "that is too much"}, {"/api/v2/", 404, "{}"}, {"/count", 200, "2"},
							  {"/api/v1/version", 200, "\"0.4.0\""}, {"/api/v1/collections", 200, list}));
	assert_ok(store_chromadb.count(store, NULL, &fingerprint, &error), &error);
	assert_true(fingerprint.known);
	assert_int_equal(fingerprint.count, 100);
	assert_int_equal(fingerprint_sum(&fingerprint, "records", NULL), 200);
	fingerprint_free(&fingerprint);
	store_free(store);
}

static void one_that_wants_a_token_is_not_counted_which_is_no_failure(void **state)
{
	struct error error;
	struct fingerprint fingerprint = {0};
	struct store *store = chroma(state, REPLIES({"/a1/count", 401, "{}"}));
	assert_ok(store_chromadb.count(store, NULL, &fingerprint, &error), &error);
	assert_false(fingerprint.known);
	assert_int_equal(fingerprint.count, 0);
	store_free(store);
}

/* --- reading all -------------------------------------------------------------------------------------------------- */

#define PAGES(...) ((const char *const[]){__VA_ARGS__, NULL})

static const char whole[] = "{\"ids\":[\"r1\",\"r2\"],\"embeddings\":[[1,2],[3,4]]}";

static enum status read_with(void **state, const struct http_reply *replies, const char *const *records,
							 struct error *error)
{
	struct store *store = chroma(state, replies);
	pages = records;
	enum status status = store_chromadb.read_all(store, NULL, NULL, error);
	store_free(store);
	return status;
}

static void assert_unreadable(void **state, const struct http_reply *replies, const char *const *records,
							  const char *message)
{
	struct error error;
	assert_status(STATUS_DAMAGED, read_with(state, replies, records, &error), &error);
	assert_string_equal(error.message, message);
	assert_false(error.blameless);
}

static void records_that_are_whole_are_read(void **state)
{
	struct error error;
	assert_ok(read_with(state, NULL, PAGES(whole), &error), &error);
}

static void a_document_may_hold_a_nul(void **state)
{
	struct error error;
	assert_ok(
		read_with(state, NULL,
				  PAGES("{\"ids\":[\"r1\",\"r2\"],\"embeddings\":[[1,2],[3,4]],\"documents\":[\"a\\u0000b\",null]}"),
				  &error),
		&error);
}

static void records_without_their_vectors_are_damage(void **state)
{
	assert_unreadable(state, NULL, PAGES("{\"ids\":[\"r1\",\"r2\"],\"embeddings\":[[1,2]]}"),
					  "the collection memories: 1 of 2 records have their vectors");
	assert_unreadable(state, NULL, PAGES("{\"ids\":[\"r1\",\"r2\"],\"embeddings\":null}"),
					  "the collection memories: 0 of 2 records have their vectors");
}

static void records_whose_vectors_are_not_whole_are_damage(void **state)
{
	static const char *const broken[] = {"[1]", "[1,2,3]", "[]", "null", "[1,null]", "[1,\"2\"]"};
	for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
		char page[256];
		snprintf(page, sizeof page, "{\"ids\":[\"r1\",\"r2\"],\"embeddings\":[[1,2],%s]}", broken[i]);
		assert_unreadable(state, NULL, PAGES(page), "the collection memories: the record r2 has no whole vector");
	}
	assert_unreadable(state, NULL, PAGES("{\"ids\":[1],\"embeddings\":[[1,2]]}"),
					  "the collection memories: the record ? has no whole vector");
}

static void fewer_records_than_were_counted_are_damage(void **state)
{
	assert_unreadable(state, REPLIES({"/a1/count", 200, "3"}, {"/a1/query", 200, "{\"ids\":[[1,2,3],[1,2,3]]}"}),
					  PAGES(whole), "the collection memories: 2 of 3 records can be read");
}

static void a_search_that_does_not_find_its_neighbours_is_damage(void **state)
{
	assert_unreadable(state, REPLIES({"/a1/query", 200, "{\"ids\":[[\"r1\",\"r2\"],[\"r2\"]]}"}), PAGES(whole),
					  "the collection memories: a search finds 1 of 2 records");
	assert_unreadable(state, REPLIES({"/a1/query", 200, "{}"}), PAGES(whole),
					  "the collection memories: a search finds 0 of 2 records");
}

static void a_refusal_to_search_is_damage_in_the_servers_words(void **state)
{
	assert_unreadable(state, REPLIES({"/a1/query", 500, "{\"error\":\"Error loading hnsw index\"}"}), PAGES(whole),
					  "the collection memories: Chroma answers with HTTP 500: {\"error\":\"Error loading hnsw "
					  "index\"}");
}

static void assert_cannot_answer(void **state, const struct http_reply *replies, const char *message)
{
	struct error error;
	assert_status(STATUS_UNAVAILABLE, read_with(state, replies, PAGES(whole), &error), &error);
	assert_string_equal(error.message, message);
	assert_true(error.blameless);
}

static void one_that_cannot_answer_just_now_is_no_damage(void **state)
{
	static const int codes[] = {429, 502, 503, 504, 507};
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
		char message[256];
		snprintf(message, sizeof message, "the collection memories: Chroma answers with HTTP %d: {\"error\":1}",
				 codes[i]);
		assert_cannot_answer(state, REPLIES({"/a1/query", codes[i], "{\"error\":1}"}), message);
	}
	assert_cannot_answer(
		state, REPLIES({"/a1/count", 503, "{}"}),
		"Chroma answers /api/v2/tenants/default_tenant/databases/default_database/collections/a1/count "
		"with HTTP 503, or with what cannot be read");
}

static void an_answer_that_was_cut_off_is_no_damage(void **state)
{
	assert_cannot_answer(state, REPLIES({"/a1/query", 200, "{\"ids\":[[\"r1\",\"r"}),
						 "the collection memories: Chroma's answer is not whole: 16 bytes with HTTP 200");
	assert_cannot_answer(state, REPLIES({"/a1/query", 200, ""}),
						 "the collection memories: Chroma's answer is not whole: 0 bytes with HTTP 200");
}

static void one_that_could_not_answer_is_asked_once_more(void **state)
{
	static const struct http_reply bad[] = {{"/a1/query", 503, "{}"}, {"/a1/query", 200, "{\"ids\":[["}};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct error error;
		struct store *store = chroma(state, NULL);
		pages = PAGES(whole);
		once[0] = bad[i];
		assert_ok(store_chromadb.read_all(store, NULL, NULL, &error), &error);
		assert_null(once[0].part);
		store_free(store);
	}
}

/* As of an index that is damaged: asking again does not help. */
static void one_that_has_failed_is_not_asked_again(void **state)
{
	struct error error;
	struct store *store = chroma(state, NULL);
	pages = PAGES(whole);
	once[0] = (struct http_reply){"/a1/query", 500, "{}"};
	assert_status(STATUS_DAMAGED, store_chromadb.read_all(store, NULL, NULL, &error), &error);
	store_free(store);
}

static void one_that_wants_a_token_cannot_be_read(void **state)
{
	struct error error;
	assert_status(STATUS_UNAVAILABLE, read_with(state, REPLIES({LIST, 401, "{}"}), PAGES(whole), &error), &error);
	assert_string_equal(error.message, "Chroma does not let itself be read without a token");
}

/* --- stopping ----------------------------------------------------------------------------------------------------- */

static void one_that_is_never_at_rest_is_not_stopped(void **state)
{
	struct error error;
	if (geteuid() != 0) {
		skip();
	}
	struct store *store = chroma(state, NULL);
	shell_ok("mkdir '%s/segment' && cd '%s/segment' && touch header.bin data_level0.bin length.bin link_lists.bin && "
			 "printf half >index_metadata.pickle",
			 volume, volume);
	assert_status(STATUS_FAILED, store_chromadb.swap(store, NULL, &error), &error);
	assert_string_equal(error.message, "Chroma was never at rest in 60 seconds");
	assert_int_equal(stops, 0);
	store_free(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(the_folder_of_its_command_is_taken_without_slashes_at_its_end),
		scratch_test(the_folder_of_its_environment_is_taken),
		scratch_test(the_folder_of_the_database_that_is_open_is_taken),
		scratch_test(one_that_has_nothing_open_is_asked_something_and_looked_at_again),
		scratch_test(of_several_databases_the_one_in_its_commands_folder_is_taken),
		scratch_test(of_several_databases_none_is_guessed),
		scratch_test(of_several_databases_that_are_open_none_is_guessed),
		scratch_test(one_volume_at_two_places_is_one_database),
		scratch_test(a_database_that_was_removed_while_it_is_open_is_refused),
		scratch_test(a_list_of_open_files_that_has_not_come_whole_is_a_failure),
		scratch_test(a_list_of_open_files_that_has_not_come_whole_is_asked_for_once_more),
		scratch_test(a_memory_that_makes_no_sense_is_not_taken_up),
		scratch_test(one_that_lists_its_collections_is_well),
		scratch_test(one_that_wants_a_token_is_well),
		scratch_test(one_of_an_old_version_is_well),
		scratch_test(one_whose_heart_does_not_beat_is_not_well),
		scratch_test(one_that_cannot_count_its_collections_is_not_well),
		scratch_test(one_that_cannot_list_its_collections_is_told_with_its_own_number),
		scratch_test(one_that_speaks_no_http_is_not_well),
		scratch_test(one_that_cannot_be_asked_is_left_to_its_own_health_check),
		scratch_test(one_that_falls_silent_is_not_counted),
		scratch_test(one_whose_list_is_none_is_not_counted),
		scratch_test(one_whose_list_makes_no_sense_is_not_counted),
		scratch_test(one_whose_count_is_none_is_not_counted),
		scratch_test(a_collection_that_is_deleted_meanwhile_is_not_missed),
		scratch_test(one_that_pays_no_heed_to_pages_is_counted_once),
		scratch_test(one_that_wants_a_token_is_not_counted_which_is_no_failure),
		scratch_test(records_that_are_whole_are_read),
		scratch_test(a_document_may_hold_a_nul),
		scratch_test(records_without_their_vectors_are_damage),
		scratch_test(records_whose_vectors_are_not_whole_are_damage),
		scratch_test(fewer_records_than_were_counted_are_damage),
		scratch_test(a_search_that_does_not_find_its_neighbours_is_damage),
		scratch_test(a_refusal_to_search_is_damage_in_the_servers_words),
		scratch_test(one_that_cannot_answer_just_now_is_no_damage),
		scratch_test(an_answer_that_was_cut_off_is_no_damage),
		scratch_test(one_that_could_not_answer_is_asked_once_more),
		scratch_test(one_that_has_failed_is_not_asked_again),
		scratch_test(one_that_wants_a_token_cannot_be_read),
		scratch_test(one_that_is_never_at_rest_is_not_stopped),
	};
	return cmocka_run_group_tests_name("chromadb_server", tests, NULL, NULL);
}
