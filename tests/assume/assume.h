/* SPDX-License-Identifier: MIT */
/*
 * What lanspan takes for granted about the kernel, each in a program of its
 * own that uses nothing of lanspan: one line per assumption; exit status 0 when
 * all hold, 1 when one does not, 77 when that can not be told here.
 */
#ifndef TESTS_ASSUME_H
#define TESTS_ASSUME_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASSUME_SKIP 77

static int assume_failed;

static inline void assume(bool holds, const char *what)
{
	printf("%s %s\n", holds ? "yes" : "NO ", what);
	if (!holds)
		assume_failed = 1;
}

/* What the program itself needs; nothing is told about the kernel. */
static inline void need(bool holds, const char *what)
{
	if (holds)
		return;
	printf("skipped: %s: %s\n", what, strerror(errno));
	exit(ASSUME_SKIP);
}

#endif
