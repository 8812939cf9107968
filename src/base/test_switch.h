/*
 * test_switch.h - what only tests ask for; nobody else has a use for it.
 *
 * WHISPERBACKUP_TEST_WITHOUT names parts of the protocol that are left out, to see that a test can fail without them,
 * joined by commas: writer_pause (moment.h), at_rest (moment.h), racily_clean (folder_copy.h).
 *
 * A restore goes in steps, each of which is known on disk or in a server before the next one begins. The program counts
 * them: WHISPERBACKUP_TEST_FAIL_AT=N makes the Nth one fail, WHISPERBACKUP_TEST_KILL_AT=N kills it there, and
 * WHISPERBACKUP_TEST_HOLD_AT=N has it stand still there until it gets SIGCONT.
 */
#ifndef WHISPERBACKUP_BASE_TEST_SWITCH_H
#define WHISPERBACKUP_BASE_TEST_SWITCH_H

#include "base/error.h"

#include <stdbool.h>

bool test_switch_leaves_out(const char *part);

/* The next step has been reached: does nothing, waits, fails, or does not return. */
enum status test_switch_step(const char *step, struct error *error) MUST_CHECK;

#endif
