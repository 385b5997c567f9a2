/* SPDX-License-Identifier: MIT */
#include "watch.h"

#include <curses.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"

#define LINE 512
#define LEAST_COLUMNS 40
#define LEAST_LINES 8

static SCREEN *screen;

/* newterm and not initscr, which ends the program when it does not know the terminal. */
bool watch_screen_begin(void)
{
	const char *no = getenv("NO_COLOR");

	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return false;
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	curs_set(0);
	if (has_colors() && !(no && *no)) {
		start_color();
		use_default_colors();
		init_pair(WATCH_GOOD, COLOR_GREEN, -1);
		init_pair(WATCH_MIDDLE, COLOR_YELLOW, -1);
		init_pair(WATCH_BAD, COLOR_RED, -1);
	}
	return true;
}

void watch_screen_end(void)
{
	endwin();
	delscreen(screen);
}

int watch_screen_key(int ms)
{
	int key;

	timeout(ms);
	key = getch();
	if (key == KEY_DOWN)
		return 'j';
	return key == KEY_UP ? 'k' : key;
}

/* ---- text ---- */

char *watch_number(char out[TEXT_SHORT], double n)
{
	static const char units[] = " kMGTPE";
	unsigned unit = 0;

	if (n < 0) {
		snprintf(out, TEXT_SHORT, "-");
		return out;
	}
	for (; n >= 999.5 && unit < 6; unit++)
		n /= 1000;
	if (unit)
		snprintf(out, TEXT_SHORT, n < 99.95 ? "%.1f%c" : "%.0f%c", n, units[unit]);
	else
		snprintf(out, TEXT_SHORT, "%.0f", n);
	return out;
}

char *watch_rtt(char out[TEXT_SHORT], const json_t *row)
{
	const json_t *v = json_object_get(row, "rtt_ms");
	double ms = json_number_value(v);

	if (!json_is_number(v))
		snprintf(out, TEXT_SHORT, "-");
	else
		snprintf(out, TEXT_SHORT, ms < 10 ? "%.2fms" : ms < 100 ? "%.1fms" : "%.0fms", ms);
	return out;
}

char *watch_loss(char out[TEXT_SHORT], const json_t *row)
{
	const json_t *v = json_object_get(row, "loss_percent");

	if (json_is_number(v))
		snprintf(out, TEXT_SHORT, "%.1f%%", json_number_value(v));
	else
		snprintf(out, TEXT_SHORT, "-");
	return out;
}

/* ---- lines ---- */

static attr_t attribute(enum watch_style style)
{
	switch (style) {
	case WATCH_PLAIN:
		return A_NORMAL;
	case WATCH_TITLE:
		return A_REVERSE;
	case WATCH_HEAD:
		return A_BOLD;
	case WATCH_GOOD:
	case WATCH_MIDDLE:
	case WATCH_BAD:
		return COLOR_PAIR(style);
	}
	return A_NORMAL;
}

void watch_line(struct watch_lines *l, enum watch_style style, const char *fmt, ...)
{
	char text[LINE];
	va_list ap;

	if (l->left <= 0)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	attrset(attribute(style));
	mvaddnstr(l->y, 0, text, COLS);
	for (int x = (int)strlen(text); style == WATCH_TITLE && x < COLS; x++)
		mvaddch(l->y, x, ' ');
	attrset(A_NORMAL);
	l->y++;
	l->left--;
}

void watch_mark(const struct watch_lines *l, int x, enum watch_style style, const char *text)
{
	if (l->y == 0 || x >= COLS)
		return;
	attrset(attribute(style));
	mvaddnstr(l->y - 1, x, text, COLS - x);
	attrset(A_NORMAL);
}

enum watch_style watch_state_style(const char *state)
{
	switch (text_state_colour(state)) {
	case TEXT_PLAIN:
	case TEXT_BOLD:
		break;
	case TEXT_GREEN:
		return WATCH_GOOD;
	case TEXT_YELLOW:
		return WATCH_MIDDLE;
	case TEXT_RED:
		return WATCH_BAD;
	}
	return WATCH_PLAIN;
}

void watch_table(const struct watch *w, struct watch_lines *l, const char *part,
		 enum watch_sort sort, unsigned offset, int room, const char *head,
		 void (*print)(const struct watch *w, struct watch_lines *l, const json_t *row))
{
	size_t n, first, show;
	const json_t **rows = watch_rows(w, part, sort, &n);

	watch_line(l, WATCH_HEAD, "%s", head);
	room = MIN(room, l->left);
	show = room > 0 ? (size_t)room : 0;
	if (n > show && show > 1)
		show--; /* a line tells of the others */
	first = MIN(offset, n - MIN(show, n));
	for (size_t i = first; i < n && i < first + show; i++)
		print(w, l, rows[i]);
	if (n > show && room > 1)
		watch_line(l, WATCH_PLAIN, "... %zu of %zu", show, n);
	free(rows);
}

/* ---- all ---- */

static void draw_title(const struct watch *w, struct watch_lines *l)
{
	static const char *const sorts[] = { [WATCH_BY_NAME] = "name",
					     [WATCH_BY_RATE] = "rate",
					     [WATCH_BY_LOSS] = "loss",
					     [WATCH_BY_RTT] = "round trip" };
	const json_t *head = json_object_get(w->now.answer, "site");
	int64_t seconds = (clock_now().us - w->trouble_us) / 1000000;
	char *name, *age, since[TEXT_SHORT];

	head = head ? head : json_object_get(w->now.answer, "relay");
	name = text_member(head, "name");
	age = show_age(head, "uptime_s");
	watch_line(l, WATCH_TITLE, "%s %s, up %s%s, by %s%s",
		   json_object_get(w->now.answer, "site") ? "site" : "relay", name, age,
		   w->restarted ? " (was restarted)" : "", sorts[w->sort],
		   w->paused ? "  PAUSED" : "");
	if (w->trouble[0])
		watch_line(l, WATCH_BAD, "%s: %s, for %s; below is what was", w->instance, w->trouble,
			   text_age(since, (double)seconds));
	free(name);
	free(age);
}

static void draw_help(struct watch_lines *l)
{
	static const char *const lines[] = {
		"q  quit",
		"p  pause, and go on",
		"s  sort by name, rate, loss, round trip",
		"j, k, arrows  scroll ports, and peers or members",
		"h  this, and back",
		"",
		"f/s, bit/s: frames and bits a second; RX comes from there, TX goes there.",
		"LOSS: of what the peer sent in the last 10 to 20 seconds.",
		"See lanspan(8).",
	};

	for (size_t i = 0; i < COUNT_OF(lines); i++)
		watch_line(l, WATCH_PLAIN, "%s", lines[i]);
}

static void print_event(struct watch_lines *l, const json_t *event)
{
	static const char *const names[] = { "peer", "relay", "network", "member", "port",
					     "tap",  "path",  "at",	 "reason", "error" };
	char *time = text_member(event, "time"), *message = text_member(event, "message");
	char text[LINE] = "";
	size_t used = 0;

	for (size_t i = 0; i < COUNT_OF(names) && used < sizeof(text); i++) {
		char *value = text_member(event, names[i]);

		if (strcmp(value, "-") != 0)
			used += (size_t)snprintf(text + used, sizeof(text) - used, " %s=%s",
						 names[i], value);
		free(value);
	}
	watch_line(l, WATCH_PLAIN, "%.8s %s%s", strlen(time) > 19 ? time + 11 : time, message, text);
	free(time);
	free(message);
}

/* The newest at the end. */
static void draw_events(const struct watch *w, struct watch_lines *l)
{
	const json_t *events = json_object_get(w->now.answer, "events");
	size_t n = json_array_size(events), room;

	watch_line(l, WATCH_HEAD, "EVENTS (UTC)");
	room = l->left > 0 ? (size_t)l->left : 0;
	for (size_t i = n > room ? n - room : 0; i < n; i++)
		print_event(l, json_array_get(events, i));
}

void watch_draw(const struct watch *w)
{
	struct watch_lines l = { .left = LINES - 1 }, last = { .y = LINES - 1, .left = 1 };

	erase();
	if (COLS < LEAST_COLUMNS || LINES < LEAST_LINES) {
		l.left = LINES;
		watch_line(&l, WATCH_PLAIN, "too small: 80x24 is enough");
		refresh();
		return;
	}
	draw_title(w, &l);
	if (w->help) {
		draw_help(&l);
	} else {
		if (json_object_get(w->now.answer, "site"))
			watch_site(w, &l);
		else
			watch_relay(w, &l);
		draw_events(w, &l);
	}
	watch_line(&last, WATCH_TITLE, "q quit  p pause  s sort  h help");
	refresh();
}
