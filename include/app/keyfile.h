/* SPDX-License-Identifier: MIT */
/*
 * Private keys and network secrets in files: one line of base64, mode 0600 or
 * stricter, as lanspan(8) keygen and secret write them.
 */
#ifndef APP_KEYFILE_H
#define APP_KEYFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/kex.h"

/* Reads a key.  False with a message for people in error (what is wrong, what
 * would be right): missing, not a regular file, open to group or others, owned by
 * somebody else than root or this user, not a key. */
bool keyfile_read(const char *path, uint8_t key[KEX_KEY], char *error, size_t room);

/* Writes a key to a new file, mode 0600, synced; never over an existing one. */
bool keyfile_write(const char *path, const uint8_t key[KEX_KEY], char *error, size_t room);

#endif
