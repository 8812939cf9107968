/* status: what runs, and how old the backups are. */
#include "base/units.h"
#include "catalog/catalog.h"
#include "commands/backup_json.h"
#include "commands/command.h"
#include "commands/number.h"
#include "commands/restore_recovery.h"
#include "commands/survey.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* The project's newest backup that holds the store well; NULL if there is none. */
static const struct backup *last_good(const struct session *session, const struct backup_list *list, size_t store)
{
	const time_t now = time(NULL);
	for (size_t i = list->count; i > 0; i--) {
		const struct backup *backup = list->items[i - 1];
		const bool own = backup->project == NULL || strcmp(backup->project, session->project) == 0;
		if (own && backup_began(backup) <= now && backup->status != BACKUP_DAMAGED &&
			!verification_is_bad(&backup->verified) && backup->stores[store].status == STORE_OK) {
			return backup;
		}
	}
	return NULL;
}

static double age_of(const struct backup *backup)
{
	return difftime(time(NULL), backup_began(backup));
}

static void print_backup(const struct backup *backup)
{
	char age[UNITS_AGE_SIZE];
	if (backup != NULL) {
		printf("     last good backup %s (%s)\n", units_age(age_of(backup), age), backup->timestamp);
	} else {
		printf("     no good backup yet: %s create\n", command_program());
	}
}

static void print_store(const struct session *session, size_t index, const struct finding *finding,
						const struct backup *backup)
{
	const struct container *container = session->of_store[index];
	char state[SURVEY_STATE_SIZE];
	char size[UNITS_SIZE];
	const char *mark = finding->well ? "✅" : finding->present ? "❌" : "⚠️ ";
	printf("  %s %-11s %s", mark, store_table[index]->name,
		   container != NULL ? survey_state(container, state) : "no container");
	if (finding->version[0] != '\0') {
		printf(", version %s", finding->version);
	}
	if (finding->well) {
		printf(", data %s", finding->size_known ? units_bytes(finding->data_bytes, size) : "of unknown size");
	}
	putchar('\n');
	if (finding->present && !finding->well) {
		printf("     %s\n     hint: %s\n", finding->problem.message, finding->problem.hint);
	}
	print_backup(backup);
}

static json_t *backup_or_null(const struct backup *backup)
{
	return backup == NULL
			   ? json_null()
			   : json_pack("{s:s, s:I}", "timestamp", backup->timestamp, "age_seconds", (json_int_t)age_of(backup));
}

static json_t *store_json(const struct session *session, size_t index, const struct finding *finding,
						  const struct backup *backup)
{
	const struct container *container = session->of_store[index];
	char state[SURVEY_STATE_SIZE];
	bool running = container != NULL && container->state == CONTAINER_RUNNING;
	return json_pack("{s:s, s:b, s:b, s:b, s:s, s:o, s:o, s:o, s:o}", "name", store_table[index]->name, "present",
					 finding->present, "running", running, "healthy", finding->well, "state",
					 container != NULL ? survey_state(container, state) : "no container", "version",
					 finding->version[0] != '\0' ? json_string(finding->version) : json_null(), "data_bytes",
					 finding->size_known ? json_integer((json_int_t)finding->data_bytes) : json_null(), "problem",
					 finding->well ? json_null() : json_string(finding->problem.message), "last_good_backup",
					 backup_or_null(backup));
}

static bool is_store(const struct session *session, const struct container *container)
{
	for (size_t s = 0; s < STORE_COUNT; s++) {
		if (session->of_store[s] == container) {
			return true;
		}
	}
	return false;
}

/* The containers that hold none of our stores: the bot itself, most of all. */
static bool show_others(const struct session *session, json_t *ret_list)
{
	bool all_well = true;
	for (size_t i = 0; i < session->containers.count; i++) {
		const struct container *container = session->containers.items[i];
		char state[SURVEY_STATE_SIZE];
		if (is_store(session, container)) {
			continue;
		}
		bool well = survey_is_well(session, container);
		all_well = all_well && well;
		survey_state(container, state);
		if (ret_list != NULL) {
			(void)json_array_append_new(
				ret_list, json_pack("{s:s, s:s, s:b}", "service", container->service, "state", state, "healthy", well));
		} else {
			printf("  %s %-11s %s\n", well ? "✅" : "❌", container->service, state);
		}
	}
	return all_well;
}

static enum status show_stores(const struct session *session, const struct backup_list *backups, json_t *ret_list,
							   bool *ret_all_well, struct error *error)
{
	*ret_all_well = true;
	for (size_t i = 0; i < STORE_COUNT; i++) {
		struct finding finding;
		enum status status = survey_store(session, i, true, &finding, error);
		if (status != STATUS_OK) {
			return status;
		}
		*ret_all_well = *ret_all_well && (finding.well || !finding.present);
		if (ret_list != NULL) {
			(void)json_array_append_new(ret_list, store_json(session, i, &finding, last_good(session, backups, i)));
		} else {
			print_store(session, i, &finding, last_good(session, backups, i));
			(void)fflush(stdout);
		}
	}
	return STATUS_OK;
}

static enum status show(const struct session *session, bool json, enum exit_code *ret_exit_code, struct error *error)
{
	CLEANUP(backup_list_free) struct backup_list backups = {0};
	json_t *stores = json ? json_array() : NULL;
	json_t *others = json ? json_array() : NULL;
	bool all_well = false;
	enum status status = catalog_list(session->backup_folder, &backups, error);
	if (status == STATUS_OK && !json) {
		printf("Project %s\n", session->project);
	}
	if (status == STATUS_OK) {
		status = show_stores(session, &backups, stores, &all_well, error);
	}
	if (status != STATUS_OK) {
		json_decref(stores);
		json_decref(others);
		return status;
	}
	all_well = show_others(session, others) && all_well;
	*ret_exit_code = all_well ? EXIT_DONE : EXIT_FAILED;
	if (json) {
		return backup_json_print(json_pack("{s:s, s:b, s:o, s:o, s:I}", "project", session->project, "healthy",
										   all_well, "stores", stores, "others", others, "backups",
										   (json_int_t)backups.count),
								 error);
	}
	printf("%zu backup%s in %s\n", backups.count, backups.count == 1 ? "" : "s", session->backup_folder_shown);
	return STATUS_OK;
}

static enum status run(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error)
{
	CLEANUP(session_close) struct session session = {0};
	const char *wait = invocation->options[OPTION_WAIT];
	unsigned seconds = 0;
	enum status status =
		wait != NULL ? number_parse(wait, "a number of seconds", 0, NUMBER_SECONDS_MAX, &seconds, error) : STATUS_OK;
	if (status == STATUS_OK) {
		status = session_open(invocation, &session, error);
	}
	if (status == STATUS_OK) {
		restore_recovery_warn(session.backup_folder);
		status = session_connect(&session, error);
	}
	if (status == STATUS_OK && session.containers.count == 0) {
		status = session_nothing_runs(&session, error);
	}
	if (status == STATUS_OK && wait != NULL) {
		status = survey_wait(&session, seconds, false, error);
	}
	return status == STATUS_OK ? show(&session, invocation->options[OPTION_JSON] != NULL, ret_exit_code, error)
							   : status;
}

const struct command command_status = {
	.name = "status",
	.arguments = "",
	.options = 1U << OPTION_WAIT | 1U << OPTION_JSON,
	.summary = "Shows what runs, and how old its last good backup is",
	.details =
		"Every store is asked for real; of the project's other containers, what Docker says of them is shown. The "
		"exit\n"
		"code is 0 only if all that is there is well. With --wait, first waits for that, at most so many seconds.\n",
	.run = run,
};
