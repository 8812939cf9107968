#include "commands/create_finish.h"

#include "pipeline/file.h"
#include "stores/artefact_read.h"

#include <string.h>

/* Looks whether an artefact is whole, and takes down what it is, unless that is known from writing it. */
static enum status read_back(const struct store_ops *ops, const char *path, struct progress *progress,
							 struct store_record *record, struct error *error)
{
	const struct digest_result *known = &record->saved.digest;
	if (known->sha256[0] != '\0') {
		struct source *file = NULL;
		memcpy(record->sha256, known->sha256, sizeof record->sha256);
		record->size = known->size;
		record->artefact = record->saved.artefact;
		if (record->saved.checked) {
			return STATUS_OK;
		}
		enum status status = file_source_new(path, &file, error);
		return status == STATUS_OK ? ops->check(file, progress, &record->artefact, error) : status;
	}
	struct artefact_reading reading;
	enum status status = artefact_read(ops, path, "", progress, &reading, error);
	if (status == STATUS_OK) {
		record->artefact = reading.artefact;
		record->size = reading.size;
		memcpy(record->sha256, reading.sha256, sizeof record->sha256);
	}
	return status;
}

enum status create_finish(struct store *store, const char *path, struct progress *progress, struct store_record *record,
						  struct error *error)
{
	enum status status = store->ops->finish(store, progress, &record->saved, error);
	if (status == STATUS_OK) {
		progress_step(progress, "checking what was written", 0);
		status = read_back(store->ops, path, progress, record, error);
	}
	if (status == STATUS_OK && record->artefact.folder[0] != '\0' &&
		strcmp(record->artefact.folder, store->data_folder + 1) != 0) {
		status =
			error_set(error, STATUS_FAILED, "the archive shows its data in /%s, not in %s: it could not be restored",
					  record->artefact.folder, store->data_folder);
	}
	return status;
}
