/*
 * verified_text.h - what has been found out about a backup since it was made, in plain words.
 */
#ifndef WHISPERBACKUP_COMMANDS_VERIFIED_TEXT_H
#define WHISPERBACKUP_COMMANDS_VERIFIED_TEXT_H

#include "catalog/catalog.h"

enum { VERIFIED_TEXT_SIZE = VERIFICATION_PROBLEM_SIZE + 256 };

/* "✅ verified 3 days ago; restored in a drill 3 days ago, in 41 s", or "❌ verified 3 days ago: REASON"; empty if nobody
 * has looked. */
const char *verified_text(const struct backup *backup, char ret_text[VERIFIED_TEXT_SIZE]);

#endif
