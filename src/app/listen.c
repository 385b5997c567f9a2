/* SPDX-License-Identifier: MIT */
#include "app/listen.h"

#include <errno.h>
#include <string.h>

#include "app/offloads.h"
#include "base/log.h"

static const char *hint(int error)
{
	switch (error) {
	case -EADDRINUSE:
		return "another process has this port: choose another, or stop that process";
	case -EADDRNOTAVAIL:
		return "must be an address of this host, like 0.0.0.0 for all";
	case -EACCES:
		return "a port below 1024 needs CAP_NET_BIND_SERVICE";
	default:
		return NULL;
	}
}

static unsigned close_all(struct udp *udps, unsigned n)
{
	while (n)
		udp_close(&udps[--n]);
	return 0;
}

bool listen_failed(const char *file, const char *section, const char *key,
		   const struct addr *address, int error)
{
	char text[ADDR_TEXT];

	addr_format(address, text);
	if (error == -EAFNOSUPPORT)
		log_warn("address left out, this host has no such addresses", log_text(key, text),
			 log_text("family", address->family == ADDR_IPV6 ? "IPv6" : "IPv4"));
	else
		log_error("cannot listen", log_text(key, text), log_text("error", strerror(-error)),
			  log_text("hint", hint(error)), log_text("file", file),
			  log_text("section", section));
	return error == -EAFNOSUPPORT;
}

unsigned listen_open(struct udp *udps, const struct addr *addresses, unsigned n, const char *file,
		     const char *section)
{
	char text[ADDR_TEXT];
	unsigned opened = 0;
	int error;

	for (unsigned i = 0; i < n; i++) {
		error = udp_open(&udps[opened], &addresses[i]);
		if (error) {
			if (listen_failed(file, section, "listen", &addresses[i], error))
				continue;
			return close_all(udps, opened);
		}
		offloads_test_socket(&udps[opened]);
		log_info("listening", log_text("at", addr_format(&udps[opened].local, text)));
		opened++;
	}
	if (opened == 0)
		log_error("no listen address could be used", log_text("file", file),
			  log_text("section", section));
	return opened;
}
