/* completion.h - the tables of the shells' completions; what is done with them is in completion.bash and .zsh. */
#ifndef WHISPERBACKUP_REFERENCE_COMPLETION_H
#define WHISPERBACKUP_REFERENCE_COMPLETION_H

/* Print shell code on standard output. */
void completion_print_bash(void);
void completion_print_zsh(void);

#endif
