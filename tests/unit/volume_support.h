/*
 * volume_support.h - a container with one volume, which is a folder of this machine: `volume`, to be set by the test.
 */
#ifndef WHISPERBACKUP_TESTS_VOLUME_SUPPORT_H
#define WHISPERBACKUP_TESTS_VOLUME_SUPPORT_H

#include "runtimes/runtime.h"

#include <limits.h>

static char empty[] = "";
static char destination[] = "/var/lib/data";
static char volume[PATH_MAX];
static char *no_texts[] = {NULL};
static struct mount mounts[] = {{.type = empty, .source = volume, .destination = destination, .writable = true}};
static const struct container container = {.id = empty,
										   .name = empty,
										   .service = empty,
										   .store = empty,
										   .image = empty,
										   .image_digest = empty,
										   .environment = no_texts,
										   .command = no_texts,
										   .mounts = mounts,
										   .mount_count = 1};
static struct runtime runtime = {.volume_access = VOLUME_DIRECT}; /* is not asked */

#endif
