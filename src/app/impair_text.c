/* SPDX-License-Identifier: MIT */
#include "app/impair_text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

#define DECIMALS 6
#define MILLION UINT64_C(1000000)
#define DIGITS 9 /* before the point */
#define WORD 32

enum kind { KIND_TIME, KIND_CHANCE, KIND_COUNT, KIND_RATE, KIND_SIZE, KINDS };

/* Of the number that is kept: microseconds, millionths, bits a second, bytes. */
struct unit {
	const char *name;
	uint64_t worth;
};

#define UNITS 4

/* The smallest first. */
static const struct {
	struct unit unit[UNITS];
	const char *like;
} kinds[] = {
	[KIND_TIME] = { { { "us", 1 }, { "ms", 1000 }, { "s", MILLION } },
			"a number and us, ms or s" },
	[KIND_CHANCE] = { { { "%", 10000 } }, "a number and %" },
	[KIND_COUNT] = { { { "", 1 } }, "a whole number" },
	[KIND_RATE] = { { { "bit", 1 }, { "kbit", 1000 }, { "mbit", MILLION }, { "gbit", 1000 * MILLION } },
			"a number and bit, kbit, mbit or gbit" },
	[KIND_SIZE] = { { { "", 1 }, { "K", 1 << 10 }, { "M", 1 << 20 }, { "G", 1 << 30 } },
			"a number of bytes, or a number and K, M or G" },
};

_Static_assert(COUNT_OF(kinds) == KINDS, "every kind has its units");

enum part { DELAY, JITTER, LOSS, BURST, DUPLICATE, REORDER, CORRUPT, RATE, LIMIT, PARTS };

static const struct {
	const char *name;
	enum kind kind;
	uint64_t least, most;
	const char *most_text;
	unsigned needs; /* bits of parts, one of which has to be there; 0: none */
} parts[] = {
	[DELAY] = { "delay", KIND_TIME, 0, IMPAIR_DELAY_MAX, "60s", 0 },
	[JITTER] = { "jitter", KIND_TIME, 0, IMPAIR_DELAY_MAX, "60s", 1 << DELAY },
	[LOSS] = { "loss", KIND_CHANCE, 0, IMPAIR_MILLION, "100%", 0 },
	[BURST] = { "burst", KIND_COUNT, 1, 1000000, "1000000", 1 << LOSS },
	[DUPLICATE] = { "duplicate", KIND_CHANCE, 0, IMPAIR_MILLION, "100%", 0 },
	[REORDER] = { "reorder", KIND_CHANCE, 0, IMPAIR_MILLION, "100%", 1 << DELAY },
	[CORRUPT] = { "corrupt", KIND_CHANCE, 0, IMPAIR_MILLION, "100%", 0 },
	[RATE] = { "rate", KIND_RATE, 1000, 1000000 * MILLION, "1000gbit", 0 },
	[LIMIT] = { "limit", KIND_SIZE, IMPAIR_LIMIT_MIN, UINT64_C(4) << 30, "4G",
		    1 << DELAY | 1 << RATE },
};

_Static_assert(COUNT_OF(parts) == PARTS, "every part is described");

static const char known[] = "delay, jitter, loss, burst, duplicate, reorder, corrupt, rate, limit, "
			    "cut, none";

/* ---- reading ---- */

struct reading {
	const char *at;
	char *note;
	uint64_t value[PARTS];
	unsigned said; /* bits of parts */
};

__attribute__((format(printf, 2, 3))) static bool wrong(struct reading *r, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(r->note, IMPAIR_TEXT_NOTE, fmt, args);
	va_end(args);
	return false;
}

/* The next word, cut if it is too long to be right; false at the end. */
static bool next_word(struct reading *r, char word[WORD])
{
	size_t len;

	r->at += strspn(r->at, " \t");
	len = strcspn(r->at, " \t");
	memcpy(word, r->at, MIN(len, WORD - 1));
	word[MIN(len, WORD - 1)] = '\0';
	for (char *c = word; *c; c++)
		*c = isprint((unsigned char)*c) ? *c : '?';
	r->at += len;
	return len > 0;
}

/* Digits, with decimals or without; the unit is left. */
static bool read_digits(const char **text, uint64_t *whole, uint64_t *decimals)
{
	const char *p = *text;
	unsigned digits = 0, behind = 0;

	for (*whole = 0; isdigit((unsigned char)*p) && digits <= DIGITS; p++, digits++)
		*whole = *whole * 10 + (uint64_t)(*p - '0');
	*decimals = 0;
	if (*p == '.') {
		for (p++; isdigit((unsigned char)*p) && behind <= DECIMALS; p++, behind++)
			*decimals = *decimals * 10 + (uint64_t)(*p - '0');
		if (behind == 0)
			return false;
	}
	if (digits == 0 || digits > DIGITS || behind > DECIMALS)
		return false;
	while (behind++ < DECIMALS)
		*decimals *= 10;
	*text = p;
	return true;
}

static bool read_number(const char *text, enum kind kind, uint64_t *out)
{
	uint64_t whole, decimals;

	if (!read_digits(&text, &whole, &decimals))
		return false;
	for (unsigned i = 0; i < UNITS && kinds[kind].unit[i].name; i++) {
		const struct unit *unit = &kinds[kind].unit[i];

		if (strcmp(text, unit->name) != 0)
			continue;
		*out = whole * unit->worth + decimals * unit->worth / MILLION;
		return decimals * unit->worth % MILLION == 0;
	}
	return false;
}

static bool read_part(struct reading *r, enum part part)
{
	const char *name = parts[part].name;
	char word[WORD];

	if (r->said & 1u << part)
		return wrong(r, "%s is said twice", name);
	if (!next_word(r, word))
		return wrong(r, "%s: behind it belongs %s", name, kinds[parts[part].kind].like);
	if (!read_number(word, parts[part].kind, &r->value[part]))
		return wrong(r, "%s \"%s\": should be %s", name, word,
			     kinds[parts[part].kind].like);
	if (r->value[part] > parts[part].most)
		return wrong(r, "%s %s: %s is the most", name, word, parts[part].most_text);
	if (r->value[part] < parts[part].least)
		return wrong(r, "%s %s: too little", name, word);
	r->said |= 1u << part;
	return true;
}

static bool read_word(struct reading *r, const char *word)
{
	for (unsigned i = 0; i < PARTS; i++) {
		if (strcmp(word, parts[i].name) == 0)
			return read_part(r, (enum part)i);
	}
	if (strcmp(word, "cut") == 0 || strcmp(word, "none") == 0)
		return wrong(r, "%s stands alone", word);
	return wrong(r, "\"%s\": there is %s", word, known);
}

static bool fits_together(struct reading *r)
{
	for (unsigned i = 0; i < PARTS; i++) {
		if (!(r->said & 1u << i) || !parts[i].needs || r->said & parts[i].needs)
			continue;
		return wrong(r, "%s needs %s", parts[i].name,
			     i == BURST ? "loss" : i == LIMIT ? "delay or rate" : "delay");
	}
	if (r->value[JITTER] > r->value[DELAY])
		return wrong(r, "jitter is more than delay, and no frame can come before it is sent");
	return true;
}

/* A text that is just that word. */
static bool is_alone(const char *text, const char *word)
{
	text += strspn(text, " \t");
	if (strncmp(text, word, strlen(word)) != 0)
		return false;
	text += strlen(word);
	return text[strspn(text, " \t")] == '\0';
}

bool impair_text_parse(struct impair_setup *out, const char *text, char note[IMPAIR_TEXT_NOTE])
{
	struct reading r = { .at = text, .note = note };
	char word[WORD];

	if (is_alone(text, "cut") || is_alone(text, "none")) {
		*out = (struct impair_setup){ .cut = is_alone(text, "cut") };
		return true;
	}
	if (is_alone(text, ""))
		return wrong(&r, "nothing is said; there is %s", known);
	while (next_word(&r, word)) {
		if (!read_word(&r, word))
			return false;
	}
	if (!fits_together(&r))
		return false;
	*out = (struct impair_setup){ .delay = (int64_t)r.value[DELAY],
				      .jitter = (int64_t)r.value[JITTER],
				      .loss = (uint32_t)r.value[LOSS],
				      .burst = (uint32_t)r.value[BURST],
				      .duplicate = (uint32_t)r.value[DUPLICATE],
				      .corrupt = (uint32_t)r.value[CORRUPT],
				      .reorder = (uint32_t)r.value[REORDER],
				      .rate = r.value[RATE],
				      .limit = (size_t)r.value[LIMIT] };
	return true;
}

/* ---- writing ---- */

/* By the largest unit that it is one of at least, if that is exact. */
static void add(char out[IMPAIR_TEXT], enum part part, uint64_t value)
{
	const struct unit *unit = kinds[parts[part].kind].unit, *best = unit;
	size_t used = strlen(out);
	char decimals[24] = "";

	if (value == 0)
		return;
	for (unsigned i = 1; i < UNITS && unit[i].name; i++) {
		if (value >= unit[i].worth && value % unit[i].worth * MILLION % unit[i].worth == 0)
			best = &unit[i];
	}
	if (value % best->worth) {
		snprintf(decimals, sizeof(decimals), ".%06" PRIu64,
			 value % best->worth * MILLION / best->worth);
		while (decimals[strlen(decimals) - 1] == '0')
			decimals[strlen(decimals) - 1] = '\0';
	}
	snprintf(out + used, IMPAIR_TEXT - used, "%s%s %" PRIu64 "%s%s", used ? " " : "",
		 parts[part].name, value / best->worth, decimals, best->name);
}

void impair_text_format(const struct impair_setup *s, char out[IMPAIR_TEXT])
{
	bool none = impair_is_none(s);

	out[0] = '\0';
	if (s->cut || none) {
		snprintf(out, IMPAIR_TEXT, s->cut ? "cut" : "none");
		return;
	}
	add(out, DELAY, (uint64_t)s->delay);
	add(out, JITTER, (uint64_t)s->jitter);
	add(out, LOSS, s->loss);
	if (s->loss)
		add(out, BURST, s->burst);
	add(out, DUPLICATE, s->duplicate);
	add(out, REORDER, s->reorder);
	add(out, CORRUPT, s->corrupt);
	add(out, RATE, s->rate);
	if (s->delay || s->rate)
		add(out, LIMIT, s->limit);
}
