/* SPDX-License-Identifier: MIT */
/*
 * Captures of frames that no host here can send by itself, and captures as
 * text, for comparing.  For the stories 04-pcap.sh, 06-vlan.sh, 22-system-calls.sh,
 * 64-wire.sh, 65-unprivileged.sh.
 *
 *   frames make MTU >FILE   tagged, twice and thrice tagged, priority tagged frames,
 *                           EtherTypes of many kinds, of every length that matters
 *   frames full N >FILE     N frames of 1514 bytes to one station, of no protocol that
 *                           could be merged
 *   frames reserved >FILE   one to each reserved address, as LACP, LLDP, pause, EAPOL, PTP
 *                           and others are, and the largest that a wire takes
 *   frames list FILE        one line a frame: its length, its bytes in hex
 *
 * Built to build/netns/frames by make; a story builds its own where that is missing.
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_MAX 65540

struct tagging {
	uint16_t tag[8]; /* TPID, TCI, TPID, TCI, ... ends with 0 */
};

static const struct tagging taggings[] = {
	{ { 0 } },
	{ { 0x8100, 1 } },
	{ { 0x8100, 4094 } },
	{ { 0x8100, 0x6000 } },			/* priority tag: VLAN 0, priority 3 */
	{ { 0x8100, 0xf00a } },			/* priority 7, drop eligible, VLAN 10 */
	{ { 0x88a8, 100, 0x8100, 200 } },	/* QinQ */
	{ { 0x88a8, 0xb064, 0x8100, 0x50c8 } }, /* with priorities in both */
	{ { 0x8100, 7, 0x8100, 8 } },
	{ { 0x88a8, 1, 0x88a8, 2, 0x8100, 3 } },
	{ { 0x9100, 5 } }, /* an older TPID: a type like any other */
};

static const uint16_t types[] = { 0x0800, 0x86dd, 0x88b5, 0x8847, 0x22f0, 0x0026 };

static void put32(uint32_t v)
{
	fwrite(&v, 4, 1, stdout);
}

static size_t put_tags(uint8_t *frame, size_t at, const struct tagging *t)
{
	size_t i;

	for (i = 0; i < 8 && (i % 2 || t->tag[i]); i++) {
		frame[at++] = (uint8_t)(t->tag[i] >> 8);
		frame[at++] = (uint8_t)t->tag[i];
	}
	return at;
}

static void put_frame(const struct tagging *t, uint16_t type, size_t payload, unsigned n)
{
	static uint8_t frame[FRAME_MAX] = { 0x02, 0, 0, 0, 0x0b, 1, 0x02, 0, 0, 0, 0x0a, 1 };
	size_t at = put_tags(frame, 12, t), i;

	frame[0] = n % 3 ? 0x02 : 0x03; /* every third one to a group */
	frame[at++] = (uint8_t)(type >> 8);
	frame[at++] = (uint8_t)type;
	for (i = 0; i < payload; i++)
		frame[at + i] = (uint8_t)(n * 31 + i * 7);
	put32(1700000000 + n / 1000);
	put32(n % 1000 * 1000);
	put32((uint32_t)(at + payload));
	put32((uint32_t)(at + payload));
	fwrite(frame, 1, at + payload, stdout);
}

static void put_head(void)
{
	put32(0xa1b2c3d4);
	put32(2 | 4 << 16);
	put32(0);
	put32(0);
	put32(FRAME_MAX);
	put32(1);
}

/* What a port of that MTU takes: one 802.1Q tag beside the MTU, all others inside it. */
static void make(size_t mtu)
{
	const size_t lengths[] = { 0, 1, 46, 46 + 18, 500, 1200, 1398, 1399, 1400, 1452, mtu };
	size_t t, l, tags, inside, payload;
	unsigned n = 0;

	put_head();
	for (t = 0; t < sizeof(taggings) / sizeof(taggings[0]); t++) {
		for (tags = 0; tags < 4 && taggings[t].tag[tags * 2]; tags++)
			;
		inside = (tags - (taggings[t].tag[0] == 0x8100)) * 4;
		for (l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
			payload = lengths[l];
			if (tags && payload < 2) /* shorter, the kernel drops it itself */
				payload += 2;
			if (payload + inside > mtu)
				payload = mtu - inside;
			put_frame(&taggings[t], types[n % 6], payload, n);
			n++;
		}
	}
}

static void full(unsigned n)
{
	unsigned i;

	put_head();
	for (i = 0; i < n; i++)
		put_frame(&taggings[0], 0x88b5, 1500, i * 3 + 1);
}

static void put_reserved(uint8_t last, uint16_t type, size_t len)
{
	static uint8_t frame[FRAME_MAX] = { 0x01, 0x80, 0xc2, 0, 0, 0, 0x02, 0, 0, 0, 0x0a, 1 };
	size_t i;

	frame[5] = last;
	frame[12] = (uint8_t)(type >> 8);
	frame[13] = (uint8_t)type;
	for (i = 14; i < len; i++)
		frame[i] = (uint8_t)(last + i);
	put32(1700000000);
	put32(0);
	put32((uint32_t)len);
	put32((uint32_t)len);
	fwrite(frame, 1, len, stdout);
}

static void reserved(void)
{
	/* spanning tree, pause, slow protocols, EAPOL, PTP, LLDP, MVRP */
	static const uint16_t of[16] = { 0x0026, 0x8808, 0x8809, 0x888e, 0, 0,	   0, 0,
					 0,	 0,	 0,	 0,	 0, 0x88f5, 0x88cc, 0x88f7 };
	uint8_t i;

	put_head();
	for (i = 0; i < 16; i++) {
		put_reserved(i, of[i] ? of[i] : 0x88b5, 60);
		put_reserved(i, of[i] ? of[i] : 0x88b5, 9014);
	}
}

static void list(const char *name)
{
	static uint8_t frame[FRAME_MAX];
	uint32_t head[6], record[4], i;
	FILE *f = fopen(name, "rb");

	if (!f || fread(head, 4, 6, f) != 6)
		err(1, "%s", name);
	if (head[0] != 0xa1b2c3d4 && head[0] != 0xa1b23c4d)
		errx(1, "%s: not a capture in this machine's byte order", name);
	while (fread(record, 4, 4, f) == 4) {
		if (record[2] > FRAME_MAX || fread(frame, 1, record[2], f) != record[2])
			errx(1, "%s: cut short", name);
		printf("%u ", record[3]);
		for (i = 0; i < record[2]; i++)
			printf("%02x", frame[i]);
		putchar('\n');
	}
	fclose(f);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "make"))
		make(strtoul(argv[2], NULL, 10));
	else if (argc == 3 && !strcmp(argv[1], "full"))
		full((unsigned)strtoul(argv[2], NULL, 10));
	else if (argc == 2 && !strcmp(argv[1], "reserved"))
		reserved();
	else if (argc == 3 && !strcmp(argv[1], "list"))
		list(argv[2]);
	else
		errx(2, "usage: frames make MTU | frames full N | frames reserved | frames list FILE");
	return ferror(stdout) ? 1 : 0;
}
