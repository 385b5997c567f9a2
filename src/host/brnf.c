/* SPDX-License-Identifier: MIT */
#include "host/brnf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"

static const char *const paths[] = {
	"/proc/sys/net/bridge/bridge-nf-call-iptables",
	"/proc/sys/net/bridge/bridge-nf-call-ip6tables",
	"/proc/sys/net/bridge/bridge-nf-call-arptables",
};
_Static_assert(COUNT_OF(paths) == sizeof(((struct brnf *)0)->before), "one place for each");

/* The setting's first character; NUL when there is none. */
static char get(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char c = '\0';

	if (fd < 0)
		return '\0';
	if (read(fd, &c, 1) != 1)
		c = '\0';
	close(fd);
	return c;
}

static int set(const char *path, char value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, &value, 1) != 1)
		error = -errno;
	close(fd);
	return error;
}

bool brnf_is_on(void)
{
	for (unsigned i = 0; i < COUNT_OF(paths); i++) {
		char c = get(paths[i]);

		if (c && c != '0')
			return true;
	}
	return false;
}

int brnf_off(struct brnf *b)
{
	int error = 0;

	memset(b, 0, sizeof(*b));
	for (unsigned i = 0; i < COUNT_OF(paths); i++) {
		char c = get(paths[i]);
		int failed;

		if (!c || c == '0')
			continue;
		failed = set(paths[i], '0');
		if (failed)
			error = failed;
		else
			b->before[i] = c;
	}
	return error;
}

void brnf_restore(struct brnf *b)
{
	for (unsigned i = 0; i < COUNT_OF(paths); i++) {
		if (b->before[i])
			set(paths[i], b->before[i]);
		b->before[i] = '\0';
	}
}
