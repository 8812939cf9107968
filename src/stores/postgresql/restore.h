/*
 * restore.h - the four steps of a PostgreSQL restore, as store_ops has them.
 *
 * All databases of the dump are loaded beside the live ones while these go on serving; then one transaction renames all
 * of them and changes all roles, so that a cluster half of which is old cannot exist. Everything that is needed to go
 * on, to finish or to go back is in the server (restore_state.h): each step may be called by another process than the
 * one before.
 */
#ifndef WHISPERBACKUP_STORES_POSTGRESQL_RESTORE_H
#define WHISPERBACKUP_STORES_POSTGRESQL_RESTORE_H

#include "stores/postgresql/dump_layout.h"
#include "stores/postgresql/postgresql.h"
#include "stores/postgresql/restore_globals.h"
#include "stores/postgresql/restore_state.h"

/* store_ops.stage, swap, commit, rollback. The first begins by finishing or undoing what an earlier run left. */
enum status restore_stage(struct store *store, const char *path, const struct artefact *artefact,
						  struct progress *progress, struct error *error) MUST_CHECK;
enum status restore_swap(struct store *store, struct progress *progress, struct error *error) MUST_CHECK;
enum status restore_commit(struct store *store, struct progress *progress, struct error *error) MUST_CHECK;
enum status restore_rollback(struct store *store, struct progress *progress, struct error *error) MUST_CHECK;

/* --- between the files of the restore ---------------------------------------------------------------------------- */

/* restore_preflight.c: what can be known to go wrong, before anything is touched. `bytes` is the dump's size. */
enum status restore_preflight(struct postgresql *server, const struct dump_layout *layout,
							  const struct restore_globals *globals, uint64_t bytes, struct progress *progress,
							  struct error *error) MUST_CHECK;

/* restore_load.c: makes the shadow database of that number from a section of the dump, and fills it. */
enum status restore_load(struct postgresql *server, const char *path, const struct dump_database *database,
						 unsigned number, struct progress *progress, struct error *error) MUST_CHECK;

/* restore_swap.c: the transaction backwards; RESTORE_SWAPPED becomes RESTORE_STAGED. */
enum status restore_swap_back(struct postgresql *server, struct error *error) MUST_CHECK;

/* restore_finish.c: to RESTORE_NONE from whatever phase an earlier run left; back where there is a way back. */
enum status restore_finish_leftovers(struct postgresql *server, struct progress *progress,
									 struct error *error) MUST_CHECK;

#endif
