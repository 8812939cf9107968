#include "stores/rehearsal.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/interrupt.h"
#include "stores/artefact_read.h"
#include "stores/container_http.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum {
	FIRST_START_SECONDS = 300, /* for a server to set up its first, empty data */
	COUNT_SECONDS = 60,        /* for one that answers to let itself be counted as well */
	STEP_MILLISECONDS = 200,
	ENVIRONMENT_LIMIT = 256, /* variables */
	PASSWORD_BYTES = 16,
	NAME_SIZE = 128,
	LOG_LIMIT = 64 << 10, /* bytes of a container's log */
	LOG_LINE_SIZE = 300,  /* bytes of the line of it that is shown */
};

void rehearsal_free(struct rehearsal *rehearsal)
{
	store_free(rehearsal->store);
	container_free(rehearsal->container);
	*rehearsal = (struct rehearsal){0};
}

/* --- the container ------------------------------------------------------------------------------------------------ */

static enum status fresh_password(const char *name, char **ret_variable, struct error *error)
{
	unsigned char bytes[PASSWORD_BYTES];
	char text[2 * PASSWORD_BYTES + 1];
	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) {
		return error_set_errno(error, "cannot get random bytes");
	}
	for (size_t i = 0; i < sizeof bytes; i++) {
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	}
	if (asprintf(ret_variable, "%s=%s", name, text) < 0) {
		*ret_variable = NULL;
		return error_memory(error);
	}
	return STATUS_OK;
}

static size_t add_inherited(const struct rehearsal_needs *needs, const struct container *live, const char **variables,
							size_t count)
{
	for (size_t i = 0; live != NULL && live->environment[i] != NULL; i++) {
		for (size_t n = 0; needs->inherited != NULL && needs->inherited[n] != NULL; n++) {
			if (count < ENVIRONMENT_LIMIT &&
				strncmp(live->environment[i], needs->inherited[n], strlen(needs->inherited[n])) == 0) {
				variables[count++] = live->environment[i];
			}
		}
	}
	return count;
}

static enum status create(struct rehearsal *rehearsal, struct throwaway *wanted, const char *digest, const char *image,
						  bool *ret_other, struct error *error)
{
	enum status status = STATUS_NOT_FOUND;
	*ret_other = false;
	if (digest[0] != '\0') {
		wanted->image = digest;
		status = runtime_throwaway(rehearsal->runtime, wanted, &rehearsal->container, error);
	}
	if (status == STATUS_NOT_FOUND && image[0] != '\0') {
		wanted->image = image;
		*ret_other = digest[0] != '\0';
		status = runtime_throwaway(rehearsal->runtime, wanted, &rehearsal->container, error);
	}
	if (status == STATUS_NOT_FOUND) {
		(void)error_set(error, STATUS_NOT_FOUND, "the image %s of %s is not on this machine",
						image[0] != '\0' ? image : "(not recorded)", rehearsal->ops->title);
		return error_hint(error, "a drill pulls nothing: docker pull %s", image[0] != '\0' ? image : "IMAGE");
	}
	return status;
}

enum status rehearsal_begin(struct rehearsal *rehearsal, struct runtime *runtime, const struct store_ops *ops,
							const char *drill, const char *digest, const char *image, const struct container *live,
							bool *ret_other, struct error *error)
{
	const struct rehearsal_needs *needs = ops->rehearsal;
	const char *variables[ENVIRONMENT_LIMIT + 1] = {NULL};
	CLEANUP(cleanup_free) char *password = NULL;
	char name[NAME_SIZE];
	size_t count = 0;
	*rehearsal = (struct rehearsal){.ops = ops, .runtime = runtime};
	for (size_t i = 0; needs->environment != NULL && needs->environment[i] != NULL; i++) {
		variables[count++] = needs->environment[i];
	}
	if (needs->password != NULL) {
		enum status status = fresh_password(needs->password, &password, error);
		if (status != STATUS_OK) {
			return status;
		}
		variables[count++] = password;
	}
	(void)add_inherited(needs, live, variables, count);
	snprintf(name, sizeof name, "whisperbackup-drill-%s-%s", drill, ops->name);
	struct throwaway wanted = {
		.name = name,
		.drill = drill,
		.environment = variables,
		.command = needs->command,
		.volumes = needs->volumes,
	};
	return create(rehearsal, &wanted, digest, image, ret_other, error);
}

/* --- what went wrong ---------------------------------------------------------------------------------------------- */

static bool sounds_bad(const char *line)
{
	static const char *const words[] = {"error", "fatal",   "panic",      "fail",    "corrupt",
										"wrong", "invalid", "unexpected", "missing", "exception"};
	if (strcasestr(line, "warning") != NULL) {
		return false;
	}
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strcasestr(line, words[i]) != NULL) {
			return true;
		}
	}
	return false;
}

/* The last line of the container's log that sounds like a reason. */
static void log_line(const struct rehearsal *rehearsal, char ret_line[LOG_LINE_SIZE])
{
	CLEANUP(buffer_free) struct buffer log = BUFFER_INIT(LOG_LIMIT);
	struct error ignored;
	ret_line[0] = '\0';
	if (runtime_logs(rehearsal->runtime, rehearsal->container, &log, &ignored) != STATUS_OK || log.length == 0) {
		return;
	}
	char *rest = log.data;
	for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
		while (isspace((unsigned char)*line)) {
			line++;
		}
		if (sounds_bad(line)) {
			snprintf(ret_line, LOG_LINE_SIZE, "%s", line);
		}
	}
}

/* What somebody or something has done to the container while it was used, which is then added to `error`. */
static bool was_disturbed(const struct rehearsal *rehearsal, enum container_state state, struct error *error)
{
	struct error ignored;
	bool ended = false;
	if (state == CONTAINER_PAUSED) {
		(void)error_append(error, "somebody has paused its container");
		return true;
	}
	if (state != CONTAINER_STOPPED) {
		return false;
	}
	if (runtime_was_ended(rehearsal->runtime, rehearsal->container, &ended, &ignored) != STATUS_OK) {
		return true;
	}
	if (ended) {
		(void)error_append(error, "its container was stopped or killed, perhaps for a lack of memory");
	}
	return ended;
}

static bool is_blameless(const struct rehearsal *rehearsal, struct error *error)
{
	struct error ignored;
	enum container_state state = CONTAINER_STOPPED;
	enum container_health health = HEALTH_NONE;
	if (error->status == STATUS_INTERRUPTED || error->status == STATUS_NO_SPACE || error->status == STATUS_NO_MEMORY ||
		runtime_inspect(rehearsal->runtime, rehearsal->container, &state, &health, &ignored) != STATUS_OK) {
		return true;
	}
	/* Of one that has ended, the engine also says 500, and an answer is cut short by what has ended it. */
	return state == CONTAINER_RUNNING ? error->on_the_way || error->blameless : was_disturbed(rehearsal, state, error);
}

/* A failure that nothing but the data is left to explain is the data's, and what the container has logged says why. */
static enum status explain(struct rehearsal *rehearsal, struct error *error)
{
	char line[LOG_LINE_SIZE] = "";
	error->hint[0] = '\0'; /* it would speak of the project's own containers */
	rehearsal->blameless = is_blameless(rehearsal, error);
	if (rehearsal->blameless) {
		return error->status = error->status == STATUS_DAMAGED ? STATUS_UNAVAILABLE : error->status;
	}
	if (error->status != STATUS_DAMAGED) { /* that says enough */
		log_line(rehearsal, line);
	}
	if (line[0] != '\0') {
		(void)error_append(error, "its log says: %s", line);
	}
	return error->status = STATUS_DAMAGED;
}

/* --- restoring ---------------------------------------------------------------------------------------------------- */

static enum status expect_running(const struct rehearsal *rehearsal, struct error *error)
{
	enum container_state state = CONTAINER_RUNNING;
	enum container_health health = HEALTH_NONE;
	enum status status = runtime_inspect(rehearsal->runtime, rehearsal->container, &state, &health, error);
	if (status != STATUS_OK || state == CONTAINER_RUNNING) {
		return status;
	}
	char line[LOG_LINE_SIZE];
	log_line(rehearsal, line);
	return error_set(error, STATUS_FAILED, "an empty %s does not run: %s", rehearsal->ops->title,
					 line[0] != '\0' ? line : "it ends at once");
}

static enum status try_open(struct rehearsal *rehearsal, struct error *error)
{
	struct runtime *runtime = rehearsal->runtime;
	enum status status = container_http_listens(runtime, rehearsal->container, rehearsal->ops->rehearsal->port, error);
	if (status == STATUS_OK || status == STATUS_NOT_FOUND) { /* the latter: no bash to ask with */
		status = rehearsal->ops->open(runtime, rehearsal->container, &rehearsal->store, error);
	}
	if (status == STATUS_OK) {
		status = rehearsal->ops->ready(rehearsal->store, error);
		if (status != STATUS_OK) {
			store_free(MOVE(rehearsal->store));
		}
	}
	return status;
}

/* Until the empty server answers; what keeps it from that has nothing to do with the backup. */
static enum status wait_for_server(struct rehearsal *rehearsal, struct error *error)
{
	for (double began = clock_seconds();;) {
		enum status status = try_open(rehearsal, error);
		if (status == STATUS_OK || status == STATUS_INTERRUPTED) {
			return status;
		}
		if (clock_seconds() - began > FIRST_START_SECONDS) {
			error->hint[0] = '\0';
			return error_prefix(error, "an empty %s does not answer in %d seconds", rehearsal->ops->title,
								FIRST_START_SECONDS);
		}
		status = expect_running(rehearsal, error);
		if (status == STATUS_OK) {
			clock_sleep(STEP_MILLISECONDS);
			status = interrupt_check(error);
		}
		if (status != STATUS_OK) {
			return status;
		}
	}
}

enum status rehearsal_restore(struct rehearsal *rehearsal, const char *path, const struct artefact *artefact,
							  struct progress *progress, struct error *error)
{
	const struct store_ops *ops = rehearsal->ops;
	progress_step(progress, "waiting for an empty server", 0);
	enum status status = wait_for_server(rehearsal, error);
	if (status != STATUS_OK) {
		rehearsal->blameless = true;
		return status;
	}
	double began = clock_seconds();
	progress_step(progress, "staging", artefact->raw_bytes);
	status = ops->stage(rehearsal->store, path, artefact, progress, error);
	if (status == STATUS_OK) {
		double checking = clock_seconds();
		status = artefact_expect_unchanged(ops, path, artefact, error);
		began += clock_seconds() - checking; /* which `seconds` is not to hold */
	}
	if (status == STATUS_OK) {
		status = ops->swap(rehearsal->store, progress, error);
	}
	rehearsal->seconds = clock_seconds() - began;
	if (status == STATUS_OK) {
		status = ops->commit(rehearsal->store, progress, error);
	}
	return status == STATUS_OK ? STATUS_OK : explain(rehearsal, error);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* A port that opens later than the one that was asked first is waited for. */
static enum status count(struct rehearsal *rehearsal, const struct fingerprint *places,
						 struct fingerprint *ret_fingerprint, struct error *error)
{
	for (double began = clock_seconds();;) {
		enum status status = rehearsal->ops->count(rehearsal->store, places, ret_fingerprint, error);
		if (status == STATUS_OK || status == STATUS_INTERRUPTED || clock_seconds() - began > COUNT_SECONDS) {
			return status;
		}
		clock_sleep(STEP_MILLISECONDS);
		status = interrupt_check(error);
		if (status != STATUS_OK) {
			return status;
		}
	}
}

enum status rehearsal_read(struct rehearsal *rehearsal, const struct fingerprint *recorded,
						   const struct fingerprint *places, struct progress *progress, bool *ret_compared,
						   struct error *error)
{
	CLEANUP(fingerprint_free) struct fingerprint now = {0};
	char difference[FINGERPRINT_DIFFERENCE_SIZE];
	bool same = false;
	progress_step(progress, "counting what it holds", 0);
	enum status status = count(rehearsal, places, &now, error);
	if (status == STATUS_OK && recorded->known && recorded->exact && !now.known) {
		(void)error_set(error, STATUS_UNAVAILABLE,
						"it does not tell what it holds, so it cannot be compared with the manifest");
		status = error_blameless(error);
	}
	if (status == STATUS_OK) {
		status = fingerprint_compare(recorded, &now, &same, difference, error);
	}
	if (status == STATUS_OK && !same) {
		status = error_set(error, STATUS_DAMAGED, "it does not hold what the manifest says: %s", difference);
	}
	if (status == STATUS_OK) {
		progress_step(progress, "reading every record", 0);
		status = rehearsal->ops->read_all(rehearsal->store, places, progress, error);
	}
	*ret_compared = recorded->known && recorded->exact && now.known;
	return status == STATUS_OK ? STATUS_OK : explain(rehearsal, error);
}
