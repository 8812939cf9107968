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
#include "base/stream.h"
#include "pipeline/digest.h"
#include "runtimes/runtime.h"
#include "stores/fingerprint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STORE_COUNT = 4, STORE_VERSION_SIZE = 64 };

struct store;
struct rehearsal_needs;

/* What the structure of an artefact says about it, read from the file alone. */
struct artefact {
	char version[STORE_VERSION_SIZE]; /* of the server that wrote it; empty if the file does not say */
	char folder[256];                 /* archives: the data folder's path inside it, without slashes at its ends */
	uint64_t raw_bytes;               /* size of the content; of an archive, of its files, without holes */
	uint64_t entries;                 /* archives: how many files, folders and other things */
	char sha256[DIGEST_TEXT_SIZE];    /* of the file that was checked (artefact_read.h); empty: not known */
};

/* What saving a store has to tell the manifest. */
struct saved {
	char method[96];       /* "pg_dump of exported snapshots", "BGSAVE", "paused at rest, read from the volume" */
	uint64_t window_bytes; /* read and kept while it stood still */
	struct fingerprint fingerprint; /* what it held at the moment */
	struct digest_result digest;    /* of the artefact, if it was computed while it was written; else empty */
	struct artefact artefact;       /* what it is, ... */
	bool checked;                   /* ... if it was read through `check` already */
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

	/* STATUS_OK if the server answers a real request now. STATUS_DAMAGED if it has given up on its data: waiting does
	 * not help. */
	enum status (*ready)(struct store *store, struct error *error);

	/*
	 * Asks the server for real, and looks for what would make it fail soon; nothing of the user's is read or written.
	 * STATUS_UNAVAILABLE, and the words why, if it is not well.
	 */
	enum status (*examine)(struct store *store, struct examination *ret_examination, struct error *error);

	/*
	 * Counts what the running server holds now, with the kinds and names of a backup's fingerprint; the caller frees
	 * it. `places` (NULL: none) is another one, such as a backup's: what a server does not list by itself, such as
	 * Chroma's tenants, is looked for where those counts are. A server that does not let itself be counted, because it
	 * refuses a password, leaves it unknown, which is no failure. What is written meanwhile may or may not be in it.
	 */
	enum status (*count)(struct store *store, const struct fingerprint *places, struct fingerprint *ret_fingerprint,
						 struct error *error);

	/*
	 * Reads every record that the running server holds, as its users do; for a drill, after `count`, with the same
	 * `places`. STATUS_DAMAGED if one cannot be read.
	 */
	enum status (*read_all)(struct store *store, const struct fingerprint *places, struct progress *progress,
							struct error *error);
	const struct rehearsal_needs *rehearsal; /* what a throwaway container of it needs */

	/* The space its data takes, in bytes: on disk, or in memory for Redis. A backup is hardly ever larger. */
	enum status (*size)(struct store *store, uint64_t *ret_bytes, struct error *error);

	/*
	 * The steps of a backup. `prepare` opens the sessions that the moment will need, and copies what can be copied
	 * before it; the artefact will be the new file `path`. `catch_up` copies what has changed since, *ret_bytes of
	 * content (NULL: there is nothing to catch up with). Nothing stands still meanwhile, and both may take long.
	 */
	enum status (*prepare)(struct store *store, const char *path, struct progress *progress, struct error *error);
	enum status (*catch_up)(struct store *store, struct progress *progress, uint64_t *ret_bytes, struct error *error);

	/*
	 * The moment; the containers that write stand still by now, and every millisecond counts. `ask` sends what makes
	 * the server keep the moment, and does not wait; `answer` waits for that. STATUS_CONFLICT from either: not this
	 * time, but another try may do. NULL if there is nothing to ask.
	 */
	enum status (*ask)(struct store *store, struct error *error);
	enum status (*answer)(struct store *store, struct error *error);

	/*
	 * Of a store whose container is paused for the moment, `capture` keeps what has changed since the copy, and is
	 * NULL for others. `before_pause` is the last time that programs can be run in the container (may be NULL);
	 * `at_rest` says whether the paused store may be kept as it is (NULL: always).
	 */
	enum status (*before_pause)(struct store *store, struct error *error);
	enum status (*at_rest)(struct store *store, bool *ret_at_rest, struct error *error);
	enum status (*capture)(struct store *store, struct error *error);

	/* The moment was no good: lets go of what `ask` has taken. Another `ask` may follow. May be NULL. */
	void (*forget)(struct store *store);

	/* After the moment, everything runs again: completes the artefact, flushed to disk. *ret_saved is filled in, and
	 * its fingerprint is the caller's to free. In a thread of its own, beside those of other stores. */
	enum status (*finish)(struct store *store, struct progress *progress, struct saved *ret_saved, struct error *error);

	/*
	 * Reads a whole artefact, once and in order, and says what it is; STATUS_DAMAGED if it is not complete and
	 * well-formed. Needs no server. `file` is owned from then on (also when this fails).
	 */
	enum status (*check)(struct source *file, struct progress *progress, struct artefact *ret_artefact,
						 struct error *error);

	/* The artefact has no checksums of its own inside, which would be looked at again when it is staged. */
	bool unsummed;

	/*
	 * Looks into a checked artefact for what reading it once does not show; in the folder `scratch`, which it makes and
	 * removes. *ret_holds is what it holds, counted, and the caller's to free. STATUS_DAMAGED as above. NULL: `check`
	 * has seen everything.
	 */
	enum status (*look_inside)(const char *path, const struct artefact *artefact, const char *scratch,
							   struct fingerprint *ret_holds, struct error *error);

	/* Whether what is restored into the running server would stay; asked before anything is touched. NULL: it would. */
	enum status (*keeps)(struct store *store, struct error *error);

	/*
	 * The steps of a restore. `stage` brings the data next to the live data, which is not touched, while the server
	 * runs. `swap` puts it in place and returns when the server answers; if it fails, or if the server is not well
	 * afterwards, the caller rolls back. `commit` drops the old data and `rollback` brings it back; both may be called
	 * again after a failure, and rollback at any time after open (nothing staged: nothing to do).
	 *
	 * `settle`, after swap and after rollback, waits until the container's health check agrees as well. A check may
	 * have half a minute between two looks, so the stores are waited for together, not one after the other. NULL:
	 * nothing to wait for. Where stage or commit have to start a server, they wait for all by themselves.
	 */
	enum status (*stage)(struct store *store, const char *path, const struct artefact *artefact,
						 struct progress *progress, struct error *error);
	enum status (*swap)(struct store *store, struct progress *progress, struct error *error);
	enum status (*settle)(struct store *store, struct progress *progress, struct error *error);
	enum status (*commit)(struct store *store, struct progress *progress, struct error *error);
	enum status (*rollback)(struct store *store, struct progress *progress, struct error *error);

	/*
	 * For whoever comes after a restore that was killed. `remember` writes down, in one line of text, what cannot be
	 * asked of a server that does not run; `resume` makes the store of it, ready for commit or rollback, whatever the
	 * container's state. `swapping`: its swap had begun, so that a stop may be under way in the engine. Both are NULL
	 * for a store that is opened as ever then, and whose server tells by itself.
	 */
	enum status (*remember)(struct store *store, struct buffer *memory, struct error *error);
	enum status (*resume)(struct runtime *runtime, const struct container *container, const char *memory, bool swapping,
						  struct store **ret_store, struct error *error);

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

/* store_ops.settle, if there is one. */
enum status store_settle(struct store *store, struct progress *progress, struct error *error) MUST_CHECK;

/* The same after a rollback. One that answers has its data of before, and nothing is left to be done: that its health
 * check is not content is a warning then. */
enum status store_settle_back(struct store *store, struct progress *progress, struct error *error) MUST_CHECK;

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
