/* commands/session: a setting that .env gives is given again by a file that holds nothing else. */
#include "fuzz.h"

#include "commands/session.h"

static struct session opened(const uint8_t *data, size_t size)
{
	struct session session = {0};
	const struct invocation invocation = {0};
	struct error error = {.message = ""};
	CLEANUP(cleanup_free) char *path = fuzz_path(".env");
	CLEANUP(cleanup_close) int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fuzz_write(path, data, size);
	HOLDS(here >= 0 && chdir(fuzz_scratch()) == 0);
	HOLDS(session_open_only(&invocation, &session, &error) == STATUS_OK);
	HOLDS(fchdir(here) == 0); /* libFuzzer looks for its files from there */
	HOLDS(session.backup_folder[0] == '/');
	size_t length = strlen(session.backup_folder);
	HOLDS(length == 1 || session.backup_folder[length - 1] != '/');
	return session;
}

static bool is_same(const char *one, const char *other)
{
	return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

static void add(struct buffer *text, const char *name, const char *value)
{
	struct error error;
	const char *quote = value != NULL && strchr(value, '\'') != NULL ? "\"" : "'";
	if (value != NULL) {
		HOLDS(buffer_printf(text, &error, "%s=%s%s%s\n", name, quote, value, quote) == STATUS_OK);
	}
}

static bool can_be_quoted(const char *value)
{
	return value == NULL || strchr(value, '\'') == NULL || strchr(value, '"') == NULL;
}

static void check_written_again(const struct session *session)
{
	CLEANUP(buffer_free) struct buffer text = BUFFER_INIT(1 << 20);
	const char *chosen = session->folder_chosen ? session->backup_folder : NULL;
	if (can_be_quoted(chosen) && can_be_quoted(session->docker_host) && can_be_quoted(session->project)) {
		add(&text, "BACKUP_DIR", chosen);
		add(&text, "DOCKER_HOST", session->docker_host);
		add(&text, "COMPOSE_PROJECT_NAME", session->project);
		CLEANUP(session_close)
		struct session again = opened((const uint8_t *)buffer_text(&text), text.length);
		HOLDS(strcmp(again.backup_folder, session->backup_folder) == 0);
		HOLDS(is_same(again.docker_host, session->docker_host) && is_same(again.project, session->project));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	if (!ready) {
		CLEANUP(cleanup_free) char *path = fuzz_path("docker-compose.yml");
		fuzz_write(path, "", 0);
		HOLDS(unsetenv("BACKUP_DIR") == 0 && unsetenv("DOCKER_HOST") == 0 && unsetenv("COMPOSE_PROJECT_NAME") == 0);
		ready = true;
	}
	CLEANUP(session_close) struct session session = opened(data, size);
	check_written_again(&session);
	return 0;
}
