/* runtimes/runtime and stores/store_table: what is known of a container, which store it belongs to, and how long it is
 * waited for. */
#include "support.h"

#include "base/clock.h"
#include "runtimes/runtime.h"
#include "stores/store_table.h"

static char empty[] = "";

/* The fields are not const; a container made by hand keeps its texts in these. */
static char texts[16][PATH_MAX];
static size_t text_count;

static char *text(const char *content)
{
	char *copy = texts[text_count++ % 16];
	snprintf(copy, PATH_MAX, "%s", content);
	return copy;
}

static struct mount mount_at(const char *destination, const char *source)
{
	return (struct mount){.type = empty, .source = text(source), .destination = text(destination), .writable = true};
}

static struct container with_mounts(struct mount *mounts, size_t count)
{
	return (struct container){.name = empty, .mounts = mounts, .mount_count = count};
}

/* --- mounts ------------------------------------------------------------------------------------------------------- */

static void the_mount_of_its_own_destination_is_found(void **state)
{
	(void)state;
	struct mount mounts[] = {mount_at("/data", "/x"), mount_at("/logs", "/y")};
	struct container container = with_mounts(mounts, 2);
	assert_ptr_equal(container_mount_of(&container, "/logs"), &mounts[1]);
}

static void the_mount_of_a_path_below_is_found(void **state)
{
	(void)state;
	struct mount mounts[] = {mount_at("/data", "/x")};
	struct container container = with_mounts(mounts, 1);
	assert_ptr_equal(container_mount_of(&container, "/data/databases/neo4j"), &mounts[0]);
}

static void the_longest_destination_wins(void **state)
{
	(void)state;
	struct mount mounts[] = {mount_at("/var/lib", "/x"), mount_at("/var/lib/neo4j/data", "/y"), mount_at("/var", "/z")};
	struct container container = with_mounts(mounts, 3);
	assert_ptr_equal(container_mount_of(&container, "/var/lib/neo4j/data/databases"), &mounts[1]);
	assert_ptr_equal(container_mount_of(&container, "/var/lib/neo4j"), &mounts[0]);
}

static void a_path_that_only_begins_like_a_destination_is_not_in_it(void **state)
{
	(void)state;
	struct mount mounts[] = {mount_at("/data", "/x")};
	struct container container = with_mounts(mounts, 1);
	assert_null(container_mount_of(&container, "/database"));
	assert_null(container_mount_of(&container, "/dat"));
	assert_null(container_mount_of(&container, "/"));
}

static void a_closing_slash_of_a_destination_does_not_matter(void **state)
{
	(void)state;
	struct mount mounts[] = {mount_at("/data/", "/x")};
	struct container container = with_mounts(mounts, 1);
	assert_ptr_equal(container_mount_of(&container, "/data"), &mounts[0]);
	assert_ptr_equal(container_mount_of(&container, "/data/x"), &mounts[0]);
}

static void a_container_without_mounts_has_none(void **state)
{
	(void)state;
	struct container container = with_mounts(NULL, 0);
	assert_null(container_mount_of(&container, "/data"));
}

static void a_mount_below_a_path_is_found(void **state)
{
	(void)state;
	struct mount mounts[] = {mount_at("/data", "/x"), mount_at("/data/logs", "/y")};
	struct container container = with_mounts(mounts, 2);
	assert_ptr_equal(container_mount_below(&container, "/data"), &mounts[1]);
}

static void the_mount_at_a_path_is_not_below_it(void **state)
{
	(void)state;
	struct mount mounts[] = {mount_at("/data", "/x"), mount_at("/database", "/y"), mount_at("/", "/z")};
	struct container container = with_mounts(mounts, 3);
	assert_null(container_mount_below(&container, "/data"));
}

/* --- the folder on this machine ----------------------------------------------------------------------------------- */

/* The folder of `path` in a container whose only mount is SCRATCH/volume at /data; the caller frees it. */
static char *host_folder(struct mount *mount, const char *path)
{
	struct error error;
	char *folder = NULL;
	struct container container = with_mounts(mount, 1);
	struct runtime runtime = {.volume_access = VOLUME_AUTO};
	assert_ok(runtime_host_folder(&runtime, &container, path, &folder, &error), &error);
	return folder;
}

static struct mount volume_of(const char *scratch)
{
	if (geteuid() != 0) {
		skip();
	}
	make_folder(at(scratch, "volume"));
	return mount_at("/data", at(scratch, "volume"));
}

static void a_mount_is_shown_by_its_source(void **state)
{
	struct mount mount = volume_of(*state);
	char *folder = host_folder(&mount, "/data");
	assert_non_null(folder);
	assert_string_equal(folder, at(*state, "volume"));
	free(folder);
}

static void a_folder_in_a_mount_is_shown_by_one_below_its_source(void **state)
{
	struct mount mount = volume_of(*state);
	make_folder(at(*state, "volume/sub"));
	char *folder = host_folder(&mount, "/data/sub");
	assert_non_null(folder);
	assert_string_equal(folder, at(*state, "volume/sub"));
	free(folder);
}

static void a_folder_outside_of_all_mounts_cannot_be_reached(void **state)
{
	struct mount mount = volume_of(*state);
	assert_null(host_folder(&mount, "/tmp"));
}

static void a_mount_that_cannot_be_written_cannot_be_reached(void **state)
{
	struct mount mount = volume_of(*state);
	mount.writable = false;
	assert_null(host_folder(&mount, "/data"));
}

static void a_runtime_that_is_to_use_archives_only_reaches_nothing(void **state)
{
	struct error error;
	char *folder = empty;
	struct mount mount = volume_of(*state);
	struct container container = with_mounts(&mount, 1);
	struct runtime runtime = {.volume_access = VOLUME_API};
	assert_ok(runtime_host_folder(&runtime, &container, "/data", &folder, &error), &error);
	assert_null(folder);
}

static void a_mount_without_a_source_cannot_be_reached(void **state)
{
	(void)state;
	struct mount mount = mount_at("/data", "");
	assert_null(host_folder(&mount, "/data"));
}

static void a_source_that_is_not_on_this_machine_cannot_be_reached(void **state)
{
	struct mount mount = mount_at("/data", at(*state, "nothing"));
	assert_null(host_folder(&mount, "/data"));
}

static void a_source_that_is_a_file_cannot_be_reached(void **state)
{
	write_file(at(*state, "file"), "x");
	struct mount mount = mount_at("/data", at(*state, "file"));
	assert_null(host_folder(&mount, "/data"));
}

static void a_folder_that_hides_another_mount_cannot_be_reached(void **state)
{
	struct error error;
	char *folder = empty;
	struct mount mounts[] = {volume_of(*state), mount_at("/data/logs", "/y")};
	struct container container = with_mounts(mounts, 2);
	struct runtime runtime = {.volume_access = VOLUME_AUTO};
	assert_ok(runtime_host_folder(&runtime, &container, "/data", &folder, &error), &error);
	assert_null(folder);
}

/* Here the link leads to a folder of this machine, in the container to one of the container's. */
static void a_symbolic_link_in_a_mount_is_not_followed(void **state)
{
	struct mount mount = volume_of(*state);
	make_folder(at(*state, "elsewhere"));
	assert_int_equal(symlink(at(*state, "elsewhere"), at(*state, "volume/sub")), 0);
	assert_null(host_folder(&mount, "/data/sub"));
}

static void a_path_through_a_symbolic_link_in_a_mount_is_not_followed(void **state)
{
	struct mount mount = volume_of(*state);
	shell_ok("cd '%s' && mkdir -p elsewhere/sub && ln -s ../elsewhere volume/link", (char *)*state);
	assert_null(host_folder(&mount, "/data/link/sub"));
}

/* --- the environment ---------------------------------------------------------------------------------------------- */

static struct container with_environment(char **environment)
{
	return (struct container){.environment = environment};
}

static void a_variable_is_found(void **state)
{
	(void)state;
	char *environment[] = {text("PATH=/bin"), text("POSTGRES_USER=bot"), NULL};
	struct container container = with_environment(environment);
	assert_string_equal(container_environment(&container, "POSTGRES_USER"), "bot");
}

static void a_value_may_hold_equals_signs(void **state)
{
	(void)state;
	char *environment[] = {text("NEO4J_AUTH=neo4j/a=b="), NULL};
	struct container container = with_environment(environment);
	assert_string_equal(container_environment(&container, "NEO4J_AUTH"), "neo4j/a=b=");
}

static void an_empty_value_is_a_value(void **state)
{
	(void)state;
	char *environment[] = {text("REDIS_PASSWORD="), NULL};
	struct container container = with_environment(environment);
	assert_string_equal(container_environment(&container, "REDIS_PASSWORD"), "");
}

static void a_name_that_only_begins_alike_is_another(void **state)
{
	(void)state;
	char *environment[] = {text("POSTGRES_USER_FILE=/run/x"), text("MY_POSTGRES_USER=y"), text("POSTGRES_USE=z"),
						   text("POSTGRES_USER"), NULL};
	struct container container = with_environment(environment);
	assert_null(container_environment(&container, "POSTGRES_USER"));
}

static void an_empty_environment_has_no_variable(void **state)
{
	(void)state;
	char *environment[] = {NULL};
	struct container container = with_environment(environment);
	assert_null(container_environment(&container, "PATH"));
}

/* --- published ports ---------------------------------------------------------------------------------------------- */

static void a_published_port_is_found_by_its_number_in_the_container(void **state)
{
	(void)state;
	struct port ports[] = {{.number = 7474, .published = text("127.0.0.1:17474")},
						   {.number = 7687, .published = text("0.0.0.0:7474")}};
	struct container container = {.ports = ports, .port_count = 2};
	assert_string_equal(container_published(&container, 7474), "127.0.0.1:17474");
	assert_string_equal(container_published(&container, 7687), "0.0.0.0:7474");
}

static void a_port_that_is_not_published_has_no_address(void **state)
{
	(void)state;
	struct port ports[] = {{.number = 5432, .published = text("127.0.0.1:15432")}};
	struct container container = {.ports = ports, .port_count = 1};
	assert_null(container_published(&container, 15432));
	assert_null(container_published(&container, 0));
	container = (struct container){0};
	assert_null(container_published(&container, 5432));
}

/* --- programs ----------------------------------------------------------------------------------------------------- */

/* A program that never ends: it says `words` whenever it is asked, or else nothing until the time is up. */
struct endless {
	struct runtime runtime;
	struct exec exec;
	const char *words;
	bool waited_for_ever;
	bool freed;
};

static enum status endless_open(struct runtime *runtime, const struct exec_request *request, struct exec **ret_exec,
								struct error *error)
{
	(void)request;
	(void)error;
	struct endless *endless = (struct endless *)runtime;
	endless->exec.runtime = runtime;
	*ret_exec = &endless->exec;
	return STATUS_OK;
}

static enum status endless_exchange(struct exec *exec, const void *bytes, size_t length, size_t *ret_written,
									struct buffer *output, struct buffer *errors, int timeout_milliseconds,
									bool *ret_ended, struct error *error)
{
	(void)bytes;
	(void)errors;
	struct endless *endless = (struct endless *)exec->runtime;
	*ret_written = length;
	if (timeout_milliseconds < 0) {
		endless->waited_for_ever = true;
		*ret_ended = true;
		return STATUS_OK;
	}
	*ret_ended = false;
	clock_sleep(endless->words != NULL && timeout_milliseconds > 10 ? 10 : (unsigned)timeout_milliseconds);
	return endless->words != NULL ? buffer_append_text(output, endless->words, error) : STATUS_OK;
}

static enum status endless_close_input(struct exec *exec, struct error *error)
{
	(void)exec;
	(void)error;
	return STATUS_OK;
}

static enum status endless_finish(struct exec *exec, int *ret_exit_code, struct error *error)
{
	(void)exec;
	(void)error;
	*ret_exit_code = 0;
	return STATUS_OK;
}

static void endless_free(struct exec *exec)
{
	((struct endless *)exec->runtime)->freed = true;
}

static const struct runtime_ops endless_ops = {.exec_open = endless_open,
											   .exec_exchange = endless_exchange,
											   .exec_close_input = endless_close_input,
											   .exec_finish = endless_finish,
											   .exec_free = endless_free};

static enum status run_endless(struct endless *endless, unsigned patience_seconds, struct error *error)
{
	static const char *const arguments[] = {"psql", "-l", NULL};
	struct container container = {.name = text("db")};
	struct exec_request request = {.container = &container, .arguments = arguments};
	struct buffer errors = BUFFER_INIT(100);
	int exit_code = 0;
	endless->runtime = (struct runtime){.ops = &endless_ops, .patience_seconds = patience_seconds};
	return runtime_run(&endless->runtime, &request, NULL, NULL, &errors, &exit_code, error);
}

static void assert_given_up(struct endless *endless)
{
	struct error error;
	alarm(100);
	assert_status(STATUS_UNAVAILABLE, run_endless(endless, 1, &error), &error);
	alarm(0);
	assert_string_equal(error.message, "psql in container db has not answered for 1 seconds");
	assert_true(endless->freed);
	assert_false(endless->waited_for_ever);
}

static void a_program_that_never_ends_is_given_up(void **state)
{
	(void)state;
	struct endless endless = {0};
	assert_given_up(&endless);
}

/* Each word would begin the wait anew, if it were one wait for each. */
static void a_program_that_never_ends_is_given_up_although_it_goes_on_saying_something(void **state)
{
	(void)state;
	struct endless endless = {.words = "still here\n"};
	assert_given_up(&endless);
}

/* The program ends, with exit code 0, as soon as it has had the first block of this. */
static enum status run_with_input(size_t length, bool reads_all, struct error *error)
{
	static const char *const arguments[] = {"psql", "-1", NULL};
	static const char script[2 * STREAM_BLOCK_SIZE];
	struct container container = {.name = text("db")};
	struct exec_request request = {.container = &container, .arguments = arguments, .reads_all = reads_all};
	struct endless endless = {.runtime = {.ops = &endless_ops}};
	struct source *source = NULL;
	int exit_code = 0;
	assert_ok(source_from_memory_new(script, length, &source, error), error);
	enum status status = runtime_run(&endless.runtime, &request, source, NULL, NULL, &exit_code, error);
	source_free(source);
	return status;
}

/* What half a script says is done well, too; but others may stop reading when they know enough. */
static void a_program_that_reads_all_has_not_done_well_with_less(void **state)
{
	(void)state;
	struct error error;
	assert_status(STATUS_FAILED, run_with_input(STREAM_BLOCK_SIZE + 1, true, &error), &error);
	assert_string_equal(error.message, "psql in container db ended before it had read all of its input");
	assert_ok(run_with_input(STREAM_BLOCK_SIZE, true, &error), &error);
	assert_ok(run_with_input(STREAM_BLOCK_SIZE + 1, false, &error), &error);
}

static void a_runtime_without_limit_waits_for_ever(void **state)
{
	(void)state;
	struct error error;
	struct endless endless = {0};
	assert_ok(run_endless(&endless, 0, &error), &error);
	assert_true(endless.waited_for_ever);
	assert_true(endless.freed);
}

/* --- stores ------------------------------------------------------------------------------------------------------- */

static void the_table_holds_the_four_stores(void **state)
{
	(void)state;
	static const char *const names[] = {"postgresql", "redis", "chromadb", "neo4j"};
	assert_int_equal(STORE_COUNT, 4);
	for (size_t i = 0; i < STORE_COUNT; i++) {
		assert_string_equal(store_table[i]->name, names[i]);
	}
}

static void the_artefacts_are_those_of_the_guide(void **state)
{
	(void)state;
	static const char *const names[] = {"postgresql_backup.sql", "redis_backup.rdb", "chromadb_backup.tar.gz",
										"neo4j_backup.tar.gz"};
	for (size_t i = 0; i < STORE_COUNT; i++) {
		assert_string_equal(store_table[i]->artefact, names[i]);
	}
}

static void no_two_stores_share_a_name_a_service_or_a_file(void **state)
{
	(void)state;
	for (size_t i = 0; i < STORE_COUNT; i++) {
		for (size_t j = 0; j < STORE_COUNT; j++) {
			if (i != j) {
				assert_string_not_equal(store_table[i]->name, store_table[j]->name);
				assert_string_not_equal(store_table[i]->name, store_table[j]->service);
				assert_string_not_equal(store_table[i]->service, store_table[j]->service);
				assert_string_not_equal(store_table[i]->artefact, store_table[j]->artefact);
			}
		}
	}
}

static void every_store_can_do_everything(void **state)
{
	(void)state;
	for (size_t i = 0; i < STORE_COUNT; i++) {
		const struct store_ops *ops = store_table[i];
		assert_true(ops->title != NULL && ops->title[0] != '\0');
		assert_non_null(ops->legacy_artefacts);
		assert_true(ops->open != NULL && ops->ready != NULL && ops->finish != NULL && ops->check != NULL);
		assert_true(ops->stage != NULL && ops->swap != NULL && ops->commit != NULL && ops->rollback != NULL);
		assert_true(ops->free != NULL);
	}
}

static void a_store_is_found_by_its_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < STORE_COUNT; i++) {
		assert_ptr_equal(store_by_name(store_table[i]->name), store_table[i]);
	}
}

static void a_store_is_found_by_its_service(void **state)
{
	(void)state;
	assert_ptr_equal(store_by_name("postgres"), &store_postgresql);
}

static void no_store_is_found_by_another_name(void **state)
{
	(void)state;
	assert_null(store_by_name(""));
	assert_null(store_by_name("mysql"));
	assert_null(store_by_name("Redis"));
	assert_null(store_by_name("redi"));
}

static void a_container_is_of_its_services_store(void **state)
{
	(void)state;
	struct container container = {.service = text("postgres"), .store = empty};
	assert_ptr_equal(store_of_container(&container), &store_postgresql);
}

static void a_label_is_worth_more_than_the_service(void **state)
{
	(void)state;
	struct container container = {.service = text("redis"), .store = text("neo4j")};
	assert_ptr_equal(store_of_container(&container), &store_neo4j);
}

static void a_label_that_names_no_store_keeps_a_container_out(void **state)
{
	(void)state;
	struct container container = {.service = text("redis"), .store = text("none")};
	assert_null(store_of_container(&container));
}

static void a_container_of_another_service_has_no_store(void **state)
{
	(void)state;
	struct container container = {.service = text("bot"), .store = empty};
	assert_null(store_of_container(&container));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_mount_of_its_own_destination_is_found),
		cmocka_unit_test(the_mount_of_a_path_below_is_found),
		cmocka_unit_test(the_longest_destination_wins),
		cmocka_unit_test(a_path_that_only_begins_like_a_destination_is_not_in_it),
		cmocka_unit_test(a_closing_slash_of_a_destination_does_not_matter),
		cmocka_unit_test(a_container_without_mounts_has_none),
		cmocka_unit_test(a_mount_below_a_path_is_found),
		cmocka_unit_test(the_mount_at_a_path_is_not_below_it),
		scratch_test(a_mount_is_shown_by_its_source),
		scratch_test(a_folder_in_a_mount_is_shown_by_one_below_its_source),
		scratch_test(a_folder_outside_of_all_mounts_cannot_be_reached),
		scratch_test(a_mount_that_cannot_be_written_cannot_be_reached),
		scratch_test(a_runtime_that_is_to_use_archives_only_reaches_nothing),
		cmocka_unit_test(a_mount_without_a_source_cannot_be_reached),
		scratch_test(a_source_that_is_not_on_this_machine_cannot_be_reached),
		scratch_test(a_source_that_is_a_file_cannot_be_reached),
		scratch_test(a_folder_that_hides_another_mount_cannot_be_reached),
		scratch_test(a_symbolic_link_in_a_mount_is_not_followed),
		scratch_test(a_path_through_a_symbolic_link_in_a_mount_is_not_followed),
		cmocka_unit_test(a_variable_is_found),
		cmocka_unit_test(a_value_may_hold_equals_signs),
		cmocka_unit_test(an_empty_value_is_a_value),
		cmocka_unit_test(a_name_that_only_begins_alike_is_another),
		cmocka_unit_test(an_empty_environment_has_no_variable),
		cmocka_unit_test(a_published_port_is_found_by_its_number_in_the_container),
		cmocka_unit_test(a_port_that_is_not_published_has_no_address),
		cmocka_unit_test(a_program_that_never_ends_is_given_up),
		cmocka_unit_test(a_program_that_never_ends_is_given_up_although_it_goes_on_saying_something),
		cmocka_unit_test(a_program_that_reads_all_has_not_done_well_with_less),
		cmocka_unit_test(a_runtime_without_limit_waits_for_ever),
		cmocka_unit_test(the_table_holds_the_four_stores),
		cmocka_unit_test(the_artefacts_are_those_of_the_guide),
		cmocka_unit_test(no_two_stores_share_a_name_a_service_or_a_file),
		cmocka_unit_test(every_store_can_do_everything),
		cmocka_unit_test(a_store_is_found_by_its_name),
		cmocka_unit_test(a_store_is_found_by_its_service),
		cmocka_unit_test(no_store_is_found_by_another_name),
		cmocka_unit_test(a_container_is_of_its_services_store),
		cmocka_unit_test(a_label_is_worth_more_than_the_service),
		cmocka_unit_test(a_label_that_names_no_store_keeps_a_container_out),
		cmocka_unit_test(a_container_of_another_service_has_no_store),
	};
	return cmocka_run_group_tests_name("container", tests, NULL, NULL);
}
