/* catalog/verification: what is understood is understood again when it has been written anew. */
#include "fuzz.h"

#include "catalog/backup.h"
#include "commands/verified_text.h"

#include <math.h>

/* The SHA-256 of "{}\n", which an input has to name to be believed. */
#define MANIFEST "{}\n"

static void compare_seconds(double one, double other)
{
	HOLDS(one == other || fabs(one - other) <= fabs(one) * 1e-5); /* six digits are kept */
}

static void compare_runs(const struct verified_run *one, const struct verified_run *other)
{
	HOLDS(one->when == other->when && one->good == other->good && strcmp(one->problem, other->problem) == 0);
	compare_seconds(one->seconds, other->seconds);
	for (size_t i = 0; i < STORE_COUNT; i++) {
		const struct verified_store *left = &one->stores[i];
		const struct verified_store *right = &other->stores[i];
		HOLDS(left->looked_at == right->looked_at && left->good == right->good);
		HOLDS(strcmp(left->problem, right->problem) == 0);
		HOLDS(fuzz_plain(left->problem));
		compare_seconds(left->seconds, right->seconds);
	}
	HOLDS(fuzz_plain(one->problem));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct verification verification;
	static struct verification again;
	static struct backup backup;
	char text[VERIFIED_TEXT_SIZE];
	struct error error;
	CLEANUP(cleanup_free) char *manifest = fuzz_path(BACKUP_MANIFEST);
	CLEANUP(cleanup_free) char *path = fuzz_path(VERIFICATION_FILE);
	fuzz_write(manifest, MANIFEST, strlen(MANIFEST));
	fuzz_write(path, data, size);
	HOLDS(verification_read(fuzz_scratch(), &verification, &error) == STATUS_OK);
	HOLDS(!(verification_is_good(&verification) && verification_is_bad(&verification)));
	backup.verified = verification;
	HOLDS(fuzz_plain(verified_text(&backup, text)));
	/* Nobody drills what has not been read, so that is not kept. */
	if (verification.read.when != 0) {
		HOLDS(verification_write(fuzz_scratch(), &verification, &error) == STATUS_OK);
		HOLDS(verification_read(fuzz_scratch(), &again, &error) == STATUS_OK);
		compare_runs(&verification.read, &again.read);
		compare_runs(&verification.drill, &again.drill);
	}
	return 0;
}
