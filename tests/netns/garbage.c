/* SPDX-License-Identifier: MIT */
/*
 * Sends datagrams that nobody asked for, of each first byte and many lengths, the
 * rest of them repeatable noise, and waits for answers.  For the story 30-relay.sh.
 *
 *   garbage ADDRESS PORT
 *
 * Prints how many were sent, how many answers came, and how many of those were
 * longer than what was sent before.
 *
 * Built to build/netns/garbage by make; a story builds its own where that is missing.
 */
#include <err.h>
#include <netdb.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define PACKET_MAX 1472
#define BURST 64       /* that the far end's socket has room for */
#define PATIENCE_MS 10 /* times PATIENCE, as in all stories */

static uint64_t seed = 1;

static uint8_t noise(void)
{
	uint64_t z = (seed += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	return (uint8_t)(z >> 56);
}

static int connect_to(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM }, *found;
	int error = getaddrinfo(host, port, &hints, &found);
	int fd;

	if (error)
		errx(1, "%s: %s", host, gai_strerror(error));
	fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0)
		err(1, "%s", host);
	freeaddrinfo(found);
	return fd;
}

static int patience(void)
{
	const char *factor = getenv("PATIENCE");

	return PATIENCE_MS * (factor && atoi(factor) > 0 ? atoi(factor) : 1);
}

static void take_answers(int fd, size_t len, unsigned *answers, unsigned *longer)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	uint8_t packet[65536];
	ssize_t n;

	while (poll(&ready, 1, patience()) > 0) {
		n = recv(fd, packet, sizeof(packet), 0);
		if (n < 0)
			err(1, "recv"); /* ECONNREFUSED: nobody is there */
		++*answers;
		if ((size_t)n > len)
			++*longer;
	}
}

/* One of each first byte; zeroes follow it, which some kinds demand. */
static unsigned send_all(int fd, size_t len, unsigned *answers, unsigned *longer)
{
	uint8_t packet[PACKET_MAX] = { 0 };
	unsigned sent = 0;

	for (unsigned kind = 0; kind < 256; kind++) {
		for (size_t i = 0; i < len; i++)
			packet[i] = i == 0 ? (uint8_t)kind : i < 4 ? 0 : noise();
		if (send(fd, packet, len, 0) < 0)
			err(1, "send");
		sent++;
		if (len == 0)
			break;
		if (sent % BURST == 0)
			take_answers(fd, len, answers, longer);
	}
	take_answers(fd, len, answers, longer);
	return sent;
}

int main(int argc, char **argv)
{
	/* Around the lengths that packets of some kind have. */
	static const size_t lengths[] = { 0,   1,   2,	  3,	4,    7,   8,	15,  16,  23,
					  24,  31,  32,	  33,	34,   39,  40,	41,  59,  60,
					  63,  64,  73,	  74,	75,   76,  77,	95,  96,  123,
					  124, 163, 164,  165,	200,  251, 252, 267, 268, 269,
					  299, 300, 1000, 1200, 1471, 1472 };
	unsigned sent = 0, answers = 0, longer = 0;
	int fd;

	if (argc != 3)
		errx(2, "usage: garbage ADDRESS PORT");
	fd = connect_to(argv[1], argv[2]);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		sent += send_all(fd, lengths[i], &answers, &longer);
	printf("%u %u %u\n", sent, answers, longer);
	return 0;
}
