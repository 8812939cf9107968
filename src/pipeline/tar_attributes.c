#include "pipeline/tar_attributes.h"

#include "base/cleanup.h"

#include <archive.h>
#include <endian.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <linux/limits.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

static const struct kind {
	const char *attribute;
	int type;
} kinds[] = {
	{"system.posix_acl_access", ARCHIVE_ENTRY_ACL_TYPE_ACCESS},
	{"system.posix_acl_default", ARCHIVE_ENTRY_ACL_TYPE_DEFAULT},
};

enum {
	KINDS = sizeof kinds / sizeof *kinds,
	HEADER_SIZE = sizeof(struct posix_acl_xattr_header),
	LINE_SIZE = sizeof(struct posix_acl_xattr_entry),
	MOST_LINES = (XATTR_SIZE_MAX - HEADER_SIZE) / LINE_SIZE,
};

/* --- lists -------------------------------------------------------------------------------------------------------- */

struct list {
	size_t count;
	struct { /* as the kernel keeps it: linux/posix_acl_xattr.h; its lines by tag, as it wants them, and id */
		struct posix_acl_xattr_header header;
		struct posix_acl_xattr_entry lines[MOST_LINES];
	} kept;
};

static int by_tag_and_id(const void *a, const void *b)
{
	const struct posix_acl_xattr_entry *one = a;
	const struct posix_acl_xattr_entry *other = b;
	int order = le16toh(one->e_tag) - le16toh(other->e_tag);
	return order != 0 ? order
					  : (le32toh(one->e_id) > le32toh(other->e_id)) - (le32toh(one->e_id) < le32toh(other->e_id));
}

static void sort(struct list *list)
{
	qsort(list->kept.lines, list->count, LINE_SIZE, by_tag_and_id);
}

static int kernels_tag(int tag)
{
	switch (tag) {
	case ARCHIVE_ENTRY_ACL_USER_OBJ:
		return ACL_USER_OBJ;
	case ARCHIVE_ENTRY_ACL_USER:
		return ACL_USER;
	case ARCHIVE_ENTRY_ACL_GROUP_OBJ:
		return ACL_GROUP_OBJ;
	case ARCHIVE_ENTRY_ACL_GROUP:
		return ACL_GROUP;
	case ARCHIVE_ENTRY_ACL_MASK:
		return ACL_MASK;
	default:
		return ACL_OTHER;
	}
}

/* The library has no id for a name alone, -1, and none of 2^31 or more: it reads those as the largest number. */
static bool is_id(int id)
{
	return id >= 0 && id < INT_MAX;
}

/* *ret_ids: each line that needs an id has one. False if not all lines came, for lack of memory, or if they are too
 * many for the kernel. */
static bool list_of_entry(struct archive_entry *entry, int type, struct list *ret_list, bool *ret_ids)
{
	int found = 0;
	int permissions = 0;
	int tag = 0;
	int id = 0;
	const char *name = NULL;
	const int count = archive_entry_acl_count(entry, type);
	ret_list->count = 0;
	ret_list->kept.header.a_version = htole32(POSIX_ACL_XATTR_VERSION);
	*ret_ids = true;
	(void)archive_entry_acl_reset(entry, type);
	while (ret_list->count < MOST_LINES &&
		   archive_entry_acl_next(entry, type, &found, &permissions, &tag, &id, &name) == ARCHIVE_OK) {
		const bool named = tag == ARCHIVE_ENTRY_ACL_USER || tag == ARCHIVE_ENTRY_ACL_GROUP;
		*ret_ids = *ret_ids && (!named || is_id(id));
		ret_list->kept.lines[ret_list->count++] =
			(struct posix_acl_xattr_entry){.e_tag = htole16((uint16_t)kernels_tag(tag)),
										   .e_perm = htole16((uint16_t)permissions),
										   .e_id = htole32(named ? (uint32_t)id : (uint32_t)ACL_UNDEFINED_ID)};
	}
	sort(ret_list);
	return ret_list->count == (size_t)count;
}

static bool list_of_file(const char *path, const char *attribute, struct list *ret_list)
{
	ssize_t size = lgetxattr(path, attribute, NULL, 0); /* with room for one, the kernel would make it each time */
	if (size > 0) {
		size = lgetxattr(path, attribute, &ret_list->kept, sizeof ret_list->kept);
	}
	ret_list->count = size > HEADER_SIZE ? (size_t)(size - HEADER_SIZE) / LINE_SIZE : 0;
	sort(ret_list);
	return size >= 0 || errno == ENODATA || errno == ENOTSUP;
}

static bool lists_are_same(const struct list *one, const struct list *other)
{
	return one->count == other->count && memcmp(one->kept.lines, other->kept.lines, one->count * LINE_SIZE) == 0;
}

bool tar_lists_have_ids(struct archive_entry *entry)
{
	bool all = true;
	for (size_t i = 0; all && i < KINDS; i++) {
		struct list list;
		(void)list_of_entry(entry, kinds[i].type, &list, &all);
	}
	return all;
}

size_t tar_lists_length(struct archive_entry *entry)
{
	return (size_t)archive_entry_acl_count(entry, ARCHIVE_ENTRY_ACL_TYPE_ACCESS) +
		   (size_t)archive_entry_acl_count(entry, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT);
}

struct tar_list_to_set {
	char *path;
	const char *attribute;
	size_t size; /* bytes; 0: it cannot be set */
	void *bytes;
};

static enum status add(struct tar_lists *lists, const char *path, const char *attribute, const void *bytes, size_t size,
					   struct error *error)
{
	struct tar_list_to_set *items = reallocarray(lists->items, lists->count + 1, sizeof *items);
	if (items == NULL) {
		return error_memory(error);
	}
	lists->items = items;
	struct tar_list_to_set *item = &items[lists->count++];
	*item = (struct tar_list_to_set){
		.path = strdup(path), .attribute = attribute, .size = size, .bytes = malloc(size > 0 ? size : 1)};
	if (item->path == NULL || item->bytes == NULL) {
		return error_memory(error);
	}
	memcpy(item->bytes, bytes, size);
	return STATUS_OK;
}

enum status tar_lists_add(struct tar_lists *lists, struct archive_entry *entry, const char *path, struct error *error)
{
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < KINDS; i++) {
		struct list list;
		bool ids = true;
		const bool whole = list_of_entry(entry, kinds[i].type, &list, &ids);
		if (!whole && list.count < MOST_LINES) {
			return error_memory(error);
		}
		if (list.count > 0) {
			size_t size = whole && ids ? HEADER_SIZE + list.count * LINE_SIZE : 0;
			status = add(lists, path, kinds[i].attribute, &list.kept, size, error);
		}
	}
	return status;
}

static void forget(struct tar_lists *lists)
{
	for (size_t i = 0; i < lists->count; i++) {
		free(lists->items[i].path);
		free(lists->items[i].bytes);
	}
	lists->count = 0;
}

/* Of the file system that holds it; errno is kept. */
static bool disk_is_full(const char *path)
{
	int before = errno;
	struct statvfs there;
	CLEANUP(cleanup_free) char *folder = strdup(path);
	/* The path may be a link's. */
	bool full = folder == NULL || statvfs(dirname(folder), &there) != 0 || there.f_bavail == 0;
	errno = before;
	return full;
}

static enum status set(const struct tar_list_to_set *item, struct tar_lists *lists, struct progress *progress,
					   struct error *error)
{
	errno = EINVAL;
	if (item->size > 0 && lsetxattr(item->path, item->attribute, item->bytes, item->size, 0) == 0) {
		return STATUS_OK;
	}
	/* EACCES: a default list, and no folder. The rest: longer than this file system can keep (ext4 says ENOSPC then).
	 */
	if (errno != EINVAL && errno != ENOTSUP && errno != EACCES && errno != E2BIG && errno != ERANGE &&
		(errno != ENOSPC || disk_is_full(item->path))) {
		return error_set_errno(error, "cannot unpack: cannot set the access list of %s", item->path);
	}
	if (!lists->warned) {
		progress_warn(progress, "the access list of %s, and perhaps of others, is left out: it cannot be set here",
					  item->path);
	}
	lists->warned = true;
	return STATUS_OK;
}

enum status tar_lists_set(struct tar_lists *lists, struct progress *progress, struct error *error)
{
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < lists->count; i++) {
		status = set(&lists->items[i], lists, progress, error);
	}
	forget(lists);
	return status;
}

void tar_lists_free(struct tar_lists *lists)
{
	forget(lists);
	free(lists->items);
	*lists = (struct tar_lists){0};
}

/* --- attributes --------------------------------------------------------------------------------------------------- */

static bool is_users(const char *attribute)
{
	return strncmp(attribute, "user.", strlen("user.")) == 0;
}

static size_t users_in_entry(struct archive_entry *entry)
{
	const char *name = NULL;
	const void *value = NULL;
	size_t size = 0;
	size_t count = 0;
	archive_entry_xattr_reset(entry);
	while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
		count += is_users(name);
	}
	return count;
}

static bool has_attribute(struct archive_entry *entry, const char *wanted, const void *content, size_t length)
{
	const char *name = NULL;
	const void *value = NULL;
	size_t size = 0;
	bool found = false;
	archive_entry_xattr_reset(entry);
	while (!found && archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
		found = strcmp(name, wanted) == 0 && size == length && memcmp(value, content, length) == 0;
	}
	return found;
}

static bool has_attribute_of_name(struct archive_entry *entry, const char *wanted)
{
	const char *name = NULL;
	const void *value = NULL;
	size_t size = 0;
	bool found = false;
	archive_entry_xattr_reset(entry);
	while (!found && archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
		found = strcmp(name, wanted) == 0;
	}
	return found;
}

/* All but `but`, which may be NULL. False if not all of them came, for lack of memory. */
static bool copy_attributes(struct archive_entry *from, struct archive_entry *to, const char *but)
{
	const char *name = NULL;
	const void *value = NULL;
	size_t size = 0;
	bool all = true;
	archive_entry_xattr_reset(from);
	while (all && archive_entry_xattr_next(from, &name, &value, &size) == ARCHIVE_OK) {
		if (but == NULL || strcmp(name, but) != 0) {
			archive_entry_xattr_add_entry(to, name, value, size);
			all = has_attribute(to, name, value, size);
		}
	}
	return all;
}

enum status tar_attributes_leave_out(struct archive_entry *entry, const char *name, struct error *error)
{
	if (!has_attribute_of_name(entry, name)) {
		return STATUS_OK;
	}
	struct archive_entry *others = archive_entry_new();
	bool all = others != NULL && copy_attributes(entry, others, name);
	if (all) {
		archive_entry_xattr_clear(entry);
		all = copy_attributes(others, entry, NULL);
	}
	archive_entry_free(others);
	return all ? STATUS_OK : error_memory(error);
}

bool tar_attributes_are_set(struct archive_entry *entry, const char *path)
{
	const char *name = NULL;
	const void *value = NULL;
	size_t size = 0;
	bool all = true;
	archive_entry_xattr_reset(entry);
	while (all && archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
		all = !is_users(name) || lgetxattr(path, name, NULL, 0) == (ssize_t)size;
	}
	return all;
}

bool tar_attributes_are_all(struct archive_entry *entry, const char *path)
{
	CLEANUP(cleanup_free) char *names = malloc(XATTR_LIST_MAX);
	ssize_t length = names != NULL ? llistxattr(path, names, XATTR_LIST_MAX) : 0;
	size_t wanted = 0;
	for (ssize_t at = 0; at < length; at += (ssize_t)strlen(names + at) + 1) {
		wanted += is_users(names + at);
	}
	bool all = names != NULL && users_in_entry(entry) == wanted && tar_attributes_are_set(entry, path);
	for (size_t i = 0; all && i < KINDS; i++) {
		struct list said;
		struct list found;
		bool ids = true;
		all = list_of_entry(entry, kinds[i].type, &said, &ids) && list_of_file(path, kinds[i].attribute, &found) &&
			  lists_are_same(&said, &found);
	}
	return all;
}

bool tar_attributes_are_same(struct archive_entry *one, struct archive_entry *other)
{
	const char *name = NULL;
	const void *value = NULL;
	size_t size = 0;
	bool same = users_in_entry(one) == users_in_entry(other);
	archive_entry_xattr_reset(one);
	while (same && archive_entry_xattr_next(one, &name, &value, &size) == ARCHIVE_OK) {
		same = !is_users(name) || has_attribute(other, name, value, size);
	}
	for (size_t i = 0; same && i < KINDS; i++) {
		struct list lists[2];
		bool ids = true;
		same = list_of_entry(one, kinds[i].type, &lists[0], &ids) &&
			   list_of_entry(other, kinds[i].type, &lists[1], &ids) && lists_are_same(&lists[0], &lists[1]);
	}
	return same;
}
