#include "catalog/trust.h"

#include "base/cleanup.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum {
	MOST_LINKS = 40, /* on one way, as the kernel has it (path_resolution(7)) */
	NAME_SIZE = 64,
};

/* Who became root by sudo is trusted as root is: what is theirs was there before. Others cannot set our environment. */
static bool is_sudo_user(uid_t owner)
{
	const char *text = geteuid() == 0 ? getenv("SUDO_UID") : NULL;
	char *end = NULL;
	unsigned long user = text != NULL ? strtoul(text, &end, 10) : 0;
	return text != NULL && end != text && *end == '\0' && user == owner;
}

static bool is_trusted(uid_t owner)
{
	return owner == 0 || owner == geteuid() || is_sudo_user(owner);
}

/* "user me", or the number of one without a name. */
static const char *user_name(uid_t user, char name[NAME_SIZE])
{
	const struct passwd *known = getpwuid(user);
	snprintf(name, NAME_SIZE, "user %.*s", NAME_SIZE - 8, known != NULL ? known->pw_name : "");
	if (known == NULL) {
		snprintf(name, NAME_SIZE, "user %u", (unsigned)user);
	}
	return name;
}

/*
 * Many systems give each user a group with their name, and a umask that lets it write. Where there is an access control
 * list, the group's bits say what anybody in that may do (acl(5)).
 */
static bool is_own_group(const char *path, const struct stat *attributes)
{
	if (getxattr(path, "system.posix_acl_access", NULL, 0) >= 0 ||
		(errno != ENODATA && errno != ENOTSUP && errno != ENOENT)) { /* one that cannot be read may say anything */
		return false;
	}
	const struct passwd *owner = getpwuid(attributes->st_uid);
	const struct group *group = getgrgid(attributes->st_gid);
	if (owner == NULL || group == NULL || owner->pw_gid != group->gr_gid ||
		strcmp(owner->pw_name, group->gr_name) != 0) {
		return false;
	}
	for (size_t i = 0; group->gr_mem[i] != NULL; i++) {
		if (strcmp(group->gr_mem[i], owner->pw_name) != 0) {
			return false;
		}
	}
	return true;
}

static enum status refuse_owner(const char *path, uid_t owner, struct error *error)
{
	char name[NAME_SIZE];
	(void)error_set(error, STATUS_FAILED, "others can change the backups: %s belongs to %s", path,
					user_name(owner, name));
	return error_hint(error,
					  "set BACKUP_DIR to a folder of your own, or take that over with chown; if its owner may change "
					  "your backups: --allow-shared-folder");
}

static enum status refuse_writers(const char *path, const char *who, struct error *error)
{
	(void)error_set(error, STATUS_FAILED, "others can change the backups: %s can write to %s", who, path);
	return error_hint(
		error,
		"chmod go-w %s, or set BACKUP_DIR to another folder; if they may change your backups: --allow-shared-folder",
		path);
}

static enum status check_folder(const char *path, const struct stat *attributes, bool last, struct error *error)
{
	if (!is_trusted(attributes->st_uid)) {
		return refuse_owner(path, attributes->st_uid, error);
	}
	if (!last && (attributes->st_mode & S_ISVTX) != 0) {
		return STATUS_OK; /* what is theirs in it is found by the next look */
	}
	if ((attributes->st_mode & S_IWOTH) != 0) {
		return refuse_writers(path, "everybody", error);
	}
	if ((attributes->st_mode & S_IWGRP) != 0 && !is_own_group(path, attributes)) {
		const struct group *group = getgrgid(attributes->st_gid);
		char name[NAME_SIZE];
		snprintf(name, sizeof name, "the group %.*s", NAME_SIZE - 16, group != NULL ? group->gr_name : "");
		if (group == NULL) {
			snprintf(name, sizeof name, "the group %u", (unsigned)attributes->st_gid);
		}
		return refuse_writers(path, name, error);
	}
	return STATUS_OK;
}

static enum status check_path(const char *path, bool last, unsigned *links, struct error *error);

/* What a link says, from the folder that it is in. */
static enum status follow(const char *link, bool last, unsigned *links, struct error *error)
{
	char target[PATH_MAX];
	ssize_t length = readlink(link, target, sizeof target - 1);
	if (length < 0 || ++*links > MOST_LINKS) {
		errno = length < 0 ? errno : ELOOP;
		return error_set_errno(error, "cannot follow the link %s", link);
	}
	target[length] = '\0';
	if (target[0] == '/') {
		return check_path(target, last, links, error);
	}
	CLEANUP(cleanup_free) char *path = NULL;
	int folder_length = (int)(strrchr(link, '/') - link);
	if (asprintf(&path, "%.*s/%s", folder_length, link, target) < 0) {
		path = NULL;
		return error_memory(error);
	}
	return check_path(path, last, links, error);
}

/* One place on the way, all of which before it is checked. */
static enum status check_place(const char *path, bool last, bool *ret_there, unsigned *links, struct error *error)
{
	struct stat attributes;
	*ret_there = lstat(path, &attributes) == 0;
	if (!*ret_there) {
		return errno == ENOENT || errno == ENOTDIR ? STATUS_OK : error_set_errno(error, "cannot look at %s", path);
	}
	if (S_ISDIR(attributes.st_mode)) {
		return check_folder(path, &attributes, last, error);
	}
	if (!S_ISLNK(attributes.st_mode)) {
		return STATUS_OK; /* there is no way through it */
	}
	return is_trusted(attributes.st_uid) ? follow(path, last, links, error)
										 : refuse_owner(path, attributes.st_uid, error);
}

/* From the root down: the kernel goes the same way, so what one step finds nobody can change any more for the next. */
static enum status check_path(const char *path, bool last, unsigned *links, struct error *error)
{
	CLEANUP(cleanup_free) char *way = strdup(path);
	if (way == NULL) {
		return error_memory(error);
	}
	bool there = true;
	enum status status = check_place("/", strspn(path, "/") == strlen(path) && last, &there, links, error);
	for (char *at = way; status == STATUS_OK && there;) {
		at += strspn(at, "/");
		if (*at == '\0') {
			break;
		}
		at += strcspn(at, "/");
		char slash = *at;
		*at = '\0';
		bool end = slash == '\0' || at[1 + strspn(at + 1, "/")] == '\0';
		status = check_place(way, last && end, &there, links, error);
		*at = slash;
	}
	return status;
}

enum status trust_check(const char *path, struct error *error)
{
	unsigned links = 0;
	return check_path(path, true, &links, error);
}
