/*
 * create_finish.h - after the moment, a store's artefact is completed and checked. Private to create.
 */
#ifndef WHISPERBACKUP_COMMANDS_CREATE_FINISH_H
#define WHISPERBACKUP_COMMANDS_CREATE_FINISH_H

#include "catalog/record.h"
#include "stores/store.h"

/*
 * Completes the artefact, which is the file `path`, looks whether it is whole, and takes down in `record` what it is:
 * an artefact that is not whole is a failure now, not at the restore.
 */
enum status create_finish(struct store *store, const char *path, struct progress *progress, struct store_record *record,
						  struct error *error) MUST_CHECK;

#endif
