/*
 * transaction/folder_swap, by the script that runs in a container where the volume cannot be reached from here: the
 * same tests, with a shell of this machine in the place of the container's.
 */
#define BY_SCRIPT
#include "test_folder_swap.c" // NOLINT(bugprone-suspicious-include)
