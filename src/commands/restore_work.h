/*
 * restore_work.h - the parts of a restore. Private to the command; docs/RESTORE.md tells the steps.
 */
#ifndef WHISPERBACKUP_COMMANDS_RESTORE_WORK_H
#define WHISPERBACKUP_COMMANDS_RESTORE_WORK_H

#include "catalog/catalog.h"
#include "commands/display.h"
#include "commands/session.h"
#include "commands/writers.h"
#include "snapshot/window.h"
#include "transaction/restore_journal.h"

enum restore_plan { RESTORE_NOT_IN_BACKUP, RESTORE_NOT_CHOSEN, RESTORE_NOT_RUNNING, RESTORE_TO_DO };

struct restore_target {
	enum restore_plan plan;
	char *path; /* of the artefact */
	struct artefact artefact;
	struct runtime *runtime;      /* its own, since it is staged in a thread of its own */
	struct store *store;          /* opened by restore_plan_open */
	struct fingerprint in_backup; /* as the manifest has it; unknown in a backup made by hand */
	struct fingerprint now;       /* before the restore; unknown if the server does not let itself be counted */
	bool compared;                /* it was counted after its swap, and holds what the backup holds */
	double down_seconds;          /* from its swap until it answered */
};

struct restore_work {
	struct session session;
	struct display display;
	struct backup *backup;
	struct restore_target targets[STORE_COUNT]; /* in the order of store_table */
	size_t staging[STORE_COUNT];                /* the indices of those that are staged */
	int lock;                                   /* of the folder of backups; -1: none */
	struct restore_journal *journal;            /* from the first change on */
	struct writers writers;                     /* that stand still while the stores are swapped */
	struct window *window;                      /* the time in which they do */
	char *window_journal;
	char safety[TIMESTAMP_SIZE]; /* the backup of the state before; empty: none */
};

void restore_work_close(struct restore_work *work);

/* --- before anything is touched (restore_plan.c, preflight.c) -------------------------------------------- */

/* Refuses damage that shows without reading the files. A store that is not chosen may be damaged. */
enum status restore_plan_refuse_damaged(const struct restore_work *work, struct error *error) MUST_CHECK;

/* Which stores will be restored. A container that does not run is a warning, one that is not there a failure. */
enum status restore_plan_make(struct restore_work *work, struct error *error) MUST_CHECK;

/* Reads every byte that will be restored: its checksum, if the backup has one, and its structure. */
enum status restore_plan_check(struct restore_work *work, struct error *error) MUST_CHECK;

/* Asks each server something real; refuses two stores in one folder, which would replace each other's data. */
enum status restore_plan_open(struct restore_work *work, struct error *error) MUST_CHECK;

/* Counts what the stores hold, and refuses servers that are older than the backup and disks that are too full;
 * `safety`: with a backup of the present state. */
enum status preflight_run(struct restore_work *work, bool safety, struct error *error) MUST_CHECK;

/* True if a server of `running` is older than one of `recorded`, as far as `parts` numbers of both tell. */
bool preflight_is_older(const char *running, const char *recorded, unsigned parts);

/*
 * Makes an ordinary backup of what the stores hold that will be replaced (restore_safety.c). A failure means that
 * nothing was changed, and nothing was kept.
 */
enum status restore_safety_backup(struct restore_work *work, struct error *error) MUST_CHECK;

/* --- the work (restore_stores.c) --------------------------------------------------------------------------------- */

/* Writes down what will be done, before anything is. */
enum status restore_stores_begin(struct restore_work *work, struct error *error) MUST_CHECK;

/* All data comes beside the live data; services run. */
enum status restore_stores_stage(struct restore_work *work, struct error *error) MUST_CHECK;

/*
 * Everything of the project that may write to the stores stands still from the one to the other (restore_window.c), and
 * a guardian sees to it that it ends if we do. A writer that did not stand still to the end is a warning.
 */
enum status restore_window_open(struct restore_work *work, struct error *error) MUST_CHECK;
void restore_window_close(struct restore_work *work);

/* One store after the other is put in place, and has to hold what the backup holds; then each has to be healthy. */
enum status restore_stores_swap(struct restore_work *work, struct error *error) MUST_CHECK;

/* Brings everything back; what cannot be brought back is said, and becomes part of the failure that is in `error`. */
enum status restore_stores_roll_back(struct restore_work *work, struct error *error) MUST_CHECK;

/* All is in place and has been checked: when this returns STATUS_OK there is only forwards. */
enum status restore_stores_decide(struct restore_work *work, struct error *error) MUST_CHECK;

/* Removes the old data; a failure leaves rubbish, not a wrong state, and the next command removes it. */
void restore_stores_commit(struct restore_work *work);

#endif
