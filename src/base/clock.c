/* SPDX-License-Identifier: MIT */
#include <time.h>

#include "base/clock.h"

struct instant clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (struct instant){ SECONDS(t.tv_sec) + t.tv_nsec / 1000 };
}

int64_t clock_wall_seconds(void)
{
	return time(NULL);
}

int64_t clock_wall_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return SECONDS(t.tv_sec) + t.tv_nsec / 1000;
}
