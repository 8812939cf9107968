/* stores/neo4j: a server that answers otherwise than it should, or not at all, and what is then said of it. */
#include "progress_support.h"
#include "server_support.h"
#include "volume_support.h"

#include "base/interrupt.h"
#include "pipeline/file.h"
#include "stores/neo4j/counts.h"
#include "stores/store_table.h"

/* --- a server ----------------------------------------------------------------------------------------------------- */

#define ROWS(rows) "{\"results\":[{\"data\":[" rows "]}],\"errors\":[]}"

/* The rows with the names that there are, which come last. */
#define NAMES(at, labels, after, types) "{\"row\":[" at ",[" labels "]]},{\"row\":[" after ",[" types "]]}"

#define SETTINGS(data, logs)                                                                                           \
	ROWS("{\"row\":[\"server.directories.data\",\"" data "\"]},"                                                       \
		 "{\"row\":[\"server.directories.transaction.logs.root\",\"" logs "\"]}")

static const struct http_reply usual[] = {
	{"SHOW SETTINGS", 200, SETTINGS("/var/lib/neo4j/data", "/var/lib/neo4j/data/transactions")},
	{"SHOW DATABASES", 200, ROWS("{\"row\":[\"system\"]},{\"row\":[\"neo4j\"]}")},
	{"SHOW HOME DATABASE", 200, ROWS("{\"row\":[\"neo4j\",\"online\",\"online\",\"\"]}")},
	{"MATCH (n)", 200, ROWS("{\"row\":[3]}")},
	{"MATCH (x)", 200, ROWS("{\"row\":[0,3]},{\"row\":[1,2]},{\"row\":[2,0]}," NAMES("3", "\"User\"", "4", ""))},
	{"db.labels", 200, ROWS("{\"row\":[\"User\"]}")},
	{"db.relationshipTypes", 200, ROWS("")},
	{NULL, 0, NULL},
};

static const struct http_reply *odd; /* come before those; may be NULL */
static const char *shell_says;       /* cypher-shell */
static const char *real_paths;       /* of the folders; NULL: they cannot be told */
static int shell_exit_code;
static const char *shell_says_of_system; /* the database of that name; NULL: the same */
static int shell_calls;
static int bash_exit_code;        /* 7: nobody listens, 127: there is no bash */
static bool is_silent;            /* over HTTP */
static int silent_times;          /* that it is asked; then it answers */
static const char *version_reply; /* "": somebody listens, but tells none */

static const char *run_program(const struct exec_request *request, int *ret_exit_code)
{
	if (strcmp(request->arguments[0], "cypher-shell") == 0) {
		shell_calls++;
		if (shell_says_of_system != NULL && strcmp(request->arguments[3], "--database") == 0) {
			return shell_says_of_system;
		}
		*ret_exit_code = shell_exit_code;
		return shell_says;
	}
	if (strcmp(request->arguments[0], "sh") == 0) {
		*ret_exit_code = real_paths != NULL ? 0 : 1;
		return real_paths != NULL ? real_paths : "";
	}
	assert_string_equal(request->arguments[0], "bash");
	*ret_exit_code = bash_exit_code;
	return request->input && bash_exit_code == 0 ? NULL : version_reply;
}

/* "go MARK" asks the last body again. */
static const char *answer_line(const char *line)
{
	static char body[1 << 16];
	static char text[1 << 17];
	if (line[0] == '{') {
		snprintf(body, sizeof body, "%s", line);
	}
	if (strncmp(line, "go ", 3) != 0 || is_silent) {
		return NULL;
	}
	bool answers = silent_times == 0;
	silent_times -= !answers;
	snprintf(text, sizeof text, "%s\n%s\n", answers ? http_reply_to(body, odd, usual) : "", line + 3);
	return text;
}

#define REAL_PATHS(ours, data, logs) ours "\n" data "\n" logs "\nwhisperbackup:end\n"

static bool has_databases;

static enum status path_stat_of(struct runtime *self, const struct container *in, const char *path,
								struct path_stat *ret_stat, struct error *error)
{
	(void)self;
	(void)in;
	*ret_stat = (struct path_stat){0};
	return has_databases ? STATUS_OK : error_set(error, STATUS_NOT_FOUND, "there is no %s", path);
}

static const struct runtime_ops engine = {SERVER_PROGRAMS, .archive_stat = path_stat_of};

static void make_server(void **state, const struct http_reply *replies)
{
	runtime = (struct runtime){.ops = &engine};
	server.run = run_program;
	server.line = answer_line;
	odd = replies;
	shell_says = "1\n1\n";
	real_paths = REAL_PATHS("/var/lib/data", "/var/lib/data", "/var/lib/data/transactions");
	is_silent = false;
	version_reply = "";
	shell_says_of_system = NULL;
	shell_exit_code = shell_calls = bash_exit_code = silent_times = 0;
	has_databases = true;
	snprintf(volume, sizeof volume, "%s/data", (const char *)*state);
}

/* One whose data is in the volume. */
static struct store *neo4j(void **state, const struct http_reply *replies)
{
	static char variable[] = "NEO4J_server_directories_data=/var/lib/data";
	static char *environment[] = {variable, NULL};
	static struct container with_folder;
	struct error error;
	struct store *store = NULL;
	make_server(state, replies);
	with_folder = container;
	with_folder.environment = environment;
	assert_ok(store_neo4j.open(&runtime, &with_folder, &store, &error), &error);
	assert_string_equal(store->data_folder, "/var/lib/data");
	assert_string_equal(store->version, "");
	return store;
}

/* --- is it well? -------------------------------------------------------------------------------------------------- */

static void one_without_databases_is_refused_with_a_hint(void **state)
{
	struct error error;
	struct store *store = NULL;
	make_server(state, NULL);
	has_databases = false;
	assert_status(STATUS_UNAVAILABLE, store_neo4j.open(&runtime, &container, &store, &error), &error);
	assert_string_equal(error.message, "no Neo4j databases in /data of container  (yet)");
	assert_string_equal(error.hint, "wait until it is healthy (./bot.sh status), then try again");
	assert_null(store);
}

static void one_that_shows_no_databases_is_not_well(void **state)
{
	struct error error;
	struct examination examination = {0};
	struct store *store = neo4j(state, NULL);
	shell_says = "name, currentStatus\n";
	assert_status(STATUS_UNAVAILABLE, store_neo4j.examine(store, &examination, &error), &error);
	assert_string_equal(error.message, "Neo4j shows no databases");
	store_free(store);
}

static void one_with_a_database_that_is_not_online_is_not_well(void **state)
{
	struct error error;
	struct examination examination = {0};
	struct store *store = neo4j(state, NULL);
	shell_says = "name, currentStatus\n\"system\", \"online\"\n\"neo4j\", \"offline\"\n";
	assert_status(STATUS_UNAVAILABLE, store_neo4j.examine(store, &examination, &error), &error);
	assert_string_equal(error.message, "not every database of Neo4j is online: \"neo4j\", \"offline\"");
	shell_says = "name, currentStatus\n\"system\", \"online\"\n\"neo4j\", \"online\"\n";
	assert_ok(store_neo4j.examine(store, &examination, &error), &error);
	assert_string_equal(examination.answer, "answers a query; 2 databases online");
	store_free(store);
}

/* --- is it up after a restore? ------------------------------------------------------------------------------------ */

static void assert_ready(struct store *store, enum status expected, const char *message, int calls_of_shell)
{
	struct error error = {0};
	assert_status(expected, store_neo4j.ready(store, &error), &error);
	if (message != NULL) {
		assert_string_equal(error.message, message);
	}
	assert_int_equal(shell_calls, calls_of_shell);
	store_free(store);
}

#define REFUSAL "{\"errors\":[{\"code\":\"Neo.ClientError.Security.Unauthorized\",\"message\":\"no\"}]}"

#define HOME(requested, current, message)                                                                              \
	REPLIES({"SHOW HOME", 200, ROWS("{\"row\":[\"neo4j\",\"" requested "\",\"" current "\",\"" message "\"]}")})

static void one_that_answers_over_http_is_up(void **state)
{
	assert_ready(neo4j(state, NULL), STATUS_OK, NULL, 0);
}

static void one_to_whose_bolt_port_nobody_listens_is_not_up(void **state)
{
	struct store *store = neo4j(state, NULL);
	bash_exit_code = 7;
	assert_ready(store, STATUS_UNAVAILABLE, "nothing listens on port 7687 of container ", 0);
}

static void one_whose_home_database_is_starting_is_not_up(void **state)
{
	assert_ready(neo4j(state, HOME("online", "starting", "")), STATUS_UNAVAILABLE, "its database neo4j is starting", 0);
	assert_ready(neo4j(state, HOME("online", "offline", "")), STATUS_UNAVAILABLE, "its database neo4j is offline", 0);
}

static void one_whose_home_database_was_stopped_by_somebody_is_not_called_damaged(void **state)
{
	assert_ready(neo4j(state, HOME("offline", "offline", "stopped")), STATUS_UNAVAILABLE,
				 "its database neo4j is offline", 0);
}

static void one_that_could_not_start_its_home_database_is_damaged(void **state)
{
	assert_ready(neo4j(state, HOME("online", "offline", "There are no logs")), STATUS_DAMAGED,
				 "Neo4j could not start a database: neo4j: There are no logs", 0);
}

static void http_that_comes_up_later_is_waited_for(void **state)
{
	struct store *store = neo4j(state, NULL);
	silent_times = 5;
	assert_ready(store, STATUS_OK, NULL, 0);
	assert_int_equal(silent_times, 0);
}

/* It can be switched off. */
static void one_that_does_not_answer_over_http_is_asked_by_cypher_shell(void **state)
{
	struct store *store = neo4j(state, NULL);
	silent_times = 1 << 20;
	assert_ready(store, STATUS_OK, NULL, 1);
	store = neo4j(state, REPLIES({"SHOW HOME", 0, ""}));
	shell_exit_code = 1;
	shell_says = "Connection refused";
	assert_ready(store, STATUS_UNAVAILABLE, "cypher-shell in container  ended with exit code 1: Connection refused", 1);
}

static void one_that_answers_over_http_otherwise_than_it_should_is_asked_by_cypher_shell(void **state)
{
	assert_ready(neo4j(state, REPLIES({"SHOW HOME", 404, "{}"})), STATUS_OK, NULL, 1);
	assert_ready(neo4j(state, REPLIES({"SHOW HOME", 200, ROWS("")})), STATUS_OK, NULL, 1);
	assert_ready(neo4j(state, REPLIES({"SHOW HOME", 200, ROWS("{\"row\":[7]}")})), STATUS_OK, NULL, 1);
	assert_ready(neo4j(state, REPLIES({"MATCH (n)", 200, "{\"errors\":[{\"message\":\"no\"}]}"})), STATUS_OK, NULL, 1);
}

/* The passwords are those of the backup. */
static void one_that_refuses_the_password_is_up(void **state)
{
	static const char *const words[] = {
		"The client is unauthorized due to authentication failure.",
		"The credentials you provided were valid, but must be changed before you can use this instance.",
		"The client has provided incorrect authentication details too many times in a row.",
	};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		struct store *store = neo4j(state, REPLIES({"SHOW HOME", 0, ""}));
		shell_exit_code = 1;
		shell_says = words[i];
		assert_ready(store, STATUS_OK, NULL, 1);
	}
}

/* Each further try would count: after three the server takes no password for some time. */
static void one_that_refuses_the_password_over_http_is_not_asked_again(void **state)
{
	static const int codes[] = {401, 403, 429};
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
		assert_ready(neo4j(state, REPLIES({"SHOW HOME", codes[i], REFUSAL})), STATUS_OK, NULL, 0);
	}
}

/* Such as another program, where the container shares its network. */
static void a_refusal_that_is_not_of_neo4j_says_nothing(void **state)
{
	assert_ready(neo4j(state, REPLIES({"SHOW HOME", 401, "{}"})), STATUS_OK, NULL, 1);
}

static void a_home_database_on_several_servers_is_asked_by_cypher_shell(void **state)
{
	assert_ready(neo4j(state, REPLIES({"SHOW HOME", 200,
									   ROWS("{\"row\":[\"neo4j\",\"online\",\"offline\",\"no\"]},"
											"{\"row\":[\"neo4j\",\"online\",\"online\",\"\"]}")})),
				 STATUS_OK, NULL, 1);
}

static void a_version_is_no_command_to_a_terminal(void **state)
{
	struct error error;
	struct store *store = NULL;
	make_server(state, NULL);
	version_reply = "HTTP/1.0 200 OK\r\n\r\n{\"neo4j_version\" : \"5\033[2J\n6\"}";
	assert_ok(store_neo4j.open(&runtime, &container, &store, &error), &error);
	assert_string_equal(store->version, "5?[2J 6");
	store_free(store);
}

static void one_that_tells_cypher_shell_why_it_could_not_start_a_database_is_damaged(void **state)
{
	struct store *store = neo4j(state, REPLIES({"SHOW HOME", 0, ""}));
	shell_exit_code = 1;
	shell_says = "Database 'neo4j' is unavailable.";
	shell_says_of_system = "name + ': ' + statusMessage\n\"neo4j: There are no logs\"\n";
	assert_ready(store, STATUS_DAMAGED, "Neo4j could not start a database: \"neo4j: There are no logs\"", 2);
	store = neo4j(state, REPLIES({"SHOW HOME", 0, ""}));
	shell_exit_code = 1;
	shell_says = "Database 'neo4j' is unavailable.";
	shell_says_of_system = "name + ': ' + statusMessage\n"; /* it is starting */
	assert_ready(store, STATUS_UNAVAILABLE, NULL, 2);
}

static void one_without_bash_is_asked_by_cypher_shell(void **state)
{
	struct store *store = neo4j(state, NULL);
	bash_exit_code = 127;
	assert_ready(store, STATUS_OK, NULL, 1);
}

static void an_interrupt_while_http_is_waited_for_ends_the_wait(void **state)
{
	struct error error;
	const struct interrupt_stop stop = {.asked = true};
	struct store *store = neo4j(state, NULL);
	silent_times = 1 << 20;
	interrupt_obey(&stop);
	enum status status = store_neo4j.ready(store, &error);
	interrupt_obey(NULL);
	assert_status(STATUS_INTERRUPTED, status, &error);
	assert_int_equal(shell_calls, 0);
	store_free(store);
}

/* --- counting ----------------------------------------------------------------------------------------------------- */

static void assert_not_counted(void **state, const struct http_reply *replies, const char *message)
{
	struct error error;
	struct fingerprint fingerprint = {0};
	struct store *store = neo4j(state, replies);
	assert_status(STATUS_UNAVAILABLE, store_neo4j.count(store, NULL, &fingerprint, &error), &error);
	assert_string_equal(error.message, message);
	assert_false(fingerprint.known);
	assert_int_equal(fingerprint.count, 0);
	store_free(store);
}

static void nodes_and_relationships_are_counted(void **state)
{
	struct error error;
	struct fingerprint fingerprint = {0};
	struct store *store = neo4j(state, NULL);
	assert_ok(store_neo4j.count(store, NULL, &fingerprint, &error), &error);
	assert_true(fingerprint.known);
	assert_int_equal(fingerprint_sum(&fingerprint, "nodes", NULL), 3);
	assert_int_equal(fingerprint_sum(&fingerprint, "nodes by label", NULL), 2);
	assert_int_equal(fingerprint_sum(&fingerprint, "relationships", NULL), 0);
	fingerprint_free(&fingerprint);
	store_free(store);
}

static void of_a_graph_with_many_labels_only_the_totals_are_counted(void **state)
{
	struct error error;
	struct fingerprint fingerprint = {0};
	char labels[1 << 12] = "";
	for (int i = 0; i <= NEO4J_COUNTS_NAMES_LIMIT; i++) {
		size_t length = strlen(labels);
		snprintf(labels + length, sizeof labels - length, "%s{\"row\":[\"L%d\"]}", i > 0 ? "," : "", i);
	}
	char body[1 << 13];
	snprintf(body, sizeof body, ROWS("%s"), labels);
	struct store *store =
		neo4j(state, REPLIES({"MATCH (x)", 200, ROWS("{\"row\":[0,3]},{\"row\":[1,2]}," NAMES("2", "\"L0\"", "3", ""))},
							 {"db.labels", 200, body}));
	assert_ok(store_neo4j.count(store, NULL, &fingerprint, &error), &error);
	assert_true(fingerprint.known);
	assert_int_equal(fingerprint.count, 2);
	assert_int_equal(fingerprint_sum(&fingerprint, "relationships", NULL), 2);
	fingerprint_free(&fingerprint);
	store_free(store);
}

static void one_whose_port_is_silent_is_not_counted(void **state)
{
	assert_not_counted(state, REPLIES({"SHOW", 0, ""}), "Neo4j cannot be counted: its HTTP port does not answer");
	assert_not_counted(state, REPLIES({"SHOW", 0, "HTTP/x nothing\r\n\r\n"}),
					   "Neo4j cannot be counted: its HTTP port does not answer");
}

static void one_that_complains_is_not_counted(void **state)
{
	assert_not_counted(state,
					   REPLIES({"db.labels", 200,
								"{\"results\":[],\"errors\":[{\"code\":\"x\",\"message\":\"There is no memory\"}]}"}),
					   "Neo4j cannot be counted: it says: There is no memory");
}

static void one_that_answers_with_another_status_is_not_counted(void **state)
{
	assert_not_counted(state, REPLIES({"SHOW", 404, "{}"}),
					   "Neo4j cannot be counted: its HTTP API answers with status 404");
	assert_not_counted(state, REPLIES({"SHOW", 503, ROWS("")}),
					   "Neo4j cannot be counted: its HTTP API answers with status 503");
	assert_not_counted(state, REPLIES({"SHOW", 200, "<html>"}),
					   "Neo4j cannot be counted: its HTTP API answers with status 200");
}

static void one_that_names_something_strange_is_not_counted(void **state)
{
	static const char message[] = "Neo4j cannot be counted: it names something strange";
	assert_not_counted(state, REPLIES({"db.labels", 200, ROWS("{\"row\":[\"User\"]},{\"row\":[7]}")}), message);
	assert_not_counted(state, REPLIES({"db.relationshipTypes", 200, ROWS("{}")}), message);
}

static void one_without_a_database_is_not_counted(void **state)
{
	assert_not_counted(state, REPLIES({"SHOW", 200, ROWS("{\"row\":[\"system\"]}")}),
					   "Neo4j cannot be counted: it shows no database");
}

static void one_with_several_databases_is_not_counted(void **state)
{
	assert_not_counted(state, REPLIES({"SHOW", 200, ROWS("{\"row\":[\"neo4j\"]},{\"row\":[\"more\"]}")}),
					   "Neo4j cannot be counted: it has more than one database");
}

static void one_that_answers_other_questions_is_not_counted(void **state)
{
	assert_not_counted(state, REPLIES({"MATCH (x)", 200, ROWS("{\"row\":[0,3]},{\"row\":[1,2]}")}),
					   "Neo4j cannot be counted: it answers 2 of 5 questions");
	static const char *const strange[] = {ROWS("{\"row\":[0,3]},{\"row\":[3,1]}"), ROWS("{\"row\":[-1,3]}"),
										  ROWS("{\"row\":[0,[]]}"), ROWS("{\"row\":[5,[]]}")};
	for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
		assert_not_counted(state, REPLIES({"MATCH (x)", 200, strange[i]}),
						   "Neo4j cannot be counted: it answers with something that is no count");
	}
}

/* --- a backup ----------------------------------------------------------------------------------------------------- */

/* Of a folder with one file, to SCRATCH/artefact. */
static struct store *prepared(void **state, const struct http_reply *replies)
{
	struct error error;
	if (geteuid() != 0) {
		skip();
	}
	progress_warned[0] = '\0';
	struct store *store = neo4j(state, replies);
	make_folder(volume);
	write_file(at(volume, "file"), "data");
	assert_ok(store_neo4j.prepare(store, at(*state, "artefact"), &progress_kept, &error), &error);
	uint64_t bytes = 0;
	assert_ok(store_neo4j.catch_up(store, &progress_kept, &bytes, &error), &error);
	return store;
}

/* Its backup is whole, and nothing is known of its counts. */
static void assert_saved_without_counts(void **state, struct store *store)
{
	struct error error;
	struct saved saved = {0};
	assert_ok(store_neo4j.capture(store, &error), &error);
	assert_ok(store_neo4j.finish(store, &progress_kept, &saved, &error), &error);
	assert_false(saved.fingerprint.known);
	assert_int_equal(saved.fingerprint.count, 0);
	char *content = shell(NULL, "tar xzOf '%s/artefact' var/lib/data/file", (const char *)*state);
	assert_string_equal(content, "data");
	free(content);
	store_free(store);
}

static void one_that_does_not_let_itself_be_counted_is_saved_with_a_warning(void **state)
{
	struct error error;
	struct store *store = prepared(state, REPLIES({"SHOW", 200, ROWS("")}));
	assert_string_equal(progress_warned, "Neo4j's nodes and relationships are not counted: it shows no database");
	assert_ok(store_neo4j.ask(store, &error), &error);
	assert_ok(store_neo4j.answer(store, &error), &error);
	assert_saved_without_counts(state, store);
}

static void one_that_cannot_be_counted_in_the_moment_is_saved_all_the_same(void **state)
{
	struct error error;
	struct store *store = prepared(state, NULL);
	assert_string_equal(progress_warned, "");
	odd = REPLIES({"MATCH (x)", 503, "{}"});
	assert_ok(store_neo4j.ask(store, &error), &error);
	assert_ok(store_neo4j.answer(store, &error), &error);
	assert_saved_without_counts(state, store);
}

static void one_that_is_silent_in_the_moment_is_saved_all_the_same(void **state)
{
	struct error error;
	struct store *store = prepared(state, NULL);
	is_silent = true;
	assert_ok(store_neo4j.ask(store, &error), &error);
	assert_ok(store_neo4j.answer(store, &error), &error);
	assert_saved_without_counts(state, store);
}

/* What is counted of one that answers so from now on. */
static struct fingerprint counted_in_the_moment(struct store *store, const struct http_reply *replies)
{
	struct error error;
	struct saved saved = {0};
	odd = replies;
	assert_ok(store_neo4j.ask(store, &error), &error);
	assert_ok(store_neo4j.answer(store, &error), &error);
	assert_ok(store_neo4j.capture(store, &error), &error);
	assert_ok(store_neo4j.finish(store, &progress_kept, &saved, &error), &error);
	store_free(store);
	assert_true(saved.fingerprint.known);
	assert_true(saved.fingerprint.exact);
	return saved.fingerprint;
}

#define WITH_NEWCOMER                                                                                                  \
	ROWS("{\"row\":[0,8]},{\"row\":[1,2]},{\"row\":[2,0]}," NAMES("3", "\"User\",\"Newcomer\"", "4", ""))

static void of_one_with_a_label_that_was_not_asked_for_only_the_totals_are_known(void **state)
{
	struct store *store = prepared(state, NULL);
	struct fingerprint fingerprint = counted_in_the_moment(store, REPLIES({"MATCH (x)", 200, WITH_NEWCOMER}));
	assert_int_equal(fingerprint.count, 2);
	assert_int_equal(fingerprint_sum(&fingerprint, "nodes", NULL), 8);
	fingerprint_free(&fingerprint);
}

static void of_one_with_a_type_that_was_not_asked_for_only_the_totals_are_known(void **state)
{
	static const char body[] =
		ROWS("{\"row\":[0,3]},{\"row\":[1,2]},{\"row\":[2,1]}," NAMES("3", "\"User\"", "4", "\"KNOWS\""));
	struct store *store = prepared(state, NULL);
	struct fingerprint fingerprint = counted_in_the_moment(store, REPLIES({"MATCH (x)", 200, body}));
	assert_int_equal(fingerprint.count, 2);
	assert_int_equal(fingerprint_sum(&fingerprint, "relationships", NULL), 1);
	fingerprint_free(&fingerprint);
}

static void a_label_that_is_gone_by_the_moment_leaves_the_others_counted(void **state)
{
	static const char body[] = ROWS("{\"row\":[0,1]},{\"row\":[1,0]},{\"row\":[2,0]}," NAMES("3", "", "4", ""));
	struct store *store = prepared(state, NULL);
	struct fingerprint fingerprint = counted_in_the_moment(store, REPLIES({"MATCH (x)", 200, body}));
	assert_int_equal(fingerprint.count, 2);
	assert_int_equal(fingerprint_sum(&fingerprint, "nodes", NULL), 1);
	fingerprint_free(&fingerprint);
}

static void labels_are_learned_again_when_the_copy_catches_up(void **state)
{
	struct error error;
	uint64_t bytes = 0;
	struct store *store = prepared(state, NULL);
	const struct http_reply *replies = REPLIES(
		{"MATCH (x:`Newcomer`)", 200,
		 ROWS("{\"row\":[0,8]},{\"row\":[1,2]},{\"row\":[2,5]},{\"row\":[3,0]}," NAMES("4", "\"User\",\"Newcomer\"",
																					   "5", ""))},
		{"MATCH (x)", 200, WITH_NEWCOMER}, {"db.labels", 200, ROWS("{\"row\":[\"User\"]},{\"row\":[\"Newcomer\"]}")});
	odd = replies;
	assert_ok(store_neo4j.catch_up(store, &progress_kept, &bytes, &error), &error);
	struct fingerprint fingerprint = counted_in_the_moment(store, replies);
	assert_int_equal(fingerprint_sum(&fingerprint, "nodes by label", NULL), 7);
	fingerprint_free(&fingerprint);
}

static void one_whose_labels_cannot_be_learned_again_is_saved_with_a_warning(void **state)
{
	struct error error;
	uint64_t bytes = 0;
	struct store *store = prepared(state, NULL);
	odd = REPLIES({"db.labels", 503, "{}"});
	assert_ok(store_neo4j.catch_up(store, &progress_kept, &bytes, &error), &error);
	assert_string_equal(progress_warned,
						"Neo4j's nodes and relationships are not counted: its HTTP API answers with status 503");
	assert_ok(store_neo4j.ask(store, &error), &error);
	assert_ok(store_neo4j.answer(store, &error), &error);
	assert_saved_without_counts(state, store);
}

/* Before a backup, and before a restore touches anything. */
static void assert_refused(void **state, const char *paths, const char *message)
{
	struct error error;
	const struct artefact artefact = {0};
	struct store *store = neo4j(state, NULL);
	real_paths = paths;
	assert_status(STATUS_UNAVAILABLE, store_neo4j.prepare(store, at(*state, "artefact"), &progress_kept, &error),
				  &error);
	assert_string_equal(error.message, message);
	assert_status(STATUS_UNAVAILABLE, store_neo4j.stage(store, "/nonexistent", &artefact, NULL, &error), &error);
	assert_string_equal(error.message, message);
	assert_false(exists(at(*state, "artefact")));
	store_free(store);
}

/* A restore asks it to count first. */
static void one_that_has_refused_the_password_is_not_asked_for_its_folders(void **state)
{
	struct error error;
	const struct artefact artefact = {0};
	struct fingerprint fingerprint = {0};
	struct store *store = neo4j(state, REPLIES({"", 401, REFUSAL}));
	assert_ok(store_neo4j.count(store, NULL, &fingerprint, &error), &error);
	fingerprint_free(&fingerprint);
	odd = NULL;
	real_paths = REAL_PATHS("/var/lib/data", "/srv", "/srv/transactions");
	enum status status = store_neo4j.stage(store, at(*state, "nonexistent"), &artefact, NULL, &error);
	assert_int_not_equal(status, STATUS_OK);
	assert_null(strstr(error.message, "Neo4j keeps its data"));
	store_free(store);
}

static void one_that_keeps_its_data_elsewhere_is_refused(void **state)
{
	assert_refused(state, REAL_PATHS("/var/lib/data", "/srv", "/srv/transactions"),
				   "Neo4j keeps its data in /srv, and not in /var/lib/data");
}

static void one_that_keeps_its_logs_elsewhere_is_refused(void **state)
{
	assert_refused(state, REAL_PATHS("/var/lib/data", "/var/lib/data", "/var/lib/database"),
				   "Neo4j keeps its transaction logs in /var/lib/database, outside of its data folder /var/lib/data");
}

static void one_that_does_not_tell_its_folders_is_saved(void **state)
{
	static const struct http_reply none[][2] = {
		{{"SHOW SETTINGS", 200, "{\"errors\":[{\"message\":\"Invalid input 'SETTINGS'\"}]}"}},
		{{"SHOW SETTINGS", 200, ROWS("")}},
	};
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
		store_free(prepared(state, none[i]));
		shell_ok("rm -r '%s' '%s/artefact'", volume, (const char *)*state);
	}
}

static void one_whose_folders_have_no_real_paths_is_saved(void **state)
{
	struct error error;
	struct store *store = neo4j(state, NULL);
	if (geteuid() != 0) {
		skip();
	}
	real_paths = NULL;
	make_folder(volume);
	assert_ok(store_neo4j.prepare(store, at(*state, "artefact"), &progress_kept, &error), &error);
	store_free(store);
}

static void a_memory_that_makes_no_sense_is_not_taken_up(void **state)
{
	struct error error;
	struct store *store = NULL;
	make_server(state, NULL);
	assert_status(STATUS_FAILED, store_neo4j.resume(&runtime, &container, "{}", true, &store, &error), &error);
	assert_string_equal(error.message, "what is written about the data of Neo4j makes no sense");
	assert_null(store);
}

static void a_data_folder_whose_path_is_too_long_is_damage(void **state)
{
	struct error error;
	struct source *file = NULL;
	struct artefact artefact = {0};
	shell_ok("cd '%s' && d=$(printf '%%0200d' 0)/$(printf '%%0100d' 0) && mkdir -p $d/databases/system && "
			 "touch $d/databases/system/neostore && tar czf artefact 0*",
			 (const char *)*state);
	assert_ok(file_source_new(at(*state, "artefact"), &file, &error), &error);
	assert_status(STATUS_DAMAGED, store_neo4j.check(file, NULL, &artefact, &error), &error);
	assert_string_equal(error.message, "the data folder's path in it is too long");
}

/* Any other failure is warned of, and the backup goes on without its counts. */
static void an_interrupt_while_it_is_counted_ends_the_backup(void **state)
{
	struct error error;
	const struct interrupt_stop stop = {.asked = true};
	struct store *store = neo4j(state, NULL);
	is_silent = true;
	interrupt_obey(&stop);
	enum status status = store_neo4j.prepare(store, at(*state, "artefact"), NULL, &error);
	interrupt_obey(NULL);
	assert_status(STATUS_INTERRUPTED, status, &error);
	assert_false(exists(at(*state, "artefact")));
	store_free(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(one_without_databases_is_refused_with_a_hint),
		scratch_test(one_that_shows_no_databases_is_not_well),
		scratch_test(one_with_a_database_that_is_not_online_is_not_well),
		scratch_test(one_that_answers_over_http_is_up),
		scratch_test(one_to_whose_bolt_port_nobody_listens_is_not_up),
		scratch_test(one_whose_home_database_is_starting_is_not_up),
		scratch_test(one_whose_home_database_was_stopped_by_somebody_is_not_called_damaged),
		scratch_test(one_that_could_not_start_its_home_database_is_damaged),
		scratch_test(http_that_comes_up_later_is_waited_for),
		scratch_test(one_that_does_not_answer_over_http_is_asked_by_cypher_shell),
		scratch_test(one_that_answers_over_http_otherwise_than_it_should_is_asked_by_cypher_shell),
		scratch_test(one_that_refuses_the_password_is_up),
		scratch_test(one_that_refuses_the_password_over_http_is_not_asked_again),
		scratch_test(a_refusal_that_is_not_of_neo4j_says_nothing),
		scratch_test(a_home_database_on_several_servers_is_asked_by_cypher_shell),
		scratch_test(a_version_is_no_command_to_a_terminal),
		scratch_test(one_that_tells_cypher_shell_why_it_could_not_start_a_database_is_damaged),
		scratch_test(one_without_bash_is_asked_by_cypher_shell),
		scratch_test(an_interrupt_while_http_is_waited_for_ends_the_wait),
		scratch_test(nodes_and_relationships_are_counted),
		scratch_test(of_a_graph_with_many_labels_only_the_totals_are_counted),
		scratch_test(one_whose_port_is_silent_is_not_counted),
		scratch_test(one_that_complains_is_not_counted),
		scratch_test(one_that_answers_with_another_status_is_not_counted),
		scratch_test(one_that_names_something_strange_is_not_counted),
		scratch_test(one_without_a_database_is_not_counted),
		scratch_test(one_with_several_databases_is_not_counted),
		scratch_test(one_that_answers_other_questions_is_not_counted),
		scratch_test(one_that_does_not_let_itself_be_counted_is_saved_with_a_warning),
		scratch_test(one_that_cannot_be_counted_in_the_moment_is_saved_all_the_same),
		scratch_test(one_that_is_silent_in_the_moment_is_saved_all_the_same),
		scratch_test(of_one_with_a_label_that_was_not_asked_for_only_the_totals_are_known),
		scratch_test(of_one_with_a_type_that_was_not_asked_for_only_the_totals_are_known),
		scratch_test(a_label_that_is_gone_by_the_moment_leaves_the_others_counted),
		scratch_test(labels_are_learned_again_when_the_copy_catches_up),
		scratch_test(one_whose_labels_cannot_be_learned_again_is_saved_with_a_warning),
		scratch_test(one_that_has_refused_the_password_is_not_asked_for_its_folders),
		scratch_test(one_that_keeps_its_data_elsewhere_is_refused),
		scratch_test(one_that_keeps_its_logs_elsewhere_is_refused),
		scratch_test(one_that_does_not_tell_its_folders_is_saved),
		scratch_test(one_whose_folders_have_no_real_paths_is_saved),
		scratch_test(a_memory_that_makes_no_sense_is_not_taken_up),
		scratch_test(a_data_folder_whose_path_is_too_long_is_damage),
		scratch_test(an_interrupt_while_it_is_counted_ends_the_backup),
	};
	return cmocka_run_group_tests_name("neo4j_server", tests, NULL, NULL);
}
