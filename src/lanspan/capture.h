/* SPDX-License-Identifier: MIT */
/* What the parts of `lanspan capture` share. */
#ifndef LANSPAN_CAPTURE_H
#define LANSPAN_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "app/captures.h"
#include "cli.h"

/* One packet, as the daemon's record has it. */
struct captured {
	uint32_t have, len; /* bytes at hand, bytes of the packet */
	uint64_t at;	    /* microseconds since the epoch */
	unsigned direction; /* CAPTURES_IN or CAPTURES_OUT */
	struct vnet vnet;
	uint8_t *bytes;
};

/* --- files, by libpcap --- */

struct capture_files {
	const char *path;     /* "-": standard output */
	bool ip;	      /* packets begin with an IP header, else with Ethernet */
	uint32_t snap;
	uint64_t most_bytes;  /* -C, or 0 */
	unsigned most_seconds; /* -G, or 0 */
	unsigned most_files;   /* -W, or 0 */
};

struct capture_file;

/* The first file.  NULL after telling why not. */
struct capture_file *capture_file_open(const struct capture_files *files);

/* Returns CLI_FAILED, after telling why, when it cannot be written; what was written before
 * stays whole. */
enum cli_status capture_file_write(struct capture_file *f, const struct captured *packet);

/* What was written so far is in the file, for others to read. */
enum cli_status capture_file_flush(struct capture_file *f);

/* As many files as were asked for are full, or nobody reads: nothing more is written. */
bool capture_file_done(const struct capture_file *f);

/* Why it is done, or could not be written: a word for the daemon (app/captures.h), or NULL. */
const char *capture_file_reason(const struct capture_file *f);

/* The word for an error of writing. */
const char *capture_error_word(int error);

enum cli_status capture_file_close(struct capture_file *f);

/* What stdio still holds goes nowhere: a pipe that is full would keep us for ever. */
void capture_let_go(FILE *stream);

/* --- what is asked for --- */

struct capture_wanted {
	const char *point, *name;
	const char *direction;
	char *expression; /* malloc'd, or NULL */
	char *program;	  /* the same */
	uint64_t packets; /* -c, or 0 */
	bool segments;
	struct capture_files files; /* path NULL: lines on standard output */
};

/* The caller frees expression and program, also when that fails, after telling why. */
enum cli_status capture_read_arguments(const struct cli *cli, struct capture_wanted *w);

/* --- a line for people --- */

void capture_print(const struct captured *packet, bool ip);

#endif
