/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * The daemon counts from its start; a rate is the difference of two answers by the time
 * between them.  A row is found again in the answer before by its key.  A number that
 * became smaller is of another process, or of a row that went and came: then there is no
 * rate until the next answer.
 */
#include "watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "host/ctlsock.h"

#define PATIENCE 2	  /* seconds */
#define EVENTS 20
#define MANY 2000	  /* so many addresses are asked for ... */
#define SELDOM 5	  /* ... only each so many seconds */
#define KEY 256

/* ---- asking ---- */

static void note_trouble(struct watch *w, const char *text)
{
	if (!w->trouble[0])
		w->trouble_us = clock_now().us;
	snprintf(w->trouble, sizeof(w->trouble), "%s", text);
}

/* The answer if it is a yes; takes over the request. */
static json_t *ask(struct watch *w, json_t *request)
{
	char *line = json_dumps(request, JSON_COMPACT), *text = NULL, path[INSTANCE_PATH];
	json_t *answer = NULL;
	size_t len;
	int error = -ENAMETOOLONG;

	json_decref(request);
	if (line && instance_path(path, w->instance))
		error = ctlsock_ask(path, line, PATIENCE, &text, &len);
	free(line);
	if (!error)
		answer = json_loadb(text, len, 0, NULL);
	free(text);
	if (error == -ENOENT || error == -ECONNREFUSED)
		note_trouble(w, "does not run");
	else if (error)
		note_trouble(w, strerror(-error));
	else if (!json_is_true(json_object_get(answer, "ok")))
		note_trouble(w, "its answer makes no sense: another version?");
	else
		return answer;
	json_decref(answer);
	return NULL;
}

static bool add_answer(struct watch *w, json_t *to, json_t *request)
{
	json_t *answer = ask(w, request);

	if (!answer)
		return false;
	json_object_update(to, answer);
	json_decref(answer);
	return true;
}

static bool add_part(struct watch *w, json_t *to, const char *part)
{
	return add_answer(w, to, json_pack("{ssss}", "verb", "show", "what", part));
}

/* Addresses, unless they are many and were asked for just now. */
static bool add_macs(struct watch *w, json_t *to)
{
	json_t *known = json_object_get(w->now.answer, "macs");

	if (json_array_size(known) < MANY || w->polls % SELDOM == 0)
		return add_part(w, to, "macs");
	json_object_set(to, "macs", known);
	return true;
}

static json_t *ask_all(struct watch *w)
{
	json_t *all = json_object();
	bool ok = add_part(w, all, "drops");

	if (ok && json_object_get(all, "site"))
		ok = add_part(w, all, "peers") && add_part(w, all, "ports") &&
		     add_part(w, all, "relays") && add_macs(w, all);
	else if (ok)
		ok = add_part(w, all, "networks") && add_part(w, all, "members");
	ok = ok && add_answer(w, all, json_pack("{sssi}", "verb", "events", "last", EVENTS));
	if (ok)
		return all;
	json_decref(all);
	return NULL;
}

/* ---- rows ---- */

/* What tells a row from others of its part. */
static void key_of(char out[KEY], const char *part, const json_t *row)
{
	static const char *const names[] = { "network", "public_key", "mac", "name" };
	size_t used = (size_t)snprintf(out, KEY, "%s %lld", part,
				       (long long)json_integer_value(json_object_get(row, "vlan")));

	for (size_t i = 0; i < COUNT_OF(names) && used < KEY; i++) {
		const char *text = json_string_value(json_object_get(row, names[i]));

		if (text)
			used += (size_t)snprintf(out + used, KEY - used, " %s", text);
	}
}

static json_t *index_of(json_t *answer)
{
	json_t *index = json_object(), *rows, *row;
	const char *part;
	char key[KEY];
	size_t i;

	json_object_foreach(answer, part, rows)
	{
		json_array_foreach(rows, i, row)
		{
			key_of(key, part, row);
			json_object_set(index, key, row);
		}
	}
	return index;
}

static json_int_t pid_of(const struct watch_poll *p)
{
	const json_t *head = json_object_get(p->answer, "site");

	head = head ? head : json_object_get(p->answer, "relay");
	return json_integer_value(json_object_get(head, "pid"));
}

static void forget(struct watch_poll *p)
{
	json_decref(p->answer);
	json_decref(p->index);
	*p = (struct watch_poll){ 0 };
}

void watch_ask(struct watch *w)
{
	json_t *answer = ask_all(w);

	if (!answer)
		return;
	forget(&w->before);
	w->before = w->now;
	w->now = (struct watch_poll){ .answer = answer,
				      .index = index_of(answer),
				      .us = clock_now().us };
	w->trouble[0] = '\0';
	w->polls++;
	if (w->before.answer && pid_of(&w->before) != pid_of(&w->now)) {
		w->restarted = true;
		forget(&w->before);
	}
}

void watch_free(struct watch *w)
{
	forget(&w->now);
	forget(&w->before);
}

/* ---- rates ---- */

static const json_t *counter(const json_t *row, const char *way, const char *name)
{
	return json_object_get(way ? json_object_get(row, way) : row, name);
}

double watch_rate(const struct watch *w, const char *part, const json_t *row, const char *way,
		  const char *name)
{
	int64_t us = w->now.us - w->before.us;
	const json_t *then;
	double change;
	char key[KEY];

	key_of(key, part, row);
	then = json_object_get(w->before.index, key);
	if (!then || us <= 0)
		return -1;
	change = json_number_value(counter(row, way, name)) -
		 json_number_value(counter(then, way, name));
	return change < 0 ? -1 : change * 1e6 / (double)us;
}

double watch_bits(const struct watch *w, const char *part, const json_t *row)
{
	double rx = watch_rate(w, part, row, "rx", "bytes");
	double tx = watch_rate(w, part, row, "tx", "bytes");

	return 8 * (MAX(rx, 0.0) + MAX(tx, 0.0));
}

static double in_bits(double bytes)
{
	return bytes < 0 ? bytes : 8 * bytes;
}

struct watch_rates watch_rates(const struct watch *w, const char *part, const json_t *row,
			       const char *name)
{
	struct watch_rates r;

	watch_number(r.rx, watch_rate(w, part, row, "rx", name));
	watch_number(r.tx, watch_rate(w, part, row, "tx", name));
	watch_number(r.rx_bits, in_bits(watch_rate(w, part, row, "rx", "bytes")));
	watch_number(r.tx_bits, in_bits(watch_rate(w, part, row, "tx", "bytes")));
	return r;
}

/* ---- order ---- */

struct place {
	const json_t *row;
	double weight; /* heavy ones come first */
	size_t number;
};

static int compare(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight < y->weight ? 1 : -1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static int compare_names(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	const char *p = json_string_value(json_object_get(x->row, "name"));
	const char *q = json_string_value(json_object_get(y->row, "name"));

	return p && q && strcmp(p, q) != 0 ? strcmp(p, q) : compare(a, b);
}

static double weigh(const struct watch *w, const char *part, const json_t *row,
		    enum watch_sort sort)
{
	switch (sort) {
	case WATCH_BY_NAME:
	case WATCH_SORTS:
		break;
	case WATCH_BY_RATE:
		return watch_bits(w, part, row);
	case WATCH_BY_LOSS:
		return json_number_value(json_object_get(row, "loss_percent"));
	case WATCH_BY_RTT:
		return json_number_value(json_object_get(row, "rtt_ms"));
	}
	return 0;
}

const json_t **watch_rows(const struct watch *w, const char *part, enum watch_sort sort, size_t *n)
{
	const json_t *array = json_object_get(w->now.answer, part);
	struct place *places;
	const json_t **rows;

	*n = json_array_size(array);
	places = calloc(*n + 1, sizeof(*places));
	rows = calloc(*n + 1, sizeof(const json_t *));
	if (!places || !rows)
		log_die(CLI_FAILED, "memory is short");
	for (size_t i = 0; i < *n; i++) {
		places[i].row = json_array_get(array, i);
		places[i].weight = weigh(w, part, places[i].row, sort);
		places[i].number = i;
	}
	qsort(places, *n, sizeof(*places), sort == WATCH_BY_NAME ? compare_names : compare);
	for (size_t i = 0; i < *n; i++)
		rows[i] = places[i].row;
	free(places);
	return rows;
}
