#include "stores/postgresql/dump_check.h"

#include "stores/postgresql/dump_layout.h"

#include <stdio.h>

enum status dump_check(const char *path, struct progress *progress, struct artefact *ret_artefact, struct error *error)
{
	struct dump_layout layout = {0};
	enum status status = dump_layout_read(path, progress, &layout, error);
	if (status == STATUS_DAMAGED) {
		if (error->hint[0] == '\0') {
			(void)error_hint(error, "restore from another backup, and take a new one");
		}
		return error_prefix(error, "the PostgreSQL dump %s is damaged", path);
	}
	if (status != STATUS_OK) {
		return status;
	}
	*ret_artefact = (struct artefact){0};
	snprintf(ret_artefact->version, sizeof ret_artefact->version, "%s", layout.version);
	dump_layout_free(&layout);
	return STATUS_OK;
}
