#include "pipeline/tar_links.h"

#include "base/cleanup.h"

#include <search.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	MOST_BYTES = 64 << 20, /* of all: some hundred thousand links */
	LINK_OVERHEAD = 80,    /* bytes of a node of the tree, and of two allocations, besides the path */
};

static int compare(const void *left, const void *right)
{
	return strcmp(left, right);
}

/*
 * A character beyond the first 65,536 that is written as two surrogates, three bytes each (CESU-8): libarchive writes
 * it as the four bytes of UTF-8 (3.6.2, archive_string.c, strncat_from_utf8_to_utf8), so the two names are one to who
 * unpacks it.
 */
static size_t take_surrogates(const unsigned char *text, char *character)
{
	if (text[0] != 0xED || (text[1] & 0xF0) != 0xA0 || (text[2] & 0xC0) != 0x80 || text[3] != 0xED ||
		(text[4] & 0xF0) != 0xB0 || (text[5] & 0xC0) != 0x80) {
		return 0;
	}
	uint32_t high = (text[1] & 0x0FU) << 6 | (text[2] & 0x3FU);
	uint32_t low = (text[4] & 0x0FU) << 6 | (text[5] & 0x3FU);
	uint32_t value = 0x10000 + (high << 10 | low);
	character[0] = (char)(0xF0 | value >> 18);
	character[1] = (char)(0x80 | (value >> 12 & 0x3F));
	character[2] = (char)(0x80 | (value >> 6 & 0x3F));
	character[3] = (char)(0x80 | (value & 0x3F));
	return 6;
}

static char *fold(char *end, const char *part, size_t length)
{
	for (size_t i = 0; i < length;) {
		size_t taken = take_surrogates((const unsigned char *)part + i, end);
		if (taken > 0) {
			end += 4;
			i += taken;
		} else {
			*end++ = part[i++];
		}
	}
	return end;
}

/* The parts that count, with one slash between two. The caller's; NULL without memory. */
static char *plain(const char *path)
{
	char *copy = malloc(strlen(path) + 1);
	char *end = copy;
	for (const char *part = path; copy != NULL && *part != '\0';) {
		size_t length = strcspn(part, "/");
		if (length > 0 && !(length == 1 && *part == '.')) {
			end = end > copy ? stpcpy(end, "/") : end;
			end = fold(end, part, length);
		}
		part += length;
		part += strspn(part, "/");
	}
	if (copy != NULL) {
		*end = '\0';
	}
	return copy;
}

static bool is_known(const struct tar_links *links, const char *path)
{
	return tfind(path, &links->root, compare) != NULL;
}

static bool leads_through(const struct tar_links *links, char *path)
{
	bool found = false;
	for (char *slash = strchr(path, '/'); slash != NULL && !found; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		found = is_known(links, path);
		*slash = '/';
	}
	return found;
}

/* `length`: of what was allocated for it, which may be more than it has now. */
static enum status add(struct tar_links *links, char *path, size_t length, struct error *error)
{
	links->bytes += length + LINK_OVERHEAD;
	if (links->bytes > MOST_BYTES) {
		free(path);
		return error_set(error, STATUS_DAMAGED, "the archive holds more symbolic links than anybody needs");
	}
	char **node = tsearch(path, &links->root, compare);
	if (node == NULL || *node != path) {
		free(path);
	}
	return node == NULL ? error_memory(error) : STATUS_OK;
}

static enum status refuse(const char *path, struct error *error)
{
	return error_set(error, STATUS_DAMAGED, "the archive holds a path that leads through a symbolic link: %s", path);
}

enum status tar_links_note(struct tar_links *links, const char *path, const char *symbolic, const char *hard,
						   struct error *error)
{
	if (links->root == NULL && symbolic == NULL) {
		return STATUS_OK;
	}
	CLEANUP(cleanup_free) char *name = plain(path);
	CLEANUP(cleanup_free) char *target = hard != NULL ? plain(hard) : NULL;
	if (name == NULL || (hard != NULL && target == NULL)) {
		return error_memory(error);
	}
	if (leads_through(links, name)) {
		return refuse(path, error);
	}
	if (target != NULL && leads_through(links, target)) {
		return refuse(hard, error);
	}
	return symbolic != NULL || (target != NULL && is_known(links, target)) ? add(links, MOVE(name), strlen(path), error)
																		   : STATUS_OK;
}

void tar_links_free(struct tar_links *links)
{
	tdestroy(links->root, free);
	*links = (struct tar_links){0};
}
