/*
 * artefact_write.h - an artefact that is read while it is written: is it whole, and what is its SHA-256?
 */
#ifndef WHISPERBACKUP_STORES_ARTEFACT_WRITE_H
#define WHISPERBACKUP_STORES_ARTEFACT_WRITE_H

#include "base/stream.h"
#include "stores/artefact_read.h"

/*
 * A sink that makes the new file `path`, as file_sink_new does, and has everything that is written to it read by
 * store_ops.check and hashed in threads of their own. Once it is finished the file is on the disk, and *ret_reading
 * (lent, filled in then) says what it is; if it is not whole, finishing it fails with STATUS_DAMAGED.
 *
 * Where no thread is to be had, the file is only written: *ret_reading has no SHA-256 then.
 */
enum status artefact_sink_new(const struct store_ops *ops, const char *path, struct artefact_reading *ret_reading,
							  struct sink **ret_sink, struct error *error) MUST_CHECK;

/* Takes down in `saved` what was read, if it was. */
void artefact_note(struct saved *saved, const struct artefact_reading *reading);

#endif
