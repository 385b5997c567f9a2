/* SPDX-License-Identifier: MIT */
/*
 * Sends the UDP datagrams of a capture again, in their order, reversed or
 * shuffled, whole or damaged, from the captured source address or another one.
 * For the stories 12-replay.sh and 18-damaged.sh.  Needs CAP_NET_RAW; IPv4.
 *
 *   replay [-n COUNT] [-r PACKETS/S] [-o order|reverse|shuffle] [-s SOURCE]
 *          [-m] [-S SEED] [-p PORT] [-k KINDS] -d DESTINATION FILE.pcap
 *
 * -k 12: only those whose first byte is 1 or 2.  -m damages every packet: cut short, bits flipped,
 * kind byte changed, bytes added, or all of it random.  Prints how many of the capture serve, and
 * how many were sent.  The UDP checksum is left out, as IPv4 allows.
 *
 * Built to build/netns/replay by make; a story builds its own where that is missing.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 32
#define PACKET_MAX 2048
#define HEADERS (sizeof(struct iphdr) + sizeof(struct udphdr))
#define PCAP_FILE 24
#define PCAP_RECORD 16

struct datagram {
	const uint8_t *payload;
	uint32_t source, destination; /* network order, as the ports */
	uint16_t sport, dport;
	uint16_t len;
};

struct options {
	const char *order;
	uint32_t source, destination; /* network order; source 0: as captured */
	const char *kinds;	      /* digits, or NULL for all */
	uint16_t port;		      /* host order; 0: any */
	unsigned long count;	      /* 0: each once */
	unsigned long rate;	      /* packets a second; 0: as fast as it goes */
	bool damage;
};

static uint64_t seed = 1;

static uint64_t next_random(void)
{
	uint64_t z = (seed += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static size_t below(size_t n)
{
	return n ? (size_t)(next_random() % n) : 0;
}

static uint8_t *read_file(const char *name, size_t *len)
{
	FILE *f = fopen(name, "rb");
	uint8_t *data;
	long size;

	if (!f || fseek(f, 0, SEEK_END) || (size = ftell(f)) < PCAP_FILE)
		err(1, "%s", name);
	rewind(f);
	data = malloc((size_t)size);
	if (!data || fread(data, 1, (size_t)size, f) != (size_t)size)
		err(1, "%s", name);
	fclose(f);
	if (memcmp(data, "\xd4\xc3\xb2\xa1", 4) != 0)
		errx(1, "%s: not a capture in this machine's byte order", name);
	*len = (size_t)size;
	return data;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* True when the frame is an unfragmented IPv4 UDP datagram that o asks for. */
static bool take(const uint8_t *frame, size_t len, const struct options *o, struct datagram *d)
{
	const uint8_t *ip = frame + 14, *udp;
	size_t ihl;

	if (len < 14 + HEADERS || get16(frame + 12) != 0x0800 || ip[9] != IPPROTO_UDP)
		return false;
	ihl = (size_t)(ip[0] & 15) * 4;
	udp = ip + ihl;
	if (get16(ip + 6) & 0x3fff || len < 14 + ihl + 8 || get16(udp + 4) < 8)
		return false;
	memcpy(&d->source, ip + 12, 4);
	memcpy(&d->destination, ip + 16, 4);
	memcpy(&d->sport, udp, 2);
	memcpy(&d->dport, udp + 2, 2);
	d->payload = udp + 8;
	d->len = (uint16_t)(get16(udp + 4) - 8);
	if (len < 14 + ihl + 8 + d->len || d->len > PACKET_MAX - HEADERS)
		return false;
	if (o->kinds && (d->len == 0 || !memchr(o->kinds, '0' + d->payload[0], strlen(o->kinds))))
		return false;
	return d->destination == o->destination && (!o->port || ntohs(d->dport) == o->port);
}

static struct datagram *collect(const uint8_t *data, size_t len, const struct options *o, size_t *n)
{
	size_t room = 1024, at = PCAP_FILE;
	struct datagram *all = malloc(room * sizeof(*all));
	uint32_t caplen;

	*n = 0;
	while (all && len - at >= PCAP_RECORD) {
		memcpy(&caplen, data + at + 8, 4);
		at += PCAP_RECORD;
		if (caplen > len - at)
			break;
		if (take(data + at, caplen, o, &all[*n]) && ++*n == room)
			all = realloc(all, (room *= 2) * sizeof(*all));
		at += caplen;
	}
	if (!all || !*n)
		errx(1, "no datagram that serves");
	return all;
}

static void arrange(struct datagram *all, size_t n, const char *order)
{
	struct datagram swap;
	size_t i, j;

	if (!strcmp(order, "order"))
		return;
	for (i = 0; i < (strcmp(order, "shuffle") ? n / 2 : n); i++) {
		j = strcmp(order, "shuffle") ? n - 1 - i : i + below(n - i);
		swap = all[i];
		all[i] = all[j];
		all[j] = swap;
	}
}

/* Never leaves the payload as it was, except by a chance of 2^-64. */
static size_t damage(uint8_t *p, size_t len, size_t room)
{
	size_t i, n;

	switch (below(5)) {
	case 0: /* cut short, to nothing at times */
		return below(len);
	case 1: /* one to eight bits, each at its own place */
		for (i = 0, n = 1 + below(8); i < n && len; i++)
			p[i * len / n + below(len / n)] ^= (uint8_t)(1 << below(8));
		return len;
	case 2: /* another kind */
		p[0] = (uint8_t)(p[0] + 1 + below(255));
		return len;
	case 3: /* longer */
		for (n = 1 + below(64); n && len < room; n--)
			p[len++] = (uint8_t)next_random();
		return len;
	default:
		n = 8 + below(room - 8);
		for (i = 1; i < n; i++) /* the kind byte stays, so that every gate is met */
			p[i] = (uint8_t)next_random();
		return n;
	}
}

/* The whole IP packet into out; its length. */
static size_t build(uint8_t *out, const struct datagram *d, const struct options *o)
{
	struct udphdr udp = { .source = d->sport, .dest = d->dport };
	struct iphdr ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP };
	size_t len = d->len;

	memcpy(out + HEADERS, d->payload, len);
	if (o->damage)
		len = damage(out + HEADERS, len, 1472);
	ip.tot_len = htons((uint16_t)(HEADERS + len));
	ip.saddr = o->source ? o->source : d->source;
	ip.daddr = d->destination;
	udp.len = htons((uint16_t)(sizeof(udp) + len));
	memcpy(out, &ip, sizeof(ip));
	memcpy(out + sizeof(ip), &udp, sizeof(udp));
	return HEADERS + len;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void pace(double begin, unsigned long sent, unsigned long rate)
{
	double ahead = rate ? (double)sent / (double)rate - (seconds() - begin) : 0;

	if (ahead > 0)
		nanosleep(&(struct timespec){ (time_t)ahead,
					      (long)((ahead - (double)(time_t)ahead) * 1e9) },
			  NULL);
}

static unsigned long send_all(int fd, const struct datagram *all, size_t n, const struct options *o)
{
	static uint8_t packet[BATCH][PACKET_MAX];
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = o->destination };
	unsigned long total = o->count ? o->count : n, sent = 0;
	struct mmsghdr message[BATCH];
	struct iovec iov[BATCH];
	double begin = seconds();
	int k, done, went;

	while (sent < total) {
		for (k = 0; k < BATCH && sent + (unsigned)k < total; k++) {
			iov[k].iov_base = packet[k];
			iov[k].iov_len = build(packet[k], &all[(sent + (unsigned)k) % n], o);
			message[k] = (struct mmsghdr){ .msg_hdr = { .msg_name = &to,
								    .msg_namelen = sizeof(to),
								    .msg_iov = &iov[k],
								    .msg_iovlen = 1 } };
		}
		for (done = 0; done < k; done += went) {
			went = sendmmsg(fd, message + done, (unsigned)(k - done), 0);
			if (went < 0 && errno != ENOBUFS && errno != EAGAIN)
				err(1, "sendmmsg");
			if (went < 0)
				went = 0;
		}
		sent += (unsigned)k;
		pace(begin, sent, o->rate);
	}
	return sent;
}

static uint32_t address(const char *text)
{
	struct in_addr a;

	if (inet_pton(AF_INET, text, &a) != 1)
		errx(2, "%s: no IPv4 address", text);
	return a.s_addr;
}

static struct options read_options(int argc, char **argv)
{
	struct options o = { .order = "order" };
	int c;

	while ((c = getopt(argc, argv, "n:r:o:s:mS:p:k:d:")) != -1) {
		switch (c) {
		case 'n':
			o.count = strtoul(optarg, NULL, 10);
			break;
		case 'r':
			o.rate = strtoul(optarg, NULL, 10);
			break;
		case 'o':
			o.order = optarg;
			break;
		case 's':
			o.source = address(optarg);
			break;
		case 'm':
			o.damage = true;
			break;
		case 'S':
			seed = strtoull(optarg, NULL, 10);
			break;
		case 'p':
			o.port = (uint16_t)strtoul(optarg, NULL, 10);
			break;
		case 'k':
			o.kinds = optarg;
			break;
		case 'd':
			o.destination = address(optarg);
			break;
		default:
			exit(2);
		}
	}
	if (!o.destination || optind != argc - 1)
		errx(2, "usage: replay [-n count] [-r rate] [-o order] [-s source] [-m] [-S seed] "
			"[-k kinds] "
			"[-p port] -d destination file");
	return o;
}

int main(int argc, char **argv)
{
	struct options o = read_options(argc, argv);
	struct datagram *all;
	unsigned long sent;
	uint8_t *file;
	size_t len, n;
	int fd;

	file = read_file(argv[optind], &len);
	all = collect(file, len, &o, &n);
	arrange(all, n, o.order);
	fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	if (fd < 0)
		err(1, "raw socket");
	sent = send_all(fd, all, n, &o);
	printf("captured %zu sent %lu\n", n, sent);
	close(fd);
	free(all);
	free(file);
	return 0;
}
