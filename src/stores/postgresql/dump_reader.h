/*
 * dump_reader.h - reads a dump file, or one section of it, through the lexer.
 */
#ifndef WHISPERBACKUP_STORES_POSTGRESQL_DUMP_READER_H
#define WHISPERBACKUP_STORES_POSTGRESQL_DUMP_READER_H

#include "base/progress.h"
#include "base/stream.h"
#include "stores/postgresql/dump_lexer.h"

struct dump_reader;

/* A stretch of a dump file that begins and ends between two pieces. The file has to have it. */
struct dump_stretch {
	uint64_t from; /* in bytes from the start of the file */
	uint64_t to;
	bool escapes; /* as the part at `from` says (dump_lexer.h) */
};

/* `listener` and `progress` (NULL is fine) are lent. */
enum status dump_reader_new(const char *path, struct dump_stretch stretch, struct dump_listener *listener,
							struct progress *progress, struct dump_reader **ret_reader, struct error *error) MUST_CHECK;

/* Reads and lexes one block; *ret_ended says that it was the last. STATUS_DAMAGED as the lexer says. */
enum status dump_reader_step(struct dump_reader *reader, bool *ret_ended, struct error *error) MUST_CHECK;

void dump_reader_free(struct dump_reader *reader);
CLEANUP_DEFINE(dump_reader, struct dump_reader, dump_reader_free)

/* A whole dump, wherever it comes from; *ret_size is its size in bytes. Stops when interrupted. */
enum status dump_reader_stream(struct source *source, struct dump_listener *listener, struct progress *progress,
							   uint64_t *ret_size, struct error *error) MUST_CHECK;

/* All of it at once; stops when interrupted. */
enum status dump_reader_run(const char *path, struct dump_stretch stretch, struct dump_listener *listener,
							struct progress *progress, struct error *error) MUST_CHECK;

#endif
