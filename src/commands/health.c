/* health: connects to every store for real. */
#include "commands/backup_json.h"
#include "commands/command.h"
#include "commands/restore_recovery.h"
#include "commands/survey.h"

#include <stdio.h>

static void print_finding(const struct session *session, size_t index, const struct finding *finding)
{
	char endpoint[SURVEY_ENDPOINT_SIZE];
	printf("%s %-11s", finding->well ? "✅" : "❌", store_table[index]->name);
	if (finding->well) {
		printf(" %-9s %s  %s\n", finding->version,
			   survey_endpoint(session->of_store[index], finding->examination.port, endpoint),
			   finding->examination.answer);
		return;
	}
	printf(" %s\n   hint: %s\n", finding->problem.message, finding->problem.hint);
}

static json_t *text_or_null(const char *text)
{
	return text != NULL && text[0] != '\0' ? json_string(text) : json_null();
}

static json_t *finding_json(const struct session *session, size_t index, const struct finding *finding)
{
	unsigned port = finding->examination.port;
	const char *published = finding->well ? container_published(session->of_store[index], port) : NULL;
	return json_pack("{s:s, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "name", store_table[index]->name, "present",
					 finding->present, "healthy", finding->well, "version", text_or_null(finding->version), "endpoint",
					 text_or_null(published), "port", finding->well ? json_integer(port) : json_null(), "answer",
					 text_or_null(finding->well ? finding->examination.answer : NULL), "problem",
					 text_or_null(finding->problem.message), "hint", text_or_null(finding->problem.hint));
}

static enum status run(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error)
{
	CLEANUP(session_close) struct session session = {0};
	bool json = invocation->options[OPTION_JSON] != NULL;
	enum status status = session_open(invocation, &session, error);
	if (status == STATUS_OK) {
		restore_recovery_warn(session.backup_folder);
		status = session_connect(&session, error);
	}
	json_t *stores = json_array();
	bool all_well = true;
	for (size_t i = 0; status == STATUS_OK && i < STORE_COUNT; i++) {
		struct finding finding;
		if (!session.chosen[i]) {
			continue;
		}
		status = survey_store(&session, i, false, &finding, error);
		if (status != STATUS_OK) {
			break;
		}
		all_well = all_well && finding.well;
		if (json) {
			(void)json_array_append_new(stores, finding_json(&session, i, &finding));
		} else {
			print_finding(&session, i, &finding);
			(void)fflush(stdout); /* one after the other: Neo4j takes seconds */
		}
	}
	if (status != STATUS_OK || !json) {
		json_decref(stores);
	}
	if (status != STATUS_OK) {
		return status;
	}
	*ret_exit_code = all_well ? EXIT_DONE : EXIT_FAILED;
	if (json) {
		return backup_json_print(
			json_pack("{s:s, s:b, s:o}", "project", session.project, "healthy", all_well, "stores", stores), error);
	}
	printf("%s project %s: %s\n", all_well ? "✅" : "❌", session.project, all_well ? "all is well" : "not all is well");
	return STATUS_OK;
}

const struct command command_health = {
	.name = "health",
	.arguments = "",
	.options = 1U << OPTION_ONLY | 1U << OPTION_JSON,
	.summary = "Asks every store whether it is well",
	.details =
		"PostgreSQL answers a query, Redis a PING (and is neither loading nor failing to save), ChromaDB a heartbeat\n"
		"and a request for its collections, Neo4j a query. Nothing of yours is read or written. The exit code is 0\n"
		"only if all stores, or all that --only names, are well.\n",
	.run = run,
};
