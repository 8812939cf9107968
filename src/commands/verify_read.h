/*
 * verify_read.h - reads every byte of a backup: checksums, structure, databases, and what its files say of each other.
 */
#ifndef WHISPERBACKUP_COMMANDS_VERIFY_READ_H
#define WHISPERBACKUP_COMMANDS_VERIFY_READ_H

#include "catalog/catalog.h"
#include "commands/display.h"

/*
 * Fills in `run`, all of it, and what the artefacts are. Damage is no failure; the lock of catalog_lock_verify on
 * `folder`, which holds the backups, is held.
 */
enum status verify_read(const char *folder, const struct backup *backup, struct display *display,
						struct verified_run *run, struct artefact artefacts[STORE_COUNT],
						struct error *error) MUST_CHECK;

#endif
