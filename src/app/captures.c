/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * A tap is called by whichever thread has the packet.  Under one lock it finds the
 * captures of that point, runs their filters, and puts what they take into their feeds,
 * which never wait; the loop's thread sends it on.  Nothing else happens on the way of a
 * frame: files and disks are the reader's business.
 *
 * The budget is in nanoseconds of a core, by estimates that hold on slow machines: what
 * this process and the reader, which may share a core with it, spend on a packet.  All
 * captures together get BUDGET of each second.  When it is used up packets are
 * neither filtered nor copied until there is more, only counted.
 */
#include "app/captures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/answer.h"
#include "base/bytes.h"
#include "captures_parts.h"

#define BUDGET MS(60 * 1000) /* ns of each second: 6 % of one core */
#define AT_ONCE (BUDGET / 10)
#define COST_LOOK 100	 /* a run of a filter, */
#define COST_STEP 3	 /* and each instruction, as if none were jumped over */
#define COST_RECORD 1500 /* of any size, with its share of wake-ups here and there */
#define COST_BYTE 2	 /* copied five times on its way to a file */

#define QUEUE ((size_t)4 << 20) /* bytes: 140 ms at the budget's most */
#define LOOK 2048 /* bytes of a packet in pieces that a filter sees */

_Static_assert(PORT_NAME > WIRE_NAME, "a place for both");

void captures_init(struct captures *c, struct loop *loop, void (*changed)(void *ctx), void *ctx)
{
	c->loop = loop;
	c->changed = changed;
	c->ctx = ctx;
	pthread_mutex_init(&c->lock, NULL);
	budget_init(&c->budget, BUDGET, AT_ONCE, loop->now);
}

static void free_capture(struct capture *k)
{
	feed_free(k->feed);
	capture_filter_free(k->filter);
	free(k->expression);
	free(k);
}

/* The flag that its packets are looked at for. */
static atomic_uint *flag_of(struct capture *k)
{
	return &k->owner->on[k->point == CAPTURES_MEMBER ? CAPTURES_WIRE : k->point];
}

/* Out of the list: no tap sees it any more. */
static void remove_capture(struct captures *c, struct capture *k)
{
	pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; i < CAPTURES_MAX; i++) {
		if (c->list[i] == k)
			c->list[i] = NULL;
	}
	pthread_mutex_unlock(&c->lock);
	atomic_fetch_sub_explicit(flag_of(k), 1, memory_order_relaxed);
}

/* Out of the list, told, and gone. */
static void end_capture(struct capture *k, const char *reason)
{
	remove_capture(k->owner, k);
	captures_tell_end(k, reason);
	free_capture(k);
}

void captures_free(struct captures *c)
{
	for (unsigned i = 0; i < CAPTURES_MAX; i++) {
		if (c->list[i])
			end_capture(c->list[i], "stopping");
	}
	if (c->loop)
		pthread_mutex_destroy(&c->lock);
}

static void reader_gone(void *ctx, struct feed *feed)
{
	struct capture *k = ctx;
	struct captures *c = k->owner;

	end_capture(k, captures_reason(feed_word(feed)));
	if (c->changed)
		c->changed(c->ctx);
}

void captures_end_port(struct captures *c, unsigned port)
{
	for (unsigned i = 0; i < CAPTURES_MAX; i++) {
		if (c->list[i] && c->list[i]->point == CAPTURES_PORT && c->list[i]->port == port)
			end_capture(c->list[i], "port removed");
	}
}

static bool is_stalled(struct capture *k, struct instant now)
{
	uint64_t taken;

	if (!feed_is_behind(k->feed, &taken) || taken != k->taken)
		k->moved = now;
	k->taken = taken;
	return instant_between(k->moved, now) >= CAPTURES_PATIENCE;
}

void captures_tick(struct captures *c, struct instant now)
{
	for (unsigned i = 0; i < CAPTURES_MAX; i++) {
		if (!c->list[i] || !is_stalled(c->list[i], now))
			continue;
		end_capture(c->list[i], "stalled");
		if (c->changed)
			c->changed(c->ctx);
	}
}

/* ---- taps -------------------------------------------------------------------- */

struct packet {
	unsigned direction;
	struct vnet vnet;
	const struct iovec *iov;
	unsigned n;
	size_t len;
	struct instant now;
	uint8_t *unsummed; /* headers whose UDP checksum is still to be made, or NULL */
	const struct addr *place; /* of a datagram */
};

/* The first bytes of the pieces, as far as a buffer goes. */
static size_t gather(uint8_t out[LOOK], const struct iovec *iov, unsigned n)
{
	size_t used = 0;

	for (unsigned i = 0; i < n && used < LOOK; i++) {
		size_t len = MIN(iov[i].iov_len, LOOK - used);

		memcpy(out + used, iov[i].iov_base, len);
		used += len;
	}
	return used;
}

static bool takes(const struct capture_filter *filter, const struct packet *p)
{
	uint8_t bytes[LOOK];
	size_t have;

	if (p->n == 1)
		return capture_filter_takes(filter, p->iov[0].iov_base, p->len, p->len);
	have = gather(bytes, p->iov, p->n);
	return capture_filter_takes(filter, bytes, have, p->len);
}

static void put_header(uint8_t out[CAPTURES_HEADER], const struct packet *p, size_t have)
{
	struct wr w = wr_make(out, CAPTURES_HEADER);

	wr_u32(&w, (uint32_t)have);
	wr_u32(&w, (uint32_t)p->len);
	wr_u64(&w, (uint64_t)clock_wall_us());
	wr_u8(&w, (uint8_t)p->direction);
	wr_u8(&w, p->vnet.flags);
	wr_u8(&w, p->vnet.gso_type);
	wr_u8(&w, 0);
	wr_u16(&w, p->vnet.gso_size);
	wr_u16(&w, p->vnet.csum_start);
	wr_u16(&w, p->vnet.csum_offset);
	wr_u16(&w, p->vnet.hdr_len);
}

#define PIECES 128

static void copy(struct capture *k, const struct packet *p)
{
	size_t have = MIN(p->len, k->snap), left = have;
	uint8_t header[CAPTURES_HEADER];
	struct iovec pieces[PIECES + 1] = { { header, CAPTURES_HEADER } };
	unsigned n = 1;

	put_header(header, p, have);
	for (unsigned i = 0; i < p->n && left > 0; i++) {
		pieces[n] = p->iov[i];
		pieces[n].iov_len = MIN(left, p->iov[i].iov_len);
		left -= pieces[n++].iov_len;
	}
	budget_spend(&k->owner->budget, COST_RECORD + COST_BYTE * (int64_t)have);
	if (feed_put(k->feed, pieces, n)) {
		k->packets++;
		k->bytes += have;
	}
}

static void offer(struct capture *k, struct packet *p)
{
	if (!budget_left(&k->owner->budget, p->now)) {
		k->over_budget++;
		return;
	}
	if (k->filter) {
		budget_spend(&k->owner->budget,
			     COST_LOOK + COST_STEP * (int64_t)capture_filter_steps(k->filter));
		if (!takes(k->filter, p))
			return;
	}
	if (p->unsummed)
		captures_sum(p->unsummed, p->iov[1].iov_base, p->iov[1].iov_len);
	p->unsummed = NULL;
	copy(k, p);
}

static bool is_members(const struct capture *k, const struct addr *place)
{
	const struct captures *c = k->owner;
	struct addr at;

	return place && c->member_at && c->member_at(c->ctx, k->network, k->key, &at) &&
	       addr_equal(&at, place);
}

static bool matches(const struct capture *k, const struct captures_where *where,
		    const struct packet *p)
{
	if (!k || !(k->directions & p->direction))
		return false;
	if (k->point == CAPTURES_MEMBER)
		return is_members(k, p->place);
	return k->point == where->point && k->port == where->port &&
	       (where->point != CAPTURES_PEER || strcmp(k->name, where->name) == 0);
}

static void offer_all(struct captures *c, const struct captures_where *where, struct packet *p)
{
	for (unsigned i = 0; i < CAPTURES_MAX; i++) {
		if (matches(c->list[i], where, p))
			offer(c->list[i], p);
	}
}

static void offer_frame(struct captures *c, const struct captures_where *where, struct packet *p)
{
	if (p->n > PIECES)
		return; /* unpack.h: UNPACK_PIECES is less */
	for (unsigned i = 0; i < p->n; i++)
		p->len += p->iov[i].iov_len;
	pthread_mutex_lock(&c->lock);
	offer_all(c, where, p);
	pthread_mutex_unlock(&c->lock);
}

void captures_port(struct captures *c, unsigned port, unsigned direction, const struct vnet *vnet,
		   const struct iovec *iov, unsigned n, struct instant now)
{
	struct captures_where where = { .point = CAPTURES_PORT, .port = port };
	struct packet p = { direction, *vnet, iov, n, 0, now, NULL, NULL };

	offer_frame(c, &where, &p);
}

void captures_peer(struct captures *c, const char *name, unsigned direction,
		   const struct vnet *vnet, const struct iovec *iov, unsigned n, struct instant now)
{
	struct captures_where where = { .point = CAPTURES_PEER, .name = name };
	struct packet p = { direction, *vnet, iov, n, 0, now, NULL, NULL };

	offer_frame(c, &where, &p);
}

static void offer_datagram(struct captures *c, const struct addr *from, const struct addr *to,
			   const struct addr *place, unsigned direction,
			   const struct iovec *payload, struct instant now)
{
	struct captures_where where = { .point = CAPTURES_WIRE };
	uint8_t headers[CAPTURES_HEADERS];
	size_t n = captures_headers(headers, from, to, payload->iov_len);
	struct iovec iov[] = { { headers, n }, *payload };
	struct packet p = { .direction = direction, .iov = iov, .n = 2, .now = now,
			    .len = n + payload->iov_len, .place = place,
			    .unsummed = to->family == ADDR_IPV6 ? headers : NULL };

	offer_all(c, &where, &p);
}

void captures_datagrams(struct captures *c, const struct addr *local, const struct addr *remote,
			const struct addr *place, unsigned direction, const uint8_t *data,
			size_t len, size_t segment, struct instant now)
{
	struct addr here;

	pthread_mutex_lock(&c->lock);
	here = captures_local(c, local, remote, now);
	for (size_t at = 0; at < len; at += segment) {
		struct iovec payload = { (uint8_t *)data + at, MIN(segment, len - at) };

		if (direction == CAPTURES_OUT)
			offer_datagram(c, &here, remote, place, direction, &payload, now);
		else
			offer_datagram(c, remote, &here, place, direction, &payload, now);
	}
	pthread_mutex_unlock(&c->lock);
}

/* ---- requests ------------------------------------------------------------------ */

static bool read_direction(struct capture *k, const char *direction)
{
	k->directions = CAPTURES_IN | CAPTURES_OUT;
	if (!direction)
		return true;
	if (strcmp(direction, "in") == 0)
		k->directions = CAPTURES_IN;
	else if (strcmp(direction, "out") == 0)
		k->directions = CAPTURES_OUT;
	return k->directions != (CAPTURES_IN | CAPTURES_OUT);
}

/* What is wrong, or NULL. */
static const char *read_request(struct capture *k, json_t *request)
{
	const char *program = json_string_value(json_object_get(request, "program"));
	const char *expression = json_string_value(json_object_get(request, "filter"));
	const json_t *snap = json_object_get(request, "snap");

	k->snap = CAPTURE_SNAP;
	if (snap && (!json_is_integer(snap) || json_integer_value(snap) < 1 ||
		     json_integer_value(snap) > CAPTURE_SNAP))
		return "capture: snap is out of range";
	if (snap)
		k->snap = (uint32_t)json_integer_value(snap);
	if (!read_direction(k, json_string_value(json_object_get(request, "direction"))))
		return "capture: direction must be in or out";
	if (program && !(k->filter = capture_filter_new(program)))
		return "capture: the filter is no program";
	if (program)
		k->expression = strdup(expression ? expression : "?");
	return NULL;
}

static struct capture **free_place(struct captures *c)
{
	for (unsigned i = 0; i < CAPTURES_MAX; i++) {
		if (!c->list[i])
			return &c->list[i];
	}
	return NULL;
}

static void put_answer(struct capture *k)
{
	char text[64];
	struct iovec line = { text, 0 };

	line.iov_len = (size_t)snprintf(text, sizeof(text), "{\"capture\":%llu,\"ok\":true}\n",
					(unsigned long long)k->id);
	feed_put(k->feed, &line, 1);
}

static void begin(struct captures *c, struct capture *k, struct capture **place)
{
	k->id = ++c->made;
	k->begun = k->moved = c->loop->now;
	put_answer(k);
	pthread_mutex_lock(&c->lock);
	*place = k;
	pthread_mutex_unlock(&c->lock);
	atomic_fetch_add_explicit(flag_of(k), 1, memory_order_relaxed);
	captures_tell_begin(k);
}

static json_t *refuse_more(void)
{
	json_t *refusal = answer_refusal(1, "");

	answer_put(refusal, "error",
		   json_sprintf("capture: there are %d already, no more at once: see show captures",
				CAPTURES_MAX));
	return refusal;
}

json_t *captures_begin(struct captures *c, struct ctlsock *socket, json_t *request,
		       const struct captures_where *where)
{
	struct capture **place = free_place(c), *k;
	const char *why;
	int fd;

	if (!place)
		return refuse_more();
	k = calloc(1, sizeof(*k));
	if (!k)
		return answer_refusal(1, "capture: memory is short");
	k->owner = c;
	k->point = where->point;
	k->port = where->port;
	if (where->name)
		snprintf(k->name, sizeof(k->name), "%s", where->name);
	if (where->key) {
		snprintf(k->network, sizeof(k->network), "%s", where->network);
		memcpy(k->key, where->key, KEX_KEY);
	}
	why = read_request(k, request);
	if (why) {
		free_capture(k);
		return answer_refusal(2, why);
	}
	fd = ctlsock_take(socket);
	ctlsock_who(fd, &k->pid, &k->uid);
	k->feed = feed_new(c->loop, fd, QUEUE, reader_gone, k);
	if (k->feed)
		begin(c, k, place);
	else
		free_capture(k); /* the client finds its connection closed */
	return NULL;
}
