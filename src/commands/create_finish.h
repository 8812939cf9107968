/*
 * create_finish.h - after the moment, each store's artefact is completed and checked, side by side. Private to create.
 */
#ifndef WHISPERBACKUP_COMMANDS_CREATE_FINISH_H
#define WHISPERBACKUP_COMMANDS_CREATE_FINISH_H

#include "catalog/record.h"
#include "commands/display.h"
#include "stores/store.h"

/* One store's. */
struct finishing {
	struct store *store;         /* lent, with a runtime of its own; NULL: there is nothing to do */
	struct store_record *record; /* lent: what the artefact is is taken down here */
	char *path;                  /* of the artefact; owned by the caller */

	double seconds; /* that it took, */
	enum status status;
	struct error error; /* and how it ended */
};

/*
 * Does all of them, each in a thread of its own, and calls `ended` in the caller's thread for one after the other as
 * they end. What that returns is no reason to end the others; the first that is not STATUS_OK is returned when all have
 * ended.
 */
enum status create_finish(struct finishing *items, size_t count, struct display *display,
						  enum status (*ended)(void *context, size_t index, struct error *error), void *context,
						  struct error *error) MUST_CHECK;

#endif
