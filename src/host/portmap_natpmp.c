/* SPDX-License-Identifier: MIT */
#include <natpmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "portmap_parts.h"

#define PATIENCE SECONDS(2) /* three requests, at 0, 0.25 and 0.75 s */
#define INTERRUPTED 1	    /* the library's errors are below 0 */

/* Of the library's error numbers and of RFC 6886, 3.5. */
static const char *error_text(int error)
{
	switch (error) {
	case NATPMP_ERR_NOGATEWAYSUPPORT:
		return "the router does not speak it";
	case NATPMP_ERR_UNSUPPORTEDVERSION:
	case NATPMP_ERR_UNSUPPORTEDOPCODE:
		return "the router speaks another version";
	case NATPMP_ERR_NOTAUTHORIZED:
		return "the router refuses";
	case NATPMP_ERR_NETWORKFAILURE:
		return "the router has no external address";
	case NATPMP_ERR_OUTOFRESOURCES:
		return "the router has no port left";
	case NATPMP_TRYAGAIN:
		return "no answer";
	default:
		return "no sense in the router's answer";
	}
}

static bool uses_local(const natpmp_t *p, const struct addr *local)
{
	struct sockaddr_in own = { 0 };
	socklen_t len = sizeof(own);

	return getsockname(p->s, (struct sockaddr *)&own, &len) == 0 &&
	       memcmp(&own.sin_addr, local->ip, 4) == 0;
}

static bool start(natpmp_t *p, const struct portmap_wish *wish)
{
	in_addr_t router;

	memcpy(&router, wish->router.ip, sizeof(router));
	if (initnatpmp(p, 1, router) < 0) {
		if (p->s >= 0)
			closenatpmp(p);
		return false;
	}
	if (uses_local(p, &wish->local))
		return true;
	closenatpmp(p);
	return false;
}

/* When the library wants to send its request once more. */
static struct instant retry_at(natpmp_t *p, struct instant until)
{
	struct timeval wait = { 0 };

	if (getnatpmprequesttimeout(p, &wait) < 0 || wait.tv_sec < 0)
		return instant_min(until, instant_add(clock_now(), MS(10)));
	return instant_min(until, instant_add(clock_now(), SECONDS(wait.tv_sec) + wait.tv_usec));
}

/*
 * The answer to the request that was sent last: of this type, and for this port if it
 * is a mapping.  A request that was sent twice is answered twice: what belongs to
 * an earlier one is passed over.  0, the library's error, or INTERRUPTED.
 */
static int answer(natpmp_t *p, uint16_t type, uint16_t port, natpmpresp_t *out, int wake_fd,
		  struct instant until)
{
	for (;;) {
		int ready = portmap_wait(p->s, wake_fd, retry_at(p, until));
		int error;

		if (ready < 0)
			return INTERRUPTED;
		error = readnatpmpresponseorretry(p, out);
		if (error && error != NATPMP_TRYAGAIN)
			return error;
		if (!error && out->type == type &&
		    (type == NATPMP_RESPTYPE_PUBLICADDRESS ||
		     out->pnu.newportmapping.privateport == port))
			return 0;
		if (instant_reached(clock_now(), until))
			return NATPMP_TRYAGAIN;
		p->has_pending_request = 1;
	}
}

static enum portmap_result failed(struct portmap_grant *grant, int error)
{
	if (error == INTERRUPTED)
		return PORTMAP_INTERRUPTED;
	snprintf(grant->error, sizeof(grant->error), "nat-pmp: %s", error_text(error));
	return PORTMAP_FAILED;
}

static enum portmap_result external_host(natpmp_t *p, const struct portmap_wish *wish,
					 struct portmap_grant *grant, int wake_fd)
{
	natpmpresp_t r;
	int error;

	if (sendpublicaddressrequest(p) < 0)
		return failed(grant, NATPMP_ERR_NOGATEWAYSUPPORT);
	error = answer(p, NATPMP_RESPTYPE_PUBLICADDRESS, 0, &r, wake_fd,
		       instant_add(clock_now(), PATIENCE));
	if (error)
		return failed(grant, error);
	grant->epoch = r.epoch;
	grant->host = (struct addr){ .family = ADDR_IPV4 };
	memcpy(grant->host.ip, &r.pnu.publicaddress.addr, 4);
	return portmap_host_ok(wish, grant) ? PORTMAP_GRANTED : PORTMAP_FAILED;
}

/* A port that is taken is no error here: the router gives another one. */
static enum portmap_result map(natpmp_t *p, uint16_t port, struct portmap_grant *grant,
			       uint16_t *external, int wake_fd)
{
	natpmpresp_t r;
	int error;

	if (sendnewportmappingrequest(p, NATPMP_PROTOCOL_UDP, port, *external ? *external : port,
				      PORTMAP_LEASE) < 0)
		return failed(grant, NATPMP_ERR_NOGATEWAYSUPPORT);
	error = answer(p, NATPMP_RESPTYPE_UDPPORTMAPPING, port, &r, wake_fd,
		       instant_add(clock_now(), PATIENCE));
	if (error)
		return failed(grant, error);
	if (!r.pnu.newportmapping.mappedpublicport || !r.pnu.newportmapping.lifetime)
		return failed(grant, NATPMP_ERR_UNDEFINEDERROR);
	*external = r.pnu.newportmapping.mappedpublicport;
	grant->lifetime = MIN(grant->lifetime, r.pnu.newportmapping.lifetime);
	return PORTMAP_GRANTED;
}

enum portmap_result portmap_natpmp(const struct portmap_wish *wish, struct portmap_grant *grant,
				   int wake_fd)
{
	enum portmap_result result;
	natpmp_t p;

	if (!start(&p, wish))
		return failed(grant, NATPMP_ERR_NOGATEWAYSUPPORT);
	grant->lifetime = PORTMAP_LEASE;
	result = external_host(&p, wish, grant, wake_fd);
	for (unsigned i = 0; i < wish->n && result == PORTMAP_GRANTED; i++)
		result = map(&p, wish->ports[i], grant, &grant->external[i], wake_fd);
	closenatpmp(&p);
	return result;
}

void portmap_natpmp_delete(const struct portmap_wish *wish, struct instant until)
{
	natpmpresp_t r;
	natpmp_t p;

	if (!start(&p, wish))
		return;
	for (unsigned i = 0; i < wish->n; i++) {
		if (sendnewportmappingrequest(&p, NATPMP_PROTOCOL_UDP, wish->ports[i], 0, 0) > 0)
			answer(&p, NATPMP_RESPTYPE_UDPPORTMAPPING, wish->ports[i], &r, -1, until);
	}
	closenatpmp(&p);
}
