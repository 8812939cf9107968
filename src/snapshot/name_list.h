/*
 * name_list.h - is what was in a container's folder in its archive?
 *
 * The engine's archive call leaves out what it cannot look at, writes that to its own log, and answers with a tar
 * stream in which nothing seems to be missing (moby, pkg/archive, TarWithOptions: "Can't stat file", "Can't add file").
 * So a program in the container lists the folder while programs can run there. What the archive then lacks is asked
 * for by name while the container is still paused: there it has gone since, or was left out.
 */
#ifndef WHISPERBACKUP_SNAPSHOT_NAME_LIST_H
#define WHISPERBACKUP_SNAPSHOT_NAME_LIST_H

#include "base/cleanup.h"
#include "base/error.h"
#include "runtimes/runtime.h"

#include <stdbool.h>

enum {
	NAME_LIST_LIMIT = 16 << 20, /* bytes that all names may take, as they are kept: less than half of their length */
};

struct name_list;

/* How much of a folder's names is known. */
enum name_list_extent {
	NAMES_NONE, /* there is no program in the container that could tell */
	NAMES_SOME, /* it may not read all of the folders, or there are more names than NAME_LIST_LIMIT holds */
	NAMES_ALL,
};

/*
 * Files, folders and symbolic links in `folder`, without what is ours (TAR_OWN_PREFIX). A folder that cannot be read
 * for another reason than that the program may not is STATUS_FAILED, and so is a list that did not come whole.
 */
enum status name_list_ask(struct runtime *runtime, const struct container *container, const char *folder,
						  struct name_list **ret_list, enum name_list_extent *ret_extent,
						  struct error *error) MUST_CHECK;
void name_list_free(struct name_list *list);
CLEANUP_DEFINE(name_list, struct name_list, name_list_free)

/* No name has been seen. */
void name_list_begin(struct name_list *list);

/* The archive has this name, which is relative to the folder. `context` is the list. */
void name_list_see(void *context, const char *name);

/* STATUS_FAILED, with its name, for what has not been seen although it is in the paused container's `folder`. */
enum status name_list_expect_seen(const struct name_list *list, struct runtime *runtime,
								  const struct container *container, const char *folder,
								  struct error *error) MUST_CHECK;

#endif
