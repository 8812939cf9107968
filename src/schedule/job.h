/*
 * job.h - the one command that a scheduler runs for a project, and what is known about it once it is installed.
 */
#ifndef WHISPERBACKUP_SCHEDULE_JOB_H
#define WHISPERBACKUP_SCHEDULE_JOB_H

#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>
#include <time.h>

enum { JOB_KEEPS_ALL = -1 };

/* What a job is made from; all lent. */
struct job_request {
	const char *program;          /* absolute path of this program */
	const char *project_folder;   /* absolute; the job is known by it */
	const char *const *variables; /* settings to take along, "NAME=VALUE", NULL-terminated */
	int days;                     /* how long backups are kept; JOB_KEEPS_ALL: none is removed */
	bool drill;                   /* one of them is drilled each week */
};

/* A job that is installed. */
struct job {
	char *schedule;   /* five cron fields */
	char *command;    /* for /bin/sh */
	char **settings;  /* "NAME=VALUE" that the crontab sets for all that follows, NULL-terminated; NULL if none */
	time_t installed; /* when; 0 if the entry does not say */
	bool persistent;  /* runs that were slept through are made up for */
};

void job_free(struct job *job);

/*
 * The shell command: cd to the project, then this program with the settings, quoted so that any of sh, bash, zsh, csh
 * or fish understands it, as crontabs may set SHELL. A newline in any part is STATUS_USAGE: no crontab can hold one. So
 * is a "=" in the program's path if there are variables: env(1) would take it for one.
 * Owned by the caller.
 */
enum status job_command(const struct job_request *request, char **ret_command, struct error *error) MUST_CHECK;

/* The value that a command of job_command sets a variable to; NULL (and STATUS_OK) if it does not. Owned by the caller.
 */
enum status job_variable(const char *command, const char *name, char **ret_value, struct error *error) MUST_CHECK;

/* True if it ends as a command of job_command that was given a number of days, and nobody has changed that by hand. */
bool job_is_ours(const char *command);

/* How many days a command of job_command keeps backups; 0 if it is not one. */
unsigned job_days(const char *command);

/* True if it is one, and drills a backup each week. */
bool job_drills(const char *command);

#endif
