/* pipeline/tar_unpack: nothing is made or changed outside of the folder, whatever an archive holds. */
#include "fuzz.h"
#include "tar_mutate.h"

#include "pipeline/tar.h"

#include <dirent.h>
#include <sys/stat.h>

#define SECRET "not to be touched\n"

/* SCRATCH/world holds the folder "out" and the file "beside", and never anything else. */
static void check_world(const char *world, const struct stat *beside)
{
	DIR *folder = opendir(world);
	struct stat now;
	char text[sizeof SECRET] = "";
	HOLDS(folder != NULL);
	for (struct dirent *entry = NULL; (entry = readdir(folder)) != NULL;) {
		HOLDS(entry->d_name[0] == '.' || strcmp(entry->d_name, "out") == 0 || strcmp(entry->d_name, "beside") == 0);
	}
	HOLDS(fstatat(dirfd(folder), "beside", &now, AT_SYMLINK_NOFOLLOW) == 0);
	HOLDS(now.st_ino == beside->st_ino && now.st_mode == beside->st_mode && now.st_uid == beside->st_uid);
	HOLDS(now.st_size == beside->st_size && now.st_nlink == 1 && now.st_mtim.tv_sec == beside->st_mtim.tv_sec);
	CLEANUP(cleanup_close) int fd = openat(dirfd(folder), "beside", O_RDONLY | O_CLOEXEC);
	HOLDS(fd >= 0 && read(fd, text, sizeof text) == sizeof SECRET - 1 && strcmp(text, SECRET) == 0);
	closedir(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tar_locale();
	CLEANUP(cleanup_free) char *world = fuzz_path("world");
	CLEANUP(cleanup_free) char *out = fuzz_path("world/out");
	CLEANUP(cleanup_free) char *beside = fuzz_path("world/beside");
	CLEANUP(cleanup_source) struct source *tar = fuzz_source(data, size, STREAM_BLOCK_SIZE);
	struct stat attributes;
	struct error error = {.message = ""};
	(void)mkdir(world, 0755);
	HOLDS(mkdir(out, 0755) == 0);
	fuzz_write(beside, SECRET, strlen(SECRET));
	HOLDS(lstat(beside, &attributes) == 0);
	enum status status = tar_unpack(tar, "data", out, NULL, &error);
	HOLDS(status == STATUS_OK || error.message[0] != '\0');
	check_world(world, &attributes);
	HOLDS(chmod(out, 0755) == 0);
	HOLDS(files_remove(out, &error) == STATUS_OK);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
	return tar_mutate(data, size, most, seed);
}
