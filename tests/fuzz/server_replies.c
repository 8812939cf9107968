/*
 * What the stores' servers say, and the programs that ask them in their containers: counts, versions, settings, JSON.
 *
 * The first byte says which store, the second what it is asked for after it was opened; the rest are the answers, one
 * after the other, with a line "==" between two. One that begins with "!" is that of a program that fails.
 */
#include "fuzz.h"

#include "runtimes/runtime.h"
#include "stores/store_table.h"

#define SEPARATOR "\n==\n"

enum { INPUT_LIMIT = 64 << 10, MARK_SIZE = 128, PATIENCE_SECONDS = 5 };

struct fake {
	struct runtime runtime;
	const uint8_t *data;
	size_t left;
};

struct fake_exec {
	struct exec exec;
	bool answered; /* as a dialogue is */
	int exit_code;
};

static enum status take_answer(struct fake *fake, struct buffer *output, int *ret_exit_code, struct error *error)
{
	const uint8_t *end = fake->left > 0 ? memmem(fake->data, fake->left, SEPARATOR, strlen(SEPARATOR)) : NULL;
	size_t length = end != NULL ? (size_t)(end - fake->data) : fake->left;
	bool fails = length > 0 && fake->data[0] == '!';
	enum status status = output != NULL && length > 0 ? buffer_append(output, fake->data, length, error) : STATUS_OK;
	length += end != NULL ? strlen(SEPARATOR) : 0;
	fake->data += length;
	fake->left -= length;
	*ret_exit_code = fails ? 1 : 0;
	return status;
}

/* --- the runtime -------------------------------------------------------------------------------------------------- */

static enum status fake_exec_open(struct runtime *runtime, const struct exec_request *request, struct exec **ret_exec,
								  struct error *error)
{
	(void)request;
	struct fake_exec *self = calloc(1, sizeof *self);
	if (self == NULL) {
		return error_memory(error);
	}
	self->exec.runtime = runtime;
	*ret_exec = &self->exec;
	return STATUS_OK;
}

/* The next of the marks that end an answer, as those ask for them who talk with a program that goes on running. */
static const char *find_mark(const char *text, char mark[MARK_SIZE])
{
	static const struct {
		const char *before;
		const char *ends;
		bool part; /* what stands before it is part of it */
	} kinds[] = {{"\\echo '", "'", false}, {"whisperbackup:", " \"'\r\n", true}};
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		const char *found = strstr(text, kinds[i].before);
		if (found != NULL) {
			const char *from = kinds[i].part ? found : found + strlen(kinds[i].before);
			size_t length = strcspn(from, kinds[i].ends);
			snprintf(mark, MARK_SIZE, "%.*s", (int)length, from);
			return from + length;
		}
	}
	return NULL;
}

static enum status fake_exec_exchange(struct exec *exec, const void *bytes, size_t length, size_t *ret_written,
									  struct buffer *output, struct buffer *errors, int timeout_milliseconds,
									  bool *ret_ended, struct error *error)
{
	struct fake_exec *self = (struct fake_exec *)exec;
	struct fake *fake = (struct fake *)exec->runtime;
	(void)errors;
	(void)timeout_milliseconds;
	*ret_written = length;
	*ret_ended = length == 0;
	if (length == 0) {
		return self->answered ? STATUS_OK : take_answer(fake, output, &self->exit_code, error);
	}
	CLEANUP(cleanup_free) char *text = strndup(bytes, length);
	char mark[MARK_SIZE];
	enum status status = text != NULL ? STATUS_OK : error_memory(error);
	for (const char *at = text; status == STATUS_OK && (at = find_mark(at, mark)) != NULL;) {
		self->answered = true;
		status = take_answer(fake, output, &self->exit_code, error);
		if (status == STATUS_OK && output != NULL) {
			status = buffer_printf(output, error, "\n%s\n", mark);
		}
	}
	return status;
}

static enum status fake_exec_close_input(struct exec *exec, struct error *error)
{
	(void)exec;
	(void)error;
	return STATUS_OK;
}

static enum status fake_exec_finish(struct exec *exec, int *ret_exit_code, struct error *error)
{
	(void)error;
	*ret_exit_code = ((struct fake_exec *)exec)->exit_code;
	return STATUS_OK;
}

static void fake_exec_free(struct exec *exec)
{
	free(exec);
}

static enum status fake_archive_stat(struct runtime *runtime, const struct container *container, const char *path,
									 struct path_stat *ret_stat, struct error *error)
{
	(void)runtime;
	(void)container;
	(void)path;
	(void)error;
	*ret_stat = (struct path_stat){.size = 1, .mode = 0100600};
	return STATUS_OK;
}

static enum status fake_archive_get(struct runtime *runtime, const struct container *container, const char *path,
									struct source **ret_tar, struct error *error)
{
	(void)runtime;
	(void)container;
	(void)ret_tar;
	return error_set(error, STATUS_NOT_FOUND, "there is no %s", path);
}

static const struct runtime_ops fake_ops = {
	.exec_open = fake_exec_open,
	.exec_exchange = fake_exec_exchange,
	.exec_close_input = fake_exec_close_input,
	.exec_finish = fake_exec_finish,
	.exec_free = fake_exec_free,
	.archive_stat = fake_archive_stat,
	.archive_get = fake_archive_get,
};

/* --- what is asked ------------------------------------------------------------------------------------------------ */

static enum status ask(struct store *store, unsigned what, struct error *error)
{
	struct examination examination = {0};
	CLEANUP(fingerprint_free) struct fingerprint fingerprint = {0};
	uint64_t bytes = 0;
	switch (what) {
	case 0:
		return store->ops->ready(store, error);
	case 1:
		return store->ops->examine(store, &examination, error);
	case 2:
		return store->ops->count(store, NULL, &fingerprint, error);
	case 3:
		return store->ops->size(store, &bytes, error);
	default:
		return store->ops->read_all(store, NULL, NULL, error);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char id[] = "0a1b";
	char name[] = "name";
	char empty[] = "";
	char user[] = "POSTGRES_USER=someone";
	char authentication[] = "NEO4J_AUTH=neo4j/secret";
	char *environment[] = {user, authentication, NULL};
	char *command[] = {NULL};
	const struct container container = {.id = id,
										.name = name,
										.service = empty,
										.store = empty,
										.image = empty,
										.image_digest = empty,
										.environment = environment,
										.command = command};
	if (size < 2 || size > INPUT_LIMIT) {
		return 0;
	}
	struct fake fake = {
		.runtime = {.ops = &fake_ops, .patience_seconds = PATIENCE_SECONDS, .volume_access = VOLUME_API},
		.data = data + 2,
		.left = size - 2};
	struct error error = {.message = ""};
	struct store *store = NULL;
	enum status status = store_table[data[0] % STORE_COUNT]->open(&fake.runtime, &container, &store, &error);
	if (status == STATUS_OK) {
		HOLDS(strlen(store->version) < sizeof store->version);
		status = ask(store, data[1] % 5, &error);
	}
	HOLDS(status == STATUS_OK || (error.status == status && error.message[0] != '\0' && fuzz_plain(error.message)));
	store_free(store);
	return 0;
}
