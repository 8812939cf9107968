/*
 * crontab.h - our block in the user's crontab.
 *
 * A block belongs to one project folder, and several may stand in one crontab. Every other line is kept byte for byte.
 *
 *   # BEGIN whisperbackup /path/to/the project
 *   # installed 2026-11-23T02:00:00Z by "schedule install"; removed by "schedule uninstall"
 *   0 2 * * * cd '/path/to/the project' && '/usr/bin/whisperbackup' schedule run 30
 *   # END whisperbackup /path/to/the project
 *
 * Facts: crontab(1) and crontab(5) of Debian's cron 3.0pl1: "crontab -l" fails with "no crontab for USER" if there is
 * none, "crontab -" refuses a text whose last line has no newline, and in a command "\%" stands for "%" and "\\" for
 * "\". Cronie (Fedora, Arch) leaves "\\" as it is (its do_command.c, child_process), so a backslash that can stand
 * alone does.
 */
#ifndef WHISPERBACKUP_SCHEDULE_CRONTAB_H
#define WHISPERBACKUP_SCHEDULE_CRONTAB_H

#include "schedule/job.h"

/* --- the text ------------------------------------------------------------------------------------------------------
 */

/*
 * The text with the block of `project_folder` put in, in the place of the one that is there, else at the end; copies of
 * it go. `text` is NULL if there is no crontab. Owned by the caller. STATUS_FAILED if a block of ours has lost its end,
 * STATUS_USAGE if a part has a line break in it.
 */
enum status crontab_put(const char *text, const char *project_folder, const char *schedule, const char *command,
						time_t now, char **ret_text, struct error *error) MUST_CHECK;

/*
 * The text as it was before the block, and copies of it, came; *ret_text is NULL if there was no crontab and nothing
 * else has come since. STATUS_NOT_FOUND if there is no such block.
 */
enum status crontab_take(const char *text, const char *project_folder, char **ret_text, struct error *error) MUST_CHECK;

/* What the block says. STATUS_NOT_FOUND if there is none, STATUS_FAILED if it is damaged: crontab_put replaces it. */
enum status crontab_find(const char *text, const char *project_folder, struct job *ret_job,
						 struct error *error) MUST_CHECK;

/* --- the user's crontab ----------------------------------------------------------------------------------------------
 */

/* Its text; NULL if there is none. Owned by the caller. STATUS_UNAVAILABLE if there is no crontab program;
 * STATUS_FAILED if it is too long, or no text, to be kept byte for byte. */
enum status crontab_read(char **ret_text, struct error *error) MUST_CHECK;

/*
 * Makes it this text, or removes it (NULL), and reads it again to be sure. *ret_newline_added (may be NULL): a last
 * line without its newline was refused, and got one.
 */
enum status crontab_write(const char *text, bool *ret_newline_added, struct error *error) MUST_CHECK;

/*
 * Puts the block of `project_folder` into the user's crontab (as crontab_put), or takes it out (as crontab_take, with
 * *ret_newline_added of crontab_write). One such change at a time: STATUS_LOCKED if another is at work for long. What
 * somebody else changes meanwhile is kept if it can be seen before we write; STATUS_FAILED if they do not stop.
 */
enum status crontab_install(const char *project_folder, const char *schedule, const char *command, time_t now,
							struct error *error) MUST_CHECK;
enum status crontab_uninstall(const char *project_folder, bool *ret_newline_added, struct error *error) MUST_CHECK;

/* The process number of a cron daemon that runs on this machine, and its name; 0 if none does, -1 if that is not known:
 * other users' processes are hidden, or they could not be listed. */
enum { CRONTAB_DAEMON_SIZE = 16 };
int crontab_daemon(char ret_name[CRONTAB_DAEMON_SIZE]);

#endif
