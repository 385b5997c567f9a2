/* SPDX-License-Identifier: MIT */
/* Text of any origin that people are to see. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>

/*
 * Bytes of the character at s (NUL-terminated): 1 of printable ASCII, 2 to 4 of UTF-8.
 * 0 when it must not be shown as it is: the end, a control character (ASCII, C1), one
 * that turns the direction of text or ends a line, or no UTF-8.
 */
size_t utf8_shown(const char *s);

#endif
