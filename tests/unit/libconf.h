/* SPDX-License-Identifier: MIT */
/*
 * For the tests of conf: a folder with three keys and berlin.conf in it, whose
 * text each story gives.  In the text @0 stands for this site's public key, @1
 * and @2 for others; their private ones are in the files a.key, secret and
 * open.key (which is open to others).
 */
#ifndef TESTS_UNIT_LIBCONF_H
#define TESTS_UNIT_LIBCONF_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../src/app/conf_parts.h"
#include "libfolder.h"

#define NETWORK "[network]\nname = lab\n"
#define SITE "[site]\nname = berlin\nkey_file = a.key\n"
#define BRIDGE "[bridge]\ntap = span0\n"
#define GOOD NETWORK SITE BRIDGE /* seven lines */

extern char conf_folder[FOLDER_ROOM];
extern uint8_t conf_private_keys[3][KEX_KEY], conf_public_keys[3][KEX_KEY];
extern struct conf_errors conf_errors; /* of the last load */

int conf_setup(void **state);
int conf_teardown(void **state);
int conf_free_errors(void **state);

/* A path in the folder; good until the next call. */
char *conf_path(const char *name);

void conf_put_file(const char *path, const char *text, size_t len);
struct conf *conf_load_bytes(const char *text, size_t len);

/* Loads a text that has no errors. */
struct conf *conf_load_good(const char *text);

/* Loads a text with these errors, one a line, without "FOLDER/berlin.conf:". */
void conf_assert_errors(const char *text, const char *expected);

#endif
