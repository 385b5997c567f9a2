/* SPDX-License-Identifier: MIT */
#include "app/offloads.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "app/event.h"
#include "base/bytes.h"

static const char *const names[OFFLOADS_NAMES] = { "csum", "tso4", "tso6", "ecn", "uso" };

_Static_assert(VNET_CAN_CSUM == 1 << 0 && VNET_CAN_TSO4 == 1 << 1 && VNET_CAN_TSO6 == 1 << 2 &&
		       VNET_CAN_TSO_ECN == 1 << 3 && VNET_CAN_USO == 1 << 4,
	       "names in the order of bits");

const char *offloads_name(unsigned i)
{
	return names[i];
}

/* ---- the note ----------------------------------------------------------- */

struct text {
	char *out;
	size_t room, len;
};

static void add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *t, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(t->out + t->len, t->room - t->len, fmt, args);
	va_end(args);
	t->len = MIN(t->len + (size_t)MAX(n, 0), t->room - 1);
}

/* "tso4, tso6", after what was said before. */
static void add_names(struct text *t, uint32_t can)
{
	const char *separator = t->len ? "; " : "";

	for (unsigned i = 0; i < OFFLOADS_NAMES; i++) {
		if (!(can & 1u << i))
			continue;
		add(t, "%s%s", separator, names[i]);
		separator = ", ";
	}
}

static void write_note(const struct offloads *o, char out[OFFLOADS_NOTE])
{
	struct text t = { out, OFFLOADS_NOTE, 0 };
	char advice[OFFLOAD_ADVICE];

	out[0] = '\0';
	if (o->off) {
		offload_advice(o->undo, advice);
		add_names(&t, o->off);
		add(&t, ": switched off on %s, which makes the tunnel slow", o->name);
		if (advice[0])
			add(&t, ": `ethtool -K %s %s`", o->name, advice);
	}
	if (o->refused) {
		add_names(&t, o->refused);
		add(&t,
		    ": refused by the kernel in the self-test (%s), such frames are cut here: "
		    "`ip link set %s down` and `up` tests again",
		    strerror(o->error), o->name);
	}
	if (o->lost & ~o->refused) {
		add_names(&t, o->lost & ~o->refused);
		add(&t,
		    ": given up, for the kernel refused such frames (%s) and took their "
		    "segments: they are cut here until %s is made again",
		    strerror(EINVAL), o->name);
	}
}

/* Logs the note when it is another one. */
static void tell(struct offloads *o)
{
	char note[OFFLOADS_NOTE];

	write_note(o, note);
	if (strcmp(note, o->note) == 0)
		return;
	memcpy(o->note, note, sizeof(o->note));
	if (note[0])
		event_tell(EVENT_OFFLOADS_OFF, log_text("tap", o->name), log_text("offloads", note));
	else
		event_tell(EVENT_OFFLOADS_ON, log_text("tap", o->name));
}

/* ---- the TAP ------------------------------------------------------------ */

void offloads_reset(struct offloads *o, const char *name)
{
	*o = (struct offloads){ .name = name };
}

static bool test(struct offloads *o, struct tap *tap)
{
	struct offload_tap got;

	if (offload_test_tap(tap, &got))
		return false;
	o->tested = true;
	o->refused = got.refused;
	o->error = got.error;
	return true;
}

bool offloads_look(struct offloads *o, struct tap *tap, bool up)
{
	struct offload_features features;
	bool done = true;

	if (!up)
		o->tested = false;
	else if (!o->tested)
		done = test(o, tap);
	if (offload_features(tap->name, &features) == 0) {
		o->off = tap->offloads & ~features.active;
		o->undo = features.off;
	}
	tell(o);
	return done;
}

void offloads_lost(struct offloads *o, uint32_t lost)
{
	if (o->lost == lost)
		return;
	o->lost = lost;
	tell(o);
}

/* ---- sockets ------------------------------------------------------------ */

static void write_reason(int error, char *out, size_t room)
{
	switch (error) {
	case EBADMSG:
		snprintf(out, room, "the self-test found its datagrams damaged");
		break;
	case ETIMEDOUT:
		snprintf(out, room, "the self-test lost its datagrams");
		break;
	case EIO:
		snprintf(out, room,
			 "the kernel refused it (%s): `ethtool -K INTERFACE tx on`, of "
			 "the one that leads there, and a restart may help",
			 strerror(error));
		break;
	default:
		snprintf(out, room, "the kernel refused it (%s)", strerror(error));
	}
}

void offloads_gso_note(const struct udp *udp, char out[OFFLOADS_NOTE])
{
	char reason[OFFLOADS_NOTE - 60];

	write_reason(udp->gso_error, reason, sizeof(reason));
	snprintf(out, OFFLOADS_NOTE, "UDP_SEGMENT is off, datagrams are sent one by one: %s",
		 reason);
}

void offloads_test_socket(struct udp *udp)
{
	int family = udp->local.family == ADDR_IPV6 ? AF_INET6 : AF_INET;
	char text[ADDR_TEXT], note[OFFLOADS_NOTE];
	struct offload_udp got;

	if (offload_test_udp(family, &got))
		return;
	addr_format(&udp->local, text);
	if (got.gso && udp->gso) {
		udp->gso = false;
		udp->gso_error = got.gso;
	}
	if (!udp->gso) {
		offloads_gso_note(udp, note);
		log_warn("batches of datagrams are off", log_text("listen", text),
			 log_text("why", note));
	}
	if (got.gro && udp->gro) {
		udp_set_gro(udp, false);
		write_reason(got.gro, note, sizeof(note));
		log_warn("UDP_GRO is off, datagrams are received one by one",
			 log_text("listen", text), log_text("why", note));
	}
}
