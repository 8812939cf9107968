/* schedule status */
#include "base/clock.h"
#include "base/units.h"
#include "catalog/catalog.h"
#include "commands/schedule.h"
#include "schedule/cron.h"
#include "schedule/crontab.h"
#include "schedule/run_log.h"
#include "schedule/systemd.h"
#include "stores/store_table.h"

#include <jansson.h>
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
	return cron_next_here(cron, job->persistent, after);
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
	time_t now = time(NULL);
	time_t next = now;
	for (int i = 0; i < NEXT_RUNS && (next = next_run(job, cron, next)) != (time_t)-1; i++) {
		printf("  %-12s %s\n", i == 0 ? "next runs" : "", schedule_moment(next, moment));
	}
	if (cron_zone_differs(now)) {
		printf("  time zone    moments are shown in that of TZ, %s; the schedule goes by the machine's\n",
			   getenv("TZ"));
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
	time_t now = time(NULL);
	time_t ran = last->started <= now ? last->started : 0; /* of a run in the future nothing is known */
	time_t since = ran > job->installed ? ran : job->installed;
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

static bool print_how_it_went(const struct session *session, const struct job *job, const struct cron *cron,
							  const struct last_run *last)
{
	char moment[SCHEDULE_MOMENT_SIZE];
	char seconds[UNITS_SIZE];
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

static bool print_last_run(const struct session *session, const struct job *job, const struct cron *cron,
						   const struct last_run *last)
{
	if (last->started == 0) {
		puts("  last run     none yet");
		return false;
	}
	bool wrong = print_how_it_went(session, job, cron, last);
	return (last->started > time(NULL) && complain("the last run is dated in the future: the clock was or is wrong")) ||
		   wrong;
}

/* The newest of each kind; NULL if there is none. Lent. */
struct newest {
	const struct backup *future;   /* its date has yet to come, so it is not known when it was made */
	const struct backup *any;      /* with a manifest, as are all below; not of the future, as none below is */
	const struct backup *complete; /* perhaps known to be bad */
	const struct backup *good;     /* complete, and nothing speaks against it */
	const struct backup *drilled;  /* of all that there are, by the time of the drill */
};

static void note_newest(const struct backup *backup, const struct backup **newest)
{
	*newest = *newest == NULL || backup_began(backup) >= backup_began(*newest) ? backup : *newest;
}

static struct newest find_newest(const struct backup_list *list, time_t now)
{
	struct newest newest = {0};
	for (size_t i = 0; i < list->count; i++) {
		const struct backup *backup = list->items[i];
		const struct verified_run *drill = &backup->verified.drill;
		bool complete = backup->status == BACKUP_COMPLETE;
		if (drill->when != 0 && (newest.drilled == NULL || drill->when > newest.drilled->verified.drill.when)) {
			newest.drilled = backup;
		}
		if (backup_began(backup) > now) {
			note_newest(backup, &newest.future);
			continue;
		}
		if (complete || backup->status == BACKUP_PARTIAL) {
			note_newest(backup, &newest.any);
		}
		if (complete) {
			note_newest(backup, &newest.complete);
		}
		if (complete && !verification_is_bad(&backup->verified)) {
			note_newest(backup, &newest.good);
		}
	}
	return newest;
}

/* What keeps it from being complete. */
static void print_missing_stores(const struct backup *backup)
{
	for (size_t i = 0; backup != NULL && i < STORE_COUNT; i++) {
		const struct backup_store *store = &backup->stores[i];
		if (store->status == STORE_SKIPPED || store->status == STORE_FAILED) {
			printf("      %s: %s %s%s%s\n", backup->timestamp, store_table[i]->title, store_status_name(store->status),
				   store->reason[0] != '\0' ? ", " : "", store->reason);
		}
	}
}

static bool judge_newest(const struct newest *newest, const struct last_run *last, time_t now)
{
	char age[UNITS_AGE_SIZE];
	bool wrong = false;
	bool ended_well = last->finished != 0 && last->exit_code == EXIT_DONE && last->started <= now;
	if (newest->complete == NULL) {
		wrong = complain("there is no complete backup yet: %s create", command_program());
		print_missing_stores(newest->any);
	} else if (ended_well && backup_began(newest->complete) < last->started) {
		wrong = complain("the last run made no complete backup: the newest complete one is of %s, %s",
						 newest->complete->timestamp, units_age(difftime(now, backup_began(newest->complete)), age));
		print_missing_stores(newest->any);
	}
	bool drilled_badly = newest->drilled != NULL && !newest->drilled->verified.drill.good;
	/* What a drill has found is told with the drill. */
	if (newest->complete != newest->good && !(drilled_badly && newest->drilled == newest->complete)) {
		const struct verification *verified = &newest->complete->verified;
		bool read_badly = verified->read.when != 0 && !verified->read.good;
		wrong = complain("the newest complete backup, %s, is known to be bad: %s", newest->complete->timestamp,
						 read_badly ? verified->read.problem : verified->drill.problem);
	}
	return (newest->future != NULL &&
			complain("the backup %s is dated in the future: the clock was or is wrong", newest->future->timestamp)) ||
		   wrong;
}

static enum status print_newest(const struct session *session, const struct last_run *last, bool *ret_wrong,
								struct error *error)
{
	CLEANUP(backup_list_free) struct backup_list list = {0};
	char age[UNITS_AGE_SIZE];
	time_t now = time(NULL);
	enum status status = catalog_list(session->backup_folder, &list, error);
	if (status != STATUS_OK) {
		return status;
	}
	struct newest newest = find_newest(&list, now);
	if (newest.good != NULL) {
		printf("  newest good  %s, %s\n", newest.good->timestamp,
			   units_age(difftime(now, backup_began(newest.good)), age));
	} else {
		puts("  newest good  none");
	}
	*ret_wrong = judge_newest(&newest, last, now) || *ret_wrong;
	if (newest.drilled != NULL) {
		const struct verified_run *drill = &newest.drilled->verified.drill;
		printf("  last drill   of %s, %s: %s\n", newest.drilled->timestamp, units_age(difftime(now, drill->when), age),
			   drill->good ? "it would come back" : "it would not come back");
		*ret_wrong = (!drill->good && complain("%s: %s", newest.drilled->timestamp, drill->problem)) || *ret_wrong;
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
								   struct last_run *ret_last, bool *ret_wrong, struct error *error)
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
	*ret_last = last;
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
	struct last_run last = {0};
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
		status = print_installed(&session, "cron", &installation.cron, &last, &wrong, error);
	}
	if (status == STATUS_OK && installation.systemd.there) {
		status = print_installed(&session, "systemd timer", &installation.systemd, &last, &wrong, error);
	}
	if (status == STATUS_OK && installation.cron.there && installation.systemd.there) {
		wrong = complain("both cron and a systemd timer make backups: install one of them again");
	}
	if (status == STATUS_OK) {
		status = print_newest(&session, &last, &wrong, error);
	}
	*ret_exit_code = wrong ? EXIT_FAILED : EXIT_DONE;
	return status;
}
