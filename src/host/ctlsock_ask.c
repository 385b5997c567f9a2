/* SPDX-License-Identifier: MIT */
/* The side of who asks, and where sockets are. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "ctlsock_parts.h"

#define ANSWER_FIRST 4096 /* bytes that ctlsock_ask starts with */

bool ctlsock_name(struct sockaddr_un *name, const char *path)
{
	size_t len = strlen(path);

	*name = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (len == 0 || len >= sizeof(name->sun_path))
		return false;
	memcpy(name->sun_path, path, len);
	return true;
}

static int asking_socket(const struct sockaddr_un *name, int seconds)
{
	struct timeval patience = { .tv_sec = seconds };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), error;

	if (fd < 0)
		return -errno;
	/* The first one holds for connect as well, when the queue is full. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
	    connect(fd, (const struct sockaddr *)name, sizeof(*name)) == 0)
		return fd;
	error = errno == EAGAIN ? -ETIMEDOUT : -errno;
	close(fd);
	return error;
}

static int send_request(int fd, const char *request)
{
	char line[CTLSOCK_REQUEST + 1];
	size_t len = strlen(request), sent = 0;

	if (len >= CTLSOCK_REQUEST || strchr(request, '\n'))
		return -EINVAL;
	len = (size_t)snprintf(line, sizeof(line), "%s\n", request);
	while (sent < len) {
		ssize_t n = send(fd, line + sent, len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		sent += (size_t)n;
	}
	return 0;
}

static int receive_answer(int fd, char **text, size_t *used)
{
	size_t room = 0;

	for (;;) {
		ssize_t n;

		if (*used + 1 >= room) {
			char *more = realloc(*text, room ? room * 2 : ANSWER_FIRST);

			if (!more)
				return -ENOMEM;
			*text = more;
			room = room ? room * 2 : ANSWER_FIRST;
		}
		n = recv(fd, *text + *used, room - 1 - *used, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		(*text)[*used + (size_t)n] = '\0';
		if (n == 0)
			return 0;
		*used += (size_t)n;
	}
}

bool ctlsock_stale(const char *path)
{
	struct sockaddr_un name;
	int fd = ctlsock_name(&name, path) ? asking_socket(&name, 1) : -ENAMETOOLONG;

	if (fd >= 0)
		close(fd);
	return fd == -ECONNREFUSED;
}

int ctlsock_ask_open(const char *path, const char *request, int seconds)
{
	struct sockaddr_un name;
	int fd, error;

	if (!ctlsock_name(&name, path))
		return -ENAMETOOLONG;
	fd = asking_socket(&name, seconds);
	if (fd < 0)
		return fd;
	error = send_request(fd, request);
	if (!error)
		return fd;
	close(fd);
	return error;
}

int ctlsock_ask(const char *path, const char *request, int seconds, char **answer, size_t *len)
{
	char *text = NULL;
	size_t used = 0;
	int fd = ctlsock_ask_open(path, request, seconds), error;

	if (fd < 0)
		return fd;
	error = receive_answer(fd, &text, &used);
	close(fd);
	if (error) {
		free(text);
		return error;
	}
	*answer = text;
	*len = used;
	return 0;
}

/* ---- where ------------------------------------------------------------- */

static bool can_use(const char *folder, const char *parent)
{
	if (access(folder, F_OK) == 0)
		return eaccess(folder, W_OK | X_OK) == 0;
	return eaccess(parent, W_OK | X_OK) == 0;
}

bool ctlsock_folder(char *out, size_t room)
{
	const char *given = secure_getenv("LANSPAN_RUNDIR");
	const char *own = secure_getenv("XDG_RUNTIME_DIR");
	int n;

	if (given && *given)
		n = snprintf(out, room, "%s", given);
	else if (own && *own && !can_use("/run/lanspan", "/run"))
		n = snprintf(out, room, "%s/lanspan", own);
	else
		n = snprintf(out, room, "/run/lanspan");
	return n > 0 && (size_t)n < room;
}

bool ctlsock_path(char *out, size_t room, const char *name)
{
	struct sockaddr_un longest;
	size_t used;
	int n;

	if (!*name || *name == '.' || strchr(name, '/') || !ctlsock_folder(out, room))
		return false;
	used = strlen(out);
	n = snprintf(out + used, room - used, "/%s.sock", name);
	return n > 0 && (size_t)n < room - used && ctlsock_name(&longest, out);
}
