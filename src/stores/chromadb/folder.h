/*
 * folder.h - where Chroma's data is. Private to the store.
 */
#ifndef WHISPERBACKUP_STORES_CHROMADB_FOLDER_H
#define WHISPERBACKUP_STORES_CHROMADB_FOLDER_H

#include "runtimes/runtime.h"

enum { CHROMADB_FOLDER_SIZE = 256 }; /* bytes of its path */

/* What follows `option` in the container's command, as "OPTION VALUE" or "OPTION=VALUE"; NULL if it is not there. Lent.
 */
const char *chromadb_argument(const struct container *container, const char *option);

/*
 * The folder whose database the server has open. Where that cannot be seen (no shell in the image, or a user who may
 * not look), the one that its command names, or the only one of the usual folders that holds a database: as the
 * environment says, where the images of 1.x (/data) and before (/chroma/chroma) keep it, any mount. STATUS_UNAVAILABLE
 * if there is none, if there are several, or if the database that is open has been removed or replaced by another one.
 */
enum status chromadb_folder_find(struct runtime *runtime, const struct container *container, unsigned port,
								 char ret_folder[CHROMADB_FOLDER_SIZE], struct error *error) MUST_CHECK;

#endif
