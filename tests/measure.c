/*
 * measure.c - measure FILE COMMAND..: runs the command, with the same standard streams, and appends a line to FILE: its
 * seconds, its processor seconds, and the KiB of memory of the largest of its processes (getrusage(2)).
 *
 * Its exit status is the command's; 125 if it could not be run or measured.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CANNOT = 125 };

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static int fail(const char *what)
{
	fprintf(stderr, "measure: %s: %s\n", what, strerror(errno));
	return CANNOT;
}

int main(int count, char **words)
{
	if (count < 3) {
		fprintf(stderr, "usage: measure FILE COMMAND..\n");
		return CANNOT;
	}
	FILE *file = fopen(words[1], "ae");
	if (file == NULL) {
		return fail(words[1]);
	}
	double began = now();
	pid_t child = fork();
	if (child == 0) {
		execvp(words[2], words + 2);
		_exit(fail(words[2]));
	}
	int said = 0;
	if (child < 0 || waitpid(child, &said, 0) != child) {
		return fail(words[2]);
	}
	double seconds = now() - began;
	struct rusage usage;
	getrusage(RUSAGE_CHILDREN, &usage);
	fprintf(file, "%.3f %.3f %ld\n", seconds, seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime), usage.ru_maxrss);
	if (fclose(file) != 0) {
		return fail(words[1]);
	}
	return WIFEXITED(said) ? WEXITSTATUS(said) : CANNOT;
}
