#include "runtimes/freezer.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CGROUP_ROOT "/sys/fs/cgroup"

enum {
	TEXT_SIZE = 8192,         /* bytes of /proc/PID/cgroup: a line for each controller */
	FROZEN_MILLISECONDS = 500 /* for all processes to stand still */
};

/* True if `name` is one of the names in a list with commas, up to `end`. */
static bool is_listed(const char *list, const char *end, const char *name)
{
	size_t length = strlen(name);
	for (const char *at = list; at < end; at += strcspn(at, ",:") + 1) {
		if (strcspn(at, ",:") == length && strncmp(at, name, length) == 0) {
			return true;
		}
	}
	return false;
}

bool freezer_folder(const char *cgroup, const char *id, char *path, size_t size, bool *ret_old)
{
	bool found = false;
	for (const char *line = cgroup; *line != '\0' && !(found && *ret_old);) {
		const char *end = line + strcspn(line, "\n");
		const char *controllers = strchr(line, ':');
		const char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
		const char *of_container = group != NULL ? strstr(group, id) : NULL;
		if (of_container != NULL && of_container < end) {
			bool old = is_listed(controllers + 1, group, "freezer");
			/* What the container has made below its own group is not wanted: only up to the part that names it. */
			int length = (int)(of_container + strcspn(of_container, "/\n") - (group + 1));
			if (old || controllers + 1 == group) {
				int written = snprintf(path, size, CGROUP_ROOT "%s%.*s", old ? "/freezer" : "", length, group + 1);
				found = written > 0 && (size_t)written < size;
				*ret_old = old;
			}
		}
		line = *end == '\n' ? end + 1 : end;
	}
	return found;
}

static bool read_text(int folder, const char *name, char *text, size_t size)
{
	CLEANUP(cleanup_close) int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd >= 0 ? read(fd, text, size - 1) : -1;
	text[length > 0 ? length : 0] = '\0';
	return length >= 0;
}

/* The freezer's folder, open; -1 if it is not there or may not be used. */
static int open_freezer(const char *id, bool *ret_old)
{
	DIR *processes = opendir("/proc");
	int freezer = -1;
	for (const struct dirent *entry; processes != NULL && freezer < 0 && (entry = readdir(processes)) != NULL;) {
		char name[64];
		char text[TEXT_SIZE];
		char path[PATH_MAX];
		snprintf(name, sizeof name, "%.32s/cgroup", entry->d_name);
		if (isdigit((unsigned char)entry->d_name[0]) && read_text(dirfd(processes), name, text, sizeof text) &&
			freezer_folder(text, id, path, sizeof path, ret_old)) {
			freezer = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		}
	}
	if (processes != NULL) {
		closedir(processes);
	}
	return freezer;
}

static bool is_frozen(int freezer, bool old)
{
	char text[256];
	return read_text(freezer, old ? "freezer.state" : "cgroup.events", text, sizeof text) &&
		   strstr(text, old ? "FROZEN" : "frozen 1") != NULL;
}

bool freezer_set(const char *id, bool frozen)
{
	bool old = false;
	CLEANUP(cleanup_close) int freezer = id[0] != '\0' ? open_freezer(id, &old) : -1;
	const char *word = old ? (frozen ? "FROZEN" : "THAWED") : (frozen ? "1" : "0");
	CLEANUP(cleanup_close)
	int fd = freezer >= 0 ? openat(freezer, old ? "freezer.state" : "cgroup.freeze", O_WRONLY | O_CLOEXEC) : -1;
	bool done = fd >= 0 && write(fd, word, strlen(word)) == (ssize_t)strlen(word);
	for (int waited = 0; done && frozen && !is_frozen(freezer, old); waited++) {
		if (waited == FROZEN_MILLISECONDS) {
			return false;
		}
		clock_sleep(1);
	}
	return done;
}
