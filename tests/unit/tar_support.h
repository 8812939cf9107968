/*
 * tar_support.h - what the tests of the tar modules share: packing, unpacking, comparing trees, and archives made by
 * hand, which may hold what no honest program would write.
 */
#ifndef WHISPERBACKUP_TESTS_TAR_SUPPORT_H
#define WHISPERBACKUP_TESTS_TAR_SUPPORT_H

#include "support.h"

#include "pipeline/file.h"
#include "pipeline/gzip.h"
#include "pipeline/tar.h"
#include "snapshot/folder_copy.h"

enum { ARCHIVE_LIMIT = 256 << 20, TAR_BLOCK = 512 };

/* The file `path` as the content of a .tar.gz, without its compression. */
static inline struct buffer uncompressed(const char *path)
{
	struct error error;
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	struct source *file = NULL;
	struct source *gzip = NULL;
	assert_ok(file_source_new(path, &file, &error), &error);
	assert_ok(gzip_source_new(file, &gzip, &error), &error);
	assert_ok(drain(gzip, 100000, &archive, &error), &error);
	return archive;
}

/* The checksum and the size that were computed while an archive was written are those of the file. */
static inline void assert_digest_is_of(const char *path, const struct digest_result *digest)
{
	char *expected = shell(NULL, "sha256sum <'%s'", path);
	assert_memory_equal(digest->sha256, expected, DIGEST_TEXT_SIZE - 1);
	assert_int_equal(attributes_of(path).st_size, digest->size);
	free(expected);
}

/* Completes a copy whose moment is now, and frees it. */
static inline struct folder_copy_result completed(struct folder_copy *copy)
{
	struct error error;
	struct folder_copy_result result;
	assert_ok(folder_copy_capture(copy, &error), &error);
	assert_ok(folder_copy_finish(copy, NULL, &result, &error), &error);
	folder_copy_free(copy);
	return result;
}

/* A .tar.gz of a folder in which nothing happens. */
static inline struct folder_copy_result pack_into(const char *path, const char *folder, const char *path_in_archive)
{
	struct error error;
	struct folder_copy *copy = NULL;
	uint64_t bytes = 0;
	assert_ok(folder_copy_of(folder, path_in_archive, path, &copy, &error), &error);
	assert_ok(folder_copy_catch_up(copy, NULL, &bytes, &error), &error);
	struct folder_copy_result result = completed(copy);
	assert_digest_is_of(path, &result.digest);
	return result;
}

/* The tar stream of a folder. */
static inline struct buffer packed(const char *folder, const char *path_in_archive)
{
	char path[] = "/tmp/whisperbackup-packed-XXXXXX";
	assert_non_null(mkdtemp(path));
	(void)pack_into(at(path, "archive"), folder, path_in_archive);
	struct buffer archive = uncompressed(at(path, "archive"));
	unlink(at(path, "archive"));
	rmdir(path);
	return archive;
}

static inline enum status unpack_bytes(const void *bytes, size_t length, const char *path_in_archive,
									   const char *target, struct error *error)
{
	struct source *source = drip(bytes, length, 100000);
	enum status status = tar_unpack(source, path_in_archive, target, NULL, error);
	source_free(source);
	return status;
}

static inline enum status unpack(const struct buffer *archive, const char *path_in_archive, const char *target,
								 struct error *error)
{
	return unpack_bytes(archive->data, archive->length, path_in_archive, target, error);
}

/*
 * All that a tree is: names, types, modes, owners, times in seconds, sizes, numbers of links, targets of symbolic
 * links, and the checksums of the files. Only the time of the folder itself is left out: unpacking puts things into it.
 * The caller frees it.
 */
static inline char *listing(const char *folder)
{
	return shell(NULL,
				 "cd '%s' && export LC_ALL=C && stat -c '%%f %%u %%g' . && "
				 "find . -mindepth 1 -type d -print0 | sort -z | xargs -0r stat -c '%%N %%f %%u %%g %%Y' && "
				 "find . ! -type d -print0 | sort -z | xargs -0r stat -c '%%N %%f %%u %%g %%Y %%s %%h' && "
				 "find . -type f -print0 | sort -z | xargs -0r sha256sum",
				 folder);
}

static inline void assert_same_trees(const char *left, const char *right)
{
	char *expected = listing(left);
	char *found = listing(right);
	assert_string_equal(found, expected);
	free(expected);
	free(found);
}

/* Makes SCRATCH/src by a shell command that runs in it. */
#define make_source(scratch, ...)                                                                                      \
	do {                                                                                                               \
		make_folder(at((scratch), "src"));                                                                             \
		run_in(at((scratch), "src"), __VA_ARGS__);                                                                     \
	} while (0)

static inline void run_in(const char *folder, const char *command)
{
	shell_ok("cd '%s' && { %s; }", folder, command);
}

/* --- archives made by hand ---------------------------------------------------------------------------------------- */

/*
 * Appends a header (POSIX.1-1988 ustar) for an entry with `length` bytes of content. `type` is '0' for a file, '1' for
 * a hard link, '2' for a symbolic link, '5' for a folder.
 */
/* Sets a header's sum. */
static inline void raw_sum(char block[static TAR_BLOCK])
{
	memset(block + 148, ' ', 8); /* for the sum, its own field counts as blanks */
	unsigned sum = 0;
	for (size_t i = 0; i < TAR_BLOCK; i++) {
		sum += (unsigned char)block[i];
	}
	snprintf(block + 148, 7, "%06o", sum);
}

static inline void raw_header(struct buffer *archive, char type, const char *name, const char *link, size_t length)
{
	struct error error;
	char block[TAR_BLOCK] = {0};
	snprintf(block, 100, "%s", name);
	snprintf(block + 100, 8, "%07o", type == '5' ? 0755U : 0644U);
	snprintf(block + 108, 8, "%07o", (unsigned)getuid());
	snprintf(block + 116, 8, "%07o", (unsigned)getgid());
	snprintf(block + 124, 12, "%011o", (unsigned)length);
	snprintf(block + 136, 12, "%011o", 1000000000U);
	block[156] = type;
	snprintf(block + 157, 100, "%s", link != NULL ? link : "");
	memcpy(block + 257, "ustar\0" /* and the version */ "00", 8);
	raw_sum(block);
	assert_ok(buffer_append(archive, block, TAR_BLOCK, &error), &error);
}

/* Appends an entry with its content, which is a text or NULL. */
static inline void raw_entry(struct buffer *archive, char type, const char *name, const char *link, const char *content)
{
	struct error error;
	static const char zeros[TAR_BLOCK];
	size_t length = content != NULL ? strlen(content) : 0;
	raw_header(archive, type, name, link, length);
	if (length > 0) {
		assert_ok(buffer_append(archive, content, length, &error), &error);
		assert_ok(buffer_append(archive, zeros, (TAR_BLOCK - length % TAR_BLOCK) % TAR_BLOCK, &error), &error);
	}
}

static inline void raw_zeros(struct buffer *archive, size_t blocks)
{
	struct error error;
	static const char zeros[TAR_BLOCK];
	for (size_t i = 0; i < blocks; i++) {
		assert_ok(buffer_append(archive, zeros, TAR_BLOCK, &error), &error);
	}
}

#endif
