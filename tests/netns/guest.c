/* SPDX-License-Identifier: MIT */
/*
 * A guest without a virtual machine: a TAP in the namespace that this is started in, and
 * a wire as QEMU's netdevs have it in another one.  For the stories of lab ports.
 *
 *   guest [-v VLAN] [-n NETNS] TAP dgram LOCAL REMOTE     a frame a datagram
 *   guest [-v VLAN] [-n NETNS] TAP connect REMOTE         a frame behind its length
 *   guest [-v VLAN] [-n NETNS] TAP listen LOCAL
 *   guest [-n NETNS] - dgram LOCAL REMOTE                 an echo: no TAP, MACs swapped
 *   guest -p FILE - dgram LOCAL REMOTE                    sends the frames of a capture to
 *                                                         one address, and counts what an
 *                                                         echo sends back: "played N of N"
 *
 * LOCAL and REMOTE: unix:PATH, or an IPv4 ADDRESS:PORT.  -v: frames are tagged on the wire.
 * Says "ready" when the wire is there; ends when a stream does.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FRAME 65536
#define TAG 4

struct end {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_un un;
	} a;
	socklen_t len;
};

static bool streams;
static unsigned vlan;

static int open_tap(const char *name)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	snprintf(r.ifr_name, IFNAMSIZ, "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r) < 0)
		err(1, "%s", name);
	return fd;
}

static struct end parse(const char *text)
{
	struct end e = { .len = sizeof(e.a.in) };
	const char *colon = strrchr(text, ':');
	char host[64] = "";

	if (strncmp(text, "unix:", 5) == 0) {
		e.a.un.sun_family = AF_UNIX;
		snprintf(e.a.un.sun_path, sizeof(e.a.un.sun_path), "%s", text + 5);
		e.len = sizeof(e.a.un);
		return e;
	}
	if (!colon || colon - text >= (long)sizeof(host))
		errx(2, "%s: not an end", text);
	memcpy(host, text, (size_t)(colon - text));
	e.a.in.sin_family = AF_INET;
	e.a.in.sin_port = htons((uint16_t)atoi(colon + 1));
	if (inet_pton(AF_INET, host, &e.a.in.sin_addr) != 1)
		errx(2, "%s: not an address", host);
	return e;
}

static void enter(const char *netns)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		err(1, "%s", path);
	close(fd);
}

static void bind_to(int fd, const struct end *local)
{
	const int on = 1;

	if (local->a.any.sa_family == AF_UNIX)
		unlink(local->a.un.sun_path);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, &local->a.any, local->len) < 0)
		err(1, "bind");
}

static int open_dgram(const char *local_text, const char *remote_text)
{
	struct end local = parse(local_text), remote = parse(remote_text);
	int fd = socket(local.a.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int size = 4 << 20;

	bind_to(fd, &local);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	while (connect(fd, &remote.a.any, remote.len) < 0)
		usleep(20000); /* a path that is not there yet */
	return fd;
}

static int open_stream(bool listens, const char *text)
{
	struct end e = parse(text);
	int fd = socket(e.a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!listens) {
		while (connect(fd, &e.a.any, e.len) < 0)
			usleep(20000);
		return fd;
	}
	bind_to(fd, &e);
	if (listen(fd, 1) < 0)
		err(1, "listen");
	return accept(fd, NULL, NULL);
}

static void write_all(int fd, const uint8_t *bytes, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, bytes, n);

		if (done <= 0)
			exit(0);
		bytes += done;
		n -= (size_t)done;
	}
}

/* A frame that stands TAG bytes into the buffer. */
static void to_wire(int wire, uint8_t *buffer, size_t n)
{
	uint8_t *frame = buffer + TAG, length[4];

	if (vlan && n >= 14) {
		memmove(buffer, frame, 12);
		frame = buffer;
		frame[12] = 0x81;
		frame[13] = 0;
		frame[14] = (uint8_t)(vlan >> 8);
		frame[15] = (uint8_t)vlan;
		n += TAG;
	}
	if (!streams) {
		(void)!send(wire, frame, n, 0);
		return;
	}
	for (int i = 0; i < 4; i++)
		length[i] = (uint8_t)(n >> (24 - 8 * i));
	write_all(wire, length, 4);
	write_all(wire, frame, n);
}

static bool read_all(int fd, uint8_t *bytes, size_t n)
{
	while (n > 0) {
		ssize_t got = read(fd, bytes, n);

		if (got <= 0)
			return false;
		bytes += got;
		n -= (size_t)got;
	}
	return true;
}

/* A frame off the wire; 0: none, -1: the wire ended. */
static ssize_t from_wire(int wire, uint8_t *frame)
{
	uint8_t l[4];
	uint32_t n;

	if (!streams) {
		ssize_t got = recv(wire, frame, FRAME, 0);

		return got < 0 ? 0 : got;
	}
	if (!read_all(wire, l, 4))
		return -1;
	n = (uint32_t)l[0] << 24 | (uint32_t)l[1] << 16 | (uint32_t)l[2] << 8 | l[3];
	return n <= FRAME && read_all(wire, frame, n) ? (ssize_t)n : -1;
}

static void to_tap(int tap, uint8_t *frame, size_t n)
{
	if (vlan) {
		if (n < 18 || frame[12] != 0x81 || frame[13] != 0 ||
		    ((unsigned)(frame[14] & 15) << 8 | frame[15]) != vlan)
			return;
		memmove(frame + TAG, frame, 12);
		frame += TAG;
		n -= TAG;
	}
	(void)!write(tap, frame, n);
}

static void echo(int wire, uint8_t *buffer, size_t n)
{
	uint8_t mac[6], *frame = buffer + TAG;

	if (n < 14 || (frame[0] & 1))
		return;
	memcpy(mac, frame, 6);
	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, mac, 6);
	to_wire(wire, buffer, n);
}

static void carry(int tap, int wire)
{
	static uint8_t buffer[TAG + FRAME];
	struct pollfd p[2] = { { wire, POLLIN, 0 }, { tap, POLLIN, 0 } };
	ssize_t n;

	for (;;) {
		if (poll(p, 2, -1) < 0)
			err(1, "poll");
		if (p[0].revents) {
			n = from_wire(wire, buffer + TAG);
			if (n < 0)
				return;
			if (n > 0 && tap >= 0)
				to_tap(tap, buffer + TAG, (size_t)n);
			else if (n > 0)
				echo(wire, buffer, (size_t)n);
		}
		if (p[1].revents) {
			n = read(tap, buffer + TAG, FRAME);
			if (n > 0)
				to_wire(wire, buffer, (size_t)n);
		}
	}
}

static bool is_answer(const uint8_t *sent, const uint8_t *got, size_t n)
{
	return memcmp(sent, got + 6, 6) == 0 && memcmp(sent + 6, got, 6) == 0 &&
	       memcmp(sent + 12, got + 12, n - 12) == 0;
}

/* Frames one by one: each goes again until it is back, so that what is not up yet does
 * no harm. */
static void play(int wire, const char *name)
{
	static uint8_t frame[FRAME], back[FRAME];
	unsigned all = 0, came = 0;
	uint32_t head[6], record[4];
	FILE *f = fopen(name, "rb");

	if (!f || fread(head, 4, 6, f) != 6)
		err(1, "%s", name);
	while (fread(record, 4, 4, f) == 4 && record[2] <= FRAME) {
		struct pollfd p = { wire, POLLIN, 0 };

		if (fread(frame, 1, record[2], f) != record[2])
			errx(1, "%s: cut short", name);
		frame[0] = 0x02;
		all++;
		for (int tries = 0; tries < 50; tries++) {
			(void)!send(wire, frame, record[2], 0);
			if (poll(&p, 1, 100) == 1 &&
			    recv(wire, back, FRAME, 0) == (ssize_t)record[2] &&
			    is_answer(frame, back, record[2])) {
				came++;
				break;
			}
		}
	}
	fclose(f);
	printf("played %u of %u\n", came, all);
	exit(came != all);
}

static int open_wire(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[0], "dgram") == 0)
		return open_dgram(argv[1], argv[2]);
	streams = true;
	if (argc == 2 && strcmp(argv[0], "connect") == 0)
		return open_stream(false, argv[1]);
	if (argc == 2 && strcmp(argv[0], "listen") == 0)
		return open_stream(true, argv[1]);
	errx(2, "usage: guest [-v VLAN] [-n NETNS] TAP dgram LOCAL REMOTE|connect REMOTE|listen LOCAL");
}

int main(int argc, char **argv)
{
	const char *netns = NULL, *file = NULL;
	int c, tap, wire;

	while ((c = getopt(argc, argv, "+v:n:p:")) != -1) {
		if (c == 'v')
			vlan = (unsigned)atoi(optarg);
		else if (c == 'n')
			netns = optarg;
		else if (c == 'p')
			file = optarg;
	}
	if (optind + 2 > argc)
		errx(2, "too few arguments");
	tap = strcmp(argv[optind], "-") == 0 ? -1 : open_tap(argv[optind]);
	if (netns)
		enter(netns);
	wire = open_wire(argc - optind - 1, argv + optind + 1);
	if (wire < 0)
		err(1, "wire");
	if (file)
		play(wire, file);
	puts("ready");
	fflush(stdout);
	carry(tap, wire);
	return 0;
}
