/* SPDX-License-Identifier: MIT */
/* Another program, run to its end within a time limit; for a thread that may wait. */
#ifndef HOST_CHILD_H
#define HOST_CHILD_H

#include <stddef.h>
#include <stdint.h>

#define CHILD_LINE 400	 /* bytes of a line of its output; longer ones are cut */
#define CHILD_LINES 20	 /* that are handed on; the rest is counted */

struct child {
	const char *file; /* no shell, no search in PATH */
	char *const *argv;
	char *const *env; /* all that it gets */
	int64_t limit;	  /* microseconds, then SIGKILL to it and what it has begun */
	int stop_fd;	  /* when this is readable, `grace` is all that is left; -1: none */
	int64_t grace;
	/* A line of its standard output or error, without the newline; the bytes are any. */
	void (*line)(void *ctx, const char *line);
	void *ctx;
};

enum child_end {
	CHILD_EXITED, /* number: exit status */
	CHILD_KILLED, /* number: the signal */
	CHILD_LATE,   /* it was killed when its time was over */
	CHILD_FAILED  /* it could not be run; number: errno */
};

struct child_result {
	enum child_end end;
	int number;
	unsigned more; /* lines that were not handed on */
};

/*
 * Runs it: standard input is empty, standard output and error are read, other
 * descriptors are closed, signals are as they are by default, the folder is "/" and the
 * session its own.  What it leaves behind in the background is left alone when it ends in
 * time.  Never leaves a zombie.
 */
void child_run(const struct child *child, struct child_result *result);

#endif
