/* SPDX-License-Identifier: MIT */
/*
 * Hands UDP datagrams on between whoever sends to it first and another place, and lets
 * each Nth on its way there wait until the one after it has passed.  For 44-show.sh.
 *
 *   shuffle PORT ADDRESS PORT N
 *
 * SIGTERM ends it; it prints how many passed on the way there, and how many late.  IPv4.
 */
#include <arpa/inet.h>
#include <err.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM 65536
#define COUNT 2

static volatile sig_atomic_t over;

static void stop(int signal)
{
	(void)signal;
	over = 1;
}

static int bound(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		err(1, "port %d", port);
	return fd;
}

int main(int argc, char **argv)
{
	struct sockaddr_in far = { .sin_family = AF_INET }, near = { 0 };
	static char now[ROOM], late[ROOM];
	unsigned long passed = 0, waited = 0;
	socklen_t len = sizeof(near);
	struct pollfd fds[COUNT];
	ssize_t n, n_late = -1;
	int every;

	if (argc != 5 || inet_pton(AF_INET, argv[2], &far.sin_addr) != 1 ||
	    (every = atoi(argv[4])) < 2)
		errx(2, "usage: shuffle PORT ADDRESS PORT N");
	far.sin_port = htons((uint16_t)atoi(argv[3]));
	fds[0] = (struct pollfd){ .fd = bound(atoi(argv[1])), .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = bound(0), .events = POLLIN };
	sigaction(SIGTERM, &(struct sigaction){ .sa_handler = stop }, NULL);
	while (!over) {
		poll(fds, COUNT, -1);
		if (over)
			break;
		if (fds[1].revents && (n = recv(fds[1].fd, now, ROOM, MSG_DONTWAIT)) >= 0 &&
		    near.sin_port)
			sendto(fds[0].fd, now, (size_t)n, 0, (struct sockaddr *)&near,
			       sizeof(near));
		if (!fds[0].revents || (n = recvfrom(fds[0].fd, now, ROOM, MSG_DONTWAIT,
						     (struct sockaddr *)&near, &len)) < 0)
			continue;
		if (++passed % (unsigned)every == 0 && n_late < 0) {
			for (n_late = 0; n_late < n; n_late++)
				late[n_late] = now[n_late];
			waited++;
			continue;
		}
		sendto(fds[1].fd, now, (size_t)n, 0, (struct sockaddr *)&far, sizeof(far));
		if (n_late >= 0)
			sendto(fds[1].fd, late, (size_t)n_late, 0, (struct sockaddr *)&far,
			       sizeof(far));
		n_late = -1;
	}
	printf("%lu %lu\n", passed, waited);
	return 0;
}
