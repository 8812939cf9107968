/*
 * fingerprint_compare.h - do two fingerprints speak of the same data, and if not, where do they differ?
 */
#ifndef WHISPERBACKUP_STORES_FINGERPRINT_COMPARE_H
#define WHISPERBACKUP_STORES_FINGERPRINT_COMPARE_H

#include "base/error.h"
#include "stores/fingerprint.h"

enum { FINGERPRINT_DIFFERENCE_SIZE = 512 };

/*
 * Compares what was recorded with what is there, in any order. Keys that expire may have done so meanwhile: only those
 * that stay are compared. Names that a manifest cannot tell (they are not UTF-8) do not count. An empty text means no
 * difference; else it is such as "2999 rows in shop.public.orders, not 3000".
 */
enum status fingerprint_compare(const struct fingerprint *recorded, const struct fingerprint *there,
								char ret_difference[FINGERPRINT_DIFFERENCE_SIZE], struct error *error) MUST_CHECK;

#endif
