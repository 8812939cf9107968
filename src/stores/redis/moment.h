/*
 * moment.h - a backup of Redis: BGSAVE at the moment, and the file of that save and no other. Private to the store.
 */
#ifndef WHISPERBACKUP_STORES_REDIS_MOMENT_H
#define WHISPERBACKUP_STORES_REDIS_MOMENT_H

#include "stores/store.h"

struct redis_moment;

/* The store_ops of the same names. */
enum status redis_prepare(struct store *store, const char *path, struct progress *progress,
						  struct error *error) MUST_CHECK;
enum status redis_ask(struct store *store, struct error *error) MUST_CHECK;
enum status redis_answer(struct store *store, struct error *error) MUST_CHECK;
void redis_forget(struct store *store);
enum status redis_finish(struct store *store, struct progress *progress, struct saved *ret_saved,
						 struct error *error) MUST_CHECK;

/* NULL is fine. */
void redis_moment_free(struct redis_moment *moment);

#endif
