/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  UPnP is XML over HTTP from whoever answers in the local
 * network, read by a library that bounds neither the time nor the memory that it
 * takes.  So each attempt runs in a child process: without descriptors but
 * for one pipe, without capabilities, with limits of memory and processor time, and
 * killed when it takes too long.  What comes back is one struct of fixed size; no text
 * of the router's leaves the child but the two that name its service, for the
 * child that deletes.
 *
 * Only the router itself is spoken to: descriptions and control addresses of other
 * hosts are passed over.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpcommands.h>
#include <miniupnpc/upnperrors.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "portmap_parts.h"

#define DISCOVERY 1000		/* ms, of each kind of device that is looked for */
#define PATIENCE SECONDS(10)	/* for a child */
#define CHILD_MEMORY (64 << 20) /* bytes, more than the process has */
#define CHILD_SECONDS 5		/* of the processor */
#define TRIES 6			/* other external ports, when one is taken */
#define PORT_TEXT 6
#define TTL 2

#define UPNP_CONFLICT 718 /* ConflictInMappingEntry */

/* ---- in the child -------------------------------------------------------- */

struct service {
	struct UPNPUrls urls;
	struct IGDdatas data;
	char local[INET_ADDRSTRLEN];
};

static void ip_text(const struct addr *a, char out[INET_ADDRSTRLEN])
{
	inet_ntop(AF_INET, a->ip, out, INET_ADDRSTRLEN);
}

/* "http://ROUTER:PORT/..." */
static bool is_router(const char *url, const struct portmap_wish *wish)
{
	static const char scheme[] = "http://";
	char host[INET_ADDRSTRLEN];
	size_t len;

	ip_text(&wish->router, host);
	len = strlen(host);
	return url && strncmp(url, scheme, sizeof(scheme) - 1) == 0 &&
	       strncmp(url + sizeof(scheme) - 1, host, len) == 0 &&
	       (url[sizeof(scheme) - 1 + len] == ':' || url[sizeof(scheme) - 1 + len] == '/');
}

static bool is_wan_service(const char *type)
{
	static const char *const known[] = { "urn:schemas-upnp-org:service:WANIPConnection:",
					     "urn:schemas-upnp-org:service:WANPPPConnection:" };

	for (unsigned i = 0; i < COUNT_OF(known); i++) {
		if (strncmp(type, known[i], strlen(known[i])) == 0)
			return strlen(type) < PORTMAP_SERVICE;
	}
	return false;
}

static bool look_at(const char *url, const struct portmap_wish *wish, struct service *s)
{
	char own[INET6_ADDRSTRLEN];

	if (!is_router(url, wish) ||
	    UPNP_GetIGDFromUrl(url, &s->urls, &s->data, own, sizeof(own)) != 1)
		return false;
	return is_router(s->urls.controlURL, wish) && strlen(s->urls.controlURL) < PORTMAP_URL &&
	       is_wan_service(s->data.first.servicetype);
}

static bool discover(const struct portmap_wish *wish, struct service *s)
{
	struct UPNPDev *list;
	bool found = false;
	int error = 0;

	ip_text(&wish->local, s->local);
	list = upnpDiscover(DISCOVERY, s->local, NULL, UPNP_LOCAL_PORT_ANY, 0, TTL, &error);
	for (struct UPNPDev *d = list; d && !found; d = d->pNext)
		found = look_at(d->descURL, wish, s);
	return found;
}

static bool failed(struct portmap_grant *grant, int code)
{
	const char *text = strupnperror(code);

	snprintf(grant->error, sizeof(grant->error), "upnp: the router refuses: %s (%d)",
		 text ? text : "unknown error", code);
	return false;
}

static bool external_host(const struct service *s, const struct portmap_wish *wish,
			  struct portmap_grant *grant)
{
	char text[16] = "";
	int error = UPNP_GetExternalIPAddress(s->urls.controlURL, s->data.first.servicetype, text);

	if (error)
		return failed(grant, error);
	grant->host = (struct addr){ .family = ADDR_IPV4 };
	if (inet_pton(AF_INET, text, grant->host.ip) != 1)
		return failed(grant, UPNPCOMMAND_INVALID_RESPONSE);
	return portmap_host_ok(wish, grant);
}

/* Some routers give the port of one host to another without a word. */
static bool is_taken(const struct service *s, const char *external, const char *internal)
{
	char client[40] = "", port[8] = "", text[128] = "", enabled[8] = "", lease[32] = "";

	return UPNP_GetSpecificPortMappingEntry(s->urls.controlURL, s->data.first.servicetype,
						external, "UDP", NULL, client, port, text, enabled,
						lease) == UPNPCOMMAND_SUCCESS &&
	       (strcmp(client, s->local) != 0 || strcmp(port, internal) != 0);
}

static int map_at(const struct service *s, uint16_t external, uint16_t internal)
{
	char out[PORT_TEXT], in[PORT_TEXT], lease[8];

	snprintf(out, sizeof(out), "%u", external);
	snprintf(in, sizeof(in), "%u", internal);
	snprintf(lease, sizeof(lease), "%d", PORTMAP_LEASE);
	if (is_taken(s, out, in))
		return UPNP_CONFLICT;
	return UPNP_AddPortMapping(s->urls.controlURL, s->data.first.servicetype, out, in,
				   s->local, "lanspan", "UDP", NULL, lease);
}

/* Where the next try goes: anywhere above the ports of well-known services. */
static uint16_t another_port(void)
{
	return (uint16_t)(16384 + (unsigned)random() % 32768);
}

static bool map(const struct service *s, uint16_t port, uint16_t *external,
		struct portmap_grant *grant)
{
	uint16_t at = *external ? *external : port;
	int error = map_at(s, at, port);

	for (int i = 0; i < TRIES && error == UPNP_CONFLICT; i++) {
		at = another_port();
		error = map_at(s, at, port);
	}
	if (error)
		return failed(grant, error);
	*external = at;
	return true;
}

static bool ask(const struct portmap_wish *wish, struct portmap_grant *grant)
{
	struct service s = { 0 };

	if (!discover(wish, &s)) {
		snprintf(grant->error, sizeof(grant->error), "upnp: the router does not speak it");
		return false;
	}
	snprintf(grant->control, sizeof(grant->control), "%s", s.urls.controlURL);
	snprintf(grant->service, sizeof(grant->service), "%.*s", PORTMAP_SERVICE - 1,
		 s.data.first.servicetype);
	grant->lifetime = PORTMAP_LEASE;
	if (!external_host(&s, wish, grant))
		return false;
	for (unsigned i = 0; i < wish->n; i++) {
		if (!map(&s, wish->ports[i], &grant->external[i], grant))
			return false;
	}
	return true;
}

static bool take_back(const struct portmap_wish *wish, struct portmap_grant *grant)
{
	char port[PORT_TEXT];

	for (unsigned i = 0; i < wish->n; i++) {
		if (!grant->external[i])
			continue;
		snprintf(port, sizeof(port), "%u", grant->external[i]);
		UPNP_DeletePortMapping(grant->control, grant->service, port, "UDP", NULL);
	}
	return true;
}

/* Of addresses, in bytes; 0 when not known. */
static size_t memory_now(void)
{
	char line[128] = "";
	FILE *f = fopen("/proc/self/statm", "re");

	if (f && !fgets(line, sizeof(line), f))
		line[0] = '\0';
	if (f)
		fclose(f);
	return strtoul(line, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

static bool limit(int resource, size_t most)
{
	const struct rlimit r = { most, most };

	return setrlimit(resource, &r) == 0;
}

/* The pipe becomes descriptor 3; the standard three lead nowhere, for the library writes
 * what it likes to them. */
static bool keep_pipe_alone(int pipe_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd < 3; fd++) {
		if (dup2(null, fd) < 0)
			return false;
	}
	return (pipe_fd == 3 || dup2(pipe_fd, 3) == 3) && close_range(4, ~0u, 0) == 0;
}

static bool confine(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };
	size_t memory = memory_now();
	sigset_t no_signal;

	sigemptyset(&no_signal);
	return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
	       prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       syscall(SYS_capset, &head, none) == 0 && memory &&
	       limit(RLIMIT_AS, memory + CHILD_MEMORY) && limit(RLIMIT_CPU, CHILD_SECONDS) &&
	       limit(RLIMIT_CORE, 0) && sigprocmask(SIG_SETMASK, &no_signal, NULL) == 0;
}

typedef bool work(const struct portmap_wish *wish, struct portmap_grant *grant);

static void __attribute__((noreturn))
child(work *what, const struct portmap_wish *wish, struct portmap_grant *grant, int pipe_fd)
{
	bool ok;

	if (!keep_pipe_alone(pipe_fd))
		_exit(1);
	ok = confine();
	srandom((unsigned)clock_now().us);
	if (ok)
		ok = what(wish, grant);
	else
		snprintf(grant->error, sizeof(grant->error), "upnp: the child cannot be confined");
	if (ok)
		grant->error[0] = '\0';
	_exit(write(3, grant, sizeof(*grant)) != sizeof(*grant));
}

/* ---- in the process ------------------------------------------------------ */

_Static_assert(sizeof(struct portmap_grant) <= 4096, "one write to a pipe, PIPE_BUF");

/* Whatever the child wrote: its texts may have no end, its numbers any value. */
static bool take(int fd, const struct portmap_wish *wish, struct portmap_grant *grant)
{
	struct portmap_grant got;

	if (read(fd, &got, sizeof(got)) != sizeof(got))
		return false;
	got.error[PORTMAP_TEXT - 1] = got.control[PORTMAP_URL - 1] =
		got.service[PORTMAP_SERVICE - 1] = '\0';
	got.lifetime = MIN(got.lifetime, PORTMAP_LEASE);
	for (unsigned i = 0; i < wish->n && !got.error[0]; i++) {
		if (!got.external[i])
			return false;
	}
	*grant = got;
	return got.error[0] || (got.lifetime && portmap_host_ok(wish, grant));
}

static enum portmap_result collect(int fd, const struct portmap_wish *wish,
				   struct portmap_grant *grant, int wake_fd, struct instant until)
{
	int ready = portmap_wait(fd, wake_fd, until);

	if (ready < 0)
		return PORTMAP_INTERRUPTED;
	if (ready == 0) {
		snprintf(grant->error, sizeof(grant->error), "upnp: the router takes too long");
		return PORTMAP_FAILED;
	}
	if (!take(fd, wish, grant)) {
		snprintf(grant->error, sizeof(grant->error), "upnp: no sense in the router's answer");
		return PORTMAP_FAILED;
	}
	return grant->error[0] ? PORTMAP_FAILED : PORTMAP_GRANTED;
}

static enum portmap_result run(work *what, const struct portmap_wish *wish,
			       struct portmap_grant *grant, int wake_fd, struct instant until)
{
	enum portmap_result result;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		goto no_child;
	pid = fork();
	if (pid == 0)
		child(what, wish, grant, ends[1]);
	close(ends[1]);
	if (pid > 0) {
		result = collect(ends[0], wish, grant, wake_fd, until);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(ends[0]);
		return result;
	}
	close(ends[0]);
no_child:
	snprintf(grant->error, sizeof(grant->error), "upnp: no child process: %s",
		 strerrordesc_np(errno));
	return PORTMAP_FAILED;
}

enum portmap_result portmap_upnp(const struct portmap_wish *wish, struct portmap_grant *grant,
				 int wake_fd)
{
	return run(ask, wish, grant, wake_fd, instant_add(clock_now(), PATIENCE));
}

void portmap_upnp_delete(const struct portmap_wish *wish, const struct portmap_grant *grant,
			 struct instant until)
{
	struct portmap_grant own = *grant;

	if (own.control[0])
		run(take_back, wish, &own, -1, until);
}
