/*
 * docker.h - the runtime that speaks the Docker Engine API over its unix socket.
 *
 * No docker or docker-compose program is needed. The API version is the newest that both sides know.
 * Source of every request: Docker Engine API reference, versions 1.24 to 1.51 (docs.docker.com/reference/api/engine).
 */
#ifndef WHISPERBACKUP_RUNTIMES_DOCKER_H
#define WHISPERBACKUP_RUNTIMES_DOCKER_H

#include "base/error.h"
#include "runtimes/runtime.h"

/*
 * Connects to the engine that `host` names ("unix:///path"; NULL or empty for unix:///var/run/docker.sock) and agrees
 * on a version. STATUS_UNAVAILABLE if none answers there, STATUS_USAGE if `host` is not a unix socket.
 */
enum status docker_runtime_new(const char *host, struct runtime **ret_runtime, struct error *error) MUST_CHECK;

/*
 * The Compose project whose containers were started from `folder`, by the label that Compose gives them. *ret_project
 * is NULL if there is none. More than one is STATUS_USAGE, and the message names them.
 */
enum status docker_project_of_folder(struct runtime *runtime, const char *folder, char **ret_project,
									 struct error *error) MUST_CHECK;

#endif
