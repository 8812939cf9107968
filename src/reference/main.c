/*
 * whisperbackup-reference: prints the man page or a shell's completion while the program is built. It is not installed.
 *
 *     whisperbackup-reference man
 *     whisperbackup-reference bash | zsh FILE      the tables, and behind them FILE, which holds what never changes
 */
#include "reference/completion.h"
#include "reference/man.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool print_file(const char *path)
{
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		perror(path);
		return false;
	}
	int c;
	while ((c = getc(file)) != EOF) {
		putchar(c);
	}
	bool good = ferror(file) == 0;
	return fclose(file) == 0 && good;
}

int main(int count, char **words)
{
	bool good = true;
	if (count == 2 && strcmp(words[1], "man") == 0) {
		man_print();
	} else if (count == 3 && strcmp(words[1], "bash") == 0) {
		completion_print_bash();
		good = print_file(words[2]);
	} else if (count == 3 && strcmp(words[1], "zsh") == 0) {
		completion_print_zsh();
		good = print_file(words[2]);
	} else {
		fprintf(stderr, "usage: whisperbackup-reference man | bash FILE | zsh FILE\n");
		return 2;
	}
	return fflush(stdout) == 0 && ferror(stdout) == 0 && good ? 0 : 1;
}
