#include "catalog/recorded.h"

enum status recorded_fingerprint(const struct backup *backup, size_t store, struct fingerprint *ret_fingerprint,
								 struct error *error)
{
	const json_t *details = backup_store_manifest(backup, store);
	json_t *kinds = json_object_get(details, "fingerprint");
	*ret_fingerprint = (struct fingerprint){0};
	if (!json_is_object(kinds) || !json_is_true(json_object_get(details, "fingerprint_exact"))) {
		return STATUS_OK;
	}
	CLEANUP(fingerprint_free) struct fingerprint fingerprint = {.known = true, .exact = true};
	const char *kind = NULL;
	json_t *names = NULL;
	json_object_foreach (kinds, kind, names) {
		const char *name = NULL;
		json_t *number = NULL;
		json_object_foreach (names, name, number) {
			enum status status = fingerprint_add(&fingerprint, kind, name, (uint64_t)json_integer_value(number), error);
			if (status != STATUS_OK) {
				return status;
			}
		}
	}
	*ret_fingerprint = fingerprint_take(&fingerprint);
	return STATUS_OK;
}
