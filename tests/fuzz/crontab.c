/* schedule/crontab: a block is put in, found and taken out, and all other lines stay as they are. */
#include "fuzz.h"

#include "schedule/crontab.h"

enum { MOMENT = 1795399200, LINES_LIMIT = 1 << 16 }; /* 2026-11-23T02:00:00Z */

#define FOLDER   "/p"
#define SCHEDULE "0 2 * * *"
#define COMMAND  "run 100% \\% \\"

static bool is_same(const char *one, const char *other)
{
	return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

static void check_found(const char *text)
{
	struct error error;
	struct job job = {0};
	HOLDS(crontab_find(text, FOLDER, &job, &error) == STATUS_OK);
	HOLDS(strcmp(job.schedule, SCHEDULE) == 0 && strcmp(job.command, COMMAND) == 0 && job.installed == MOMENT);
	job_free(&job);
}

/* What can be put in can be found, putting it in twice changes nothing, and it goes without a trace. */
static void check_text(const char *text)
{
	struct error error;
	struct job job = {0};
	CLEANUP(cleanup_free) char *before = NULL;
	CLEANUP(cleanup_free) char *with = NULL;
	CLEANUP(cleanup_free) char *again = NULL;
	CLEANUP(cleanup_free) char *after = NULL;
	enum status taken = crontab_take(text, FOLDER, &before, &error);
	enum status put = crontab_put(text, FOLDER, SCHEDULE, COMMAND, MOMENT, &with, &error);
	HOLDS(taken == STATUS_OK || taken == STATUS_NOT_FOUND || taken == STATUS_FAILED);
	HOLDS(put == (taken == STATUS_FAILED ? STATUS_FAILED : STATUS_OK));
	if (crontab_find(text, FOLDER, &job, &error) == STATUS_OK) {
		HOLDS(job.schedule != NULL && job.command != NULL && job.command[0] != '\0');
		job_free(&job);
	}
	if (put == STATUS_OK) {
		check_found(with);
		HOLDS(crontab_put(with, FOLDER, SCHEDULE, COMMAND, MOMENT, &again, &error) == STATUS_OK);
		HOLDS(strcmp(again, with) == 0);
		HOLDS(crontab_take(with, FOLDER, &after, &error) == STATUS_OK);
		HOLDS(is_same(after, taken == STATUS_OK ? before : text));
	}
}

/* A text that is made of lines that mean something, one for each byte; the last may be without its newline. */
static void check_lines(const uint8_t *data, size_t size)
{
	static const char *const lines[] = {"",
										"# comment",
										"MAILTO=me",
										"0 2 * * * echo 100\\%",
										"\r",
										" \t",
										"\xc3\xa9\xff\x01",
										"# END whisperbackup /p",
										" # BEGIN whisperbackup /p",
										"# BEGIN whisperbackup /p ",
										"# BEGIN whisperbackup /q",
										"# END whisperbackup /q",
										"# BEGIN whisperbackup ",
										"# before it there was no crontab",
										"# the line before it had no newline",
										"# installed 2020-01-01T00:00:00Z",
										"# BEGIN whisperbackup /p",
										"# END whisperbackup /p\r",
										"0 2 * * *\r"};
	CLEANUP(buffer_free) struct buffer text = BUFFER_INIT(LINES_LIMIT);
	for (size_t i = 0; i < size && text.length + 64 < LINES_LIMIT; i++) {
		const char *line = lines[data[i] % (sizeof lines / sizeof *lines)];
		(void)buffer_append_some(&text, line, strlen(line));
		(void)buffer_append_some(&text, "\n", i + 1 < size || data[i] < 128 ? 1 : 0);
	}
	CLEANUP(cleanup_free) char *copy = fuzz_text((const uint8_t *)buffer_text(&text), text.length);
	check_text(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_free) char *text = fuzz_text(data, size);
	check_text(text);
	check_lines(data, size);
	return 0;
}
