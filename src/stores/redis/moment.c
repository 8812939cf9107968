/*
 * The next save may begin as soon as ours has ended, and then replaces its file: save points do that, and other
 * clients. So what is opened is believed only with a look at the server before and one after it (persistence.h), and a
 * file that is still being written is held as well, in case that the dump is replaced too soon.
 *
 * A save can end without becoming the dump and without being called a failure: FLUSHALL, a failed SHUTDOWN and a
 * replica's synchronization end it by SIGUSR1. Then the dump is that of an earlier save, or empty. So it also has to be
 * another file than before the moment, and must not be empty if there were keys.
 */
#include "stores/redis/moment.h"

#include "base/clock.h"
#include "base/interrupt.h"
#include "stores/artefact_write.h"
#include "stores/dialogue.h"
#include "stores/redis/dump.h"
#include "stores/redis/persistence.h"
#include "stores/redis/server.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	SAVE_SECONDS = 3600,         /* for a save to end */
	ANSWER_MILLISECONDS = 30000, /* a fork of much memory takes its time */
	STEP_MILLISECONDS = 10,      /* between two looks at a save under way */
	CHILD_TRIES = 3,             /* the child that saves needs a moment to make its file */
	MARK_SIZE = 48,
	COMMANDS_SIZE = 1024,
	OUTPUT_LIMIT = 4 * REDIS_REPLY_LIMIT,
};

/* A file that may be our save's, opened when `then` was the last thing known of the server. */
struct held {
	int fd; /* -1: none */
	struct redis_persistence then;
};

struct redis_moment {
	struct redis *server;
	char *path; /* of the artefact */
	struct dialogue *dialogue;
	unsigned number;                    /* of the marks so far */
	char *host_folder;                  /* the data folder on this machine; NULL if it cannot be reached from here */
	bool looking;                       /* a look has been sent and not been received */
	struct redis_persistence before;    /* our save */
	struct redis_persistence now;       /* as of the last look */
	struct timespec asked;              /* by the clock of files' times */
	struct redis_dump_identity earlier; /* the dump that was there before the moment */
	struct held temporary;
	bool temporary_is_ours;
	struct held dump;
	struct fingerprint keys;
	bool had_keys; /* just before the moment and just after it */
};

static void let_go(struct held *held)
{
	cleanup_close(&held->fd);
	held->fd = -1;
}

void redis_moment_free(struct redis_moment *moment)
{
	if (moment == NULL) {
		return;
	}
	let_go(&moment->temporary);
	let_go(&moment->dump);
	dialogue_free(moment->dialogue);
	fingerprint_free(&moment->keys);
	free(moment->host_folder);
	free(moment->path);
	free(moment);
}

/* --- talking ------------------------------------------------------------------------------------------------------ */

/* Every answer is followed by a line that tells it from the next; numbers have the same length for that. */
static const char *mark_text(unsigned number, char mark[MARK_SIZE])
{
	snprintf(mark, MARK_SIZE, "whisperbackup:%08u", number);
	return mark;
}

/* Sends commands, each line of them followed by a mark. */
static enum status send(struct redis_moment *moment, const char *const *commands, struct error *error)
{
	char text[COMMANDS_SIZE] = "";
	size_t length = 0;
	for (size_t i = 0; commands[i] != NULL; i++) {
		char mark[MARK_SIZE];
		length += (size_t)snprintf(text + length, sizeof text - length, "%s\nECHO %s\n", commands[i],
								   mark_text(++moment->number, mark));
	}
	return dialogue_send(moment->dialogue, text, error);
}

/* The answer before mark `number`. */
static enum status receive(struct redis_moment *moment, unsigned number, struct buffer *answer, struct error *error)
{
	char mark[MARK_SIZE];
	return dialogue_receive(moment->dialogue, mark_text(number, mark), ANSWER_MILLISECONDS, answer, error);
}

static enum status send_look(struct redis_moment *moment, struct error *error)
{
	moment->looking = true;
	return send(moment, (const char *const[]){"INFO persistence", "INFO commandstats", NULL}, error);
}

/* How the saves go now, or as it was when send_look was called. */
static enum status look(struct redis_moment *moment, struct error *error)
{
	CLEANUP(buffer_free) struct buffer saves = BUFFER_INIT(OUTPUT_LIMIT);
	CLEANUP(buffer_free) struct buffer commands = BUFFER_INIT(OUTPUT_LIMIT);
	enum status status = moment->looking ? STATUS_OK : send_look(moment, error);
	moment->looking = false;
	if (status == STATUS_OK) {
		status = receive(moment, moment->number - 1, &saves, error);
	}
	if (status == STATUS_OK) {
		status = receive(moment, moment->number, &commands, error);
	}
	return status == STATUS_OK ? redis_persistence_read(&saves, &commands, &moment->now, error) : status;
}

static enum status wait_step(double began, struct error *error)
{
	if (clock_seconds() - began > SAVE_SECONDS) {
		return error_set(error, STATUS_FAILED, "Redis was busy saving for more than %d seconds", SAVE_SECONDS);
	}
	clock_sleep(STEP_MILLISECONDS);
	return interrupt_check(error);
}

/* The file of a save that begins now can be told from the one that is there: by its identity, or in whole seconds,
 * where the server has no numbers or the engine has to tell the file's time. */
static bool can_be_told(const struct redis_moment *moment, const struct redis_persistence *persistence, time_t now)
{
	bool in_seconds = persistence->saves < 0 || moment->host_folder == NULL;
	return !in_seconds || persistence->last_save != (long long)now;
}

/* Until a BGSAVE would be taken. */
static enum status wait_until_idle(struct redis_moment *moment, struct error *error)
{
	enum status status = look(moment, error);
	for (double began = clock_seconds(); status == STATUS_OK;) {
		if (!moment->now.saving && !moment->now.rewriting && can_be_told(moment, &moment->now, time(NULL))) {
			break;
		}
		status = wait_step(began, error);
		if (status == STATUS_OK) {
			status = look(moment, error);
		}
	}
	return status;
}

/* --- the moment --------------------------------------------------------------------------------------------------- */

static enum status failed(struct error *error)
{
	(void)error_set(error, STATUS_FAILED, "Redis could not save its data");
	return error_hint(error, "see its log (./bot.sh logs redis); most often its disk is full");
}

static enum status ended_early(struct error *error)
{
	(void)error_set(error, STATUS_FAILED, "Redis ended the save of this backup before it was whole");
	return error_hint(error, "see its log (./bot.sh logs redis), then make another backup");
}

static enum status emptied(struct error *error)
{
	(void)error_set(error, STATUS_FAILED,
					"Redis was emptied (FLUSHALL) before the file of this backup could be copied");
	return error_hint(error, "make another backup: it will hold what Redis holds now");
}

/* Our save has not become a dump. */
static enum status cut_short(const struct redis_moment *moment, struct error *error)
{
	return redis_save_was_flushed(&moment->before, &moment->now) ? emptied(error) : ended_early(error);
}

/* The file that is there is not that of our save. */
static enum status lost(const struct redis_moment *moment, struct error *error)
{
	if (redis_save_was_flushed(&moment->before, &moment->now) || redis_save_was_killed(&moment->before, &moment->now)) {
		return cut_short(moment, error);
	}
	(void)error_set(error, STATUS_FAILED,
					"Redis's next save replaced the file of this backup before it could be copied");
	return error_hint(error, "let Redis save less often: see its setting \"save\" (redis-cli CONFIG GET save)");
}

static enum status open_dialogue(struct redis_moment *moment, struct error *error)
{
	struct redis *server = moment->server;
	const char *const arguments[] = {"redis-cli", "-p", server->port, NULL};
	const char *environment[2] = {NULL};
	CLEANUP(cleanup_free) char *secret = NULL;
	if (server->password != NULL) {
		if (asprintf(&secret, "REDISCLI_AUTH=%s", server->password) < 0) {
			secret = NULL;
			return error_memory(error);
		}
		environment[0] = secret;
	}
	const struct exec_request request = {
		.container = server->volume.store.container, .arguments = arguments, .environment = environment, .input = true};
	return dialogue_open(server->volume.store.runtime, &request, OUTPUT_LIMIT, &moment->dialogue, error);
}

/* What a replica holds is what its master held a while ago. */
static enum status warn_of_replica(struct redis_moment *moment, struct progress *progress, struct error *error)
{
	CLEANUP(buffer_free) struct buffer answer = BUFFER_INIT(OUTPUT_LIMIT);
	char master[REDIS_MASTER_SIZE];
	enum status status = send(moment, (const char *const[]){"INFO replication", NULL}, error);
	if (status == STATUS_OK) {
		status = receive(moment, moment->number, &answer, error);
	}
	if (status == STATUS_OK && redis_is_replica(&answer, master)) {
		progress_warn(progress,
					  "Redis is a replica of %s: what that had written last may not have come yet, and is not in the "
					  "backup then",
					  master);
	}
	return status;
}

enum status redis_prepare(struct store *store, const char *path, struct progress *progress, struct error *error)
{
	struct redis *self = (struct redis *)store;
	struct redis_moment *moment = calloc(1, sizeof *moment);
	if (moment == NULL) {
		return error_memory(error);
	}
	self->moment = moment;
	moment->server = self;
	moment->temporary.fd = moment->dump.fd = -1;
	moment->path = strdup(path);
	enum status status = moment->path == NULL ? error_memory(error)
											  : runtime_host_folder(store->runtime, store->container,
																	store->data_folder, &moment->host_folder, error);
	if (status == STATUS_OK) {
		status = open_dialogue(moment, error);
	}
	if (status == STATUS_OK) {
		status = warn_of_replica(moment, progress, error);
	}
	progress_step(progress, "waiting until no save is under way", 0);
	return status == STATUS_OK ? wait_until_idle(moment, error) : status;
}

/* What is asked in the moment, in this order. */
enum question { COMMANDS_BEFORE, SAVES_BEFORE, KEYS_BEFORE, SAVE, KEYS_AFTER, SAVES_AFTER, COMMANDS_AFTER, QUESTIONS };

enum status redis_ask(struct store *store, struct error *error)
{
	static const char *const commands[QUESTIONS + 1] = {
		[COMMANDS_BEFORE] = "INFO commandstats", [SAVES_BEFORE] = "INFO persistence",
		[KEYS_BEFORE] = "INFO keyspace",         [SAVE] = "BGSAVE",
		[KEYS_AFTER] = "INFO keyspace",          [SAVES_AFTER] = "INFO persistence",
		[COMMANDS_AFTER] = "INFO commandstats",
	};
	struct redis_moment *moment = ((struct redis *)store)->moment;
	clock_gettime(CLOCK_REALTIME_COARSE, &moment->asked);
	if (moment->host_folder != NULL) {
		moment->earlier = redis_dump_identify(moment->host_folder, moment->server->dump_name);
	}
	return send(moment, commands, error);
}

static enum status judge(const struct buffer *answer, struct error *error)
{
	const char *text = buffer_text(answer);
	if (strstr(text, "Background saving started") != NULL) {
		return STATUS_OK;
	}
	if (strstr(text, "in progress") != NULL || strstr(text, "can't BGSAVE right now") != NULL) {
		return error_set(error, STATUS_CONFLICT, "Redis is saving or rewriting its append-only file all the time");
	}
	return error_set(error, STATUS_FAILED, "Redis refuses to save: %.*s", (int)strcspn(text, "\r\n"), text);
}

/* Counts are those of the moment if they were the same just before and just after it. */
static enum status count(struct redis_moment *moment, const struct buffer *before, const struct buffer *after,
						 struct error *error)
{
	CLEANUP(fingerprint_free) struct fingerprint earlier = {0};
	bool known = false;
	fingerprint_free(&moment->keys);
	enum status status = redis_keyspace_read(before, &earlier, &known, error);
	if (status == STATUS_OK) {
		status = redis_keyspace_read(after, &moment->keys, &known, error);
	}
	moment->had_keys = fingerprint_sum(&earlier, "keys", NULL) > 0 && fingerprint_sum(&moment->keys, "keys", NULL) > 0;
	moment->keys.known = known;
	moment->keys.exact = known && fingerprint_is_same(&earlier, &moment->keys);
	return status;
}

static enum status open_dump(struct redis_moment *moment, struct error *error)
{
	moment->dump.then = moment->now;
	enum status status = redis_dump_open(moment->host_folder, moment->server->dump_name, &moment->dump.fd, error);
	if (status == STATUS_OK && redis_dump_is_same(moment->dump.fd, &moment->earlier)) {
		let_go(&moment->dump);
		status = cut_short(moment, error);
	}
	return status;
}

static void open_temporary(struct redis_moment *moment)
{
	moment->temporary.then = moment->now;
	moment->temporary.fd = redis_dump_open_temporary(moment->host_folder, &moment->asked);
}

/* Whatever comes next, our file is open from here on: this costs microseconds. */
static enum status hold(struct redis_moment *moment, struct error *error)
{
	struct error ignored;
	if (moment->host_folder == NULL) {
		return STATUS_OK;
	}
	if (redis_save_has_ended(&moment->before, &moment->now)) {
		(void)!open_dump(moment, &ignored); /* a save that failed; `finish` will see it */
	} else {
		open_temporary(moment);
		for (unsigned tries = 1; moment->temporary.fd < 0 && tries < CHILD_TRIES; tries++) {
			clock_sleep(1);
			open_temporary(moment);
		}
	}
	return send_look(moment, error); /* received in `finish` */
}

enum status redis_answer(struct store *store, struct error *error)
{
	struct redis_moment *moment = ((struct redis *)store)->moment;
	struct buffer answers[QUESTIONS];
	enum status status = STATUS_OK;
	for (unsigned i = 0; i < QUESTIONS; i++) {
		answers[i] = (struct buffer)BUFFER_INIT(REDIS_REPLY_LIMIT);
		if (status == STATUS_OK) {
			status = receive(moment, moment->number - QUESTIONS + 1 + i, &answers[i], error);
		}
	}
	if (status == STATUS_OK) {
		status = redis_persistence_read(&answers[SAVES_BEFORE], &answers[COMMANDS_BEFORE], &moment->before, error);
	}
	if (status == STATUS_OK) {
		status = judge(&answers[SAVE], error);
	}
	if (status == STATUS_OK) {
		status = redis_persistence_read(&answers[SAVES_AFTER], &answers[COMMANDS_AFTER], &moment->now, error);
	}
	bool other = moment->before.saves >= 0 && moment->now.saves != moment->before.saves + 1;
	if (status == STATUS_OK && (other || !can_be_told(moment, &moment->before, moment->asked.tv_sec))) {
		status = error_set(error, STATUS_CONFLICT, "other clients of Redis make it save all the time");
	}
	if (status == STATUS_OK && redis_save_was_flushed(&moment->before, &moment->now)) {
		status = error_set(error, STATUS_CONFLICT, "other clients of Redis empty it all the time (FLUSHALL)");
	}
	if (status == STATUS_OK) {
		status = count(moment, &answers[KEYS_BEFORE], &answers[KEYS_AFTER], error);
	}
	if (status == STATUS_OK) {
		status = hold(moment, error);
	}
	for (unsigned i = 0; i < QUESTIONS; i++) {
		buffer_free(&answers[i]);
	}
	return status;
}

/* The next BGSAVE would be refused while this one runs; it is waited for here, where nothing stands still. */
void redis_forget(struct store *store)
{
	struct redis_moment *moment = ((struct redis *)store)->moment;
	struct error ignored;
	let_go(&moment->temporary);
	let_go(&moment->dump);
	moment->looking = false;
	moment->temporary_is_ours = false;
	(void)!look(moment, &ignored);            /* takes whatever has not been received */
	(void)!wait_until_idle(moment, &ignored); /* if that cannot be, the next `ask` or `answer` says why */
}

/* --- afterwards --------------------------------------------------------------------------------------------------- */

/* Believes the files that were opened before the last look, or not. */
static void believe(struct redis_moment *moment)
{
	const struct held *temporary = &moment->temporary;
	if (temporary->fd >= 0 && !moment->temporary_is_ours) {
		moment->temporary_is_ours = redis_save_is_temporary(&moment->before, &temporary->then, &moment->now);
		if (!moment->temporary_is_ours) {
			let_go(&moment->temporary);
		}
	}
	if (moment->dump.fd >= 0 && !redis_save_is_dump(&moment->before, &moment->dump.then, &moment->now)) {
		let_go(&moment->dump);
	}
}

/* The file of a save that was ended is removed before it is whole, or left behind under its temporary name. */
static bool is_whole(const struct redis_moment *moment, const struct held *temporary)
{
	return !redis_dump_is_temporary(moment->host_folder, temporary->fd) && redis_dump_has_end(temporary->fd);
}

/* Waits for the end of our save and holds its file: *ret_fd is lent. */
static enum status find_file(struct redis_moment *moment, int *ret_fd, struct error *error)
{
	for (double began = clock_seconds();;) {
		enum status status = look(moment, error);
		if (status != STATUS_OK) {
			return status;
		}
		believe(moment);
		if (redis_save_has_failed(&moment->before, &moment->now)) {
			return failed(error);
		}
		bool ended = redis_save_has_ended(&moment->before, &moment->now);
		if (ended && moment->temporary_is_ours) {
			*ret_fd = moment->temporary.fd;
			return is_whole(moment, &moment->temporary) ? STATUS_OK : cut_short(moment, error);
		}
		if (moment->dump.fd >= 0) {
			*ret_fd = moment->dump.fd;
			return STATUS_OK;
		}
		if (ended && redis_save_is_dump(&moment->before, &moment->now, &moment->now)) {
			status = open_dump(moment, error);
		} else if (ended || redis_save_was_killed(&moment->before, &moment->now)) {
			return lost(moment, error);
		} else {
			if (moment->temporary.fd < 0) {
				open_temporary(moment);
			}
			status = wait_step(began, error);
		}
		if (status != STATUS_OK) {
			return status;
		}
	}
}

/* Of a file in the container: when it was written to, by the clock that Redis has, too. */
static enum status ask_time(struct store *store, const char *path, long long *ret_seconds, struct error *error)
{
	const char *const arguments[] = {"stat", "-c", "%Y", path, NULL};
	const struct exec_request request = {.container = store->container, .arguments = arguments};
	CLEANUP(buffer_free) struct buffer reply = BUFFER_INIT(REDIS_REPLY_LIMIT);
	enum status status = runtime_run_text(store->runtime, &request, &reply, error);
	buffer_trim(&reply);
	if (status == STATUS_OK && sscanf(buffer_text(&reply), "%lld", ret_seconds) != 1) {
		status = error_set(error, STATUS_FAILED, "the time of Redis's dump is not known: %s", buffer_text(&reply));
	}
	return status;
}

/* The same through the engine. */
static enum status find_stream(struct redis_moment *moment, struct source **ret_source, struct error *error)
{
	struct store *store = &moment->server->volume.store;
	char path[2 * REDIS_NAME_SIZE + 1];
	snprintf(path, sizeof path, "%s/%s", store->data_folder, moment->server->dump_name);
	enum status status = look(moment, error);
	for (double began = clock_seconds(); status == STATUS_OK;) {
		if (redis_save_has_failed(&moment->before, &moment->now)) {
			return failed(error);
		}
		if (redis_save_was_killed(&moment->before, &moment->now)) {
			return lost(moment, error);
		}
		if (redis_save_has_ended(&moment->before, &moment->now)) {
			break;
		}
		status = wait_step(began, error);
		if (status == STATUS_OK) {
			status = look(moment, error);
		}
	}
	const struct redis_persistence then = moment->now;
	long long changed = 0;
	if (status == STATUS_OK && !redis_save_is_dump(&moment->before, &then, &then)) {
		return lost(moment, error);
	}
	if (status == STATUS_OK) {
		status = ask_time(store, path, &changed, error);
	}
	if (status == STATUS_OK) {
		status = redis_dump_open_stream(store->runtime, store->container, path, ret_source, error);
	}
	if (status == STATUS_OK) {
		status = look(moment, error);
	}
	if (status == STATUS_OK && !redis_save_is_dump(&moment->before, &then, &moment->now)) {
		return lost(moment, error);
	}
	return status == STATUS_OK && changed <= moment->before.last_save ? cut_short(moment, error) : status;
}

enum status redis_finish(struct store *store, struct progress *progress, struct saved *ret_saved, struct error *error)
{
	struct redis_moment *moment = ((struct redis *)store)->moment;
	CLEANUP(cleanup_source) struct source *source = NULL;
	CLEANUP(cleanup_sink) struct sink *file = NULL;
	struct artefact_reading reading;
	int fd = -1;
	progress_step(progress, "saving", 0);
	enum status status =
		moment->host_folder != NULL ? find_file(moment, &fd, error) : find_stream(moment, &source, error);
	if (status == STATUS_OK && moment->had_keys && redis_dump_is_empty(fd, source)) {
		status = emptied(error);
	}
	progress_step(progress, "copying", 0);
	if (status == STATUS_OK) {
		status = artefact_sink_new(store->ops, moment->path, &reading, &file, error);
	}
	if (status == STATUS_OK) {
		status = redis_dump_copy(fd, source, file, progress, error);
	}
	if (status == STATUS_OK) {
		*ret_saved = (struct saved){.fingerprint = fingerprint_take(&moment->keys)};
		artefact_note(ret_saved, &reading);
		snprintf(ret_saved->method, sizeof ret_saved->method, "BGSAVE, then a copy of %s", moment->server->dump_name);
	}
	return status;
}
