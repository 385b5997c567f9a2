/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "cli.h"

#define COLUMNS 14

struct cell {
	char *text;
	enum text_colour colour;
};

/* Rows are filled from left to right; the first holds the titles. */
struct table {
	bool right[COLUMNS];
	size_t columns;
	struct cell *cells;
	size_t n;
};

struct table *table_new(const char *titles)
{
	struct table *table = calloc(1, sizeof(*table));
	char *copy = strdup(titles), *rest = copy, *title;

	if (!table || !copy)
		log_die(CLI_FAILED, "memory is short");
	while ((title = strsep(&rest, "|"))) {
		table->right[table->columns++] = *title == '>';
		table_add(table, TEXT_BOLD, strdup(title + (*title == '>')));
	}
	free(copy);
	return table;
}

void table_add(struct table *table, enum text_colour colour, char *text)
{
	struct cell *cells = realloc(table->cells, (table->n + 1) * sizeof(*cells));

	if (!cells || !text)
		log_die(CLI_FAILED, "memory is short");
	table->cells = cells;
	cells[table->n++] = (struct cell){ text, colour };
}

static void print_row(const struct table *table, const struct cell *row, const size_t *width)
{
	int gap;

	for (size_t c = 0; c < table->columns; c++) {
		gap = (int)(width[c] - strlen(row[c].text));
		if (c > 0)
			fputs("  ", stdout);
		if (table->right[c])
			printf("%*s", gap, "");
		text_print(row[c].colour, row[c].text);
		if (!table->right[c] && c + 1 < table->columns)
			printf("%*s", gap, "");
	}
	putchar('\n');
}

void table_finish(struct table *table, const char *nothing)
{
	size_t width[COLUMNS] = { 0 };

	for (size_t i = 0; i < table->n; i++)
		width[i % table->columns] =
			MAX(width[i % table->columns], strlen(table->cells[i].text));
	if (table->n == table->columns)
		puts(nothing);
	else
		for (size_t i = 0; i < table->n; i += table->columns)
			print_row(table, &table->cells[i], width);
	for (size_t i = 0; i < table->n; i++)
		free(table->cells[i].text);
	free(table->cells);
	free(table);
}
