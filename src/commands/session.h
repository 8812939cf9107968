/*
 * session.h - what the commands have in common: where the project is, where its backups are, and its containers.
 */
#ifndef WHISPERBACKUP_COMMANDS_SESSION_H
#define WHISPERBACKUP_COMMANDS_SESSION_H

#include "commands/command.h"
#include "runtimes/runtime.h"
#include "stores/store.h"

#include <stdbool.h>

struct session {
	/* The folder of the compose file: this one or the nearest above it; this one if there is none. */
	char *project_folder;
	char *real_folder;          /* the same without symbolic links on the way to it */
	bool has_compose_file;      /* it was found */
	char *backup_folder;        /* absolute */
	bool folder_chosen;         /* by BACKUP_DIR */
	char *project_folder_shown; /* as one line of plain text */
	char *backup_folder_shown;  /* likewise, as the user knows it: "./backups" or what BACKUP_DIR says */
	char *docker_host;          /* DOCKER_HOST, or NULL */
	char *project;              /* COMPOSE_PROJECT_NAME; NULL until session_connect has asked the engine */
	const char *volume_access;  /* --volume-access, or NULL; lent by the command line */
	bool shared_allowed;        /* by --allow-shared-folder or the environment: see session_guard */
	bool chosen[STORE_COUNT];   /* by --only; all without it */
	bool all_chosen;
	struct runtime *runtime;
	struct container_list containers;
	const struct container
		*of_store[STORE_COUNT]; /* the container of each store, running or not; NULL if there is none */
};

/*
 * Reads the folder, the environment, .env and --only. Needs no Docker, unless a backup was killed in its moment: that
 * is healed first (recovery.h), if the folder is one to be believed. session_open_only leaves that out, for commands
 * that see to it themselves.
 */
enum status session_open_only(const struct invocation *invocation, struct session *ret_session,
							  struct error *error) MUST_CHECK;
enum status session_open(const struct invocation *invocation, struct session *ret_session,
						 struct error *error) MUST_CHECK;

/*
 * Refuses to work in a backup folder that others can change, unless that is allowed (trust.h). For every command that
 * writes to it, or believes what it finds there. session_lock is catalog_lock, and looks once more at the folder that
 * is there then: it may be somebody else who has made it.
 */
enum status session_guard(const struct session *session, struct error *error) MUST_CHECK;
enum status session_lock(const struct session *session, int *ret_lock, struct error *error) MUST_CHECK;

/* Connects to the engine and finds the project's containers; finds them again, as they are now. */
enum status session_connect(struct session *session, struct error *error) MUST_CHECK;
enum status session_refresh(struct session *session, struct error *error) MUST_CHECK;

/*
 * Why a store cannot be worked with now: NULL if its container runs, else words such as "not running". Lent.
 */
const char *session_why_not(const struct session *session, size_t store);

/* The failure that none of the chosen stores runs. */
enum status session_nothing_runs(const struct session *session, struct error *error);

void session_close(struct session *session);

#endif
