/*
 * postgresql.h - the PostgreSQL store: one server, reached by the psql of its own container over the local socket.
 */
#ifndef WHISPERBACKUP_STORES_POSTGRESQL_POSTGRESQL_H
#define WHISPERBACKUP_STORES_POSTGRESQL_POSTGRESQL_H

#include "stores/store.h"

/* What all our sessions call themselves, so that a later run can end those of one that was killed. */
#define POSTGRESQL_APPLICATION "whisperbackup"

/* What to do where the role that the container names may not do, or see, all there is. */
#define POSTGRESQL_SUPERUSER_HINT                                                                                      \
	"POSTGRES_USER of the container has to name the superuser that the server was set up with"

/* Bytes of an option of pg_dump and pg_dumpall, "--encoding=UTF8". */
enum { POSTGRESQL_ENCODING_SIZE = 48 };

struct postgresql_moment;

struct postgresql {
	struct store store;
	char *user;                       /* a superuser, whatever its name */
	char *password;                   /* NULL if there is none */
	char *preferred;                  /* the database that the container was set up with; it may be gone by now */
	const char *database;             /* one that answers: `preferred`, or one that every server has */
	char *path;                       /* of the artefact, while a backup is made */
	struct postgresql_moment *moment; /* owned; while a backup is made */
	int version_number;               /* 150018 for 15.18 */
	int psql_number;                  /* the same of the container's psql; 0 if it does not tell */
	char encoding[POSTGRESQL_ENCODING_SIZE]; /* of `database`, as an option for pg_dumpall */
};

#endif
