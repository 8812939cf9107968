#include "commands/disks.h"

#include "base/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum {
	SPACE_RESERVE = 64 << 20, /* bytes that are to be left on each disk, */
	FILES_RESERVE = 1000,     /* and files that could still be made there */
	POSTGRESQL_FACTOR = 2,    /* of a dump's size, as its own check has it */
};

void disks_free(struct disks *disks)
{
	for (size_t i = 0; i < DISKS_COUNT; i++) {
		free(disks->items[i].folder);
		disks->items[i].folder = NULL;
	}
}

static void warn_of(const struct disks *disks, const char *folder)
{
	progress_warn(disks->progress, "it is not known whether there is room on the disk of %s: %s", folder,
				  strerror(errno));
}

void disks_add(struct disks *disks, char *folder, uint64_t bytes, uint64_t files)
{
	CLEANUP(cleanup_free) char *owned = folder;
	struct stat attributes;
	if (folder == NULL) {
		return;
	}
	if (stat(folder, &attributes) != 0) {
		warn_of(disks, folder);
		return;
	}
	struct disk *disk = disks->items;
	while (disk < &disks->items[DISKS_COUNT - 1] && disk->folder != NULL && disk->device != attributes.st_dev) {
		disk++;
	}
	if (disk->folder == NULL) {
		*disk = (struct disk){.device = attributes.st_dev, .folder = MOVE(owned)};
	}
	disk->needed += bytes;
	disk->files += files;
}

uint64_t disks_staged_bytes(size_t store, const struct artefact *artefact)
{
	unsigned factor = strcmp(store_table[store]->name, "postgresql") == 0 ? POSTGRESQL_FACTOR : 1;
	return factor * artefact->raw_bytes;
}

static enum status check(const struct disks *disks, const struct disk *disk, const char *work, const char *why,
						 struct error *error)
{
	struct statvfs there;
	char needed[UNITS_SIZE];
	char available[UNITS_SIZE];
	if (statvfs(disk->folder, &there) != 0) {
		warn_of(disks, disk->folder);
		return STATUS_OK;
	}
	uint64_t bytes = (uint64_t)there.f_bavail * there.f_frsize;
	if (disk->needed + SPACE_RESERVE > bytes) {
		(void)error_set(error, STATUS_NO_SPACE,
						"the disk of %s is too full: the %s needs about %s there, and %s are free; nothing was changed",
						disk->folder, work, units_bytes(disk->needed + SPACE_RESERVE, needed),
						units_bytes(bytes, available));
		return error_hint(error, "%s", why);
	}
	/* A file system that makes room for files as they come, such as btrfs, counts none. */
	if (there.f_files > 0 && disk->files > 0 && disk->files + FILES_RESERVE > there.f_favail) {
		(void)error_set(error, STATUS_NO_SPACE,
						"the file system of %s has no room for so many files: the %s needs %llu more, and %llu can be "
						"made; nothing was changed",
						disk->folder, work, (unsigned long long)disk->files, (unsigned long long)there.f_favail);
		return error_hint(error, "df -i shows what there is; %s", why);
	}
	return STATUS_OK;
}

enum status disks_check(const struct disks *disks, const char *work, const char *why, struct error *error)
{
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < DISKS_COUNT && disks->items[i].folder != NULL; i++) {
		status = check(disks, &disks->items[i], work, why, error);
	}
	return status;
}
