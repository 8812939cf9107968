/*
 * recorded.h - what a backup's manifest says that a store held.
 */
#ifndef WHISPERBACKUP_CATALOG_RECORDED_H
#define WHISPERBACKUP_CATALOG_RECORDED_H

#include "catalog/catalog.h"
#include "stores/fingerprint.h"

/* Unknown if the manifest has no counts of it, or none that are surely those of its moment. Freed by the caller. */
enum status recorded_fingerprint(const struct backup *backup, size_t store, struct fingerprint *ret_fingerprint,
								 struct error *error) MUST_CHECK;

#endif
