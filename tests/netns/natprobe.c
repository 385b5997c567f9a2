/* SPDX-License-Identifier: MIT */
/*
 * What an address translator does to UDP, asked from behind it.  For lib-nat.sh and
 * the story 31-nat-stage.sh.
 *
 *   natprobe echo ADDRESS:PORT...
 *       Answers every datagram with the address it came from, on request from
 *       another one of the addresses, which are counted from 0.
 *       Says "listening" on standard error when it does; ends at SIGTERM.
 *
 *   natprobe [-p PORT] [-w SECONDS] ask ADDRESS:PORT[/N]...
 *       From one socket asks each in turn, N: to be answered from the Nth address of that
 *       echo.  A line each: the address that was seen there, or "-".
 *
 *   natprobe [-p PORT] [-w SECONDS] punch ADDRESS:PORT...
 *       Sends to all of them every 50 ms, and to whom it hears from.  Prints from whom
 *       an answer to its own came first, or "-".
 *
 * An IPv6 address stands in brackets.  PORT is 7741, SECONDS 1 unless told.
 *
 * Built to build/netns/natprobe by make; a story builds its own where that is missing.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PLACES 8
#define TEXT 64
#define STEP 50 /* ms between the packets of punch, and of ask's repetitions */

struct place {
	struct sockaddr_storage addr;
	socklen_t len;
	int from; /* that the answer is wanted from, or -1 */
};

static struct place read_place(const char *text)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
					.ai_socktype = SOCK_DGRAM };
	char copy[TEXT], *host = copy, *port, *slash;
	struct place p = { .from = -1 };
	struct addrinfo *info;

	snprintf(copy, sizeof(copy), "%s", text);
	slash = strchr(copy, '/');
	if (slash) {
		*slash = '\0';
		p.from = atoi(slash + 1);
	}
	port = strrchr(copy, ':');
	if (!port)
		errx(2, "%s: no port", text);
	*port++ = '\0';
	if (*host == '[') {
		host[strlen(host) - 1] = '\0';
		host++;
	}
	if (getaddrinfo(host, port, &hints, &info))
		errx(2, "%s: no address", text);
	memcpy(&p.addr, info->ai_addr, info->ai_addrlen);
	p.len = info->ai_addrlen;
	freeaddrinfo(info);
	return p;
}

static void tell_place(const struct place *p, char text[TEXT])
{
	char host[INET6_ADDRSTRLEN], port[8];

	if (getnameinfo((const struct sockaddr *)&p->addr, p->len, host, sizeof(host), port,
			sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
		errx(1, "getnameinfo");
	snprintf(text, TEXT, p->addr.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static int open_socket(const struct place *at)
{
	int fd = socket(at->addr.ss_family, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&at->addr, at->len))
		err(1, "bind");
	return fd;
}

static int open_port(int family, const char *port)
{
	char text[TEXT];
	struct place at;

	snprintf(text, sizeof(text), family == AF_INET6 ? "[::]:%s" : "0.0.0.0:%s", port);
	at = read_place(text);
	return open_socket(&at);
}

/* Errors are an answer too: of ICMP, which is not what is asked here. */
static void send_to(int fd, const struct place *to, const char *text)
{
	sendto(fd, text, strlen(text), 0, (const struct sockaddr *)&to->addr, to->len);
}

static bool receive(int fd, struct place *from, char text[TEXT])
{
	ssize_t n;

	from->len = sizeof(from->addr);
	n = recvfrom(fd, text, TEXT - 1, MSG_DONTWAIT, (struct sockaddr *)&from->addr, &from->len);
	text[n < 0 ? 0 : n] = '\0';
	return n >= 0;
}

static bool same(const struct place *a, const struct place *b)
{
	char x[TEXT], y[TEXT];

	tell_place(a, x);
	tell_place(b, y);
	return !strcmp(x, y);
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The question is a digit or q and a token, the answer the address and the token. */
static void answer(const struct pollfd *sockets, int n, int i)
{
	char text[TEXT], seen[TEXT], said[2 * TEXT];
	struct place from;

	if (!receive(sockets[i].fd, &from, text))
		return;
	if (text[0] >= '0' && text[0] < '0' + n)
		i = text[0] - '0';
	tell_place(&from, seen);
	snprintf(said, sizeof(said), "%s %s", seen, text[0] ? text + 1 : "");
	send_to(sockets[i].fd, &from, said);
}

static void echo(const struct place *places, int n)
{
	struct pollfd wait[PLACES];
	int i;

	for (i = 0; i < n; i++)
		wait[i] = (struct pollfd){ .fd = open_socket(&places[i]), .events = POLLIN };
	fputs("listening\n", stderr);
	for (;;) {
		if (poll(wait, (nfds_t)n, -1) < 0)
			err(1, "poll");
		for (i = 0; i < n; i++)
			answer(wait, n, i);
	}
}

/* Asks again every STEP until an answer with this token comes or the time is over. */
static void ask(int fd, const struct place *to, int token, long wait_ms)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	long end = now_ms() + wait_ms;
	char question[TEXT], text[TEXT], *space;
	struct place from;

	snprintf(question, sizeof(question), "%c%d", to->from < 0 ? 'q' : '0' + to->from, token);
	while (now_ms() < end) {
		send_to(fd, to, question);
		poll(&wait, 1, STEP);
		while (receive(fd, &from, text)) {
			space = strchr(text, ' ');
			if (!space || atoi(space + 1) != token)
				continue;
			printf("%.*s\n", (int)(space - text), text);
			return;
		}
	}
	puts("-");
}

struct punch {
	struct place places[PLACES];
	int n;
	char open[TEXT]; /* who answered first, or "-" */
};

static void heard(struct punch *p, int fd, const struct place *from, const char *text)
{
	int i;

	if (!strcmp(text, "open") && p->open[0] == '-')
		tell_place(from, p->open);
	if (!strcmp(text, "punch"))
		send_to(fd, from, "open");
	for (i = 0; i < p->n && !same(&p->places[i], from); i++)
		;
	if (i == p->n && p->n < PLACES)
		p->places[p->n++] = *from;
}

/* Who has its answer goes on until the time is over, for the other one may not. */
static void punch(struct punch *p, int fd, long wait_ms)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	long end = now_ms() + wait_ms, next;
	struct place from;
	char text[TEXT];
	int i;

	while (now_ms() < end) {
		for (i = 0; i < p->n; i++)
			send_to(fd, &p->places[i], "punch");
		next = now_ms() + STEP;
		while (now_ms() < next && poll(&wait, 1, (int)(next - now_ms())) > 0) {
			if (receive(fd, &from, text))
				heard(p, fd, &from, text);
		}
	}
	puts(p->open);
}

int main(int argc, char **argv)
{
	struct punch p = { .open = "-" };
	const char *port = "7741";
	int fd, i, o;
	long wait_ms = 1000;

	while ((o = getopt(argc, argv, "p:w:")) != -1) {
		if (o == 'p')
			port = optarg;
		else if (o == 'w')
			wait_ms = (long)(atof(optarg) * 1000);
		else
			exit(2);
	}
	p.n = argc - optind - 1;
	if (p.n < 1 || p.n > PLACES)
		errx(2, "usage: natprobe [-p PORT] [-w SECONDS] echo|ask|punch ADDRESS:PORT...");
	for (i = 0; i < p.n; i++)
		p.places[i] = read_place(argv[optind + 1 + i]);
	if (!strcmp(argv[optind], "echo"))
		echo(p.places, p.n);
	fd = open_port(p.places[0].addr.ss_family, port);
	if (!strcmp(argv[optind], "punch"))
		punch(&p, fd, wait_ms);
	for (i = 0; i < p.n && !strcmp(argv[optind], "ask"); i++) {
		ask(fd, &p.places[i], i, wait_ms);
		fflush(stdout);
	}
	return 0;
}
