#include "commands/schedule_wish.h"

#include "base/text.h"
#include "commands/number.h"

#include <stdlib.h>
#include <string.h>

enum status wish_read(const struct invocation *invocation, struct wish *ret_wish, struct error *error)
{
	struct wish wish = {
		.days = RETENTION_DEFAULT_DAYS,
		.drill = invocation->options[OPTION_DRILL] != NULL,
		.systemd = invocation->options[OPTION_SYSTEMD] != NULL,
		.when_given = invocation->argument_count > 1,
		.days_given = invocation->argument_count > 2,
	};
	wish.drill_given = wish.drill;
	enum status status = cron_parse(wish.when_given ? invocation->arguments[1] : "daily", &wish.cron, error);
	if (status == STATUS_OK && wish.days_given) {
		status = number_parse(invocation->arguments[2], "a number of days", 0, RETENTION_MOST, &wish.days, error);
	}
	*ret_wish = wish;
	return status;
}

static enum status keep_setting(const struct job *job, const char *name, struct error *error)
{
	CLEANUP(cleanup_free) char *value = NULL;
	enum status status = job_variable(job->command, name, &value, error);
	if (status == STATUS_OK && value != NULL && setenv(name, value, 1) != 0) {
		status = error_memory(error);
	}
	return status;
}

static enum status keep_settings(struct wish *wish, const struct job *job, struct error *error)
{
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < SCHEDULE_SETTING_COUNT; i++) {
		const char *name = schedule_settings[i];
		wish->setting_given[i] = getenv(name) != NULL;
		if (!wish->setting_given[i] && strcmp(name, "WHISPERBACKUP_ALLOW_SHARED_FOLDER") != 0) {
			status = keep_setting(job, name, error);
		}
	}
	return status;
}

enum status wish_keep(struct wish *wish, const struct job *job, struct error *error)
{
	if (!wish->days_given && !job_is_ours(job->command)) {
		(void)error_set(error, STATUS_FAILED,
						"the job that is installed has been changed by hand: for how many days it keeps backups cannot "
						"be told");
		return error_hint(error, "say it: %s schedule install WHEN DAYS", command_program());
	}
	if (!wish->when_given && cron_parse(job->schedule, &wish->cron, error) != STATUS_OK) {
		(void)error_prefix(error, "the schedule that is installed cannot be kept");
		(void)error_hint(error, "say when: %s schedule install WHEN", command_program());
		return error->status = STATUS_FAILED;
	}
	wish->days = wish->days_given ? wish->days : job_days(job->command);
	wish->drill = wish->drill || job_drills(job->command);
	return keep_settings(wish, job, error);
}

static void tell_schedule(const struct wish *wish, const struct job *job, struct display *display)
{
	struct cron old;
	struct error ignored;
	char words[CRON_WORDS_SIZE];
	bool known = cron_parse(job->schedule, &old, &ignored) == STATUS_OK;
	if (!wish->when_given) {
		display_line(display, MARK_DONE, "as before: %s", cron_in_words(&wish->cron, words));
	} else if (!known || strcmp(old.text, wish->cron.text) != 0) {
		display_line(display, MARK_DONE, "changed: %s before", known ? cron_in_words(&old, words) : job->schedule);
	}
	if (job->persistent != wish->systemd) {
		display_line(display, MARK_DONE, "changed: %s before", job->persistent ? "a systemd timer" : "cron");
	}
}

static void tell_days_and_drill(const struct wish *wish, const struct job *job, struct display *display)
{
	unsigned days = job_days(job->command);
	if (!job_is_ours(job->command)) {
		display_line(
			display, MARK_WARNING,
			"the job before was changed by hand: for how many days it kept backups, and whether it had drills, "
			"cannot be told");
		return;
	}
	if (!wish->days_given || days != wish->days) {
		display_line(display, MARK_DONE, "%s: kept for %u day%s%s", wish->days_given ? "changed" : "as before", days,
					 days == 1 ? "" : "s", wish->days_given ? " before" : "");
	}
	if (job_drills(job->command) && !wish->drill_given) {
		display_line(display, MARK_DONE, "as before: drilled each week (to have that no more: uninstall first)");
	} else if (wish->drill && !job_drills(job->command)) {
		display_line(display, MARK_DONE, "changed: not drilled before");
	}
}

static void tell_setting(const char *name, bool given, const char *before, const char *command, struct display *display)
{
	CLEANUP(cleanup_free) char *old = NULL;
	CLEANUP(cleanup_free) char *new = NULL;
	struct error error;
	if (job_variable(before, name, &old, &error) != STATUS_OK ||
		job_variable(command, name, &new, &error) != STATUS_OK) {
		display_line(display, MARK_WARNING, "what %s was before cannot be told: %s", name, error.message);
		return;
	}
	bool was_set = old != NULL && old[0] != '\0';
	bool same = strcmp(was_set ? old : "", new != NULL ? new : "") == 0;
	if (was_set) {
		text_make_line(old);
	}
	if (!same) {
		display_line(display, MARK_DONE, "changed: %s was %s before", name, was_set ? old : "not set");
	} else if (was_set && !given) {
		display_line(display, MARK_DONE, "as before: %s is %s (to change it, set it when you install)", name, old);
	}
}

void wish_tell(const struct wish *wish, const struct job *job, const char *command, struct display *display)
{
	tell_schedule(wish, job, display);
	tell_days_and_drill(wish, job, display);
	for (size_t i = 0; i < SCHEDULE_SETTING_COUNT; i++) {
		tell_setting(schedule_settings[i], wish->setting_given[i], job->command, command, display);
	}
}
