/*
 * gzip.h - gzip as a sequence of independent members, written and read with ISA-L.
 *
 * Any gunzip reads what we write (RFC 1952, section 2.2: a gzip file is a series of members). Each member carries a
 * subfield "WB" in its FEXTRA field with its own length and its content's, so that a reader can jump from member to
 * member, and inflate them side by side, without an index outside the file. docs/FORMAT.md gives the bytes.
 */
#ifndef WHISPERBACKUP_PIPELINE_GZIP_H
#define WHISPERBACKUP_PIPELINE_GZIP_H

#include "base/error.h"
#include "base/stream.h"

enum { GZIP_MEMBER_SIZE = 1 << 20 }; /* bytes of content in a member at the most */

/* What one member's content becomes at the most, in bytes: stored, if it does not compress. */
enum { GZIP_MEMBER_ROOM = GZIP_MEMBER_SIZE + GZIP_MEMBER_SIZE / 1024 + 1024 };

/* The same of `length` bytes of content; GZIP_MEMBER_ROOM is enough for all. */
size_t gzip_member_room(size_t length);

/* Makes members one by one, for who decides where each of them goes. One thread at a time. */
struct gzip_compressor;
enum status gzip_compressor_new(struct gzip_compressor **ret_compressor, struct error *error) MUST_CHECK;
void gzip_compressor_free(struct gzip_compressor *compressor);
CLEANUP_DEFINE(gzip_compressor, struct gzip_compressor, gzip_compressor_free)

/*
 * One member of at most GZIP_MEMBER_SIZE bytes of content; `member` has room for gzip_member_room(length) bytes. What
 * hardly compresses, by samples of it, is stored.
 */
enum status gzip_compress(struct gzip_compressor *compressor, const void *content, size_t length, void *member,
						  size_t *ret_length, struct error *error) MUST_CHECK;

/* A filter that hands gzip members on to `next` (lent until this sink is freed). */
enum status gzip_sink_new(struct sink *next, struct sink **ret_sink, struct error *error) MUST_CHECK;

/*
 * A filter that reads the content of any gzip file, ours or another program's, from `inner`, which it owns from then on
 * (also when this fails). Every member's CRC and length are checked; a stream that is cut, changed, or followed by
 * something that is no gzip member is STATUS_DAMAGED, and so is a member of ours that is not as long as its subfield
 * says.
 *
 * As long as members are ours they are read ahead and inflated by one thread for each core, 8 at the most. So `inner`
 * is read by other threads too, by one at a time and ahead of what has been asked for; they have ended when the source
 * has said that it is at its end, has failed, or has been freed. Memory: 35 MiB at the most, 12 MiB on two cores.
 */
enum status gzip_source_new(struct source *inner, struct source **ret_source, struct error *error) MUST_CHECK;

#endif
