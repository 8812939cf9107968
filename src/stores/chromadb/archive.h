/*
 * archive.h - the archive of Chroma's data folder: is it whole, and how many records are in it? Private to the store.
 */
#ifndef WHISPERBACKUP_STORES_CHROMADB_ARCHIVE_H
#define WHISPERBACKUP_STORES_CHROMADB_ARCHIVE_H

#include "base/progress.h"
#include "base/stream.h"
#include "stores/store.h"

/* Where to unpack the database's files to, on the way. */
struct chromadb_archive_copy {
	const char *data_folder; /* their folder in the archive, without slashes at its ends */
	const char *folder;      /* on disk; it is there */
};

/* store_ops.check; with `copy` (NULL: none) the database's files are unpacked as well. */
enum status chromadb_archive_check(struct source *file, const struct chromadb_archive_copy *copy,
								   struct progress *progress, struct artefact *ret_artefact,
								   struct error *error) MUST_CHECK;

/*
 * Reads the .tar.gz at `archive` once: checks it, and its database, and counts that as chromadb_database_count does.
 * `scratch` is a new folder for the database's files, which is removed again.
 */
enum status chromadb_archive_count(const char *archive, const char *data_folder, const char *scratch,
								   struct progress *progress, struct artefact *ret_artefact,
								   struct fingerprint *fingerprint, struct error *error) MUST_CHECK;

#endif
