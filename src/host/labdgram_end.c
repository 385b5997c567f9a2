/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "labdgram_end.h"

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool is_any(const struct addr *a)
{
	return bytes_all_zero(a->ip, sizeof(a->ip));
}

int labend_family(const struct labend *local, const struct labend *remote)
{
	uint8_t here = local->addr.family, there = remote->addr.family;

	if (labend_is_path(local) != labend_is_path(remote))
		return -EINVAL;
	if (labend_is_path(local))
		return AF_UNIX;
	if (here == there)
		return here == ADDR_IPV6 ? AF_INET6 : AF_INET;
	return here == ADDR_IPV6 && is_any(&local->addr) ? AF_INET6 : -EAFNOSUPPORT;
}

static socklen_t map(struct sockaddr_in6 *in6, const struct addr *a)
{
	*in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(a->port) };
	memcpy(in6->sin6_addr.s6_addr, mapped, sizeof(mapped));
	memcpy(in6->sin6_addr.s6_addr + sizeof(mapped), a->ip, 4);
	return sizeof(*in6);
}

socklen_t labend_name(union labend_name *name, const struct labend *end, int family)
{
	if (family == AF_UNIX) {
		name->un = (struct sockaddr_un){ .sun_family = AF_UNIX };
		memcpy(name->un.sun_path, end->path, sizeof(end->path));
		return sizeof(name->un);
	}
	if (family == AF_INET6 && end->addr.family == ADDR_IPV4)
		return map(&name->ip.in6, &end->addr);
	return sockname_from_addr(&name->ip, &end->addr);
}

struct addr labend_addr(const union labend_name *name)
{
	const uint8_t *ip = name->ip.in6.sin6_addr.s6_addr;
	struct addr a = { .family = ADDR_IPV4 };

	if (name->any.sa_family != AF_INET6 || memcmp(ip, mapped, sizeof(mapped)) != 0)
		return sockname_to_addr(&name->ip);
	memcpy(a.ip, ip + sizeof(mapped), 4);
	a.port = ntohs(name->ip.in6.sin6_port);
	return a;
}

bool labend_is_name(const struct labend *end, const union labend_name *name, socklen_t len)
{
	const size_t head = offsetof(struct sockaddr_un, sun_path);
	struct addr a;

	if (len <= head)
		return false;
	if (labend_is_path(end))
		return strncmp(end->path, name->un.sun_path, len - head) == 0 &&
		       strnlen(end->path, sizeof(end->path)) <= len - head;
	a = labend_addr(name);
	return addr_equal(&a, &end->addr);
}

/* ---- files ------------------------------------------------------------- */

/* Nobody is there when the kernel refuses a connection to it. */
static int clear_stale(const union labend_name *name, socklen_t len)
{
	struct stat st;
	int fd, error;

	if (lstat(name->un.sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	error = connect(fd, &name->any, len) < 0 ? errno : 0;
	close(fd);
	if (error == EACCES)
		return -EACCES;
	if (error != ECONNREFUSED && error != ENOENT)
		return -EADDRINUSE;
	return unlink(name->un.sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

int labend_bind(int fd, const struct labend *end, int family, struct labend_file *file)
{
	union labend_name name;
	socklen_t len = labend_name(&name, end, family);
	struct stat st;
	int error;

	*file = (struct labend_file){ 0 };
	if (family != AF_UNIX)
		return bind(fd, &name.any, len) < 0 ? -errno : 0;
	error = clear_stale(&name, len);
	if (error)
		return error;
	/* The mode is there before the name is, and never wider. */
	if (fchmod(fd, 0600) < 0 || bind(fd, &name.any, len) < 0)
		return -errno;
	if (lstat(end->path, &st) == 0)
		*file = (struct labend_file){ st.st_dev, st.st_ino };
	return 0;
}

void labend_remove(const struct labend *end, const struct labend_file *file)
{
	struct stat st;

	if (file->ino && lstat(end->path, &st) == 0 && st.st_dev == file->dev &&
	    st.st_ino == file->ino)
		unlink(end->path);
}
