/* SPDX-License-Identifier: MIT */
/* Looking up what a grammar has, and what was probably meant. */
#include <ctype.h>
#include <string.h>

#include "base/bytes.h"
#include "conf_parts.h"

#define WORD_MAX 32 /* longer words have no neighbours */

unsigned conf_section_find(const struct conf_grammar *grammar, const char *name)
{
	for (unsigned i = 0; i < grammar->n_sections; i++)
		if (strcmp(grammar->sections[i].name, name) == 0)
			return i;
	return CONF_UNKNOWN;
}

const struct conf_key *conf_key_find(const struct conf_grammar *grammar, unsigned section,
				     const char *name)
{
	const struct conf_key *key;

	for (size_t i = 0; i < grammar->n_keys; i++) {
		key = &grammar->keys[i];
		if (key->section == section && strcmp(key->name, name) == 0)
			return key;
	}
	return NULL;
}

/* Case does not count for likeness. */
static int plain(char c)
{
	return tolower((unsigned char)c);
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	return MIN(MIN(a, b), c);
}

/* Letters to insert, drop, change or swap with their neighbour to make a of b
 * (optimal string alignment). */
static unsigned distance(const char *a, size_t na, const char *b, size_t nb)
{
	unsigned d[WORD_MAX + 1][WORD_MAX + 1];
	unsigned change;

	for (unsigned i = 0; i <= na; i++)
		d[i][0] = i;
	for (unsigned j = 0; j <= nb; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= na; i++) {
		for (size_t j = 1; j <= nb; j++) {
			change = plain(a[i - 1]) != plain(b[j - 1]);
			d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + change);
			if (i > 1 && j > 1 && plain(a[i - 1]) == plain(b[j - 2]) &&
			    plain(a[i - 2]) == plain(b[j - 1]))
				d[i][j] = MIN(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[na][nb];
}

/* The distance when the words are alike enough for a suggestion, else
 * UINT32_MAX.  The beginning of a word is alike, too. */
static unsigned unlikeness(const char *written, const char *known)
{
	size_t nw = strlen(written), nk = strlen(known);
	unsigned d;

	if (nw == 0 || nw > WORD_MAX)
		return UINT32_MAX;
	d = distance(written, nw, known, nk);
	if (d <= (MIN(nw, nk) <= 3 ? 1u : 2u))
		return d;
	if (MIN(nw, nk) >= 3 && strncasecmp(written, known, MIN(nw, nk)) == 0)
		return WORD_MAX;
	return UINT32_MAX;
}

unsigned conf_section_nearest(const struct conf_grammar *grammar, const char *name)
{
	unsigned best = CONF_UNKNOWN, least = UINT32_MAX, d;

	for (unsigned i = 0; i < grammar->n_sections; i++) {
		d = unlikeness(name, grammar->sections[i].name);
		if (d < least) {
			least = d;
			best = i;
		}
	}
	return best;
}

const struct conf_key *conf_key_nearest(const struct conf_grammar *grammar, unsigned section,
					const char *name)
{
	const struct conf_key *best = NULL;
	unsigned least = UINT32_MAX, d;

	for (size_t i = 0; i < grammar->n_keys; i++) {
		if (grammar->keys[i].section != section)
			continue;
		d = unlikeness(name, grammar->keys[i].name);
		if (d < least) {
			least = d;
			best = &grammar->keys[i];
		}
	}
	return best;
}

bool conf_name_valid(const char *name)
{
	size_t n = strlen(name);

	return n >= 1 && n <= WIRE_NAME &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}
