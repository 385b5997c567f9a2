/* SPDX-License-Identifier: MIT */
/*
 * A relay that is honest until it is told to do evil, for 40-hostile-relay.sh: the
 * core's relay, open to all, whose packets pass libevil.c on their way out.
 *
 *   hostile-relay KEYFILE ADDRESS:PORT
 *
 * Standard input: a line "EVIL [ADDRESS:PORT]" begins that evil, "none" ends it; the
 * place is the victim's.  Standard output: what came of it, as "EVIL: PACKETS BYTES".
 *
 * Built to build/netns/hostile-relay by make.
 */
#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/keyfile.h"
#include "libevil.h"

#define TICK MS(10)

static void send_runs(void *ctx, struct run **runs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		runs[i]->error = 0;
		evil_run(ctx, runs[i]);
	}
}

static void command(struct hostile *h, char *line)
{
	char *name = strtok(line, " \n"), *place = strtok(NULL, " \n");

	if (!name)
		return;
	if (place && !addr_parse(&h->victim, place, 0))
		errx(1, "%s: no ADDRESS:PORT", place);
	printf("%s: %ju %ju\n", evil_name(h->evil), (uintmax_t)h->done, (uintmax_t)h->bytes);
	for (unsigned i = 0; i < EVIL_COUNT; i++) {
		if (strcmp(name, evil_name((enum evil)i)) == 0) {
			evil_begin(h, (enum evil)i);
			fflush(stdout);
			return;
		}
	}
	errx(1, "%s: no such evil", name);
}

/* Lines come whole: each is written at once. */
static void read_commands(struct hostile *h)
{
	char text[1024], *rest = text, *line;
	ssize_t n = read(STDIN_FILENO, text, sizeof(text) - 1);

	if (n <= 0)
		exit(0);
	text[n] = '\0';
	while ((line = strsep(&rest, "\n")))
		command(h, line);
}

static void receive(struct hostile *h, struct udp_inbox *inbox)
{
	struct udp_received got[UDP_BATCH];
	int n = udp_receive(&h->udp, inbox, got);

	for (int i = 0; i < n; i++)
		relay_datagrams(h->relay, 0, &got[i].from, got[i].data, got[i].len, got[i].segment,
				h->now);
}

static void serve(struct hostile *h)
{
	struct udp_inbox *inbox = udp_inbox_new();
	struct instant tick = h->now;

	if (!inbox)
		errx(1, "memory is short");
	for (;;) {
		struct pollfd fds[] = { { .fd = h->udp.fd, .events = POLLIN },
					{ .fd = STDIN_FILENO, .events = POLLIN } };

		if (poll(fds, COUNT_OF(fds), (int)(TICK / 1000)) < 0)
			err(1, "poll");
		h->now = clock_now();
		if (fds[1].revents)
			read_commands(h);
		if (fds[0].revents)
			receive(h, inbox);
		if (instant_reached(h->now, relay_due(h->relay)))
			relay_tick(h->relay, h->now);
		relay_close(h->relay);
		if (instant_reached(h->now, tick)) {
			evil_tick(h);
			tick = instant_add(h->now, TICK);
		}
	}
}

int main(int argc, char **argv)
{
	static struct hostile h;
	struct relay_setup setup = { .name = "hostile",
				     .rand = rand_source_kernel(),
				     .max_members = 1000,
				     .open = true,
				     .timeout = SECONDS(60) };
	struct addr listen;
	char error[200];
	int failed;

	if (argc != 3 || !addr_parse(&listen, argv[2], 0))
		errx(2, "usage: hostile-relay KEYFILE ADDRESS:PORT");
	if (!keyfile_read(argv[1], setup.private_key, error, sizeof(error)))
		errx(1, "%s", error);
	failed = udp_open(&h.udp, &listen);
	if (failed)
		errx(1, "%s: %s", argv[2], strerror(-failed));
	h.rand = setup.rand;
	h.now = clock_now();
	h.relay = relay_new(&setup, send_runs, &h, h.now);
	if (!h.relay || !aead_init(&h.seal, CIPHER_AES_256_GCM, AEAD_SEAL) ||
	    !aead_init(&h.open, CIPHER_AES_256_GCM, AEAD_OPEN))
		errx(1, "memory is short");
	puts("ready");
	fflush(stdout);
	serve(&h);
}
