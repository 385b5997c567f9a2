/* SPDX-License-Identifier: MIT */
/*
 * UDP sockets that send and receive in batches: sendmmsg with UDP_SEGMENT,
 * recvmmsg with UDP_GRO (udp(7)).  Never with IP fragmentation: the sockets set
 * IP_PMTUDISC_PROBE, so DF is on and the path's size is the caller's business.
 */
#ifndef HOST_UDP_H
#define HOST_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define UDP_BATCH 16		   /* messages per system call */
#define UDP_MESSAGE_MAX 65535	   /* bytes per received message */
#define UDP_SEND_MAX 65000	   /* bytes per sent message, all its segments */
#define UDP_SEND_SEGMENTS 64	   /* datagrams per sent message */

struct udp {
	int fd;
	struct addr local;    /* as bound: the port is known even if 0 was asked */
	bool gso;	      /* UDP_SEGMENT works; cleared when the kernel refuses it */
	int gso_error;	      /* the errno of that, or 0 */
	bool gro;	      /* UDP_GRO is on */
	int receive_buffer;   /* bytes obtained */
	uint64_t sent_calls, received_calls; /* system calls, also in vain */
	uint64_t sent_dropped; /* datagrams given up: buffer full, no route, ... */
	uint64_t gso_refused; /* batches that were sent one by one instead */
};

/* Opens, binds, sets buffers and offloads; non-blocking, close-on-exec.  IPv6
 * sockets are v6 only.  0, or -errno (EADDRINUSE, EADDRNOTAVAIL, ...). */
int udp_open(struct udp *udp, const struct addr *listen);
void udp_close(struct udp *udp);

/* Receives with UDP_GRO or without it. */
void udp_set_gro(struct udp *udp, bool on);

/* Another socket at the place of first: they share what comes in, in a group of
 * the order in which they were opened (SO_REUSEPORT), and have the same offloads.
 * A first one that is alone still keeps the place from others. */
int udp_open_beside(struct udp *udp, struct udp *first);

/* Steers what comes in to a group of n sockets: a datagram whose first byte is
 * kind goes to number (the byte at `at` modulo n), any other one to the first. 0
 * or -errno; without it the kernel chooses by a hash of addresses. */
int udp_steer(const struct udp *udp, unsigned n, uint8_t kind, unsigned at);

/* Memory that received messages lie in: UDP_BATCH slots, made once. */
struct udp_inbox;
struct udp_inbox *udp_inbox_new(void);
void udp_inbox_free(struct udp_inbox *inbox);

/* True when p lies in it. */
bool udp_inbox_holds(const struct udp_inbox *inbox, const void *p);

/* One received message: `len` bytes that are datagrams of `segment` bytes each
 * from the same sender, the last one possibly shorter. */
struct udp_received {
	uint8_t *data; /* in the inbox, writable, valid until the next udp_receive */
	size_t len;
	size_t segment; /* never 0; equals len without GRO, 1 of an empty datagram */
	struct addr from;
	struct addr local; /* that it came to; ADDR_NONE of a socket bound to one address */
};

/* Reads up to UDP_BATCH messages with one system call.  The number read, 0 when
 * there is nothing now, -errno on trouble (which is then cleared from the
 * socket; ICMP errors are not reported). */
int udp_receive(struct udp *udp, struct udp_inbox *inbox, struct udp_received out[UDP_BATCH]);

/* One message to send: `len` bytes cut into datagrams of `segment` bytes (the
 * last may be shorter); len <= UDP_SEND_MAX, at most UDP_SEND_SEGMENTS. */
struct udp_message {
	const uint8_t *data;
	size_t len;
	size_t segment;
	struct addr to;
	int error; /* out: 0 or the errno; EMSGSIZE: a datagram above the interface's MTU */
	struct addr from; /* ADDR_NONE: as the kernel chooses.  out: also when it was not to be
			   * sent from there, since that address is this host's no more */
};

/*
 * Sends n messages with as few calls as possible.  A batch that the kernel
 * refuses as a whole (EINVAL, EIO, EMSGSIZE with UDP_SEGMENT) is sent again one
 * datagram at a time, so a refusal loses no more than the datagrams that are
 * themselves too large.  EINVAL and EIO of a batch whose single datagrams all
 * went through clear `gso` (gso_refused counts, *gso_lost is set).  What cannot be
 * sent from its address leaves from the one that the kernel chooses.  Other errors
 * are tried a second time: ICMP leaves them on the socket for whoever comes
 * next.  A full socket buffer drops the rest (sent_dropped): the network's own
 * congestion signal.
 */
void udp_send(struct udp *udp, struct udp_message *messages, size_t n, bool *gso_lost);

/* MTU of the interface that packets to `to` leave by, as the kernel's routing says now; 0
 * when there is no route. */
unsigned udp_route_mtu(const struct addr *to);

/* The address that packets to `to` leave from where a socket is bound to none, with port 0.
 * False when there is no route. */
bool udp_route_source(const struct addr *to, struct addr *source);

#endif
