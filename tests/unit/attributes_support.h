/*
 * attributes_support.h - a file or folder with extended attributes and access lists.
 */
#ifndef WHISPERBACKUP_TESTS_ATTRIBUTES_SUPPORT_H
#define WHISPERBACKUP_TESTS_ATTRIBUTES_SUPPORT_H

#include "support.h"

#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/xattr.h>

enum { LIST_LINES = 5 };

/* As the kernel keeps it; this machine's byte order is the little one. */
struct access_list {
	struct posix_acl_xattr_header header;
	struct posix_acl_xattr_entry lines[LIST_LINES];
};

/* rwx for the owner, r-- for a user and the group, rw- as the mask, nothing for others. */
static inline struct access_list access_list_for(uint32_t user)
{
	const uint32_t nobody = (uint32_t)ACL_UNDEFINED_ID;
	return (struct access_list){.header = {POSIX_ACL_XATTR_VERSION},
								.lines = {{ACL_USER_OBJ, 7, nobody},
										  {ACL_USER, 4, user},
										  {ACL_GROUP_OBJ, 4, nobody},
										  {ACL_MASK, 6, nobody},
										  {ACL_OTHER, 0, nobody}}};
}

/* False if the file system has none, or this namespace no such user. */
static inline bool give_list(const char *path, const char *attribute, uint32_t user)
{
	const struct access_list list = access_list_for(user);
	return setxattr(path, attribute, &list, sizeof list, 0) == 0;
}

static inline void assert_has_list(const char *path, const char *attribute, uint32_t user)
{
	const struct access_list list = access_list_for(user);
	struct access_list found;
	assert_int_equal(getxattr(path, attribute, &found, sizeof found), sizeof list);
	assert_memory_equal(&found, &list, sizeof list);
}

static inline bool give_attributes(const char *path)
{
	return setxattr(path, "user.note", "text", 4, 0) == 0 && setxattr(path, "user.other", "more", 4, 0) == 0;
}

static inline void assert_has_attributes(const char *path)
{
	char value[8];
	assert_int_equal(getxattr(path, "user.note", value, sizeof value), 4);
	assert_memory_equal(value, "text", 4);
	assert_int_equal(getxattr(path, "user.other", value, sizeof value), 4);
	assert_memory_equal(value, "more", 4);
}

#define ACCESS  "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

#endif
