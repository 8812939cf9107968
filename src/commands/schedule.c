/* schedule: automated backups. */
#include "commands/schedule.h"

#include "schedule/crontab.h"
#include "schedule/systemd.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void installation_free(struct installation *installation)
{
	job_free(&installation->cron_job);
	job_free(&installation->systemd_job);
	*installation = (struct installation){0};
}

enum status schedule_find(const struct session *session, struct installation *ret_installation, struct error *error)
{
	struct installation found = {0};
	CLEANUP(cleanup_free) char *text = NULL;
	enum status status = crontab_read(&text, error);
	if (status == STATUS_OK) {
		status = crontab_find(text, session->real_folder, &found.cron_job, error);
		found.by_cron = status == STATUS_OK;
	}
	if (status == STATUS_OK || status == STATUS_NOT_FOUND || status == STATUS_UNAVAILABLE) {
		status = systemd_find(session->real_folder, &found.systemd_job, error);
		found.by_systemd = status == STATUS_OK;
	}
	if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
		installation_free(&found);
		return status;
	}
	*ret_installation = found;
	return STATUS_OK;
}

/* The path of this very program. */
static enum status own_path(char **ret_path, struct error *error)
{
	*ret_path = realpath("/proc/self/exe", NULL);
	return *ret_path != NULL ? STATUS_OK : error_set_errno(error, "cannot tell the path of this program");
}

enum status schedule_command(const struct session *session, unsigned days, char **ret_command, struct error *error)
{
	/* cron knows nothing of the user's environment. What stands in .env is read anew by each run. */
	static const char *const names[] = {"BACKUP_DIR", "COMPOSE_PROJECT_NAME", "DOCKER_HOST",
										"WHISPERBACKUP_VOLUME_ACCESS"};
	enum { COUNT = sizeof names / sizeof *names };
	char *variables[COUNT + 1] = {NULL};
	CLEANUP(cleanup_free) char *program = NULL;
	enum status status = own_path(&program, error);
	for (size_t i = 0, used = 0; status == STATUS_OK && i < COUNT; i++) {
		const char *value = getenv(names[i]);
		if (value != NULL && value[0] != '\0') {
			status = asprintf(&variables[used], "%s=%s", names[i], value) < 0 ? error_memory(error) : STATUS_OK;
			variables[status == STATUS_OK ? used + 1 : used] = NULL;
			used++;
		}
	}
	if (status == STATUS_OK) {
		struct job_request request = {.program = program,
									  .project_folder = session->project_folder,
									  .variables = (const char *const *)variables,
									  .days = days};
		status = job_command(&request, ret_command, error);
	}
	for (size_t i = 0; i < COUNT && variables[i] != NULL; i++) {
		free(variables[i]);
	}
	return status;
}

const char *schedule_moment(time_t moment, char ret_text[SCHEDULE_MOMENT_SIZE])
{
	struct tm calendar;
	localtime_r(&moment, &calendar);
	strftime(ret_text, SCHEDULE_MOMENT_SIZE, "%a %e %b %Y %H:%M", &calendar);
	return ret_text;
}

static enum status explain(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error)
{
	(void)error;
	command_print_help(invocation->command);
	*ret_exit_code = EXIT_DONE;
	return STATUS_OK;
}

static const struct {
	const char *name;
	size_t most_arguments; /* with the action itself */
	enum status (*run)(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error);
} actions[] = {
	{"install", 3, schedule_install}, {"status", 1, schedule_status}, {"uninstall", 1, schedule_uninstall},
	{"trigger", 1, schedule_trigger}, {"run", 2, schedule_run},       {"help", 1, explain},
};

static enum status run(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error)
{
	const char *name = invocation->argument_count > 0 ? invocation->arguments[0] : "help";
	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
		if (strcmp(actions[i].name, name) != 0) {
			continue;
		}
		if (invocation->argument_count > actions[i].most_arguments) {
			(void)error_set(error, STATUS_USAGE, "schedule %s does not know what to do with \"%s\"", name,
							invocation->arguments[actions[i].most_arguments]);
			return error_hint(error, "%s help schedule explains it", command_program());
		}
		return actions[i].run(invocation, ret_exit_code, error);
	}
	(void)error_set(error, STATUS_USAGE, "schedule knows no \"%s\"", name);
	return error_hint(error, "it knows install, status, uninstall, trigger and help");
}

const struct command command_schedule = {
	.name = "schedule",
	.arguments = "ACTION [SCHEDULE] [DAYS]",
	.most_arguments = 3,
	.options = 1U << OPTION_SYSTEMD,
	.summary = "Automated backups: install, status, uninstall, trigger",
	.details =
		"install [SCHEDULE] [DAYS]  backs up by that schedule, and then removes backups older than DAYS days (30).\n"
		"                           SCHEDULE is hourly, daily (at 02:00), weekly (Sunday), monthly (the 1st), or\n"
		"                           a cron expression in quotes, such as \"0 */6 * * *\". An earlier one is replaced.\n"
		"status                     what is installed, the next runs, how the last one went; the exit code is 0\n"
		"                           only if backups are scheduled and all is well.\n"
		"uninstall                  leaves the crontab as it was before.\n"
		"trigger                    runs what the schedule would run, now.\n"
		"\n"
		"Only a marked block of your crontab is ever touched. Each run writes to backup.log in the backup folder.\n",
	.run = run,
};
