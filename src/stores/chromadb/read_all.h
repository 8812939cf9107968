/*
 * read_all.h - reads every record of every collection, and queries each. Private to the store.
 *
 * A heartbeat and a count say nothing about the vectors: those are in the index files alone, and are only looked at by
 * who asks for them, or searches among them (docs/FACTS.md, "ChromaDB").
 */
#ifndef WHISPERBACKUP_STORES_CHROMADB_READ_ALL_H
#define WHISPERBACKUP_STORES_CHROMADB_READ_ALL_H

#include "base/progress.h"
#include "runtimes/runtime.h"
#include "stores/fingerprint.h"

/* store_ops.read_all of the server at `port`. */
enum status chromadb_read_all(struct runtime *runtime, const struct container *container, unsigned port,
							  const struct fingerprint *places, struct progress *progress,
							  struct error *error) MUST_CHECK;

#endif
