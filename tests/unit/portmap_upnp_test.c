/* SPDX-License-Identifier: MIT */
/* A router on loopback that speaks UPnP, and badly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/portmap.h"
#include "lib/own_netns.h"

#define HTTP_PORT 8099
#define PIECE 65536

/* Answers searches with the address of its description, and requests with `body`,
 * which is repeated for ever if it is endless. */
struct device {
	pthread_t thread;
	int search_fd, http_fd, stop[2];
	const char *host; /* in the description's address */
	const char *body;
	bool endless;
	atomic_uint searched, asked;
};

static struct device device;
static struct loop loop;
static struct portmap *portmap;
static struct portmap_report report;

static int listen_at(int type, uint16_t port)
{
	const struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	const int on = 1;
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_return_code(fd, errno);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_return_code(bind(fd, (const void *)&at, sizeof(at)), errno);
	return fd;
}

static void answer_search(struct device *d)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char text[512];
	ssize_t n = recvfrom(d->search_fd, text, sizeof(text), 0, (void *)&from, &len);

	if (n <= 0)
		return;
	d->searched++;
	snprintf(text, sizeof(text),
		 "HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
		 "USN: uuid:1\r\nLOCATION: http://%s:%d/d.xml\r\n\r\n",
		 d->host, HTTP_PORT);
	sendto(d->search_fd, text, strlen(text), 0, (void *)&from, len);
}

static void answer_request(struct device *d)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n";
	int fd = accept(d->http_fd, NULL, NULL);
	char piece[PIECE];

	if (fd < 0)
		return;
	d->asked++;
	if (recv(fd, piece, sizeof(piece), 0) > 0 &&
	    send(fd, head, sizeof(head) - 1, MSG_NOSIGNAL) > 0 &&
	    send(fd, d->body, strlen(d->body), MSG_NOSIGNAL) > 0) {
		memset(piece, 'x', sizeof(piece));
		while (d->endless && send(fd, piece, sizeof(piece), MSG_NOSIGNAL) > 0)
			;
	}
	close(fd);
}

static void *device_main(void *arg)
{
	struct device *d = arg;

	for (;;) {
		struct pollfd fds[] = { { .fd = d->stop[0], .events = POLLIN },
					{ .fd = d->search_fd, .events = POLLIN },
					{ .fd = d->http_fd, .events = POLLIN } };

		if (poll(fds, 3, -1) < 0 || fds[0].revents)
			return NULL;
		if (fds[1].revents)
			answer_search(d);
		if (fds[2].revents)
			answer_request(d);
	}
}

static void device_start(const char *host, const char *body, bool endless)
{
	const struct ip_mreq group = { .imr_multiaddr.s_addr = htonl(0xeffffffau),
				       .imr_interface.s_addr = htonl(INADDR_LOOPBACK) };

	device.host = host;
	device.body = body;
	device.endless = endless;
	device.searched = device.asked = 0;
	device.search_fd = listen_at(SOCK_DGRAM, 1900);
	device.http_fd = listen_at(SOCK_STREAM, HTTP_PORT);
	assert_return_code(setsockopt(device.search_fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group,
				      sizeof(group)), errno);
	assert_return_code(listen(device.http_fd, 4), errno);
	assert_return_code(pipe(device.stop), errno);
	assert_int_equal(pthread_create(&device.thread, NULL, device_main, &device), 0);
}

static void changed(void *ctx, const struct portmap_report *new)
{
	(void)ctx;
	report = *new;
}

static int begin(void **state)
{
	(void)state;
	if (!own_netns_enter())
		skip();
	memset(&report, 0, sizeof(report));
	assert_int_equal(loop_init(&loop), 0);
	portmap = portmap_new(&loop, changed, NULL);
	assert_non_null(portmap);
	return 0;
}

static int end(void **state)
{
	(void)state;
	portmap_free(portmap);
	assert_int_equal(write(device.stop[1], "", 1), 1);
	pthread_join(device.thread, NULL);
	close(device.stop[0]);
	close(device.stop[1]);
	close(device.search_fd);
	close(device.http_fd);
	loop_free(&loop);
	return 0;
}

/* NAT-PMP is refused, so UPnP is tried; turns until that failed, 20 s at most. */
static void ask_in_vain(void)
{
	const struct portmap_wish wish = {
		.router = { .family = ADDR_IPV4, .ip = { 127, 0, 0, 1 } },
		.local = { .family = ADDR_IPV4, .ip = { 127, 0, 0, 1 } },
		.n = 1,
		.ports = { 7741 },
		.n_seen = 1,
		.seen = { { .family = ADDR_IPV4, .ip = { 203, 0, 113, 5 } } },
	};
	struct instant late = instant_add(clock_now(), SECONDS(20));

	portmap_ask(portmap, &wish);
	while (report.asking || !strstr(report.error, "upnp: ")) {
		assert_true(instant_before(clock_now(), late));
		assert_int_equal(loop_turn(&loop, instant_add(clock_now(), MS(20))), 0);
	}
	assert_int_equal(report.by, PORTMAP_NOBODY);
	assert_true(device.searched > 0);
}

static void another_host_is_not_asked(void **state)
{
	(void)state;
	device_start("127.0.0.2", "", false);
	ask_in_vain();
	assert_int_equal(device.asked, 0);
	assert_non_null(strstr(report.error, "upnp: the router does not speak it"));
}

static void control_at_another_host_is_not_used(void **state)
{
	(void)state;
	device_start("127.0.0.1",
		     "<root><URLBase>http://127.0.0.2:8099</URLBase><device><serviceList><service>"
		     "<serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>"
		     "<controlURL>/c</controlURL><eventSubURL>/e</eventSubURL><SCPDURL>/s</SCPDURL>"
		     "</service></serviceList></device></root>", false);
	ask_in_vain();
	assert_int_equal(device.asked, 1); /* for the description alone */
}

static void too_much_is_not_kept(void **state)
{
	struct rusage before, after;

	(void)state;
	device_start("127.0.0.1", "<root>", true);
	getrusage(RUSAGE_SELF, &before);
	ask_in_vain();
	getrusage(RUSAGE_SELF, &after);
	assert_int_equal(device.asked, 1);
	assert_in_range(after.ru_maxrss - before.ru_maxrss, 0, 16 << 10); /* KiB */
	getrusage(RUSAGE_CHILDREN, &after);
	assert_in_range(after.ru_maxrss, 1, before.ru_maxrss + (96 << 10));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(another_host_is_not_asked, begin, end),
		cmocka_unit_test_setup_teardown(control_at_another_host_is_not_used, begin, end),
		cmocka_unit_test_setup_teardown(too_much_is_not_kept, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
