/* man.h - the manual page, in the mdoc macros that man-db and mandoc both know (mdoc(7)). */
#ifndef WHISPERBACKUP_REFERENCE_MAN_H
#define WHISPERBACKUP_REFERENCE_MAN_H

/* Prints whisperbackup(1) on standard output. */
void man_print(void);

#endif
