/*
 * rehearsal.h - a store in a throwaway container: filled from an artefact by the steps of a restore, then read whole.
 *
 * The container is made from the image that the backup names. It has no network but its own loopback interface, no
 * ports, and volumes of its own; it carries the drill's label, by which runtime_discard removes it.
 */
#ifndef WHISPERBACKUP_STORES_REHEARSAL_H
#define WHISPERBACKUP_STORES_REHEARSAL_H

#include "stores/store.h"

/* What such a container of a store needs; each store has one. The lists end with NULL. */
struct rehearsal_needs {
	unsigned port;                  /* what listens there is the server itself, ready to be talked to */
	const char *const *environment; /* "NAME=VALUE" */
	const char *password;           /* the variable that gets a fresh password; NULL for none */
	const char *const *inherited;   /* beginnings of "NAME=VALUE" that the live container's are taken over for */
	const char *const *command;     /* NULL for the image's own */
	const char *const *volumes;     /* folders that may become the data's */
};

struct rehearsal {
	const struct store_ops *ops;
	struct runtime *runtime; /* lent */
	struct container *container;
	struct store *store;
	double seconds; /* from staging to an answer, as a restore would take; the container's first start does not count */
	bool blameless; /* what failed was the container or the engine, and not the data */
};

/*
 * Makes and starts the container; does not wait. `digest` is the image's, or empty: then, and if it is not there any
 * more, `image` is taken by its name; *ret_other says so. STATUS_NOT_FOUND if neither is there: nothing is pulled.
 * `live` is the store's container in the project, for what only that knows; may be NULL.
 */
enum status rehearsal_begin(struct rehearsal *rehearsal, struct runtime *runtime, const struct store_ops *ops,
							const char *drill, const char *digest, const char *image, const struct container *live,
							bool *ret_other, struct error *error) MUST_CHECK;

/* Waits for the server, and restores into it. Whether a failure speaks against the data, `blameless` says. */
enum status rehearsal_restore(struct rehearsal *rehearsal, const char *path, const struct artefact *artefact,
							  struct progress *progress, struct error *error) MUST_CHECK;

/* Reads every record, counts, and compares with what was recorded (it may be unknown). `places` as for store_ops.count.
 * *ret_compared: it was the same; otherwise there was nothing to compare with. That the server does not tell what it
 * holds is a blameless failure. */
enum status rehearsal_read(struct rehearsal *rehearsal, const struct fingerprint *recorded,
						   const struct fingerprint *places, struct progress *progress, bool *ret_compared,
						   struct error *error) MUST_CHECK;

/* Frees what it holds; the container stays until the drill is discarded. */
void rehearsal_free(struct rehearsal *rehearsal);

#endif
