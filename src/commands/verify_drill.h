/*
 * verify_drill.h - restores a backup into throwaway containers and reads every record there.
 */
#ifndef WHISPERBACKUP_COMMANDS_VERIFY_DRILL_H
#define WHISPERBACKUP_COMMANDS_VERIFY_DRILL_H

#include "catalog/catalog.h"
#include "commands/display.h"
#include "commands/session.h"

/*
 * Fills in `run`. The backup's bytes have been found good, `artefacts` is what they are. The session is connected and
 * the lock of catalog_lock_verify held. A backup that turns out to be bad is no failure; a drill that cannot be done is
 * one. Whatever comes of it, what it has made is removed.
 */
enum status verify_drill(const struct session *session, const struct backup *backup, struct display *display,
						 const struct artefact artefacts[STORE_COUNT], struct verified_run *run,
						 struct error *error) MUST_CHECK;

#endif
