#include "commands/verify_read.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/units.h"
#include "catalog/sums.h"
#include "stores/artefact_read.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SUMS        "SHA256SUMS"
#define INFORMATION "backup_info.txt"
#define MANIFEST    "manifest.json"

/* --- the small files ---------------------------------------------------------------------------------------------- */

static void blame_file(struct verified_run *run, const char *name, const char *problem)
{
	char text[VERIFICATION_PROBLEM_SIZE];
	snprintf(text, sizeof text, "%s %s", name, problem);
	verified_run_blame(run, NULL, text);
}

/* `error` tells why it could not be read. What is no file that could be one of ours will not pass, as a disk's failure
 * may. */
static void blame_unread(struct verified_run *run, const char *name, const char *path, const struct error *error)
{
	char text[VERIFICATION_PROBLEM_SIZE];
	struct stat attributes;
	if (error->status == STATUS_NOT_FOUND) {
		blame_file(run, name, "is missing");
	} else if (stat(path, &attributes) == 0 &&
			   (!S_ISREG(attributes.st_mode) || attributes.st_size > FILES_TEXT_LIMIT)) {
		blame_file(run, name, "is not what was written: it is no small file");
	} else {
		snprintf(text, sizeof text, "%s: %.900s", name, error->message);
		verified_run_unread(run, NULL, text);
	}
}

/* The text for people has its checksum in SHA256SUMS alone. */
static enum status check_information(const struct backup *backup, const char *sums, struct verified_run *run,
									 struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	char expected[DIGEST_TEXT_SIZE];
	char sum[DIGEST_TEXT_SIZE];
	uint64_t size = 0;
	enum status status = files_join(backup->path, INFORMATION, &path, error);
	if (status != STATUS_OK) {
		return status;
	}
	status = digest_file(path, NULL, sum, &size, error);
	if (status == STATUS_INTERRUPTED || status == STATUS_NO_MEMORY) {
		return status;
	}
	if (status != STATUS_OK) {
		blame_unread(run, INFORMATION, path, error);
	} else if (!sums_find(sums, INFORMATION, expected) || strcmp(expected, sum) != 0) {
		blame_file(run, INFORMATION, "is not what was written (SHA-256 differs from " SUMS ")");
	}
	return STATUS_OK;
}

/* Both say what was written: the manifest to this program, SHA256SUMS to everybody else. */
static enum status check_sums(const struct backup *backup, struct verified_run *run, struct error *error)
{
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(cleanup_free) char *sums = NULL;
	char sum[DIGEST_TEXT_SIZE];
	enum status status = files_join(backup->path, SUMS, &path, error);
	if (status != STATUS_OK) {
		return status;
	}
	status = files_read_text(path, &sums, error);
	if (status == STATUS_NO_MEMORY) {
		return status;
	}
	if (status != STATUS_OK) {
		blame_unread(run, SUMS, path, error);
		return STATUS_OK;
	}
	for (size_t i = 0; i < STORE_COUNT; i++) {
		const struct backup_store *store = &backup->stores[i];
		if (store->status == STORE_OK && !store->damaged &&
			(!sums_find(sums, store->file, sum) || strcmp(sum, store->sha256) != 0)) {
			char text[VERIFICATION_PROBLEM_SIZE];
			snprintf(text, sizeof text, "says something else of %s than the manifest", store->file);
			blame_file(run, SUMS, text);
		}
	}
	const char *names[STORE_COUNT + 2] = {MANIFEST, INFORMATION};
	for (size_t i = 0; i < STORE_COUNT; i++) {
		names[i + 2] = store_table[i]->artefact;
	}
	size_t foreign = sums_foreign_line(sums, names, STORE_COUNT + 2);
	if (foreign != 0) {
		char text[VERIFICATION_PROBLEM_SIZE];
		snprintf(text, sizeof text, "is not what was written: line %zu is no checksum of a file of a backup", foreign);
		blame_file(run, SUMS, text);
	}
	return check_information(backup, sums, run, error);
}

/* --- the artefacts ------------------------------------------------------------------------------------------------ */

static enum status read_artefact(const struct backup_store *store, size_t index, const char *path,
								 struct progress *progress, struct artefact *ret_artefact, bool *ret_unread,
								 struct error *error)
{
	struct artefact_reading reading;
	enum status status = artefact_read(store_table[index], path, store->sha256, progress, &reading, error);
	if (status == STATUS_NOT_FOUND && reading.unreadable) {
		return error_set(error, STATUS_DAMAGED, "it is missing");
	}
	if (status != STATUS_OK && status != STATUS_INTERRUPTED && status != STATUS_NO_MEMORY && reading.unreadable) {
		*ret_unread = true;
		error->status = STATUS_DAMAGED; /* what cannot be read cannot be restored, as long as that lasts */
		return error->status;
	}
	if (status == STATUS_OK) {
		*ret_artefact = reading.artefact;
	}
	return status;
}

static enum status look_inside(const char *folder, const struct backup *backup, size_t index, const char *path,
							   const struct artefact *artefact, struct error *error)
{
	CLEANUP(cleanup_free) char *scratch = NULL;
	CLEANUP(fingerprint_free) struct fingerprint recorded = {0};
	CLEANUP(fingerprint_free) struct fingerprint holds = {0};
	char difference[FINGERPRINT_DIFFERENCE_SIZE] = "";
	bool same = false;
	enum status status = catalog_scratch(folder, backup, &scratch, error);
	if (status == STATUS_OK) {
		status = store_table[index]->look_inside(path, artefact, scratch, &holds, error);
	}
	if (status == STATUS_OK) {
		status = backup_fingerprint(backup, index, &recorded, error);
	}
	if (status == STATUS_OK) {
		status = fingerprint_compare(&recorded, &holds, &same, difference, error);
	}
	return status == STATUS_OK && !same
			   ? error_set(error, STATUS_DAMAGED, "it does not hold what the manifest says: %s", difference)
			   : status;
}

/* STATUS_DAMAGED also if it could not be read, or not even be looked at: then *ret_unread is set. */
static enum status check_artefact(const char *folder, const struct backup *backup, size_t index,
								  struct progress *progress, struct artefact *artefact, bool *ret_unread,
								  struct error *error)
{
	const struct backup_store *store = &backup->stores[index];
	CLEANUP(cleanup_free) char *path = NULL;
	if (store->damaged) {
		*ret_unread = store->unreadable;
		return error_set(error, STATUS_DAMAGED, "%s", store->reason);
	}
	progress_step(progress, "reading and checking", store->size);
	enum status status = files_join(backup->path, store->file, &path, error);
	if (status == STATUS_OK) {
		status = read_artefact(store, index, path, progress, artefact, ret_unread, error);
	}
	if (status == STATUS_OK && store_table[index]->look_inside != NULL) {
		progress_step(progress, "looking inside", 0);
		status = look_inside(folder, backup, index, path, artefact, error);
	}
	return status == STATUS_DAMAGED ? error_prefix(error, "%s", store->file) : status;
}

enum status verify_read(const char *folder, const struct backup *backup, struct display *display,
						struct verified_run *run, struct artefact artefacts[STORE_COUNT], struct error *error)
{
	*run = (struct verified_run){.good = true};
	double began = clock_seconds();
	enum status status = STATUS_OK;
	if (backup->manifest_damaged) {
		(backup->unreadable ? verified_run_unread : verified_run_blame)(run, NULL, backup->problem);
		display_line(display, MARK_FAILED, "%s", backup->problem);
	} else if (backup->status != BACKUP_LEGACY) {
		if (backup->manifest_doubtful) {
			verified_run_blame(run, NULL, backup->problem);
		}
		status = check_sums(backup, run, error);
		if (status == STATUS_OK && !run->good) {
			display_line(display, MARK_FAILED, "%s", run->problem);
		}
	}
	for (size_t i = 0; status == STATUS_OK && i < STORE_COUNT; i++) {
		struct verified_store *store = &run->stores[i];
		char size[UNITS_SIZE];
		bool unread = false;
		if (backup->stores[i].status != STORE_OK) {
			continue;
		}
		double store_began = clock_seconds();
		*store = (struct verified_store){.looked_at = true, .good = true};
		display_begin(display, store_table[i]->name);
		status = check_artefact(folder, backup, i, &display->progress, &artefacts[i], &unread, error);
		store->seconds = clock_seconds() - store_began;
		if (status == STATUS_DAMAGED) {
			(unread ? verified_run_unread : verified_run_blame)(run, store, error->message);
			display_end(display, MARK_FAILED, "%s", error->message);
			status = STATUS_OK;
		} else if (status == STATUS_OK) {
			display_end(display, MARK_DONE, "%s (%s) is whole", backup->stores[i].file,
						units_bytes(backup->stores[i].size, size));
		}
	}
	run->seconds = clock_seconds() - began;
	run->when = time(NULL);
	return status;
}
