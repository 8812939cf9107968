#include "base/files.h"
#include "commands/restore_work.h"
#include "snapshot/journal.h"
#include "snapshot/window.h"

#include <stdio.h>

/* That the writers may stand still: as long as all services need for their starts. */
enum { LONGEST_SECONDS = 3600 };

enum status restore_window_open(struct restore_work *work, struct error *error)
{
	const struct session *session = &work->session;
	enum status status = files_join(session->backup_folder, JOURNAL_NAME, &work->window_journal, error);
	if (status == STATUS_OK) {
		status = writers_find(session, &work->writers, error);
	}
	const struct window_plan plan = {
		.runtime = session->runtime,
		.engine = session->docker_host != NULL ? session->docker_host : "",
		.journal = work->window_journal,
		.containers = work->writers.items,
		.count = work->writers.count,
		.longest_seconds = LONGEST_SECONDS,
		.too_long_hint = "see which service does not start (./bot.sh status), then restore again",
	};
	if (status == STATUS_OK && plan.count > 0) {
		status = window_open(&plan, &work->window, error);
	}
	for (size_t i = 0; status == STATUS_OK && i < plan.count; i++) {
		status = window_pause(work->window, plan.containers[i], error);
		if (status == STATUS_CONFLICT || status == STATUS_NOT_FOUND) {
			status = STATUS_OK; /* it has been paused, stopped or removed by somebody else, and so it does not write */
		}
	}
	return status;
}

void restore_window_close(struct restore_work *work)
{
	struct error failure;
	if (work->window != NULL && window_close(MOVE(work->window), NULL, &failure) != STATUS_OK) {
		display_line(&work->display, MARK_WARNING, "%s", failure.message);
	}
}
