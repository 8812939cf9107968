/*
 * moment_changes.h - what can change under pg_dump although it reads a snapshot.
 *
 * The snapshot is that of rows. But the functions that pg_dump asks for definitions (pg_get_viewdef, format_type, and
 * what writes an enum's value as text) look names up as they are now, and a sequence has no older value than the
 * present one. So a dump can be made without an error that says one name here and another there, and cannot be loaded.
 * Source: PostgreSQL 17, src/bin/pg_dump/pg_dump.c, first comment, and "Sequence Manipulation Functions".
 */
#ifndef WHISPERBACKUP_STORES_POSTGRESQL_MOMENT_CHANGES_H
#define WHISPERBACKUP_STORES_POSTGRESQL_MOMENT_CHANGES_H

#include "base/buffer.h"
#include "stores/postgresql/moment.h"

enum { MOMENT_CHANGES_LIMIT = 32 << 20 }; /* bytes that name all objects which may have changed */

/* Has the session note where all sequences stand. */
enum status moment_changes_note(struct psql_session *session, struct error *error) MUST_CHECK;

/* Warns of each sequence that stands further back than it was noted: the dump may hold it so. */
enum status moment_changes_warn(struct moment_database *database, struct progress *progress,
								struct error *error) MUST_CHECK;

/*
 * Whether what pg_dump does not read from the snapshot is still as that has it, in two steps. `suspect` asks the
 * session that holds it for what somebody may have changed, and leaves `suspects` empty if there is nothing; `compare`
 * has it let go of the moment, and looks at these as they are then. STATUS_FAILED, with a hint, if one of them has
 * changed or is gone. What is new since the snapshot, temporary, or only has another owner or other rights does not
 * count.
 */
enum status moment_changes_suspect(struct psql_session *session, struct buffer *suspects,
								   struct error *error) MUST_CHECK;
enum status moment_changes_compare(struct moment_database *database, const struct buffer *suspects,
								   struct error *error) MUST_CHECK;

#endif
