/* SPDX-License-Identifier: MIT */
/* What the parts of the ports room share; for src/app/ports*.c, and
 * src/app/report_ports.c, which tells of them. */
#ifndef APP_PORTS_PARTS_H
#define APP_PORTS_PARTS_H

#include "app/attach.h"
#include "app/node_state.h"
#include "app/ports.h"
#include "app/qmp.h"
#include "core/underlay.h"
#include "host/labdgram.h"
#include "host/labstream.h"
#include "host/nic.h"
#include "host/offload.h"

#define PORTS_READS 4 /* batches of a turn of the loop */
#define PORTS_AGAIN SECONDS(1)

struct lab;

/*
 * One kind of wire.  Called by the main thread; write and read's callers are at the site,
 * the others not.  Members that are NULL do nothing.
 */
struct wire {
	/* 0, or -errno and what is wrong in lab->note. */
	int (*open)(struct lab *lab, struct instant now);
	void (*close)(struct lab *lab);
	int (*write)(struct lab *lab, const struct vnet *vnet, struct iovec *iov, size_t n);
	void (*flush)(struct lab *lab, struct instant now); /* after writes, and at lab->due */
	void (*look)(struct lab *lab, struct instant now);  /* the device may be another */
	bool (*link)(struct lab *lab);			    /* of an open one; NULL: always */
	void (*carrier)(struct lab *lab, bool on);
	void (*report)(struct lab *lab, json_t *object);
};

extern const struct wire ports_wire_dgram, ports_wire_stream, ports_wire_nic, ports_wire_tap;

/* A lab port. */
struct lab {
	struct ports *ports;
	struct conf_port conf;
	bool by_command;
	const struct wire *wire;
	struct port port;
	unsigned number; /* in the switch */
	bool open;
	bool running;	      /* the NIC's link, as of the last look */
	bool silent; /* what is amiss is not logged now */
	bool held;   /* an open TAP that leads back: has no carrier, and is not read */
	bool carrier_on;      /* the port's, as of this turn */
	bool told_carrier;    /* to the device */
	bool dirty;	      /* was written to in this turn */
	char note[PORTS_NOTE]; /* what is amiss, "" when nothing */
	struct instant again;  /* when to try to open it */
	struct instant due;    /* when the wire wants a flush */
	struct loop_source source;
	uint64_t reads, writes; /* system calls, where they are counted */
	struct qmp *qmp;
	union {
		struct labdgram dgram;
		struct labstream *stream;
		struct {
			struct nic nic;
			struct offload_merging merging; /* that was switched off */
			uint32_t merges; /* bits of it that were on at the last look */
		};
		struct attach attach;
	};
};

/* Frames that other workers than number 0 deliver: copied, in order. */
struct handoff {
	uint8_t *bytes;
	size_t used;
};

struct ports {
	struct node *node;
	struct lab *labs[PORTS_MAX];
	unsigned n;
	struct handoff full, empty; /* what is filled under the lock, what was written last */
	struct qmp *leaving[PORTS_MAX]; /* of ports that went */
	unsigned n_leaving;
	struct underlay underlay;   /* as of a second ago, while a NIC is open */
	uint8_t *scratch;	    /* SITE_HEADROOM + SUPERFRAME_MAX: a frame of a TAP */
};

/* --- frames that a wire brings: begin, any number, end --- */

struct instant ports_begin(struct lab *lab, struct instant now);
void ports_frame(struct lab *lab, uint8_t *bytes, size_t len, const struct vnet *vnet,
		 struct instant now);
void ports_end(struct lab *lab);

/* What is wrong, for people; logged when it is new. */
void ports_note(struct lab *lab, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Whether a port can be beside the others and the TAP, by what the configuration says of them;
 * else why. */
bool ports_fit(const struct ports *ports, const struct conf_port *conf, const struct conf *bridge,
	       char note[PORTS_NOTE]);

/* Whether reserved addresses pass, by its section or else by [bridge]. */
bool ports_reserved(const struct conf_port *conf, const struct conf *bridge);

/* Whether what goes out at the interface of this NIC or TAP comes in again; then why. */
bool ports_round(struct lab *lab, char why[PORTS_NOTE]);

/* Looks what the underlay is now. */
void ports_learn_underlay(struct ports *ports);

/* --- cards whose port goes, see ports_leave.c --- */

/* Takes over what tells its card, if it has one. */
void ports_leave(struct lab *lab, struct instant now);

/* Frees those that have left; when the next one will have. */
struct instant ports_leave_turn(struct ports *ports, struct instant now);

void ports_leave_free(struct ports *ports);

/* --- the handoff --- */

bool handoff_init(struct ports *ports);
void handoff_free(struct ports *ports);

/* At the site, in any worker: 0, or -EAGAIN when it is full. */
int handoff_put(struct ports *ports, unsigned number, const struct vnet *vnet,
		const struct iovec *iov, size_t n);

/* Writes all; the main thread's, not at the site. */
void handoff_drain(struct ports *ports, struct instant now);

#endif
