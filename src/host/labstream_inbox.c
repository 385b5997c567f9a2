/* SPDX-License-Identifier: MIT */
#include "labstream_inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"

_Static_assert(LABSTREAM_INBOX > LABSTREAM_PREFIX + LABSTREAM_FRAME, "the longest frame has room");

bool labstream_inbox_init(struct labstream_inbox *inbox, size_t headroom)
{
	inbox->headroom = headroom;
	inbox->arena = malloc(LABSTREAM_INBOX + LABSTREAM_BATCH * headroom);
	return inbox->arena;
}

void labstream_inbox_free(struct labstream_inbox *inbox)
{
	free(inbox->arena);
}

ssize_t labstream_inbox_read(struct labstream_inbox *inbox, int fd)
{
	ssize_t n;

	memmove(inbox->bytes, inbox->bytes + inbox->first, inbox->used);
	inbox->first = 0;
	n = recv(fd, inbox->bytes + inbox->used, LABSTREAM_INBOX - inbox->used, MSG_DONTWAIT);
	inbox->used += n > 0 ? (size_t)n : 0;
	return n;
}

int labstream_inbox_take(struct labstream_inbox *inbox, struct iovec frames[LABSTREAM_BATCH])
{
	struct rd rd = rd_make(inbox->bytes + inbox->first, inbox->used);
	uint8_t *at = inbox->arena;
	bool believed = true;
	int n = 0;

	while (n < LABSTREAM_BATCH && rd.left >= LABSTREAM_PREFIX) {
		size_t len = be32_get(rd.p);

		believed = len > 0 && len <= LABSTREAM_FRAME;
		if (!believed || rd.left - LABSTREAM_PREFIX < len)
			break;
		at += inbox->headroom;
		memcpy(at, rd.p + LABSTREAM_PREFIX, len);
		frames[n++] = (struct iovec){ at, len };
		at += len;
		rd_bytes(&rd, LABSTREAM_PREFIX + len);
	}
	inbox->first += inbox->used - rd.left;
	inbox->used = rd.left;
	return n || believed ? n : -EBADMSG;
}
