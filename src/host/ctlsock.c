/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  A client is first read from, until the newline; the
 * handler then makes the whole answer, and from there on the client is only
 * written to.  When all places are taken, descriptors are short, or CTLSOCK_RATE
 * is used up, the listening socket is left alone (events = 0), so who waits in its
 * queue costs nothing; a client that goes, or the next tick, turns it on again.  So are
 * clients without privilege left alone when CTLSOCK_TIME is used up, till the next tick.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/list.h"
#include "ctlsock_parts.h"

#define BACKLOG 64
#define LOCK_TRIES 50
#define LOCK_WAIT_US 20000

struct client {
	struct loop_source source; /* fd < 0: a free place */
	struct ctlsock *owner;
	struct instant since; /* accepted, or the last progress of the answer */
	bool privileged;
	size_t used; /* of request */
	char request[CTLSOCK_REQUEST];
	char *answer; /* NULL until the handler was called */
	size_t len, sent;
};

struct ctlsock {
	struct loop_source listener;
	struct loop *loop;
	ctlsock_handler handler;
	void *ctx;
	struct sockaddr_un name;
	dev_t dev; /* of the socket in the file system, to remove no other's */
	ino_t ino;
	struct client *asking; /* whose request the handler answers now */
	unsigned taken; /* clients since the last tick */
	int64_t spent;	/* on answers to others since then, microseconds */
	struct client clients[CTLSOCK_CLIENTS];
};

/* ---- clients ----------------------------------------------------------- */

static void set_events(struct ctlsock *c, struct loop_source *source, uint32_t events)
{
	if (source->events == events)
		return;
	source->events = events;
	loop_change(c->loop, source);
}

static void listen_again(struct ctlsock *c)
{
	set_events(c, &c->listener, c->taken < CTLSOCK_RATE ? LOOP_READ : 0);
}

static void client_close(struct client *client)
{
	struct ctlsock *c = client->owner;

	loop_remove(c->loop, &client->source);
	close(client->source.fd);
	client->source.fd = -1;
	free(client->answer);
	client->answer = NULL;
	listen_again(c);
}

static void client_write(struct client *client, struct instant now)
{
	ssize_t n = send(client->source.fd, client->answer + client->sent,
			 client->len - client->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		client->sent += (size_t)n;
		client->since = now;
	}
	if (n < 0 || client->sent == client->len)
		client_close(client);
}

static void client_answer(struct client *client, struct instant now)
{
	struct instant before = clock_now();
	struct ctlsock *c = client->owner;

	c->asking = client;
	client->answer = c->handler(c->ctx, client->request, client->privileged, &client->len);
	c->asking = NULL;
	if (!client->privileged)
		c->spent += instant_between(before, clock_now());
	if (client->source.fd < 0) { /* taken */
		free(client->answer);
		client->answer = NULL;
		return;
	}
	if (!client->answer || client->len == 0) {
		client_close(client);
		return;
	}
	client->sent = 0;
	client->since = now;
	set_events(c, &client->source, LOOP_WRITE);
	client_write(client, now);
}

int ctlsock_take(struct ctlsock *c)
{
	struct client *client = c->asking;
	int fd = client->source.fd;

	loop_remove(c->loop, &client->source);
	client->source.fd = -1;
	listen_again(c);
	return fd;
}

static void client_read(struct client *client, struct instant now)
{
	size_t room = sizeof(client->request) - client->used;
	char *fresh = client->request + client->used, *end;
	ssize_t n = recv(client->source.fd, fresh, room, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_close(client);
		return;
	}
	client->used += (size_t)n;
	end = memchr(fresh, '\n', (size_t)n);
	if (!end) {
		if (client->used == sizeof(client->request))
			client_close(client);
		return;
	}
	*end = '\0';
	/* One line and nothing after it, and no NUL that would hide a part. */
	if (end + 1 != client->request + client->used ||
	    memchr(client->request, '\0', (size_t)(end - client->request)))
		client_close(client);
	else
		client_answer(client, now);
}

/* Others have had their part of this second. */
static bool has_turn(const struct client *client)
{
	return client->privileged || client->owner->spent < CTLSOCK_TIME;
}

static void leave_alone(struct client *client, uint32_t events)
{
	if (events & LOOP_ERROR) /* it is gone; epoll would tell again and again */
		client_close(client);
	else
		set_events(client->owner, &client->source, 0);
}

static void client_ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct client *client = container_of(source, struct client, source);

	if (client->answer)
		client_write(client, now); /* an error shows in the call */
	else if (!has_turn(client))
		leave_alone(client, events);
	else
		client_read(client, now);
}

void ctlsock_who(int fd, pid_t *pid, uid_t *uid)
{
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(peer);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	*pid = peer.pid;
	*uid = peer.uid;
}

static uid_t user_of(int fd)
{
	pid_t pid;
	uid_t uid;

	ctlsock_who(fd, &pid, &uid);
	return uid;
}

uid_t ctlsock_asker(const struct ctlsock *c)
{
	return user_of(c->asking->source.fd);
}

bool ctlsock_privileged(uid_t uid)
{
	return uid == 0 || (uid != (uid_t)-1 && uid == geteuid());
}

static struct client *free_place(struct ctlsock *c)
{
	for (size_t i = 0; i < COUNT_OF(c->clients); i++) {
		if (c->clients[i].source.fd < 0)
			return &c->clients[i];
	}
	return NULL;
}

static unsigned count_others(const struct ctlsock *c)
{
	unsigned n = 0;

	for (size_t i = 0; i < COUNT_OF(c->clients); i++)
		n += c->clients[i].source.fd >= 0 && !c->clients[i].privileged;
	return n;
}

/* Of those without privilege the one that waits longest, or NULL. */
static struct client *oldest_other(struct ctlsock *c)
{
	struct client *oldest = NULL;

	for (size_t i = 0; i < COUNT_OF(c->clients); i++) {
		struct client *client = &c->clients[i];

		if (client->source.fd >= 0 && !client->privileged &&
		    (!oldest || instant_before(client->since, oldest->since)))
			oldest = client;
	}
	return oldest;
}

/* There is one that is free, or can be. */
static struct client *find_place(struct ctlsock *c, bool privileged)
{
	struct client *client = free_place(c);

	if (client && (privileged || count_others(c) < CTLSOCK_OTHERS))
		return client;
	client = oldest_other(c);
	if (client)
		client_close(client);
	return client;
}

static void client_take(struct ctlsock *c, struct client *client, int fd, bool privileged,
			struct instant now)
{
	client->source =
		(struct loop_source){ .fd = fd, .events = LOOP_READ, .ready = client_ready };
	client->since = now;
	client->privileged = privileged;
	client->used = 0;
	if (loop_add(c->loop, &client->source) < 0) {
		close(fd);
		client->source.fd = -1;
	}
}

static void listener_ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct ctlsock *c = container_of(source, struct ctlsock, listener);
	bool privileged;
	int fd;

	(void)events;
	if (c->taken >= CTLSOCK_RATE || (!free_place(c) && !oldest_other(c))) {
		set_events(c, source, 0);
		return;
	}
	fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		c->taken++;
		privileged = ctlsock_privileged(user_of(fd));
		client_take(c, find_place(c, privileged), fd, privileged, now);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		set_events(c, source, 0);
	}
}

void ctlsock_tick(struct ctlsock *c, struct instant now)
{
	for (size_t i = 0; i < COUNT_OF(c->clients); i++) {
		struct client *client = &c->clients[i];

		if (client->source.fd >= 0 &&
		    instant_between(client->since, now) >= CTLSOCK_PATIENCE)
			client_close(client);
		else if (client->source.fd >= 0 && !client->answer)
			set_events(c, &client->source, LOOP_READ);
	}
	c->taken = 0;
	c->spent = 0;
	listen_again(c);
}

int ctlsock_folder_make(const char *folder)
{
	if (mkdir(folder, 0755) == 0)
		chmod(folder, 0755); /* whatever the umask */
	else if (errno != EEXIST)
		return -errno;
	return 0;
}

/* ---- listening --------------------------------------------------------- */

/* The folder of the path, made when it is missing. -errno, or a descriptor. */
static int folder_open(const char *path)
{
	char folder[sizeof(((struct sockaddr_un *)0)->sun_path)] = ".";
	const char *slash = strrchr(path, '/');
	int fd, error;

	if (slash) /* of "/a.sock" the slash itself is the folder */
		snprintf(folder, sizeof(folder), "%.*s", (int)MAX(slash - path, 1), path);
	error = ctlsock_folder_make(folder);
	if (error)
		return error;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Two that start at once take turns.  Somebody else who holds the lock for ever
 * does not keep us from starting. */
static void folder_lock(int fd)
{
	for (int i = 0; i < LOCK_TRIES && flock(fd, LOCK_EX | LOCK_NB) < 0; i++)
		usleep(LOCK_WAIT_US);
}

static int clear_stale(const struct sockaddr_un *name)
{
	struct stat st;
	int fd, error;

	if (lstat(name->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	error = connect(fd, (const struct sockaddr *)name, sizeof(*name)) < 0 ? errno : 0;
	close(fd);
	if (error == ENOENT)
		return 0;
	if (error != ECONNREFUSED)
		return error == EACCES || error == EPERM ? -error : -EADDRINUSE;
	return unlink(name->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

static int listen_at(struct ctlsock *c, int fd)
{
	const struct sockaddr_un *name = &c->name;
	struct stat st;
	int error = clear_stale(name);

	if (error)
		return error;
	/* The mode is there before the name is, and never wider. */
	if (fchmod(fd, 0660) < 0 || bind(fd, (const struct sockaddr *)name, sizeof(*name)) < 0)
		return -errno;
	if (chmod(name->sun_path, 0660) == 0 && lstat(name->sun_path, &st) == 0 &&
	    listen(fd, BACKLOG) == 0) {
		c->dev = st.st_dev;
		c->ino = st.st_ino;
		return 0;
	}
	error = -errno;
	unlink(name->sun_path);
	return error;
}

static int listen_locked(struct ctlsock *c, int fd)
{
	int folder = folder_open(c->name.sun_path), error;

	if (folder < 0)
		return folder;
	folder_lock(folder);
	error = listen_at(c, fd);
	close(folder);
	return error;
}

static void remove_name(const struct ctlsock *c)
{
	struct stat st;

	if (lstat(c->name.sun_path, &st) == 0 && st.st_dev == c->dev && st.st_ino == c->ino)
		unlink(c->name.sun_path);
}

static int start(struct ctlsock *c)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error;

	if (fd < 0)
		return -errno;
	c->listener =
		(struct loop_source){ .fd = fd, .events = LOOP_READ, .ready = listener_ready };
	error = listen_locked(c, fd);
	if (!error) {
		error = loop_add(c->loop, &c->listener);
		if (!error)
			return 0;
		remove_name(c);
	}
	close(fd);
	return error;
}

int ctlsock_open(struct ctlsock **out, struct loop *loop, const char *path, ctlsock_handler handler,
		 void *ctx)
{
	struct ctlsock *c = calloc(1, sizeof(*c));
	int error = -ENAMETOOLONG;

	if (!c)
		return -ENOMEM;
	c->loop = loop;
	c->handler = handler;
	c->ctx = ctx;
	for (size_t i = 0; i < COUNT_OF(c->clients); i++) {
		c->clients[i].source.fd = -1;
		c->clients[i].owner = c;
	}
	if (ctlsock_name(&c->name, path))
		error = start(c);
	if (error)
		free(c);
	else
		*out = c;
	return error;
}

void ctlsock_close(struct ctlsock *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < COUNT_OF(c->clients); i++) {
		if (c->clients[i].source.fd >= 0)
			client_close(&c->clients[i]);
	}
	loop_remove(c->loop, &c->listener);
	remove_name(c);
	close(c->listener.fd);
	free(c);
}
