/*
 * tar_links.h - the symbolic links of an archive: nothing else in it may lead through one. Private to the tar module.
 *
 * Whoever unpacks such an entry writes where the link leads to, which may be anywhere: the engine, for one, which knows
 * nothing of our rules and works as root.
 */
#ifndef WHISPERBACKUP_PIPELINE_TAR_LINKS_H
#define WHISPERBACKUP_PIPELINE_TAR_LINKS_H

#include "base/error.h"

#include <stddef.h>

struct tar_links {
	void *root;   /* of a tree (tsearch) of their paths; NULL: there are none */
	size_t bytes; /* that these take */
};

/*
 * Takes notice of an entry, in the order of the archive, by its path and by where it is a link to: `symbolic` (NULL: it
 * is no symbolic link) and `hard` (NULL). STATUS_DAMAGED if one of the paths leads through a link that came before it.
 * Empty and "." parts of paths do not count. A hard link to a symbolic link is one. STATUS_DAMAGED also for links that
 * take more than 64 MiB to remember.
 */
enum status tar_links_note(struct tar_links *links, const char *path, const char *symbolic, const char *hard,
						   struct error *error) MUST_CHECK;

void tar_links_free(struct tar_links *links);

#endif
