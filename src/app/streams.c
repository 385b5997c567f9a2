/* SPDX-License-Identifier: MIT */
#include "app/streams.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/bytes.h"

#define LEFT_BYTES ((size_t)256 * 1024)

/* Datagrams of other workers: to u32 | length u16 | bytes */
struct left {
	pthread_mutex_t lock;
	size_t used;
	uint8_t *bytes[2]; /* one is filled while the other is sent */
};

struct streams {
	struct stream *stream[LINKS_MAX];
	struct left left;
};

int streams_init(struct node *node)
{
	struct streams *all = calloc(1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	node->streams = all;
	pthread_mutex_init(&all->left.lock, NULL);
	for (unsigned i = 0; i < 2 && node->n_workers > 1; i++) {
		all->left.bytes[i] = malloc(LEFT_BYTES);
		if (!all->left.bytes[i])
			return -ENOMEM;
	}
	return 0;
}

void streams_free(struct node *node)
{
	struct streams *all = node->streams;

	if (!all)
		return;
	free(all->left.bytes[0]);
	free(all->left.bytes[1]);
	pthread_mutex_destroy(&all->left.lock);
	free(all);
	node->streams = NULL;
}

void streams_set(struct node *node, unsigned link, struct stream *stream)
{
	node->streams->stream[link] = stream;
}

struct stream *streams_find(const struct node *node, const struct addr *addr)
{
	for (unsigned i = 0; i < LINKS_MAX; i++) {
		struct stream *stream = node->streams->stream[i];

		if (stream && stream_number(stream) == addr_stream_number(addr))
			return stream;
	}
	return NULL;
}

/* The main thread finds it when it is woken. */
static bool leave(struct left *left, const struct run *run)
{
	size_t need = run->len + (size_t)run->count * 6u;
	uint8_t *at;
	bool room;

	pthread_mutex_lock(&left->lock);
	room = left->used + need <= LEFT_BYTES;
	at = left->bytes[0] + left->used;
	for (size_t done = 0; room && done < run->len; done += run->segment) {
		uint16_t len = (uint16_t)MIN((size_t)run->segment, run->len - done);

		memcpy(at, run->to.ip, 4);
		be16_put(at + 4, len);
		memcpy(at + 6, run->data + done, len);
		at += 6 + len;
	}
	if (room)
		left->used = (size_t)(at - left->bytes[0]);
	pthread_mutex_unlock(&left->lock);
	return room;
}

void streams_send(struct worker *w, struct run *run)
{
	struct node *node = w->node;
	struct stream *stream;

	if (w->number) {
		run->error = leave(&node->streams->left, run) ? 0 : ENOBUFS;
		eventfd_write(node->wake_source.fd, 1);
		return;
	}
	stream = streams_find(node, &run->to);
	run->error = EPIPE;
	if (stream)
		run->error = captures_stream_run(&node->captures, stream, run, node->loop.now) ? 0 : ENOBUFS;
}

static const uint8_t *take_left(struct left *left, size_t *len)
{
	uint8_t *bytes;

	pthread_mutex_lock(&left->lock);
	bytes = left->bytes[0];
	left->bytes[0] = left->bytes[1];
	left->bytes[1] = bytes;
	*len = left->used;
	left->used = 0;
	pthread_mutex_unlock(&left->lock);
	return bytes;
}

void streams_drain(struct node *node)
{
	size_t len;
	const uint8_t *bytes = take_left(&node->streams->left, &len);

	for (size_t at = 0; at < len; at += 6u + be16_get(bytes + at + 4)) {
		struct addr to = addr_stream(be32_get(bytes + at));
		struct stream *stream = streams_find(node, &to);
		size_t packet = be16_get(bytes + at + 4);

		if (stream && captures_on(&node->captures, CAPTURES_WIRE))
			captures_stream_send(&node->captures, stream, &to, bytes + at + 6, packet,
					     packet, node->loop.now);
		else if (stream)
			stream_send(stream, bytes + at + 6, packet, packet);
	}
	for (unsigned i = 0; len && i < LINKS_MAX; i++) {
		if (node->streams->stream[i])
			stream_flush(node->streams->stream[i]);
	}
}
