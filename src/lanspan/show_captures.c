/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "cli.h"

static void add(struct table *t, const json_t *row, const char *name)
{
	table_add(t, TEXT_PLAIN, text_member(row, name));
}

void show_captures(const json_t *answer)
{
	struct table *t = table_new("POINT|DIRECTION|>PID|>USER|>AGE|>SNAP|>PACKETS|>BYTES|"
				    ">OVER BUDGET|>READER LATE|FILTER");
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(answer, "captures"), i, row)
	{
		add(t, row, "point");
		add(t, row, "direction");
		add(t, row, "pid");
		add(t, row, "uid");
		table_add(t, TEXT_PLAIN, show_age(row, "age_s"));
		add(t, row, "snap");
		add(t, row, "packets");
		table_add(t, TEXT_PLAIN, show_bytes(row, "bytes"));
		add(t, row, "dropped_budget");
		add(t, row, "dropped_reader");
		add(t, row, "filter");
	}
	table_finish(t, "nothing is captured");
}
