/*
 * server.h - the running Redis: its commands, its configuration, how it is. Private to the store.
 */
#ifndef WHISPERBACKUP_STORES_REDIS_SERVER_H
#define WHISPERBACKUP_STORES_REDIS_SERVER_H

#include "base/buffer.h"
#include "stores/volume_store.h"

#include <stdbool.h>

enum {
	REDIS_NAME_SIZE = 256,         /* bytes of a file name or folder in the server's configuration */
	REDIS_REPLY_LIMIT = 256 << 10, /* bytes of a reply to INFO */
	REDIS_NAMES_COUNT = 4,
};

/* What CONFIG GET takes: dir, dbfilename, appenddirname and appendfilename are among what fits. */
#define REDIS_SETTINGS "*d[bif][fir]*"

struct redis_moment;

struct redis {
	struct volume_store volume;
	char *password;              /* NULL if none is needed */
	struct redis_moment *moment; /* while a backup is made */
	char port[16];
	char dump_name[REDIS_NAME_SIZE];     /* dbfilename */
	char append_folder[REDIS_NAME_SIZE]; /* appenddirname; empty before Redis 7 */
	char append_name[REDIS_NAME_SIZE];   /* appendfilename */
	unsigned user;                       /* owner of the data folder */
	unsigned group;
	const char *names[REDIS_NAMES_COUNT];
};

/* Runs one command, whose words end with NULL; `reply` becomes what redis-cli prints to a pipe, trimmed. */
enum status redis_command(struct redis *self, struct buffer *reply, struct error *error,
						  const char *const *words) MUST_CHECK;
#define REDIS_COMMAND(self, reply, error, ...)                                                                         \
	redis_command(self, reply, error, (const char *const[]){__VA_ARGS__, NULL})

/* The value of "NAME:value" in a reply to INFO; false if it is not there. */
bool redis_info_value(const struct buffer *info, const char *name, char *value, size_t size);

/* The port, as the container's command has it; the server need not run. */
enum status redis_find_port(struct redis *self, struct error *error) MUST_CHECK;

/* Finds the port, logs in, and asks for version, folder and file names. */
enum status redis_learn(struct redis *self, struct error *error) MUST_CHECK;

/* From the answer to INFO replication: whether it is a replica, and of whom, "HOST:PORT". */
enum { REDIS_MASTER_SIZE = 300 };
bool redis_is_replica(const struct buffer *info, char ret_master[REDIS_MASTER_SIZE]);

/* The store_ops of the same names. */
enum status redis_keeps(struct store *store, struct error *error) MUST_CHECK;
enum status redis_ready(struct store *store, struct error *error) MUST_CHECK;
enum status redis_examine(struct store *store, struct examination *ret_examination, struct error *error) MUST_CHECK;
enum status redis_count(struct store *store, const struct fingerprint *places, struct fingerprint *ret_fingerprint,
						struct error *error) MUST_CHECK;
enum status redis_read_all(struct store *store, const struct fingerprint *places, struct progress *progress,
						   struct error *error) MUST_CHECK;
enum status redis_size(struct store *store, uint64_t *ret_bytes, struct error *error) MUST_CHECK;

#endif
