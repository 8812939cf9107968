#include "commands/create_backup.h"

#include "base/interrupt.h"

#include <stdio.h>

struct work {
	const struct create_backup_request *request;
	struct backup_record record;
	struct draft draft;
	char *shown_path;
};

static void cleanup_work(struct work *work)
{
	catalog_discard(&work->draft);
	record_free(&work->record);
	free(work->shown_path);
}

static size_t count(const struct backup_record *record, enum store_status status)
{
	size_t number = 0;
	for (size_t i = 0; i < STORE_COUNT; i++) {
		number += record->stores[i].status == status;
	}
	return number;
}

static enum status begin(struct work *work, struct error *error)
{
	const struct session *session = work->request->session;
	clock_gettime(CLOCK_REALTIME, &work->record.started);
	enum status status = catalog_draft(session->backup_folder, &work->draft, error);
	if (status == STATUS_OK && asprintf(&work->shown_path, "%s/" TIMESTAMP_FOLDER_PREFIX "%s",
										session->backup_folder_shown, work->draft.timestamp) < 0) {
		work->shown_path = NULL;
		status = error_memory(error);
	}
	work->record.timestamp = work->draft.timestamp;
	work->record.shown_path = work->shown_path;
	work->record.project = session->project;
	work->record.before_restore_of = work->request->before_restore_of;
	work->record.writers_ran = !work->request->pause_writers;
	return status;
}

static enum status save_stores(struct work *work, struct error *error)
{
	const struct create_request request = {
		.session = work->request->session,
		.display = work->request->display,
		.folder = work->draft.path,
		.longest_seconds = work->request->longest_seconds,
		.pause_writers = work->request->pause_writers,
	};
	enum status status = create_stores(&request, &work->record, error);
	size_t failed = count(&work->record, STORE_FAILED);
	if (status == STATUS_OK && count(&work->record, STORE_OK) == 0) {
		(void)error_set(error, STATUS_FAILED, "no store could be backed up; nothing was kept");
		return error_hint(error, "see the messages above; ./bot.sh status and ./bot.sh logs SERVICE tell more");
	}
	if (status == STATUS_OK && failed > 0 && work->request->all_or_nothing) {
		status = error_set(error, STATUS_FAILED, "%zu store%s could not be backed up; nothing was kept", failed,
						   failed == 1 ? "" : "s");
	}
	return status;
}

static enum status publish(struct work *work, struct error *error)
{
	clock_gettime(CLOCK_REALTIME, &work->record.finished);
	enum status status = interrupt_check(error);
	if (status == STATUS_OK) {
		status = record_write(&work->record, work->draft.path, error);
	}
	return status == STATUS_OK ? catalog_publish(work->request->session->backup_folder, &work->draft, error) : status;
}

enum status create_backup(const struct create_backup_request *request, struct create_backup_result *ret_result,
						  struct error *error)
{
	CLEANUP(cleanup_work) struct work work = {.request = request};
	enum status status = begin(&work, error);
	if (status == STATUS_OK) {
		status = save_stores(&work, error);
	}
	if (status == STATUS_OK) {
		status = publish(&work, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	*ret_result = (struct create_backup_result){
		.complete = record_is_complete(&work.record),
		.failed = count(&work.record, STORE_FAILED),
	};
	ret_result->shown_path = MOVE(work.shown_path);
	snprintf(ret_result->timestamp, sizeof ret_result->timestamp, "%s", work.draft.timestamp);
	for (size_t i = 0; i < STORE_COUNT; i++) {
		ret_result->bytes += work.record.stores[i].status == STORE_OK ? work.record.stores[i].size : 0;
	}
	return STATUS_OK;
}
