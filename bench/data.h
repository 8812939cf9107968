/*
 * data.h - seeded data that looks to a compressor like what the stores keep: the same bytes for the same call.
 */
#ifndef WHISPERBACKUP_BENCH_DATA_H
#define WHISPERBACKUP_BENCH_DATA_H

#include <stddef.h>

/*
 * Makes the folder `path` with `bytes` of data of one kind, or, for "mixed", of all of them as a stack has them:
 *
 *   vectors  unit vectors of 384 floats, as ChromaDB's index keeps them: they hardly compress
 *   text     rows of a table, words as often as they are in a language
 *   records  relationships as Neo4j keeps them: 34 bytes each, with the numbers of neighbours
 *   noise    does not compress at all
 *   small    files of 4 KiB, vectors and text in turn; everything else comes in files of 64 MiB
 *
 * Returns 0, or -1 with errno.
 */
int data_make(const char *kind, const char *path, size_t bytes);

#endif
