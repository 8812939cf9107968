/*
 * record.h - what is written about a new backup: backup_info.txt for people, SHA256SUMS, and manifest.json, last.
 */
#ifndef WHISPERBACKUP_CATALOG_RECORD_H
#define WHISPERBACKUP_CATALOG_RECORD_H

#include "base/error.h"
#include "catalog/catalog.h"
#include "runtimes/runtime.h"
#include "stores/store.h"

#include <time.h>

/* One store in the backup that is being made. */
struct store_record {
	enum store_status status;
	char reason[512]; /* why it was skipped or has failed */
	uint64_t size;    /* of the artefact, bytes */
	char sha256[DIGEST_TEXT_SIZE];
	struct saved saved;
	double freeze_milliseconds; /* how long its container stood still */
	unsigned retries;           /* pauses that found it not at rest */
	struct artefact artefact;
	char server_version[STORE_VERSION_SIZE];
	char data_folder[256];
	const struct container *container; /* lent; NULL if there is none */
};

enum { RECORD_WINDOW_STEPS = 8 };

struct window_step {
	const char *name; /* lent */
	double milliseconds;
};

struct backup_record {
	const char *timestamp;
	const char *shown_path; /* the backup's folder, as the user knows it */
	const char *project;
	const char *before_restore_of; /* create_backup.h; NULL */
	struct timespec started;
	struct timespec finished;
	struct timespec cut;                                  /* the moment that all stores share; 0: none was taken */
	double window_milliseconds;                           /* in which anything stood still */
	struct window_step window_steps[RECORD_WINDOW_STEPS]; /* what they went into; unused ones have no name */
	unsigned tries;                                       /* windows that were opened for it */
	size_t writers_paused;                                /* containers that use the stores; and ... */
	size_t writers_exempt;                                /* those that asked not to be paused */
	bool writers_ran;                                     /* ... whether they were left alone */
	struct store_record stores[STORE_COUNT];              /* in the order of store_table */
};

/* True if every store is in it. */
bool record_is_complete(const struct backup_record *record);

/* Frees what its stores' fingerprints hold. */
void record_free(struct backup_record *record);

/* Writes the three files into the draft's folder, each flushed to disk. */
enum status record_write(const struct backup_record *record, const char *folder, struct error *error) MUST_CHECK;

#endif
