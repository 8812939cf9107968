/* schedule install, schedule uninstall */
#include "base/files.h"
#include "commands/schedule_wish.h"
#include "schedule/crontab.h"
#include "schedule/run_log.h"
#include "schedule/systemd.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static enum status put_in_crontab(const struct session *session, const struct cron *cron, const char *command,
								  char **ret_text, struct error *error)
{
	CLEANUP(cleanup_free) char *text = NULL;
	enum status status = crontab_read(&text, error);
	return status == STATUS_OK
			   ? crontab_put(text, session->real_folder, cron->text, command, time(NULL), ret_text, error)
			   : status;
}

/* What the crontab will set above the job, perhaps for another one, counts for ours too. It goes into the environment,
 * for the session of a run. */
static enum status use_crontab_settings(const struct session *session, const struct cron *cron, const char *command,
										struct error *error)
{
	CLEANUP(cleanup_free) char *new_text = NULL;
	struct job job = {0};
	enum status status = put_in_crontab(session, cron, command, &new_text, error);
	if (status == STATUS_OK) {
		status = crontab_find(new_text, session->real_folder, &job, error);
	}
	if (status == STATUS_OK) {
		status = schedule_use_settings(&job, error);
	}
	job_free(&job);
	return status;
}

static enum status install_in_systemd(const struct session *session, const struct cron *cron, const char *command,
									  struct error *error)
{
	CLEANUP(buffer_free) struct buffer calendar = BUFFER_INIT(CRON_CALENDAR_SIZE);
	enum status status = systemd_available(error);
	if (status == STATUS_OK) {
		status = cron_on_calendar(cron, &calendar, error);
	}
	return status == STATUS_OK
			   ? systemd_install(session->real_folder, cron->text, buffer_text(&calendar), command, time(NULL), error)
			   : status;
}

static void warn_of_setting(struct display *display, const char *name, const char *asked, const char *real)
{
	if (strcmp(asked != NULL ? asked : "", real != NULL ? real : "") != 0) {
		display_line(display, MARK_WARNING, "your crontab sets %s above this job, so for it too that is %s, and not %s",
					 name, real != NULL ? real : "the default", asked != NULL ? asked : "the default");
		display_hint(display,
					 "if it is meant for other jobs only, move that line behind the block, or set %s in your shell "
					 "and install again",
					 name);
	}
}

/* What was asked for here, and what a run will find. */
static void warn_of_settings(struct display *display, const struct session *asked, const struct session *real)
{
	if (strcmp(asked->backup_folder, real->backup_folder) != 0) {
		warn_of_setting(display, "BACKUP_DIR", asked->backup_folder_shown, real->backup_folder_shown);
	}
	warn_of_setting(display, "DOCKER_HOST", asked->docker_host, real->docker_host);
	warn_of_setting(display, "COMPOSE_PROJECT_NAME", asked->project, real->project);
}

/* What the backup of a run locks (docs/FORMAT.md): root may have made it, in a folder that is the user's. */
static enum status try_backup_lock(const struct session *session, struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	enum status status = files_join(session->backup_folder, ".lock", &path, error);
	if (status == STATUS_OK && eaccess(path, R_OK | W_OK) != 0 && errno != ENOENT) {
		status = error_set_errno(error, "cannot write to %s", path);
	}
	return status;
}

static void warn_of_folder(struct display *display, const struct session *session)
{
	struct error error;
	enum status status = run_log_try(session->backup_folder, &error);
	if (status == STATUS_OK) {
		status = try_backup_lock(session, &error);
	}
	if (status != STATUS_OK) {
		display_line(display, MARK_WARNING, "a run cannot write what it has to: %s", error.message);
		display_hint(display, "%s%sls -la %s shows whose it is; else set BACKUP_DIR to another folder", error.hint,
					 error.hint[0] != '\0' ? "; " : "", session->backup_folder_shown);
	}
}

/* What would keep the installed backups from being made is said now, not found out in a month. */
static void warn(struct display *display, struct session *session, bool systemd)
{
	struct error error;
	char name[CRONTAB_DAEMON_SIZE];
	if (!systemd && crontab_daemon(name) == 0) {
		display_line(display, MARK_WARNING, "no cron daemon runs on this machine, so nothing will happen yet");
		display_hint(display, "start it: sudo systemctl enable --now cron (on some systems: crond)");
	}
	if (systemd && systemd_ends_at_logout()) {
		display_line(display, MARK_WARNING, "the timer stops while you are not logged in");
		display_hint(display, "to keep it running: loginctl enable-linger");
	}
	enum status status = session_connect(session, &error);
	bool runs = false;
	for (size_t i = 0; status == STATUS_OK && i < STORE_COUNT; i++) {
		runs = runs || session_why_not(session, i) == NULL;
	}
	if (status == STATUS_OK && !runs) {
		status = session_nothing_runs(session, &error);
	}
	if (status != STATUS_OK) {
		display_line(display, MARK_WARNING, "a backup could not be made right now: %s", error.message);
		if (error.hint[0] != '\0') {
			display_hint(display, "%s", error.hint);
		}
	}
}

/* A timer that may go on, though its units are removed. */
static void tell_doubt(struct display *display, const struct error *doubt)
{
	if (doubt->status != STATUS_OK) {
		display_line(display, MARK_WARNING,
					 "the units of the systemd timer are removed, but the timer itself may still make backups: %s",
					 doubt->message);
		display_hint(display, "%s", doubt->hint);
	}
}

/* What of the job before counts: *ret_old is NULL if there was none, or none that can be read. */
static enum status keep(const struct installation *before, struct wish *wish, const struct job **ret_old,
						struct display *display, struct error *error)
{
	const struct job *old = installation_job(before);
	if (old->command != NULL) {
		*ret_old = old;
		return wish_keep(wish, old, error);
	}
	const struct error *problem = installation_problem(before);
	if (problem != NULL) {
		display_line(display, MARK_WARNING, "nothing of a schedule before is kept: %s", problem->message);
	}
	return STATUS_OK;
}

enum status schedule_install(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error)
{
	CLEANUP(session_close) struct session asked = {0};
	CLEANUP(session_close) struct session session = {0}; /* as a run will have it */
	CLEANUP(installation_free) struct installation before = {0};
	CLEANUP(cleanup_free) char *command = NULL;
	struct wish wish;
	struct error doubt = {0};
	const struct job *old = NULL;
	struct display display;
	display_open(&display, false);
	enum status status = wish_read(invocation, &wish, error);
	if (status == STATUS_OK) {
		status = session_open_only(invocation, &asked, error);
	}
	if (status == STATUS_OK && !asked.has_compose_file) {
		(void)error_set(error, STATUS_FAILED, "there is no compose file in this folder, so it is not WhisperEngine's");
		return error_hint(error, "go to the project's folder first: cd /path/to/whisperengine");
	}
	if (status == STATUS_OK) {
		schedule_find(&asked, &before);
		status = keep(&before, &wish, &old, &display, error);
	}
	if (status == STATUS_OK) { /* with the settings that are kept */
		session_close(&asked);
		status = session_open_only(invocation, &asked, error);
	}
	if (status == STATUS_OK) {
		status = schedule_command(&asked, (int)wish.days, wish.drill, &command, error);
	}
	if (status == STATUS_OK && !wish.systemd) {
		status = use_crontab_settings(&asked, &wish.cron, command, error);
	}
	if (status == STATUS_OK) {
		status = session_open(invocation, &session, error);
	}
	if (status == STATUS_OK) {
		status = schedule_guard(&session, error);
	}
	if (status == STATUS_OK && session.folder_chosen) { /* each run will want to find it: is its disk mounted? */
		status = files_make_folder(session.backup_folder, 0700, error);
	}
	if (status == STATUS_OK) {
		status = wish.systemd ? install_in_systemd(&session, &wish.cron, command, error)
							  : crontab_install(session.real_folder, wish.cron.text, command, time(NULL), error);
	}
	/* The other kind goes last: better two for a moment than none. */
	if (status == STATUS_OK && wish.systemd && before.cron.there) {
		status = crontab_uninstall(session.real_folder, NULL, error);
	}
	if (status == STATUS_OK && !wish.systemd && before.systemd.there) {
		status = systemd_uninstall(session.real_folder, &doubt, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	char words[CRON_WORDS_SIZE];
	char moment[SCHEDULE_MOMENT_SIZE];
	display_line(&display, MARK_DONE, "automated backups installed (%s): %s, kept for %u day%s%s",
				 wish.systemd ? "systemd timer" : "cron", cron_in_words(&wish.cron, words), wish.days,
				 wish.days == 1 ? "" : "s", wish.drill ? ", drilled each week" : "");
	if (old != NULL) {
		wish_tell(&wish, old, command, &display);
	}
	time_t now = time(NULL);
	display_line(&display, MARK_DONE, "next run: %s; log: %s/" RUN_LOG_NAME,
				 schedule_moment(cron_next_here(&wish.cron, wish.systemd, now), moment), session.backup_folder_shown);
	warn_of_settings(&display, &asked, &session);
	warn_of_folder(&display, &session);
	warn(&display, &session, wish.systemd);
	*ret_exit_code = doubt.status == STATUS_OK ? EXIT_DONE : EXIT_FAILED;
	tell_doubt(&display, &doubt);
	return STATUS_OK;
}

/* What could not be looked at may be installed; STATUS_OK if there is no such thing. */
static enum status unseen(const struct installed *installed, struct error *error)
{
	if (installed->there || installed->problem.status == STATUS_OK) {
		return STATUS_OK;
	}
	*error = installed->problem;
	return error->status;
}

enum status schedule_uninstall(const struct invocation *invocation, enum exit_code *ret_exit_code, struct error *error)
{
	CLEANUP(session_close) struct session session = {0};
	CLEANUP(installation_free) struct installation installation = {0};
	struct display display;
	struct error doubt = {0};
	bool newline_added = false;
	display_open(&display, false);
	enum status status = session_open(invocation, &session, error);
	if (status == STATUS_OK) {
		schedule_find(&session, &installation);
	}
	bool nothing = !installation.cron.there && !installation.systemd.there;
	if (status == STATUS_OK && installation.cron.there) {
		status = crontab_uninstall(session.real_folder, &newline_added, error);
	}
	if (status == STATUS_OK && installation.systemd.there) {
		status = systemd_uninstall(session.real_folder, &doubt, error);
		tell_doubt(&display, &doubt);
	}
	bool removed = status == STATUS_OK && !nothing && doubt.status == STATUS_OK;
	if (status == STATUS_OK) {
		status = unseen(&installation.cron, error);
	}
	if (status == STATUS_OK) {
		status = unseen(&installation.systemd, error);
	}
	if (status != STATUS_OK && removed) {
		display_line(&display, MARK_DONE, "the %s is removed", installation.cron.there ? "cron job" : "systemd timer");
	}
	if (status != STATUS_OK) {
		return status;
	}
	*ret_exit_code = doubt.status == STATUS_OK ? EXIT_DONE : EXIT_FAILED;
	if (nothing) {
		display_line(&display, MARK_DONE, "no automated backups are installed for %s; nothing to do",
					 session.project_folder_shown);
		return STATUS_OK;
	}
	if (doubt.status == STATUS_OK) {
		display_line(&display, MARK_DONE, "automated backups removed; the backups themselves are still there");
	}
	if (newline_added) {
		display_line(&display, MARK_WARNING,
					 "the last line of your crontab had no newline before; crontab insists on one, so it has one now");
	}
	return STATUS_OK;
}
