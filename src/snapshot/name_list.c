#include "snapshot/name_list.h"

#include "base/files.h"
#include "base/interrupt.h"
#include "base/stream.h"
#include "pipeline/digest.h"
#include "pipeline/tar.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * Many names in few bytes: of each, in the order of the list, one byte that says how much of the name before it begins
 * with too, then the rest and a NUL.
 */
struct name_list {
	struct buffer names;
	struct buffer marks; /* a uint64_t for each name, ascending: its hash, and in the lowest bit whether it was seen */
	bool full;
};

/* Is behind the names, none of which begins with a slash. */
#define END_ALL  "/all"
#define END_SOME "/some"

/*
 * What goes while it is looked for is no failure. `find` says what is, and goes on; only what it may not read (without
 * CAP_DAC_OVERRIDE root may not read everything) says nothing of what the engine can.
 */
static const char SCRIPT[] =
	"LC_ALL=C; export LC_ALL\n"
	"find /dev/null -print0 >/dev/null 2>&1 || exit 127\n"
	"cd \"$0\" || exit 1\n"
	"exec 3>&1\n"
	"said=$(find . -path './" TAR_OWN_PREFIX "*' -prune -o \\( -type d -o -type f -o -type l \\) -print0 2>&1 >&3)\n"
	"code=$?; end='" END_ALL "'; set -f; IFS='\n'\n"
	"if [ $code != 0 ] && [ -z \"$said\" ]; then echo \"find ended with exit code $code\" >&2; exit 1; fi\n"
	"for line in $said; do\n"
	"	case $line in\n"
	"		*': No such file or directory') ;;\n"
	"		*': Permission denied') end='" END_SOME "' ;;\n"
	"		*) printf '%s\\n' \"$line\" >&2; exit 1 ;;\n"
	"	esac\n"
	"done\n"
	"printf '%s\\0' \"$end\"\n";

/* The first half of its digest, but for the lowest bit. */
static enum status hash_of(const char *name, uint64_t *ret_hash, struct error *error)
{
	char digest[DIGEST_TEXT_SIZE];
	enum status status = digest_text(name, digest, error);
	if (status == STATUS_OK) {
		digest[16] = '\0';
		*ret_hash = strtoull(digest, NULL, 16) & ~(uint64_t)1;
	}
	return status;
}

static int compare(const void *left, const void *right)
{
	const uint64_t a = *(const uint64_t *)left & ~(uint64_t)1;
	const uint64_t b = *(const uint64_t *)right & ~(uint64_t)1;
	return (a > b) - (a < b);
}

/* NULL if the list does not have the name; or without memory, so that it has not been seen. */
static uint64_t *mark_of(const struct name_list *list, const char *name)
{
	struct error ignored;
	uint64_t hash = 0;
	size_t count = list->marks.length / sizeof hash;
	return count == 0 || hash_of(name, &hash, &ignored) != STATUS_OK
			   ? NULL
			   : bsearch(&hash, list->marks.data, count, sizeof hash, compare);
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

/* Takes what the program says apart. */
struct name_sink {
	struct sink sink;
	struct name_list *list;    /* lent */
	char before[PATH_MAX * 2]; /* the name that was added last */
	char name[PATH_MAX * 2];   /* that has not ended */
	size_t length;             /* of it */
	enum name_list_extent end; /* NAMES_NONE: it has not been seen */
};

static enum status add(struct name_sink *self, const char *name, struct error *error)
{
	struct name_list *list = self->list;
	size_t shared = 0;
	size_t length = strlen(name);
	uint64_t hash = 0;
	while (shared < UCHAR_MAX && name[shared] != '\0' && name[shared] == self->before[shared]) {
		shared++;
	}
	list->full = list->full || list->names.length + list->marks.length + length + 2 + sizeof hash > NAME_LIST_LIMIT;
	if (list->full) {
		return STATUS_OK;
	}
	const unsigned char byte = (unsigned char)shared;
	enum status status = hash_of(name, &hash, error);
	if (status == STATUS_OK) {
		status = buffer_append(&list->names, &byte, 1, error);
	}
	if (status == STATUS_OK) {
		status = buffer_append(&list->names, name + shared, length + 1 - shared, error);
	}
	if (status == STATUS_OK) {
		status = buffer_append(&list->marks, &hash, sizeof hash, error);
	}
	memcpy(self->before, name, length + 1);
	return status;
}

static enum status take(struct name_sink *self, struct error *error)
{
	if (strcmp(self->name, END_ALL) == 0 || strcmp(self->name, END_SOME) == 0) {
		self->end = strcmp(self->name, END_ALL) == 0 ? NAMES_ALL : NAMES_SOME;
		return STATUS_OK;
	}
	return strncmp(self->name, "./", 2) == 0 ? add(self, self->name + 2, error) : STATUS_OK;
}

static enum status name_sink_write(struct sink *sink, const void *bytes, size_t length, struct error *error)
{
	struct name_sink *self = (struct name_sink *)sink;
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < length; i++) {
		if (self->length == sizeof self->name) {
			return error_set(error, STATUS_FAILED, "a name in it has more than %zu bytes", sizeof self->name);
		}
		char byte = ((const char *)bytes)[i];
		self->name[self->length++] = byte;
		if (byte == '\0') {
			self->length = 0;
			status = take(self, error);
		}
	}
	return status;
}

static enum status ask(struct runtime *runtime, const struct exec_request *request, struct name_sink *names,
					   int *ret_exit_code, struct error *error)
{
	CLEANUP(buffer_free) struct buffer said = BUFFER_INIT(ERROR_MESSAGE_SIZE);
	enum status status = runtime_run(runtime, request, NULL, &names->sink, &said, ret_exit_code, error);
	if (status != STATUS_OK || *ret_exit_code == 126 || *ret_exit_code == 127) {
		return status;
	}
	buffer_trim(&said);
	if (*ret_exit_code != 0) {
		return error_set(error, STATUS_FAILED, "%s", said.length > 0 ? said.data : "the program failed");
	}
	/* The engine can lose the end of what a program says and hand over exit code 0. */
	return names->end != NAMES_NONE ? STATUS_OK
									: error_set(error, STATUS_FAILED, "the list of its names has not come whole");
}

enum status name_list_ask(struct runtime *runtime, const struct container *container, const char *folder,
						  struct name_list **ret_list, enum name_list_extent *ret_extent, struct error *error)
{
	static const struct sink_ops ops = {.write = name_sink_write}; /* it is only lent */
	const char *const arguments[] = {"sh", "-c", SCRIPT, folder, NULL};
	const struct exec_request request = {.container = container, .arguments = arguments};
	CLEANUP(cleanup_name_list) struct name_list *list = calloc(1, sizeof *list);
	CLEANUP(cleanup_free) struct name_sink *names = calloc(1, sizeof *names);
	if (list == NULL || names == NULL) {
		return error_memory(error);
	}
	list->names.limit = NAME_LIST_LIMIT;
	list->marks.limit = NAME_LIST_LIMIT;
	names->sink.ops = &ops;
	names->list = list;
	int exit_code = 0;
	enum status status = ask(runtime, &request, names, &exit_code, error);
	if (status == STATUS_FAILED) {
		return error_prefix(error, "%s in container %s cannot be listed", folder, container->name);
	}
	if (status != STATUS_OK) {
		return status;
	}
	*ret_extent = exit_code != 0 ? NAMES_NONE : list->full ? NAMES_SOME : names->end;
	if (list->marks.length > 0) {
		qsort(list->marks.data, list->marks.length / sizeof(uint64_t), sizeof(uint64_t), compare);
	}
	*ret_list = MOVE(list);
	return STATUS_OK;
}

/* --- comparing ---------------------------------------------------------------------------------------------------- */

void name_list_begin(struct name_list *list)
{
	uint64_t *marks = (uint64_t *)(void *)list->marks.data;
	for (size_t i = 0; i < list->marks.length / sizeof *marks; i++) {
		marks[i] &= ~(uint64_t)1;
	}
}

void name_list_see(void *context, const char *name)
{
	uint64_t *mark = mark_of(context, name);
	if (mark != NULL) {
		*mark |= 1;
	}
}

/* What is in a folder that has gone has gone too. */
static bool is_in(const char *name, const char *gone)
{
	size_t length = strlen(gone);
	return length > 0 && strncmp(name, gone, length) == 0 && name[length] == '/';
}

static enum status expect_gone(struct runtime *runtime, const struct container *container, const char *folder,
							   const char *name, struct error *error)
{
	struct path_stat attributes;
	CLEANUP(cleanup_free) char *path = NULL;
	enum status status = files_join(folder, name, &path, error);
	if (status == STATUS_OK) {
		status = runtime_archive_stat(runtime, container, path, &attributes, error);
	}
	if (status == STATUS_OK) {
		(void)error_set(error, STATUS_FAILED, "the engine has left out %s of container %s", path, container->name);
		return error_hint(error, "its log (journalctl -u docker) tells why; what it cannot read may be damaged");
	}
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status name_list_expect_seen(const struct name_list *list, struct runtime *runtime,
								  const struct container *container, const char *folder, struct error *error)
{
	char name[PATH_MAX * 2] = "";
	char gone[PATH_MAX * 2] = "";
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < list->names.length;) {
		const char *rest = list->names.data + i + 1;
		strcpy(name + (unsigned char)list->names.data[i], rest);
		i += 1 + strlen(rest) + 1;
		const uint64_t *mark = mark_of(list, name);
		if ((mark != NULL && (*mark & 1) != 0) || is_in(name, gone)) {
			continue;
		}
		status = interrupt_check(error);
		if (status == STATUS_OK) {
			status = expect_gone(runtime, container, folder, name, error);
			strcpy(gone, name);
		}
	}
	return status;
}

void name_list_free(struct name_list *list)
{
	if (list != NULL) {
		buffer_free(&list->names);
		buffer_free(&list->marks);
		free(list);
	}
}
