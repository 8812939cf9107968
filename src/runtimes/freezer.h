/*
 * freezer.h - the kernel's own switch for all processes of a container, for when the engine cannot use it.
 *
 * The engine pauses a container by its control group's freezer. Whoever is root on the machine that the containers run
 * on can use it as well; everybody else cannot.
 * Sources: Linux, Documentation/admin-guide/cgroup-v2.rst, "cgroup.freeze"; cgroup-v1/freezer-subsystem.rst.
 */
#ifndef WHISPERBACKUP_RUNTIMES_FREEZER_H
#define WHISPERBACKUP_RUNTIMES_FREEZER_H

#include <stdbool.h>
#include <stddef.h>

/* Freezes, and waits until that is done, or thaws. False if it cannot be done from here. `id` is the container's whole
 * id. */
bool freezer_set(const char *id, bool frozen);

/*
 * The folder of the container's freezer, by what /proc/PID/cgroup says of one of its processes (cgroups(7)); *ret_old
 * is whether it is one of the first version. False if the process is none of the container's.
 */
bool freezer_folder(const char *cgroup, const char *id, char *path, size_t size, bool *ret_old);

#endif
