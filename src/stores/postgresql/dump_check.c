#include "stores/postgresql/dump_check.h"

#include "stores/postgresql/dump_layout.h"

#include <stdio.h>
#include <sys/stat.h>

enum status dump_check(const char *path, struct progress *progress, struct artefact *ret_artefact, struct error *error)
{
	struct dump_layout layout = {0};
	enum status status = dump_layout_read(path, progress, &layout, error);
	struct stat attributes;
	if (status == STATUS_OK && stat(path, &attributes) != 0) {
		status = error_set_errno(error, "cannot read %s", path);
		dump_layout_free(&layout);
	}
	if (status != STATUS_OK) {
		return status;
	}
	*ret_artefact = (struct artefact){.raw_bytes = (uint64_t)attributes.st_size};
	snprintf(ret_artefact->version, sizeof ret_artefact->version, "%s", layout.version);
	dump_layout_free(&layout);
	return STATUS_OK;
}
