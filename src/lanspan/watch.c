/* SPDX-License-Identifier: MIT */
/* watch: a live screen; here are time and keys. */
#include "watch.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"

#define EVERY SECONDS(1)

static size_t rows_to_scroll(const struct watch *w)
{
	static const char *const parts[] = { "ports", "peers", "members" };
	size_t most = 0;

	for (size_t i = 0; i < COUNT_OF(parts); i++)
		most = MAX(most, json_array_size(json_object_get(w->now.answer, parts[i])));
	return most;
}

/* False when it is over. */
static bool take_key(struct watch *w, int key)
{
	switch (key) {
	case 'q':
	case 'Q':
		return false;
	case 'p':
	case ' ':
		w->paused = !w->paused;
		break;
	case 's':
		w->sort = (w->sort + 1) % WATCH_SORTS;
		break;
	case 'h':
	case '?':
		w->help = !w->help;
		break;
	case 'j':
		w->offset += w->offset < rows_to_scroll(w);
		break;
	case 'k':
		w->offset -= w->offset > 0;
		break;
	}
	return true;
}

static void run(struct watch *w)
{
	struct instant next = clock_now();

	for (;;) {
		struct instant now = clock_now();
		int64_t wait;

		if (instant_reached(now, next)) {
			next = instant_add(now, EVERY);
			if (!w->paused)
				watch_ask(w);
		}
		watch_draw(w);
		wait = instant_between(clock_now(), next) / 1000;
		if (!take_key(w, watch_screen_key(wait > 0 ? (int)wait + 1 : 0)))
			return;
	}
}

enum cli_status verb_watch(const struct cli *cli)
{
	enum cli_status status = CLI_DONE;
	struct watch w = { .sort = WATCH_BY_NAME };

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return cli_error(CLI_FAILED, "watch: must be on a terminal; for programs there is "
					     "show --json");
	if (cli->instance)
		snprintf(w.instance, sizeof(w.instance), "%s", cli->instance);
	else
		status = instance_only(w.instance);
	if (status != CLI_DONE)
		return status;
	watch_ask(&w);
	if (w.trouble[0]) {
		status = cli_error(CLI_FAILED, "%s: %s", w.instance, w.trouble);
	} else if (!watch_screen_begin()) {
		status = cli_error(CLI_FAILED, "watch: this terminal (TERM) is not known here");
	} else {
		run(&w);
		watch_screen_end();
	}
	watch_free(&w);
	return status;
}
