/* SPDX-License-Identifier: MIT */
/* A line for each packet, in the manner of tcpdump -e; to look closer there are -w and
 * tcpdump or Wireshark. */
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/mac.h"
#include "capture.h"
#include "core/superframe.h"

#define MILLION 1000000
#define ETHERNET 14
#define IPV4_HEADER 20
#define IPV6_HEADER 40

static const struct {
	uint16_t number;
	const char *name;
} types[] = { { 0x0800, "IPv4" },	{ 0x0806, "ARP" },   { 0x86dd, "IPv6" },
	      { 0x8100, "802.1Q" },	{ 0x88a8, "802.1ad" }, { 0x88cc, "LLDP" },
	      { 0x8809, "Slow Protocols" }, { 0x888e, "EAPOL" } },
  protocols[] = { { 1, "ICMP" }, { 2, "IGMP" }, { 6, "TCP" },
		  { 17, "UDP" }, { 58, "ICMPv6" }, { 89, "OSPF" } };

static void print_time(uint64_t at)
{
	time_t seconds = (time_t)(at / MILLION);
	struct tm tm = { 0 };
	char text[16] = "";

	localtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%H:%M:%S", &tm);
	printf("%s.%06u", text, (unsigned)(at % MILLION));
}

static void print_end(const uint8_t *ip, size_t len, const uint8_t *port)
{
	struct addr a = { .family = len == 4 ? ADDR_IPV4 : ADDR_IPV6 };
	char text[ADDR_TEXT];

	memcpy(a.ip, ip, len);
	a.port = port ? be16_get(port) : 0;
	addr_format(&a, text);
	if (!port) /* without ":0" and brackets */
		*strrchr(text, len == 4 ? ':' : ']') = '\0';
	fputs(text + (!port && text[0] == '['), stdout);
}

/* The IP packet: who to whom, and what. */
static void print_ip(const uint8_t *p, size_t have, size_t len)
{
	bool four = have >= IPV4_HEADER && p[0] >> 4 == 4;
	bool six = have >= IPV6_HEADER && p[0] >> 4 == 6;
	size_t header = four ? (size_t)(p[0] & 15) * 4 : IPV6_HEADER, size = four ? 4 : 16;
	uint8_t protocol;
	const uint8_t *ends, *ports = NULL;

	if (!four && !six)
		return;
	protocol = p[four ? 9 : 6];
	ends = p + (four ? 12 : 8);
	if ((protocol == 6 || protocol == 17) && have >= header + 4 &&
	    !(four && be16_get(p + 6) & 0x1fff))
		ports = p + header;
	print_end(ends, size, ports);
	fputs(" > ", stdout);
	print_end(ends + size, size, ports ? ports + 2 : NULL);
	for (unsigned i = 0; i < COUNT_OF(protocols); i++) {
		if (protocols[i].number == protocol)
			printf(": %s", protocols[i].name);
	}
	printf(", length %zu", len);
}

static void print_ethernet(const struct captured *packet)
{
	struct superframe_layout layout;
	char source[MAC_TEXT], destination[MAC_TEXT];
	uint16_t type;

	if (!superframe_layout(packet->bytes, packet->have, &layout)) {
		printf("cut off, length %u", packet->len);
		return;
	}
	type = be16_get(packet->bytes + 12);
	printf("%s > %s, ", mac_format(mac_get(packet->bytes + 6), source),
	       mac_format(mac_get(packet->bytes), destination));
	for (unsigned i = 0; i < COUNT_OF(types); i++) {
		if (types[i].number == type)
			printf("%s ", types[i].name);
	}
	printf("(0x%04x), length %u", type, packet->len);
	if (layout.vlan)
		printf(": vlan %u", layout.vlan);
	if (!layout.ip)
		return;
	fputs(": ", stdout);
	print_ip(packet->bytes + layout.l3, packet->have - layout.l3, packet->len - layout.l3);
}

void capture_print(const struct captured *packet, bool ip)
{
	print_time(packet->at);
	fputs(packet->direction == CAPTURES_IN ? " in  " : " out ", stdout);
	if (ip)
		print_ip(packet->bytes, packet->have, packet->len);
	else
		print_ethernet(packet);
	putchar('\n');
}
