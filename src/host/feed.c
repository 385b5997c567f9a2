/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  The queue is a ring of bytes under a lock, which is held for a
 * copy, or for a send that does not wait.  Who puts the first record into an empty ring
 * wakes the loop by an eventfd; the loop's thread sends, and waits for the descriptor to
 * be writable when the reader is behind.
 */
#include "host/feed.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/list.h"

#define SEND_MOST ((size_t)256 * 1024) /* in one turn of the loop */

struct feed {
	struct loop_source source, wake;
	struct loop *loop;
	feed_handler gone;
	void *ctx;
	pthread_mutex_t lock;
	size_t room, used, first; /* of ring: bytes, bytes that wait, where they begin */
	uint64_t dropped;
	uint64_t taken;
	bool over; /* the reader is gone */
	char word[FEED_WORD];
	uint8_t ring[];
};

static void append(struct feed *feed, const uint8_t *bytes, size_t len)
{
	size_t at = (feed->first + feed->used) % feed->room;
	size_t before_end = MIN(len, feed->room - at);

	memcpy(feed->ring + at, bytes, before_end);
	memcpy(feed->ring, bytes + before_end, len - before_end);
	feed->used += len;
}

static void watch(struct feed *feed, uint32_t events)
{
	if (feed->source.events == events)
		return;
	feed->source.events = events;
	loop_change(feed->loop, &feed->source);
}

bool feed_put(struct feed *feed, const struct iovec *pieces, unsigned n)
{
	size_t len = 0;
	bool fits, first;

	for (unsigned i = 0; i < n; i++)
		len += pieces[i].iov_len;
	pthread_mutex_lock(&feed->lock);
	fits = !feed->over && len <= feed->room - feed->used;
	first = fits && len && feed->used == 0;
	feed->dropped += !fits;
	for (unsigned i = 0; fits && i < n; i++)
		append(feed, pieces[i].iov_base, pieces[i].iov_len);
	pthread_mutex_unlock(&feed->lock);
	if (first)
		eventfd_write(feed->wake.fd, 1);
	return fits;
}

/* False when nobody reads any more. */
static bool send_some(struct feed *feed)
{
	size_t len = MIN(feed->used, SEND_MOST), before_end = MIN(len, feed->room - feed->first);
	struct iovec parts[] = { { feed->ring + feed->first, before_end },
				 { feed->ring, len - before_end } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = COUNT_OF(parts) };
	ssize_t n = len ? sendmsg(feed->source.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	feed->first = (feed->first + (size_t)n) % feed->room;
	feed->used -= (size_t)n;
	feed->taken += (size_t)n;
	return true;
}

/* Readers have no more to say than goodbye: a byte, or the end, and they are gone. */
static bool is_gone(struct feed *feed)
{
	ssize_t n = recv(feed->source.fd, feed->word, sizeof(feed->word) - 1, MSG_DONTWAIT);

	feed->word[MAX(n, 0)] = '\0';
	return n >= 0 || (errno != EAGAIN && errno != EINTR);
}

static void send_or_end(struct feed *feed, bool lost)
{
	bool behind;

	pthread_mutex_lock(&feed->lock);
	feed->over = lost || (!send_some(feed) && is_gone(feed));
	behind = feed->used > 0;
	pthread_mutex_unlock(&feed->lock);
	if (!feed->over) {
		watch(feed, behind ? LOOP_READ | LOOP_WRITE : LOOP_READ);
		return;
	}
	loop_remove(feed->loop, &feed->source);
	loop_remove(feed->loop, &feed->wake);
	feed->gone(feed->ctx, feed);
}

static void reader_ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct feed *feed = container_of(source, struct feed, source);

	(void)now;
	send_or_end(feed, (events & (LOOP_READ | LOOP_ERROR)) && is_gone(feed));
}

static void woken(struct loop_source *source, uint32_t events, struct instant now)
{
	struct feed *feed = container_of(source, struct feed, wake);
	eventfd_t count;

	(void)events;
	(void)now;
	eventfd_read(source->fd, &count);
	send_or_end(feed, false);
}

static struct feed *new_or_close(int fd, size_t room)
{
	struct feed *feed = malloc(sizeof(*feed) + room);

	if (feed) {
		*feed = (struct feed){ .room = room };
		feed->source = (struct loop_source){ .fd = fd,
						     .events = LOOP_READ,
						     .ready = reader_ready };
		feed->wake = (struct loop_source){ .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
						   .events = LOOP_READ,
						   .ready = woken };
		if (feed->wake.fd >= 0 && pthread_mutex_init(&feed->lock, NULL) == 0)
			return feed;
		if (feed->wake.fd >= 0)
			close(feed->wake.fd);
	}
	close(fd);
	free(feed);
	return NULL;
}

struct feed *feed_new(struct loop *loop, int fd, size_t room, feed_handler gone, void *ctx)
{
	struct feed *feed = new_or_close(fd, room);

	if (!feed)
		return NULL;
	feed->loop = loop;
	feed->gone = gone;
	feed->ctx = ctx;
	if (loop_add(loop, &feed->source) == 0 && loop_add(loop, &feed->wake) == 0)
		return feed;
	feed_free(feed);
	return NULL;
}

void feed_free(struct feed *feed)
{
	if (!feed)
		return;
	if (!feed->over)
		send_some(feed);
	loop_remove(feed->loop, &feed->source);
	loop_remove(feed->loop, &feed->wake);
	close(feed->source.fd);
	close(feed->wake.fd);
	pthread_mutex_destroy(&feed->lock);
	free(feed);
}

uint64_t feed_dropped(struct feed *feed)
{
	uint64_t dropped;

	pthread_mutex_lock(&feed->lock);
	dropped = feed->dropped;
	pthread_mutex_unlock(&feed->lock);
	return dropped;
}

bool feed_is_behind(struct feed *feed, uint64_t *taken)
{
	bool behind;

	pthread_mutex_lock(&feed->lock);
	behind = feed->used > 0;
	*taken = feed->taken;
	pthread_mutex_unlock(&feed->lock);
	return behind;
}

const char *feed_word(const struct feed *feed)
{
	return feed->word;
}
