/*
 * tar_attributes.h - extended attributes and access lists: those of an entry, and those on disk. Private to the tar
 * module.
 *
 * Without memory libarchive leaves some out, or a value or a line of them, and says that all is well (3.6,
 * archive_entry_xattr.c, archive_acl.c). So what it has made is compared, and lists are set here. Attributes other than
 * the user's it also leaves out on purpose; those do not count.
 */
#ifndef WHISPERBACKUP_PIPELINE_TAR_ATTRIBUTES_H
#define WHISPERBACKUP_PIPELINE_TAR_ATTRIBUTES_H

#include "base/error.h"
#include "base/progress.h"

#include <archive_entry.h>
#include <stdbool.h>
#include <stddef.h>

/* Does the entry say all that the file has, which is not followed if it is a symbolic link? */
bool tar_attributes_are_all(struct archive_entry *entry, const char *path);

/* Do they say the same? */
bool tar_attributes_are_same(struct archive_entry *one, struct archive_entry *other);

/* Has the file all attributes that the entry says? Lists are not looked at. */
bool tar_attributes_are_set(struct archive_entry *entry, const char *path);

/* Takes the attribute `name` out of the entry. */
enum status tar_attributes_leave_out(struct archive_entry *entry, const char *name, struct error *error) MUST_CHECK;

/* The lines of its lists. */
size_t tar_lists_length(struct archive_entry *entry);

/* False if a list names a user or group whose id an archive cannot hold: 2^31 or more, or unknown in this namespace. */
bool tar_lists_have_ids(struct archive_entry *entry);

/* Lists that are to be set. Empty: {0}. */
struct tar_lists {
	struct tar_list_to_set *items;
	size_t count;
	bool warned;
};

/* Those of the entry, for a file that is at `path`. */
enum status tar_lists_add(struct tar_lists *lists, struct archive_entry *entry, const char *path,
						  struct error *error) MUST_CHECK;

/*
 * Sets them all and forgets them. One that makes no sense here is left out with a warning, once: of a file system
 * without lists, without ids (GNU tar writes names alone), or that the kernel does not take.
 */
enum status tar_lists_set(struct tar_lists *lists, struct progress *progress, struct error *error) MUST_CHECK;
void tar_lists_free(struct tar_lists *lists);

#endif
