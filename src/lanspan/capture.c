/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  The daemon sends copies through a queue of its own and never
 * waits; all that is slow is here.  At the end it is asked how many packets it had put
 * in by then, and how many it dropped; those that are still on their way are waited for.
 */
#include "capture.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "core/superframe.h"
#include "host/capture.h"

#define ROOM ((size_t)1 << 20) /* of many records; the largest is 65557 bytes and a header */
#define LOOK_UP 250	       /* ms, at least so often for a signal that came in between */
#define LAST_WAIT 1000	       /* ms without a packet, for those on their way */

struct reading {
	const struct capture_wanted *wanted;
	struct capture_file *file;
	int fd;
	uint64_t id;
	uint64_t records; /* came from the daemon */
	uint64_t packets; /* written */
	bool ended;	  /* the daemon did */
	bool unread;	  /* nobody reads standard output any more */
	const char *word; /* why lines cannot be written, or NULL */
	size_t first, used;
	uint8_t bytes[ROOM];
};

static volatile sig_atomic_t signals;

static void note_signal(int number)
{
	(void)number;
	signals = signals + 1;
}

/* ---- packets -------------------------------------------------------------------- */

/* How it went with lines on standard output. */
static enum cli_status check_lines(struct reading *r)
{
	if (!ferror(stdout))
		return CLI_DONE;
	r->word = capture_error_word(errno);
	if (errno != EPIPE && errno != EINTR)
		return cli_error(CLI_FAILED, "capture: cannot write, capture stopped: %m");
	r->unread = true;
	capture_let_go(stdout);
	clearerr(stdout);
	return CLI_DONE;
}

static enum cli_status give(struct reading *r, const struct captured *packet)
{
	if (r->wanted->packets && r->packets >= r->wanted->packets)
		return CLI_DONE;
	r->packets++;
	if (r->file)
		return capture_file_write(r->file, packet);
	capture_print(packet, r->wanted->files.ip);
	return check_lines(r);
}

/* Frames as a wire would have them: super-frames in segments, checksums complete. */
static enum cli_status give_segments(struct reading *r, struct captured *packet)
{
	struct superframe_layout layout;
	enum cli_status status = CLI_DONE;
	uint8_t segment[WIRE_FRAME_MAX];
	struct captured piece = *packet;
	struct superframe_cut cut;
	size_t len;

	if (packet->have < packet->len ||
	    !superframe_valid(packet->bytes, packet->len, packet->len, &packet->vnet, &layout))
		return give(r, packet);
	if (packet->vnet.gso_type == VNET_GSO_NONE) {
		superframe_checksum(packet->bytes, packet->len, &packet->vnet);
		return give(r, packet);
	}
	superframe_cut_begin(&cut, packet->bytes, packet->len, &packet->vnet, &layout, true);
	piece.bytes = segment;
	while (status == CLI_DONE &&
	       (len = superframe_cut_next(&cut, segment, sizeof(segment), &piece.vnet)) > 0) {
		piece.len = piece.have = (uint32_t)len;
		status = give(r, &piece);
	}
	return status;
}

/* False when the record is not whole yet. */
static bool next_record(struct reading *r, struct captured *packet)
{
	struct rd rd = rd_make(r->bytes + r->first, r->used - r->first);

	packet->have = rd_u32(&rd);
	packet->len = rd_u32(&rd);
	packet->at = rd_u64(&rd);
	packet->direction = rd_u8(&rd);
	packet->vnet.flags = rd_u8(&rd);
	packet->vnet.gso_type = rd_u8(&rd);
	rd_u8(&rd);
	packet->vnet.gso_size = rd_u16(&rd);
	packet->vnet.csum_start = rd_u16(&rd);
	packet->vnet.csum_offset = rd_u16(&rd);
	packet->vnet.hdr_len = rd_u16(&rd);
	if (!rd_ok(&rd) || !rd_bytes(&rd, packet->have))
		return false;
	packet->bytes = r->bytes + r->first + CAPTURES_HEADER;
	r->first += CAPTURES_HEADER + packet->have;
	return true;
}

static bool is_done(const struct reading *r)
{
	return r->unread || (r->wanted->packets && r->packets >= r->wanted->packets) ||
	       (r->file && capture_file_done(r->file));
}

static enum cli_status give_records(struct reading *r)
{
	enum cli_status status = CLI_DONE;
	struct captured packet;

	while (status == CLI_DONE && !is_done(r) && next_record(r, &packet)) {
		r->records++;
		status = r->wanted->segments ? give_segments(r, &packet) : give(r, &packet);
	}
	memmove(r->bytes, r->bytes + r->first, r->used - r->first);
	r->used -= r->first;
	r->first = 0;
	return status;
}

/* Nothing more is at hand: what came may be looked at. */
static enum cli_status flush(struct reading *r)
{
	if (r->file)
		return capture_file_flush(r->file);
	fflush(stdout);
	return check_lines(r);
}

/* Takes what comes within that time.  *quiet: nothing did. */
static enum cli_status read_some(struct reading *r, int ms, bool *quiet)
{
	struct pollfd ready = { .fd = r->fd, .events = POLLIN };
	enum cli_status status;
	ssize_t n;

	*quiet = poll(&ready, 1, ms) <= 0;
	if (*quiet)
		return CLI_DONE;
	n = recv(r->fd, r->bytes + r->used, ROOM - r->used, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return CLI_DONE;
	if (n <= 0) {
		r->ended = true;
		return CLI_DONE;
	}
	r->used += (size_t)n;
	status = give_records(r);
	return status == CLI_DONE ? flush(r) : status;
}

static enum cli_status read_all(struct reading *r)
{
	enum cli_status status = CLI_DONE;
	bool quiet;

	while (status == CLI_DONE && !signals && !r->ended && !is_done(r))
		status = read_some(r, LOOK_UP, &quiet);
	return status;
}

/* ---- the end -------------------------------------------------------------------- */

static uint64_t count_of(const json_t *object, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(object, name));
}

/* What the daemon has of this capture, or NULL when it has not any more. */
static json_t *ask_counts(const struct cli *cli, const struct reading *r)
{
	enum cli_status status;
	json_t *answer, *row, *found = NULL;
	size_t i;

	answer = daemon_ask(cli, json_pack("{ssss}", "verb", "show", "what", "captures"), &status);
	json_array_foreach(json_object_get(answer, "captures"), i, row)
	{
		if (count_of(row, "capture") == r->id)
			found = json_incref(row);
	}
	json_decref(answer);
	return found;
}

/* Packets that were on their way when it was told to end. */
static enum cli_status read_rest(struct reading *r, const json_t *counts)
{
	enum cli_status status = CLI_DONE;
	int told = signals;
	bool quiet = false;

	while (status == CLI_DONE && !quiet && !r->ended && !is_done(r) && signals == told &&
	       r->records < count_of(counts, "packets"))
		status = read_some(r, LAST_WAIT, &quiet);
	return status;
}

static void tell_counts(const struct reading *r, const json_t *counts)
{
	uint64_t budget = count_of(counts, "dropped_budget");
	uint64_t late = count_of(counts, "dropped_reader");

	fprintf(stderr, "%" PRIu64 " captured", r->packets);
	if (!counts)
		fprintf(stderr, ", it is not known how many were dropped\n");
	else if (budget + late == 0)
		fprintf(stderr, ", 0 dropped\n");
	else
		fprintf(stderr,
			", %" PRIu64 " dropped: %" PRIu64 " beyond what a capture may cost, "
			"%" PRIu64 " because they were not read in time\n",
			budget + late, budget, late);
}

/* Why it ends, as the daemon's event will have it. */
static void say_why(const struct reading *r)
{
	const char *word = r->word;

	if (!word && r->file)
		word = capture_file_reason(r->file);
	if (!word)
		word = signals ? "stopped" : "count";
	send(r->fd, word, strlen(word), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Why the daemon ended this capture, as its event has it; or NULL. */
static char *ask_reason(const struct cli *cli, uint64_t id)
{
	enum cli_status status;
	json_t *answer = daemon_ask(cli, json_pack("{ss}", "verb", "events"), &status), *event;
	char *reason = NULL;
	size_t i;

	json_array_foreach(json_object_get(answer, "events"), i, event)
	{
		const char *kind = json_string_value(json_object_get(event, "event"));

		if (!reason && kind && strcmp(kind, "capture-ended") == 0 &&
		    count_of(event, "capture") == id)
			reason = text_member(event, "reason");
	}
	json_decref(answer);
	return reason;
}

/* The daemon closed it. */
static enum cli_status tell_ended(const struct cli *cli, uint64_t id)
{
	char *reason;

	if (!daemon_answers(cli))
		return cli_error(CLI_FAILED, "capture: %s has ended", cli->instance);
	reason = ask_reason(cli, id);
	if (!reason || strcmp(reason, "stalled") == 0)
		cli_error(CLI_FAILED, "capture: %s ended it: nothing was read for too long",
			  cli->instance);
	else
		cli_error(CLI_FAILED, "capture: %s ended it: %s", cli->instance, reason);
	free(reason);
	return CLI_FAILED;
}

static enum cli_status finish(const struct cli *cli, struct reading *r, enum cli_status status)
{
	json_t *counts = r->ended ? NULL : ask_counts(cli, r);

	if (status == CLI_DONE && signals && counts)
		status = read_rest(r, counts);
	say_why(r);
	if (r->ended && status == CLI_DONE)
		status = tell_ended(cli, r->id);
	if (r->file && capture_file_close(r->file) != CLI_DONE)
		status = CLI_FAILED;
	tell_counts(r, counts);
	json_decref(counts);
	return status;
}

/* ---- all ------------------------------------------------------------------------- */

static json_t *request(const struct capture_wanted *w)
{
	json_t *object = json_pack("{ssss}", "verb", "capture", "point", w->point);

	if (w->name)
		json_object_set_new(object, "name", json_string(w->name));
	if (w->direction)
		json_object_set_new(object, "direction", json_string(w->direction));
	if (w->program)
		json_object_set_new(object, "program", json_string(w->program));
	if (w->expression)
		json_object_set_new(object, "filter", json_string(w->expression));
	/* Segments are cut here, out of whole frames. */
	json_object_set_new(object, "snap",
			    json_integer(w->segments ? CAPTURE_SNAP : w->files.snap));
	return object;
}

/* Without SA_RESTART: a pipe that is full does not keep us. */
static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = note_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

static enum cli_status capture(const struct cli *cli, struct reading *r)
{
	const struct capture_wanted *w = r->wanted;
	enum cli_status status = CLI_DONE;

	if (w->files.path && !(r->file = capture_file_open(&w->files)))
		return CLI_FAILED;
	fprintf(stderr, "capturing at %s%s%s of %s, link-type %s, at most %u bytes of each\n",
		w->point, w->name ? " " : "", w->name ? w->name : "", cli->instance,
		w->files.ip ? "RAW" : "EN10MB", w->files.snap);
	catch_signals();
	status = read_all(r);
	return finish(cli, r, status);
}

static enum cli_status begin(const struct cli *cli, const struct capture_wanted *w)
{
	struct reading *r = calloc(1, sizeof(*r));
	char instance[WIRE_NAME + 1];
	struct cli again = *cli;
	enum cli_status status = CLI_FAILED;
	json_t *answer;

	if (!r)
		return cli_error(CLI_FAILED, "memory is short");
	r->wanted = w;
	answer = daemon_open(cli, request(w), instance, &r->fd, &status);
	again.instance = instance;
	if (answer) {
		r->id = count_of(answer, "capture");
		status = capture(&again, r);
		close(r->fd);
	}
	json_decref(answer);
	free(r);
	return status;
}

enum cli_status verb_capture(const struct cli *cli)
{
	struct capture_wanted w = { 0 };
	enum cli_status status = capture_read_arguments(cli, &w);

	if (status == CLI_DONE)
		status = begin(cli, &w);
	free(w.expression);
	free(w.program);
	return status;
}
