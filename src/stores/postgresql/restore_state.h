/*
 * restore_state.h - what the server itself knows of a restore: our databases in it, and the phase it is in.
 *
 * While a restore is under way there is the database wb_maint: we work from it, since a session's own database cannot
 * be renamed, and its tables say what was made and what has been set aside. The tables change in the same transactions
 * as the server's catalogs, so they are right whatever kills us. Shadows are called wb_new_1, wb_new_2, ...; the live
 * databases that they replaced wb_old_1, wb_old_2, ... These names are reserved.
 */
#ifndef WHISPERBACKUP_STORES_POSTGRESQL_RESTORE_STATE_H
#define WHISPERBACKUP_STORES_POSTGRESQL_RESTORE_STATE_H

#include "stores/postgresql/psql.h"
#include "stores/postgresql/sql_statement.h"

#define RESTORE_STATE_DATABASE "wb_maint"
#define RESTORE_STATE_NEW      "wb_new_"
#define RESTORE_STATE_OLD      "wb_old_"
#define RESTORE_STATE_PATTERN  "^wb_(maint|new_[0-9]+|old_[0-9]+)$" /* of all names that are ours */

enum restore_phase {
	RESTORE_NONE,      /* nothing of ours is there */
	RESTORE_STAGED,    /* shadows are being made or are ready; the live databases are as they were */
	RESTORE_SWAPPED,   /* the shadows are live, the old databases set aside: both ways are open */
	RESTORE_FINISHING, /* the old databases are being dropped: no way back */
};

/* True if a database's name is one that we use ourselves. */
bool restore_state_is_ours(const char *name);

/*
 * Ends all sessions that earlier runs of this program may have left in the server, whose work could still be committed,
 * and then reads the phase. To be called first, before anything is concluded from what the server holds.
 */
enum status restore_state_read(struct postgresql *server, enum restore_phase *ret_phase,
							   struct error *error) MUST_CHECK;

/* Makes wb_maint and its tables: RESTORE_NONE becomes RESTORE_STAGED. */
enum status restore_state_create(struct postgresql *server, struct error *error) MUST_CHECK;

/* Drops wb_maint, the last step of all: back to RESTORE_NONE. */
enum status restore_state_drop(struct postgresql *server, struct error *error) MUST_CHECK;

/* Drops all databases called `prefix` and a number, with whatever holds on to them: sessions, subscriptions. */
enum status restore_state_drop_databases(struct postgresql *server, const char *prefix, struct error *error) MUST_CHECK;

#endif
