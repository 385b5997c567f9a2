/* SPDX-License-Identifier: MIT */
/*
 * Between the parts of watch: watch (keys and time), watch_poll (what the daemon says,
 * and how fast it changes), watch_screen (lines), watch_site and watch_relay (what stands
 * in them).
 */
#ifndef LANSPAN_WATCH_H
#define LANSPAN_WATCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli.h"

enum watch_sort { WATCH_BY_NAME, WATCH_BY_RATE, WATCH_BY_LOSS, WATCH_BY_RTT, WATCH_SORTS };

/* One answer of the daemon. */
struct watch_poll {
	json_t *answer; /* parts of show, and "events" */
	json_t *index;	/* its rows by their keys */
	int64_t us;	/* when */
};

struct watch {
	char instance[WIRE_NAME + 1];
	struct watch_poll now, before;
	unsigned polls;
	char trouble[160]; /* why the daemon does not answer, or "" */
	int64_t trouble_us;
	bool restarted;	   /* it is another process than at first */
	bool paused, help;
	enum watch_sort sort;
	unsigned offset; /* rows that were scrolled past */
};

/* Asks once; what was known is kept when there is no answer. */
void watch_ask(struct watch *w);
void watch_free(struct watch *w);

/* A number's change in a second, of a row of that part; below 0 when not known yet.
 * way: "rx", "tx". */
double watch_rate(const struct watch *w, const char *part, const json_t *row, const char *way,
		  const char *name);

/* Bits a second, both ways; 0 when not known. */
double watch_bits(const struct watch *w, const char *part, const json_t *row);

/* The four rates of a row, as text: of what `name` counts, and bits. */
struct watch_rates {
	char rx[TEXT_SHORT], rx_bits[TEXT_SHORT], tx[TEXT_SHORT], tx_bits[TEXT_SHORT];
};
struct watch_rates watch_rates(const struct watch *w, const char *part, const json_t *row,
			       const char *name);

/* Rows of a part, ordered; malloc'd, *n of them. */
const json_t **watch_rows(const struct watch *w, const char *part, enum watch_sort sort,
			  size_t *n);

/* --- text of few columns --- */

/* "999", "12.3k", "4.5M"; "-" below 0. */
char *watch_number(char out[TEXT_SHORT], double n);
char *watch_rtt(char out[TEXT_SHORT], const json_t *row);
char *watch_loss(char out[TEXT_SHORT], const json_t *row);

/* --- the screen: lines from the top; what does not fit is cut --- */

bool watch_screen_begin(void);
void watch_screen_end(void);

/* The key that was typed within so many milliseconds, or -1. */
int watch_screen_key(int ms);

enum watch_style { WATCH_PLAIN, WATCH_TITLE, WATCH_HEAD, WATCH_GOOD, WATCH_MIDDLE, WATCH_BAD };

struct watch_lines {
	int y, left; /* the next line, and how many more there are */
};

void watch_line(struct watch_lines *l, enum watch_style style, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Writes over columns of the line before. */
void watch_mark(const struct watch_lines *l, int x, enum watch_style style, const char *text);

enum watch_style watch_state_style(const char *state);

/* All of it. */
void watch_draw(const struct watch *w);

void watch_site(const struct watch *w, struct watch_lines *l);
void watch_relay(const struct watch *w, struct watch_lines *l);

/* Of the part's rows as many as have room, from the offset on; a last line tells of
 * others.  print: one row, one line. */
void watch_table(const struct watch *w, struct watch_lines *l, const char *part,
		 enum watch_sort sort, unsigned offset, int room, const char *head,
		 void (*print)(const struct watch *w, struct watch_lines *l, const json_t *row));

#endif
