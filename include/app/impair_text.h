/* SPDX-License-Identifier: MIT */
/*
 * How bad a line is, in words: of the configuration and of commands.
 *
 *   delay 80ms jitter 5ms loss 1% burst 3 duplicate 0.1% reorder 1% corrupt 0.01%
 *   rate 10mbit limit 16M | cut | none
 *
 * Numbers may have decimals.  Times: us, ms, s.  Rates: bit, kbit, mbit, gbit, by
 * thousands, a second.  Sizes: bytes, or K, M, G of 1024.
 */
#ifndef APP_IMPAIR_TEXT_H
#define APP_IMPAIR_TEXT_H

#include <stdbool.h>

#include "core/impair.h"

#define IMPAIR_TEXT 256
#define IMPAIR_TEXT_NOTE 160

/* False, with what is wrong and what would be right in note, when it makes no sense; *out is
 * untouched then. */
bool impair_text_parse(struct impair_setup *out, const char *text, char note[IMPAIR_TEXT_NOTE]);

/* What impair_text_parse reads back as the same. */
void impair_text_format(const struct impair_setup *setup, char out[IMPAIR_TEXT]);

#endif
