/* schedule status */
#include "base/clock.h"
#include "base/units.h"
#include "catalog/catalog.h"
#include "commands/schedule.h"
#include "schedule/cron.h"
#include "schedule/crontab.h"
#include "schedule/run_log.h"
#include "schedule/systemd.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	NEXT_RUNS = 3,
	LATE_SECONDS = 600,     /* after which a run that has not begun is missed */
	MOST_MISSED_RUNS = 100, /* that are counted */
};

static bool complain(const char *format, ...) PRINTF_LIKE(1, 2);

/* A line that says what is wrong. Returns true, for "something is". */
static bool complain(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs("  ⚠️  ", stdout);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	return true;
}

static time_t next_run(const struct job *job, const struct cron *cron, time_t after)
{
	return job->persistent ? cron_next_timer(cron, after) : cron_next(cron, after);
}

static void print_job(const struct job *job, const struct cron *cron)
{
	char words[CRON_WORDS_SIZE];
	char moment[SCHEDULE_MOMENT_SIZE];
	unsigned days = job_days(job->command);
	printf("  schedule     %s  (%s)\n", cron_in_words(cron, words), job->schedule);
	printf("  keeps        backups of the last %u day%s, and always the newest good one\n", days, days == 1 ? "" : "s");
	if (job_drills(job->command)) {
		puts("  drills       a backup each week");
	}
	time_t next = time(NULL);
	for (int i = 0; i < NEXT_RUNS && (next = next_run(job, cron, next)) != (time_t)-1; i++) {
		printf("  %-12s %s\n", i == 0 ? "next runs" : "", schedule_moment(next, moment));
	}
}

static bool print_scheduler(const struct session *session, const struct job *job)
{
	char name[CRONTAB_DAEMON_SIZE];
	if (job->persistent) {
		bool active = systemd_is_active(session->real_folder);
		printf("  timer        %s\n", active ? "started" : "not started");
		bool wrong = !active && complain("the timer is not started: install it again");
		if (systemd_ends_at_logout()) {
			wrong = complain("the timer stops while you are not logged in: loginctl enable-linger");
		}
		return wrong;
	}
	int process = crontab_daemon(name);
	if (process < 0) {
		puts("  cron daemon  cannot be told: not every process can be seen");
		return false;
	}
	if (process != 0) {
		printf("  cron daemon  runs (%s, process %d)\n", name, process);
		return false;
	}
	puts("  cron daemon  does not run");
	return complain("without a cron daemon no backup is made: sudo systemctl enable --now cron");
}

/* How many runs should have begun since the last one and have not. */
static unsigned count_missed(const struct job *job, const struct cron *cron, const struct last_run *last,
							 time_t *ret_first)
{
	time_t since = last->started > job->installed ? last->started : job->installed;
	time_t now = time(NULL);
	since = since < now ? since : now; /* the clock may have been set back */
	unsigned missed = 0;
	if (since == 0) {
		return 0;
	}
	for (time_t next = next_run(job, cron, since); next != (time_t)-1 && next + LATE_SECONDS < now;
		 next = next_run(job, cron, next)) {
		*ret_first = missed == 0 ? next : *ret_first;
		if (++missed == MOST_MISSED_RUNS) {
			break;
		}
	}
	return missed;
}

static bool print_last_run(const struct session *session, const struct job *job, const struct cron *cron,
						   const struct last_run *last)
{
	char moment[SCHEDULE_MOMENT_SIZE];
	char seconds[UNITS_SIZE];
	if (last->started == 0) {
		puts("  last run     none yet");
		return false;
	}
	printf("  last run     %s: ", schedule_moment(last->started, moment));
	if (last->finished == 0 && run_log_is_running(session->backup_folder)) {
		time_t next = next_run(job, cron, last->started);
		printf("still at work (process %d)\n", last->process);
		return next != (time_t)-1 && next < time(NULL) &&
			   complain("it is still at work although the next run is due; see %s/" RUN_LOG_NAME,
						session->backup_folder_shown);
	}
	if (last->finished == 0) {
		puts("never ended");
		return complain("the last run was killed, or the machine went off; see %s/" RUN_LOG_NAME,
						session->backup_folder_shown);
	}
	printf("%s, in %s\n", last->summary,
		   units_seconds(last->finished > last->started ? difftime(last->finished, last->started) : 0, seconds));
	return last->exit_code != EXIT_DONE && complain("the last run did not go well (exit code %d); see %s/" RUN_LOG_NAME,
													last->exit_code, session->backup_folder_shown);
}

static enum status print_newest(const struct session *session, bool *ret_wrong, struct error *error)
{
	CLEANUP(backup_list_free) struct backup_list list = {0};
	char age[UNITS_AGE_SIZE];
	enum status status = catalog_list(session->backup_folder, &list, error);
	const struct backup *newest = NULL;
	const struct backup *drilled = NULL;
	for (size_t i = 0; i < list.count; i++) {
		const struct verified_run *drill = &list.items[i]->verified.drill;
		newest = list.items[i]->status == BACKUP_COMPLETE ? list.items[i] : newest;
		drilled = drill->when != 0 && (drilled == NULL || drill->when > drilled->verified.drill.when) ? list.items[i]
																									  : drilled;
	}
	if (status != STATUS_OK) {
		return status;
	}
	if (newest == NULL) {
		puts("  newest good  none");
		*ret_wrong = complain("there is no complete backup yet: %s create", command_program());
		return STATUS_OK;
	}
	printf("  newest good  %s, %s\n", newest->timestamp, units_age(difftime(time(NULL), newest->moment), age));
	if (drilled != NULL) {
		const struct verified_run *drill = &drilled->verified.drill;
		printf("  last drill   of %s, %s: %s\n", drilled->timestamp, units_age(difftime(time(NULL), drill->when), age),
			   drill->good ? "it would come back" : "it would not come back");
		*ret_wrong = (!drill->good && complain("%s: %s", drilled->timestamp, drill->problem)) || *ret_wrong;
	}
	return STATUS_OK;
}

static enum status read_last(const struct session *session, struct last_run *last, bool *ret_wrong, struct error *error)
{
	enum status status = run_log_read_last(session->backup_folder, last, error);
	if (status == STATUS_FAILED) { /* a damaged note must not hide the rest */
		*ret_wrong = complain("%s", error->message);
	}
	return status == STATUS_NOT_FOUND || status == STATUS_FAILED ? STATUS_OK : status;
}

static enum status print_installed(const struct session *session, const char *kind, const struct installed *installed,
								   bool *ret_wrong, struct error *error)
{
	const struct job *job = &installed->job;
	struct cron cron;
	struct last_run last = {0};
	time_t first = 0;
	char moment[SCHEDULE_MOMENT_SIZE];
	printf("Automated backups of %s: installed (%s)\n", session->project_folder_shown, kind);
	if (job->command == NULL) {
		*ret_wrong = complain("no backup is made: %s", installed->problem.message);
		printf("      %s\n", installed->problem.hint);
		return STATUS_OK;
	}
	enum status status = cron_parse(job->schedule, &cron, error);
	if (status != STATUS_OK) {
		*ret_wrong = complain("its schedule \"%s\" makes no sense: %s", job->schedule, error->message);
		return STATUS_OK;
	}
	print_job(job, &cron);
	if (session->folder_chosen && access(session->backup_folder, F_OK) != 0) {
		*ret_wrong = complain("the backup folder %s is not there: is its disk mounted?", session->backup_folder_shown);
	}
	struct error reason;
	if (schedule_guard(session, &reason) != STATUS_OK) {
		*ret_wrong = complain("%s", reason.message);
		printf("      %s\n", reason.hint);
	}
	*ret_wrong = print_scheduler(session, job) || *ret_wrong;
	status = read_last(session, &last, ret_wrong, error);
	if (status != STATUS_OK) {
		return status;
	}
	*ret_wrong = print_last_run(session, job, &cron, &last) || *ret_wrong;
	unsigned missed = count_missed(job, &cron, &last, &first);
	if (missed > 0 && !run_log_is_running(session->backup_folder)) {
		*ret_wrong = complain("%u%s run%s missed since %s: was the machine off, or cron?", missed,
							  missed == MOST_MISSED_RUNS ? " or more" : "", missed == 1 ? " was" : "s were",
							  schedule_moment(first, moment));
	}
	return STATUS_OK;
}

enum status schedule_status(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error)
{
	CLEANUP(session_close) struct session session = {0};
	CLEANUP(installation_free) struct installation installation = {0};
	bool wrong = false;
	enum status status = schedule_open(invocation, &session, &installation, error);
	if (status != STATUS_OK) {
		return status;
	}
	const struct error *unknown = &installation.cron.problem;
	if (!installation.cron.there && unknown->status != STATUS_OK) {
		wrong = complain("%s", unknown->message);
	}
	if (!installation.cron.there && !installation.systemd.there) {
		printf("Automated backups of %s: not installed\n", session.project_folder_shown);
		printf("  to have one every night: %s schedule install daily\n", command_program());
		wrong = true;
	}
	if (installation.cron.there) {
		status = print_installed(&session, "cron", &installation.cron, &wrong, error);
	}
	if (status == STATUS_OK && installation.systemd.there) {
		status = print_installed(&session, "systemd timer", &installation.systemd, &wrong, error);
	}
	if (status == STATUS_OK && installation.cron.there && installation.systemd.there) {
		wrong = complain("both cron and a systemd timer make backups: install one of them again");
	}
	if (status == STATUS_OK) {
		status = print_newest(&session, &wrong, error);
	}
	*ret_exit_code = wrong ? EXIT_FAILED : EXIT_DONE;
	return status;
}
