#include "commands/verify_drill.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/units.h"
#include "catalog/drill_journal.h"
#include "commands/disks.h"
#include "commands/moment_text.h"
#include "stores/rehearsal.h"

#include <stdio.h>
#include <string.h>

enum { EMPTY_NEO4J = 600 << 20, EMPTY_OTHER = 64 << 20 }; /* bytes */

struct drill {
	const struct session *session;
	const struct backup *backup;
	struct display *display;
	const struct artefact *artefacts;
	char name[DRILL_NAME_SIZE];
	struct rehearsal rehearsals[STORE_COUNT];
};

/* --- the containers ----------------------------------------------------------------------------------------------- */

/* All at once, since the first start of an empty server takes its time. */
static enum status begin_all(struct drill *drill, struct error *error)
{
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < STORE_COUNT; i++) {
		const struct container *live = drill->session->of_store[i];
		const json_t *details = backup_store_manifest(drill->backup, i);
		const char *digest = json_string_value(json_object_get(details, "image_digest"));
		const char *image = json_string_value(json_object_get(details, "image"));
		bool other = false;
		if (drill->backup->stores[i].status != STORE_OK) {
			continue;
		}
		if (image == NULL && live != NULL) { /* a legacy backup */
			image = live->image;
			digest = live->image_digest;
		}
		status = rehearsal_begin(&drill->rehearsals[i], drill->session->runtime, store_table[i], drill->name,
								 digest != NULL ? digest : "", image != NULL ? image : "", live, &other, error);
		if (status == STATUS_OK && other) {
			display_line(
				drill->display, MARK_WARNING,
				"%s: the image that was backed up is not there any more; the drill takes what is called %s now",
				store_table[i]->title, image);
		}
	}
	return status;
}

/* A folder of the container that the data will come into; NULL: it has none in a volume. */
static const char *place_of(const struct rehearsal *rehearsal, size_t index)
{
	const char *const *volumes = store_table[index]->rehearsal->volumes;
	const struct container *container = rehearsal->container;
	if (container == NULL) {
		return NULL;
	}
	if (volumes != NULL) {
		return volumes[0];
	}
	return container->mount_count > 0 ? container->mounts[0].destination : NULL;
}

/* What an empty server takes besides, which it has hardly begun to write. Neo4j's is preallocated (docs/STACK.md). */
static uint64_t empty_bytes(size_t index)
{
	return strcmp(store_table[index]->name, "neo4j") == 0 ? EMPTY_NEO4J : EMPTY_OTHER;
}

/* The live data lies on the same disk: a drill that filled it would stop the live servers. */
static enum status check_room(struct drill *drill, struct error *error)
{
	CLEANUP(disks_free) struct disks disks = {.progress = &drill->display->progress};
	for (size_t i = 0; i < STORE_COUNT; i++) {
		const struct rehearsal *rehearsal = &drill->rehearsals[i];
		const char *place = place_of(rehearsal, i);
		char *folder = NULL;
		struct error ignored; /* staging will say it */
		if (place != NULL &&
			runtime_host_folder(drill->session->runtime, rehearsal->container, place, &folder, &ignored) == STATUS_OK) {
			disks_add(&disks, folder, disks_staged_bytes(i, &drill->artefacts[i]) + empty_bytes(i),
					  drill->artefacts[i].entries);
		}
	}
	return disks_check(&disks, "drill", "a drill restores all of the backup beside the live data", error);
}

static void end_all(struct drill *drill)
{
	size_t count = 0;
	struct error failure;
	interrupt_hold();
	for (size_t i = 0; i < STORE_COUNT; i++) {
		rehearsal_free(&drill->rehearsals[i]);
	}
	enum status status = runtime_discard(drill->session->runtime, drill->name, &count, &failure);
	if (status == STATUS_OK) {
		status = drill_journal_remove(drill->session->backup_folder, &failure);
	}
	if (status != STATUS_OK) {
		display_line(drill->display, MARK_WARNING, "%s", failure.message);
		display_hint(drill->display, "the next command tries again");
	}
	interrupt_release();
}

/* --- one store ---------------------------------------------------------------------------------------------------- */

/* Where records are that a server does not list by itself: the artefact's own, else those of the manifest. */
static enum status places_of(struct drill *drill, size_t index, const char *path, const struct fingerprint *recorded,
							 struct fingerprint *ret_inside, const struct fingerprint **ret_places, struct error *error)
{
	CLEANUP(cleanup_free) char *scratch = NULL;
	*ret_places = recorded;
	if (store_table[index]->look_inside == NULL) {
		return STATUS_OK;
	}
	enum status status = catalog_scratch(drill->session->backup_folder, drill->backup, &scratch, error);
	if (status == STATUS_OK) {
		status = store_table[index]->look_inside(path, &drill->artefacts[index], scratch, ret_inside, error);
	}
	*ret_places = ret_inside;
	return status;
}

static enum status rehearse(struct drill *drill, size_t index, bool *ret_compared, struct error *error)
{
	struct rehearsal *rehearsal = &drill->rehearsals[index];
	struct progress *progress = &drill->display->progress;
	const struct fingerprint *places = NULL;
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(fingerprint_free) struct fingerprint recorded = {0};
	CLEANUP(fingerprint_free) struct fingerprint inside = {0};
	enum status status = files_join(drill->backup->path, drill->backup->stores[index].file, &path, error);
	if (status == STATUS_OK) {
		status = backup_fingerprint(drill->backup, index, &recorded, error);
	}
	if (status == STATUS_OK) {
		status = places_of(drill, index, path, &recorded, &inside, &places, error);
	}
	rehearsal->blameless = status != STATUS_OK;
	if (status == STATUS_OK) {
		status = rehearsal_restore(rehearsal, path, &drill->artefacts[index], progress, error);
	}
	return status == STATUS_OK ? rehearsal_read(rehearsal, &recorded, places, progress, ret_compared, error) : status;
}

static enum status drill_store(struct drill *drill, size_t index, struct verified_run *run, struct error *error)
{
	struct verified_store *store = &run->stores[index];
	const struct rehearsal *rehearsal = &drill->rehearsals[index];
	char seconds[UNITS_SIZE];
	char reading[UNITS_SIZE];
	char contents[MOMENT_TEXT_SIZE];
	bool compared = false;
	*store = (struct verified_store){.looked_at = true, .good = true};
	display_begin(drill->display, store_table[index]->name);
	double began = clock_seconds();
	enum status status = rehearse(drill, index, &compared, error);
	store->seconds = rehearsal->seconds;
	run->seconds += store->seconds;
	if (status != STATUS_OK && rehearsal->blameless) {
		(void)error_prefix(error, "the drill of %s cannot be done", store_table[index]->title);
		if (error->hint[0] == '\0' && status != STATUS_INTERRUPTED) {
			(void)error_hint(error, "what was known of the backup is still noted");
		}
		return status;
	}
	if (status != STATUS_OK) {
		char problem[VERIFICATION_PROBLEM_SIZE];
		snprintf(problem, sizeof problem, "%s: %s", store_table[index]->title, error->message);
		verified_run_blame(run, store, problem);
		display_end(drill->display, MARK_FAILED, "%s", error->message);
		return STATUS_OK;
	}
	units_seconds(store->seconds, seconds);
	units_seconds(clock_seconds() - began, reading);
	(void)moment_contents(drill->backup, index, contents);
	display_end(drill->display, MARK_DONE, "restored in %s, every record read%s%s (%s in all)", seconds,
				compared ? ": " : "", compared ? contents : "", reading);
	return STATUS_OK;
}

enum status verify_drill(const struct session *session, const struct backup *backup, struct display *display,
						 const struct artefact artefacts[STORE_COUNT], struct verified_run *run, struct error *error)
{
	struct drill drill = {.session = session, .backup = backup, .display = display, .artefacts = artefacts};
	*run = (struct verified_run){.good = true};
	enum status status = drill_journal_write(session->backup_folder, session->docker_host, drill.name, error);
	if (status != STATUS_OK) {
		return status;
	}
	status = begin_all(&drill, error);
	if (status == STATUS_OK) {
		status = check_room(&drill, error);
	}
	for (size_t i = 0; status == STATUS_OK && i < STORE_COUNT; i++) {
		if (backup->stores[i].status == STORE_OK) {
			status = drill_store(&drill, i, run, error);
		}
	}
	end_all(&drill);
	run->when = time(NULL);
	return status;
}
