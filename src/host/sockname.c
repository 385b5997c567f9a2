/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "sockname.h"

socklen_t sockname_from_addr(union sockname *name, const struct addr *a)
{
	if (a->family == ADDR_IPV6) {
		name->in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
						   .sin6_port = htons(a->port),
						   .sin6_scope_id = a->scope };
		memcpy(&name->in6.sin6_addr, a->ip, 16);
		return sizeof(name->in6);
	}
	name->in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(a->port) };
	memcpy(&name->in.sin_addr, a->ip, 4);
	return sizeof(name->in);
}

struct addr sockname_to_addr(const union sockname *name)
{
	struct addr a = { 0 };

	if (name->any.sa_family == AF_INET6) {
		a.family = ADDR_IPV6;
		a.port = ntohs(name->in6.sin6_port);
		a.scope = name->in6.sin6_scope_id;
		memcpy(a.ip, &name->in6.sin6_addr, 16);
	} else {
		a.family = ADDR_IPV4;
		a.port = ntohs(name->in.sin_port);
		memcpy(a.ip, &name->in.sin_addr, 4);
	}
	return a;
}

struct addr sockname_of(int fd)
{
	union sockname name = { 0 };
	socklen_t len = sizeof(name);

	if (getsockname(fd, &name.any, &len) < 0)
		return (struct addr){ 0 };
	return sockname_to_addr(&name);
}
