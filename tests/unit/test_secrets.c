/* stores: how passwords get to the programs that need them: by environment or standard input, never on a command line
 * or in a message. */
#include "support.h"

#include "runtimes/runtime.h"
#include "stores/neo4j/counts.h"
#include "stores/postgresql/psql.h"
#include "stores/redis/server.h"
#include "stores/rehearsal.h"
#include "stores/store_table.h"

#define PASSWORD "odd-4711-secret"
#define ENCODED  "bmVvNGo6b2RkLTQ3MTEtc2VjcmV0" /* of "neo4j:" PASSWORD, for HTTP */

enum { HEARD_LIMIT = 1 << 20 };

/* --- a runtime whose programs all say the same -------------------------------------------------------------------- */

struct listener {
	struct runtime runtime;
	const char *output; /* of every program */
	const char *errors;
	int exit_code;
	struct buffer arguments; /* of all programs, one a line */
	struct buffer variables; /* likewise */
	struct buffer input;
};

struct program {
	struct exec exec;
	bool has_spoken;
};

static struct listener *listener_of(struct exec *exec)
{
	return (struct listener *)exec->runtime;
}

static void note(struct buffer *heard, const char *const *texts)
{
	struct error error;
	for (size_t i = 0; texts != NULL && texts[i] != NULL; i++) {
		assert_int_equal(buffer_printf(heard, &error, "%s\n", texts[i]), STATUS_OK);
	}
}

static enum status open_program(struct runtime *runtime, const struct exec_request *request, struct exec **ret_exec,
								struct error *error)
{
	(void)error;
	struct listener *listener = (struct listener *)runtime;
	struct program *program = calloc(1, sizeof *program);
	assert_non_null(program);
	program->exec.runtime = runtime;
	note(&listener->arguments, request->arguments);
	note(&listener->variables, request->environment);
	*ret_exec = &program->exec;
	return STATUS_OK;
}

static enum status exchange(struct exec *exec, const void *bytes, size_t length, size_t *ret_written,
							struct buffer *output, struct buffer *errors, int timeout_milliseconds, bool *ret_ended,
							struct error *error)
{
	(void)timeout_milliseconds;
	struct program *program = (struct program *)exec;
	struct listener *listener = listener_of(exec);
	*ret_written = length;
	*ret_ended = false;
	if (length > 0) {
		return buffer_append(&listener->input, bytes, length, error);
	}
	*ret_ended = true;
	if (program->has_spoken) {
		return STATUS_OK;
	}
	program->has_spoken = true;
	enum status status = output != NULL ? buffer_append_text(output, listener->output, error) : STATUS_OK;
	return status == STATUS_OK && errors != NULL ? buffer_append_text(errors, listener->errors, error) : status;
}

static enum status close_input(struct exec *exec, struct error *error)
{
	(void)exec;
	(void)error;
	return STATUS_OK;
}

static enum status finish(struct exec *exec, int *ret_exit_code, struct error *error)
{
	(void)error;
	*ret_exit_code = listener_of(exec)->exit_code;
	return STATUS_OK;
}

static void free_program(struct exec *exec)
{
	free(exec);
}

static enum status make_throwaway(struct runtime *runtime, const struct throwaway *wanted,
								  struct container **ret_container, struct error *error)
{
	(void)ret_container;
	struct listener *listener = (struct listener *)runtime;
	const char *const plain[] = {wanted->name, wanted->drill, wanted->image, NULL};
	note(&listener->arguments, wanted->command);
	note(&listener->arguments, plain);
	note(&listener->variables, wanted->environment);
	return error_set(error, STATUS_FAILED, "no such engine");
}

static const struct runtime_ops ops = {
	.exec_open = open_program,
	.exec_exchange = exchange,
	.exec_close_input = close_input,
	.exec_finish = finish,
	.exec_free = free_program,
	.throwaway = make_throwaway,
};

static struct listener listen_to(const char *output, const char *errors, int exit_code)
{
	return (struct listener){
		.runtime = {.ops = &ops},
		.output = output,
		.errors = errors,
		.exit_code = exit_code,
		.arguments = BUFFER_INIT(HEARD_LIMIT),
		.variables = BUFFER_INIT(HEARD_LIMIT),
		.input = BUFFER_INIT(HEARD_LIMIT),
	};
}

static void forget(struct listener *listener)
{
	buffer_free(&listener->arguments);
	buffer_free(&listener->variables);
	buffer_free(&listener->input);
}

/* A program got it, so that it could have been seen; and it was not. */
static void assert_kept(struct listener *listener, const struct buffer *by, const char *secret,
						const struct error *error)
{
	assert_non_null(strstr(buffer_text(by), secret));
	assert_null(strstr(buffer_text(&listener->arguments), secret));
	assert_null(strstr(error->message, PASSWORD));
	assert_null(strstr(error->hint, PASSWORD));
	forget(listener);
}

static struct container container_with(char **environment, char **command)
{
	static char id[] = "4711";
	static char name[] = "stack_store_1";
	static char empty[] = "";
	return (struct container){.id = id,
							  .name = name,
							  .service = empty,
							  .store = empty,
							  .image = empty,
							  .image_digest = empty,
							  .environment = environment,
							  .command = command};
}

static char *nothing[] = {NULL};

/* --- PostgreSQL --------------------------------------------------------------------------------------------------- */

static char postgres_password[] = "POSTGRES_PASSWORD=" PASSWORD;
static char postgres_file[] = "POSTGRES_PASSWORD_FILE=/run/secrets/password";

static void psql_gets_the_password_by_environment(void **state)
{
	(void)state;
	char *environment[] = {postgres_password, NULL};
	struct container container = container_with(environment, nothing);
	struct listener listener = listen_to("", "psql: error: it refuses", 2);
	struct store *store = NULL;
	struct error error = {0};
	assert_status(STATUS_UNAVAILABLE, store_postgresql.open(&listener.runtime, &container, &store, &error), &error);
	assert_non_null(strstr(error.message, "it refuses"));
	assert_kept(&listener, &listener.variables, "PGPASSWORD=" PASSWORD, &error);
}

static void a_password_that_is_in_a_file_gets_to_psql_by_environment(void **state)
{
	(void)state;
	char *environment[] = {postgres_file, NULL};
	struct container container = container_with(environment, nothing);
	struct listener listener = listen_to(PASSWORD "\n", "", 0);
	struct store *store = NULL;
	struct error error = {0};
	/* All that this server says is the password, which is not the whole answer to anything. */
	assert_status(STATUS_UNAVAILABLE, store_postgresql.open(&listener.runtime, &container, &store, &error), &error);
	assert_kept(&listener, &listener.variables, "PGPASSWORD=" PASSWORD, &error);
}

static void what_was_read_of_a_password_file_is_not_told_when_that_fails(void **state)
{
	(void)state;
	char *environment[] = {postgres_file, NULL};
	struct container container = container_with(environment, nothing);
	struct listener listener = listen_to(PASSWORD "\n", "", 137);
	struct store *store = NULL;
	struct error error = {0};
	assert_status(STATUS_FAILED, store_postgresql.open(&listener.runtime, &container, &store, &error), &error);
	assert_string_equal(error.message,
						"/run/secrets/password cannot be read in container stack_store_1: exit code 137");
	forget(&listener);
}

static struct postgresql server_of(struct listener *listener, const struct container *container)
{
	static char user[] = "postgres";
	static char password[] = PASSWORD;
	return (struct postgresql){
		.store = {.ops = &store_postgresql, .runtime = &listener->runtime, .container = container},
		.user = user,
		.password = password,
		.preferred = user,
		.database = user};
}

static void a_dump_and_a_session_get_the_password_by_environment(void **state)
{
	(void)state;
	struct container container = container_with(nothing, nothing);
	const char *const arguments[] = {"pg_dump", "--create", NULL};
	for (int way = 0; way < 3; way++) {
		struct listener listener = listen_to("", "pg_dump: error: it is gone", 1);
		struct postgresql server = server_of(&listener, &container);
		struct psql_session *session = NULL;
		struct source *script = NULL;
		struct error error = {0};
		if (way == 0) {
			assert_status(STATUS_FAILED, psql_dump(&server, "shop", arguments, NULL, &error), &error);
		} else if (way == 1) {
			assert_status(STATUS_FAILED, psql_session_open(&server, "shop", &session, &error), &error);
		} else {
			assert_ok(source_from_memory_new("SELECT 1;", 9, &script, &error), &error);
			assert_status(STATUS_FAILED, psql_load(&server, "shop", true, script, &error), &error);
			source_free(script);
		}
		assert_kept(&listener, &listener.variables, "PGPASSWORD=" PASSWORD, &error);
	}
}

static void the_passwords_of_roles_get_to_psql_by_standard_input(void **state)
{
	(void)state;
	struct container container = container_with(nothing, nothing);
	struct listener listener =
		listen_to("", "psql:<stdin>:1: ERROR:  no\nLINE 1: ALTER ROLE me PASSWORD '" PASSWORD "'", 3);
	struct postgresql server = server_of(&listener, &container);
	struct error error = {0};
	server.password = NULL;
	assert_status(STATUS_FAILED, psql_query(&server, "postgres", "ALTER ROLE me PASSWORD '" PASSWORD "'", NULL, &error),
				  &error);
	assert_kept(&listener, &listener.input, PASSWORD, &error);
}

/* --- Redis -------------------------------------------------------------------------------------------------------- */

static void redis_cli_gets_the_password_by_environment(void **state)
{
	(void)state;
	static char by_variable[] = "REDIS_PASSWORD=" PASSWORD;
	static char server[] = "redis-server";
	static char option[] = "--requirepass";
	static char value[] = PASSWORD;
	static char line[] = "exec redis-server --requirepass \"" PASSWORD "\"";
	char *with_variable[] = {by_variable, NULL};
	char *with_option[] = {server, option, value, NULL};
	char *with_line[] = {line, NULL};
	struct container containers[] = {
		container_with(with_variable, nothing),
		container_with(nothing, with_option),
		container_with(nothing, with_line),
	};
	for (size_t i = 0; i < sizeof containers / sizeof *containers; i++) {
		struct listener listener = listen_to("NOAUTH Authentication required.\n", "", 0);
		struct store *store = NULL;
		struct error error = {0};
		assert_status(STATUS_UNAVAILABLE, store_redis.open(&listener.runtime, &containers[i], &store, &error), &error);
		assert_non_null(strstr(error.message, "Redis answers: NOAUTH"));
		assert_kept(&listener, &listener.variables, "REDISCLI_AUTH=" PASSWORD, &error);
	}
}

static void the_dialogue_with_redis_gets_the_password_by_environment(void **state)
{
	static char password[] = PASSWORD;
	struct container container = container_with(nothing, nothing);
	struct listener listener = listen_to("", "", 1);
	struct error error = {0};
	struct redis *redis = calloc(1, sizeof *redis);
	assert_non_null(redis);
	redis->volume.store = (struct store){
		.ops = &store_redis, .runtime = &listener.runtime, .container = &container, .data_folder = "/data"};
	redis->password = strdup(password);
	strcpy(redis->port, "6379");
	enum status status = store_redis.prepare(&redis->volume.store, at(*state, "dump"), NULL, &error);
	assert_int_not_equal(status, STATUS_OK);
	store_free(&redis->volume.store);
	assert_kept(&listener, &listener.variables, "REDISCLI_AUTH=" PASSWORD, &error);
}

/* --- Neo4j -------------------------------------------------------------------------------------------------------- */

static char neo4j_auth[] = "NEO4J_AUTH=neo4j/" PASSWORD;
static char neo4j_auth_true[] = "NEO4J_AUTH=neo4j/" PASSWORD "/true";

static struct store neo4j_store(struct listener *listener, const struct container *container)
{
	return (struct store){.ops = &store_neo4j, .runtime = &listener->runtime, .container = container};
}

static void cypher_shell_gets_the_password_by_environment(void **state)
{
	(void)state;
	char *environments[][2] = {{neo4j_auth, NULL}, {neo4j_auth_true, NULL}};
	for (size_t i = 0; i < sizeof environments / sizeof *environments; i++) {
		struct container container = container_with(environments[i], nothing);
		struct listener listener = listen_to("", "it says no", 1);
		struct store store = neo4j_store(&listener, &container);
		struct error error = {0};
		assert_status(STATUS_UNAVAILABLE, store_neo4j.ready(&store, &error), &error);
		assert_non_null(strstr(error.message, "it says no"));
		assert_kept(&listener, &listener.variables, "NEO4J_PASSWORD=" PASSWORD "\n", &error);
	}
}

static void the_dialogue_with_neo4j_gets_the_password_by_standard_input(void **state)
{
	(void)state;
	char *environments[][2] = {{neo4j_auth, NULL}, {neo4j_auth_true, NULL}};
	for (size_t i = 0; i < sizeof environments / sizeof *environments; i++) {
		struct container container = container_with(environments[i], nothing);
		struct listener listener = listen_to("", "", 1);
		struct store store = neo4j_store(&listener, &container);
		struct neo4j_counts *counts = NULL;
		struct error error = {0};
		bool refused = false;
		assert_int_not_equal(neo4j_counts_open(&store, &counts, &refused, &error), STATUS_OK);
		assert_null(strstr(buffer_text(&listener.arguments), PASSWORD));
		assert_kept(&listener, &listener.input, ENCODED "\n", &error);
	}
}

/* --- a drill ------------------------------------------------------------------------------------------------------ */

static void a_drill_has_a_password_of_its_own_which_its_server_gets_by_environment(void **state)
{
	(void)state;
	char *environment[] = {postgres_password, NULL};
	struct container live = container_with(environment, nothing);
	struct listener listener = listen_to("", "", 0);
	struct rehearsal rehearsal;
	struct error error = {0};
	bool other = false;
	assert_status(STATUS_FAILED,
				  rehearsal_begin(&rehearsal, &listener.runtime, &store_postgresql, "drill", "", "postgres:16", &live,
								  &other, &error),
				  &error);
	const char *made = strstr(buffer_text(&listener.variables), "POSTGRES_PASSWORD=");
	assert_non_null(made);
	assert_null(strstr(buffer_text(&listener.variables), PASSWORD)); /* the live one is none of its business */
	char password[64];
	assert_int_equal(sscanf(made, "POSTGRES_PASSWORD=%63s", password), 1);
	assert_true(strlen(password) >= 32);
	assert_null(strstr(error.message, password));
	assert_kept(&listener, &listener.variables, password, &error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(psql_gets_the_password_by_environment),
		cmocka_unit_test(a_password_that_is_in_a_file_gets_to_psql_by_environment),
		cmocka_unit_test(what_was_read_of_a_password_file_is_not_told_when_that_fails),
		cmocka_unit_test(a_dump_and_a_session_get_the_password_by_environment),
		cmocka_unit_test(the_passwords_of_roles_get_to_psql_by_standard_input),
		cmocka_unit_test(redis_cli_gets_the_password_by_environment),
		scratch_test(the_dialogue_with_redis_gets_the_password_by_environment),
		cmocka_unit_test(cypher_shell_gets_the_password_by_environment),
		cmocka_unit_test(the_dialogue_with_neo4j_gets_the_password_by_standard_input),
		cmocka_unit_test(a_drill_has_a_password_of_its_own_which_its_server_gets_by_environment),
	};
	return cmocka_run_group_tests_name("secrets", tests, NULL, NULL);
}
