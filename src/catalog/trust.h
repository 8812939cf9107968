/*
 * trust.h - who can change the folder of the backups but its user.
 *
 * What lies there is put into the stores by a restore, is acted on by what comes after a run that was killed, and is
 * removed by cleanup, as root more often than not. So nobody else may be able to write to it, or to put another folder
 * in its place.
 */
#ifndef WHISPERBACKUP_CATALOG_TRUST_H
#define WHISPERBACKUP_CATALOG_TRUST_H

#include "base/error.h"

/*
 * STATUS_OK if only those who are trusted can change what is in the folder `path` (absolute), or what its path leads
 * to: root, who runs this, and, if that is root by sudo(8), who called sudo. Every folder and symbolic link on the way
 * has to belong to one of them. Nobody else may write to the folder; to one above it only if its sticky bit keeps them
 * from renaming what is not theirs. A group counts as others, unless it is its owner's own and nobody else is in it.
 * What is not there yet is no failure: call it again when it has been made.
 *
 * STATUS_FAILED: somebody else can; message and hint tell who, and where.
 */
enum status trust_check(const char *path, struct error *error) MUST_CHECK;

#endif
