/*
 * create_stores.h - what create does with the stores: copy while they run, take one moment of all, complete. Private to
 * create.
 */
#ifndef WHISPERBACKUP_COMMANDS_CREATE_STORES_H
#define WHISPERBACKUP_COMMANDS_CREATE_STORES_H

#include "catalog/record.h"
#include "commands/display.h"
#include "commands/session.h"
#include "snapshot/moment.h"

enum { CREATE_LONGEST_FREEZE_SECONDS = 30 };

struct create_request {
	struct session *session;
	struct display *display;
	const char *folder; /* where the artefacts are made */
	unsigned longest_seconds;
	bool pause_writers;
};

/*
 * Backs up all chosen stores that run, and fills in the record: what has become of each store, and the moment. A store
 * that fails does not fail the others; what is returned ends the whole run.
 */
enum status create_stores(const struct create_request *request, struct backup_record *record,
						  struct error *error) MUST_CHECK;

#endif
