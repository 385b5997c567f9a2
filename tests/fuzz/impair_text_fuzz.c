/* SPDX-License-Identifier: MIT */
/* What people type about bad lines: what is taken is within bounds, and is written so that
 * it is read as the same. */
#include <stdlib.h>
#include <string.h>

#include "app/impair_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct impair_setup setup, back;
	char note[IMPAIR_TEXT_NOTE] = "", text[IMPAIR_TEXT], again[IMPAIR_TEXT];
	char *input = malloc(size + 1);

	must(input);
	memcpy(input, data, size);
	input[size] = '\0';
	if (impair_text_parse(&setup, input, note)) {
		must(setup.delay >= 0 && setup.delay <= IMPAIR_DELAY_MAX);
		must(setup.jitter >= 0 && setup.jitter <= setup.delay);
		must(setup.loss <= IMPAIR_MILLION && setup.duplicate <= IMPAIR_MILLION);
		must(setup.corrupt <= IMPAIR_MILLION && setup.reorder <= IMPAIR_MILLION);
		must(!setup.limit || setup.limit >= IMPAIR_LIMIT_MIN);
		impair_text_format(&setup, text);
		must(impair_text_parse(&back, text, note));
		impair_text_format(&back, again);
		must(strcmp(text, again) == 0);
	} else {
		must(note[0]);
	}
	free(input);
	return 0;
}
