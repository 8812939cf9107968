#include "stores/postgresql/dump_check.h"

#include "stores/postgresql/dump_layout.h"

#include <stdio.h>

enum status dump_check(struct source *file, struct progress *progress, struct artefact *ret_artefact,
					   struct error *error)
{
	struct dump_layout layout = {0};
	enum status status = dump_layout_read(file, progress, &layout, error);
	if (status != STATUS_OK) {
		return status;
	}
	*ret_artefact = (struct artefact){.raw_bytes = layout.size};
	snprintf(ret_artefact->version, sizeof ret_artefact->version, "%s", layout.version);
	dump_layout_free(&layout);
	return STATUS_OK;
}
