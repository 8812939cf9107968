/* schedule: automated backups. */
#include "commands/schedule.h"

#include "schedule/crontab.h"
#include "schedule/systemd.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *const schedule_settings[SCHEDULE_SETTING_COUNT] = {"BACKUP_DIR", "COMPOSE_PROJECT_NAME", "DOCKER_HOST",
															   "WHISPERBACKUP_VOLUME_ACCESS",
															   "WHISPERBACKUP_ALLOW_SHARED_FOLDER"};

void installation_free(struct installation *installation)
{
	job_free(&installation->cron.job);
	job_free(&installation->systemd.job);
	*installation = (struct installation){0};
}

const struct job *installation_job(const struct installation *installation)
{
	return installation->cron.job.command != NULL ? &installation->cron.job : &installation->systemd.job;
}

const struct error *installation_problem(const struct installation *installation)
{
	if (installation->cron.problem.status != STATUS_OK) {
		return &installation->cron.problem;
	}
	return installation->systemd.problem.status != STATUS_OK ? &installation->systemd.problem : NULL;
}

/* What a find function has said. */
static void note(struct installed *installed, enum status status)
{
	installed->there = status == STATUS_OK || status == STATUS_FAILED;
	if (status == STATUS_OK || status == STATUS_NOT_FOUND) {
		error_clear(&installed->problem);
	}
}

void schedule_find(const struct session *session, struct installation *ret_installation)
{
	struct installation found = {0};
	CLEANUP(cleanup_free) char *text = NULL;
	enum status status = crontab_read(&text, &found.cron.problem);
	if (status == STATUS_OK) {
		note(&found.cron, crontab_find(text, session->real_folder, &found.cron.job, &found.cron.problem));
	} else if (status == STATUS_UNAVAILABLE) {
		error_clear(&found.cron.problem); /* no crontab program: nothing is installed there */
	}
	note(&found.systemd, systemd_find(session->real_folder, &found.systemd.job, &found.systemd.problem));
	*ret_installation = found;
}

/* What the job, or else the crontab above it, sets the variable to: the last line that does (tried with Debian's
 * cron 3.0pl1). NULL if neither does. Owned by the caller. */
static enum status setting_of(const struct job *job, const char *name, char **ret_value, struct error *error)
{
	enum status status = job_variable(job->command, name, ret_value, error);
	size_t length = strlen(name);
	const char *last = NULL;
	for (size_t i = 0; job->settings != NULL && job->settings[i] != NULL; i++) {
		if (strncmp(job->settings[i], name, length) == 0 && job->settings[i][length] == '=') {
			last = job->settings[i] + length + 1;
		}
	}
	if (status == STATUS_OK && *ret_value == NULL && last != NULL) {
		*ret_value = strdup(last);
		status = *ret_value != NULL ? STATUS_OK : error_memory(error);
	}
	return status;
}

enum status schedule_use_settings(const struct job *job, struct error *error)
{
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < SCHEDULE_SETTING_COUNT; i++) {
		CLEANUP(cleanup_free) char *value = NULL;
		status = setting_of(job, schedule_settings[i], &value, error);
		if (status == STATUS_OK && setenv(schedule_settings[i], value != NULL ? value : "", 1) != 0) {
			status = error_memory(error);
		}
	}
	return status;
}

enum status schedule_open(const struct invocation *invocation, struct session *ret_session,
						  struct installation *ret_installation, struct error *error)
{
	enum status status = session_open(invocation, ret_session, error);
	if (status != STATUS_OK) {
		return status;
	}
	schedule_find(ret_session, ret_installation);
	const struct job *job = installation_job(ret_installation);
	if (job->command == NULL) {
		return STATUS_OK;
	}
	status = schedule_use_settings(job, error);
	session_close(ret_session);
	return status == STATUS_OK ? session_open(invocation, ret_session, error) : status;
}

enum status schedule_guard(const struct session *session, struct error *error)
{
	unsetenv("SUDO_UID");
	return session_guard(session, error);
}

/* The path of this very program. */
static enum status own_path(char **ret_path, struct error *error)
{
	*ret_path = realpath("/proc/self/exe", NULL);
	return *ret_path != NULL ? STATUS_OK : error_set_errno(error, "cannot tell the path of this program");
}

enum status schedule_command(const struct session *session, int days, bool drill, char **ret_command,
							 struct error *error)
{
	char *variables[SCHEDULE_SETTING_COUNT + 1] = {NULL};
	CLEANUP(cleanup_free) char *program = NULL;
	enum status status = own_path(&program, error);
	for (size_t i = 0, used = 0; status == STATUS_OK && i < SCHEDULE_SETTING_COUNT; i++) {
		const char *value = getenv(schedule_settings[i]);
		if (value != NULL && value[0] != '\0') {
			status =
				asprintf(&variables[used], "%s=%s", schedule_settings[i], value) < 0 ? error_memory(error) : STATUS_OK;
			variables[status == STATUS_OK ? used + 1 : used] = NULL;
			used++;
		}
	}
	if (status == STATUS_OK) {
		struct job_request request = {.program = program,
									  .project_folder = session->project_folder,
									  .variables = (const char *const *)variables,
									  .days = days,
									  .drill = drill};
		status = job_command(&request, ret_command, error);
	}
	for (size_t i = 0; i < SCHEDULE_SETTING_COUNT && variables[i] != NULL; i++) {
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

static const char *const action_names[] = {"install", "status", "uninstall", "trigger", "run", "help", NULL};

static enum status run(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error)
{
	const char *name = invocation->argument_count > 0 ? invocation->arguments[0] : "help";
	size_t i = 0;
	while (strcmp(actions[i].name, name) != 0) { /* command_parse lets no other pass */
		i++;
	}
	if (invocation->argument_count > actions[i].most_arguments) {
		(void)error_set(error, STATUS_USAGE, "schedule %s does not know what to do with \"%s\"", name,
						invocation->arguments[actions[i].most_arguments]);
		return error_hint(error, "%s help schedule explains it", command_program());
	}
	return actions[i].run(invocation, ret_exit_code, error);
}

const struct command command_schedule = {
	.name = "schedule",
	.arguments = "[ACTION] [WHEN] [DAYS]",
	.most_arguments = 3,
	.options = 1U << OPTION_DRILL | 1U << OPTION_SYSTEMD | 1U << OPTION_ALLOW_SHARED_FOLDER,
	.summary = "Makes backups by itself: install, status, uninstall, trigger",
	.details =
		"  install [WHEN] [DAYS]  makes backups by that schedule (daily), and after each\n"
		"                         removes those older than DAYS days (30). An earlier\n"
		"                         schedule of this project is replaced; what you do not\n"
		"                         give of WHEN, DAYS and --drill is as it was there.\n"
		"  status                 what is installed, the next runs, how the last one\n"
		"                         went. The exit code is 0 only if all is well.\n"
		"  uninstall              leaves the crontab as it was before.\n"
		"  trigger                runs what the schedule would run, now. Where none is\n"
		"                         installed, it makes a backup and removes nothing.\n"
		"  run [DAYS]             is what the schedule runs. Without DAYS it removes\n"
		"                         nothing.\n"
		"\n"
		"With install --drill, a backup of each week is also proved by a drill, after it is made (see verify): the\n"
		"next one when the last good drill is a week old.\n"
		"\n"
		"WHEN is hourly, daily (at 02:00), weekly (on Sunday), monthly (on the 1st), or a cron expression of five\n"
		"fields in quotes, such as \"0 */6 * * *\".\n"
		"\n"
		"Of your crontab, only a marked block is ever touched. Each run writes to backup.log in the backup folder. A\n"
		"backup that fails is not followed by a removal of old ones, and neither is one before which none was made "
		"for\n"
		"longer than DAYS days, although one was due: the clock may be wrong.\n",
	.actions = action_names,
	.run = run,
};
