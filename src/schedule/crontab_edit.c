/* Changes of the user's crontab: ours one at a time, and none that takes back what somebody else has changed. */
#include "schedule/crontab.h"
#include "schedule/crontab_lock.h"

#include <string.h>

enum { MOST_TRIES = 4 };

/* The block that is to be there; without a schedule: that is to go. */
struct change {
	const char *project_folder;
	const char *schedule;
	const char *command;
	time_t now;
};

static enum status apply(const struct change *change, const char *text, char **ret_text, struct error *error)
{
	return change->schedule != NULL ? crontab_put(text, change->project_folder, change->schedule, change->command,
												  change->now, ret_text, error)
									: crontab_take(text, change->project_folder, ret_text, error);
}

static bool is_same(const char *text, const char *other)
{
	return text == NULL || other == NULL ? text == other : strcmp(text, other) == 0;
}

/* Unless the crontab has changed since it was read: then *ret_done is false, and nothing is written. */
static enum status try_once(const struct change *change, bool *ret_done, bool *ret_newline_added, struct error *error)
{
	CLEANUP(cleanup_free) char *text = NULL;
	CLEANUP(cleanup_free) char *new_text = NULL;
	CLEANUP(cleanup_free) char *text_now = NULL;
	enum status status = crontab_read(&text, error);
	if (status == STATUS_OK) {
		status = apply(change, text, &new_text, error);
	}
	if (status == STATUS_OK) {
		status = crontab_read(&text_now, error);
	}
	*ret_done = status == STATUS_OK && is_same(text, text_now);
	return *ret_done ? crontab_write(new_text, ret_newline_added, error) : status;
}

static enum status edit(const struct change *change, bool *ret_newline_added, struct error *error)
{
	CLEANUP(crontab_lock_release) struct crontab_lock lock = CRONTAB_LOCK_INIT;
	bool done = false;
	enum status status = crontab_lock_take(CRONTAB_LOCK_FOLDER, &lock, error);
	for (int i = 0; status == STATUS_OK && !done && i < MOST_TRIES; i++) {
		status = try_once(change, &done, ret_newline_added, error);
	}
	if (status == STATUS_OK && !done) {
		(void)error_set(error, STATUS_FAILED, "something else changes your crontab all the time, and it is left alone");
		return error_hint(error, "see what has it open (crontab -e) or writes it, then try again");
	}
	return status;
}

enum status crontab_install(const char *project_folder, const char *schedule, const char *command, time_t now,
							struct error *error)
{
	struct change change = {project_folder, schedule, command, now};
	return edit(&change, NULL, error);
}

enum status crontab_uninstall(const char *project_folder, bool *ret_newline_added, struct error *error)
{
	struct change change = {.project_folder = project_folder};
	return edit(&change, ret_newline_added, error);
}
