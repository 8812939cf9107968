/* stores/redis/rdb: the same is said however the bytes come, and a changed byte is found. */
#include "fuzz.h"

#include "stores/redis/rdb.h"

#include <isa-l/crc64.h>

enum { CRC_SIZE = 8 };

static enum status check(const uint8_t *data, size_t size, size_t step, struct artefact *ret_artefact)
{
	struct error error = {.message = ""};
	enum status status = rdb_check(fuzz_source(data, size, step), NULL, ret_artefact, &error);
	HOLDS(status == STATUS_OK || (status == STATUS_DAMAGED && error.message[0] != '\0'));
	return status;
}

static void check_damage(const uint8_t *data, size_t size)
{
	static const uint8_t none[CRC_SIZE];
	CLEANUP(cleanup_free) uint8_t *changed = malloc(size);
	struct artefact artefact = {0};
	HOLDS(changed != NULL);
	memcpy(changed, data, size);
	changed[(data[size - 1] * (size_t)257 + data[size - 2]) % size] ^= (uint8_t)(1 << data[size - 3] % 8);
	/* A server with "rdbchecksum no" leaves it 0. */
	if (memcmp(data + size - CRC_SIZE, none, CRC_SIZE) != 0 && memcmp(changed + size - CRC_SIZE, none, CRC_SIZE) != 0) {
		HOLDS(check(changed, size, size, &artefact) == STATUS_DAMAGED);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct artefact whole = {0};
	struct artefact dripped = {0};
	enum status status = check(data, size, STREAM_BLOCK_SIZE, &whole);
	HOLDS(check(data, size, size > 0 ? data[size - 1] : 1, &dripped) == status);
	(void)rdb_is_empty(data, size); /* reads no further */
	if (status == STATUS_OK) {
		HOLDS(whole.raw_bytes == size && dripped.raw_bytes == size);
		HOLDS(strnlen(whole.version, sizeof whole.version) < sizeof whole.version);
		HOLDS(strcmp(whole.version, dripped.version) == 0);
		check_damage(data, size);
	}
	return 0;
}

/* Most inputs get the checksum that they have to have. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
	size = LLVMFuzzerMutate(data, size, most);
	if (size > CRC_SIZE && seed % 8 != 0) {
		uint64_t crc = ~crc64_jones_refl(~UINT64_C(0), data, size - CRC_SIZE);
		for (size_t i = 0; i < CRC_SIZE; i++) {
			data[size - CRC_SIZE + i] = (uint8_t)(crc >> 8 * i);
		}
	}
	return size;
}
