/*
 * test_switch.h - parts of the protocol that a test leaves out, to see that it can fail without them.
 *
 * WHISPERBACKUP_TEST_WITHOUT names them, joined by commas: writer_pause (moment.h), at_rest (moment.h), racily_clean
 * (folder_copy.h). Nobody else has a use for that.
 */
#ifndef WHISPERBACKUP_SNAPSHOT_TEST_SWITCH_H
#define WHISPERBACKUP_SNAPSHOT_TEST_SWITCH_H

#include <stdbool.h>

bool test_switch_leaves_out(const char *part);

#endif
