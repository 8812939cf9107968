#include "base/files.h"
#include "commands/restore_work.h"
#include "snapshot/journal.h"
#include "snapshot/window.h"

enum status restore_window_open(struct restore_work *work, struct error *error)
{
	const struct session *session = &work->session;
	enum status status = files_join(session->backup_folder, JOURNAL_NAME, &work->window_journal, error);
	if (status == STATUS_OK) {
		status = writers_find(session, &work->writers, error);
	}
	return status == STATUS_OK
			   ? writers_pause(&work->writers, session->runtime,
							   session->docker_host != NULL ? session->docker_host : "", work->window_journal,
							   "see which service does not start (./bot.sh status), then restore again", &work->window,
							   error)
			   : status;
}

void restore_window_close(struct restore_work *work)
{
	struct error failure;
	if (work->window != NULL && window_close(MOVE(work->window), NULL, &failure) != STATUS_OK) {
		display_line(&work->display, MARK_WARNING, "%s", failure.message);
	}
}
