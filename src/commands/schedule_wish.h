/*
 * schedule_wish.h - what `schedule install` is to install: what was given, and what else is as it was before.
 */
#ifndef WHISPERBACKUP_COMMANDS_SCHEDULE_WISH_H
#define WHISPERBACKUP_COMMANDS_SCHEDULE_WISH_H

#include "commands/display.h"
#include "commands/schedule.h"
#include "schedule/cron.h"

struct wish {
	struct cron cron;
	unsigned days;
	bool drill;
	bool systemd;
	bool when_given;
	bool days_given;
	bool drill_given;
	bool setting_given[SCHEDULE_SETTING_COUNT]; /* in the environment */
};

/* The arguments, and the defaults for the others. STATUS_USAGE if one makes no sense. */
enum status wish_read(const struct invocation *invocation, struct wish *ret_wish, struct error *error) MUST_CHECK;

/*
 * Takes what was not given from the job that is there (one with a command); its settings go into the environment. One
 * that is set there is given, also if it is empty, which takes the old one away. Not kept is
 * WHISPERBACKUP_ALLOW_SHARED_FOLDER: it was said of the folder that there was then. STATUS_FAILED if the job has been
 * changed by hand so that what is needed of it cannot be told.
 */
enum status wish_keep(struct wish *wish, const struct job *job, struct error *error) MUST_CHECK;

/* A line for each thing that in the new `command` is as before although nobody has said so, and for each that is not.
 */
void wish_tell(const struct wish *wish, const struct job *job, const char *command, struct display *display);

#endif
