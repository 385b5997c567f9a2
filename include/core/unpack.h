/* SPDX-License-Identifier: MIT */
/*
 * Datagrams back into frames, for one peer: walks the records of each opened
 * datagram, joins what was cut, and rebuilds super-frames from neighbouring
 * pieces.  Only authentic plaintext comes here, yet no length in it is trusted:
 * a peer may be broken.
 */
#ifndef CORE_UNPACK_H
#define CORE_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/drop.h"
#include "core/superframe.h"
#include "core/vnet.h"
#include "core/wire.h"

#define UNPACK_JOINS 16 /* records that wait for their other part: one of each lane */
#define UNPACK_STASH 8	/* parts that came before what they continue */
#define UNPACK_PIECES 120 /* of one rebuilt super-frame */
#define UNPACK_RECORD (WIRE_FRAME_MAX + WIRE_RECORD_HEADER + 4)

/* A frame in pieces, handed out.  iov[0] is the receiver's to use (a vnet
 * header); iov[1] holds at least all headers, in one piece, writable. */
struct frame {
	struct vnet vnet;
	size_t len; /* without iov[0] */
	unsigned n; /* entries of iov, at least 2 */
	struct iovec *iov;
};

struct unpack_sink {
	void (*frame)(void *ctx, struct frame *frame);
	void (*control)(void *ctx, uint8_t type, const uint8_t *body, size_t len);
	void (*drop)(void *ctx, enum drop reason);
	void *ctx;
};

/* A record being joined: it goes on in the datagram `next` of `key`. */
struct unpack_join {
	bool open;
	uint32_t key; /* local index of the session: counters are per key */
	uint64_t next;
	uint32_t have, need;
	uint64_t age; /* when it was begun, in datagrams */
	uint8_t *bytes; /* UNPACK_RECORD */
};

/* The continuation part of a datagram, kept. */
struct unpack_part {
	bool used;
	bool whole; /* the part was the whole plaintext: the record may go on */
	uint32_t key;
	uint64_t counter;
	uint32_t len;
	uint64_t age;
	uint8_t *bytes; /* UNPACK_RECORD */
};

/* A super-frame being rebuilt out of pieces that lie in the receive buffers. */
struct unpack_super {
	bool open;
	bool kept; /* it was open when the last round ended */
	uint16_t id;
	uint16_t header_len;
	size_t first;	/* offset of the first piece held */
	size_t next;	/* offset that would go on */
	size_t total;
	struct vnet vnet;
	unsigned n;
	struct iovec iov[UNPACK_PIECES + 2];
};

struct unpack {
	struct unpack_sink sink;
	uint64_t clock; /* datagrams seen */
	struct unpack_join join[UNPACK_JOINS];
	struct unpack_part stash[UNPACK_STASH];
	struct unpack_super super;
	uint8_t *memory;
};

/* Makes the buffers for joins.  False when memory is short. */
bool unpack_init(struct unpack *u, const struct unpack_sink *sink);
void unpack_free(struct unpack *u);

/*
 * One opened datagram: its plaintext, which stays valid (and writable) until
 * unpack_flush.  Frames come out through the sink, in order, before or at the
 * flush.
 */
void unpack_datagram(struct unpack *u, uint32_t key, uint64_t counter, uint8_t *plain, size_t len);

/* Hands out a super-frame that is not complete, as far as it came: its pieces'
 * memory is about to go.  Call at the end of each batch. */
void unpack_flush(struct unpack *u);

/* A batch ends whose memory stays for just one more: hands out what was begun
 * in the batch before. */
void unpack_round(struct unpack *u);

/* True while a super-frame is being rebuilt out of receive buffers. */
bool unpack_pending(const struct unpack *u);

#endif
