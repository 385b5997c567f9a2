/* SPDX-License-Identifier: MIT */
/* Whether only root and this process's user decide what a program is. */
#ifndef HOST_TRUST_H
#define HOST_TRUST_H

#include <stdbool.h>
#include <stddef.h>

#define TRUST_PATH 4096
#define TRUST_WHY (TRUST_PATH + 128)

/*
 * Follows the path of an executable, and symbolic links on it, folder by folder.  True when
 * the file and every folder belong to root or to this process's user and nobody else may
 * write them, not even where only owners may remove (/tmp); `real` is then the path
 * without links.  Otherwise why not, beginning with the path of what is amiss.
 * A file that passes cannot be put in another's place by others before it is run.
 */
bool trust_program(const char *path, char real[TRUST_PATH], char why[TRUST_WHY]);

#endif
