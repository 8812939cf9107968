/*
 * volume_store.h - what stores have in common whose data is a folder in a volume: the steps of their restore.
 */
#ifndef WHISPERBACKUP_STORES_VOLUME_STORE_H
#define WHISPERBACKUP_STORES_VOLUME_STORE_H

#include "stores/store.h"
#include "transaction/folder_swap.h"

/* The first member of such a store's own struct. */
struct volume_store {
	struct store store;
	const char *stop_signal;  /* NULL for the container's own */
	unsigned stop_seconds;    /* before it is killed */
	const char *const *names; /* the entries of the folder that are the store's data; NULL for all */
	/* Called before the container is stopped, when that must not happen at any moment. May be NULL. */
	enum status (*before_stop)(struct volume_store *self, struct error *error);
	struct folder_swap *swap;       /* from stage to commit or rollback */
	bool stopped;                   /* by us, and not known to be up again */
	bool half;                      /* resumed where some of the data is in place and some is not */
	bool stopping;                  /* a stop may be under way */
	bool unhealthy;                 /* its health check had failed before the restore: it need not pass */
	bool unsettled;                 /* answers since we have started it; its health check has not been waited for */
	bool astray;                    /* a server that runs may have read other data than is in place */
	char start[RUNTIME_START_SIZE]; /* the last one of the container before its data is exchanged */
};

/* `tar` is owned from then on; what stands in it under `path_in_archive` becomes the folder's content. */
enum status volume_store_stage(struct volume_store *self, struct source *tar, const char *path_in_archive,
							   struct progress *progress, struct error *error) MUST_CHECK;

/* The same from a .tar.gz artefact. */
enum status volume_store_stage_archive(struct volume_store *self, const char *path, const char *path_in_archive,
									   struct progress *progress, struct error *error) MUST_CHECK;

/* The store_ops of the same names. */
enum status volume_store_size(struct store *store, uint64_t *ret_bytes, struct error *error) MUST_CHECK;
enum status volume_store_swap(struct store *store, struct progress *progress, struct error *error) MUST_CHECK;
enum status volume_store_settle(struct store *store, struct progress *progress, struct error *error) MUST_CHECK;
enum status volume_store_commit(struct store *store, struct progress *progress, struct error *error) MUST_CHECK;
enum status volume_store_rollback(struct store *store, struct progress *progress, struct error *error) MUST_CHECK;

/*
 * store_ops.remember; and what store_ops.resume does once the store's own struct has been made: the data folder is
 * taken from the memory, and the names, which are the caller's to free (with their texts; NULL-terminated; ret_names
 * may be NULL).
 */
enum status volume_store_remember(struct store *store, struct buffer *memory, struct error *error) MUST_CHECK;
enum status volume_store_recall(struct volume_store *self, const char *memory, char ***ret_names,
								struct error *error) MUST_CHECK;
enum status volume_store_resume(struct volume_store *self, bool swapping, struct error *error) MUST_CHECK;

/* Frees what this part holds, not the struct. */
void volume_store_close(struct volume_store *self);

/* Opens a .tar.gz artefact as a tar stream. */
enum status volume_store_open_archive(const char *path, struct source **ret_tar, struct error *error) MUST_CHECK;

#endif
