/*
 * store.h - what a datastore has to be able to do to be backed up and restored.
 *
 * A new store is one file with a `struct store_ops` and one line in the table of store_table.c. A store knows its
 * server and its files; it reaches both only through a runtime, and never sees an engine's API.
 */
#ifndef WHISPERBACKUP_STORES_STORE_H
#define WHISPERBACKUP_STORES_STORE_H

#include "base/cleanup.h"
#include "base/error.h"
#include "base/progress.h"
#include "runtimes/runtime.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STORE_COUNT = 4, STORE_VERSION_SIZE = 64 };

struct store;

/* What the structure of an artefact says about it, read from the file alone. */
struct artefact {
	char version[STORE_VERSION_SIZE]; /* of the server that wrote it; empty if the file does not say */
	char folder[256];                 /* archives: the data folder's path inside it, without slashes at its ends */
	uint64_t raw_bytes;               /* size of the content; of an archive, the sum of its files' sizes */
};

/* What saving a store has to tell the manifest. */
struct saved {
	double freeze_milliseconds; /* how long the store stood still */
	char method[96];            /* "pg_dumpall", "BGSAVE", "paused at rest, read from the volume" */
};

/* What a look at a running server shows. */
struct examination {
	unsigned port;    /* it listens on, in its container */
	char answer[160]; /* what it was asked and what it said, for people */
};

struct store_ops {
	const char *name;                    /* "postgresql": manifest, --only, messages */
	const char *title;                   /* "PostgreSQL": for people */
	const char *service;                 /* Compose service name */
	const char *artefact;                /* file name in a backup folder */
	const char *const *legacy_artefacts; /* further names that hand-made backups use, NULL-terminated */

	/* Learns credentials, version and data folder of a running container. STATUS_UNAVAILABLE if the server does not
	 * answer. */
	enum status (*open)(struct runtime *runtime, const struct container *container, struct store **ret_store,
						struct error *error);

	/* STATUS_OK if the server answers a real request now. */
	enum status (*ready)(struct store *store, struct error *error);

	/*
	 * Asks the server for real, and looks for what would make it fail soon; nothing of the user's is read or written.
	 * STATUS_UNAVAILABLE, and the words why, if it is not well.
	 */
	enum status (*examine)(struct store *store, struct examination *ret_examination, struct error *error);

	/* The space its data takes, in bytes: on disk, or in memory for Redis. A backup is hardly ever larger. */
	enum status (*size)(struct store *store, uint64_t *ret_bytes, struct error *error);

	/* Writes the complete artefact to `path` (a new file, flushed to disk), or fails. The server goes on running. */
	enum status (*save)(struct store *store, const char *path, struct progress *progress, struct saved *ret_saved,
						struct error *error);

	/* Reads a whole artefact and says what it is; STATUS_DAMAGED if it is not complete and well-formed. Needs no
	 * server. */
	enum status (*check)(const char *path, struct progress *progress, struct artefact *ret_artefact,
						 struct error *error);

	/*
	 * The four steps of a restore. `stage` brings the data next to the live data, which is not touched, while the
	 * server runs. `swap` puts it in place; if it fails, or if the server is not well afterwards, the caller rolls
	 * back. `commit` drops the old data and `rollback` brings it back; both may be called again after a failure, and
	 * rollback at any time after open (nothing staged: nothing to do).
	 */
	enum status (*stage)(struct store *store, const char *path, const struct artefact *artefact,
						 struct progress *progress, struct error *error);
	enum status (*swap)(struct store *store, struct progress *progress, struct error *error);
	enum status (*commit)(struct store *store, struct progress *progress, struct error *error);
	enum status (*rollback)(struct store *store, struct progress *progress, struct error *error);

	void (*free)(struct store *store);
};

/* What every store's own struct begins with. */
struct store {
	const struct store_ops *ops;
	struct runtime *runtime;           /* lent */
	const struct container *container; /* lent */
	char version[STORE_VERSION_SIZE];  /* of the running server */
	char data_folder[256];             /* absolute path in the container */
};

/* Frees whatever the store holds; NULL is fine. */
void store_free(struct store *store);
CLEANUP_DEFINE(store, struct store, store_free)

/* All stores, in the order in which they are backed up and restored; STORE_COUNT of them. */
extern const struct store_ops *const store_table[STORE_COUNT];

/* The store called `name` (its name or its service name); NULL if there is none. */
const struct store_ops *store_by_name(const char *name);

/* The store that a container belongs to, by its label or its service name; NULL if none. */
const struct store_ops *store_of_container(const struct container *container);

#endif
