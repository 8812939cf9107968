#include "stores/redis/persistence.h"

#include "stores/redis/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_SIZE = 32, DATABASE_NAME_SIZE = 32 };

/* "cmdstat_flushall:calls=2,usec=105,..."; a command that was never called has no line. */
static enum status read_flushes(const struct buffer *commands, long long *ret_flushes, struct error *error)
{
	char value[VALUE_SIZE] = "";
	*ret_flushes = 0;
	bool known = strstr(buffer_text(commands), "# Commandstats") != NULL;
	if (known && redis_info_value(commands, "cmdstat_flushall", value, sizeof value)) {
		known = sscanf(value, "calls=%lld,", ret_flushes) == 1;
	}
	return known ? STATUS_OK
				 : error_set(error, STATUS_FAILED, "Redis does not tell how often it was emptied: %.300s",
							 buffer_text(commands));
}

enum status redis_persistence_read(const struct buffer *info, const struct buffer *commands,
								   struct redis_persistence *ret_persistence, struct error *error)
{
	long long flushes = 0;
	char saving[VALUE_SIZE] = "";
	char rewriting[VALUE_SIZE] = "";
	char result[VALUE_SIZE] = "";
	char time[VALUE_SIZE] = "";
	char saves[VALUE_SIZE] = "-1";
	if (!redis_info_value(info, "rdb_bgsave_in_progress", saving, sizeof saving) ||
		!redis_info_value(info, "rdb_last_bgsave_status", result, sizeof result) ||
		!redis_info_value(info, "rdb_last_save_time", time, sizeof time)) {
		return error_set(error, STATUS_FAILED, "Redis does not tell how its saves go: %s", buffer_text(info));
	}
	enum status status = read_flushes(commands, &flushes, error);
	if (status != STATUS_OK) {
		return status;
	}
	(void)redis_info_value(info, "aof_rewrite_in_progress", rewriting, sizeof rewriting);
	(void)redis_info_value(info, "rdb_saves", saves, sizeof saves);
	*ret_persistence = (struct redis_persistence){
		.saving = strcmp(saving, "0") != 0,
		.rewriting = strcmp(rewriting, "1") == 0,
		.failed = strcmp(result, "ok") != 0,
		.saves = atoll(saves),
		.last_save = atoll(time),
		.flushes = flushes,
	};
	return STATUS_OK;
}

static bool is_counted(const struct redis_persistence *persistence)
{
	return persistence->saves >= 0;
}

/* Saves that have begun since: 1 is ours alone. */
static long long since(const struct redis_persistence *before, const struct redis_persistence *now)
{
	return now->saves - before->saves;
}

/* A count that goes backwards is another server's: it was started anew. */
bool redis_save_has_ended(const struct redis_persistence *before, const struct redis_persistence *now)
{
	if (!is_counted(before)) {
		return !now->saving && now->last_save != before->last_save; /* the clock may have been set back */
	}
	return since(before, now) > 1 || (since(before, now) == 1 && !now->saving);
}

bool redis_save_has_failed(const struct redis_persistence *before, const struct redis_persistence *now)
{
	if (!now->failed) {
		return false;
	}
	if (!is_counted(before)) {
		return !now->saving;
	}
	return (since(before, now) == 1 && !now->saving) || (since(before, now) == 2 && now->saving);
}

bool redis_save_was_flushed(const struct redis_persistence *before, const struct redis_persistence *now)
{
	return now->flushes != before->flushes;
}

bool redis_save_was_killed(const struct redis_persistence *before, const struct redis_persistence *now)
{
	return !is_counted(before) && !now->saving && !now->failed && now->last_save == before->last_save;
}

bool redis_save_is_dump(const struct redis_persistence *before, const struct redis_persistence *then,
						const struct redis_persistence *now)
{
	if (!redis_save_has_ended(before, then) || redis_save_was_flushed(before, now)) {
		return false;
	}
	if (!is_counted(before)) {
		return now->last_save == then->last_save;
	}
	/* The next one replaces it only when it ends. */
	return since(before, now) == 1 || (since(before, now) == 2 && now->saving);
}

bool redis_save_is_temporary(const struct redis_persistence *before, const struct redis_persistence *then,
							 const struct redis_persistence *now)
{
	return is_counted(before) && since(before, then) == 1 && then->saving && since(before, now) == 1 &&
		   !redis_save_was_flushed(before, now);
}

enum status redis_keyspace_read(const struct buffer *info, struct fingerprint *fingerprint, bool *ret_known,
								struct error *error)
{
	*ret_known = strstr(buffer_text(info), "# Keyspace") != NULL;
	enum status status = STATUS_OK;
	const char *line = buffer_text(info);
	while (status == STATUS_OK && *line != '\0') {
		char name[DATABASE_NAME_SIZE];
		unsigned long long keys = 0;
		unsigned long long expires = 0;
		unsigned long long hashes = 0;
		/* "db0:keys=12,expires=3,avg_ttl=0", and since Redis 7.4 ",subexpiry=2": of the keys, those with fields that
		 * expire (seen with 7.4.1). */
		int fields = sscanf(line, "%31[^:\r\n]:keys=%llu,expires=%llu,avg_ttl=%*[-0-9],subexpiry=%llu", name, &keys,
							&expires, &hashes);
		if (fields >= 3) {
			status = fingerprint_add(fingerprint, "keys", name, keys, error);
			if (status == STATUS_OK) {
				status = fingerprint_add(fingerprint, "expiring keys", name, expires, error);
			}
			if (status == STATUS_OK && hashes > 0) {
				status = fingerprint_add(fingerprint, "keys with expiring fields", name, hashes, error);
			}
		}
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return status;
}
