/* SPDX-License-Identifier: MIT */
/* A folder for what a test has run: nobody else may write those above it. */
#ifndef LIBFOLDER_H
#define LIBFOLDER_H

#include <stdbool.h>

#define FOLDER_ROOM 256

/* Makes one.  False when this user has no place for it. */
bool folder_make(char out[FOLDER_ROOM]);

#endif
