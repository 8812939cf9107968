/*
 * tar_mutate.h - changes a tar stream in such a way that its headers keep their checksums; and the locale to read it
 * in.
 */
#ifndef WHISPERBACKUP_TESTS_TAR_MUTATE_H
#define WHISPERBACKUP_TESTS_TAR_MUTATE_H

#include "fuzz.h"

#include <locale.h>

enum { TAR_BLOCK = 512, TAR_SUM = 148, TAR_SUM_SIZE = 8, TAR_MAGIC = 257 };

/* As main does: without it libarchive reads no name beyond ASCII. */
static inline void tar_locale(void)
{
	(void)setlocale(LC_CTYPE, "C.UTF-8");
}

/* POSIX.1-1988 ustar: the sum of all bytes of the header, its own taken for blanks. */
static inline void tar_mend_header(uint8_t *header)
{
	unsigned sum = 0;
	char digits[TAR_SUM_SIZE];
	memset(header + TAR_SUM, ' ', TAR_SUM_SIZE);
	for (size_t i = 0; i < TAR_BLOCK; i++) {
		sum += header[i];
	}
	snprintf(digits, sizeof digits, "%06o", sum);
	memcpy(header + TAR_SUM, digits, sizeof digits - 1);
}

static inline size_t tar_mutate(uint8_t *data, size_t size, size_t most, unsigned seed)
{
	size = LLVMFuzzerMutate(data, size, most);
	for (size_t at = 0; seed % 8 != 0 && at + TAR_BLOCK <= size; at += TAR_BLOCK) {
		if (memcmp(data + at + TAR_MAGIC, "ustar", 5) == 0) {
			tar_mend_header(data + at);
		}
	}
	return size;
}

#endif
