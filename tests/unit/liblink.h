/* SPDX-License-Identifier: MIT */
/* One direction of a session without its surroundings: a packer, the datagrams
 * that it made, and an unpacker that gets them in any order. */
#ifndef TESTS_LINK_H
#define TESTS_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/keys.h"
#include "core/outbox.h"
#include "core/pack.h"
#include "core/unpack.h"

#define LINK_DATAGRAMS 8192
#define LINK_FRAMES 16384

struct link_datagram {
	uint8_t *data;
	size_t len;
	unsigned run;
};

struct link_frame {
	uint8_t *data;
	size_t len;
	struct vnet vnet;
};

struct link_control {
	uint8_t type;
	uint8_t body[64];
	size_t len;
};

struct link {
	struct keys send, receive;
	struct keypair *send_key;
	struct outbox outbox;
	struct pack pack;
	struct unpack unpack;
	struct link_datagram datagrams[LINK_DATAGRAMS];
	size_t n_datagrams;
	unsigned runs;
	struct link_frame frames[LINK_FRAMES];
	size_t n_frames;
	struct link_control controls[64];
	size_t n_controls;
	struct drops drops;
};

/* Both ends of a session with one current key, datagrams of size bytes. */
struct link *link_new(uint16_t size);
void link_free(struct link *l);

/* Another key on both sides: current for the sender, the old one goes on for
 * the receiver. */
void link_rekey(struct link *l);

/* Closes the packer and sends what it made; then datagrams holds it. */
void link_flush(struct link *l);

/* Opens a copy of datagram i and unpacks it. */
void link_deliver(struct link *l, size_t i);

/* All, in order, as one batch. */
void link_deliver_all(struct link *l);

/* Forgets datagrams and frames so far. */
void link_forget(struct link *l);

/* Content of frame number n, len bytes. */
void link_fill(uint8_t *out, size_t len, unsigned n);

/* Packs frame number n, plain. */
void link_pack(struct link *l, unsigned n, size_t len);

/* True when received frame i is frame number n of len bytes. */
bool link_got(const struct link *l, size_t i, unsigned n, size_t len);

#endif
